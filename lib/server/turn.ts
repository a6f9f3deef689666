/**
 * Gives the event loop's sockets a turn before a function runs. `setImmediate` would not: the runtime
 * runs up to 61 rounds of them before it looks at its sockets. So a byte is sent over a connection of
 * the process with itself, and the function runs when it arrives: some 15 µs later, behind what had
 * arrived before.
 */
import { setImmediate } from "node:timers";

const LOOPBACK = "127.0.0.1";
const BYTE = new Uint8Array(1);

export class Turn {
  readonly #run: () => void;
  #ends: { readonly near: Deno.Conn; readonly far: Deno.Conn } | undefined;
  readonly #received = new Uint8Array(1);
  /** The connection is gone: from now on `setImmediate` has to do. */
  readonly #onLost = () => {
    this.#ends = undefined;
    this.#run();
  };
  #opened = false;
  #closed = false;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Runs the function; not to be called again before that. */
  next(): void {
    if (this.#ends === undefined) {
      setImmediate(this.#run);
      if (!this.#opened) this.#open();
      return;
    }
    this.#ends.far.read(this.#received).then(this.#run, this.#onLost);
    this.#ends.near.write(BYTE).catch(() => {});
  }

  close(): void {
    this.#closed = true;
    this.#ends?.near.close();
    this.#ends?.far.close();
  }

  /** Where this is not allowed or fails, `setImmediate` has to do. */
  async #open(): Promise<void> {
    this.#opened = true;
    if (Deno.permissions.querySync({ name: "net", host: LOOPBACK }).state !== "granted") return;
    try {
      using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
      const near = await Deno.connect({ hostname: LOOPBACK, port: listener.addr.port });
      const far = await listener.accept().catch(() => undefined);
      // Somebody else may have found the port first.
      const isOurs = far?.remoteAddr.port === near.localAddr.port;
      if (far === undefined || !isOurs || this.#closed) {
        near.close();
        far?.close();
        return;
      }
      near.setNoDelay(true);
      this.#ends = { near, far };
    } catch {
      // As it was.
    }
  }
}
