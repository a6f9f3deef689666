/**
 * CLIENT PAUSE: commands (all, or those that write) wait until a time or CLIENT UNPAUSE. A paused
 * command was not run; its client is postponed with that command first in its pending ones.
 */
import type { Client } from "./client.ts";

export class Pause {
  /** Whether all commands wait, or only those that write. */
  all = false;
  /** Until when: milliseconds since the epoch; 0 when there is no pause. */
  untilMs = 0;

  readonly #nowMs: () => number;
  readonly #setGate: (on: boolean) => void;
  readonly #resume: (client: Client) => void;
  readonly #clients = new Set<Client>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    nowMs: () => number,
    setGate: (on: boolean) => void,
    resume: (client: Client) => void,
  ) {
    this.#nowMs = nowMs;
    this.#setGate = setGate;
    this.#resume = resume;
  }

  /** Pauses for at least so long: a pause in force is neither shortened nor made weaker. */
  start(durationMs: number, all: boolean): void {
    const untilMs = this.#nowMs() + durationMs;
    this.all ||= all;
    if (untilMs <= this.untilMs) return;
    this.untilMs = untilMs;
    this.#setGate(true);
    clearTimeout(this.#timer);
    // Timers count 31 bits of milliseconds; a longer pause is looked at again then.
    this.#timer = setTimeout(() => this.#over(), Math.min(durationMs, 2 ** 31 - 1));
  }

  /** Ends the pause and runs what waited, in the order in which it came. */
  end(): void {
    clearTimeout(this.#timer);
    this.untilMs = 0;
    this.all = false;
    this.#setGate(false);
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

  #over(): void {
    const leftMs = this.untilMs - this.#nowMs();
    if (leftMs <= 0) this.end();
    else this.#timer = setTimeout(() => this.#over(), Math.min(leftMs, 2 ** 31 - 1));
  }
}
