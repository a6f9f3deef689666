/**
 * Bits in bytes: counting, searching, combining, and integers of any width. Bit 0 is the highest bit
 * of the first byte, as Redis numbers them, and integers stand with their highest bit first. Long
 * stretches go by words of 32 bits.
 */

/** How many bits are set in each value of a byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => onesInWord(byte));
/** Fewer bytes than this are not worth a view of words. */
const FEW_BYTES = 32;

/** How many bits are set in `len` bytes of `buf` from `off` on. */
export function countBytes(buf: Uint8Array, off: number, len: number): number {
  let at = off;
  const end = off + len;
  let count = 0;
  if (len >= FEW_BYTES) {
    for (; !isAligned(buf, at); at++) count += ONES[buf[at]!]!;
    const words = wordsOf(buf, at, (end - at) >>> 2);
    for (let i = 0; i < words.length; i++) count += onesInWord(words[i]!);
    at += 4 * words.length;
  }
  for (; at < end; at++) count += ONES[buf[at]!]!;
  return count;
}

/** How many of the bits from `start` to `end` (included) are set, in the bytes from `off` on. */
export function countBits(buf: Uint8Array, off: number, start: number, end: number): number {
  const first = Math.floor(start / 8);
  const last = Math.floor(end / 8);
  const head = buf[off + first]! & (0xff >>> (start % 8));
  const tail = 0xff << (7 - end % 8);
  if (first === last) return ONES[head & tail]!;
  return ONES[head]! + countBytes(buf, off + first + 1, last - first - 1) +
    ONES[buf[off + last]! & tail & 0xff]!;
}

/** The first bit from `start` to `end` (included) that is `bit`, or -1. */
export function findBit(
  buf: Uint8Array,
  off: number,
  bit: 0 | 1,
  start: number,
  end: number,
): number {
  // Turned over where a zero is wanted, so that it is always a one that is looked for.
  const flip = bit === 1 ? 0 : 0xff;
  const last = Math.floor(end / 8);
  let byte = Math.floor(start / 8);
  let candidates = (buf[off + byte]! ^ flip) & (0xff >>> (start % 8));
  if (candidates === 0) {
    byte = skipBytes(buf, off + byte + 1, off + last + 1, flip) - off;
    if (byte > last) return -1;
    candidates = buf[off + byte]! ^ flip;
  }
  const found = 8 * byte + Math.clz32(candidates) - 24;
  return found <= end ? found : -1;
}

/** The first place from `at` up to `end` whose byte is not `byte` (0 or 0xff), or `end`. */
function skipBytes(buf: Uint8Array, at: number, end: number, byte: number): number {
  if (end - at >= FEW_BYTES) {
    for (; !isAligned(buf, at); at++) if (buf[at] !== byte) return at;
    const words = wordsOf(buf, at, (end - at) >>> 2);
    const word = byte === 0 ? 0 : -1;
    let i = 0;
    while (i < words.length && words[i] === word) i++;
    at += 4 * i;
  }
  while (at < end && buf[at] === byte) at++;
  return at;
}

/** `not` writes what `src` is not; the others change what is there. */
export type BitOperation = "and" | "or" | "xor" | "not";

/** Combines `len` bytes of `dst` with those of `src`. */
export function combine(
  operation: BitOperation,
  dst: Uint8Array,
  dstOff: number,
  src: Uint8Array,
  srcOff: number,
  len: number,
): void {
  let done = 0;
  if (isAligned(dst, dstOff) && isAligned(src, srcOff)) {
    const count = len >>> 2;
    combineEach(operation, wordsOf(dst, dstOff, count), wordsOf(src, srcOff, count));
    done = 4 * count;
  }
  combineEach(
    operation,
    dst.subarray(dstOff + done, dstOff + len),
    src.subarray(srcOff + done, srcOff + len),
  );
}

function combineEach<T extends Int32Array | Uint8Array>(
  operation: BitOperation,
  dst: T,
  src: T,
): void {
  const count = dst.length;
  switch (operation) {
    case "and":
      for (let i = 0; i < count; i++) dst[i]! &= src[i]!;
      break;
    case "or":
      for (let i = 0; i < count; i++) dst[i]! |= src[i]!;
      break;
    case "xor":
      for (let i = 0; i < count; i++) dst[i]! ^= src[i]!;
      break;
    case "not":
      for (let i = 0; i < count; i++) dst[i] = ~src[i]!;
  }
}

/**
 * The unsigned integer in `bits` bits (at most 53) from bit `at` on, of `len` bytes from `off` on;
 * what lies beyond them is zero.
 */
export function getBits(
  buf: Uint8Array,
  off: number,
  len: number,
  at: number,
  bits: number,
): number {
  let value = 0;
  while (bits > 0) {
    const byte = Math.floor(at / 8);
    const used = at % 8;
    const count = Math.min(8 - used, bits);
    const there = byte < len ? buf[off + byte]! : 0;
    value = value * (1 << count) + ((there >>> (8 - used - count)) & ((1 << count) - 1));
    at += count;
    bits -= count;
  }
  return value;
}

/** Writes an unsigned integer into `bits` bits (at most 53) from bit `at` on. */
export function setBits(
  buf: Uint8Array,
  off: number,
  at: number,
  bits: number,
  value: number,
): void {
  let end = at + bits;
  while (end > at) {
    const place = off + Math.floor((end - 1) / 8);
    const unused = 7 - (end - 1) % 8;
    const count = Math.min(8 - unused, end - at);
    const range = 1 << count;
    const mask = (range - 1) << unused;
    buf[place] = (buf[place]! & ~mask) | ((value % range) << unused);
    value = Math.floor(value / range);
    end -= count;
  }
}

/** Adds up bits in pairs, fours, then bytes; the multiplication sums the bytes. */
function onesInWord(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function isAligned(buf: Uint8Array, at: number): boolean {
  return ((buf.byteOffset + at) & 3) === 0;
}

function wordsOf(buf: Uint8Array, at: number, count: number): Int32Array {
  return new Int32Array(buf.buffer, buf.byteOffset + at, count);
}
