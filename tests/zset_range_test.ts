import { compare, startPair, type Step } from "./support/differential.ts";
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

const INDEXES = ["0", "1", "-1", "3", "-3", "9", "10", "-10", "-11", "100", INT64_MAX, INT64_MIN];

redisTest("ZRANGE and ZREVRANGE answer by rank as Redis does", async () => {
  const steps: Step[] = [LETTERS];
  for (const start of INDEXES) {
    for (const stop of INDEXES) {
      steps.push(
        ["ZRANGE", "z", start, stop],
        ["ZRANGE", "z", start, stop, "REV", "WITHSCORES"],
        ["ZREVRANGE", "z", start, stop],
      );
    }
  }
  steps.push(
    ["SET", "s", "x"],
    ["ZRANGE", "z", "0", "-1", "WITHSCORES", "withscores"],
    ["ZREVRANGE", "z", "0", "2", "WITHSCORES"],
    ["ZRANGE", "none", "0", "-1"],
    ["ZRANGE", "none", "0", "-1", "WITHSCORES"],
    ["ZRANGE", "s", "0", "-1"],
    ["ZRANGE", "z", "x", "-1"],
    ["ZRANGE", "s", "0", "x"],
    ["ZRANGE", "z", "0", "1.5"],
    ["ZRANGE", "z", "0", "-1", "NO"],
    ["ZRANGE", "z", "0", "-1", "LIMIT", "0", "1"],
    ["ZRANGE", "z", "0", "-1", "LIMIT", "1", "-1"],
    ["ZRANGE", "z", "0", "-1", "LIMIT", "1"],
    ["ZRANGE", "z", "0", "-1", "LIMIT", "x", "1"],
    ["ZRANGE", "z", "0", "-1", "REV", "REV"],
    ["ZRANGE", "z", "0", "-1", "BYSCORE", "BYLEX"],
    ["ZRANGE", "z", "0", "-1", "BYLEX", "WITHSCORES"],
    ["ZREVRANGE", "z", "0", "-1", "REV"],
    ["ZREVRANGE", "z", "0", "-1", "BYSCORE"],
    ["ZREVRANGE", "z", "0", "-1", "LIMIT", "0", "1"],
    ["ZRANGEBYSCORE", "z", "0", "-1", "REV"],
    ["ZRANGEBYLEX", "z", "-", "+", "WITHSCORES"],
  );
  await same(steps);
});

// deno-fmt-ignore
const SCORE_BOUNDS = [
  "-inf", "+inf", "inf", "1", "(1", "2.5", "(2.5", "-1.5", "(-1.5", "0", "-0", "(0", "(inf", "(-inf", "1e20", "1e400",
  "", "(", " 1", "( 1", "0x1",
];

redisTest("Ranges of scores are what Redis has", async () => {
  const steps: Step[] = [MIXED];
  for (const min of SCORE_BOUNDS) {
    for (const max of SCORE_BOUNDS) {
      steps.push(
        ["ZRANGEBYSCORE", "z", min, max, "WITHSCORES"],
        ["ZREVRANGEBYSCORE", "z", max, min],
        ["ZCOUNT", "z", min, max],
      );
    }
  }
  for (const offset of ["0", "1", "3", "30", "-1", INT64_MAX]) {
    for (const count of ["0", "1", "3", "30", "-1", "-2", INT64_MAX]) {
      steps.push(
        ["ZRANGEBYSCORE", "z", "-1", "+inf", "LIMIT", offset, count],
        ["ZREVRANGEBYSCORE", "z", "3", "(0", "LIMIT", offset, count, "WITHSCORES"],
        ["ZRANGE", "z", "3", "(0", "BYSCORE", "REV", "WITHSCORES", "LIMIT", offset, count],
      );
    }
  }
  steps.push(
    ["SET", "s", "x"],
    ...["x", "1x", "((1", "nan", "1 ", " ", "[1", "-", "+"].flatMap((bound) => [
      ["ZRANGEBYSCORE", "z", bound, "1"],
      ["ZCOUNT", "s", "1", bound],
      ["ZREMRANGEBYSCORE", "s", "1", bound],
      ["ZRANGE", "none", bound, "1", "BYSCORE"],
    ]),
    ["ZRANGEBYSCORE", "none", "1", "2"],
    ["ZRANGEBYSCORE", "s", "1", "2"],
    ["ZRANGEBYSCORE", "z", "1", "2", "LIMIT", "1"],
    ["ZRANGEBYSCORE", "z", "1", "2", "LIMIT", "a", "1"],
    ["ZRANGEBYSCORE", "z", "x", "2", "LIMIT", "a", "1"],
    ["ZCOUNT", "none", "1", "2"],
    ["ZCOUNT", "s", "1", "2"],
    ["ZCOUNT", "z", "1"],
  );
  await same(steps);
});

const MEMBERS = ["", "a", "aa", "ab", "b", "ba", "\0", "\xff", "12", "007", "B", "zz"];
const MEMBER_BOUNDS = [
  "-",
  "+",
  "[",
  "(",
  "[a",
  "(a",
  "[ab",
  "(b",
  "(12",
  "[12",
  "(zz",
  "[zzz",
  "[\xff",
];

redisTest("Ranges of members are what Redis has", async () => {
  const steps: Step[] = [["ZADD", "z", ...MEMBERS.flatMap((name) => ["1", name])]];
  for (const min of MEMBER_BOUNDS) {
    for (const max of MEMBER_BOUNDS) {
      steps.push(
        ["ZRANGEBYLEX", "z", min, max],
        ["ZREVRANGEBYLEX", "z", max, min],
        ["ZLEXCOUNT", "z", min, max],
      );
    }
  }
  for (const offset of ["0", "1", "3", "30", "-1"]) {
    for (const count of ["0", "1", "3", "30", "-1", "-2"]) {
      steps.push(
        ["ZRANGEBYLEX", "z", "(a", "+", "LIMIT", offset, count],
        ["ZREVRANGEBYLEX", "z", "+", "[a", "LIMIT", offset, count],
        ["ZRANGE", "z", "+", "[a", "BYLEX", "REV", "LIMIT", offset, count],
      );
    }
  }
  steps.push(
    ["SET", "s", "x"],
    ...["x", "", "-a", "+a", "1"].flatMap((bound) => [
      ["ZRANGEBYLEX", "s", bound, "+"],
      ["ZLEXCOUNT", "s", "-", bound],
      ["ZREMRANGEBYLEX", "s", "-", bound],
    ]),
    ["ZRANGEBYLEX", "none", "-", "+"],
    ["ZLEXCOUNT", "none", "-", "+"],
    ["ZLEXCOUNT", "s", "-", "+"],
  );
  await same(steps);
});

redisTest("A range of members past the last or the first one is empty, of any scores", async () => {
  const sets: Step[] = [
    ["ZADD", "k", "0", "b", "5", "a"],
    ["ZADD", "l", "0", "m", "1", "c", "2", "x", "3", "h"],
  ];
  const ranges = [
    ["k", "[b", "+"],
    ["k", "-", "[a"],
    ["k", "(a", "[b"],
    ["l", "-", "(m"],
    ["l", "(h", "+"],
    ["l", "[n", "(m"],
  ] as const;
  await same([
    ...sets,
    ...ranges.flatMap(([key, min, max]) => [
      ["ZRANGEBYLEX", key, min, max],
      ["ZREVRANGEBYLEX", key, max, min],
      ["ZRANGE", key, min, max, "BYLEX"],
      ["ZRANGE", key, max, min, "BYLEX", "REV"],
      ["ZLEXCOUNT", key, min, max],
      ["ZRANGESTORE", "to", key, min, max, "BYLEX"],
    ]),
    // The ends lie within.
    ["ZRANGEBYLEX", "k", "-", "+"],
    ["ZRANGEBYLEX", "k", "[a", "[b"],
    ["ZLEXCOUNT", "k", "[a", "[b"],
  ]);
  // From a large set Redis removes what the random heights of its skiplist lead to.
  await using pair = await startPair();
  await compare(pair, [
    ...sets,
    ...ranges.map(([key, min, max]) => ["ZREMRANGEBYLEX", key, min, max]),
    ["ZREMRANGEBYLEX", "k", "[a", "[b"],
    ["EXISTS", "k"],
    ["ZRANGE", "l", "0", "-1"],
  ]);
});

redisTest("A reversed range of members begins with its upper end, of any scores", async () => {
  await using pair = await startPair();
  const ends = ["-", "+", ...[..."abcdef"].flatMap((name) => [`[${name}`, `(${name}`])];
  const steps: Step[] = [[
    "ZADD",
    "z",
    "0",
    "c",
    "1",
    "e",
    "2",
    "b",
    "3",
    "d",
    "4",
    "d2",
    "5",
    "a",
  ]];
  for (const min of ends) {
    for (const max of ends) {
      steps.push(
        ["ZRANGEBYLEX", "z", min, max],
        ["ZREVRANGEBYLEX", "z", max, min],
        ["ZRANGE", "z", max, min, "BYLEX", "REV", "LIMIT", "1", "2"],
      );
    }
  }
  await compare(pair, steps);
});

redisTest("ZREMRANGEBYRANK, -BYSCORE and -BYLEX remove what Redis removes", async () => {
  const steps: Step[] = [["SET", "s", "x"]];
  for (const start of INDEXES) {
    for (const stop of INDEXES) {
      steps.push(["DEL", "z"], LETTERS, ["ZREMRANGEBYRANK", "z", start, stop]);
      steps.push(["ZRANGE", "z", "0", "-1"], ["EXISTS", "z"]);
    }
  }
  for (const [min, max] of [["(1", "5"], ["-inf", "inf"], ["5", "1"], ["20", "30"]] as const) {
    steps.push(["DEL", "z"], LETTERS, ["ZREMRANGEBYSCORE", "z", min, max]);
    steps.push(["ZRANGE", "z", "0", "-1"]);
  }
  for (const [min, max] of [["(b", "[d"], ["-", "+"], ["+", "-"], ["[x", "+"]] as const) {
    steps.push(["DEL", "z"], ["ZADD", "z", "0", "a", "0", "b", "0", "c", "0", "d", "0", "e"]);
    steps.push(["ZREMRANGEBYLEX", "z", min, max], ["ZRANGE", "z", "0", "-1"]);
  }
  for (const command of ["ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREMRANGEBYLEX"]) {
    const [min, max] = command.endsWith("LEX") ? ["-", "+"] : ["0", "1"];
    steps.push([command, "none", min!, max!], [command, "s", min!, max!], [command, "s", "x", "y"]);
    steps.push([command, "z", min!]);
  }
  await same(steps);
});

redisTest("ZRANGESTORE stores what Redis stores", () =>
  same([
    MIXED,
    ["SET", "s", "x"],
    ["ZRANGESTORE", "to", "z", "0", "-1"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["OBJECT", "ENCODING", "to"],
    ["ZRANGESTORE", "to", "z", "1", "3", "REV"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["ZRANGESTORE", "to", "z", "(0", "2.5", "BYSCORE", "LIMIT", "1", "3"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["ZRANGESTORE", "to", "z", "2.5", "(0", "BYSCORE", "REV", "LIMIT", "1", "3"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["ZRANGESTORE", "z", "z", "2", "4"],
    ["ZRANGE", "z", "0", "-1"],
    ["ZRANGESTORE", "s", "z", "0", "-1"],
    ["TYPE", "s"],
    ["EXPIRE", "s", "1000"],
    ["ZRANGESTORE", "s", "z", "0", "0"],
    ["TTL", "s"],
    ["ZRANGESTORE", "s", "z", "5", "1"],
    ["EXISTS", "s"],
    ["ZRANGESTORE", "to", "none", "0", "-1"],
    ["EXISTS", "to"],
    ["ZRANGESTORE", "to", "none", "0", "-1"],
    ["SET", "s", "x"],
    ["ZRANGESTORE", "to", "s", "0", "-1"],
    ["ZRANGESTORE", "to", "z", "0", "-1", "WITHSCORES"],
    ["ZRANGESTORE", "to", "z", "0", "x"],
    ["ZRANGESTORE", "to", "z", "a", "b", "BYLEX"],
    ["ZADD", "l", "0", "a", "0", "b", "0", "c"],
    ["ZRANGESTORE", "to", "l", "[b", "+", "BYLEX"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["ZRANGESTORE", "to", "z", "0"],
  ]));

redisTest("ZDIFF takes off what Redis takes off, of few sets and of many", async () => {
  await using pair = await startPair();
  const members = Array.from({ length: 300 }, (_, i) => [String(i % 7), `m${i}`]).flat();
  const others = Array.from({ length: 40 }, (_, i) => `o${i}`);
  await compare(pair, [
    ["ZADD", "first", ...members],
    ...others.map((name, i) => ["ZADD", name, "1", `m${7 * i}`, "2", `m${7 * i + 3}`, "3", "none"]),
    ...[1, 2, others.length].flatMap((count) => [
      ["ZDIFF", count + 2, "first", "missing", ...others.slice(0, count), "WITHSCORES"],
      ["ZDIFFSTORE", "to", count + 1, "first", ...others.slice(0, count)],
      ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ]),
    ["ZDIFFSTORE", "first", 3, "first", "first", "o1"],
    ["EXISTS", "first"],
  ]);
});
