/**
 * BITFIELD: integers of any width within a string. Fields of up to 48 bits are numbers throughout,
 * wider ones bigints.
 */
import { parseInteger } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { getBits, setBits } from "../store/bits.ts";
import { TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { readString, Span } from "../store/string_value.ts";
import { int64Arg } from "./arguments.ts";
import { bitOffsetArg, grew, growToBit } from "./bit_offset.ts";
import { bitfieldKeys } from "./keyspecs.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { replyInt64 } from "./string_counter.ts";

export const BITFIELD_COMMANDS = [
  {
    name: "bitfield",
    arity: -2,
    flags: ["write", "denyoom"],
    group: "bitmap",
    since: "3.2.0",
    complexity: "O(1) an operation",
    summary: "Reads, sets and increments integers of any width within a string.",
    syntax:
      "key:key [operation:(GET get-block:{encoding:string offset:integer}|write:{[OVERFLOW overflow-block:(WRAP|SAT|FAIL)] write-operation:(SET set-block:{encoding:string offset:integer value:integer}|INCRBY incrby-block:{encoding:string offset:integer increment:integer})})...]",
    keys: [{
      flags: "RW access update variable_flags",
      begin: 1,
      range: [0, 1, 0],
      notes: "Read only where all operations are GET",
    }],
    getKeys: bitfieldKeys,
    handler: (client, args) => bitfield(client, args, false),
  },
  {
    name: "bitfield_ro",
    arity: -2,
    flags: ["readonly", "fast"],
    group: "bitmap",
    since: "6.0.0",
    complexity: "O(1) an operation",
    summary: "Reads integers of any width within a string.",
    syntax: "key:key [GET get-block:{encoding:string offset:integer}]...",
    keys: keys("RO access"),
    handler: (client, args) => bitfield(client, args, true),
  },
] as const satisfies readonly CommandSpec[];

const NOT_A_FIELD_TYPE = new ReplyError(
  "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
const NOT_AN_OVERFLOW = new ReplyError("ERR Invalid OVERFLOW type specified");
const ONLY_READS = new ReplyError("ERR BITFIELD_RO only supports the GET subcommand");

/** Fields wider than this are bigints: below it, a sum with {@link MAX_NUMBER_OPERAND} is exact. */
const MAX_NUMBER_BITS = 48;
const MAX_NUMBER_OPERAND = 2 ** 52;
const INT64_MAX = 2n ** 63n - 1n;

const LOWER_I = 0x69;
const LOWER_U = 0x75;

type Int64 = number | bigint;
type Overflow = "wrap" | "sat" | "fail";

interface Operation {
  readonly kind: "get" | "set" | "incrby";
  readonly signed: boolean;
  readonly bits: number;
  /** The field's first bit. */
  readonly offset: number;
  /** What SET writes and INCRBY adds. */
  readonly operand: Int64;
  readonly overflow: Overflow;
}

function bitfield(client: Client, args: Args, readOnly: boolean): void {
  const { db, reply } = client;
  const operations = readOperations(client, args);
  let last = -1;
  for (const { kind, offset, bits } of operations) {
    if (kind !== "get") last = Math.max(last, offset + bits - 1);
  }
  const writes = last >= 0;
  if (writes && readOnly) throw ONLY_READS;
  const entry = writes ? growToBit(client, args, last) : db.read(args, 1);
  if (!writes && entry !== 0 && db.type(entry) !== TYPE.string) throw WRONG_TYPE;

  const bytes = entry === 0 ? new Span() : readString(db, entry);
  let changes = 0;
  reply.array(operations.length);
  for (const operation of operations) {
    const old = readField(bytes, operation);
    if (operation.kind === "get") {
      replyInt64(reply, old);
      continue;
    }
    const value = result(old, operation);
    if (value === undefined) {
      reply.nil();
      continue;
    }
    writeField(bytes, operation, value);
    if (grew || value !== old) changes++;
    replyInt64(reply, operation.kind === "set" ? old : value);
  }
  if (changes > 0) {
    client.changed(args, 1, EVENT.string, "setbit");
    client.server.effects.dirty += changes - 1;
  }
}

function readOperations(client: Client, args: Args): Operation[] {
  const operations: Operation[] = [];
  let overflow: Overflow = "wrap";
  for (let i = 2; i < args.count;) {
    const left = args.count - i - 1;
    let kind: Operation["kind"];
    if (left >= 2 && args.is(i, "GET")) kind = "get";
    else if (left >= 3 && args.is(i, "SET")) kind = "set";
    else if (left >= 3 && args.is(i, "INCRBY")) kind = "incrby";
    else if (left >= 1 && args.is(i, "OVERFLOW")) {
      overflow = overflowArg(args, i + 1);
      i += 2;
      continue;
    } else throw SYNTAX_ERROR;

    const first = args.len(i + 1) > 0 ? args.buf[args.off(i + 1)] : 0;
    const bits = parseInteger(args.buf, args.off(i + 1) + 1, args.len(i + 1) - 1);
    const signed = first === LOWER_I;
    if (!signed && first !== LOWER_U) throw NOT_A_FIELD_TYPE;
    if (!(bits >= 1 && bits <= (signed ? 64 : 63))) throw NOT_A_FIELD_TYPE;
    const offset = bitOffsetArg(client, args, i + 2, bits);
    const operand = kind === "get" ? 0 : int64Arg(args, i + 3);
    operations.push({ kind, signed, bits, offset, operand, overflow });
    i += kind === "get" ? 3 : 4;
  }
  return operations;
}

function overflowArg(args: Args, i: number): Overflow {
  if (args.is(i, "WRAP")) return "wrap";
  if (args.is(i, "SAT")) return "sat";
  if (args.is(i, "FAIL")) return "fail";
  throw NOT_AN_OVERFLOW;
}

function readField(bytes: Span, { signed, bits, offset }: Operation): Int64 {
  const { buf, off, len } = bytes;
  if (bits <= MAX_NUMBER_BITS) {
    const value = getBits(buf, off, len, offset, bits);
    return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  }
  const high = getBits(buf, off, len, offset, bits - 32);
  const low = getBits(buf, off, len, offset + bits - 32, 32);
  const value = (BigInt(high) << 32n) | BigInt(low);
  return signed ? BigInt.asIntN(bits, value) : value;
}

function writeField(bytes: Span, { bits, offset }: Operation, value: Int64): void {
  const { buf, off } = bytes;
  if (typeof value === "number") {
    setBits(buf, off, offset, bits, value < 0 ? value + 2 ** bits : value);
    return;
  }
  const unsigned = BigInt.asUintN(bits, value);
  setBits(buf, off, offset, bits - 32, Number(unsigned >> 32n));
  setBits(buf, off, offset + bits - 32, 32, Number(unsigned & 0xffffffffn));
}

/** What the field holds afterwards, or undefined where it overflows and must stay. */
function result(old: Int64, operation: Operation): Int64 | undefined {
  const { kind, bits, operand } = operation;
  if (
    typeof old === "number" && typeof operand === "number" &&
    Math.abs(operand) <= MAX_NUMBER_OPERAND
  ) {
    return resultOfNumbers(kind === "set" ? operand : old + operand, operation);
  }
  const wanted = kind === "set" ? BigInt(operand) : BigInt(old) + BigInt(operand);
  const value = resultOfBigints(wanted, operation);
  return value !== undefined && bits <= MAX_NUMBER_BITS ? Number(value) : value;
}

function resultOfNumbers(
  wanted: number,
  { kind, signed, bits, overflow }: Operation,
): number | undefined {
  const range = 2 ** bits;
  const max = (signed ? range / 2 : range) - 1;
  const min = signed ? -range / 2 : 0;
  if (wanted >= min && wanted <= max) return wanted;
  if (overflow === "fail") return undefined;
  if (overflow === "sat") return wanted > max || (kind === "set" && !signed) ? max : min;
  const wrapped = (wanted % range + range) % range;
  return wrapped > max ? wrapped - range : wrapped;
}

function resultOfBigints(
  wanted: bigint,
  { kind, signed, bits, overflow }: Operation,
): bigint | undefined {
  const range = 1n << BigInt(bits);
  const max = (signed ? range / 2n : range) - 1n;
  const min = signed ? -range / 2n : 0n;
  if (wanted >= min && wanted <= max) return wanted;
  if (overflow === "fail") return undefined;
  if (overflow === "wrap") {
    return signed ? BigInt.asIntN(bits, wanted) : BigInt.asUintN(bits, wanted);
  }
  if (wanted > max) return max;
  // SET takes a negative value for an unsigned field as a huge one. As in Redis, it also saturates
  // upwards where a signed value is so low that its distance from `max` leaves 64 bits.
  return kind === "set" && (!signed || max - wanted > INT64_MAX) ? max : min;
}
