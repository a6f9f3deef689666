/**
 * Strings: SET, GET and their family. Integers and floats that are counted up stand in
 * `string_counter.ts`, parts of strings and LCS in `string_range.ts`.
 */
import { MAX_PREFETCH } from "../bytes/byte_map.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { KEEP_EXPIRY, readString, setString } from "../store/string_value.ts";
import { invalidExpireTime, timeArg } from "./arguments.ts";
import { setKeys } from "./keyspecs.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { COUNTER_COMMANDS } from "./string_counter.ts";
import { RANGE_COMMANDS } from "./string_range.ts";

export const STRING_COMMANDS = [
  {
    name: "get",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns a string.",
    syntax: "key:key",
    keys: keys("RO access"),
    handler: get,
  },
  {
    name: "set",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a key to a string, whatever it held.",
    syntax:
      "key:key value:string [condition:(NX|XX)@2.6.12] [GET@6.2.0] [expiration:(EX seconds:integer@2.6.12|PX milliseconds:integer@2.6.12|EXAT unix-time-seconds:unix-time@6.2.0|PXAT unix-time-milliseconds:unix-time@6.2.0|KEEPTTL@6.0.0)]",
    keys: [{
      flags: "RW access update variable_flags",
      begin: 1,
      range: [0, 1, 0],
      notes: "Read only where GET is given",
    }],
    getKeys: setKeys,
    history: [
      ["2.6.12", "Takes `EX`, `PX`, `NX` and `XX`."],
      ["6.0.0", "Takes `KEEPTTL`."],
      ["6.2.0", "Takes `GET`, `EXAT` and `PXAT`."],
      ["7.0.0", "`NX` and `GET` go together."],
    ],
    handler: set,
  },
  {
    name: "getset",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a key to a string and returns the one it held.",
    syntax: "key:key value:string",
    keys: keys("RW access update"),
    deprecatedSince: "6.2.0",
    replacedBy: "`SET` with the `!GET` argument",
    handler: getset,
  },
  {
    name: "getdel",
    arity: 2,
    flags: ["write", "fast"],
    group: "string",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Returns a string and deletes its key.",
    syntax: "key:key",
    keys: keys("RW access delete"),
    handler: getdel,
  },
  {
    name: "getex",
    arity: -2,
    flags: ["write", "fast"],
    group: "string",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Returns a string and sets or removes its key's expiry.",
    syntax:
      "key:key [expiration:(EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|PERSIST)]",
    keys: [{
      flags: "RW access update",
      begin: 1,
      range: [0, 1, 0],
      notes: "Updated only in its expiry",
    }],
    handler: getex,
  },
  {
    name: "setex",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "string",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Sets a key to a string that expires, in seconds.",
    syntax: "key:key seconds:integer value:string",
    keys: keys("OW update"),
    deprecatedSince: "2.6.12",
    replacedBy: "`SET` with the `EX` argument",
    handler: setex,
  },
  {
    name: "psetex",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "string",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Sets a key to a string that expires, in milliseconds.",
    syntax: "key:key milliseconds:integer value:string",
    keys: keys("OW update"),
    deprecatedSince: "2.6.12",
    replacedBy: "`SET` with the `PX` argument",
    handler: psetex,
  },
  {
    name: "setnx",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a key to a string unless the key is there.",
    syntax: "key:key value:string",
    keys: keys("OW insert"),
    deprecatedSince: "2.6.12",
    replacedBy: "`SET` with the `NX` argument",
    handler: setnx,
  },
  {
    name: "mset",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "string",
    since: "1.0.1",
    complexity: "O(N), N being the number of keys",
    summary: "Sets several keys to strings.",
    syntax: "data:{key:key value:string}...",
    keys: keys("OW update", 1, -1, 2),
    tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
    handler: mset,
  },
  {
    name: "msetnx",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "string",
    since: "1.0.1",
    complexity: "O(N), N being the number of keys",
    summary: "Sets several keys to strings unless one of them is there.",
    syntax: "data:{key:key value:string}...",
    keys: keys("OW insert", 1, -1, 2),
    handler: msetnx,
  },
  {
    name: "mget",
    arity: -2,
    flags: ["readonly", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(N), N being the number of keys",
    summary: "Returns several strings.",
    syntax: "key:key...",
    keys: keys("RO access", 1, -1),
    tips: ["request_policy:multi_shard"],
    handler: mget,
  },
  ...COUNTER_COMMANDS,
  ...RANGE_COMMANDS,
] as const satisfies readonly CommandSpec[];

// ---- one key ---------------------------------------------------------------------------------------

function get(client: Client, args: Args): void {
  replyOld(client, args);
}

/** Replies the string that argument 1 holds, or nil; returns its entry, 0 if there is none. */
function replyOld(client: Client, args: Args): number {
  const { db, reply } = client;
  const entry = db.read(args, 1);
  if (entry === 0) {
    reply.nil();
    return 0;
  }
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  const { buf, off, len } = readString(db, entry);
  reply.bulk(buf, off, len);
  return entry;
}

function set(client: Client, args: Args): void {
  if (args.count > 3) return setWithOptions(client, args);
  setFirst(client, args, 2, NO_EXPIRY);
  client.reply.ok();
}

/** Sets argument 1 to argument `i`. */
function setFirst(client: Client, args: Args, i: number, expiryMs: number): void {
  setString(
    client.db,
    args.buf,
    args.off(1),
    args.len(1),
    args.buf,
    args.off(i),
    args.len(i),
    expiryMs,
    args.hashed ? args.hash : undefined,
  );
  client.changed(args, 1, EVENT.string, "set");
}

function setWithOptions(client: Client, args: Args): void {
  const { db, reply } = client;
  readOptions(args, 3, SET_OPTIONS);
  const { chosen, expiry } = options;
  let expiryMs = (chosen & KEEPTTL) !== 0 ? KEEP_EXPIRY : NO_EXPIRY;
  if (expiry !== 0) expiryMs = expiryArg(client, args, expiry, chosen, "set");
  const replies = (chosen & GET) === 0;
  if (!replies) replyOld(client, args);
  if ((chosen & (NX | XX)) !== 0 && (db.write(args, 1) !== 0) === ((chosen & NX) !== 0)) {
    if (replies) reply.nil();
    return;
  }
  setFirst(client, args, 2, expiryMs);
  if (expiry !== 0) expiryChanged(client, args, 2, expiryMs);
  else if (!replies && client.propagation.active) propagateWithoutGet(client, args);
  if (replies) reply.ok();
}

/** Replicas have no use for the old value. */
function propagateWithoutGet(client: Client, args: Args): void {
  const words = args.views(0, 3);
  for (let i = 3; i < args.count; i++) if (!args.is(i, "GET")) words.push(args.view(i));
  client.propagation.instead(client.db.number, words);
}

function getset(client: Client, args: Args): void {
  replyOld(client, args);
  setFirst(client, args, 2, NO_EXPIRY);
  const { propagation } = client;
  if (propagation.active) propagation.instead(client.db.number, ["SET", ...args.views(1)]);
}

function getdel(client: Client, args: Args): void {
  const entry = replyOld(client, args);
  if (entry === 0) return;
  client.db.remove(entry);
  client.changed(args, 1, EVENT.generic, "del");
  const lazily = client.server.config.values["lazyfree-lazy-user-del"];
  propagateRemoval(client, args, lazily);
}

/** In place of a command that removed its key, argument 1. */
export function propagateRemoval(client: Client, args: Args, lazily: boolean): void {
  const { propagation } = client;
  if (!propagation.active) return;
  propagation.instead(client.db.number, [lazily ? "UNLINK" : "DEL", args.view(1)]);
}

function getex(client: Client, args: Args): void {
  const { db, server, propagation } = client;
  readOptions(args, 2, GETEX_OPTIONS);
  const { chosen, expiry } = options;
  const entry = db.read(args, 1);
  if (entry === 0) return client.reply.nil();
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  const expiryMs = expiry === 0 ? NO_EXPIRY : expiryArg(client, args, expiry, chosen, "getex");
  const { buf, off, len } = readString(db, entry);
  client.reply.bulk(buf, off, len);
  if (expiry !== 0) {
    if (expiryMs <= server.time.nowMs && db.context.expires) {
      db.remove(entry);
      client.changed(args, 1, EVENT.generic, "del");
      propagateRemoval(client, args, server.effects.expiresLazily);
    } else {
      db.setExpiry(entry, expiryMs);
      client.changed(args, 1, EVENT.generic, "expire");
      if (propagation.active) {
        propagation.instead(db.number, ["PEXPIREAT", args.view(1), expiryMs]);
      }
    }
  } else if ((chosen & PERSIST) !== 0 && db.isVolatile(entry)) {
    db.setExpiry(entry, NO_EXPIRY);
    client.changed(args, 1, EVENT.generic, "persist");
    if (propagation.active) propagation.instead(db.number, ["PERSIST", args.view(1)]);
  }
}

function setex(client: Client, args: Args): void {
  setExpiring(client, args, EX, "setex");
}

function psetex(client: Client, args: Args): void {
  setExpiring(client, args, PX, "psetex");
}

function setExpiring(client: Client, args: Args, unit: number, command: string): void {
  const expiryMs = expiryArg(client, args, 2, unit, command);
  setFirst(client, args, 3, expiryMs);
  expiryChanged(client, args, 3, expiryMs);
  client.reply.ok();
}

function setnx(client: Client, args: Args): void {
  if (client.db.write(args, 1) !== 0) return client.reply.integer(0);
  setFirst(client, args, 2, NO_EXPIRY);
  client.reply.integer(1);
}

// ---- options of SET and GETEX ----------------------------------------------------------------------

const NX = 1 << 0;
const XX = 1 << 1;
const GET = 1 << 2;
const KEEPTTL = 1 << 3;
const PERSIST = 1 << 4;
const EX = 1 << 5;
const PX = 1 << 6;
const EXAT = 1 << 7;
const PXAT = 1 << 8;

const EXPIRIES = EX | PX | EXAT | PXAT;
const SET_OPTIONS = NX | XX | GET | KEEPTTL | EXPIRIES;
const GETEX_OPTIONS = PERSIST | EXPIRIES;

/** What {@link readOptions} found: bits of the words, and which argument is the expiry (0: none). */
const options = { chosen: 0, expiry: 0 };

/** Reads options from argument `i` on. A word may be repeated, but not meet another of its kind. */
function readOptions(args: Args, i: number, allowed: number): void {
  let chosen = 0;
  let expiry = 0;
  for (; i < args.count; i++) {
    const word = optionWord(args, i) & allowed;
    if (word === 0 || (chosen & rivals(word)) !== 0) throw SYNTAX_ERROR;
    if ((word & EXPIRIES) !== 0) {
      if (++i === args.count) throw SYNTAX_ERROR;
      expiry = i;
    }
    chosen |= word;
  }
  options.chosen = chosen;
  options.expiry = expiry;
}

function optionWord(args: Args, i: number): number {
  switch (args.len(i)) {
    case 2:
      if (args.is(i, "EX")) return EX;
      if (args.is(i, "PX")) return PX;
      if (args.is(i, "NX")) return NX;
      return args.is(i, "XX") ? XX : 0;
    case 3:
      return args.is(i, "GET") ? GET : 0;
    case 4:
      if (args.is(i, "EXAT")) return EXAT;
      return args.is(i, "PXAT") ? PXAT : 0;
    default:
      if (args.is(i, "KEEPTTL")) return KEEPTTL;
      return args.is(i, "PERSIST") ? PERSIST : 0;
  }
}

/** The words that one excludes. */
function rivals(word: number): number {
  if (word === GET) return 0;
  if (word === NX || word === XX) return (NX | XX) & ~word;
  return (EXPIRIES | KEEPTTL | PERSIST) & ~word;
}

/** Argument `i` as an expiry in ms since the epoch; `chosen` has the word that says how to read it. */
function expiryArg(
  client: Client,
  args: Args,
  i: number,
  chosen: number,
  command: string,
): number {
  const unitMs = (chosen & (EX | EXAT)) !== 0 ? 1000 : 1;
  const baseMs = (chosen & (EX | PX)) !== 0 ? client.server.time.nowMs : 0;
  const expiryMs = timeArg(args, i, unitMs, baseMs, command);
  if (expiryMs <= baseMs) throw invalidExpireTime(command);
  return expiryMs;
}

/**
 * Tells of an expiry that came with a string, argument `i`: an event of its own, but not another
 * change. Replicas, whose clocks may differ, are told the time and not how long it is until then.
 */
function expiryChanged(client: Client, args: Args, i: number, expiryMs: number): void {
  const { db, propagation } = client;
  client.changed(args, 1, EVENT.generic, "expire");
  client.server.effects.dirty--;
  if (!propagation.active) return;
  propagation.instead(db.number, ["SET", args.view(1), args.view(i), "PXAT", expiryMs]);
}

// ---- many keys -------------------------------------------------------------------------------------

/** Up to so many keys are not worth fetching ahead. */
const FEW_KEYS = 3;

const hashes = new Int32Array(MAX_PREFETCH);
/** What ByteMap.prefetch returned; kept so that its loads are not optimised away. */
export let prefetched = 0;

/**
 * Leaves in `hashes` those of up to MAX_PREFETCH keys, every `step`th argument from `i` on, and has
 * the store fetch their entries together. Returns how many keys they are.
 */
function hashKeys(client: Client, args: Args, i: number, step: number): number {
  let count = 0;
  for (; i < args.count && count < MAX_PREFETCH; i += step) {
    hashes[count++] = hashBytes(args.buf, args.off(i), args.len(i));
  }
  if (count > FEW_KEYS) prefetched = client.db.map.prefetch(hashes, count);
  return count;
}

function mget(client: Client, args: Args): void {
  const { db, reply } = client;
  reply.array(args.count - 1);
  for (let i = 1; i < args.count;) {
    const count = hashKeys(client, args, i, 1);
    for (let k = 0; k < count; k++, i++) {
      const entry = db.readHashed(hashes[k]!, args.buf, args.off(i), args.len(i));
      if (entry === 0 || db.type(entry) !== TYPE.string) {
        reply.nil();
        continue;
      }
      const { buf, off, len } = readString(db, entry);
      reply.bulk(buf, off, len);
    }
  }
}

function mset(client: Client, args: Args): void {
  checkPairs(args, "mset");
  setAll(client, args);
  client.reply.ok();
}

function msetnx(client: Client, args: Args): void {
  checkPairs(args, "msetnx");
  for (let i = 1; i < args.count; i += 2) {
    if (client.db.write(args, i) !== 0) return client.reply.integer(0);
  }
  setAll(client, args);
  client.reply.integer(1);
}

function checkPairs(args: Args, command: string): void {
  if (args.count % 2 === 1) return;
  throw new ReplyError(`ERR wrong number of arguments for '${command}' command`);
}

function setAll(client: Client, args: Args): void {
  const { db } = client;
  const { buf } = args;
  for (let i = 1; i < args.count;) {
    const count = hashKeys(client, args, i, 2);
    for (let k = 0; k < count; k++, i += 2) {
      setString(
        db,
        buf,
        args.off(i),
        args.len(i),
        buf,
        args.off(i + 1),
        args.len(i + 1),
        NO_EXPIRY,
        hashes[k],
      );
      client.changed(args, i, EVENT.string, "set");
    }
  }
}
