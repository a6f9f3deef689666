/** SORT and SORT_RO. */
import type { CommandSpec } from "./spec.ts";

export const SORT_COMMANDS: readonly CommandSpec[] = [];
