/**
 * A cursor over the bytes of an RDB file or a DUMP payload: bytes, lengths, strings, doubles.
 *
 * Nothing that the bytes claim is believed before it is held against how many there are, so damage
 * ends in an {@link RdbError} and never in a wild allocation.
 */
import { crc64 } from "../bytes/crc64.ts";
import { formatInteger, LAST_TIME_MS } from "../bytes/integer.ts";
import { decompress } from "../bytes/lzf.ts";
import { parseDouble } from "../bytes/double.ts";
import { DUMP_FOOTER_BYTES, LENGTH, RDB_NEWEST, STRING } from "./rdb_format.ts";

const TWO_32 = 2 ** 32;
/** Strings are kept with a length of 31 bits. */
export const MAX_STRING_BYTES = 2 ** 31 - 64;
/** LZF makes at most 264 bytes of three. */
const MAX_EXPANSION = 88;
/** A buffer for expanding strings is kept up to this length. */
const MAX_KEPT_BYTES = 1 << 20;
/** Lengths of a score in text that stand for no number of characters. */
const SCORE_MINUS_INFINITY = 255;
const SCORE_INFINITY = 254;
const SCORE_NAN = 253;

const NO_BYTES: Uint8Array = new Uint8Array(0);
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** What is wrong with the bytes, and where. */
export class RdbError extends Error {
  /** One sentence without its end. */
  readonly reason: string;
  /** Offset in the file or payload. */
  readonly offset: number;

  /** `source` is the file's name, `record` what was being read; both for the message. */
  constructor(reason: string, offset: number, source = "", record = "") {
    const from = source === "" ? "" : ` of ${source}`;
    const reading = record === "" ? "" : ` while reading ${record}`;
    super(`${reason} at byte ${offset}${from}${reading}`);
    this.name = "RdbError";
    this.reason = reason;
    this.offset = offset;
  }
}

/** A string that was read: its bytes are the input's or its own, valid until it is read into again. */
export class RdbString {
  buf = NO_BYTES;
  off = 0;
  len = 0;
  readonly digits = new Uint8Array(11);
  #room = NO_BYTES;

  /** A buffer of at least so many bytes. */
  room(bytes: number): Uint8Array {
    if (bytes > MAX_KEPT_BYTES) return new Uint8Array(bytes);
    if (bytes > this.#room.length) this.#room = new Uint8Array(Math.max(2 * bytes, 256));
    return this.#room;
  }
}

export class RdbInput {
  buf = NO_BYTES;
  at = 0;
  end = 0;
  /** The halves of the length that was read last: 64 bits. */
  low = 0;
  high = 0;
  /** Offset in the file of the array's first byte. */
  #base = 0;

  /** Goes to the bytes from `at` up to `end`; `buf[0]` has the offset `base` in the file. */
  open(buf: Uint8Array, at: number, end: number, base = 0): this {
    this.buf = buf;
    this.at = at;
    this.end = end;
    this.#base = base;
    return this;
  }

  /** Offset in the file of where the cursor is. */
  get offset(): number {
    return this.#base + this.at;
  }

  fail(reason: string): never {
    throw new RdbError(reason, this.offset);
  }

  byte(): number {
    if (this.at >= this.end) this.fail("The data ends too early");
    return this.buf[this.at++]!;
  }

  /** Passes over so many bytes and returns where they begin. */
  skip(bytes: number): number {
    if (bytes > this.end - this.at) this.fail("The data ends too early");
    const from = this.at;
    this.at += bytes;
    return from;
  }

  /** A length: exact up to 2^53, and always in {@link RdbInput.low} and {@link RdbInput.high}. */
  length(): number {
    return this.#lengthAfter(this.byte());
  }

  /** How many elements follow, each of `least` bytes or more. */
  count(least: number): number {
    const count = this.length();
    if (count * least > this.end - this.at) this.fail(`There cannot be ${count} elements`);
    return count;
  }

  /** A string in any of its encodings. */
  string(into: RdbString): void {
    const first = this.byte();
    if (first >= LENGTH.encoded) return this.#encodedString(first & 0x3f, into);
    const len = first < LENGTH.bits14 ? first : this.#lengthAfter(first);
    if (len > MAX_STRING_BYTES) this.fail(`A string of ${len} bytes is too long`);
    into.off = this.skip(len);
    into.buf = this.buf;
    into.len = len;
  }

  /** 32 bits in little endian, signed. */
  word(): number {
    const at = this.skip(4);
    const { buf } = this;
    return buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16 | buf[at + 3]! << 24;
  }

  /** A time: 64 bits in little endian, signed; beyond 2^53 the nearest double below 2^63. */
  time(): number {
    const low = this.word() >>> 0;
    return Math.min(this.word() * TWO_32 + low, LAST_TIME_MS);
  }

  /** A double of 8 bytes. */
  double(): number {
    const at = this.skip(8);
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.buf[at + i]!;
    return double[0]!;
  }

  /** A double as text, with the byte for its length. */
  scoreText(): number {
    const len = this.byte();
    if (len === SCORE_MINUS_INFINITY) return -Infinity;
    if (len === SCORE_INFINITY) return Infinity;
    if (len === SCORE_NAN) return NaN;
    const at = this.skip(len);
    return parseDouble(this.buf, at, len) ?? this.fail("A score is no number");
  }

  /** A length whose first byte was read. */
  #lengthAfter(first: number): number {
    const { buf } = this;
    this.high = 0;
    if (first < LENGTH.bits14) return this.low = first;
    if (first < LENGTH.bits32) return this.low = (first & 0x3f) << 8 | this.byte();
    if (first === LENGTH.bits32) {
      this.low = readBigEndian(buf, this.skip(4));
      return this.low >>> 0;
    }
    if (first === LENGTH.bits64) {
      const at = this.skip(8);
      this.high = readBigEndian(buf, at);
      this.low = readBigEndian(buf, at + 4);
      return (this.high >>> 0) * TWO_32 + (this.low >>> 0);
    }
    this.at--;
    return this.fail(`A length cannot begin with ${first}`);
  }

  #encodedString(encoding: number, into: RdbString): void {
    if (encoding === STRING.lzf) return this.#compressedString(into);
    const { buf } = this;
    let value: number;
    if (encoding === STRING.int8) {
      value = buf[this.skip(1)]! << 24 >> 24;
    } else if (encoding === STRING.int16) {
      const at = this.skip(2);
      value = (buf[at]! | buf[at + 1]! << 8) << 16 >> 16;
    } else if (encoding === STRING.int32) {
      value = this.word();
    } else {
      this.at--;
      this.fail(`There is no string encoding ${encoding}`);
    }
    into.buf = into.digits;
    into.off = 0;
    into.len = formatInteger(value, into.digits, 0);
  }

  #compressedString(into: RdbString): void {
    const compressed = this.length();
    const len = this.length();
    const from = this.skip(compressed);
    if (len > compressed * MAX_EXPANSION || len > MAX_STRING_BYTES) {
      this.fail(`${compressed} compressed bytes cannot be a string of ${len}`);
    }
    const room = into.room(len);
    if (!decompress(this.buf, from, compressed, room, 0, len)) {
      this.fail("A compressed string is damaged");
    }
    into.buf = room;
    into.off = 0;
    into.len = len;
  }
}

/**
 * Bytes of a DUMP payload before its footer, or undefined where the version is too new or, if that is
 * verified, the checksum is wrong.
 */
export function dumpBytes(
  buf: Uint8Array,
  off: number,
  len: number,
  verifyChecksum: boolean,
): number | undefined {
  if (len < DUMP_FOOTER_BYTES) return undefined;
  const footer = off + len - DUMP_FOOTER_BYTES;
  if ((buf[footer]! | buf[footer + 1]! << 8) > RDB_NEWEST) return undefined;
  if (!verifyChecksum) return len - DUMP_FOOTER_BYTES;
  const crc = new Uint32Array(2);
  crc64(crc, buf, off, len - 8);
  return checksumIs(crc, buf, footer + 2) ? len - DUMP_FOOTER_BYTES : undefined;
}

/** Whether the 8 bytes at `at` are this checksum. */
export function checksumIs(crc: Uint32Array, buf: Uint8Array, at: number): boolean {
  for (let i = 0; i < 8; i++) {
    if (buf[at + i] !== (crc[i >> 2]! >>> 8 * (i & 3) & 0xff)) return false;
  }
  return true;
}

function readBigEndian(buf: Uint8Array, at: number): number {
  return buf[at]! << 24 | buf[at + 1]! << 16 | buf[at + 2]! << 8 | buf[at + 3]!;
}
