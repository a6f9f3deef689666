/**
 * All that follows a change of the keyspace, in one place and one order: the dirty count, WATCH,
 * client-side caching, clients that wait for the key, the keyspace event. Handlers call {@link
 * Effects.keyChanged} once for each key they changed; what the store does by itself (expiry) arrives
 * here as its listener.
 *
 * What replicas are sent follows from the command, not from its keys: the router sees to that
 * (`lib/replication/propagation.ts`). Only keys that go by themselves are propagated from here.
 */
import type { Propagation } from "../replication/propagation.ts";
import type { Database } from "../store/database.ts";
import { EVENT, type KeyspaceListener } from "../store/events.ts";
import { BlockedKeys } from "./blocked_keys.ts";
import type { TrackingTable } from "./tracking.ts";
import type { Watches } from "./transactions.ts";

export class Effects implements KeyspaceListener {
  /** Changes since the last save: INFO's rdb_changes_since_last_save. */
  dirty = 0;
  /** Classes of `notify-keyspace-events` in force. */
  eventClasses = 0;
  /** `lazyfree-lazy-expire` and `lazyfree-lazy-eviction`: how replicas are to free keys that go. */
  expiresLazily = false;
  evictsLazily = false;
  /** Who publishes keyspace events. */
  onEvent: ((event: string, db: Database, key: Uint8Array) => void) | undefined;

  /** Told of each key that a command changed, where somebody needs to know. */
  onChange: ((db: Database, buf: Uint8Array, off: number, len: number) => void) | undefined;

  /** Clients that wait for keys; the router serves them when a command is over. */
  readonly blockedKeys = new BlockedKeys();

  readonly #watches: Watches;
  readonly #tracking: TrackingTable;
  readonly #propagation: Propagation;

  constructor(watches: Watches, tracking: TrackingTable, propagation: Propagation) {
    this.#watches = watches;
    this.#tracking = tracking;
    this.#propagation = propagation;
  }

  /** A key was changed by a command: `event` is its keyspace event, of class `eventClass`. */
  keyChanged(
    db: Database,
    buf: Uint8Array,
    off: number,
    len: number,
    eventClass: number,
    event: string,
  ): void {
    this.dirty++;
    if (this.#watches.size > 0) this.#watches.changed(db, buf, off, len);
    if (this.#tracking.active) this.#tracking.changed(true, buf, off, len);
    if (this.blockedKeys.sizeOrGone > 0) this.blockedKeys.changed(db, buf, off, len);
    this.onChange?.(db, buf, off, len);
    if ((this.eventClasses & eventClass) !== 0) this.#emit(event, db, buf, off, len);
  }

  /** A change that WATCH does not see, as of a stream's groups: `event` is its keyspace event. */
  keyNoted(
    db: Database,
    buf: Uint8Array,
    off: number,
    len: number,
    eventClass: number,
    event: string,
  ): void {
    this.dirty++;
    if ((this.eventClasses & eventClass) !== 0) this.#emit(event, db, buf, off, len);
  }

  /** A key that was there has more for those who wait for it: a stream's new entry. */
  keyReady(db: Database, buf: Uint8Array, off: number, len: number): void {
    if (this.blockedKeys.size > 0) this.blockedKeys.ready(db, buf, off, len);
  }

  /** A database is about to be emptied. */
  flushing(db: Database): void {
    this.dirty += db.size;
    if (this.#watches.size > 0) this.#watches.databaseChanged(db);
    if (this.blockedKeys.size > 0) this.blockedKeys.databaseChanged(db);
  }

  /** Two databases are about to exchange their contents. */
  swapping(a: Database, b: Database): void {
    this.dirty++;
    if (a === b) return;
    if (this.blockedKeys.size > 0) {
      this.blockedKeys.databaseChanged(a);
      this.blockedKeys.databaseChanged(b);
    }
    if (this.#watches.size === 0) return;
    this.#watches.databaseChanged(a, b);
    this.#watches.databaseChanged(b, a);
  }

  keyMissed(db: Database, buf: Uint8Array, off: number, len: number): void {
    if ((this.eventClasses & EVENT.keyMiss) !== 0) this.#emit("keymiss", db, buf, off, len);
  }

  keyAdded(db: Database, buf: Uint8Array, off: number, len: number): void {
    if (this.blockedKeys.size > 0) this.blockedKeys.ready(db, buf, off, len);
    if ((this.eventClasses & EVENT.newKey) !== 0) this.#emit("new", db, buf, off, len);
  }

  keyExpired(db: Database, buf: Uint8Array, off: number, len: number): void {
    if ((this.eventClasses & EVENT.expired) !== 0) this.#emit("expired", db, buf, off, len);
    this.#gone(db, buf, off, len, this.expiresLazily);
  }

  keyEvicted(db: Database, buf: Uint8Array, off: number, len: number): void {
    this.#gone(db, buf, off, len, this.evictsLazily);
    if ((this.eventClasses & EVENT.evicted) !== 0) this.#emit("evicted", db, buf, off, len);
  }

  /** A key went by itself. */
  #gone(db: Database, buf: Uint8Array, off: number, len: number, lazily: boolean): void {
    if (this.#propagation.active) {
      this.#propagation.deleted(db.number, buf.subarray(off, off + len), lazily);
    }
    if (this.#watches.size > 0) this.#watches.changed(db, buf, off, len);
    if (this.#tracking.active) this.#tracking.changed(false, buf, off, len);
    if (this.blockedKeys.sizeOrGone > 0) this.blockedKeys.changed(db, buf, off, len);
  }

  #emit(event: string, db: Database, buf: Uint8Array, off: number, len: number): void {
    this.onEvent?.(event, db, buf.subarray(off, off + len));
  }
}
