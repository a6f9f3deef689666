/**
 * Persistence: how fast a mixed data set is saved and loaded, and how long commands wait while twice
 * as much is saved. Both servers load the same file, redis-server's.
 */
import { startRedinoProcess } from "../../tests/support/redino_process.ts";
import { info } from "../../tests/support/replication.ts";
import { startRedis } from "../../tests/support/redis.ts";
import { type Argument, RespClient } from "../../tests/support/resp_client.ts";
import { load } from "./load.ts";
import { rssBytes, startBoth, type Subject } from "./servers.ts";
import { figure, median, megabytes, table } from "./table.ts";

export interface SpeedRow {
  readonly work: string;
  readonly redinoSeconds: number;
  readonly redisSeconds: number;
}

export interface WaitRow {
  readonly server: string;
  readonly saving: boolean;
  readonly commands: number;
  readonly medianMs: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How far resident memory rose; of Redis what its child copied. */
  readonly grownBytes: number | undefined;
  /** How long the save took. */
  readonly seconds: number;
}

export interface PersistenceRows {
  readonly speed: readonly SpeedRow[];
  readonly waits: readonly WaitRow[];
}

/** Connections of the steady load, and the pause of each between two commands. */
const CONNECTIONS = 8;
const PAUSE_MS = 2;
const POLL_MS = 20;
/** How long commands are timed without a save. */
const CALM_MS = 5000;
const TIMEOUT_MS = 300_000;
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

/** Eight kinds of keys in turn: short and long strings, some that expire, and small collections. */
function mixed(i: number): Argument[] {
  const key = `key:${i}`;
  switch (i & 7) {
    case 0:
      return ["SET", key, i];
    case 1:
      return ["SET", key, `value of ${i}`];
    case 2:
      return ["SET", key, `${i} ${WORDS}${WORDS}`];
    case 3:
      return ["SET", key, `session ${i}`, "EX", 1_000_000];
    case 4:
      return ["HSET", key, "name", `name ${i}`, "age", i & 127, "city", "somewhere", "id", i];
    case 5:
      return ["RPUSH", key, `first ${i}`, "second", i, "fourth"];
    case 6:
      return ["SADD", key, i, i + 1, i + 2, i * 3];
    default:
      return ["ZADD", key, 1, `a${i}`, 2.5, `b${i}`, i, `c${i}`];
  }
}

export async function measurePersistence(keys: number, rounds: number): Promise<PersistenceRows> {
  return { speed: await measureSpeed(keys, rounds), waits: await measureWaits(2 * keys) };
}

// ---- speed -----------------------------------------------------------------------------------------

async function measureSpeed(keys: number, rounds: number): Promise<SpeedRow[]> {
  const dir = await Deno.makeTempDir({ prefix: "redino_bench_" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const times = { SAVE: both(), BGSAVE: both(), loading: both() };
  const subjects = await startBoth(["--enable-protected-configs", "yes"]);
  {
    await using _redino = subjects[0];
    await using _redis = subjects[1];
    for (const { port } of subjects) await load(port, keys, mixed);
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) {
        using client = await RespClient.connect(subject.port, { timeoutMs: TIMEOUT_MS });
        times.SAVE[subject.name].push(await seconds(() => client.send("SAVE")));
        times.BGSAVE[subject.name].push(await seconds(() => backgroundSave(client)));
      }
    }
    using client = await RespClient.connect(subjects[1].port, { timeoutMs: TIMEOUT_MS });
    await client.send("CONFIG", "SET", "dir", dir);
    await client.send("SAVE");
  }
  for (let round = 0; round < rounds; round++) {
    {
      await using redino = await startRedinoProcess({ dir });
      times.loading.Redino.push(loadSeconds(redino.log()));
    }
    await using redis = await startRedis({ args: ["--dir", dir] });
    using client = await RespClient.connect(redis.port, { timeoutMs: TIMEOUT_MS });
    await until(async () => await field(client, "loading") === "0");
    times.loading.Redis.push(loadSeconds(await Deno.readTextFile(`${redis.dir}/redis.log`)));
  }
  return Object.entries(times).map(([work, { Redino, Redis }]) => ({
    work: `${work} of ${figure(keys)} keys`,
    redinoSeconds: median(Redino),
    redisSeconds: median(Redis),
  }));
}

function both(): Record<Subject["name"], number[]> {
  return { Redino: [], Redis: [] };
}

function loadSeconds(log: string): number {
  const found = /DB loaded from disk: ([\d.]+) seconds/.exec(log)?.[1];
  if (found === undefined) throw new Error(`Nothing was loaded:\n${log}`);
  return Number(found);
}

/** Saves and waits for the end. */
async function backgroundSave(client: RespClient): Promise<void> {
  await client.send("BGSAVE");
  await until(async () => await field(client, "rdb_bgsave_in_progress") === "0");
  const status = await field(client, "rdb_last_bgsave_status");
  if (status !== "ok") throw new Error(`BGSAVE ended with ${status}`);
}

// ---- waits -----------------------------------------------------------------------------------------

async function measureWaits(keys: number): Promise<WaitRow[]> {
  const subjects = await startBoth();
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  for (const { port } of subjects) await load(port, keys, mixed);
  const rows: WaitRow[] = [];
  for (const subject of subjects) {
    rows.push(await underLoad(subject, keys, false));
    rows.push(await underLoad(subject, keys, true));
  }
  return rows;
}

/** Times the commands of a steady load, while the data are saved or nothing else happens. */
async function underLoad(subject: Subject, keys: number, saving: boolean): Promise<WaitRow> {
  const timesMs: number[] = [];
  let running = true;
  const connections = Array.from({ length: CONNECTIONS }, async () => {
    using client = await RespClient.connect(subject.port, { timeoutMs: TIMEOUT_MS });
    while (running) {
      const command = readOrWrite(Math.floor(Math.random() * keys));
      const startMs = performance.now();
      await client.send(...command);
      timesMs.push(performance.now() - startMs);
      await sleep(PAUSE_MS);
    }
  });
  using client = await RespClient.connect(subject.port, { timeoutMs: TIMEOUT_MS });
  const before = rssBytes(subject);
  let most = before;
  const watching = setInterval(() => {
    const now = rssBytes(subject);
    if (most !== undefined && now !== undefined) most = Math.max(most, now);
  }, POLL_MS);
  const took = await seconds(() => saving ? backgroundSave(client) : sleep(CALM_MS));
  running = false;
  await Promise.all(connections);
  clearInterval(watching);
  const copied = Number(await field(client, "rdb_last_cow_size"));
  const sorted = timesMs.sort((a, b) => a - b);
  return {
    server: subject.name,
    saving,
    commands: sorted.length,
    medianMs: median(sorted),
    p999Ms: sorted[Math.floor(sorted.length * 0.999)]!,
    maxMs: sorted.at(-1)!,
    grownBytes: saving && subject.name === "Redis"
      ? copied
      : before === undefined
      ? undefined
      : most! - before,
    seconds: took,
  };
}

/** A command on one of the mixed keys: as many write as read. */
function readOrWrite(i: number): Argument[] {
  if (Math.random() < 0.5) return mixed(i);
  const key = `key:${i}`;
  const kind = i & 7;
  if (kind < 4) return ["GET", key];
  if (kind === 4) return ["HGET", key, "name"];
  if (kind === 5) return ["LINDEX", key, 0];
  return kind === 6 ? ["SCARD", key] : ["ZCARD", key];
}

// ---- helpers ---------------------------------------------------------------------------------------

async function field(client: RespClient, name: string): Promise<string> {
  return (await info(client, "persistence")).get(name) ?? "";
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`It took longer than ${TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

export function showPersistence({ speed, waits }: PersistenceRows): string {
  const speeds = table(
    ["work", "Redino s", "Redis s", "speed Redino/Redis"],
    speed.map(({ work, redinoSeconds, redisSeconds }) => [
      work,
      figure(redinoSeconds, 2),
      figure(redisSeconds, 2),
      figure(redisSeconds / redinoSeconds, 2),
    ]),
  );
  const times = table(
    ["server", "commands", "median ms", "99.9 % ms", "longest ms", "memory grew MB", "seconds"],
    waits.map((row) => [
      `${row.server}${row.saving ? " while it saves" : ""}`,
      figure(row.commands),
      figure(row.medianMs, 2),
      figure(row.p999Ms, 2),
      figure(row.maxMs, 2),
      megabytes(row.grownBytes),
      figure(row.seconds, 1),
    ]),
  );
  return `${speeds}\n\n${times}`;
}
