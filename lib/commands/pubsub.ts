/** Publish and subscribe. */
import type { CommandSpec } from "./spec.ts";

export const PUBSUB_COMMANDS: readonly CommandSpec[] = [];
