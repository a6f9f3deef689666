/** All commands: the families' tables, joined. */
import { CONNECTION_COMMANDS } from "./connection.ts";
import type { CommandSpec } from "./spec.ts";
import { STRING_COMMANDS } from "./string.ts";

export const COMMANDS: readonly CommandSpec[] = [
  ...CONNECTION_COMMANDS,
  ...STRING_COMMANDS,
];
