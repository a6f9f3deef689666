/** Expiry: EXPIRE, TTL and their family. */
import type { CommandSpec } from "./spec.ts";

export const EXPIRE_COMMANDS: readonly CommandSpec[] = [];
