/**
 * Keyspace notifications: what happens to keys, published as messages. As `notify-keyspace-events`
 * says, an event goes to `__keyspace@<db>__:<key>` with its name as the message, and to
 * `__keyevent@<db>__:<event>` with the key.
 */
import { latin1Bytes } from "../bytes/text.ts";
import { EVENT_CLASSES } from "../config/special_kinds.ts";
import type { PubSub } from "../pubsub/pubsub.ts";
import type { Database } from "../store/database.ts";

export class KeyspaceNotifications {
  readonly #pubsub: PubSub;
  readonly #settings: { readonly eventClasses: number };

  /** `settings` has the classes in force. */
  constructor(pubsub: PubSub, settings: { readonly eventClasses: number }) {
    this.#pubsub = pubsub;
    this.#settings = settings;
  }

  /** Publishes an event whose class is wanted; the key's bytes are used during the call only. */
  publish(event: string, db: Database, key: Uint8Array): void {
    if (!this.#pubsub.isHeard) return;
    const classes = this.#settings.eventClasses;
    const text = latin1Bytes(event);
    if ((classes & EVENT_CLASSES.K) !== 0) {
      const prefix = latin1Bytes(`__keyspace@${db.number}__:`);
      const channel = new Uint8Array(prefix.length + key.length);
      channel.set(prefix);
      channel.set(key, prefix.length);
      this.#publish(channel, text);
    }
    if ((classes & EVENT_CLASSES.E) !== 0) {
      this.#publish(latin1Bytes(`__keyevent@${db.number}__:${event}`), key);
    }
  }

  #publish(channel: Uint8Array, text: Uint8Array): void {
    this.#pubsub.publish(channel, 0, channel.length, text, 0, text.length);
  }
}
