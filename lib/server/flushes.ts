/**
 * When clients are sent what they got while another client's commands ran: messages, the answers they
 * waited for, MONITOR's lines.
 *
 * A write to a socket costs more than all else about a message, so as few are made as may be. What
 * came in one turn of the event loop goes out together, since writing begins only when the batches of
 * that turn have run. Where many clients wait, they are written to in slices, and between these the
 * event loop has its turn: commands go on being answered, and what they send to clients whose slice
 * is yet to come goes out in the same write. As much time goes to the writes as to all else, however
 * busy the server is: as long as what came between two slices took, slice follows slice.
 */
import { setImmediate } from "node:timers";
import { Queue } from "../bytes/queue.ts";
import type { Client } from "./client.ts";
import { Turn } from "./turn.ts";

/** The runtime puts off what begins in a turn beyond 128 operations, at a price: reads are among them. */
const SLICE = 32;
/** With so much waiting for a client there is nothing to be gained by more. */
const ENOUGH_BYTES = 4 * 1024;

export class Flushes {
  readonly #waiting = new Queue<Client>();
  /** Whether slices follow until nobody waits. */
  #begun = false;
  /** When the last slice ended: performance.now(). */
  #endMs = 0;
  /** Until when slice follows slice. */
  #untilMs = 0;
  readonly #write = () => this.#writeSlice();
  readonly #turn = new Turn(() => {
    const nowMs = performance.now();
    this.#untilMs = nowMs + (nowMs - this.#endMs);
    this.#writeSlice();
  });

  /** Sends what is written to a client soon, when no batch runs. */
  later(client: Client): void {
    if (client.flushQueued) return;
    client.flushQueued = true;
    this.#waiting.push(client);
    if (this.#begun) return;
    this.#begun = true;
    this.#untilMs = 0;
    queueMicrotask(this.#write);
  }

  /** Whether clients wait to be sent what is written to them. */
  get busy(): boolean {
    return this.#begun;
  }

  close(): void {
    this.#turn.close();
  }

  #writeSlice(): void {
    for (let left = SLICE; left > 0; left--) {
      const client = this.#waiting.shift();
      if (client === undefined) {
        this.#begun = false;
        return;
      }
      client.flushQueued = false;
      try {
        client.connection.flush();
      } catch (error) {
        // The others must not wait for ever.
        client.server.reportBug("a write", error);
      }
    }
    const next = this.#waiting.peek();
    this.#endMs = performance.now();
    if (next === undefined) this.#begun = false;
    else if (this.#endMs < this.#untilMs || next.reply.bytes >= ENOUGH_BYTES) {
      setImmediate(this.#write);
    } else this.#turn.next();
  }
}
