/**
 * List values: one listpack while they are short, a {@link Quicklist} of them beyond. Both stand in
 * two value words, so changing a list keeps its entry's number. `fill` is `list-max-listpack-size`.
 *
 * No list stays empty: who adds one pushes to it, and removes the key of one that falls empty.
 */
import {
  countElements,
  elementEquals,
  Listpack,
  LISTPACK_END,
  nextElement,
  NO_ELEMENT,
  previousElement,
  readElement,
  seekElement,
} from "../bytes/listpack.ts";
import { equalBytes } from "../bytes/compare.ts";
import type { Args } from "../resp/args.ts";
import { type Database, ENCODING, TYPE } from "./database.ts";
import { Span } from "./string_value.ts";
import { exceedsNode, fitsListpack, NO_NODE, Quicklist, removeEqual } from "./quicklist.ts";

const pack = new Listpack();

/** Adds key argument `i`, which is not there, with an empty list; returns the entry. */
export function addList(db: Database, args: Args, i: number): number {
  const { ref, bytes } = pack.create(db.arena);
  return db.add(args.buf, args.off(i), args.len(i), TYPE.list, ENCODING.listpack, ref, bytes);
}

export function listLength(db: Database, entry: number): number {
  if (db.encoding(entry) === ENCODING.quicklist) return quicklist(db, entry).length;
  const ref = db.low(entry);
  const bytes = db.high(entry);
  return countElements(db.arena.buf(ref, bytes), db.arena.off(ref, bytes));
}

/** Makes a listpack a quicklist where `count` more elements of `bytes` bytes in all are too much. */
export function growList(
  db: Database,
  entry: number,
  count: number,
  bytes: number,
  fill: number,
): void {
  if (db.encoding(entry) !== ENCODING.listpack) return;
  const length = listLength(db, entry);
  if (!exceedsNode(fill, db.high(entry) + bytes, length + count)) return;
  const list = new Quicklist(db.arena);
  if (length > 0) list.adopt(db.low(entry), db.high(entry), length);
  else db.freeValue(entry);
  db.setValue(entry, ENCODING.quicklist, db.keepObject(list), 0);
}

/** Makes a quicklist that shrank a listpack again, where it fits one with room to spare. */
export function shrinkList(db: Database, entry: number, fill: number): void {
  if (db.encoding(entry) !== ENCODING.quicklist) return;
  const list = quicklist(db, entry);
  if (!fitsListpack(list, fill)) return;
  const ref = list.ref(list.head);
  const bytes = list.bytes(list.head);
  list.release();
  db.freeValue(entry);
  db.setValue(entry, ENCODING.listpack, ref, bytes);
}

/** Adds an element at an end; {@link growList} was asked before. */
export function pushElement(
  db: Database,
  entry: number,
  src: Uint8Array,
  off: number,
  len: number,
  atHead: boolean,
  fill: number,
): void {
  if (db.encoding(entry) === ENCODING.quicklist) {
    return quicklist(db, entry).push(src, off, len, atHead, fill);
  }
  open(db, entry);
  pack.insert(atHead ? pack.first : pack.end, src, off, len);
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
}

/** Inserts an element so that it has this index; {@link growList} was asked before. */
export function insertElement(
  db: Database,
  entry: number,
  index: number,
  src: Uint8Array,
  off: number,
  len: number,
  fill: number,
): void {
  if (db.encoding(entry) === ENCODING.quicklist) {
    return quicklist(db, entry).insert(index, src, off, len, fill);
  }
  open(db, entry);
  const at = seekElement(pack.buf, pack.off, pack.bytes, index);
  pack.insert(at === NO_ELEMENT ? pack.end : at, src, off, len);
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
}

/** Puts an element in the place of the one with this index; {@link growList} was asked before. */
export function replaceElement(
  db: Database,
  entry: number,
  index: number,
  src: Uint8Array,
  off: number,
  len: number,
  fill: number,
): void {
  if (db.encoding(entry) === ENCODING.quicklist) {
    return quicklist(db, entry).replace(index, src, off, len, fill);
  }
  open(db, entry);
  pack.replace(seekElement(pack.buf, pack.off, pack.bytes, index), src, off, len);
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
}

/** Removes `count` elements from an index on; all of them are there. */
export function removeElements(db: Database, entry: number, index: number, count: number): void {
  if (count === 0) return;
  if (db.encoding(entry) === ENCODING.quicklist) {
    return quicklist(db, entry).removeRange(index, count);
  }
  open(db, entry);
  pack.remove(seekElement(pack.buf, pack.off, pack.bytes, index), count);
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
}

/** Removes up to `limit` elements that are these bytes, from either end on; returns how many. */
export function removeEqualElements(
  db: Database,
  entry: number,
  src: Uint8Array,
  off: number,
  len: number,
  limit: number,
  fromTail: boolean,
): number {
  if (db.encoding(entry) === ENCODING.quicklist) {
    return quicklist(db, entry).removeEqual(src, off, len, limit, fromTail);
  }
  open(db, entry);
  const removed = removeEqual(pack, src, off, len, limit, fromTail);
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
  return removed;
}

/** A walk over a list's elements, either way. Changing the list ends it. */
export class ListWalk {
  #db!: Database;
  #list: Quicklist | undefined;
  #node = NO_NODE;
  #isPlain = false;
  #forward = true;
  #buf!: Uint8Array;
  /** Where the listpack, or the plain element, begins and how long it is. */
  #off = 0;
  #bytes = 0;
  #at = 0;
  readonly #plain = new Span();

  /** Begins at the element with this index, which is there. */
  start(db: Database, entry: number, index: number, forward: boolean): void {
    this.#db = db;
    this.#forward = forward;
    if (db.encoding(entry) === ENCODING.quicklist) {
      const list = this.#list = quicklist(db, entry);
      this.#enter(list.nodeOf(index));
      index -= list.before;
    } else {
      this.#list = undefined;
      this.#isPlain = false;
      this.#open(db.low(entry), db.high(entry));
    }
    if (!this.#isPlain) this.#at = seekElement(this.#buf, this.#off, this.#bytes, index);
  }

  /** The element's bytes, valid until the next call on any list. */
  element(): Span {
    if (!this.#isPlain) return readElement(this.#buf, this.#at);
    const plain = this.#plain;
    plain.buf = this.#buf;
    plain.off = this.#off;
    plain.len = this.#bytes;
    return plain;
  }

  /** Whether the element is these bytes. */
  equals(src: Uint8Array, off: number, len: number): boolean {
    if (!this.#isPlain) return elementEquals(this.#buf, this.#at, src, off, len);
    return this.#bytes === len && equalBytes(this.#buf, this.#off, src, off, len);
  }

  /** Goes on to the next element; returns whether there is one. */
  next(): boolean {
    if (!this.#isPlain) {
      if (this.#forward) {
        this.#at = nextElement(this.#buf, this.#at);
        if (this.#buf[this.#at] !== LISTPACK_END) return true;
      } else {
        this.#at = previousElement(this.#buf, this.#off, this.#at);
        if (this.#at !== NO_ELEMENT) return true;
      }
    }
    const list = this.#list;
    if (list === undefined) return false;
    const node = this.#forward ? list.next(this.#node) : list.previous(this.#node);
    if (node === NO_NODE) return false;
    this.#enter(node);
    const place = this.#forward ? 0 : -1;
    if (!this.#isPlain) this.#at = seekElement(this.#buf, this.#off, this.#bytes, place);
    return true;
  }

  #enter(node: number): void {
    const list = this.#list!;
    this.#node = node;
    this.#isPlain = list.isPlain(node);
    this.#open(list.ref(node), list.bytes(node));
  }

  #open(ref: number, bytes: number): void {
    this.#buf = this.#db.arena.buf(ref, bytes);
    this.#off = this.#db.arena.off(ref, bytes);
    this.#bytes = bytes;
  }
}

function quicklist(db: Database, entry: number): Quicklist {
  return db.objects[db.low(entry)] as Quicklist;
}

function open(db: Database, entry: number): void {
  pack.open(db.arena, db.low(entry), db.high(entry));
}
