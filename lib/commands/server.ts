/** The server as a whole: DBSIZE, FLUSHALL, SHUTDOWN and their family. */
import type { CommandSpec } from "./spec.ts";

export const SERVER_COMMANDS: readonly CommandSpec[] = [];
