/** Primaries and replicas change places: FAILOVER, promotion, restarts that go on where they were. */
import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../lib/bytes/text.ts";
import { type RunningServer, serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { startProxy } from "./support/proxy.ts";
import { startRedino, startReplica } from "./support/redino_replica.ts";
import { startRedis } from "./support/redis.ts";
import { assertSameData, caughtUp, info, writeSome } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const REDIS = ["--repl-diskless-sync-delay", "0"];

async function field(client: RespClient, name: string): Promise<string | undefined> {
  return (await info(client, "replication")).get(name);
}

async function online(primary: RespClient, replicas = 1): Promise<void> {
  await eventually(async () => {
    const fields = await info(primary, "replication");
    return [...fields].filter(([name, value]) => /^slave\d/.test(name) && value.includes("online"))
      .length === replicas;
  });
}

Deno.test("FAILOVER lets a primary and its replica change places, without a write that is lost", async () => {
  await using a = await startRedino();
  await using b = await startReplica(a.port);
  await caughtUp(a.client, b.client);
  await online(a.client);
  using writer = await RespClient.connect(a.port);
  // Written as fast as they are answered, until a replica answers.
  let written = 0;
  const writing = (async () => {
    while (await writer.ask("INCR", "n") === `:${written + 1}`) written++;
  })();
  await eventually(() => written > 100);
  assertEquals(await a.client.ask("FAILOVER"), "+OK");
  await writing;
  await eventually(async () => await field(a.client, "role") === "slave");
  await caughtUp(b.client, a.client);
  assertEquals(await field(a.client, "master_failover_state"), "no-failover");
  assertEquals(await b.client.ask("GET", "n"), `"${written}"`);
  assertEquals(await b.client.ask("INCR", "n"), `:${written + 1}`);
  await caughtUp(b.client, a.client);
  await assertSameData(b.client, a.client);
  assertEquals((await info(b.client, "stats")).get("sync_partial_ok"), "1");
});

redisTest("FAILOVER works with redis-server, both ways", async () => {
  await using real = await startRedis({ args: REDIS });
  using redis = await RespClient.connect(real.port);
  await using redino = await startReplica(real.port);
  await redis.send("SET", "k", "v");
  await caughtUp(redis, redino.client);
  await online(redis);
  assertEquals(await redis.ask("FAILOVER", "TO", "127.0.0.1", redino.port), "+OK");
  await eventually(async () => await field(redino.client, "role") === "master");
  await caughtUp(redino.client, redis);
  assertEquals(await redino.client.ask("SET", "k", "w"), "+OK");
  await caughtUp(redino.client, redis);
  await online(redino.client);
  const to = ["TO", "127.0.0.1", String(real.port), "TIMEOUT", "5000", "FORCE"];
  assertEquals(await redino.client.ask("FAILOVER", ...to), "+OK");
  await eventually(async () => await field(redis, "role") === "master");
  await caughtUp(redis, redino.client);
  assertEquals(await redis.ask("GET", "k"), '"w"');
  assertEquals(
    await redino.client.ask("SET", "k", "x"),
    "-READONLY You can't write against a read only replica.",
  );
});

redisTest(
  "FAILOVER ends a client that waits, and runs nothing that it sent behind its command",
  async () => {
    await using redino = await startRedino();
    await using real = await startRedis({ args: REDIS });
    using redis = await RespClient.connect(real.port);
    for (const [port, primary] of [[real.port, redis], [redino.port, redino.client]] as const) {
      await using replica = await startReplica(port);
      await primary.send("SET", "k", "v");
      await caughtUp(primary, replica.client);
      await online(primary);
      using waiting = await RespClient.connect(port);
      await waiting.write("BLPOP l 0\r\nGET k\r\nGET k\r\n");
      await eventually(async () => (await info(primary, "clients")).get("blocked_clients") === "1");
      assertEquals(await primary.ask("FAILOVER"), "+OK");
      assertEquals(
        latin1(await waiting.readToEnd()),
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
      );
      await eventually(async () => await field(primary, "role") === "slave");
      await primary.send("REPLICAOF", "NO", "ONE");
    }
  },
);

Deno.test("FAILOVER waits for its replica, holds writes meanwhile, and can be given up", async () => {
  await using a = await startRedino();
  await using proxy = startProxy(a.port);
  await using b = await startReplica(proxy.port, { "repl-timeout": 3600 });
  await caughtUp(a.client, b.client);
  await online(a.client);
  proxy.stall(true);
  await a.client.send("SET", "k", "v");
  using other = await RespClient.connect(a.port);
  assertEquals(await a.client.ask("FAILOVER"), "+OK");
  assertEquals(await field(a.client, "master_failover_state"), "waiting-for-sync");
  assertEquals(await a.client.ask("FAILOVER"), "-ERR FAILOVER already in progress.");
  assertEquals(
    await a.client.ask("REPLICAOF", "NO", "ONE"),
    "-ERR REPLICAOF not allowed while failing over.",
  );
  await other.post("SET", "k", "w");
  assertEquals(await a.client.ask("GET", "k"), '"v"');
  assertEquals(await a.client.ask("FAILOVER", "ABORT"), "+OK");
  assertEquals((await other.read()).type, "simple");
  assertEquals(await a.client.ask("GET", "k"), '"w"');
  assertEquals(await a.client.ask("FAILOVER", "TIMEOUT", 1), "+OK");
  await eventually(async () => await field(a.client, "master_failover_state") === "no-failover");
  for (
    const said of [
      "FAILOVER requested to any replica.",
      "FAILOVER to any replica aborted: Failover manually aborted",
      "FAILOVER to any replica aborted: Replica never caught up before timeout",
    ]
  ) {
    assert(a.log.some((line) => line.includes(said)), said);
  }
  proxy.stall(false);
  await caughtUp(a.client, b.client);
  assertEquals(await field(a.client, "role"), "master");
});

Deno.test("FAILOVER FORCE goes on when time is over, and comes back from a replica that refuses", async () => {
  await using a = await startRedino();
  await using proxy = startProxy(a.port);
  await using b = await startReplica(proxy.port, { "repl-timeout": 3600 });
  await caughtUp(a.client, b.client);
  await online(a.client);
  proxy.stall(true);
  await a.client.send("SET", "k", "v");
  // It has become a primary by itself, so it will not have the failover.
  await b.client.send("REPLICAOF", "NO", "ONE");
  const to = ["TO", "127.0.0.1", String(b.port), "TIMEOUT", "50", "FORCE"];
  assertEquals(await a.client.ask("FAILOVER", ...to), "+OK");
  await eventually(() =>
    a.log.some((line) =>
      line.includes(
        `FAILOVER to 127.0.0.1:${b.port} aborted: Failover target rejected psync request`,
      )
    )
  );
  assertEquals(await field(a.client, "role"), "master");
  assertEquals(await a.client.ask("SET", "k", "w"), "+OK");
  proxy.stall(false);
});

redisTest("a replica that is restarted goes on where it was", async () => {
  await seeded(async (rng) => {
    await using real = await startRedis({ args: REDIS });
    using redis = await RespClient.connect(real.port);
    const dir = await Deno.makeTempDir({ prefix: "redino_restart_" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const options = {
      port: 0,
      dir,
      replicaof: `127.0.0.1 ${real.port}`,
      "enable-debug-command": "yes",
    };
    for (let runs = 0; runs < 3; runs++) {
      await using server = await serve(options);
      using client = await RespClient.connect(server.port);
      for (let i = 0; i < 5; i++) await writeSome(redis, rng, 30);
      await caughtUp(redis, client);
      await assertSameData(redis, client);
      // So that what follows is meant for the database that was selected.
      await redis.send("SELECT", runs + 1);
      await redis.send("SET", "selected", runs);
      await caughtUp(redis, client);
      await client.post("SHUTDOWN", "SAVE");
      await server.closed;
      await redis.send("APPEND", "selected", "more");
    }
    await using server = await serve(options);
    using client = await RespClient.connect(server.port);
    await caughtUp(redis, client);
    await assertSameData(redis, client);
    const stats = await info(redis, "stats");
    assertEquals(stats.get("sync_full"), "1");
    assertEquals(stats.get("sync_partial_ok"), "3");
  });
});

redisTest("a primary that is restarted from its file is gone on with", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_restart_" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const first = await serve({ port: 0, dir, "repl-diskless-sync-delay": 0 });
  const { port } = first;
  const real = stack.use(
    await startRedis({ args: ["--replicaof", `127.0.0.1 ${port}`] }),
  );
  await using redino = await startReplica(port);
  using redis = stack.use(await RespClient.connect(real.port));
  {
    using client = await RespClient.connect(port);
    await client.send("SELECT", 2);
    await client.send("SET", "k", "v");
    await client.send("SET", "expires meanwhile", "v", "PX", 300);
    for (const replica of [redis, redino.client]) await caughtUp(client, replica);
    await client.post("SHUTDOWN", "SAVE");
    await first.closed;
  }
  let second: RunningServer | undefined;
  await eventually(async () => {
    // A connection of somebody else may have the port for a moment.
    second = await serve({ port, dir, "repl-diskless-sync-delay": 0 }).catch(() => undefined);
    return second !== undefined;
  });
  stack.use(second!);
  using client = await RespClient.connect(port);
  await client.send("SET", "in", "database 0");
  for (const replica of [redis, redino.client]) await caughtUp(client, replica);
  for (const replica of [redis, redino.client]) {
    assertEquals(await replica.ask("GET", "in"), '"database 0"');
    await replica.send("SELECT", 2);
    await eventually(async () => await replica.ask("DBSIZE") === ":1");
  }
  const stats = await info(client, "stats");
  assertEquals([stats.get("sync_full"), stats.get("sync_partial_ok")], ["0", "2"]);
});

Deno.test("a failover that waits for its target's answer can be given up", async () => {
  await using a = await startRedino();
  await using proxy = startProxy(a.port);
  await using b = await startReplica(proxy.port, { "repl-timeout": 3600 });
  await caughtUp(a.client, b.client);
  await online(a.client);
  proxy.stall(true);
  await a.client.send("SET", "k", "v");
  // Nobody answers there: the failover cannot go on.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await b.client.send("CONFIG", "SET", "replica-announce-port", silent.addr.port);
  proxy.stall(false);
  proxy.cut();
  await caughtUp(a.client, b.client);
  await online(a.client);
  proxy.stall(true);
  await a.client.send("SET", "k", "w");
  const to = ["TO", "127.0.0.1", String(silent.addr.port), "TIMEOUT", "50", "FORCE"];
  assertEquals(await a.client.ask("FAILOVER", ...to), "+OK");
  await eventually(async () =>
    await field(a.client, "master_failover_state") === "failover-in-progress"
  );
  assertEquals(await field(a.client, "role"), "slave");
  assertEquals(await a.client.ask("FAILOVER", "ABORT"), "+OK");
  assertEquals(await field(a.client, "role"), "master");
  assertEquals(await a.client.ask("SET", "k", "x"), "+OK");
  assertEquals(await a.client.ask("FAILOVER", "ABORT"), "-ERR No failover in progress.");
  proxy.stall(false);
  await caughtUp(a.client, b.client);
  assertEquals(await b.client.ask("GET", "k"), '"x"');
});
