/** MONITOR. */
import type { CommandSpec } from "./spec.ts";

export const MONITOR_COMMANDS: readonly CommandSpec[] = [];
