/** Consumer groups, held against the real server: reading, acknowledging, claiming. */
import {
  type Command,
  compare,
  type Comparison,
  startPair,
  type Step,
} from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Reply, show } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const MAX = "18446744073709551615";
const MAX_ID = `${MAX}-${MAX}`;

async function same(steps: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, steps);
}

/** Times apart, which are never the same of both. */
function timeless(command: Command): Comparison {
  return { command, view: (reply) => show(withoutTimes(reply)) };
}

/** A reply without idle times and times of delivery, and without what 7.2 has added. */
function withoutTimes(reply: Reply): Reply {
  if ("items" in reply) {
    const { items } = reply;
    const [id, second, third] = items;
    // XPENDING's list and XINFO's of a group: ID, consumer, time, count; of a consumer: ID, time, count.
    const isPending = id?.type === "bulk" && /^\d+-\d+$/.test(id.text);
    if (isPending && items.length === 4 && third?.type === "integer") {
      return { ...reply, items: [id, second!, items[3]!] };
    }
    if (isPending && items.length === 3 && second?.type === "integer") {
      return { ...reply, items: [id, third!] };
    }
    // RESP2's maps are arrays.
    const kept: Reply[] = [];
    for (let i = 0; i < items.length; i++) {
      if (isTime(items[i]!)) i++;
      else kept.push(withoutTimes(items[i]!));
    }
    return { ...reply, items: kept };
  }
  if (reply.type !== "map") return reply;
  const entries = reply.entries.filter(([name]) => !isTime(name));
  return {
    ...reply,
    entries: entries.map(([name, value]) => [name, withoutTimes(value)] as const),
  };
}

const TIMES = ["idle", "inactive", "seen-time", "active-time"];

function isTime(name: Reply): boolean {
  return name.type === "bulk" && TIMES.includes(name.text);
}

/** All that is to be seen of a stream's groups. */
function groups(key: string, ...names: string[]): Step[] {
  return [
    ["XINFO", "GROUPS", key],
    timeless(["XINFO", "STREAM", key, "FULL", "COUNT", "0"]),
    ...names.flatMap((name): Step[] => [
      ["XPENDING", key, name],
      timeless(["XPENDING", key, name, "-", "+", "100"]),
      timeless(["XINFO", "CONSUMERS", key, name]),
    ]),
  ];
}

function entries(count: number, first = 1): Step[] {
  return Array.from({ length: count }, (_, i): Step => ["XADD", "s", `${first + i}-0`, "f", i]);
}

redisTest("XGROUP makes and removes groups and consumers as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["XGROUP", "CREATE", "s", "g", "$"],
      ["XGROUP", "CREATE", "s", "g", "x", "MKSTREAM"],
      ["EXISTS", "s"],
      ["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"],
      ["XGROUP", "CREATE", "s", "g", "$", "mkstream"],
      ["XGROUP", "CREATE", "s", "g", "x"],
      ...entries(5),
      ["XGROUP", "CREATE", "s", "h", "$", "ENTRIESREAD", "3"],
      ["XGROUP", "CREATE", "s", "i", "0"],
      ["XGROUP", "CREATE", "s", "a", "3-5", "ENTRIESREAD", "-1", "MKSTREAM"],
      ["XGROUP", "CREATE", "s", "b", "1", "ENTRIESREAD", "-2"],
      ["XGROUP", "CREATE", "s", "b", "1", "ENTRIESREAD", "x"],
      ["XGROUP", "CREATE", "s", "b", "1", "ENTRIESREAD"],
      ["XGROUP", "CREATE", "s", "b", "1", "FOO"],
      ["XGROUP", "CREATE", "s", "b", "-"],
      ["XGROUP", "CREATE", "s", "b", "9223372036854775807", "ENTRIESREAD", "9223372036854775807"],
      ["XGROUP", "CREATE", "s", new Uint8Array([0, 255, 13, 10]), MAX_ID],
      ["XGROUP", "CREATE", "s", "b"],
      ...groups("s", "g", "h", "i"),
      ["XGROUP", "SETID", "s", "g", "2"],
      ["XGROUP", "SETID", "s", "h", "$", "ENTRIESREAD", "5"],
      ["XGROUP", "SETID", "s", "nope", "$"],
      ["XGROUP", "SETID", "none", "g", "$"],
      ["XGROUP", "SETID", "s", "g", "x"],
      ["XGROUP", "SETID", "s", "g", "(1-1"],
      ["XGROUP", "SETID", "s", "g", "+"],
      ["XINFO", "GROUPS", "s"],
      ["XGROUP", "SETID", "s", "g", "-"],
      ["XINFO", "GROUPS", "s"],
      ["XGROUP", "CREATE", "s", "ends", "-"],
      ["XGROUP", "CREATE", "s", "ends", "+"],
      ["XGROUP", "SETID", "s", "g", "1", "MKSTREAM"],
      ["XGROUP", "SETID", "s", "g", "1", "ENTRIESREAD", "-3"],
      ["XGROUP", "CREATECONSUMER", "s", "g", "c"],
      ["XGROUP", "CREATECONSUMER", "s", "g", "c"],
      ["XGROUP", "CREATECONSUMER", "s", "nope", "c"],
      ["XGROUP", "CREATECONSUMER", "none", "g", "c"],
      ["XGROUP", "CREATECONSUMER", "s", "g"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"],
      ["XGROUP", "DELCONSUMER", "s", "g", "nobody"],
      ["XGROUP", "DELCONSUMER", "s", "nope", "c"],
      ["XGROUP", "DELCONSUMER", "none", "g", "c"],
      ...groups("s", "g"),
      ["XGROUP", "DELCONSUMER", "s", "g", "c"],
      ...groups("s", "g"),
      ["XGROUP", "DESTROY", "s", "i"],
      ["XGROUP", "DESTROY", "s", "i"],
      ["XGROUP", "DESTROY", "none", "i"],
      ["SET", "str", "x"],
      ["XGROUP", "CREATE", "str", "g", "$"],
      ["XGROUP", "CREATE", "str", "g", "x", "MKSTREAM"],
      ["XGROUP", "SETID", "str", "g", "x"],
      ["XGROUP", "DESTROY", "str", "g"],
      ["XGROUP", "CREATECONSUMER", "str", "g", "c"],
      ["XGROUP", "DELCONSUMER", "str", "g", "c"],
      ["XGROUP", "NOPE", "s", "g"],
      ["XGROUP", "HELP", "x"],
      ["XGROUP"],
      ["COPY", "s", "t"],
      ["DEL", "s"],
      ...groups("t", "g", "h"),
    ], protocol);
  }
});

redisTest("XREAD returns what is newer, and refuses what Redis refuses", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ...entries(4),
      ["XADD", "t", "9-9", "a", "b", "c", "d"],
      ["XREAD", "STREAMS", "s", "t", "none", "0", "0", "0"],
      ["XREAD", "COUNT", "2", "STREAMS", "s", "t", "2", "9-9"],
      ["XREAD", "COUNT", "0", "STREAMS", "s", "1-0"],
      ["XREAD", "COUNT", "-5", "STREAMS", "s", "1-0"],
      ["XREAD", "STREAMS", "s", "s", "3", "0"],
      ["XREAD", "STREAMS", "s", "$"],
      ["XREAD", "STREAMS", "s", "4-0"],
      ["XREAD", "STREAMS", "s", MAX_ID],
      ["XREAD", "BLOCK", "1", "STREAMS", "s", "none", "$", "$"],
      ["MULTI"],
      ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"],
      ["EXEC"],
      ["XDEL", "s", "4-0"],
      ["XREAD", "STREAMS", "s", "3"],
      ["XREAD", "BLOCK", "1", "STREAMS", "s", "3"],
      ["XREAD", "STREAMS", "s", "x"],
      ["XREAD", "STREAMS", "s", "-"],
      ["XREAD", "STREAMS", "s", ">"],
      ["XREAD", "FOO", "STREAMS", "s", "0"],
      ["XREAD", "COUNT", "x", "STREAMS", "s", "0"],
      ["XREAD", "COUNT", "STREAMS", "s", "0"],
      ["XREAD", "COUNT", "1", "BLOCK", "1"],
      ["XREAD", "BLOCK", "x", "STREAMS", "s", "0"],
      ["XREAD", "BLOCK", "-1", "STREAMS", "s", "0"],
      ["XREAD", "BLOCK", "1.5", "STREAMS", "s", "0"],
      ["XREAD", "GROUP", "g", "c", "STREAMS", "s", "0"],
      ["XREAD", "NOACK", "STREAMS", "s", "0"],
      ["XREAD", "s", "t", "u"],
      ["XREAD", "STREAMS"],
      ["SET", "str", "x"],
      ["XREAD", "STREAMS", "s", "str", "0", "0"],
      ["XREAD", "STREAMS", "s", "str", "y", "0"],
    ], protocol);
  }
});

redisTest("XREADGROUP delivers, returns history and counts as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ...entries(10),
      ["XGROUP", "CREATE", "s", "g", "0"],
      ["XGROUP", "CREATE", "s", "h", "5"],
      ["XGROUP", "CREATECONSUMER", "s", "g", "c"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "s", "s", ">", ">"],
      ["XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "s", "s", ">", "0"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "1-0"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", "0"],
      ["XREADGROUP", "GROUP", "g", "e", "BLOCK", "0", "STREAMS", "s", "0"],
      ["XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "NOACK", "STREAMS", "s", ">"],
      ...groups("s", "g", "h"),
      ["XDEL", "s", "1-0", "7-0"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", MAX_ID],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "1", "STREAMS", "s", ">"],
      ...groups("s", "g", "h"),
      ["XGROUP", "SETID", "s", "g", "0"],
      ["XREADGROUP", "GROUP", "g", "d", "COUNT", "4", "STREAMS", "s", ">"],
      ...groups("s", "g"),
      ["XACK", "s", "g", "2-0", "2-0", "3-0", "99"],
      ["XACK", "s", "g", "2-0", "x"],
      ["XACK", "s", "nope", "x"],
      ["XACK", "none", "g", "x"],
      ...groups("s", "g"),
      ["XREADGROUP", "GROUP", "nope", "c", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "none", ">"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "none", ">", "x"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "$"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "x"],
      ["XREADGROUP", "COUNT", "1", "BLOCK", "1", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "FOO"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "NOACK"],
      ["SET", "str", "x"],
      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "str", ">"],
      ["XACK", "str", "g", "1"],
      ["MULTI"],
      ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"],
      ["EXEC"],
    ], protocol);
  }
});

redisTest("XPENDING tells what Redis tells", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["XPENDING", "none", "g"],
      ...entries(10),
      ["XPENDING", "s", "g"],
      ["XGROUP", "CREATE", "s", "g", "0"],
      ["XPENDING", "s", "g"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "4", "STREAMS", "s", ">"],
      ["XREADGROUP", "GROUP", "g", "b", "COUNT", "4", "STREAMS", "s", ">"],
      ["XPENDING", "s", "g"],
      timeless(["XPENDING", "s", "g", "-", "+", "3"]),
      timeless(["XPENDING", "s", "g", "(2", "(6-0", "10"]),
      timeless(["XPENDING", "s", "g", "2", "6", "10", "b"]),
      timeless(["XPENDING", "s", "g", "-", "+", "0"]),
      timeless(["XPENDING", "s", "g", "-", "+", "-1"]),
      ["XPENDING", "s", "g", "-", "+", "10", "nobody"],
      ["XPENDING", "s", "g", "IDLE", "100000", "-", "+", "10"],
      timeless(["XPENDING", "s", "g", "IDLE", "0", "-", "+", "10", "c"]),
      ["XPENDING", "s", "g", "IDLE", "x", "-", "+", "10"],
      ["XPENDING", "s", "g", "IDLE", "1", "-", "+"],
      ["XPENDING", "s", "g", "-"],
      ["XPENDING", "s", "g", "-", "+"],
      ["XPENDING", "s", "g", "-", "+", "x"],
      ["XPENDING", "s", "g", "y", "+", "x"],
      ["XPENDING", "s", "g", "y", "+", "1"],
      ["XPENDING", "s", "g", "-", "y", "1"],
      ["XPENDING", "s", "g", `(${MAX_ID}`, "+", "1"],
      ["XPENDING", "s", "g", "-", "(0-0", "1"],
      ["XPENDING", "s", "g", "-", "+", "1", "c", "d", "e", "f"],
      timeless(["XPENDING", "s", "g", "-", "+", "1", "c", "d"]),
      ["SET", "str", "x"],
      ["XPENDING", "str", "g"],
      ["XPENDING", "str", "g", "y", "+", "1"],
    ], protocol);
  }
});

redisTest("XCLAIM claims what Redis claims", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ...entries(10),
      ["XCLAIM", "s", "g", "c", "0", "1"],
      ["XCLAIM", "none", "g", "c", "x", "1"],
      ["XGROUP", "CREATE", "s", "g", "0"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "5", "STREAMS", "s", ">"],
      ["XCLAIM", "s", "g", "d", "0", "1", "2-0", "8"],
      ["XCLAIM", "s", "g", "d", "0", "3", "JUSTID"],
      ["XCLAIM", "s", "g", "d", "0", "8", "8", "99", "FORCE"],
      ["XCLAIM", "s", "g", "d", "100000", "4", "5"],
      ["XCLAIM", "s", "g", "e", "0", "4", "IDLE", "5000000", "RETRYCOUNT", "17"],
      ["XGROUP", "CREATECONSUMER", "s", "g", "f"],
      ["XCLAIM", "s", "g", "f", "100000", "4", "5", "JUSTID"],
      ["XPENDING", "s", "g", "IDLE", "1000000", "-", "+", "10", "nobody"],
      timeless(["XCLAIM", "s", "g", "e", "0", "5", "TIME", "1000", "RETRYCOUNT", MAX.slice(0, 18)]),
      ["XCLAIM", "s", "g", "e", "0", "5", "TIME", "-1000", "LASTID", "7"],
      ["XCLAIM", "s", "g", "e", "0", "5", "TIME", "99999999999999999", "LASTID", "3"],
      ["XCLAIM", "s", "g", "e", "0", "FORCE"],
      ...groups("s", "g"),
      ["XDEL", "s", "2-0", "5-0"],
      ["XCLAIM", "s", "g", "e", "0", "2", "5", "6", "JUSTID"],
      ["XCLAIM", "s", "g", "e", "0", "2", "FORCE"],
      ...groups("s", "g"),
      ["XCLAIM", "s", "g", "e", "x", "1"],
      ["XCLAIM", "s", "g", "e", "-5", "1", "JUSTID"],
      ["XCLAIM", "s", "g", "e", "0", "1", "x"],
      ["XCLAIM", "s", "g", "e", "0", "x", "1"],
      ["XCLAIM", "s", "g", "e", "0", "1", "IDLE"],
      ["XCLAIM", "s", "g", "e", "0", "1", "IDLE", "x"],
      ["XCLAIM", "s", "g", "e", "0", "1", "TIME", "x"],
      ["XCLAIM", "s", "g", "e", "0", "1", "RETRYCOUNT", "x"],
      ["XCLAIM", "s", "g", "e", "0", "1", "RETRYCOUNT", "-2", "JUSTID"],
      ["XCLAIM", "s", "g", "e", "0", "1", "LASTID", "x"],
      ["XCLAIM", "s", "g", "e", "0", "1", "LASTID", "-"],
      ["SET", "str", "x"],
      ["XCLAIM", "str", "g", "e", "x", "1"],
      ...groups("s", "g"),
    ], protocol);
  }
});

redisTest("XAUTOCLAIM claims what Redis claims", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ...entries(30),
      ["XAUTOCLAIM", "s", "g", "c", "0", "0"],
      ["XGROUP", "CREATE", "s", "g", "0"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "25", "STREAMS", "s", ">"],
      ["XAUTOCLAIM", "s", "g", "d", "0", "-", "COUNT", "3"],
      ["XAUTOCLAIM", "s", "g", "d", "0", "(4", "COUNT", "3", "JUSTID"],
      ["XAUTOCLAIM", "s", "g", "d", "100000", "0", "COUNT", "1"],
      ["XAUTOCLAIM", "s", "g", "e", "100000", "0"],
      ["XDEL", "s", "9-0", "10-0", "12-0"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "9", "COUNT", "2", "JUSTID"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "9", "COUNT", "2", "JUSTID"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "20"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "99"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "+"],
      ...groups("s", "g"),
      ["XAUTOCLAIM", "s", "g", "e", "x", "y"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "y"],
      ["XAUTOCLAIM", "s", "g", "e", "0", `(${MAX_ID}`],
      ["XAUTOCLAIM", "s", "g", "e", "0", "0", "COUNT", "0"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "0", "COUNT", "x"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "0", "COUNT"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "0", "COUNT", "9223372036854775807"],
      ["XAUTOCLAIM", "s", "g", "e", "0", "0", "FOO"],
      ["XAUTOCLAIM", "none", "g", "e", "0", "0"],
      ["XAUTOCLAIM", "s", "nope", "e", "0", "0"],
      ["SET", "str", "x"],
      ["XAUTOCLAIM", "str", "g", "e", "0", "0"],
      ["XAUTOCLAIM", "str", "g", "e", "0", "y"],
    ], protocol);
  }
});

redisTest("XINFO tells what Redis tells, and refuses what it refuses", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["XINFO", "STREAM", "none"],
      ["XINFO", "GROUPS", "none"],
      ["XINFO", "CONSUMERS", "none", "g"],
      ["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"],
      ["XINFO", "STREAM", "s"],
      ["XINFO", "STREAM", "s", "FULL"],
      ...entries(150),
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "20", "STREAMS", "s", ">"],
      timeless(["XINFO", "STREAM", "s", "FULL"]),
      timeless(["XINFO", "STREAM", "s", "full", "count", "3"]),
      timeless(["XINFO", "STREAM", "s", "FULL", "COUNT", "-3"]),
      timeless(["XINFO", "STREAM", "s", "FULL", "COUNT", "0"]),
      ["XINFO", "STREAM", "s", "FULL", "COUNT"],
      ["XINFO", "STREAM", "s", "FULL", "COUNT", "x"],
      ["XINFO", "STREAM", "s", "FULL", "NOPE", "1"],
      ["XINFO", "STREAM", "s", "NOPE"],
      ["XINFO", "CONSUMERS", "s", "nope"],
      ["XINFO", "CONSUMERS", "s"],
      ["XINFO", "NOPE", "s"],
      ["SET", "str", "x"],
      ["XINFO", "STREAM", "str", "NOPE"],
      ["XINFO", "GROUPS", "str"],
      ["XINFO", "CONSUMERS", "str", "g"],
    ], protocol);
  }
});

redisTest("groups of random commands are the same on both", () =>
  seeded(async (rng) => {
    await using pair = await startPair({ config: { "stream-node-max-entries": rng.int(2, 20) } });
    for (let round = 0; round < 4; round++) {
      const steps: Step[] = [
        ["FLUSHALL"],
        ...entries(3),
        ["XGROUP", "CREATE", "s", "g", "0"],
        ["XGROUP", "CREATE", "s", "h", "$"],
      ];
      for (const group of ["g", "h"]) {
        for (const consumer of CONSUMERS) {
          steps.push(["XGROUP", "CREATECONSUMER", "s", group, consumer]);
        }
      }
      for (let ms = 4; ms < 400; ms++) {
        steps.push(...randomSteps(rng, ms));
        if (rng.oneIn(15)) steps.push(...groups("s", "g", "h"));
      }
      await compare(pair, [...steps, ...groups("s", "g", "h")]);
    }
  }));

const CONSUMERS = ["a", "b", "c"];

function randomSteps(rng: Rng, ms: number): Step[] {
  const id = () => `${rng.int(Math.max(0, ms - 80), ms)}`;
  const group = rng.pick(["g", "h"]);
  const consumer = rng.pick(CONSUMERS);
  switch (rng.int(0, 12)) {
    case 0:
      return [["XDEL", "s", id(), id()]];
    case 1:
      return [["XTRIM", "s", "MAXLEN", rng.pick(["=", "~"]), rng.int(0, 60)]];
    case 2:
    case 3:
      return [["XACK", "s", group, id(), id(), id(), id()]];
    case 4:
      return [["XCLAIM", "s", group, consumer, "0", id(), id(), ...rng.oneIn(2) ? ["FORCE"] : []]];
    case 5:
      return [["XAUTOCLAIM", "s", group, consumer, "0", id(), "COUNT", rng.int(1, 5)]];
    case 6:
      return [["XREADGROUP", "GROUP", group, consumer, "COUNT", "3", "STREAMS", "s", id()]];
    case 7:
    case 8:
      return [[
        "XREADGROUP",
        "GROUP",
        group,
        consumer,
        "COUNT",
        rng.int(1, 9),
        "STREAMS",
        "s",
        ">",
      ]];
    case 9:
      if (!rng.oneIn(8)) return [["XPENDING", "s", group]];
      return [
        ["XGROUP", "DELCONSUMER", "s", group, consumer],
        ["XGROUP", "CREATECONSUMER", "s", group, consumer],
      ];
    case 10:
      if (!rng.oneIn(8)) return [["XINFO", "GROUPS", "s"]];
      return [["XGROUP", "SETID", "s", group, rng.oneIn(2) ? "$" : id()]];
    default:
      return [["XADD", "s", `${ms}-0`, "f", `${ms}`]];
  }
}

redisTest("groups' events and counts of changes are Redis's", () =>
  compareEffects([
    ["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"],
    ["XADD", "s", "1-0", "a", "b"],
    ["XADD", "s", "2-0", "a", "b"],
    ["XADD", "s", "3-0", "a", "b"],
    ["XGROUP", "CREATE", "s", "h", "0"],
    ["XGROUP", "SETID", "s", "h", "$"],
    ["XGROUP", "CREATECONSUMER", "s", "g", "c"],
    ["XGROUP", "CREATECONSUMER", "s", "g", "c"],
    ["XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "s", ">"],
    ["XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "s", ">"],
    ["XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", "0"],
    ["XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">"],
    ["XACK", "s", "g", "1-0", "9-9"],
    ["XACK", "s", "g", "9-9"],
    ["XCLAIM", "s", "g", "e", "0", "2-0", "3-0"],
    ["XCLAIM", "s", "g", "e", "0", "1-0", "LASTID", "4"],
    ["XDEL", "s", "2-0"],
    ["XCLAIM", "s", "g", "e", "0", "2-0"],
    ["XAUTOCLAIM", "s", "g", "f", "0", "0"],
    ["XAUTOCLAIM", "s", "g", "f", "99999", "0"],
    ["XPENDING", "s", "g", "-", "+", "0"],
    ["XINFO", "GROUPS", "s"],
    ["XGROUP", "DELCONSUMER", "s", "g", "f"],
    ["XGROUP", "DELCONSUMER", "s", "g", "f"],
    ["XGROUP", "DESTROY", "s", "g"],
    ["XGROUP", "DESTROY", "s", "g"],
  ]));
