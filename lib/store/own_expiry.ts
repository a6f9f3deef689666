/**
 * The keys that clients of a replica have made themselves, with an expiry: its primary knows nothing of
 * them, so no DEL of its will ever come. Only a replica that is not read-only has such keys.
 */
import { latin1 } from "../bytes/text.ts";
import type { Database } from "./database.ts";

/** Keys that one run looks at. */
const KEYS_PER_RUN = 200;

interface OwnKey {
  readonly db: number;
  readonly bytes: Uint8Array;
}

export class OwnExpiry {
  /** By database and key, in the order in which they are looked at. */
  readonly #keys = new Map<string, OwnKey>();

  /** INFO's slave_expires_tracked_keys. */
  get size(): number {
    return this.#keys.size;
  }

  /** A client has written a key. */
  note(db: Database, buf: Uint8Array, off: number, len: number): void {
    const entry = db.map.find(buf, off, len);
    if (entry === 0 || !db.isVolatile(entry)) return;
    const name = `${db.number}:${latin1(buf, off, len)}`;
    if (this.#keys.has(name)) return;
    this.#keys.set(name, { db: db.number, bytes: buf.slice(off, off + len) });
  }

  clear(): void {
    this.#keys.clear();
  }

  /** Removes those of some keys that have expired; to be called again and again. */
  run(dbs: readonly Database[]): void {
    let left = Math.min(KEYS_PER_RUN, this.#keys.size);
    for (const [name, key] of this.#keys) {
      if (left-- === 0) break;
      this.#keys.delete(name);
      const db = dbs[key.db]!;
      const entry = db.map.find(key.bytes, 0, key.bytes.length);
      if (entry === 0 || !db.isVolatile(entry)) continue;
      if (db.isExpired(entry)) db.expire(entry);
      // Its turn comes again after the others'.
      else this.#keys.set(name, key);
    }
  }
}
