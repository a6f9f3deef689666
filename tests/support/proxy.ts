/** A TCP proxy that can be cut: at once, or after so many bytes have come from the server. */

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it has let through. */
  readonly connections: number;
  /** Ends all connections; new ones are served. */
  cut(): void;
  /**
   * Ends the next connection, or the one there is, when so many more bytes have come from the server;
   * the ones after it as soon as `further` says of each in turn.
   */
  cutAfter(bytes: number, ...further: number[]): void;
  /** Lets nothing through any more, and ends nothing. */
  stall(on: boolean): void;
}

/** Starts a proxy to a port of this machine. */
export function startProxy(target: number): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const pumps: Promise<void>[] = [];
  let connections = 0;
  let left = Infinity;
  let further: number[] = [];
  let flowing = Promise.withResolvers<void>();
  flowing.resolve();
  const close = (conn: Deno.Conn) => {
    open.delete(conn);
    try {
      conn.close();
    } catch {
      // Closed already.
    }
  };
  const cut = () => {
    left = further.shift() ?? Infinity;
    for (const conn of open) close(conn);
  };
  const pump = async (from: Deno.Conn, to: Deno.Conn, counted: boolean) => {
    const buf = new Uint8Array(16 * 1024);
    try {
      for (;;) {
        const count = await from.read(buf);
        await flowing.promise;
        if (count === null) break;
        const through = counted ? Math.min(count, left) : count;
        for (let at = 0; at < through;) at += await to.write(buf.subarray(at, through));
        if (!counted) continue;
        left -= through;
        if (left === 0) cut();
      }
    } catch {
      // Either side has gone.
      await flowing.promise;
    }
    close(from);
    close(to);
  };
  const serving = (async () => {
    for await (const conn of listener) {
      const upstream = await Deno.connect({ hostname: "127.0.0.1", port: target })
        .catch(() => undefined);
      if (upstream === undefined) {
        conn.close();
        continue;
      }
      connections++;
      open.add(conn).add(upstream);
      pumps.push(pump(conn, upstream, false), pump(upstream, conn, true));
    }
  })();
  return {
    port: listener.addr.port,
    get connections() {
      return connections;
    },
    cut,
    cutAfter(bytes, ...more) {
      left = bytes;
      further = more;
    },
    stall(on) {
      if (on) flowing = Promise.withResolvers();
      else flowing.resolve();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      flowing.resolve();
      cut();
      await serving;
      cut();
      await Promise.all(pumps);
    },
  };
}
