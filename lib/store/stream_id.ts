/**
 * Stream IDs: `<ms>-<sequence>`, two unsigned 64-bit integers.
 *
 * An ID is four 32-bit words somewhere in an Int32Array: milliseconds high, low, sequence high, low.
 * So all of both ranges is there without a bigint, and IDs of a table stand side by side in it.
 */
import { formatInteger } from "../bytes/integer.ts";
import { latin1, latin1Bytes } from "../bytes/text.ts";

/** An ID by itself. */
export type StreamId = Int32Array;

export const ID_WORDS = 4;
/** The longest ID that Redis reads, in bytes. */
const MAX_TEXT = 127;
/** Digits that a double holds exactly. */
const SAFE_DIGITS = 15;
const TWO_32 = 2 ** 32;
const UINT64_MAX = 2n ** 64n - 1n;
const MINUS = 0x2d;
const STAR = 0x2a;
const ZERO = 0x30;

/** 0-0 unless words are given. */
export function newId(msHigh = 0, msLow = 0, seqHigh = 0, seqLow = 0): StreamId {
  // Half the time of Int32Array.of.
  const id = new Int32Array(ID_WORDS);
  id[0] = msHigh;
  id[1] = msLow;
  id[2] = seqHigh;
  id[3] = seqLow;
  return id;
}

export const MIN_ID: StreamId = newId();
export const MAX_ID: StreamId = newId(-1, -1, -1, -1);

export function copyId(from: Int32Array, to: Int32Array, fromAt = 0, toAt = 0): void {
  to[toAt] = from[fromAt]!;
  to[toAt + 1] = from[fromAt + 1]!;
  to[toAt + 2] = from[fromAt + 2]!;
  to[toAt + 3] = from[fromAt + 3]!;
}

/** Negative, 0 or positive, as `a` is less than, equal to or greater than `b`. */
export function compareIds(a: Int32Array, b: Int32Array, aAt = 0, bAt = 0): number {
  for (let i = 0; i < ID_WORDS; i++) {
    const x = a[aAt + i]!;
    const y = b[bAt + i]!;
    if (x !== y) return x >>> 0 < y >>> 0 ? -1 : 1;
  }
  return 0;
}

export function isZeroId(id: StreamId): boolean {
  return (id[0]! | id[1]! | id[2]! | id[3]!) === 0;
}

/** The next ID; returns false, and the ID is 0-0, after the greatest. */
export function incrementId(id: StreamId): boolean {
  for (let i = ID_WORDS - 1; i >= 0; i--) if (++id[i]! !== 0) return true;
  return false;
}

/** The ID before; returns false, and the ID is the greatest, before 0-0. */
export function decrementId(id: StreamId): boolean {
  for (let i = ID_WORDS - 1; i >= 0; i--) if (id[i]!-- !== 0) return true;
  return false;
}

/** Whether an ID's sequence is the greatest. */
export function isLastSequence(id: StreamId): boolean {
  return (id[2]! & id[3]!) === -1;
}

/** Makes an ID `<ms>-0`. */
export function setIdTime(id: StreamId, ms: number): void {
  id[0] = Math.floor(ms / TWO_32);
  id[1] = ms;
  id[2] = 0;
  id[3] = 0;
}

/** The digits of the ID that was formatted last. */
export const idText = new Uint8Array(41);

// The milliseconds whose digits stand in the text's beginning, and where they end: IDs that come one
// after the other mostly share them.
let textMsHigh = 0;
let textMsLow = 0;
let textMsEnd = formatHalf(0, 0, 0);

/** Writes an ID to {@link idText}, with a sign between its halves; returns the length. */
export function formatId(id: Int32Array, at = 0, sign = MINUS): number {
  if (id[at] !== textMsHigh || id[at + 1] !== textMsLow) {
    textMsHigh = id[at]!;
    textMsLow = id[at + 1]!;
    textMsEnd = formatHalf(textMsHigh, textMsLow, 0);
  }
  let end = textMsEnd;
  idText[end++] = sign;
  end = formatHalf(id[at + 2]!, id[at + 3]!, end);
  return end;
}

function formatHalf(high: number, low: number, at: number): number {
  const value = (high >>> 0) * TWO_32 + (low >>> 0);
  if (Number.isSafeInteger(value)) return formatInteger(value, idText, at);
  const digits = latin1Bytes((BigInt(high >>> 0) << 32n | BigInt(low >>> 0)).toString());
  idText.set(digits, at);
  return at + digits.length;
}

/** What {@link parseId} made of a text. */
export const PARSED = { invalid: 0, whole: 1, sequenceOpen: 2 } as const;
export type Parsed = typeof PARSED[keyof typeof PARSED];

/**
 * Reads `<ms>-<sequence>`, `<ms>` (whose sequence is the lowest, or the greatest with `last`) or,
 * with `open`, `<ms>-*` into `id`, whose sequence is 0 then.
 */
export function parseId(
  buf: Uint8Array,
  off: number,
  len: number,
  id: StreamId,
  last = false,
  open = false,
): Parsed {
  if (len > MAX_TEXT) return PARSED.invalid;
  // Redis reads C strings.
  let end = off;
  while (end < off + len && buf[end] !== 0) end++;
  let dash = off;
  while (dash < end && buf[dash] !== MINUS) dash++;
  if (!parseHalf(buf, off, dash, id, 0)) return PARSED.invalid;
  if (dash === end) {
    id[2] = id[3] = last ? -1 : 0;
    return PARSED.whole;
  }
  if (open && end - dash === 2 && buf[dash + 1] === STAR) {
    id[2] = id[3] = 0;
    return PARSED.sequenceOpen;
  }
  return parseHalf(buf, dash + 1, end, id, 2) ? PARSED.whole : PARSED.invalid;
}

/** Whatever C's strtoull takes, but a plain negative number. */
const LENIENT = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)$/;
const PLAIN_NEGATIVE = /^-[1-9][0-9]{0,18}$/;

function parseHalf(buf: Uint8Array, from: number, end: number, id: StreamId, at: number): boolean {
  if (end > from && end - from <= SAFE_DIGITS) {
    let value = 0;
    let i = from;
    for (; i < end; i++) {
      const digit = buf[i]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (i === end) {
      id[at] = Math.floor(value / TWO_32);
      id[at + 1] = value;
      return true;
    }
  }
  const text = latin1(buf, from, end - from);
  const match = LENIENT.exec(text);
  if (match === null) return false;
  let value = BigInt(match[2]!);
  if (value > UINT64_MAX) return false;
  if (match[1] === "-") {
    if (PLAIN_NEGATIVE.test(text) && value <= 2n ** 63n) return false;
    value = -value;
  }
  id[at] = Number(BigInt.asIntN(32, value >> 32n));
  id[at + 1] = Number(BigInt.asIntN(32, value));
  return true;
}
