/**
 * Clients that wait for keys: BLPOP and its kin, BZPOPMIN, XREAD BLOCK.
 *
 * A handler that finds nothing to serve calls {@link BlockedKeys.wait} and writes no reply. From then
 * on the client is blocked (`lib/server/blocking.ts`) and stands in the queue of each of its keys. A
 * key becomes *ready* when it may now serve somebody:
 *
 * - it came into being, in whatever way: the store's listener tells of it;
 * - it was there and got more: XADD says so by {@link Effects.keyReady};
 * - for those who want to know (`orGone`: XREADGROUP), it went away or became another type.
 *
 * Marking a key is all that happens in the middle of a command. When the command is over (the whole
 * EXEC or script, so nobody sees half of one), the router calls {@link BlockedKeys.serve}: the ready
 * keys in the order in which they became so, and the clients of each in the order in which they came.
 * Serving is running the client's command again, from its arguments. So the handler is the one place
 * that knows how to serve, and takes the first of its keys that has something, as it would for a new
 * client. It may find that there is nothing for it after all and call `wait` once more: then nothing
 * changes, neither its place in the queues nor its time-out. Where the router's gates refuse it now, or
 * CLIENT PAUSE holds it up, it waits for its keys no longer. What it changes may make further keys
 * ready (BLMOVE): serving goes on until none is. A served client runs its next commands after the
 * batch that runs now.
 *
 * Queues belong to a database's number and a key's bytes, as in Redis: SWAPDB leaves the clients
 * where they are and looks at all their keys again. While nobody waits, all of this costs a write one
 * test of {@link BlockedKeys.size}.
 */
import { equalBytes } from "../bytes/compare.ts";
import { hashBytes } from "../bytes/hash.ts";
import { Queue } from "../bytes/queue.ts";
import type { Args } from "../resp/args.ts";
import type { Database, ValueType } from "../store/database.ts";
import type { Blocked } from "./blocking.ts";
import type { Client } from "./client.ts";

interface Waiter {
  readonly client: Client;
  /** The command, to be run again. */
  readonly args: Args;
  readonly type: ValueType;
  readonly orGone: boolean;
  readonly keys: WaitedKey[];
}

/** A key that somebody waits for. */
interface WaitedKey {
  readonly dbNumber: number;
  readonly bytes: Uint8Array;
  readonly hash: number;
  /** Another key of the same hash. */
  next: WaitedKey | undefined;
  /** In the order in which they came. */
  readonly waiters: Set<Waiter>;
  /** How many of them are to know when the key is gone. */
  orGone: number;
  ready: boolean;
}

export class BlockedKeys {
  /** How many keys are waited for. */
  size = 0;
  /** How many of them by clients who are to know when they are gone. */
  sizeOrGone = 0;

  readonly #keys = new Map<number, WaitedKey>();
  readonly #ready = new Queue<WaitedKey>();
  #serving = false;
  /** The wait of the client whose command runs again. */
  #retried: Blocked | undefined;

  /** Whether a command of this client may wait; if not, it answers as if its time were over. */
  mayWait(client: Client): boolean {
    return client.transaction === undefined && !client.isPrimary;
  }

  /**
   * Lets the running command wait for `count` keys, from argument `first` of `args` on, to hold a
   * value of `type` that serves it; `timeoutMs` at the longest, 0 for ever, and then the reply is a
   * null array. `args` is what the command will run with again: the handler's own, or others where a
   * word in them means the moment of the call (XREAD's `$`).
   *
   * With `orGone` it runs again, too, when a key goes away or becomes another type.
   */
  wait(
    client: Client,
    args: Args,
    first: number,
    count: number,
    type: ValueType,
    timeoutMs: number,
    orGone = false,
  ): void {
    if (this.#retried !== undefined) {
      client.blocked = this.#retried;
      return;
    }
    const waiter: Waiter = { client, args: args.own(), type, orGone, keys: [] };
    for (let i = first; i < first + count; i++) {
      const key = this.#key(client.db.number, args, i);
      if (key.waiters.has(waiter)) continue;
      key.waiters.add(waiter);
      if (orGone && key.orGone++ === 0) this.sizeOrGone++;
      waiter.keys.push(key);
    }
    client.server.blocking.block(
      client,
      timeoutMs,
      () => client.reply.nilArray(),
      () => this.#forget(waiter),
      waiter.args.buf.length,
    );
  }

  /** A key came into being, or has more for those who wait. */
  ready(db: Database, buf: Uint8Array, off: number, len: number): void {
    const key = this.#find(db.number, hashBytes(buf, off, len), buf, off, len);
    if (key !== undefined) this.#mark(key);
  }

  /** A key was changed: it may be gone, or of another type. */
  changed(db: Database, buf: Uint8Array, off: number, len: number): void {
    const key = this.#find(db.number, hashBytes(buf, off, len), buf, off, len);
    if (key === undefined || key.orGone === 0) return;
    const entry = db.find(buf, off, len);
    for (const waiter of key.waiters) {
      if (waiter.orGone && (entry === 0 || db.type(entry) !== waiter.type)) return this.#mark(key);
    }
  }

  /** Any key of a database may have come or gone. */
  databaseChanged(db: Database): void {
    for (let key of this.#keys.values()) {
      for (;;) {
        if (key.dbNumber === db.number) this.#mark(key);
        if (key.next === undefined) break;
        key = key.next;
      }
    }
  }

  /** Whether there are keys to serve from. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Serves whom the ready keys can serve; `run` runs a client's command again, if it may. */
  serve(dbs: readonly Database[], run: (client: Client, args: Args) => void): void {
    // What a served client runs does not serve others itself: they have their turn here.
    if (this.#serving) return;
    this.#serving = true;
    try {
      for (let key = this.#ready.shift(); key !== undefined; key = this.#ready.shift()) {
        key.ready = false;
        this.#serveFrom(dbs[key.dbNumber]!, key, run);
      }
    } finally {
      this.#serving = false;
    }
  }

  #serveFrom(db: Database, key: WaitedKey, run: (client: Client, args: Args) => void): void {
    for (const waiter of key.waiters) {
      // Not `db.find`: a key that has expired goes only when a command looks for it.
      const entry = db.map.find(key.bytes, 0, key.bytes.length);
      const exists = entry !== 0 && !db.isExpired(entry);
      if (!exists && key.orGone === 0) return;
      const serves = exists && db.type(entry) === waiter.type;
      if ((!serves && !waiter.orGone) || waiter.client.closing) continue;
      const { client } = waiter;
      const wait = client.blocked;
      this.#retried = wait;
      client.blocked = undefined;
      run(client, waiter.args);
      this.#retried = undefined;
      if (client.blocked !== undefined) continue;
      client.blocked = wait;
      client.server.blocking.unblock(client);
    }
  }

  #mark(key: WaitedKey): void {
    if (key.ready) return;
    key.ready = true;
    this.#ready.push(key);
  }

  #find(
    dbNumber: number,
    hash: number,
    buf: Uint8Array,
    off: number,
    len: number,
  ): WaitedKey | undefined {
    for (let key = this.#keys.get(hash); key !== undefined; key = key.next) {
      if (key.dbNumber !== dbNumber || key.bytes.length !== len) continue;
      if (equalBytes(key.bytes, 0, buf, off, len)) return key;
    }
    return undefined;
  }

  #key(dbNumber: number, args: Args, i: number): WaitedKey {
    const hash = hashBytes(args.buf, args.off(i), args.len(i));
    const found = this.#find(dbNumber, hash, args.buf, args.off(i), args.len(i));
    if (found !== undefined) return found;
    const key: WaitedKey = {
      dbNumber,
      bytes: args.copy(i),
      hash,
      next: this.#keys.get(hash),
      waiters: new Set(),
      orGone: 0,
      ready: false,
    };
    this.#keys.set(hash, key);
    this.size++;
    return key;
  }

  #forget(waiter: Waiter): void {
    for (const key of waiter.keys) {
      key.waiters.delete(waiter);
      if (waiter.orGone && --key.orGone === 0) this.sizeOrGone--;
      if (key.waiters.size === 0) this.#drop(key);
    }
  }

  #drop(key: WaitedKey): void {
    this.size--;
    const first = this.#keys.get(key.hash)!;
    if (first !== key) {
      let before = first;
      while (before.next !== key) before = before.next!;
      before.next = key.next;
    } else if (key.next !== undefined) {
      this.#keys.set(key.hash, key.next);
    } else {
      this.#keys.delete(key.hash);
    }
  }
}
