/** Strings as numbers: INCR and its family. */
import { hashBytes } from "../bytes/hash.ts";
import { parseAnyInt64 } from "../bytes/integer.ts";
import {
  addLongDouble,
  formatLongDouble,
  type LongDouble,
  parseLongDouble,
} from "../bytes/long_double.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { NOT_A_FLOAT, NOT_AN_INTEGER, ReplyError, WRONG_TYPE } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { type Database, ENCODING, MAX_EMBSTR, NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import {
  addInteger,
  KEEP_EXPIRY,
  readInteger,
  readString,
  replaceString,
  replaceWithInteger,
  setString,
} from "../store/string_value.ts";
import { addInt64, int64Arg } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const COUNTER_COMMANDS = [
  {
    name: "incr",
    arity: 2,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Adds one to an integer; a missing key counts as 0.",
    syntax: "key:key",
    keys: keys("RW access update"),
    handler: (client, args) => increment(client, args, 1),
  },
  {
    name: "incrby",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Adds a number to an integer; a missing key counts as 0.",
    syntax: "key:key increment:integer",
    keys: keys("RW access update"),
    handler: (client, args) => increment(client, args, int64Arg(args, 2)),
  },
  {
    name: "incrbyfloat",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Adds a float to a number; a missing key counts as 0.",
    syntax: "key:key increment:double",
    keys: keys("RW access update"),
    handler: incrbyfloat,
  },
  {
    name: "decr",
    arity: 2,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Subtracts one from an integer; a missing key counts as 0.",
    syntax: "key:key",
    keys: keys("RW access update"),
    handler: (client, args) => increment(client, args, -1),
  },
  {
    name: "decrby",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Subtracts a number from an integer; a missing key counts as 0.",
    syntax: "key:key decrement:integer",
    keys: keys("RW access update"),
    handler: decrby,
  },
] as const satisfies readonly CommandSpec[];

const INT64_MIN = -(2n ** 63n);
const DECREMENT_OVERFLOW = new ReplyError("ERR decrement would overflow");
const NOT_FINITE = new ReplyError("ERR increment would produce NaN or Infinity");
const ZERO: LongDouble = { mantissa: 0n, exponent: 0 };

function decrby(client: Client, args: Args): void {
  const decrement = int64Arg(args, 2);
  if (decrement === INT64_MIN) throw DECREMENT_OVERFLOW;
  increment(client, args, -decrement);
}

function increment(client: Client, args: Args, by: number | bigint): void {
  const { db } = client;
  const { buf } = args;
  const keyOff = args.off(1);
  const keyLen = args.len(1);
  const hash = args.hashed ? args.hash : hashBytes(buf, keyOff, keyLen);
  const entry = db.writeHashed(hash, buf, keyOff, keyLen);
  let value = by;
  if (entry === 0) {
    addInteger(db, buf, keyOff, keyLen, by, hash);
  } else {
    if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
    const low = db.encoding(entry) === ENCODING.int ? db.low(entry) : 0;
    const sum = typeof by === "number" ? low + by : NaN;
    // The usual counter and sum fit 32 bits, and need no arithmetic of 64.
    if (low !== 0 && db.high(entry) === low >> 31 && sum === (sum | 0)) {
      db.setValue(entry, ENCODING.int, sum, sum >> 31);
      value = sum;
    } else {
      value = addInt64(integerOf(db, entry), by);
      replaceWithInteger(db, entry, value);
    }
  }
  client.changed(args, 1, EVENT.string, "incrby");
  replyInt64(client.reply, value);
}

/** A string value as a 64-bit integer, which its bytes may be without being kept as one. */
function integerOf(db: Database, entry: number): number | bigint {
  if (db.encoding(entry) === ENCODING.int) return readInteger(db, entry);
  const { buf, off, len } = readString(db, entry);
  const value = parseAnyInt64(buf, off, len);
  if (value === undefined) throw NOT_AN_INTEGER;
  return value;
}

/** Replies a signed 64-bit integer. */
export function replyInt64(reply: ReplyWriter, value: number | bigint): void {
  if (typeof value === "number") reply.integer(value);
  else reply.bigInteger(value);
}

function incrbyfloat(client: Client, args: Args): void {
  const { db } = client;
  const { buf } = args;
  const keyOff = args.off(1);
  const keyLen = args.len(1);
  const hash = args.hashed ? args.hash : hashBytes(buf, keyOff, keyLen);
  const entry = db.writeHashed(hash, buf, keyOff, keyLen);
  let value: LongDouble | undefined = ZERO;
  if (entry !== 0) {
    if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
    const old = readString(db, entry);
    value = parseLongDouble(old.buf, old.off, old.len);
  }
  const by = parseLongDouble(buf, args.off(2), args.len(2));
  if (value === undefined || by === undefined) throw NOT_A_FLOAT;
  const sum = addLongDouble(value, by);
  if (sum === undefined) throw NOT_FINITE;

  const text = latin1Bytes(formatLongDouble(sum));
  if (text.length > MAX_EMBSTR) {
    if (entry === 0) setString(db, buf, keyOff, keyLen, text, 0, text.length, NO_EXPIRY, hash);
    else replaceString(db, entry, text, 0, text.length, KEEP_EXPIRY);
  } else if (entry === 0) {
    // Even a whole number is kept as text here, as Redis does.
    db.addEmbstr(hash, buf, keyOff, keyLen, text, 0, text.length, NO_EXPIRY);
  } else {
    db.replaceWithEmbstr(entry, text, 0, text.length, db.expiryMs(entry));
  }
  client.changed(args, 1, EVENT.string, "incrbyfloat");
  const { propagation } = client;
  if (propagation.active) {
    propagation.instead(db.number, ["SET", args.view(1), text, "KEEPTTL"]);
  }
  client.reply.bulk(text);
}
