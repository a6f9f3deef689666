/** What the commands of geo have in common: positions, units and distances, read and replied. */
import { parseDouble } from "../bytes/double.ts";
import { decodePosition, MAX_LATITUDE, MAX_LONGITUDE, type Position } from "../bytes/geohash.ts";
import { formatLongDouble } from "../bytes/long_double.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { NOT_A_FLOAT, ReplyError } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { zsetScore } from "../store/zset_value.ts";

const UNKNOWN_UNIT = new ReplyError("ERR unsupported unit provided. please use M, KM, FT, MI");

/** Metres of a unit. */
const UNITS = [["M", 1], ["KM", 1000], ["FT", 0.3048], ["MI", 1609.34]] as const;

const FRACTION_BITS = 52;

/** How many metres the unit is that argument `i` names. */
export function unitArg(args: Args, i: number): number {
  for (const [name, metres] of UNITS) if (args.is(i, name)) return metres;
  throw UNKNOWN_UNIT;
}

/** Longitude and latitude, arguments `i` and `i + 1`, within the limits. */
export function positionArg(args: Args, i: number): Position {
  const longitude = doubleArg(args, i, NOT_A_FLOAT);
  const latitude = doubleArg(args, i + 1, NOT_A_FLOAT);
  if (Math.abs(longitude) > MAX_LONGITUDE || Math.abs(latitude) > MAX_LATITUDE) {
    const pair = `${sixDecimals(longitude)},${sixDecimals(latitude)}`;
    throw new ReplyError(`ERR invalid longitude,latitude pair ${pair}`);
  }
  return { longitude, latitude };
}

/** Argument `i` as a double; throws `error` where it is none. */
export function doubleArg(args: Args, i: number, error: ReplyError): number {
  const value = parseDouble(args.buf, args.off(i), args.len(i));
  if (value === undefined) throw error;
  return value;
}

/** As C's printf writes a double with `%f`. */
function sixDecimals(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.000000";
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** Where the member is that is argument `i`, in the set of an entry; undefined if it is none. */
export function positionOf(
  { db }: Client,
  entry: number,
  args: Args,
  i: number,
): Position | undefined {
  const score = entry === 0 ? NaN : zsetScore(db, entry, args.buf, args.off(i), args.len(i));
  return Number.isNaN(score) ? undefined : decodePosition(score);
}

/** Longitude and latitude with up to 17 decimals, which RESP3 has as doubles. */
export function replyPosition(reply: ReplyWriter, position: Position): void {
  reply.array(2);
  replyCoordinate(reply, position.longitude);
  replyCoordinate(reply, position.latitude);
}

function replyCoordinate(reply: ReplyWriter, degrees: number): void {
  // As whole 2^-52ths no bit is lost: what is less than 2^-52 cannot come out of a hash.
  const mantissa = BigInt(Math.trunc(degrees)) * 2n ** BigInt(FRACTION_BITS) +
    BigInt(degrees % 1 * 2 ** FRACTION_BITS);
  const text = formatLongDouble({ mantissa, exponent: -FRACTION_BITS });
  if (reply.protocol === 2) reply.bulkText(text);
  else reply.raw(latin1Bytes(`,${text}\r\n`));
}

/** A distance with four decimals, a bulk string in both protocols. */
export function replyDistance(reply: ReplyWriter, distance: number): void {
  reply.bulkText(distance.toFixed(4));
}
