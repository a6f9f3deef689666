/**
 * Intsets: how Redis keeps small sets of integers, byte for byte, so that RDB can copy them.
 *
 *     bytes an integer: 2, 4 or 8 (4, little-endian) | how many (4) | the integers, ascending
 *
 * All integers have the width that the widest one ever needed. Integers come and go as halves of 32
 * bits (`lib/bytes/int64.ts`).
 */
import type { Arena } from "../bytes/arena.ts";
import { joinInt64 } from "../bytes/int64.ts";
import { formatInteger } from "../bytes/integer.ts";
import type { Element } from "../bytes/listpack.ts";
import { latin1Bytes } from "../bytes/text.ts";

const HEADER = 8;
const EMPTY = new Uint8Array(0);

/**
 * A handle on an intset in an arena. One handle may serve many: {@link Intset.open} it on a block,
 * change it, and keep `ref` and `bytes` afterwards.
 */
export class Intset {
  arena!: Arena;
  /** The block's reference and length. */
  ref = 0;
  bytes = 0;

  #buf: Uint8Array = EMPTY;
  #off = 0;

  open(arena: Arena, ref: number, bytes: number): this {
    this.arena = arena;
    this.#place(ref, bytes);
    return this;
  }

  /** Opens a new empty one. */
  create(arena: Arena): this {
    this.open(arena, arena.alloc(HEADER), HEADER);
    this.#writeHeader(2, 0);
    return this;
  }

  get count(): number {
    return readWord(this.#buf, this.#off + 4);
  }

  /** Low half of the integer at an index. */
  low(index: number): number {
    const buf = this.#buf;
    const width = this.#width;
    const at = this.#off + HEADER + index * width;
    return width === 2 ? (buf[at]! | buf[at + 1]! << 8) << 16 >> 16 : readWord(buf, at);
  }

  /** High half of the integer at an index. */
  high(index: number): number {
    return this.#width === 8
      ? readWord(this.#buf, this.#off + HEADER + index * 8 + 4)
      : this.low(index) >> 31;
  }

  /** The integer's index; where it is not there, `-1 - index` of where it would be. */
  find(low: number, high: number): number {
    let from = 0;
    let to = this.count - 1;
    // Integers that only grow are common: look at the last one first.
    if (to >= 0 && this.#compare(to, low, high) < 0) return -2 - to;
    while (from <= to) {
      const middle = (from + to) >>> 1;
      const order = this.#compare(middle, low, high);
      if (order === 0) return middle;
      if (order < 0) from = middle + 1;
      else to = middle - 1;
    }
    return -1 - from;
  }

  /** Returns whether the integer is new. */
  add(low: number, high: number): boolean {
    const width = widthOf(low, high);
    const { count } = this;
    if (width > this.#width) {
      // Wider than all there are, it is less or more than all of them.
      this.#widen(width, high < 0 ? 1 : 0);
      this.#write(high < 0 ? 0 : count, low, high);
      return true;
    }
    const found = this.find(low, high);
    if (found >= 0) return false;
    const index = -1 - found;
    const step = this.#width;
    const { bytes } = this;
    this.#place(this.arena.resize(this.ref, bytes, bytes + step), bytes + step);
    const at = this.#off + HEADER + index * step;
    if (index < count) this.#buf.copyWithin(at + step, at, this.#off + bytes);
    this.#writeHeader(step, count + 1);
    this.#write(index, low, high);
    return true;
  }

  removeAt(index: number): void {
    const step = this.#width;
    const { bytes, count } = this;
    const at = this.#off + HEADER + index * step;
    this.#buf.copyWithin(at, at + step, this.#off + bytes);
    this.#writeHeader(step, count - 1);
    this.#place(this.arena.resize(this.ref, bytes, bytes - step), bytes - step);
  }

  /** The decimal form of the integer at an index. */
  read(index: number, into: Element): Element {
    const value = joinInt64(this.low(index), this.high(index));
    into.buf = into.digits;
    into.off = 0;
    if (typeof value === "number") {
      into.len = formatInteger(value, into.digits, 0);
    } else {
      const text = latin1Bytes(value.toString());
      into.digits.set(text);
      into.len = text.length;
    }
    return into;
  }

  /** Bytes of an integer. */
  get #width(): number {
    return this.#buf[this.#off]!;
  }

  #place(ref: number, bytes: number): void {
    this.ref = ref;
    this.bytes = bytes;
    this.#buf = this.arena.buf(ref, bytes);
    this.#off = this.arena.off(ref, bytes);
  }

  /** Less than 0 where the integer at an index is less than another, 0 where they are equal. */
  #compare(index: number, low: number, high: number): number {
    return this.high(index) - high || (this.low(index) >>> 0) - (low >>> 0);
  }

  /** Moves to a block of wider integers with room for one more: `before` or behind all others. */
  #widen(width: number, before: 0 | 1): void {
    const { arena, bytes, count, ref } = this;
    const old = new Intset().open(arena, ref, bytes);
    const to = HEADER + (count + 1) * width;
    this.#place(arena.alloc(to), to);
    this.#writeHeader(width, count + 1);
    for (let i = 0; i < count; i++) this.#write(i + before, old.low(i), old.high(i));
    arena.free(ref, bytes);
  }

  #write(index: number, low: number, high: number): void {
    const buf = this.#buf;
    const width = this.#width;
    const at = this.#off + HEADER + index * width;
    if (width === 2) {
      buf[at] = low;
      buf[at + 1] = low >>> 8;
      return;
    }
    writeWord(buf, at, low);
    if (width === 8) writeWord(buf, at + 4, high);
  }

  #writeHeader(width: number, count: number): void {
    writeWord(this.#buf, this.#off, width);
    writeWord(this.#buf, this.#off + 4, count);
  }
}

/**
 * Looks whether `bytes` bytes are a well-formed intset, whoever wrote them; returns how many integers
 * it has, or -1.
 */
export function validateIntset(buf: Uint8Array, off: number, bytes: number): number {
  if (bytes < HEADER) return -1;
  const width = readWord(buf, off);
  const count = readWord(buf, off + 4) >>> 0;
  if ((width !== 2 && width !== 4 && width !== 8) || bytes !== HEADER + count * width) return -1;
  let beforeLow = 0;
  let beforeHigh = 0;
  for (let i = 0, at = off + HEADER; i < count; i++, at += width) {
    const low = width === 2 ? (buf[at]! | buf[at + 1]! << 8) << 16 >> 16 : readWord(buf, at);
    const high = width === 8 ? readWord(buf, at + 4) : low >> 31;
    const order = high - beforeHigh || (low >>> 0) - (beforeLow >>> 0);
    if (i > 0 && order <= 0) return -1;
    beforeLow = low;
    beforeHigh = high;
  }
  return count;
}

/** The bytes that an integer needs. */
function widthOf(low: number, high: number): number {
  if (high !== low >> 31) return 8;
  return low === low << 16 >> 16 ? 2 : 4;
}

function readWord(buf: Uint8Array, at: number): number {
  return buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16 | buf[at + 3]! << 24;
}

function writeWord(buf: Uint8Array, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}
