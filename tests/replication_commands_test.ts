/** What replicas and clients say about replication, held against redis-server: answers and errors. */
import { assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compare, type Pair, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { startReplica } from "./support/redino_replica.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** No PING of their own moves the servers' offsets. */
const CONFIG = { "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 3600 };

/** A raw replica of each of the two. */
async function attachBoth(pair: Pair): Promise<RawReplica[]> {
  return [await RawReplica.attach(pair.redisPort), await RawReplica.attach(pair.redinoPort)];
}

redisTest("REPLCONF, PSYNC, SYNC and ROLE answer as Redis's do", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["ROLE"],
    ["ROLE", "x"],
    ["REPLCONF"],
    ["REPLCONF", "a"],
    ["REPLCONF", "a", "b"],
    ["REPLCONF", "listening-port", "x"],
    ["REPLCONF", "listening-port", "99999999999"],
    ["REPLCONF", "listening-port", "-5", "capa", "x", "CAPA", "eof"],
    ["REPLCONF", "listening-port", "1", "capa"],
    ["REPLCONF", "rdb-only", "2"],
    ["REPLCONF", "rdb-only", "x"],
    ["REPLCONF", "rdb-only", "1"],
    ["REPLCONF", "rdb-only", "0"],
    ["REPLCONF", "rdb-filter-only", "functions"],
    ["REPLCONF", "rdb-filter-only", ""],
    ["REPLCONF", "rdb-filter-only", 'fun "x'],
    ["REPLCONF", "rdb-filter-only", "functions x"],
    ["REPLCONF", "ip-address", "x".repeat(255)],
    ["REPLCONF", "ip-address", "x".repeat(256)],
    ["REPLCONF", "version", "7.2.0"],
    ["PSYNC"],
    ["PSYNC", "?"],
    ["PSYNC", "?", "x"],
    ["PSYNC", "?", "-1", "FAILOVER"],
    ["SYNC", "x"],
    ["MULTI"],
    ["PSYNC", "?", "-1"],
    ["SYNC"],
    ["DISCARD"],
  ]);
  // Neither is answered, whoever sends it.
  for (const client of [pair.redis, pair.redino]) {
    for (
      const words of [["ACK", "1"], ["ACK", "x"], ["GETACK", "*"], [
        "listening-port",
        "1",
        "ack",
        "2",
      ]]
    ) {
      await client.post("REPLCONF", ...words);
    }
  }
  await compare(pair, [["PING"]]);
});

redisTest(
  "PSYNC behind other commands, and for a filtered snapshot without a mark, is refused",
  async () => {
    await using pair = await startPair();
    for (const client of [pair.redis, pair.redino]) {
      await client.write("PING\r\nPSYNC ? -1\r\nPING\r\nSYNC\r\n");
    }
    for (let i = 0; i < 4; i++) {
      assertEquals(await pair.redino.read(), await pair.redis.read());
    }
    await compare(pair, [["REPLCONF", "rdb-filter-only", "functions"], ["PSYNC", "?", "-1"], [
      "SYNC",
    ]]);
  },
);

redisTest("a replica that sends what is answered is disconnected", async () => {
  await using pair = await startPair({ config: CONFIG });
  for (const replica of await attachBoth(pair)) {
    await replica.link.post("PSYNC", "?", "-1");
    await replica.link.post("PING");
    await replica.gone();
    replica.link.close();
  }
});

redisTest("a replica does nothing with keys, and MONITOR does not answer it", async () => {
  await using pair = await startPair({ config: CONFIG });
  for (const replica of await attachBoth(pair)) {
    await replica.link.post("MONITOR");
    await replica.link.post("CLIENT", "REPLY", "OFF");
    await replica.link.post("SET", "k", "v");
    await replica.link.post("CLIENT", "REPLY", "ON");
    await replica.gone();
    replica.link.close();
  }
  await compare(pair, [["EXISTS", "k"]]);
});

redisTest("PSYNC takes any offset of 64 bits", async () => {
  await using pair = await startPair({ config: CONFIG });
  for (const offset of ["9223372036854775807", "-9223372036854775808", "9223372036854775808"]) {
    const replies: string[] = [];
    for (const port of [pair.redisPort, pair.redinoPort]) {
      using replica = await RawReplica.connect(port, "capa", "eof");
      replies.push((await replica.psync("0".repeat(40), offset)).replace(/ .*/, ""));
    }
    assertEquals(replies[1], replies[0], offset);
  }
});

redisTest("INFO, ROLE and CLIENT LIST tell of replicas what Redis's do", async () => {
  await using pair = await startPair({ config: { ...CONFIG, "min-replicas-to-write": 1 } });
  const views: string[][] = [];
  for (const port of [pair.redisPort, pair.redinoPort]) {
    const client = port === pair.redisPort ? pair.redis : pair.redino;
    using plain = await RawReplica.attach(port);
    using named = await RawReplica.connect(
      port,
      ...["listening-port", "1234", "ip-address", "10.0.0.1", "capa", "eof"],
    );
    await named.psync("?", -1);
    await client.send("SET", "k", "v");
    const { offset } = await historyOf(client);
    await plain.ack(offset - 5);
    await eventually(async () =>
      (await info(client, "replication")).get("slave0")!.includes(`offset=${offset - 5},`)
    );
    await eventually(async () =>
      (await info(client, "replication")).get("slave1")!.includes("state=online")
    );
    const view = [await client.ask("ROLE")];
    for (const [name, value] of await info(client, "replication")) {
      const same = value.replace(/lag=\d+/, "");
      view.push(`${name}:${name === "master_replid" ? value.length : same}`);
    }
    for (const name of ["sync_full", "sync_partial_ok", "sync_partial_err"]) {
      view.push((await info(client, "stats")).get(name)!);
    }
    view.push((await info(client, "clients")).get("connected_clients")!);
    const list = await client.ask("CLIENT", "LIST", "TYPE", "replica");
    view.push(...[...list.matchAll(/(flags|db|multi|cmd)=\S+/g)].map(([text]) => text));
    view.push(await client.ask("CLIENT", "KILL", "TYPE", "replica"));
    views.push(view);
    await plain.gone();
  }
  assertEquals(views[1], views[0]);
});

async function historyOf(client: RespClient): Promise<{ id: string; offset: number }> {
  const fields = await info(client, "replication");
  return { id: fields.get("master_replid")!, offset: Number(fields.get("master_repl_offset")) };
}

redisTest(
  "redis-cli takes a snapshot (--rdb, --functions-rdb) and the stream (--replica)",
  async () => {
    await using server = await serve({ port: 0, "repl-diskless-sync-delay": 0 });
    using client = await RespClient.connect(server.port);
    for (let i = 0; i < 1000; i++) await client.send("SET", `key:${i}`, "x".repeat(i));
    const dir = await Deno.makeTempDir({ prefix: "redino_cli_" });
    try {
      for (const [flag, keys] of [["--rdb", 1000], ["--functions-rdb", 0]] as const) {
        for (const diskless of ["yes", "no"]) {
          await client.send("CONFIG", "SET", "repl-diskless-sync", diskless, "dir", dir);
          const file = `${dir}/cli.rdb`;
          const { code, stderr } = await run("redis-cli", "-p", String(server.port), flag, file);
          assertEquals(code, 0, stderr);
          const check = await run("redis-check-rdb", file);
          assertMatch(check.stdout, new RegExp(`\\b${keys} keys read`));
        }
      }
      await eventually(async () =>
        (await info(client, "replication")).get("connected_slaves") === "0"
      );
      const child = new Deno.Command("redis-cli", {
        args: ["-p", String(server.port), "--replica"],
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      await eventually(async () =>
        (await info(client, "replication")).get("slave0")?.includes("state=online") ?? false
      );
      let text = "";
      const reading = (async () => {
        for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) text += piece;
      })();
      await eventually(async () => {
        await client.send("SET", "new", "1");
        return text.includes('"SET","new","1"');
      });
      child.kill("SIGKILL");
      await reading;
      await child.status;
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
);

async function run(program: string, ...args: readonly string[]) {
  const output = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

redisTest("a replica that wants the data only gets them, and is disconnected", async () => {
  for (const diskless of ["yes", "no"]) {
    await using pair = await startPair({ config: { ...CONFIG, "repl-diskless-sync": diskless } });
    const lengths: number[] = [];
    for (const port of [pair.redisPort, pair.redinoPort]) {
      using replica = await RawReplica.connect(port, "capa", "eof", "rdb-only", "1");
      assertMatch(await replica.psync("?", -1), /^FULLRESYNC/);
      const bytes = await replica.link.readToEnd();
      lengths.push(bytes.length > 100 ? 1 : 0);
    }
    assertEquals(lengths, [1, 1]);
  }
});

Deno.test("SHUTDOWN waits for replicas, and can be aborted meanwhile", async () => {
  const log: string[] = [];
  await using server = await serve({
    port: 0,
    ...CONFIG,
    "shutdown-timeout": 100,
    log: (line) => log.push(line),
  });
  using client = await RespClient.connect(server.port);
  using asking = await RespClient.connect(server.port);
  using writer = await RespClient.connect(server.port);
  using replica = await RawReplica.attach(server.port);
  await client.send("SET", "k", "v");
  await asking.post("SHUTDOWN");
  await eventually(async () => (await info(client, "clients")).get("blocked_clients") === "1");
  const left = Number((await info(client, "server")).get("shutdown_in_milliseconds"));
  assertEquals(left > 90_000 && left <= 100_000, true);
  await writer.post("SET", "k", "w");
  assertEquals(await client.ask("GET", "k"), '"v"');
  assertEquals(await client.ask("SHUTDOWN", "ABORT"), "+OK");
  assertEquals(await client.ask("SHUTDOWN", "ABORT"), "-ERR No shutdown in progress.");
  assertMatch(String((await asking.send("PING")).type), /error/);
  assertEquals(await asking.ask("PING"), "+PONG");
  await writer.read();

  await asking.post("SHUTDOWN");
  await eventually(() => log.filter((line) => line.includes("Waiting for replicas")).length === 2);
  await replica.ack(Number((await info(client, "replication")).get("master_repl_offset")));
  await server.closed;
  assertEquals(log.some((line) => line.includes("1 of 1 replicas are in sync")), true);
});

Deno.test("SHUTDOWN NOW waits for nobody, and a time-out ends the wait", async () => {
  for (const words of [["NOW"], []]) {
    const log: string[] = [];
    await using server = await serve({
      port: 0,
      ...CONFIG,
      "shutdown-timeout": 1,
      log: (line) => log.push(line),
    });
    using client = await RespClient.connect(server.port);
    using _replica = await RawReplica.attach(server.port);
    await client.send("SET", "k", "v");
    await client.post("SHUTDOWN", ...words);
    await server.closed;
    assertEquals(log.some((line) => line.includes("0 of 1 replicas are in sync")), true);
    assertEquals(log.some((line) => line.includes("Waiting for replicas")), words.length === 0);
  }
});

redisTest("a primary's name is shown as it was given, whatever its bytes", async () => {
  await using pair = await startPair({ config: {} });
  for (const host of ["h\u00e9", new Uint8Array([0x68, 0xff, 0x2e, 0x78])]) {
    for (const client of [pair.redis, pair.redino]) await client.send("REPLICAOF", host, "1");
    await compare(pair, [["CONFIG", "GET", "replicaof"]]);
    const names = [pair.redis, pair.redino].map(async (client) => {
      const role = await client.ask("ROLE");
      const replication = await client.ask("INFO", "replication");
      return [/"slave" "(.*?)"/.exec(role)![1], /master_host:(.*?)\\r/.exec(replication)![1]];
    });
    const [expected, actual] = await Promise.all(names);
    assertEquals(actual, expected);
  }
});

redisTest("a replica whose link is down refuses replicas, and WAIT", async () => {
  await using pair = await startPair({ config: { replicaof: "127.0.0.1 1" } });
  await compare(pair, [
    ["PSYNC", "?", "-1"],
    ["SYNC"],
    ["WAIT", 0, 0],
    ["WAIT", "x", 0],
    ["PSYNC", "?", "-1", "FAILOVER"],
    ["PSYNC", "?", "-1", "x"],
  ]);
  assertMatch(
    await pair.redino.ask("WAITAOF", 0, 0, 0),
    /^-ERR WAITAOF cannot be used with replica/,
  );
});

Deno.test("PSYNC FAILOVER makes a replica a primary that goes on in its history", async () => {
  await using primary = await serve({ port: 0, ...CONFIG });
  await using replica = await startReplica(primary.port);
  const { client } = replica;
  await eventually(async () =>
    (await info(client, "replication")).get("master_link_status") === "up"
  );
  const { id, offset } = await historyOf(client);
  using other = await RawReplica.connect(replica.port, "capa", "psync2");
  assertEquals(
    await other.link.ask("PSYNC", "0".repeat(40), offset + 1, "FAILOVER"),
    "-ERR PSYNC FAILOVER replid must match my replid.",
  );
  await other.link.post("PSYNC", id, offset + 1, "FAILOVER");
  const after = await historyOf(client);
  assertEquals(await other.line(), `+CONTINUE ${after.id}`);
  assertEquals(after.id === id, false);
  assertEquals((await info(client, "replication")).get("master_replid2"), id);
  assertEquals((await info(client, "replication")).get("role"), "master");
});

Deno.test("CLIENT PAUSE holds up clients, but not what replicas say", async () => {
  await using server = await serve({ port: 0, ...CONFIG });
  using client = await RespClient.connect(server.port);
  using replica = await RawReplica.attach(server.port);
  await client.send("SET", "k", "v");
  const { offset } = await historyOf(client);
  await client.post("WAIT", 1, 0);
  using control = await RespClient.connect(server.port);
  await eventually(async () => (await info(control, "clients")).get("blocked_clients") === "1");
  await control.send("CLIENT", "PAUSE", 100_000, "ALL");
  await replica.ack(offset);
  assertEquals(await client.read(), { type: "integer", value: 1 });
});
