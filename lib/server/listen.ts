/** Where the server listens: TCP and TLS on every `bind` address, and a Unix socket. */
import type { ConfigValues } from "../config/config.ts";

/** What Redis binds for `*`, by family. */
const ANY: ReadonlyMap<string, string> = new Map([["*", "0.0.0.0"], ["::*", "::"]]);

/** Thrown where the server cannot listen; the message is one sentence for whoever starts it. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Listeners for TCP and TLS, by `tcp` or `tls`, address and port. */
export type TcpListeners = ReadonlyMap<string, Deno.Listener>;

/**
 * Binds every address for TCP and TLS, `port` on each of them (0: one that is free). What `before`
 * has bound already and is still wanted is taken over. Throws ListenError, and then binds nothing.
 */
export function listenTcp(
  values: ConfigValues,
  port: number,
  before: TcpListeners = new Map(),
): TcpListeners {
  const listeners = new Map<string, Deno.Listener>();
  try {
    bindAll("tcp", values.bind, port, (address) => Deno.listen(address), before, listeners);
    if (values["tls-port"] > 0) {
      const pem = readPems(values);
      const bind = (address: Address) => Deno.listenTls({ ...address, ...pem });
      bindAll("tls", values.bind, values["tls-port"], bind, before, listeners);
    }
  } catch (error) {
    for (const [name, listener] of listeners) if (!before.has(name)) listener.close();
    throw error;
  }
  return listeners;
}

/** Throws ListenError where the certificate and its key cannot be used. */
export function checkTls(values: ConfigValues): void {
  try {
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...readPems(values) }).close();
  } catch (error) {
    if (error instanceof ListenError) throw error;
    throw new ListenError(`Cannot use the TLS certificate or its key: ${reason(error)}.`);
  }
}

function readPems(values: ConfigValues): { cert: string; key: string } {
  return {
    cert: readPem(values["tls-cert-file"], "tls-cert-file"),
    key: readPem(values["tls-key-file"], "tls-key-file"),
  };
}

interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** Binds one port on each address; an address with `-` before it may be one that this machine lacks. */
function bindAll(
  kind: "tcp" | "tls",
  addresses: readonly string[],
  port: number,
  bind: (address: Address) => Deno.Listener,
  before: TcpListeners,
  listeners: Map<string, Deno.Listener>,
): void {
  for (const [i, word] of addresses.entries()) {
    const optional = word.startsWith("-");
    const address = optional ? word.slice(1) : word;
    const hostname = ANY.get(address) ?? address;
    try {
      const listener = before.get(`${kind} ${hostname}:${port}`) ?? bind({ hostname, port });
      // With port 0 the first address takes a free port, and the others follow it.
      port = (listener.addr as Deno.NetAddr).port;
      listeners.set(`${kind} ${hostname}:${port}`, listener);
    } catch (error) {
      if (optional && !(error instanceof Deno.errors.PermissionDenied) && i > 0) continue;
      throw new ListenError(`Cannot listen on ${address}:${port}: ${reason(error)}.`);
    }
  }
}

/** Binds the Unix socket `unixsocket`; throws ListenError. */
export function listenUnix(values: ConfigValues): Deno.Listener {
  const path = values.unixsocket;
  if (Deno.build.os === "windows") {
    throw new ListenError(
      "Cannot listen on a Unix socket: Windows has none; leave unixsocket out.",
    );
  }
  try {
    // A socket that a dead server left behind is in the way, and so is the empty file by which
    // mktemp reserves a name. Redis removes any file; one with content is not ours to remove.
    const { isSocket, isFile, size } = Deno.lstatSync(path);
    if (isSocket || (isFile && size === 0)) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new ListenError(`Cannot replace the Unix socket ${path}: ${reason(error)}.`);
    }
  }
  try {
    const listener = Deno.listen({ transport: "unix", path });
    const mode = values.unixsocketperm;
    if (mode !== 0) Deno.chmodSync(path, mode);
    return listener as unknown as Deno.Listener;
  } catch (error) {
    throw new ListenError(`Cannot listen on the Unix socket ${path}: ${reason(error)}.`);
  }
}

function readPem(path: string, directive: string): string {
  if (path === "") throw new ListenError(`Cannot listen with TLS: ${directive} is not set.`);
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new ListenError(`Cannot read ${directive} ${path}: ${reason(error)}.`);
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the address is in use; stop the server that has it, or choose another port";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; choose a port from 1024 on, or start with more rights";
  }
  return error instanceof Error ? error.message : String(error);
}
