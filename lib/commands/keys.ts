/** Keys of any type: DEL, TYPE, SCAN, RENAME and their family. */
import { globMatchAt } from "../bytes/glob.ts";
import type { Args } from "../resp/args.ts";
import { NO_SUCH_KEY, ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { copyValue } from "../store/copy_value.ts";
import { type Database, TYPE, type ValueType } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { int32Arg, sameArgs } from "./arguments.ts";
import { scanOptions } from "./scan_options.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const KEY_COMMANDS = [
  {
    name: "del",
    arity: -2,
    flags: ["write"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(N), N being the keys' number; O(M) for a collection of M elements.",
    summary: "Deletes keys.",
    syntax: "key:key...",
    keys: keys("RM delete", 1, -1),
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    handler: del,
  },
  {
    name: "unlink",
    arity: -2,
    flags: ["write", "fast"],
    group: "generic",
    since: "4.0.0",
    complexity: "O(1) a key, and as DEL for giving back the memory.",
    summary: "Deletes keys, in Redis giving back their memory in the background.",
    syntax: "key:key...",
    keys: keys("RM delete", 1, -1),
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    handler: del,
  },
  {
    name: "exists",
    arity: -2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(N), N being the keys' number.",
    summary: "Counts which of the keys exist.",
    syntax: "key:key...",
    keys: keys("RO", 1, -1),
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    history: [["3.0.3", "Takes several keys."]],
    handler: exists,
  },
  {
    name: "type",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells the type of a key's value.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: type,
  },
  {
    name: "keys",
    arity: 2,
    flags: ["readonly"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(N), N being the number of keys in the database.",
    summary: "Lists the keys that match a pattern.",
    syntax: "pattern:pattern",
    acl: ["dangerous"],
    tips: ["request_policy:all_shards", "nondeterministic_output_order"],
    handler: keysCommand,
  },
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    group: "generic",
    since: "2.8.0",
    complexity: "O(1) a call; O(N) for all N keys of the database.",
    summary: "Walks over the keys of the database, some with each call.",
    syntax: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type:string@6.0.0]",
    tips: ["nondeterministic_output", "request_policy:special", "response_policy:special"],
    history: [["6.0.0", "Has the option TYPE."]],
    handler: scan,
  },
  {
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Picks a key at random.",
    syntax: "",
    tips: ["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    handler: randomKey,
  },
  {
    name: "rename",
    arity: 3,
    flags: ["write"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Gives a key another name, in place of any key that had it.",
    syntax: "key:key newkey:key#1",
    keys: [
      { flags: "RW access delete", begin: 1, range: [0, 1, 0] },
      { flags: "OW update", begin: 2, range: [0, 1, 0] },
    ],
    handler: rename,
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Gives a key another name unless that is taken.",
    syntax: "key:key newkey:key#1",
    keys: [
      { flags: "RW access delete", begin: 1, range: [0, 1, 0] },
      { flags: "OW insert", begin: 2, range: [0, 1, 0] },
    ],
    history: [["3.2.0", "The same name twice is no error."]],
    handler: renameNx,
  },
  {
    name: "copy",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "generic",
    since: "6.2.0",
    complexity: "O(N) for a collection of N elements; O(1) for a string.",
    summary: "Copies a key's value to another key.",
    syntax: "source:key destination:key#1 [DB destination-db:integer] [REPLACE]",
    keys: [
      { flags: "RO access", begin: 1, range: [0, 1, 0] },
      { flags: "OW update", begin: 2, range: [0, 1, 0] },
    ],
    handler: copy,
  },
  {
    name: "move",
    arity: 3,
    flags: ["write", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Moves a key to another database.",
    syntax: "key:key db:integer",
    keys: keys("RW access update"),
    handler: move,
  },
  {
    name: "touch",
    arity: -2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "3.2.1",
    complexity: "O(N), N being the keys' number.",
    summary: "Counts which of the keys exist, each as accessed now.",
    syntax: "key:key...",
    keys: keys("RO", 1, -1),
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    traits: ["always_touches"],
    handler: touch,
  },
] as const satisfies readonly CommandSpec[];

/** After so many expired keys, a database that may not remove them gives one of them as it is. */
const RANDOM_KEY_TRIES = 100;
/** SCAN ends after COUNT times so many slots, however few keys those held. */
const SLOTS_PER_COUNT = 10;

const SAME_OBJECT = new ReplyError("ERR source and destination objects are the same");
const NO_SUCH_DB = new ReplyError("ERR DB index is out of range");

const TYPE_NAMES: readonly (readonly [ValueType, string])[] = Object.entries(TYPE).map(
  ([name, number]) => [number, name],
);

/**
 * The key that is argument `i`, for a command that looks at it from outside: counts hit or miss as
 * `db.read` does, but no access.
 */
export function peek(client: Client, args: Args, i: number): number {
  const { access } = client.server;
  const { touching } = access;
  access.touching = false;
  const entry = client.db.read(args, i);
  access.touching = touching;
  return entry;
}

function del(client: Client, args: Args): void {
  const { db } = client;
  let deleted = 0;
  for (let i = 1; i < args.count; i++) {
    const entry = db.find(args.buf, args.off(i), args.len(i));
    if (entry === 0) continue;
    db.remove(entry);
    client.changed(args, i, EVENT.generic, "del");
    deleted++;
  }
  client.reply.integer(deleted);
}

function exists(client: Client, args: Args): void {
  let found = 0;
  for (let i = 1; i < args.count; i++) if (peek(client, args, i) !== 0) found++;
  client.reply.integer(found);
}

function touch(client: Client, args: Args): void {
  let found = 0;
  for (let i = 1; i < args.count; i++) if (client.db.read(args, i) !== 0) found++;
  client.reply.integer(found);
}

function type(client: Client, args: Args): void {
  const entry = peek(client, args, 1);
  client.reply.simple(entry === 0 ? "none" : typeName(client.db.type(entry)));
}

function typeName(type: ValueType): string {
  for (const [number, name] of TYPE_NAMES) if (number === type) return name;
  throw new TypeError(`Cannot name type ${type}`);
}

function keysCommand(client: Client, args: Args): void {
  const { db, reply } = client;
  const { map } = db;
  const pattern = args.view(1);
  // Only the lone star stands for everything: no other pattern matches the empty key.
  const all = pattern.length === 1 && pattern[0] === 0x2a;
  const found: number[] = [];
  let cursor = 0;
  do {
    cursor = map.scan(cursor, (entry) => {
      if ((all || keyMatches(db, entry, pattern)) && !db.isExpired(entry)) found.push(entry);
    });
  } while (cursor !== 0);
  writeKeys(reply, db, found);
}

function scan(client: Client, args: Args): void {
  const { db, reply } = client;
  meetsAnyKeys(client);
  const { cursor: from, count, pattern, type } = scanOptions(args, 1, true);
  const found: number[] = [];
  const collect = (entry: number) => found.push(entry);
  let cursor = from;
  let slots = SLOTS_PER_COUNT * count;
  do cursor = db.map.scan(cursor, collect); while (
    cursor !== 0 && slots-- > 0 && found.length < count
  );

  const wanted = type === 0 ? undefined : typeNumber(args, type);
  const shown: number[] = [];
  for (const entry of found) {
    if (pattern !== undefined && !keyMatches(db, entry, pattern)) continue;
    const expired = db.isExpired(entry);
    if (type !== 0) {
      // Redis looks these up as a reading command does.
      if (expired) db.context.stats.misses++;
      else db.context.stats.hits++;
    }
    if (expired) {
      if (db.context.expires) db.expire(entry);
    } else if (type === 0 || db.type(entry) === wanted) {
      shown.push(entry);
    }
  }
  reply.array(2);
  reply.bulkInteger(cursor);
  writeKeys(reply, db, shown);
}

/** The type that argument `i` names, or -1. */
function typeNumber(args: Args, i: number): number {
  for (const [number, name] of TYPE_NAMES) if (args.is(i, name.toUpperCase())) return number;
  return -1;
}

function keyMatches(db: Database, entry: number, pattern: Uint8Array): boolean {
  const { map } = db;
  return globMatchAt(pattern, map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry), false);
}

function writeKeys(reply: ReplyWriter, db: Database, entries: readonly number[]): void {
  reply.array(entries.length);
  for (const entry of entries) writeKey(reply, db, entry);
}

function writeKey(reply: ReplyWriter, { map }: Database, entry: number): void {
  reply.bulk(map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry));
}

function randomKey(client: Client): void {
  const { db, reply, server } = client;
  meetsAnyKeys(client);
  const { expires } = db.context;
  // Where expired keys stay, all may be expired: then one of them must do.
  let tries = !expires && db.volatileCount === db.size ? RANDOM_KEY_TRIES : Infinity;
  while (db.size > 0) {
    const entry = db.map.sample(server.random);
    if (!db.isExpired(entry) || --tries === 0) return writeKey(reply, db, entry);
    if (expires) db.expire(entry);
  }
  reply.nil();
}

/** Keys that expire as the command comes across them have nothing to do with each other. */
function meetsAnyKeys({ propagation, transaction }: Client): void {
  if (transaction === undefined) propagation.loose();
}

function rename(client: Client, args: Args): void {
  moveName(client, args, false);
  client.reply.ok();
}

function renameNx(client: Client, args: Args): void {
  client.reply.integer(moveName(client, args, true) ? 1 : 0);
}

/** Gives the key of argument 1 the name of argument 2; returns whether it has a new name now. */
function moveName(client: Client, args: Args, onlyIfFree: boolean): boolean {
  const { db } = client;
  const entry = db.write(args, 1);
  if (entry === 0) throw NO_SUCH_KEY;
  if (sameArgs(args, 1, 2)) return false;
  const taken = db.write(args, 2);
  if (taken !== 0) {
    if (onlyIfFree) return false;
    db.remove(taken);
  }
  db.rename(entry, args.buf, args.off(2), args.len(2));
  client.changed(args, 1, EVENT.generic, "rename_from");
  client.changed(args, 2, EVENT.generic, "rename_to");
  countTwoAsOne(client);
  return true;
}

function copy(client: Client, args: Args): void {
  const { db, reply } = client;
  let to = db;
  let replaces = false;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "REPLACE")) replaces = true;
    else if (args.is(i, "DB") && i + 1 < args.count) to = dbArg(client, args, ++i);
    else throw SYNTAX_ERROR;
  }
  if (to === db && sameArgs(args, 1, 2)) throw SAME_OBJECT;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.integer(0);
  const taken = to.write(args, 2);
  if (taken !== 0) {
    if (!replaces) return reply.integer(0);
    to.remove(taken);
  }
  copyValue(db, entry, to, args.buf, args.off(2), args.len(2));
  changedIn(client, to, args, 2, "copy_to");
  reply.integer(1);
}

function move(client: Client, args: Args): void {
  const { db, reply } = client;
  const to = dbArg(client, args, 2);
  if (to === db) throw SAME_OBJECT;
  const entry = db.write(args, 1);
  if (entry === 0 || to.write(args, 1) !== 0) return reply.integer(0);
  const moved = copyValue(db, entry, to, args.buf, args.off(1), args.len(1));
  to.setAccessBits(moved, db.accessBits(entry));
  db.remove(entry);
  client.changed(args, 1, EVENT.generic, "move_from");
  changedIn(client, to, args, 1, "move_to");
  countTwoAsOne(client);
  reply.integer(1);
}

/** The database that argument `i` numbers. */
function dbArg(client: Client, args: Args, i: number): Database {
  const db = client.server.dbs[int32Arg(args, i)];
  if (db === undefined) throw NO_SUCH_DB;
  return db;
}

/** Tells of a change in a database that may be another than the client's. */
function changedIn(client: Client, db: Database, args: Args, i: number, event: string): void {
  const { effects } = client.server;
  effects.keyChanged(db, args.buf, args.off(i), args.len(i), EVENT.generic, event);
}

/** Redis counts a key that changes its name or place as one change. */
function countTwoAsOne(client: Client): void {
  client.server.effects.dirty--;
}
