import { assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import {
  type Command,
  compare,
  type Pair,
  startPair,
  type Step,
  within,
} from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { compareWithList } from "./support/planted_list.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = Uint8Array.of(0, 13, 10, 255, 0x24, 128, 0);
const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";

/** A time in the far future that fits every unit, in seconds. */
const FUTURE_S = "4102444800";
const FUTURE_MS = "4102444800123";

/** By so much two TTLs of 100 seconds may differ: one of the servers may have to pause. */
const SLACK_S = 30;

async function same(commands: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, commands);
}

/** The key's value, encoding and expiry. */
function state(key: string | Uint8Array): Command[] {
  return [["GET", key], ["OBJECT", "ENCODING", key], ["PEXPIRETIME", key]];
}

redisTest("SET and GET keep any bytes under any bytes", () =>
  same([
    ["SET", BINARY, BINARY],
    ["GET", BINARY],
    ["SET", "", ""],
    ["GET", ""],
    ["STRLEN", ""],
    ["GET", "none"],
    ["GET"],
    ["GET", "a", "b"],
    ["SET", "a"],
    ["SET", "k", "x".repeat(200_000)],
    ["GET", "k"],
    ["SET", "k", "short"],
    ["GET", "k"],
  ]));

redisTest("SET chooses the encoding by the value", () =>
  same([
    "0",
    "-1",
    "12345678901",
    INT64_MAX,
    INT64_MIN,
    "9223372036854775808",
    "9007199254740992",
    "-9007199254740993",
    "01",
    "+1",
    "-0",
    " 1",
    "1.0",
    "",
    "x".repeat(44),
    "x".repeat(45),
    "1".repeat(20),
    "1".repeat(44),
  ].flatMap((value) => [["SET", "k", value], ...state("k"), ["STRLEN", "k"]])));

redisTest("SET with NX and XX sets or does not", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["SET", "k", "a", "XX"],
      ["EXISTS", "k"],
      ["SET", "k", "a", "NX"],
      ["SET", "k", "b", "NX"],
      ["GET", "k"],
      ["SET", "k", "b", "xx"],
      ["GET", "k"],
      ["SET", "k", "b", "NX", "XX"],
      ["SET", "k", "b", "XX", "NX"],
      ["SET", "k", "c", "XX", "XX"],
      ["SET", "k", "c", "NX", "NX"],
      ["GET", "k"],
    ], protocol);
  }
});

redisTest("SET with GET replies the old value, whether it sets or not", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["SET", "k", "a", "GET"],
      ["SET", "k", "b", "GET"],
      ["SET", "k", "c", "NX", "GET"],
      ["GET", "k"],
      ["SET", "k", "c", "XX", "GET"],
      ["SET", "k", "d", "GET", "GET", "EX", "100"],
      ["SET", "new", "x", "XX", "GET"],
      ["EXISTS", "new"],
      ["SET", "new", "x", "GET", "NX"],
      ["GET", "new"],
    ], protocol);
  }
});

redisTest("SET with an expiry sets it, and without one removes it", () =>
  same([
    ["SET", "k", "v", "EXAT", FUTURE_S],
    ...state("k"),
    ["SET", "k", "v", "pxat", FUTURE_MS],
    ...state("k"),
    ["SET", "k", "w", "KEEPTTL"],
    ...state("k"),
    ["SET", "k", "5", "KEEPTTL", "KEEPTTL", "XX", "GET"],
    ...state("k"),
    ["SET", "k", "x".repeat(100), "KEEPTTL"],
    ...state("k"),
    ["SET", "k", "v", "NX", "EX", "10"],
    ...state("k"),
    ["SET", "k", "v"],
    ...state("k"),
    ["SET", "k", "v", "KEEPTTL"],
    ...state("k"),
    ["SET", "k", "v", "EX", "100"],
    within(SLACK_S, ["TTL", "k"]),
    ["SET", "k", "v", "PX", "100000"],
    within(1000 * SLACK_S, ["PTTL", "k"]),
    ["SET", "k", "v", "EX", "1", "EX", "300"],
    within(SLACK_S, ["TTL", "k"]),
    ["SET", "k", "v", "EXAT", "1"],
    ["GET", "k"],
    ["EXISTS", "k"],
    ["SET", "k", "v", "PXAT", "1", "GET"],
    ["GET", "k"],
  ]));

const EXPIRIES = ["EX", "PX", "EXAT", "PXAT"];

redisTest("SET and GETEX refuse options that contradict each other", async () => {
  const words = [...EXPIRIES, "KEEPTTL", "PERSIST", "NX", "XX", "GET"];
  const spoken = (word: string) => EXPIRIES.includes(word) ? [word, FUTURE_S] : [word];
  const commands: Command[] = [];
  for (const first of words) {
    commands.push(["SET", "k", "v", ...spoken(first)], ["GETEX", "k", ...spoken(first)]);
    for (const second of words) {
      commands.push(["SET", "k", "v", ...spoken(first), ...spoken(second)]);
      commands.push(["GETEX", "k", ...spoken(first), ...spoken(second)]);
    }
    // At the end of the line an expiry's value is missing, or the next word is taken for it.
    commands.push(["SET", "k", "v", first], ["SET", "k", "v", "EX", first], ["GETEX", "k", first]);
  }
  commands.push(["SET", "k", "v", "junk"], ["SET", "k", "v", ""], ["GETEX", "k", "E"]);
  await same(commands);
});

redisTest("each command with an expiry refuses the same times", async () => {
  const times = [
    "0",
    "-1",
    "1.5",
    "x",
    "",
    " 1",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854775808",
    "9223372036854775806",
    INT64_MAX,
    "9223372036854775808",
  ];
  await using pair = await startPair();
  for (const time of times) {
    const commands: Command[] = [["SETEX", "k", time, "v"], ["PSETEX", "k", time, "v"]];
    for (const word of EXPIRIES) {
      commands.push(["SET", "k", "v", word, time]);
      commands.push(["SET", "k", "v"], ["GETEX", "k", word, time]);
      commands.push(["GETEX", "missing", word, time]);
    }
    await compare(pair, commands);
  }
});

redisTest("SET validates its options and times before it changes anything", () =>
  same([
    ["SET", "k", "v"],
    ["SET", "k", "w", "EX", "0"],
    ["SET", "k", "w", "EX", "0", "junk"],
    ["SET", "k", "w", "NX", "EX", "x"],
    ["SET", "k", "w", "GET", "EX", "0"],
    ["SETEX", "k", "0", "w"],
    ["PSETEX", "k", "-5", "w"],
    ["GET", "k"],
    ["SETEX", "k", "100", "w"],
    within(SLACK_S, ["TTL", "k"]),
    ["PSETEX", "k", "100000", "7"],
    ["OBJECT", "ENCODING", "k"],
    within(SLACK_S, ["TTL", "k"]),
    ["SETEX", "k", "100"],
  ]));

redisTest("GETSET, GETDEL and SETNX answer as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["GETSET", "k", "a"],
      ["EXPIREAT", "k", FUTURE_S],
      ["GETSET", "k", "12"],
      ...state("k"),
      ["GETDEL", "k"],
      ["GETDEL", "k"],
      ["EXISTS", "k"],
      ["SETNX", "k", "1"],
      ["SETNX", "k", "2"],
      ["GET", "k"],
      ["GETDEL", BINARY],
      ["SET", BINARY, BINARY],
      ["GETDEL", BINARY],
    ], protocol);
  }
});

redisTest("GETEX sets, keeps and removes the expiry", () =>
  same([
    ["GETEX", "k"],
    ["GETEX", "k", "EX", "0"],
    ["SET", "k", "v"],
    ["GETEX", "k", "EXAT", FUTURE_S],
    ...state("k"),
    ["GETEX", "k"],
    ...state("k"),
    ["GETEX", "k", "PERSIST"],
    ...state("k"),
    ["GETEX", "k", "persist"],
    ["GETEX", "k", "PXAT", FUTURE_MS],
    ...state("k"),
    ["GETEX", "k", "EX", "100"],
    within(SLACK_S, ["TTL", "k"]),
    ["GETEX", "k", "EXAT", "1"],
    ["EXISTS", "k"],
    ["SET", "k", "v"],
    ["GETEX", "k", "PXAT", "1"],
    ["EXISTS", "k"],
    ["GETEX"],
  ]));

redisTest("MSET, MSETNX and MGET treat few and many keys alike", async () => {
  for (const count of [1, 3, 4, 128, 129, 300]) {
    const keys = Array.from({ length: count }, (_, i) => `key:${i}`);
    const pairs = keys.flatMap((key, i) => [key, i % 3 === 0 ? String(i) : `value ${i}`]);
    await same([
      ["MGET", ...keys],
      ["MSET", ...pairs],
      ["MGET", ...keys],
      ["MSETNX", "fresh", "x", ...pairs],
      ["EXISTS", "fresh"],
      ["MSETNX", ...pairs.map((word, i) => i % 2 === 0 ? `n${word}` : word)],
      ["MGET", ...keys.map((key) => `n${key}`), "none", ...keys],
      ["DBSIZE"],
    ]);
  }
});

redisTest("MSET, MSETNX and MGET answer as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["MSET", "a"],
      ["MSET", "a", "1", "b"],
      ["MSETNX", "a", "1", "b"],
      ["MSETNX", "a"],
      ["MGET"],
      ["MSET", "a", "1", "a", "2"],
      ["GET", "a"],
      ["MSETNX", "b", "1", "b", "2"],
      ["GET", "b"],
      ["MSETNX", "c", "1", "a", "2"],
      ["EXPIREAT", "a", FUTURE_S],
      ["MSET", BINARY, BINARY, "a", "x"],
      ["PEXPIRETIME", "a"],
      ["MGET", BINARY],
    ], protocol);
  }
});

redisTest("APPEND and STRLEN answer as Redis does", () =>
  same([
    ["STRLEN", "k"],
    ["APPEND", "k", ""],
    ...state("k"),
    ["DEL", "k"],
    ["APPEND", "k", "12"],
    ...state("k"),
    ["EXPIREAT", "k", FUTURE_S],
    ["APPEND", "k", "34"],
    ...state("k"),
    ["STRLEN", "k"],
    ["INCR", "k"],
    ...state("k"),
    ["APPEND", "k", BINARY],
    ["APPEND", "k", ""],
    ["GET", "k"],
    ["SET", "k", INT64_MIN],
    ["STRLEN", "k"],
    ["APPEND", "k", "x".repeat(200_000)],
    ["APPEND", "k", "y".repeat(200_000)],
    ["STRLEN", "k"],
    ["GET", "k"],
  ]));

redisTest("GETRANGE and SUBSTR take every index", async () => {
  const indexes = [
    INT64_MIN,
    "-100",
    "-6",
    "-5",
    "-4",
    "-1",
    "0",
    "1",
    "3",
    "4",
    "5",
    "100",
    INT64_MAX,
  ];
  const commands: Command[] = [["SET", "text", "hello"], ["SET", "int", "-1234"], [
    "SET",
    "empty",
    "",
  ]];
  for (const start of indexes) {
    for (const end of indexes) {
      commands.push(["GETRANGE", "text", start, end], ["SUBSTR", "int", start, end]);
    }
  }
  commands.push(
    ["GETRANGE", "empty", "0", "-1"],
    ["GETRANGE", "none", "0", "-1"],
    ["GETRANGE", "none", "0", "x"],
    ["SUBSTR", "none", "0", "9223372036854775808"],
    ["GETRANGE", "text", "0"],
  );
  await same(commands);
});

redisTest("SETRANGE writes, pads and refuses as Redis does", () =>
  same([
    ["SETRANGE", "k", "0", ""],
    ["SETRANGE", "k", "9999999999", ""],
    ["EXISTS", "k"],
    ["SETRANGE", "k", "3", "ab"],
    ...state("k"),
    ["SETRANGE", "k", "0", BINARY],
    ["GET", "k"],
    ["SET", "k", "12345"],
    ["EXPIREAT", "k", FUTURE_S],
    ["SETRANGE", "k", "1", ""],
    ["OBJECT", "ENCODING", "k"],
    ["SETRANGE", "k", "1", "x"],
    ...state("k"),
    ["SETRANGE", "k", "10", "y"],
    ["GET", "k"],
    ["SETRANGE", "k", "200000", "z"],
    ["GET", "k"],
    ["SETRANGE", "k", "-1", "x"],
    ["SETRANGE", "k", "-1", ""],
    ["SETRANGE", "k", "x", ""],
    ["SETRANGE", "k", INT64_MAX, "x"],
    ["SETRANGE", "k", "9223372036854775808", "x"],
    ["SETRANGE", "k", "536870912", "x"],
    ["SETRANGE", "new", "536870912", "x"],
    ["EXISTS", "new"],
  ]));

redisTest("APPEND, SETRANGE and SETBIT stop at proto-max-bulk-len", async () => {
  await using pair = await startPair({ config: { "proto-max-bulk-len": 1024 * 1024 } });
  const half = "x".repeat(512 * 1024);
  await compare(pair, [
    ["APPEND", "k", half],
    ["APPEND", "k", half],
    ["APPEND", "k", ""],
    ["APPEND", "k", "x"],
    ["SETRANGE", "k", String(1024 * 1024 - 1), "y"],
    ["SETRANGE", "k", String(1024 * 1024), "y"],
    ["STRLEN", "k"],
    ["SETBIT", "bits", String(8 * 1024 * 1024 - 1), "1"],
    ["SETBIT", "bits", String(8 * 1024 * 1024), "1"],
    ["GETBIT", "bits", String(8 * 1024 * 1024)],
    ["BITFIELD", "bits", "SET", "i64", String(8 * 1024 * 1024 - 1), "-1"],
    ["STRLEN", "bits"],
    ["SET", "a", "x".repeat(600)],
    ["LCS", "a", "a"],
    ["LCS", "a", "a", "LEN"],
  ]);
});

redisTest("LCS answers as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["MSET", "a", "ohmytext", "b", "mynewtext", "e", "", "n", "12345", "m", "2045"],
      ["LCS", "a", "b"],
      ["LCS", "a", "b", "LEN"],
      ["LCS", "a", "b", "IDX"],
      ["LCS", "a", "b", "IDX", "WITHMATCHLEN"],
      ["LCS", "a", "b", "IDX", "MINMATCHLEN", "4"],
      ["LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"],
      ["LCS", "a", "b", "idx", "minmatchlen", "-4", "withmatchlen"],
      ["LCS", "a", "b", "MINMATCHLEN", "4"],
      ["LCS", "a", "b", "WITHMATCHLEN"],
      ["LCS", "n", "m"],
      ["LCS", "n", "m", "IDX", "WITHMATCHLEN"],
      ["LCS", "a", "none"],
      ["LCS", "none", "none", "IDX"],
      ["LCS", "e", "e", "LEN"],
      ["LCS", "a", "b", "IDX", "LEN"],
      ["LCS", "a", "b", "IDX", "LEN", "junk"],
      ["LCS", "a", "b", "MINMATCHLEN"],
      ["LCS", "a", "b", "MINMATCHLEN", "x", "junk"],
      ["LCS", "a", "b", "junk", "MINMATCHLEN", "x"],
      ["LCS", "a"],
    ], protocol);
  }
});

redisTest("string commands answer a key of another type as Redis does", () =>
  compareWithList([
    ["GET", "l"],
    ["GETSET", "l", "x"],
    ["GETDEL", "l"],
    ["GETEX", "l"],
    ["GETEX", "l", "EX", "0"],
    ["GETEX", "l", "junk"],
    ["SET", "l", "x", "GET"],
    ["SET", "l", "x", "GET", "NX"],
    ["SET", "l", "x", "GET", "PX", "0"],
    ["SET", "l", "x", "NX"],
    ["SETNX", "l", "x"],
    ["MGET", "none", "l"],
    ["MSETNX", "new", "x", "l", "x"],
    ["APPEND", "l", "x"],
    ["STRLEN", "l"],
    ["GETRANGE", "l", "0", "-1"],
    ["GETRANGE", "l", "x", "-1"],
    ["SETRANGE", "l", "0", "x"],
    ["SETRANGE", "l", "0", ""],
    ["SETRANGE", "l", "-1", "x"],
    ["SETRANGE", "l", INT64_MAX, "x"],
    ["INCR", "l"],
    ["INCRBY", "l", "x"],
    ["DECRBY", "l", INT64_MIN],
    ["INCRBYFLOAT", "l", "x"],
    ["LCS", "none", "l", "junk"],
    ["LCS", "l", "none"],
    ["TYPE", "l"],
    ["DBSIZE"],
    ["SET", "l", "x", "XX"],
    ...state("l"),
  ]));

redisTest(
  "SET replaces a value of another type",
  () => compareWithList([["SET", "l", "x".repeat(100)], ...state("l"), ["STRLEN", "l"]]),
);

redisTest(
  "MSET replaces a value of another type",
  () => compareWithList([["MSET", "l", "5", "k", "v"], ...state("l"), ...state("k")]),
);

redisTest("string commands in a random order leave what Redis has", () =>
  seeded(async (rng) => {
    await using pair = await startPair();
    await compare(pair, Array.from({ length: 1500 }, () => randomCommand(rng)));
    await compareAll(pair);
  }));

const KEYS = ["a", "b", "c", "d"];

function randomCommand(rng: Rng): Command {
  const key = rng.pick(KEYS);
  const value = rng.pick([
    String(rng.int(-1000, 1000)),
    "9007199254740991",
    "x".repeat(rng.int(0, 60)),
    "y".repeat(rng.int(100, 3000)),
  ]);
  const at = String(rng.int(0, 100));
  switch (rng.int(0, 13)) {
    case 0:
      return ["SET", key, value];
    case 1:
      return ["SET", key, value, rng.pick(["NX", "XX"]), rng.pick(["GET", "KEEPTTL"])];
    case 2:
      return ["SET", key, value, "EXAT", FUTURE_S];
    case 3:
      return ["APPEND", key, value];
    case 4:
      return ["SETRANGE", key, at, value];
    case 5:
      return ["INCRBY", key, String(rng.int(-5, 5))];
    case 6:
      return ["INCRBYFLOAT", key, "0.25"];
    case 7:
      return ["GETEX", key, rng.pick(["PERSIST", "EXAT"]), ...rng.oneIn(2) ? [FUTURE_S] : []];
    case 8:
      return ["MSET", key, value, rng.pick(KEYS), at];
    case 9:
      return rng.oneIn(4) ? ["GETDEL", key] : ["STRLEN", key];
    case 10:
      return ["GETSET", key, value];
    case 11:
      return ["SETBIT", key, at, rng.pick(["0", "1"])];
    case 12:
      return ["PEXPIRETIME", key];
    default:
      return ["GET", key];
  }
}

async function compareAll(pair: Pair): Promise<void> {
  for (const key of KEYS) await compare(pair, state(key));
}

Deno.test("SET with a time that has passed leaves a key that the first look-up removes", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("SET", "k", "v", "PXAT", "999999"), "+OK");
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(await client.ask("SET", "k", "v", "PX", "10"), "+OK");
  nowMs += 10;
  assertEquals(await client.ask("GET", "k"), '"v"');
  nowMs += 1;
  assertEquals(await client.ask("INCR", "k"), ":1");
});

redisTest("string commands tell of the changes that Redis tells of", () =>
  compareEffects([
    ["GET", "k"],
    ["SET", "k", "v"],
    ["SET", "k", "v", "NX"],
    ["SET", "k", "v", "XX", "GET", "EX", "100"],
    ["SET", "k", "v", "PXAT", FUTURE_MS],
    ["SET", "none", "v", "XX", "GET"],
    ["SETEX", "k", "100", "v"],
    ["PSETEX", "k", "100000", "v"],
    ["GETSET", "k", "w"],
    ["GETSET", "fresh", "w"],
    ["SETNX", "k", "w"],
    ["SETNX", "n", "1"],
    ["GETEX", "n"],
    ["GETEX", "n", "EX", "100"],
    ["GETEX", "n", "PERSIST"],
    ["GETEX", "n", "PERSIST"],
    ["GETEX", "n", "EXAT", "1"],
    ["GETEX", "n", "EXAT", "1"],
    ["GETDEL", "k"],
    ["GETDEL", "k"],
    ["MSET", "a", "1", "b", "2", "a", "3"],
    ["MSETNX", "c", "1", "a", "2"],
    ["MSETNX", "c", "1", "c", "2"],
    ["MGET", "a", "none", "b"],
    ["INCR", "a"],
    ["INCR", "count"],
    ["DECRBY", "a", "2"],
    ["INCRBYFLOAT", "a", "0.5"],
    ["INCR", "a"],
    ["APPEND", "s", "x"],
    ["APPEND", "s", ""],
    ["STRLEN", "none"],
    ["GETRANGE", "none", "0", "1"],
    ["SETRANGE", "s", "3", "x"],
    ["SETRANGE", "s", "3", ""],
    ["SETRANGE", "none", "3", ""],
    ["SETRANGE", "t", "3", "x"],
    ["LCS", "none", "s"],
    ["SET", "gone", "x", "PXAT", "1"],
    ["SET", "gone", "x", "GET"],
  ]));

redisTest("string commands in one pipelined batch answer as Redis does", async () => {
  await using pair = await startPair();
  const commands: Command[] = [
    ["INCR", "n"],
    ["INCR", "n"],
    ["APPEND", "n", "5"],
    ["INCRBYFLOAT", "n", "0.5"],
    ["INCRBYFLOAT", "f", "0.5"],
    ["SETRANGE", "r", "2", "x"],
    ["SETRANGE", "r", "0", "x"],
    ["SETBIT", "b", "9", "1"],
    ["BITFIELD", "b", "INCRBY", "u8", "0", "3"],
    ["SETNX", "n", "x"],
    ["SET", "n", "y", "GET", "XX"],
    ["MSET", "n", "1", "m", "2", "n", "3"],
    ["MGET", "m", "n", "r", "b", "f", "none"],
    ["GETDEL", "n"],
    ["INCR", "n"],
  ];
  const batch = commands.map(encodeCommand);
  for (const client of [pair.redis, pair.redino]) {
    const bytes = new Uint8Array(batch.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of batch) {
      bytes.set(part, at);
      at += part.length;
    }
    await client.write(bytes);
  }
  for (const command of commands) {
    const [redis, redino] = [await pair.redis.read(), await pair.redino.read()];
    assertEquals({ command, reply: show(redino) }, { command, reply: show(redis) });
  }
});
