/** Chains: Redino between a primary and a replica, which get the same bytes with the same offsets. */
import { assertEquals } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { startProxy } from "./support/proxy.ts";
import { startRedino, startReplica } from "./support/redino_replica.ts";
import { startRedis } from "./support/redis.ts";
import { assertSameData, caughtUp, info, writeSome } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** A server of a chain, and its client. */
interface Link {
  readonly port: number;
  readonly client: RespClient;
}

const REDIS = ["--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb"];
const BACKLOG = { "repl-backlog-size": "64mb" };

async function startRedisLink(
  stack: AsyncDisposableStack,
  primaryPort?: number,
): Promise<Link> {
  const replicaOf = primaryPort === undefined ? [] : ["--replicaof", `127.0.0.1 ${primaryPort}`];
  const { port } = stack.use(await startRedis({ args: [...REDIS, ...replicaOf] }));
  return { port, client: stack.use(await RespClient.connect(port)) };
}

/** Writes at the chain's beginning until all have caught up with it, and holds that all are the same. */
async function assertFollows(chain: readonly Link[], rng: Rng): Promise<void> {
  const [primary, ...replicas] = chain.map(({ client }) => client);
  for (let i = 0; i < 20; i++) await writeSome(primary!, rng, 30);
  for (const replica of replicas) await caughtUp(primary!, replica);
  for (const replica of replicas) await assertSameData(primary!, replica);
}

async function count(client: RespClient, section: string, field: string): Promise<number> {
  return Number((await info(client, section)).get(field));
}

Deno.test("Redino follows Redino, and another Redino follows that one", async () => {
  await seeded(async (rng) => {
    await using a = await startRedino(BACKLOG);
    for (let i = 0; i < 10; i++) await writeSome(a.client, rng, 50);
    await using b = await startReplica(a.port, BACKLOG);
    await using c = await startReplica(b.port, BACKLOG);
    await assertFollows([a, b, c], rng);
    await using late = await startReplica(c.port, { "repl-diskless-load": "swapdb" });
    await assertFollows([a, b, c, late], rng);
  });
});

redisTest("WAIT is answered by, and messages go through, all that follow", async () => {
  await using stack = new AsyncDisposableStack();
  await using a = await startRedino();
  await using b = await startReplica(a.port);
  const c = await startRedisLink(stack, b.port);
  await using d = await startReplica(c.port);
  for (const server of [b, c, d]) await caughtUp(a.client, server.client);
  using subscriber = await RespClient.connect(d.port);
  await subscriber.send("SUBSCRIBE", "news");
  await a.client.send("SET", "k", "v");
  // Its own replica only.
  assertEquals(await a.client.ask("WAIT", 1, 0), ":1");
  assertEquals(await b.client.ask("GET", "k"), '"v"');
  await a.client.send("PUBLISH", "news", "hello");
  assertEquals(show(await subscriber.read()), '["message" "news" "hello"]');
});

redisTest("redis-server follows Redino that follows redis-server", async () => {
  await seeded(async (rng) => {
    await using stack = new AsyncDisposableStack();
    const a = await startRedisLink(stack);
    for (let i = 0; i < 10; i++) await writeSome(a.client, rng, 50);
    await using b = await startReplica(a.port, BACKLOG);
    const c = await startRedisLink(stack, b.port);
    await assertFollows([a, b, c], rng);
  });
});

redisTest(
  "a Redino in the middle that loses its primary for a while keeps its own replica",
  async () => {
    await seeded(async (rng) => {
      await using stack = new AsyncDisposableStack();
      const a = await startRedisLink(stack);
      await using proxy = startProxy(a.port);
      await using b = await startReplica(proxy.port, BACKLOG);
      const c = await startRedisLink(stack, b.port);
      await assertFollows([a, b, c], rng);
      for (let cuts = 0; cuts < 10; cuts++) {
        const { connections } = proxy;
        proxy.cutAfter(rng.int(1, 3000));
        while (proxy.connections === connections) await writeSome(a.client, rng, 20);
      }
      proxy.cutAfter(Infinity);
      await assertFollows([a, b, c], rng);
      assertEquals(await count(a.client, "stats", "sync_full"), 1);
      assertEquals(await count(b.client, "stats", "sync_full"), 1);
    });
  },
);

Deno.test("links that are cut anywhere in a chain of Redinos lose nothing and do nothing twice", async () => {
  await seeded(async (rng) => {
    await using a = await startRedino(BACKLOG);
    await using ab = startProxy(a.port);
    await using b = await startReplica(ab.port, BACKLOG);
    await using bc = startProxy(b.port);
    await using c = await startReplica(bc.port, BACKLOG);
    await assertFollows([a, b, c], rng);
    for (let cuts = 0; cuts < 20; cuts++) {
      const proxy = rng.pick([ab, bc]);
      const { connections } = proxy;
      proxy.cutAfter(rng.int(1, 3000));
      while (proxy.connections === connections) {
        await writeSome(a.client, rng, 20);
        await a.client.send("INCR", "counter");
      }
    }
    for (const proxy of [ab, bc]) proxy.cutAfter(Infinity);
    await assertFollows([a, b, c], rng);
    assertEquals(await count(a.client, "stats", "sync_full"), 1);
    assertEquals(await count(b.client, "stats", "sync_full"), 1);
  });
});

redisTest("replicas go on in part with the one among them that is promoted", async () => {
  await seeded(async (rng) => {
    await using stack = new AsyncDisposableStack();
    // Nothing may move an offset by itself: no PING, and no key that is found expired.
    const still = { ...BACKLOG, "repl-ping-replica-period": 3600 };
    await using a = await startRedino(still);
    await a.client.send("DEBUG", "SET-ACTIVE-EXPIRE", 0);
    await using b = await startReplica(a.port, still);
    await using c = await startReplica(a.port, still);
    const d = await startRedisLink(stack, b.port);
    await assertFollows([a, b, c, d], rng);
    // Comparing them found expired keys, perhaps.
    for (const replica of [b, c, d]) await caughtUp(a.client, replica.client);
    const oldId = (await info(a.client, "replication")).get("master_replid");
    await b.client.send("REPLICAOF", "NO", "ONE");
    const fields = await info(b.client, "replication");
    assertEquals(fields.get("master_replid2"), oldId);
    assertEquals(
      Number(fields.get("second_repl_offset")),
      Number(fields.get("master_repl_offset")) + 1,
    );
    await writeSome(b.client, rng, 20);
    // The other replica, and the old primary, come to the new one.
    for (const server of [c, a]) {
      await server.client.send("REPLICAOF", "127.0.0.1", b.port);
    }
    await assertFollows([b, a, c, d], rng);
    assertEquals(await count(b.client, "stats", "sync_full"), 1);
    assertEquals(await count(b.client, "stats", "sync_partial_ok") >= 3, true);
  });
});

Deno.test("a replica that must take everything anew lets its own replicas do so", async () => {
  await seeded(async (rng) => {
    await using a = await startRedino();
    await using other = await startRedino();
    await using b = await startReplica(a.port);
    await using c = await startReplica(b.port);
    await assertFollows([a, b, c], rng);
    await other.client.send("SET", "from", "another history");
    await b.client.send("REPLICAOF", "127.0.0.1", other.port);
    await assertFollows([other, b, c], rng);
    assertEquals(await count(b.client, "stats", "sync_full"), 2);
  });
});

redisTest("a primary that was killed is followed anew, from nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const first = await startRedis({ args: REDIS });
  stack.defer(() => first[Symbol.asyncDispose]());
  await using b = await startReplica(first.port);
  {
    using client = await RespClient.connect(first.port);
    await client.send("SET", "k", "old");
    await caughtUp(client, b.client);
  }
  first.kill();
  await eventually(async () =>
    (await info(b.client, "replication")).get("master_link_status") === "down"
  );
  assertEquals(await b.client.ask("GET", "k"), '"old"');
  const second = stack.use(await startRedis({ args: REDIS, port: first.port }));
  using client = await RespClient.connect(second.port);
  await client.send("SET", "k", "new");
  await caughtUp(client, b.client);
  assertEquals(await b.client.ask("GET", "k"), '"new"');
});
