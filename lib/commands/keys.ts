/** Keys of any type: DEL, TYPE, SCAN, RENAME and their family. */
import type { CommandSpec } from "./spec.ts";

export const KEY_COMMANDS: readonly CommandSpec[] = [];
