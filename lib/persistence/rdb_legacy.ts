/**
 * The compact forms of old RDB versions, made listpacks: ziplists (Redis 2.4 to 6.2) and zipmaps
 * (2.2 to 2.4). Each is checked from its first byte to its last on the way.
 *
 *     ziplist: bytes (4) | offset of the last entry (4) | entries (2) | entry … | 0xff
 *     entry:   length of the entry before (1, or 0xfe and 4) | encoding | data
 *     zipmap:  pairs (1; 254: count them) | pair … | 0xff
 *     pair:    length | field | length | unused bytes (1) | value | unused …
 *
 * Numbers are little endian, but for the longer lengths of a ziplist's strings.
 */
import { joinInt64 } from "../bytes/int64.ts";
import type { Listpack } from "../bytes/listpack.ts";
import type { RdbInput, RdbString } from "./rdb_input.ts";

const ZIPLIST_HEADER = 10;
const ZIPLIST_COUNT_UNKNOWN = 0xffff;
/** Before a length of 4 bytes; one more is the end. */
const LONG = 0xfe;
const END = 0xff;

/** Encodings of a ziplist's entries: two bits for strings, else all eight. */
const STRING_14 = 0x40;
const STRING_32 = 0x80;
const INTEGER = 0xc0;
const INTEGER_16 = 0xc0;
const INTEGER_32 = 0xd0;
const INTEGER_64 = 0xe0;
const INTEGER_24 = 0xf0;
const INTEGER_8 = 0xfe;
/** 0 to 12 in the encoding itself, plus 1. */
const SMALL_FIRST = 0xf1;
const SMALL_LAST = 0xfd;

/** Appends the elements of a ziplist to a listpack; throws RdbError if it is damaged. */
export function readZiplist(input: RdbInput, { buf, off, len }: RdbString, pack: Listpack): void {
  const end = off + len - 1;
  if (len <= ZIPLIST_HEADER || readWord(buf, off) !== len || buf[end] !== END) damaged(input);
  let at = off + ZIPLIST_HEADER;
  let last = at;
  let before = 0;
  let count = 0;
  for (; at < end; count++) {
    last = at;
    const next = readEntry(input, buf, at, end, before, pack);
    before = next - at;
    at = next;
  }
  const told = buf[off + 8]! | buf[off + 9]! << 8;
  if (at !== end || (told !== ZIPLIST_COUNT_UNKNOWN && told !== count)) damaged(input);
  if (readWord(buf, off + 4) !== last - off) damaged(input);
}

/** Appends the element at `at`; returns where the next one begins. `before` is the last one's length. */
function readEntry(
  input: RdbInput,
  buf: Uint8Array,
  at: number,
  end: number,
  before: number,
  pack: Listpack,
): number {
  const isLong = buf[at] === LONG;
  if (buf[at] === END || (isLong ? readWord(buf, at + 1) : buf[at]) !== before) damaged(input);
  at += isLong ? 5 : 1;
  const encoding = buf[at]!;
  if (encoding >= INTEGER) {
    const bytes = integerBytes(input, encoding);
    if (at + 1 + bytes > end) damaged(input);
    const value = bytes === 0 ? encoding - SMALL_FIRST : readInteger(buf, at + 1, bytes);
    pack.appendInteger(value);
    return at + 1 + bytes;
  }
  let head = 1;
  let length = encoding & 0x3f;
  if (encoding >= STRING_32) {
    head = 5;
    length = (buf[at + 1]! << 24 | buf[at + 2]! << 16 | buf[at + 3]! << 8 | buf[at + 4]!) >>> 0;
  } else if (encoding >= STRING_14) {
    head = 2;
    length = length << 8 | buf[at + 1]!;
  }
  if (at + head + length > end) damaged(input);
  pack.append(buf, at + head, length);
  return at + head + length;
}

/** Bytes behind an integer's encoding. */
function integerBytes(input: RdbInput, encoding: number): number {
  if (encoding >= SMALL_FIRST && encoding <= SMALL_LAST) return 0;
  switch (encoding) {
    case INTEGER_8:
      return 1;
    case INTEGER_16:
      return 2;
    case INTEGER_24:
      return 3;
    case INTEGER_32:
      return 4;
    case INTEGER_64:
      return 8;
    default:
      return damaged(input);
  }
}

function readInteger(buf: Uint8Array, at: number, bytes: number): number | bigint {
  if (bytes === 8) return joinInt64(readWord(buf, at) | 0, readWord(buf, at + 4) | 0);
  let value = 0;
  for (let i = 0; i < bytes; i++) value |= buf[at + i]! << 8 * i;
  const unused = 32 - 8 * bytes;
  return value << unused >> unused;
}

function damaged(input: RdbInput): never {
  input.fail("Ziplist integrity check failed");
}

/**
 * Appends the fields and values of a zipmap to a listpack, and returns the length of the longest;
 * throws RdbError if it is damaged.
 */
export function readZipmap(input: RdbInput, { buf, off, len }: RdbString, pack: Listpack): number {
  const fail = () => input.fail("Zipmap integrity check failed");
  const end = off + len - 1;
  if (len < 2 || buf[end] !== END) fail();
  let at = off + 1;
  let longest = 0;
  let pairs = 0;
  for (; at < end; pairs++) {
    for (const hasUnused of [false, true]) {
      const isLong = buf[at] === LONG;
      if (buf[at] === END || at + 5 > end && isLong) fail();
      const length = isLong ? readWord(buf, at + 1) : buf[at]!;
      at += isLong ? 5 : 1;
      const unused = hasUnused ? buf[at++]! : 0;
      if (at + length + unused > end) fail();
      pack.append(buf, at, length);
      longest = Math.max(longest, length);
      at += length + unused;
    }
  }
  if (buf[off]! < LONG && buf[off] !== pairs) fail();
  return longest;
}

function readWord(buf: Uint8Array, at: number): number {
  return (buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16 | buf[at + 3]! << 24) >>> 0;
}
