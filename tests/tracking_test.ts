/** Client-side caching: CLIENT TRACKING and what clients are told, held against redis-server. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compareConversation, type Line } from "./support/conversation.ts";
import { compare, frames, startPair, unordered } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest, valkeyTest } from "./support/skip.ts";

const BINARY = new Uint8Array([0, 0xff, 0x0d, 0x0a]);

redisTest("CLIENT TRACKING checks its options in Redis's order", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    const info = unordered(["CLIENT", "TRACKINGINFO"]);
    await compare(pair, [
      ["CLIENT", "CACHING", "YES"],
      ["CLIENT", "CACHING", "x"],
      ["CLIENT", "GETREDIR"],
      info,
      ["CLIENT", "TRACKING"],
      ["CLIENT", "TRACKING", "maybe"],
      ["CLIENT", "TRACKING", "maybe", "x"],
      ["CLIENT", "TRACKING", "ON", "PREFIX", "a"],
      ["CLIENT", "TRACKING", "ON", "PREFIX"],
      ["CLIENT", "TRACKING", "ON", "REDIRECT"],
      ["CLIENT", "TRACKING", "ON", "REDIRECT", "0"],
      ["CLIENT", "TRACKING", "ON", "REDIRECT", "x"],
      ["CLIENT", "TRACKING", "ON", "REDIRECT", "999999999"],
      ["CLIENT", "TRACKING", "OFF", "REDIRECT", "999999999"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "OPTOUT"],
      ["CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "ab"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "a"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b", "PREFIX", "a", "PREFIX", ""],
      info,
      ["client", "tracking", "on", "optin"],
      info,
      ["CLIENT", "TRACKING", "ON", "OPTOUT"],
      ["CLIENT", "TRACKING", "ON", "BCAST"],
      ["CLIENT", "CACHING", "NO"],
      ["CLIENT", "CACHING", "x"],
      ["CLIENT", "CACHING"],
      ["CLIENT", "CACHING", "YES"],
      info,
      ["CLIENT", "ID", "x"],
      info,
      ["GET", "k"],
      info,
      ["CLIENT", "TRACKING", "ON", "NOLOOP"],
      info,
      ["CLIENT", "TRACKING", "OFF"],
      ["CLIENT", "TRACKING", "OFF"],
      ["CLIENT", "TRACKING", "ON", "OPTOUT", "NOLOOP"],
      ["CLIENT", "CACHING", "YES"],
      ["CLIENT", "CACHING", "no"],
      info,
      ["NOSUCH"],
      info,
      ["CLIENT", "CACHING", "NO"],
      ["MULTI"],
      ["GET", "k"],
      ["EXEC"],
      info,
      ["RESET"],
      ["CLIENT", "TRACKINGINFO"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "NOLOOP"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab"],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "c", "PREFIX", ""],
      ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b"],
      ["CLIENT", "TRACKING", "ON", "BCAST"],
      ["CLIENT", "TRACKING", "ON", "OPTIN"],
      info,
      ["CLIENT", "GETREDIR"],
    ]);
  }
});

const READS: readonly Line[] = [
  ["b", "MSET", "x", "1", "y", "2", "z", "3"],
  ["a", "CLIENT", "TRACKING", "ON"],
  ["a", "GET", "x"],
  ["a", "GET", "missing"],
  ["b", "SET", "x", "new"],
  ["b", "SET", "x", "again"],
  ["b", "SET", "missing", "1"],
  ["a", "MGET", "x", "y", BINARY, "x"],
  ["b", "DEL", "x", "y", "z"],
  ["b", "SET", BINARY, "1"],
  ["a", "EXISTS", "x", "y"],
  ["a", "TTL", "z"],
  ["b", "MSET", "x", "1", "y", "2", "z", "3"],
  ["a", "SET", "x", "own"],
  ["a", "GET", "x"],
  ["a", "SET", "x", "own again"],
  ["a", "GET", "x"],
  ["a", "INCR", "x"],
  ["b", "EXPIRE", "x", "100"],
  ["a", "GET", "x"],
  ["b", "EXPIRE", "x", "-1"],
  ["a", "GET", "y"],
  ["c", "CLIENT", "TRACKING", "ON", "NOLOOP"],
  ["c", "GET", "y"],
  ["c", "SET", "y", "unheard by c"],
  ["a", "GET", "y"],
  ["c", "GET", "y"],
  ["b", "RENAME", "y", "z"],
  ["a", "GET", "z"],
  ["a", "CLIENT", "TRACKING", "OFF"],
  ["b", "SET", "z", "a is not told"],
  ["a", "GET", "z"],
  ["a", "CLIENT", "TRACKING", "ON"],
  ["b", "SET", "z", "nor of what it read while off"],
  ["b", "FLUSHALL"],
  ["a", "GET", "q"],
  ["b", "FLUSHDB"],
  ["b", "SET", "q", "1"],
  ["a", "FLUSHALL"],
  ["a", "MGET", "one", "two"],
  ["b", "SET", "one", "1"],
  ["b", "SWAPDB", "0", "7"],
  ["b", "SWAPDB", "7", "0"],
  ["b", "COPY", "one", "two"],
  ["b", "MOVE", "two", "6"],
  ["a", "EXISTS", "group"],
  ["b", "XGROUP", "CREATE", "group", "g", "$", "MKSTREAM"],
  ["b", "SELECT", "5"],
  ["a", "GET", "shared"],
  ["b", "SET", "shared", "in another database"],
];

for (const protocol of [3, 2] as const) {
  redisTest(`CLIENT TRACKING tells of keys that were read, RESP${protocol}`, async () => {
    await compareConversation({ a: protocol, b: 2, c: 3 }, READS);
  });
}

redisTest("CLIENT TRACKING OPTIN and OPTOUT choose the commands", async () => {
  // A mark behind CLIENT CACHING would use it up, so these are not compared line by line.
  for (const [mode, word] of [["OPTIN", "YES"], ["OPTOUT", "NO"]] as const) {
    await using pair = await startPair({ protocol: 3 });
    using writer = await pair.connect();
    await compare(pair, [
      ["CLIENT", "TRACKING", "ON", mode],
      ["CLIENT", "CACHING", word],
      ["GET", "a"],
      ["GET", "b"],
      ["CLIENT", "CACHING", word],
      ["CLIENT", "ID", "too many"],
      ["GET", "c"],
      ["CLIENT", "CACHING", word],
      ["NOSUCH"],
      ["GET", "d"],
      ["CLIENT", "CACHING", word],
      ["MULTI"],
      ["GET", "e"],
      ["GET", "f"],
      ["EXEC"],
      ["GET", "g"],
      ["CLIENT", "CACHING", word],
      ["MULTI"],
      ["GET", "h"],
      ["DISCARD"],
      ["GET", "i"],
    ]);
    for (const key of "abcdefghi") await compare(writer, [["SET", key, "1"]]);
    await compare(pair, [["PING"]]);
    assertEquals(pair.redino.pushes.map(show), pair.redis.pushes.map(show));
    assert(pair.redino.pushes.length > 2);
  }
});

/** How a wait ends: by itself after so many milliseconds, or by another client. */
const WAITS: readonly (readonly [what: string, block: string, by: readonly string[]])[] = [
  ["is served", "0", ["XADD", "s", "2-1", "f", "v"]],
  ["runs out of time", "10", ["PING"]],
  ["is ended", "0", ["CLIENT", "UNBLOCK", "<id>", "ERROR"]],
];

for (const [what, block, by] of WAITS) {
  const check = async (port: number) => {
    using reader = await RespClient.connect(port, { protocol: 3 });
    using writer = await RespClient.connect(port);
    const id = (await reader.ask("CLIENT", "ID")).slice(1);
    await writer.send("XADD", "s", "1-1", "f", "v");
    await reader.send("CLIENT", "TRACKING", "ON", "OPTIN");
    await reader.send("CLIENT", "CACHING", "YES");
    await reader.post("XREAD", "BLOCK", block, "STREAMS", "s", "$");
    if (block === "0") {
      await eventually(async () => (await info(writer, "clients")).get("blocked_clients") === "1");
    }
    await writer.send(...by.map((word) => word === "<id>" ? id : word));
    await reader.read();
    await reader.send("GET", "k");
    reader.pushes.length = 0;
    await writer.send("SET", "k", "v");
    await writer.send("XADD", "s", "3-1", "f", "v");
    await reader.send("PING");
    assertEquals(reader.pushes.map(show), ['>["invalidate" ["s"]]']);
  };
  const name = `CLIENT CACHING is for a command that waits, and for no other when that ${what}`;
  Deno.test(name, async () => {
    await using server = await serve({ port: 0, save: "" });
    await check(server.port);
  });
  // What is served is remembered by 7.0 when it begins to wait, and not when it is served.
  valkeyTest(`${name}, in Valkey`, async () => {
    await using valkey = await startRedis({ program: "valkey-server" });
    await check(valkey.port);
  });
}

redisTest("CLIENT TRACKING BCAST tells of all keys with its prefixes", async () => {
  await compareConversation({ a: 3, b: 2, c: 3, d: 3 }, [
    ["a", "CLIENT", "TRACKING", "ON", "BCAST"],
    ["c", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "item:", "NOLOOP"],
    ["d", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:"],
    ["b", "SET", "user:1", "x"],
    ["b", "SET", "other", "x"],
    ["b", "MSET", "user:2", "x", "item:9", "x", "user:1", "y", BINARY, "x"],
    ["c", "SET", "user:1", "own"],
    ["c", "MSET", "item:1", "x", "user:3", "x"],
    ["a", "DEL", "user:1", "user:2"],
    ["b", "EXPIRE", "item:1", "-1"],
    ["b", "GET", "user:3"],
    ["d", "CLIENT", "TRACKING", "OFF"],
    ["b", "SET", "user:1", "x"],
    ["a", "RESET"],
    ["b", "SET", "user:1", "x"],
    ["b", "FLUSHALL"],
    ["b", "INFO", "nothing"],
  ]);
});

redisTest("CLIENT TRACKING names prefixes that overlap, and tells of them in order", async () => {
  await seeded(async (rng) => {
    const word = () => Array.from({ length: rng.int(1, 5) }, () => rng.pick(["a", "b"])).join("");
    await using pair = await startPair({ protocol: 3 });
    using writer = await pair.connect();
    for (let round = 0; round < 100; round++) {
      // Where it is not the first of a command that overlaps with another, Redis goes on after its error.
      const options = Array.from({ length: rng.int(1, 2) }, () => ["PREFIX", word()]).flat();
      if (rng.oneIn(10)) await compare(pair, [["CLIENT", "TRACKING", "OFF"]]);
      await compare(pair, [
        ["CLIENT", "TRACKING", "ON", "BCAST", ...options],
        ["CLIENT", "TRACKINGINFO"],
      ]);
      await compare(writer, [["MSET", `${word()}b`, "1", `${word()}a`, "1", `${word()}c`, "1"]]);
    }
    await compare(pair, [["PING"]]);
    assertEquals(pair.redino.pushes.map(show), pair.redis.pushes.map(show));
    assert(pair.redino.pushes.length > 20);
  });
});

Deno.test("CLIENT TRACKING takes tens of thousands of prefixes, and finds those that overlap", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const words = ["CLIENT", "TRACKING", "ON", "BCAST"];
  for (let i = 0; i < 30_000; i++) words.push("PREFIX", `${i * 7919 % 30_000}:`);
  const command = (words: readonly string[]) =>
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
  await client.write(command([...words, "PREFIX", "15838:x"]));
  assertEquals(
    show(await client.read()),
    "-ERR Prefix '15838:' overlaps with another provided prefix '15838:x'. Prefixes for a single client must not overlap.",
  );
  await client.write(command(words));
  assertEquals(show(await client.read()), "+OK");
  assertEquals(
    await client.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x", "PREFIX", "15838:x"),
    "-ERR Prefix '15838:x' overlaps with an existing prefix '15838:'. Prefixes for a single client must not overlap.",
  );
});

redisTest("CLIENT TRACKING REDIRECT tells another connection", async () => {
  await compareConversation({ a: 2, b: 2, c: 2, d: 3 }, [
    ["a", "CLIENT", "TRACKING", "ON", "REDIRECT", "<c>"],
    ["a", "CLIENT", "TRACKINGINFO"],
    ["a", "GET", "x"],
    ["b", "SET", "x", "nobody is subscribed yet"],
    ["c", "SUBSCRIBE", "__redis__:invalidate"],
    ["a", "GET", "x"],
    ["b", "SET", "x", "1"],
    ["a", "GET", "x"],
    ["a", "SET", "x", "2"],
    ["b", "FLUSHALL"],
    ["a", "CLIENT", "TRACKING", "ON", "REDIRECT", "<d>"],
    ["a", "GET", "x"],
    ["a", "GET", "y"],
    ["b", "MSET", "x", "1", "y", "1"],
    ["d", "CLIENT", "TRACKING", "ON", "REDIRECT", "<a>", "BCAST"],
    ["b", "SET", "x", "1"],
    ["b", "FLUSHALL"],
  ]);
});

redisTest("CLIENT TRACKING says when the connection is gone that it redirects to", async () => {
  await using pair = await startPair({ protocol: 3 });
  const told: string[] = [];
  for (const side of ["redis", "redino"] as const) {
    const port = side === "redis" ? pair.redisPort : pair.redinoPort;
    using writer = await RespClient.connect(port);
    const target = await RespClient.connect(port);
    const id = (await target.ask("CLIENT", "ID")).slice(1);
    const client = pair[side];
    await client.send("CLIENT", "TRACKING", "ON", "REDIRECT", id);
    await client.send("GET", "x");
    target.close();
    while (/omem/.test(await writer.ask("CLIENT", "LIST", "ID", id)));
    await writer.send("SET", "x", "1");
    await client.send("PING");
    told.push(
      [
        ...client.pushes.map(show),
        show(await client.send("CLIENT", "TRACKINGINFO")),
        / flags=\S+/.exec(show(await client.send("CLIENT", "INFO")))![0],
      ].join("\n").replaceAll(`:${id}`, ":<gone>"),
    );
  }
  assertEquals(told[1], told[0]);
});

redisTest("CLIENT TRACKING shows in CLIENT LIST and INFO as in Redis", async () => {
  await using pair = await startPair({ config: {}, protocol: 3 });
  using other = await pair.connect(3);
  const fields = (command: string[], field: RegExp) => ({
    command,
    view: (reply: Reply) => ("text" in reply ? reply.text.match(field) ?? [] : []).join(" "),
  });
  const look = [
    fields(["CLIENT", "INFO"], / flags=\S+| redir=\S+/g),
    fields(["INFO", "clients"], /tracking_clients:\d+/g),
    fields(["INFO", "stats"], /tracking_\w+:\d+/g),
  ];
  await compare(pair, [
    ...look,
    ["CLIENT", "TRACKING", "ON"],
    ["MGET", "a", "b", "c"],
    ...look,
  ]);
  await compare(other, [
    ["CLIENT", "TRACKING", "ON"],
    ["MGET", "b", "c", "d"],
    ...look,
    ["SET", "b", "1"],
    ...look,
    ["CLIENT", "TRACKING", "OFF"],
    ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p", "PREFIX", "q"],
    ...look,
    ["RESET"],
  ]);
  await compare(pair, [...look, ["FLUSHALL"], ...look]);
});

Deno.test("CLIENT TRACKING tells of keys that expire and are evicted", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({
    port: 0,
    clock: () => nowMs,
    "maxmemory-policy": "allkeys-random",
  });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  using broadcast = await RespClient.connect(server.port, { protocol: 3 });
  using writer = await RespClient.connect(server.port);
  await client.send("CLIENT", "TRACKING", "ON");
  await broadcast.send("CLIENT", "TRACKING", "ON", "BCAST");
  await writer.send("SET", "k", "v", "PX", "10");
  assertEquals(show(await broadcast.readPush()), '>["invalidate" ["k"]]');
  assertEquals(await client.ask("GET", "k"), '"v"');
  nowMs += 20;
  assertEquals(show(await client.readPush()), '>["invalidate" ["k"]]');
  assertEquals(show(await broadcast.readPush()), '>["invalidate" ["k"]]');
  await writer.send("SET", "large", "x".repeat(100_000));
  assertEquals(show(await broadcast.readPush()), '>["invalidate" ["large"]]');
  await client.send("STRLEN", "large");
  await writer.send("CONFIG", "SET", "maxmemory", "1");
  assertEquals(show(await client.readPush()), '>["invalidate" ["large"]]');
  assertEquals(show(await broadcast.readPush()), '>["invalidate" ["large"]]');
});

redisTest(
  "CLIENT TRACKING tells of a key before the reply for which it is evicted",
  async () => {
    await using pair = await startPair({
      protocol: 3,
      config: { "maxmemory-policy": "volatile-random" },
    });
    using admin = await pair.connect(2);
    for (const client of [admin.redis, admin.redino]) {
      const used = Number((await info(client, "memory")).get("used_memory"));
      // Far more than redis-server's buffers for clients come and go.
      await client.send("CONFIG", "SET", "maxmemory", String(used + 2_000_000));
    }
    await compare(pair, [
      ["CLIENT", "TRACKING", "ON"],
      ["SET", "k", "v", "EX", "10000"],
      ["GET", "k"],
      ["SETBIT", "large", "40000000", "1"],
      frames(2, ["GETBIT", "large", "0"]),
      ["EXISTS", "k"],
    ]);
  },
);

Deno.test("keys beyond tracking-table-max-keys are given up, however many and without a command", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.send("CLIENT", "TRACKING", "ON");
  const keys = Array.from({ length: 500 }, (_, i) => `k${i}`);
  await client.send("MGET", ...keys);
  await client.post("CONFIG", "SET", "tracking-table-max-keys", "10");
  for (let left = keys.length - 10; left > 0;) {
    if ((await client.readAny()).type === "push") left--;
  }
  assertEquals((await client.send("PING")).type, "simple");
});

Deno.test("CLIENT TRACKING's NOLOOP spares a client its own changes, not what goes by itself meanwhile", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({
    port: 0,
    clock: () => nowMs,
    "enable-debug-command": "yes",
  });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  // The command is to find the key expired, not the cron.
  await client.send("DEBUG", "SET-ACTIVE-EXPIRE", "0");
  await client.send("CLIENT", "TRACKING", "ON", "NOLOOP");
  await client.send("SET", "k", "v", "PX", "10");
  await client.send("GET", "k");
  nowMs += 20;
  await client.post("SET", "k", "w");
  await client.post("MGET", "a", "b");
  assertEquals(show(await client.readAny()), "+OK");
  assertEquals(show(await client.readAny()), '>["invalidate" ["k"]]');
  assertEquals(show(await client.readAny()), "[nil nil]");
  await client.post("CONFIG", "SET", "tracking-table-max-keys", "1");
  assertEquals(show(await client.readAny()), "+OK");
  assertMatch(show(await client.readAny()), /^>\["invalidate" \["[ab]"\]\]$/);
});

Deno.test("CLIENT TRACKING pushes what a client's own command changed behind its reply", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.send("CLIENT", "TRACKING", "ON");
  await client.send("MGET", "a", "b");
  await client.send("MULTI");
  await client.send("SET", "a", "1");
  await client.send("SET", "b", "1");
  await client.post("EXEC");
  assertEquals(show(await client.readAny()), "[+OK +OK]");
  assertEquals(show(await client.readAny()), '>["invalidate" ["a"]]');
  assertEquals(show(await client.readAny()), '>["invalidate" ["b"]]');
});

Deno.test("CLIENT TRACKING BCAST tells of a pipeline's keys in one message, sorted", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  using writer = await RespClient.connect(server.port);
  await client.send("CLIENT", "TRACKING", "ON", "BCAST");
  await writer.write("SET b 1\r\nSET a 1\r\nSET b 2\r\nDEL c\r\n");
  assertEquals(show(await client.readPush()), '>["invalidate" ["a" "b"]]');
});

Deno.test("tracking-table-max-keys bounds the table, and whoever loses a key is told", async () => {
  await using server = await serve({ port: 0, "tracking-table-max-keys": 100 });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.send("CLIENT", "TRACKING", "ON");
  const total = async () =>
    Number(/tracking_total_keys:(\d+)/.exec(await client.ask("INFO", "stats"))![1]);
  for (let i = 0; i < 300; i++) await client.send("GET", `key:${i}`);
  assertEquals(await total(), 100);
  assertEquals(client.pushes.length, 200);
  await client.send("CONFIG", "SET", "tracking-table-max-keys", "10");
  assertEquals(await total(), 10);
  await client.send("CONFIG", "SET", "tracking-table-max-keys", "0");
  for (let i = 0; i < 300; i++) await client.send("GET", `more:${i}`);
  assertEquals(await total(), 310);
});

Deno.test("The tracking table remembers who read what, as a naive one does", async () => {
  await seeded(async (rng) => {
    await using server = await serve({ port: 0 });
    await using stack = new AsyncDisposableStack();
    const writer = stack.use(await RespClient.connect(server.port));
    const readers: { client: RespClient; keys: Set<string>; told: string[] }[] = [];
    for (let i = 0; i < 5; i++) {
      const client = stack.use(await RespClient.connect(server.port, { protocol: 3 }));
      await client.send("CLIENT", "TRACKING", "ON");
      readers.push({ client, keys: new Set(), told: [] });
    }
    for (let step = 0; step < 2000; step++) {
      const key = `k${rng.int(1, 60)}${"x".repeat(rng.oneIn(50) ? 40_000 : 0)}`;
      if (rng.oneIn(2)) {
        const reader = rng.pick(readers);
        await reader.client.send("GET", key);
        reader.keys.add(key);
        continue;
      }
      await writer.send("SET", key, "");
      for (const reader of readers) if (reader.keys.delete(key)) reader.told.push(key);
    }
    const info = await writer.ask("INFO", "stats");
    assertEquals(
      Number(/tracking_total_items:(\d+)/.exec(info)![1]),
      readers.reduce((sum, { keys }) => sum + keys.size, 0),
    );
    assertEquals(
      Number(/tracking_total_keys:(\d+)/.exec(info)![1]),
      new Set(readers.flatMap(({ keys }) => [...keys])).size,
    );
    for (const { client, told } of readers) {
      await client.send("PING");
      assertEquals(client.pushes.map(show), told.map((key) => `>["invalidate" ["${key}"]]`));
    }
  });
});
