/** Bitmaps: strings as arrays of bits. BITFIELD stands in `bitfield.ts`. */
import { copyBytes } from "../bytes/arena.ts";
import { parseInteger } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type BitOperation, combine, countBits, findBit } from "../store/bits.ts";
import { type Database, ENCODING, NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { readString, stringLength } from "../store/string_value.ts";
import { integerArg } from "./arguments.ts";
import { clearDestination } from "./emptied.ts";
import { bitOffsetArg, grew, growToBit } from "./bit_offset.ts";
import { BITFIELD_COMMANDS } from "./bitfield.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const BITMAP_COMMANDS = [
  {
    name: "setbit",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "bitmap",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Sets or clears a bit and returns what it was.",
    syntax: "key:key offset:integer value:integer",
    keys: keys("RW access update"),
    handler: setbit,
  },
  {
    name: "getbit",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "bitmap",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Returns a bit.",
    syntax: "key:key offset:integer",
    keys: keys("RO access"),
    handler: getbit,
  },
  {
    name: "bitcount",
    arity: -2,
    flags: ["readonly"],
    group: "bitmap",
    since: "2.6.0",
    complexity: "O(N)",
    summary: "Counts the bits that are set in a string or a part of it.",
    syntax: "key:key [range:{start:integer end:integer [unit:(BYTE|BIT)@7.0.0]}]",
    keys: keys("RO access"),
    history: [["7.0.0", "Takes `BYTE` and `BIT`."]],
    handler: bitcount,
  },
  {
    name: "bitpos",
    arity: -3,
    flags: ["readonly"],
    group: "bitmap",
    since: "2.8.7",
    complexity: "O(N)",
    summary: "Finds the first set or clear bit of a string or a part of it.",
    syntax:
      "key:key bit:integer [range:{start:integer [end-unit-block:{end:integer [unit:(BYTE|BIT)@7.0.0]}]}]",
    keys: keys("RO access"),
    history: [["7.0.0", "Takes `BYTE` and `BIT`."]],
    handler: bitpos,
  },
  {
    name: "bitop",
    arity: -4,
    flags: ["write", "denyoom"],
    group: "bitmap",
    since: "2.6.0",
    complexity: "O(N)",
    summary: "Combines strings bit by bit and stores the result.",
    syntax: "operation:(AND|OR|XOR|NOT) destkey:key key:key#1...",
    keys: [
      { flags: "OW update", begin: 2, range: [0, 1, 0] },
      { flags: "RO access", begin: 3, range: [-1, 1, 0] },
    ],
    handler: bitop,
  },
  ...BITFIELD_COMMANDS,
] as const satisfies readonly CommandSpec[];

const NOT_A_BIT = new ReplyError("ERR bit is not an integer or out of range");
const NEITHER_BIT = new ReplyError("ERR The bit argument must be 1 or 0.");
const NOT_OF_ONE = new ReplyError("ERR BITOP NOT must be called with a single source key.");

function setbit(client: Client, args: Args): void {
  const { db, reply } = client;
  const offset = bitOffsetArg(client, args, 2);
  const bit = parseInteger(args.buf, args.off(3), args.len(3));
  if (bit !== 0 && bit !== 1) throw NOT_A_BIT;
  const { buf, off } = readString(db, growToBit(client, args, offset));
  const place = off + Math.floor(offset / 8);
  const mask = 0x80 >>> (offset % 8);
  const old = (buf[place]! & mask) === 0 ? 0 : 1;
  if (grew || old !== bit) {
    buf[place]! ^= old === bit ? 0 : mask;
    client.changed(args, 1, EVENT.string, "setbit");
  }
  reply.integer(old);
}

function getbit(client: Client, args: Args): void {
  const { db, reply } = client;
  const offset = bitOffsetArg(client, args, 2);
  const entry = db.read(args, 1);
  if (entry === 0) return reply.integer(0);
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  const { buf, off, len } = readString(db, entry);
  const byte = Math.floor(offset / 8);
  reply.integer(byte < len ? (buf[off + byte]! >>> (7 - offset % 8)) & 1 : 0);
}

function bitcount(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.integer(0);
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  if (args.count === 3 || args.count > 5) throw SYNTAX_ERROR;
  const bits = 8 * stringLength(db, entry);
  let start = 0;
  let end = bits - 1;
  if (args.count > 3) {
    start = integerArg(args, 2);
    end = integerArg(args, 3);
    if (start < 0 && end < 0 && start > end) return reply.integer(0);
    const unit = args.count === 5 ? unitArg(args, 4) : 8;
    start = firstBit(start, unit, bits);
    end = lastBit(end, unit, bits);
  }
  if (start > end) return reply.integer(0);
  const { buf, off } = readString(db, entry);
  reply.integer(countBits(buf, off, start, end));
}

function bitpos(client: Client, args: Args): void {
  const { db, reply } = client;
  const bit = integerArg(args, 2);
  if (bit !== 0 && bit !== 1) throw NEITHER_BIT;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.integer(bit === 1 ? -1 : 0);
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  if (args.count > 6) throw SYNTAX_ERROR;
  const bits = 8 * stringLength(db, entry);
  let start = 0;
  let end = bits - 1;
  if (args.count > 3) {
    start = integerArg(args, 3);
    const unit = args.count === 6 ? unitArg(args, 5) : 8;
    start = firstBit(start, unit, bits);
    if (args.count > 4) end = lastBit(integerArg(args, 4), unit, bits);
  }
  if (start > end) return reply.integer(-1);
  const { buf, off } = readString(db, entry);
  const found = findBit(buf, off, bit, start, end);
  // A string without a given end goes on with zeros, as it were.
  reply.integer(found < 0 && bit === 0 && args.count < 5 ? bits : found);
}

/** Bits in the unit of a range that argument `i` names. */
function unitArg(args: Args, i: number): number {
  if (args.is(i, "BIT")) return 1;
  if (args.is(i, "BYTE")) return 8;
  throw SYNTAX_ERROR;
}

/** The first bit of a range of units that begins at `start`; negative counts from the end. */
function firstBit(start: number, unit: number, bits: number): number {
  return Math.max(0, start < 0 ? start * unit + bits : start * unit);
}

/** The last bit of a range of units that ends with `end`, within the string's `bits`. */
function lastBit(end: number, unit: number, bits: number): number {
  const last = Math.max(0, end < 0 ? end * unit + bits : end * unit) + unit - 1;
  return Math.min(bits - 1, last);
}

const OPERATIONS: readonly (readonly [word: string, operation: BitOperation])[] = [
  ["AND", "and"],
  ["OR", "or"],
  ["XOR", "xor"],
  ["NOT", "not"],
];

function bitop(client: Client, args: Args): void {
  const { db, reply } = client;
  const operation = OPERATIONS.find(([word]) => args.is(1, word))?.[1];
  if (operation === undefined) throw SYNTAX_ERROR;
  if (operation === "not" && args.count !== 4) throw NOT_OF_ONE;
  const entries: number[] = [];
  let length = 0;
  for (let i = 3; i < args.count; i++) {
    const entry = db.read(args, i);
    entries.push(entry);
    if (entry === 0) continue;
    if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
    length = Math.max(length, stringLength(db, entry));
  }

  if (length === 0) {
    clearDestination(client, args, 2);
  } else {
    const entry = db.write(args, 2);
    const ref = combineStrings(db, operation, entries, length);
    const { string } = TYPE;
    const { raw } = ENCODING;
    if (entry === 0) db.add(args.buf, args.off(2), args.len(2), string, raw, ref, length);
    else db.replace(entry, string, raw, ref, length, NO_EXPIRY);
    client.changed(args, 2, EVENT.string, "set");
  }
  reply.integer(length);
}

/** A new block of the longest string's `length`: shorter strings, and missing ones, end in zeros. */
function combineStrings(
  db: Database,
  operation: BitOperation,
  entries: readonly number[],
  length: number,
): number {
  const ref = db.arena.alloc(length);
  const dst = db.arena.buf(ref, length);
  const at = db.arena.off(ref, length);
  for (const [i, entry] of entries.entries()) {
    let len = 0;
    if (entry !== 0) {
      const src = readString(db, entry);
      len = src.len;
      if (i > 0 || operation === "not") combine(operation, dst, at, src.buf, src.off, len);
      else copyBytes(src.buf, src.off, dst, at, len);
    }
    if (i === 0 || operation === "and") dst.fill(0, at + len, at + length);
  }
  return ref;
}
