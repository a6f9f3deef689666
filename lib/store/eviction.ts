/**
 * Eviction: what goes when memory is over `maxmemory`.
 *
 * For LRU, LFU and TTL each step looks at some keys of every database and keeps the best candidates
 * in a pool of 16, so the choice improves from one step to the next (Redis's approximation). A
 * candidate is remembered by its key, for it may change or go before its turn comes; one that is
 * gone is passed over. The random policies take the databases in turn.
 */
import type { Database } from "./database.ts";
import type { DatabaseContext } from "./database_context.ts";

export type EvictionPolicy =
  | "noeviction"
  | "allkeys-lru"
  | "allkeys-lfu"
  | "allkeys-random"
  | "volatile-lru"
  | "volatile-lfu"
  | "volatile-random"
  | "volatile-ttl";

const POOL_SIZE = 16;
/** The clock is read after so many keys. */
const KEYS_PER_CLOCK = 16;
const MAX_FREQUENCY = 255;

interface Candidate {
  /** The higher, the sooner it goes: idle seconds, lack of accesses, or nearness of the expiry. */
  readonly score: number;
  readonly db: Database;
  readonly key: Uint8Array;
}

export class Eviction {
  /** `maxmemory` in bytes; 0 for no limit. */
  maxMemory = 0;
  /** `maxmemory-samples`: keys looked at in each database for each key that goes. */
  samples = 5;
  /** `maxmemory-eviction-tenacity`, 0 to 100. */
  tenacity = 10;

  #policy: EvictionPolicy = "noeviction";
  /** Candidates, the best one last. */
  #pool: Candidate[] = [];
  /** The database that a random policy took last. */
  #last = 0;
  #willGoOn = false;
  readonly #dbs: readonly Database[];
  readonly #context: DatabaseContext;
  readonly #usedMemory: () => number;
  readonly #later: (run: () => void) => void;
  readonly #nowMs: () => number;

  /**
   * `usedMemory` tells the bytes that count against `maxmemory`; `later` calls a function when the
   * clients that wait have had their turn; `nowMs` is a clock that never goes back.
   */
  constructor(
    dbs: readonly Database[],
    context: DatabaseContext,
    usedMemory: () => number,
    later: (run: () => void) => void = (run) => setTimeout(run, 0),
    nowMs = () => performance.now(),
  ) {
    this.#dbs = dbs;
    this.#context = context;
    this.#usedMemory = usedMemory;
    this.#later = later;
    this.#nowMs = nowMs;
  }

  get policy(): EvictionPolicy {
    return this.#policy;
  }

  /** `maxmemory-policy`: candidates of another policy mean nothing. */
  set policy(policy: EvictionPolicy) {
    this.#policy = policy;
    this.#pool = [];
  }

  /**
   * Evicts until memory is within the limit, or for as long as the tenacity allows: then the rest
   * follows later. Returns false where nothing may go: then commands that need memory are refused.
   */
  makeRoom(): boolean {
    if (this.maxMemory === 0) return true;
    let excess = this.#usedMemory() - this.maxMemory;
    if (excess <= 0) return true;
    if (this.#policy === "noeviction") return false;
    const endMs = this.#nowMs() + this.#limitMs();
    for (let evicted = 1;; evicted++) {
      const freed = this.#evictOne();
      if (freed === undefined) return false;
      excess -= freed;
      if (excess <= 0) return true;
      if (evicted % KEYS_PER_CLOCK === 0 && this.#nowMs() > endMs) {
        this.#goOnLater();
        return true;
      }
    }
  }

  /** How long clients may wait for one call: Redis's curve. */
  #limitMs(): number {
    const { tenacity } = this;
    if (tenacity <= 10) return 0.05 * tenacity;
    return tenacity < 100 ? 0.5 * 1.15 ** (tenacity - 10) : Infinity;
  }

  #goOnLater(): void {
    if (this.#willGoOn) return;
    this.#willGoOn = true;
    this.#later(() => {
      this.#willGoOn = false;
      this.makeRoom();
    });
  }

  /** Evicts the key that the policy chooses and returns how many bytes that freed. */
  #evictOne(): number | undefined {
    if (this.#policy.endsWith("-random")) return this.#evictAtRandom();
    for (;;) {
      let keys = 0;
      for (const db of this.#dbs) keys += this.#lookAt(db);
      if (keys === 0) return undefined;
      for (let best = this.#pool.pop(); best !== undefined; best = this.#pool.pop()) {
        const { db, key } = best;
        const entry = db.map.find(key, 0, key.length);
        if (entry !== 0 && (this.#allKeys || db.isVolatile(entry))) return evict(db, entry, key);
      }
    }
  }

  #evictAtRandom(): number | undefined {
    const dbs = this.#dbs;
    for (let i = 0; i < dbs.length; i++) {
      this.#last = (this.#last + 1) % dbs.length;
      const db = dbs[this.#last]!;
      if (this.#candidates(db) === 0) continue;
      const entry = this.#sample(db);
      return evict(db, entry, db.map.key(entry));
    }
    return undefined;
  }

  get #allKeys(): boolean {
    return this.#policy.startsWith("allkeys-");
  }

  /** How many keys of a database the policy may choose among. */
  #candidates(db: Database): number {
    return this.#allKeys ? db.size : db.volatileCount;
  }

  /** One of them at random. */
  #sample(db: Database): number {
    const { random } = this.#context;
    return this.#allKeys
      ? db.map.sample(random)
      : db.volatile[Math.floor(random() * db.volatileCount)]!;
  }

  /** Offers some keys of a database to the pool, or all where they are few; returns how many it has. */
  #lookAt(db: Database): number {
    const count = this.#candidates(db);
    if (count > this.samples) {
      for (let i = 0; i < this.samples; i++) this.#offer(db, this.#sample(db));
    } else if (this.#allKeys) {
      let cursor = 0;
      do cursor = db.map.scan(cursor, (entry) => this.#offer(db, entry)); while (cursor !== 0);
    } else {
      for (let i = 0; i < count; i++) this.#offer(db, db.volatile[i]!);
    }
    return count;
  }

  /** Puts a key into the pool if it is better than the worst there, or there is room. */
  #offer(db: Database, entry: number): void {
    const pool = this.#pool;
    const score = this.#score(db, entry);
    let at = 0;
    while (at < pool.length && pool[at]!.score < score) at++;
    if (pool.length === POOL_SIZE) {
      if (at === 0) return;
      pool.shift();
      at--;
    }
    pool.splice(at, 0, { score, db, key: db.map.key(entry) });
  }

  #score(db: Database, entry: number): number {
    if (this.#policy === "volatile-ttl") return -db.expiryMs(entry);
    const { access } = this.#context;
    const bits = db.accessBits(entry);
    return this.#policy.endsWith("-lfu")
      ? MAX_FREQUENCY - access.frequency(bits)
      : access.idleSeconds(bits);
  }
}

/** Removes a key and tells of it; returns how many bytes that freed. */
function evict(db: Database, entry: number, key: Uint8Array): number {
  const before = db.usedBytes;
  db.removeWatched(entry, "eviction-del");
  const freed = before - db.usedBytes;
  db.context.stats.evicted++;
  db.context.listener.keyEvicted(db, key, 0, key.length);
  return freed;
}
