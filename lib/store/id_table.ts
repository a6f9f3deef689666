/**
 * Records in the order of their stream IDs: a stream's blocks, the pending entries of a group and of
 * a consumer.
 *
 * A record is `recordWords` words, the ID first, the rest the user's. Records stand in chunks of up to
 * 128, blocks of an arena, so finding one is two binary searches, adding at the end touches the last
 * chunk only, and adding or removing anywhere moves a chunk's bytes at most (and, once in many times,
 * the list of chunks).
 *
 * A place in the table is a number: the chunk and the slot in it. It is valid until a record is added
 * or removed; {@link NO_RECORD} is no place.
 */
import { Arena } from "../bytes/arena.ts";
import { compareIds, copyId } from "./stream_id.ts";

const SLOT_BITS = 7;
const CHUNK_RECORDS = 1 << SLOT_BITS;
const SLOT_MASK = CHUNK_RECORDS - 1;
/** Room of a table's first chunk; it doubles up to a whole one. */
const FIRST_RECORDS = 4;

export const NO_RECORD = -1;

/** What every table begins with: many, those of idle consumers, stay empty. */
const NO_WORDS = new Int32Array(0);
const NO_BYTES = new Uint8Array(0);

export class IdTable {
  /** How many records there are. */
  count = 0;
  readonly arena: Arena;
  readonly recordWords: number;

  /** By chunk: its block, how many records it has, and how many it has room for. */
  #refs = NO_WORDS;
  #counts = NO_BYTES;
  #rooms = NO_BYTES;
  #chunks = 0;

  constructor(arena: Arena, recordWords: number) {
    this.arena = arena;
    this.recordWords = recordWords;
  }

  /** The first record's place. */
  get first(): number {
    return this.count === 0 ? NO_RECORD : 0;
  }

  get last(): number {
    if (this.count === 0) return NO_RECORD;
    return (this.#chunks - 1) << SLOT_BITS | this.#counts[this.#chunks - 1]! - 1;
  }

  next(place: number): number {
    const chunk = place >> SLOT_BITS;
    if ((place & SLOT_MASK) + 1 < this.#counts[chunk]!) return place + 1;
    return chunk + 1 < this.#chunks ? (chunk + 1) << SLOT_BITS : NO_RECORD;
  }

  previous(place: number): number {
    if ((place & SLOT_MASK) > 0) return place - 1;
    const chunk = (place >> SLOT_BITS) - 1;
    return chunk < 0 ? NO_RECORD : chunk << SLOT_BITS | this.#counts[chunk]! - 1;
  }

  /** The array that holds a record, from {@link IdTable.at} on. */
  words(place: number): Int32Array {
    return this.arena.words(this.#refs[place >> SLOT_BITS]!);
  }

  /** The first word of a record, which its ID begins. */
  at(place: number): number {
    return this.arena.wordOf(this.#refs[place >> SLOT_BITS]!) +
      (place & SLOT_MASK) * this.recordWords;
  }

  /** The record of just this ID, or NO_RECORD. */
  find(id: Int32Array, idAt = 0): number {
    const place = this.atMost(id, idAt);
    if (place === NO_RECORD || compareIds(this.words(place), id, this.at(place), idAt) !== 0) {
      return NO_RECORD;
    }
    return place;
  }

  /** The last record whose ID is this one or less. */
  atMost(id: Int32Array, idAt = 0): number {
    let low = -1;
    for (let high = this.#chunks; low + 1 < high;) {
      const middle = (low + high) >> 1;
      const ref = this.#refs[middle]!;
      const { arena } = this;
      if (compareIds(arena.words(ref), id, arena.wordOf(ref), idAt) <= 0) low = middle;
      else high = middle;
    }
    return low < 0 ? NO_RECORD : low << SLOT_BITS | this.#slotAtMost(low, id, idAt);
  }

  /** The first record whose ID is this one or greater. */
  atLeast(id: Int32Array, idAt = 0): number {
    const place = this.atMost(id, idAt);
    if (place === NO_RECORD) return this.first;
    return compareIds(this.words(place), id, this.at(place), idAt) === 0 ? place : this.next(place);
  }

  /** Adds a record with an ID that is not there; the rest of its words is undefined. Returns its place. */
  insert(id: Int32Array, idAt = 0): number {
    if (this.#chunks === 0) this.#insertChunk(0, FIRST_RECORDS);
    const last = this.#chunks - 1;
    let place = this.last;
    // Nearly always it goes to the end.
    if (
      place !== NO_RECORD && compareIds(this.words(place), id, this.at(place), idAt) > 0
    ) {
      place = this.atMost(id, idAt);
    }
    let chunk = place === NO_RECORD ? 0 : place >> SLOT_BITS;
    let slot = place === NO_RECORD ? 0 : (place & SLOT_MASK) + 1;
    if (this.#counts[chunk] === CHUNK_RECORDS) {
      if (chunk === last && slot === CHUNK_RECORDS) {
        this.#insertChunk(last + 1, CHUNK_RECORDS);
        slot = CHUNK_RECORDS;
      } else {
        this.#split(chunk);
      }
      if (slot > this.#counts[chunk]! || this.#counts[chunk] === CHUNK_RECORDS) {
        slot -= this.#counts[chunk]!;
        chunk++;
      }
    }
    const count = this.#counts[chunk]!;
    if (count === this.#rooms[chunk]) this.#setRoom(chunk, 2 * count);
    const words = this.arena.words(this.#refs[chunk]!);
    const start = this.arena.wordOf(this.#refs[chunk]!);
    const { recordWords } = this;
    const at = start + slot * recordWords;
    if (slot < count) words.copyWithin(at + recordWords, at, start + count * recordWords);
    copyId(id, words, idAt, at);
    this.#counts[chunk] = count + 1;
    this.count++;
    return chunk << SLOT_BITS | slot;
  }

  /** Removes a record; returns the place of the next one. */
  remove(place: number): number {
    const chunk = place >> SLOT_BITS;
    const slot = place & SLOT_MASK;
    const count = this.#counts[chunk]! - 1;
    this.count--;
    if (count === 0) {
      this.#removeChunk(chunk);
      return chunk < this.#chunks ? chunk << SLOT_BITS : NO_RECORD;
    }
    const words = this.words(place);
    const at = this.at(place);
    const { recordWords } = this;
    if (slot < count) {
      words.copyWithin(at, at + recordWords, at + (count + 1 - slot) * recordWords);
    }
    this.#counts[chunk] = count;
    const room = this.#rooms[chunk]!;
    if (count * 4 <= room && room > FIRST_RECORDS) this.#setRoom(chunk, room >> 1);
    if (slot < count) return place;
    return chunk + 1 < this.#chunks ? (chunk + 1) << SLOT_BITS : NO_RECORD;
  }

  /** Adds copies of another table's records to this empty one. */
  copyFrom(other: IdTable): void {
    for (let place = other.first; place !== NO_RECORD; place = other.next(place)) {
      const words = other.words(place);
      const at = other.at(place);
      const copy = this.insert(words, at);
      const to = this.words(copy);
      const toAt = this.at(copy);
      for (let i = 0; i < this.recordWords; i++) to[toAt + i] = words[at + i]!;
    }
  }

  /** Gives back all its memory. */
  free(): void {
    for (let chunk = 0; chunk < this.#chunks; chunk++) this.#freeChunk(chunk);
    this.#chunks = 0;
    this.count = 0;
  }

  /** Bytes in the arena. */
  get arenaBytes(): number {
    let bytes = 0;
    for (let chunk = 0; chunk < this.#chunks; chunk++) {
      bytes += Arena.blockBytes(this.#bytes(this.#rooms[chunk]!));
    }
    return bytes;
  }

  /** Bytes of the list of chunks. */
  get heapBytes(): number {
    return 6 * this.#refs.length;
  }

  #slotAtMost(chunk: number, id: Int32Array, idAt: number): number {
    const words = this.arena.words(this.#refs[chunk]!);
    const start = this.arena.wordOf(this.#refs[chunk]!);
    let low = 0;
    for (let high = this.#counts[chunk]!; low + 1 < high;) {
      const middle = (low + high) >> 1;
      if (compareIds(words, id, start + middle * this.recordWords, idAt) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  #bytes(records: number): number {
    return 4 * records * this.recordWords;
  }

  #setRoom(chunk: number, records: number): void {
    const from = this.#bytes(this.#rooms[chunk]!);
    this.#refs[chunk] = this.arena.resize(this.#refs[chunk]!, from, this.#bytes(records));
    this.#rooms[chunk] = records;
  }

  /** Moves the second half of a full chunk to a new one behind it. */
  #split(chunk: number): void {
    this.#insertChunk(chunk + 1, CHUNK_RECORDS);
    const half = CHUNK_RECORDS >> 1;
    const from = this.#refs[chunk]!;
    const to = this.#refs[chunk + 1]!;
    const fromAt = this.arena.wordOf(from) + half * this.recordWords;
    this.arena.words(to).set(
      this.arena.words(from).subarray(fromAt, fromAt + half * this.recordWords),
      this.arena.wordOf(to),
    );
    this.#counts[chunk] = half;
    this.#counts[chunk + 1] = half;
  }

  #insertChunk(chunk: number, room: number): void {
    if (this.#chunks === this.#refs.length) {
      const length = Math.max(2, 2 * this.#chunks);
      this.#refs = grown(this.#refs, new Int32Array(length));
      this.#counts = grown(this.#counts, new Uint8Array(length));
      this.#rooms = grown(this.#rooms, new Uint8Array(length));
    }
    if (chunk < this.#chunks) this.#shift(chunk, chunk + 1);
    this.#chunks++;
    this.#refs[chunk] = this.arena.alloc(this.#bytes(room));
    this.#counts[chunk] = 0;
    this.#rooms[chunk] = room;
  }

  #removeChunk(chunk: number): void {
    this.#freeChunk(chunk);
    this.#shift(chunk + 1, chunk);
    this.#chunks--;
  }

  #freeChunk(chunk: number): void {
    this.arena.free(this.#refs[chunk]!, this.#bytes(this.#rooms[chunk]!));
  }

  #shift(from: number, to: number): void {
    this.#refs.copyWithin(to, from, this.#chunks);
    this.#counts.copyWithin(to, from, this.#chunks);
    this.#rooms.copyWithin(to, from, this.#chunks);
  }
}

function grown<T extends Int32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
