/** The connection itself: PING, ECHO and their family. */
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import type { CommandSpec } from "./spec.ts";

export const CONNECTION_COMMANDS = [
  {
    name: "ping",
    arity: -1,
    flags: ["fast"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Answers PONG, or the argument.",
    syntax: "[message:string]",
    traits: ["while_subscribed", "fails_with_disk"],
    handler: ping,
  },
] as const satisfies readonly CommandSpec[];

function ping(client: Client, args: Args): void {
  if (args.count > 2) {
    throw new ReplyError("ERR wrong number of arguments for 'ping' command");
  }
  const { reply } = client;
  if ((client.gates & GATE.subscribed) !== 0) {
    reply.array(2);
    reply.bulkText("pong");
    if (args.count === 1) reply.bulkText("");
    else reply.bulk(args.buf, args.off(1), args.len(1));
  } else if (args.count === 1) reply.pong();
  else reply.bulk(args.buf, args.off(1), args.len(1));
}
