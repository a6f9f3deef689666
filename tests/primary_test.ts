/** Redino as a primary of redis-server: what its replicas get, whatever befalls them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Server } from "../lib/server/server.ts";
import { eventually } from "./support/eventually.ts";
import { startProxy } from "./support/proxy.ts";
import { startRedino as startPrimary } from "./support/redino_replica.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { everyType, runAll } from "./support/rdb.ts";
import { startRedis } from "./support/redis.ts";
import { assertSameData, caughtUp, info, writeSome } from "./support/replication.ts";
import { skipSnapshot } from "./support/replica_stream.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

async function startReplica(port: number, ...args: readonly string[]) {
  const process = await startRedis({ args: ["--replicaof", `127.0.0.1 ${port}`, ...args] });
  const client = await RespClient.connect(process.port);
  return {
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      await process[Symbol.asyncDispose]();
    },
  };
}

/** One of INFO's numbers. */
async function field(client: RespClient, section: string, name: string): Promise<number> {
  return Number((await info(client, section)).get(name));
}

async function connectedReplicas(client: RespClient): Promise<number> {
  return await field(client, "replication", "connected_slaves");
}

/** So that a stream which is read, or whose length is asked, has nothing that the server adds by itself. */
const NO_PING = { "repl-ping-replica-period": 3600 };

function count(log: readonly string[], words: string): number {
  return log.filter((line) => line.includes(words)).length;
}

/** Sends writes to some of many keys, so that a snapshot takes a while and what it has yet to write changes. */
async function churn(client: RespClient, rng: Rng): Promise<void> {
  const key = () => `key:${rng.int(0, 3000)}`;
  for (let i = 0; i < 100; i++) {
    const chance = rng.float();
    if (chance < 0.1) await client.post("DEL", key(), key());
    else if (chance < 0.2) await client.post("RENAME", key(), key());
    else if (chance < 0.3) await client.post("EXPIRE", key(), 1000);
    else if (chance < 0.5) await client.post("APPEND", key(), "more");
    else await client.post("SET", key(), "x".repeat(rng.int(0, 200)));
  }
  for (let i = 0; i < 100; i++) await client.read();
}

for (const diskless of ["yes", "no"]) {
  for (const load of ["disabled", "swapdb"]) {
    redisTest(
      `redis-server takes the data under live writes (repl-diskless-sync ${diskless}, its repl-diskless-load ${load})`,
      async () => {
        await seeded(async (rng) => {
          await using primary = await startPrimary({ "repl-diskless-sync": diskless });
          using other = await RespClient.connect(primary.port);
          const writers = [primary.client, other];
          await runAll(primary.client, everyType());
          for (let i = 0; i < 40; i++) await writeSome(rng.pick(writers), rng, 50);
          for (let i = 0; i < 60; i++) await churn(rng.pick(writers), rng);
          await using replica = await startReplica(primary.port, "--repl-diskless-load", load);
          while ((await info(replica.client, "replication")).get("master_link_status") !== "up") {
            await Promise.all(writers.map((writer) => writeSome(writer, rng, 20)));
            await churn(other, rng);
          }
          for (let i = 0; i < 20; i++) {
            await Promise.all(writers.map((writer) => writeSome(writer, rng, 20)));
          }
          await caughtUp(primary.client, replica.client);
          await assertSameData(primary.client, replica.client);
        });
      },
    );
  }
}

redisTest(
  "a replica whose link is cut again and again loses nothing and gets nothing twice",
  async () => {
    await seeded(async (rng) => {
      await using primary = await startPrimary({ "repl-backlog-size": "64mb" });
      await using proxy = startProxy(primary.port);
      for (let i = 0; i < 10; i++) await writeSome(primary.client, rng, 50);
      await using replica = await startReplica(proxy.port);
      await caughtUp(primary.client, replica.client);
      for (let cuts = 0; cuts < 30; cuts++) {
        const { connections } = proxy;
        proxy.cutAfter(rng.int(1, 4000));
        while (proxy.connections === connections) {
          await writeSome(primary.client, rng, rng.int(1, 40));
          await primary.client.send("INCR", "counter");
          await primary.client.send("APPEND", "log", rng.int(0, 9));
        }
      }
      proxy.cutAfter(Infinity);
      await caughtUp(primary.client, replica.client);
      await assertSameData(primary.client, replica.client);
      assertEquals(await field(primary.client, "stats", "sync_full"), 1);
      assert(await field(primary.client, "stats", "sync_partial_ok") > 0);
    });
  },
);

redisTest(
  "a replica that was killed goes on where it was; beyond the backlog it gets all",
  async () => {
    await using primary = await startPrimary({ "repl-backlog-size": 16384 });
    await using proxy = startProxy(primary.port);
    await using replica = await startReplica(proxy.port);
    const { client } = primary;
    await client.send("SET", "before", "1");
    await caughtUp(client, replica.client);
    assertEquals(await client.ask("CLIENT", "KILL", "TYPE", "replica"), ":1");
    await client.send("SET", "while", "2");
    await caughtUp(client, replica.client);
    assertEquals(await field(client, "stats", "sync_partial_ok"), 1);
    assertEquals(await field(client, "stats", "sync_full"), 1);
    assertEquals(await replica.client.ask("MGET", "before", "while"), '["1" "2"]');

    proxy.stall(true);
    proxy.cut();
    for (let i = 0; i < 40; i++) await client.send("SET", `k${i}`, "x".repeat(1000));
    proxy.stall(false);
    await caughtUp(client, replica.client);
    assertEquals(await field(client, "stats", "sync_partial_err"), 1);
    assertEquals(await field(client, "stats", "sync_full"), 2);
    assertEquals(count(primary.log, "for lack of backlog"), 1);
    await assertSameData(client, replica.client);
  },
);

redisTest("a replica that slept gets what it missed", async () => {
  await using primary = await startPrimary();
  await using replica = await startReplica(primary.port);
  await caughtUp(primary.client, replica.client);
  await replica.client.post("DEBUG", "SLEEP", "0.5");
  for (let i = 0; i < 2000; i++) await primary.client.post("RPUSH", "list", "x".repeat(1000));
  for (let i = 0; i < 2000; i++) await primary.client.read();
  await replica.client.read();
  await caughtUp(primary.client, replica.client);
  await assertSameData(primary.client, replica.client);
  assertEquals(await field(primary.client, "stats", "sync_full"), 1);
});

redisTest("replicas that come together share a snapshot", async () => {
  await using primary = await startPrimary({
    "repl-diskless-sync-delay": 1000,
    "repl-diskless-sync-max-replicas": 2,
  });
  await primary.client.send("SET", "k", "v");
  await using first = await startReplica(primary.port);
  await eventually(async () => await connectedReplicas(primary.client) === 1);
  const waiting = (await info(primary.client, "replication")).get("slave0")!;
  assertMatch(waiting, /^ip=127\.0\.0\.1,port=\d+,state=wait_bgsave,offset=0,lag=0$/);
  await using second = await startReplica(primary.port);
  for (const { client } of [first, second]) {
    await caughtUp(primary.client, client);
    await assertSameData(primary.client, client);
  }
  assertEquals(count(primary.log, "Delay next BGSAVE for diskless SYNC"), 2);
  assertEquals(count(primary.log, "Starting BGSAVE for SYNC with target: replicas sockets"), 1);
  assertEquals(await field(primary.client, "stats", "sync_full"), 2);
});

/** Fills a server with so many keys that a snapshot of them does not fit into sockets' buffers. */
async function fill(client: RespClient): Promise<void> {
  await client.send("CONFIG", "SET", "rdbcompression", "no");
  const value = "x".repeat(1_000_000);
  for (let i = 0; i < 60; i++) await client.send("SET", `big:${i}`, value);
}

Deno.test("who comes while a snapshot goes to sockets waits for the next; one that nobody reads is given up", async () => {
  await using primary = await startPrimary();
  await fill(primary.client);
  using lazy = await RawReplica.connect(primary.port, "capa", "eof");
  assertMatch(await lazy.psync("?", -1), /^FULLRESYNC [0-9a-f]{40} 0$/);
  await primary.client.send("SET", "late", "1");
  using next = await RawReplica.connect(primary.port, "capa", "eof");
  await next.link.post("PSYNC", "?", "-1");
  await eventually(() => count(primary.log, "Waiting for next BGSAVE for SYNC") === 1);
  assertEquals(await field(primary.client, "persistence", "rdb_bgsave_in_progress"), 1);
  lazy.link.close();
  await eventually(() => count(primary.log, "last replica dropped, killing fork child") === 1);
  assertMatch(await next.answer(), /^FULLRESYNC /);
  assertEquals(await connectedReplicas(primary.client), 1);
});

Deno.test("who comes while a file is written shares it, unless it was begun for somebody else", async () => {
  await using primary = await startPrimary({ "repl-diskless-sync": "no" });
  await fill(primary.client);
  using first = await RawReplica.connect(primary.port, "capa", "eof");
  using second = await RawReplica.connect(primary.port, "capa", "eof");
  const answers = await Promise.all([first.psync("?", -1), second.psync("?", -1)]);
  assertEquals(answers[0], answers[1]);
  assertEquals(count(primary.log, "Waiting for end of BGSAVE for SYNC"), 1);
  assertEquals(count(primary.log, "Starting BGSAVE for SYNC with target: disk"), 1);
  for (const { link } of [first, second]) {
    let header = "";
    while (header === "") header = (await link.readRaw(1))[0] === 0x24 ? "$" : "";
  }
  for (const { link } of [first, second]) link.close();
  await eventually(async () => await connectedReplicas(primary.client) === 0);

  using third = await RawReplica.connect(primary.port, "capa", "eof");
  assertEquals(await primary.client.ask("BGSAVE"), "+Background saving started");
  await third.psync("?", -1);
  assertEquals(count(primary.log, "Can't attach the replica to the current BGSAVE"), 1);
});

redisTest("a snapshot that fails drops its replicas, which come again", async () => {
  await using primary = await startPrimary({ "repl-diskless-sync": "no" });
  await primary.client.send("SET", "k", "v");
  await Deno.mkdir(`${primary.dir}/dump.rdb`);
  await using replica = await startReplica(primary.port);
  await eventually(() => count(primary.log, "SYNC failed. BGSAVE child returned an error") >= 1);
  await Deno.remove(`${primary.dir}/dump.rdb`);
  await caughtUp(primary.client, replica.client);
  await assertSameData(primary.client, replica.client);
});

redisTest("a file that only served replicas is removed with rdb-del-sync-files", async () => {
  await using primary = await startPrimary({
    "repl-diskless-sync": "no",
    "rdb-del-sync-files": "yes",
  });
  await using replica = await startReplica(primary.port);
  await caughtUp(primary.client, replica.client);
  await eventually(() => count(primary.log, "Removing the RDB file used to feed replicas") === 1);
  assertEquals([...Deno.readDirSync(primary.dir)], []);
});

Deno.test("a replica that does not read is closed at its output limit, hard and soft", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({ clock: () => nowMs });
  const { client } = primary;
  const flood = async () => {
    const value = "x".repeat(1_000_000);
    for (let i = 0; i < 40 && await connectedReplicas(client) > 0; i++) {
      await client.send("SET", "k", value);
    }
  };
  for (const limit of ["replica 2mb 0 0", "replica 0 2mb 10"]) {
    await client.send("CONFIG", "SET", "client-output-buffer-limit", limit);
    using replica = await RawReplica.attach(primary.port);
    await eventually(async () =>
      (await info(client, "replication")).get("slave0")!.includes("state=online")
    );
    await flood();
    nowMs += 20_000;
    await eventually(async () => await connectedReplicas(client) === 0);
    // What was kept for it is let go.
    await eventually(async () => await field(client, "memory", "mem_replication_backlog") < 2e6);
    replica.link.close();
  }
  assertEquals(await field(client, "stats", "client_output_buffer_limit_disconnections"), 2);
});

Deno.test("a replica that does not read its snapshot is closed when what is changed meanwhile goes over its limit", async () => {
  await using primary = await startPrimary({
    "client-output-buffer-limit": "replica 4mb 0 0",
    rdbcompression: "no",
  });
  const { client } = primary;
  const value = "x".repeat(1_000_000);
  for (let key = 0; key < 40; key++) await client.send("SET", key, value);
  using replica = await RawReplica.connect(primary.port, "capa", "eof");
  assertMatch(await replica.psync("?", -1), /^FULLRESYNC/);
  for (let key = 0; key < 40; key++) await client.send("SETRANGE", key, 0, "y");
  await eventually(async () => await connectedReplicas(client) === 0);
  assertEquals(await field(client, "stats", "client_output_buffer_limit_disconnections"), 1);
  // Nothing runs for it any more.
  await eventually(async () => await client.ask("BGSAVE") === "+Background saving started");
});

Deno.test("a file for replicas is the one that was written, though dbfilename is another meanwhile", async () => {
  await using primary = await startPrimary({ "repl-diskless-sync": "no" });
  const { client } = primary;
  await client.send("CONFIG", "SET", "dbfilename", "old.rdb");
  await client.send("SAVE");
  await client.send("CONFIG", "SET", "dbfilename", "dump.rdb");
  await runAll(client, everyType());
  using replica = await RawReplica.connect(primary.port, "capa", "eof");
  await replica.link.post("PSYNC", "?", -1);
  await eventually(() => count(primary.log, "Background saving started") === 1);
  await client.send("CONFIG", "SET", "dbfilename", "old.rdb");
  let line = "";
  while (!line.startsWith("$")) line = await replica.line();
  assertEquals(Number(line.slice(1)), Deno.statSync(`${primary.dir}/dump.rdb`).size);
});

Deno.test("memory that replicas cost is told as backlog and buffers, and counted once", async () => {
  await using primary = await startPrimary({ "repl-backlog-size": "1mb" });
  const { client } = primary;
  const memory = async () => {
    const fields = await info(client, "memory");
    return (name: string) => Number(fields.get(name));
  };
  assertEquals((await memory())("mem_total_replication_buffers"), 0);
  using _lazy = await RawReplica.attach(primary.port);
  const value = "x".repeat(1_000_000);
  for (let i = 0; i < 30; i++) await client.send("SET", "k", value);
  const at = await memory();
  assertEquals(at("mem_replication_backlog"), 1024 * 1024);
  assert(at("mem_clients_slaves") > 10_000_000);
  assertEquals(
    at("mem_total_replication_buffers"),
    at("mem_replication_backlog") + at("mem_clients_slaves"),
  );
  assertEquals(at("mem_not_counted_for_evict"), at("mem_clients_slaves"));
  assert(at("used_memory") > at("mem_total_replication_buffers"));
  await client.send("CLIENT", "KILL", "TYPE", "replica");
  const after = await memory();
  assertEquals(after("mem_clients_slaves"), 0);
  assert(after("used_memory") < at("used_memory") - at("mem_clients_slaves") / 2);
});

Deno.test("SYNC gets a file with its length, and the stream without asking", async () => {
  await using primary = await startPrimary(NO_PING);
  await primary.client.send("SET", "k", "v");
  using old = await RespClient.connect(primary.port);
  await old.post("SYNC");
  await skipSnapshot(old);
  await primary.client.send("SET", "k", "w");
  assertEquals(show(await old.readAny()), '["SELECT" "0"]');
  assertEquals(show(await old.readAny()), '["SET" "k" "w"]');
  assertEquals(count(primary.log, "Starting BGSAVE for SYNC with target: disk"), 1);
});

Deno.test("repl-disable-tcp-nodelay set at run time goes for the full syncs that begin after that", async () => {
  await using primary = await startPrimary();
  const { client, server } = primary;
  assert(server instanceof Server);
  /** A replica that has introduced itself, and what its socket is told from then on. */
  const introduce = async () => {
    const replica = await RawReplica.connect(primary.port, "capa", "eof", "capa", "psync2");
    const { conn } = [...server.clients.values()].at(-1)!.connection;
    const told: boolean[] = [];
    (conn as Deno.TcpConn).setNoDelay = (on = true) => told.push(on);
    return { replica, told };
  };
  const attach = async () => {
    const { replica, told } = await introduce();
    assertMatch(await replica.psync("?", -1), /^FULLRESYNC/);
    await skipSnapshot(replica.link);
    await replica.ack(0);
    return { replica, told };
  };
  const before = await attach();
  using _before = before.replica;
  assertEquals(before.told, []);
  assertEquals(await client.ask("CONFIG", "SET", "repl-disable-tcp-nodelay", "yes"), "+OK");
  const during = await attach();
  using _during = during.replica;
  assertEquals(during.told, [false]);
  // As in Redis, one that goes on in the backlog keeps its socket as it is.
  const goingOn = await introduce();
  using _goingOn = goingOn.replica;
  const { id, offset } = await historyOf(client);
  assertMatch(await goingOn.replica.psync(id, offset + 1), /^CONTINUE/);
  assertEquals(goingOn.told, []);
  assertEquals(await client.ask("CONFIG", "SET", "repl-disable-tcp-nodelay", "no"), "+OK");
  const after = await attach();
  using _after = after.replica;
  assertEquals([before.told, during.told, goingOn.told, after.told], [[], [false], [], []]);
  await client.send("SET", "k", "v");
  for (const { replica } of [before, during, goingOn, after]) {
    let heard = "";
    while (heard !== '["SET" "k" "v"]') heard = await replica.next();
  }
});

Deno.test("a limit below the backlog's size does not end a partial resynchronisation", async () => {
  await using primary = await startPrimary({
    ...NO_PING,
    "repl-backlog-size": "8mb",
    "client-output-buffer-limit": "replica 1mb 0 0",
  });
  const { client } = primary;
  using replica = await RawReplica.attach(primary.port);
  const { offset, id } = await historyOf(client);
  replica.link.close();
  const value = "x".repeat(1_000_000);
  for (let i = 0; i < 4; i++) await client.send("SET", "k", value);
  using again = await RawReplica.connect(primary.port, "capa", "psync2");
  assertEquals(await again.psync(id, offset + 1), `CONTINUE ${id}`);
  assertEquals(await again.next(), '["SELECT" "0"]');
  for (let i = 0; i < 4; i++) assertEquals((await again.next()).length, value.length + 14);
});

Deno.test("silent replicas are closed after repl-timeout, those of SYNC are not", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({ clock: () => nowMs, "repl-timeout": 7 });
  using silent = await RawReplica.attach(primary.port);
  using old = await RespClient.connect(primary.port);
  await old.post("SYNC");
  await eventually(async () => await connectedReplicas(primary.client) === 2);
  nowMs += 7_000;
  await eventually(async () =>
    (await info(primary.client, "replication")).get("slave0")!.endsWith("lag=7")
  );
  nowMs += 1_000;
  await silent.gone();
  assertEquals(count(primary.log, "Disconnecting timedout replica (streaming sync)"), 1);
  assertEquals(await connectedReplicas(primary.client), 1);
});

redisTest("a replica that asks for something is closed, and the log tells of both", async () => {
  async function play(port: number, log: () => string): Promise<unknown> {
    using client = await RespClient.connect(port);
    using replica = await RawReplica.attach(port);
    await replica.link.post("GET", "k");
    await eventually(async () => await connectedReplicas(client) === 0);
    const told = log().split("\n").filter((line) => /CRITICAL|generated a reply/.test(line));
    return [
      told.map((line) => line.replace(/.* # /, "").replace(/(?<=disconnecting it).*/, "")).sort(),
      await field(client, "stats", "unexpected_error_replies"),
    ];
  }
  await using redis = await startRedis();
  await using redino = await startPrimary();
  assertEquals(
    await play(redino.port, () => redino.log.join("")),
    await play(redis.port, () => Deno.readTextFileSync(`${redis.dir}/redis.log`)),
  );
});

Deno.test("a replica that sends newlines while it loads is not silent", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({ clock: () => nowMs, "repl-timeout": 7 });
  using replica = await RawReplica.attach(primary.port);
  for (let i = 0; i < 3; i++) {
    nowMs += 6_000;
    await replica.link.write("\n");
    await eventually(async () =>
      (await info(primary.client, "replication")).get("slave0")!.endsWith("lag=0")
    );
  }
});

Deno.test("a replica that does not read its snapshot is closed after repl-timeout", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({ clock: () => nowMs, "repl-timeout": 7 });
  await fill(primary.client);
  using lazy = await RawReplica.connect(primary.port, "capa", "eof");
  await lazy.psync("?", -1);
  await eventually(async () => {
    nowMs += 8_000;
    return await connectedReplicas(primary.client) === 0;
  });
  assertEquals(count(primary.log, "Disconnecting timedout replica (full sync)"), 1);
  lazy.link.close();
});

Deno.test("PING comes by the stream, and a newline while a replica waits for its snapshot", async () => {
  await using primary = await startPrimary({
    "repl-ping-replica-period": 1,
    "repl-diskless-sync-delay": 1000,
    "repl-diskless-sync-max-replicas": 2,
  });
  using waiting = await RawReplica.connect(primary.port, "capa", "eof");
  await waiting.link.post("PSYNC", "?", "-1");
  assertEquals(await waiting.line(), "");
  using other = await RawReplica.attach(primary.port);
  assertEquals(await other.next(), '["PING"]');
  assertEquals(await other.next(), '["PING"]');
});

/** The history's ID and the stream's end. */
async function historyOf(client: RespClient): Promise<{ id: string; offset: number }> {
  const fields = await info(client, "replication");
  return { id: fields.get("master_replid")!, offset: Number(fields.get("master_repl_offset")) };
}

Deno.test("PSYNC goes on from any position that the backlog holds, and from none else", async () => {
  await using primary = await startPrimary({ ...NO_PING, "repl-backlog-size": 16384 });
  const { client } = primary;
  const ask = async (id: string, offset: number) => {
    using replica = await RawReplica.connect(primary.port, "capa", "eof");
    return (await replica.psync(id, offset)).split(" ")[0];
  };
  await (await RawReplica.attach(primary.port)).link.close();
  for (let i = 0; i < 100; i++) await client.send("SET", "k", "x".repeat(1000));
  const { id, offset } = await historyOf(client);
  const first = await field(client, "replication", "repl_backlog_first_byte_offset");
  const length = await field(client, "replication", "repl_backlog_histlen");
  assertEquals(length, 16384);
  assertEquals(first + length, offset + 1);
  assertEquals(await ask(id, offset + 1), "CONTINUE");
  assertEquals(await ask(id.toUpperCase(), first), "CONTINUE");
  assertEquals(await ask(id, first - 1), "FULLRESYNC");
  assertEquals(await ask(id, offset + 2), "FULLRESYNC");
  assertEquals(await ask("0".repeat(40), offset + 1), "FULLRESYNC");
  assertEquals(await ask("?", first), "FULLRESYNC");
  assertEquals(await field(client, "stats", "sync_partial_ok"), 2);
  assertEquals(await field(client, "stats", "sync_partial_err"), 3);
  await client.send("CONFIG", "SET", "repl-backlog-size", "32kb");
  // One that wanted the data only, and needs none of them, is sent the stream.
  using all = await RawReplica.connect(primary.port, "rdb-only", "1");
  assertEquals(await all.psync(id, offset + 1), "CONTINUE");
  for (let i = 0; i < 100; i++) await client.send("SET", "k", "x".repeat(1000));
  assertEquals(await all.next(), '["SELECT" "0"]');
  for (let i = 0; i < 100; i++) assertMatch(await all.next(), /^\["SET" "k" "x+"\]$/);
  await eventually(async () => {
    await client.send("SET", "k", "y");
    return await field(client, "replication", "repl_backlog_histlen") === 32768;
  });
});

Deno.test("the backlog is freed when no replica was there for repl-backlog-ttl", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({ clock: () => nowMs, "repl-backlog-ttl": 60 });
  (await RawReplica.attach(primary.port)).link.close();
  await eventually(async () => await connectedReplicas(primary.client) === 0);
  const before = await historyOf(primary.client);
  nowMs += 61_000;
  await eventually(async () =>
    await field(primary.client, "replication", "repl_backlog_active") === 0
  );
  const after = await historyOf(primary.client);
  assertEquals(after.offset, before.offset);
  assert(after.id !== before.id);
  await primary.client.send("SET", "k", "v");
  assertEquals(await historyOf(primary.client), after);
});

Deno.test("without enough good replicas writes are refused", async () => {
  let nowMs = 1_700_000_000_000;
  await using primary = await startPrimary({
    clock: () => nowMs,
    "min-replicas-to-write": 1,
    "min-replicas-max-lag": 5,
  });
  const { client } = primary;
  const refusal = "-NOREPLICAS Not enough good replicas to write.";
  assertEquals(await client.ask("SET", "k", "v"), refusal);
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(await field(client, "replication", "min_slaves_good_slaves"), 0);
  using replica = await RawReplica.attach(primary.port);
  assertEquals(await client.ask("SET", "k", "v"), "+OK");
  assertEquals(await field(client, "replication", "min_slaves_good_slaves"), 1);
  nowMs += 7_000;
  await eventually(async () => await client.ask("SET", "k", "w") === refusal);
  assertEquals(await client.ask("MULTI"), "+OK");
  assertEquals(await client.ask("SET", "k", "w"), refusal);
  assertMatch(await client.ask("EXEC"), /^-EXECABORT/);
  await replica.ack(0);
  await eventually(async () => await client.ask("SET", "k", "w") === "+OK");
  replica.link.close();
  await eventually(async () => await client.ask("SET", "k", "w") === refusal);
  await client.send("CONFIG", "SET", "min-replicas-to-write", "0");
  assertEquals(await client.ask("SET", "k", "w"), "+OK");
});

redisTest("replicas that come and go at any moment leave the others their data", async () => {
  await seeded(async (rng) => {
    await using primary = await startPrimary();
    const { client } = primary;
    await fill(client);
    await using replica = await startReplica(primary.port);
    const passing: RawReplica[] = [];
    for (let round = 0; round < 40; round++) {
      await client.send("CONFIG", "SET", "repl-diskless-sync", rng.pick(["yes", "no"]));
      const capabilities = rng.pick([["capa", "eof"], ["capa", "psync2"], ["rdb-only", "1"]]);
      const guest = await RawReplica.connect(primary.port, ...capabilities);
      passing.push(guest);
      const { id, offset } = await historyOf(client);
      if (rng.oneIn(4)) await guest.link.post("SYNC");
      else if (rng.oneIn(3)) {
        await guest.link.post("PSYNC", id, Math.max(1, offset - rng.int(0, 99)));
      } else await guest.link.post("PSYNC", "?", -1);
      if (rng.oneIn(2)) await guest.ack(rng.int(0, 1000));
      if (rng.oneIn(3)) await guest.link.readRaw(1);
      await writeSome(client, rng, 20);
      if (rng.oneIn(10)) await client.send("CLIENT", "KILL", "TYPE", "replica");
      while (passing.length > rng.int(0, 4)) {
        passing.splice(rng.int(0, passing.length - 1), 1)[0]!.link.close();
      }
    }
    for (const { link } of passing) link.close();
    await eventually(async () => await connectedReplicas(client) === 1);
    await caughtUp(client, replica.client);
    await assertSameData(client, replica.client);
    assertEquals(count(primary.log, "Internal error"), 0);
  });
});

Deno.test("a small backlog takes little more memory than it says", async () => {
  const backlogBytes = 16 * 1024;
  await using primary = await startPrimary({ "repl-backlog-size": String(backlogBytes) });
  const { client } = primary;
  using _replica = await RawReplica.attach(primary.port);
  for (let i = 0; i < 30; i++) await client.send("SET", "k", "x".repeat(50_000));
  await client.send("CLIENT", "KILL", "TYPE", "replica");
  const held = await field(client, "memory", "mem_total_replication_buffers");
  assert(held >= backlogBytes && held <= 2 * backlogBytes, String(held));
});
