/**
 * Client-side caching: which clients are told that keys they may have cached have changed.
 *
 * A client that tracks has the keys of its read commands remembered here until they change; it is
 * told once, and forgotten for that key. A client in BCAST mode is told of all keys with its
 * prefixes instead, together at the end of each batch. Keys of all databases share one table, as in
 * Redis. A client's entry may outlive it or its tracking: whoever no longer tracks is passed over.
 *
 * The table is a {@link ByteMap}, an entry being `key length | who | key`: `who` is the id of the one
 * client that has the key, or the complement of an index of `#groups` where there are several.
 */
import { Arena } from "../bytes/arena.ts";
import { ByteMap } from "../bytes/byte_map.ts";
import { equalBytes } from "../bytes/compare.ts";
import { hashBytes } from "../bytes/hash.ts";
import { latin1, latin1Bytes } from "../bytes/text.ts";
import { findKeys } from "../commands/keyspecs.ts";
import { FLAGS } from "../commands/spec.ts";
import type { Args } from "../resp/args.ts";
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";

const WHO = 1;
const KEY_OFFSET = 8;

/** What a prefix takes beside its bytes, rounded. */
const PREFIX_BYTES = 128;

/** Keys given up at a time while there are more than `tracking-table-max-keys`. */
const KEYS_PER_EFFORT = 100;

export type TrackingMode = "default" | "broadcast" | "optIn" | "optOut";

/** A client's side of it: what CLIENT TRACKING ON chose. */
export interface Tracking {
  mode: TrackingMode;
  noLoop: boolean;
  /** The id of the client that is told instead; 0 for none. */
  redirect: number;
  /** That client is gone. */
  redirectBroken: boolean;
  /** CLIENT CACHING: the next command's keys are remembered (optIn), or are not (optOut). */
  caching: boolean;
  /** In BCAST mode, the prefixes as Latin-1, in the order of their bytes. */
  readonly prefixes: ReadonlySet<string>;
  /** Bytes that these take, about. */
  readonly prefixBytes: number;
}

/** Who wants to know of keys with a prefix, and which of those have changed in this batch, by whom. */
interface Prefix {
  readonly bytes: Uint8Array;
  readonly clients: Set<Client>;
  changed: Map<string, Client | undefined>;
}

export class TrackingTable {
  /** Whether a change of a key may concern anybody: asked at every change. */
  active = false;
  /** How many clients track. */
  clientCount = 0;
  /** `tracking-table-max-keys`; 0 for no limit. */
  maxKeys = 0;
  /** How many pairs of key and client are remembered. */
  itemCount = 0;

  #arena = new Arena();
  #map = new ByteMap(this.#arena, KEY_OFFSET);
  #groups: (Set<number> | undefined)[] = [];
  #freeGroups: number[] = [];
  readonly #prefixes = new Map<string, Prefix>();
  #anyBroadcast = false;
  /** How often in a row giving up keys was not enough. */
  #effort = 0;
  readonly #find: (id: number) => Client | undefined;
  readonly #current: () => Client | undefined;
  readonly #random: () => number;

  /** `find` finds a client by its id; `current` is the one whose command runs. */
  constructor(
    find: (id: number) => Client | undefined,
    current: () => Client | undefined,
    random: () => number,
  ) {
    this.#find = find;
    this.#current = current;
    this.#random = random;
  }

  get keyCount(): number {
    return this.#map.count;
  }

  get prefixCount(): number {
    return this.#prefixes.size;
  }

  /** CLIENT TRACKING ON, its options being compatible; `prefixes` join those that there are. */
  enable(
    client: Client,
    mode: TrackingMode,
    noLoop: boolean,
    redirect: number,
    prefixes: readonly string[],
  ): void {
    if (client.tracking === undefined) this.clientCount++;
    const { caching = false, prefixes: known = [] } = client.tracking ?? {};
    let wanted: readonly string[] = [];
    if (mode === "broadcast") wanted = prefixes.length > 0 ? prefixes : [""];
    for (const text of wanted) this.#join(client, text);
    const all = new Set([...known, ...wanted].sort());
    let prefixBytes = 0;
    for (const text of all) prefixBytes += PREFIX_BYTES + text.length;
    const tracking = { mode, noLoop, redirect, redirectBroken: false, caching };
    client.setTracking({ ...tracking, prefixes: all, prefixBytes });
    if (all.size > 0) this.active = true;
  }

  /** CLIENT TRACKING OFF, or the client goes. */
  disable(client: Client): void {
    const { tracking } = client;
    if (tracking === undefined) return;
    this.clientCount--;
    for (const text of tracking.prefixes) {
      const prefix = this.#prefixes.get(text)!;
      prefix.clients.delete(client);
      if (prefix.clients.size === 0) this.#prefixes.delete(text);
    }
    client.setTracking(undefined);
    this.#refresh();
  }

  /** A client that tracks, not in BCAST mode, has run a command: its keys are remembered. */
  remember(client: Client, command: Command, args: Args): void {
    if ((command.flags & FLAGS.readonly) === 0) return;
    const { mode, caching } = client.tracking!;
    if ((mode === "optIn" && !caching) || (mode === "optOut" && caching)) return;
    for (const { index } of findKeys(command.spec, args)) {
      this.#add(client.id, args.buf, args.off(index), args.len(index));
    }
    this.#refresh();
    this.giveUp();
  }

  /** Gives up some keys at random where more are remembered than may be. */
  giveUp(): void {
    if (this.maxKeys === 0 || this.#map.count <= this.maxKeys) return;
    let left = KEYS_PER_EFFORT * (this.#effort + 1);
    this.#effort++;
    for (; left > 0 && this.#map.count > this.maxKeys; left--) {
      const key = this.#map.key(this.#map.sample(this.#random));
      this.#invalidate(undefined, key, 0, key.length);
    }
    if (this.#map.count <= this.maxKeys) this.#effort = 0;
  }

  /** A key was changed by the running command, or went by itself. */
  changed(byCommand: boolean, buf: Uint8Array, off: number, len: number): void {
    const by = byCommand ? this.#current() : undefined;
    if (this.#prefixes.size > 0) this.#noteForPrefixes(by, buf, off, len);
    if (this.#map.count > 0) this.#invalidate(by, buf, off, len);
  }

  /** One or all databases were emptied: whoever tracks is told to forget everything. */
  flushed(find: Iterable<Client>): void {
    if (this.clientCount > 0) {
      for (const client of find) {
        if (client.tracking !== undefined) this.#tell(client, undefined);
      }
    }
    this.#arena.release();
    this.#arena = new Arena();
    this.#map = new ByteMap(this.#arena, KEY_OFFSET);
    this.#groups = [];
    this.#freeGroups = [];
    this.itemCount = 0;
    this.#refresh();
  }

  /** Tells the clients in BCAST mode what has changed since the last time. */
  broadcast(): void {
    if (!this.#anyBroadcast) return;
    this.#anyBroadcast = false;
    // Messages of several prefixes come in the order of these.
    const heard = [...this.#prefixes].filter(([, { changed }]) => changed.size > 0)
      .sort(([a], [b]) => a < b ? -1 : 1);
    for (const [, prefix] of heard) {
      const { clients, changed } = prefix;
      prefix.changed = new Map();
      const keys = [...changed.keys()].sort();
      const all = keyArray(keys);
      for (const client of clients) {
        if (!client.tracking!.noLoop) {
          this.#tell(client, all);
          continue;
        }
        const foreign = keys.filter((key) => changed.get(key) !== client);
        if (foreign.length > 0) this.#tell(client, keyArray(foreign));
      }
    }
  }

  #refresh(): void {
    this.active = this.#map.count > 0 || this.#prefixes.size > 0;
  }

  #join(client: Client, text: string): void {
    let prefix = this.#prefixes.get(text);
    if (prefix === undefined) {
      prefix = { bytes: latin1Bytes(text), clients: new Set(), changed: new Map() };
      this.#prefixes.set(text, prefix);
    }
    prefix.clients.add(client);
  }

  #noteForPrefixes(by: Client | undefined, buf: Uint8Array, off: number, len: number): void {
    let key: string | undefined;
    for (const { bytes, changed } of this.#prefixes.values()) {
      if (!startsWith(buf, off, len, bytes)) continue;
      key ??= latin1(buf, off, len);
      // The first who changed it is the one whom NOLOOP spares, as in Redis.
      if (!changed.has(key)) changed.set(key, by);
      this.#anyBroadcast = true;
    }
  }

  #add(id: number, buf: Uint8Array, off: number, len: number): void {
    const hash = hashBytes(buf, off, len);
    const map = this.#map;
    const arena = this.#arena;
    let entry = map.findHashed(hash, buf, off, len);
    if (entry === 0) {
      entry = arena.alloc(map.headBytes(len));
      map.writeKey(entry, buf, off, len);
      arena.words(entry)[arena.wordOf(entry) + WHO] = id;
      map.insert(hash, entry);
      this.itemCount++;
      return;
    }
    const words = arena.words(entry);
    const at = arena.wordOf(entry) + WHO;
    const who = words[at]!;
    if (who === id) return;
    if (who >= 0) {
      const index = this.#freeGroups.pop() ?? this.#groups.length;
      this.#groups[index] = new Set([who, id]);
      words[at] = ~index;
      this.itemCount++;
      return;
    }
    const group = this.#groups[~who]!;
    const before = group.size;
    group.add(id);
    this.itemCount += group.size - before;
  }

  /** Tells who has a key, but for `by` where he has NOLOOP, and forgets it. */
  #invalidate(by: Client | undefined, buf: Uint8Array, off: number, len: number): void {
    const map = this.#map;
    const arena = this.#arena;
    const entry = map.find(buf, off, len);
    if (entry === 0) return;
    const who = arena.words(entry)[arena.wordOf(entry) + WHO]!;
    map.remove(map.hashOf(entry), entry);
    map.freeLongKey(entry);
    arena.free(entry, map.headBytes(len));
    const message = keyArray([latin1(buf, off, len)]);
    if (who >= 0) {
      this.itemCount--;
      this.#tellOwner(who, by, message);
    } else {
      const group = this.#groups[~who]!;
      this.#groups[~who] = undefined;
      this.#freeGroups.push(~who);
      this.itemCount -= group.size;
      for (const id of group) this.#tellOwner(id, by, message);
    }
    this.#refresh();
  }

  #tellOwner(id: number, by: Client | undefined, keys: Uint8Array): void {
    const client = this.#find(id);
    const tracking = client?.tracking;
    if (client === undefined || tracking === undefined || tracking.mode === "broadcast") return;
    if (tracking.noLoop && client === by) return;
    this.#tell(client, keys);
  }

  /**
   * Tells a client, or the one that it redirects to, which keys are void: RESP of an array, or
   * undefined for all. Under RESP2 only a redirected client that is subscribed can be told.
   */
  #tell(client: Client, keys: Uint8Array | undefined): void {
    const tracking = client.tracking!;
    const value = keys ?? (client.reply.protocol === 2 ? NULL_BULK : NULL);
    let target = client;
    if (tracking.redirect !== 0) {
      const redirected = this.#find(tracking.redirect);
      if (redirected === undefined) {
        tracking.redirectBroken = true;
        if (client.reply.protocol > 2) client.push(brokenRedirect(tracking.redirect));
        return;
      }
      target = redirected;
    }
    if (target.reply.protocol > 2) target.push(joined([INVALIDATE, value]));
    else if (tracking.redirect !== 0 && target.subscriptions !== undefined) {
      target.push(joined([INVALIDATE_MESSAGE, value]));
    }
  }
}

const NULL_BULK = latin1Bytes("$-1\r\n");
const NULL = latin1Bytes("_\r\n");
const INVALIDATE = latin1Bytes(">2\r\n$10\r\ninvalidate\r\n");
/** To a subscriber under RESP2, as if it were a message of a channel of this name. */
const INVALIDATE_MESSAGE = latin1Bytes("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n");

function brokenRedirect(id: number): Uint8Array {
  return latin1Bytes(`>2\r\n$21\r\ntracking-redir-broken\r\n:${id}\r\n`);
}

/** RESP of an array of keys, which are Latin-1. */
function keyArray(keys: readonly string[]): Uint8Array {
  const parts = keys.map((key) => latin1Bytes(`$${key.length}\r\n${key}\r\n`));
  return joined([latin1Bytes(`*${keys.length}\r\n`), ...parts]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function startsWith(buf: Uint8Array, off: number, len: number, prefix: Uint8Array): boolean {
  return len >= prefix.length && equalBytes(prefix, 0, buf, off, prefix.length);
}
