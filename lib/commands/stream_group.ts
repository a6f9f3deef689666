/** Streams: consumer groups. */
import type { CommandSpec } from "./spec.ts";

export const STREAM_GROUP_COMMANDS: readonly CommandSpec[] = [];
