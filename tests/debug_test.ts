/** DEBUG. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compare, type Comparison, frames, startPair } from "./support/differential.ts";
import { info } from "./support/replication.ts";
import { type Argument, type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

redisTest("DEBUG PROTOCOL sends each type as Redis does", async () => {
  const types = "string integer double bignum null array set map verbatim true false STRING nope";
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ...types.split(" ").map((type) => ["DEBUG", "PROTOCOL", type]),
      ["DEBUG", "protocol"],
      ["DEBUG", "PROTOCOL", "string", "x"],
      frames(1, ["DEBUG", "PROTOCOL", "attrib"]),
    ]);
    if (protocol === 2) await compare(pair, [["DEBUG", "PROTOCOL", "push"]]);
  }
});

Deno.test("DEBUG PROTOCOL sends a push behind its reply, as 7.2 does", async () => {
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.post("DEBUG", "PROTOCOL", "push");
  assertEquals(show(await client.readAny()), '"Some real reply following the push reply"');
  assertEquals(show(await client.readAny()), '>["server-cpu-usage" :42]');
});

redisTest("DEBUG DIGEST equals Redis's for the same strings", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["DEBUG", "DIGEST"],
    ["SET", "a", "1"],
    ["SET", "b", "hello"],
    ["SET", "c", "x".repeat(1000)],
    ["SET", Uint8Array.of(0, 255, 13, 10), Uint8Array.of(1, 0, 254)],
    ["SET", "", ""],
    ["DEBUG", "DIGEST"],
    ["PEXPIRE", "a", "100000"],
    ["DEBUG", "DIGEST"],
    ["SELECT", "11"],
    ["SET", "a", "1"],
    ["DEBUG", "DIGEST"],
    ["DEBUG", "DIGEST", "x"],
    ["SELECT", "0"],
    ["DEBUG", "DIGEST-VALUE", "a", "b", "nokey", "c", Uint8Array.of(0, 255, 13, 10)],
    ["DEBUG", "DIGEST-VALUE"],
    ["DEBUG", "POPULATE", "1000"],
    ["DEBUG", "DIGEST"],
  ]);
});

redisTest("DEBUG POPULATE creates Redis's keys and values", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [
    ["SET", "key:1", "kept"],
    ["DEBUG", "POPULATE", "3"],
    ["MGET", "key:0", "key:1", "key:2", "key:3"],
    ["DEBUG", "POPULATE", "2", "p", "10"],
    ["MGET", "p:0", "p:1"],
    ["DEBUG", "POPULATE", "2", "q", "3"],
    ["MGET", "q:0", "q:1"],
    ["DEBUG", "POPULATE", "1", "r", "0"],
    ["MGET", "r:0"],
    ["DEBUG", "POPULATE", "1", Uint8Array.of(200, 13), "7"],
    ["DBSIZE"],
    ["DEBUG", "POPULATE", "0"],
    ["DEBUG", "POPULATE"],
    ["DEBUG", "POPULATE", "-1"],
    ["DEBUG", "POPULATE", "x"],
    ["DEBUG", "POPULATE", "1", "s", "x"],
    ["DEBUG", "POPULATE", "1", "s", "-1"],
    ["DEBUG", "POPULATE", "1", "s", "1", "x"],
    ["WATCH", "w:0"],
  ]);
  await compare(other, [["DEBUG", "POPULATE", "1", "w"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);
});

/** A reply without what differs from process to process. */
function masked(command: readonly Argument[]): Comparison {
  const view = (reply: Reply) => {
    if (reply.type !== "simple") return JSON.stringify(reply);
    return reply.text.replace(/0x[0-9a-f]+/, "0x").replace(/lru:\d+/, "lru")
      .replace(/lru_seconds_idle:\d+/, "idle")
      .replace(/(avail|zmalloc): ?\d+/g, "$1");
  };
  return { command, view };
}

redisTest("DEBUG OBJECT and SDSLEN tell Redis's fields", async () => {
  await using pair = await startPair({ config: { rdbcompression: false } });
  const values = ["", "a", "hello", "127", "-128", "128", "32767", "32768", "-2147483648"];
  values.push("2147483648", "9223372036854775807", "x".repeat(44), "x".repeat(45));
  values.push("x".repeat(63), "x".repeat(64), "x".repeat(16383), "x".repeat(16384));
  await compare(pair, [
    ...values.flatMap((value) => [
      ["SET", "key", value],
      masked(["DEBUG", "OBJECT", "key"]),
      masked(["DEBUG", "SDSLEN", "key"]),
    ]),
    ["HSET", "hash", "field", "value", "other", "1"],
    masked(["DEBUG", "OBJECT", "hash"]),
    ["ZADD", "zset", "1", "a", "2.5", "b"],
    masked(["DEBUG", "OBJECT", "zset"]),
    ["SADD", "ints", "1", "2", "300"],
    masked(["DEBUG", "OBJECT", "ints"]),
    ["SET", "n", "1"],
    ["APPEND", "n", "2"],
    masked(["DEBUG", "OBJECT", "n"]),
    ["DEBUG", "OBJECT", "nokey"],
    ["DEBUG", "OBJECT"],
    ["DEBUG", "SDSLEN", "nokey"],
    ["DEBUG", "SDSLEN"],
    ["DEBUG", "LISTPACK", "key"],
    ["DEBUG", "LISTPACK", "nokey"],
    ["DEBUG", "QUICKLIST", "key"],
    ["DEBUG", "HTSTATS-KEY", "key"],
    ["DEBUG", "HTSTATS-KEY", "nokey"],
  ]);
});

redisTest("DEBUG checks subcommands and their arguments as Redis does", async () => {
  await using pair = await startPair({ config: {} });
  await compare(pair, [
    ["DEBUG"],
    ["DEBUG", "NOPE"],
    ["DEBUG", "x".repeat(300)],
    ["DEBUG", "HELP", "x"],
    ["DEBUG", "ERROR", "OUCH it\r\nhurts"],
    ["DEBUG", "ERROR"],
    ["INFO", "errorstats"],
    ["DEBUG", "LOG", "hello"],
    ["DEBUG", "LOG"],
    ["DEBUG", "LEAK", "x"],
    ["DEBUG", "LEAK"],
    ["DEBUG", "SLEEP", "0"],
    ["DEBUG", "SLEEP", "-1"],
    ["DEBUG", "SLEEP", "x"],
    ["DEBUG", "SLEEP", "0.001"],
    ["DEBUG", "SLEEP"],
    ["DEBUG", "SET-ACTIVE-EXPIRE", "0"],
    ["DEBUG", "SET-ACTIVE-EXPIRE", "1"],
    ["DEBUG", "SET-ACTIVE-EXPIRE"],
    ["DEBUG", "PAUSE-CRON", "1"],
    ["DEBUG", "PAUSE-CRON", "0"],
    ["DEBUG", "HTSTATS", "-1"],
    ["DEBUG", "HTSTATS", "16"],
    ["DEBUG", "HTSTATS", "x"],
    ["DEBUG", "HTSTATS", "0"],
    ["DEBUG", "HTSTATS"],
    ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b"],
    ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "4gb"],
    ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "-1"],
    ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "x"],
    ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"],
    ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "never"],
    ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "RESET"],
    ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "x"],
    ["DEBUG", "REPLYBUFFER", "RESIZING", "1"],
    ["DEBUG", "REPLYBUFFER", "x", "1"],
    ["DEBUG", "REPLYBUFFER", "RESIZING"],
    ["DEBUG", "CHANGE-REPL-ID"],
    ["DEBUG", "CHANGE-REPL-ID", "x"],
    ["DEBUG", "STRUCTSIZE", "x"],
  ]);
});

Deno.test("DEBUG CHANGE-REPL-ID begins a history that nobody knows", async () => {
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port);
  const before = await info(client, "replication");
  assertEquals(await client.ask("DEBUG", "CHANGE-REPL-ID"), "+OK");
  const after = await info(client, "replication");
  assertMatch(after.get("master_replid")!, /^[0-9a-f]{40}$/);
  assertNotEquals(after.get("master_replid"), before.get("master_replid"));
  assertEquals(after.get("master_replid2"), "0".repeat(40));
  assertEquals(after.get("second_repl_offset"), "-1");
});

redisTest("DEBUG HTSTATS counts slots and keys in Redis's words", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    const view = (reply: Reply) => {
      assert(reply.type === "bulk" || reply.type === "verbatim");
      return reply.type + reply.text.replace(/( table size:) \d+/g, "$1").replace(
        / (different|max chain|avg chain|Chain length)[^]*?(?=\[|\n$)/g,
        "",
      ).trimEnd();
    };
    await compare(pair, [
      ["SET", "a", "1"],
      ["SET", "b", "1"],
      ["PEXPIRE", "a", "100000"],
      { command: ["DEBUG", "HTSTATS", "0"], view },
      { command: ["DEBUG", "HTSTATS", "1"], view },
    ]);
  }
});

redisTest("DEBUG is refused as in Redis where enable-debug-command is no", async () => {
  await using pair = await startPair({ config: { "enable-debug-command": "no" } });
  await compare(pair, [
    ["DEBUG", "SLEEP", "0"],
    ["DEBUG"],
    ["DEBUG", "NOPE"],
    ["MULTI"],
    ["DEBUG", "SLEEP", "0"],
    ["EXEC"],
  ]);
});

redisTest("DEBUG is for local clients where enable-debug-command is local", async () => {
  await using pair = await startPair({ config: { "enable-debug-command": "local" } });
  await compare(pair, [["DEBUG", "SLEEP", "0"]]);
});

Deno.test("DEBUG PAUSE-CRON and SET-ACTIVE-EXPIRE leave expired keys until they are asked for", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({
    port: 0,
    hz: 500,
    clock: () => nowMs,
    "enable-debug-command": "yes",
  });
  using client = await RespClient.connect(server.port);
  await client.send("DEBUG", "SET-ACTIVE-EXPIRE", "0");
  await client.send("SET", "k", "v", "PX", "10");
  nowMs += 1000;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(await client.ask("DBSIZE"), ":1");
  await client.send("DEBUG", "PAUSE-CRON", "1");
  await client.send("DEBUG", "SET-ACTIVE-EXPIRE", "1");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(await client.ask("DBSIZE"), ":1");
  await client.send("DEBUG", "PAUSE-CRON", "0");
  while (await client.ask("DBSIZE") !== ":0") await client.send("PING");
});

Deno.test("DEBUG refuses to crash, and tells what 7.2 added", async () => {
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port);
  for (const word of ["SEGFAULT", "PANIC", "ASSERT", "OOM", "RESTART", "CRASH-AND-RECOVER"]) {
    const reply = await client.send("DEBUG", word);
    assert(reply.type === "error");
    assertMatch(reply.text, /^ERR DEBUG .* would end the server: refused$/);
  }
  assertEquals(await client.ask("DEBUG", "DICT-RESIZING", "0"), "+OK");
  assertEquals(await client.ask("DEBUG", "STRINGMATCH-LEN", "5", "a*a"), ":1");
  assertEquals(await client.ask("DEBUG", "STRINGMATCH-LEN", "5", "b*"), ":0");
  await client.send("SET", "k", "v");
  assertMatch(await client.ask("DEBUG", "OBJECT", "k", "fast"), /encoding:embstr lru:/);
  assertMatch(await client.ask("DEBUG", "HTSTATS", "0", "full"), /number of elements: 1/);
  assertMatch(await client.ask("DEBUG", "STRUCTSIZE"), /bits:64/);
  assertMatch(await client.ask("DEBUG", "HELP"), /DIGEST-VALUE/);
  assertEquals(await client.ask("PING"), "+PONG");
});

Deno.test("DEBUG JMAP tells what V8's heap takes", async () => {
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port);
  const reply = await client.ask("DEBUG", "JMAP");
  assert(/^\+rss:\d+, heap_total:\d+, heap_used:\d+, external:\d+$/.test(reply), reply);
});
