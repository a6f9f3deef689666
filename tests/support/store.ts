/** Databases without a server, for tests of the store: a clock moved by hand, chance from a seed. */
import { latin1, latin1Bytes } from "../../lib/bytes/text.ts";
import { AccessPolicy } from "../../lib/store/access.ts";
import { Database } from "../../lib/store/database.ts";
import { type DatabaseContext, KeyspaceStats } from "../../lib/store/database_context.ts";
import { setString } from "../../lib/store/string_value.ts";
import { CachedTime } from "../../lib/store/time.ts";
import { Rng } from "./rng.ts";

export class TestStore {
  nowMs = 1_800_000_000_000;
  readonly context: DatabaseContext;
  readonly dbs: readonly Database[];
  /** What the store has told, as `expired 0 key`. */
  readonly told: string[] = [];
  /** The latency monitor, which is off. */
  readonly latency = {
    thresholdMs: 0,
    noted: [] as string[],
    note(event: string, ms: number, nowMs: number): void {
      this.noted.push(`${event} ${ms >= 0} ${nowMs}`);
    },
  };

  constructor(dbs: number, seed: number) {
    const rng = new Rng(seed);
    const random = () => rng.float();
    const time = new CachedTime(() => this.nowMs);
    const tell = (what: string) => (db: Database, buf: Uint8Array, off: number, len: number) => {
      this.told.push(`${what} ${db.number} ${latin1(buf, off, len)}`);
    };
    this.context = {
      time,
      access: new AccessPolicy(time, random),
      listener: {
        keyMissed() {},
        keyAdded() {},
        keyExpired: tell("expired"),
        keyEvicted: tell("evicted"),
      },
      stats: new KeyspaceStats(),
      random,
      expires: true,
      expiredOnReplica: () => "hidden",
      latency: this.latency,
    };
    this.dbs = Array.from({ length: dbs }, (_, number) => new Database(number, this.context));
  }

  get usedBytes(): number {
    return this.dbs.reduce((sum, db) => sum + db.usedBytes, 0);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.context.time.refresh();
  }

  /** Sets a key, which expires after `ttlMs` if that is given. */
  set(db: number, key: string, value = "value", ttlMs?: number): void {
    const name = latin1Bytes(key);
    const bytes = latin1Bytes(value);
    const expiryMs = ttlMs === undefined ? -1 : this.nowMs + ttlMs;
    setString(this.dbs[db]!, name, 0, name.length, bytes, 0, bytes.length, expiryMs);
  }

  /** Whether there is such a key, which counts no access and expires nothing. */
  has(db: number, key: string): boolean {
    const name = latin1Bytes(key);
    return this.dbs[db]!.map.find(name, 0, name.length) !== 0;
  }

  /** Reads a key, which counts as an access. */
  get(db: number, key: string): number {
    const name = latin1Bytes(key);
    return this.dbs[db]!.readKey(name, 0, name.length);
  }
}
