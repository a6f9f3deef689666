/**
 * MULTI's queue and WATCH.
 *
 * A watched key is (database, key). Whatever changes a key goes through `Effects.keyChanged`, which
 * asks here who watches it; a mark on those clients makes their next EXEC answer null. A key that
 * had already expired when it was watched counts as missing, so its removal breaks nothing.
 */
import { copyBytes } from "../bytes/arena.ts";
import { Args } from "../resp/args.ts";
import type { Database } from "../store/database.ts";
import { latin1, latin1Bytes } from "../bytes/text.ts";
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";

/** What a watched key takes beside its bytes, for the client alone; rounded. */
const WATCHED_BYTES = 128;

/** The first part of a queue is small: most transactions are. A later one is as long as all before it. */
const FIRST_PART = 512;
const LONGEST_PART = 1024 * 1024;
/** A command beyond that is refused: offsets are 32 bits long. */
const MAX_PART = 2 ** 31 - 1;
/** What a part takes beside its buffer, rounded. */
const PART_BYTES = 256;

/**
 * Some of MULTI's commands in one buffer. Words fill it from the front: for each command its number in
 * the table, the number of its arguments, and a pair of offset and length for each of those. The
 * arguments' bytes fill it from the back. So a command costs the heap nothing.
 */
class Part {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Words in use. */
  used = 0;
  /** Where the bytes in use begin. */
  start: number;

  constructor(length: number) {
    const buffer = new ArrayBuffer(length + (-length & 3));
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.start = this.bytes.length;
  }

  get room(): number {
    return this.start - 4 * this.used;
  }
}

/** What MULTI collects until EXEC. */
export class Transaction {
  /** How many commands there are. */
  count = 0;
  /** A command was refused when it was queued: EXEC answers EXECABORT. */
  refused = false;
  /** Bytes of arguments and their places: what `client-query-buffer-limit` limits, as in Redis. */
  bytes = 0;
  /** Bytes that all of it takes. */
  memory = 0;
  /** The flags of all its commands, and those that some of them lack. */
  flags = 0;
  lacks = 0;
  readonly #parts: Part[] = [];
  #last: Part | undefined;

  /** Adds a command; returns false, nothing having changed, where there is no memory for it. */
  queue(command: Command, args: Args): boolean {
    const { count } = args;
    let length = 0;
    for (let i = 0; i < count; i++) length += args.len(i);
    const need = 4 * (2 + 2 * count) + length;
    const part = this.#last !== undefined && this.#last.room >= need
      ? this.#last
      : this.#grow(need);
    if (part === undefined) return false;
    const { words, bytes } = part;
    let word = part.used;
    let at = part.start -= length;
    words[word++] = command.number;
    words[word++] = count;
    for (let i = 0; i < count; i++) {
      const len = args.len(i);
      copyBytes(args.buf, args.off(i), bytes, at, len);
      words[word++] = at;
      words[word++] = len;
      at += len;
    }
    part.used = word;
    this.count++;
    this.bytes += length + 8 * count;
    this.flags |= command.flags;
    this.lacks |= ~command.flags;
    return true;
  }

  /** Runs all commands for the client, in their order. */
  run(client: Client): void {
    const { router, commands } = client.server;
    for (const { words, bytes, used } of this.#parts) {
      const args = new Args(bytes, words, 0, 0);
      for (let at = 0; at < used; at += 2 + 2 * words[at + 1]!) {
        args.base = at + 2;
        args.count = words[at + 1]!;
        router.call(client, commands.numbered[words[at]!]!, args);
      }
    }
  }

  #grow(need: number): Part | undefined {
    if (need > MAX_PART) return undefined;
    const usual = Math.min(Math.max(this.memory, FIRST_PART), LONGEST_PART);
    try {
      this.#last = new Part(Math.max(need, usual));
    } catch {
      return undefined;
    }
    this.#parts.push(this.#last);
    this.memory += PART_BYTES + this.#last.bytes.length;
    return this.#last;
  }
}

export class Watches {
  /** Who watches a key, by database and key: nearly always one client, which needs no set. */
  readonly #watchers = new Map<string, Client | Set<Client>>();

  get size(): number {
    return this.#watchers.size;
  }

  /** Lets a client watch a key. */
  watch(client: Client, buf: Uint8Array, off: number, len: number): void {
    const key = watchKey(client.db, buf, off, len);
    client.watched ??= new Map();
    if (client.watched.has(key)) return;
    const entry = client.db.map.find(buf, off, len);
    client.watched.set(key, entry !== 0 && client.db.isExpired(entry));
    client.watchedBytes += WATCHED_BYTES + len;
    const watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, client);
    else if (watchers instanceof Set) watchers.add(client);
    else this.#watchers.set(key, new Set([watchers, client]));
  }

  /** Lets a client watch nothing. */
  unwatch(client: Client): void {
    client.watchBroken = false;
    if (client.watched === undefined) return;
    for (const key of client.watched.keys()) {
      const watchers = this.#watchers.get(key);
      if (watchers instanceof Set && watchers.size > 1) watchers.delete(client);
      else this.#watchers.delete(key);
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
    for (const client of each(watchers)) this.#mark(client, key, exists);
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
      for (const client of each(watchers)) {
        // A key that comes and has expired counts as missing, as if it had been so when watched.
        if (comesExpired && !isThere) client.watched!.set(key, true);
        else if (!comesExpired || !client.watched!.get(key)!) {
          this.#mark(client, key, coming !== 0);
        }
      }
    }
  }

  /** Whether a key that the client watches has expired since. */
  hasExpired(client: Client): boolean {
    if (client.watched === undefined) return false;
    for (const [key, wasExpired] of client.watched) {
      if (wasExpired) continue;
      const colon = key.indexOf(":");
      const db = client.server.dbs[Number(key.slice(0, colon))]!;
      const bytes = latin1Bytes(key.slice(colon + 1));
      const entry = db.map.find(bytes, 0, bytes.length);
      if (entry !== 0 && db.isExpired(entry)) return true;
    }
    return false;
  }

  #mark(client: Client, key: string, exists: boolean): void {
    // It was gone when it was watched: only a new key of that name is a change.
    if (client.watched!.get(key)! && !exists) client.watched!.set(key, false);
    else client.watchBroken = true;
  }
}

function each(watchers: Client | Set<Client>): Iterable<Client> {
  return watchers instanceof Set ? watchers : [watchers];
}

function watchKey(db: Database, buf: Uint8Array, off: number, len: number): string {
  return `${db.number}:${latin1(buf, off, len)}`;
}
