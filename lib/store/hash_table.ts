/**
 * A table of byte strings, each with a value (the fields of a hash) or without (the members of a
 * set): a {@link ByteMap} in a database's arena, whose entries are
 *
 *     key length | value length | key … | value …
 *
 * and have no value length where the table has no values. A value longer than MAX_INLINE_KEY stands
 * in a block of its own, as a key does: its length is kept negative, and its reference in the next
 * whole word.
 */
import { Arena, copyBytes } from "../bytes/arena.ts";
import { ByteMap, MAX_INLINE_KEY } from "../bytes/byte_map.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { StoredObject } from "./database.ts";

const NO_BYTES: Uint8Array = new Uint8Array(0);
/** Bytes to an entry's key. */
const KEY_ONLY = 4;
const KEY_AND_VALUE = 8;
/** Index in an entry of the value's length. */
const VALUE_LENGTH = 1;
/** About what the objects of a table take on the heap, its index aside. */
const OBJECT_BYTES = 240;

export class HashTable implements StoredObject {
  readonly map: ByteMap;
  readonly #arena: Arena;
  readonly #hasValues: boolean;

  constructor(arena: Arena, hasValues: boolean) {
    this.#arena = arena;
    this.#hasValues = hasValues;
    this.map = new ByteMap(arena, hasValues ? KEY_AND_VALUE : KEY_ONLY);
  }

  get count(): number {
    return this.map.count;
  }

  /** The entry with this key, or 0. It is valid until the key gets another value or is removed. */
  find(buf: Uint8Array, off: number, len: number): number {
    return this.map.find(buf, off, len);
  }

  /**
   * Adds a key with a value (none in a table without values), or gives a key that is there another
   * value; returns whether the key is new. The bytes must not lie in the table.
   */
  put(
    buf: Uint8Array,
    off: number,
    len: number,
    value = NO_BYTES,
    from = 0,
    valueLen = 0,
  ): boolean {
    const { map } = this;
    const hash = hashBytes(buf, off, len);
    let entry = map.findHashed(hash, buf, off, len);
    const isNew = entry === 0;
    if (isNew) {
      entry = this.#arena.alloc(this.#bytes(len, valueLen));
      map.writeKey(entry, buf, off, len);
      map.insert(hash, entry);
    } else if (this.#hasValues) {
      entry = this.#makeRoom(hash, entry, len, valueLen);
    }
    if (this.#hasValues) this.#writeValue(entry, len, value, from, valueLen);
    return isNew;
  }

  /** Removes a key; returns whether it was there. */
  remove(buf: Uint8Array, off: number, len: number): boolean {
    const entry = this.find(buf, off, len);
    if (entry !== 0) this.removeEntry(entry);
    return entry !== 0;
  }

  removeEntry(entry: number): void {
    this.map.remove(this.map.hashOf(entry), entry);
    this.#freeEntry(entry);
  }

  // ---- values ------------------------------------------------------------------------------------

  valueLen(entry: number): number {
    return Math.abs(this.#keptLen(entry));
  }

  /** The array that holds an entry's value, from {@link HashTable.valueOff} on. */
  valueBuf(entry: number): Uint8Array {
    const len = this.#keptLen(entry);
    return len >= 0 ? this.#arena.slab(entry) : this.#arena.buf(this.#longValue(entry), -len);
  }

  valueOff(entry: number): number {
    const len = this.#keptLen(entry);
    return len >= 0
      ? this.#arena.byteOf(entry) + this.map.headBytes(this.map.keyLen(entry))
      : this.#arena.off(this.#longValue(entry), -len);
  }

  // ---- as a whole --------------------------------------------------------------------------------

  free(): void {
    const { map } = this;
    for (let slot = map.slotCount - 1; slot >= 0; slot--) {
      const entry = map.entryInSlot(slot);
      if (entry !== 0) this.#freeEntry(entry);
    }
    map.release();
  }

  /** The same table in another arena, or again in this one. */
  copy(arena: Arena): HashTable {
    const { map } = this;
    const copied = new HashTable(arena, this.#hasValues);
    copied.map.reserve(map.count);
    for (let slot = map.slotCount - 1; slot >= 0; slot--) {
      const entry = map.entryInSlot(slot);
      if (entry === 0) continue;
      const key = map.keyBuf(entry);
      const keyOff = map.keyOff(entry);
      const keyLen = map.keyLen(entry);
      if (!this.#hasValues) {
        copied.put(key, keyOff, keyLen);
        continue;
      }
      const value = this.valueBuf(entry);
      copied.put(key, keyOff, keyLen, value, this.valueOff(entry), this.valueLen(entry));
    }
    return copied;
  }

  get heapBytes(): number {
    return OBJECT_BYTES + this.map.indexBytes;
  }

  arenaBytes(samples: number): number {
    const { map } = this;
    let bytes = 0;
    let seen = 0;
    const most = samples === 0 ? map.count : Math.min(samples, map.count);
    for (let slot = 0; seen < most; slot++) {
      const entry = map.entryInSlot(slot);
      if (entry === 0) continue;
      bytes += this.#bytesOf(entry);
      seen++;
    }
    return seen === 0 ? 0 : Math.round(bytes / seen * map.count);
  }

  // ---- entries -----------------------------------------------------------------------------------

  /** Length of an entry's block. */
  #bytes(keyLen: number, valueLen: number): number {
    const head = this.map.headBytes(keyLen);
    return valueLen <= MAX_INLINE_KEY ? head + valueLen : wholeWords(head) + 4;
  }

  /** Bytes of an entry's blocks, as the arena counts them. */
  #bytesOf(entry: number): number {
    const keyLen = this.map.keyLen(entry);
    const valueLen = this.#hasValues ? this.valueLen(entry) : 0;
    return Arena.blockBytes(this.#bytes(keyLen, valueLen)) +
      (keyLen > MAX_INLINE_KEY ? Arena.blockBytes(keyLen) : 0) +
      (valueLen > MAX_INLINE_KEY ? Arena.blockBytes(valueLen) : 0);
  }

  #freeEntry(entry: number): void {
    const keyLen = this.map.keyLen(entry);
    const valueLen = this.#hasValues ? this.valueLen(entry) : 0;
    if (valueLen > MAX_INLINE_KEY) this.#arena.free(this.#longValue(entry), valueLen);
    this.map.freeLongKey(entry);
    this.#arena.free(entry, this.#bytes(keyLen, valueLen));
  }

  /** Makes an entry's block right for another value, the old one of which is lost. */
  #makeRoom(hash: number, entry: number, keyLen: number, valueLen: number): number {
    const arena = this.#arena;
    const old = this.valueLen(entry);
    if (old > MAX_INLINE_KEY) arena.free(this.#longValue(entry), old);
    const from = this.#bytes(keyLen, old);
    const to = this.#bytes(keyLen, valueLen);
    if (Arena.sameSize(from, to)) return entry;
    const moved = arena.alloc(to);
    const head = this.map.headBytes(keyLen);
    copyBytes(arena.slab(entry), arena.byteOf(entry), arena.slab(moved), arena.byteOf(moved), head);
    this.map.moved(hash, entry, moved);
    arena.free(entry, from);
    return moved;
  }

  #writeValue(entry: number, keyLen: number, src: Uint8Array, from: number, len: number): void {
    const arena = this.#arena;
    const words = arena.words(entry);
    const word = arena.wordOf(entry);
    const head = this.map.headBytes(keyLen);
    if (len <= MAX_INLINE_KEY) {
      words[word + VALUE_LENGTH] = len;
      copyBytes(src, from, arena.slab(entry), arena.byteOf(entry) + head, len);
    } else {
      words[word + VALUE_LENGTH] = -len;
      words[word + (wholeWords(head) >> 2)] = arena.put(src, from, len);
    }
  }

  #keptLen(entry: number): number {
    return this.#arena.words(entry)[this.#arena.wordOf(entry) + VALUE_LENGTH]!;
  }

  #longValue(entry: number): number {
    const head = this.map.headBytes(this.map.keyLen(entry));
    return this.#arena.words(entry)[this.#arena.wordOf(entry) + (wholeWords(head) >> 2)]!;
  }
}

function wholeWords(bytes: number): number {
  return (bytes + 3) & ~3;
}
