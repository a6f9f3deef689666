/**
 * Finding the end of an RDB record without reading it: whether all of its bytes are there is known
 * before anything is built from it. A walk that comes to the end of the bytes goes on from there when
 * there are more, so that a record of many pieces is walked over once.
 *
 * What a record is made of stands in {@link RECORDS}, by its first byte.
 */
import { LENGTH, MODULE_PART, OPCODE, RDB_TYPE, STRING } from "./rdb_format.ts";
import { MAX_STRING_BYTES, RdbError } from "./rdb_input.ts";

/** A part of a record: so many bytes if positive, one of those below, or parts that are repeated. */
type Part = number | Repeated;
/** A length, and then these parts as many times. */
type Repeated = readonly Part[];

const STRING_PART = -1;
const LENGTH_PART = -2;
/** A score in text behind its length in a byte. */
const SCORE_PART = -3;
/** A module's value up to its end mark. */
const MODULE_VALUE = -4;
const ID = 16;
const TIME = 8;

/** An entry of a group that is pending: ID, time, deliveries. */
const PENDING: Repeated = [ID, TIME, LENGTH_PART];
const BLOCKS: Repeated = [STRING_PART, STRING_PART];
/** Length and last ID. */
const STREAM_HEAD = [LENGTH_PART, LENGTH_PART, LENGTH_PART];
/** First ID, greatest deleted ID, entries added. */
const STREAM_COUNTERS = [LENGTH_PART, LENGTH_PART, LENGTH_PART, LENGTH_PART, LENGTH_PART];

function streamParts(counters: boolean, activeTimes: boolean): readonly Part[] {
  const consumer = [STRING_PART, TIME, ...activeTimes ? [TIME] : [], [ID]];
  const read = counters ? [LENGTH_PART] : [];
  const group = [STRING_PART, LENGTH_PART, LENGTH_PART, ...read, PENDING, consumer];
  return [BLOCKS, ...STREAM_HEAD, ...counters ? STREAM_COUNTERS : [], group];
}

/** What follows a value's type and, in a file, its key. */
const VALUES: Readonly<Record<number, readonly Part[]>> = {
  [RDB_TYPE.string]: [STRING_PART],
  [RDB_TYPE.list]: [[STRING_PART]],
  [RDB_TYPE.set]: [[STRING_PART]],
  [RDB_TYPE.zset]: [[STRING_PART, SCORE_PART]],
  [RDB_TYPE.hash]: [[STRING_PART, STRING_PART]],
  [RDB_TYPE.zset2]: [[STRING_PART, 8]],
  // Refused when its module's name is known.
  [RDB_TYPE.module2]: [LENGTH_PART],
  [RDB_TYPE.hashZipmap]: [STRING_PART],
  [RDB_TYPE.listZiplist]: [STRING_PART],
  [RDB_TYPE.setIntset]: [STRING_PART],
  [RDB_TYPE.zsetZiplist]: [STRING_PART],
  [RDB_TYPE.hashZiplist]: [STRING_PART],
  [RDB_TYPE.listQuicklist]: [[STRING_PART]],
  [RDB_TYPE.streamListpacks]: streamParts(false, false),
  [RDB_TYPE.hashListpack]: [STRING_PART],
  [RDB_TYPE.zsetListpack]: [STRING_PART],
  [RDB_TYPE.listQuicklist2]: [[LENGTH_PART, STRING_PART]],
  [RDB_TYPE.streamListpacks2]: streamParts(true, false),
  [RDB_TYPE.setListpack]: [STRING_PART],
  [RDB_TYPE.streamListpacks3]: streamParts(true, true),
};

/** Bytes of the checksum. */
export const CHECKSUM_BYTES = 8;
/** The first version that ends with a checksum. */
const CHECKSUM_SINCE = 5;

const OPCODES: Readonly<Record<number, readonly Part[]>> = {
  [OPCODE.slotInfo]: [LENGTH_PART, LENGTH_PART, LENGTH_PART],
  [OPCODE.function2]: [STRING_PART],
  [OPCODE.moduleAux]: [LENGTH_PART, LENGTH_PART, LENGTH_PART, MODULE_VALUE],
  [OPCODE.idle]: [LENGTH_PART],
  [OPCODE.freq]: [1],
  [OPCODE.aux]: [STRING_PART, STRING_PART],
  [OPCODE.resizeDb]: [LENGTH_PART, LENGTH_PART],
  [OPCODE.expireTimeMs]: [8],
  [OPCODE.expireTime]: [4],
  [OPCODE.selectDb]: [LENGTH_PART],
};

/** What follows a record's first byte, for a file of a version. */
export function recordParts(version: number): readonly (readonly Part[] | undefined)[] {
  const parts: (readonly Part[] | undefined)[] = new Array(256).fill(undefined);
  for (const [type, value] of Object.entries(VALUES)) parts[Number(type)] = [STRING_PART, ...value];
  for (const [opcode, record] of Object.entries(OPCODES)) parts[Number(opcode)] = record;
  parts[OPCODE.eof] = version >= CHECKSUM_SINCE ? [CHECKSUM_BYTES] : [];
  return parts;
}

/** Levels of repeated parts within each other, the record itself included. */
const MAX_DEPTH = 4;

/** A walk over a record, which begins behind the byte that says what it is. */
export class RecordWalk {
  /** How far it has come in the buffer. */
  at = 0;
  #depth = 0;
  readonly #parts: (readonly Part[])[] = new Array(MAX_DEPTH).fill([]);
  readonly #next = new Int32Array(MAX_DEPTH);
  readonly #left = new Float64Array(MAX_DEPTH);
  /** Where the bytes end, and the offset in the file of the buffer's first one. */
  #end = 0;
  #base = 0;
  #buf!: Uint8Array;

  /** Begins at `at` with a record's parts. */
  start(parts: readonly Part[], at: number): void {
    this.at = at;
    this.#depth = 0;
    this.#parts[0] = parts;
    this.#next[0] = 0;
    this.#left[0] = 1;
  }

  /**
   * Goes on to the record's end; false if the bytes up to `end` are not all of it. {@link
   * RecordWalk.at} must have followed the bytes if they were moved; `buf[0]` has the offset `base` in
   * a file of `fileBytes` (Infinity: not known). Throws RdbError where the bytes cannot be what they
   * should.
   */
  goOn(buf: Uint8Array, end: number, base: number, fileBytes: number): boolean {
    this.#buf = buf;
    this.#end = end;
    this.#base = base;
    for (;;) {
      const depth = this.#depth;
      const parts = this.#parts[depth]!;
      const next = this.#next[depth]!;
      if (next === parts.length) {
        if (--this.#left[depth]! > 0) {
          this.#next[depth] = 0;
        } else if (depth === 0) {
          return true;
        } else {
          this.#depth--;
        }
        continue;
      }
      const part = parts[next]!;
      const after = typeof part === "number" ? this.#skip(part) : this.#lengthEnd(this.at);
      if (after > end) {
        if (after !== Infinity && base + after > fileBytes) this.#failBeyond();
        return false;
      }
      this.at = after;
      this.#next[depth] = next + 1;
      if (typeof part === "number" || this.#length === 0) continue;
      if (base + after + this.#length > fileBytes) this.#failBeyond();
      this.#depth++;
      this.#parts[depth + 1] = part;
      this.#next[depth + 1] = 0;
      this.#left[depth + 1] = this.#length;
    }
  }

  /** The position behind a part that begins where the walk is; beyond the end if that is not known. */
  #skip(part: number): number {
    const { at } = this;
    if (part > 0) return at + part;
    switch (part) {
      case STRING_PART:
        return this.#stringEnd(at);
      case LENGTH_PART:
        return this.#lengthEnd(at);
      case SCORE_PART: {
        if (at >= this.#end) return Infinity;
        const len = this.#buf[at]!;
        return at + 1 + (len < 253 ? len : 0);
      }
      default:
        return this.#moduleValueEnd(at);
    }
  }

  /** The length that {@link RecordWalk.#lengthEnd} passed over. */
  #length = 0;

  #lengthEnd(at: number): number {
    const buf = this.#buf;
    if (at >= this.#end) return Infinity;
    const first = buf[at]!;
    if (first < LENGTH.bits14) {
      this.#length = first;
      return at + 1;
    }
    const bytes = first < LENGTH.bits32 ? 1 : first === LENGTH.bits32 ? 4 : 8;
    if (first > LENGTH.bits64) this.#fail(`A length cannot begin with ${first}`, at);
    if (at + 1 + bytes > this.#end) return Infinity;
    let length = bytes === 1 ? first & 0x3f : 0;
    for (let i = 1; i <= bytes; i++) length = length * 256 + buf[at + i]!;
    this.#length = length;
    return at + 1 + bytes;
  }

  #stringEnd(at: number): number {
    if (at >= this.#end) return Infinity;
    const first = this.#buf[at]!;
    if (first < LENGTH.bits14) return at + 1 + first;
    if (first < LENGTH.encoded) {
      const from = this.#lengthEnd(at);
      if (from === Infinity) return from;
      if (this.#length > MAX_STRING_BYTES) {
        this.#fail(`A string of ${this.#length} bytes is too long`, at);
      }
      return from + this.#length;
    }
    const encoding = first & 0x3f;
    if (encoding <= STRING.int32) return at + 1 + (1 << encoding);
    if (encoding !== STRING.lzf) this.#fail(`There is no string encoding ${encoding}`, at);
    const compressed = this.#lengthEnd(at + 1);
    const bytes = this.#length;
    return compressed === Infinity ? Infinity : this.#lengthEnd(compressed) + bytes;
  }

  /** One part of a module's value after another up to the end mark; the walk goes along. */
  #moduleValueEnd(at: number): number {
    for (;;) {
      at = this.#lengthEnd(at);
      if (at === Infinity) return at;
      switch (this.#length) {
        case MODULE_PART.eof:
          return at;
        case MODULE_PART.sint:
        case MODULE_PART.uint:
          at = this.#lengthEnd(at);
          break;
        case MODULE_PART.float:
          at += 4;
          break;
        case MODULE_PART.double:
          at += 8;
          break;
        case MODULE_PART.string:
          at = this.#stringEnd(at);
          break;
        default:
          this.#fail(`There is no part ${this.#length} of a module's value`, at);
      }
      if (at >= this.#end) return Infinity;
      this.at = at;
    }
  }

  #failBeyond(): never {
    this.#fail("The data reaches beyond the end", this.at);
  }

  #fail(reason: string, at: number): never {
    throw new RdbError(reason, this.#base + at);
  }
}
