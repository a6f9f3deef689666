/**
 * Random commands, with which Redino and the real redis-server must send their replicas the same, and
 * after which replicas must have the same data. What differs is printed with the commands before it
 * and the seed.
 */
import { assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { eventually } from "./support/eventually.ts";
import { startRedino } from "./support/redino_replica.ts";
import { StreamPair } from "./support/replica_stream.ts";
import {
  ALL,
  argumentsFor,
  KEYS,
  KNOWN,
  type Known,
  withScores,
} from "./support/random_commands.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient, show, showCommand } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const ROUNDS = 60;
const COMMANDS_PER_ROUND = 150;

const CONFIG = { "stream-node-max-entries": "2" };

/** Those whose replies are not compared elsewhere, but whose effect is the same everywhere. */
const MORE = new Set(
  "xadd xtrim xreadgroup xclaim xautoclaim geoadd georadius geosearchstore flushdb publish spublish"
    .split(" "),
);
/** 7.2 makes more consumers than 7.0, so what is new to a group is not the same. */
const CONSUMERS = new Set(["createconsumer", "delconsumer"]);

const COMMANDS = ALL.filter((known) =>
  (KNOWN.includes(known) || MORE.has(known.words[0]!)) && !CONSUMERS.has(known.words.at(-1)!)
);
const WRITES = ALL.filter(({ spec, words: [name] }) => {
  const flags: readonly string[] = spec.flags;
  if (name === "multi" || name === "xreadgroup") return true;
  return flags.includes("write") && !flags.includes("blocking") && name !== "migrate";
});
const EXEC = KNOWN.find(({ words }) => words[0] === "exec")!;

/**
 * Random commands for one round, most of one group: of all alike, most would meet keys of other types.
 */
function randomCommands(rng: Rng, among: readonly Known[]): string[][] {
  const { spec: { group } } = rng.pick(among);
  const ofGroup = among.filter(({ spec }) => spec.group === group);
  return Array.from({ length: COMMANDS_PER_ROUND }, () => {
    const known = rng.oneIn(12) ? EXEC : rng.pick(rng.oneIn(4) ? among : ofGroup);
    const args = argumentsFor(rng, known);
    // Where a damaged value refuses a later element, Redis has added those before and sends nothing.
    if (args[0]!.toLowerCase() === "pfadd") args.splice(3);
    // Nobody would end the wait.
    return args.some((word) => word.toUpperCase() === "BLOCK") ? ["PING"] : args;
  });
}

redisTest("random commands are propagated as Redis propagates them", async () => {
  await using pair = await StreamPair.start(CONFIG);
  await seeded(async (rng) => {
    for (let round = 0; round < ROUNDS; round++) {
      const commands = randomCommands(rng, COMMANDS)
        // 7.0 makes no consumer where there is nothing to read.
        .map((args) => args.filter((word) => word.toUpperCase() !== "NOACK"));
      const lines = commands.map((args) => args.map(latin1Bytes));
      const { redis, redino } = await pair.say([["FLUSHALL"], ...lines, ["DISCARD"]]);
      if (JSON.stringify(redis) === JSON.stringify(redino)) continue;
      // Once more, one by one.
      await pair.say([["FLUSHALL"]]);
      for (const [i, line] of lines.entries()) {
        const { redis, redino } = await pair.say([line]);
        const before = lines.slice(0, i + 1).map((each) => `    ${showCommand(each)}\n`).join("");
        assertEquals(redino, redis, `Replicas are sent other commands after\n${before}`);
      }
      throw new Error("Replicas were sent other commands once, and the same when asked again");
    }
  });
});

for (const [primary, replica] of [["redino", "redis"], ["redis", "redino"], ["redino", "redino"]]) {
  redisTest(
    `${replica} has the data of its primary, ${primary}, after random commands`,
    async () => {
      await using stack = new AsyncDisposableStack();
      const { port } = stack.use(await start(primary!, {}));
      const copy = stack.use(await start(replica!, { replicaof: `127.0.0.1 ${port}` }));
      const ours = stack.use(await RespClient.connect(port));
      const its = stack.use(await RespClient.connect(copy.port));
      await eventually(async () => (await its.ask("INFO")).includes("master_link_status:up"));
      await seeded(async (rng) => {
        for (let round = 0; round < ROUNDS; round++) await checkReplica(ours, its, rng);
      });
    },
  );
}

async function start(
  kind: string,
  more: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const config = { ...CONFIG, ...more, "repl-diskless-sync-delay": "0" };
  return kind === "redino"
    ? await startRedino({ save: "", ...config })
    : await startRedis({ args: Object.entries(config).flatMap(([k, v]) => [`--${k}`, v]) });
}

/** Says random commands to a primary, after which its replica must have the same data. */
async function checkReplica(primary: RespClient, replica: RespClient, rng: Rng): Promise<void> {
  const commands = randomCommands(rng, WRITES);
  for (const args of commands) await primary.send(...args.map(latin1Bytes));
  await primary.send("DISCARD");
  const caughtUp = async () => await offset(primary) === await offset(replica);
  await eventually(caughtUp);
  const before = commands.map((args) => `    ${showCommand(args.map(latin1Bytes))}\n`).join("");
  assertEquals(await ranked(replica), await ranked(primary), before);
  assertEquals(await groups(replica), await groups(primary), before);
  // The number that stands for all data is made of scores as they are written, which differs.
  for (let db = 15; db >= 0; db--) {
    await primary.send("SELECT", db);
    for (const key of KEYS) await primary.send("ZREMRANGEBYRANK", latin1Bytes(key), 0, -1);
  }
  await eventually(caughtUp);
  assertEquals(await replica.ask("DEBUG", "DIGEST"), await primary.ask("DEBUG", "DIGEST"), before);
}

async function offset(client: RespClient): Promise<string> {
  return /master_repl_offset:(\d+)/.exec(await client.ask("INFO", "replication"))![1]!;
}

/** All sorted sets. */
async function ranked(client: RespClient): Promise<string[]> {
  const sets: string[] = [];
  for (const key of KEYS) {
    const set = await client.send("ZRANGE", latin1Bytes(key), 0, -1, "WITHSCORES");
    sets.push(withScores(show)(set));
  }
  return sets;
}

/** Of all groups of streams the name, the last ID, and how much is pending. */
async function groups(client: RespClient): Promise<string[]> {
  const groups: string[] = [];
  for (const key of KEYS) {
    const reply = await client.send("XINFO", "GROUPS", latin1Bytes(key));
    for (const group of "items" in reply ? reply.items : []) {
      const fields = "items" in group ? group.items.map(show) : [];
      const known = ['"name"', '"pending"', '"last-delivered-id"'];
      groups.push(known.map((field) => fields[fields.indexOf(field) + 1]).join(" "));
    }
  }
  return groups;
}
