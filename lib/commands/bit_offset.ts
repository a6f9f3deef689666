/** Bits by their number: as arguments, and strings made long enough to have them. */
import { hashBytes } from "../bytes/hash.ts";
import { parseInt64, parseInteger } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { addZeros, extendString, stringLength } from "../store/string_value.ts";

const NOT_AN_OFFSET = new ReplyError("ERR bit offset is not an integer or out of range");
/** Bytes of the longest string, less what a field may reach beyond its first bit. */
const MAX_BYTES = 2 ** 31 - 16;

const HASH_SIGN = 0x23;

/**
 * Argument `i` as the number of a bit. Where `bits` is given, `#n` stands for the nth field of that
 * many bits.
 */
export function bitOffsetArg(client: Client, args: Args, i: number, bits = 0): number {
  const { buf } = args;
  let off = args.off(i);
  let len = args.len(i);
  const counted = bits > 0 && len > 0 && buf[off] === HASH_SIGN;
  if (counted) {
    off++;
    len--;
  }
  let offset = parseInteger(buf, off, len);
  if (Number.isNaN(offset)) {
    const big = parseInt64(buf, off, len);
    if (big === undefined) throw NOT_AN_OFFSET;
    // The product wraps in Redis, so that a huge field number may be valid again.
    offset = Number(counted ? BigInt.asIntN(64, big * BigInt(bits)) : big);
  } else if (counted) offset *= bits;
  const limit = client.server.config.values["proto-max-bulk-len"];
  if (offset < 0 || offset >= 8 * Math.min(limit, MAX_BYTES)) throw NOT_AN_OFFSET;
  return offset;
}

/** Whether {@link growToBit} made the string, or made it longer. */
export let grew = false;

/** Makes argument 1 a string that can be written in place up to bit `last`; returns its entry. */
export function growToBit(client: Client, args: Args, last: number): number {
  const { db } = client;
  const length = Math.floor(last / 8) + 1;
  const { buf } = args;
  const off = args.off(1);
  const len = args.len(1);
  const hash = args.hashed ? args.hash : hashBytes(buf, off, len);
  const entry = db.writeHashed(hash, buf, off, len);
  if (entry === 0) {
    grew = true;
    return addZeros(db, buf, off, len, length, hash);
  }
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  grew = stringLength(db, entry) < length;
  return extendString(db, entry, length);
}
