/**
 * Pub/Sub: who listens to which channels, patterns and shard channels, and the messages that they
 * get. A message goes to the channel's subscribers first, then to each pattern's that it matches.
 */
import { globMatchAt } from "../bytes/glob.ts";
import { hashBytes } from "../bytes/hash.ts";
import { MESSAGE, Message, type MessageKind, PATTERN_MESSAGE, SHARD_MESSAGE } from "./message.ts";
import { NONE, Topics } from "./topics.ts";

/** Who can subscribe: a client. */
export interface Subscriber {
  /** Undefined as long as it listens to nothing. */
  subscriptions: Subscriptions | undefined;
  /** Takes a message, which is valid only during the call. */
  deliver(message: Message): void;
}

/** What there is to listen to. */
export type Kind = "channels" | "patterns" | "shards";

/** What a subscription takes beside its name, which others may share; rounded. */
const SUBSCRIPTION_BYTES = 64;

/** The topics that a subscriber listens to, in the order in which it subscribed. */
export class Subscriptions {
  /** Bytes that all of them take, about. */
  bytes = 0;
  readonly channels = new Set<number>();
  readonly patterns = new Set<number>();
  readonly shards = new Set<number>();

  /** How many there are of a kind as Redis counts them: channels and patterns together. */
  count(kind: Kind): number {
    return kind === "shards" ? this.shards.size : this.channels.size + this.patterns.size;
  }

  get isEmpty(): boolean {
    return this.channels.size + this.patterns.size + this.shards.size === 0;
  }
}

export class PubSub {
  readonly channels = new Topics();
  readonly patterns = new Topics();
  readonly shards = new Topics();
  /** Every pattern's bytes by its topic, in the order in which they came: all are tried for each message. */
  readonly #globs = new Map<number, Uint8Array>();
  readonly #message = new Message();

  /** Lets a subscriber listen to a topic; nothing happens where it does already. */
  subscribe(who: Subscriber, kind: Kind, buf: Uint8Array, off: number, len: number): void {
    const topics = this[kind];
    const subscriptions = who.subscriptions ??= new Subscriptions();
    const hash = hashBytes(buf, off, len);
    let topic = topics.find(buf, off, len, hash);
    if (topic === NONE) {
      topic = topics.open(buf, off, len, hash, who);
      if (kind === "patterns") this.#globs.set(topic, topics.name(topic));
    } else if (subscriptions[kind].has(topic)) return;
    else topics.join(topic, who);
    subscriptions[kind].add(topic);
    subscriptions.bytes += SUBSCRIPTION_BYTES + len;
  }

  /** Ends that; nothing happens where it does not listen. */
  unsubscribe(who: Subscriber, kind: Kind, buf: Uint8Array, off: number, len: number): void {
    const { subscriptions } = who;
    const topic = this[kind].find(buf, off, len);
    if (!subscriptions?.[kind].delete(topic)) return;
    subscriptions.bytes -= SUBSCRIPTION_BYTES + len;
    this.#leave(who, kind, topic);
    if (subscriptions.isEmpty) who.subscriptions = undefined;
  }

  /** Ends all that a subscriber listens to. */
  leave(who: Subscriber): void {
    const { subscriptions } = who;
    if (subscriptions === undefined) return;
    for (const kind of ["channels", "patterns", "shards"] as const) {
      for (const topic of subscriptions[kind]) this.#leave(who, kind, topic);
    }
    who.subscriptions = undefined;
  }

  #leave(who: Subscriber, kind: Kind, topic: number): void {
    if (this[kind].leave(topic, who) && kind === "patterns") this.#globs.delete(topic);
  }

  /** Whether anybody could get a message that is published to a channel. */
  get isHeard(): boolean {
    return this.channels.size + this.patterns.size > 0;
  }

  /**
   * Sends a message to whoever listens to the channel, whose {@link hashBytes} may be known; returns
   * how often it was sent.
   */
  publish(
    buf: Uint8Array,
    off: number,
    len: number,
    text: Uint8Array,
    textOff: number,
    textLen: number,
    hash = hashBytes(buf, off, len),
  ): number {
    const channel = this.channels.find(buf, off, len, hash);
    if (channel === NONE && this.#globs.size === 0) return 0;
    this.#message.set(buf, off, len, text, textOff, textLen);
    let receivers = channel === NONE ? 0 : this.#send(this.channels, channel, MESSAGE);
    if (this.#globs.size === 0) return receivers;
    for (const [pattern, glob] of this.#globs) {
      if (!globMatchAt(glob, buf, off, len, false)) continue;
      receivers += this.#send(this.patterns, pattern, PATTERN_MESSAGE, glob);
    }
    return receivers;
  }

  /** The same for a shard channel, which no pattern matches. */
  publishToShard(
    buf: Uint8Array,
    off: number,
    len: number,
    text: Uint8Array,
    textOff: number,
    textLen: number,
    hash = hashBytes(buf, off, len),
  ): number {
    const channel = this.shards.find(buf, off, len, hash);
    if (channel === NONE) return 0;
    this.#message.set(buf, off, len, text, textOff, textLen);
    return this.#send(this.shards, channel, SHARD_MESSAGE);
  }

  #send(
    topics: Topics,
    topic: number,
    kind: MessageKind,
    pattern?: Uint8Array,
  ): number {
    const listeners = topics.listeners(topic);
    if (!Array.isArray(listeners)) {
      this.#message.address(kind, 1, pattern);
      listeners.deliver(this.#message);
      return 1;
    }
    const receivers = listeners.length;
    this.#message.address(kind, receivers, pattern);
    for (let i = 0; i < listeners.length;) {
      const subscriber = listeners[i]!;
      subscriber.deliver(this.#message);
      // Whoever is cut off for what waits for him has left.
      if (listeners[i] === subscriber) i++;
    }
    return receivers;
  }
}
