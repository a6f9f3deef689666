/**
 * HELP of the commands that have subcommands: Redis's first and last lines around what each
 * subcommand has to say, each a simple string; and the error that points there.
 */
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Handler } from "./spec.ts";

/** Redis's bound on how much of a subcommand's name an error repeats. */
const ECHOED_NAME = 128;

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

/** The error of a subcommand whose arity lets pass more arguments than it knows what to do with. */
export function subcommandSyntaxError(args: Args): ReplyError {
  const subcommand = cString(args.text(1)).slice(0, ECHOED_NAME);
  return new ReplyError(
    `ERR unknown subcommand or wrong number of arguments for '${subcommand}'. ` +
      `Try ${args.text(0).toUpperCase()} HELP.`,
  );
}
