/**
 * What happens to keys, as the store and the handlers report it: the classes are those of
 * `notify-keyspace-events`, and {@link KeyspaceListener} is who is told.
 */
import type { Database } from "./database.ts";

export const EVENT = {
  generic: 1 << 2,
  string: 1 << 3,
  list: 1 << 4,
  set: 1 << 5,
  hash: 1 << 6,
  zset: 1 << 7,
  expired: 1 << 8,
  evicted: 1 << 9,
  stream: 1 << 10,
  keyMiss: 1 << 11,
  module: 1 << 13,
  newKey: 1 << 14,
} as const;

/** Told of what the store does by itself; a key's bytes are valid only during the call. */
export interface KeyspaceListener {
  /** A look-up of a read command found nothing. */
  keyMissed(db: Database, buf: Uint8Array, off: number, len: number): void;
  /** A key came into being. */
  keyAdded(db: Database, buf: Uint8Array, off: number, len: number): void;
  /** The key's time came: it is about to be removed. */
  keyExpired(db: Database, buf: Uint8Array, off: number, len: number): void;
  /** The key had to make room: it is removed. */
  keyEvicted(db: Database, buf: Uint8Array, off: number, len: number): void;
}
