/** Streams. */
import type { CommandSpec } from "./spec.ts";

export const STREAM_COMMANDS: readonly CommandSpec[] = [];
