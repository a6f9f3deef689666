/**
 * Listpacks: how Redis keeps small collections, byte for byte, so that RDB can copy them.
 *
 *     total bytes (4, little-endian) | elements (2; 65535: count them) | element … | 0xff
 *     element: encoding and data | backlen, the length of those, to be read from its end
 *
 * An element is a string or, where the bytes are an integer as Redis writes one, that integer. By
 * first byte: 0xxxxxxx 7 bits unsigned; 10xxxxxx a string under 64 bytes; 110xxxxx 13 bits signed;
 * 1110xxxx a string under 4096; 0xf0 any string; 0xf1 to 0xf4 integers of 16, 24, 32, 64 bits.
 *
 * Reading is plain functions on a buffer: `off` is where the listpack begins in it, and an element is
 * known by its position `at`, also absolute. The position behind the last element holds
 * {@link LISTPACK_END}. Changing needs a {@link Listpack}, a handle on a block of an arena.
 */
import type { Arena } from "./arena.ts";
import { copyBytes } from "./arena.ts";
import { equalBytes } from "./compare.ts";
import { int64, joinInt64, readInt64, splitInt64 } from "./int64.ts";
import { formatInteger } from "./integer.ts";
import { latin1Bytes } from "./text.ts";

/** The byte where an element would begin, were there one. */
export const LISTPACK_END = 0xff;
/** Bytes of an empty listpack. */
export const EMPTY_LISTPACK_BYTES = 7;
/** No position: before the first element, or not found. */
export const NO_ELEMENT = -1;

const HEADER = 6;
const COUNT_UNKNOWN = 0xffff;
const EMPTY = new Uint8Array(0);

const STRING_32 = 0xf0;
const INTEGER_16 = 0xf1;
const INTEGER_24 = 0xf2;
const INTEGER_32 = 0xf3;
const INTEGER_64 = 0xf4;

// ---- reading ---------------------------------------------------------------------------------------

/** The first element's position, that of the end where there is none. */
export function firstElement(off: number): number {
  return off + HEADER;
}

/** The position after an element: the next one's, or the end's. */
export function nextElement(buf: Uint8Array, at: number): number {
  const byte = buf[at]!;
  if (byte < 0x80) return at + 2;
  if (byte < 0xc0) return at + 2 + (byte & 0x3f);
  const size = elementBytes(buf, at);
  return at + size + backlenBytes(size);
}

/** The last element's position, or NO_ELEMENT; `bytes` is the whole listpack's length. */
function lastElement(buf: Uint8Array, off: number, bytes: number): number {
  return previousElement(buf, off, off + bytes - 1);
}

/** The position before an element (or before the end), or NO_ELEMENT. */
export function previousElement(buf: Uint8Array, off: number, at: number): number {
  if (at === off + HEADER) return NO_ELEMENT;
  let byte = buf[--at]!;
  let size = byte & 0x7f;
  for (let unit = 0x80; byte >= 0x80; unit *= 0x80) {
    byte = buf[--at]!;
    size += (byte & 0x7f) * unit;
  }
  return at - size;
}

/** How many elements there are: O(1) below 65535, else they are counted. */
export function countElements(buf: Uint8Array, off: number): number {
  const kept = buf[off + 4]! | buf[off + 5]! << 8;
  if (kept !== COUNT_UNKNOWN) return kept;
  let count = 0;
  for (let at = off + HEADER; buf[at] !== LISTPACK_END; at = nextElement(buf, at)) count++;
  return count;
}

/** The element of this index (negative: from the end), found from the nearer end; or NO_ELEMENT. */
export function seekElement(buf: Uint8Array, off: number, bytes: number, index: number): number {
  const count = countElements(buf, off);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return NO_ELEMENT;
  if (index <= count >>> 1) {
    let at = off + HEADER;
    while (index-- > 0) at = nextElement(buf, at);
    return at;
  }
  let at = lastElement(buf, off, bytes);
  while (++index < count) at = previousElement(buf, off, at);
  return at;
}

/** An element's bytes, an integer's in decimal, valid until the next reading or change. */
export class Element {
  buf: Uint8Array = EMPTY;
  off = 0;
  len = 0;
  readonly digits = new Uint8Array(20);
}

const element = new Element();

/** Reads an element; the result is one object that serves all calls, unless `into` is given. */
export function readElement(buf: Uint8Array, at: number, into = element): Element {
  const byte = buf[at]!;
  if ((byte & 0xc0) === 0x80) {
    into.buf = buf;
    into.off = at + 1;
    into.len = byte & 0x3f;
  } else if (isInteger(byte)) {
    into.buf = into.digits;
    into.off = 0;
    const value = integerAt(buf, at);
    if (Number.isNaN(value)) {
      const text = latin1Bytes(bigIntegerAt(buf, at).toString());
      into.digits.set(text);
      into.len = text.length;
    } else {
      into.len = formatInteger(value, into.digits, 0);
    }
  } else {
    const head = byte === STRING_32 ? 5 : 2;
    into.buf = buf;
    into.off = at + head;
    into.len = elementBytes(buf, at) - head;
  }
  return into;
}

/** Whether an element is kept as an integer. */
export function isIntegerAt(buf: Uint8Array, at: number): boolean {
  return isInteger(buf[at]!);
}

/** An element's value if it is kept as an integer within ±(2^53 - 1), else NaN. */
export function integerAt(buf: Uint8Array, at: number): number {
  const byte = buf[at]!;
  if (byte < 0x80) return byte;
  if ((byte & 0xe0) === 0xc0) return ((byte & 0x1f) << 8 | buf[at + 1]!) << 19 >> 19;
  switch (byte) {
    case INTEGER_16:
      return (buf[at + 1]! | buf[at + 2]! << 8) << 16 >> 16;
    case INTEGER_24:
      return (buf[at + 1]! | buf[at + 2]! << 8 | buf[at + 3]! << 16) << 8 >> 8;
    case INTEGER_32:
      return readWord(buf, at + 1);
    case INTEGER_64: {
      const value = joinInt64(readWord(buf, at + 1), readWord(buf, at + 5));
      return typeof value === "number" ? value : NaN;
    }
    default:
      return NaN;
  }
}

/** The value of an element that is kept as an integer, whatever its size. */
export function bigIntegerAt(buf: Uint8Array, at: number): bigint {
  const value = integerAt(buf, at);
  if (!Number.isNaN(value)) return BigInt(value);
  return BigInt(joinInt64(readWord(buf, at + 1), readWord(buf, at + 5)));
}

/** Whether an element is these bytes. */
export function elementEquals(
  buf: Uint8Array,
  at: number,
  src: Uint8Array,
  from: number,
  len: number,
): boolean {
  if (!isInteger(buf[at]!)) return stringEquals(buf, at, src, from, len);
  return readInt64(src, from, len) && integerEquals(buf, at);
}

/**
 * The first element from `at` on that is these bytes, or NO_ELEMENT. After each element compared,
 * `skip` are passed over: 1 for the fields of a hash.
 */
export function findElement(
  buf: Uint8Array,
  at: number,
  skip: number,
  src: Uint8Array,
  from: number,
  len: number,
): number {
  const wantsInteger = readInt64(src, from, len);
  for (;;) {
    const byte = buf[at]!;
    if (byte === LISTPACK_END) return NO_ELEMENT;
    if (isInteger(byte)) {
      if (wantsInteger && integerEquals(buf, at)) return at;
    } else if (stringEquals(buf, at, src, from, len)) {
      return at;
    }
    at = nextElement(buf, at);
    for (let i = skip; i > 0; i--) {
      if (buf[at] === LISTPACK_END) return NO_ELEMENT;
      at = nextElement(buf, at);
    }
  }
}

/**
 * Looks whether `bytes` bytes are a well-formed listpack, whoever wrote them; returns how many
 * elements it has, or -1.
 */
export function validateListpack(buf: Uint8Array, off: number, bytes: number): number {
  if (bytes < EMPTY_LISTPACK_BYTES || off + bytes > buf.length) return -1;
  if (readWord(buf, off) >>> 0 !== bytes) return -1;
  const end = off + bytes - 1;
  let count = 0;
  for (let at = off + HEADER; at !== end; count++) {
    const byte = buf[at]!;
    if (byte > INTEGER_64 || at + headBytes(byte) > end) return -1;
    const size = elementBytes(buf, at);
    const next = at + size + backlenBytes(size);
    if (next > end || previousElement(buf, off, next) !== at) return -1;
    at = next;
  }
  const kept = buf[off + 4]! | buf[off + 5]! << 8;
  return buf[end] === LISTPACK_END && (kept === COUNT_UNKNOWN || kept === count) ? count : -1;
}

// ---- writing ---------------------------------------------------------------------------------------

/** The most bytes that an element takes beside a string's own. */
export const ELEMENT_HEAD_BYTES = 10;

/** Writes an element of these bytes at `at`, where there is room; returns the position behind it. */
export function writeElement(
  buf: Uint8Array,
  at: number,
  src: Uint8Array,
  from: number,
  len: number,
): number {
  const size = encodedBytes(src, from, len);
  writeEncoded(buf, at, size, src, from, len);
  return at + size + backlenBytes(size);
}

/** {@link writeElement} of a signed 64-bit integer. */
export function writeIntegerElement(buf: Uint8Array, at: number, value: number | bigint): number {
  if (isTiny(value)) {
    buf[at] = value;
    buf[at + 1] = 1;
    return at + 2;
  }
  const size = splitInteger(value);
  writeEncoded(buf, at, size, EMPTY, 0, 0);
  return at + size + backlenBytes(size);
}

/**
 * A handle on a listpack in an arena. One handle may serve many: {@link Listpack.open} it on a block,
 * change it, and keep `ref` and `bytes` afterwards. Positions are those of `buf`, and each change
 * voids all but the one it returns. What is inserted must not lie in the listpack itself.
 */
export class Listpack {
  arena!: Arena;
  /** The block's reference and length. */
  ref = 0;
  bytes = 0;
  /** Where the block is. */
  buf: Uint8Array = EMPTY;
  off = 0;

  open(arena: Arena, ref: number, bytes: number): this {
    this.arena = arena;
    this.ref = ref;
    this.bytes = bytes;
    this.buf = arena.buf(ref, bytes);
    this.off = arena.off(ref, bytes);
    return this;
  }

  /** Opens a new empty one, that can grow to `room` bytes where it stands. */
  create(arena: Arena, room = EMPTY_LISTPACK_BYTES): this {
    this.open(arena, arena.alloc(room), EMPTY_LISTPACK_BYTES);
    const { buf, off } = this;
    writeWord(buf, off, EMPTY_LISTPACK_BYTES);
    buf[off + 4] = 0;
    buf[off + 5] = 0;
    buf[off + HEADER] = LISTPACK_END;
    return this;
  }

  get count(): number {
    return countElements(this.buf, this.off);
  }

  get first(): number {
    return this.off + HEADER;
  }

  get last(): number {
    return lastElement(this.buf, this.off, this.bytes);
  }

  /** The position behind the last element. */
  get end(): number {
    return this.off + this.bytes - 1;
  }

  append(src: Uint8Array, from: number, len: number): void {
    this.insert(this.end, src, from, len);
  }

  appendInteger(value: number | bigint): void {
    this.insertInteger(this.end, value);
  }

  /** Inserts bytes before the element at `at`, or at the end; returns the new element's position. */
  insert(at: number, src: Uint8Array, from: number, len: number): number {
    const size = encodedBytes(src, from, len);
    at = this.#splice(at, 0, size + backlenBytes(size), 1);
    writeEncoded(this.buf, at, size, src, from, len);
    return at;
  }

  /** {@link Listpack.insert} of a signed 64-bit integer. */
  insertInteger(at: number, value: number | bigint): number {
    const size = splitInteger(value);
    at = this.#splice(at, 0, size + backlenBytes(size), 1);
    writeEncoded(this.buf, at, size, EMPTY, 0, 0);
    return at;
  }

  /** Puts bytes in an element's place; returns its position. */
  replace(at: number, src: Uint8Array, from: number, len: number): number {
    const size = encodedBytes(src, from, len);
    const old = nextElement(this.buf, at) - at;
    at = this.#splice(at, old, size + backlenBytes(size), 0);
    writeEncoded(this.buf, at, size, src, from, len);
    return at;
  }

  /** {@link Listpack.replace} by a signed 64-bit integer. */
  replaceInteger(at: number, value: number | bigint): number {
    if (isTiny(value) && isTiny(this.buf[at]!)) {
      this.buf[at] = value;
      return at;
    }
    const size = splitInteger(value);
    const old = nextElement(this.buf, at) - at;
    at = this.#splice(at, old, size + backlenBytes(size), 0);
    writeEncoded(this.buf, at, size, EMPTY, 0, 0);
    return at;
  }

  /** Removes up to `count` elements from `at` on; returns the position of what follows them. */
  remove(at: number, count = 1): number {
    const { buf } = this;
    let to = at;
    let removed = 0;
    for (; removed < count && buf[to] !== LISTPACK_END; removed++) to = nextElement(buf, to);
    return this.#splice(at, to - at, 0, -removed);
  }

  /**
   * Inserts before `at` a copy of `count` elements that stand in another listpack at positions `from`
   * up to `to`; returns the position of the first.
   */
  insertElements(at: number, src: Uint8Array, from: number, to: number, count: number): number {
    at = this.#splice(at, 0, to - from, count);
    copyBytes(src, from, this.buf, at, to - from);
    return at;
  }

  /** Gives back the room that it has not used. */
  fit(): void {
    const { arena, bytes } = this;
    this.open(arena, arena.fit(this.ref, bytes), bytes);
  }

  free(): void {
    this.arena.free(this.ref, this.bytes);
  }

  /** Gives the `old` bytes at `at` the length `size`, `counted` elements more; returns the position. */
  #splice(at: number, old: number, size: number, counted: number): number {
    const { arena, bytes } = this;
    const place = at - this.off;
    const to = bytes - old + size;
    if (size > old) this.#resize(arena, to);
    const { buf, off } = this;
    if (size !== old) {
      const tail = off + place + old;
      if (tail === off + bytes - 1) buf[off + to - 1] = LISTPACK_END;
      else buf.copyWithin(off + place + size, tail, off + bytes);
      writeWord(buf, off, to);
    }
    const kept = buf[off + 4]! | buf[off + 5]! << 8;
    if (counted !== 0 && kept !== COUNT_UNKNOWN) {
      const count = Math.min(kept + counted, COUNT_UNKNOWN);
      buf[off + 4] = count & 0xff;
      buf[off + 5] = count >>> 8;
    }
    if (size < old) this.#resize(arena, to);
    return this.off + place;
  }

  #resize(arena: Arena, to: number): void {
    const { ref, bytes } = this;
    this.bytes = to;
    if (arena.fits(ref, bytes, to)) return;
    this.ref = arena.resize(ref, bytes, to);
    this.buf = arena.buf(this.ref, to);
    this.off = arena.off(this.ref, to);
  }
}

// ---- the format ------------------------------------------------------------------------------------

/** Whether what is written next is the integer in the register of `int64.ts`. */
let writesInteger = false;

/** Whether an integer is its own encoding, one byte. */
function isTiny(value: number | bigint): value is number {
  return typeof value === "number" && value >= 0 && value <= 127;
}

/** {@link encodedBytes} of an integer. */
function splitInteger(value: number | bigint): number {
  splitInt64(value);
  writesInteger = true;
  return integerBytes();
}

/** Bytes of an element's encoding and data, for bytes to be written; fills the register. */
function encodedBytes(src: Uint8Array, from: number, len: number): number {
  writesInteger = readInt64(src, from, len);
  if (writesInteger) return integerBytes();
  return len + (len < 64 ? 1 : len < 4096 ? 2 : 5);
}

/** Bytes of the encoding and data of the integer in the register. */
function integerBytes(): number {
  const { low, high } = int64;
  if (high !== low >> 31) return 9;
  if (low >= -4096 && low <= 4095) return low >= 0 && low <= 127 ? 1 : 2;
  if (low === low << 16 >> 16) return 3;
  return low === low << 8 >> 8 ? 4 : 5;
}

/**
 * Writes the integer in the register if that is to be written, else a string, `size` being
 * {@link encodedBytes}; and its backlen.
 */
function writeEncoded(
  buf: Uint8Array,
  at: number,
  size: number,
  src: Uint8Array,
  from: number,
  len: number,
): void {
  if (writesInteger) {
    writeInteger(buf, at, size);
  } else {
    const head = size - len;
    if (head === 1) {
      buf[at] = 0x80 | len;
    } else if (head === 2) {
      buf[at] = 0xe0 | len >>> 8;
      buf[at + 1] = len & 0xff;
    } else {
      buf[at] = STRING_32;
      writeWord(buf, at + 1, len);
    }
    copyBytes(src, from, buf, at + head, len);
  }
  writeBacklen(buf, at + size, size);
}

/** Writes the integer in the register in `size` bytes. */
function writeInteger(buf: Uint8Array, at: number, size: number): void {
  const { low, high } = int64;
  if (size === 1) {
    buf[at] = low;
  } else if (size === 2) {
    buf[at] = 0xc0 | (low >>> 8 & 0x1f);
    buf[at + 1] = low & 0xff;
  } else {
    const bytes = size - 1;
    buf[at] = bytes === 8 ? INTEGER_64 : INTEGER_16 + bytes - 2;
    for (let i = 0; i < bytes; i++) buf[at + 1 + i] = i < 4 ? low >>> 8 * i : high >>> 8 * (i - 4);
  }
}

function isInteger(byte: number): boolean {
  return byte < 0x80 || (byte & 0xe0) === 0xc0 || byte > STRING_32;
}

function integerEquals(buf: Uint8Array, at: number): boolean {
  const { low, high } = int64;
  if (buf[at] === INTEGER_64) {
    return readWord(buf, at + 1) === low && readWord(buf, at + 5) === high;
  }
  return high === low >> 31 && integerAt(buf, at) === low;
}

function stringEquals(
  buf: Uint8Array,
  at: number,
  src: Uint8Array,
  from: number,
  len: number,
): boolean {
  const byte = buf[at]!;
  let head = 1;
  if (byte >= 0xc0) {
    head = byte === STRING_32 ? 5 : 2;
    if (elementBytes(buf, at) !== head + len) return false;
  } else if ((byte & 0x3f) !== len) {
    return false;
  }
  return equalBytes(buf, at + head, src, from, len);
}

/** Bytes of an element's encoding up to a string's data, or of a whole integer. */
function headBytes(byte: number): number {
  if (byte < 0xc0) return 1;
  if (byte < STRING_32) return 2;
  if (byte === STRING_32) return 5;
  return byte === INTEGER_64 ? 9 : byte - INTEGER_16 + 3;
}

/** Bytes of an element's encoding and data. */
function elementBytes(buf: Uint8Array, at: number): number {
  const byte = buf[at]!;
  const head = headBytes(byte);
  if ((byte & 0xc0) === 0x80) return head + (byte & 0x3f);
  if ((byte & 0xf0) === 0xe0) return head + ((byte & 0xf) << 8 | buf[at + 1]!);
  return byte === STRING_32 ? head + (readWord(buf, at + 1) >>> 0) : head;
}

/** Bytes in which an element's length is kept behind it; the limits are Redis's, one too low. */
function backlenBytes(size: number): number {
  if (size <= 127) return 1;
  if (size < 16383) return 2;
  if (size < 2097151) return 3;
  return size < 268435455 ? 4 : 5;
}

function writeBacklen(buf: Uint8Array, at: number, size: number): void {
  if (size <= 127) {
    buf[at] = size;
    return;
  }
  const bytes = backlenBytes(size);
  for (let i = bytes - 1; i > 0; i--) {
    buf[at + i] = size & 0x7f | 0x80;
    size = Math.floor(size / 0x80);
  }
  buf[at] = size;
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
