/** Clients in WAIT and WAITAOF: they wait until enough replicas have what they wrote. */
import type { Client } from "../server/client.ts";
import type { Replicas } from "./replicas.ts";

interface Wait {
  readonly client: Client;
  /** Where in the stream its last write ends. */
  readonly offset: number;
  readonly replicas: number;
  /** WAITAOF: whether they are to have it on disk. */
  readonly onDisk: boolean;
}

export class AckWaits {
  readonly #replicas: Replicas;
  readonly #waits = new Set<Wait>();

  constructor(replicas: Replicas) {
    this.#replicas = replicas;
  }

  /** Lets a client wait for `replicas`, `timeoutMs` at the longest (0: for ever), and then `answer`. */
  wait(
    client: Client,
    replicas: number,
    onDisk: boolean,
    timeoutMs: number,
    answer: () => void,
  ): void {
    const wait = { client, offset: client.writeOffset, replicas, onDisk };
    this.#waits.add(wait);
    client.server.blocking.block(client, timeoutMs, answer, () => this.#waits.delete(wait));
    this.#replicas.askForAcks();
  }

  /** A replica has told how far it is: ends the waits that this ends. */
  check(): void {
    for (const { client, offset, replicas, onDisk } of this.#waits) {
      const count = onDisk
        ? this.#replicas.countFileAcks(offset)
        : this.#replicas.countAcks(offset);
      // The answer is the count in either case, so it is as if the time were over.
      if (count >= replicas) client.server.blocking.timeOut(client);
    }
  }
}
