/** MULTI, EXEC, DISCARD, WATCH and UNWATCH, held against redis-server. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { type Command, compare, type Pair, startPair } from "./support/differential.ts";
import { RespClient, show, showCommand } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = new Uint8Array([0, 255, 13, 10, 58, 36]);

/**
 * Whether EXEC still runs after `between`, which another connection sends between WATCH and MULTI,
 * must be the same for both. `before` comes first.
 */
async function compareWatch(
  pair: Pair,
  before: readonly Command[],
  watch: Command,
  between: readonly Command[],
): Promise<void> {
  using other = await pair.connect();
  await compare(pair, [["FLUSHALL"], ["SELECT", "0"], ...before, watch]);
  await compare(other, between);
  try {
    await compare(pair, [["MULTI"], ["PING"], ["EXEC"], ["MULTI"], ["EXEC"]]);
  } catch (cause) {
    const commands = [...before, watch, ...between].map(showCommand).join(", ");
    throw new Error(`After ${commands}`, { cause });
  }
}

for (const protocol of [2, 3] as const) {
  redisTest(`EXEC answers every queued command in RESP${protocol}`, async () => {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["MULTI"],
      ["EXEC"],
      ["multi"],
      ["SET", BINARY, BINARY],
      ["GET", BINARY],
      ["GET", "missing"],
      ["HSET", "h", "f", "v"],
      ["HGETALL", "h"],
      ["LPUSH", BINARY, "x"],
      ["INCR", BINARY],
      ["SELECT", "99"],
      ["MGET", BINARY, "missing"],
      ["exec"],
      ["GET", BINARY],
      ["EXEC"],
    ]);
  });

  redisTest(`EXEC after a WATCHed key changed answers null in RESP${protocol}`, async () => {
    await using pair = await startPair({ protocol });
    await compareWatch(pair, [], ["WATCH", "k"], [["SET", "k", "v"]]);
  });
}

redisTest("EXEC and DISCARD need MULTI, and MULTI and WATCH do not go inside", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["EXEC"],
    ["DISCARD"],
    ["MULTI"],
    ["MULTI"],
    ["WATCH", "k"],
    ["UNWATCH"],
    ["EXEC"],
    ["MULTI"],
    ["SET", "k", "v"],
    ["DISCARD"],
    ["DISCARD"],
    ["EXEC"],
    ["EXISTS", "k"],
  ]);
});

redisTest("EXEC refuses all if one command was refused", async () => {
  await using pair = await startPair();
  const refused: Command[] = [
    ["GET"],
    ["NOSUCH"],
    ["NOSUCH", "a", "b"],
    ["CLIENT"],
    ["CLIENT", "NOSUCH"],
    ["CLIENT", "ID", "x"],
    ["MULTI", "x"],
    ["DISCARD", "x"],
    ["WATCH"],
    ["UNWATCH", "x"],
  ];
  for (const command of refused) {
    await compare(pair, [["MULTI"], ["SET", "k", "v"], command, ["PING"], ["EXEC"], ["EXEC"]]);
  }
  await compare(pair, [["EXISTS", "k"], ["MULTI"], ["GET"], ["DISCARD"], ["MULTI"], ["EXEC"]]);
});

redisTest("EXEC refused itself ends the transaction and says why", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["MULTI"],
    ["SET", "k", "v"],
    ["EXEC", "x"],
    ["EXEC"],
    ["EXEC", "x"],
    ["EXISTS", "k"],
  ]);
});

redisTest("EXEC without memory for its writes runs none of them", async () => {
  await using pair = await startPair({ config: { "maxmemory-policy": "noeviction" } });
  await compare(pair, [
    ["MULTI"],
    ["SET", "k", "v"],
    ["EXEC"],
    ["MULTI"],
    ["SET", "k", "w"],
  ]);
  using other = await pair.connect();
  await compare(other, [["CONFIG", "SET", "maxmemory", "1"]]);
  await compare(pair, [
    ["EXEC"],
    ["EXEC"],
    ["GET", "k"],
    ["MULTI"],
    ["GET", "k"],
    ["SET", "k", "w"],
    ["EXEC"],
    ["MULTI"],
    ["GET", "k"],
    ["EXEC"],
  ]);
});

redisTest("A command that fails in EXEC stops none of the others", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["SET", "s", "text"],
    ["MULTI"],
    ["LPUSH", "s", "x"],
    ["INCR", "s"],
    ["SET", "s", "v", "NOSUCH"],
    ["CLIENT", "KILL", "ID", "abc"],
    ["AUTH", "x"],
    ["APPEND", "s", "!"],
    ["EXEC"],
    ["GET", "s"],
  ]);
});

redisTest("SELECT within a transaction counts for what follows it", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["MULTI"],
    ["SET", "k", "0"],
    ["SELECT", "1"],
    ["SET", "k", "1"],
    ["SELECT", "2"],
    ["EXEC"],
    ["EXISTS", "k"],
    ["SELECT", "1"],
    ["GET", "k"],
    ["SELECT", "0"],
    ["GET", "k"],
    ["MULTI"],
    ["SELECT", "1"],
    ["DISCARD"],
    ["GET", "k"],
  ]);
});

redisTest("HELLO within a transaction changes the protocol from there on", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["HSET", "h", "f", "v"],
    ["MULTI"],
    ["HGETALL", "h"],
    ["HELLO", "3", "NOSUCH"],
    ["HELLO", "9"],
    { command: ["HELLO", "3"], view: show },
    ["HGETALL", "h"],
    ["GET", "missing"],
    {
      command: ["EXEC"],
      view: (reply) => {
        assert(reply.type === "array");
        return reply.items.filter((_, i) => i !== 3).map(show).join(" ");
      },
    },
    ["HGETALL", "h"],
  ]);
});

redisTest("A blocking command in a transaction does not wait", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["MULTI"],
    ["BLPOP", "list", "0"],
    ["RPUSH", "list", "a"],
    ["BLPOP", "list", "0"],
    ["BLMOVE", "list", "other", "LEFT", "LEFT", "0"],
    ["BZPOPMIN", "zset", "0"],
    ["XREAD", "BLOCK", "0", "STREAMS", "stream", "$"],
    ["EXEC"],
    ["PING"],
  ]);
});

redisTest("What a transaction pushes wakes the blocked only when it is over", async () => {
  await using pair = await startPair();
  using waiting = await pair.connect();
  for (const side of ["redis", "redino"] as const) {
    await waiting[side].post("BLPOP", "list", "0");
    while (!/ flags=b /.test(await pair[side].ask("CLIENT", "LIST")));
  }
  await compare(pair, [
    ["MULTI"],
    ["RPUSH", "list", "a", "b"],
    ["LLEN", "list"],
    ["LPOP", "list"],
    ["EXEC"],
    ["LLEN", "list"],
  ]);
  assertEquals(show(await waiting.redino.read()), show(await waiting.redis.read()));
});

redisTest("A transaction is one client's own", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["MULTI"], ["SET", "k", "v"]]);
  await compare(other, [["EXISTS", "k"], ["EXEC"], ["MULTI"], ["GET", "k"]]);
  await compare(pair, [["EXEC"]]);
  await compare(other, [["EXEC"]]);
});

redisTest("WATCH breaks at whatever changes one of its keys", async () => {
  await using pair = await startPair();
  const set: Command = ["SET", "k", "v"];
  const changes: [before: Command[], between: Command[]][] = [
    [[], [set]],
    [[set], [set]],
    [[set], [["DEL", "k"]]],
    [[set], [["UNLINK", "k"]]],
    [[set], [["EXPIRE", "k", "100"]]],
    [[set], [["PERSIST", "k"]]],
    [[["SET", "k", "v", "EX", "100"]], [["PERSIST", "k"]]],
    [[set], [["APPEND", "k", ""]]],
    [[set], [["RENAME", "k", "l"]]],
    [[["SET", "l", "v"]], [["RENAME", "l", "k"]]],
    [[set], [["COPY", "k", "l"]]],
    [[["SET", "l", "v"]], [["COPY", "l", "k"]]],
    [[set], [["MOVE", "k", "1"]]],
    [[["SADD", "k", "a"]], [["SADD", "k", "a"]]],
    [[["SADD", "k", "a"]], [["SADD", "k", "b"]]],
    [[["RPUSH", "k", "a"]], [["LPOP", "k"]]],
    [[["HSET", "k", "f", "v"]], [["HDEL", "k", "nosuch"]]],
    [[["HSET", "k", "f", "v"]], [["HDEL", "k", "f"]]],
    [[["ZADD", "k", "1", "a"]], [["ZADD", "k", "1", "a"]]],
    [[["ZADD", "k", "1", "a"]], [["ZINCRBY", "k", "0", "a"]]],
    [[set], [["SINTERSTORE", "k", "nosuch"]]],
    [[], [["SINTERSTORE", "k", "nosuch"]]],
    [[set], [["GET", "k"], ["TTL", "k"], ["TYPE", "k"], ["EXISTS", "k"], ["TOUCH", "k"]]],
    [[set], [["SETNX", "k", "w"], ["SET", "k", "w", "NX"], ["LPUSH", "k", "x"]]],
    [[], [["DEL", "k"], ["GETDEL", "k"], ["LPOP", "k"], ["EXPIRE", "k", "10"]]],
    [[set], [["SELECT", "1"], set, ["DEL", "k"]]],
    [[set], [["SET", "other", "v"]]],
    [[set], [["FLUSHALL"]]],
    [[set], [["FLUSHDB"]]],
    [[], [["FLUSHALL"]]],
    [[set], [["SELECT", "1"], ["FLUSHDB"]]],
    [[set], [["SWAPDB", "0", "1"]]],
    [[set], [["SWAPDB", "1", "0"]]],
    [[set], [["SWAPDB", "1", "2"]]],
    [[], [["SWAPDB", "0", "1"]]],
    [[["SELECT", "1"], set, ["SELECT", "0"]], [["SWAPDB", "0", "1"]]],
    [[set, ["SELECT", "1"], set, ["SELECT", "0"]], [["SWAPDB", "0", "1"]]],
    [[set], [["SWAPDB", "0", "0"]]],
    [[set], [["EXPIRE", "k", "0"]]],
    [[set], [["EXPIRE", "k", "-1"]]],
  ];
  for (const [before, between] of changes) {
    await compareWatch(pair, before, ["WATCH", "k"], between);
  }
});

redisTest("WATCH takes several keys, any bytes, and may come again", async () => {
  await using pair = await startPair();
  await compareWatch(pair, [], ["WATCH", "a", BINARY, "a", "c"], [["SET", BINARY, "1"]]);
  await compareWatch(pair, [["WATCH", "a"]], ["WATCH", "b"], [["SET", "a", "1"]]);
  await compareWatch(pair, [["WATCH", "a"]], ["WATCH", "b"], [["SET", "b", "1"]]);
  await compareWatch(pair, [["WATCH", "a"]], ["WATCH", "b"], [["SET", "c", "1"]]);
  await compareWatch(pair, [], ["WATCH", ""], [["SET", "", "1"]]);
});

redisTest("WATCH remembers the database in which it was sent", async () => {
  await using pair = await startPair();
  await compareWatch(pair, [["SELECT", "1"], ["WATCH", "k"]], ["SELECT", "0"], [
    ["SET", "k", "0"],
  ]);
  await compareWatch(pair, [["SELECT", "1"], ["WATCH", "k"]], ["SELECT", "0"], [
    ["SELECT", "1"],
    ["SET", "k", "1"],
  ]);
});

redisTest("A change of one's own breaks WATCH, and UNWATCH, EXEC and DISCARD end it", async () => {
  await using pair = await startPair();
  const set: Command = ["SET", "k", "v"];
  const transaction: Command[] = [["MULTI"], ["PING"], ["EXEC"]];
  await compare(pair, [
    ["WATCH", "k"],
    set,
    ...transaction,
    ...transaction,
    ["WATCH", "k"],
    set,
    ["UNWATCH"],
    ...transaction,
    ["WATCH", "k"],
    ["MULTI"],
    ["DISCARD"],
    set,
    ...transaction,
    ["WATCH", "k"],
    set,
    ["MULTI"],
    ["DISCARD"],
    ...transaction,
    ["WATCH", "k"],
    ["MULTI"],
    ["EXEC"],
    set,
    ...transaction,
    ["WATCH", "k"],
    ["MULTI"],
    set,
    ["GET", "k"],
    ["EXEC"],
    ["WATCH", "k"],
    ["MULTI"],
    ["UNWATCH"],
    ["EXEC"],
    // EXECABORT ends it, too, and comes before the null of a broken WATCH.
    ["WATCH", "k"],
    set,
    ["MULTI"],
    ["GET"],
    ["EXEC"],
    ...transaction,
  ]);
});

redisTest("A key that expires breaks WATCH, if it was there at all", async () => {
  await using pair = await startPair({ config: {} });
  using other = await pair.connect();
  const expired = async () => await new Promise((resolve) => setTimeout(resolve, 30));
  await compare(pair, [["DEBUG", "SET-ACTIVE-EXPIRE", "0"]]);

  await compare(pair, [["SET", "k", "v", "PX", "10"], ["WATCH", "k"]]);
  await expired();
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);

  await compare(pair, [["SET", "k", "v", "PX", "10"], ["WATCH", "k"]]);
  await expired();
  await compare(other, [["GET", "k"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);

  await compare(pair, [["SET", "k", "v", "PX", "1"]]);
  await expired();
  await compare(pair, [["WATCH", "k"], ["MULTI"], ["PING"], ["EXEC"]]);

  await compare(pair, [["SET", "k", "v", "PX", "1"]]);
  await expired();
  await compare(pair, [["WATCH", "k"]]);
  await compare(other, [["GET", "k"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);

  await compare(pair, [["SET", "k", "v", "PX", "1"]]);
  await expired();
  await compare(pair, [["WATCH", "k"]]);
  await compare(other, [["SET", "k", "v"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);

  await compare(pair, [["SET", "k", "v", "PX", "1"]]);
  await expired();
  await compare(pair, [["WATCH", "k"]]);
  await compare(other, [["FLUSHALL"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);
});

Deno.test("EXEC sees a WATCHed key expire by the server's clock", async () => {
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

redisTest("A connection that ends leaves nothing watched and nothing run", async () => {
  await using pair = await startPair();
  {
    using other = await pair.connect();
    await compare(other, [["WATCH", "k"], ["MULTI"], ["SET", "k", "v"]]);
  }
  await compare(pair, [["SET", "k", "1"], ["GET", "k"], ["MULTI"], ["GET", "k"], ["EXEC"]]);
});

redisTest("A pipelined transaction is run as one that comes in pieces", async () => {
  await using pair = await startPair();
  const script = "MULTI\r\nSET k 1\r\nINCR k\r\nEXEC\r\nWATCH k\r\nSET k 5\r\nMULTI\r\nINCR k\r\n" +
    "EXEC\r\nGET k\r\nMULTI\r\nGET k\r\nNOSUCH\r\nEXEC\r\nMULTI\r\nQUIT\r\n";
  using whole = await pair.connect();
  using pieces = await pair.connect();
  await whole.redis.write(script);
  await whole.redino.write(script);
  const expected = await whole.redis.readToEnd();
  assertEquals(await whole.redino.readToEnd(), expected);
  for (const byte of script) await pieces.redino.write(byte);
  assertEquals(await pieces.redino.readToEnd(), expected);
});

redisTest("CLIENT KILL of oneself in a transaction closes when EXEC has answered", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  for (const side of ["redis", "redino"] as const) {
    const id = (await other[side].ask("CLIENT", "ID")).slice(1);
    await other[side].ask("MULTI");
    await other[side].ask("CLIENT", "KILL", "ID", id, "SKIPME", "no");
    await other[side].ask("SET", "k", "v");
    await other[side].post("EXEC");
    await other[side].readToEnd();
  }
  await compare(pair, [["GET", "k"]]);
});

Deno.test("A transaction larger than client-query-buffer-limit closes its connection", async () => {
  await using server = await serve({ port: 0, "client-query-buffer-limit": "1mb" });
  using client = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  await client.ask("MULTI");
  const value = new Uint8Array(100_000);
  for (let i = 0; i < 10; i++) assertEquals(await client.ask("SET", "k", value), "+QUEUED");
  await client.post("SET", "k", value);
  assertEquals(await client.readToEnd(), new Uint8Array(0));
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});
