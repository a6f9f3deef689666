/** OBJECT and MEMORY. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compare, type Comparison, sameShape, startPair, within } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** HELP's lines that name a subcommand: the words are our own. */
function helpNames(command: string): Comparison {
  return {
    command: [command, "HELP"],
    view: (reply) => {
      assert(reply.type === "array");
      return reply.items.map((line) => line.type === "simple" ? line.text : line.type)
        .filter((line) => !line.startsWith(" ")).join("\n");
    },
  };
}

redisTest("OBJECT ENCODING and REFCOUNT answer as Redis does", async () => {
  const values = ["", "abc", "0", "9999", "10000", "-1", "01", "9223372036854775807"];
  const lengths = [44, 45].map((length) => "x".repeat(length));
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ...[...values, ...lengths].flatMap((value) => [
        ["SET", "k", value],
        ["OBJECT", "ENCODING", "k"],
        ["OBJECT", "REFCOUNT", "k"],
      ]),
      ["SET", Uint8Array.of(0, 255), "v"],
      ["OBJECT", "encoding", Uint8Array.of(0, 255)],
      ["APPEND", "app", "ab"],
      ["OBJECT", "ENCODING", "app"],
      ["APPEND", "app", "c"],
      ["OBJECT", "ENCODING", "app"],
      ["OBJECT", "ENCODING", "nokey"],
      ["OBJECT", "REFCOUNT", "nokey"],
      ["OBJECT", "IDLETIME", "nokey"],
      ["OBJECT", "FREQ", "nokey"],
      // A busy machine may take seconds from the access to here.
      within(60, ["OBJECT", "IDLETIME", "k"]),
      ["OBJECT", "FREQ", "k"],
      ["OBJECT", "ENCODING"],
      ["OBJECT", "ENCODING", "k", "x"],
      ["OBJECT", "NOPE", "k"],
      ["OBJECT"],
      ["OBJECT", "HELP", "x"],
      helpNames("OBJECT"),
    ]);
  }
});

redisTest(
  "OBJECT REFCOUNT tells shared integers as Redis does, however they came about",
  async () => {
    await using pair = await startPair({ config: {} });
    const limited = ["CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru"];
    const ways = [
      [["SETNX", "k", "7"]],
      [["MSET", "k", "7"]],
      [["SET", "k", "5"], ["GETSET", "k", "7"]],
      [["SETEX", "k", "100", "7"]],
      [["SET", "k", "7"], ["EXPIRE", "k", "100"]],
      [["SET", "k", "7"], ["COPY", "k", "copy"]],
      [["SET", "old", "7"], ["RENAME", "old", "k"]],
      [["SELECT", "1"], ["SET", "k", "7"], ["MOVE", "k", "0"], ["SELECT", "0"]],
      [["SET", "k", "7"], ["DEBUG", "RELOAD"]],
      [["INCR", "k"]],
      [["SET", "k", "9999"], ["INCR", "k"]],
      [["SET", "k", "10000"], ["DECR", "k"]],
      [["SET", "k", "0"], ["DECR", "k"]],
      [["SET", "k", "1"], ["INCRBYFLOAT", "k", "6"]],
      [["APPEND", "k", "7"]],
      [["SET", "k", "7"], ["APPEND", "k", ""]],
      [["SET", "k", "7"], ["APPEND", "k", "7"]],
      [["SETRANGE", "k", "0", "7"]],
      [["SET", "k", "7"], ["SETRANGE", "k", "0", ""]],
      [["SET", "k", "7"], ["SETRANGE", "k", "0", "8"]],
      [["SET", "k", "7"], ["SETBIT", "k", "0", "0"]],
      [["SET", "k", "7"], ["BITFIELD", "k", "GET", "u8", "0"]],
      [["SET", "a", "7"], ["BITOP", "OR", "k", "a"]],
      [limited, ["SET", "k", "7"]],
      [limited, ["SET", "k", "7"], ["INCR", "k"]],
      [["SET", "k", "7"], limited, ["DEBUG", "RELOAD"]],
      [["SET", "a", "7"], limited, ["COPY", "a", "k"]],
      // Without a limit in force the policy does not matter.
      [["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"], ["SET", "k", "7"]],
    ];
    for (const way of ways) {
      await compare(pair, [
        ["FLUSHALL"],
        ["CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction"],
        ...way,
        ["OBJECT", "ENCODING", "k"],
        ["OBJECT", "REFCOUNT", "k"],
      ]);
    }
  },
);

redisTest("OBJECT FREQ and IDLETIME follow the policy as in Redis", async () => {
  await using pair = await startPair({
    config: {
      "maxmemory-policy": "allkeys-lfu",
      "lfu-log-factor": 0,
      // A minute may end between the commands.
      "lfu-decay-time": 0,
      "maxmemory": "1gb",
    },
  });
  await compare(pair, [
    ["SET", "k", "v"],
    ["OBJECT", "FREQ", "k"],
    ["GET", "k"],
    ["GET", "k"],
    ["OBJECT", "FREQ", "k"],
    ["OBJECT", "FREQ", "k"],
    ["OBJECT", "IDLETIME", "k"],
    ["OBJECT", "IDLETIME", "nokey"],
    ["OBJECT", "FREQ", "nokey"],
    ["SET", "n", "12"],
    ["OBJECT", "REFCOUNT", "n"],
    ["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"],
    ["SET", "n", "12"],
    ["OBJECT", "REFCOUNT", "n"],
    ["OBJECT", "FREQ", "n"],
  ]);
});

Deno.test("OBJECT IDLETIME counts seconds since the last access, and is none itself", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v");
  nowMs += 7000;
  assertEquals(await client.ask("OBJECT", "IDLETIME", "k"), ":7");
  nowMs += 3000;
  assertEquals(await client.ask("OBJECT", "IDLETIME", "k"), ":10");
  await client.send("GET", "k");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "k"), ":0");
});

redisTest("MEMORY checks its arguments as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["SET", "k", "v"],
      sameShape(["MEMORY", "USAGE", "k"]),
      sameShape(["MEMORY", "USAGE", "k", "SAMPLES", "0"]),
      sameShape(["MEMORY", "usage", "k", "samples", "5", "SAMPLES", "1"]),
      ["MEMORY", "USAGE", "nokey"],
      ["MEMORY", "USAGE", "nokey", "SAMPLES", "1"],
      ["MEMORY", "USAGE", "nokey", "SAMPLES", "x"],
      ["MEMORY", "USAGE", "k", "SAMPLES", "-1"],
      ["MEMORY", "USAGE", "k", "SAMPLES"],
      ["MEMORY", "USAGE", "k", "SAMPLES", "1", "x"],
      ["MEMORY", "USAGE", "k", "x", "1"],
      ["MEMORY", "USAGE"],
      ["MEMORY", "PURGE"],
      ["MEMORY", "PURGE", "x"],
      ["MEMORY", "STATS", "x"],
      ["MEMORY", "NOPE"],
      ["MEMORY"],
      sameShape(["MEMORY", "DOCTOR"]),
      ["MEMORY", "DOCTOR", "x"],
      sameShape(["MEMORY", "MALLOC-STATS"]),
      helpNames("MEMORY"),
    ]);
  }
});

redisTest("MEMORY STATS has Redis's fields and types in Redis's order", async () => {
  const names = (reply: Reply): string => {
    if (reply.type === "map") {
      return reply.entries.map(([name, value]) =>
        `${name.type === "bulk" ? name.text : "?"}=${names(value)}`
      ).join(" ");
    }
    if (reply.type === "array") {
      return reply.items.map((item, i) =>
        i % 2 === 0 && item.type === "bulk" ? item.text : names(item)
      )
        .join(" ");
    }
    return reply.type;
  };
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      { command: ["MEMORY", "STATS"], view: names },
      ["SET", "k", "v"],
      ["SELECT", "2"],
      ["SET", "k", "v"],
      { command: ["MEMORY", "STATS"], view: names },
    ]);
  }
});

Deno.test("MEMORY USAGE counts a key's entry, its value and a long key", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const usage = async (key: string, value: string) => {
    await client.send("SET", key, value);
    const reply = await client.send("MEMORY", "USAGE", key);
    assert(reply.type === "integer");
    return Number(reply.value);
  };
  const small = await usage("k", "v");
  assert(small >= 1 + 1 && small < 64);
  const long = await usage("k", "v".repeat(100_000));
  assert(long >= 100_000 && long < 140_000);
  const longKey = await usage("k".repeat(100_000), "v");
  assert(longKey >= 100_000 && longKey < 140_000);
});

Deno.test("MEMORY DOCTOR finds a peak that has passed", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const doctor = async () => {
    const reply = await client.send("MEMORY", "DOCTOR");
    assert(reply.type === "bulk");
    return reply.text;
  };
  assert((await doctor()).includes("too little data"));
  await client.send("SET", "a", "x".repeat(6 << 20));
  assert((await doctor()).includes("No trouble"));
  await client.send("SET", "b", "x".repeat(24 << 20));
  await client.send("INFO", "memory");
  await client.send("SET", "b", "");
  assert((await doctor()).includes("Peak memory: 30."));
});

Deno.test("what a list's nodes and expiring keys took at their peak is given back", async () => {
  await using server = await serve({ port: 0, "list-max-listpack-size": 1 });
  using client = await RespClient.connect(server.port);
  const usage = async (...command: readonly (string | number)[]) => {
    const reply = await client.send(...command);
    assert(reply.type === "integer");
    return Number(reply.value);
  };
  const overhead = async () => {
    const reply = await client.send("MEMORY", "STATS");
    assert(reply.type === "array");
    const at = reply.items.findIndex((item) => "text" in item && item.text === "db.0");
    return show(reply.items[at + 1]!);
  };
  const words = Array.from({ length: 2000 }, (_, i) => `element ${i}`);
  await client.send("RPUSH", "few", ...words.slice(0, 3));
  await client.send("RPUSH", "list", ...words);
  await client.send("LTRIM", "list", 0, 2);
  assertEquals(await client.ask("LRANGE", "list", 0, -1), await client.ask("LRANGE", "few", 0, -1));
  assert(await usage("MEMORY", "USAGE", "list") < 4 * await usage("MEMORY", "USAGE", "few"));

  await client.send("SET", "lasting", "v", "EX", 1000);
  const before = await overhead();
  for (const word of words) await client.post("SET", word, "v", "EX", 1000);
  for (const _ of words) await client.read();
  assert(await overhead() !== before);
  await client.send("DEL", ...words);
  // The index shrinks with what is done to it.
  await eventually(async () => {
    await client.send("GET", "lasting");
    return await overhead() === before;
  });
});
