/**
 * HyperLogLog: 16384 registers that estimate how many different elements were added, kept in a string
 * in Redis's format, byte for byte.
 *
 *     "HYLL" | encoding (1) | unused (3) | cardinality (8, little-endian; top bit: out of date) | registers
 *
 * Dense: six bits a register, from the low bits of the first byte on. Sparse: runs of registers that
 * are equal, 00xxxxxx being up to 64 zeros, 01xxxxxx xxxxxxxx up to 16384 zeros, 1vvvvvxx up to 4
 * registers with a value of up to 32; it becomes dense when it grows beyond `hll-sparse-max-bytes` or
 * a register beyond 32.
 *
 * An element's hash chooses a register by its low 14 bits; how many zeros follow above them, plus one,
 * is what the register keeps the maximum of. The estimator is that of Ertl, "New cardinality
 * estimation algorithms for HyperLogLog sketches" (2017).
 */
import { copyBytes } from "../bytes/arena.ts";
import { joinInt64 } from "../bytes/int64.ts";
import { murmur, murmurHash64 } from "../bytes/murmur.ts";
import { ReplyError } from "../resp/reply_error.ts";
import { type Database, ENCODING } from "./database.ts";
import { addZeros, extendString, readString, stringLength } from "./string_value.ts";

export const REGISTERS = 16384;
const INDEX_BITS = 14;
/** Bits of a hash that are counted. */
const RANK_BITS = 64 - INDEX_BITS;
const MAX_REGISTER = 63;
const HASH_SEED = 0xadc83b19 | 0;

const HEADER = 16;
const ENCODING_AT = 4;
const CARDINALITY_AT = 8;
const DENSE = 0;
const SPARSE = 1;
const DENSE_BYTES = HEADER + REGISTERS * 6 / 8;
const MAGIC = 0x4c4c5948;

const MAX_ZEROS = 64;
const MAX_SPARSE_VALUE = 32;
const MAX_VALUE_RUN = 4;
/** After a change so many runs are looked at for neighbours that are one run. */
const RUNS_LOOKED_AT = 5;

const ALPHA = 0.721347520444481703680;

const CORRUPTED_HYPERLOGLOG = new ReplyError("INVALIDOBJ Corrupted HLL object detected");

/** Whether a string value is a HyperLogLog as far as its head tells. */
export function isHyperLogLog(db: Database, entry: number): boolean {
  const { buf, off, len } = readString(db, entry);
  if (len < HEADER || readWord(buf, off) !== MAGIC) return false;
  const encoding = buf[off + ENCODING_AT]!;
  return encoding === DENSE ? len === DENSE_BYTES : encoding === SPARSE;
}

/** A run of a sparse HyperLogLog: how many registers, their value, and its own bytes. */
const run = { length: 0, value: 0, bytes: 0 };
/** What a run is replaced with: two runs of zeros, two bytes each, and a value between. */
const sequence = new Uint8Array(5);
const histogram = new Int32Array(MAX_REGISTER + 1);

/**
 * A handle on a HyperLogLog in the value of an entry, which is `raw`. It keeps the entry's value right
 * at all times; the entry's number does not change. Throws {@link CORRUPTED_HYPERLOGLOG} where runs
 * make no sense.
 */
export class HyperLogLog {
  #db!: Database;
  #entry = 0;
  #ref = 0;
  #len = 0;
  #buf!: Uint8Array;
  #off = 0;

  /** Takes an entry's value, making it `raw` where it is not. */
  open(db: Database, entry: number): this {
    this.#db = db;
    this.#entry = extendString(db, entry, stringLength(db, entry));
    this.#place(db.low(this.#entry), db.high(this.#entry));
    return this;
  }

  /** Adds a key that is not there with an empty, sparse one. */
  create(db: Database, key: Uint8Array, off: number, len: number, hash: number): this {
    this.open(db, addZeros(db, key, off, len, HEADER + 2, hash));
    writeWord(this.#buf, this.#off, MAGIC);
    this.#buf[this.#off + ENCODING_AT] = SPARSE;
    writeZeros(this.#buf, this.#off + HEADER, REGISTERS);
    return this;
  }

  get isDense(): boolean {
    return this.#buf[this.#off + ENCODING_AT] === DENSE;
  }

  /** Adds an element; returns whether a register changed. */
  add(buf: Uint8Array, off: number, len: number, maxSparseBytes: number): boolean {
    murmurHash64(buf, off, len, HASH_SEED);
    const index = murmur.low & (REGISTERS - 1);
    const low = murmur.low >>> INDEX_BITS | murmur.high << (32 - INDEX_BITS);
    // The bit behind the last one makes the count end.
    const high = murmur.high >>> INDEX_BITS | 1 << (RANK_BITS - 32);
    const rank = low !== 0 ? trailingZeros(low) + 1 : trailingZeros(high) + 33;
    return this.raise(index, rank, maxSparseBytes);
  }

  /** Makes a register at least `rank`; returns whether it was less. */
  raise(index: number, rank: number, maxSparseBytes: number): boolean {
    if (this.isDense) return raiseDense(this.#buf, this.#off + HEADER, index, rank);
    if (rank <= MAX_SPARSE_VALUE) {
      const raised = this.#raiseSparse(index, rank, maxSparseBytes);
      if (raised !== undefined) return raised;
    }
    this.toDense();
    return raiseDense(this.#buf, this.#off + HEADER, index, rank);
  }

  /** Makes a sparse one dense. */
  toDense(): void {
    if (this.isDense) return;
    const registers = new Uint8Array(REGISTERS);
    this.mergeInto(registers);
    const { arena } = this.#db;
    const ref = arena.resize(this.#ref, this.#len, DENSE_BYTES);
    this.#place(ref, DENSE_BYTES);
    this.#db.setValue(this.#entry, ENCODING.raw, ref, DENSE_BYTES);
    const buf = this.#buf;
    const at = this.#off + HEADER;
    buf[this.#off + ENCODING_AT] = DENSE;
    buf.fill(0, at, this.#off + DENSE_BYTES);
    for (let i = 0; i < REGISTERS; i++) {
      if (registers[i] !== 0) raiseDense(buf, at, i, registers[i]!);
    }
  }

  /** Raises each of 16384 registers, a byte each, to what it is here. */
  mergeInto(registers: Uint8Array): void {
    mergeBytes(this.#buf, this.#off, this.#len, registers);
  }

  // ---- cardinality ---------------------------------------------------------------------------------

  /** The cardinality that is kept, if it is up to date. */
  get cached(): number | bigint | undefined {
    const at = this.#off + CARDINALITY_AT;
    const high = readWord(this.#buf, at + 4);
    return high < 0 ? undefined : joinInt64(readWord(this.#buf, at), high);
  }

  /** Estimates the cardinality and keeps it. */
  count(): number {
    const buf = this.#buf;
    const off = this.#off;
    histogram.fill(0);
    if (this.isDense) countDense(buf, off + HEADER);
    else countSparse(buf, off + HEADER, off + this.#len);
    const count = estimate();
    writeWord(buf, off + CARDINALITY_AT, count | 0);
    writeWord(buf, off + CARDINALITY_AT + 4, Math.floor(count / 2 ** 32));
    return count;
  }

  /** Tells that the cardinality which is kept is out of date. */
  invalidate(): void {
    this.#buf[this.#off + CARDINALITY_AT + 7]! |= 0x80;
  }

  /** The runs of a sparse one: `z:` zeros, `Z:` more zeros, `v:` a value and how often. */
  describe(): string {
    const words: string[] = [];
    const end = this.#off + this.#len;
    for (let at = this.#off + HEADER; at < end; at += run.bytes) {
      readRun(this.#buf, at, end);
      if (run.value > 0) words.push(`v:${run.value},${run.length}`);
      else words.push(`${run.bytes === 1 ? "z" : "Z"}:${run.length}`);
    }
    return words.join(" ");
  }

  // ---- sparse --------------------------------------------------------------------------------------

  /** {@link HyperLogLog.raise}; undefined, and nothing done, where it must become dense first. */
  #raiseSparse(index: number, rank: number, maxSparseBytes: number): boolean | undefined {
    const buf = this.#buf;
    const end = this.#off + this.#len;
    let at = this.#off + HEADER;
    let before = at;
    let first = 0;
    for (;;) {
      if (at >= end) throw CORRUPTED_HYPERLOGLOG;
      readRun(buf, at, end);
      if (at + run.bytes > end) throw CORRUPTED_HYPERLOGLOG;
      if (index < first + run.length) break;
      first += run.length;
      before = at;
      at += run.bytes;
    }
    const { value, length, bytes } = run;
    if (value >= rank) return false;
    if (length === 1 && bytes === 1) {
      buf[at] = valueRun(rank, 1);
    } else {
      let to = writeRun(0, value, index - first);
      sequence[to++] = valueRun(rank, 1);
      to = writeRun(to, value, first + length - 1 - index);
      if (to > bytes && this.#len + to - bytes > maxSparseBytes) return undefined;
      before -= this.#off;
      this.#splice(at - this.#off, bytes, to);
      before += this.#off;
    }
    this.#joinRuns(before);
    this.invalidate();
    return true;
  }

  /** Puts the first `count` bytes of `sequence` in place of `old` bytes at `place` of the value. */
  #splice(place: number, old: number, count: number): void {
    const len = this.#len;
    if (count > old) this.#resize(len + count - old);
    const off = this.#off;
    if (count !== old) this.#buf.copyWithin(off + place + count, off + place + old, off + len);
    copyBytes(sequence, 0, this.#buf, off + place, count);
    if (count < old) this.#resize(len + count - old);
  }

  /** From the run at `at` on, makes one run of two beside each other with the same value. */
  #joinRuns(at: number): void {
    for (let i = 0; i < RUNS_LOOKED_AT && at < this.#off + this.#len; i++) {
      const buf = this.#buf;
      const end = this.#off + this.#len;
      readRun(buf, at, end);
      const { value, length, bytes } = run;
      if (value > 0 && at + 1 < end) {
        readRun(buf, at + 1, end);
        if (run.value === value && length + run.length <= MAX_VALUE_RUN) {
          sequence[0] = valueRun(value, length + run.length);
          const place = at - this.#off;
          this.#splice(place, 2, 1);
          at = this.#off + place;
          continue;
        }
      }
      at += bytes;
    }
  }

  #resize(len: number): void {
    const ref = this.#db.arena.resize(this.#ref, this.#len, len);
    this.#place(ref, len);
    this.#db.setValue(this.#entry, ENCODING.raw, ref, len);
  }

  #place(ref: number, len: number): void {
    const { arena } = this.#db;
    this.#ref = ref;
    this.#len = len;
    this.#buf = arena.buf(ref, len);
    this.#off = arena.off(ref, len);
  }
}

/** Whether a HyperLogLog's bytes say that it is dense. */
export function isDenseValue(db: Database, entry: number): boolean {
  const { buf, off } = readString(db, entry);
  return buf[off + ENCODING_AT] === DENSE;
}

/** {@link HyperLogLog.mergeInto} of a value that is only read, whatever its encoding. */
export function mergeValueInto(db: Database, entry: number, registers: Uint8Array): void {
  const { buf, off, len } = readString(db, entry);
  mergeBytes(buf, off, len, registers);
}

/** The cardinality that registers of a byte each stand for. */
export function countRegisters(registers: Uint8Array): number {
  histogram.fill(0);
  for (let i = 0; i < REGISTERS; i++) histogram[registers[i]!]!++;
  return estimate();
}

function mergeBytes(buf: Uint8Array, off: number, len: number, registers: Uint8Array): void {
  if (buf[off + ENCODING_AT] === DENSE) {
    for (let i = 0; i < REGISTERS; i++) {
      const value = denseRegister(buf, off + HEADER, i);
      if (value > registers[i]!) registers[i] = value;
    }
    return;
  }
  const end = off + len;
  let index = 0;
  for (let at = off + HEADER; at < end; at += run.bytes) {
    readRun(buf, at, end);
    const next = index + run.length;
    if (next > REGISTERS) throw CORRUPTED_HYPERLOGLOG;
    if (run.value > 0) {
      for (let i = index; i < next; i++) {
        if (run.value > registers[i]!) registers[i] = run.value;
      }
    }
    index = next;
  }
  if (index !== REGISTERS) throw CORRUPTED_HYPERLOGLOG;
}

// ---- runs -------------------------------------------------------------------------------------------

/** Reads the run at `at` into {@link run}; a byte missing at the end is 0. */
function readRun(buf: Uint8Array, at: number, end: number): void {
  const byte = buf[at]!;
  run.bytes = 1;
  if (byte >= 0x80) {
    run.value = (byte >>> 2 & 0x1f) + 1;
    run.length = (byte & 3) + 1;
    return;
  }
  run.value = 0;
  run.length = (byte & 0x3f) + 1;
  if (byte < 0x40) return;
  run.bytes = 2;
  run.length = ((byte & 0x3f) << 8 | (at + 1 < end ? buf[at + 1]! : 0)) + 1;
}

function valueRun(value: number, length: number): number {
  return 0x80 | (value - 1) << 2 | (length - 1);
}

/** Writes a run of a value or of zeros into `sequence`, if it is not empty; returns what is behind it. */
function writeRun(to: number, value: number, length: number): number {
  if (length === 0) return to;
  if (value === 0) return writeZeros(sequence, to, length);
  sequence[to] = valueRun(value, length);
  return to + 1;
}

function writeZeros(buf: Uint8Array, at: number, length: number): number {
  if (length <= MAX_ZEROS) {
    buf[at] = length - 1;
    return at + 1;
  }
  buf[at] = 0x40 | (length - 1) >>> 8;
  buf[at + 1] = (length - 1) & 0xff;
  return at + 2;
}

// ---- dense registers --------------------------------------------------------------------------------

function denseRegister(buf: Uint8Array, at: number, index: number): number {
  const bit = index * 6;
  const byte = at + (bit >>> 3);
  const shift = bit & 7;
  const value = buf[byte]! >>> shift;
  return (shift <= 2 ? value : value | buf[byte + 1]! << (8 - shift)) & MAX_REGISTER;
}

function raiseDense(buf: Uint8Array, at: number, index: number, rank: number): boolean {
  if (denseRegister(buf, at, index) >= rank) return false;
  const bit = index * 6;
  const byte = at + (bit >>> 3);
  const shift = bit & 7;
  buf[byte] = buf[byte]! & ~(MAX_REGISTER << shift) | rank << shift;
  if (shift > 2) {
    const rest = 8 - shift;
    buf[byte + 1] = buf[byte + 1]! & ~(MAX_REGISTER >>> rest) | rank >>> rest;
  }
  return true;
}

// ---- estimating -------------------------------------------------------------------------------------

/** Adds dense registers to the histogram: three bytes hold four. */
function countDense(buf: Uint8Array, at: number): void {
  for (const end = at + REGISTERS * 6 / 8; at < end; at += 3) {
    const bits = buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16;
    histogram[bits & MAX_REGISTER]!++;
    histogram[bits >>> 6 & MAX_REGISTER]!++;
    histogram[bits >>> 12 & MAX_REGISTER]!++;
    histogram[bits >>> 18]!++;
  }
}

function countSparse(buf: Uint8Array, at: number, end: number): void {
  let count = 0;
  for (; at < end; at += run.bytes) {
    readRun(buf, at, end);
    histogram[run.value]! += run.length;
    count += run.length;
  }
  if (count !== REGISTERS) throw CORRUPTED_HYPERLOGLOG;
}

/** The cardinality for the histogram of registers. */
function estimate(): number {
  const m = REGISTERS;
  let z = m * tau((m - histogram[RANK_BITS + 1]!) / m);
  for (let rank = RANK_BITS; rank >= 1; rank--) z = (z + histogram[rank]!) * 0.5;
  z += m * sigma(histogram[0]! / m);
  const count = ALPHA * m * m / z;
  // What C makes of a number that 64 bits do not hold.
  return count >= 2 ** 63 ? -(2 ** 63) : Math.round(count);
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  for (let previous = NaN; previous !== z;) {
    x *= x;
    previous = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  for (let previous = NaN; previous !== z;) {
    x = Math.sqrt(x);
    previous = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function readWord(buf: Uint8Array, at: number): number {
  return buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16 | buf[at + 3]! << 24;
}

function writeWord(buf: Uint8Array, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}
