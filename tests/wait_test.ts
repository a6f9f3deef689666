/** WAIT and WAITAOF: how many replicas have what a client wrote. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { type ClientPair, compare, type Pair, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** The streams have what clients wrote, and no PING between that. */
const CONFIG = { "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 3600 };

async function attachBoth(pair: Pair): Promise<RawReplica[]> {
  return [await RawReplica.attach(pair.redisPort), await RawReplica.attach(pair.redinoPort)];
}

/** Lets the replicas acknowledge all that their primaries have sent. */
async function acknowledge(pair: ClientPair, replicas: readonly RawReplica[]): Promise<void> {
  for (const [i, client] of [pair.redis, pair.redino].entries()) {
    await replicas[i]!.ack(await offsetOf(client));
  }
}

async function offsetOf(client: RespClient): Promise<number> {
  return Number((await info(client, "replication")).get("master_repl_offset"));
}

async function blocked(client: RespClient): Promise<number> {
  return Number((await info(client, "clients")).get("blocked_clients"));
}

redisTest("WAIT answers as Redis's without replicas", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["WAIT"],
    ["WAIT", 1],
    ["WAIT", "x", 0],
    ["WAIT", 1, "x"],
    ["WAIT", 1, "1.5"],
    ["WAIT", 1, -1],
    ["WAIT", "x", -1],
    ["WAIT", "9223372036854775808", 1],
    ["WAIT", 1, "9223372036854775808"],
    ["WAIT", 0, 0],
    ["WAIT", -1, 0],
    ["WAIT", 1, 1],
    ["SET", "k", "v"],
    ["WAIT", 0, 0],
    ["WAIT", 3, 20],
    ["MULTI"],
    ["SET", "k", "v"],
    ["WAIT", 1, 0],
    ["EXEC"],
  ]);
});

redisTest(
  "WAIT counts replicas that have the client's writes, and ends when they are enough",
  async () => {
    await using pair = await startPair({ config: CONFIG });
    using other = await pair.connect();
    const first = await attachBoth(pair);
    const second = await attachBoth(pair);
    await acknowledge(pair, first);
    await compare(pair, [["WAIT", 2, 10], ["SET", "k", "v"], ["WAIT", 0, 0], ["WAIT", 1, 10]]);
    await acknowledge(other, first);
    await compare(pair, [["WAIT", 1, 0], ["WAIT", 2, 10]]);
    // Since 7.2, one who wrote nothing waits for nobody; before, he waited for others' writes.
    assertEquals(await other.redino.ask("WAIT", 2, 0), ":2");

    await compare(pair, [["INCR", "n"]]);
    for (const client of [pair.redis, pair.redino]) await client.post("WAIT", 2, 0);
    for (const client of [other.redis, other.redino]) {
      await eventually(async () => await blocked(client) === 1);
    }
    await acknowledge(other, first);
    for (const client of [other.redis, other.redino]) assertEquals(await blocked(client), 1);
    await acknowledge(other, second);
    for (const client of [pair.redis, pair.redino]) {
      assertEquals(await client.read(), { type: "integer", value: 2 });
    }
    await compare(pair, [["PING"]]);
    for (const { link } of [...first, ...second]) link.close();
  },
);

redisTest("WAIT asks replicas at once, one time for all who wait", async () => {
  await using pair = await startPair({ config: CONFIG });
  const replicas = await attachBoth(pair);
  const streams: string[][] = [];
  for (const [i, client] of [pair.redis, pair.redino].entries()) {
    await client.write("SET a 1\r\nINCR n\r\nWAIT 1 0\r\n");
    const words: string[] = [];
    while (words.at(-1) !== '["REPLCONF" "GETACK" "*"]') words.push(await replicas[i]!.next());
    streams.push(words);
    await replicas[i]!.ack(10_000);
    for (let reply = 0; reply < 3; reply++) await client.read();
  }
  assertEquals(streams[1], streams[0]);
  for (const { link } of replicas) link.close();
});

redisTest(
  "CLIENT UNBLOCK ends WAIT as Redis's does, and its connection's end does, too",
  async () => {
    await using pair = await startPair({ config: CONFIG });
    using waiting = await pair.connect();
    for (const client of [waiting.redis, waiting.redino]) await client.send("SET", "k", "v");
    const ids = [
      await waiting.redis.send("CLIENT", "ID"),
      await waiting.redino.send("CLIENT", "ID"),
    ];
    for (const how of ["TIMEOUT", "ERROR"]) {
      const answers: string[] = [];
      for (const [i, client] of [waiting.redis, waiting.redino].entries()) {
        await client.post("WAIT", 1, 0);
        const control = i === 0 ? pair.redis : pair.redino;
        await eventually(async () => await blocked(control) === 1);
        const id = ids[i]!;
        assert(id.type === "integer");
        answers.push(await control.ask("CLIENT", "UNBLOCK", id.value, how));
        answers.push(JSON.stringify(await client.read()));
      }
      assertEquals(answers.slice(2), answers.slice(0, 2));
    }
    await waiting.redino.post("WAIT", 1, 0);
    await eventually(async () => await blocked(pair.redino) === 1);
    waiting.redino.close();
    await eventually(async () => await blocked(pair.redino) === 0);
  },
);

redisTest("WAIT after MIGRATE waits for the DEL of what went", async () => {
  await using pair = await startPair({ config: CONFIG });
  await using target = await serve({ port: 0 });
  const replicas = await attachBoth(pair);
  await compare(pair, [["SET", "k", "v"]]);
  await acknowledge(pair, replicas);
  await compare(pair, [
    ["WAIT", 1, 0],
    ["MIGRATE", "127.0.0.1", target.port, "k", 0, 20_000, "REPLACE"],
    ["WAIT", 1, 10],
  ]);
  for (const { link } of replicas) link.close();
});

redisTest("WAIT counts as one call", async () => {
  await using pair = await startPair({ config: CONFIG });
  const views: string[] = [];
  for (const client of [pair.redis, pair.redino]) {
    await client.send("CONFIG", "RESETSTAT");
    await client.send("SET", "k", "v");
    await client.send("WAIT", 1, 5);
    await client.send("WAIT", 0, 5);
    const stats = (await info(client, "commandstats")).get("cmdstat_wait")!;
    views.push(stats.replace(/usec[^,]*,/g, ""));
  }
  assertEquals(views[1], views[0]);
});

// redis-server 7.0 has no WAITAOF; what it answers without replicas is held against Valkey elsewhere.
Deno.test("WAITAOF counts what replicas have on disk, and refuses to wait for a file of ours", async () => {
  await using server = await serve({ port: 0, "repl-diskless-sync-delay": 0 });
  using client = await RespClient.connect(server.port);
  const cases: readonly (readonly [readonly (string | number)[], string])[] = [
    [["WAITAOF", 0, 0], "-ERR wrong number of arguments for 'waitaof' command"],
    [["WAITAOF", 2, 0, 0], "-ERR value is out of range, value must between 0 and 1"],
    [["WAITAOF", "x", 0, 0], "-ERR value is not an integer or out of range"],
    [["WAITAOF", 0, -1, 0], "-ERR value is out of range, must be positive"],
    [["WAITAOF", 0, 0, "x"], "-ERR timeout is not an integer or out of range"],
    [["WAITAOF", 0, 0, -1], "-ERR timeout is negative"],
    [
      ["WAITAOF", 1, 0, 0],
      "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
    ],
    [["WAITAOF", 0, 0, 0], "[:0 :0]"],
    [["WAITAOF", 0, 1, 5], "[:0 :0]"],
  ];
  for (const [command, reply] of cases) assertEquals(await client.ask(...command), reply);
  using replica = await RawReplica.attach(server.port);
  await client.send("SET", "k", "v");
  assertEquals(await client.ask("WAITAOF", 0, 0, 0), "[:0 :0]");
  await client.post("WAITAOF", 0, 1, 0);
  await replica.link.post("REPLCONF", "ACK", 1000);
  await replica.link.post("REPLCONF", "ACK", 1000, "FACK", 1000);
  assertEquals(await client.ask("PING"), "[:0 :1]");
  assertEquals((await client.read()).type, "simple");
});
