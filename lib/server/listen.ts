/** Where the server listens: TCP and TLS on every `bind` address, and a Unix socket. */
import type { ConfigValues } from "../config/config.ts";

/** What Redis binds for `*`, by family. */
const ANY: Readonly<Record<string, string>> = { "*": "0.0.0.0", "::*": "::" };

/** Thrown where the server cannot listen; the message is one sentence for whoever starts it. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Binds everything that the configuration asks for; throws ListenError and leaves nothing bound. */
export function listen(values: ConfigValues): Deno.Listener[] {
  const listeners: Deno.Listener[] = [];
  try {
    bindAll(
      listeners,
      values.bind,
      values.port,
      (hostname, port) => Deno.listen({ hostname, port }),
    );
    if (values["tls-port"] > 0) {
      const cert = readPem(values["tls-cert-file"], "tls-cert-file");
      const key = readPem(values["tls-key-file"], "tls-key-file");
      bindAll(
        listeners,
        values.bind,
        values["tls-port"],
        (hostname, port) => Deno.listenTls({ hostname, port, cert, key }),
      );
    }
    if (values.unixsocket !== "") listeners.push(listenUnix(values));
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

/** Binds one port on each address; an address with `-` before it may be one that this machine lacks. */
function bindAll(
  listeners: Deno.Listener[],
  addresses: readonly string[],
  port: number,
  bind: (hostname: string, port: number) => Deno.Listener,
): void {
  for (const word of addresses) {
    const optional = word.startsWith("-");
    const address = optional ? word.slice(1) : word;
    try {
      const listener = bind(ANY[address] ?? address, port);
      listeners.push(listener);
      // With port 0 the first address takes a free port, and the others follow it.
      if (port === 0) port = (listener.addr as Deno.NetAddr).port;
    } catch (error) {
      if (optional && !(error instanceof Deno.errors.PermissionDenied) && listeners.length > 0) {
        continue;
      }
      throw new ListenError(`Cannot listen on ${address}:${port}: ${reason(error)}.`);
    }
  }
}

function listenUnix(values: ConfigValues): Deno.Listener {
  const path = values.unixsocket;
  if (Deno.build.os === "windows") {
    throw new ListenError(
      "Cannot listen on a Unix socket: Windows has none; leave unixsocket out.",
    );
  }
  try {
    // A socket that a dead server left behind is in the way; any other file is not ours to remove.
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
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
