/**
 * What redis-server 7.0 cannot show: held against valkey-server 8.0, which is Redis 7.2.4 grown on.
 * Where Valkey went its own way since, nothing is compared.
 */
import { assert, assertEquals } from "@std/assert";
import { compare, type Pair, startPair, type Step, unordered } from "./support/differential.ts";
import { bytesOf, everyType, load, runAll, startRedino } from "./support/rdb.ts";
import { startRedino as startPrimary, startReplica } from "./support/redino_replica.ts";
import { startRedis } from "./support/redis.ts";
import { assertSameData, caughtUp, writeSome } from "./support/replication.ts";
import { comparePropagation } from "./support/replica_stream.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { valkeyTest } from "./support/skip.ts";

const program = "valkey-server";

// ---- files -----------------------------------------------------------------------------------------

/** Sets that only 7.2 keeps as listpacks, and consumers that have and have not been given entries. */
const NEW_IN_7_2 = [
  ["SADD", "listpack set", "a", "1", "-70000", "", "x".repeat(64)],
  ["SADD", "growing set", ...Array.from({ length: 128 }, (_, i) => `m${i}`)],
  ["XADD", "read", "1-1", "f", "v"],
  ["XGROUP", "CREATE", "read", "g", "0"],
  ["XREADGROUP", "GROUP", "g", "active", "STREAMS", "read", ">"],
  ["XGROUP", "CREATECONSUMER", "read", "g", "never active"],
  ["XREADGROUP", "GROUP", "g", "in vain", "STREAMS", "read", ">"],
];

/** Holds that two servers have the same keys, values, encodings, times and stream groups. */
async function assertEqualServers(
  a: RespClient,
  b: RespClient,
  streamView: (info: string) => string,
): Promise<void> {
  const same = async (command: readonly (string | number | Uint8Array)[], view = plain) =>
    assertEquals(view(await a.ask(...command)), view(await b.ask(...command)), command.join(" "));
  for (const db of [3, 0]) {
    await same(["SELECT", db]);
    await same(["DBSIZE"]);
    const keys = await a.send("KEYS", "*");
    assert(keys.type === "array" && keys.items.length > 0);
    for (const item of keys.items) {
      const key = bytesOf(textOf(item));
      await same(["DEBUG", "DIGEST-VALUE", key]);
      await same(["PEXPIRETIME", key]);
      const type = await a.ask("TYPE", key);
      // A string that commands have changed is raw until it is loaded.
      if (type !== "+string") await same(["OBJECT", "ENCODING", key]);
      if (type !== "+stream") continue;
      await same(["XINFO", "STREAM", key, "FULL", "COUNT", 0], streamView);
    }
  }
  await same(["DEBUG", "DIGEST"]);
}

function plain(text: string): string {
  return text;
}

function textOf(reply: Reply): string {
  return "text" in reply ? reply.text : "";
}

/** How Redis's radix tree is built is its own affair. */
function withoutTree(info: string): string {
  return info.replace(/"radix-tree-\w+" :\d+ /g, "");
}

valkeyTest("Valkey loads what SAVE writes, with equal data", async () => {
  await using redino = await startPrimary();
  await runAll(redino.client, [...everyType(), ...NEW_IN_7_2, ["SAVE"]]);
  const dir = (await redino.client.ask("CONFIG", "GET", "dir")).split('"')[3]!;
  await using valkey = await startRedis({ program, args: ["--dir", dir] });
  using client = await RespClient.connect(valkey.port);
  // RDB 10, which 7.0 reads as well, has no active times: a consumer was active when last seen.
  await assertEqualServers(
    redino.client,
    client,
    (info) => withoutTree(info).replace(/"active-time" :-?\d+ /g, ""),
  );
});

valkeyTest("a file of Valkey's, with the records of RDB 11, loads with equal data", async () => {
  await using valkey = await startRedis({ program });
  using client = await RespClient.connect(valkey.port);
  await runAll(client, [...everyType(), ...NEW_IN_7_2, ["SAVE"]]);
  await using redino = await startRedino();
  const { aux } = load(redino.server, await Deno.readFile(`${valkey.dir}/dump.rdb`));
  assertEquals(aux.get("valkey-ver")?.split(".")[0], "8");
  await assertEqualServers(client, redino.client, withoutTree);
});

valkeyTest("values go to Valkey and back by DUMP and RESTORE", async () => {
  await using valkey = await startRedis({ program });
  using client = await RespClient.connect(valkey.port);
  await using redino = await startRedino();
  await runAll(redino.client, [...everyType(100), ...NEW_IN_7_2]);
  // DUMP leaves the time out.
  await runAll(redino.client, [["PERSIST", "volatile"], ["PERSIST", "stream"]]);
  const keys = await redino.client.send("KEYS", "*");
  assert(keys.type === "array");
  for (const item of keys.items) {
    const key = bytesOf(textOf(item));
    const digest = await redino.client.ask("DEBUG", "DIGEST-VALUE", key);
    const ours = bytesOf(textOf(await redino.client.send("DUMP", key)));
    assertEquals(await client.ask("RESTORE", key, 0, ours), "+OK");
    assertEquals(await client.ask("DEBUG", "DIGEST-VALUE", key), digest);
    const theirs = bytesOf(textOf(await client.send("DUMP", key)));
    assertEquals(await redino.client.ask("RESTORE", key, 0, theirs, "REPLACE"), "+OK");
    assertEquals(await redino.client.ask("DEBUG", "DIGEST-VALUE", key), digest);
  }
});

// ---- replication -----------------------------------------------------------------------------------

valkeyTest("a replica takes Valkey's data under live writes", async () => {
  await seeded(async (rng) => {
    await using primary = await startRedis({ program, args: ["--repl-diskless-sync-delay", "0"] });
    using writer = await RespClient.connect(primary.port);
    for (let i = 0; i < 10; i++) await writeSome(writer, rng, 50);
    await using replica = await startReplica(primary.port);
    for (let i = 0; i < 20; i++) await writeSome(writer, rng, 50);
    await caughtUp(writer, replica.client);
    await assertSameData(writer, replica.client);
  });
});

valkeyTest("Valkey takes a primary's data under live writes", async () => {
  await seeded(async (rng) => {
    await using primary = await startPrimary();
    const { client } = primary;
    for (let i = 0; i < 10; i++) await writeSome(client, rng, 50);
    await using valkey = await startRedis({
      program,
      args: ["--replicaof", `127.0.0.1 ${primary.port}`],
    });
    using replica = await RespClient.connect(valkey.port);
    for (let i = 0; i < 20; i++) await writeSome(client, rng, 50);
    await caughtUp(client, replica);
    await assertSameData(client, replica);
  });
});

// ---- encodings -------------------------------------------------------------------------------------

const SET_KEYS = ["a", "b", "c", "d"];

function randomMember(rng: Rng): string {
  switch (rng.int(0, 5)) {
    case 0:
      return `m${rng.int(0, 9)}`;
    case 1:
      return rng.pick(["", "01", "-1", "9223372036854775807", "eightchr", "nine char"]);
    default:
      return String(rng.int(-5, 30));
  }
}

/** A command that leaves a set at `key`; `sources` are the keys of sets that it is made of. */
function randomSetCommand(rng: Rng): { key: string; sources: string[]; command: Step } {
  const key = rng.pick(SET_KEYS);
  const members = Array.from({ length: rng.int(1, 8) }, () => randomMember(rng));
  switch (rng.int(0, 9)) {
    case 0:
    case 1:
      return { key, sources: [], command: ["SREM", key, ...members] };
    case 2:
      return { key, sources: [], command: ["SMOVE", rng.pick(SET_KEYS), key, members[0]!] };
    case 3:
    case 4: {
      const sources = Array.from({ length: rng.int(1, 3) }, () => rng.pick(SET_KEYS));
      const store = rng.pick(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
      return { key, sources, command: [store, key, ...sources] };
    }
    case 5:
      return { key, sources: [], command: ["DEL", key] };
    default:
      return { key, sources: [], command: ["SADD", key, ...members] };
  }
}

valkeyTest("sets have 7.2's encodings whatever happens to them", () =>
  seeded(async (rng) => {
    for (const [intset, listpack] of [[512, 128], [8, 4], [4, 8], [4, 0]] as const) {
      await using pair = await startPair({
        program,
        config: {
          "set-max-intset-entries": intset,
          "set-max-listpack-entries": listpack,
          "set-max-listpack-value": 8,
        },
      });
      for (let i = 0; i < 500; i++) {
        const { key, sources, command } = randomSetCommand(rng);
        let ordered = true;
        for (const source of sources) {
          ordered &&= await pair.redis.ask("OBJECT", "ENCODING", source) !== '"hashtable"';
        }
        await compare(pair, [command, unordered(["SMEMBERS", key])]);
        // What is made of a table depends on the order in which its members happen to stand.
        await compare(pair, [ordered ? ["OBJECT", "ENCODING", key] : ["DEL", key]]);
      }
    }
  }));

valkeyTest("what SINTERSTORE makes of tables is small where it can be", async () => {
  await using pair = await startPair({ program });
  const many = Array.from({ length: 200 }, (_, i) => `m${i}`);
  const numbers = Array.from({ length: 600 }, (_, i) => i);
  await compare(pair, [
    ["SADD", "large", ...many],
    ["SADD", "numbers", ...numbers],
    ["SADD", "some", ...many.slice(0, 150), 7],
    ["SREM", "some", ...many.slice(5)],
    ["SADD", "few", 5, 6, 1000],
    ["SINTERSTORE", "result", "large", "some"],
    ["OBJECT", "ENCODING", "result"],
    ["SINTERSTORE", "result", "large", "large"],
    ["OBJECT", "ENCODING", "result"],
    ["SINTERSTORE", "result", "numbers"],
    ["OBJECT", "ENCODING", "result"],
    ["SINTERSTORE", "result", "numbers", "some"],
    ["OBJECT", "ENCODING", "result"],
    ["SINTERSTORE", "result", "numbers", "few"],
    ["OBJECT", "ENCODING", "result"],
  ]);
});

// ---- what commands answer --------------------------------------------------------------------------

/** Holds that both answer the same, in both protocols. */
async function same(steps: readonly Step[]): Promise<void> {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ program, protocol });
    await compare(pair, steps);
  }
}

valkeyTest("scores have 7.2's digits", () =>
  seeded(async (rng) => {
    for (const protocol of [2, 3] as const) {
      await using pair = await startPair({ program, protocol });
      const scores = Array.from({ length: 3000 }, () => {
        const digits = Math.round((rng.float() - 0.5) * 10 ** rng.int(1, 17));
        return rng.oneIn(3)
          ? (rng.float() - 0.5) * 2 ** rng.int(-1000, 1000)
          : digits / 10 ** rng.int(0, 30);
      });
      const members = scores.map((_, i) => `m${i}`);
      await compare(pair, [
        ["ZADD", "z", ...scores.flatMap((score, i) => [score, members[i]!])],
        ["ZMSCORE", "z", ...members],
        ["ZRANGE", "z", 0, -1, "WITHSCORES"],
        ["DEBUG", "DIGEST-VALUE", "z"],
        ["ZINCRBY", "z", "0.1", "m0"],
        ["ZADD", "z", "INCR", "1e-7", "m1"],
      ]);
    }
  }));

valkeyTest("what 7.2 added answers as Valkey does", () =>
  same([
    ["ZADD", "z", "1", "a", "2.5", "b", "3", "c"],
    ["ZRANK", "z", "b", "WITHSCORE"],
    ["ZREVRANK", "z", "b", "withscore"],
    ["ZRANK", "z", "none", "WITHSCORE"],
    ["ZREVRANK", "none", "b", "WITHSCORE"],
    ["ZRANK", "z", "b", "WITHSCORES"],
    ["ZRANK", "z", "b", "WITHSCORE", "x"],
    ["CLIENT", "NO-TOUCH", "ON"],
    ["CLIENT", "NO-TOUCH", "off"],
    ["CLIENT", "NO-TOUCH", "maybe"],
    ["CLIENT", "NO-TOUCH"],
    ["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
    ["CLIENT", "SETINFO", "lib-ver", ""],
    ["CLIENT", "SETINFO", "lib-name", "redis py"],
    ["CLIENT", "SETINFO", "LIB-VER", "5\n0"],
    ["CLIENT", "SETINFO", "lib-what", "x"],
    ["CLIENT", "SETINFO", "LIB-NAME"],
    ["WAITAOF", 0, 0],
    ["WAITAOF", 2, 0, 0],
    ["WAITAOF", -1, 0, 0],
    ["WAITAOF", "x", 0, 0],
    ["WAITAOF", 0, -1, 0],
    ["WAITAOF", 0, 0, "x"],
    ["WAITAOF", 0, 0, -1],
    ["WAITAOF", 1, 0, 0],
    ["WAITAOF", 0, 0, 0],
    ["WAITAOF", 0, 1, 5],
    ["CONFIG", "GET", "set-max-listpack-entries"],
    ["CONFIG", "GET", "set-max-listpack-value"],
    ["CONFIG", "SET", "set-max-listpack-value", "1kb"],
    ["CONFIG", "SET", "set-max-listpack-entries", "-1"],
    ["COMMAND", "GETKEYS", "get"],
    ["COMMAND", "GETKEYS", "config"],
  ]));

valkeyTest("what 7.2 refuses otherwise than 7.0 is refused as Valkey does", () =>
  same([
    ["RPUSH", "l", "a"],
    ["LPOS", "l", "a", "RANK", "-9223372036854775808"],
    ["LREM", "l", "-9223372036854775808", "a"],
    ["BLPOP", "none", "0x7FFFFFFFFFFFFF"],
    ["BLPOP", "none", "inf"],
    ["BLPOP", "none", "9223372036854775"],
    ["XREAD", "BLOCK", "9223372036854775807", "STREAMS", "a", "0"],
    ["XREAD", "STREAMS", "a", "b", "1"],
    ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", "b", "1"],
    ["XADD", "s", "6-18446744073709551615", "a", "1"],
    ["XADD", "s", "6-*", "a", "1"],
    ["XADD", "s", "18446744073709551615-18446744073709551615", "a", "1"],
    ["XADD", "s", "*", "a", "1"],
    ["SET", "k", "v"],
    ["EXPIRE", "k", "9223372036854775807"],
    ["PEXPIRE", "k", "9223372036854775807"],
    ["EXPIREAT", "k", "9223372036854775807"],
    ["SET", "k", "v", "EX", "9223372036854775807"],
    ["GETEX", "k", "PX", "9223372036854775807"],
    ["SETEX", "k", "0", "v"],
    ["OBJECT", "FREQ", "k"],
    ["HELLO", "4"],
  ]));

valkeyTest("consumers are seen and active when Valkey says so", async () => {
  await using pair = await startPair({ program });
  const consumers: Step = {
    command: ["XINFO", "CONSUMERS", "s", "g"],
    // Some time passes between the commands; -1 is a consumer that never was active.
    view: (reply) => show(reply).replace(/"(idle|inactive)" :\d+/g, '"$1" :some'),
  };
  await compare(pair, [
    ["XADD", "s", "1-1", "f", "v"],
    ["XGROUP", "CREATE", "s", "g", "0"],
    ["XGROUP", "CREATECONSUMER", "s", "g", "made"],
    ["XREADGROUP", "GROUP", "g", "reader", "STREAMS", "s", ">"],
    consumers,
    ["XREADGROUP", "GROUP", "g", "in vain", "STREAMS", "s", ">"],
    ["XREADGROUP", "GROUP", "g", "history", "STREAMS", "s", "0"],
    ["XCLAIM", "s", "g", "claimed nothing", "0", "7-7"],
    ["XAUTOCLAIM", "s", "g", "auto", "100000", "0"],
    consumers,
    ["XCLAIM", "s", "g", "thief", "0", "1-1", "JUSTID"],
    consumers,
  ]);
});

/** All that a connection of each is sent while it sends commands. */
async function sentTo(pair: Pair, commands: readonly string[]): Promise<string[][]> {
  return await Promise.all([pair.redis, pair.redino].map(async (client) => {
    for (const command of [...commands, "PING end"]) await client.post(...command.split(" "));
    const frames: string[] = [];
    while (frames.at(-1) !== '"end"') frames.push(show(await client.readAny()));
    return frames;
  }));
}

valkeyTest("what a client's own command pushes to it waits for the reply", async () => {
  await using pair = await startPair({ program, protocol: 3 });
  const [valkey, redino] = await sentTo(pair, [
    "SUBSCRIBE news __keyevent@0__:set",
    "PUBLISH news hi",
    "MULTI",
    "PUBLISH news ho",
    "SET k v",
    "EXEC",
    "CONFIG SET notify-keyspace-events KEA",
    "SET k v",
    "MULTI",
    "SET k w",
    "GET k",
    "EXEC",
    "CLIENT TRACKING ON",
    "GET k",
    "MULTI",
    "SET k x",
    "GET k",
    "EXEC",
    "DEBUG PROTOCOL push",
  ]);
  assertEquals(redino, valkey);
});

valkeyTest(
  "a transaction's SELECT, and a lazy SPOP, are sent as Valkey sends them",
  () =>
    comparePropagation(
      [
        "SET a 1",
        "MULTI",
        "SELECT 3",
        "SET b 2",
        "SELECT 4",
        "SET c 3",
        "EXEC",
        "MULTI",
        "SET c 4",
        "SET d 4",
        "EXEC",
        "CONFIG SET lazyfree-lazy-server-del yes",
        "SADD s 1 2 3",
        "SPOP s 4",
      ],
      undefined,
      program,
    ),
);
