/** Lists. */
import type { CommandSpec } from "./spec.ts";

export const LIST_COMMANDS: readonly CommandSpec[] = [];
