import { assert, assertEquals } from "@std/assert";
import { Arena } from "../lib/bytes/arena.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { HashTable } from "../lib/store/hash_table.ts";
import {
  type Command,
  compare,
  type Pair,
  sameShape,
  startPair,
  type Step,
  unordered,
} from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { encodeCommand, type Reply, type RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = Uint8Array.of(0, 13, 10, 255, 0x24, 128, 0);
const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";
const FUTURE_S = "4102444800";

/** Small hashes stay listpacks, or none does. */
const SMALL = { "hash-max-listpack-entries": 512, "hash-max-listpack-value": 64 };
const LARGE = { "hash-max-listpack-entries": 0 };

/** The same replies in both encodings and both protocols. */
async function same(steps: readonly Step[]): Promise<void> {
  for (const config of [SMALL, LARGE]) {
    for (const protocol of [2, 3] as const) {
      await using pair = await startPair({ config, protocol });
      await compare(pair, steps);
    }
  }
}

/** All of a hash, the pairs by its digest. */
function state(key: string | Uint8Array): Step[] {
  return [
    ["TYPE", key],
    ["OBJECT", "ENCODING", key],
    ["HLEN", key],
    unordered(["HGETALL", key]),
    unordered(["HKEYS", key]),
    unordered(["HVALS", key]),
    ["DEBUG", "DIGEST-VALUE", key],
  ];
}

function wrongArguments(command: string, most: number): Command[] {
  return Array.from({ length: most + 1 }, (_, n) => [command, ...Array<string>(n).fill("x")]);
}

redisTest("HSET sets fields and tells how many are new", () =>
  same([
    ["HSET", "h", "a", "1"],
    ["HSET", "h", "a", "2"],
    ["HSET", "h", "a", "3", "b", "x", "c", "1.5", "b", "y"],
    ...state("h"),
    ["HSET", BINARY, BINARY, BINARY, "", ""],
    ...state(BINARY),
    ["HGET", BINARY, BINARY],
    ["HGET", BINARY, ""],
    ["HSET", "h", "a", "1", "b"],
    ["hset", "h"],
    ...wrongArguments("HSET", 4),
    ...state("h"),
  ]));

redisTest("HMSET sets fields and answers OK", () =>
  same([
    ["HMSET", "h", "a", "1", "b", "2"],
    ["HMSET", "h", "a", "3", "c", "4", "a", "5"],
    ...state("h"),
    ["HMSET", "h", "a", "1", "b"],
    ...wrongArguments("HMSET", 4),
  ]));

redisTest("HSETNX sets only what is not there", () =>
  same([
    ["HSETNX", "h", "a", "1"],
    ["HSETNX", "h", "a", "2"],
    ["HSETNX", "h", "a", "x".repeat(100)],
    ["OBJECT", "ENCODING", "h"],
    ["HSETNX", "h", "b", "x".repeat(100)],
    ...state("h"),
    ...wrongArguments("HSETNX", 4),
  ]));

redisTest("Commands that read fields answer for missing ones and missing keys", () =>
  same([
    ["HSET", "h", "a", "1", "b", "two", "", "empty", "e", ""],
    ["HGET", "h", "a"],
    ["HGET", "h", "none"],
    ["HGET", "none", "a"],
    ["HMGET", "h", "a", "none", "b", "a", "", "e"],
    ["HMGET", "none", "a", "b"],
    ["HEXISTS", "h", "a"],
    ["HEXISTS", "h", "e"],
    ["HEXISTS", "h", "none"],
    ["HEXISTS", "none", "a"],
    ["HSTRLEN", "h", "a"],
    ["HSTRLEN", "h", "b"],
    ["HSTRLEN", "h", "e"],
    ["HSTRLEN", "h", "none"],
    ["HSTRLEN", "none", "a"],
    ["HLEN", "h"],
    ["HLEN", "none"],
    ["HGETALL", "none"],
    ["HKEYS", "none"],
    ["HVALS", "none"],
    ["HRANDFIELD", "none"],
    ["HRANDFIELD", "none", "3"],
    ["HRANDFIELD", "none", "-3", "WITHVALUES"],
    ["HSCAN", "none", "0"],
    ...["HGET", "HMGET", "HGETALL", "HEXISTS", "HLEN", "HSTRLEN", "HKEYS", "HVALS", "HDEL"]
      .flatMap((command) => wrongArguments(command, 3)),
  ]));

redisTest("A value comes back as it was sent, whatever integer or string it is", () =>
  same([
    ...["0", "-1", "127", "128", "-4096", "4095", "32768", "8388608", "2147483648", INT64_MAX]
      .concat([
        INT64_MIN,
        "9223372036854775808",
        "9007199254740993",
        "007",
        "-0",
        "+1",
        " 1",
        "1e3",
      ])
      .concat([
        "x".repeat(63),
        "x".repeat(64),
        "x".repeat(65),
        "x".repeat(5000),
        "y".repeat(70_000),
      ])
      .flatMap((text): Command[] => [
        ["DEL", "h"],
        ["HSET", "h", "f", text, text, "v"],
        ["HGET", "h", "f"],
        ["HGET", "h", text],
        ["HSTRLEN", "h", "f"],
        ["OBJECT", "ENCODING", "h"],
        ["HSET", "h", "f", "short", text, text],
        ["HMGET", "h", "f", text],
        ["DEBUG", "DIGEST-VALUE", "h"],
        ["HDEL", "h", text],
        ["HLEN", "h"],
      ]),
  ]));

redisTest("HDEL removes fields, and the key with the last one", () =>
  same([
    ["HSET", "h", "a", "1", "b", "2", "c", "3", "d", "4"],
    ["HDEL", "h", "a"],
    ["HDEL", "h", "a", "none"],
    ["HDEL", "h", "b", "b", "c"],
    ...state("h"),
    ["HDEL", "h", "d", "a", "b"],
    ["EXISTS", "h"],
    ["HDEL", "h", "d"],
    ["HSET", "h", "a", "1"],
    ["EXPIREAT", "h", FUTURE_S],
    ["HSET", "h", "b", "2"],
    ["EXPIRETIME", "h"],
    ["HDEL", "h", "a", "b"],
    ["HSET", "h", "a", "1"],
    ["EXPIRETIME", "h"],
  ]));

redisTest("HINCRBY counts fields up and down", () =>
  same([
    ["HINCRBY", "h", "n", "5"],
    ["HINCRBY", "h", "n", "-15"],
    ["HINCRBY", "h", "n", INT64_MAX],
    ["HINCRBY", "h", "n", INT64_MAX],
    ["HINCRBY", "h", "n", "10"],
    ["HINCRBY", "h", "n", "1"],
    ["HGET", "h", "n"],
    ["HINCRBY", "h", "low", INT64_MIN],
    ["HINCRBY", "h", "low", "-1"],
    ["HGET", "h", "low"],
    ["HSET", "h", "s", "x", "f", "1.5", "spaces", " 1", "zero", "00", "big", "9223372036854775808"],
    ...["s", "f", "spaces", "zero", "big"].map((field): Command => ["HINCRBY", "h", field, "1"]),
    ...["x", "1.5", " 1", "+1", "", "9223372036854775808"]
      .map((by): Command => ["HINCRBY", "h", "n", by]),
    ["HINCRBY", "new", "n", "x"],
    ["EXISTS", "new"],
    ["SET", "string", "1"],
    ["HINCRBY", "string", "n", "x"],
    ["HINCRBY", "string", "n", "1"],
    ["HSET", "h", "e", ""],
    ["HINCRBY", "h", "e", "1"],
    ...state("h"),
    ...wrongArguments("HINCRBY", 4),
  ]));

redisTest("HINCRBYFLOAT adds as a long double does", () =>
  same([
    ["HINCRBYFLOAT", "h", "n", "0.1"],
    ["HINCRBYFLOAT", "h", "n", "0.2"],
    ["HINCRBYFLOAT", "h", "n", "-5e3"],
    ["HINCRBYFLOAT", "h", "n", "1e-18"],
    ["HINCRBYFLOAT", "h", "i", "3"],
    ["HINCRBYFLOAT", "h", "i", "7.0"],
    ["HINCRBYFLOAT", "h", "huge", "1e300"],
    ["HSET", "h", "max", "1.18e4932", "text", "x", "inf", "inf", "empty", "", "hex", "0x10"],
    ["HINCRBYFLOAT", "h", "max", "1.18e4932"],
    ["HINCRBYFLOAT", "h", "text", "1"],
    ["HINCRBYFLOAT", "h", "inf", "1"],
    ["HINCRBYFLOAT", "h", "empty", "1"],
    ["HINCRBYFLOAT", "h", "hex", "1"],
    ...["x", "", " 1", "1 ", "nan", "inf", "-inf", "1e5000", INT64_MAX]
      .map((by): Command => ["HINCRBYFLOAT", "h", "n", by]),
    ["HINCRBYFLOAT", "new", "n", "x"],
    ["HINCRBYFLOAT", "new", "n", "inf"],
    ["EXISTS", "new"],
    ["SET", "string", "1"],
    ["HINCRBYFLOAT", "string", "n", "x"],
    ["HINCRBYFLOAT", "string", "n", "1"],
    ...state("h"),
    ...wrongArguments("HINCRBYFLOAT", 4),
  ]));

redisTest("Each command on hashes refuses another type, and checks in Redis's order", () =>
  same([
    ["SET", "s", "x"],
    ["HSET", "s", "a", "1"],
    ["HSET", "s", "a", "1", "b"],
    ["HMSET", "s", "a", "1"],
    ["HMSET", "s", "a", "1", "b"],
    ["HSETNX", "s", "a", "1"],
    ["HGET", "s", "a"],
    ["HMGET", "s", "a"],
    ["HGETALL", "s"],
    ["HDEL", "s", "a"],
    ["HEXISTS", "s", "a"],
    ["HLEN", "s"],
    ["HSTRLEN", "s", "a"],
    ["HKEYS", "s"],
    ["HVALS", "s"],
    ["HRANDFIELD", "s"],
    ["HRANDFIELD", "s", "x"],
    ["HRANDFIELD", "s", "0"],
    ["HRANDFIELD", "s", "1", "WITHVALUES"],
    ["HRANDFIELD", "s", "1", "junk"],
    ["HSCAN", "s", "0"],
    ["HSCAN", "s", "x"],
    ["HSCAN", "s", "0", "junk"],
    ["HSET", "h", "a", "1"],
    ["GET", "h"],
    ["INCR", "h"],
    ["APPEND", "h", "x"],
    ["SET", "h", "x", "GET"],
    ["HGETALL", "h"],
    ["SET", "h", "x"],
    ["GET", "h"],
  ]));

redisTest("HRANDFIELD refuses bad counts and words as Redis does", () =>
  same([
    ["HSET", "h", "a", "1", "b", "2"],
    ...["x", "", "1.5", INT64_MIN, "-9223372036854775809", "9223372036854775808"].flatMap(
      (count): Command[] => [
        ["HRANDFIELD", "h", count],
        ["HRANDFIELD", "h", count, "WITHVALUES"],
        ["HRANDFIELD", "h", count, "junk"],
      ],
    ),
    ["HRANDFIELD", "h", INT64_MAX, "WITHVALUES"],
    ["HRANDFIELD", "h", "4611686018427387904", "WITHVALUES"],
    ["HRANDFIELD", "h", "-4611686018427387904", "WITHVALUES"],
    ["HRANDFIELD", "none", "-4611686018427387904", "WITHVALUES"],
    unordered(["HRANDFIELD", "h", "4611686018427387903", "WITHVALUES"]),
    unordered(["HRANDFIELD", "h", INT64_MAX]),
    ["HRANDFIELD", "h", "0"],
    ["HRANDFIELD", "h", "0", "WITHVALUES"],
    ["HRANDFIELD", "h", "1", "WITHVALUES", "x"],
    ["HRANDFIELD", "h", "1", "junk"],
    ["HRANDFIELD"],
    ["HSET", "one", "f", "v"],
    ["HRANDFIELD", "one"],
    ["HRANDFIELD", "one", "1"],
    ["HRANDFIELD", "one", "5", "withvalues"],
    ["HRANDFIELD", "one", "-3", "WITHVALUES"],
    ["HRANDFIELD", "one", "-3"],
    sameShape(["HRANDFIELD", "h"]),
    sameShape(["HRANDFIELD", "h", "-20"]),
    sameShape(["HRANDFIELD", "h", "-20", "WITHVALUES"]),
    sameShape(["HRANDFIELD", "h", "1", "WITHVALUES"]),
  ]));

/** The texts of a reply's elements. */
function texts(reply: Reply): string[] {
  assert(reply.type === "array");
  return reply.items.map((item) => {
    assert(item.type === "bulk");
    return item.text;
  });
}

redisTest("HRANDFIELD gives different fields for a count, and any for a negative one", async () => {
  for (const config of [SMALL, LARGE]) {
    await using pair = await startPair({ config });
    const { redino } = pair;
    const fields = Array.from({ length: 40 }, (_, i) => `f${i}`);
    await redino.send("HSET", "h", ...fields.flatMap((field) => [field, `value of ${field}`]));
    for (const count of [1, 5, 12, 13, 14, 39, 40, 41, 1000]) {
      const picked = texts(await redino.send("HRANDFIELD", "h", count));
      assertEquals(picked.length, Math.min(count, fields.length));
      assertEquals(new Set(picked).size, picked.length);
      assert(picked.every((field) => fields.includes(field)));
      const pairs = texts(await redino.send("HRANDFIELD", "h", count, "WITHVALUES"));
      assertEquals(pairs.length, 2 * picked.length);
      for (let i = 0; i < pairs.length; i += 2) assertEquals(pairs[i + 1], `value of ${pairs[i]}`);
    }
    // The chance that 4000 picks miss one of 40 is beyond reckoning.
    const repeating = texts(await redino.send("HRANDFIELD", "h", "-4000"));
    assertEquals(repeating.length, 4000);
    assertEquals(new Set(repeating), new Set(fields));
    const single = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const reply = await redino.send("HRANDFIELD", "h");
      assert(reply.type === "bulk");
      single.add(reply.text);
    }
    assertEquals(single, new Set(fields));
    for (const count of [3, 30]) {
      const seen = new Set<string>();
      for (let i = 0; i < 1000; i++) {
        for (const field of texts(await redino.send("HRANDFIELD", "h", count))) seen.add(field);
      }
      assertEquals(seen, new Set(fields));
    }
  }
});

redisTest("A hash becomes a table where it outgrows the limits, and stays one", async () => {
  const config = { "hash-max-listpack-entries": 3, "hash-max-listpack-value": 5 };
  await using pair = await startPair({ config });
  const encoding: Command = ["OBJECT", "ENCODING", "h"];
  await compare(pair, [
    ["HSET", "h", "a", "1", "b", "2", "c", "3"],
    encoding,
    ["HSET", "h", "a", "11111", "c", "4"],
    encoding,
    ["HSET", "h", "d", "4"],
    encoding,
    ["HDEL", "h", "a", "b", "c"],
    encoding,
    ...state("h"),
    ["DEL", "h"],
    ["HSET", "h", "a", "123456"],
    encoding,
    ["DEL", "h"],
    ["HSET", "h", "123456", "a"],
    encoding,
    ["DEL", "h"],
    ["HSETNX", "h", "123456", "a"],
    encoding,
    ["DEL", "h"],
    ["HINCRBY", "h", "a", "12345"],
    encoding,
    ["HINCRBY", "h", "a", "100000"],
    encoding,
    ["DEL", "h"],
    ["HINCRBY", "h", "a field", "1"],
    encoding,
    ["DEL", "h"],
    ["HINCRBYFLOAT", "h", "a", "1.25"],
    encoding,
    ["HINCRBYFLOAT", "h", "a", "0.0000001"],
    encoding,
    ...state("h"),
    ["DEL", "h"],
    ["HSET", "h", "a", "1", "b", "2"],
    ["CONFIG", "SET", "hash-max-listpack-entries", "1"],
    ["HSET", "h", "a", "3"],
    encoding,
    ["HDEL", "h", "a"],
    encoding,
    ["HSET", "h", "c", "1"],
    encoding,
  ]);
  // Since 7.2 so many pairs make a table even where they name one field.
  await pair.redino.send("CONFIG", "SET", "hash-max-listpack-entries", "3");
  for (const [pairs, expected] of [[3, "listpack"], [4, "hashtable"]] as const) {
    await pair.redino.send("DEL", "h");
    await pair.redino.send("HSET", "h", ...Array<string[]>(pairs).fill(["f", "v"]).flat());
    assertEquals(await pair.redino.ask("OBJECT", "ENCODING", "h"), `"${expected}"`);
  }
});

redisTest("COPY, MOVE and RENAME take a hash along, of either encoding", () =>
  same([
    ["HSET", "h", "a", "1", "b", "x".repeat(60), "c", "-5"],
    ["HSET", "big", "long", "v".repeat(50_000), "k".repeat(50_000), "v", "c", ""],
    ["EXPIREAT", "h", FUTURE_S],
    ["COPY", "h", "copy"],
    ["COPY", "big", "big copy"],
    ["COPY", "h", "h", "DB", "3"],
    ["MOVE", "big", "3"],
    ["RENAME", "h", "renamed"],
    ["HSET", "copy", "a", "changed"],
    ["HDEL", "big copy", "c"],
    ...["renamed", "copy", "big copy", "big"].flatMap(state),
    ["EXPIRETIME", "renamed"],
    ["EXPIRETIME", "copy"],
    ["SELECT", "3"],
    ...["h", "big"].flatMap(state),
    ["DEBUG", "DIGEST"],
    ["FLUSHDB"],
    ["SELECT", "0"],
    ["DEL", "renamed", "copy", "big copy"],
    ["DBSIZE"],
  ]));

async function memoryUsage(redino: RespClient, samples: number): Promise<number> {
  const reply = await redino.send("MEMORY", "USAGE", "h", "SAMPLES", samples);
  assert(reply.type === "integer");
  return Number(reply.value);
}

redisTest("MEMORY USAGE and DEBUG tell of hashes of either encoding", async () => {
  for (const config of [SMALL, LARGE]) {
    await using pair = await startPair({ config });
    const { redino } = pair;
    let before = 0;
    for (let size = 10; size <= 60; size += 10) {
      await redino.send("HSET", "h", `field ${size}`, "v".repeat(size));
      const all = await memoryUsage(redino, 0);
      assert(all > before, `${all} bytes after ${before}`);
      assertEquals(await memoryUsage(redino, 1000), all);
      assert(await memoryUsage(redino, 5) > 0);
      before = all;
    }
    await compare(pair, [
      ["HSET", "h", "a", "1"],
      ["DEBUG", "SDSLEN", "h"],
      sameShape(["DEBUG", "OBJECT", "h"]),
      sameShape(["DEBUG", "LISTPACK", "h"]),
      sameShape(["DEBUG", "HTSTATS-KEY", "h"]),
    ]);
  }
});

redisTest("HSCAN refuses bad cursors and options as Redis does", () =>
  same([
    ["HSET", "h", "a", "1", "b", "2"],
    ["HSCAN", "h"],
    ...["x", "", "-1", "+0", "1.5", "18446744073709551616"].map((
      cursor,
    ): Command => ["HSCAN", "none", cursor]),
    ["HSCAN", "h", "x"],
    ["HSCAN", "h", "0", "COUNT"],
    ["HSCAN", "h", "0", "COUNT", "0"],
    ["HSCAN", "h", "0", "COUNT", "x"],
    ["HSCAN", "h", "0", "TYPE", "hash"],
    ["HSCAN", "h", "0", "MATCH"],
    ["HSCAN", "none", "0", "junk"],
    ["HSCAN", "none", "x", "junk"],
    unordered(["HSCAN", "h", "0", "count", "100", "match", "*"]),
    ["HSCAN", "h", "0", "COUNT", "100", "MATCH", "a"],
    ["HSCAN", "h", "0", "COUNT", "100", "MATCH", "none"],
    ["HSCAN", "h", "0", "COUNT", "100", "MATCH", "[b-c]"],
    ["HSET", "empty", "", "v"],
    ["HSCAN", "empty", "0", "MATCH", "*"],
    ["HSCAN", "empty", "0", "MATCH", "**"],
  ]));

redisTest("HSCAN gives a listpack whole, whatever the count", async () => {
  await using pair = await startPair({ config: SMALL });
  const fields = Array.from({ length: 100 }, (_, i) => `f${i}`);
  await compare(pair, [
    ["HSET", "h", ...fields.flatMap((field) => [field, field])],
    ["HSCAN", "h", "0", "COUNT", "1"],
    ["HSCAN", "h", "77"],
    ["HSCAN", "h", "0", "MATCH", "*9"],
  ]);
});

/** One call of HSCAN: the fields that it gives, after checking their values; returns the cursor. */
async function scanOnce(
  redino: RespClient,
  cursor: string,
  count: number,
  seen: Set<string>,
): Promise<string> {
  const reply = await redino.send("HSCAN", "h", cursor, "COUNT", count);
  assert(reply.type === "array" && reply.items[0]!.type === "bulk");
  const given = texts(reply.items[1]!);
  for (let i = 0; i < given.length; i += 2) {
    seen.add(given[i]!);
    assertEquals(given[i + 1], `v${given[i]}`);
  }
  return reply.items[0]!.text;
}

redisTest("HSCAN misses no field that stays, while others come and go", async () => {
  await using pair = await startPair({ config: LARGE });
  const { redino } = pair;
  await seeded(async (rng) => {
    await redino.send("DEL", "h");
    const staying = Array.from({ length: 500 }, (_, i) => `stays${i}`);
    await redino.send("HSET", "h", ...staying.flatMap((field) => [field, `v${field}`]));
    const seen = new Set<string>();
    let cursor = "0";
    let coming = 0;
    let going = 0;
    do {
      cursor = await scanOnce(redino, cursor, rng.int(1, 30), seen);
      // Up to several thousand and down again: the table grows and shrinks on the way.
      for (let i = rng.int(0, 5); i > 0; i--) {
        const fields = Array.from({ length: 40 }, () => `comes${coming++}`);
        await redino.send("HSET", "h", ...fields.flatMap((field) => [field, `v${field}`]));
      }
      if (rng.oneIn(2)) {
        const gone = Array.from({ length: 200 }, () => `comes${going++}`);
        await redino.send("HDEL", "h", ...gone);
        going = Math.min(going, coming);
      }
    } while (cursor !== "0");
    assertEquals(staying.filter((field) => !seen.has(field)), []);
  });
});

redisTest("Commands on hashes have Redis's events and counts of changes", () =>
  compareEffects([
    ["HSET", "h", "a", "1"],
    ["HSET", "h", "a", "1", "b", "2", "c", "3"],
    ["HMSET", "h", "a", "1", "d", "2"],
    ["HSETNX", "h", "a", "1"],
    ["HSETNX", "h", "e", "1"],
    ["HSETNX", "new", "e", "1"],
    ["HINCRBY", "h", "a", "1"],
    ["HINCRBY", "h", "n", "1"],
    ["HINCRBY", "counter", "n", "1"],
    ["HINCRBY", "h", "a", "x"],
    ["HINCRBYFLOAT", "h", "a", "1.5"],
    ["HINCRBYFLOAT", "float", "a", "1.5"],
    ["HDEL", "h", "none"],
    ["HDEL", "h", "a", "b"],
    ["HDEL", "none", "b"],
    ["HDEL", "h", "c", "d", "e", "n", "x", "y"],
    ["HGET", "none", "a"],
    ["HMGET", "none", "a"],
    ["HGETALL", "none"],
    ["HLEN", "none"],
    ["HEXISTS", "none", "a"],
    ["HSTRLEN", "none", "a"],
    ["HKEYS", "none"],
    ["HRANDFIELD", "none"],
    ["HSCAN", "none", "0"],
  ]));

const FIELDS = ["a", "b", "1", "-2", "", "a longer field", "007", ...Array(12).keys().map(String)];

function randomCommand(rng: Rng): Step {
  const key = rng.pick(["h1", "h2", "h3"]);
  const field = () => rng.pick(FIELDS);
  const value = () =>
    rng.oneIn(30) ? "v".repeat(rng.int(0, 40_000)) : rng.pick([
      String(rng.int(-300, 300)),
      String(rng.float()),
      "v".repeat(rng.int(0, 80)),
      INT64_MAX,
    ]);
  switch (rng.int(0, 9)) {
    case 0:
      return ["HSET", key, field(), value()];
    case 1:
      return ["HSET", key, field(), value(), field(), value(), field(), value()];
    case 2:
      return ["HSETNX", key, field(), value()];
    case 3:
    case 4:
      return ["HDEL", key, field(), field(), field()];
    case 5:
      return ["HINCRBY", key, field(), rng.int(-1000, 1000)];
    case 6:
      return ["HINCRBYFLOAT", key, field(), rng.int(-1000, 1000)];
    case 7:
      return ["HMGET", key, field(), field()];
    case 8:
      return unordered(["HGETALL", key]);
    default:
      return rng.oneIn(10) ? ["DEL", key] : ["HSTRLEN", key, field()];
  }
}

redisTest("Hashes stay as Redis's through random commands, across the limits", async () => {
  for (const entries of [3, 8, 100]) {
    await using pair: Pair = await startPair({ config: { "hash-max-listpack-entries": entries } });
    await seeded(async (rng) => {
      await compare(pair, [["FLUSHALL"]]);
      for (let round = 0; round < 20; round++) {
        await compare(pair, Array.from({ length: 60 }, () => randomCommand(rng)));
        await compare(pair, [["DEBUG", "DIGEST"], ["DBSIZE"]]);
        for (const key of ["h1", "h2", "h3"]) {
          await compare(pair, [["HLEN", key], ["OBJECT", "ENCODING", key]]);
        }
      }
    });
  }
});

redisTest("A pipelined batch of commands on hashes is answered in order", async () => {
  await using pair = await startPair();
  const commands: Command[] = [
    ["HSET", "h", "a", "1"],
    ["HGET", "h", "a"],
    ["HINCRBY", "h", "a", "1"],
    ["HGETALL", "h"],
    ["HDEL", "h", "a"],
    ["HGET", "h", "a"],
    ["HSET", "h", "a"],
    ["HLEN", "h"],
  ];
  const batch = commands.flatMap((command) => [...encodeCommand(command)]);
  for (const client of [pair.redis, pair.redino]) await client.write(Uint8Array.from(batch));
  for (const command of commands) {
    assertEquals(await pair.redino.read(), await pair.redis.read(), String(command));
  }
});

Deno.test("a hash table keeps its pairs like a Map, whatever is put and removed", async () => {
  await seeded((rng) => {
    const arena = new Arena();
    for (const hasValues of [true, false]) {
      const table = new HashTable(arena, hasValues);
      const model = new Map<string, string>();
      const name = () =>
        rng.oneIn(200) ? "k".repeat(rng.int(32_760, 33_000)) : `${rng.int(0, 3000)}`;
      for (let step = 0; step < 20_000; step++) {
        const key = name();
        const bytes = latin1Bytes(key);
        // Waves, so that it grows and shrinks.
        if (step % 8000 < 5000 ? !rng.oneIn(4) : rng.oneIn(4)) {
          const length = rng.oneIn(200) ? rng.int(32_760, 140_000) : rng.int(0, 60);
          const text = hasValues ? String(rng.int(0, 9)).repeat(length) : "";
          const isNew = table.put(bytes, 0, bytes.length, latin1Bytes(text), 0, text.length);
          assertEquals(isNew, !model.has(key));
          model.set(key, text);
        } else {
          assertEquals(table.remove(bytes, 0, bytes.length), model.delete(key));
        }
        if (step % 2000 === 0) assertEquals(contents(table, hasValues), sorted(model));
      }
      const used = arena.usedBytes;
      assert(Math.abs(table.arenaBytes(0) - used) < 1, `${table.arenaBytes(0)} of ${used}`);
      const copy = table.copy(arena);
      assertEquals(contents(copy, hasValues), sorted(model));
      table.free();
      assertEquals(contents(copy, hasValues), sorted(model));
      copy.free();
      assertEquals(arena.usedBytes, 0);
    }
  });
});

function contents(table: HashTable, hasValues: boolean): [string, string][] {
  const { map } = table;
  const pairs = new Map<string, string>();
  for (let slot = 0; slot < map.slotCount; slot++) {
    const entry = map.entryInSlot(slot);
    if (entry === 0) continue;
    const value = hasValues
      ? latin1(table.valueBuf(entry), table.valueOff(entry), table.valueLen(entry))
      : "";
    pairs.set(latin1(map.key(entry)), value);
  }
  assertEquals(pairs.size, table.count);
  return sorted(pairs);
}

function sorted(pairs: Map<string, string>): [string, string][] {
  return [...pairs].sort(([a], [b]) => a < b ? -1 : 1);
}
