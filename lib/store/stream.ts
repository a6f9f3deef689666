/**
 * Streams: entries in listpack blocks, in a table by each block's first ID.
 *
 * A block is Redis's, byte for byte:
 *
 *     live | deleted | fields | field … | 0            its master entry
 *     flags | ms | sequence | value … | elements       an entry with the master's fields
 *     flags | ms | sequence | fields | field | value … | elements
 *
 * `ms` and `sequence` are what the entry's ID adds to the block's first one, modulo 2^64; `elements` is
 * how many stand before it in its entry, for walking backwards. A deleted entry stays, marked in its
 * flags, until its block has no other. Reading is done with a `StreamCursor`.
 */
import type { Arena } from "../bytes/arena.ts";
import {
  ELEMENT_HEAD_BYTES,
  elementEquals,
  EMPTY_LISTPACK_BYTES,
  integerAt,
  Listpack,
  nextElement,
  writeElement,
  writeIntegerElement,
} from "../bytes/listpack.ts";
import type { Args } from "../resp/args.ts";
import type { StoredObject } from "./database.ts";
import { IdTable, NO_RECORD } from "./id_table.ts";
import { type Count, plus } from "./stream_count.ts";
import {
  BLOCK_BYTES,
  BLOCK_REF,
  DELETED_FLAG,
  SAME_FIELDS_FLAG,
  StreamCursor,
} from "./stream_cursor.ts";
import { ByName, type Group } from "./stream_groups.ts";
import { compareIds, copyId, incrementId, newId, setIdTime, type StreamId } from "./stream_id.ts";

/** A block's record: its first ID, reference and length. */
const BLOCK_WORDS = 6;

/** No block grows beyond this, in bytes, whatever is configured. */
const MAX_BLOCK_BYTES = 1 << 30;
/** No more than this is given to a block before it is used. */
const MAX_BLOCK_ROOM = 4096;
const TWO_32 = 2 ** 32;
const SCRATCH_BYTES = 4 * 1024;
/** A longer scratch is let go when it has served once. */
const KEPT_SCRATCH_BYTES = 64 * 1024;

/** When a block is full: 0 is no limit. */
export interface BlockLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What {@link Stream.trim} leaves: the newest entries, or those from an ID on. */
export interface Trim {
  readonly maxLength: number | undefined;
  readonly minId: StreamId;
  /** Whether only whole blocks go. */
  readonly approximate: boolean;
  /** At most so many entries go; 0: any number. */
  readonly limit: number;
}

const lp = new Listpack();
const cursor = new StreamCursor();

export class Stream implements StoredObject {
  readonly arena: Arena;
  readonly blocks: IdTable;
  readonly groups = new ByName<Group>();
  /** How many entries there are, those deleted left out. */
  length = 0;
  /** The greatest ID ever given. */
  readonly lastId = newId();
  /** The first entry's ID; 0-0 where there is none. */
  readonly firstId = newId();
  /** The greatest ID that XDEL has deleted. */
  readonly maxDeletedId = newId();
  /** How many entries were ever added. */
  entriesAdded: Count = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.blocks = new IdTable(arena, BLOCK_WORDS);
  }

  /** Makes `id` the one that an entry added at a time gets: that time, unless there are later ones. */
  nextId(id: StreamId, nowMs: number): void {
    setIdTime(id, nowMs);
    if (compareIds(id, this.lastId) > 0) return;
    copyId(this.lastId, id);
    incrementId(id);
  }

  /** Adds an entry of the fields and values from argument `first` on, whose ID is beyond all others. */
  append(id: StreamId, args: Args, first: number, limits: BlockLimits): void {
    const { blocks } = this;
    const fields = (args.count - first) >> 1;
    let place = blocks.last;
    // Encoded first: where there is no memory for that, nothing has changed.
    let bytes: number;
    const isNewBlock = place === NO_RECORD || this.#isFull(place, args, first, limits);
    if (isNewBlock) {
      bytes = encode(args, first, true, 0, 0);
      if (place !== NO_RECORD) {
        lp.fit();
        this.#keepBlock(place);
      }
      place = this.#addBlock(id, args, first, fields, limits);
    } else {
      const words = blocks.words(place);
      const at = blocks.at(place);
      const ms = difference(id, 0, words, at);
      const sequence = difference(id, 2, words, at + 2);
      bytes = encode(args, first, this.#hasMasterFields(args, first, fields), ms, sequence);
    }
    lp.insertElements(lp.end, scratch, 0, bytes, encoded);
    if (!isNewBlock) lp.replaceInteger(lp.first, integerAt(lp.buf, lp.first) + 1);
    if (scratch.length > KEPT_SCRATCH_BYTES) scratch = new Uint8Array(SCRATCH_BYTES);
    this.#keepBlock(place);
    if (this.length++ === 0) copyId(id, this.firstId);
    copyId(id, this.lastId);
    this.entriesAdded = plus(this.entriesAdded, 1);
  }

  /** Deletes an entry; returns whether it was there. {@link Stream.firstId} is left to be mended. */
  delete(id: StreamId): boolean {
    cursor.start(this, id, id);
    if (!cursor.next()) return false;
    const { place } = cursor;
    this.#openBlock(place);
    const live = integerAt(lp.buf, lp.first);
    if (live === 1) this.#removeBlock(place);
    else {
      lp.replaceInteger(cursor.entryAt, integerAt(lp.buf, cursor.entryAt) | DELETED_FLAG);
      this.#count(live - 1, integerAt(lp.buf, nextElement(lp.buf, lp.first)) + 1);
      this.#keepBlock(place);
    }
    this.length--;
    if (compareIds(id, this.maxDeletedId) > 0) copyId(id, this.maxDeletedId);
    return true;
  }

  /** Sets {@link Stream.firstId} right after deletions. */
  findFirstId(): void {
    if (!this.edgeId(this.firstId, false)) this.firstId.fill(0);
  }

  /** Makes `id` that of the first or last entry; false if there is none. */
  edgeId(id: StreamId, last: boolean): boolean {
    cursor.startAll(this, last);
    if (!cursor.next()) return false;
    copyId(cursor.id, id);
    return true;
  }

  /** Whether there is an entry of this ID. */
  has(id: StreamId): boolean {
    cursor.start(this, id, id);
    return cursor.next();
  }

  /** Removes the oldest entries; returns how many. */
  trim({ maxLength, minId, approximate, limit }: Trim): number {
    const { blocks } = this;
    let removed = 0;
    for (let place = blocks.first; place !== NO_RECORD; place = blocks.first) {
      if (maxLength !== undefined && this.length <= maxLength) break;
      this.#openBlock(place);
      const live = integerAt(lp.buf, lp.first);
      if (limit > 0 && removed + live > limit) break;
      const whole = maxLength !== undefined
        ? this.length - live >= maxLength
        : compareIds(this.#lastIdOf(place), minId) < 0;
      if (!whole) {
        if (!approximate) removed += this.#trimBlock(place, live, maxLength, minId);
        break;
      }
      this.#removeBlock(place);
      this.length -= live;
      removed += live;
    }
    if (removed > 0) this.findFirstId();
    return removed;
  }

  /** A copy of all of it in an arena, the same one or another. */
  copy(arena: Arena): Stream {
    const copy = new Stream(arena);
    copy.blocks.copyFrom(this.blocks);
    for (
      let place = copy.blocks.first;
      place !== NO_RECORD;
      place = copy.blocks.next(place)
    ) {
      const words = copy.blocks.words(place);
      const record = copy.blocks.at(place);
      const ref = words[record + BLOCK_REF]!;
      const bytes = words[record + BLOCK_BYTES]!;
      const { arena: from } = this;
      words[record + BLOCK_REF] = arena.put(from.buf(ref, bytes), from.off(ref, bytes), bytes);
    }
    copy.length = this.length;
    copyId(this.lastId, copy.lastId);
    copyId(this.firstId, copy.firstId);
    copyId(this.maxDeletedId, copy.maxDeletedId);
    copy.entriesAdded = this.entriesAdded;
    for (const group of this.groups.items) copy.groups.add(group.copy(arena));
    return copy;
  }

  free(): void {
    const { blocks } = this;
    for (let place = blocks.first; place !== NO_RECORD; place = blocks.next(place)) {
      const words = blocks.words(place);
      const at = blocks.at(place);
      this.arena.free(words[at + BLOCK_REF]!, words[at + BLOCK_BYTES]!);
    }
    blocks.free();
    for (const group of this.groups.items) group.free();
  }

  get heapBytes(): number {
    let bytes = STREAM_BYTES + this.blocks.heapBytes;
    for (const group of this.groups.items) bytes += group.heapBytes;
    return bytes;
  }

  arenaBytes(): number {
    const { blocks } = this;
    let bytes = blocks.arenaBytes;
    for (let place = blocks.first; place !== NO_RECORD; place = blocks.next(place)) {
      const words = blocks.words(place);
      const at = blocks.at(place);
      bytes += this.arena.bytesOf(words[at + BLOCK_REF]!, words[at + BLOCK_BYTES]!);
    }
    for (const group of this.groups.items) bytes += group.arenaBytes;
    return bytes;
  }

  /** Opens a block in `lp`. */
  #openBlock(place: number): void {
    const words = this.blocks.words(place);
    const at = this.blocks.at(place);
    lp.open(this.arena, words[at + BLOCK_REF]!, words[at + BLOCK_BYTES]!);
  }

  /** Notes where the block in `lp` is now. */
  #keepBlock(place: number): void {
    const words = this.blocks.words(place);
    const at = this.blocks.at(place);
    words[at + BLOCK_REF] = lp.ref;
    words[at + BLOCK_BYTES] = lp.bytes;
  }

  /** Opens the last block; returns whether it takes no more such entries. */
  #isFull(place: number, args: Args, first: number, limits: BlockLimits): boolean {
    this.#openBlock(place);
    let bytes = lp.bytes;
    for (let i = first; i < args.count; i++) bytes += args.len(i);
    const { maxBytes, maxEntries } = limits;
    if (bytes >= (maxBytes === 0 ? MAX_BLOCK_BYTES : Math.min(maxBytes, MAX_BLOCK_BYTES))) {
      return true;
    }
    if (maxEntries === 0) return false;
    const live = lp.first;
    return integerAt(lp.buf, live) + integerAt(lp.buf, nextElement(lp.buf, live)) >= maxEntries;
  }

  /**
   * Adds a block that is to hold one entry, and leaves it open. A stream that has filled blocks will
   * fill this one: it gets its room at once.
   */
  #addBlock(
    id: StreamId,
    args: Args,
    first: number,
    fields: number,
    { maxBytes }: BlockLimits,
  ): number {
    if (this.blocks.count === 0) lp.create(this.arena);
    else lp.create(this.arena, blockRoom(maxBytes));
    lp.appendInteger(1);
    lp.appendInteger(0);
    lp.appendInteger(fields);
    for (let i = first; i < args.count; i += 2) lp.append(args.buf, args.off(i), args.len(i));
    lp.appendInteger(0);
    return this.blocks.insert(id);
  }

  #removeBlock(place: number): void {
    const words = this.blocks.words(place);
    const at = this.blocks.at(place);
    this.arena.free(words[at + BLOCK_REF]!, words[at + BLOCK_BYTES]!);
    this.blocks.remove(place);
  }

  /** Writes the two counts of the open block's master entry. */
  #count(live: number, deleted: number): void {
    const at = lp.replaceInteger(lp.first, live);
    lp.replaceInteger(nextElement(lp.buf, at), deleted);
  }

  #hasMasterFields(args: Args, first: number, fields: number): boolean {
    const { buf } = lp;
    let at = nextElement(buf, nextElement(buf, lp.first));
    if (integerAt(buf, at) !== fields) return false;
    for (let i = first; i < args.count; i += 2) {
      at = nextElement(buf, at);
      if (!elementEquals(buf, at, args.buf, args.off(i), args.len(i))) return false;
    }
    return true;
  }

  /** The ID of a block's last entry, deleted or not. */
  #lastIdOf(place: number): StreamId {
    cursor.startAll(this, true, place);
    cursor.nextOfAll();
    return cursor.id;
  }

  /** Marks the first entries of the open block as deleted; returns how many. */
  #trimBlock(place: number, live: number, maxLength: number | undefined, minId: StreamId): number {
    let removed = 0;
    cursor.startAll(this, false, place);
    while (cursor.nextOfAll()) {
      const stop = maxLength !== undefined
        ? this.length <= maxLength
        : compareIds(cursor.id, minId) >= 0;
      if (stop) break;
      if (cursor.isDeleted) continue;
      // The flag fits where the flags are: nothing moves.
      lp.replaceInteger(cursor.entryAt, integerAt(lp.buf, cursor.entryAt) | DELETED_FLAG);
      this.length--;
      removed++;
    }
    const deleted = integerAt(lp.buf, nextElement(lp.buf, lp.first));
    this.#count(live - removed, deleted + removed);
    this.#keepBlock(place);
    return removed;
  }
}

/** An entry is encoded here, and goes into its block as a whole. */
let scratch = new Uint8Array(SCRATCH_BYTES);
/** How many elements the entry in it has. */
let encoded = 0;

/** Encodes an entry into {@link scratch}; returns how many bytes it takes. */
function encode(
  args: Args,
  first: number,
  sameFields: boolean,
  ms: number | bigint,
  sequence: number | bigint,
): number {
  const fields = (args.count - first) >> 1;
  const step = sameFields ? 2 : 1;
  let need = (args.count - first + 5) * ELEMENT_HEAD_BYTES;
  for (let i = first; i < args.count; i++) need += args.len(i);
  if (need > scratch.length) scratch = new Uint8Array(need);
  let at = writeIntegerElement(scratch, 0, sameFields ? SAME_FIELDS_FLAG : 0);
  at = writeIntegerElement(scratch, at, ms);
  at = writeIntegerElement(scratch, at, sequence);
  if (!sameFields) at = writeIntegerElement(scratch, at, fields);
  for (let i = first + step - 1; i < args.count; i += step) {
    at = writeElement(scratch, at, args.buf, args.off(i), args.len(i));
  }
  const before = sameFields ? fields + 3 : 2 * fields + 4;
  encoded = before + 1;
  return writeIntegerElement(scratch, at, before);
}

/** What a stream takes in V8's heap, roughly. */
const STREAM_BYTES = 400;

/** Bytes that a block is given at once, where it may grow to `maxBytes` (0: as it likes). */
function blockRoom(maxBytes: number): number {
  const most = maxBytes === 0 ? MAX_BLOCK_ROOM : Math.min(maxBytes, MAX_BLOCK_ROOM);
  return Math.max(most, EMPTY_LISTPACK_BYTES);
}

/** `a - b` modulo 2^64, as a signed integer; each is two words. */
function difference(a: Int32Array, aAt: number, b: Int32Array, bAt: number): number | bigint {
  // Nearly always it is small, and a number that needs no double.
  if (a[aAt] === b[bAt]) {
    const small = (a[aAt + 1]! - b[bAt + 1]!) | 0;
    if (small >= 0 && a[aAt + 1]! >>> 0 >= b[bAt + 1]! >>> 0) return small;
  }
  const low = (a[aAt + 1]! >>> 0) - (b[bAt + 1]! >>> 0);
  const high = (a[aAt]! - b[bAt]! - (low < 0 ? 1 : 0)) | 0;
  const value = high * TWO_32 + (low >>> 0);
  if (Number.isSafeInteger(value)) return value;
  return BigInt(high) << 32n | BigInt(low >>> 0);
}
