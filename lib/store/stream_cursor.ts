/**
 * Walking over a stream's entries, in either direction, between two IDs; both are included. A cursor
 * serves again and again, and allocates nothing. It is void when the stream changes.
 *
 *     cursor.start(stream, from, to);
 *     while (cursor.next()) for (let i = 0; i < cursor.fields; i++) { cursor.nextField(); … }
 */
import {
  bigIntegerAt,
  firstElement,
  integerAt,
  LISTPACK_END,
  nextElement,
  previousElement,
} from "../bytes/listpack.ts";
import { NO_RECORD } from "./id_table.ts";
import type { Stream } from "./stream.ts";
import { compareIds, copyId, MAX_ID, MIN_ID, newId, type StreamId } from "./stream_id.ts";

/** Words of a block's record behind its first ID. */
export const BLOCK_REF = 4;
export const BLOCK_BYTES = 5;

/** Flags of an entry. */
export const DELETED_FLAG = 1;
export const SAME_FIELDS_FLAG = 2;
/** The listpack element that they are. */
const FLAGS_BYTES = 2;

const NO_BYTES: Uint8Array = new Uint8Array(0);
const TWO_32 = 2 ** 32;

export class StreamCursor {
  /** The entry: its ID … */
  readonly id = newId();
  /** … where it begins in {@link StreamCursor.buf} … */
  entryAt = 0;
  /** … how many fields it has … */
  fields = 0;
  isDeleted = false;
  /** … and the field that {@link StreamCursor.nextField} came to: listpack elements of `buf`. */
  fieldAt = 0;
  valueAt = 0;

  /** The block. */
  place = NO_RECORD;
  buf = NO_BYTES;
  #off = 0;
  #bytes = 0;
  /** The first of the master entry's fields, and how many there are. */
  #masterAt = 0;
  #masterFields = 0;

  #stream!: Stream;
  readonly #from = newId();
  readonly #to = newId();
  #reversed = false;
  /** Where to go on: inside the entry when walking forward, at its beginning when backward. */
  #at = 0;
  /** Elements of the entry from `#at` on that belong to no field that was read. */
  #rest = 0;
  #sameFields = false;
  /** The master's field to come. */
  #masterNext = 0;

  /** Goes before the first entry from `from` up to `to`, or behind the last one if `reversed`. */
  start(stream: Stream, from: StreamId, to: StreamId, reversed = false): void {
    this.#begin(stream, from, to, reversed);
    const { blocks } = stream;
    let place = blocks.atMost(reversed ? to : from);
    if (place === NO_RECORD && !reversed) place = blocks.first;
    this.#open(place);
    if (place !== NO_RECORD && !reversed) this.#skipBefore(from);
  }

  /** Goes before the first entry of all, or behind the last one if `reversed`; or so in a block. */
  startAll(stream: Stream, reversed: boolean, place = NO_RECORD): void {
    this.#begin(stream, MIN_ID, MAX_ID, reversed);
    if (place === NO_RECORD) place = reversed ? stream.blocks.last : stream.blocks.first;
    this.#open(place);
  }

  /** Comes to the next entry; false if there is none. */
  next(): boolean {
    while (this.place !== NO_RECORD) {
      while (this.nextOfAll()) {
        if (this.#reversed) {
          if (compareIds(this.id, this.#from) < 0) return false;
          if (!this.isDeleted && compareIds(this.id, this.#to) <= 0) return true;
        } else {
          if (compareIds(this.id, this.#to) > 0) return false;
          if (!this.isDeleted && compareIds(this.id, this.#from) >= 0) return true;
        }
      }
      this.#open(this.#followingBlock());
    }
    return false;
  }

  /** Comes to the next entry of the block, deleted or out of range or not; false at its end. */
  nextOfAll(): boolean {
    const { buf } = this;
    let at = this.#at;
    if (this.#reversed) {
      at = previousElement(buf, this.#off, at);
      const elements = integerAt(buf, at);
      // The master entry ends with a 0.
      if (elements === 0) return false;
      for (let i = 0; i < elements; i++) at = previousElement(buf, this.#off, at);
    } else {
      for (let i = this.#rest; i > 0; i--) at = nextElement(buf, at);
      if (buf[at] === LISTPACK_END) {
        this.#at = at;
        this.#rest = 0;
        return false;
      }
    }
    this.#read(at);
    return true;
  }

  /** Comes to the entry's next field. */
  nextField(): void {
    const { buf } = this;
    let at = this.#valuesAt;
    if (this.#sameFields) {
      this.fieldAt = this.#masterNext;
      this.#masterNext = nextElement(buf, this.#masterNext);
    } else {
      this.fieldAt = at;
      at = nextElement(buf, at);
    }
    this.valueAt = at;
    this.#valuesAt = nextElement(buf, at);
    if (this.#reversed) return;
    this.#at = this.#valuesAt;
    this.#rest -= this.#sameFields ? 1 : 2;
  }

  /** Where the entry's next field, or value, is. */
  #valuesAt = 0;

  /**
   * How many entries lie ahead, counted up to `limit` (0: all of them). The cursor stays where it is.
   * Of whole blocks only the count in their master entry is read.
   */
  ahead(limit: number): number {
    if (!this.next()) return 0;
    const { place, entryAt } = this;
    let count = 1;
    if (!this.#reversed && this.#isWithin(place)) count += this.#passEntries(limit - 1);
    while (limit === 0 || count < limit) {
      const block = this.#wholeBlocks();
      if (block > 0) count += block;
      else if (this.next()) count++;
      else break;
    }
    this.#open(place);
    this.#at = this.#reversed ? this.#after(entryAt) : entryAt;
    this.#rest = 0;
    return limit > 0 ? Math.min(count, limit) : count;
  }

  #begin(stream: Stream, from: StreamId, to: StreamId, reversed: boolean): void {
    this.#stream = stream;
    copyId(from, this.#from);
    copyId(to, this.#to);
    this.#reversed = reversed;
  }

  #open(place: number): void {
    this.place = place;
    if (place === NO_RECORD) return;
    const { blocks, arena } = this.#stream;
    const words = blocks.words(place);
    const record = blocks.at(place);
    const ref = words[record + BLOCK_REF]!;
    this.#bytes = words[record + BLOCK_BYTES]!;
    const buf = this.buf = arena.buf(ref, this.#bytes);
    this.#off = arena.off(ref, this.#bytes);
    let at = nextElement(buf, nextElement(buf, firstElement(this.#off)));
    this.#masterFields = integerAt(buf, at);
    at = this.#masterAt = nextElement(buf, at);
    if (this.#reversed) {
      this.#at = this.#off + this.#bytes - 1;
    } else {
      this.#at = at;
      this.#rest = this.#masterFields + 1;
    }
  }

  #followingBlock(): number {
    const { blocks } = this.#stream;
    return this.#reversed ? blocks.previous(this.place) : blocks.next(this.place);
  }

  /**
   * If the block is at its end and all of the next one is in range, passes over that and returns how
   * many entries it has; else 0.
   */
  #wholeBlocks(): number {
    if (this.#reversed || this.buf[this.#restEnd()] !== LISTPACK_END) return 0;
    const place = this.#stream.blocks.next(this.place);
    if (place === NO_RECORD || !this.#isWithin(place)) return 0;
    this.#open(place);
    this.#at = this.#off + this.#bytes - 1;
    this.#rest = 0;
    return integerAt(this.buf, firstElement(this.#off));
  }

  /** Passes over what is left of the entry; returns where that ends. */
  #restEnd(): number {
    for (; this.#rest > 0; this.#rest--) this.#at = nextElement(this.buf, this.#at);
    return this.#at;
  }

  /** Whether a block ends within the range: the next one begins there, or there is none. */
  #isWithin(place: number): boolean {
    const { blocks, lastId } = this.#stream;
    const after = blocks.next(place);
    return after === NO_RECORD
      ? compareIds(lastId, this.#to) <= 0
      : compareIds(blocks.words(after), this.#to, blocks.at(after)) <= 0;
  }

  /** Passes over entries of the block, at most so many that are not deleted; returns how many are not. */
  #passEntries(most: number): number {
    const { buf } = this;
    let at = this.#restEnd();
    let passed = 0;
    for (; passed !== most && buf[at] !== LISTPACK_END; at = this.#after(at)) {
      if ((buf[at]! & DELETED_FLAG) === 0) passed++;
    }
    this.#at = at;
    return passed;
  }

  /**
   * Passes over the first block's entries before an ID by what they add to the block's, which is less
   * work than to read them; halves beyond 2^53 are left to {@link StreamCursor.next}.
   */
  #skipBefore(id: StreamId): void {
    const { buf } = this;
    const { blocks } = this.#stream;
    const words = blocks.words(this.place);
    const record = blocks.at(this.place);
    const baseMs = unsigned(words, record);
    const baseSeq = unsigned(words, record + 2);
    if (baseMs > Number.MAX_SAFE_INTEGER || baseSeq > Number.MAX_SAFE_INTEGER) return;
    const idMs = unsigned(id, 0);
    const idSeq = unsigned(id, 2);
    let at = this.#restEnd();
    for (; buf[at] !== LISTPACK_END; at = this.#after(at)) {
      const msAt = at + FLAGS_BYTES;
      const ms = baseMs + integerAt(buf, msAt);
      if (ms < idMs && ms >= baseMs && ms <= Number.MAX_SAFE_INTEGER) continue;
      if (ms !== idMs || ms > Number.MAX_SAFE_INTEGER) break;
      const seq = baseSeq + integerAt(buf, nextElement(buf, msAt));
      if (!(seq < idSeq && seq >= 0 && seq <= Number.MAX_SAFE_INTEGER)) break;
    }
    this.#at = at;
  }

  /** The position behind the entry that begins at `at`. */
  #after(at: number): number {
    const { buf } = this;
    const sameFields = (buf[at]! & SAME_FIELDS_FLAG) !== 0;
    at = nextElement(buf, nextElement(buf, at + FLAGS_BYTES));
    let rest = sameFields ? this.#masterFields + 1 : 2 * integerAt(buf, at) + 2;
    for (; rest > 0; rest--) at = nextElement(buf, at);
    return at;
  }

  #read(at: number): void {
    const { buf } = this;
    this.entryAt = at;
    const flags = buf[at]!;
    this.isDeleted = (flags & DELETED_FLAG) !== 0;
    this.#sameFields = (flags & SAME_FIELDS_FLAG) !== 0;
    const msAt = nextElement(buf, at);
    const seqAt = nextElement(buf, msAt);
    const { blocks } = this.#stream;
    const words = blocks.words(this.place);
    const record = blocks.at(this.place);
    addDelta(words, record, buf, msAt, this.id, 0);
    addDelta(words, record + 2, buf, seqAt, this.id, 2);
    let rest = nextElement(buf, seqAt);
    if (this.#sameFields) {
      this.fields = this.#masterFields;
      this.#masterNext = this.#masterAt;
      this.#rest = this.fields + 1;
    } else {
      this.fields = integerAt(buf, rest);
      rest = nextElement(buf, rest);
      this.#rest = 2 * this.fields + 1;
    }
    this.#valuesAt = rest;
    this.#at = this.#reversed ? at : rest;
  }
}

/** Half of an ID; beyond 2^53 not exact. */
function unsigned(words: Int32Array, at: number): number {
  return (words[at]! >>> 0) * TWO_32 + (words[at + 1]! >>> 0);
}

/** Sets one half of an ID to that of a block plus an element of it. */
function addDelta(
  words: Int32Array,
  wordsAt: number,
  buf: Uint8Array,
  at: number,
  id: StreamId,
  idAt: number,
): void {
  const delta = integerAt(buf, at);
  let high: number;
  let low: number;
  if (Number.isNaN(delta)) {
    const big = bigIntegerAt(buf, at);
    high = Number(big >> 32n);
    low = Number(BigInt.asUintN(32, big));
  } else {
    high = Math.floor(delta / TWO_32);
    low = delta - high * TWO_32;
  }
  low += words[wordsAt + 1]! >>> 0;
  id[idAt + 1] = low;
  id[idAt] = words[wordsAt]! + high + (low >= TWO_32 ? 1 : 0);
}
