/**
 * The server's listeners with their accept loops: opened at the start, moved where CONFIG SET says,
 * closed in the end. What is bound is `listen.ts`'s concern.
 */
import type { Config } from "../config/config.ts";
import { checkTls, listenTcp, listenUnix, type TcpListeners } from "./listen.ts";
import type { Log } from "./log.ts";

/** How long to wait where accepting fails: out of file descriptors, say, which passes. */
const ACCEPT_AGAIN_MS = 100;

export class Listeners {
  readonly #config: Config;
  readonly #log: Log;
  readonly #welcome: (conn: Deno.Conn) => void;
  #tcp: TcpListeners = new Map();
  #unix: Deno.Listener | undefined;
  /** The accept loops: each ends after its listener was closed and has set free what it had bound. */
  readonly #loops = new Map<Deno.Listener, Promise<void>>();
  #closing = false;

  /** `welcome` is given every connection. */
  constructor(config: Config, log: Log, welcome: (conn: Deno.Conn) => void) {
    this.#config = config;
    this.#log = log;
    this.#welcome = welcome;
  }

  /** Binds every address of the configuration and accepts; throws ListenError. */
  open(): void {
    const { values } = this.#config;
    this.move(values.port);
    if (values.unixsocket === "") return;
    try {
      this.#unix = listenUnix(values);
    } catch (error) {
      for (const listener of this.#tcp.values()) listener.close();
      throw error;
    }
    this.#accept(this.#unix);
  }

  /**
   * Listens on `port`, or a free one if that is 0, and where else the configuration says, and no
   * longer anywhere else; connections stay. Throws ListenError, and then listens as before.
   */
  move(port: number): void {
    const before = this.#tcp;
    const now = listenTcp(this.#config.values, port, before);
    this.#tcp = now;
    for (const [name, listener] of before) if (!now.has(name)) listener.close();
    for (const [name, listener] of now) if (!before.has(name)) this.#accept(listener);
  }

  /**
   * Takes up another certificate or key for TLS connections to come; throws ListenError where they
   * are of no use. A port is free only when its listener is gone, so TLS is refused for a moment.
   */
  renewTls(): void {
    const old = [...this.#tcp].filter(([name]) => name.startsWith("tls "));
    if (old.length === 0) return;
    checkTls(this.#config.values);
    const { port } = this;
    this.#tcp = new Map([...this.#tcp].filter(([name]) => !name.startsWith("tls ")));
    const gone = old.map(([, listener]) => {
      listener.close();
      return this.#loops.get(listener);
    });
    Promise.all(gone).then(() => {
      if (!this.#closing) this.move(port);
    }).catch((error) => this.#log.warning(`TLS is no longer served: ${error}`));
  }

  /** The TCP port in use, also where the configuration asked for any (`port 0`). */
  get port(): number {
    for (const { addr } of this.#tcp.values()) if (addr.transport === "tcp") return addr.port;
    return 0;
  }

  get addresses(): readonly Deno.Addr[] {
    return this.#all.map(({ addr }) => addr);
  }

  /** Resolves when everything that was bound is free again. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const listener of this.#all) listener.close();
    await Promise.all(this.#loops.values());
  }

  get #all(): readonly Deno.Listener[] {
    const tcp = [...this.#tcp.values()];
    return this.#unix === undefined ? tcp : [...tcp, this.#unix];
  }

  #accept(listener: Deno.Listener): void {
    const loop = this.#acceptAll(listener).finally(() => this.#loops.delete(listener));
    this.#loops.set(listener, loop);
  }

  async #acceptAll(listener: Deno.Listener): Promise<void> {
    let failing = false;
    while (!this.#closing) {
      try {
        const conn = await listener.accept();
        if (this.#closing) return conn.close();
        this.#welcome(conn);
        failing = false;
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        // Its peer reset it before it was taken: the next one need not wait.
        if (isPeerGone(error)) continue;
        // Said once, not at every attempt.
        if (!failing) this.#log.warning(`Accepting a connection failed: ${error}`);
        failing = true;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_AGAIN_MS));
      }
    }
  }
}

function isPeerGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}
