/** Redino in this process as a replica, or as a primary that has a directory of its own. */
import { type RunningServer, serve, type ServeOptions } from "../../lib/mod.ts";
import { RespClient } from "./resp_client.ts";

export interface TestServer extends AsyncDisposable {
  readonly server: RunningServer;
  readonly port: number;
  readonly client: RespClient;
  readonly dir: string;
  readonly log: string[];
}

/** Starts Redino with a directory that goes when it ends. */
export async function startRedino(options: ServeOptions = {}): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "redino_repl_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const log: string[] = [];
  const server = stack.use(
    await serve({
      port: 0,
      dir,
      "enable-debug-command": "yes",
      "repl-diskless-sync-delay": 0,
      log: (line) => log.push(line),
      ...options,
    }),
  );
  const client = stack.use(await RespClient.connect(server.port));
  const owned = stack.move();
  return {
    server,
    port: server.port,
    client,
    dir,
    log,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts it as a replica of what listens at a port of this machine. */
export async function startReplica(
  primaryPort: number,
  options: ServeOptions = {},
): Promise<TestServer> {
  return await startRedino({ replicaof: `127.0.0.1 ${primaryPort}`, ...options });
}
