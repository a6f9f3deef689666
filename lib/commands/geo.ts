/** Geo: positions in sorted sets. */
import type { CommandSpec } from "./spec.ts";

export const GEO_COMMANDS: readonly CommandSpec[] = [];
