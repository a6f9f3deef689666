/**
 * Access bits of a key, for eviction and OBJECT IDLETIME and FREQ: 24 bits above a record's type and
 * encoding. LRU: the second of the last access, modulo 2^24. LFU (Redis's): 16 bits of the minute of
 * the last decrement and a logarithmic counter of 8 bits.
 */
import type { Database } from "./database.ts";
import type { CachedTime } from "./time.ts";

/** The counter that a new key starts with, so that it is not evicted at once. */
const LFU_INITIAL = 5;
const LRU_MASK = 0xffffff;
/** What Redis adds where its clock of 24 bits has wrapped around: one second is lost. */
const LRU_WRAP = LRU_MASK;

export class AccessPolicy {
  /** Whether an LFU policy is in force … */
  lfu = false;
  /** … or an LRU policy, so that snapshots tell how long keys were idle. */
  lru = false;
  /** False while a command runs for a client with CLIENT NO-TOUCH. */
  touching = true;
  /** `lfu-log-factor`: the higher, the more accesses fill the counter. */
  lfuLogFactor = 10;
  /** `lfu-decay-time`, minutes a step; 0 for never. */
  lfuDecayMinutes = 1;

  readonly #time: CachedTime;
  readonly #random: () => number;

  constructor(time: CachedTime, random: () => number) {
    this.#time = time;
    this.#random = random;
  }

  /** The bits of a key that comes into being, in place above type and encoding. */
  fresh(): number {
    return (this.lfu ? (this.#minutes() << 8) | LFU_INITIAL : this.#time.lruSeconds) << 8;
  }

  /** A record's word with an access counted. */
  touched(meta: number): number {
    if (!this.touching) return meta;
    if (!this.lfu) return (meta & 0xff) | (this.#time.lruSeconds << 8);
    const counter = this.#bump(this.frequency(meta >>> 8));
    return (meta & 0xff) | (((this.#minutes() << 8) | counter) << 8);
  }

  /** Seconds since the last access of these bits (LRU). */
  idleSeconds(bits: number): number {
    const idle = this.#time.lruSeconds - bits;
    return idle >= 0 ? idle : idle + LRU_WRAP;
  }

  /** Bits that say "idle for so many seconds" (LRU). */
  bitsForIdle(seconds: number): number {
    const at = this.#time.lruSeconds - seconds;
    return (at >= 0 ? at : at + LRU_WRAP) & LRU_MASK;
  }

  /** The counter of these bits, decayed to now (LFU). */
  frequency(bits: number): number {
    const counter = bits & 0xff;
    if (this.lfuDecayMinutes === 0) return counter;
    const elapsed = (this.#minutes() - (bits >>> 8)) & 0xffff;
    return Math.max(0, counter - Math.floor(elapsed / this.lfuDecayMinutes));
  }

  /** Bits with this counter, decremented last now (LFU). */
  bitsForFrequency(counter: number): number {
    return (this.#minutes() << 8) | counter;
  }

  #minutes(): number {
    return Math.floor(this.#time.nowMs / 60_000) & 0xffff;
  }

  #bump(counter: number): number {
    if (counter === 255) return 255;
    const chance = 1 / (Math.max(0, counter - LFU_INITIAL) * this.lfuLogFactor + 1);
    return this.#random() < chance ? counter + 1 : counter;
  }
}

/** Gives a key the access that was saved with it, as the eviction policy counts it; -1 stands for none. */
export function setAccess(
  db: Database,
  entry: number,
  idleSeconds: number,
  frequency: number,
): void {
  const { access } = db.context;
  if (access.lfu) {
    if (frequency >= 0) db.setAccessBits(entry, access.bitsForFrequency(frequency));
  } else if (idleSeconds >= 0) {
    db.setAccessBits(entry, access.bitsForIdle(idleSeconds));
  }
}
