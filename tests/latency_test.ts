/** LATENCY: the monitor's samples, the histograms, and how both are shown. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { LatencyMonitor } from "../lib/server/latency.ts";
import { LatencyHistogram } from "../lib/server/latency_histogram.ts";
import { latencyGraph } from "../lib/server/latency_report.ts";
import { ActiveExpiry } from "../lib/store/active_expiry.ts";
import { Eviction } from "../lib/store/eviction.ts";
import { compare, sameShape, startPair } from "./support/differential.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { startRedis } from "./support/redis.ts";
import { TestStore } from "./support/store.ts";
import { redisTest } from "./support/skip.ts";

redisTest("LATENCY answers as Redis while nothing was slow", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol, config: {} });
    await compare(pair, [
      ["LATENCY"],
      ["LATENCY", "NOSUCH"],
      ["LATENCY", "HISTORY"],
      ["LATENCY", "HISTORY", "command"],
      ["LATENCY", "LATEST"],
      ["LATENCY", "LATEST", "x"],
      ["LATENCY", "GRAPH", "command"],
      ["LATENCY", "GRAPH", "x\0y"],
      ["LATENCY", "GRAPH"],
      ["LATENCY", "RESET"],
      ["LATENCY", "RESET", "command", "x"],
      ["LATENCY", "DOCTOR", "x"],
      sameShape(["LATENCY", "DOCTOR"]),
      ["LATENCY", "HISTOGRAM", "nosuch"],
      ["LATENCY", "HISTOGRAM", "get"],
    ]);
  }
});

redisTest("LATENCY notes what took longer than the threshold", async () => {
  await using pair = await startPair({ config: {}, protocol: 3 });
  // So high that no pause of the machine reaches it.
  const raise = ["CONFIG", "SET", "latency-monitor-threshold", "60000"];
  await compare(pair, [
    ["DEBUG", "SLEEP", "0.02"],
    ["LATENCY", "LATEST"],
    raise,
    ["DEBUG", "SLEEP", "0.02"],
    ["LATENCY", "LATEST"],
    ["CONFIG", "SET", "latency-monitor-threshold", "50"],
    ["DEBUG", "SLEEP", "0.06"],
    raise,
    { command: ["LATENCY", "HISTORY", "command"], view: (reply) => lastOf(reply, 60) },
    { command: ["LATENCY", "LATEST"], view: (reply) => commandOf(reply, 60) },
    ["LATENCY", "HISTORY", "Command"],
    { command: ["LATENCY", "HISTORY", "command\0x"], view: (reply) => lastOf(reply, 60) },
    sameShape(["LATENCY", "GRAPH", "command\0x"]),
    sameShape(["LATENCY", "DOCTOR"]),
    ["LATENCY", "GRAPH", "fast-command"],
    ["LATENCY", "RESET", "x", "command\0x", "command"],
    { command: ["LATENCY", "LATEST"], view: (reply) => commandOf(reply, 60) },
  ]);
});

/** The last sample of LATENCY HISTORY; its times are named only where they are too short. */
function lastOf(reply: Reply, leastMs: number): string {
  assert(reply.type === "array" && reply.items.length > 0);
  const sample = reply.items.at(-1)!;
  assert(sample.type === "array");
  return sample.items.map((item, i) => timed(item, i === 1 ? leastMs : 1)).join(" ");
}

/** What LATENCY LATEST says of commands: other events are the machine's. */
function commandOf(reply: Reply, leastMs: number): string {
  assert(reply.type === "array");
  return reply.items.flatMap((event) => {
    assert(event.type === "array");
    const [name, seconds, ...times] = event.items;
    if (show(name!) !== '"command"') return [];
    return [timed(seconds!, 1), ...times.map((time) => timed(time, leastMs))];
  }).join(" ");
}

function timed(reply: Reply, least: number): string {
  return reply.type === "integer" && reply.value >= least ? "long" : show(reply);
}

redisTest("LATENCY HISTOGRAM counts calls by command and subcommand", async () => {
  await using pair = await startPair({ config: {}, protocol: 3 });
  const counts = (...command: string[]) => ({ command, view: calls });
  await compare(pair, [
    ["SET", "k", "v"],
    ["SET", "k", "v"],
    ["GET", "k"],
    ["GET"],
    ["CONFIG", "GET", "save"],
    ["CONFIG", "SET", "hz", "10"],
    ["INCR", "k"],
    counts("LATENCY", "HISTOGRAM", "set", "GET", "incr", "nosuch", "get", "del"),
    counts("LATENCY", "HISTOGRAM", "config"),
    counts("LATENCY", "HISTOGRAM", "config|get", "config|nosuch"),
    counts("LATENCY", "HISTOGRAM", "latency|histogram"),
    ["CONFIG", "SET", "latency-tracking", "no"],
    ["GET", "k"],
    counts("LATENCY", "HISTOGRAM", "get"),
    ["CONFIG", "SET", "latency-tracking", "yes"],
    ["CONFIG", "RESETSTAT"],
    ["GET", "k"],
    ["LATENCY", "HISTOGRAM", "set"],
    counts("LATENCY", "HISTOGRAM", "get"),
    counts("LATENCY", "HISTOGRAM"),
    counts("INFO", "latencystats"),
  ]);
});

/** The commands in a reply of HISTOGRAM or INFO with their calls, without times, in any order. */
function calls(reply: Reply): string {
  if (reply.type === "verbatim") {
    return reply.text.replace(/=\d+\.\d{3}/g, "=<usec>").split("\r\n").sort().join("\n");
  }
  if (reply.type !== "map") return show(reply);
  return reply.entries.map(([name, value]) => {
    assert(value.type === "map");
    const [[word, count], [other, steps]] = value.entries as unknown as [
      [Reply, Reply],
      [Reply, Reply],
    ];
    assert(steps.type === "map");
    const last = steps.entries.at(-1)![1];
    return [name, word, count, other, last].map(show).join(" ");
  }).sort().join("\n");
}

redisTest("LATENCY HISTOGRAM and INFO end where Redis's histogram ends", async () => {
  await using pair = await startPair({ config: {}, protocol: 3 });
  // Beyond its greatest value: only there two servers take the same time.
  await compare(pair, [["DEBUG", "SLEEP", "1.1"], ["LATENCY", "HISTOGRAM", "debug"]]);
  const line = async (client: RespClient) =>
    /usec_debug:p50=[^,]*,p99=(\d+\.\d+)/.exec(await client.ask("INFO", "latencystats"))![1];
  assertEquals(await line(pair.redino), await line(pair.redis));
});

Deno.test("A latency histogram has Redis's steps", () => {
  const histogram = new LatencyHistogram();
  for (let usec = 1; usec < 2 ** 21; usec *= 2) histogram.record(usec, 1);
  assertEquals(
    histogram.steps().map(([usec]) => usec),
    // deno-fmt-ignore
    [
      1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633, 135266,
      270532, 541065, 1073741,
    ],
  );
});

Deno.test("A latency histogram tells each value to within a hundredth", async () => {
  await seeded((rng) => {
    const histogram = new LatencyHistogram();
    const values: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const usec = Math.floor(2 ** (rng.float() * 19));
      const count = rng.int(1, 3);
      histogram.record(usec, count);
      for (let k = 0; k < count; k++) values.push(usec);
    }
    values.sort((a, b) => a - b);
    assertEquals(histogram.count, values.length);
    for (const percent of [1, 25, 50, 90, 99, 99.9, 100]) {
      const exact = values[Math.max(1, Math.floor(percent / 100 * values.length + 0.5)) - 1]!;
      const told = histogram.percentileNs(percent) / 1000;
      assert(told >= exact && told <= exact * 1.01 + 0.001, `${told} for ${exact}`);
    }
    let before = 0;
    for (const [usec, calls] of histogram.steps()) {
      assert(calls > before);
      assertEquals(calls, values.filter((value) => value <= usec).length);
      before = calls;
    }
    assertEquals(before, values.length);
  });
});

Deno.test("The latency monitor keeps the longest of a second, and 160 samples", () => {
  const monitor = new LatencyMonitor();
  monitor.note("command", 1000, 5000);
  assertEquals(monitor.events.size, 0);
  monitor.thresholdMs = 10;
  monitor.note("command", 9.9, 5000);
  monitor.note("command", 10.7, 5000);
  monitor.note("command", 30, 5999);
  monitor.note("command", 20, 5999);
  assertEquals(monitor.events.get("command"), {
    samples: [{ timeSeconds: 5, ms: 30 }],
    maxMs: 30,
  });
  for (let second = 6; second < 206; second++) monitor.note("command", 11, second * 1000);
  const { samples, maxMs } = monitor.events.get("command")!;
  assertEquals([samples.length, samples[0]!.timeSeconds, maxMs], [160, 46, 30]);
});

Deno.test("The latency monitor is told of single keys that expire and are evicted", () => {
  const store = new TestStore(1, 1);
  const eviction = new Eviction(store.dbs, store.context, () => store.usedBytes);
  eviction.policy = "volatile-ttl";
  eviction.maxMemory = 1;
  for (const thresholdMs of [0, 1]) {
    store.latency.thresholdMs = thresholdMs;
    store.set(0, "expiring", "value", 10);
    store.pass(20);
    new ActiveExpiry().run(store.dbs, 1000);
    store.set(0, "evicted", "value", 1000);
    eviction.makeRoom();
  }
  assertEquals(store.told, Array(2).fill(["expired 0 expiring", "evicted 0 evicted"]).flat());
  assertEquals(store.latency.noted, [
    `expire-del true ${store.nowMs}`,
    `eviction-del true ${store.nowMs}`,
  ]);
});

redisTest("LATENCY GRAPH is drawn as Redis draws it", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port);
  for (const [i, seconds] of ["0.02", "0.3", "0.1", "0.02"].entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
    await client.send("CONFIG", "SET", "latency-monitor-threshold", "1");
    await client.send("DEBUG", "SLEEP", seconds);
    // What is asked now is not to be noted in its turn.
    await client.send("CONFIG", "SET", "latency-monitor-threshold", "60000");
    const { now, history, graph } = await historyAndGraph(client);
    const samples = history.map(([timeSeconds, ms]) => ({ timeSeconds, ms }));
    const maxMs = Math.max(...samples.map(({ ms }) => ms));
    assertEquals(latencyGraph("command", { samples, maxMs }, now), graph);
  }
});

/** What LATENCY HISTORY and GRAPH tell of commands, and in which second. */
async function historyAndGraph(
  client: RespClient,
): Promise<{ now: number; history: [number, number][]; graph: string }> {
  for (;;) {
    const told: unknown[] = [];
    for (const command of ["TIME", "LATENCY HISTORY command", "LATENCY GRAPH command", "TIME"]) {
      told.push(plain(await client.send(...command.split(" "))));
    }
    const [[now], history, graph, [after]] = told as [
      [string],
      [number, number][],
      string,
      [string],
    ];
    if (now === after) return { now: Number(now), history, graph };
  }
}

function plain(reply: Reply): unknown {
  if ("items" in reply) return reply.items.map(plain);
  if (reply.type === "integer") return Number(reply.value);
  return "text" in reply ? reply.text : undefined;
}

Deno.test("LATENCY GRAPH goes on below where there are more than 80 samples", () => {
  const samples = Array.from({ length: 82 }, (_, i) => ({ timeSeconds: 1000 * i, ms: 5 }));
  const lines = latencyGraph("event", { samples, maxMs: 9 }, 81_000).split("\n");
  assertEquals(lines[0], "event - high 5 ms, low 5 ms (all time high 9 ms)");
  assertEquals(lines[5], "_".repeat(80));
  assertEquals(lines.slice(-8), ["  ", "  ", "__", "  ", "10", "6s", "m ", ""]);
});

Deno.test("LATENCY DOCTOR tells what was slow and what may help", async () => {
  // All in one second, of which one sample is kept, whatever else is slow in it.
  const clock = () => 1_800_000_000_000;
  await using server = await serve({ port: 0, clock, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port);
  assertMatch(await client.ask("LATENCY", "DOCTOR"), /latency-monitor-threshold/);
  await client.send("CONFIG", "SET", "latency-monitor-threshold", "60000");
  assertMatch(await client.ask("LATENCY", "DOCTOR"), /taken 60000 ms/);
  await client.send("CONFIG", "SET", "latency-monitor-threshold", "5");
  await client.send("DEBUG", "SLEEP", "0.01");
  const report = await client.ask("LATENCY", "DOCTOR");
  assertMatch(report, /1\. command: 1 latency spikes \(average \d+ms/);
  assertMatch(report, /slowlog-log-slower-than 5000/);
});
