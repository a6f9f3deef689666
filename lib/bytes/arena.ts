/**
 * Memory for keys and values outside V8's heap: size classes over slabs of 1 MiB.
 *
 * A reference is 32 bits: 15 for the slab, 17 for the 8-byte unit in it, so an arena reaches
 * 32 GiB. A slab holds blocks of one size class and counts those in use; one that falls empty is
 * given back, for other classes or the allocator. The owner of a reference keeps the length and
 * hands it back to {@link Arena.free}: blocks have no header. A free block's first four bytes link
 * to the slab's next free block.
 *
 * Reference 0 is no block. What is longer than {@link MAX_BLOCK} has an ArrayBuffer of its own, and its reference is a
 * number in a table; `length > MAX_BLOCK` tells the two kinds apart everywhere.
 */
import { equalBytes } from "./compare.ts";

const SLAB_BYTES = 1 << 20;
const UNIT_BITS = 17;
const UNIT_MASK = (1 << UNIT_BITS) - 1;
/** One less than 15 bits can number, so that no reference is -1. */
const MAX_SLABS = (1 << 15) - 1;

/** The longest block inside a slab, in bytes. */
export const MAX_BLOCK = 1 << 17;

/** Bytes of a block, by class: every multiple of 8 up to 128, then four steps a doubling. */
const CLASS_BYTES = classSizes();
/** The class for a length, by its number of 8-byte units. */
const CLASS_OF_UNITS = classTable();

const NONE = -1;

/** Thrown where 32 GiB of slabs are not enough. */
export class ArenaFullError extends Error {
  constructor() {
    super("Cannot allocate: a database's arena has reached its 32 GiB");
  }
}

export class Arena {
  /** Bytes in use, rounded up to blocks. */
  usedBytes = 0;
  /** Bytes of arrays beside the arena that belong to its owner's data (indexes): their users count them. */
  besideBytes = 0;

  #slabs: Uint8Array[] = [];
  #words: Int32Array[] = [];
  #slabClass: number[] = [];
  /** Byte offset of the first block never used; the blocks before it are in use or linked free. */
  #fresh: number[] = [];
  /** First free block's unit, or NONE. */
  #freeUnit: number[] = [];
  #inUse: number[] = [];
  /** Slabs of a class that have room, as a doubly linked list. */
  #roomy = new Int32Array(CLASS_BYTES.length).fill(NONE);
  #next: number[] = [];
  #previous: number[] = [];
  #freeSlabIds: number[] = [];
  #large: Uint8Array[] = [];
  #freeLargeIds: number[] = [];

  /** Room for `length` bytes; what they hold is undefined. */
  alloc(length: number): number {
    if (length === 0) return 0;
    if (length > MAX_BLOCK) return this.#allocLarge(length);
    const cls = CLASS_OF_UNITS[(length + 7) >>> 3]!;
    let slab = this.#roomy[cls]!;
    if (slab === NONE) slab = this.#addSlab(cls);
    const size = CLASS_BYTES[cls]!;
    this.usedBytes += size;
    this.#inUse[slab]!++;
    let unit = this.#freeUnit[slab]!;
    if (unit !== NONE) {
      this.#freeUnit[slab] = this.#words[slab]![unit << 1]!;
    } else {
      const at = this.#fresh[slab]!;
      unit = at >>> 3;
      this.#fresh[slab] = at + size;
    }
    if (this.#freeUnit[slab] === NONE && this.#fresh[slab]! + size > SLAB_BYTES) {
      this.#unlink(slab, cls);
    }
    return (slab << UNIT_BITS) | unit;
  }

  /** Gives back what {@link Arena.alloc} gave for this length. */
  free(ref: number, length: number): void {
    if (length === 0) return;
    if (length > MAX_BLOCK) return this.#freeLarge(ref);
    const slab = ref >>> UNIT_BITS;
    const cls = this.#slabClass[slab]!;
    const size = CLASS_BYTES[cls]!;
    const wasFull = this.#freeUnit[slab] === NONE && this.#fresh[slab]! + size > SLAB_BYTES;
    const unit = ref & UNIT_MASK;
    this.#words[slab]![unit << 1] = this.#freeUnit[slab]!;
    this.#freeUnit[slab] = unit;
    this.usedBytes -= size;
    const inUse = this.#inUse[slab]! - 1;
    this.#inUse[slab] = inUse;
    if (wasFull) this.#link(slab, cls);
    // The class's only roomy slab stays, or a lone key set and deleted would ask for one each time.
    if (inUse === 0 && (this.#next[slab] !== NONE || this.#previous[slab] !== NONE)) {
      this.#dropSlab(slab, cls);
    }
  }

  /** The array that holds a block; read it from {@link Arena.off} on. */
  buf(ref: number, length: number): Uint8Array {
    return length > MAX_BLOCK ? this.#large[ref]! : this.#slabs[ref >>> UNIT_BITS] ?? NO_BYTES;
  }

  /** Where in {@link Arena.buf} the block begins. */
  off(ref: number, length: number): number {
    return length > MAX_BLOCK ? 0 : (ref & UNIT_MASK) << 3;
  }

  /** For a block that is not a large one: the slab it stands in … */
  slab(ref: number): Uint8Array {
    return this.#slabs[ref >>> UNIT_BITS]!;
  }

  /** … its first byte there … */
  byteOf(ref: number): number {
    return (ref & UNIT_MASK) << 3;
  }

  /** … the same slab as words … */
  words(ref: number): Int32Array {
    return this.#words[ref >>> UNIT_BITS]!;
  }

  /** … and the block's first word there. */
  wordOf(ref: number): number {
    return (ref & UNIT_MASK) << 1;
  }

  /** A block with a copy of these bytes. */
  put(src: Uint8Array, off: number, length: number): number {
    const ref = this.alloc(length);
    this.write(ref, length, src, off);
    return ref;
  }

  /** Copies `length` bytes into a block of that length. */
  write(ref: number, length: number, src: Uint8Array, off: number): void {
    if (length === 0) return;
    copyBytes(src, off, this.buf(ref, length), this.off(ref, length), length);
  }

  /** Whether a block holds just these bytes. */
  equals(ref: number, length: number, src: Uint8Array, off: number): boolean {
    return equalBytes(this.buf(ref, length), this.off(ref, length), src, off, length);
  }

  /** Whether a block of `from` bytes can hold `to` bytes where it stands. */
  fits(ref: number, from: number, to: number): boolean {
    if (from > MAX_BLOCK || to > MAX_BLOCK) {
      if (from <= MAX_BLOCK || to <= MAX_BLOCK) return false;
      const capacity = this.#large[ref]!.length;
      return to <= capacity && to >= capacity >>> 1;
    }
    if (to > from) return from > 0 && to <= CLASS_BYTES[this.#slabClass[ref >>> UNIT_BITS]!]!;
    return to > 0 && CLASS_OF_UNITS[(from + 7) >>> 3] === CLASS_OF_UNITS[(to + 7) >>> 3];
  }

  /** A block of `to` bytes that begins with the old one's bytes; the old reference is void. */
  resize(ref: number, from: number, to: number): number {
    if (this.fits(ref, from, to)) return ref;
    // Growing by a quarter keeps a row of appends linear; classes do so for shorter blocks.
    const grown = from > MAX_BLOCK && to > from
      ? this.#allocLarge(to, Math.max(to, Math.floor(from * 1.25)))
      : this.alloc(to);
    const kept = Math.min(from, to);
    if (kept > 0) {
      copyBytes(
        this.buf(ref, from),
        this.off(ref, from),
        this.buf(grown, to),
        this.off(grown, to),
        kept,
      );
    }
    this.free(ref, from);
    return grown;
  }

  /**
   * Bytes that a block takes. An owner may ask for more than it uses at first: a block of `length`
   * bytes grows where it stands as far as the bytes that were asked for.
   */
  bytesOf(ref: number, length: number): number {
    if (length > MAX_BLOCK) return this.#large[ref]!.length;
    return length === 0 ? 0 : CLASS_BYTES[this.#slabClass[ref >>> UNIT_BITS]!]!;
  }

  /** The block with no more room than `length` bytes need; the old reference is void. */
  fit(ref: number, length: number): number {
    if (length > MAX_BLOCK || this.bytesOf(ref, length) === Arena.blockBytes(length)) return ref;
    const fitting = this.put(this.buf(ref, length), this.off(ref, length), length);
    this.free(ref, length);
    return fitting;
  }

  /** Whether blocks of these two lengths are of one size. */
  static sameSize(a: number, b: number): boolean {
    return CLASS_OF_UNITS[(a + 7) >>> 3] === CLASS_OF_UNITS[(b + 7) >>> 3];
  }

  /** Bytes that a block takes for which this length was asked. */
  static blockBytes(length: number): number {
    if (length === 0) return 0;
    return length > MAX_BLOCK ? length : CLASS_BYTES[CLASS_OF_UNITS[(length + 7) >>> 3]!]!;
  }

  /** Gives everything back; the arena is not used afterwards. */
  release(): void {
    for (const slab of this.#slabs) if (slab.length > 0) releaseArray(slab);
    for (const large of this.#large) if (large.length > 0) releaseArray(large);
    this.#slabs = [];
    this.#words = [];
    this.#large = [];
  }

  #allocLarge(length: number, capacity = length): number {
    const id = this.#freeLargeIds.pop() ?? this.#large.length;
    this.#large[id] = new Uint8Array(capacity);
    this.usedBytes += capacity;
    return id;
  }

  #freeLarge(id: number): void {
    this.usedBytes -= this.#large[id]!.length;
    releaseArray(this.#large[id]!);
    this.#large[id] = NO_BYTES;
    this.#freeLargeIds.push(id);
  }

  #addSlab(cls: number): number {
    const slab = this.#freeSlabIds.pop() ?? this.#slabs.length;
    if (slab >= MAX_SLABS) throw new ArenaFullError();
    const bytes = new Uint8Array(SLAB_BYTES);
    this.#slabs[slab] = bytes;
    this.#words[slab] = new Int32Array(bytes.buffer);
    this.#slabClass[slab] = cls;
    // The first block of slab 0 stays unused: its reference would be 0.
    this.#fresh[slab] = slab === 0 ? CLASS_BYTES[cls]! : 0;
    this.#freeUnit[slab] = NONE;
    this.#inUse[slab] = 0;
    this.#link(slab, cls);
    return slab;
  }

  #dropSlab(slab: number, cls: number): void {
    this.#unlink(slab, cls);
    releaseArray(this.#slabs[slab]!);
    this.#slabs[slab] = NO_BYTES;
    this.#words[slab] = NO_WORDS;
    this.#fresh[slab] = 0;
    this.#freeSlabIds.push(slab);
  }

  #link(slab: number, cls: number): void {
    const head = this.#roomy[cls]!;
    this.#next[slab] = head;
    this.#previous[slab] = NONE;
    if (head !== NONE) this.#previous[head] = slab;
    this.#roomy[cls] = slab;
  }

  #unlink(slab: number, cls: number): void {
    const next = this.#next[slab]!;
    const previous = this.#previous[slab]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#roomy[cls] = next;
  }
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);

/**
 * Gives an array's memory back to the allocator now: the collector takes its time over memory outside
 * its heap. Nobody may use the array, or another view of its buffer, afterwards.
 */
export function releaseArray(array: Uint8Array | Int32Array): void {
  (array.buffer as ArrayBuffer).transfer(0);
}

/** Copies bytes; below about 48 a loop beats the call into the engine. */
export function copyBytes(
  src: Uint8Array,
  from: number,
  dst: Uint8Array,
  to: number,
  length: number,
): void {
  if (length <= 48) {
    const shift = to - from;
    const end = from + length;
    for (let i = from; i < end; i++) dst[i + shift] = src[i]!;
  } else {
    dst.set(src.subarray(from, from + length), to);
  }
}

function classSizes(): number[] {
  const sizes: number[] = [];
  for (let size = 8; size <= 128; size += 8) sizes.push(size);
  for (let base = 128; base < MAX_BLOCK; base *= 2) {
    for (let step = 1; step <= 4; step++) sizes.push(base + (base / 4) * step);
  }
  return sizes;
}

function classTable(): Uint8Array {
  const table = new Uint8Array(MAX_BLOCK / 8 + 1);
  let cls = 0;
  for (let units = 0; units < table.length; units++) {
    if (units * 8 > CLASS_BYTES[cls]!) cls++;
    table[units] = cls;
  }
  return table;
}
