/** SLOWLOG. */
import { parseInt64 } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

const HELP = [
  "GET [<count>]",
  "    The latest <count> entries (10 unless given; -1 is all), newest first. Each has",
  "    its ID, its time, how many microseconds it took, the arguments, and the",
  "    client's address and name.",
  "LEN",
  "    How many entries there are.",
  "RESET",
  "    Forget all entries.",
];

export const SLOWLOG_COMMANDS = [
  {
    name: "slowlog",
    arity: -2,
    flags: [],
    group: "server",
    since: "2.2.12",
    complexity: "Depends on the subcommand.",
    summary: "Shows and clears the log of slow commands.",
    syntax: "",
    subcommands: [
      {
        name: "get",
        arity: -2,
        flags: ["admin", "loading", "stale"],
        group: "server",
        since: "2.2.12",
        complexity: "O(N) for N entries shown",
        summary: "Returns the latest entries.",
        syntax: "[count:integer]",
        tips: ["request_policy:all_nodes", "nondeterministic_output"],
        history: [["4.0.0", "Entries have the client's address and name."]],
        handler: slowlogGet,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "server",
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("slowlog", HELP),
      },
      {
        name: "len",
        arity: 2,
        flags: ["admin", "loading", "stale"],
        group: "server",
        since: "2.2.12",
        complexity: "O(1)",
        summary: "Counts the entries.",
        syntax: "",
        tips: ["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        handler: ({ reply, server }) => reply.integer(server.slowlog.entries.length),
      },
      {
        name: "reset",
        arity: 2,
        flags: ["admin", "loading", "stale"],
        group: "server",
        since: "2.2.12",
        complexity: "O(N) for N entries",
        summary: "Forgets all entries.",
        syntax: "",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: slowlogReset,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

const BAD_COUNT = new ReplyError("ERR count should be greater than or equal to -1");
const DEFAULT_COUNT = 10;

function slowlogGet(client: Client, args: Args): void {
  const { reply, server } = client;
  if (args.count > 3) throw subcommandSyntaxError(args);
  let count = DEFAULT_COUNT;
  if (args.count === 3) {
    const given = parseInt64(args.buf, args.off(2), args.len(2));
    if (given === undefined || given < -1n) throw BAD_COUNT;
    count = Number(given);
  }
  const { entries } = server.slowlog;
  const shown = count === -1 ? entries : entries.slice(0, count);
  reply.array(shown.length);
  for (const entry of shown) {
    reply.array(6);
    reply.integer(entry.id);
    reply.integer(entry.timeSeconds);
    reply.integer(entry.usec);
    reply.array(entry.args.length);
    for (const arg of entry.args) reply.bulk(arg);
    reply.bulk(latin1Bytes(entry.peer));
    reply.bulk(latin1Bytes(entry.clientName));
  }
}

function slowlogReset({ reply, server }: Client): void {
  server.slowlog.entries = [];
  reply.ok();
}
