/** Redino's own version: deno.json's, which a test compares with it. */
export const VERSION = "0.1.0";
