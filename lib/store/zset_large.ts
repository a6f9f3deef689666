/**
 * A large sorted set (OBJECT ENCODING says `skiplist`): members in a {@link ByteMap}, their order in a
 * {@link ZsetTree}. A member's entry is
 *
 *     key length | low half of the score | high half | the member's bytes …
 *
 * The score there is exact, -0 included; the tree has it in a form of its own.
 */
import { Arena } from "../bytes/arena.ts";
import { ByteMap } from "../bytes/byte_map.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { StoredObject } from "./database.ts";
import { ZsetTree } from "./zset_tree.ts";

const SCORE = 1;
/** Bytes from an entry's beginning to the member. */
const MEMBER_OFFSET = 12;
/** About what the objects of the heap take. */
const OBJECT_BYTES = 400;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

export class LargeZset implements StoredObject {
  readonly arena: Arena;
  readonly map: ByteMap;
  readonly tree: ZsetTree;
  #memberBytes = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.map = new ByteMap(arena, MEMBER_OFFSET);
    this.tree = new ZsetTree(this.map);
  }

  get length(): number {
    return this.map.count;
  }

  /** The entry of a member, or 0. */
  find(buf: Uint8Array, off: number, len: number): number {
    return this.map.find(buf, off, len);
  }

  score(entry: number): number {
    const words = this.arena.words(entry);
    const at = this.arena.wordOf(entry) + SCORE;
    halves[0] = words[at]!;
    halves[1] = words[at + 1]!;
    return double[0]!;
  }

  /** Adds a member that is not there. */
  add(buf: Uint8Array, off: number, len: number, score: number, hash?: number): void {
    this.tree.insert(score, this.addUnordered(buf, off, len, score, hash));
  }

  setScore(entry: number, score: number): void {
    this.tree.update(this.score(entry), score, entry);
    this.setUnorderedScore(entry, score);
  }

  remove(entry: number): void {
    this.tree.remove(this.score(entry), entry);
    this.forget(entry);
  }

  removeRange(from: number, count: number): void {
    this.#doomed.length = 0;
    this.tree.removeRange(from, count, this.#collectDoomed);
    for (const entry of this.#doomed) this.forget(entry);
    this.#doomed.length = 0;
  }

  rank(entry: number): number {
    return this.tree.rank(this.score(entry), entry);
  }

  /**
   * Adds a member that is not there, without order: until {@link LargeZset.order} the set can only
   * find members, and change scores by {@link LargeZset.setUnorderedScore}. Returns the entry.
   */
  addUnordered(
    buf: Uint8Array,
    off: number,
    len: number,
    score: number,
    hash = hashBytes(buf, off, len),
  ): number {
    const { arena, map } = this;
    const bytes = map.headBytes(len);
    const entry = arena.alloc(bytes);
    map.writeKey(entry, buf, off, len);
    this.setUnorderedScore(entry, score);
    map.insert(hash, entry);
    this.#memberBytes += Arena.blockBytes(bytes);
    return entry;
  }

  setUnorderedScore(entry: number, score: number): void {
    const words = this.arena.words(entry);
    const at = this.arena.wordOf(entry) + SCORE;
    double[0] = score;
    words[at] = halves[0]!;
    words[at + 1] = halves[1]!;
  }

  /**
   * Puts all members into order, whose entries these are: fastest where the greatest comes first, as
   * in RDB.
   */
  orderFrom(entries: Int32Array): void {
    for (let i = entries.length - 1; i >= 0; i--) {
      this.tree.insert(this.score(entries[i]!), entries[i]!);
    }
  }

  /** Puts all members into order, after {@link LargeZset.addUnordered}. */
  order(): void {
    this.#each((entry) => this.tree.insert(this.score(entry), entry));
  }

  copy(arena: Arena): LargeZset {
    const copy = new LargeZset(arena);
    const { map } = this;
    this.tree.walk(0, this.length, false, (entry) => {
      copy.add(map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry), this.score(entry));
    });
    return copy;
  }

  free(): void {
    const { arena, map } = this;
    this.#each((entry) => {
      map.freeLongKey(entry);
      arena.free(entry, map.headBytes(map.keyLen(entry)));
    });
    this.tree.free();
    map.release();
  }

  get heapBytes(): number {
    return OBJECT_BYTES + this.map.indexBytes;
  }

  arenaBytes(_samples: number): number {
    return this.#memberBytes + this.tree.bytes;
  }

  /** Entries on their way out: they are freed when the tree no longer needs their bytes. */
  readonly #doomed: number[] = [];
  readonly #collectDoomed = (entry: number) => {
    this.#doomed.push(entry);
  };

  /** Frees the entry of a member that the tree no longer has. */
  forget(entry: number): void {
    const { arena, map } = this;
    map.remove(map.hashOf(entry), entry);
    map.freeLongKey(entry);
    const bytes = map.headBytes(map.keyLen(entry));
    arena.free(entry, bytes);
    this.#memberBytes -= Arena.blockBytes(bytes);
  }

  #each(visit: (entry: number) => void): void {
    let cursor = 0;
    do cursor = this.map.scan(cursor, visit); while (cursor !== 0);
  }
}
