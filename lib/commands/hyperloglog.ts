/** HyperLogLog: PFADD and its family. */
import type { CommandSpec } from "./spec.ts";

export const HYPERLOGLOG_COMMANDS: readonly CommandSpec[] = [];
