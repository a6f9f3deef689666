/**
 * A database: keys with their values and expiry, on a {@link ByteMap} and an {@link Arena} of its own,
 * so that FLUSHDB drops both and SWAPDB swaps them.
 *
 * A key's record has eight words, one cache line with its neighbour: the key's reference and length,
 * two words of value (a reference and a length in the arena; or, by encoding, a 64-bit integer; or
 * an index into {@link Database.objects}), type with encoding and access bits, the key's place in the
 * list of volatile keys, and its expiry in two words.
 *
 * A record's number is valid until the next removal. Everything here works on numbers of records;
 * no client and no reply is known.
 */
import { Arena } from "../bytes/arena.ts";
import { ByteMap } from "../bytes/byte_map.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { Args } from "../resp/args.ts";
import type { AccessPolicy } from "./access.ts";
import type { KeyspaceListener } from "./events.ts";
import type { CachedTime } from "./time.ts";

/** Words of a record, after the map's own two. */
const VALUE_LOW = 2;
const VALUE_HIGH = 3;
const META = 4;
const VOLATILE = 5;
const EXPIRY_LOW = 6;
const EXPIRY_HIGH = 7;
const STRIDE = 8;

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

/** Type in bits 0 to 3, encoding in 4 to 7, access (LRU seconds or LFU) in 8 to 31. */
const TYPE_MASK = 0xf;
const ENCODING_SHIFT = 4;
const KIND_MASK = 0xff;
const ACCESS_SHIFT = 8;

const TWO_32 = 2 ** 32;

/** A value that is an object of V8's heap: what a database must know of it. */
export interface StoredObject {
  /** Gives back what the value holds in the arena. */
  free(): void;
  /** Bytes that the value takes outside the arena. */
  readonly overheadBytes: number;
}

/** What the databases of a server share. */
export interface DatabaseContext {
  readonly time: CachedTime;
  readonly access: AccessPolicy;
  readonly listener: KeyspaceListener;
  readonly stats: KeyspaceStats;
  readonly random: () => number;
  /** False on a replica, which waits for its primary's DEL: expired keys are only hidden. */
  expires: boolean;
}

export class KeyspaceStats {
  hits = 0;
  misses = 0;
  expired = 0;
  evicted = 0;
}

export class Database {
  /** Its number; SWAPDB changes it. */
  number: number;
  readonly context: DatabaseContext;
  arena!: Arena;
  map!: ByteMap;
  /** Values that are objects of the heap, by their record's first value word. */
  objects!: (StoredObject | undefined)[];
  /** Numbers of the records that have an expiry, in no order. */
  volatile!: Int32Array;
  volatileCount = 0;
  /** Where the active expiry goes on. */
  expiryCursor = 0;
  /** Sum of the remaining times of the keys that active expiry last saw, and how many: avg_ttl. */
  averageTtlMs = 0;

  #freeObjects: number[] = [];

  constructor(number: number, context: DatabaseContext) {
    this.number = number;
    this.context = context;
    this.clear();
  }

  get size(): number {
    return this.map.count;
  }

  /** Forgets everything at once. */
  clear(): void {
    this.arena = new Arena();
    this.map = new ByteMap(this.arena, STRIDE);
    this.objects = [];
    this.#freeObjects = [];
    this.volatile = new Int32Array(16);
    this.volatileCount = 0;
    this.expiryCursor = 0;
    this.averageTtlMs = 0;
  }

  // ---- looking up --------------------------------------------------------------------------------

  /** The record of a key that a command reads, or -1. Counts hits and misses, and the access. */
  read(args: Args, i: number): number {
    return this.readKey(args.buf, args.off(i), args.len(i));
  }

  readKey(buf: Uint8Array, off: number, len: number): number {
    const record = this.find(buf, off, len);
    const { stats } = this.context;
    if (record < 0) {
      stats.misses++;
      this.context.listener.keyMissed(this, buf, off, len);
      return -1;
    }
    stats.hits++;
    this.touch(record);
    return record;
  }

  /** The record of a key that a command writes to, or -1. Counts the access, no hit or miss. */
  write(args: Args, i: number): number {
    return this.writeKey(args.buf, args.off(i), args.len(i));
  }

  writeKey(buf: Uint8Array, off: number, len: number): number {
    const record = this.find(buf, off, len);
    if (record >= 0) this.touch(record);
    return record;
  }

  /** The record of a key whose time has not come, or -1: nothing is counted. */
  find(buf: Uint8Array, off: number, len: number): number {
    const record = this.map.find(buf, off, len);
    if (record < 0) return -1;
    if (this.map.chunk(record)[this.map.at(record) + VOLATILE] === 0) return record;
    return this.isExpired(record) ? this.#expire(record) : record;
  }

  /** Counts an access to a record, unless the running command must not. */
  touch(record: number): void {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record) + META;
    chunk[at] = this.context.access.touched(chunk[at]!);
  }

  // ---- records -----------------------------------------------------------------------------------

  /** Adds a key that is not there, with a value of this kind; returns its record. */
  add(
    buf: Uint8Array,
    off: number,
    len: number,
    type: ValueType,
    encoding: ValueEncoding,
    low: number,
    high: number,
  ): number {
    const record = this.map.add(hashBytes(buf, off, len), buf, off, len);
    const chunk = this.map.chunk(record);
    const at = this.map.at(record);
    chunk[at + VALUE_LOW] = low;
    chunk[at + VALUE_HIGH] = high;
    chunk[at + META] = this.context.access.fresh() | type | (encoding << ENCODING_SHIFT);
    this.context.listener.keyAdded(this, buf, off, len);
    return record;
  }

  type(record: number): ValueType {
    return (this.#word(record, META) & TYPE_MASK) as ValueType;
  }

  encoding(record: number): ValueEncoding {
    return ((this.#word(record, META) & KIND_MASK) >>> ENCODING_SHIFT) as ValueEncoding;
  }

  /** First value word: a reference in the arena, an index of `objects`, or an integer's low half. */
  low(record: number): number {
    return this.#word(record, VALUE_LOW);
  }

  /** Second value word: a length, or an integer's high half. */
  high(record: number): number {
    return this.#word(record, VALUE_HIGH);
  }

  /** Gives a record another value of the same type; what the old one held is the caller's to free. */
  setValue(record: number, encoding: ValueEncoding, low: number, high: number): void {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record);
    chunk[at + VALUE_LOW] = low;
    chunk[at + VALUE_HIGH] = high;
    chunk[at + META] = (chunk[at + META]! & ~(KIND_MASK & ~TYPE_MASK)) | encoding << ENCODING_SHIFT;
  }

  /** Gives a record a value of another type; the old one is freed. */
  replaceValue(
    record: number,
    type: ValueType,
    encoding: ValueEncoding,
    low: number,
    high: number,
  ): void {
    this.freeValue(record);
    this.setValue(record, encoding, low, high);
    const chunk = this.map.chunk(record);
    const at = this.map.at(record) + META;
    chunk[at] = (chunk[at]! & ~TYPE_MASK) | type;
  }

  /** Frees what a record's value holds. */
  freeValue(record: number): void {
    const encoding = this.encoding(record);
    if (encoding === ENCODING.int) return;
    if (encoding <= ENCODING.listpack || encoding === ENCODING.intset) {
      this.arena.free(this.low(record), this.high(record));
      return;
    }
    const index = this.low(record);
    this.objects[index]!.free();
    this.objects[index] = undefined;
    this.#freeObjects.push(index);
  }

  /** Keeps an object for a record's value and returns its index, which goes into the first word. */
  keepObject(object: StoredObject): number {
    const index = this.#freeObjects.pop() ?? this.objects.length;
    this.objects[index] = object;
    return index;
  }

  /** Removes a record with its value and expiry. */
  remove(record: number): void {
    this.persist(record);
    this.freeValue(record);
    const moved = this.map.remove(record);
    if (moved >= 0) {
      const place = this.#word(record, VOLATILE);
      if (place !== 0) this.volatile[place - 1] = record;
    }
  }

  // ---- expiry ------------------------------------------------------------------------------------

  /** When a record's time comes, in ms since the epoch, or -1 if never. */
  expiryMs(record: number): number {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record);
    if (chunk[at + VOLATILE] === 0) return -1;
    return chunk[at + EXPIRY_HIGH]! * TWO_32 + (chunk[at + EXPIRY_LOW]! >>> 0);
  }

  /** Lets a record expire at a time, in ms since the epoch. */
  expireAt(record: number, atMs: number): void {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record);
    chunk[at + EXPIRY_LOW] = atMs | 0;
    chunk[at + EXPIRY_HIGH] = Math.floor(atMs / TWO_32);
    if (chunk[at + VOLATILE] !== 0) return;
    if (this.volatileCount === this.volatile.length) {
      const grown = new Int32Array(2 * this.volatile.length);
      grown.set(this.volatile);
      this.volatile = grown;
    }
    this.volatile[this.volatileCount] = record;
    chunk[at + VOLATILE] = ++this.volatileCount;
  }

  /** Takes a record's expiry away; whether it had one. */
  persist(record: number): boolean {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record) + VOLATILE;
    const place = chunk[at]!;
    if (place === 0) return false;
    chunk[at] = 0;
    const last = --this.volatileCount;
    if (place - 1 !== last) {
      const other = this.volatile[last]!;
      this.volatile[place - 1] = other;
      this.map.chunk(other)[this.map.at(other) + VOLATILE] = place;
    }
    return true;
  }

  isExpired(record: number): boolean {
    const expiryMs = this.expiryMs(record);
    return expiryMs >= 0 && this.context.time.nowMs > expiryMs;
  }

  /** Removes a record whose time has come, and tells of it. */
  expire(record: number): void {
    this.context.stats.expired++;
    const { map } = this;
    this.context.listener.keyExpired(
      this,
      map.keyBuf(record),
      map.keyOff(record),
      map.keyLen(record),
    );
    this.remove(record);
  }

  // ---- access ------------------------------------------------------------------------------------

  /** The record's access bits: LRU seconds, or LFU's minutes and counter. */
  accessBits(record: number): number {
    return this.#word(record, META) >>> ACCESS_SHIFT;
  }

  setAccessBits(record: number, bits: number): void {
    const chunk = this.map.chunk(record);
    const at = this.map.at(record) + META;
    chunk[at] = (chunk[at]! & KIND_MASK) | (bits << ACCESS_SHIFT);
  }

  // ---- memory ------------------------------------------------------------------------------------

  /** Bytes of keys, values and the structures beside them. */
  get usedBytes(): number {
    return this.arena.usedBytes + this.map.overheadBytes + 4 * this.volatile.length;
  }

  #word(record: number, word: number): number {
    return this.map.chunk(record)[this.map.at(record) + word]!;
  }

  /** What a look-up finds of an expired key: nothing. */
  #expire(record: number): number {
    if (this.context.expires) this.expire(record);
    return -1;
  }
}
