/** SORT and SORT_RO, held against the real server. */
import { assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { type Command, compare, startPair, type Step, unordered } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { eventually } from "./support/eventually.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const DATA: Command[] = [
  ["RPUSH", "l", "10", "9", "-3.5", "100", "1e2", "0", "9"],
  ["RPUSH", "words", "pear", "Apple", "fig", "10", "9", "", "apple"],
  ["SADD", "ints", "5", "3", "11", "-2"],
  ["SADD", "strs", "b", "a", "c"],
  ["ZADD", "z", "3", "a", "1", "b", "2", "c", "2", "bb"],
  [
    "MSET",
    "w_a",
    "3",
    "w_b",
    "1",
    "w_c",
    "2",
    "w_9",
    "-1",
    "w_10",
    "5",
    "w_bad",
    "x",
    "w_100",
    " 7",
  ],
  ["HSET", "h_a", "f", "20", "g", "A"],
  ["HSET", "h_b", "f", "30", "g", "B"],
  ["HSET", "h_9", "f", "3"],
  ["RPUSH", "w_pear", "not a string"],
  ["SET", "str", "x"],
  ["HSET", "hash", "a", "b"],
];

async function same(steps: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, [...DATA, ...steps]);
}

redisTest("SORT sorts lists, sets and sorted sets by themselves", async () => {
  for (const command of ["SORT", "SORT_RO"]) {
    for (const protocol of [2, 3] as const) {
      await same([
        [command, "l"],
        [command, "l", "DESC"],
        [command, "l", "asc"],
        [command, "l", "ALPHA"],
        [command, "l", "ALPHA", "DESC"],
        [command, "words"],
        [command, "words", "ALPHA"],
        [command, "words", "ALPHA", "DESC"],
        [command, "ints"],
        [command, "ints", "DESC", "LIMIT", "1", "2"],
        [command, "strs"],
        [command, "strs", "ALPHA"],
        [command, "z"],
        [command, "z", "ALPHA"],
        [command, "none"],
        [command, "str"],
        [command, "hash"],
        ["OBJECT", "ENCODING", "z"],
      ], protocol);
    }
  }
});

redisTest("SORT limits as Redis does", async () => {
  const steps: Step[] = [];
  for (const offset of ["0", "2", "6", "7", "99", "-5", "9223372036854775807"]) {
    for (const count of ["0", "2", "99", "-1", "-7", "9223372036854775807"]) {
      steps.push(["SORT", "l", "LIMIT", offset, count]);
      steps.push(["SORT", "l", "BY", "nosort", "LIMIT", offset, count]);
      steps.push(["SORT", "l", "BY", "nosort", "DESC", "LIMIT", offset, count]);
      steps.push(["SORT", "z", "BY", "nosort", "DESC", "LIMIT", offset, count]);
    }
  }
  await same(steps);
});

redisTest("SORT looks up what BY and GET say", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["SORT", "strs", "BY", "w_*"],
      ["SORT", "strs", "BY", "w_*", "DESC"],
      ["SORT", "strs", "BY", "w_*", "GET", "#", "GET", "w_*", "GET", "h_*->f", "GET", "none_*"],
      ["SORT", "strs", "BY", "h_*->f", "GET", "h_*->g", "GET", "nostar"],
      ["SORT", "strs", "BY", "h_*->g", "ALPHA"],
      ["SORT", "strs", "BY", "h_*->g", "ALPHA", "DESC"],
      ["SORT", "strs", "BY", "h_*->g"],
      ["SORT", "strs", "BY", "none_*", "ALPHA", "LIMIT", "0", "0"],
      ["SORT", "z", "BY", "nosort"],
      ["SORT", "z", "BY", "nosort", "DESC"],
      ["SORT", "l", "BY", "nosort", "GET", "w_*"],
      ["SORT", "l", "BY", "nosort", "DESC"],
      ["SORT", "l", "BY", "w_*"],
      ["SORT", "l", "BY", "h_*->f", "GET", "#", "GET", "h_*->f", "GET", "h_*->", "GET", "*"],
      ["SORT", "l", "BY", "#"],
      ["SORT", "l", "BY", "#", "DESC"],
      ["SORT", "l", "BY", "nosort", "BY", "w_*"],
      ["SORT", "l", "BY", "w_*", "BY", "nosort"],
      ["SORT", "words", "BY", "w_*", "GET", "w_*"],
      unordered(["SORT", "ints", "BY", "nosort"]),
      unordered(["SORT", "strs", "BY", "nosort", "DESC"]),
      ["RPUSH", "bad", "1", "bad"],
      ["SORT", "bad", "BY", "w_*"],
      ["SORT", "l", "GET", "w_*->f", "GET", "h_*->f->g", "GET", "h_*", "GET", "x\0*"],
    ], protocol);
  }
});

function sortWith(number: string): Step[] {
  return [
    ["DEL", "n"],
    ["RPUSH", "n", "3", number, "-1"],
    ["SORT", "n"],
    ["SORT", "n", "DESC"],
  ];
}

redisTest("SORT reads numbers as Redis does", () =>
  same(
    ["", " 1", "1 ", "0x10", "inf", "-inf", "nan", "1.5e3", "+7", ".5", "1,5", "1\0x"].flatMap(
      sortWith,
    ),
  ));

redisTest("SORT refuses numbers that no double holds", async () => {
  for (const number of ["1e400", "1e-400"]) {
    // Redis takes one such number for all that follow, so it has a server of its own.
    await using pair = await startPair({ config: {} });
    await compare(pair, sortWith(number));
  }
});

redisTest("SORT refuses what Redis refuses", () =>
  same([
    ["SORT", "l", "LIMIT", "1"],
    ["SORT", "l", "LIMIT", "x", "1"],
    ["SORT", "l", "LIMIT", "1", "x"],
    ["SORT", "l", "BY"],
    ["SORT", "l", "GET"],
    ["SORT", "l", "STORE"],
    ["SORT", "l", "FOO"],
    ["SORT", "str", "FOO"],
    ["SORT_RO", "l", "STORE", "d"],
    ["SORT"],
  ]));

redisTest("SORT stores a list in place of whatever was there", () =>
  same([
    ["SORT", "l", "STORE", "d"],
    ["LRANGE", "d", "0", "-1"],
    ["TYPE", "d"],
    ["SORT", "strs", "BY", "w_*", "GET", "#", "GET", "h_*->f", "STORE", "str"],
    ["LRANGE", "str", "0", "-1"],
    ["SORT", "l", "LIMIT", "0", "0", "STORE", "str"],
    ["EXISTS", "str"],
    ["EXPIRE", "d", "100"],
    ["SORT", "ints", "BY", "nosort", "STORE", "d"],
    ["LRANGE", "d", "0", "-1"],
    ["TTL", "d"],
    ["SORT", "strs", "BY", "nosort", "DESC", "LIMIT", "0", "2", "STORE", "d"],
    ["LRANGE", "d", "0", "-1"],
    ["SORT", "none", "STORE", "d"],
    ["EXISTS", "d"],
    ["SORT", "words", "STORE", "d"],
    ["SORT", "l", "STORE", "l"],
    ["LRANGE", "l", "0", "-1"],
    ["SORT", "str", "STORE", "d"],
    ["SORT", "hash", "STORE", "d"],
    ["EXISTS", "d"],
  ]));

redisTest("SORT's events and counts of changes are Redis's", () =>
  compareEffects([
    ["RPUSH", "l", "3", "1", "2"],
    ["SORT", "l", "STORE", "d"],
    ["SORT", "l", "STORE", "d"],
    ["SORT", "l", "BY", "w_*", "GET", "x_*", "STORE", "d"],
    ["SORT", "none", "STORE", "d"],
    ["SORT", "none", "STORE", "d"],
    ["SORT", "l", "BY", "w_*"],
  ]));

redisTest("SORT of many random elements is the same on both", () =>
  seeded(async (rng) => {
    await using pair = await startPair();
    const numbers = Array.from({ length: 700 }, () => `${rng.int(-99, 99)}.${rng.int(0, 9)}`);
    const bytes = Array.from(
      { length: 300 },
      () => rng.bytes(rng.int(0, 6)).map((byte) => byte | 1),
    );
    await compare(pair, [
      ["RPUSH", "n", ...numbers],
      ["SORT", "n"],
      ["SORT", "n", "DESC", "LIMIT", "100", "50"],
      ["RPUSH", "b", ...bytes],
      ["SORT", "b", "ALPHA"],
      ["SORT", "b", "ALPHA", "DESC", "STORE", "d"],
      ["LRANGE", "d", "0", "-1"],
      ["SADD", "s", ...bytes],
      ["SORT", "s", "ALPHA"],
    ]);
  }));

Deno.test("a stored SORT serves who waits for the list", async () => {
  await using server = await serve({ port: 0 });
  using waiting = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await waiting.post("BLPOP", "d", 0);
  await eventually(async () => /blocked_clients:1\\r/.test(await client.ask("INFO", "clients")));
  await client.send("RPUSH", "l", "2", "1");
  assertEquals(await client.ask("SORT", "l", "STORE", "d"), ":2");
  assertEquals(await client.ask("LRANGE", "d", "0", "-1"), `["2"]`);
});
