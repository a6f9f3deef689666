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
