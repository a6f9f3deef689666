/**
 * Hashes: HSET, HGET and their family. Fields that are counted up stand in `hash_counter.ts`,
 * HRANDFIELD and HSCAN in `hash_walk.ts`.
 */
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { EVENT } from "../store/events.ts";
import { type HashLimits, NO_FIELD } from "../store/hash_value.ts";
import type { Span } from "../store/string_value.ts";
import { hash, hashLimits, openOrCreate, openToRead, openToWrite } from "./hash_access.ts";
import { HASH_COUNTER_COMMANDS } from "./hash_counter.ts";
import { HASH_WALK_COMMANDS } from "./hash_walk.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const HASH_COMMANDS = [
  {
    name: "hset",
    arity: -4,
    flags: ["write", "denyoom", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1) for each field, so O(N) for N of them",
    summary: "Sets fields of a hash; tells how many are new.",
    syntax: "key:key data:{field:string value:string}...",
    keys: keys("RW update"),
    history: [["4.0.0", "Takes several fields."]],
    handler: hset,
  },
  {
    name: "hsetnx",
    arity: 4,
    flags: ["write", "denyoom", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Sets a field of a hash unless it is there.",
    syntax: "key:key field:string value:string",
    keys: keys("RW insert"),
    handler: hsetnx,
  },
  {
    name: "hmset",
    arity: -4,
    flags: ["write", "denyoom", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the number of fields",
    summary: "Sets fields of a hash.",
    syntax: "key:key data:{field:string value:string}...",
    keys: keys("RW update"),
    deprecatedSince: "4.0.0",
    replacedBy: "`HSET` with multiple field-value pairs",
    handler: hmset,
  },
  {
    name: "hget",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Returns a field of a hash.",
    syntax: "key:key field:string",
    keys: keys("RO access"),
    handler: hget,
  },
  {
    name: "hmget",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the number of fields asked for",
    summary: "Returns several fields of a hash.",
    syntax: "key:key field:string...",
    keys: keys("RO access"),
    handler: hmget,
  },
  {
    name: "hgetall",
    arity: 2,
    flags: ["readonly"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the size of the hash",
    summary: "Returns all fields of a hash with their values.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output_order"],
    traits: ["cost_in_reply"],
    handler: hgetall,
  },
  {
    name: "hdel",
    arity: -3,
    flags: ["write", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the number of fields named",
    summary: "Removes fields of a hash, and the key with the last one.",
    syntax: "key:key field:string...",
    keys: keys("RW delete"),
    history: [["2.4.0", "Takes several fields."]],
    handler: hdel,
  },
  {
    name: "hexists",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Tells whether a hash has a field.",
    syntax: "key:key field:string",
    keys: keys("RO"),
    handler: hexists,
  },
  {
    name: "hlen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Counts the fields of a hash.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: hlen,
  },
  {
    name: "hstrlen",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "hash",
    since: "3.2.0",
    complexity: "O(1)",
    summary: "Returns the length of a field's value.",
    syntax: "key:key field:string",
    keys: keys("RO"),
    handler: hstrlen,
  },
  {
    name: "hkeys",
    arity: 2,
    flags: ["readonly"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the size of the hash",
    summary: "Returns the names of all fields of a hash.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output_order"],
    traits: ["cost_in_reply"],
    handler: (client, args) => replyAll(client, args, NAMES),
  },
  {
    name: "hvals",
    arity: 2,
    flags: ["readonly"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(N), N being the size of the hash",
    summary: "Returns the values of all fields of a hash.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output_order"],
    traits: ["cost_in_reply"],
    handler: (client, args) => replyAll(client, args, VALUES),
  },
  ...HASH_COUNTER_COMMANDS,
  ...HASH_WALK_COMMANDS,
] as const satisfies readonly CommandSpec[];

// ---- setting and removing --------------------------------------------------------------------------

function hset(client: Client, args: Args): void {
  client.reply.integer(setAll(client, args, "hset"));
}

function hmset(client: Client, args: Args): void {
  setAll(client, args, "hmset");
  client.reply.ok();
}

/** Sets the pairs of arguments from 2 on; returns how many fields are new. */
function setAll(client: Client, args: Args, command: string): number {
  const { count } = args;
  if (count % 2 === 1) {
    throw new ReplyError(`ERR wrong number of arguments for '${command}' command`);
  }
  openOrCreate(client, args);
  const limits = hashLimits(client);
  // So many are most likely distinct: the listpack would not stay.
  if (count - 2 > 2 * limits.maxFields && hash.table === undefined) hash.becomeTable();
  let added = 0;
  for (let i = 2; i < count; i += 2) if (setField(args, i, limits)) added++;
  client.changed(args, 1, EVENT.hash, "hset");
  client.server.effects.dirty += (count - 2) / 2 - 1;
  return added;
}

/** Sets the field that is argument `i` to the one behind it; returns whether it is new. */
function setField(args: Args, i: number, limits: HashLimits): boolean {
  const { buf } = args;
  return hash.set(
    buf,
    args.off(i),
    args.len(i),
    buf,
    args.off(i + 1),
    args.len(i + 1),
    limits,
  );
}

function hsetnx(client: Client, args: Args): void {
  openOrCreate(client, args);
  if (hash.find(args.buf, args.off(2), args.len(2)) !== NO_FIELD) return client.reply.integer(0);
  setField(args, 2, hashLimits(client));
  client.changed(args, 1, EVENT.hash, "hset");
  client.reply.integer(1);
}

function hdel(client: Client, args: Args): void {
  const { db, reply, server } = client;
  if (!openToWrite(client, args)) return reply.integer(0);
  let deleted = 0;
  for (let i = 2; i < args.count && hash.length > 0; i++) {
    if (hash.delete(args.buf, args.off(i), args.len(i))) deleted++;
  }
  if (deleted > 0) {
    client.changed(args, 1, EVENT.hash, "hdel");
    server.effects.dirty += deleted - 1;
    if (hash.length === 0) {
      db.remove(hash.entry);
      client.changed(args, 1, EVENT.generic, "del");
      server.effects.dirty--;
    }
  }
  reply.integer(deleted);
}

// ---- reading ---------------------------------------------------------------------------------------

function hget(client: Client, args: Args): void {
  if (!openToRead(client, args)) return client.reply.nil();
  replyField(client, args, 2);
}

function hmget(client: Client, args: Args): void {
  const { reply } = client;
  const there = openToRead(client, args);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    if (there) replyField(client, args, i);
    else reply.nil();
  }
}

/** Replies the value of the field that argument `i` names, or nil. */
function replyField({ reply }: Client, args: Args, i: number): void {
  const field = hash.find(args.buf, args.off(i), args.len(i));
  if (field === NO_FIELD) reply.nil();
  else replySpan(reply, hash.value(field));
}

function replySpan(reply: ReplyWriter, { buf, off, len }: Span): void {
  reply.bulk(buf, off, len);
}

function hexists(client: Client, args: Args): void {
  const there = openToRead(client, args) &&
    hash.find(args.buf, args.off(2), args.len(2)) !== NO_FIELD;
  client.reply.integer(there ? 1 : 0);
}

function hlen(client: Client, args: Args): void {
  client.reply.integer(openToRead(client, args) ? hash.length : 0);
}

function hstrlen(client: Client, args: Args): void {
  const field = openToRead(client, args) ? hash.find(args.buf, args.off(2), args.len(2)) : NO_FIELD;
  client.reply.integer(field === NO_FIELD ? 0 : hash.value(field).len);
}

const NAMES = 1;
const VALUES = 2;

function hgetall(client: Client, args: Args): void {
  if (!openToRead(client, args)) return client.reply.map(0);
  client.reply.map(hash.length);
  replyFields(client, NAMES | VALUES);
}

function replyAll(client: Client, args: Args, parts: number): void {
  if (!openToRead(client, args)) return client.reply.array(0);
  client.reply.array(hash.length);
  replyFields(client, parts);
}

/** Replies all fields' names, values, or both. */
function replyFields({ reply }: Client, parts: number): void {
  hash.rewind();
  for (let field = hash.next(); field !== NO_FIELD; field = hash.next()) {
    if ((parts & NAMES) !== 0) replySpan(reply, hash.name(field));
    if ((parts & VALUES) !== 0) replySpan(reply, hash.value(field));
  }
}
