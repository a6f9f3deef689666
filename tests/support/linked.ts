/** Redino as a replica of a primary that the test plays. */
import { type RunningServer, serve, type ServeOptions } from "../../lib/mod.ts";
import { FakePrimary, type FakeReplica } from "./fake_primary.ts";
import { RespClient } from "./resp_client.ts";

export interface Linked extends AsyncDisposable {
  readonly primary: FakePrimary;
  readonly server: RunningServer;
  readonly client: RespClient;
  readonly dir: string;
  readonly log: string[];
}

/** A primary that nobody has spoken to yet, and a replica of it. */
export async function link(options: ServeOptions = {}): Promise<Linked> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(new FakePrimary());
  const dir = await Deno.makeTempDir({ prefix: "redino_link_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const log: string[] = [];
  const server = stack.use(
    await serve({
      port: 0,
      dir,
      replicaof: `127.0.0.1 ${primary.port}`,
      "enable-debug-command": "yes",
      log: (line) => log.push(line),
      ...options,
    }),
  );
  const client = stack.use(await RespClient.connect(server.port));
  const owned = stack.move();
  return {
    primary,
    server,
    client,
    dir,
    log,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Greets the replica and gives it an empty data set as of an offset. */
export async function synchronized(primary: FakePrimary, offset: number): Promise<FakeReplica> {
  const { replica } = await primary.greet();
  await replica.saySnapshot(offset);
  await replica.hearAckOf(offset);
  return replica;
}
