/** Lists: the commands that wait. */
import type { CommandSpec } from "./spec.ts";

export const LIST_BLOCKING_COMMANDS: readonly CommandSpec[] = [];
