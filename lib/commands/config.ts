/** CONFIG and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const CONFIG_COMMANDS: readonly CommandSpec[] = [];
