/**
 * Quicklists: long lists as a chain of listpacks, so that both ends are near and no change moves much.
 *
 * The nodes stand in one table of words, chained both ways, and their bytes in the database's arena.
 * An element too long for any listpack has a *plain* node: just its bytes. Only the ends are full by
 * rule: a node that a deletion left small stays so, as in Redis.
 *
 * How full a node may be is `list-max-listpack-size`, which all that adds is given as `fill`: from 0
 * on a number of elements, -1 to -5 one of {@link NODE_BYTES}.
 */
import { Arena, releaseArray } from "../bytes/arena.ts";
import {
  elementEquals,
  Listpack,
  LISTPACK_END,
  nextElement,
  NO_ELEMENT,
  previousElement,
  seekElement,
} from "../bytes/listpack.ts";
import type { StoredObject } from "./database.ts";

/** Bytes of a node for `fill` -1, -2 … */
const NODE_BYTES = [4096, 8192, 16384, 32768, 65536] as const;
/** … and for a `fill` that counts elements. */
const SAFE_BYTES = 8192;
/** What Redis reckons for an element's head and backlen before it encodes it. */
const ELEMENT_OVERHEAD = 8;

/** Words of a node in the table; a node's number is where it begins there. */
const REF = 0;
const BYTES = 1;
const COUNT = 2;
const PLAIN = 3;
const NEXT = 4;
const PREVIOUS = 5;
const NODE_WORDS = 6;
/** A table of so many words does not shrink. */
const SMALL_TABLE = 64 * NODE_WORDS;
/** No node: the table's first words are not used. */
export const NO_NODE = 0;

/** Bytes of the object itself, about. */
const OBJECT_BYTES = 120;

const pack = new Listpack();
const other = new Listpack();

/** Whether a listpack of so many bytes and elements is more than a node may be. */
export function exceedsNode(fill: number, bytes: number, count: number): boolean {
  if (fill < 0) return bytes > nodeBytes(fill);
  return bytes > SAFE_BYTES || count > Math.max(1, fill);
}

/** Whether a listpack is short enough to be a list by itself. */
export function fitsNode(fill: number, bytes: number, count: number): boolean {
  return fill < 0 ? bytes <= nodeBytes(fill) : count <= Math.max(1, fill);
}

function nodeBytes(fill: number): number {
  return NODE_BYTES[Math.min(-fill, NODE_BYTES.length) - 1]!;
}

/** Removes up to `limit` elements that are these bytes, from either end on; returns how many. */
export function removeEqual(
  pack: Listpack,
  src: Uint8Array,
  from: number,
  len: number,
  limit: number,
  fromTail: boolean,
): number {
  let removed = 0;
  let at = fromTail ? pack.last : pack.first;
  while (removed < limit && at !== NO_ELEMENT && pack.buf[at] !== LISTPACK_END) {
    if (elementEquals(pack.buf, at, src, from, len)) {
      at = pack.remove(at);
      removed++;
      if (fromTail) at = previousElement(pack.buf, pack.off, at);
    } else {
      at = fromTail ? previousElement(pack.buf, pack.off, at) : nextElement(pack.buf, at);
    }
  }
  return removed;
}

export class Quicklist implements StoredObject {
  /** How many elements there are. */
  length = 0;
  head = NO_NODE;
  tail = NO_NODE;
  nodes = 0;

  readonly #arena: Arena;
  #table = new Int32Array(4 * NODE_WORDS);
  /** Where the table's words begin that were never used, and nodes that were given back. */
  #fresh = NODE_WORDS;
  #free = NO_NODE;

  constructor(arena: Arena) {
    this.#arena = arena;
    arena.besideBytes += this.#table.byteLength;
  }

  // ---- nodes, for those who walk over them ---------------------------------------------------------

  next(node: number): number {
    return this.#table[node + NEXT]!;
  }

  previous(node: number): number {
    return this.#table[node + PREVIOUS]!;
  }

  isPlain(node: number): boolean {
    return this.#table[node + PLAIN] === 1;
  }

  /** A node's block … */
  ref(node: number): number {
    return this.#table[node + REF]!;
  }

  /** … and its length. */
  bytes(node: number): number {
    return this.#table[node + BYTES]!;
  }

  /** How many elements a node has. */
  count(node: number): number {
    return this.#table[node + COUNT]!;
  }

  /** How many elements are before the node that {@link Quicklist.nodeOf} found. */
  before = 0;

  /** The node of the element with this index, found from the nearer end. */
  nodeOf(index: number): number {
    if (index < this.length / 2) {
      let node = this.head;
      let before = 0;
      while (before + this.count(node) <= index) {
        before += this.count(node);
        node = this.next(node);
      }
      this.before = before;
      return node;
    }
    let node = this.tail;
    let before = this.length - this.count(node);
    while (before > index) {
      node = this.previous(node);
      before -= this.count(node);
    }
    this.before = before;
    return node;
  }

  // ---- changes -------------------------------------------------------------------------------------

  /** Adds a node at the end that takes over a listpack's block, or one of a `plain` element. */
  adopt(ref: number, bytes: number, count: number, plain = false): void {
    this.#link(this.tail, this.#node(ref, bytes, count, plain ? 1 : 0));
    this.length += count;
  }

  /** Gives away the block of the only node, which then is the caller's. */
  release(): void {
    this.#unlink(this.head);
  }

  /** Adds an element at an end. */
  push(src: Uint8Array, from: number, len: number, atHead: boolean, fill: number): void {
    const node = atHead ? this.head : this.tail;
    if (node !== NO_NODE && this.#takes(node, len, fill)) {
      this.#open(node);
      pack.insert(atHead ? pack.first : pack.end, src, from, len);
      this.#close(node, 1);
    } else {
      this.#add(atHead ? NO_NODE : this.tail, src, from, len, fill);
    }
  }

  /** Inserts an element so that it has this index, at most the length. */
  insert(index: number, src: Uint8Array, from: number, len: number, fill: number): void {
    if (index === 0 || index === this.length) {
      return this.push(src, from, len, index === 0, fill);
    }
    const node = this.nodeOf(index);
    const place = index - this.before;
    const before = this.previous(node);
    if (this.#takes(node, len, fill)) {
      this.#open(node);
      pack.insert(seekElement(pack.buf, pack.off, pack.bytes, place), src, from, len);
      this.#close(node, 1);
    } else if (place > 0) {
      this.#split(node, place);
      this.#addAfter(node, src, from, len, fill);
    } else {
      this.#addAfter(before, src, from, len, fill);
    }
  }

  /** Puts an element in the place of the one with this index. */
  replace(index: number, src: Uint8Array, from: number, len: number, fill: number): void {
    const node = this.nodeOf(index);
    const place = index - this.before;
    if (!this.isPlain(node)) {
      this.#open(node);
      const at = seekElement(pack.buf, pack.off, pack.bytes, place);
      const added = len + ELEMENT_OVERHEAD - (nextElement(pack.buf, at) - at);
      if (added <= 0 || !exceedsNode(fill, pack.bytes + added, this.count(node))) {
        pack.replace(at, src, from, len);
        return this.#close(node, 0);
      }
    }
    this.insert(index, src, from, len, fill);
    this.removeRange(index + 1, 1);
  }

  /** Removes `count` elements from an index on; all of them are there. */
  removeRange(index: number, count: number): void {
    let node = this.nodeOf(index);
    let place = index - this.before;
    while (count > 0) {
      const next = this.next(node);
      const removed = Math.min(count, this.count(node) - place);
      if (removed === this.count(node)) {
        this.#drop(node);
      } else {
        this.#open(node);
        pack.remove(seekElement(pack.buf, pack.off, pack.bytes, place), removed);
        this.#close(node, -removed);
      }
      count -= removed;
      node = next;
      place = 0;
    }
    this.#shrinkTable();
  }

  /** Removes up to `limit` elements that are these bytes, from either end on; returns how many. */
  removeEqual(
    src: Uint8Array,
    from: number,
    len: number,
    limit: number,
    fromTail: boolean,
  ): number {
    const arena = this.#arena;
    let removed = 0;
    let node = fromTail ? this.tail : this.head;
    while (node !== NO_NODE && removed < limit) {
      const after = fromTail ? this.previous(node) : this.next(node);
      if (this.isPlain(node)) {
        if (this.bytes(node) === len && arena.equals(this.ref(node), len, src, from)) {
          this.#drop(node);
          removed++;
        }
      } else {
        this.#open(node);
        const here = removeEqual(pack, src, from, len, limit - removed, fromTail);
        if (here > 0) this.#close(node, -here);
        if (this.count(node) === 0) this.#drop(node);
        removed += here;
      }
      node = after;
    }
    this.#shrinkTable();
    return removed;
  }

  // ---- as a value ----------------------------------------------------------------------------------

  /** The same list in an arena. */
  copy(arena: Arena): Quicklist {
    const copy = new Quicklist(arena);
    for (let node = this.head; node !== NO_NODE; node = this.next(node)) {
      const bytes = this.bytes(node);
      const ref = this.ref(node);
      const block = arena.put(this.#arena.buf(ref, bytes), this.#arena.off(ref, bytes), bytes);
      const plain = this.isPlain(node) ? 1 : 0;
      copy.#link(copy.tail, copy.#node(block, bytes, this.count(node), plain));
    }
    copy.length = this.length;
    return copy;
  }

  free(): void {
    for (let node = this.head; node !== NO_NODE; node = this.next(node)) {
      this.#arena.free(this.ref(node), this.bytes(node));
    }
    this.#arena.besideBytes -= this.#table.byteLength;
  }

  get heapBytes(): number {
    return OBJECT_BYTES + this.#table.byteLength;
  }

  arenaBytes(samples: number): number {
    let bytes = 0;
    let seen = 0;
    for (let node = this.head; node !== NO_NODE; node = this.next(node)) {
      bytes += Arena.blockBytes(this.bytes(node));
      if (++seen === samples) break;
    }
    return Math.round(bytes / seen * this.nodes);
  }

  /** Bytes of all nodes. */
  get totalBytes(): number {
    let bytes = 0;
    for (let node = this.head; node !== NO_NODE; node = this.next(node)) bytes += this.bytes(node);
    return bytes;
  }

  // ---- within --------------------------------------------------------------------------------------

  /** Whether an element may be added to a node. */
  #takes(node: number, len: number, fill: number): boolean {
    if (this.isPlain(node) || exceedsNode(fill, len, 1)) return false;
    const bytes = this.bytes(node) + len + ELEMENT_OVERHEAD;
    return !exceedsNode(fill, bytes, this.count(node) + 1);
  }

  /** Adds an element between a node (or NO_NODE, before the head) and its next. */
  #addAfter(node: number, src: Uint8Array, from: number, len: number, fill: number): void {
    const next = node === NO_NODE ? this.head : this.next(node);
    if (node !== NO_NODE && this.#takes(node, len, fill)) {
      this.#open(node).append(src, from, len);
      this.#close(node, 1);
    } else if (next !== NO_NODE && this.#takes(next, len, fill)) {
      this.#open(next);
      pack.insert(pack.first, src, from, len);
      this.#close(next, 1);
    } else {
      this.#add(node, src, from, len, fill);
    }
  }

  /** Adds a node with one element after a node, or before the head (NO_NODE). */
  #add(after: number, src: Uint8Array, from: number, len: number, fill: number): void {
    const arena = this.#arena;
    if (exceedsNode(fill, len, 1)) {
      this.#link(after, this.#node(arena.put(src, from, len), len, 1, 1));
    } else {
      pack.create(arena).append(src, from, len);
      this.#link(after, this.#node(pack.ref, pack.bytes, 1, 0));
    }
    this.length++;
  }

  /** Moves a node's elements from an index in it on to a new node after it. */
  #split(node: number, place: number): void {
    const moved = this.count(node) - place;
    this.#open(node);
    const at = seekElement(pack.buf, pack.off, pack.bytes, place);
    other.create(this.#arena);
    other.insertElements(other.first, pack.buf, at, pack.end, moved);
    pack.remove(at, moved);
    this.#close(node, -moved);
    this.#link(node, this.#node(other.ref, other.bytes, moved, 0));
    this.length += moved;
  }

  #drop(node: number): void {
    this.#arena.free(this.ref(node), this.bytes(node));
    this.length -= this.count(node);
    this.#unlink(node);
  }

  #open(node: number): Listpack {
    return pack.open(this.#arena, this.ref(node), this.bytes(node));
  }

  /** Keeps what became of an open node, `added` being how many elements it has more. */
  #close(node: number, added: number): void {
    const table = this.#table;
    table[node + REF] = pack.ref;
    table[node + BYTES] = pack.bytes;
    table[node + COUNT]! += added;
    this.length += added;
  }

  #node(ref: number, bytes: number, count: number, plain: number): number {
    let node = this.#free;
    if (node !== NO_NODE) {
      this.#free = this.next(node);
    } else {
      node = this.#fresh;
      this.#fresh += NODE_WORDS;
      if (this.#fresh > this.#table.length) {
        const grown = new Int32Array(2 * this.#table.length);
        grown.set(this.#table);
        this.#arena.besideBytes += 4 * this.#table.length;
        releaseArray(this.#table);
        this.#table = grown;
      }
    }
    const table = this.#table;
    table[node + REF] = ref;
    table[node + BYTES] = bytes;
    table[node + COUNT] = count;
    table[node + PLAIN] = plain;
    return node;
  }

  /** Gives back most of a table of which hardly anything is left; nodes get other numbers. */
  #shrinkTable(): void {
    const old = this.#table;
    const used = (this.nodes + 1) * NODE_WORDS;
    if (old.length <= SMALL_TABLE || old.length < 4 * used) return;
    const table = new Int32Array(2 * used);
    let to = NODE_WORDS;
    for (let node = this.head; node !== NO_NODE; node = old[node + NEXT]!) {
      table.set(old.subarray(node, node + NEXT), to);
      table[to + PREVIOUS] = to - NODE_WORDS;
      to += NODE_WORDS;
      table[to - NODE_WORDS + NEXT] = to;
    }
    this.head = NODE_WORDS;
    this.tail = to - NODE_WORDS;
    table[this.tail + NEXT] = NO_NODE;
    this.#fresh = used;
    this.#free = NO_NODE;
    this.#arena.besideBytes += table.byteLength - old.byteLength;
    releaseArray(old);
    this.#table = table;
  }

  /** Puts a node after another, or before the head (NO_NODE). */
  #link(after: number, node: number): void {
    const table = this.#table;
    const next = after === NO_NODE ? this.head : this.next(after);
    table[node + PREVIOUS] = after;
    table[node + NEXT] = next;
    if (after === NO_NODE) this.head = node;
    else table[after + NEXT] = node;
    if (next === NO_NODE) this.tail = node;
    else table[next + PREVIOUS] = node;
    this.nodes++;
  }

  #unlink(node: number): void {
    const table = this.#table;
    const next = this.next(node);
    const previous = this.previous(node);
    if (previous === NO_NODE) this.head = next;
    else table[previous + NEXT] = next;
    if (next === NO_NODE) this.tail = previous;
    else table[next + PREVIOUS] = previous;
    table[node + NEXT] = this.#free;
    this.#free = node;
    this.nodes--;
  }
}

/** Whether a list that shrank to one node is short enough to be a mere listpack again. */
export function fitsListpack(list: Quicklist, fill: number): boolean {
  const { head } = list;
  if (list.nodes !== 1 || list.isPlain(head)) return false;
  return fill < 0
    ? list.bytes(head) <= nodeBytes(fill) / 2
    : list.length <= Math.floor(Math.max(1, fill) / 2);
}
