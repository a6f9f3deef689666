import { type Command, compare, startPair, type Step } from "./support/differential.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = Uint8Array.of(0, 13, 10, 255, 0x24, 128, 0);
const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";

/** A time in the far future that fits every unit, in seconds. */
const FUTURE_S = "4102444800";

async function same(commands: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, commands);
}

/** The key's value, encoding and expiry. */
function state(key: string | Uint8Array): Command[] {
  return [["GET", key], ["OBJECT", "ENCODING", key], ["PEXPIRETIME", key]];
}

redisTest("INCR and its family count as Redis does", () =>
  same([
    ["INCR", "n"],
    ...state("n"),
    ["INCRBY", "n", "41"],
    ["DECR", "n"],
    ["DECRBY", "n", "-1"],
    ["EXPIREAT", "n", FUTURE_S],
    ["DECRBY", "n", "142"],
    ...state("n"),
    ["DECR", "m"],
    ["DECRBY", "o", "5"],
    ["INCRBY", "big", INT64_MAX],
    ...state("big"),
    ["INCR", "big"],
    ["DECR", "big"],
    ["INCRBY", "big", "2"],
    ["INCRBY", "big", "-9223372036854775806"],
    ["DECRBY", "big", INT64_MIN],
    ["DECRBY", "big", INT64_MAX],
    ["DECRBY", "big", "1"],
    ["DECRBY", "big", "1"],
    ...state("big"),
    ["DECRBY", "big", "1"],
    ["INCRBY", "big", INT64_MIN],
    ["SET", "edge", "9007199254740991"],
    ["INCR", "edge"],
    ["INCR", "edge"],
    ["DECRBY", "edge", "2"],
    ["SET", "edge", "-9007199254740991"],
    ["DECR", "edge"],
    ["DECRBY", "edge", "2"],
    ["INCRBY", "edge", "18014398509481984"],
    ...state("edge"),
    ["INCRBY", "n", "x"],
    ["INCRBY", "n", "1.5"],
    ["INCRBY", "n", "9223372036854775808"],
    ["DECRBY", "n", "-9223372036854775809"],
    ["DECRBY", "n", INT64_MIN],
    ["DECRBY", "n", ""],
    ["INCR"],
    ["INCR", "n", "1"],
    ["INCRBY", "n"],
  ]));

redisTest("INCR takes text that is an integer, and nothing else", async () => {
  const commands: Command[] = [];
  for (
    const text of [
      "",
      " 1",
      "1 ",
      "+1",
      "01",
      "-0",
      "1.0",
      "1e3",
      "x",
      "9223372036854775808",
      BINARY,
      "-5",
    ]
  ) commands.push(["SET", "k", text], ["INCR", "k"], ["DECRBY", "k", "x"], ["GET", "k"]);
  commands.push(
    ["DEL", "k"],
    ["SETRANGE", "k", "0", "10"],
    ["INCR", "k"],
    ["SETRANGE", "k", "0", INT64_MAX],
    ["INCR", "k"],
    ["DECR", "k"],
    ...state("k"),
  );
  await same(commands);
});

redisTest("INCRBYFLOAT adds and prints as Redis does", async () => {
  const pairs = [
    ["10.50", "0.1"],
    ["5.0e3", "2.0e2"],
    ["3", "1.1"],
    ["0.1", "0.2"],
    ["1", "1"],
    ["-1", "1"],
    ["1e100", "1"],
    ["1e4931", "1e4931"],
    ["1e4932", "1e4932"],
    ["inf", "1"],
    ["1", "inf"],
    ["1", "nan"],
    ["", "1"],
    ["1", ""],
    [" 1", "1"],
    ["1", "1 "],
    ["0x10", "0x1p-2"],
    ["x", "1"],
    ["1", "x"],
    ["x", "y"],
    [INT64_MAX, "1"],
    ["17179869184.5", "0.00000000000000001"],
    ["1", "1e-20"],
    ["1".repeat(44), "0"],
    ["1".repeat(46), "0"],
  ] as const;
  const commands: Command[] = [];
  for (const [value, by] of pairs) {
    commands.push(["SET", "k", value, "EXAT", FUTURE_S], ["INCRBYFLOAT", "k", by], ...state("k"));
  }
  commands.push(
    ["INCRBYFLOAT", "new", "1"],
    ...state("new"),
    ["INCRBYFLOAT", "long", "1e60"],
    ...state("long"),
    ["INCRBYFLOAT", "long", "1e-3"],
    ["INCRBYFLOAT", "none", "x"],
    ["EXISTS", "none"],
  );
  for (const protocol of [2, 3] as const) await same(commands, protocol);
});
