/**
 * Pub/Sub: delivered messages a second, and processor time a message, when one message goes to many
 * subscribers and when one subscriber listens to many channels. Rounds alternate between the servers.
 */
import { TextLineStream } from "@std/streams";
import { encodeCommand } from "../../tests/support/resp_client.ts";
import { cpuSeconds, startBoth, type Subject } from "./servers.ts";
import { channelName } from "./subscribers.ts";
import { figure, median, table } from "./table.ts";

/** Who sends to whom; a publisher is a connection. */
interface Shape {
  readonly publishers: number;
  readonly subscribers: number;
  /** Each subscriber listens to all of them. */
  readonly channels: number;
}

/** By the name that `--tests` gives them. */
const TESTS: Readonly<Record<string, Shape>> = {
  fan_out: { publishers: 1, subscribers: 1000, channels: 1 },
  fan_in: { publishers: 1, subscribers: 1, channels: 1000 },
  fan_in_50: { publishers: 50, subscribers: 1, channels: 1000 },
};

export const PUBSUB_TESTS: readonly string[] = Object.keys(TESTS);

export interface PubSubOptions {
  readonly tests: readonly string[];
  readonly pipelines: readonly number[];
  readonly rounds: number;
  /** Of a message, in bytes. */
  readonly size: number;
}

interface Round {
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number | undefined;
}

interface Setting extends Shape {
  readonly test: string;
  /** Messages that a publisher sends at once. */
  readonly pipeline: number;
  readonly size: number;
}

/** Medians of the rounds. */
export interface PubSubRow extends Setting {
  /** Messages that are delivered in a round. */
  readonly messages: number;
  readonly redino: Round;
  readonly redis: Round;
}

const ROUND_SECONDS = 2;
const CALIBRATION_MESSAGES = 50_000;

export async function measurePubSub(options: PubSubOptions): Promise<PubSubRow[]> {
  if (Deno.build.os !== "linux") throw new Error("The subscribers of this bench need Linux");
  const subjects = await startBoth();
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  const { size, rounds } = options;
  const rows: PubSubRow[] = [];
  for (const test of options.tests) {
    const shape = TESTS[test];
    if (shape === undefined) throw new Error(`No test is named ${test}: there are ${PUBSUB_TESTS}`);
    for (const pipeline of options.pipelines) {
      rows.push(await measureRow(subjects, { test, ...shape, pipeline, size }, rounds));
    }
  }
  return rows;
}

async function measureRow(
  subjects: readonly [Subject, Subject],
  setting: Setting,
  rounds: number,
): Promise<PubSubRow> {
  let published = Math.ceil(CALIBRATION_MESSAGES / setting.subscribers);
  let slowest = Infinity;
  for (const subject of subjects) {
    const { messagesPerSecond } = await oneRound(subject, setting, published);
    slowest = Math.min(slowest, messagesPerSecond);
  }
  published = Math.ceil(slowest * ROUND_SECONDS / setting.subscribers);
  const results: [Round[], Round[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? [0, 1] as const : [1, 0] as const;
    for (const i of order) results[i].push(await oneRound(subjects[i], setting, published));
  }
  const messages = published * setting.subscribers;
  return { ...setting, messages, redino: medians(results[0]), redis: medians(results[1]) };
}

function medians(rounds: readonly Round[]): Round {
  const cpu = rounds.flatMap(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage ?? []);
  return {
    messagesPerSecond: median(rounds.map(({ messagesPerSecond }) => messagesPerSecond)),
    cpuMicrosPerMessage: cpu.length === 0 ? undefined : median(cpu),
  };
}

/** Lets redis-benchmark publish `published` messages, and waits until all of them have arrived. */
async function oneRound(subject: Subject, setting: Setting, published: number): Promise<Round> {
  const { publishers, subscribers, channels, pipeline, size } = setting;
  const messageBytes = encodeCommand(["message", channelName(0), "x".repeat(size)]).length;
  const messages = published * subscribers;
  const receiver = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", new URL("subscribers.ts", import.meta.url).href],
      ...[subject.port, subscribers, channels, messages * messageBytes].map(String),
    ],
    stdout: "piped",
  }).spawn();
  const lines = receiver.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  if ((await lines.read()).value !== "ready") throw new Error("The subscribers did not begin");
  const before = cpuSeconds(subject);
  // deno-fmt-ignore
  const settings = [
    "-p", subject.port, "-n", published, "-c", publishers, "-P", pipeline, "-r", channels,
  ];
  const { success, stderr } = await new Deno.Command("redis-benchmark", {
    args: [...settings.map(String), "PUBLISH", "channel:__rand_int__", "x".repeat(size)],
    stdout: "null",
  }).output();
  const result = (await lines.read()).value;
  await receiver.status;
  if (!success || result === undefined) {
    throw new Error(`Publishing to ${subject.name} failed: ${new TextDecoder().decode(stderr)}`);
  }
  const after = cpuSeconds(subject);
  const { seconds, bytes } = JSON.parse(result) as { seconds: number; bytes: number };
  const cpu = after === undefined || before === undefined ? undefined : after - before;
  return {
    messagesPerSecond: bytes / messageBytes / seconds,
    cpuMicrosPerMessage: cpu === undefined ? undefined : cpu / messages * 1e6,
  };
}

export function showPubSub(rows: readonly PubSubRow[]): string {
  return table(
    // deno-fmt-ignore
    [
      "test", "publishers", "subscribers", "channels", "pipeline", "Redino msg/s", "Redis msg/s", "Redino/Redis",
      "Redino CPU µs/msg", "Redis CPU µs/msg",
    ],
    rows.map(({ test, publishers, subscribers, channels, pipeline, redino, redis }) => [
      test,
      ...[publishers, subscribers, channels, pipeline].map((number) => figure(number)),
      figure(redino.messagesPerSecond),
      figure(redis.messagesPerSecond),
      figure(redino.messagesPerSecond / redis.messagesPerSecond, 2),
      figure(redino.cpuMicrosPerMessage, 2),
      figure(redis.cpuMicrosPerMessage, 2),
    ]),
  );
}
