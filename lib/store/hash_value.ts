/**
 * Hashes: a listpack of fields and values in turn while they are few and short, else a
 * {@link HashTable}. A {@link HashValue} is a handle that makes both look alike.
 *
 * A field that is there is known by a number: its position in the listpack, or its entry in the
 * table. It is void after any change.
 */
import {
  Element,
  findElement,
  Listpack,
  LISTPACK_END,
  nextElement,
  readElement,
  seekElement,
} from "../bytes/listpack.ts";
import { type Database, ENCODING, TYPE } from "./database.ts";
import { HashTable } from "./hash_table.ts";
import { Span } from "./string_value.ts";

/** No field. */
export const NO_FIELD = -1;

/** A listpack never grows beyond this, whatever the configuration says. */
const MAX_LISTPACK_BYTES = 2 ** 30;

/** Up to what a hash is a listpack: `hash-max-listpack-entries` and `hash-max-listpack-value`. */
export interface HashLimits {
  readonly maxFields: number;
  /** In bytes, of a field or a value. */
  readonly maxBytes: number;
}

export class HashValue {
  #db!: Database;
  #entry = 0;
  #table: HashTable | undefined;
  readonly #list = new Listpack();
  /** Where {@link HashValue.next} is: a position, or a slot of the table's index. */
  #at = 0;
  readonly #span = new Span();
  readonly #valueElement = new Element();

  /** Opens the hash of an entry. */
  open(db: Database, entry: number): this {
    this.#db = db;
    this.#entry = entry;
    if (db.encoding(entry) === ENCODING.hashtable) {
      this.#table = db.objects[db.low(entry)] as HashTable;
    } else {
      this.#table = undefined;
      this.#list.open(db.arena, db.low(entry), db.high(entry));
    }
    return this;
  }

  /** Adds a key that is not there with an empty hash, which must be given a field before all ends. */
  create(db: Database, buf: Uint8Array, off: number, len: number, hash?: number): this {
    const { ref, bytes } = this.#list.create(db.arena);
    this.#db = db;
    this.#entry = db.add(buf, off, len, TYPE.hash, ENCODING.listpack, ref, bytes, undefined, hash);
    this.#table = undefined;
    return this;
  }

  get entry(): number {
    return this.#entry;
  }

  /** How many fields there are. */
  get length(): number {
    return this.#table === undefined ? this.#list.count / 2 : this.#table.count;
  }

  /** The large hash, where it is one. */
  get table(): HashTable | undefined {
    return this.#table;
  }

  /** The field of this name, or NO_FIELD. */
  find(buf: Uint8Array, off: number, len: number): number {
    const table = this.#table;
    if (table !== undefined) return table.find(buf, off, len) || NO_FIELD;
    return findElement(this.#list.buf, this.#list.first, 1, buf, off, len);
  }

  /** The field of this index; for a listpack only. */
  at(index: number): number {
    const { buf, off, bytes } = this.#list;
    return seekElement(buf, off, bytes, 2 * index);
  }

  /** A field's name, valid until the next call of this or {@link HashValue.value}. */
  name(field: number): Span {
    const table = this.#table;
    if (table === undefined) return readElement(this.#list.buf, field);
    const { map } = table;
    const span = this.#span;
    span.buf = map.keyBuf(field);
    span.off = map.keyOff(field);
    span.len = map.keyLen(field);
    return span;
  }

  /** A field's value, valid until the next call of this or {@link HashValue.name}. */
  value(field: number): Span {
    const table = this.#table;
    if (table === undefined) {
      return readElement(this.#list.buf, nextElement(this.#list.buf, field));
    }
    const span = this.#span;
    span.buf = table.valueBuf(field);
    span.off = table.valueOff(field);
    span.len = table.valueLen(field);
    return span;
  }

  // ---- all fields --------------------------------------------------------------------------------

  /** Goes back to before the first field, for {@link HashValue.next}. */
  rewind(): void {
    this.#at = this.#table === undefined ? this.#list.first : 0;
  }

  /** The next field, NO_FIELD after the last. Nothing may change meanwhile. */
  next(): number {
    const table = this.#table;
    if (table === undefined) {
      const field = this.#at;
      const { buf } = this.#list;
      if (buf[field] === LISTPACK_END) return NO_FIELD;
      this.#at = nextElement(buf, nextElement(buf, field));
      return field;
    }
    const { map } = table;
    for (const slots = map.slotCount; this.#at < slots;) {
      const entry = map.entryInSlot(this.#at++);
      if (entry !== 0) return entry;
    }
    return NO_FIELD;
  }

  // ---- changes -----------------------------------------------------------------------------------

  /** Sets a field; returns whether it is new. A hash that outgrows the limits becomes a table. */
  set(
    buf: Uint8Array,
    off: number,
    len: number,
    value: Uint8Array,
    from: number,
    valueLen: number,
    limits: HashLimits,
  ): boolean {
    const list = this.#list;
    const { maxBytes, maxFields } = limits;
    if (
      this.#table === undefined &&
      (len > maxBytes || valueLen > maxBytes || list.bytes + len + valueLen > MAX_LISTPACK_BYTES)
    ) {
      this.becomeTable();
    }
    if (this.#table !== undefined) return this.#table.put(buf, off, len, value, from, valueLen);

    const field = findElement(list.buf, list.first, 1, buf, off, len);
    if (field !== NO_FIELD) {
      list.replace(nextElement(list.buf, field), value, from, valueLen);
    } else {
      list.append(buf, off, len);
      list.append(value, from, valueLen);
    }
    this.#keep();
    if (list.count > 2 * maxFields) this.becomeTable();
    return field === NO_FIELD;
  }

  /** Removes a field; returns whether it was there. The caller removes a hash that falls empty. */
  delete(buf: Uint8Array, off: number, len: number): boolean {
    if (this.#table !== undefined) return this.#table.remove(buf, off, len);
    const field = this.find(buf, off, len);
    if (field === NO_FIELD) return false;
    this.#list.remove(field, 2);
    this.#keep();
    return true;
  }

  /** Makes a listpack a table. */
  becomeTable(): void {
    const db = this.#db;
    const list = this.#list;
    const table = new HashTable(db.arena, true);
    this.rewind();
    for (let field = this.next(); field !== NO_FIELD; field = this.next()) {
      const name = readElement(list.buf, field);
      const value = readElement(list.buf, nextElement(list.buf, field), this.#valueElement);
      table.put(name.buf, name.off, name.len, value.buf, value.off, value.len);
    }
    list.free();
    this.#table = table;
    db.setValue(this.#entry, ENCODING.hashtable, db.keepObject(table), 0);
  }

  /** Writes where the listpack is now into the entry. */
  #keep(): void {
    this.#db.setValue(this.#entry, ENCODING.listpack, this.#list.ref, this.#list.bytes);
  }
}
