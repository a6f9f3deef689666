/**
 * Set values: an intset while all members are integers and few, a listpack while they are few and
 * short, else a table. Once changed to the next encoding a set stays there, as in Redis 7.2.
 *
 * A {@link SetValue} is a handle: loaded from a key's entry or created empty, changed, and saved to
 * an entry or stored as a new key; until then what it holds in the arena belongs to nobody. A member
 * is known by its position: an intset's index, a listpack's byte, a table's entry. Each change voids
 * positions.
 */
import { hashBytes } from "../bytes/hash.ts";
import { int64, readInt64 } from "../bytes/int64.ts";
import {
  Element,
  findElement,
  firstElement,
  Listpack,
  LISTPACK_END,
  nextElement,
  NO_ELEMENT,
  readElement,
  seekElement,
} from "../bytes/listpack.ts";
import { type Database, ENCODING, NO_EXPIRY, TYPE } from "./database.ts";
import { HashTable } from "./hash_table.ts";
import { Intset } from "./intset.ts";

/** The directives that say how large a set may be in its encodings. */
export interface SetLimits {
  readonly "set-max-intset-entries": number;
  readonly "set-max-listpack-entries": number;
  readonly "set-max-listpack-value": number;
}

type SetEncoding = typeof ENCODING["intset" | "listpack" | "hashtable"];

/** No intset and no listpack grows beyond these, whatever the directives say. */
const MAX_INTSET_ENTRIES = 2 ** 30;
const MAX_LISTPACK_BYTES = 2 ** 30;
/** An integer's bytes in a listpack, at the most. */
const MAX_LISTPACK_INTEGER = 10;

// Handles that serve all sets, one call each.
const intset = new Intset();
const listpack = new Listpack();
const member = new Element();
/** Apart from `member`, as a member of one set may be what makes another one convert. */
const converted = new Element();

export class SetValue {
  db!: Database;
  encoding: SetEncoding = ENCODING.intset;
  /** Reference and length of the block of an intset or listpack. */
  #ref = 0;
  #bytes = 0;
  #table: HashTable | undefined;

  // ---- where it comes from and goes to -------------------------------------------------------------

  /** Takes the value of an entry of type set. */
  load(db: Database, entry: number): this {
    this.db = db;
    this.encoding = db.encoding(entry) as SetEncoding;
    if (this.encoding === ENCODING.hashtable) {
      this.#table = db.objects[db.low(entry)] as HashTable;
    } else {
      this.#ref = db.low(entry);
      this.#bytes = db.high(entry);
    }
    return this;
  }

  createIntset(db: Database): this {
    this.db = db;
    this.encoding = ENCODING.intset;
    this.#keep(intset.create(db.arena));
    return this;
  }

  createListpack(db: Database): this {
    this.db = db;
    this.encoding = ENCODING.listpack;
    this.#keep(listpack.create(db.arena));
    return this;
  }

  /** `expected` is how many members there will be, where that is known. */
  createTable(db: Database, expected = 0): this {
    this.db = db;
    this.encoding = ENCODING.hashtable;
    this.#table = new HashTable(db.arena, false);
    this.#table.map.reserve(expected);
    return this;
  }

  /** An empty set in the encoding for these bytes as its first member, `size` members being expected. */
  createFor(
    db: Database,
    buf: Uint8Array,
    off: number,
    len: number,
    size: number,
    limits: SetLimits,
  ): this {
    if (size <= limits["set-max-intset-entries"] && readInt64(buf, off, len)) {
      return this.createIntset(db);
    }
    return size <= limits["set-max-listpack-entries"]
      ? this.createListpack(db)
      : this.createTable(db);
  }

  /** The table of a set that is one. */
  get table(): HashTable | undefined {
    return this.encoding === ENCODING.hashtable ? this.#table : undefined;
  }

  /** The block of one that is not … */
  get ref(): number {
    return this.#ref;
  }

  /** … and its length. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts the value back into the entry that it was loaded from. */
  save(entry: number): void {
    const { db } = this;
    if (this.encoding !== ENCODING.hashtable) {
      db.setValue(entry, this.encoding, this.#ref, this.#bytes);
    } else if (db.encoding(entry) !== ENCODING.hashtable) {
      db.setValue(entry, ENCODING.hashtable, this.#low(), 0);
    }
  }

  /** Adds a key that is not there, this set its value. */
  addKey(buf: Uint8Array, off: number, len: number, hash = hashBytes(buf, off, len)): void {
    const high = this.encoding === ENCODING.hashtable ? 0 : this.#bytes;
    const low = this.#low();
    this.db.add(buf, off, len, TYPE.set, this.encoding, low, high, NO_EXPIRY, hash);
  }

  /** Becomes the value of an entry in place of another one, whose expiry is `expiryMs` then. */
  replace(entry: number, expiryMs: number): void {
    const high = this.encoding === ENCODING.hashtable ? 0 : this.#bytes;
    this.db.replace(entry, TYPE.set, this.encoding, this.#low(), high, expiryMs);
  }

  /** Gives back what a value holds that is in no entry. */
  free(): void {
    if (this.encoding === ENCODING.hashtable) this.#table!.free();
    else this.db.arena.free(this.#ref, this.#bytes);
  }

  /** Whether two handles have the same value. */
  isSame(other: SetValue): boolean {
    if (this.encoding !== other.encoding || this.db !== other.db) return false;
    return this.encoding === ENCODING.hashtable
      ? this.#table === other.#table
      : this.#ref === other.#ref && this.#bytes === other.#bytes;
  }

  // ---- members -------------------------------------------------------------------------------------

  get size(): number {
    if (this.encoding === ENCODING.hashtable) return this.#table!.count;
    return this.encoding === ENCODING.intset ? this.#intset.count : this.#listpack.count;
  }

  has(buf: Uint8Array, off: number, len: number): boolean {
    switch (this.encoding) {
      case ENCODING.hashtable:
        return this.#table!.find(buf, off, len) !== 0;
      case ENCODING.intset:
        return readInt64(buf, off, len) && this.#intset.find(int64.low, int64.high) >= 0;
      default: {
        const { buf: pack, first } = this.#listpack;
        return findElement(pack, first, 0, buf, off, len) !== NO_ELEMENT;
      }
    }
  }

  /** Whether another set's member is one of this, too. */
  hasMember(other: SetValue, position: number): boolean {
    if (this.encoding === ENCODING.intset && other.encoding === ENCODING.intset) {
      const { low, high } = other.integerAt(position);
      return this.#intset.find(low, high) >= 0;
    }
    const { buf, off, len } = other.read(position);
    return this.has(buf, off, len);
  }

  /** The integer of an intset's member, in halves. */
  integerAt(position: number): { readonly low: number; readonly high: number } {
    const ints = this.#intset;
    int64.low = ints.low(position);
    int64.high = ints.high(position);
    return int64;
  }

  /** Returns whether the member is new. The bytes must not lie in this set. */
  add(buf: Uint8Array, off: number, len: number, limits: SetLimits): boolean {
    switch (this.encoding) {
      case ENCODING.hashtable:
        return this.#table!.put(buf, off, len);
      case ENCODING.intset:
        return readInt64(buf, off, len)
          ? this.#addInteger(limits)
          : this.#addToIntset(buf, off, len, limits);
      default:
        return this.#addToListpack(buf, off, len, limits);
    }
  }

  /** Returns whether the member was there. */
  remove(buf: Uint8Array, off: number, len: number): boolean {
    switch (this.encoding) {
      case ENCODING.hashtable:
        return this.#table!.remove(buf, off, len);
      case ENCODING.intset: {
        if (!readInt64(buf, off, len)) return false;
        const index = this.#intset.find(int64.low, int64.high);
        if (index < 0) return false;
        this.removeAt(index);
        return true;
      }
      default: {
        const { buf: pack, first } = this.#listpack;
        const at = findElement(pack, first, 0, buf, off, len);
        if (at === NO_ELEMENT) return false;
        this.removeAt(at);
        return true;
      }
    }
  }

  removeAt(position: number): void {
    if (this.encoding === ENCODING.hashtable) {
      this.#table!.removeEntry(position);
    } else if (this.encoding === ENCODING.intset) {
      const ints = this.#intset;
      ints.removeAt(position);
      this.#keep(ints);
    } else {
      const pack = this.#listpack;
      pack.remove(position);
      this.#keep(pack);
    }
  }

  /**
   * A member's bytes, valid until the next reading of any set or change of this one; what is read
   * `into` an element of one's own is spared by other readings.
   */
  read(position: number, into = member): Element {
    if (this.encoding === ENCODING.hashtable) {
      const { map } = this.#table!;
      into.buf = map.keyBuf(position);
      into.off = map.keyOff(position);
      into.len = map.keyLen(position);
      return into;
    }
    return this.encoding === ENCODING.intset
      ? this.#intset.read(position, into)
      : readElement(this.#listpack.buf, position, into);
  }

  /**
   * Visits members until `visit` says no; returns whether it never did. `visit` changes nothing here,
   * and the order means nothing.
   */
  every(visit: (position: number) => boolean): boolean {
    switch (this.encoding) {
      case ENCODING.hashtable: {
        // Not slot by slot: what a growing table is given in the order of hashes crowds its beginning.
        const { map } = this.#table!;
        let goesOn = true;
        const visitEntry = (entry: number) => {
          if (goesOn) goesOn = visit(entry);
        };
        let cursor = 0;
        do cursor = map.scan(cursor, visitEntry); while (cursor !== 0 && goesOn);
        return goesOn;
      }
      case ENCODING.intset: {
        const { count } = this.#intset;
        for (let i = 0; i < count; i++) if (!visit(i)) return false;
        return true;
      }
      default: {
        const { buf, off } = this.#listpack;
        for (let at = firstElement(off); buf[at] !== LISTPACK_END; at = nextElement(buf, at)) {
          if (!visit(at)) return false;
        }
        return true;
      }
    }
  }

  /** The position of each member. */
  positions(): Int32Array {
    const all = new Int32Array(this.size);
    let count = 0;
    this.every((position) => {
      all[count++] = position;
      return true;
    });
    return all;
  }

  /**
   * Visits what stands at a cursor and returns the next one, 0 at the end: all at once but for a
   * table, which {@link ByteMap.scan} walks.
   */
  scan(cursor: number, visit: (position: number) => void): number {
    if (this.encoding === ENCODING.hashtable) return this.#table!.map.scan(cursor, visit);
    this.every((position) => {
      visit(position);
      return true;
    });
    return 0;
  }

  /** A member at random, all alike likely; there must be one. `random` gives numbers from 0 up to 1. */
  sample(random: () => number): number {
    if (this.encoding === ENCODING.hashtable) return this.#table!.map.sample(random);
    const index = Math.floor(random() * this.size);
    if (this.encoding === ENCODING.intset) return index;
    const { buf, off, bytes } = this.#listpack;
    return seekElement(buf, off, bytes, index);
  }

  // ---- encodings -----------------------------------------------------------------------------------

  /** Makes a table of a set that is about to be given more members than its encoding takes. */
  expect(size: number, limits: SetLimits): void {
    if (
      this.encoding === ENCODING.listpack && size > limits["set-max-listpack-entries"] ||
      this.encoding === ENCODING.intset && size > limits["set-max-intset-entries"]
    ) this.#toTable();
  }

  /** Makes an intset of a set whose members are all integers, unless they are too many. */
  toIntset(limits: SetLimits): void {
    if (this.encoding === ENCODING.intset || this.size > maxIntset(limits)) return;
    const ints = new Intset().create(this.db.arena);
    this.every((position) => {
      const { buf, off, len } = this.read(position, converted);
      readInt64(buf, off, len);
      return ints.add(int64.low, int64.high);
    });
    this.free();
    this.encoding = ENCODING.intset;
    this.#keep(ints);
  }

  /** Adds the integer in the register to an intset. */
  #addInteger(limits: SetLimits): boolean {
    const ints = this.#intset;
    if (!ints.add(int64.low, int64.high)) return false;
    this.#keep(ints);
    if (ints.count > maxIntset(limits)) this.#toTable();
    return true;
  }

  /** Adds a member that is no integer, so that the set cannot remain an intset. */
  #addToIntset(buf: Uint8Array, off: number, len: number, limits: SetLimits): boolean {
    const { count } = this.#intset;
    if (
      count < limits["set-max-listpack-entries"] &&
      Math.max(len, this.#longestInteger()) <= limits["set-max-listpack-value"] &&
      count * MAX_LISTPACK_INTEGER + len <= MAX_LISTPACK_BYTES
    ) {
      this.#toListpack();
      const pack = this.#listpack;
      pack.append(buf, off, len);
      this.#keep(pack);
      return true;
    }
    this.#toTable();
    return this.#table!.put(buf, off, len);
  }

  #addToListpack(buf: Uint8Array, off: number, len: number, limits: SetLimits): boolean {
    const pack = this.#listpack;
    if (findElement(pack.buf, pack.first, 0, buf, off, len) !== NO_ELEMENT) return false;
    if (
      pack.count < limits["set-max-listpack-entries"] &&
      len <= limits["set-max-listpack-value"] && pack.bytes + len <= MAX_LISTPACK_BYTES
    ) {
      pack.append(buf, off, len);
      this.#keep(pack);
      return true;
    }
    this.#toTable();
    return this.#table!.put(buf, off, len);
  }

  /** How long the longest member of an intset is in decimal: it is the first one or the last. */
  #longestInteger(): number {
    const { count } = this.#intset;
    if (count === 0) return 0;
    return Math.max(this.read(0, converted).len, this.read(count - 1, converted).len);
  }

  #toTable(): void {
    const table = new HashTable(this.db.arena, false);
    this.every((position) => {
      const { buf, off, len } = this.read(position, converted);
      return table.put(buf, off, len);
    });
    this.free();
    this.encoding = ENCODING.hashtable;
    this.#table = table;
  }

  #toListpack(): void {
    const pack = new Listpack().create(this.db.arena);
    this.every((position) => {
      const { buf, off, len } = this.read(position, converted);
      pack.append(buf, off, len);
      return true;
    });
    this.free();
    this.encoding = ENCODING.listpack;
    this.#keep(pack);
  }

  get #intset(): Intset {
    return intset.open(this.db.arena, this.#ref, this.#bytes);
  }

  get #listpack(): Listpack {
    return listpack.open(this.db.arena, this.#ref, this.#bytes);
  }

  #keep({ ref, bytes }: Intset | Listpack): void {
    this.#ref = ref;
    this.#bytes = bytes;
  }

  /** The value's first word. */
  #low(): number {
    return this.encoding === ENCODING.hashtable ? this.db.keepObject(this.#table!) : this.#ref;
  }
}

function maxIntset(limits: SetLimits): number {
  return Math.min(limits["set-max-intset-entries"], MAX_INTSET_ENTRIES);
}
