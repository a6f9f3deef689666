/**
 * CLIENT PAUSE: commands (all, or those that write) wait until a time or CLIENT UNPAUSE. A paused
 * command was not run, or waited for keys that are ready now; its client is postponed with that command
 * first in its pending ones. What the server itself does may hold writes back, too, which no CLIENT UNPAUSE ends.
 */
import type { Client } from "./client.ts";
import { Timer } from "./timer.ts";

export class Pause {
  /** Whether all commands wait, or only those that write. */
  all = false;

  readonly #setGate: (on: boolean) => void;
  readonly #resume: (client: Client) => void;
  readonly #clients = new Set<Client>();
  /** When the pause ends, on the clock of performance.now(); 0 when there is none. */
  #endMs = 0;
  #timer: Timer | undefined;
  #holds = 0;

  /** `setGate` tells the router of the pause, `resume` lets a client go on. */
  constructor(setGate: (on: boolean) => void, resume: (client: Client) => void) {
    this.#setGate = setGate;
    this.#resume = resume;
  }

  /** How many clients wait. */
  get count(): number {
    return this.#clients.size;
  }

  /** Pauses for at least so long: a pause in force is neither shortened nor made weaker. */
  start(durationMs: number, all: boolean): void {
    this.all ||= all;
    const endMs = performance.now() + durationMs;
    if (endMs <= this.#endMs) return;
    this.#endMs = endMs;
    this.#setGate(true);
    this.#timer?.stop();
    this.#timer = new Timer(durationMs, () => this.end());
  }

  /** Ends the pause and runs what waited, in the order in which it came. */
  end(): void {
    this.#timer?.stop();
    this.#endMs = 0;
    this.all = false;
    this.#letGo();
  }

  /** The server closes: what waited is not run any more, as the data were saved without it. */
  close(): void {
    this.#timer?.stop();
  }

  /** Lets what writes wait until {@link Pause.release}. */
  hold(): void {
    this.#holds++;
    this.#setGate(true);
  }

  release(): void {
    this.#holds--;
    if (this.#holds === 0 && this.#endMs === 0) this.#letGo();
  }

  /** Runs what waited; what must still wait comes back. */
  #letGo(): void {
    this.#setGate(this.#holds > 0);
    const clients = [...this.#clients];
    this.#clients.clear();
    for (const client of clients) {
      client.postponed = false;
      this.#resume(client);
    }
  }

  postpone(client: Client): void {
    client.postponed = true;
    this.#clients.add(client);
  }

  forget(client: Client): void {
    this.#clients.delete(client);
  }
}
