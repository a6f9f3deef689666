/**
 * Replication: how long a pair of servers takes for a full sync of a data set, and to stream writes from
 * the primary to its replica, until the replica has all of them. Each round has servers of its own.
 */
import { info } from "../../tests/support/replication.ts";
import { RespClient } from "../../tests/support/resp_client.ts";
import { benchKey, load } from "./load.ts";
import { startBoth, type Subject } from "./servers.ts";
import { figure, median, table } from "./table.ts";

export interface ReplicationRow {
  readonly what: string;
  readonly keys: number;
  readonly redinoSeconds: number;
  readonly redisSeconds: number;
}

const POLL_MS = 5;
const TIMEOUT_MS = 120_000;

/** The medians of `rounds` rounds, in which the two kinds of server take turns. */
export async function measureReplication(
  keys: number,
  size: number,
  rounds: number,
): Promise<ReplicationRow[]> {
  const value = "x".repeat(size);
  const seconds = { sync: { Redino: [], Redis: [] }, stream: { Redino: [], Redis: [] } } as Record<
    "sync" | "stream",
    Record<Subject["name"], number[]>
  >;
  for (let round = 0; round < rounds; round++) {
    await using stack = new AsyncDisposableStack();
    const args = ["--repl-diskless-sync-delay", "0"];
    const primaries = (await startBoth(args)).map((subject) => stack.use(subject));
    const replicas = (await startBoth(args)).map((subject) => stack.use(subject));
    for (const [i, primary] of primaries.entries()) {
      const replica = replicas[i]!;
      await load(primary.port, keys, (k) => ["SET", benchKey(k), value]);
      seconds.sync[primary.name].push(await syncSeconds(primary, replica));
      seconds.stream[primary.name].push(
        await untilEqual(primary, replica, writeSets(primary, keys, size)),
      );
      // The next pair has the machine to itself.
      await ask(replica, "REPLICAOF", "NO", "ONE");
    }
  }
  return [
    row(`full sync of ${figure(keys)} keys`, keys, seconds.sync),
    row(`streaming ${figure(keys)} SETs`, keys, seconds.stream),
  ];
}

async function syncSeconds(primary: Subject, replica: Subject): Promise<number> {
  return await untilEqual(
    primary,
    replica,
    ask(replica, "REPLICAOF", "127.0.0.1", String(primary.port)),
  );
}

/** Has redis-benchmark send that many SETs of random keys, 64 a batch. */
async function writeSets(primary: Subject, count: number, size: number): Promise<void> {
  const { success } = await new Deno.Command("redis-benchmark", {
    args: ["-p", primary.port, "-t", "set", "-P", 64, "-n", count, "-r", count, "-d", size, "-q"]
      .map(String),
    stdout: "null",
  }).output();
  if (!success) throw new Error("redis-benchmark could not write to the primary");
}

/** Seconds from now until the work is done and the replica is connected and has all of the stream. */
async function untilEqual(
  primary: Subject,
  replica: Subject,
  work: Promise<unknown>,
): Promise<number> {
  const startMs = performance.now();
  await work;
  using from = await RespClient.connect(primary.port);
  using to = await RespClient.connect(replica.port);
  while (performance.now() - startMs < TIMEOUT_MS) {
    const there = await info(to, "replication");
    if (there.get("master_link_status") === "up") {
      const here = await info(from, "replication");
      if (here.get("master_repl_offset") === there.get("slave_repl_offset")) {
        return (performance.now() - startMs) / 1000;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${primary.name}: the replica was not up to date after ${TIMEOUT_MS / 1000} s`);
}

async function ask(subject: Subject, ...words: string[]): Promise<void> {
  using client = await RespClient.connect(subject.port);
  await client.send(...words);
}

function row(
  what: string,
  keys: number,
  seconds: Record<Subject["name"], number[]>,
): ReplicationRow {
  return {
    what,
    keys,
    redinoSeconds: median(seconds.Redino),
    redisSeconds: median(seconds.Redis),
  };
}

export function showReplication(rows: readonly ReplicationRow[]): string {
  return table(
    ["work", "Redino s", "Redis s", "ratio"],
    rows.map(({ what, redinoSeconds, redisSeconds }) => [
      what,
      figure(redinoSeconds, 2),
      figure(redisSeconds, 2),
      figure(redinoSeconds / redisSeconds, 2),
    ]),
  );
}
