/** Redino as a replica of redis-server: full and partial synchronisation, and what clients see of it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { selfSigned } from "./support/certificate.ts";
import { eventually } from "./support/eventually.ts";
import { startProxy } from "./support/proxy.ts";
import { startReplica } from "./support/redino_replica.ts";
import { freePort, type RedisProcess, startRedis } from "./support/redis.ts";
import { assertSameData, caughtUp, info, writeSome } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

async function startPrimary(args: readonly string[] = []): Promise<RedisProcess> {
  return await startRedis({ args: ["--repl-diskless-sync-delay", "0", ...args] });
}

for (const diskless of ["yes", "no"]) {
  for (const load of ["disabled", "on-empty-db", "swapdb"]) {
    redisTest(
      `a replica takes redis-server's data under live writes (repl-diskless-sync ${diskless}, repl-diskless-load ${load})`,
      async () => {
        await seeded(async (rng) => {
          await using primary = await startPrimary(["--repl-diskless-sync", diskless]);
          using writer = await RespClient.connect(primary.port);
          for (let i = 0; i < 20; i++) await writeSome(writer, rng, 50);
          await using replica = await startReplica(primary.port, { "repl-diskless-load": load });
          while ((await info(replica.client, "replication")).get("master_link_status") !== "up") {
            await writeSome(writer, rng, 20);
          }
          for (let i = 0; i < 20; i++) await writeSome(writer, rng, 50);
          await caughtUp(writer, replica.client);
          await assertSameData(writer, replica.client);
        });
      },
    );
  }
}

redisTest("a link that is cut again and again loses nothing and does nothing twice", async () => {
  await seeded(async (rng) => {
    await using primary = await startPrimary(["--repl-backlog-size", "64mb"]);
    await using proxy = startProxy(primary.port);
    using writer = await RespClient.connect(primary.port);
    for (let i = 0; i < 10; i++) await writeSome(writer, rng, 50);
    await using replica = await startReplica(proxy.port);
    await caughtUp(writer, replica.client);
    for (let cuts = 0; cuts < 30; cuts++) {
      const { connections } = proxy;
      // The greeting takes some of it: now and then no command comes through.
      proxy.cutAfter(rng.int(1, rng.oneIn(3) ? 200_000 : 4000));
      while (proxy.connections === connections) {
        await writeSome(writer, rng, rng.int(1, 40));
        await writer.send("INCR", "counter");
        await writer.send("APPEND", "log", rng.int(0, 9));
        if (rng.oneIn(5)) await writer.send("SET", "big", rng.bytes(rng.int(0, 100_000)));
      }
    }
    proxy.cutAfter(Infinity);
    await caughtUp(writer, replica.client);
    await assertSameData(writer, replica.client);
    const stats = await info(writer, "stats");
    assertEquals(stats.get("sync_full"), "1");
  });
});

redisTest("a full sync that is cut again and again comes through in the end", async () => {
  await seeded(async (rng) => {
    await using primary = await startPrimary();
    await using proxy = startProxy(primary.port);
    using writer = await RespClient.connect(primary.port);
    for (let i = 0; i < 20; i++) await writeSome(writer, rng, 50);
    for (let i = 0; i < 300; i++) await writer.send("SET", `long ${i}`, rng.bytes(2000));
    const cuts = Array.from({ length: 4 }, () => rng.int(100, 500_000));
    proxy.cutAfter(cuts[0]!, ...cuts.slice(1));
    await using replica = await startReplica(proxy.port, {
      "repl-diskless-load": rng.pick(["disabled", "on-empty-db", "swapdb"]),
    });
    await eventually(async () => {
      await writeSome(writer, rng, 10);
      return proxy.connections > cuts.length;
    });
    await caughtUp(writer, replica.client);
    await assertSameData(writer, replica.client);
  });
});

redisTest("a replica tells of its link as redis-server does", async () => {
  // No PING moves the offset between two questions.
  await using primary = await startPrimary(["--repl-ping-replica-period", "3600"]);
  await using other = await startRedis({
    args: ["--replicaof", `127.0.0.1 ${primary.port}`],
  });
  using writer = await RespClient.connect(primary.port);
  using real = await RespClient.connect(other.port);
  // It is the primary's first.
  await caughtUp(writer, real);
  await using replica = await startReplica(primary.port);
  await caughtUp(writer, replica.client);
  await writer.send("SET", "k", "v");
  for (const client of [real, replica.client]) await caughtUp(writer, client);
  const ofReal = await info(real, "replication");
  const ours = await info(replica.client, "replication");
  assertEquals([...ours.keys()], [...ofReal.keys()]);
  for (const field of ["master_last_io_seconds_ago", "repl_backlog_first_byte_offset"]) {
    ofReal.delete(field);
    ours.delete(field);
  }
  // Each began to keep the stream when it attached.
  ofReal.delete("repl_backlog_histlen");
  ours.delete("repl_backlog_histlen");
  assertEquals(ours, ofReal);
  assertEquals(await replica.client.ask("ROLE"), await real.ask("ROLE"));
  assertEquals(
    await replica.client.ask("CONFIG", "GET", "replicaof"),
    await real.ask("CONFIG", "GET", "replicaof"),
  );
  const flagsOf = async (client: RespClient) => {
    const list = await client.ask("CLIENT", "LIST", "TYPE", "master");
    return / flags=(\w+) .* user=(\S+)/.exec(list)?.slice(1);
  };
  assertEquals(await flagsOf(replica.client), await flagsOf(real));
  const hello = await replica.client.ask("HELLO");
  assertMatch(hello, /"role" "replica"/);
  assertEquals(await replica.client.ask("SET", "a", "b"), await real.ask("SET", "a", "b"));
  const slaves = await info(writer, "replication");
  assertMatch(slaves.get("slave1") ?? "", new RegExp(`port=${replica.port},state=online`));
});

redisTest("REPLICAOF answers as redis-server does", async () => {
  await using primary = await startPrimary();
  await using other = await startRedis();
  await using redino = await startReplica(primary.port, { replicaof: "no one" });
  using real = await RespClient.connect(other.port);
  const port = String(primary.port);
  const steps: readonly (readonly string[])[] = [
    ["REPLICAOF", "NO", "ONE"],
    ["REPLICAOF", "no", "one"],
    ["REPLICAOF", "127.0.0.1"],
    ["REPLICAOF", "127.0.0.1", "70000"],
    ["REPLICAOF", "127.0.0.1", "-1"],
    ["REPLICAOF", "127.0.0.1", "x"],
    ["REPLICAOF", "127.0.0.1", port],
    ["SLAVEOF", "127.0.0.1", port],
    ["FAILOVER"],
    ["FAILOVER", "ABORT"],
    ["SLAVEOF", "NO", "ONE"],
    ["SET", "a", "b"],
    ["FAILOVER"],
    ["FAILOVER", "FORCE"],
    ["FAILOVER", "ABORT", "NOW"],
    ["FAILOVER", "TIMEOUT", "0"],
    ["FAILOVER", "TIMEOUT", "x"],
    ["FAILOVER", "TO", "127.0.0.1"],
    ["FAILOVER", "TO", "127.0.0.1", "x"],
    ["FAILOVER", "TO", "127.0.0.1", "1"],
    ["MULTI"],
    ["REPLICAOF", "127.0.0.1", port],
    ["CONFIG", "GET", "replicaof"],
    ["EXEC"],
    ["CONFIG", "SET", "replicaof", "a 1"],
  ];
  // A full sync may have begun: who loads its data says so for a moment.
  const ask = async (client: RespClient, step: readonly string[]) => {
    let answer = "";
    await eventually(async () => {
      answer = await client.ask(...step);
      return !answer.startsWith("-LOADING");
    });
    return answer;
  };
  for (const step of steps) {
    assertEquals(await ask(redino.client, step), await ask(real, step), step.join(" "));
  }
});

redisTest("a replica without its primary serves its data, unless it is not to", async () => {
  await using primary = await startPrimary();
  await using proxy = startProxy(primary.port);
  using writer = await RespClient.connect(primary.port);
  await writer.send("SET", "k", "v");
  await using replica = await startReplica(proxy.port);
  const { client } = replica;
  await caughtUp(writer, client);
  proxy.stall(true);
  proxy.cut();
  await eventually(async () =>
    (await info(client, "replication")).get("master_link_status") === "down"
  );
  assertEquals(await client.ask("GET", "k"), '"v"');
  await client.send("CONFIG", "SET", "replica-serve-stale-data", "no");
  assertEquals(
    await client.ask("GET", "k"),
    "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  );
  assertEquals(
    await client.ask("PING"),
    "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  );
  assertEquals(await client.ask("CONFIG", "GET", "port"), `["port" "${0}"]`);
  proxy.stall(false);
  await caughtUp(writer, client);
  assertEquals(await client.ask("GET", "k"), '"v"');
});

redisTest("a replica speaks TLS with its primary, and shows its certificate", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "redino_tls_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const pem = await selfSigned(dir);
  assert(pem !== undefined, "openssl makes this test's certificate, and is not there");
  const tlsPort = freePort();
  const files = ["--tls-cert-file", pem.cert, "--tls-key-file", pem.key];
  // It asks its clients for a certificate, too.
  await using primary = await startPrimary([
    ...["--tls-port", String(tlsPort), "--tls-ca-cert-file", pem.cert, ...files],
    ...["--requirepass", "secret"],
  ]);
  using writer = await RespClient.connect(primary.port);
  await writer.send("AUTH", "secret");
  await writer.send("SET", "k", "v");
  await using replica = await startReplica(tlsPort, {
    "tls-replication": true,
    "tls-cert-file": pem.cert,
    "tls-key-file": pem.key,
    "tls-ca-cert-file": pem.cert,
    masterauth: "secret",
  });
  await caughtUp(writer, replica.client);
  await assertSameData(writer, replica.client);
});
