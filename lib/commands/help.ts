/**
 * HELP of the commands that have subcommands: Redis's first and last lines around what each
 * subcommand has to say. Each goes out as a simple string.
 */
import type { Handler } from "./spec.ts";

/**
 * A container's HELP. `lines` come in Redis's shape: a line with the subcommand in upper case and
 * its arguments, then lines indented by four spaces that tell what it does.
 */
export function helpHandler(container: string, lines: readonly string[]): Handler {
  const all = [
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines,
    "HELP",
    "    Prints this help.",
  ];
  return ({ reply }) => {
    reply.array(all.length);
    for (const line of all) reply.simple(line);
  };
}
