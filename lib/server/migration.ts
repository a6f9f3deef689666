/**
 * Connections to the servers that MIGRATE sends keys to, kept for a while since the next keys often
 * go the same way, and whose turn it is: one migration at a time, as if it blocked the server.
 */
import { latin1 } from "../bytes/text.ts";
import { Timer } from "./timer.ts";

/** As in Redis: how many connections are kept, and for how long after their last use. */
const MAX_TARGETS = 64;
const KEPT_MS = 10_000;
/** No reply to what MIGRATE sends is longer; Redis cuts it off here. */
const MAX_LINE_BYTES = 1024;

const LF = 0x0a;
const CR = 0x0d;

/** What a {@link Target} throws: the connection is of no use any more. */
export class TargetLost extends Error {}

/** A connection to a target. What fails or takes too long throws TargetLost, and leaves it closed. */
export class Target {
  /** The database that it has selected; -1 if that is not known. */
  database = -1;
  /** Whether the last failure was that time was over. */
  timedOut = false;
  /** When it was used last, on the clock of performance.now(); Infinity while it is in use. */
  usedMs = Infinity;
  /** `host:port`. */
  readonly name: string;
  readonly #conn: Deno.Conn;
  readonly #buf = new Uint8Array(MAX_LINE_BYTES);
  #at = 0;
  #end = 0;

  constructor(name: string, conn: Deno.Conn) {
    this.name = name;
    this.#conn = conn;
  }

  async write(bytes: Uint8Array, timeoutMs: number): Promise<void> {
    await this.#limited(timeoutMs, async () => {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    });
  }

  /** The next line, without its end. */
  async readLine(timeoutMs: number): Promise<string> {
    return await this.#limited(timeoutMs, async () => {
      let line = this.#takeLine();
      while (line === undefined) {
        await this.#fill();
        line = this.#takeLine();
      }
      return line;
    });
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // The runtime closed it already when the peer went away.
    }
  }

  #takeLine(): string | undefined {
    const lf = this.#buf.subarray(0, this.#end).indexOf(LF, this.#at);
    if (lf < 0) return undefined;
    const from = this.#at;
    this.#at = lf + 1;
    return latin1(this.#buf, from, (this.#buf[lf - 1] === CR ? lf - 1 : lf) - from);
  }

  async #fill(): Promise<void> {
    this.#buf.copyWithin(0, this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = 0;
    if (this.#end === this.#buf.length) throw new TargetLost("The target's line is too long");
    const count = await this.#conn.read(this.#buf.subarray(this.#end));
    if (count === null) throw new TargetLost("The target closed the connection");
    this.#end += count;
  }

  async #limited<T>(timeoutMs: number, run: () => Promise<T>): Promise<T> {
    const timer = new Timer(timeoutMs, () => {
      this.timedOut = true;
      this.close();
    });
    try {
      return await run();
    } catch (cause) {
      this.close();
      throw new TargetLost("The connection to the target failed", { cause });
    } finally {
      timer.stop();
    }
  }
}

export class Migration {
  readonly #targets = new Map<string, Target>();
  #turn: Promise<void> = Promise.resolve();
  /** Ends the connecting that goes on, if any. */
  #connecting: AbortController | undefined;
  #closed = false;
  /** Migrations that go on or wait for their turn. */
  #count = 0;
  #disowned = new AbortController();

  /** Whether a key may still be about to go. */
  get running(): boolean {
    return this.#count > 0;
  }

  /** Aborted by {@link Migration.disown}: a migration that was begun before leaves the data alone. */
  get signal(): AbortSignal {
    return this.#disowned.signal;
  }

  /** This server becomes a replica: what becomes of the keys is its primary's to say. */
  disown(): void {
    this.#disowned.abort();
    this.#disowned = new AbortController();
  }

  /** How many connections are kept. */
  get targets(): number {
    return this.#targets.size;
  }

  /** Runs a migration when those before it are over; it must not fail. */
  inTurn(run: () => Promise<void>): void {
    this.#count++;
    this.#turn = this.#turn.then(run).then(() => {
      this.#count--;
    });
  }

  /**
   * The connection to a host and port, a new one where there is none; throws TargetLost if it cannot be
   * had. Give it back by {@link Migration.done} or {@link Migration.drop}.
   */
  async connect(host: string, port: number, timeoutMs: number): Promise<Target> {
    const name = `${host}:${port}`;
    let target = this.#targets.get(name);
    if (target === undefined) {
      target = new Target(name, await this.#dial(host, port, timeoutMs));
      // Redis makes room at random.
      for (const other of this.#targets.values()) {
        if (this.#targets.size < MAX_TARGETS) break;
        this.drop(other);
      }
      this.#targets.set(name, target);
    }
    target.usedMs = Infinity;
    return target;
  }

  /** A migration is over, and its connection is kept. */
  done(target: Target): void {
    target.usedMs = performance.now();
  }

  /** Closes a connection. */
  drop(target: Target): void {
    target.close();
    this.#targets.delete(target.name);
  }

  /** Closes what has not been used for a while. */
  expire(): void {
    const nowMs = performance.now();
    for (const target of this.#targets.values()) {
      if (nowMs - target.usedMs > KEPT_MS) this.drop(target);
    }
  }

  /** Ends all of it: a migration that goes on fails. */
  close(): void {
    this.#closed = true;
    this.#connecting?.abort();
    for (const target of this.#targets.values()) this.drop(target);
  }

  async #dial(host: string, port: number, timeoutMs: number): Promise<Deno.Conn> {
    if (this.#closed) throw new TargetLost("The server is closing");
    if (host === "") throw new TargetLost("No host is named");
    const abort = this.#connecting = new AbortController();
    const timer = new Timer(timeoutMs, () => abort.abort());
    try {
      const conn = await Deno.connect({ hostname: host, port, signal: abort.signal });
      if (abort.signal.aborted) {
        conn.close();
        throw new TargetLost("The connection came too late");
      }
      conn.setNoDelay(true);
      return conn;
    } catch (cause) {
      throw new TargetLost("The target cannot be reached", { cause });
    } finally {
      timer.stop();
      this.#connecting = undefined;
    }
  }
}
