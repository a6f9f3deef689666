/**
 * Names that clients listen to: the channels, the shard channels or the patterns of a server, found
 * by their bytes without making a string. A topic is a number, which it has as long as it has a
 * subscriber.
 *
 * The table is a {@link ByteMap}, an entry being `key length | topic | name`. A message to one of
 * thousands of channels costs what it waits for memory: so a look-up goes through typed arrays, and
 * a topic's only subscriber, as most have, stands there himself and not in a list.
 */
import { Arena } from "../bytes/arena.ts";
import { ByteMap } from "../bytes/byte_map.ts";
import { globMatchAt } from "../bytes/glob.ts";
import { hashBytes } from "../bytes/hash.ts";
import type { Subscriber } from "./pubsub.ts";

/** The name begins behind its length and the topic. */
const NAME_OFFSET = 8;
/** Where an entry's topic stands, in words. */
const TOPIC = 1;

/** No topic. */
export const NONE = -1;

export class Topics {
  readonly #arena = new Arena();
  readonly #map = new ByteMap(this.#arena, NAME_OFFSET);
  /** By topic: who listens, in the order in which they came; a list only where there are several. */
  readonly #listeners: (Subscriber | Subscriber[] | undefined)[] = [];
  /** By topic: its entry, or 0 for a number that is free. */
  readonly #entries: number[] = [];
  readonly #free: number[] = [];

  /** How many topics there are. */
  get size(): number {
    return this.#map.count;
  }

  /** The topic of this name, whose hash may be known, or {@link NONE}. */
  find(buf: Uint8Array, off: number, len: number, hash = hashBytes(buf, off, len)): number {
    const entry = this.#map.findHashed(hash, buf, off, len);
    if (entry === 0) return NONE;
    return this.#arena.words(entry)[this.#arena.wordOf(entry) + TOPIC]!;
  }

  /** Who listens to a topic: one, or a list of several, which changes as they come and go. */
  listeners(topic: number): Subscriber | Subscriber[] {
    return this.#listeners[topic]!;
  }

  /** How many listen to a topic. */
  count(topic: number): number {
    const listeners = this.#listeners[topic]!;
    return Array.isArray(listeners) ? listeners.length : 1;
  }

  /** Whether a topic's name matches a pattern. */
  matches(topic: number, glob: Uint8Array): boolean {
    const map = this.#map;
    const entry = this.#entries[topic]!;
    return globMatchAt(glob, map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry), false);
  }

  /** A copy of a topic's name. */
  name(topic: number): Uint8Array {
    return this.#map.key(this.#entries[topic]!);
  }

  /** Makes the topic of a name that has none, with its first listener; `hash` is the name's. */
  open(buf: Uint8Array, off: number, len: number, hash: number, who: Subscriber): number {
    const arena = this.#arena;
    const topic = this.#free.pop() ?? this.#entries.length;
    const entry = arena.alloc(this.#map.headBytes(len));
    this.#map.writeKey(entry, buf, off, len);
    arena.words(entry)[arena.wordOf(entry) + TOPIC] = topic;
    this.#map.insert(hash, entry);
    this.#entries[topic] = entry;
    this.#listeners[topic] = who;
    return topic;
  }

  /** Adds somebody who does not listen to a topic yet. */
  join(topic: number, who: Subscriber): void {
    const listeners = this.#listeners[topic]!;
    if (Array.isArray(listeners)) listeners.push(who);
    else this.#listeners[topic] = [listeners, who];
  }

  /** Takes somebody who listens off a topic; with the last the topic goes. Returns whether it went. */
  leave(topic: number, who: Subscriber): boolean {
    const listeners = this.#listeners[topic]!;
    if (!Array.isArray(listeners)) {
      this.#close(topic);
      return true;
    }
    // A list: what is sent to each matters more than how long one takes to leave many others.
    listeners.splice(listeners.indexOf(who), 1);
    if (listeners.length === 1) this.#listeners[topic] = listeners[0]!;
    return false;
  }

  /** All topics. */
  *[Symbol.iterator](): Generator<number> {
    for (let topic = 0; topic < this.#entries.length; topic++) {
      if (this.#entries[topic] !== 0) yield topic;
    }
  }

  #close(topic: number): void {
    const map = this.#map;
    const entry = this.#entries[topic]!;
    const bytes = map.headBytes(map.keyLen(entry));
    map.remove(map.hashOf(entry), entry);
    map.freeLongKey(entry);
    this.#arena.free(entry, bytes);
    this.#entries[topic] = 0;
    this.#listeners[topic] = undefined;
    this.#free.push(topic);
    if (this.#map.count === 0) this.#forgetNumbers();
  }

  /** Who subscribed to a million topics for once does not keep room for them. */
  #forgetNumbers(): void {
    this.#entries.length = this.#listeners.length = this.#free.length = 0;
  }
}
