/**
 * Requests a second and processor time a request, by redis-benchmark. Rounds alternate between the
 * two servers, so that what else the machine does falls on both, and medians are taken.
 */
import { ProgressBar } from "@std/cli/unstable-progress-bar";
import { RespClient } from "../../tests/support/resp_client.ts";
import { CUSTOM_TESTS } from "./custom.ts";
import { benchKey, load } from "./load.ts";
import { cpuSeconds, rssBytes, startBoth, type Subject } from "./servers.ts";
import { figure, median, megabytes, table } from "./table.ts";

export interface ThroughputOptions {
  readonly tests: readonly string[];
  readonly pipelines: readonly number[];
  readonly rounds: number;
  readonly clients: number;
  /** Of a value, in bytes. */
  readonly size: number;
  /** How many different keys the commands draw from. */
  readonly keys: number;
  /** A round's; where undefined, what takes about {@link ROUND_SECONDS}. */
  readonly requests: number | undefined;
}

/** One server's figures for one row: medians of the rounds. */
interface Figures {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number | undefined;
  readonly rssBytes: number | undefined;
}

export interface Row {
  readonly test: string;
  readonly pipeline: number;
  readonly requests: number;
  readonly redino: Figures;
  readonly redis: Figures;
}

interface Round {
  readonly requestsPerSecond: number;
  readonly cpuSeconds: number | undefined;
}

/** What redis-benchmark's `-t` knows, LRANGE apart, which is sent as a command. */
const BENCHMARK_TESTS = [
  ...["ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd"],
  ...["hset", "spop", "zadd", "zpopmin", "mset"],
];
const ROUND_SECONDS = 1.5;
const CALIBRATION_REQUESTS = 20_000;
/** Below this a calibrating run says little. */
const CALIBRATION_SECONDS = 0.4;

/** Throws for the name of a test that there is not. */
export async function measureThroughput(options: ThroughputOptions): Promise<Row[]> {
  const isTest = (name: string) =>
    name in CUSTOM_TESTS || BENCHMARK_TESTS.includes(name) || /^lrange_\d+$/.test(name);
  const unknown = options.tests.filter((name) => !isTest(name));
  if (unknown.length > 0) throw new Error(`There is no test ${unknown.join(", ")}: see --help`);
  const subjects = await startBoth();
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  const rows: Row[] = [];
  const steps = options.pipelines.length * options.tests.length * (options.rounds + 1);
  const bar = Deno.stderr.isTerminal() ? new ProgressBar({ max: steps }) : undefined;
  const advance = () => {
    if (bar !== undefined) bar.value++;
  };
  try {
    for (const pipeline of options.pipelines) {
      for (const test of options.tests) {
        const row = await measureRow(subjects, test, pipeline, options, advance);
        rows.push(row);
        // What a run that is broken off has found so far.
        if (bar === undefined) console.error(`${test}, pipeline ${pipeline}: ${showRatio(row)}`);
      }
    }
  } finally {
    await bar?.stop();
  }
  return rows;
}

async function measureRow(
  subjects: readonly [Subject, Subject],
  test: string,
  pipeline: number,
  options: ThroughputOptions,
  advance: () => void,
): Promise<Row> {
  for (const { port } of subjects) {
    using client = await RespClient.connect(port, { timeoutMs: 60_000 });
    await client.send("FLUSHALL");
  }
  const run = (subject: Subject, requests: number) =>
    oneRound(subject, test, pipeline, requests, options);
  let requests = options.requests ?? CALIBRATION_REQUESTS;
  if (options.requests === undefined) {
    let slowest = await slowestRate(subjects, requests, run);
    if (requests / slowest < CALIBRATION_SECONDS) {
      requests = Math.ceil(slowest * CALIBRATION_SECONDS);
      slowest = await slowestRate(subjects, requests, run);
    }
    requests = Math.ceil(slowest * ROUND_SECONDS / 1000) * 1000;
  }
  advance();
  const rounds: [Round[], Round[]] = [[], []];
  for (let round = 0; round < options.rounds; round++) {
    const order = round % 2 === 0 ? [0, 1] as const : [1, 0] as const;
    for (const i of order) rounds[i].push(await run(subjects[i], requests));
    advance();
  }
  return {
    test,
    pipeline,
    requests,
    redino: summary(rounds[0], requests, subjects[0]),
    redis: summary(rounds[1], requests, subjects[1]),
  };
}

async function slowestRate(
  subjects: readonly Subject[],
  requests: number,
  run: (subject: Subject, requests: number) => Promise<Round>,
): Promise<number> {
  let slowest = Infinity;
  for (const subject of subjects) {
    slowest = Math.min(slowest, (await run(subject, requests)).requestsPerSecond);
  }
  return slowest;
}

function summary(rounds: readonly Round[], requests: number, subject: Subject): Figures {
  const cpu = rounds.flatMap((round) => round.cpuSeconds ?? []);
  return {
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    cpuMicrosPerRequest: cpu.length === 0 ? undefined : median(cpu) / requests * 1e6,
    rssBytes: rssBytes(subject),
  };
}

async function oneRound(
  subject: Subject,
  test: string,
  pipeline: number,
  requests: number,
  options: ThroughputOptions,
): Promise<Round> {
  const custom = CUSTOM_TESTS[test];
  if (custom === undefined) await prepare(subject.port, test, requests, options);
  else await custom.prepare?.(subject.port);
  const range = /^lrange_(\d+)$/.exec(test)?.[1];
  const what = custom !== undefined
    ? custom.command
    : range === undefined
    ? ["-t", test]
    : ["LRANGE", "mylist", "0", `${+range - 1}`];
  // deno-fmt-ignore
  const settings = [
    "-p", subject.port, "-n", requests, "-c", options.clients, "-P", pipeline,
    "-d", options.size, "-r", custom?.range ?? options.keys, "--csv",
  ].map(String);
  const before = cpuSeconds(subject);
  const { success, stdout, stderr } = await new Deno.Command("redis-benchmark", {
    args: [...settings, ...what],
  }).output();
  const after = cpuSeconds(subject);
  const text = new TextDecoder().decode(stdout);
  // The last line of the CSV; its second field is the rate.
  const rate = Number(/^"[^"]*","([\d.]+)"/.exec(text.trimEnd().split("\n").at(-1) ?? "")?.[1]);
  if (!success || !(rate > 0)) {
    const said = new TextDecoder().decode(stderr);
    throw new Error(`redis-benchmark -t ${test} against ${subject.name} failed: ${text}${said}`);
  }
  return {
    requestsPerSecond: rate,
    cpuSeconds: after === undefined || before === undefined ? undefined : after - before,
  };
}

/** Sees to it that a test finds what it reads or takes away. */
async function prepare(
  port: number,
  test: string,
  requests: number,
  options: ThroughputOptions,
): Promise<void> {
  using client = await RespClient.connect(port, { timeoutMs: 60_000 });
  switch (test) {
    case "get": {
      const size = await client.send("DBSIZE");
      if (size.type === "integer" && size.value === options.keys) return;
      const value = "x".repeat(options.size);
      return await load(port, options.keys, (i) => ["SET", benchKey(i), value]);
    }
    case "lrange_100":
    case "lrange_300":
    case "lrange_500":
    case "lrange_600":
      await client.send("DEL", "mylist");
      return await load(port, 600, (i) => ["RPUSH", "mylist", `element:${i}`]);
    case "lpop":
    case "rpop":
      await client.send("DEL", "mylist");
      return await load(port, requests, (i) => ["RPUSH", "mylist", `element:${i}`]);
    case "spop":
      await client.send("DEL", "myset");
      return await load(port, requests, (i) => ["SADD", "myset", `element:${i}`]);
    case "zpopmin":
      await client.send("DEL", "myzset");
      return await load(port, requests, (i) => ["ZADD", "myzset", i, `element:${i}`]);
  }
}

export function showThroughput(rows: readonly Row[]): string {
  return table(
    // deno-fmt-ignore
    [
      "test", "pipeline", "Redino req/s", "Redis req/s", "Redino/Redis", "Redino CPU µs/req",
      "Redis CPU µs/req", "Redino RSS MB", "Redis RSS MB",
    ],
    rows.map(({ test, pipeline, redino, redis }) => [
      test,
      String(pipeline),
      figure(redino.requestsPerSecond),
      figure(redis.requestsPerSecond),
      showRatio({ redino, redis }),
      figure(redino.cpuMicrosPerRequest, 2),
      figure(redis.cpuMicrosPerRequest, 2),
      megabytes(redino.rssBytes),
      megabytes(redis.rssBytes),
    ]),
  );
}

function showRatio({ redino, redis }: Pick<Row, "redino" | "redis">): string {
  return figure(redino.requestsPerSecond / redis.requestsPerSecond, 2);
}
