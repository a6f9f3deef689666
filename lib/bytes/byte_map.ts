/**
 * A map keyed by bytes: dense records beside an open-addressing index.
 *
 * - A record is `stride` 32-bit words: the key's reference and length in the arena, then words for
 *   the map's user. Records are dense: removal moves the last one into the hole. So a record's
 *   number is stable only until the next removal, and scanning from the highest number down never
 *   misses a record that stays.
 * - The index is one Int32Array of slots (hash, record number + 1), probed linearly.
 * - Growth rehashes in steps. While it goes on there are two indexes: `#old` is only read, except
 *   that what is removed or renumbered is mended in both; every insertion and removal moves a few
 *   slots on. A look-up asks the new one first.
 * - Records stand in chunks of 2^15; the first grows by doubling, later ones come whole, so growth
 *   copies little and small maps stay small.
 */
import type { Arena } from "./arena.ts";
import { hashBytes } from "./hash.ts";

const CHUNK_BITS = 15;
const CHUNK_MASK = (1 << CHUNK_BITS) - 1;
const FIRST_RECORDS = 8;
const FIRST_SLOTS = 16;
/** Old slots moved with each change while an index grows. */
const MOVED_PER_CHANGE = 16;
const REMOVED = -1;

const KEY_REF = 0;
const KEY_LEN = 1;
/** The first word of a record that is the user's. */
export const USER_WORDS = 2;

export class ByteMap {
  /** How many records there are. */
  count = 0;
  readonly stride: number;
  readonly arena: Arena;

  #chunks: Int32Array[];
  #slots = new Int32Array(2 * FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #old: Int32Array | undefined;
  #oldMask = 0;
  /** The next slot of `#old` to move. */
  #oldAt = 0;

  constructor(arena: Arena, stride: number) {
    this.arena = arena;
    this.stride = stride;
    this.#chunks = [new Int32Array(FIRST_RECORDS * stride)];
  }

  /** The array that holds record `i`; its words begin at {@link ByteMap.at}. */
  chunk(i: number): Int32Array {
    return this.#chunks[i >>> CHUNK_BITS]!;
  }

  /** Where in {@link ByteMap.chunk} record `i` begins. */
  at(i: number): number {
    return (i & CHUNK_MASK) * this.stride;
  }

  /** The number of the record with this key, or -1. */
  find(buf: Uint8Array, off: number, len: number): number {
    return this.findHashed(hashBytes(buf, off, len), buf, off, len);
  }

  /** {@link ByteMap.find} where the key's hash is known already. */
  findHashed(hash: number, buf: Uint8Array, off: number, len: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const record = slots[2 * slot + 1]!;
      if (record === 0) break;
      if (slots[2 * slot] === hash && this.#keyIs(record - 1, buf, off, len)) return record - 1;
    }
    return this.#old === undefined ? -1 : this.#findOld(hash, buf, off, len);
  }

  /**
   * Adds a record for a key that is not there, and returns its number. The user's words are zero.
   */
  add(hash: number, buf: Uint8Array, off: number, len: number): number {
    const i = this.count;
    this.#reserve(i);
    const keyRef = this.arena.put(buf, off, len);
    this.count = i + 1;
    const chunk = this.chunk(i);
    const at = this.at(i);
    chunk[at + KEY_REF] = keyRef;
    chunk[at + KEY_LEN] = len;
    for (let word = USER_WORDS; word < this.stride; word++) chunk[at + word] = 0;
    if (this.#old !== undefined) this.#moveOn(MOVED_PER_CHANGE);
    else if (this.count * 4 > (this.#mask + 1) * 3) this.#resize(2 * (this.#mask + 1));
    insertSlot(this.#slots, this.#mask, hash, i + 1);
    return i;
  }

  /**
   * Removes record `i` and its key; the user has let go of what its words refer to.
   * Returns the number of the record that now stands at `i` because it was moved there from the
   * end (that former number), or -1 if none was.
   */
  remove(i: number): number {
    const chunk = this.chunk(i);
    const at = this.at(i);
    const len = chunk[at + KEY_LEN]!;
    this.#dropSlot(this.#hashOf(i), i + 1);
    this.arena.free(chunk[at + KEY_REF]!, len);
    const last = this.count - 1;
    this.count = last;
    if (this.#old !== undefined) this.#moveOn(MOVED_PER_CHANGE);
    else if (last < (this.#mask + 1) >>> 3 && this.#mask >= FIRST_SLOTS) {
      this.#resize((this.#mask + 1) >>> 1);
    }
    if (i === last) {
      this.#trim();
      return -1;
    }
    this.#renumberSlot(this.#hashOf(last), last + 1, i + 1);
    const from = this.chunk(last);
    const fromAt = this.at(last);
    for (let word = 0; word < this.stride; word++) chunk[at + word] = from[fromAt + word]!;
    this.#trim();
    return last;
  }

  /** Gives record `i` another key, which no record has. */
  rename(i: number, buf: Uint8Array, off: number, len: number): void {
    const chunk = this.chunk(i);
    const at = this.at(i);
    const keyRef = this.arena.put(buf, off, len);
    this.#dropSlot(this.#hashOf(i), i + 1);
    this.arena.free(chunk[at + KEY_REF]!, chunk[at + KEY_LEN]!);
    chunk[at + KEY_REF] = keyRef;
    chunk[at + KEY_LEN] = len;
    insertSlot(this.#slots, this.#mask, hashBytes(buf, off, len), i + 1);
  }

  /** Length in bytes of record `i`'s key. */
  keyLen(i: number): number {
    return this.chunk(i)[this.at(i) + KEY_LEN]!;
  }

  /** The array that holds record `i`'s key, from {@link ByteMap.keyOff} on. */
  keyBuf(i: number): Uint8Array {
    const chunk = this.chunk(i);
    const at = this.at(i);
    return this.arena.buf(chunk[at + KEY_REF]!, chunk[at + KEY_LEN]!);
  }

  keyOff(i: number): number {
    const chunk = this.chunk(i);
    const at = this.at(i);
    return this.arena.off(chunk[at + KEY_REF]!, chunk[at + KEY_LEN]!);
  }

  /** A copy of record `i`'s key. */
  key(i: number): Uint8Array {
    const off = this.keyOff(i);
    return this.keyBuf(i).slice(off, off + this.keyLen(i));
  }

  /** Slots of the index, those of one that is being left included. */
  get slotCount(): number {
    return this.#mask + 1 + (this.#old === undefined ? 0 : this.#oldMask + 1);
  }

  get rehashing(): boolean {
    return this.#old !== undefined;
  }

  /** Bytes outside the arena: records and index. */
  get overheadBytes(): number {
    let words = 2 * this.slotCount;
    for (const chunk of this.#chunks) words += chunk.length;
    return 4 * words;
  }

  /** Moves up to `slots` slots of a growing index; returns whether there are more. */
  rehash(slots: number): boolean {
    if (this.#old !== undefined) this.#moveOn(slots);
    return this.#old !== undefined;
  }

  #hashOf(i: number): number {
    return hashBytes(this.keyBuf(i), this.keyOff(i), this.keyLen(i));
  }

  #keyIs(i: number, buf: Uint8Array, off: number, len: number): boolean {
    const chunk = this.#chunks[i >>> CHUNK_BITS]!;
    const at = (i & CHUNK_MASK) * this.stride;
    return chunk[at + KEY_LEN] === len && this.arena.equals(chunk[at + KEY_REF]!, len, buf, off);
  }

  #findOld(hash: number, buf: Uint8Array, off: number, len: number): number {
    const slots = this.#old!;
    const mask = this.#oldMask;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const record = slots[2 * slot + 1]!;
      if (record === 0) return -1;
      if (
        record !== REMOVED && slots[2 * slot] === hash && this.#keyIs(record - 1, buf, off, len)
      ) return record - 1;
    }
  }

  #reserve(i: number): void {
    const number = i >>> CHUNK_BITS;
    const chunk = this.#chunks[number];
    if (chunk === undefined) {
      this.#chunks[number] = new Int32Array((CHUNK_MASK + 1) * this.stride);
    } else if ((i & CHUNK_MASK) * this.stride >= chunk.length) {
      const grown = new Int32Array(2 * chunk.length);
      grown.set(chunk);
      this.#chunks[number] = grown;
    }
  }

  /** Drops a chunk when the one before it has half its room left, so that the edge does not thrash. */
  #trim(): void {
    const spare = this.#chunks.length - 1;
    if (
      spare > 0 && this.count < spare << CHUNK_BITS && (this.count & CHUNK_MASK) < CHUNK_MASK >>> 1
    ) {
      this.#chunks.pop();
    }
  }

  #resize(slots: number): void {
    this.#old = this.#slots;
    this.#oldMask = this.#mask;
    this.#oldAt = 0;
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
    if (this.#oldMask < 1024) this.#moveOn(this.#oldMask + 1);
  }

  #moveOn(slots: number): void {
    const old = this.#old!;
    const end = Math.min(this.#oldMask + 1, this.#oldAt + slots);
    for (let slot = this.#oldAt; slot < end; slot++) {
      const record = old[2 * slot + 1]!;
      if (record > 0) insertSlot(this.#slots, this.#mask, old[2 * slot]!, record);
    }
    this.#oldAt = end;
    if (end > this.#oldMask) this.#old = undefined;
  }

  #dropSlot(hash: number, record: number): void {
    const slot = slotOf(this.#slots, this.#mask, hash, record);
    if (slot >= 0) closeGap(this.#slots, this.#mask, slot);
    if (this.#old !== undefined) {
      const old = slotOf(this.#old, this.#oldMask, hash, record);
      if (old >= 0) this.#old[2 * old + 1] = REMOVED;
    }
  }

  #renumberSlot(hash: number, from: number, to: number): void {
    const slot = slotOf(this.#slots, this.#mask, hash, from);
    if (slot >= 0) this.#slots[2 * slot + 1] = to;
    if (this.#old !== undefined) {
      const old = slotOf(this.#old, this.#oldMask, hash, from);
      if (old >= 0) this.#old[2 * old + 1] = to;
    }
  }
}

function insertSlot(slots: Int32Array, mask: number, hash: number, record: number): void {
  let slot = hash & mask;
  while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
  slots[2 * slot] = hash;
  slots[2 * slot + 1] = record;
}

function slotOf(slots: Int32Array, mask: number, hash: number, record: number): number {
  for (let slot = hash & mask;; slot = (slot + 1) & mask) {
    const there = slots[2 * slot + 1]!;
    if (there === record) return slot;
    if (there === 0) return -1;
  }
}

/** Empties a slot and moves later ones of its run up, so that no probe stops too early. */
function closeGap(slots: Int32Array, mask: number, gap: number): void {
  for (let slot = (gap + 1) & mask; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
    const home = slots[2 * slot]! & mask;
    if (((slot - home) & mask) >= ((slot - gap) & mask)) {
      slots[2 * gap] = slots[2 * slot]!;
      slots[2 * gap + 1] = slots[2 * slot + 1]!;
      gap = slot;
    }
  }
  slots[2 * gap + 1] = 0;
}
