/** LATENCY and its subcommands. */
import type { CommandSpec } from "./spec.ts";

export const LATENCY_COMMANDS: readonly CommandSpec[] = [];
