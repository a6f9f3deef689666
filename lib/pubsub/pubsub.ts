/**
 * Pub/Sub: who listens to which channels, patterns and shard channels, and the messages that they
 * get. A message goes to the channel's subscribers first, then to each pattern's that it matches.
 */
import { globMatchAt } from "../bytes/glob.ts";
import { hashBytes } from "../bytes/hash.ts";
import { MESSAGE, Message, type MessageKind, PATTERN_MESSAGE, SHARD_MESSAGE } from "./message.ts";
import { type Topic, Topics } from "./topics.ts";

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

/** What a subscriber listens to, in the order in which it subscribed. */
export class Subscriptions {
  /** Bytes that all of them take, about. */
  bytes = 0;
  readonly channels = new Set<Topic<Subscriber>>();
  readonly patterns = new Set<Topic<Subscriber>>();
  readonly shards = new Set<Topic<Subscriber>>();

  /** How many there are of a kind as Redis counts them: channels and patterns together. */
  count(kind: Kind): number {
    return kind === "shards" ? this.shards.size : this.channels.size + this.patterns.size;
  }

  get isEmpty(): boolean {
    return this.channels.size + this.patterns.size + this.shards.size === 0;
  }
}

export class PubSub {
  readonly channels = new Topics<Subscriber>();
  readonly patterns = new Topics<Subscriber>();
  readonly shards = new Topics<Subscriber>();
  readonly #message = new Message();

  /** Lets a subscriber listen to a topic; nothing happens where it does already. */
  subscribe(who: Subscriber, kind: Kind, buf: Uint8Array, off: number, len: number): void {
    who.subscriptions ??= new Subscriptions();
    const topic = this[kind].open(buf, off, len);
    if (who.subscriptions[kind].has(topic)) return;
    topic.subscribers.push(who);
    who.subscriptions[kind].add(topic);
    who.subscriptions.bytes += SUBSCRIPTION_BYTES + len;
  }

  /** Ends that; nothing happens where it does not listen. */
  unsubscribe(who: Subscriber, kind: Kind, buf: Uint8Array, off: number, len: number): void {
    const topic = this[kind].find(buf, off, len);
    const { subscriptions } = who;
    if (topic === undefined || !subscriptions?.[kind].delete(topic)) return;
    subscriptions.bytes -= SUBSCRIPTION_BYTES + len;
    this[kind].leave(topic, who);
    if (subscriptions.isEmpty) who.subscriptions = undefined;
  }

  /** Ends all that a subscriber listens to. */
  leave(who: Subscriber): void {
    const { subscriptions } = who;
    if (subscriptions === undefined) return;
    for (const kind of ["channels", "patterns", "shards"] as const) {
      for (const topic of subscriptions[kind]) this[kind].leave(topic, who);
    }
    who.subscriptions = undefined;
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
    if (channel === undefined && this.patterns.size === 0) return 0;
    this.#message.set(buf, off, len, text, textOff, textLen);
    let receivers = channel === undefined ? 0 : this.#send(channel, MESSAGE);
    if (this.patterns.size === 0) return receivers;
    for (const pattern of this.patterns) {
      if (!globMatchAt(pattern.name, buf, off, len, false)) continue;
      receivers += this.#send(pattern, PATTERN_MESSAGE, pattern.name);
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
    if (channel === undefined) return 0;
    this.#message.set(buf, off, len, text, textOff, textLen);
    return this.#send(channel, SHARD_MESSAGE);
  }

  #send({ subscribers }: Topic<Subscriber>, kind: MessageKind, pattern?: Uint8Array): number {
    const receivers = subscribers.length;
    this.#message.address(kind, receivers, pattern);
    for (let i = 0; i < subscribers.length;) {
      const subscriber = subscribers[i]!;
      subscriber.deliver(this.#message);
      // Whoever is cut off for what waits for him has left.
      if (subscribers[i] === subscriber) i++;
    }
    return receivers;
  }
}
