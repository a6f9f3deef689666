/**
 * MULTI, EXEC, DISCARD, WATCH, UNWATCH. The router queues (`lib/server/router.ts`); the queue and
 * the watched keys are kept in `lib/server/transactions.ts`.
 */
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import { Transaction } from "../server/transactions.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const TRANSACTION_COMMANDS = [
  {
    name: "multi",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Begins a transaction.",
    syntax: "",
    traits: ["unqueued"],
    handler: multi,
  },
  {
    name: "exec",
    arity: 1,
    flags: ["noscript", "loading", "stale", "skip_slowlog"],
    group: "transactions",
    since: "1.2.0",
    complexity: "That of the queued commands.",
    summary: "Runs the commands of a transaction.",
    syntax: "",
    traits: ["unqueued", "executes_queue"],
    handler: exec,
  },
  {
    name: "discard",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "2.0.0",
    complexity: "O(N), N being the number of queued commands.",
    summary: "Drops a transaction.",
    syntax: "",
    traits: ["unqueued"],
    handler: discard,
  },
  {
    name: "watch",
    arity: -2,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "2.2.0",
    complexity: "O(1) for every key.",
    summary: "Lets the next EXEC fail if one of these keys has changed by then.",
    syntax: "key:key...",
    keys: keys("RO", 1, -1),
    traits: ["unqueued"],
    handler: watch,
  },
  {
    name: "unwatch",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Forgets all watched keys.",
    syntax: "",
    handler: unwatch,
  },
] as const satisfies readonly CommandSpec[];

const NESTED_MULTI = new ReplyError("ERR MULTI calls can not be nested");
const EXEC_WITHOUT_MULTI = new ReplyError("ERR EXEC without MULTI");
const DISCARD_WITHOUT_MULTI = new ReplyError("ERR DISCARD without MULTI");
const WATCH_INSIDE_MULTI = new ReplyError("ERR WATCH inside MULTI is not allowed");
const ABORTED = new ReplyError("EXECABORT Transaction discarded because of previous errors.");

function multi(client: Client): void {
  if (client.transaction !== undefined) throw NESTED_MULTI;
  client.transaction = new Transaction();
  client.setGate(GATE.multi, true);
  client.reply.ok();
}

function exec(client: Client): void {
  const { transaction, server, reply } = client;
  if (transaction === undefined) throw EXEC_WITHOUT_MULTI;
  const changed = client.watchBroken || server.watches.hasExpired(client);
  if (transaction.refused || changed) {
    client.discard();
    if (transaction.refused) throw ABORTED;
    return reply.nilArray();
  }
  // What the commands change themselves is not watched any more. The transaction stays in place
  // until they are done: that is how a blocking command knows that it must not wait.
  server.watches.unwatch(client);
  reply.array(transaction.count);
  transaction.run(client);
  client.discard();
}

function discard(client: Client): void {
  if (client.transaction === undefined) throw DISCARD_WITHOUT_MULTI;
  client.discard();
  client.reply.ok();
}

function watch(client: Client, args: Args): void {
  if (client.transaction !== undefined) throw WATCH_INSIDE_MULTI;
  const { server } = client;
  for (let i = 1; i < args.count; i++) {
    server.watches.watch(client, args.buf, args.off(i), args.len(i));
  }
  server.noteWaiting(client);
  client.reply.ok();
}

function unwatch(client: Client): void {
  client.server.watches.unwatch(client);
  client.reply.ok();
}
