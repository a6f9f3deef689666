/** What breaks WATCH and what does not, held against the real server. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import {
  type ClientPair,
  type Command,
  compare,
  type PairOptions,
  startPair,
} from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { heapBytes } from "./support/heap.ts";
import { type Argument, encodeCommand, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const PROTOCOLS = [2, 3] as const;

/** For how long a key is there that is to be gone after a `["wait"]`. */
const SOON_MS = 15;
/** By how much a wait outlasts such a key. */
const MARGIN_MS = 25;

/**
 * Who of the named clients sends what. `["watch soon"]` has `b` set the key `k`, which expires soon, and
 * `a` watch it while it is there; `["wait"]` lets keys expire.
 */
type Line = readonly [who: string, ...command: Argument[]];

/** Runs the lines on both servers, each client on a connection of its own. */
async function converse(lines: readonly Line[], options: PairOptions = {}): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const pair = stack.use(await startPair(options));
  const clients = new Map<string, ClientPair>();
  const clientOf = async (who: string): Promise<ClientPair> => {
    let client = clients.get(who);
    if (client === undefined) clients.set(who, client = stack.use(await pair.connect()));
    return client;
  };
  let soonMs = SOON_MS;
  for (const [who, ...command] of lines) {
    if (who === "wait") {
      await new Promise((resolve) => setTimeout(resolve, soonMs + MARGIN_MS));
    } else if (who === "watch soon") {
      soonMs = await watchSoon(await clientOf("a"), await clientOf("b"));
    } else {
      await compare(await clientOf(who), [command]);
    }
  }
}

/** See {@link Line}; returns for how long the key is there. On a busy machine it may take some tries. */
async function watchSoon(a: ClientPair, b: ClientPair): Promise<number> {
  for (let soonMs = SOON_MS;; soonMs *= 2) {
    await compare(b, [["PSETEX", "k", soonMs, "v"]]);
    await compare(a, [["WATCH", "k"]]);
    const left = [await b.redis.ask("PTTL", "k"), await b.redino.ask("PTTL", "k")];
    if (!left.includes(":-2")) return soonMs;
    await compare(a, [["UNWATCH"]]);
  }
}

/**
 * What another client does between WATCH and EXEC: `before` is done when `k` and `gone` are watched.
 * Both must do what `breaks` says.
 */
async function meanwhile(
  before: readonly Command[],
  others: readonly Command[],
  breaks: boolean,
): Promise<void> {
  for (const protocol of PROTOCOLS) {
    await using pair = await startPair({ protocol });
    using other = await pair.connect();
    await compare(pair, [...before, ["WATCH", "k", "gone"]]);
    await compare(other, others);
    await compare(pair, [["MULTI"], ["PING"]]);
    for (const client of [pair.redis, pair.redino]) {
      const reply = await client.ask("EXEC");
      const expected = !breaks ? "[+PONG]" : protocol === 3 ? "nil" : "nil*";
      assertEquals(reply, expected, `${client === pair.redis ? "Redis" : "Redino"}, ${others}`);
    }
  }
}

for (
  const [what, before, others] of [
    ["SET", [["SET", "k", "1"]], [["SET", "k", "1"]]],
    ["SET of a missing key", [], [["SET", "gone", "1"]]],
    ["SETNX of a missing key", [], [["SETNX", "k", "1"]]],
    ["DEL", [["SET", "k", "1"]], [["DEL", "k"]]],
    ["UNLINK", [["SET", "k", "1"]], [["UNLINK", "a", "k"]]],
    ["GETDEL", [["SET", "k", "1"]], [["GETDEL", "k"]]],
    ["GETEX with a time", [["SET", "k", "1"]], [["GETEX", "k", "EX", "100"]]],
    ["EXPIRE", [["SET", "k", "1"]], [["EXPIRE", "k", "100"]]],
    ["EXPIRE at once", [["SET", "k", "1"]], [["EXPIRE", "k", "0"]]],
    ["EXPIRE in the past", [["SET", "k", "1"]], [["EXPIRE", "k", "-1"]]],
    ["PERSIST", [["SET", "k", "1", "EX", "100"]], [["PERSIST", "k"]]],
    ["RENAME of it", [["SET", "k", "1"]], [["RENAME", "k", "x"]]],
    ["RENAME onto it", [["SET", "a", "1"]], [["RENAME", "a", "gone"]]],
    ["MOVE away", [["SET", "k", "1"]], [["MOVE", "k", "1"]]],
    ["COPY onto it", [["SET", "a", "1"]], [["COPY", "a", "k"]]],
    ["FLUSHALL", [["SET", "k", "1"]], [["FLUSHALL"]]],
    ["FLUSHALL from another database", [["SET", "k", "1"]], [["SELECT", "4"], ["FLUSHALL"]]],
    ["FLUSHDB", [["SET", "k", "1"]], [["FLUSHDB", "ASYNC"]]],
    ["SWAPDB", [["SET", "k", "1"]], [["SWAPDB", "0", "5"]]],
    ["SWAPDB, named the other way round", [["SET", "k", "1"]], [["SWAPDB", "5", "0"]]],
    [
      "SWAPDB that brings another of its name",
      [["SELECT", "5"], ["SET", "k", "1"], ["SELECT", "0"], ["SET", "k", "1"]],
      [["SWAPDB", "0", "5"]],
    ],
    ["SWAPDB that brings it", [], [["SELECT", "5"], ["SET", "k", "1"], ["SWAPDB", "5", "0"]]],
    ["INCR", [["SET", "k", "1"]], [["INCR", "k"]]],
    ["APPEND of nothing", [["SET", "k", "1"]], [["APPEND", "k", ""]]],
    ["SETRANGE", [["SET", "k", "1"]], [["SETRANGE", "k", "0", "1"]]],
    ["SETBIT", [["SET", "k", "1"]], [["SETBIT", "k", "0", "1"]]],
    ["RPUSH", [], [["RPUSH", "k", "a"]]],
    ["LPOP of the last element", [["RPUSH", "k", "a"]], [["LPOP", "k"]]],
    ["SADD", [], [["SADD", "k", "a"]]],
    ["SADD of another member", [["SADD", "k", "a"]], [["SADD", "k", "b"]]],
    ["SREM", [["SADD", "k", "a", "b"]], [["SREM", "k", "a"]]],
    ["SMOVE onto it", [["SADD", "a", "x"]], [["SMOVE", "a", "k", "x"]]],
    ["SINTERSTORE of nothing", [["SET", "k", "1"]], [["SINTERSTORE", "k", "x", "y"]]],
    ["HSET to the same", [["HSET", "k", "f", "v"]], [["HSET", "k", "f", "v"]]],
    ["HDEL", [["HSET", "k", "f", "v", "g", "w"]], [["HDEL", "k", "f"]]],
    ["HDEL of the last field", [["HSET", "k", "f", "v"]], [["HDEL", "k", "f"]]],
    ["ZADD", [], [["ZADD", "k", "1", "a"]]],
    ["ZREM", [["ZADD", "k", "1", "a", "2", "b"]], [["ZREM", "k", "a"]]],
    ["PFADD", [], [["PFADD", "k", "a"]]],
    ["a transaction", [["SET", "k", "1"]], [["MULTI"], ["SET", "k", "2"], ["EXEC"]]],
    ["a change and back", [["SET", "k", "1"]], [["SET", "k", "2"], ["SET", "k", "1"]]],
  ] as const satisfies readonly (readonly [string, readonly Command[], readonly Command[]])[]
) {
  redisTest(`WATCH is broken by another client's ${what}`, () => meanwhile(before, others, true));
}

for (
  const [what, before, others] of [
    ["nothing", [["SET", "k", "1"]], []],
    [
      "reads",
      [["SET", "k", "1", "EX", "100"]],
      [["GET", "k"], ["TTL", "k"], ["TYPE", "k"], ["EXISTS", "k", "gone"], ["STRLEN", "k"]],
    ],
    ["reads that are writes by name", [["SET", "k", "1"]], [["GETEX", "k"], ["TOUCH", "k"]]],
    ["SETNX of an existing key", [["SET", "k", "1"]], [["SETNX", "k", "2"]]],
    ["SET XX of a missing key", [["SET", "k", "1"]], [["SET", "gone", "2", "XX"]]],
    ["SET NX of an existing key", [["SET", "k", "1"]], [["SET", "k", "2", "NX", "GET"]]],
    ["DEL of a missing key", [["SET", "k", "1"]], [["DEL", "gone"]]],
    ["GETDEL and LPOP of a missing key", [], [["GETDEL", "gone"], ["LPOP", "gone"]]],
    ["SINTERSTORE of nothing onto a missing key", [], [["SINTERSTORE", "gone", "x", "y"]]],
    ["EXPIRE of a missing key", [["SET", "k", "1"]], [["EXPIRE", "gone", "100"]]],
    ["EXPIRE whose condition fails", [["SET", "k", "1"]], [["EXPIRE", "k", "100", "XX"]]],
    ["PERSIST of what has no time", [["SET", "k", "1"]], [["PERSIST", "k"]]],
    ["SETBIT to the same", [["SET", "k", "1"]], [["SETBIT", "k", "0", "0"]]],
    ["a write that fails", [["SET", "k", "a"]], [["INCR", "k"], ["LPUSH", "k", "a"]]],
    ["LPUSHX of a missing key", [], [["LPUSHX", "gone", "a"]]],
    ["SADD of a member", [["SADD", "k", "a"]], [["SADD", "k", "a"]]],
    ["SREM of no member", [["SADD", "k", "a"]], [["SREM", "k", "b"]]],
    ["HSETNX of a field", [["HSET", "k", "f", "v"]], [["HSETNX", "k", "f", "w"]]],
    ["HDEL of no field", [["HSET", "k", "f", "v"]], [["HDEL", "k", "g"]]],
    ["ZINCRBY by nothing", [["ZADD", "k", "1", "a"]], [["ZINCRBY", "k", "0", "a"]]],
    ["ZADD of the same", [["ZADD", "k", "1", "a"]], [["ZADD", "k", "1", "a"]]],
    ["ZADD that may not", [["ZADD", "k", "1", "a"]], [["ZADD", "k", "NX", "2", "a"]]],
    ["COPY of it", [["SET", "k", "1"]], [["COPY", "k", "other"]]],
    ["COPY that may not", [["MSET", "k", "1", "a", "2"]], [["COPY", "a", "k"]]],
    ["RENAMENX that may not", [["MSET", "k", "1", "a", "2"]], [["RENAMENX", "a", "k"]]],
    ["MOVE that may not", [["SET", "k", "1"]], [["MOVE", "gone", "1"]]],
    ["the same key of another database", [["SET", "k", "1"]], [["SELECT", "1"], ["SET", "k", "2"], [
      "DEL",
      "k",
    ]]],
    ["another key", [["SET", "k", "1"]], [["SET", "other", "2"]]],
    ["FLUSHDB of another database", [["SET", "k", "1"]], [["SELECT", "1"], ["FLUSHDB"]]],
    ["FLUSHALL where the keys are missing", [["SET", "a", "1"]], [["FLUSHALL"]]],
    ["SWAPDB where the keys are missing", [["SET", "a", "1"]], [["SWAPDB", "0", "5"]]],
    ["SWAPDB with itself", [["SET", "k", "1"]], [["SWAPDB", "0", "0"]]],
    ["SWAPDB of others", [["SET", "k", "1"]], [["SWAPDB", "1", "2"]]],
    ["a discarded transaction", [["SET", "k", "1"]], [["MULTI"], ["DEL", "k"], ["DISCARD"]]],
    ["PFADD that changes nothing", [["PFADD", "k", "a"]], [["PFADD", "k", "a"]]],
  ] as const satisfies readonly (readonly [string, readonly Command[], readonly Command[]])[]
) {
  redisTest(`WATCH is not broken by ${what}`, () => meanwhile(before, others, false));
}

redisTest("WATCH keeps the database in which the key was watched", () =>
  converse([
    ["a", "SELECT", "2"],
    ["a", "WATCH", "k"],
    ["a", "SELECT", "0"],
    ["b", "SET", "k", "of 0"],
    ["a", "MULTI"],
    ["a", "GET", "k"],
    ["a", "EXEC"],
    ["a", "WATCH", "k"],
    ["a", "SELECT", "2"],
    ["a", "WATCH", "k"],
    ["a", "SELECT", "0"],
    ["b", "SELECT", "2"],
    ["b", "SET", "k", "of 2"],
    ["a", "MULTI"],
    ["a", "GET", "k"],
    ["a", "EXEC"],
  ]));

redisTest("WATCH tells keys apart by every byte", () =>
  converse([
    ["a", "WATCH", Uint8Array.of(0, 255), Uint8Array.of(0xc3, 0xa9), "1:k", ""],
    ["b", "SET", Uint8Array.of(0, 254), "1"],
    ["b", "SET", Uint8Array.of(0xe9), "1"],
    ["b", "SELECT", "1"],
    ["b", "SET", "k", "1"],
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
    ["b", "SELECT", "0"],
    ["a", "WATCH", Uint8Array.of(0, 255)],
    ["b", "SET", Uint8Array.of(0, 255), "1"],
    ["a", "MULTI"],
    ["a", "EXEC"],
    ["a", "WATCH", ""],
    ["b", "SET", "", "1"],
    ["a", "MULTI"],
    ["a", "EXEC"],
  ]));

redisTest("WATCH adds to what is watched, and one key is enough to break", async () => {
  for (
    const [changed, ...watched] of [
      ["b", ["a", "b", "a", "c"]],
      ["a", ["a"], ["b"]],
      ["b", ["a"], ["b"]],
      ["c", ["a"], ["b"]],
    ] as const
  ) {
    await converse([
      ...watched.map((keys): Line => ["a", "WATCH", ...keys]),
      ["b", "SET", changed, "1"],
      ["a", "MULTI"],
      ["a", "PING"],
      ["a", "EXEC"],
    ]);
  }
});

redisTest("WATCH by several clients breaks for each, and only the first EXEC wins", () =>
  converse([
    ["a", "WATCH", "k"],
    ["b", "WATCH", "k"],
    ["c", "WATCH", "other"],
    ...["a", "b", "c"].flatMap((who): Line[] => [[who, "MULTI"], [who, "INCR", "k"]]),
    ["a", "EXEC"],
    ["b", "EXEC"],
    ["c", "EXEC"],
  ]));

redisTest("WATCH of a key that expires before EXEC breaks, read meanwhile or not", () =>
  converse([
    ["b", "DEBUG", "SET-ACTIVE-EXPIRE", "0"],
    ["watch soon"],
    ["wait"],
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
    ["watch soon"],
    ["wait"],
    ["b", "GET", "k"],
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
    // Expired after MULTI, before EXEC.
    ["watch soon"],
    ["a", "MULTI"],
    ["a", "GET", "k"],
    ["wait"],
    ["a", "EXEC"],
    // One that does not expire is not broken.
    ["b", "SETEX", "k", "100", "v"],
    ["a", "WATCH", "k"],
    ["a", "MULTI"],
    ["a", "GET", "k"],
    ["wait"],
    ["a", "EXEC"],
  ], { config: {} }));

/** A key that has expired when it is watched, then what others do, then EXEC. */
function watchExpired(...others: Line[]): Promise<void> {
  return converse([
    ["b", "DEBUG", "SET-ACTIVE-EXPIRE", "0"],
    ["b", "PSETEX", "k", SOON_MS, "v"],
    ["wait"],
    ["a", "WATCH", "k"],
    ...others,
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
  ], { config: {} });
}

redisTest("WATCH of an expired key is not broken when nothing happens", () => watchExpired());

redisTest(
  "WATCH of an expired key is not broken by its removal",
  () => watchExpired(["b", "GET", "k"]),
);

redisTest(
  "WATCH of an expired key is not broken by DEL and FLUSHALL, which find nothing",
  async () => {
    await watchExpired(["b", "DEL", "k"]);
    await watchExpired(["b", "FLUSHALL"]);
    await watchExpired(["b", "FLUSHDB"]);
  },
);

redisTest("WATCH of an expired key is broken by a new one", async () => {
  await watchExpired(["b", "SET", "k", "new"]);
  await watchExpired(["b", "GET", "k"], ["b", "SET", "k", "new"]);
  await watchExpired(["b", "SET", "k", "new"], ["b", "DEL", "k"]);
  await watchExpired(["b", "FLUSHALL"], ["b", "SET", "k", "new"]);
});

redisTest("WATCH of an expired key and SWAPDB", async () => {
  await watchExpired(["b", "SWAPDB", "0", "1"]);
  await watchExpired(["b", "SELECT", "1"], ["b", "SET", "k", "v"], ["b", "SWAPDB", "0", "1"]);
  await watchExpired(["b", "SWAPDB", "0", "1"], ["b", "SWAPDB", "0", "1"]);
  await watchExpired(
    ["b", "SELECT", "1"],
    ["b", "PSETEX", "k", SOON_MS, "v"],
    ["wait"],
    ["b", "SWAPDB", "0", "1"],
  );
});

redisTest("WATCH of a missing key is not broken by SWAPDB with an expired one", () =>
  converse([
    ["b", "DEBUG", "SET-ACTIVE-EXPIRE", "0"],
    ["a", "WATCH", "k"],
    ["b", "SELECT", "1"],
    ["b", "PSETEX", "k", SOON_MS, "v"],
    ["wait"],
    ["b", "SWAPDB", "0", "1"],
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
  ], { config: {} }));

redisTest("WATCH of a key that was replaced by an expired one is broken", () =>
  converse([
    ["b", "DEBUG", "SET-ACTIVE-EXPIRE", "0"],
    ["b", "SET", "k", "v"],
    ["a", "WATCH", "k"],
    ["b", "SELECT", "1"],
    ["b", "PSETEX", "k", SOON_MS, "v"],
    ["wait"],
    ["b", "SWAPDB", "0", "1"],
    ["a", "MULTI"],
    ["a", "PING"],
    ["a", "EXEC"],
  ], { config: {} }));

Deno.test("WATCH breaks when a key expires by the server's clock", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  for (const [laterMs, answer] of [[999, "[+PONG]"], [1001, "nil*"]] as const) {
    await client.ask("SET", "k", "v", "PX", 1000);
    await client.ask("WATCH", "k");
    nowMs += laterMs;
    await client.ask("MULTI");
    await client.ask("PING");
    assertEquals(await client.ask("EXEC"), answer);
  }
});

Deno.test("a client that goes leaves no watch behind, and its queue is never run", async () => {
  await using server = await serve({ port: 0 });
  using other = await RespClient.connect(server.port);
  {
    using client = await RespClient.connect(server.port);
    assertEquals(await client.ask("WATCH", "k"), "+OK");
    assertEquals(await client.ask("MULTI"), "+OK");
    assertEquals(await client.ask("SET", "k", "from the queue"), "+QUEUED");
  }
  await eventually(async () => !(await other.ask("CLIENT", "LIST")).includes("multi=1"));
  assertEquals(await other.ask("SET", "k", "v"), "+OK");
  assertEquals(await other.ask("GET", "k"), '"v"');
  assertEquals(await other.ask("WATCH", "k"), "+OK");
  assertEquals(await other.ask("MULTI"), "+OK");
  assertEquals(await other.ask("EXEC"), "[]");
});

redisTest(
  "Of several clients that watch a key each is told, and who stops leaves the others",
  async () => {
    await using pair = await startPair();
    using second = await pair.connect();
    using third = await pair.connect();
    for (let leaving = 0; leaving <= 3; leaving++) {
      const watchers = [pair, second, third];
      for (const watcher of watchers) await compare(watcher, [["WATCH", "k", "l", "k"]]);
      for (const watcher of watchers.slice(0, leaving)) await compare(watcher, [["UNWATCH"]]);
      using other = await pair.connect();
      await compare(other, [["INCR", "k"]]);
      for (const watcher of watchers) await compare(watcher, [["MULTI"], ["PING"], ["EXEC"]]);
      await compare(other, [["INCR", "k"]]);
      for (const watcher of watchers) await compare(watcher, [["MULTI"], ["PING"], ["EXEC"]]);
    }
  },
);

Deno.test("a watched key takes about as much as is counted for it", async () => {
  const COUNT = 300_000;
  await using server = await serve({ port: 0 });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  using client = await RespClient.connect(server.port);
  const requests: Uint8Array[] = [];
  for (let i = 0; i < COUNT; i += 1000) {
    const names = Array.from({ length: 1000 }, (_, k) => `key:${String(i + k).padStart(12, "0")}`);
    requests.push(encodeCommand(["WATCH", ...names]));
  }
  const heapBefore = heapBytes();
  const countedBefore = server.clientBytes;
  for (const request of requests) {
    await client.write(request);
    await client.read();
  }
  const heap = (heapBytes() - heapBefore) / COUNT;
  server.countClientBytes();
  const counted = (server.clientBytes - countedBefore) / COUNT;
  assertEquals(counted, 144);
  assert(heap > counted / 2 && heap < counted * 1.5, `${heap} bytes of heap a key`);
  assertEquals(await client.ask("UNWATCH"), "+OK");
  server.countClientBytes();
  assertEquals(server.clientBytes, 0);
});
