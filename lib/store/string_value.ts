/**
 * String values: a 64-bit integer in the entry where the bytes are one (`int`); up to 44 bytes in
 * the entry itself (`embstr`); else, or once modified in place, in a block of their own (`raw`).
 */
import { copyBytes } from "../bytes/arena.ts";
import { hashBytes } from "../bytes/hash.ts";
import { int64, joinInt64, readInt64, splitInt64 } from "../bytes/int64.ts";
import { formatInteger } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { type Database, ENCODING, MAX_EMBSTR, NO_EXPIRY, TYPE } from "./database.ts";

/** For `expiryMs`: the key's expiry, if it has one, stays. */
export const KEEP_EXPIRY = -2;

/** Bytes somewhere: what {@link readString} found. One object serves all: use it before the next call. */
export class Span {
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  len = 0;
}

const found = new Span();
const digits = new Uint8Array(24);

/** The bytes of a string value, valid until the next call or change. */
export function readString(db: Database, entry: number): Span {
  const encoding = db.encoding(entry);
  if (encoding === ENCODING.embstr) {
    found.buf = db.arena.slab(entry);
    found.off = db.embstrOff(entry);
    found.len = db.high(entry);
  } else if (encoding === ENCODING.int) {
    found.buf = digits;
    found.off = 0;
    const value = readInteger(db, entry);
    if (typeof value === "number") {
      found.len = formatInteger(value, digits, 0);
    } else {
      const text = latin1Bytes(value.toString());
      digits.set(text);
      found.len = text.length;
    }
  } else {
    const ref = db.low(entry);
    const len = db.high(entry);
    found.buf = db.arena.buf(ref, len);
    found.off = db.arena.off(ref, len);
    found.len = len;
  }
  return found;
}

/** Length in bytes of a string value. */
export function stringLength(db: Database, entry: number): number {
  return db.encoding(entry) === ENCODING.int ? readString(db, entry).len : db.high(entry);
}

/** An `int` value: a bigint only where it leaves ±(2^53 - 1). */
export function readInteger(db: Database, entry: number): number | bigint {
  return joinInt64(db.low(entry), db.high(entry));
}

/**
 * Sets a key to a string, whatever it was. `expiryMs` is in ms since the epoch, or NO_EXPIRY, or
 * KEEP_EXPIRY. Returns the entry.
 */
export function setString(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  src: Uint8Array,
  off: number,
  len: number,
  expiryMs: number,
  hash = hashBytes(key, keyOff, keyLen),
): number {
  const entry = db.writeHashed(hash, key, keyOff, keyLen);
  if (entry !== 0) return replaceString(db, entry, src, off, len, expiryMs);
  const expiry = expiryMs === KEEP_EXPIRY ? NO_EXPIRY : expiryMs;
  return addString(db, key, keyOff, keyLen, src, off, len, expiry, hash);
}

/** Adds a key that is not there with a string; returns the entry. */
export function addString(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  src: Uint8Array,
  off: number,
  len: number,
  expiry: number,
  hash: number,
): number {
  if (readInt64(src, off, len)) {
    return db.add(
      key,
      keyOff,
      keyLen,
      TYPE.string,
      ENCODING.int,
      int64.low,
      int64.high,
      expiry,
      hash,
    );
  }
  if (len <= MAX_EMBSTR) {
    return db.addEmbstr(hash, key, keyOff, keyLen, src, off, len, expiry);
  }
  const ref = db.arena.put(src, off, len);
  return db.add(key, keyOff, keyLen, TYPE.string, ENCODING.raw, ref, len, expiry, hash);
}

/** Gives a key that is there another string in place of any value: see {@link setString}. */
export function replaceString(
  db: Database,
  entry: number,
  src: Uint8Array,
  off: number,
  len: number,
  expiryMs: number,
): number {
  const expiry = expiryMs === KEEP_EXPIRY ? db.expiryMs(entry) : expiryMs;
  if (readInt64(src, off, len)) {
    return db.replace(entry, TYPE.string, ENCODING.int, int64.low, int64.high, expiry);
  }
  if (len <= MAX_EMBSTR) return db.replaceWithEmbstr(entry, src, off, len, expiry);
  const { arena } = db;
  if (db.encoding(entry) === ENCODING.raw && arena.fits(db.low(entry), db.high(entry), len)) {
    const ref = db.low(entry);
    arena.write(ref, len, src, off);
    db.setValue(entry, ENCODING.raw, ref, len);
    return db.setExpiry(entry, expiry);
  }
  const ref = arena.put(src, off, len);
  return db.replace(entry, TYPE.string, ENCODING.raw, ref, len, expiry);
}

/** Adds a key that is not there, a signed 64-bit integer its value; returns the entry. */
export function addInteger(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  value: number | bigint,
  hash: number,
): number {
  splitInt64(value);
  const { string } = TYPE;
  return db.add(key, keyOff, keyLen, string, ENCODING.int, int64.low, int64.high, NO_EXPIRY, hash);
}

/** Gives a string value a signed 64-bit integer in its place; the expiry stays. */
export function replaceWithInteger(db: Database, entry: number, value: number | bigint): number {
  splitInt64(value);
  if (db.encoding(entry) === ENCODING.int) {
    db.setValue(entry, ENCODING.int, int64.low, int64.high);
    return entry;
  }
  return db.replace(entry, TYPE.string, ENCODING.int, int64.low, int64.high, db.expiryMs(entry));
}

/** Adds a key that is not there, `length` zero bytes its `raw` value; returns the entry. */
export function addZeros(
  db: Database,
  key: Uint8Array,
  keyOff: number,
  keyLen: number,
  length: number,
  hash: number,
): number {
  const { arena } = db;
  const ref = arena.alloc(length);
  const at = arena.off(ref, length);
  arena.buf(ref, length).fill(0, at, at + length);
  return db.add(key, keyOff, keyLen, TYPE.string, ENCODING.raw, ref, length, NO_EXPIRY, hash);
}

/**
 * Makes a string value at least `len` bytes long and `raw`, so that it can be written in place: what
 * is new is zero. Returns the entry; its bytes are {@link readString}'s.
 */
export function extendString(db: Database, entry: number, len: number): number {
  const { arena } = db;
  if (db.encoding(entry) !== ENCODING.raw) {
    const value = readString(db, entry);
    const ref = arena.put(value.buf, value.off, value.len);
    const old = value.len;
    entry = db.replace(entry, TYPE.string, ENCODING.raw, ref, old, db.expiryMs(entry));
  }
  const old = db.high(entry);
  if (len > old) {
    const ref = arena.resize(db.low(entry), old, len);
    const at = arena.off(ref, len);
    arena.buf(ref, len).fill(0, at + old, at + len);
    db.setValue(entry, ENCODING.raw, ref, len);
  }
  return entry;
}

/** Appends bytes to a string value and returns its new length. */
export function appendString(
  db: Database,
  entry: number,
  src: Uint8Array,
  off: number,
  len: number,
): number {
  const old = stringLength(db, entry);
  const value = readString(db, extendString(db, entry, old + len));
  copyBytes(src, off, value.buf, value.off + old, len);
  return old + len;
}
