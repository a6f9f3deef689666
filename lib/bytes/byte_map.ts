/**
 * A map keyed by bytes: an open-addressing index of blocks in an {@link Arena}.
 *
 * An entry is one block: a word with the key's length, words for the map's user, the key from
 * `keyOffset` on, and behind it whatever the user keeps. So a look-up touches two places in memory,
 * the slot and the block, and on a large map that is what it costs. The block's reference is the
 * entry's handle; the user allocates it, may move it ({@link ByteMap.moved}), and frees it.
 *
 * - A slot is two words: the key's hash and the reference (0: empty). Slots are probed linearly.
 * - A key longer than {@link MAX_INLINE_KEY} stands in a block of its own: its length is kept
 *   negative, and the entry holds the reference where the key would begin.
 * - Growth and shrinking rehash in steps. While that goes on there are two indexes: the old one is
 *   only read, except that what is removed or moved is mended in both; every insertion and removal
 *   moves a few slots on. A look-up asks the new index first.
 * - {@link ByteMap.scan} walks home slots in the order of their reversed bits, as Redis walks its
 *   buckets: an entry that stays is found whatever is added, removed or rehashed between calls.
 */
import { type Arena, copyBytes, releaseArray } from "./arena.ts";
import { equalBytes } from "./compare.ts";
import { hashBytes } from "./hash.ts";

const FIRST_SLOTS = 16;
/** Old slots moved with each change while an index grows or shrinks. */
const MOVED_PER_CHANGE = 16;
const REMOVED = -1;
/** Tries to hit a full slot at random before walking on from an empty one. */
const SAMPLE_TRIES = 256;

/** The longest key inside its entry's block, in bytes. */
export const MAX_INLINE_KEY = 32 * 1024;

/** How many hashes {@link ByteMap.prefetch} takes at once. */
export const MAX_PREFETCH = 128;
const prefetched = new Int32Array(MAX_PREFETCH);

export class ByteMap {
  /** How many entries there are. */
  count = 0;
  /** Bytes from an entry's beginning to its key: at least 4, for the key's length. */
  readonly keyOffset: number;
  readonly arena: Arena;

  #slots = new Int32Array(2 * FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #old: Int32Array | undefined;
  #oldMask = 0;
  /** The next slot of `#old` to move. */
  #oldAt = 0;

  constructor(arena: Arena, keyOffset: number) {
    this.arena = arena;
    this.keyOffset = keyOffset;
    arena.besideBytes += this.indexBytes;
  }

  /**
   * Makes an empty map's index large enough for `count` entries. Who copies a map must: entries that
   * arrive in the order of another index would crowd a growing one.
   */
  reserve(count: number): void {
    let slots = this.#mask + 1;
    while (count * 4 > slots * 3) slots *= 2;
    if (slots === this.#mask + 1) return;
    this.arena.besideBytes += 8 * (slots - this.#mask - 1);
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
  }

  /** Gives the index back; the entries' blocks are the user's to free before. */
  release(): void {
    this.arena.besideBytes -= this.indexBytes;
    releaseArray(this.#slots);
    if (this.#old !== undefined) releaseArray(this.#old);
    this.#old = undefined;
    this.count = 0;
  }

  /** The entry with this key, or 0. */
  find(buf: Uint8Array, off: number, len: number): number {
    return this.findHashed(hashBytes(buf, off, len), buf, off, len);
  }

  /** {@link ByteMap.find} where the key's hash is known already. */
  findHashed(hash: number, buf: Uint8Array, off: number, len: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const entry = slots[2 * slot + 1]!;
      if (entry === 0) break;
      if (slots[2 * slot] === hash && this.#keyIs(entry, buf, off, len)) return entry;
    }
    return this.#old === undefined ? 0 : this.#findOld(hash, buf, off, len);
  }

  /**
   * Touches what look-ups of these hashes will need, so that the cache misses of many commands
   * overlap and the look-ups themselves find the memory near. Three loops over independent loads are
   * what lets the processor do that; on a large map this halves what a pipelined command costs.
   * Returns a number that means nothing: without it the loads would be optimised away.
   */
  prefetch(hashes: Int32Array, count: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    const entries = prefetched;
    const { arena } = this;
    let sum = 0;
    for (let i = 0; i < count; i++) entries[i] = slots[2 * (hashes[i]! & mask) + 1]!;
    for (let i = 0; i < count; i++) {
      const entry = entries[i]!;
      if (entry !== 0) sum += arena.words(entry)[arena.wordOf(entry) + 8]! | 0;
    }
    return sum;
  }

  /** Bytes of a block up to the key's end, for a key of this length. */
  headBytes(len: number): number {
    return this.keyOffset + (len <= MAX_INLINE_KEY ? len : 4);
  }

  /** Writes the key and its length into a new entry's block. */
  writeKey(entry: number, buf: Uint8Array, off: number, len: number): void {
    const { arena } = this;
    const word = arena.wordOf(entry);
    if (len <= MAX_INLINE_KEY) {
      arena.words(entry)[word] = len;
      copyBytes(buf, off, arena.slab(entry), arena.byteOf(entry) + this.keyOffset, len);
    } else {
      arena.words(entry)[word] = -len;
      arena.words(entry)[word + (this.keyOffset >> 2)] = arena.put(buf, off, len);
    }
  }

  /** Adds an entry whose key is not there. */
  insert(hash: number, entry: number): void {
    this.count++;
    if (this.#old !== undefined) this.#moveOn(MOVED_PER_CHANGE);
    else if (this.count * 4 > (this.#mask + 1) * 3) this.#resize(2 * (this.#mask + 1));
    insertSlot(this.#slots, this.#mask, hash, entry);
  }

  /** Forgets an entry; its block, and a long key's, remain the user's to free. */
  remove(hash: number, entry: number): void {
    const slot = slotOf(this.#slots, this.#mask, hash, entry);
    if (slot >= 0) closeGap(this.#slots, this.#mask, slot);
    if (this.#old !== undefined) {
      const old = slotOf(this.#old, this.#oldMask, hash, entry);
      if (old >= 0) this.#old[2 * old + 1] = REMOVED;
    }
    this.count--;
    if (this.#old !== undefined) this.#moveOn(MOVED_PER_CHANGE);
    else if (this.count < (this.#mask + 1) >>> 3 && this.#mask >= FIRST_SLOTS) {
      this.#resize((this.#mask + 1) >>> 1);
    }
  }

  /** An entry's block has another reference now. */
  moved(hash: number, from: number, to: number): void {
    const slot = slotOf(this.#slots, this.#mask, hash, from);
    if (slot >= 0) this.#slots[2 * slot + 1] = to;
    if (this.#old !== undefined) {
      const old = slotOf(this.#old, this.#oldMask, hash, from);
      if (old >= 0) this.#old[2 * old + 1] = to;
    }
  }

  /** The hash of an entry's key. */
  hashOf(entry: number): number {
    return hashBytes(this.keyBuf(entry), this.keyOff(entry), this.keyLen(entry));
  }

  /** Length in bytes of an entry's key. */
  keyLen(entry: number): number {
    return Math.abs(this.arena.words(entry)[this.arena.wordOf(entry)]!);
  }

  /** The array that holds an entry's key, from {@link ByteMap.keyOff} on. */
  keyBuf(entry: number): Uint8Array {
    const { arena } = this;
    const len = arena.words(entry)[arena.wordOf(entry)]!;
    return len >= 0 ? arena.slab(entry) : arena.buf(this.longKey(entry), -len);
  }

  keyOff(entry: number): number {
    const { arena } = this;
    const len = arena.words(entry)[arena.wordOf(entry)]!;
    return len >= 0 ? arena.byteOf(entry) + this.keyOffset : arena.off(this.longKey(entry), -len);
  }

  /** A copy of an entry's key. */
  key(entry: number): Uint8Array {
    const off = this.keyOff(entry);
    return this.keyBuf(entry).slice(off, off + this.keyLen(entry));
  }

  /** The reference of a key that is too long for its entry. */
  longKey(entry: number): number {
    return this.arena.words(entry)[this.arena.wordOf(entry) + (this.keyOffset >> 2)]!;
  }

  /** Frees a long key's own block; nothing for others. */
  freeLongKey(entry: number): void {
    const len = this.keyLen(entry);
    if (len > MAX_INLINE_KEY) this.arena.free(this.longKey(entry), len);
  }

  /**
   * Calls `visit` for the entries of one home slot and returns the cursor of the next, 0 at the end.
   * `visit` changes nothing.
   */
  scan(cursor: number, visit: (entry: number) => void): number {
    const { count } = this;
    if (count === 0) return 0;
    if (this.#old === undefined) {
      visitHome(this.#slots, this.#mask, cursor & this.#mask, 0, visit);
      return nextCursor(cursor, this.#mask);
    }
    const oldIsSmall = this.#oldMask < this.#mask;
    const small = oldIsSmall ? this.#oldMask : this.#mask;
    const large = oldIsSmall ? this.#mask : this.#oldMask;
    const visitOne = (home: number, inOld: boolean) =>
      inOld
        ? visitHome(this.#old!, this.#oldMask, home, this.#oldAt, visit)
        : visitHome(this.#slots, this.#mask, home, 0, visit);
    visitOne(cursor & small, oldIsSmall);
    do {
      visitOne(cursor & large, !oldIsSmall);
      cursor = nextCursor(cursor, large);
    } while ((cursor & (small ^ large)) !== 0);
    return cursor;
  }

  /** An entry at random, or 0 if there is none. `random` gives numbers from 0 up to 1. */
  sample(random: () => number): number {
    if (this.count === 0) return 0;
    const fresh = this.#mask + 1;
    const left = this.#old === undefined ? 0 : this.#oldMask + 1 - this.#oldAt;
    for (let tries = 0;; tries++) {
      const at = Math.floor(random() * (fresh + left));
      const entry = at < fresh
        ? this.#slots[2 * at + 1]!
        : this.#old![2 * (this.#oldAt + at - fresh) + 1]!;
      if (entry !== 0 && entry !== REMOVED) return entry;
      if (tries > SAMPLE_TRIES) return this.#nextFrom(at < fresh ? at : 0);
    }
  }

  /**
   * The entry in a slot (from 0 up to {@link ByteMap.slotCount}), or 0: for going through all entries
   * while nothing changes, each of which is in one slot.
   */
  entryInSlot(slot: number): number {
    const old = slot - this.#mask - 1;
    if (old < 0) return this.#slots[2 * slot + 1]!;
    const entry = this.#old![2 * old + 1]!;
    return old < this.#oldAt || entry === REMOVED ? 0 : entry;
  }

  /** Slots of the index, those of one that is being left included. */
  get slotCount(): number {
    return this.#mask + 1 + (this.#old === undefined ? 0 : this.#oldMask + 1);
  }

  get rehashing(): boolean {
    return this.#old !== undefined;
  }

  /** Bytes of the index. */
  get indexBytes(): number {
    return 8 * this.slotCount;
  }

  /** Moves up to `slots` slots of a changing index; returns whether there are more. */
  rehash(slots: number): boolean {
    if (this.#old !== undefined) this.#moveOn(slots);
    return this.#old !== undefined;
  }

  #keyIs(entry: number, buf: Uint8Array, off: number, len: number): boolean {
    const { arena } = this;
    if (arena.words(entry)[arena.wordOf(entry)] !== len) {
      return len > MAX_INLINE_KEY && this.keyLen(entry) === len &&
        arena.equals(this.longKey(entry), len, buf, off);
    }
    return equalBytes(arena.slab(entry), arena.byteOf(entry) + this.keyOffset, buf, off, len);
  }

  #findOld(hash: number, buf: Uint8Array, off: number, len: number): number {
    const slots = this.#old!;
    const mask = this.#oldMask;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const entry = slots[2 * slot + 1]!;
      if (entry === 0) return 0;
      if (entry !== REMOVED && slots[2 * slot] === hash && this.#keyIs(entry, buf, off, len)) {
        return entry;
      }
    }
  }

  #nextFrom(slot: number): number {
    for (;; slot = (slot + 1) & this.#mask) {
      const entry = this.#slots[2 * slot + 1]!;
      if (entry !== 0) return entry;
      if (this.#old !== undefined) this.#moveOn(MOVED_PER_CHANGE);
    }
  }

  #resize(slots: number): void {
    this.#old = this.#slots;
    this.#oldMask = this.#mask;
    this.#oldAt = 0;
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
    this.arena.besideBytes += 8 * slots;
    if (this.#oldMask < 1024) this.#moveOn(this.#oldMask + 1);
  }

  #moveOn(slots: number): void {
    const old = this.#old!;
    const end = Math.min(this.#oldMask + 1, this.#oldAt + slots);
    for (let slot = this.#oldAt; slot < end; slot++) {
      const entry = old[2 * slot + 1]!;
      if (entry !== 0 && entry !== REMOVED) {
        insertSlot(this.#slots, this.#mask, old[2 * slot]!, entry);
      }
    }
    this.#oldAt = end;
    if (end > this.#oldMask) {
      releaseArray(old);
      this.arena.besideBytes -= 8 * (this.#oldMask + 1);
      this.#old = undefined;
    }
  }
}

function insertSlot(slots: Int32Array, mask: number, hash: number, entry: number): void {
  let slot = hash & mask;
  while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
  slots[2 * slot] = hash;
  slots[2 * slot + 1] = entry;
}

function slotOf(slots: Int32Array, mask: number, hash: number, entry: number): number {
  for (let slot = hash & mask;; slot = (slot + 1) & mask) {
    const there = slots[2 * slot + 1]!;
    if (there === entry) return slot;
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

/** Visits what has `home` as its home slot; slots below `from` have moved to the other index. */
function visitHome(
  slots: Int32Array,
  mask: number,
  home: number,
  from: number,
  visit: (entry: number) => void,
): void {
  for (let slot = home;; slot = (slot + 1) & mask) {
    const entry = slots[2 * slot + 1]!;
    if (entry === 0) return;
    if (entry !== REMOVED && (slots[2 * slot]! & mask) === home && slot >= from) visit(entry);
  }
}

/** The cursor after `cursor` for an index of this mask: counting with the highest bit first. */
function nextCursor(cursor: number, mask: number): number {
  return reverseBits((reverseBits((cursor | ~mask) >>> 0) + 1) >>> 0);
}

function reverseBits(value: number): number {
  value = (value >>> 1 & 0x55555555) | (value & 0x55555555) << 1;
  value = (value >>> 2 & 0x33333333) | (value & 0x33333333) << 2;
  value = (value >>> 4 & 0x0f0f0f0f) | (value & 0x0f0f0f0f) << 4;
  value = (value >>> 8 & 0x00ff00ff) | (value & 0x00ff00ff) << 8;
  return (value >>> 16 | value << 16) >>> 0;
}
