/** Sorted sets. */
import type { CommandSpec } from "./spec.ts";

export const ZSET_COMMANDS: readonly CommandSpec[] = [];
