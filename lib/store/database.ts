/**
 * A database: keys with their values and expiry, in a {@link ByteMap} over an {@link Arena} of its
 * own, so that FLUSHDB drops both and SWAPDB swaps them.
 *
 * A key's entry is one block of the arena:
 *
 *     key length | meta | info | key … | value | expiry low, expiry high, place in `volatile`
 *
 * `meta` is type (bits 0 to 2), whether it is volatile (bit 3), encoding (4 to 7) and access bits (8
 * to 31). The value is, by encoding: an `embstr`'s bytes, `info` being how many; or one word, and
 * `info` a second: reference and length of a block (`raw`, `listpack`, `intset`), the halves of an
 * integer (`int`), or an index of {@link Database.objects}. The last three words are there only while
 * the key is volatile. Key and value are padded to words.
 *
 * An entry's number is the block's reference; it is valid until the entry is removed or reshaped, so
 * whatever may reshape it returns the number that holds from then on. No client and no reply is known
 * here.
 */
import { Arena, copyBytes, releaseArray } from "../bytes/arena.ts";
import { ByteMap, MAX_INLINE_KEY } from "../bytes/byte_map.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { Args } from "../resp/args.ts";
import type { DatabaseContext, SnapshotHook } from "./database_context.ts";

/** Words of an entry. */
const META = 1;
const INFO = 2;
/** Bytes from an entry's beginning to its key. */
const KEY_OFFSET = 12;
const EXPIRY_BYTES = 12;

/** A value's type, in the numbers that RDB gives them. */
export const TYPE = { string: 0, list: 1, set: 2, zset: 3, hash: 4, stream: 6 } as const;
export type ValueType = typeof TYPE[keyof typeof TYPE];

/** How a value is kept: OBJECT ENCODING names them. */
export const ENCODING = {
  raw: 0,
  int: 1,
  embstr: 2,
  listpack: 3,
  quicklist: 4,
  hashtable: 5,
  intset: 6,
  skiplist: 7,
  stream: 8,
} as const;
export type ValueEncoding = typeof ENCODING[keyof typeof ENCODING];

/** The longest string that stands in its key's entry. */
export const MAX_EMBSTR = 44;

const TYPE_MASK = 7;
const VOLATILE_BIT = 8;
const ENCODING_SHIFT = 4;
const ENCODING_MASK = 0xf;
const ACCESS_SHIFT = 8;

/** The volatile list has room for so many at least. */
const MIN_VOLATILE = 16;

const TWO_32 = 2 ** 32;

/** What `expiryMs` is for a key that does not expire. */
export const NO_EXPIRY = -1;

/** A value that is an object of V8's heap: what a database must know of it. */
export interface StoredObject {
  /** Gives back what the value holds in the arena. */
  free(): void;
  /** Bytes that the value takes outside the arena. */
  readonly heapBytes: number;
  /**
   * Bytes that it takes in the arena, for MEMORY USAGE: an estimate over `samples` elements, exact
   * where that is 0.
   */
  arenaBytes(samples: number): number;
  /** The same value in another arena, or once more in its own. */
  copy(arena: Arena): StoredObject;
}

export class Database {
  /** Its number; SWAPDB changes it. */
  number: number;
  readonly context: DatabaseContext;
  arena!: Arena;
  map!: ByteMap;
  /** Values that are objects of the heap, by their entry's value word. */
  objects!: (StoredObject | undefined)[];
  /** Entries that have an expiry, in no order; each knows its place here (from 1). */
  volatile!: Int32Array;
  volatileCount = 0;
  /** Where in `volatile` the active expiry goes on. */
  expiryCursor = 0;
  /** A running average of what remained to the keys that active expiry saw, for INFO's avg_ttl. */
  averageTtlMs = 0;
  /** While a snapshot of it is being taken. */
  snapshot: SnapshotHook | undefined;

  #freeObjects: number[] = [];

  constructor(number: number, context: DatabaseContext) {
    this.number = number;
    this.context = context;
    this.clear();
  }

  /** How many keys there are, those included whose time has come but who are still there. */
  get size(): number {
    return this.map.count;
  }

  /** Forgets everything at once. */
  clear(): void {
    if (this.snapshot === undefined) this.arena?.release();
    else this.#leave(this.snapshot);
    this.arena = new Arena();
    this.map = new ByteMap(this.arena, KEY_OFFSET);
    this.objects = [];
    this.#freeObjects = [];
    this.volatile = new Int32Array(MIN_VOLATILE);
    this.volatileCount = 0;
    this.expiryCursor = 0;
    this.averageTtlMs = 0;
  }

  /** Hands all that there is to the snapshot, which has not written it yet. */
  #leave(snapshot: SnapshotHook): void {
    const left = new Database(this.number, this.context);
    left.arena = this.arena;
    left.map = this.map;
    left.objects = this.objects;
    left.volatile = this.volatile;
    left.volatileCount = this.volatileCount;
    this.snapshot = undefined;
    snapshot.emptied(left);
  }

  // ---- looking up: all return the entry, or 0 ----------------------------------------------------

  /** The key that is argument `i`, for a command that reads: counts hit or miss, and the access. */
  read(args: Args, i: number): number {
    const hash = i === 1 && args.hashed ? args.hash : hashBytes(args.buf, args.off(i), args.len(i));
    return this.readHashed(hash, args.buf, args.off(i), args.len(i));
  }

  readKey(buf: Uint8Array, off: number, len: number): number {
    return this.readHashed(hashBytes(buf, off, len), buf, off, len);
  }

  /** {@link Database.readKey} where the key's hash is known already. */
  readHashed(hash: number, buf: Uint8Array, off: number, len: number): number {
    const entry = this.#living(this.map.findHashed(hash, buf, off, len));
    const { stats } = this.context;
    if (entry === 0) {
      stats.misses++;
      this.context.listener.keyMissed(this, buf, off, len);
      return 0;
    }
    stats.hits++;
    this.touch(entry);
    return entry;
  }

  /** The key that is argument `i`, for a command that writes: counts the access, no hit or miss. */
  write(args: Args, i: number): number {
    const hash = i === 1 && args.hashed ? args.hash : hashBytes(args.buf, args.off(i), args.len(i));
    return this.writeHashed(hash, args.buf, args.off(i), args.len(i));
  }

  writeKey(buf: Uint8Array, off: number, len: number): number {
    return this.writeHashed(hashBytes(buf, off, len), buf, off, len);
  }

  /** {@link Database.writeKey} where the key's hash is known already. */
  writeHashed(hash: number, buf: Uint8Array, off: number, len: number): number {
    const entry = this.#living(this.map.findHashed(hash, buf, off, len));
    if (entry === 0) return 0;
    if (this.snapshot !== undefined) this.snapshot.beforeWrite(entry);
    this.touch(entry);
    return entry;
  }

  /** A key whose time has not come; nothing is counted. */
  find(buf: Uint8Array, off: number, len: number): number {
    return this.#living(this.map.find(buf, off, len));
  }

  /**
   * To be called before the value of an entry is changed in place that came from {@link Database.find}
   * or a look-up of those that read: the others do it themselves.
   */
  beforeWrite(entry: number): void {
    if (this.snapshot !== undefined) this.snapshot.beforeWrite(entry);
  }

  /** Counts an access, unless the running command must not. */
  touch(entry: number): void {
    const words = this.arena.words(entry);
    const at = this.arena.wordOf(entry) + META;
    words[at] = this.context.access.touched(words[at]!);
  }

  // ---- entries -----------------------------------------------------------------------------------

  /**
   * Adds a key that is not there, its value in two words; returns its entry. Pass the key's hash
   * where it is known already.
   */
  add(
    buf: Uint8Array,
    off: number,
    len: number,
    type: ValueType,
    encoding: ValueEncoding,
    low: number,
    high: number,
    expiryMs = NO_EXPIRY,
    hash = hashBytes(buf, off, len),
  ): number {
    const entry = this.#create(hash, buf, off, len, type, encoding, high, expiryMs);
    this.arena.words(entry)[this.#valueByte(entry) >> 2] = low;
    this.context.listener.keyAdded(this, buf, off, len);
    return entry;
  }

  /** Adds a key that is not there, with a short string inside its entry. */
  addEmbstr(
    hash: number,
    buf: Uint8Array,
    off: number,
    len: number,
    src: Uint8Array,
    from: number,
    length: number,
    expiryMs: number,
  ): number {
    const entry = this.#create(
      hash,
      buf,
      off,
      len,
      TYPE.string,
      ENCODING.embstr,
      length,
      expiryMs,
    );
    copyBytes(src, from, this.arena.slab(entry), this.#valueByte(entry), length);
    this.context.listener.keyAdded(this, buf, off, len);
    return entry;
  }

  type(entry: number): ValueType {
    return (this.#meta(entry) & TYPE_MASK) as ValueType;
  }

  encoding(entry: number): ValueEncoding {
    return (this.#meta(entry) >>> ENCODING_SHIFT & ENCODING_MASK) as ValueEncoding;
  }

  /** First value word: a reference, an index of `objects`, or an integer's low half. Not for embstr. */
  low(entry: number): number {
    return this.arena.words(entry)[this.#valueByte(entry) >> 2]!;
  }

  /** Second value word: a length in bytes, or an integer's high half. */
  high(entry: number): number {
    return this.arena.words(entry)[this.arena.wordOf(entry) + INFO]!;
  }

  /** Where in its slab an embstr begins. */
  embstrOff(entry: number): number {
    return this.#valueByte(entry);
  }

  /**
   * Gives an entry another value in two words, whatever the old one was. The old one is freed first,
   * so what is written must not lie in it.
   * `expiryMs` is the new expiry, NO_EXPIRY for none.
   */
  replace(
    entry: number,
    type: ValueType,
    encoding: ValueEncoding,
    low: number,
    high: number,
    expiryMs: number,
  ): number {
    this.beforeWrite(entry);
    this.freeValue(entry);
    entry = this.#reshape(entry, type, encoding, high, expiryMs);
    this.arena.words(entry)[this.#valueByte(entry) >> 2] = low;
    return entry;
  }

  /** {@link Database.replace} with a short string. */
  replaceWithEmbstr(
    entry: number,
    src: Uint8Array,
    from: number,
    length: number,
    expiryMs: number,
  ): number {
    this.beforeWrite(entry);
    this.freeValue(entry);
    entry = this.#reshape(entry, TYPE.string, ENCODING.embstr, length, expiryMs);
    copyBytes(src, from, this.arena.slab(entry), this.#valueByte(entry), length);
    return entry;
  }

  /** Sets an entry's two value words and encoding where both encodings are of two words. */
  setValue(entry: number, encoding: ValueEncoding, low: number, high: number): void {
    const words = this.arena.words(entry);
    const at = this.arena.wordOf(entry);
    words[at + META] = (words[at + META]! & ~(ENCODING_MASK << ENCODING_SHIFT)) |
      encoding << ENCODING_SHIFT;
    words[at + INFO] = high;
    words[this.#valueByte(entry) >> 2] = low;
  }

  /** Frees what an entry's value holds elsewhere. */
  freeValue(entry: number): void {
    switch (this.encoding(entry)) {
      case ENCODING.int:
      case ENCODING.embstr:
        return;
      case ENCODING.raw:
      case ENCODING.listpack:
      case ENCODING.intset:
        return this.arena.free(this.low(entry), this.high(entry));
      default: {
        const index = this.low(entry);
        this.objects[index]!.free();
        this.objects[index] = undefined;
        this.#freeObjects.push(index);
      }
    }
  }

  /** Keeps an object for an entry's value and returns its index, which is the value's first word. */
  keepObject(object: StoredObject): number {
    const index = this.#freeObjects.pop() ?? this.objects.length;
    this.objects[index] = object;
    return index;
  }

  /** Removes an entry with its value. */
  remove(entry: number): void {
    this.beforeWrite(entry);
    this.map.remove(this.map.hashOf(entry), entry);
    this.freeValue(entry);
    if (this.isVolatile(entry)) this.#unlist(entry);
    this.map.freeLongKey(entry);
    this.arena.free(entry, this.#bytes(entry));
  }

  /** Gives an entry another key, which no entry has; returns the entry that it is then. */
  rename(entry: number, buf: Uint8Array, off: number, len: number): number {
    this.beforeWrite(entry);
    const { arena, map } = this;
    const from = arena.words(entry);
    const fromAt = arena.wordOf(entry);
    const encoding = this.encoding(entry);
    const info = from[fromAt + INFO]!;
    const expiryMs = this.expiryMs(entry);
    const hash = hashBytes(buf, off, len);
    const renamed = this.#create(
      hash,
      buf,
      off,
      len,
      this.type(entry),
      encoding,
      info,
      expiryMs,
    );
    arena.words(renamed)[arena.wordOf(renamed) + META] = this.#meta(entry);
    copyBytes(
      arena.slab(entry),
      this.#valueByte(entry),
      arena.slab(renamed),
      this.#valueByte(renamed),
      valueRoom(encoding, info),
    );
    map.remove(map.hashOf(entry), entry);
    if (this.isVolatile(entry)) this.#unlist(entry);
    map.freeLongKey(entry);
    arena.free(entry, this.#bytes(entry));
    this.context.listener.keyAdded(this, buf, off, len);
    return renamed;
  }

  // ---- expiry ------------------------------------------------------------------------------------

  isVolatile(entry: number): boolean {
    return (this.#meta(entry) & VOLATILE_BIT) !== 0;
  }

  /** When an entry's time comes, in ms since the epoch, or NO_EXPIRY. */
  expiryMs(entry: number): number {
    if (!this.isVolatile(entry)) return NO_EXPIRY;
    const words = this.arena.words(entry);
    const at = this.#expiryWord(entry);
    return words[at + 1]! * TWO_32 + (words[at]! >>> 0);
  }

  /** Lets an entry expire at a time in ms since the epoch, or never (NO_EXPIRY). */
  setExpiry(entry: number, expiryMs: number): number {
    this.beforeWrite(entry);
    const encoding = this.encoding(entry);
    const room = valueRoom(encoding, this.high(entry));
    // The value's bytes keep their place in the block, moved or not.
    return this.#reshape(entry, this.type(entry), encoding, this.high(entry), expiryMs, room);
  }

  isExpired(entry: number): boolean {
    return this.isVolatile(entry) && this.context.time.nowMs > this.expiryMs(entry);
  }

  /** Removes an entry whose time has come, and tells of it. */
  expire(entry: number): void {
    this.context.stats.expired++;
    const key = this.map.key(entry);
    this.removeWatched(entry, "expire-del");
    this.context.listener.keyExpired(this, key, 0, key.length);
  }

  /** Removes an entry that no command removes: `event` is what the latency monitor calls it. */
  removeWatched(entry: number, event: string): void {
    const { latency, time } = this.context;
    if (latency.thresholdMs === 0) return this.remove(entry);
    const startMs = performance.now();
    this.remove(entry);
    latency.note(event, performance.now() - startMs, time.nowMs);
  }

  // ---- access ------------------------------------------------------------------------------------

  /** An entry's access bits: LRU seconds, or LFU's minutes and counter. */
  accessBits(entry: number): number {
    return this.#meta(entry) >>> ACCESS_SHIFT;
  }

  setAccessBits(entry: number, bits: number): void {
    const words = this.arena.words(entry);
    const at = this.arena.wordOf(entry) + META;
    words[at] = (words[at]! & 0xff) | (bits << ACCESS_SHIFT);
  }

  // ---- memory ------------------------------------------------------------------------------------

  /** Bytes of keys, values and the structures beside them. */
  get usedBytes(): number {
    return this.arena.usedBytes + this.overheadBytes;
  }

  /** Bytes outside the arena: indexes, those of large collections included, and the volatile list. */
  get overheadBytes(): number {
    return this.arena.besideBytes + 4 * this.volatile.length;
  }

  /** Bytes of an entry's own block. */
  entryBytes(entry: number): number {
    return Arena.blockBytes(this.#bytes(entry));
  }

  // ---- blocks ------------------------------------------------------------------------------------

  #meta(entry: number): number {
    return this.arena.words(entry)[this.arena.wordOf(entry) + META]!;
  }

  #valueByte(entry: number): number {
    const { arena } = this;
    return arena.byteOf(entry) + valueOffset(arena.words(entry)[arena.wordOf(entry)]!);
  }

  #expiryWord(entry: number): number {
    return (this.#valueByte(entry) + valueRoom(this.encoding(entry), this.high(entry))) >> 2;
  }

  /** Length in bytes of an entry's block. */
  #bytes(entry: number): number {
    const { arena } = this;
    const keyLen = arena.words(entry)[arena.wordOf(entry)]!;
    return valueOffset(keyLen) + valueRoom(this.encoding(entry), this.high(entry)) +
      (this.isVolatile(entry) ? EXPIRY_BYTES : 0);
  }

  #create(
    hash: number,
    buf: Uint8Array,
    off: number,
    len: number,
    type: ValueType,
    encoding: ValueEncoding,
    info: number,
    expiryMs: number,
  ): number {
    const { arena, map } = this;
    const isVolatile = expiryMs !== NO_EXPIRY;
    const bytes = valueOffset(len <= MAX_INLINE_KEY ? len : -len) + valueRoom(encoding, info) +
      (isVolatile ? EXPIRY_BYTES : 0);
    const entry = arena.alloc(bytes);
    map.writeKey(entry, buf, off, len);
    const words = arena.words(entry);
    const at = arena.wordOf(entry);
    words[at + META] = this.context.access.fresh() | type | encoding << ENCODING_SHIFT;
    words[at + INFO] = info;
    map.insert(hash, entry);
    if (this.snapshot !== undefined) this.snapshot.created(entry);
    if (isVolatile) this.#enlist(entry, expiryMs);
    return entry;
  }

  /**
   * Makes an entry's block right for another encoding, `info` and expiry, moving it where the size
   * class changes. The key stays, and the first `kept` bytes of the value; returns the entry.
   */
  #reshape(
    entry: number,
    type: ValueType,
    encoding: ValueEncoding,
    info: number,
    expiryMs: number,
    kept = 0,
  ): number {
    const { arena, map } = this;
    const words = arena.words(entry);
    const at = arena.wordOf(entry);
    const meta = words[at + META]!;
    const isVolatile = expiryMs !== NO_EXPIRY;
    const kind = type | encoding << ENCODING_SHIFT;
    if (!isVolatile && (meta & 0xff) === kind && words[at + INFO] === info) return entry;

    const from = this.#bytes(entry);
    const head = valueOffset(words[at]!);
    const to = head + valueRoom(encoding, info) + (isVolatile ? EXPIRY_BYTES : 0);
    if ((meta & VOLATILE_BIT) !== 0) this.#unlist(entry);
    let shaped = entry;
    if (!Arena.sameSize(from, to)) {
      shaped = arena.alloc(to);
      copyBytes(arena.slab(entry), at << 2, arena.slab(shaped), arena.byteOf(shaped), head + kept);
      map.moved(map.hashOf(entry), entry, shaped);
      if (this.snapshot !== undefined) this.snapshot.created(shaped);
      arena.free(entry, from);
    }
    const shapedWords = arena.words(shaped);
    const shapedAt = arena.wordOf(shaped);
    shapedWords[shapedAt + META] = (meta & ~0xff) | kind;
    shapedWords[shapedAt + INFO] = info;
    if (isVolatile) this.#enlist(shaped, expiryMs);
    return shaped;
  }

  /** Writes an entry's expiry, for which its block has room, and lists it as volatile. */
  #enlist(entry: number, expiryMs: number): void {
    const words = this.arena.words(entry);
    words[this.arena.wordOf(entry) + META]! |= VOLATILE_BIT;
    if (this.volatileCount === this.volatile.length) this.#resizeVolatile(2 * this.volatileCount);
    this.volatile[this.volatileCount++] = entry;
    const at = this.#expiryWord(entry);
    words[at] = expiryMs | 0;
    words[at + 1] = Math.floor(expiryMs / TWO_32);
    words[at + 2] = this.volatileCount;
  }

  /** Takes an entry off the list of volatile ones. */
  #unlist(entry: number): void {
    const place = this.arena.words(entry)[this.#expiryWord(entry) + 2]!;
    const last = this.volatile[--this.volatileCount]!;
    this.volatile[place - 1] = last;
    this.arena.words(last)[this.#expiryWord(last) + 2] = place;
    const { length } = this.volatile;
    if (length > MIN_VOLATILE && this.volatileCount < length >> 2) {
      this.#resizeVolatile(length >> 1);
    }
  }

  #resizeVolatile(length: number): void {
    const resized = new Int32Array(length);
    resized.set(this.volatile.subarray(0, this.volatileCount));
    releaseArray(this.volatile);
    this.volatile = resized;
  }

  /** What a look-up may see of an entry: an expired one is removed, but maybe not on a replica. */
  #living(entry: number): number {
    if (entry === 0 || (this.#meta(entry) & VOLATILE_BIT) === 0 || !this.isExpired(entry)) {
      return entry;
    }
    const fate = this.context.expires ? "removed" : this.context.expiredOnReplica();
    if (fate === "alive") return entry;
    if (fate === "removed") this.expire(entry);
    return 0;
  }
}

/** Bytes from an entry's beginning to its value; a long key's length is negative. */
function valueOffset(keyLen: number): number {
  return KEY_OFFSET + (keyLen >= 0 ? (keyLen + 3) & ~3 : 4);
}

/** Bytes that a value takes in its entry. */
function valueRoom(encoding: ValueEncoding, info: number): number {
  return encoding === ENCODING.embstr ? (info + 3) & ~3 : 4;
}
