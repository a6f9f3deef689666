/**
 * Clients that wait: for a time-out, for keys, for a pause to end.
 *
 * A handler that cannot answer yet calls {@link Blocking.block}; the router then runs no more of
 * the client's commands, and what its connection still reads is kept (`Client.pending`). Exactly one
 * of three things ends the wait: whatever it waits for calls {@link Blocking.unblock} with the reply
 * written, the time-out writes the reply of {@link Blocked.onTimeout}, or the connection goes. Then
 * the router goes on with what was kept. CLIENT PAUSE works the same way, but it keeps the command
 * itself too, since that was never run.
 */
import type { Client } from "./client.ts";

/** What a blocked client waits for. */
export interface Blocked {
  /** Writes the reply for when time is over. */
  readonly onTimeout: () => void;
  /** Forgets the client wherever it was registered as waiting. */
  readonly onEnd: () => void;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

export class Blocking {
  /** How many clients are blocked by a command: INFO's blocked_clients. */
  count = 0;
  readonly #resume: (client: Client) => void;

  /** `resume` runs what a client's connection has read meanwhile. */
  constructor(resume: (client: Client) => void) {
    this.#resume = resume;
  }

  /** Lets a client wait; `timeoutMs` 0 is for ever. */
  block(client: Client, timeoutMs: number, onTimeout: () => void, onEnd: () => void): void {
    const timer = timeoutMs > 0
      ? setTimeout(() => {
        onTimeout();
        this.unblock(client);
      }, timeoutMs)
      : undefined;
    client.blocked = { onTimeout, onEnd, timer };
    this.count++;
  }

  /** Ends a client's wait, its reply being written, and goes on with its commands. */
  unblock(client: Client): void {
    this.forget(client);
    this.#resume(client);
  }

  /** Ends the wait of a client that goes away or is reset. */
  forget(client: Client): void {
    const { blocked } = client;
    if (blocked === undefined) return;
    clearTimeout(blocked.timer);
    client.blocked = undefined;
    this.count--;
    blocked.onEnd();
  }
}
