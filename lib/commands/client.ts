/** CLIENT and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const CLIENT_COMMANDS: readonly CommandSpec[] = [];
