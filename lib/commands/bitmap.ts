/** Bitmaps: strings as arrays of bits. */
import type { CommandSpec } from "./spec.ts";

export const BITMAP_COMMANDS: readonly CommandSpec[] = [];
