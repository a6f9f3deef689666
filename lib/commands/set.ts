/** Sets. */
import type { CommandSpec } from "./spec.ts";

export const SET_COMMANDS: readonly CommandSpec[] = [];
