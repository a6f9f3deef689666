/** Snapshots as we write them: redis-check-rdb must find no fault, redis-server must load our data. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { RdbOutput } from "../lib/persistence/rdb_output.ts";
import { writeDatabase, writeDump, writeEntry, writeHeader } from "../lib/persistence/rdb_write.ts";
import type { Server } from "../lib/server/server.ts";
import { concat, type Redino, startRedino } from "./support/rdb.ts";
import { type RedisProcess, startRedis } from "./support/redis.ts";
import { type Argument, RespClient, show, showCommand } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest, without } from "./support/skip.ts";

type Options = { readonly compress?: boolean; readonly checksum?: boolean };

const AUX = [["redis-ver", "7.2.4"], ["redis-bits", "64"], ["ctime", "1700000000"]] as const;

/** A snapshot of all databases. */
function snapshot(server: Server, { compress = true, checksum = true }: Options = {}): Uint8Array {
  const output = new RdbOutput({ compress, checksum });
  const chunks: Uint8Array[] = [];
  writeHeader(output, AUX);
  for (const db of server.dbs) {
    if (db.size === 0) continue;
    writeDatabase(output, db.number, db.size, db.volatileCount);
    for (let slot = 0; slot < db.map.slotCount; slot++) {
      const entry = db.map.entryInSlot(slot);
      if (entry === 0) continue;
      writeEntry(output, db, entry);
      if (output.bytes > 10_000) chunks.push(...output.take());
    }
  }
  output.finish();
  chunks.push(...output.take());
  return concat(...chunks);
}

/** The DUMP payload of a key. */
function dump(server: Server, key: string, compress = true): Uint8Array {
  const name = latin1Bytes(key);
  const db = server.dbs[0]!;
  const entry = db.map.find(name, 0, name.length);
  assert(entry !== 0, `there is no key ${key}`);
  const output = new RdbOutput({ compress, checksum: true });
  writeDump(output, db, entry);
  return concat(...output.take());
}

interface Loaded extends AsyncDisposable {
  readonly redis: RedisProcess;
  readonly client: RespClient;
}

/** Has redis-check-rdb look at a snapshot, and redis-server load it. */
async function load(rdb: Uint8Array, args: readonly string[] = []): Promise<Loaded> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "redino_rdb_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeFile(`${dir}/dump.rdb`, rdb);
  const checked = await new Deno.Command("redis-check-rdb", { args: [`${dir}/dump.rdb`] }).output();
  assert(checked.success, new TextDecoder().decode(checked.stdout));
  const redis = stack.use(await startRedis({ args: ["--dir", dir, ...args] }));
  const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
  stack.defer(() => client.close());
  const owned = stack.move();
  return { redis, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs commands on Redino, none of which may fail. */
async function run(client: RespClient, commands: readonly (readonly Argument[])[]): Promise<void> {
  for (const command of commands) {
    const reply = await client.send(...command);
    assert(reply.type !== "error", `${showCommand(command)}: ${show(reply)}`);
  }
}

/** Asserts that the snapshot, loaded by redis-server, is the same data; `reads` must be the same, too. */
async function assertLoads(
  { server, client }: Redino,
  reads: readonly (readonly Argument[])[] = [],
  options: Options = {},
): Promise<void> {
  await using loaded = await load(snapshot(server, options));
  for (const command of [["DEBUG", "DIGEST"], ["DBSIZE"], ...reads]) {
    const name = showCommand(command);
    assertEquals(await loaded.client.ask(...command), await client.ask(...command), name);
  }
}

const members = (count: number, prefix = "member:") =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

redisTest(
  "A snapshot keeps strings: integers at every boundary, short, long and binary",
  async () => {
    await using redino = await startRedino();
    const integers = [7, 8, 15, 16, 31, 32, 53, 62].flatMap((bits) => [
      2n ** BigInt(bits) - 1n,
      2n ** BigInt(bits),
      -(2n ** BigInt(bits)),
      -(2n ** BigInt(bits)) - 1n,
    ]);
    const values = [
      ...[...integers, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n].map(String),
      ..."0,-0,00,+1,01, 1,1 ,-,1.0,--1,.5,2147483648,-2147483649,12345678901,-1234567890".split(
        ",",
      ),
      ...["", "a", "\r\n", "x".repeat(20), "x".repeat(21), "ab".repeat(22), "abc".repeat(15)],
      ...[63, 64, 16383, 16384, 65536, 300_000].map((length) =>
        "0123456789abcdef".repeat(length / 16)
      ),
    ];
    await run(redino.client, values.map((value, i) => ["SET", `key ${i}`, value]));
    // Appended to, an integer is kept as text; and integers may be keys.
    await run(redino.client, [["SET", "raw", "1"], ["APPEND", "raw", "23"], ["SET", "-129", "x"]]);
    await run(redino.client, [["SET", Uint8Array.of(0, 255, 13, 10), Uint8Array.of(0, 1, 2, 254)]]);
    await run(redino.client, [["SET", "", "the empty key"], [
      "SET",
      "k".repeat(40_000),
      "long key",
    ]]);
    const reads = values.map((_, i) => ["GET", `key ${i}`]);
    await assertLoads(redino, [...reads, ["GET", "raw"], ["GET", "-129"]]);
    await assertLoads(redino, reads, { compress: false });
  },
);

redisTest("A snapshot keeps random strings, whether compressed or not", async () => {
  await seeded(async (rng) => {
    await using redino = await startRedino();
    for (let i = 0; i < 300; i++) {
      await run(redino.client, [[
        "SET",
        `k${i}`,
        someBytes(rng, rng.int(0, rng.pick([50, 5000]))),
      ]]);
    }
    await run(redino.client, [["SET", "large", someBytes(rng, 1_500_000)]]);
    await assertLoads(redino);
    const small = snapshot(redino.server).length;
    assert(small < snapshot(redino.server, { compress: false }).length);
  });
});

/** Bytes of which some repeat. */
function someBytes(rng: Rng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const run = Math.min(length - at, rng.int(1, 100));
    const from = rng.oneIn(2) ? 0 : rng.int(0, at);
    for (let i = 0; i < run; i++) {
      bytes[at + i] = from > 0 ? bytes[from + i - 1]! : rng.int(0, 255);
    }
    at += run;
  }
  return bytes;
}

redisTest(
  "A snapshot keeps lists: one listpack, a quicklist of them, and plain nodes",
  async () => {
    await using redino = await startRedino();
    await run(redino.client, [
      ["RPUSH", "small", "a", "1", "-5000", "", "x".repeat(100), "9223372036854775807"],
      ["RPUSH", "long", ...members(10_000)],
      ["LPUSH", "plain", "x".repeat(9000), "small", "y".repeat(70_000), "abc".repeat(50_000)],
      ["RPUSH", "elsewhere", ...members(500, "")],
    ]);
    await run(
      redino.client,
      members(300, "").map((i) => ["LREM", "elsewhere", 1, 150 + Number(i)]),
    );
    const reads = ["small", "long", "plain", "elsewhere"].map((key) => ["LRANGE", key, 0, -1]);
    await assertLoads(redino, [...reads, ["OBJECT", "ENCODING", "long"]]);
    await assertLoads(redino, reads, { compress: false });
  },
);

redisTest("A snapshot keeps sets: intsets of every width, listpacks and tables", async () => {
  await using redino = await startRedino();
  await run(redino.client, [
    ["SADD", "int16", 1, -5, 32767],
    ["SADD", "int32", 1, -5, 32768],
    ["SADD", "int64", 1, -5, "9223372036854775807", "-9223372036854775808"],
    ["SADD", "integers", ...members(512, "")],
    ["SADD", "listpack", "a", "1", "-70000", "", "x".repeat(60)],
    ["SADD", "full", ...members(128)],
    ["SADD", "table", ...members(5000)],
    ["SADD", "integer table", ...members(1000, "")],
    ["SADD", "long members", "x".repeat(65), "y".repeat(40_000), "1"],
  ]);
  const keys = ["int16", "int32", "int64", "integers", "listpack", "full", "table", "long members"];
  // Redis 7.0 has no listpacks of sets, so only the cardinality is asked of all.
  await assertLoads(redino, [
    ...keys.map((key) => ["SCARD", key]),
    ...["int16", "int32", "int64", "integers", "table"].map((key) => ["OBJECT", "ENCODING", key]),
  ]);
});

redisTest("A snapshot keeps hashes: listpacks and tables", async () => {
  await using redino = await startRedino();
  await run(redino.client, [
    ["HSET", "small", "field", "value", "1", "2", "", "", "n", "-32769"],
    ["HSET", "large", ...members(4000).flatMap((name, i) => [name, i * 1000])],
    ["HSET", "long value", "f", "v".repeat(65), "g", "ab".repeat(40_000), "h".repeat(40_000), "x"],
  ]);
  const keys = ["small", "large", "long value"];
  await assertLoads(redino, [
    ...keys.map((key) => ["HLEN", key]),
    ...keys.map((key) => ["OBJECT", "ENCODING", key]),
    ["HGETALL", "small"],
  ]);
});

redisTest("A snapshot keeps sorted sets with the very scores", async () => {
  await using redino = await startRedino();
  const scores = ["1", "-1", "0.1", "1e300", "-1e-300", "inf", "-inf", "3.0000000000000004", "-0"];
  const pairs = scores.flatMap((score, i) => [score, `m${i}`]);
  await run(redino.client, [
    ["ZADD", "small", ...pairs],
    ["ZADD", "large", ...pairs, "5", "x".repeat(65), "5", "y".repeat(40_000)],
    ["ZADD", "many", ...members(3000).flatMap((name, i) => [(i * 7919) % 3000 / 7, name])],
    ["ZADD", "listpack", ...members(128).flatMap((name, i) => [i, name])],
  ]);
  await using loaded = await load(snapshot(redino.server));
  for (const key of ["small", "large", "many", "listpack"]) {
    const encoding = ["OBJECT", "ENCODING", key];
    assertEquals(await loaded.client.ask(...encoding), await redino.client.ask(...encoding));
    assertEquals(await scoresOf(loaded.client, key), await scoresOf(redino.client, key));
  }
});

/** Members and scores as numbers: Redis 7.0 writes them with more digits. */
async function scoresOf(client: RespClient, key: string): Promise<(string | number)[]> {
  const reply = await client.send("ZRANGE", key, 0, -1, "WITHSCORES");
  assert(reply.type === "array");
  return reply.items.map((item, i) => {
    assert(item.type === "bulk");
    return i % 2 === 0 ? item.text : Number(item.text.replace("inf", "Infinity"));
  });
}

redisTest("A snapshot keeps streams with their groups, consumers and pending entries", async () => {
  let nowMs = 1_700_000_000_000;
  await using redino = await startRedino({ clock: () => nowMs, "stream-node-max-entries": 20 });
  const { client } = redino;
  for (let i = 1; i <= 250; i++) {
    await run(client, [["XADD", "s", `${i}-${i % 3}`, "field", i, "other", `value ${i}`]]);
    if (i % 10 === 0) await run(client, [["XADD", "s", `${i}-5`, "another", "x"]]);
  }
  await run(client, [
    ["XDEL", "s", "5-2", "100-1", "250-1"],
    ["XTRIM", "s", "MAXLEN", 200],
    ["XGROUP", "CREATE", "s", "first", "0"],
    ["XGROUP", "CREATE", "s", "second", "$", "ENTRIESREAD", 70],
    ["XGROUP", "CREATE", "s", "idle", "80-0"],
    ["XREADGROUP", "GROUP", "first", "alice", "COUNT", 30, "STREAMS", "s", ">"],
  ]);
  nowMs += 5000;
  await run(client, [
    ["XREADGROUP", "GROUP", "first", "bob", "COUNT", 170, "STREAMS", "s", ">"],
    ["XGROUP", "CREATECONSUMER", "s", "first", "42"],
    ["XACK", "s", "first", "61-1", "62-2", "90-0"],
    ["XCLAIM", "s", "first", "carol", 0, "100-5", "101-2", "RETRYCOUNT", 12345],
    ["XADD", "empty", "1-1", "a", "b"],
    ["XDEL", "empty", "1-1"],
    ["XGROUP", "CREATE", "made", "g", "0", "MKSTREAM"],
    ["XADD", "huge", "18446744073709551615-18446744073709551615", "a", "b"],
    ["XADD", "compressed", "1-1", "f", "abc".repeat(3000)],
  ]);
  const keys = ["s", "empty", "made", "huge", "compressed"];
  await using loaded = await load(snapshot(redino.server));
  for (const key of keys) {
    for (
      const command of [
        ["XRANGE", key, "-", "+"],
        ["XLEN", key],
        ["XINFO", "STREAM", key],
        ["XINFO", "GROUPS", key],
        ["XPENDING", key, "first"],
      ]
    ) {
      const ours = await client.ask(...command);
      // How Redis's radix tree is built is its own affair.
      const plain = (text: string) => text.replace(/"radix-tree-nodes" :\d+/, "");
      assertEquals(plain(await loaded.client.ask(...command)), plain(ours), command.join(" "));
    }
  }
  // Who has which entry, since when and how often: idle times count from the servers' own clocks.
  const full = async (client: RespClient) => {
    const reply = await client.send("XINFO", "STREAM", "s", "FULL", "COUNT", 0);
    assert(reply.type === "array");
    const groups = show(reply.items.at(-1)!);
    assertStringIncludes(groups, "seen-time");
    // Redis 7.2 tells of an active time that RDB 10 has not.
    return groups.replaceAll(/"active-time" :-?\d+ /g, "");
  };
  assertEquals(await full(loaded.client), await full(client));
});

redisTest("A snapshot keeps databases apart, and expiry times to the millisecond", async () => {
  await using redino = await startRedino();
  const soon = Date.now() + 1_000_000;
  await run(redino.client, [
    ["SET", "k", "in 0"],
    ["SET", "volatile", "v", "PXAT", soon],
    ["RPUSH", "list", "a"],
    ["PEXPIREAT", "list", 2 ** 44 + 12345],
    ["SELECT", 5],
    ["SET", "k", "in 5"],
    ["HSET", "hash", "f", "v"],
    ["PEXPIREAT", "hash", soon + 1],
    ["SELECT", 15],
    ["SET", "k", "in 15"],
    ["SELECT", 0],
  ]);
  await assertLoads(redino, [
    ["PEXPIRETIME", "volatile"],
    ["PEXPIRETIME", "list"],
    ["PEXPIRETIME", "k"],
    ["GET", "k"],
    ["SELECT", 5],
    ["GET", "k"],
    ["PEXPIRETIME", "hash"],
    ["SELECT", 15],
    ["GET", "k"],
    ["DBSIZE"],
  ]);
});

redisTest(
  "A snapshot keeps idle times under an LRU policy, and counters under an LFU policy",
  async () => {
    let nowMs = 1_700_000_000_000;
    const policy = "allkeys-lru";
    await using redino = await startRedino({ clock: () => nowMs, "maxmemory-policy": policy });
    const { client } = redino;
    await run(client, [["SET", "old", "v"], ["SET", "used", "v"]]);
    nowMs += 1000_000;
    await run(client, [["GET", "used"]]);
    {
      await using loaded = await load(snapshot(redino.server), ["--maxmemory-policy", policy]);
      const idle = await loaded.client.send("OBJECT", "IDLETIME", "old");
      assert(idle.type === "integer" && idle.value >= 1000 && idle.value < 1100, show(idle));
      const used = await loaded.client.send("OBJECT", "IDLETIME", "used");
      assert(used.type === "integer" && used.value < 100, show(used));
    }
    await run(client, [
      [
        "CONFIG",
        "SET",
        "maxmemory-policy",
        "allkeys-lfu",
        "lfu-log-factor",
        0,
        "lfu-decay-time",
        0,
      ],
      ["DEL", "used"],
      ["SET", "used", "v"],
      ...Array.from({ length: 20 }, () => ["GET", "used"]),
    ]);
    const args = ["--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "0"];
    await using loaded = await load(snapshot(redino.server), args);
    assertEquals(await loaded.client.ask("OBJECT", "FREQ", "used"), ":25");
    await run(client, [["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]]);
    assert(!latin1(snapshot(redino.server)).includes("\xf9"), "no counter without an LFU policy");
  },
);

redisTest("A snapshot without checksum ends with zeros, and a damaged one is refused", async () => {
  await using redino = await startRedino();
  await run(redino.client, [["SET", "k", "v"]]);
  const plain = snapshot(redino.server, { checksum: false });
  assertEquals(plain.subarray(-9), Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, 0));
  await using loaded = await load(plain);
  assertEquals(await loaded.client.ask("GET", "k"), '"v"');

  const damaged = snapshot(redino.server);
  damaged[damaged.length - 10]! ^= 1;
  const dir = await Deno.makeTempDir({ prefix: "redino_rdb_" });
  try {
    await Deno.writeFile(`${dir}/dump.rdb`, damaged);
    const { success } = await new Deno.Command("redis-check-rdb", {
      args: [`${dir}/dump.rdb`],
      stdout: "null",
    }).output();
    assert(!success);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

redisTest("A snapshot of random commands is, loaded by Redis, the same data", async () => {
  await seeded(async (rng) => {
    await using redino = await startRedino();
    const name = () => rng.oneIn(3) ? String(rng.int(-100_000, 100_000)) : `m${rng.int(0, 400)}`;
    const value = () => rng.oneIn(5) ? someBytes(rng, rng.int(0, 300)) : name();
    for (let i = 0; i < 3000; i++) {
      const key = `${rng.pick(["s", "l", "t", "h", "z", "x"])}${rng.int(0, 8)}`;
      const names = Array.from({ length: rng.int(1, 20) }, name);
      const commands: Record<string, readonly (readonly Argument[])[]> = {
        s: [["SET", key, value()], ["APPEND", key, value()]],
        l: [["RPUSH", key, ...names, value()], ["LPUSH", key, value()], ["LPOP", key, 3]],
        t: [["SADD", key, ...names], ["SREM", key, ...names]],
        h: [["HSET", key, ...names.flatMap((field) => [field, value()])], ["HDEL", key, ...names]],
        z: [["ZADD", key, ...names.flatMap((m) => [rng.int(-99, 99) / 8, m])], ["ZPOPMIN", key, 2]],
        x: [["XADD", key, "*", name(), value()], ["XTRIM", key, "MAXLEN", 50]],
      };
      await redino.client.send(...rng.pick(commands[key[0]!]!));
      if (rng.oneIn(20)) await redino.client.send("EXPIRE", key, rng.int(1000, 1_000_000));
    }
    await assertLoads(redino);
    await assertLoads(redino, [], { compress: false });
  });
});

Deno.test({
  name: "redis-server restores our DUMP payloads of every encoding",
  ignore: without("redis-server"),
  async fn() {
    await using redino = await startRedino();
    await using redis = await startRedis();
    using theirs = await RespClient.connect(redis.port);
    const keys = {
      int: ["SET", "int", 12345],
      big: ["SET", "big", "9223372036854775807"],
      text: ["SET", "text", "hello"],
      repeated: ["SET", "repeated", "abc".repeat(1000)],
      list: ["RPUSH", "list", ...members(20)],
      quicklist: ["RPUSH", "quicklist", ...members(3000), "x".repeat(9000)],
      intset: ["SADD", "intset", 1, 2, 3],
      "small set": ["SADD", "small set", "a", "b"],
      "large set": ["SADD", "large set", ...members(500)],
      hash: ["HSET", "hash", "f", "v"],
      "large hash": ["HSET", "large hash", ...members(1000)],
      zset: ["ZADD", "zset", 1, "a", 2.5, "b"],
      "large zset": ["ZADD", "large zset", ...members(500).flatMap((name, i) => [i, name])],
      stream: ["XADD", "stream", "1-1", "f", "v"],
    };
    for (const [key, command] of Object.entries(keys)) {
      await run(redino.client, [command]);
      for (const compress of [true, false]) {
        const payload = dump(redino.server, key, compress);
        assertEquals(await theirs.ask("RESTORE", key, 0, payload, "REPLACE"), "+OK", key);
        const digest = ["DEBUG", "DIGEST-VALUE", key];
        assertEquals(await theirs.ask(...digest), await redino.client.ask(...digest), key);
      }
    }
  },
});

redisTest("Compressed strings pass between Redis and us, either way", async () => {
  await seeded(async (rng) => {
    await using redino = await startRedino();
    await using redis = await startRedis();
    using theirs = await RespClient.connect(redis.port);
    for (let i = 0; i < 100; i++) {
      const bytes = someBytes(rng, rng.int(21, rng.pick([200, 20_000])));
      await run(redino.client, [["SET", "k", bytes]]);
      await run(theirs, [["RESTORE", "k", 0, dump(redino.server, "k"), "REPLACE"]]);
      const payload = await theirs.send("DUMP", "k");
      assert(payload.type === "bulk");
      await run(redino.client, [["RESTORE", "back", 0, latin1Bytes(payload.text), "REPLACE"]]);
      assertEquals(await redino.client.send("GET", "back"), { type: "bulk", text: latin1(bytes) });
    }
  });
});

redisTest("DUMP payloads that leave nothing to choose are Redis's byte for byte", async () => {
  await using redino = await startRedino();
  await using redis = await startRedis();
  using theirs = await RespClient.connect(redis.port);
  for (
    const command of [
      ...[0, -1, 127, 128, -129, 32768, 2 ** 31, "-2147483648"].map((value) => ["SET", "k", value]),
      ["SET", "k", "text"],
      ["SET", "k", "short, but no integer"],
      ["RPUSH", "k", "a", "b", "3"],
      ["SADD", "k", "1", "70000"],
      ["HSET", "k", "field", "value"],
      ["ZADD", "k", 1.5, "a"],
      ["XADD", "k", "1-1", "f", "v"],
    ]
  ) {
    await run(redino.client, [["DEL", "k"], command]);
    await theirs.send("DEL", "k");
    await theirs.send(...command);
    const reply = await theirs.send("DUMP", "k");
    assert(reply.type === "bulk");
    assertEquals(latin1(dump(redino.server, "k")), reply.text, showCommand(command));
  }
});
