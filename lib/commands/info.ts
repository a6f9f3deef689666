/** INFO. */
import type { CommandSpec } from "./spec.ts";

export const INFO_COMMANDS: readonly CommandSpec[] = [];
