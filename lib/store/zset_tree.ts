/**
 * The order of a large sorted set: a counted B+tree of (score, member), so that a rank, the member at
 * a rank and the number of members below a bound each cost one way down. Every range is a range of
 * ranks first.
 *
 * Nodes are blocks of the arena and hold no member's bytes: an item is the score in two words and
 * the member's entry in the set's ByteMap, at whose bytes a search looks only among equal scores.
 *
 *     leaf:  length | previous leaf | next leaf | –   then per member  high | low | entry
 *     inner: length | –             | –         | –   then per child   high | low | entry | child
 *            and, from one place in all nodes on, per child its count
 *
 * `high` and `low` are the double's halves, changed so that signed words in turn order as the doubles
 * do; -0 is 0 here, as it is to a comparison. An inner item's first three words are those of the
 * child's first item; its count is how many members the child has below it. Counts stand together, as
 * a rank is the sum of many. After each change the way
 * up sets both right. Neighbours that together are short of a node are merged; a node at the end that
 * overflows stays full, so that ascending insertions leave full nodes.
 */
import type { ByteMap } from "../bytes/byte_map.ts";
import type { Arena } from "../bytes/arena.ts";
import { compareBytes } from "../bytes/compare.ts";

const NODE_BYTES = 1024;
const LENGTH = 0;
const PREVIOUS = 1;
const NEXT = 2;
/** Words before a node's items. */
const HEAD = 4;

const LEAF_STRIDE = 3;
const LEAF_ROOM = (NODE_BYTES / 4 - HEAD) / LEAF_STRIDE;
const INNER_STRIDE = 4;
const INNER_ROOM = Math.floor((NODE_BYTES / 4 - HEAD) / (INNER_STRIDE + 1));
/** Where the counts of an inner node begin. */
const COUNTS = HEAD + INNER_ROOM * INNER_STRIDE;
/** Words of an item. */
const ENTRY = 2;
const CHILD = 3;

/** More levels than 2^31 members can need. */
const MAX_HEIGHT = 16;

/** What a search compares; whatever is equal in that counts as before or after the bound. */
const BY_SCORE_AND_MEMBER = 0;
const BY_SCORE = 1;
const BY_MEMBER = 2;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

export class ZsetTree {
  /** How many members there are. */
  count = 0;

  readonly #arena: Arena;
  readonly #map: ByteMap;
  #root: number;
  /** Levels above the leaves. */
  #height = 0;

  #nodes = 0;
  /** What {@link ZsetTree.#fetch} returned; kept so that its loads are not optimised away. */
  fetched = 0;

  // What the running search looks for.
  #mode = BY_SCORE_AND_MEMBER;
  #high = 0;
  #low = 0;
  #buf: Uint8Array = new Uint8Array(0);
  #off = 0;
  #len = 0;
  /** What an equal item counts as: -1 for before the bound, 1 for after it. */
  #equal = 0;
  // The way down that it took: inner nodes, the item followed in each, and the place in the leaf.
  readonly #path = new Int32Array(MAX_HEIGHT);
  readonly #steps = new Int32Array(MAX_HEIGHT);
  #leaf = 0;
  #at = 0;

  /** The entries that are added must be those of `map`, whose arena the nodes share. */
  constructor(map: ByteMap) {
    this.#map = map;
    this.#arena = map.arena;
    this.#root = this.#createNode();
  }

  /** Adds a member that is not there. */
  insert(score: number, entry: number): void {
    this.#aim(score, entry);
    this.#descend(false);
    let leaf = this.#leaf;
    let at = this.#at;
    let split = 0;
    const isLast = at === LEAF_ROOM && this.#word(leaf, NEXT) === 0;
    if (this.#word(leaf, LENGTH) === LEAF_ROOM) {
      const kept = isLast ? LEAF_ROOM : LEAF_ROOM >> 1;
      split = this.#splitLeaf(leaf, kept);
      if (at > kept || isLast) {
        leaf = split;
        at -= kept;
      }
    }
    this.#open(leaf, LEAF_STRIDE, at);
    const words = this.#arena.words(leaf);
    const item = this.#arena.wordOf(leaf) + HEAD + at * LEAF_STRIDE;
    words[item] = this.#high;
    words[item + 1] = this.#low;
    words[item + ENTRY] = entry;
    this.count++;
    this.#mendAfterInsert(split, isLast);
  }

  /** Removes a member that is there with this score. */
  remove(score: number, entry: number): void {
    this.#aim(score, entry);
    this.#descend(false);
    this.#removeItems(1);
  }

  /** Gives a member that is there another score. */
  update(oldScore: number, score: number, entry: number): void {
    this.#aim(oldScore, entry);
    this.#descend(false);
    this.#aimAtScore(score);
    const words = this.#arena.words(this.#leaf);
    const item = this.#arena.wordOf(this.#leaf) + HEAD + this.#at * LEAF_STRIDE;
    // Between its neighbours in the leaf it can stay; at the ends the nodes above would know of it.
    if (
      this.#at > 0 && this.#at + 1 < this.#word(this.#leaf, LENGTH) &&
      this.#compare(words, item - LEAF_STRIDE) < 0 && this.#compare(words, item + LEAF_STRIDE) > 0
    ) {
      words[item] = this.#high;
      words[item + 1] = this.#low;
      return;
    }
    this.#removeItems(1);
    this.insert(score, entry);
  }

  /** How many members stand before one that is there with this score. */
  rank(score: number, entry: number): number {
    this.#aim(score, entry);
    return this.#descend(true);
  }

  /** How many members have a lower score, or with `orEqual` no higher one. */
  countBelow(score: number, orEqual: boolean): number {
    this.#aimAtScore(score);
    this.#mode = BY_SCORE;
    this.#equal = orEqual ? -1 : 1;
    return this.#descend(true);
  }

  /** {@link ZsetTree.countBelow} by members' bytes alone: of use where all scores are the same. */
  countBelowMember(buf: Uint8Array, off: number, len: number, orEqual: boolean): number {
    this.#mode = BY_MEMBER;
    this.#buf = buf;
    this.#off = off;
    this.#len = len;
    this.#equal = orEqual ? -1 : 1;
    return this.#descend(true);
  }

  /** The entry at a rank below `count`. */
  entryAt(rank: number): number {
    const at = this.#descendTo(rank);
    const leaf = this.#leaf;
    return this.#word(leaf, HEAD + at * LEAF_STRIDE + ENTRY);
  }

  /**
   * Calls `visit` for the entries of `count` ranks from `from` on, upwards or downwards; they must be
   * there. `visit` does not change the tree.
   */
  walk(from: number, count: number, reverse: boolean, visit: (entry: number) => void): void {
    if (count <= 0) return;
    const arena = this.#arena;
    const step = reverse ? -LEAF_STRIDE : LEAF_STRIDE;
    let at = this.#descendTo(from);
    let leaf = this.#leaf;
    while (count > 0) {
      const words = arena.words(leaf);
      const base = arena.wordOf(leaf);
      const first = base + HEAD + at * LEAF_STRIDE + ENTRY;
      const here = Math.min(count, reverse ? at + 1 : words[base + LENGTH]! - at);
      this.fetched = this.#fetch(words, first, step, here);
      for (let i = 0; i < here; i++) visit(words[first + i * step]!);
      count -= here;
      leaf = words[base + (reverse ? PREVIOUS : NEXT)]!;
      at = reverse && count > 0 ? this.#word(leaf, LENGTH) - 1 : 0;
    }
  }

  /**
   * Touches the entries of a leaf's items, so that their cache misses overlap. Returns a number that
   * means nothing: without it the loads would be optimised away.
   */
  #fetch(words: Int32Array, first: number, step: number, count: number): number {
    const arena = this.#arena;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const entry = words[first + i * step]!;
      sum |= arena.words(entry)[arena.wordOf(entry)]!;
    }
    return sum;
  }

  /** Removes the item at a rank, which is there; returns its entry. */
  removeAt(rank: number): number {
    this.#at = this.#descendTo(rank);
    const entry = this.#word(this.#leaf, HEAD + this.#at * LEAF_STRIDE + ENTRY);
    this.#removeItems(1);
    return entry;
  }

  /** Removes the items of `count` ranks from `from` on; `visit` is told each entry beforehand. */
  removeRange(from: number, count: number, visit: (entry: number) => void): void {
    while (count > 0) {
      this.#at = this.#descendTo(from);
      const removed = Math.min(count, this.#word(this.#leaf, LENGTH) - this.#at);
      for (let i = 0; i < removed; i++) {
        visit(this.#word(this.#leaf, HEAD + (this.#at + i) * LEAF_STRIDE + ENTRY));
      }
      this.#removeItems(removed);
      count -= removed;
    }
  }

  /** Gives back all nodes; the tree is of no use afterwards. */
  free(): void {
    this.#freeBelow(this.#root, this.#height);
  }

  /** Bytes of the nodes. */
  get bytes(): number {
    return this.#nodes * NODE_BYTES;
  }

  // ---- searching ---------------------------------------------------------------------------------

  #aim(score: number, entry: number): void {
    const map = this.#map;
    this.#mode = BY_SCORE_AND_MEMBER;
    this.#aimAtScore(score);
    this.#buf = map.keyBuf(entry);
    this.#off = map.keyOff(entry);
    this.#len = map.keyLen(entry);
  }

  #aimAtScore(score: number): void {
    double[0] = score === 0 ? 0 : score;
    let high = halves[1]!;
    let low = halves[0]!;
    if (high < 0) {
      high ^= 0x7fffffff;
      low = ~low;
    }
    this.#high = high;
    this.#low = low ^ 0x80000000;
  }

  /** The sign of an item minus what the search looks for. */
  #compare(words: Int32Array, item: number): number {
    if (this.#mode !== BY_MEMBER) {
      const high = words[item]!;
      if (high !== this.#high) return high < this.#high ? -1 : 1;
      const low = words[item + 1]!;
      if (low !== this.#low) return low < this.#low ? -1 : 1;
      if (this.#mode === BY_SCORE) return this.#equal;
    }
    const order = this.#compareMember(words[item + ENTRY]!);
    return order !== 0 || this.#mode === BY_SCORE_AND_MEMBER ? order : this.#equal;
  }

  #compareMember(entry: number): number {
    const map = this.#map;
    const buf = map.keyBuf(entry);
    const off = map.keyOff(entry);
    return compareBytes(buf, off, map.keyLen(entry), this.#buf, this.#off, this.#len);
  }

  /**
   * Goes down to the first item that is not before what the search looks for, leaving the way in
   * `#path` and `#steps`, `#leaf` and `#at`; returns how many members come before it, if `ranked`.
   */
  #descend(ranked: boolean): number {
    const arena = this.#arena;
    let node = this.#root;
    let rank = 0;
    for (let level = 0; level < this.#height; level++) {
      const words = arena.words(node);
      const base = arena.wordOf(node);
      const first = base + HEAD;
      // The last child that does not begin behind it, or the first one.
      const length = words[base + LENGTH]!;
      const step = this.#countBefore(words, first, INNER_STRIDE, 1, length, true) - 1;
      this.#path[level] = node;
      this.#steps[level] = step;
      if (ranked) {
        const end = base + COUNTS + step;
        for (let at = base + COUNTS; at < end; at++) rank += words[at]!;
      }
      node = words[first + step * INNER_STRIDE + CHILD]!;
    }
    const words = arena.words(node);
    const base = arena.wordOf(node);
    this.#leaf = node;
    this.#at = this.#countBefore(words, base + HEAD, LEAF_STRIDE, 0, words[base + LENGTH]!, false);
    return rank + this.#at;
  }

  /**
   * How many of a node's items are before what the search looks for, or with `orEqual` not behind it:
   * at least `low`, at most `high`.
   */
  #countBefore(
    words: Int32Array,
    first: number,
    stride: number,
    low: number,
    high: number,
    orEqual: boolean,
  ): number {
    const byScore = this.#mode !== BY_MEMBER;
    const wanted = this.#high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const item = first + middle * stride;
      const there = words[item]!;
      // Most scores differ in the upper half already.
      const order = byScore && there !== wanted ? there - wanted : this.#compare(words, item);
      if (order < 0 || (orEqual && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Goes down to the item at a rank, leaving the way as {@link ZsetTree.#descend} does. */
  #descendTo(rank: number): number {
    const arena = this.#arena;
    let node = this.#root;
    for (let level = 0; level < this.#height; level++) {
      const words = arena.words(node);
      const base = arena.wordOf(node);
      let step = 0;
      for (;; step++) {
        const count = words[base + COUNTS + step]!;
        if (rank < count) break;
        rank -= count;
      }
      this.#path[level] = node;
      this.#steps[level] = step;
      node = words[base + HEAD + step * INNER_STRIDE + CHILD]!;
    }
    this.#leaf = node;
    return rank;
  }

  // ---- changing nodes ----------------------------------------------------------------------------

  /** Removes the item where the last search ended and those behind it in its leaf, `count` in all. */
  #removeItems(count: number): void {
    this.#close(this.#leaf, LEAF_STRIDE, this.#at, count);
    this.count -= count;
    let child = this.#leaf;
    for (let level = this.#height - 1; level >= 0; level--) {
      const node = this.#path[level]!;
      const step = this.#steps[level]!;
      const length = this.#word(child, LENGTH);
      const childIsLeaf = level === this.#height - 1;
      if (length === 0) {
        this.#freeNode(child, childIsLeaf);
        this.#close(node, INNER_STRIDE, step, 1);
      } else {
        this.#mend(node, step, -count);
        const room = childIsLeaf ? LEAF_ROOM : INNER_ROOM;
        if (length < room >> 2) {
          if (!this.#merge(node, step - 1, childIsLeaf)) this.#merge(node, step, childIsLeaf);
        }
      }
      child = node;
    }
    while (this.#height > 0 && this.#word(this.#root, LENGTH) === 1) {
      const root = this.#root;
      this.#root = this.#word(root, HEAD + CHILD);
      this.#freeNode(root, false);
      this.#height--;
    }
  }

  /** Moves what is right of child `step` into it where both are together short of a node. */
  #merge(node: number, step: number, areLeaves: boolean): boolean {
    if (step < 0 || step + 1 >= this.#word(node, LENGTH)) return false;
    const arena = this.#arena;
    const item = HEAD + step * INNER_STRIDE;
    const left = this.#word(node, item + CHILD);
    const right = this.#word(node, item + INNER_STRIDE + CHILD);
    const kept = this.#word(left, LENGTH);
    const moved = this.#word(right, LENGTH);
    const room = areLeaves ? LEAF_ROOM : INNER_ROOM;
    if (kept + moved > room - (room >> 2)) return false;
    const stride = areLeaves ? LEAF_STRIDE : INNER_STRIDE;
    const from = arena.wordOf(right) + HEAD;
    const to = arena.wordOf(left);
    const leftWords = arena.words(left);
    const items = arena.words(right).subarray(from, from + moved * stride);
    leftWords.set(items, to + HEAD + kept * stride);
    if (!areLeaves) {
      const counts = from - HEAD + COUNTS;
      leftWords.set(arena.words(right).subarray(counts, counts + moved), to + COUNTS + kept);
    }
    leftWords[to + LENGTH] = kept + moved;
    const words = arena.words(node);
    const count = arena.wordOf(node) + COUNTS + step;
    words[count]! += words[count + 1]!;
    this.#freeNode(right, areLeaves);
    this.#close(node, INNER_STRIDE, step + 1, 1);
    return true;
  }

  /**
   * Goes back up after one more item; `split` is the new right half of the leaf, or 0. `isLast`: the
   * item is the tree's last.
   */
  #mendAfterInsert(split: number, isLast: boolean): void {
    for (let level = this.#height - 1; level >= 0; level--) {
      let node = this.#path[level]!;
      let step = this.#steps[level]!;
      this.#mend(node, step, 1);
      if (split === 0) continue;
      const right = split;
      split = 0;
      const moved = this.#countIn(right, level === this.#height - 1);
      this.#mend(node, step, -moved);
      step++;
      if (this.#word(node, LENGTH) === INNER_ROOM) {
        const kept = isLast ? INNER_ROOM : INNER_ROOM >> 1;
        split = this.#split(node, INNER_STRIDE, kept);
        if (step > kept || isLast) {
          node = split;
          step -= kept;
        }
      }
      this.#open(node, INNER_STRIDE, step);
      this.#writeChild(node, step, right, moved);
    }
    if (split === 0) return;
    const moved = this.#countIn(split, this.#height === 0);
    const root = this.#createNode();
    this.#writeChild(root, 0, this.#root, this.count - moved);
    this.#writeChild(root, 1, split, moved);
    this.#arena.words(root)[this.#arena.wordOf(root) + LENGTH] = 2;
    this.#root = root;
    this.#height++;
  }

  /** Sets right what a node says of its child: the first item, and `more` members. */
  #mend(node: number, step: number, more: number): void {
    const child = this.#word(node, HEAD + step * INNER_STRIDE + CHILD);
    this.#writeChild(node, step, child, this.#word(node, COUNTS + step) + more);
  }

  #writeChild(node: number, step: number, child: number, count: number): void {
    const arena = this.#arena;
    const words = arena.words(node);
    const base = arena.wordOf(node);
    const at = base + HEAD + step * INNER_STRIDE;
    const from = arena.words(child);
    const first = arena.wordOf(child) + HEAD;
    words[at] = from[first]!;
    words[at + 1] = from[first + 1]!;
    words[at + ENTRY] = from[first + ENTRY]!;
    words[at + CHILD] = child;
    words[base + COUNTS + step] = count;
  }

  /** How many members a node has below it. */
  #countIn(node: number, isLeaf: boolean): number {
    const length = this.#word(node, LENGTH);
    if (isLeaf) return length;
    let count = 0;
    for (let i = 0; i < length; i++) count += this.#word(node, COUNTS + i);
    return count;
  }

  #splitLeaf(leaf: number, kept: number): number {
    const right = this.#split(leaf, LEAF_STRIDE, kept);
    const next = this.#word(leaf, NEXT);
    this.#setWord(right, PREVIOUS, leaf);
    this.#setWord(right, NEXT, next);
    this.#setWord(leaf, NEXT, right);
    if (next !== 0) this.#setWord(next, PREVIOUS, right);
    return right;
  }

  /** Moves a node's items from the one numbered `kept` on to a new node, which it returns. */
  #split(node: number, stride: number, kept: number): number {
    const arena = this.#arena;
    const right = this.#createNode();
    const words = arena.words(node);
    const base = arena.wordOf(node);
    const length = words[base + LENGTH]!;
    const items = words.subarray(base + HEAD + kept * stride, base + HEAD + length * stride);
    const to = arena.wordOf(right);
    arena.words(right).set(items, to + HEAD);
    if (stride === INNER_STRIDE) {
      const counts = words.subarray(base + COUNTS + kept, base + COUNTS + length);
      arena.words(right).set(counts, to + COUNTS);
    }
    words[base + LENGTH] = kept;
    this.#setWord(right, LENGTH, length - kept);
    return right;
  }

  /** Makes room for an item. */
  #open(node: number, stride: number, at: number): void {
    const words = this.#arena.words(node);
    const base = this.#arena.wordOf(node);
    const length = words[base + LENGTH]!;
    const from = base + HEAD + at * stride;
    if (at < length) {
      words.copyWithin(from + stride, from, base + HEAD + length * stride);
      if (stride === INNER_STRIDE) {
        const counts = base + COUNTS;
        words.copyWithin(counts + at + 1, counts + at, counts + length);
      }
    }
    words[base + LENGTH] = length + 1;
  }

  /** Takes `count` items out of a node. */
  #close(node: number, stride: number, at: number, count: number): void {
    const words = this.#arena.words(node);
    const base = this.#arena.wordOf(node);
    const length = words[base + LENGTH]!;
    const to = base + HEAD + at * stride;
    if (at + count < length) {
      words.copyWithin(to, to + count * stride, base + HEAD + length * stride);
      if (stride === INNER_STRIDE) {
        const counts = base + COUNTS;
        words.copyWithin(counts + at, counts + at + count, counts + length);
      }
    }
    words[base + LENGTH] = length - count;
  }

  #createNode(): number {
    const node = this.#arena.alloc(NODE_BYTES);
    const base = this.#arena.wordOf(node);
    this.#arena.words(node).fill(0, base, base + HEAD);
    this.#nodes++;
    return node;
  }

  #freeNode(node: number, isLeaf: boolean): void {
    if (isLeaf) {
      const previous = this.#word(node, PREVIOUS);
      const next = this.#word(node, NEXT);
      if (previous !== 0) this.#setWord(previous, NEXT, next);
      if (next !== 0) this.#setWord(next, PREVIOUS, previous);
    }
    this.#arena.free(node, NODE_BYTES);
    this.#nodes--;
  }

  #freeBelow(node: number, height: number): void {
    if (height > 0) {
      const length = this.#word(node, LENGTH);
      for (let i = 0; i < length; i++) {
        this.#freeBelow(this.#word(node, HEAD + i * INNER_STRIDE + CHILD), height - 1);
      }
    }
    this.#arena.free(node, NODE_BYTES);
  }

  #word(node: number, at: number): number {
    return this.#arena.words(node)[this.#arena.wordOf(node) + at]!;
  }

  #setWord(node: number, at: number, value: number): void {
    this.#arena.words(node)[this.#arena.wordOf(node) + at] = value;
  }
}
