/** DEBUG, for test suites. */
import type { CommandSpec } from "./spec.ts";

export const DEBUG_COMMANDS: readonly CommandSpec[] = [];
