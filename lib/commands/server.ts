/** The server as a whole: DBSIZE, FLUSHALL, SHUTDOWN and their family. */
import { parseInteger } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import type { Server } from "../server/server.ts";
import type { Database } from "../store/database.ts";
import { lolwut } from "./lolwut.ts";
import { SLOWLOG_COMMANDS } from "./slowlog.ts";
import type { CommandSpec } from "./spec.ts";

export const SERVER_COMMANDS = [
  ...SLOWLOG_COMMANDS,
  {
    name: "dbsize",
    arity: 1,
    flags: ["readonly", "fast"],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Counts the keys of the database.",
    syntax: "",
    acl: ["keyspace"],
    tips: ["request_policy:all_shards", "response_policy:agg_sum"],
    handler: ({ db, reply }) => reply.integer(db.size),
  },
  {
    name: "flushdb",
    arity: -1,
    flags: ["write"],
    group: "server",
    since: "1.0.0",
    complexity: "O(N) for N watched keys",
    summary: "Removes all keys of the database.",
    syntax: "[flush-type:(ASYNC@4.0.0|SYNC@6.2.0)]",
    acl: ["keyspace", "dangerous"],
    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    history: [["4.0.0", "Takes `ASYNC`."], ["6.2.0", "Takes `SYNC`."]],
    handler: flushdb,
  },
  {
    name: "flushall",
    arity: -1,
    flags: ["write"],
    group: "server",
    since: "1.0.0",
    complexity: "O(N) for N watched keys",
    summary: "Removes all keys of all databases.",
    syntax: "[flush-type:(ASYNC@4.0.0|SYNC@6.2.0)]",
    acl: ["keyspace", "dangerous"],
    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    history: [["4.0.0", "Takes `ASYNC`."], ["6.2.0", "Takes `SYNC`."]],
    handler: flushall,
  },
  {
    name: "swapdb",
    arity: 3,
    flags: ["write", "fast"],
    group: "server",
    since: "4.0.0",
    complexity: "O(N) for N clients of both databases",
    summary: "Exchanges the contents of two databases.",
    syntax: "index1:integer index2:integer",
    acl: ["keyspace", "dangerous"],
    handler: swapdb,
  },
  {
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "server",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Returns the server's time.",
    syntax: "",
    tips: ["nondeterministic_output"],
    handler: time,
  },
  {
    name: "lolwut",
    arity: -1,
    flags: ["readonly", "fast"],
    group: "server",
    since: "5.0.0",
    complexity: "",
    summary: "Draws a picture, and tells the version.",
    syntax: "[VERSION version:integer]",
    handler: lolwut,
  },
  {
    name: "shutdown",
    arity: -1,
    flags: ["admin", "noscript", "loading", "stale", "no_multi", "allow_busy"],
    group: "server",
    since: "1.0.0",
    complexity: "O(N) for N keys when it saves, else O(1)",
    summary: "Ends the server, after saving the data if it is set up to.",
    syntax: "[save-selector:(NOSAVE|SAVE)] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
    history: [["7.0.0", "Takes `NOW`, `FORCE` and `ABORT`."]],
    handler: shutdown,
  },
] as const satisfies readonly CommandSpec[];

const BAD_INDEX = new ReplyError("ERR DB index is out of range");

function flushdb({ db, reply, server, propagation }: Client, args: Args): void {
  checkFlush(args);
  // What is empty here may not be there.
  propagation.force();
  flush(server, db);
  server.tracking.flushed(server.clients.values());
  reply.ok();
}

function flushall({ reply, server, propagation }: Client, args: Args): void {
  checkFlush(args);
  propagation.force();
  for (const db of server.dbs) flush(server, db);
  server.persistence.flushed();
  server.tracking.flushed(server.clients.values());
  reply.ok();
}

/** ASYNC or SYNC: a database is dropped whole in either case, and the collector frees it. */
function checkFlush(args: Args): void {
  if (args.count === 1) return;
  if (args.count > 2 || !(args.is(1, "ASYNC") || args.is(1, "SYNC"))) throw SYNTAX_ERROR;
}

function flush(server: Server, db: Database): void {
  server.effects.flushing(db);
  db.clear();
}

function swapdb({ reply, server }: Client, args: Args): void {
  const { dbs } = server;
  const i = databaseIndex(args, 1, "ERR invalid first DB index");
  const j = databaseIndex(args, 2, "ERR invalid second DB index");
  const first = dbs[i];
  const second = dbs[j];
  if (first === undefined || second === undefined) throw BAD_INDEX;
  server.effects.swapping(first, second);
  dbs[i] = second;
  dbs[j] = first;
  second.number = i;
  first.number = j;
  // A client has selected a number, so what it sees changes.
  for (const client of server.clients.values()) {
    if (client.db === first) client.db = second;
    else if (client.db === second) client.db = first;
  }
  reply.ok();
}

function databaseIndex(args: Args, i: number, error: string): number {
  const index = parseInteger(args.buf, args.off(i), args.len(i));
  if (index !== (index | 0)) throw new ReplyError(error);
  return index;
}

function time({ reply, server }: Client): void {
  const { nowMs } = server.time;
  reply.array(2);
  reply.bulkInteger(Math.floor(nowMs / 1000));
  reply.bulkInteger(Math.floor(nowMs % 1000 * 1000));
}

function shutdown(client: Client, args: Args): void {
  const { reply, server } = client;
  let save: boolean | undefined;
  let now = false;
  let force = false;
  let abort = false;
  for (let i = 1; i < args.count; i++) {
    if (args.is(i, "NOW")) now = true;
    else if (args.is(i, "FORCE")) force = true;
    else if (args.is(i, "ABORT")) abort = true;
    else if (args.is(i, "SAVE") && save !== false) save = true;
    else if (args.is(i, "NOSAVE") && save !== true) save = false;
    else throw SYNTAX_ERROR;
  }
  if (abort) {
    if (now || force || save !== undefined) throw SYNTAX_ERROR;
    if (!server.shutdown.abort()) throw new ReplyError("ERR No shutdown in progress.");
    return reply.ok();
  }
  // There is no reply: the connection's end is the answer.
  server.shutdown.begin(save === undefined ? { now, force } : { save, now, force }, client);
}
