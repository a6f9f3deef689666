/**
 * Names that clients listen to: the channels, the shard channels or the patterns of a server, found
 * by their bytes without making a string. A topic exists as long as it has a subscriber.
 */
import { equalBytes } from "../bytes/compare.ts";
import { hashBytes } from "../bytes/hash.ts";

/** A topic and who listens, in the order in which they came. */
export interface Topic<S> {
  readonly name: Uint8Array;
  readonly hash: number;
  /** A list: what is sent to each matters more than how long one takes to leave many others. */
  readonly subscribers: S[];
  /** The next topic whose name has the same hash. */
  next: Topic<S> | undefined;
}

export class Topics<S> implements Iterable<Topic<S>> {
  /** How many topics there are. */
  size = 0;
  readonly #byHash = new Map<number, Topic<S>>();

  /** The topic of this name, whose hash may be known. */
  find(
    buf: Uint8Array,
    off: number,
    len: number,
    hash = hashBytes(buf, off, len),
  ): Topic<S> | undefined {
    let topic = this.#byHash.get(hash);
    while (topic !== undefined && !isSame(topic.name, buf, off, len)) topic = topic.next;
    return topic;
  }

  /** The topic of this name, which is made where nobody listens yet: a subscriber must follow. */
  open(buf: Uint8Array, off: number, len: number): Topic<S> {
    const hash = hashBytes(buf, off, len);
    const found = this.find(buf, off, len, hash);
    if (found !== undefined) return found;
    const topic: Topic<S> = {
      name: buf.slice(off, off + len),
      hash,
      subscribers: [],
      next: this.#byHash.get(hash),
    };
    this.#byHash.set(hash, topic);
    this.size++;
    return topic;
  }

  /** Takes a subscriber off its topic, and the topic away with its last one. */
  leave(topic: Topic<S>, subscriber: S): void {
    const { subscribers } = topic;
    subscribers.splice(subscribers.indexOf(subscriber), 1);
    if (subscribers.length > 0) return;
    this.size--;
    const first = this.#byHash.get(topic.hash)!;
    if (first !== topic) {
      let before = first;
      while (before.next !== topic) before = before.next!;
      before.next = topic.next;
    } else if (topic.next !== undefined) this.#byHash.set(topic.hash, topic.next);
    else this.#byHash.delete(topic.hash);
  }

  *[Symbol.iterator](): Generator<Topic<S>> {
    for (const first of this.#byHash.values()) {
      for (let topic: Topic<S> | undefined = first; topic !== undefined; topic = topic.next) {
        yield topic;
      }
    }
  }
}

function isSame(name: Uint8Array, buf: Uint8Array, off: number, len: number): boolean {
  return name.length === len && equalBytes(name, 0, buf, off, len);
}
