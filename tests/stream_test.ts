/** Entries of streams, held against the real server: added, read by range, deleted, trimmed. */
import { type Command, compare, startPair, type Step } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const UINT64_MAX = "18446744073709551615";
const MAX_ID = `${UINT64_MAX}-${UINT64_MAX}`;

async function same(steps: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, steps);
}

/** What all of a stream is, in both directions. */
function whole(key: string): Command[] {
  return [
    ["XLEN", key],
    ["XRANGE", key, "-", "+"],
    ["XREVRANGE", key, "+", "-"],
    ["XINFO", "STREAM", key],
    ["DEBUG", "DIGEST-VALUE", key],
  ];
}

redisTest("XADD keeps entries of every shape, and reads them back", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["XADD", "s", "1-1", "a", "1"],
      ["XADD", "s", "1-2", "a", "2"],
      ["XADD", "s", "2", "b", "3"],
      ["XADD", "s", "2-1", "a", "", "b", "x".repeat(100)],
      ["XADD", "s", "3-0", "a", "y".repeat(5000)],
      ["XADD", "s", "3-*", "b", "z".repeat(70_000), "a", "1"],
      ["XADD", "s", "3-1", "a", "-17", "", "9223372036854775807"],
      ["XADD", "s", "4-*", "a", "9223372036854775808"],
      ["XADD", "s", "4-*", "a", new Uint8Array([0, 255, 13, 10, 128])],
      ["XADD", "s", `9007199254740993-${UINT64_MAX}`, "big", "1"],
      ["XADD", "s", "9007199254740994-9007199254740993", "big", "2"],
      ["XADD", "s", "18446744073709551614-18446744073709551614", "big", "2"],
      ["OBJECT", "ENCODING", "s"],
      ["TYPE", "s"],
      ...whole("s"),
      ["XRANGE", "s", "-", "+", "COUNT", "3"],
      ["XREVRANGE", "s", "+", "-", "COUNT", "3"],
      ["COPY", "s", "t"],
      ["DEL", "s"],
      ...whole("t"),
    ], protocol);
  }
});

redisTest("XADD refuses the IDs and arguments that Redis refuses", () =>
  same([
    ["XADD", "s", "0-0", "a", "1"],
    ["XADD", "s", "0", "a", "1"],
    ["EXISTS", "s"],
    ["XADD", "s", "0-*", "a", "1"],
    ["XADD", "s", "5-5", "a", "1"],
    ["XADD", "s", "5-5", "a", "1"],
    ["XADD", "s", "5-4", "a", "1"],
    ["XADD", "s", "4-*", "a", "1"],
    ["XADD", "s", "5", "a", "1"],
    ["XADD", "s", "5-*", "a", "1"],
    ["XADD", "s", "7-1"],
    ["XADD", "s", "7-1", "a"],
    ["XADD", "s", "7-1", "a", "b", "c"],
    ["XADD", "s", "x", "a", "b"],
    ["XADD", "s", "-", "a", "b"],
    ["XADD", "s", "+", "a", "b"],
    ["XADD", "s", "1-", "a", "b"],
    ["XADD", "s", "-1", "a", "b"],
    ["XADD", "s", "7--1", "a", "b"],
    ["XADD", "s", "18446744073709551616-0", "a", "b"],
    ["XADD", "s", "7- 3", "a", "b"],
    ["XADD", "s", " 8-+3", "a", "b"],
    ["XADD", "s", "0009-003", "a", "b"],
    ["XADD", "s", "10-5\0x", "a", "b"],
    ["XADD", "s", "1".repeat(128), "a", "b"],
    ["XADD", "s", "MAXLEN", "x", "*", "a", "b"],
    ["XADD", "s", "MAXLEN", "-1", "*", "a", "b"],
    ["XADD", "s", "MAXLEN", "~", "*", "a", "b"],
    ["XADD", "s", "MAXLEN", "1", "MINID", "1", "*", "a", "b"],
    ["XADD", "s", "MINID", "x", "*", "a", "b"],
    ["XADD", "s", "LIMIT", "1", "*", "a", "b"],
    ["XADD", "s", "LIMIT", "0", "11-1", "a", "b"],
    ["XADD", "s", "MAXLEN", "1", "LIMIT", "1", "*", "a", "b"],
    ["XADD", "s", "MAXLEN", "~", "1", "LIMIT", "-1", "*", "a", "b"],
    ["XADD", "s", "MAXLEN", "~", "1", "LIMIT", "x", "*", "a", "b"],
    ["XADD", "s", "NOMKSTREAM", "MAXLEN", "100", "12-1", "a", "b"],
    ["XADD", "none", "NOMKSTREAM", "12-1", "a", "b"],
    ["EXISTS", "none"],
    ["XADD", "s", MAX_ID, "a", "b"],
    ["XADD", "s", "*", "a", "b"],
    ["XADD", "s", MAX_ID, "a", "b"],
    ["SET", "str", "x"],
    ["XADD", "str", "*", "a", "b"],
    ["XADD", "str", "0-0", "a", "b"],
    ["XADD", "str", "nope", "a", "b"],
    ...whole("s"),
  ]));

redisTest("XRANGE and XREVRANGE take the bounds that Redis takes", async () => {
  const steps: Step[] = [];
  for (let i = 1; i <= 30; i++) steps.push(["XADD", "s", `${i}-${i % 3}`, "f", `${i}`]);
  const bounds = [
    "-",
    "+",
    "0",
    "5",
    "5-0",
    "5-2",
    "(5",
    "(5-2",
    "(-",
    "(+",
    "(",
    "30",
    "40",
    "(0-0",
    `(${MAX_ID}`,
    MAX_ID,
    "x",
    "5-*",
    "",
  ];
  for (const from of bounds) {
    for (const to of bounds) {
      steps.push(["XRANGE", "s", from, to, "COUNT", "4"], ["XREVRANGE", "s", from, to]);
    }
  }
  for (
    const rest of [["COUNT"], ["COUNT", "x"], ["COUNT", "0"], ["COUNT", "-1"], ["FOO", "1"], [
      "COUNT",
      "2",
      "COUNT",
      "1",
    ]]
  ) {
    steps.push(["XRANGE", "s", "-", "+", ...rest], ["XREVRANGE", "none", "+", "-", ...rest]);
  }
  steps.push(["SET", "str", "x"], ["XRANGE", "str", "-", "+"], ["XRANGE", "str", "-", "y"]);
  steps.push(["XLEN", "str"], ["XLEN", "none"], ["XLEN"], ["XLEN", "s", "x"]);
  await same(steps);
  await same([...steps.slice(0, 40), ["XRANGE", "s", "-", "+", "COUNT", "0"]], 3);
});

redisTest("XDEL deletes entries, and blocks that fall empty", async () => {
  await using pair = await startPair({ config: { "stream-node-max-entries": 3 } });
  const steps: Step[] = [["XDEL", "none", "x"], ["XDEL", "none", "1"]];
  for (let i = 1; i <= 10; i++) steps.push(["XADD", "s", `${i}-1`, i % 4 ? "f" : "g", `${i}`]);
  steps.push(["XDEL", "s", "1", "x"], ["XDEL", "s", "1-1", "1-1", "2", "99-1"], ...whole("s"));
  for (const id of ["5", "6", "4", "10", "9", "3"]) {
    steps.push(["XDEL", "s", `${id}-1`], ...whole("s"));
  }
  steps.push(["XDEL", "s", "1-1", "2-1", "7-1", "8-1"], ...whole("s"), ["EXISTS", "s"]);
  steps.push(["XADD", "s", "11-*", "a", "b"], ...whole("s"));
  steps.push(["SET", "str", "x"], ["XDEL", "str", "1"], ["XDEL", "str", "x"], ["XDEL", "s"]);
  await compare(pair, steps);
});

redisTest("XTRIM and XADD trim as Redis does", async () => {
  await using pair = await startPair({ config: { "stream-node-max-entries": 4 } });
  const fill = (): Step[] => [
    ["DEL", "s"],
    ...Array.from({ length: 22 }, (_, i): Step => ["XADD", "s", `${i + 1}-0`, "f", `${i}`]),
    ["XDEL", "s", "6-0", "9-0"],
  ];
  const options = [
    ["MAXLEN", "10"],
    ["MAXLEN", "=", "9"],
    ["MAXLEN", "~", "9"],
    ["MAXLEN", "~", "9", "LIMIT", "5"],
    ["MAXLEN", "~", "0", "LIMIT", "0"],
    ["MAXLEN", "~", "0", "LIMIT", "3"],
    ["MAXLEN", "0"],
    ["MAXLEN", "100"],
    ["MINID", "8"],
    ["MINID", "=", "8-1"],
    ["MINID", "~", "11"],
    ["MINID", "~", "11", "LIMIT", "4"],
    ["MINID", "0"],
    ["MINID", "99"],
    ["MAXLEN", "-1"],
    ["MAXLEN", "x"],
    ["MAXLEN"],
    ["MAXLEN", "~"],
    ["MINID", "x"],
    ["MINID", "-"],
    ["MAXLEN", "1", "MAXLEN", "1"],
    ["MAXLEN", "5", "LIMIT", "1"],
    ["LIMIT", "5"],
    ["LIMIT", "5", "MAXLEN", "~", "8"],
    ["LIMIT", "-5", "MAXLEN", "~", "8"],
    ["NOMKSTREAM", "MAXLEN", "8"],
    ["FOO", "1"],
    ["1-1", "a"],
  ];
  for (const option of options) {
    await compare(pair, [...fill(), ["XTRIM", "s", ...option], ...whole("s")]);
    await compare(pair, [...fill(), ["XADD", "s", ...option, "30-0", "f", "v"], ...whole("s")]);
  }
  await compare(pair, [
    ["XTRIM", "none", "MAXLEN", "1"],
    ["SET", "str", "x"],
    ["XTRIM", "str", "MAXLEN", "1"],
    ["XTRIM", "str", "MAXLEN", "x"],
  ]);
});

redisTest("XSETID sets what Redis lets it set", () =>
  same([
    ["XSETID", "none", "1"],
    ["XSETID", "none", "x"],
    ["XADD", "s", "1-1", "a", "b"],
    ["XADD", "s", "2-1", "a", "b"],
    ["XADD", "s", "3-1", "a", "b"],
    ["XSETID", "s", "3-0"],
    ["XSETID", "s", "3-1"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "2"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "-1"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "x"],
    ["XSETID", "s", "5-5", "ENTRIESADDED"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "100", "MAXDELETEDID", "6-0"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "100", "MAXDELETEDID", "4-0"],
    ["XINFO", "STREAM", "s"],
    ["XSETID", "s", "5-5", "MAXDELETEDID", "0-0"],
    ["XSETID", "s", "5-5", "FOO", "0-0"],
    ["XSETID", "s", "5-5", "ENTRIESADDED", "9223372036854775806"],
    ["XADD", "s", "6-1", "a", "b"],
    ["XINFO", "STREAM", "s"],
    ["SET", "str", "x"],
    ["XSETID", "str", "1"],
  ]));

redisTest("a stream of random commands is the same on both", () =>
  seeded(async (rng) => {
    const limits = { "stream-node-max-entries": rng.int(1, 8), "stream-node-max-bytes": 200 };
    await using pair = await startPair({ config: limits });
    for (let round = 0; round < 4; round++) {
      const steps: Step[] = [["FLUSHALL"]];
      let ms = 0;
      for (let i = 0; i < 300; i++) {
        ms += rng.oneIn(50) ? 300 : rng.int(0, 1);
        steps.push(randomStep(rng, ms));
        if (rng.oneIn(15)) steps.push(...whole("s"));
      }
      await compare(pair, [["XADD", "s", "0-1", "f", "v"], ...steps.slice(1), ...whole("s")]);
      await compare(pair, [["DEL", "s"]]);
    }
  }));

function randomStep(rng: Rng, ms: number): Command {
  const id = () => rng.oneIn(3) ? `${rng.int(0, ms)}-${rng.int(0, 3)}` : `${rng.int(0, ms)}`;
  switch (rng.int(0, 9)) {
    case 0:
      return ["XDEL", "s", id(), id(), id(), id()];
    case 1:
      return ["XTRIM", "s", "MAXLEN", rng.pick(["=", "~"]), rng.int(0, 60)];
    case 2:
      return ["XTRIM", "s", "MINID", rng.pick(["=", "~"]), Math.max(0, ms - rng.int(0, 50))];
    case 3:
      return ["XRANGE", "s", id(), id(), "COUNT", rng.int(1, 20)];
    case 4:
      return ["XREVRANGE", "s", id(), id(), "COUNT", rng.int(1, 20)];
    default: {
      const fields = rng.oneIn(4) ? ["g", "x", "h", "y"] : ["f", "v".repeat(rng.int(0, 40))];
      return ["XADD", "s", rng.oneIn(3) ? `${ms}-*` : `${ms}-${rng.int(0, 5)}`, ...fields];
    }
  }
}

redisTest("streams' events and counts of changes are Redis's", () =>
  compareEffects([
    ["XADD", "s", "1-1", "a", "b"],
    ["XADD", "s", "2-1", "a", "b"],
    ["XADD", "s", "3-1", "a", "b"],
    ["XADD", "s", "MAXLEN", "3", "4-1", "a", "b"],
    ["XADD", "s", "MAXLEN", "10", "5-1", "a", "b"],
    ["XADD", "s", "1-1", "a", "b"],
    ["XADD", "none", "NOMKSTREAM", "1-1", "a", "b"],
    ["XDEL", "s", "2-1", "3-1", "9"],
    ["XDEL", "s", "2-1"],
    ["XDEL", "none", "1"],
    ["XTRIM", "s", "MAXLEN", "5"],
    ["XTRIM", "s", "MAXLEN", "1"],
    ["XTRIM", "none", "MAXLEN", "1"],
    ["XSETID", "s", "9-9"],
    ["XLEN", "s"],
    ["XLEN", "none"],
    ["XRANGE", "none", "-", "+"],
    ["XREAD", "STREAMS", "s", "none", "0", "0"],
    ["XREAD", "STREAMS", "none", "s", "0", "$"],
    ["XINFO", "STREAM", "s"],
    ["XINFO", "STREAM", "none"],
  ]));

redisTest("a transaction sees that a watched stream changed", async () => {
  await using pair = await startPair();
  const watched = (command: Command): Step[] => [
    ["WATCH", "s"],
    command,
    ["MULTI"],
    ["PING"],
    ["EXEC"],
  ];
  await compare(pair, [
    ...watched(["XADD", "s", "1-1", "a", "b"]),
    ...watched(["XADD", "s", "2-1", "a", "b"]),
    ...watched(["XDEL", "s", "9-9"]),
    ...watched(["XDEL", "s", "1-1"]),
    ...watched(["XTRIM", "s", "MAXLEN", "5"]),
    ...watched(["XTRIM", "s", "MAXLEN", "0"]),
    ...watched(["XSETID", "s", "8-8"]),
    ...watched(["XGROUP", "CREATE", "s", "g", "0"]),
    ...watched(["XGROUP", "CREATECONSUMER", "s", "g", "c"]),
    ...watched(["XGROUP", "SETID", "s", "g", "1"]),
    ...watched(["XGROUP", "DELCONSUMER", "s", "g", "c"]),
    ...watched(["XGROUP", "DESTROY", "s", "g"]),
    ["DEL", "s"],
    ...watched(["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]),
  ]);
});
