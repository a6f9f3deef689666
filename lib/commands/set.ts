/**
 * Sets: SADD, SREM, SMEMBERS and their family. What takes members at random stands in
 * `set_random.ts`, what joins several sets in `set_algebra.ts`.
 */
import { globMatchAt } from "../bytes/glob.ts";
import type { Args } from "../resp/args.ts";
import { WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { SetValue } from "../store/set_value.ts";
import { readTyped, sameArgs, writeTyped } from "./arguments.ts";
import { removeEmptied } from "./emptied.ts";
import { scanCursor, scanOptions } from "./scan_options.ts";
import { SET_ALGEBRA_COMMANDS } from "./set_algebra.ts";
import { SET_RANDOM_COMMANDS } from "./set_random.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const SET_COMMANDS = [
  {
    name: "sadd",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members given",
    summary: "Adds members to a set, which is created where there is none.",
    syntax: "key:key member:string...",
    keys: keys("RW insert"),
    history: [["2.4.0", "Takes several members."]],
    handler: sadd,
  },
  {
    name: "srem",
    arity: -3,
    flags: ["write", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members given",
    summary: "Removes members from a set, and the key with the last of them.",
    syntax: "key:key member:string...",
    keys: keys("RW delete"),
    history: [["2.4.0", "Takes several members."]],
    handler: srem,
  },
  {
    name: "smembers",
    arity: 2,
    flags: ["readonly"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the set's size",
    summary: "Lists the members of a set.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output_order"],
    handler: smembers,
  },
  {
    name: "sismember",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells whether a set has a member.",
    syntax: "key:key member:string",
    keys: keys("RO"),
    handler: sismember,
  },
  {
    name: "smismember",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "set",
    since: "6.2.0",
    complexity: "O(N), N being the number of members asked for",
    summary: "Tells of several members whether a set has them.",
    syntax: "key:key member:string...",
    keys: keys("RO access"),
    handler: smismember,
  },
  {
    name: "scard",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Counts the members of a set.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: scard,
  },
  {
    name: "smove",
    arity: 4,
    flags: ["write", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Moves a member from one set to another.",
    syntax: "source:key destination:key#1 member:string",
    keys: [
      { flags: "RW access delete", begin: 1, range: [0, 1, 0] },
      { flags: "RW insert", begin: 2, range: [0, 1, 0] },
    ],
    handler: smove,
  },
  {
    name: "sscan",
    arity: -3,
    flags: ["readonly"],
    group: "set",
    since: "2.8.0",
    complexity: "O(1) a call; O(N) for all N members.",
    summary: "Walks over the members of a set, some with each call.",
    syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: sscan,
  },
  ...SET_RANDOM_COMMANDS,
  ...SET_ALGEBRA_COMMANDS,
] as const satisfies readonly CommandSpec[];

/** SSCAN ends after COUNT times so many slots, however few members those held. */
const SLOTS_PER_COUNT = 10;

// The handles of the running command.
const set = new SetValue();
const other = new SetValue();

function sadd(client: Client, args: Args): void {
  const { db, server } = client;
  const limits = server.config.values;
  const entry = writeTyped(client, args, 1, TYPE.set);
  if (entry !== 0) {
    set.load(db, entry);
    set.expect(args.count - 2, limits);
  } else {
    set.createFor(db, args.buf, args.off(2), args.len(2), args.count - 2, limits);
  }
  let added = 0;
  for (let i = 2; i < args.count; i++) {
    if (set.add(args.buf, args.off(i), args.len(i), limits)) added++;
  }
  if (entry !== 0) set.save(entry);
  else set.addKey(args.buf, args.off(1), args.len(1), args.hashed ? args.hash : undefined);
  if (added > 0) {
    client.changed(args, 1, EVENT.set, "sadd");
    server.effects.dirty += added - 1;
  }
  client.reply.integer(added);
}

function srem(client: Client, args: Args): void {
  const { db, server } = client;
  const entry = writeTyped(client, args, 1, TYPE.set);
  if (entry === 0) return client.reply.integer(0);
  set.load(db, entry);
  let removed = 0;
  for (let i = 2; i < args.count && set.size > 0; i++) {
    if (set.remove(args.buf, args.off(i), args.len(i))) removed++;
  }
  set.save(entry);
  if (removed > 0) {
    client.changed(args, 1, EVENT.set, "srem");
    server.effects.dirty += removed - 1;
    if (set.size === 0) removeEmptied(client, args, 1, entry);
  }
  client.reply.integer(removed);
}

function smembers(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = readTyped(client, args, 1, TYPE.set);
  if (entry === 0) return reply.set(0);
  set.load(db, entry);
  reply.set(set.size);
  set.every((position) => {
    const { buf, off, len } = set.read(position);
    reply.bulk(buf, off, len);
    return true;
  });
}

function sismember(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.set);
  client.reply.integer(entry !== 0 && hasArg(set.load(client.db, entry), args, 2) ? 1 : 0);
}

function smismember(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = readTyped(client, args, 1, TYPE.set);
  if (entry !== 0) set.load(db, entry);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    reply.integer(entry !== 0 && hasArg(set, args, i) ? 1 : 0);
  }
}

function hasArg(value: SetValue, args: Args, i: number): boolean {
  return value.has(args.buf, args.off(i), args.len(i));
}

function scard(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.set);
  client.reply.integer(entry === 0 ? 0 : set.load(client.db, entry).size);
}

function smove(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const limits = server.config.values;
  const from = db.write(args, 1);
  const to = db.write(args, 2);
  if (from === 0) return reply.integer(0);
  if (db.type(from) !== TYPE.set || to !== 0 && db.type(to) !== TYPE.set) throw WRONG_TYPE;
  set.load(db, from);
  if (sameArgs(args, 1, 2)) return reply.integer(hasArg(set, args, 3) ? 1 : 0);
  const off = args.off(3);
  const len = args.len(3);
  if (!set.remove(args.buf, off, len)) return reply.integer(0);
  set.save(from);
  client.changed(args, 1, EVENT.set, "srem");
  if (set.size === 0) removeEmptied(client, args, 1, from);

  if (to !== 0) other.load(db, to);
  else other.createFor(db, args.buf, off, len, 1, limits);
  const added = other.add(args.buf, off, len, limits);
  if (to !== 0) other.save(to);
  else other.addKey(args.buf, args.off(2), args.len(2));
  if (added) client.changed(args, 2, EVENT.set, "sadd");
  reply.integer(1);
}

function sscan(client: Client, args: Args): void {
  const { db, reply } = client;
  scanCursor(args, 2);
  const entry = readTyped(client, args, 1, TYPE.set);
  if (entry === 0) {
    reply.array(2);
    reply.bulkInteger(0);
    return reply.array(0);
  }
  const { cursor: from, count, pattern } = scanOptions(args, 2, false);
  set.load(db, entry);
  const found: number[] = [];
  let seen = 0;
  const collect = (position: number) => {
    seen++;
    if (pattern !== undefined) {
      const { buf, off, len } = set.read(position);
      if (!globMatchAt(pattern, buf, off, len, false)) return;
    }
    found.push(position);
  };
  let cursor = from;
  let slots = SLOTS_PER_COUNT * count;
  do cursor = set.scan(cursor, collect); while (cursor !== 0 && slots-- > 0 && seen < count);

  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(found.length);
  for (const position of found) {
    const { buf, off, len } = set.read(position);
    reply.bulk(buf, off, len);
  }
}
