/** COMMAND and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const INTROSPECTION_COMMANDS: readonly CommandSpec[] = [];
