/** MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
import type { CommandSpec } from "./spec.ts";

export const TRANSACTION_COMMANDS: readonly CommandSpec[] = [];
