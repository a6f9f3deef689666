/** Memory: what keys cost, and what connections that do nothing cost. */
import { RespClient } from "../../tests/support/resp_client.ts";
import { benchKey, load } from "./load.ts";
import { rssBytes, startBoth, type Subject } from "./servers.ts";
import { figure, megabytes, table } from "./table.ts";

export interface SpaceRow {
  readonly server: string;
  /** Keys or connections. */
  readonly count: number;
  readonly rssBytes: number | undefined;
  /** What RSS grew by. */
  readonly growthBytes: number | undefined;
}

/** Connections are opened so many at a time: more would overflow the listening backlog. */
const CONNECT_AT_ONCE = 100;

/** RSS before and after every one of `keys` keys of 16 bytes was written, values of `size` bytes. */
export async function measureMemory(keys: number, size: number): Promise<SpaceRow[]> {
  const subjects = await startBoth();
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  const value = "x".repeat(size);
  const rows: SpaceRow[] = [];
  for (const subject of subjects) {
    const before = rssBytes(subject);
    await load(subject.port, keys, (i) => ["SET", benchKey(i), value]);
    rows.push(row(subject, keys, before));
  }
  return rows;
}

/** Collections whose memory is compared: how many commands make one data set, and the i-th of them. */
const COLLECTIONS: readonly {
  readonly name: string;
  readonly commands: number;
  readonly command: (i: number) => string[];
}[] = [
  {
    name: "100,000 hashes of 10 fields",
    commands: 100_000,
    command: (i) => ["HSET", `hash:${i}`, ...ten((k) => [`field:${k}`, `value:${k}`])],
  },
  {
    name: "100,000 sorted sets of 10",
    commands: 100_000,
    command: (i) => ["ZADD", `zset:${i}`, ...ten((k) => [String(i + k), `member:${k}`])],
  },
  {
    name: "a set of 1,000,000",
    commands: 100_000,
    command: (i) => ["SADD", "set", ...ten((k) => [`member:${10 * i + k}`])],
  },
  {
    name: "a list of 1,000,000",
    commands: 100_000,
    command: (i) => ["RPUSH", "list", ...ten((k) => [`element:${10 * i + k}`])],
  },
  {
    name: "a sorted set of 1,000,000",
    commands: 100_000,
    command: (i) => ["ZADD", "zset", ...ten((k) => [String(10 * i + k), `member:${10 * i + k}`])],
  },
  {
    name: "a stream of 1,000,000",
    commands: 1_000_000,
    command: (i) => ["XADD", "stream", `${1 + i}-0`, "field", `value:${i}`],
  },
];

function ten(words: (k: number) => string[]): string[] {
  return Array.from({ length: 10 }, (_, k) => words(k)).flat();
}

/**
 * What used memory and RSS grow by for each of {@link COLLECTIONS}, on servers of its own. They have
 * done a tenth of the work before and forgotten it, so that little of the growth is the runtime's.
 */
export async function measureCollections(): Promise<CollectionRow[]> {
  const rows: CollectionRow[] = [];
  for (const { name, commands, command } of COLLECTIONS) {
    const subjects = await startBoth();
    await using _redino = subjects[0];
    await using _redis = subjects[1];
    const grown: Growth[] = [];
    for (const subject of subjects) {
      await load(subject.port, commands / 10, command);
      await load(subject.port, 1, () => ["FLUSHALL"]);
      const rssBefore = rssBytes(subject);
      const usedBefore = await usedMemory(subject);
      await load(subject.port, commands, command);
      grown.push({
        rssBytes: row(subject, commands, rssBefore).growthBytes,
        usedBytes: await usedMemory(subject) - usedBefore,
      });
    }
    rows.push({ name, redino: grown[0]!, redis: grown[1]! });
  }
  return rows;
}

interface Growth {
  /** Of the process. */
  readonly rssBytes: number | undefined;
  /** As INFO's used_memory tells it. */
  readonly usedBytes: number;
}

export interface CollectionRow {
  readonly name: string;
  readonly redino: Growth;
  readonly redis: Growth;
}

async function usedMemory(subject: Subject): Promise<number> {
  using client = await RespClient.connect(subject.port);
  const info = await client.ask("INFO", "memory");
  return Number(/used_memory:(\d+)/.exec(info)![1]);
}

export function showCollections(rows: readonly CollectionRow[]): string {
  const ratio = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? "-" : (a / b).toFixed(2);
  return table(
    ["data", "Redino used MB", "Redis used MB", "Redino/Redis", "Redino RSS MB", "Redis RSS MB"],
    rows.map(({ name, redino, redis }) => [
      name,
      megabytes(redino.usedBytes),
      megabytes(redis.usedBytes),
      ratio(redino.usedBytes, redis.usedBytes),
      megabytes(redino.rssBytes),
      megabytes(redis.rssBytes),
    ]),
  );
}

/** RSS before and after `connections` clients connected and said PING once. */
export async function measureIdle(connections: number): Promise<SpaceRow[]> {
  const subjects = await startBoth(["--maxclients", String(connections + 100)]);
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  const rows: SpaceRow[] = [];
  for (const subject of subjects) {
    const conns: Deno.Conn[] = [];
    try {
      const before = rssBytes(subject);
      while (conns.length < connections) {
        const some = Math.min(CONNECT_AT_ONCE, connections - conns.length);
        conns.push(
          ...await Promise.all(Array.from({ length: some }, () => connectAndPing(subject.port))),
        );
      }
      rows.push(row(subject, connections, before));
    } finally {
      for (const conn of conns) conn.close();
    }
  }
  return rows;
}

async function connectAndPing(port: number): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const reply = await new RespClient(conn, 60_000).ask("PING");
  if (reply !== "+PONG") throw new Error(`PING was answered ${reply}`);
  return conn;
}

function row(subject: Subject, count: number, before: number | undefined): SpaceRow {
  const after = rssBytes(subject);
  return {
    server: subject.name,
    count,
    rssBytes: after,
    growthBytes: after === undefined || before === undefined ? undefined : after - before,
  };
}

/** `what` is one of the things counted: `key`, `connection`. */
export function showSpace(what: string, rows: readonly SpaceRow[]): string {
  return table(
    ["server", `${what}s`, "RSS MB", "growth MB", `bytes a ${what}`],
    rows.map(({ server, count, rssBytes, growthBytes }) => [
      server,
      figure(count),
      megabytes(rssBytes),
      megabytes(growthBytes),
      figure(growthBytes === undefined ? undefined : growthBytes / count),
    ]),
  );
}
