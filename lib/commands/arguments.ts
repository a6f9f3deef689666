/** Numbers among the arguments that several families read alike, with Redis's errors for them. */
import type { ValueType } from "../store/database.ts";
import type { Client } from "../server/client.ts";
import { equalBytes } from "../bytes/compare.ts";
import { LAST_TIME_MS, parseAnyInt64, parseInt64, parseInteger } from "../bytes/integer.ts";
import { parseLongDouble } from "../bytes/long_double.ts";
import type { Args } from "../resp/args.ts";
import { NOT_AN_INTEGER, ReplyError, WRONG_TYPE } from "../resp/reply_error.ts";

/** For a count that must not be negative. */
const NOT_POSITIVE = new ReplyError("ERR value is out of range, must be positive");
const INCREMENT_OVERFLOW = new ReplyError("ERR increment or decrement would overflow");

const NEGATIVE_TIMEOUT = new ReplyError("ERR timeout is negative");
const TIMEOUT_OUT_OF_RANGE = new ReplyError("ERR timeout is out of range");
const TIMEOUT_NOT_AN_INTEGER = new ReplyError("ERR timeout is not an integer or out of range");
const TIMEOUT_NOT_A_FLOAT = new ReplyError("ERR timeout is not a float or out of range");

const INT64_MAX = 2n ** 63n - 1n;
const COUNT_OUT_OF_RANGE = new ReplyError(
  `ERR value is out of range, value must between ${-INT64_MAX} and ${INT64_MAX}`,
);
const VALUE_OUT_OF_RANGE = new ReplyError("ERR value is out of range");
/** Below this, unit and base cannot take a time out of what a number holds exactly. */
const MAX_SIMPLE_TIME = 2 ** 42;

/**
 * Argument `i` as a signed 64-bit integer. Beyond ±(2^53 - 1) it is the nearest double, which does
 * for counts and indexes.
 */
export function integerArg(args: Args, i: number): number {
  const value = parseInteger(args.buf, args.off(i), args.len(i));
  if (!Number.isNaN(value)) return value;
  const big = parseInt64(args.buf, args.off(i), args.len(i));
  if (big === undefined) throw NOT_AN_INTEGER;
  return Number(big);
}

/**
 * Argument `i` as a signed 64-bit integer of at least `min`, as {@link integerArg} reads it; throws
 * `error` for anything else.
 */
export function integerAtLeast(
  args: Args,
  i: number,
  min: number,
  error: ReplyError = NOT_POSITIVE,
): number {
  const value = parseInteger(args.buf, args.off(i), args.len(i));
  if (value >= min) return value;
  const big = Number.isNaN(value) ? parseInt64(args.buf, args.off(i), args.len(i)) : undefined;
  if (big === undefined || big < min) throw error;
  return Number(big);
}

/** Argument `i` as a signed 64-bit integer, exactly: a bigint only beyond ±(2^53 - 1). */
export function int64Arg(args: Args, i: number): number | bigint {
  const value = parseAnyInt64(args.buf, args.off(i), args.len(i));
  if (value === undefined) throw NOT_AN_INTEGER;
  return value;
}

/**
 * A signed 64-bit sum, a bigint only beyond ±(2^53 - 1); throws the error of INCR and its like where
 * 64 bits do not hold it.
 */
export function addInt64(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  if (sum > INT64_MAX || sum < -INT64_MAX - 1n) throw INCREMENT_OVERFLOW;
  const value = Number(sum);
  return Number.isSafeInteger(value) ? value : sum;
}

/** Argument `i` as a C int: 32 bits, signed. */
export function int32Arg(args: Args, i: number): number {
  const value = integerArg(args, i);
  if (value !== (value | 0)) {
    throw new ReplyError(
      "ERR value is out of range, value must between -2147483648 and 2147483647",
    );
  }
  return value;
}

/**
 * Argument `i` as how many elements to pick at random; negative where they may repeat. With values
 * there are twice as many, so only half as many may be asked for. Beyond ±(2^53 - 1) it is the nearest
 * double.
 */
export function randomCountArg(args: Args, i: number, withValues: boolean): number {
  const count = int64Arg(args, i);
  if (typeof count === "bigint") {
    if (count < -INT64_MAX) throw COUNT_OUT_OF_RANGE;
    if (withValues && (count > INT64_MAX / 2n || count < -INT64_MAX / 2n)) throw VALUE_OUT_OF_RANGE;
  }
  return Number(count);
}

/**
 * Argument `i` as a time: `unitMs` (1 or 1000) times what it says, from `baseMs` on, in ms since the
 * epoch. It may lie in the past, and be negative. Throws Redis's error, with the name of the
 * command, where 64 bits do not hold it.
 */
export function timeArg(
  args: Args,
  i: number,
  unitMs: number,
  baseMs: number,
  command: string,
): number {
  const value = integerArg(args, i);
  if (value < MAX_SIMPLE_TIME && value > -MAX_SIMPLE_TIME) return value * unitMs + baseMs;
  const scaled = parseInt64(args.buf, args.off(i), args.len(i))! * BigInt(unitMs);
  if (scaled > INT64_MAX - BigInt(baseMs) || scaled < -INT64_MAX - 1n) {
    throw invalidExpireTime(command);
  }
  return Math.min(LAST_TIME_MS, Number(scaled) + baseMs);
}

/**
 * Argument `i` as the time-out of a command that waits: seconds, a fraction allowed. Returns
 * milliseconds, rounded up; 0 stands for ever.
 */
export function timeoutArg({ server }: Client, args: Args, i: number): number {
  const seconds = parseInteger(args.buf, args.off(i), args.len(i));
  const timeoutMs = Number.isNaN(seconds) ? fractionMs(args, i) : 1000 * seconds;
  if (timeoutMs < 0) throw NEGATIVE_TIMEOUT;
  if (timeoutMs > 0 && timeoutMs >= 2 ** 63 - server.time.nowMs) throw TIMEOUT_OUT_OF_RANGE;
  return timeoutMs;
}

function fractionMs(args: Args, i: number): number {
  const seconds = parseLongDouble(args.buf, args.off(i), args.len(i));
  if (seconds === undefined) throw TIMEOUT_NOT_A_FLOAT;
  const { mantissa, exponent } = seconds;
  const timeoutMs = Math.ceil(1000 * Number(mantissa) * 2 ** exponent);
  // What is too small for a double is still more than nothing.
  return mantissa > 0n ? Math.max(1, timeoutMs) : timeoutMs;
}

/** Argument `i` as a time-out in whole milliseconds. */
export function millisecondsArg({ server }: Client, args: Args, i: number): number {
  const durationMs = parseInt64(args.buf, args.off(i), args.len(i));
  if (durationMs === undefined) throw TIMEOUT_NOT_AN_INTEGER;
  if (durationMs < 0n) throw NEGATIVE_TIMEOUT;
  if (durationMs > INT64_MAX - BigInt(server.time.nowMs)) throw TIMEOUT_OUT_OF_RANGE;
  return Number(durationMs);
}

/** The error for an expiry that the command named does not take. */
export function invalidExpireTime(command: string): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${command}' command`);
}

/** Whether two arguments are the same bytes. */
export function sameArgs(args: Args, i: number, j: number): boolean {
  const { buf } = args;
  const len = args.len(i);
  return len === args.len(j) && equalBytes(buf, args.off(i), buf, args.off(j), len);
}

/** The entry of key argument `i` for a command that reads, or 0; throws WRONG_TYPE for another type. */
export function readTyped(client: Client, args: Args, i: number, type: ValueType): number {
  const entry = client.db.read(args, i);
  if (entry !== 0 && client.db.type(entry) !== type) throw WRONG_TYPE;
  return entry;
}

/** {@link readTyped} for a command that counts as a reader, but changes what it finds. */
export function readTypedToChange(
  client: Client,
  args: Args,
  i: number,
  type: ValueType,
): number {
  const entry = readTyped(client, args, i, type);
  if (entry !== 0) client.db.beforeWrite(entry);
  return entry;
}

/** The entry of key argument `i` for a command that writes, or 0; throws WRONG_TYPE for another type. */
export function writeTyped(client: Client, args: Args, i: number, type: ValueType): number {
  const entry = client.db.write(args, i);
  if (entry !== 0 && client.db.type(entry) !== type) throw WRONG_TYPE;
  return entry;
}
