/** Parts of strings: APPEND, GETRANGE and their family, and LCS, which compares two. */
import { copyBytes } from "../bytes/arena.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type Database, NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { type Lcs, lcsLength, lcsTableBytes, longestCommonSubsequence } from "../store/lcs.ts";
import {
  addZeros,
  appendString,
  extendString,
  readString,
  setString,
  stringLength,
} from "../store/string_value.ts";
import { integerArg } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const RANGE_COMMANDS = [
  {
    name: "append",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "2.0.0",
    complexity: "O(1) amortised, as a string that grows gets room to spare",
    summary: "Adds bytes to the end of a string, or sets a key that is missing.",
    syntax: "key:key value:string",
    keys: keys("RW insert"),
    handler: append,
  },
  {
    name: "strlen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "string",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Returns a string's length in bytes.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: strlen,
  },
  {
    name: "getrange",
    arity: 4,
    flags: ["readonly"],
    group: "string",
    since: "2.4.0",
    complexity: "O(N), N being the bytes returned",
    summary: "Returns a part of a string.",
    syntax: "key:key start:integer end:integer",
    keys: keys("RO access"),
    handler: getrange,
  },
  {
    name: "substr",
    arity: 4,
    flags: ["readonly"],
    group: "string",
    since: "1.0.0",
    complexity: "O(N), N being the bytes returned",
    summary: "Returns a part of a string.",
    syntax: "key:key start:integer end:integer",
    keys: keys("RO access"),
    deprecatedSince: "2.0.0",
    replacedBy: "`GETRANGE`",
    handler: getrange,
  },
  {
    name: "setrange",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "string",
    since: "2.2.0",
    complexity: "O(M), M being the bytes written, and those of the string where it has to move",
    summary: "Writes bytes into a string from an offset on, with zeros up to there.",
    syntax: "key:key offset:integer value:string",
    keys: keys("RW update"),
    handler: setrange,
  },
  {
    name: "lcs",
    arity: -3,
    flags: ["readonly"],
    group: "string",
    since: "7.0.0",
    complexity: "O(N*M), N and M being the lengths of the strings",
    summary: "Finds the longest common subsequence of two strings.",
    syntax: "key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
    keys: keys("RO access", 1, 1),
    handler: lcs,
  },
] as const satisfies readonly CommandSpec[];

const OFFSET_OUT_OF_RANGE = new ReplyError("ERR offset is out of range");
const TOO_LONG = new ReplyError(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
const NO_BYTES = new Uint8Array(0);

/** The longest string that a command may make; lengths are kept in 32 bits. */
function maxStringBytes(client: Client): number {
  return Math.min(client.server.config.values["proto-max-bulk-len"], 2 ** 31 - 1);
}

function append(client: Client, args: Args): void {
  const { db } = client;
  const { buf } = args;
  const off = args.off(2);
  const len = args.len(2);
  const hash = keyHash(args);
  const entry = db.writeHashed(hash, buf, args.off(1), args.len(1));
  let total = len;
  if (entry === 0) {
    setString(db, buf, args.off(1), args.len(1), buf, off, len, NO_EXPIRY, hash);
  } else {
    if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
    if (stringLength(db, entry) + len > maxStringBytes(client)) throw TOO_LONG;
    total = appendString(db, entry, buf, off, len);
  }
  client.changed(args, 1, EVENT.string, "append");
  client.reply.integer(total);
}

function keyHash(args: Args): number {
  return args.hashed ? args.hash : hashBytes(args.buf, args.off(1), args.len(1));
}

function strlen(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.integer(0);
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  reply.integer(stringLength(db, entry));
}

function getrange(client: Client, args: Args): void {
  const { db, reply } = client;
  let start = integerArg(args, 2);
  let end = integerArg(args, 3);
  const entry = db.read(args, 1);
  if (entry === 0) return reply.bulk(NO_BYTES);
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  if (start < 0 && end < 0 && start > end) return reply.bulk(NO_BYTES);
  const { buf, off, len } = readString(db, entry);
  start = Math.max(0, start < 0 ? start + len : start);
  end = Math.min(len - 1, Math.max(0, end < 0 ? end + len : end));
  if (start > end) return reply.bulk(NO_BYTES);
  reply.bulk(buf, off + start, end - start + 1);
}

function setrange(client: Client, args: Args): void {
  const { db, reply } = client;
  const offset = integerArg(args, 2);
  if (offset < 0) throw OFFSET_OUT_OF_RANGE;
  const { buf } = args;
  const keyOff = args.off(1);
  const keyLen = args.len(1);
  const len = args.len(3);
  const hash = keyHash(args);
  let entry = db.writeHashed(hash, buf, keyOff, keyLen);
  if (entry !== 0 && db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  if (len === 0) return reply.integer(entry === 0 ? 0 : stringLength(db, entry));
  if (offset + len > maxStringBytes(client)) throw TOO_LONG;

  if (entry === 0) entry = addZeros(db, buf, keyOff, keyLen, offset + len, hash);
  else entry = extendString(db, entry, offset + len);
  const value = readString(db, entry);
  copyBytes(buf, args.off(3), value.buf, value.off + offset, len);
  client.changed(args, 1, EVENT.string, "setrange");
  reply.integer(value.len);
}

// ---- LCS -------------------------------------------------------------------------------------------

const NOT_STRINGS = new ReplyError("ERR The specified keys must contain string values");
const LENGTH_AND_INDEXES = new ReplyError(
  "ERR If you want both the length and indexes, please just use IDX.",
);
const TABLE_TOO_LARGE = new ReplyError(
  "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
);

function lcs(client: Client, args: Args): void {
  const { db, reply } = client;
  const a = db.read(args, 1);
  const b = db.read(args, 2);
  if ((a !== 0 && db.type(a) !== TYPE.string) || (b !== 0 && db.type(b) !== TYPE.string)) {
    throw NOT_STRINGS;
  }
  let wantsLength = false;
  let wantsIndexes = false;
  let withMatchLength = false;
  let minMatchLength = 0;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "IDX")) wantsIndexes = true;
    else if (args.is(i, "LEN")) wantsLength = true;
    else if (args.is(i, "WITHMATCHLEN")) withMatchLength = true;
    else if (args.is(i, "MINMATCHLEN") && i + 1 < args.count) {
      minMatchLength = integerArg(args, ++i);
    } else throw SYNTAX_ERROR;
  }
  if (wantsIndexes && wantsLength) throw LENGTH_AND_INDEXES;
  const aLength = a === 0 ? 0 : stringLength(db, a);
  const bLength = b === 0 ? 0 : stringLength(db, b);
  if (lcsTableBytes(aLength, bLength) > client.server.config.values["proto-max-bulk-len"]) {
    throw TABLE_TOO_LARGE;
  }

  const aBytes = bytesOf(db, a);
  const bBytes = bytesOf(db, b);
  if (wantsLength) reply.integer(lcsLength(aBytes, bBytes));
  else {
    const found = longestCommonSubsequence(aBytes, bBytes, minMatchLength);
    if (wantsIndexes) replyIndexes(client, found, withMatchLength);
    else reply.bulk(found.bytes);
  }
}

function bytesOf(db: Database, entry: number): Uint8Array {
  if (entry === 0) return NO_BYTES;
  const { buf, off, len } = readString(db, entry);
  return buf.slice(off, off + len);
}

function replyIndexes(client: Client, found: Lcs, withMatchLength: boolean): void {
  const { reply } = client;
  reply.map(2);
  reply.bulkText("matches");
  reply.array(found.matches.length);
  for (const { aStart, bStart, length } of found.matches) {
    reply.array(withMatchLength ? 3 : 2);
    for (const start of [aStart, bStart]) {
      reply.array(2);
      reply.integer(start);
      reply.integer(start + length - 1);
    }
    if (withMatchLength) reply.integer(length);
  }
  reply.bulkText("len");
  reply.integer(found.bytes.length);
}
