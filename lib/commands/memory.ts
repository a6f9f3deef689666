/** MEMORY and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const MEMORY_COMMANDS: readonly CommandSpec[] = [];
