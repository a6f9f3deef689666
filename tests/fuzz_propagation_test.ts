/**
 * Random commands to Redino and the real redis-server, whose replicas must be sent the same. What
 * differs is printed with the commands before it and the seed.
 */
import { assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { StreamPair } from "./support/replica_stream.ts";
import { ALL, argumentsFor, KNOWN, type Known } from "./support/random_commands.ts";
import { showCommand } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const ROUNDS = 100;
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
const EXEC = KNOWN.find(({ words }) => words[0] === "exec")!;

function randomCommand(rng: Rng): string[] {
  const known: Known = rng.oneIn(12) ? EXEC : rng.pick(COMMANDS);
  const args = argumentsFor(rng, known);
  return known.words[0] === "xreadgroup"
    ? args.filter((word) => word.toUpperCase() !== "NOACK")
    : args;
}

redisTest("random commands are propagated as Redis propagates them", async () => {
  await using pair = await StreamPair.start(CONFIG);
  await seeded(async (rng) => {
    for (let round = 0; round < ROUNDS; round++) {
      const commands = Array.from({ length: COMMANDS_PER_ROUND }, () => randomCommand(rng));
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
