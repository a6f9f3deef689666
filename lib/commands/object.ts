/** OBJECT and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const OBJECT_COMMANDS: readonly CommandSpec[] = [];
