import { assert, assertEquals } from "@std/assert";
import { compare, startPair, type Step, unordered } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";

/** Limits that keep sets small, and those that make every set large. */
const SIZES = { small: {}, large: { "zset-max-listpack-entries": 0 } } as const;

/** Runs the steps on both, in both protocols, on sets of both encodings. */
async function same(steps: readonly Step[]): Promise<void> {
  for (const config of Object.values(SIZES)) {
    for (const protocol of [2, 3] as const) {
      await using pair = await startPair({ protocol, config });
      await compare(pair, steps);
    }
  }
}

const LETTERS = ["ZADD", "z", ..."abcdefghij".split("").flatMap((name, i) => [String(i), name])];
/** With equal scores, negative ones, infinities and fractions. */
// deno-fmt-ignore
const MIXED = [
  "ZADD", "z", "-inf", "min", "inf", "max", "1", "b", "1", "a", "1", "", "1", "aa", "1", "B", "-1.5", "neg",
  "2.5", "12", "2.5", "-7", "2.5", "007", "1e20", "big", "0", "zero", "1", "\xff", "1", "\0",
];

redisTest("ZADD adds, changes and counts members as Redis does", () =>
  same([
    ["ZADD", "z", "1", "a"],
    ["ZADD", "z", "1", "a"],
    ["ZADD", "z", "2", "a", "3", "b", "4", "c"],
    ["ZADD", "z", "CH", "2", "a", "5", "b", "4", "d"],
    ["ZADD", "z", "1", "e", "2", "e", "3", "e"],
    ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
    ["ZADD", "z", "0x10", "hex", "1e3", "exponent", "+5", "plus", "-0", "minus", ".5", "point"],
    ["ZADD", "z", "inf", "i", "-inf", "j", "+inf", "k", "Infinity", "l"],
    ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
    ["ZSCORE", "z", "minus"],
    ["ZADD", "z", "0", "minus", "-0", "none"],
    ["ZSCORE", "z", "minus"],
    ["ZADD", "new", "-5", "5"],
    ["ZADD", "new", "9007199254740993", "x", "1e19", "w"],
    ["ZRANGE", "new", "0", "-1", "WITHSCORES"],
    ["TYPE", "new"],
    ["OBJECT", "ENCODING", "new"],
  ]));

redisTest("ZADD heeds its options as Redis does", async () => {
  const steps: Step[] = [];
  for (const condition of [[], ["NX"], ["XX"], ["nx", "NX"]]) {
    for (const comparison of [[], ["GT"], ["LT"]]) {
      for (const change of [[], ["CH"]]) {
        for (const increment of [[], ["INCR"]]) {
          const options = [...condition, ...comparison, ...change, ...increment];
          steps.push(["DEL", "z", "none"], ["ZADD", "z", "5", "a"]);
          for (const score of ["4", "5", "6", "0", "-1", "1"]) {
            steps.push(["ZADD", "z", ...options, score, "a"], ["ZSCORE", "z", "a"]);
          }
          steps.push(
            ["ZADD", "z", ...options, "1", "b"],
            ["ZADD", "none", ...options, "1", "b"],
            ["ZADD", "z", ...options, "1", "b", "7", "a"],
            ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
            ["EXISTS", "none"],
          );
        }
      }
    }
  }
  await same(steps);
});

redisTest("ZADD and ZINCRBY refuse what Redis refuses", () =>
  same([
    ["SET", "s", "x"],
    ["ZADD", "z"],
    ["ZADD", "z", "1"],
    ["ZADD", "z", "1", "a", "2"],
    ["ZADD", "z", "NX", "XX", "1", "a"],
    ["ZADD", "z", "NX", "XX", "GT", "1", "a"],
    ["ZADD", "z", "GT", "LT", "1", "a"],
    ["ZADD", "z", "GT", "NX", "1", "a"],
    ["ZADD", "z", "NX", "LT", "x", "a"],
    ["ZADD", "z", "XX", "NX", "INCR"],
    ["ZADD", "z", "NX", "1"],
    ["ZADD", "z", "INCR", "1", "a", "2", "b"],
    ["ZADD", "z", "INCR", "x", "a"],
    ["ZADD", "z", "1", "a", "x", "b"],
    ["ZADD", "z", "1", "a", "", "b"],
    ["ZADD", "z", "nan", "a"],
    ["ZADD", "z", " 1", "a"],
    ["ZADD", "z", "1 ", "a"],
    ["ZADD", "z", "1e400", "a"],
    ["ZADD", "z", "(1", "a"],
    ["EXISTS", "z"],
    ["ZADD", "s", "1", "a"],
    ["ZADD", "s", "x", "a"],
    ["ZADD", "s", "XX", "1", "a"],
    ["ZINCRBY", "s", "1", "a"],
    ["ZINCRBY", "z", "x", "a"],
    ["ZINCRBY", "z", "NX", "a"],
    ["ZINCRBY", "z", "1"],
    ["ZADD", "i", "inf", "a"],
    ["ZINCRBY", "i", "-inf", "a"],
    ["ZADD", "i", "INCR", "-inf", "a"],
    ["ZSCORE", "i", "a"],
    ["ZINCRBY", "i", "nan", "a"],
  ]));

redisTest("ZINCRBY adds to scores as Redis does", () =>
  same([
    ["ZINCRBY", "z", "1", "a"],
    ["ZINCRBY", "z", "1.5", "a"],
    ["ZINCRBY", "z", "-4", "a"],
    ["ZINCRBY", "z", "inf", "a"],
    ["ZINCRBY", "z", "1", "a"],
    ["ZINCRBY", "z", "-0", "b"],
    ["ZINCRBY", "z", "0", "b"],
    ["ZADD", "z", "1", "c", "2", "d", "3", "e"],
    ["ZINCRBY", "z", "1.5", "c"],
    ["ZINCRBY", "z", "9007199254740992", "c"],
    ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
  ]));

redisTest("ZSCORE, ZMSCORE, ZCARD and ZREM answer as Redis does", () =>
  same([
    ["SET", "s", "x"],
    MIXED,
    ["ZSCORE", "z", "b"],
    ["ZSCORE", "z", "max"],
    ["ZSCORE", "z", "no"],
    ["ZSCORE", "none", "a"],
    ["ZSCORE", "s", "a"],
    ["ZMSCORE", "z", "b", "no", "b", "12", "-7", "007", "7", "", "\0"],
    ["ZMSCORE", "none", "a", "b"],
    ["ZMSCORE", "s", "a"],
    ["ZMSCORE", "z"],
    ["ZCARD", "z"],
    ["ZCARD", "none"],
    ["ZCARD", "s"],
    ["ZREM", "z", "b", "no", "b", "12"],
    ["ZREM", "z", "no"],
    ["ZREM", "none", "a"],
    ["ZREM", "s", "a"],
    ["ZREM", "z"],
    ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
    [
      "ZREM",
      "z",
      "min",
      "max",
      "a",
      "aa",
      "",
      "B",
      "neg",
      "-7",
      "007",
      "big",
      "zero",
      "\xff",
      "\0",
    ],
    ["EXISTS", "z"],
    ["ZSCORE", "z", "a", "b"],
  ]));

redisTest("ZRANK and ZREVRANK answer as Redis does", () =>
  same([
    ["SET", "s", "x"],
    MIXED,
    ...["min", "max", "a", "b", "", "aa", "B", "12", "-7", "007", "\xff", "no"].flatMap((name) => [
      ["ZRANK", "z", name],
      ["ZREVRANK", "z", name],
    ]),
    ["ZRANK", "none", "a"],
    ["ZREVRANK", "none", "a"],
    ["ZRANK", "s", "a"],
    ["ZRANK", "z"],
  ]));

redisTest("ZRANK and ZREVRANK take WITHSCORE, as since Redis 7.2", async () => {
  for (const [protocol, shown, nothing] of [[2, '"2.5"', "nil*"], [3, ",2.5", "nil"]] as const) {
    await using pair = await startPair({ protocol });
    const { redino } = pair;
    await redino.send("ZADD", "z", "1", "a", "2.5", "b", "3", "c", "4", "d");
    const ask = async (...command: string[]) => show(await redino.send(...command));
    assertEquals(await ask("ZRANK", "z", "b", "WITHSCORE"), `[:1 ${shown}]`);
    assertEquals(await ask("ZREVRANK", "z", "b", "withscore"), `[:2 ${shown}]`);
    assertEquals(await ask("ZRANK", "z", "no", "WITHSCORE"), nothing);
    assertEquals(await ask("ZREVRANK", "none", "no", "WITHSCORE"), nothing);
    assertEquals(await ask("ZRANK", "z", "b", "WITHSCORES"), "-ERR syntax error");
    assertEquals(
      await ask("ZRANK", "z", "b", "WITHSCORE", "x"),
      "-ERR wrong number of arguments for 'zrank' command",
    );
  }
});

redisTest("ZPOPMIN, ZPOPMAX and ZMPOP answer as Redis does", () =>
  same([
    MIXED,
    LETTERS.with(1, "y"),
    ["SET", "s", "x"],
    ["ZPOPMIN", "z"],
    ["ZPOPMAX", "z"],
    ["ZPOPMIN", "z", "1"],
    ["ZPOPMAX", "z", "3"],
    ["ZPOPMIN", "z", "0"],
    ["ZPOPMAX", "none", "0"],
    ["ZPOPMAX", "none"],
    ["ZPOPMAX", "none", "5"],
    ["ZPOPMIN", "s"],
    ["ZPOPMIN", "s", "0"],
    ["ZPOPMIN", "s", "-1"],
    ["ZPOPMIN", "z", "x"],
    ["ZPOPMIN", "z", "1", "2"],
    ["ZPOPMIN", "z", INT64_MAX],
    ["EXISTS", "z"],
    ["ZMPOP", "1", "y", "MIN"],
    ["ZMPOP", "3", "none", "z", "y", "max", "COUNT", "2"],
    ["ZMPOP", "2", "none", "z", "MAX"],
    ["ZMPOP", "2", "s", "y", "MAX"],
    ["ZMPOP", "2", "y", "s", "MAX"],
    ["ZMPOP", "0", "y", "MAX"],
    ["ZMPOP", "-1", "y", "MAX"],
    ["ZMPOP", "x", "y", "MAX"],
    ["ZMPOP", "2", "y", "MAX"],
    ["ZMPOP", "1", "y", "MID"],
    ["ZMPOP", "1", "y", "MIN", "COUNT"],
    ["ZMPOP", "1", "y", "MIN", "COUNT", "0"],
    ["ZMPOP", "1", "y", "MIN", "COUNT", "x"],
    ["ZMPOP", "1", "y", "MIN", "COUNT", "1", "COUNT", "2"],
    ["ZMPOP", "1", "y", "MIN", "NO", "1"],
    ["ZMPOP", "1", "y", "MIN", "COUNT", "100"],
    ["EXISTS", "y"],
  ]));

redisTest("ZUNION, ZINTER and ZDIFF answer as Redis does", async () => {
  const steps: Step[] = [
    ["ZADD", "a", "1", "x", "2", "y", "3", "z", "inf", "i", "4", "12"],
    ["ZADD", "b", "10", "y", "20", "z", "30", "w", "-inf", "i", "40", "12"],
    ["ZADD", "c", "0.5", "z", "7", "i"],
    ["SADD", "set", "x", "z", "12", "q"],
    ["SADD", "ints", "12", "13"],
    ["SET", "s", "x"],
  ];
  const inputs = [
    ["a"],
    ["a", "b"],
    ["a", "b", "c"],
    ["c", "a"],
    ["a", "none"],
    ["none"],
    ["a", "a"],
    [
      "a",
      "set",
    ],
    ["set", "ints"],
    ["ints", "a", "b"],
    ["b", "set", "a"],
  ];
  for (const names of inputs) {
    const count = String(names.length);
    const weights = names.map((_, i) => ["2", "-1.5", "0"][i]!);
    for (const command of ["ZUNION", "ZINTER"]) {
      const all = [command, count, ...names];
      steps.push(
        all,
        [...all, "WITHSCORES"],
        [...all, "WEIGHTS", ...weights, "WITHSCORES"],
        [...all, "AGGREGATE", "MIN", "WITHSCORES"],
        [...all, "WITHSCORES", "AGGREGATE", "max", "WEIGHTS", ...weights.toReversed()],
        [`${command}STORE`, "to", count, ...names, "WEIGHTS", ...weights],
        ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
        ["OBJECT", "ENCODING", "to"],
        [`${command}STORE`, "to", count, ...names, "AGGREGATE", "SUM"],
        ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
      );
    }
    steps.push(
      ["ZDIFF", count, ...names],
      ["ZDIFF", count, ...names, "WITHSCORES"],
      ["ZDIFFSTORE", "to", count, ...names],
      ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
      ["ZINTERCARD", count, ...names],
      ["ZINTERCARD", count, ...names, "LIMIT", "0"],
      ["ZINTERCARD", count, ...names, "LIMIT", "1"],
      ["ZINTERCARD", count, ...names, "LIMIT", "1", "LIMIT", "2"],
    );
  }
  steps.push(
    ["ZUNIONSTORE", "a", "2", "a", "b"],
    ["ZRANGE", "a", "0", "-1", "WITHSCORES"],
    ["ZUNIONSTORE", "s", "1", "a"],
    ["TYPE", "s"],
    ["ZINTERSTORE", "s", "2", "a", "none"],
    ["EXISTS", "s"],
  );
  await same(steps);
});

redisTest("ZUNION and its kin refuse what Redis refuses", async () => {
  const steps: Step[] = [["ZADD", "a", "1", "x"], ["SET", "s", "x"]];
  for (
    const name of [
      "ZUNION",
      "ZINTER",
      "ZDIFF",
      "ZINTERCARD",
      "ZUNIONSTORE",
      "ZINTERSTORE",
      "ZDIFFSTORE",
    ]
  ) {
    const command = name.endsWith("STORE") ? [name, "to"] : [name];
    for (
      const rest of [
        ["0", "a"],
        ["-1", "a"],
        ["x", "a"],
        ["2", "a"],
        ["1", "s"],
        ["2", "none", "s"],
        ["1", "s", "NO"],
        ["1", "a", "NO"],
        ["1", "a", "WEIGHTS"],
        ["1", "a", "WEIGHTS", "x"],
        ["1", "a", "WEIGHTS", "nan"],
        ["1", "a", "WEIGHTS", "1", "2"],
        ["1", "a", "WEIGHTS", "1", "WEIGHTS", "2"],
        ["1", "a", "AGGREGATE"],
        ["1", "a", "AGGREGATE", "AVG"],
        ["1", "a", "AGGREGATE", "MIN", "AGGREGATE", "MAX"],
        ["1", "a", "WITHSCORES"],
        ["1", "a", "WITHSCORES", "WITHSCORES"],
        ["1", "a", "LIMIT"],
        ["1", "a", "LIMIT", "x"],
        ["1", "a", "LIMIT", "-1"],
        ["2", "a", "a", "WEIGHTS", "1"],
        [INT64_MAX, "a"],
        ["1"],
      ]
    ) steps.push([...command, ...rest]);
  }
  await same(steps);
});

redisTest("ZRANDMEMBER has the shapes and errors of Redis", () =>
  same([
    LETTERS,
    ["ZADD", "one", "1", "a"],
    ["SET", "s", "x"],
    ["ZRANDMEMBER", "one"],
    ["ZRANDMEMBER", "one", "-3"],
    ["ZRANDMEMBER", "one", "-3", "WITHSCORES"],
    ["ZRANDMEMBER", "one", "3", "WITHSCORES"],
    unordered(["ZRANDMEMBER", "z", "10"]),
    unordered(["ZRANDMEMBER", "z", "100", "withscores"]),
    ["ZRANDMEMBER", "z", "0"],
    ["ZRANDMEMBER", "none"],
    ["ZRANDMEMBER", "none", "3"],
    ["ZRANDMEMBER", "none", "3", "WITHSCORES"],
    ["ZRANDMEMBER", "s"],
    ["ZRANDMEMBER", "s", "1"],
    ["ZRANDMEMBER", "s", "x"],
    ["ZRANDMEMBER", "z", "1", "NO"],
    ["ZRANDMEMBER", "z", "x", "NO"],
    ["ZRANDMEMBER", "z", "1", "WITHSCORES", "x"],
    ["ZRANDMEMBER", "z", INT64_MIN],
    ["ZRANDMEMBER", "z", "-9223372036854775807", "WITHSCORES"],
    ["ZRANDMEMBER", "z", INT64_MAX, "WITHSCORES"],
    ["ZRANDMEMBER", "z", "9223372036854775808"],
  ]));

redisTest("ZRANDMEMBER picks each member, and with a count none twice", async () => {
  for (const config of Object.values(SIZES)) {
    await using pair = await startPair({ config });
    const { redino } = pair;
    const names = Array.from({ length: 40 }, (_, i) => `m${i}`);
    await redino.send("ZADD", "z", ...names.flatMap((name, i) => [i, name]));
    for (const count of [1, 5, 20, 39]) {
      const seen = new Set<string>();
      for (let i = 0; i < 5000 && seen.size < names.length; i++) {
        const reply = await redino.send("ZRANDMEMBER", "z", count);
        assert("items" in reply);
        const picked = reply.items.map((item) => "text" in item ? item.text : "");
        assertEquals(new Set(picked).size, count);
        for (const name of picked) seen.add(name);
      }
      assertEquals([...seen].sort(), names.toSorted());
    }
  }
});

redisTest("ZSCAN shows what Redis shows", () =>
  same([
    MIXED,
    ["SET", "s", "x"],
    unordered(["ZSCAN", "z", "0", "COUNT", "1000"]),
    unordered(["ZSCAN", "z", "0", "COUNT", "1000", "MATCH", "*a*"]),
    ["ZSCAN", "none", "0"],
    ["ZSCAN", "none", "0", "NO"],
    ["ZSCAN", "s", "0"],
    ["ZSCAN", "s", "x"],
    ["ZSCAN", "z", "x"],
    ["ZSCAN", "z", "0", "COUNT", "0"],
    ["ZSCAN", "z", "0", "COUNT", "x"],
    ["ZSCAN", "z", "0", "NO"],
    ["ZSCAN", "z", "0", "TYPE", "string"],
    ["ZSCAN", "z", "0", "MATCH"],
  ]));

redisTest("ZSCAN of a large set shows scores in the digits of Redis", async () => {
  // deno-fmt-ignore
  const scores = [
    "0.1", "0.2", "-0.30000000000000004", "1e-5", "0.0001", "123456.789", "1e16", "1e17", "123456789012345678", "1e300",
    "5e-324", "2.2250738585072014e-308", "562949953421312.125", "562949953421312.375", "-0", "inf", "-inf", "0.5",
    "9007199254740993", "99999999999999990", "3.0e-7", "281474976710656.0625", "281474976710656.1875",
  ];
  await using pair = await startPair({ config: SIZES.large });
  await compare(pair, [
    ["ZADD", "z", ...scores.flatMap((score) => [score, score])],
    unordered(["ZSCAN", "z", "0", "COUNT", "1000"]),
  ]);
});

redisTest("A walk by ZSCAN with any COUNT finds all members", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  const names = Array.from({ length: 300 }, (_, i) => `m${i}`);
  await redino.send("ZADD", "z", ...names.flatMap((name, i) => [i, name]));
  for (const count of [1, 7, 100, 10_000]) {
    const seen = new Map<string, string>();
    let cursor = "0";
    do {
      const reply = await redino.send("ZSCAN", "z", cursor, "COUNT", count);
      assert("items" in reply);
      const [next, found] = reply.items;
      assert(next !== undefined && "text" in next && found !== undefined && "items" in found);
      cursor = next.text;
      for (let i = 0; i < found.items.length; i += 2) {
        const [name, score] = [found.items[i]!, found.items[i + 1]!];
        assert("text" in name && "text" in score);
        seen.set(name.text, score.text);
      }
    } while (cursor !== "0");
    assertEquals(seen.size, names.length);
    assertEquals(seen.get("m123"), "123");
  }
});

redisTest("Sorted sets have the encodings of Redis, and keep them", async () => {
  await using pair = await startPair({
    config: { "zset-max-listpack-entries": 4, "zset-max-listpack-value": 8 },
  });
  const encoding = (key: string) => ["OBJECT", "ENCODING", key];
  await compare(pair, [
    ["ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d"],
    encoding("z"),
    ["ZADD", "z", "5", "a"],
    encoding("z"),
    ["ZADD", "z", "5", "e"],
    encoding("z"),
    ["ZREM", "z", "a", "b", "c"],
    encoding("z"),
    ["ZADD", "long", "1", "12345678"],
    encoding("long"),
    ["ZADD", "long", "1", "123456789"],
    encoding("long"),
    ["ZADD", "longer", "1", "123456789"],
    encoding("longer"),
    ["ZUNIONSTORE", "to", "1", "z"],
    encoding("to"),
    ["ZUNIONSTORE", "to", "2", "z", "long"],
    encoding("to"),
    ["ZRANGESTORE", "to", "z", "0", "0"],
    encoding("to"),
    ["ZRANGESTORE", "to", "long", "0", "-1"],
    encoding("to"),
    ["ZADD", "many", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e"],
    encoding("many"),
    ["COPY", "many", "copied"],
    encoding("copied"),
    ["ZRANGE", "copied", "0", "-1", "WITHSCORES"],
    ["COPY", "to", "other", "DB", "3"],
    ["ZREM", "many", "a"],
    ["ZCARD", "copied"],
    ["MOVE", "copied", "5"],
    ["SELECT", "5"],
    ["ZADD", "copied", "9", "z"],
    ["ZREVRANGE", "copied", "0", "-1", "WITHSCORES"],
    ["DEBUG", "DIGEST"],
  ]);
});

redisTest("Sorted sets tell of changes as Redis does", () =>
  compareEffects([
    ["ZADD", "z", "1", "a", "2", "b"],
    ["ZADD", "z", "1", "a"],
    ["ZADD", "z", "CH", "3", "a", "4", "c"],
    ["ZADD", "z", "INCR", "1", "a"],
    ["ZADD", "z", "NX", "INCR", "1", "a"],
    ["ZINCRBY", "z", "1", "a"],
    ["ZINCRBY", "z", "0", "a"],
    ["ZADD", "z", "XX", "1", "new"],
    ["ZADD", "none", "XX", "1", "new"],
    ["ZREM", "z", "a", "no"],
    ["ZREM", "z", "no"],
    ["ZREM", "z", "b", "c", "d"],
    ["ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e", "6", "f"],
    ["ZREMRANGEBYRANK", "z", "0", "1"],
    ["ZREMRANGEBYRANK", "z", "10", "11"],
    ["ZREMRANGEBYSCORE", "z", "3", "3"],
    ["ZPOPMIN", "z"],
    ["ZPOPMAX", "z", "5"],
    ["ZADD", "z", "1", "a", "1", "b"],
    ["ZREMRANGEBYLEX", "z", "-", "+"],
    ["ZADD", "z", "1", "a", "2", "b", "3", "c"],
    ["ZMPOP", "2", "none", "z", "MIN", "COUNT", "2"],
    ["ZPOPMIN", "z", "0"],
    ["ZADD", "y", "1", "a"],
    ["ZUNIONSTORE", "to", "2", "z", "y"],
    ["ZINTERSTORE", "to", "2", "z", "none"],
    ["ZINTERSTORE", "to", "2", "z", "none"],
    ["ZDIFFSTORE", "to", "1", "z"],
    ["ZDIFFSTORE", "to", "1", "z"],
    ["ZRANGESTORE", "to", "z", "0", "-1"],
    ["ZRANGESTORE", "to", "z", "5", "6"],
    ["ZRANGESTORE", "to", "none", "5", "6"],
    ["ZUNION", "2", "z", "none"],
    ["ZINTERCARD", "2", "z", "none"],
    ["ZSCORE", "none", "a"],
    ["ZCARD", "none"],
    ["ZRANDMEMBER", "none"],
    ["ZRANGE", "none", "0", "1"],
    ["BZPOPMIN", "none", "z", "1"],
    ["ZADD", "z", "1", "a", "2", "b"],
    ["BZMPOP", "1", "1", "z", "MAX", "COUNT", "10"],
    ["SET", "s", "x"],
    ["ZUNIONSTORE", "s", "1", "y"],
  ]));

/** A command on one of a few sets, of everything that sets can do. */
function anyCommand(rng: Rng): Step {
  const key = () => rng.pick(["x", "y", "z"]);
  const name = () =>
    rng.pick([String(rng.int(-3, 300)), `m${rng.int(0, 60)}`, "a".repeat(rng.int(0, 12))]);
  const score = () =>
    rng.pick([String(rng.int(-5, 5)), String(rng.int(-20, 20) / 4), "inf", "-inf"]);
  const bound = () => rng.pick(["", "("]) + score();
  const index = () => String(rng.int(-8, 8));
  const pairs = () => {
    const names = new Set(Array.from({ length: rng.int(1, 6) }, name));
    return [...names].flatMap((member) => [score(), member]);
  };
  switch (rng.int(0, 21)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return ["ZADD", key(), ...pairs()];
    case 4:
      return ["ZADD", key(), rng.pick(["NX", "XX", "GT", "LT"]), "CH", ...pairs()];
    case 5:
      return ["ZINCRBY", key(), String(rng.int(-9, 9)), name()];
    case 6:
    case 7:
      return ["ZREM", key(), name(), name()];
    case 8:
      return ["ZRANK", key(), name()];
    case 9:
      return ["ZREVRANK", key(), name()];
    case 10:
      return ["ZRANGE", key(), index(), index(), "WITHSCORES"];
    case 11:
      return ["ZREVRANGE", key(), index(), index()];
    case 12:
      return ["ZRANGEBYSCORE", key(), bound(), bound(), "LIMIT", index(), index()];
    case 13:
      return ["ZREVRANGEBYSCORE", key(), bound(), bound(), "WITHSCORES"];
    case 14:
      return ["ZCOUNT", key(), bound(), bound()];
    case 15:
      return ["ZPOPMIN", key(), String(rng.int(0, 2))];
    case 16:
      return ["ZPOPMAX", key(), String(rng.int(0, 2))];
    case 17:
      return ["ZREMRANGEBYRANK", key(), "-2", index()];
    case 18:
      return ["ZUNIONSTORE", key(), "2", key(), key(), "AGGREGATE", rng.pick(["MIN", "MAX"])];
    case 19:
      return ["ZRANGESTORE", key(), key(), index(), index()];
    case 20:
      return ["ZDIFFSTORE", key(), "2", key(), key()];
    default:
      return ["OBJECT", "ENCODING", key()];
  }
}

redisTest(
  "Any commands on sorted sets leave what they leave in Redis",
  () =>
    seeded(async (rng) => {
      await using pair = await startPair({
        config: { "zset-max-listpack-entries": 20, "zset-max-listpack-value": 10 },
      });
      const steps = Array.from({ length: 4000 }, () => anyCommand(rng));
      for (let i = 0; i < steps.length; i += 500) steps.splice(i, 0, ["DEBUG", "DIGEST"]);
      await compare(pair, [...steps, ["DEBUG", "DIGEST"]]);
    }),
);

redisTest("BZPOPMIN, BZPOPMAX and BZMPOP answer at once where a set is there", () =>
  same([
    LETTERS,
    ["SET", "s", "x"],
    ["BZPOPMIN", "z", "0"],
    ["BZPOPMAX", "none", "z", "1.5"],
    ["BZMPOP", "0", "1", "z", "MIN"],
    ["BZMPOP", "1", "2", "none", "z", "MAX", "COUNT", "3"],
    ["BZPOPMIN", "s", "z", "0"],
    ["BZPOPMIN", "z", "s", "0"],
    ["BZPOPMIN", "none", "s", "0"],
    ["BZPOPMIN", "z", "x"],
    ["BZPOPMIN", "s", "-1"],
    ["BZPOPMIN", "z"],
    ["BZMPOP", "x", "1", "z", "MIN"],
    ["BZMPOP", "-1", "0", "z", "MIN"],
    ["BZMPOP", "0", "0", "z", "MIN"],
    ["BZMPOP", "0", "2", "z", "MIN"],
    ["BZMPOP", "0", "1", "z", "MIN", "COUNT", "0"],
    ["BZMPOP", "0", "1", "s", "MIN"],
    ["BZPOPMIN", "none", "0.01"],
    ["BZMPOP", "0.01", "1", "none", "MAX"],
    ["MULTI"],
    ["BZPOPMIN", "none", "0"],
    ["BZPOPMAX", "z", "0"],
    ["BZMPOP", "0", "1", "none", "MIN"],
    ["EXEC"],
  ]));
