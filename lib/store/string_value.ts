/**
 * String values: a 64-bit integer in the record itself where the bytes are one (`int`), else bytes
 * in the arena (`embstr` up to 44 bytes as set, `raw` beyond, or once modified in place).
 */
import { copyBytes } from "../bytes/arena.ts";
import { formatInteger, parseInt64, parseInteger } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { type Database, ENCODING, TYPE, type ValueEncoding } from "./database.ts";

/** The longest string that counts as `embstr`. */
const EMBSTR_BYTES = 44;
const TWO_32 = 2 ** 32;

/** Bytes somewhere: what {@link readString} found. One object serves all: use it before the next call. */
export class Span {
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  len = 0;
}

const found = new Span();
const digits = new Uint8Array(24);

/** The bytes of a string value, valid until the next call or change. */
export function readString(db: Database, record: number): Span {
  if (db.encoding(record) === ENCODING.int) {
    found.buf = digits;
    found.off = 0;
    const value = readInteger(db, record);
    if (typeof value === "number") {
      found.len = formatInteger(value, digits, 0);
    } else {
      const text = latin1Bytes(value.toString());
      digits.set(text);
      found.len = text.length;
    }
  } else {
    const ref = db.low(record);
    const len = db.high(record);
    found.buf = db.arena.buf(ref, len);
    found.off = db.arena.off(ref, len);
    found.len = len;
  }
  return found;
}

/** Length in bytes of a string value. */
export function stringLength(db: Database, record: number): number {
  return db.encoding(record) === ENCODING.int ? readString(db, record).len : db.high(record);
}

/** An `int` value: a bigint only where it leaves ±(2^53 - 1). */
export function readInteger(db: Database, record: number): number | bigint {
  const low = db.low(record) >>> 0;
  const high = db.high(record);
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

/** Sets a key to a string, whatever it was; its expiry stays. Returns its record. */
export function setString(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  src: Uint8Array,
  off: number,
  len: number,
): number {
  const record = db.writeKey(key, keyOff, keyLen);
  if (record < 0) return addString(db, key, keyOff, keyLen, src, off, len);
  replaceString(db, record, src, off, len);
  return record;
}

/** Adds a key that is not there. */
export function addString(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  src: Uint8Array,
  off: number,
  len: number,
): number {
  if (parseCompact(src, off, len)) {
    return db.add(key, keyOff, keyLen, TYPE.string, ENCODING.int, intLow, intHigh);
  }
  const ref = db.arena.put(src, off, len);
  return db.add(key, keyOff, keyLen, TYPE.string, bytesEncoding(len), ref, len);
}

/** Gives a key another string in place of any value. */
export function replaceString(
  db: Database,
  record: number,
  src: Uint8Array,
  off: number,
  len: number,
): void {
  if (parseCompact(src, off, len)) {
    db.replaceValue(record, TYPE.string, ENCODING.int, intLow, intHigh);
    return;
  }
  const { arena } = db;
  const ref = db.low(record);
  const old = db.high(record);
  const encoding = db.encoding(record);
  if (
    (encoding === ENCODING.embstr || encoding === ENCODING.raw) && arena.fits(ref, old, len)
  ) {
    arena.write(ref, len, src, off);
    db.setValue(record, bytesEncoding(len), ref, len);
    return;
  }
  db.replaceValue(record, TYPE.string, bytesEncoding(len), arena.put(src, off, len), len);
}

/** Gives a key an integer within ±(2^53 - 1) as its value. */
export function replaceWithInteger(db: Database, record: number, value: number): void {
  const low = value | 0;
  const high = Math.floor(value / TWO_32);
  if (db.encoding(record) === ENCODING.int) db.setValue(record, ENCODING.int, low, high);
  else db.replaceValue(record, TYPE.string, ENCODING.int, low, high);
}

/**
 * Makes a string value `len` bytes long and `raw`, so that it can be written in place: what is new
 * is zero. Returns its bytes, valid until the next change.
 */
export function extendString(db: Database, record: number, len: number): Span {
  const { arena } = db;
  let ref = db.low(record);
  let old = db.high(record);
  if (db.encoding(record) === ENCODING.int) {
    const span = readString(db, record);
    old = span.len;
    ref = arena.put(span.buf, span.off, old);
  }
  if (len > old) {
    ref = arena.resize(ref, old, len);
    const at = arena.off(ref, len);
    arena.buf(ref, len).fill(0, at + old, at + len);
  } else {
    len = old;
  }
  db.setValue(record, ENCODING.raw, ref, len);
  found.buf = arena.buf(ref, len);
  found.off = arena.off(ref, len);
  found.len = len;
  return found;
}

/** Appends bytes to a string value; returns its new length. */
export function appendString(
  db: Database,
  record: number,
  src: Uint8Array,
  off: number,
  len: number,
): number {
  const old = stringLength(db, record);
  const span = extendString(db, record, old + len);
  copyBytes(src, off, span.buf, span.off + old, len);
  return old + len;
}

function bytesEncoding(len: number): ValueEncoding {
  return len <= EMBSTR_BYTES ? ENCODING.embstr : ENCODING.raw;
}

let intLow = 0;
let intHigh = 0;

/** Whether the bytes are a 64-bit integer as Redis writes it; leaves its halves in intLow, intHigh. */
function parseCompact(src: Uint8Array, off: number, len: number): boolean {
  if (len === 0 || len > 20 || src[off]! > 0x39) return false;
  const value = parseInteger(src, off, len);
  if (!Number.isNaN(value)) {
    intLow = value | 0;
    intHigh = Math.floor(value / TWO_32);
    return true;
  }
  if (len < 16) return false;
  const big = parseInt64(src, off, len);
  if (big === undefined) return false;
  intLow = Number(BigInt.asIntN(32, big));
  intHigh = Number(big >> 32n);
  return true;
}
