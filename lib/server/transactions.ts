/**
 * MULTI's queue and WATCH.
 *
 * A watched key is (database, key). Whatever changes a key goes through `Effects.keyChanged`, which
 * asks here who watches it; a mark on those clients makes their next EXEC answer null. A key that
 * had already expired when it was watched counts as missing, so its removal breaks nothing.
 */
import type { Args } from "../resp/args.ts";
import type { Database } from "../store/database.ts";
import { latin1, latin1Bytes } from "../bytes/text.ts";
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";

/** What a queued command and a watched key take beside their bytes, for the client alone; rounded. */
const QUEUED_BYTES = 256;
const WATCHED_BYTES = 128;

/** What MULTI collects until EXEC. */
export class Transaction {
  readonly commands: { readonly command: Command; readonly args: Args }[] = [];
  /** A command was refused when it was queued: EXEC answers EXECABORT. */
  refused = false;
  /** Bytes of arguments and their places: what `client-query-buffer-limit` limits, as in Redis. */
  bytes = 0;
  /** The flags of all its commands, and those that some of them lack. */
  flags = 0;
  lacks = 0;

  /** Bytes that all of it takes, about. */
  get memory(): number {
    return this.bytes + QUEUED_BYTES * this.commands.length;
  }

  queue(command: Command, args: Args): void {
    const own = args.own();
    this.commands.push({ command, args: own });
    this.bytes += own.buf.length + own.spans.byteLength;
    this.flags |= command.flags;
    this.lacks |= ~command.flags;
  }
}

export class Watches {
  /** Clients by database and key. */
  readonly #watchers = new Map<string, Set<Client>>();

  get size(): number {
    return this.#watchers.size;
  }

  /** Lets a client watch a key. */
  watch(client: Client, buf: Uint8Array, off: number, len: number): void {
    const key = watchKey(client.db, buf, off, len);
    client.watched ??= new Map();
    if (client.watched.has(key)) return;
    const entry = client.db.map.find(buf, off, len);
    client.watched.set(key, { expired: entry !== 0 && client.db.isExpired(entry) });
    client.watchedBytes += WATCHED_BYTES + len;
    let watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, watchers = new Set());
    watchers.add(client);
  }

  /** Lets a client watch nothing. */
  unwatch(client: Client): void {
    client.watchBroken = false;
    if (client.watched === undefined) return;
    for (const key of client.watched.keys()) {
      const watchers = this.#watchers.get(key);
      watchers?.delete(client);
      if (watchers?.size === 0) this.#watchers.delete(key);
    }
    client.watched = undefined;
    client.watchedBytes = 0;
    client.server.noteWaiting(client);
  }

  /** A key has changed. */
  changed(db: Database, buf: Uint8Array, off: number, len: number): void {
    const key = watchKey(db, buf, off, len);
    const watchers = this.#watchers.get(key);
    if (watchers === undefined) return;
    // Not `db.find`: what the command set may have expired, and goes only when somebody looks for it.
    const exists = db.map.find(buf, off, len) !== 0;
    for (const client of watchers) this.#mark(client, key, exists);
  }

  /** Keys of a database were all removed, or its contents exchanged with `other`'s. */
  databaseChanged(db: Database, other?: Database): void {
    for (const [key, watchers] of this.#watchers) {
      const colon = key.indexOf(":");
      if (Number(key.slice(0, colon)) !== db.number) continue;
      const bytes = latin1Bytes(key.slice(colon + 1));
      const isThere = db.map.find(bytes, 0, bytes.length) !== 0;
      const coming = other === undefined ? 0 : other.map.find(bytes, 0, bytes.length);
      if (!isThere && coming === 0) continue;
      const comesExpired = coming !== 0 && other!.isExpired(coming);
      for (const client of watchers) {
        // A key that comes and has expired counts as missing, as if it had been so when watched.
        if (comesExpired && !isThere) client.watched!.get(key)!.expired = true;
        else if (!comesExpired || !client.watched!.get(key)!.expired) {
          this.#mark(client, key, coming !== 0);
        }
      }
    }
  }

  /** Whether a key that the client watches has expired since. */
  hasExpired(client: Client): boolean {
    if (client.watched === undefined) return false;
    for (const [key, { expired }] of client.watched) {
      if (expired) continue;
      const colon = key.indexOf(":");
      const db = client.server.dbs[Number(key.slice(0, colon))]!;
      const bytes = latin1Bytes(key.slice(colon + 1));
      const entry = db.map.find(bytes, 0, bytes.length);
      if (entry !== 0 && db.isExpired(entry)) return true;
    }
    return false;
  }

  #mark(client: Client, key: string, exists: boolean): void {
    const watched = client.watched!.get(key)!;
    if (watched.expired) {
      // It was gone when it was watched: only a new key of that name is a change.
      if (!exists) {
        watched.expired = false;
        return;
      }
    }
    client.watchBroken = true;
  }
}

function watchKey(db: Database, buf: Uint8Array, off: number, len: number): string {
  return `${db.number}:${latin1(buf, off, len)}`;
}
