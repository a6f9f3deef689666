/**
 * The bytes of a snapshot or a DUMP payload on their way out: gathered in chunks, which whoever writes
 * takes away from time to time.
 *
 * A chunk is written once and never again: {@link RdbOutput.take} gives it away for good, so that a
 * socket or a file may be slow with it. The checksum goes over chunks as they leave.
 */
import { copyBytes } from "../bytes/arena.ts";
import { crc64 } from "../bytes/crc64.ts";
import { joinInt64 } from "../bytes/int64.ts";
import { formatInteger, parseInteger } from "../bytes/integer.ts";
import { compress } from "../bytes/lzf.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { LENGTH, OPCODE, RDB_VERSION, STRING } from "./rdb_format.ts";

/** Chunks grow from the first length, enough for most DUMP payloads, to the last. */
const FIRST_CHUNK_BYTES = 1024;
const CHUNK_BYTES = 256 * 1024;
/** The most that is written without asking for room again: a length, an integer, a double. */
const PIECE_BYTES = 16;
/** Strings up to here may be integers; one of 32 bits has no more digits. */
const MAX_INTEGER_TEXT = 11;
/** Strings up to here are not compressed. */
const MAX_UNCOMPRESSED = 20;
/** So many bytes at least compression must save. */
const MIN_SAVING = 4;
const TWO_32 = 2 ** 32;
const MINUS = 0x2d;
const NINE = 0x39;

const NO_BYTES: Uint8Array = new Uint8Array(0);
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);
const digits = new Uint8Array(20);

export interface RdbOutputOptions {
  /** `rdbcompression`: whether longer strings are compressed where that makes them shorter. */
  readonly compress: boolean;
  /** `rdbchecksum`: whether a file ends with its checksum, not with zeros. A DUMP payload must. */
  readonly checksum: boolean;
}

export class RdbOutput {
  readonly #compress: boolean;
  readonly #checksum: boolean;
  readonly #crc = new Uint32Array(2);

  #full: Uint8Array[] = [];
  #fullBytes = 0;
  #chunk = NO_BYTES;
  /** Where the chunk's bytes begin that were not taken yet, and where the next one goes. */
  #from = 0;
  #at = 0;
  #nextChunkBytes = FIRST_CHUNK_BYTES;

  constructor({ compress, checksum }: RdbOutputOptions) {
    this.#compress = compress;
    this.#checksum = checksum;
  }

  /** How many bytes wait to be taken. */
  get bytes(): number {
    return this.#fullBytes + this.#at - this.#from;
  }

  /** Gives away what was gathered, in order; the checksum includes it from then on. */
  take(): Uint8Array[] {
    this.#cut();
    const chunks = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    return chunks;
  }

  byte(value: number): void {
    if (this.#at === this.#chunk.length) this.#makeRoom(1);
    this.#chunk[this.#at++] = value;
  }

  /** Bytes as they stand. */
  raw(buf: Uint8Array, off: number, len: number): void {
    while (len > 0) {
      if (this.#at === this.#chunk.length) this.#makeRoom(1);
      const count = Math.min(len, this.#chunk.length - this.#at);
      copyBytes(buf, off, this.#chunk, this.#at, count);
      this.#at += count;
      off += count;
      len -= count;
    }
  }

  /** A length or counter, as unsigned 64 bits: -1 is the greatest. */
  length(value: number | bigint): void {
    if (typeof value === "bigint") {
      this.length64(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)));
    } else if (value >= 0 && value < TWO_32) {
      this.#length32(value);
    } else {
      this.length64(Math.floor(value / TWO_32), value | 0);
    }
  }

  /** A length in halves, each of whatever sign. */
  length64(high: number, low: number): void {
    if (high === 0) return this.#length32(low >>> 0);
    this.#room(PIECE_BYTES);
    this.#chunk[this.#at++] = LENGTH.bits64;
    this.#bigEndian(high);
    this.#bigEndian(low);
  }

  /** 32 bits in little endian. */
  word(value: number): void {
    this.#room(PIECE_BYTES);
    this.#littleEndian(value, 4);
  }

  /** A time in ms since the epoch: 64 bits in little endian. */
  time(ms: number): void {
    this.#room(PIECE_BYTES);
    this.#littleEndian(ms | 0, 4);
    this.#littleEndian(Math.floor(ms / TWO_32), 4);
  }

  double(value: number): void {
    double[0] = value;
    this.raw(doubleBytes, 0, 8);
  }

  /** A stream's ID: four words somewhere, in big endian. */
  streamId(words: Int32Array, at: number): void {
    this.#room(PIECE_BYTES);
    for (let i = at; i < at + 4; i++) this.#bigEndian(words[i]!);
  }

  /** A string: as an integer where it is one of 32 bits, compressed where that is wanted and helps. */
  string(buf: Uint8Array, off: number, len: number): void {
    if (len <= MAX_INTEGER_TEXT) {
      // Few strings that are no integers get beyond the first byte.
      const first = buf[off]!;
      if (len > 0 && first <= NINE && first >= MINUS) {
        const value = parseInteger(buf, off, len);
        if (value === (value | 0)) return this.#integer32(value);
      }
    } else if (this.#compress && len > MAX_UNCOMPRESSED && this.#compressed(buf, off, len)) {
      return;
    }
    this.#length32(len);
    this.raw(buf, off, len);
  }

  /** A string that is a signed 64-bit integer in decimal, in halves. */
  integer(low: number, high: number): void {
    if (high === low >> 31) return this.#integer32(low);
    const value = joinInt64(low, high);
    if (typeof value === "number") {
      const len = formatInteger(value, digits, 0);
      this.#length32(len);
      this.raw(digits, 0, len);
    } else {
      const text = latin1Bytes(value.toString());
      this.#length32(text.length);
      this.raw(text, 0, text.length);
    }
  }

  /** A string of text in Latin-1. */
  text(text: string): void {
    const bytes = latin1Bytes(text);
    this.string(bytes, 0, bytes.length);
  }

  /** Ends a file: nothing but {@link RdbOutput.take} follows. */
  finish(): void {
    this.byte(OPCODE.eof);
    this.#writeChecksum();
  }

  /** Ends a DUMP payload: nothing but {@link RdbOutput.take} follows. */
  finishDump(): void {
    this.byte(RDB_VERSION & 0xff);
    this.byte(RDB_VERSION >> 8);
    this.#writeChecksum();
  }

  // ---- parts ---------------------------------------------------------------------------------------

  #length32(value: number): void {
    if (this.#chunk.length - this.#at < PIECE_BYTES) this.#makeRoom(PIECE_BYTES);
    this.#at = writeLength(value, this.#chunk, this.#at);
  }

  /** Writes an integer of 32 bits in as few bytes as it needs. */
  #integer32(value: number): void {
    this.#room(PIECE_BYTES);
    if (value === value << 24 >> 24) {
      this.#chunk[this.#at++] = LENGTH.encoded | STRING.int8;
      this.#littleEndian(value, 1);
    } else if (value === value << 16 >> 16) {
      this.#chunk[this.#at++] = LENGTH.encoded | STRING.int16;
      this.#littleEndian(value, 2);
    } else {
      this.#chunk[this.#at++] = LENGTH.encoded | STRING.int32;
      this.#littleEndian(value, 4);
    }
  }

  /** Writes a string compressed, unless that saves nothing; returns whether it did. */
  #compressed(buf: Uint8Array, off: number, len: number): boolean {
    const most = len - MIN_SAVING;
    const headMost = 1 + lengthBytes(most) + lengthBytes(len);
    this.#room(headMost + most);
    const chunk = this.#chunk;
    const start = this.#at;
    const written = compress(buf, off, len, chunk, start + headMost, most);
    if (written === 0) return false;
    chunk[start] = LENGTH.encoded | STRING.lzf;
    const at = writeLength(len, chunk, writeLength(written, chunk, start + 1));
    // The shorter length may itself be shorter than what was left free for it.
    const begins = start + headMost;
    if (at !== begins) chunk.copyWithin(at, begins, begins + written);
    this.#at = at + written;
    return true;
  }

  #bigEndian(word: number): void {
    writeBigEndian(word, this.#chunk, this.#at);
    this.#at += 4;
  }

  #littleEndian(word: number, bytes: number): void {
    for (let i = 0; i < bytes; i++) this.#chunk[this.#at++] = word >>> (8 * i);
  }

  /** The checksum of all before it: zeros where none is wanted. */
  #writeChecksum(): void {
    this.#cut();
    const [low, high] = this.#crc;
    this.word(low!);
    this.word(high!);
  }

  // ---- chunks --------------------------------------------------------------------------------------

  #room(bytes: number): void {
    if (this.#chunk.length - this.#at < bytes) this.#makeRoom(bytes);
  }

  /** Begins a chunk with room for so many bytes at least. */
  #makeRoom(bytes: number): void {
    this.#cut();
    this.#chunk = new Uint8Array(Math.max(bytes, this.#nextChunkBytes));
    this.#nextChunkBytes = Math.min(4 * this.#nextChunkBytes, CHUNK_BYTES);
    this.#from = 0;
    this.#at = 0;
  }

  /** Puts what the chunk has among the full ones; the next bytes go behind it in the same chunk. */
  #cut(): void {
    const count = this.#at - this.#from;
    if (count === 0) return;
    if (this.#checksum) crc64(this.#crc, this.#chunk, this.#from, count);
    this.#full.push(this.#chunk.subarray(this.#from, this.#at));
    this.#fullBytes += count;
    this.#from = this.#at;
  }
}

/** Writes a length below 2^32; returns the position after it. */
function writeLength(value: number, dst: Uint8Array, at: number): number {
  if (value < 1 << 6) {
    dst[at] = LENGTH.bits6 | value;
    return at + 1;
  }
  if (value < 1 << 14) {
    dst[at] = LENGTH.bits14 | value >> 8;
    dst[at + 1] = value;
    return at + 2;
  }
  dst[at] = LENGTH.bits32;
  writeBigEndian(value, dst, at + 1);
  return at + 5;
}

/** How many bytes {@link writeLength} writes. */
function lengthBytes(value: number): number {
  return value < 1 << 6 ? 1 : value < 1 << 14 ? 2 : 5;
}

function writeBigEndian(word: number, dst: Uint8Array, at: number): void {
  dst[at] = word >>> 24;
  dst[at + 1] = word >>> 16;
  dst[at + 2] = word >>> 8;
  dst[at + 3] = word;
}
