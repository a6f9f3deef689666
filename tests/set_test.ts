import {
  type Command,
  compare,
  sameShape,
  startPair,
  type Step,
  unordered,
} from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = Uint8Array.of(0, 13, 10, 255, 0x24, 128, 0);
const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";
const FUTURE_S = "4102444800";
const LONG = "x".repeat(65);

/** On intsets and on what becomes of them when they grow: 7.0 has no listpack between. */
async function sameInBoth(steps: readonly Step[]): Promise<void> {
  for (const protocol of [2, 3] as const) {
    for (const entries of [512, 2]) {
      const config = { "set-max-intset-entries": entries };
      await using pair = await startPair({ config, protocol });
      // Small sets are tables here and there only without listpacks.
      await pair.redino.send("CONFIG", "SET", "set-max-listpack-entries", entries === 2 ? 0 : 128);
      await compare(pair, steps);
    }
  }
}

function members(key: string): Step[] {
  return [unordered(["SMEMBERS", key]), ["SCARD", key], ["DEBUG", "DIGEST-VALUE", key]];
}

redisTest("SADD, SREM and SCARD count members", () =>
  sameInBoth([
    ["SADD", "s", "1", "2", "3", "2"],
    ["SADD", "s", "3", "4"],
    ...members("s"),
    ["SADD", "s", "a", "", "a", BINARY],
    ["SADD", "s", ""],
    ...members("s"),
    ["SREM", "s", "none"],
    ["SREM", "s", "1", "a", "1", BINARY],
    ...members("s"),
    ["SREM", "s", "2", "3", "4", "", "5"],
    ["EXISTS", "s"],
    ["SREM", "s", "2"],
    ["SCARD", "s"],
    ["SADD", "s"],
    ["SADD"],
    ["SREM", "s"],
    ["SCARD"],
    ["SCARD", "a", "b"],
    ["SADD", BINARY, "x".repeat(100_000), "1"],
    ["SISMEMBER", BINARY, "x".repeat(100_000)],
    ["SREM", BINARY, "x".repeat(100_000)],
    ["SMEMBERS", BINARY],
  ]));

redisTest("SADD keeps apart what looks like an integer and is none", () =>
  sameInBoth([
    ["SADD", "s", "1", "01", "+1", " 1", "-0", "0", "1.0", "", "-"],
    ...members("s"),
    ["SADD", "i", INT64_MAX, INT64_MIN, "9223372036854775808", "-9223372036854775809", "-1"],
    ...members("i"),
    ["SMISMEMBER", "i", INT64_MAX, INT64_MIN, "9223372036854775808", "9223372036854775806", "-1"],
    ["SREM", "i", INT64_MIN, "9223372036854775808"],
    ...members("i"),
  ]));

redisTest("SISMEMBER and SMISMEMBER tell members", () =>
  sameInBoth([
    ["SADD", "s", "1", "5", "70000", "-3"],
    ["SISMEMBER", "s", "5"],
    ["SISMEMBER", "s", "6"],
    ["SISMEMBER", "s", "a"],
    ["SISMEMBER", "none", "a"],
    ["SMISMEMBER", "s", "5", "05", "70000", "-3", "5"],
    ["SADD", "s", "a", BINARY],
    ["SMISMEMBER", "s", "5", "a", BINARY, "b"],
    ["SISMEMBER", "s", BINARY],
    ["SMISMEMBER", "none", "a", "b"],
    ["SISMEMBER", "s"],
    ["SISMEMBER", "s", "a", "b"],
    ["SMISMEMBER", "s"],
    ["SMEMBERS", "none"],
    ["SMEMBERS", "s", "t"],
  ]));

redisTest("SMOVE moves a member between sets", () =>
  sameInBoth([
    ["SADD", "a", "1", "2", "x"],
    ["SADD", "b", "2", "3"],
    ["SMOVE", "a", "b", "1"],
    ["SMOVE", "a", "b", "2"],
    ["SMOVE", "a", "b", "none"],
    ["SMOVE", "none", "b", "x"],
    ["SMOVE", "none", "none", "x"],
    ...members("a"),
    ...members("b"),
    ["SMOVE", "b", "b", "3"],
    ["SMOVE", "b", "b", "none"],
    ["SMOVE", "a", "new", "x"],
    ["EXISTS", "a"],
    ...members("new"),
    ["SMOVE", "b", "new", "3"],
    ...members("new"),
    ["SET", "t", "v"],
    ["SMOVE", "t", "b", "x"],
    ["SMOVE", "b", "t", "2"],
    ["SMOVE", "b", "t", "none"],
    ["SMOVE", "none", "t", "x"],
    ["SMOVE", "t", "t", "x"],
    ["SMOVE", "b", "c"],
  ]));

redisTest("SPOP and SRANDMEMBER refuse what is no count, whatever the key holds", () =>
  sameInBoth([
    ["SET", "t", "v"],
    ["SADD", "s", "1"],
    ...["SPOP", "SRANDMEMBER"].flatMap((name): Command[] => [
      [name, "none"],
      [name, "none", "1"],
      [name, "none", "0"],
      [name, "none", "x"],
      [name, "s", "-9223372036854775808"],
      [name, "s", "-9223372036854775809"],
      [name, "s", "9223372036854775808"],
      [name, "s", ""],
      [name, "s", "1.5"],
      [name, "s", "0"],
      [name, "t"],
      [name, "t", "1"],
      [name, "t", "0"],
      [name, "t", "x"],
      [name, "s", "1", "2"],
      [name, "s", "x", "2"],
      [name],
    ]),
    ["SPOP", "s", "-1"],
    ["SRANDMEMBER", "s", "-3"],
    ["SRANDMEMBER", "s", INT64_MAX],
    ["SRANDMEMBER", "s"],
    ["SPOP", "s", INT64_MAX],
    ["EXISTS", "s"],
    ["SADD", "s", "a"],
    ["SPOP", "s"],
    ["EXISTS", "s"],
  ]));

redisTest("SPOP and SRANDMEMBER reply in the shapes of Redis", () =>
  sameInBoth([
    ["SADD", "s", ...Array.from({ length: 30 }, (_, i) => String(i))],
    ...["1", "5", "20", "29", "40", "-1", "-40"].map((count) =>
      sameShape(["SRANDMEMBER", "s", count])
    ),
    sameShape(["SPOP", "s"]),
    ["SCARD", "s"],
    sameShape(["SPOP", "s", "2"]),
    ["SCARD", "s"],
    sameShape(["SPOP", "s", "25"]),
    ["SCARD", "s"],
    sameShape(["SPOP", "s", "2"]),
    ["EXISTS", "s"],
  ]));

redisTest("SINTER, SUNION and SDIFF join sets", () =>
  sameInBoth([
    ["SADD", "a", "1", "2", "3", "4", "5", "70000"],
    ["SADD", "b", "2", "4", "6"],
    ["SADD", "c", "4", "x", BINARY, INT64_MIN],
    ["SADD", "d", BINARY, "x", "2", "4", "y"],
    ["SADD", "one", "4"],
    ...["SINTER", "SUNION", "SDIFF"].flatMap((name) => joins(name, [])),
    ...["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"].flatMap((name) => joins(name, ["to"])),
    ["SINTER"],
    ["SUNIONSTORE", "to"],
  ]));

function joins(name: string, destination: readonly string[]): Step[] {
  const lists: string[][] = [
    ["a"],
    ["none"],
    ["a", "b"],
    ["b", "a"],
    ["a", "b", "c"],
    ["c", "b", "a"],
    ["c", "d"],
    ["d", "c"],
    ["one", "a", "b", "c"],
    ["a", "one", "one"],
    ["a", "none"],
    ["none", "a"],
    ["a", "a"],
    ["c", "d", "c"],
    ["a", "b", "a", "none"],
  ];
  return lists.flatMap((list): Step[] => {
    const step = unordered([name, ...destination, ...list]);
    return destination.length === 0 ? [step] : [step, ...members("to"), ["EXISTS", "to"]];
  });
}

redisTest(
  "the STORE commands put the result in place of anything, also of a source",
  () =>
    sameInBoth([
      ["SADD", "a", "1", "2", "3"],
      ["SADD", "b", "2", "3", "x"],
      ["SET", "to", "v", "EXAT", FUTURE_S],
      ["SUNIONSTORE", "to", "a", "b"],
      ...members("to"),
      ["TTL", "to"],
      ["EXPIREAT", "to", FUTURE_S],
      ["SINTERSTORE", "to", "to", "b"],
      ...members("to"),
      ["TTL", "to"],
      ["SDIFFSTORE", "to", "to", "a"],
      ["EXISTS", "to"],
      ["SDIFFSTORE", "a", "b", "a"],
      ...members("a"),
      ["SINTERSTORE", "b", "none", "b"],
      ["EXISTS", "b"],
      ["SINTERSTORE", "none", "none"],
      ["SUNIONSTORE", "a", "a", "a"],
      ...members("a"),
    ]),
);

redisTest("SINTERCARD counts, up to a limit", () =>
  sameInBoth([
    ["SADD", "a", "1", "2", "3", "4", "5"],
    ["SADD", "b", "2", "4", "5", "x"],
    ["SET", "t", "v"],
    ["SINTERCARD", "2", "a", "b"],
    ["SINTERCARD", "1", "a"],
    ["SINTERCARD", "2", "a", "a"],
    ["SINTERCARD", "2", "a", "none"],
    ["SINTERCARD", "2", "a", "b", "LIMIT", "0"],
    ["SINTERCARD", "2", "a", "b", "limit", "2"],
    ["SINTERCARD", "2", "a", "b", "LIMIT", "9"],
    ["SINTERCARD", "2", "a", "b", "LIMIT", "2", "LIMIT", "1"],
    ["SINTERCARD", "2", "a", "b", "LIMIT", "-1"],
    ["SINTERCARD", "2", "a", "b", "LIMIT", "x"],
    ["SINTERCARD", "2", "a", "b", "LIMIT"],
    ["SINTERCARD", "2", "a", "b", "JUNK", "1"],
    ["SINTERCARD", "2", "a", "b", "c"],
    ["SINTERCARD", "1", "t", "LIMIT", "-1"],
    ["SINTERCARD", "2", "none", "t"],
    ["SINTERCARD", "0", "a"],
    ["SINTERCARD", "-1", "a"],
    ["SINTERCARD", "x", "a"],
    ["SINTERCARD", "2", "a"],
    ["SINTERCARD", INT64_MAX, "a"],
    ["SINTERCARD", "1"],
  ]));

redisTest("set commands answer a key of another type as Redis does", () =>
  sameInBoth([
    ["SET", "t", "v"],
    ["SADD", "s", "1"],
    ["SADD", "t", "x"],
    ["SREM", "t", "x"],
    ["SMEMBERS", "t"],
    ["SISMEMBER", "t", "x"],
    ["SMISMEMBER", "t", "x"],
    ["SCARD", "t"],
    ["SINTER", "t"],
    ["SINTER", "none", "t"],
    ["SINTER", "t", "none"],
    ["SUNION", "s", "none", "t"],
    ["SDIFF", "none", "t"],
    ["SDIFF", "s", "s", "t"],
    ["SINTERSTORE", "s", "none", "t"],
    ["SUNIONSTORE", "s", "t"],
    ["SDIFFSTORE", "s", "none", "t"],
    ["SMEMBERS", "s"],
    ["SSCAN", "t", "0"],
    ["SSCAN", "t", "x"],
    ["SSCAN", "t", "0", "JUNK"],
    ["GET", "s"],
    ["TYPE", "s"],
  ]));

redisTest("SSCAN gives a small set at once", () =>
  sameInBoth([
    ["SADD", "s", "1", "2", "12"],
    unordered(["SSCAN", "s", "0"]),
    unordered(["SSCAN", "s", "0", "COUNT", "100", "MATCH", "1*"]),
    unordered(["SSCAN", "s", "0", "match", "*", "count", "100"]),
    ["SSCAN", "s", "0", "MATCH", "3"],
    ["SSCAN", "s", "0", "COUNT", "0"],
    ["SSCAN", "s", "0", "COUNT", "x"],
    ["SSCAN", "s", "0", "MATCH"],
    ["SSCAN", "s", "0", "TYPE", "set"],
    ["SSCAN", "s", "0", "JUNK", "1"],
    ["SSCAN", "s", "x"],
    ["SSCAN", "none", "x"],
    ["SSCAN", "none", "5"],
    ["SSCAN", "none", "0", "JUNK"],
    ["SSCAN", "s"],
  ]));

redisTest("COPY and RENAME keep a set, and digests are Redis's", () =>
  sameInBoth([
    ["SADD", "a", "1", "2", "3", "x", BINARY],
    ["SADD", "i", "5", "-7", INT64_MAX],
    ["COPY", "a", "b"],
    ["COPY", "i", "j", "DB", "1"],
    ["SADD", "b", "y"],
    ["SREM", "b", "1"],
    ["RENAME", "a", "c"],
    ...members("b"),
    ...members("c"),
    ["EXPIREAT", "i", FUTURE_S],
    ["DEBUG", "DIGEST"],
    ["SELECT", "1"],
    ...members("j"),
    ["MOVE", "j", "2"],
    ["DEBUG", "DIGEST"],
    ["FLUSHALL"],
    ["DEBUG", "DIGEST"],
  ]));

redisTest("set commands tell of their changes as Redis does", () =>
  compareEffects([
    ["SADD", "a", "1", "2", "3"],
    ["SADD", "a", "3"],
    ["SADD", "a", "4", "x", "4"],
    ["SREM", "a", "none"],
    ["SREM", "a", "1", "x"],
    ["SREM", "none", "1"],
    ["SADD", "b", "3"],
    ["SMOVE", "a", "b", "2"],
    ["SMOVE", "a", "b", "3"],
    ["SMOVE", "a", "new", "4"],
    ["SMOVE", "b", "b", "3"],
    ["SMOVE", "b", "c", "none"],
    ["SISMEMBER", "none", "x"],
    ["SMISMEMBER", "none", "x"],
    ["SRANDMEMBER", "none"],
    ["SADD", "p", "1"],
    ["SPOP", "p"],
    ["SPOP", "p"],
    ["SPOP", "p", "3"],
    ["SADD", "p", "1", "2", "3"],
    ["SPOP", "p", "0"],
    ["SPOP", "p", "5"],
    ["SADD", "one", ...Array.from({ length: 20 }, () => "7")],
    ["SPOP", "one", "1"],
    ["SADD", "x", "1", "2"],
    ["SADD", "y", "2", "3"],
    ["SINTER", "x", "none"],
    ["SUNIONSTORE", "to", "x", "y"],
    ["SINTERSTORE", "to", "x", "y"],
    ["SDIFFSTORE", "to", "x", "y"],
    ["SDIFFSTORE", "to", "x", "x"],
    ["SDIFFSTORE", "to", "x", "x"],
    ["SINTERSTORE", "x", "x", "none"],
    ["SUNIONSTORE", "to", "none"],
    ["SINTERCARD", "2", "y", "none"],
    ["SSCAN", "none", "0"],
  ]));

redisTest("set commands in a random order leave what Redis has", () =>
  seeded(async (rng) => {
    await using pair = await startPair({ config: { "set-max-intset-entries": 16 } });
    await pair.redino.send("CONFIG", "SET", "set-max-listpack-entries", "12");
    await compare(pair, Array.from({ length: 2500 }, () => randomCommand(rng)));
    await compare(pair, [["DBSIZE"], ["DEBUG", "DIGEST"]]);
  }));

redisTest("without listpacks, sets have Redis 7.0's encodings", () =>
  seeded(async (rng) => {
    await using pair = await startPair({ config: { "set-max-intset-entries": 16 } });
    await pair.redino.send("CONFIG", "SET", "set-max-listpack-entries", "0");
    for (let round = 0; round < 60; round++) {
      await compare(pair, Array.from({ length: 20 }, () => randomCommand(rng)));
      await compare(pair, KEYS.map((key) => ["OBJECT", "ENCODING", key]));
    }
  }));

const KEYS = ["a", "b", "c", "d", "e"];

function randomCommand(rng: Rng): Step {
  const some = Array.from({ length: rng.int(1, 4) }, () => randomMember(rng));
  const keys = Array.from({ length: rng.int(1, 3) }, () => rng.pick(KEYS));
  const key = rng.pick(KEYS);
  switch (rng.int(0, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return ["SADD", key, ...some];
    case 4:
    case 5:
      return ["SREM", key, ...some];
    case 6:
      return ["SMOVE", key, rng.pick(KEYS), some[0]!];
    case 7:
      return unordered([rng.pick(["SINTER", "SUNION", "SDIFF"]), ...keys]);
    case 8:
      return [rng.pick(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), key, ...keys];
    case 9:
      return ["SMISMEMBER", key, ...some];
    case 10:
      return ["SINTERCARD", keys.length, ...keys, "LIMIT", rng.int(0, 5)];
    case 11:
      return rng.oneIn(6) ? ["DEL", key] : ["SCARD", key];
    default:
      return unordered(["SMEMBERS", key]);
  }
}

function randomMember(rng: Rng): string {
  switch (rng.int(0, 8)) {
    case 0:
      return rng.pick(["a", "b", "c", "d", "", LONG, "01"]);
    case 1:
      return String(rng.int(-100_000, 100_000));
    case 2:
      return rng.pick([INT64_MAX, INT64_MIN, "3000000000", "-3000000000"]);
    default:
      return String(rng.int(0, 30));
  }
}
