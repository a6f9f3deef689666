/**
 * Random commands against the real redis-server, reply by reply. Where replies differ, the sequence is
 * cut down to the commands that it takes, and printed with its seed.
 */
import { latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { type Pair, startPair } from "./support/differential.ts";
import {
  ALL,
  argumentsFor,
  KEYS,
  KNOWN,
  type Known,
  STRINGS,
  withScores,
} from "./support/random_commands.ts";
import { encodeCommand, RespClient, show, showCommand } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const ROUNDS = 250;
const COMMANDS_PER_ROUND = 150;

/** Thresholds low, so that a few elements reach the large encodings. */
const CONFIG = {
  "hash-max-listpack-entries": 4,
  "hash-max-listpack-value": 16,
  "list-max-listpack-size": 4,
  "set-max-intset-entries": 4,
  "zset-max-listpack-entries": 4,
  "zset-max-listpack-value": 16,
};

const EXEC = KNOWN.find(({ words }) => words[0] === "exec")!;

/** Of all commands, those that end the server or other clients, or make them wait. */
const ENDING = new Set(["shutdown", "debug", "client pause", "client kill"]);

interface Step {
  readonly args: readonly string[];
  readonly view: Known["view"];
}

/** Whatever the replies did not show: all keys and values of the first database, in one number. */
const AT_THE_END: readonly Step[] = [
  { args: ["DISCARD"], view: show },
  ...Array.from({ length: 15 }, (_, i) => [["SELECT", `${i + 1}`], ["FLUSHDB"]]).flat()
    .map((args) => ({ args, view: show })),
  { args: ["SELECT", "0"], view: show },
  // The number is made of scores as they are written, so sorted sets are looked at and removed.
  ...[...KEYS, ...STRINGS].flatMap((key) => [
    { args: ["ZRANGE", key, "0", "-1", "WITHSCORES"], view: withScores(show) },
    { args: ["ZREMRANGEBYRANK", key, "0", "-1"], view: show },
  ]),
  { args: ["DEBUG", "DIGEST"], view: show },
];

function randomStep(rng: Rng): Step {
  // Else a transaction once begun would take all that follows.
  const known = rng.oneIn(12) ? EXEC : rng.pick(KNOWN);
  return { args: argumentsFor(rng, known), view: known.view };
}

interface Difference {
  readonly at: number;
  readonly redis: string;
  readonly redino: string;
}

/** Sends all steps at once to both, empty before, and returns the first that is answered otherwise. */
async function firstDifference(
  pair: Pair,
  protocol: 2 | 3,
  steps: readonly Step[],
): Promise<Difference | undefined> {
  using clients = await pair.connect(protocol);
  const { redis, redino } = clients;
  await Promise.all([redis, redino].map(async (client: RespClient) => {
    await client.send("FLUSHALL");
    for (const { args } of steps) await client.write(encodeCommand(args.map(latin1Bytes)));
  }));
  for (const [at, { view }] of steps.entries()) {
    const replies = await Promise.all([redis.read(), redino.read()]);
    if (view(replies[0]) === view(replies[1])) continue;
    return { at, redis: show(replies[0]), redino: show(replies[1]) };
  }
  return undefined;
}

/** Leaves commands out, many at a time and then each, as long as the replies still differ. */
async function shrink(pair: Pair, protocol: 2 | 3, failing: readonly Step[]): Promise<Step[]> {
  let steps = [...failing];
  for (let size = steps.length >> 1; size > 0; size >>= 1) {
    for (let from = 0; from + size < steps.length;) {
      const fewer = steps.toSpliced(from, size);
      const difference = await firstDifference(pair, protocol, fewer);
      if (difference === undefined) from += size;
      else steps = fewer.slice(0, difference.at + 1);
    }
  }
  return steps;
}

redisTest("random commands are answered as Redis answers them", async () => {
  await using pair = await startPair({ config: CONFIG });
  await seeded(async (rng) => {
    for (let round = 0; round < ROUNDS; round++) {
      const protocol = rng.pick([2, 3] as const);
      const steps = Array.from({ length: COMMANDS_PER_ROUND }, () => randomStep(rng));
      steps.push(...AT_THE_END);
      const first = await firstDifference(pair, protocol, steps);
      if (first === undefined) continue;
      const shortest = await shrink(pair, protocol, steps.slice(0, first.at + 1));
      const difference = await firstDifference(pair, protocol, shortest) ?? first;
      throw new Error(
        `RESP${protocol} replies differ after\n` +
          shortest.map(({ args }) => `    ${showCommand(args.map(latin1Bytes))}\n`).join("") +
          `    redis:  ${difference.redis}\n    redino: ${difference.redino}`,
      );
    }
  });
});

Deno.test("no command, however odd its arguments, is a bug", async () => {
  const bugs: string[] = [];
  const note = (line: string) => line.includes("Internal error") && bugs.push(line);
  await using stack = new AsyncDisposableStack();
  // SAVE is among the commands.
  const dir = await Deno.makeTempDir({ prefix: "redino_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const server = stack.use(await serve({ port: 0, dir, log: note }));
  const known = ALL.filter(({ words }) => !ENDING.has(words[0]!) && !ENDING.has(words.join(" ")));
  await seeded(async (rng) => {
    for (let round = 0; round < ROUNDS; round++) {
      // One that subscribes, monitors or blocks goes on to be sent commands.
      using client = await RespClient.connect(server.port);
      let commands = "";
      for (let i = 0; i < COMMANDS_PER_ROUND / 3; i++) {
        const args = argumentsFor(rng, rng.pick(known));
        // One that has quit may be gone already.
        await client.write(encodeCommand(args.map(latin1Bytes))).catch(() => {});
        commands += `    ${showCommand(args.map(latin1Bytes))}\n`;
      }
      using other = await RespClient.connect(server.port);
      await other.send("PING");
      if (bugs.length > 0) throw new Error(`${bugs.join("")}after\n${commands}`);
    }
  });
});
