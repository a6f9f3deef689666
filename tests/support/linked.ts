/** Redino as a replica of a primary that the test plays. */
import type { ServeOptions } from "../../lib/mod.ts";
import { FakePrimary, type FakeReplica } from "./fake_primary.ts";
import { startReplica, type TestServer } from "./redino_replica.ts";

export interface Linked extends TestServer {
  readonly primary: FakePrimary;
}

/** A primary that nobody has spoken to yet, and a replica of it. */
export async function link(options: ServeOptions = {}): Promise<Linked> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(new FakePrimary());
  const replica = stack.use(await startReplica(primary.port, options));
  const owned = stack.move();
  return { ...replica, primary, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Greets the replica and gives it an empty data set as of an offset. */
export async function synchronized(primary: FakePrimary, offset: number): Promise<FakeReplica> {
  const { replica } = await primary.greet();
  await replica.saySnapshot(offset);
  await replica.hearAckOf(offset);
  return replica;
}
