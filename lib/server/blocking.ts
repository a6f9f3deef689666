/**
 * Clients that wait, whatever for; `blocked_keys.ts` is about those that wait for keys.
 *
 * A handler that cannot answer yet calls {@link Blocking.block}; the router then runs no more of
 * the client's commands, and what its connection still reads is kept (`Client.pending`). Exactly one
 * of these ends the wait: whatever it waits for writes the reply and calls
 * {@link Blocking.unblock}; {@link Blocking.timeOut} when time is over or on CLIENT UNBLOCK; or the
 * connection goes. Then the router goes on with what was kept, after the running command.
 *
 * CLIENT PAUSE (`pause.ts`) halts clients the same way, but before their command, not in it.
 */
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";
import { GATE } from "./gates.ts";
import { Timer } from "./timer.ts";

/** What a blocked client waits for. */
export interface Blocked {
  /** Writes the reply for when time is over; undefined where only what it waits for ends the wait. */
  readonly onTimeout: (() => void) | undefined;
  /** Forgets the client wherever it was registered as waiting. */
  readonly onEnd: () => void;
  readonly timer: Timer | undefined;
  /** Bytes of the command's arguments, where they are kept. */
  readonly argumentBytes: number;
}

export class Blocking {
  /** How many clients are blocked by a command: INFO's blocked_clients. */
  count = 0;
  readonly #resume: (client: Client) => void;

  /** `resume` runs what a client's connection has read meanwhile. */
  constructor(resume: (client: Client) => void) {
    this.#resume = resume;
  }

  /** Lets a client wait, `timeoutMs` at the longest (0: for ever); so many bytes are kept for it. */
  block(
    client: Client,
    timeoutMs: number,
    onTimeout: (() => void) | undefined,
    onEnd: () => void,
    argumentBytes = 0,
  ): void {
    const timer = timeoutMs > 0 ? new Timer(timeoutMs, () => this.timeOut(client)) : undefined;
    client.blocked = { onTimeout, onEnd, timer, argumentBytes };
    this.count++;
    if (argumentBytes > 0) client.server.noteWaiting(client);
  }

  /** Ends a client's wait, its reply being written, and goes on with its commands. */
  unblock(client: Client): void {
    this.forget(client);
    if ((client.gates & GATE.deferred) !== 0) client.pushDeferred();
    this.#resume(client);
  }

  /** Ends a client's wait, its reply being written, whose command is not run again. */
  complete(client: Client): void {
    endCall(client);
    this.unblock(client);
  }

  /** Ends a client's wait as if its time were over. */
  timeOut(client: Client): void {
    client.blocked?.onTimeout?.();
    this.complete(client);
  }

  /** Ends a client's wait with an error: CLIENT UNBLOCK's, or one of what it waits for. */
  fail(client: Client, line: string): void {
    client.reply.error(line);
    endCall(client).failed++;
    this.unblock(client);
  }

  /** Ends the wait of a client that goes away or is reset. */
  forget(client: Client): void {
    const { blocked } = client;
    if (blocked === undefined) return;
    blocked.timer?.stop();
    client.blocked = undefined;
    this.count--;
    if (blocked.argumentBytes > 0) client.server.noteWaiting(client);
    blocked.onEnd();
  }
}

/** Counts a blocked client's command, which ends without being run again; returns it. */
function endCall(client: Client): Command {
  client.server.stats.commands++;
  // It was the one for which CLIENT CACHING was called.
  if (client.tracking?.caching) client.setCaching(false);
  const command = client.lastCommand!;
  command.calls++;
  return command;
}
