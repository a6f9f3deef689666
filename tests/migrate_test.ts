/** MIGRATE: to redis-server, and to targets that answer as a test wants. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compare, frames, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { comparePropagation } from "./support/replica_stream.ts";
import { startRedino, startReplica } from "./support/redino_replica.ts";
import { caughtUp, info } from "./support/replication.ts";
import { startRedis } from "./support/redis.ts";
import { type Argument, type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const HOST = "127.0.0.1";
/** Longer than anything here takes. */
const LONG_MS = 20_000;
const CANNOT_READ = "-IOERR error or timeout reading to target instance";

/** A target whose every reply the test gives itself. */
class FakeTarget implements AsyncDisposable {
  readonly connections: RespClient[] = [];
  readonly #listener = Deno.listen({ hostname: HOST, port: 0 });
  readonly #accepting = this.#accept();

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The connection of this number, once it is there. */
  async connection(number = 0): Promise<RespClient> {
    await eventually(() => this.connections.length > number);
    return this.connections[number]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.connections) connection.close();
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) this.connections.push(new RespClient(conn, LONG_MS));
  }
}

/** A command that a target was sent, its words as text. */
function words(reply: Reply): string[] {
  assert(reply.type === "array");
  return reply.items.map((item) => item.type === "bulk" ? item.text : show(item));
}

async function connect(port: number): Promise<RespClient> {
  return await RespClient.connect(port, { timeoutMs: LONG_MS });
}

redisTest(
  "MIGRATE refuses arguments as Redis does, and says NOKEY where there is none",
  async () => {
    await using pair = await startPair();
    const to = ["MIGRATE", HOST, 1];
    await compare(pair, [
      ["SET", "k", "v"],
      ["MIGRATE"],
      ["MIGRATE", HOST, 1, "k", 0],
      [...to, "missing", 0, 100],
      [...to, "", 0, 100, "KEYS", "a", "b"],
      [...to, "", 0, 100, "KEYS"],
      [...to, "", 0, 100],
      [...to, "k", 0, 100, "NOPE"],
      [...to, "k", 0, 100, "AUTH"],
      [...to, "k", 0, 100, "AUTH2", "user"],
      [...to, "k", 0, 100, "KEYS", "k"],
      [...to, "k", "x", 100],
      [...to, "k", 0, "x"],
      [...to, "k", "y", "1.5"],
      [...to, "k", "9223372036854775808", 1],
      [...to, "missing", 0, "x"],
      [...to, "missing", 0, 0, "COPY", "replace", "auth", "p", "auth2", "u", "p"],
      ["MIGRATE", HOST, 1, "k", 0, 1000],
      ["MIGRATE", HOST, 1, "k", 0, -5],
      ["MIGRATE", "", 1, "k", 0, 1000],
      ["MIGRATE", HOST, "no port", "k", 0, 1000],
      ["GET", "k"],
    ]);
  },
);

/** A key of each type and encoding, by the command that makes it. */
function everyKind(): Map<string, readonly Argument[]> {
  const many = Array.from({ length: 3000 }, (_, i) => `element ${i}`);
  return new Map<string, readonly Argument[]>(
    [
      ["SET", "string", "value"],
      ["SET", "integer", 123],
      ["SET", "large", "0123456789abcdef".repeat(50_000)],
      ["RPUSH", "short list", "a", "1"],
      ["RPUSH", "list", ...many, "x".repeat(9000)],
      ["SADD", "integers", 1, 2, 70_000],
      ["SADD", "small set", "a", "1"],
      ["SADD", "set", ...many],
      ["HSET", "small hash", "field", "value"],
      ["HSET", "hash", ...many],
      ["ZADD", "small zset", 1, "a", 2.5, "b"],
      ["ZADD", "zset", ...many.flatMap((member, i) => [i / 2, member])],
      ["XADD", "stream", "5-5", "field", "value"],
      ["SET", "binary \xff\r\n", "x"],
    ].map((command) => [String(command[1]), command]),
  );
}

/** Makes keys of every kind at one server and has it move them to the other. */
async function moveEverything(source: RespClient, target: RespClient, port: number): Promise<void> {
  const digests = new Map<string, string>();
  const kinds = everyKind();
  for (const [key, command] of kinds) {
    await source.send(...command);
    digests.set(key, await source.ask("DEBUG", "DIGEST-VALUE", key));
  }
  const [first, ...others] = kinds.keys();
  assertEquals(await source.ask("MIGRATE", HOST, port, first!, 0, LONG_MS), "+OK");
  assertEquals(
    await source.ask("MIGRATE", HOST, port, "", 0, LONG_MS, "KEYS", ...others, "missing"),
    "+OK",
  );
  assertEquals(await source.ask("DBSIZE"), ":0");
  for (const [key, digest] of digests) {
    assertEquals(await target.ask("DEBUG", "DIGEST-VALUE", key), digest, key);
    assertEquals(await target.ask("PTTL", key), ":-1");
  }
}

redisTest("redis-server and Redino move keys of every type to each other", async () => {
  await using redis = await startRedis();
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  await using second = await serve({ port: 0, "enable-debug-command": "yes" });
  using theirs = await connect(redis.port);
  using ours = await connect(server.port);
  using others = await connect(second.port);
  await moveEverything(ours, theirs, redis.port);
  await theirs.send("FLUSHALL");
  await moveEverything(theirs, ours, server.port);
  await ours.send("FLUSHALL");
  await moveEverything(ours, others, second.port);
});

redisTest("MIGRATE tells the target when a key is to expire", async () => {
  await using redis = await startRedis();
  await using server = await serve({ port: 0 });
  using theirs = await connect(redis.port);
  using ours = await connect(server.port);
  await ours.send("SET", "volatile", "v", "EX", 1000);
  await ours.send("MIGRATE", HOST, redis.port, "volatile", 3, LONG_MS);
  await theirs.send("SELECT", 3);
  const ttl = await theirs.send("PTTL", "volatile");
  assert(ttl.type === "integer" && ttl.value > 900_000 && ttl.value <= 1_000_000, show(ttl));
});

redisTest(
  "MIGRATE answers as Redis does to COPY, REPLACE, AUTH and what the target refuses",
  async () => {
    await using open = await startRedis();
    await using closed = await startRedis({ args: ["--requirepass", "secret"] });
    await using pair = await startPair({ config: {} });
    using target = await connect(open.port);
    using guarded = await connect(closed.port);
    await guarded.send("AUTH", "secret");
    await guarded.send("ACL", "SETUSER", "ann", "on", ">pass", "allkeys", "+@all");
    const to = (...rest: Argument[]) => ["MIGRATE", HOST, open.port, ...rest];
    const toGuarded = (...rest: Argument[]) => ["MIGRATE", HOST, closed.port, ...rest];
    const stepsOf: (readonly Argument[])[] = [
      ["MSET", "a", "1", "b", "2", "c", "3", "d", "4"],
      to("a", 0, LONG_MS, "COPY"),
      ["GET", "a"],
      to("a", 0, LONG_MS),
      ["GET", "a"],
      to("a", 0, LONG_MS, "COPY", "REPLACE"),
      to("a", 0, LONG_MS, "REPLACE"),
      ["GET", "a"],
      // One of three is there already: the others go.
      ["SET", "a", "again"],
      to("", 0, LONG_MS, "KEYS", "b", "a", "c"),
      ["MGET", "a", "b", "c", "d"],
      to("d", 99, LONG_MS),
      to("d", -1, LONG_MS),
      to("d", 0, LONG_MS, "AUTH", "x"),
      to("d", 0, LONG_MS, "REPLACE", "AUTH2", "no", "x"),
      toGuarded("d", 0, LONG_MS),
      toGuarded("d", 0, LONG_MS, "AUTH", "wrong"),
      toGuarded("d", 0, LONG_MS, "AUTH2", "ann", "wrong"),
      ["GET", "d"],
      toGuarded("d", 0, LONG_MS, "AUTH2", "ann", "pass"),
      ["GET", "d"],
      ["SET", "d", "5"],
      toGuarded("d", 0, LONG_MS, "REPLACE", "AUTH", "secret"),
      ["EXISTS", "d"],
      ["DBSIZE"],
    ];
    const replies: string[][] = [];
    for (const source of [pair.redis, pair.redino]) {
      await target.send("FLUSHALL");
      await guarded.send("FLUSHALL");
      const said: string[] = [];
      for (const step of stepsOf) said.push(await source.ask(...step));
      said.push(await target.ask("MGET", "a", "b", "c", "d"), await guarded.ask("GET", "d"));
      replies.push(said);
    }
    assertEquals(replies[1], replies[0]);
  },
);

redisTest("MIGRATE sends a target what Redis sends", async () => {
  const sent: string[][][] = [];
  await using pair = await startPair();
  for (const source of [pair.redis, pair.redino]) {
    await using target = new FakeTarget();
    await source.send("MSET", "a", "text", "b", "12");
    await source.send("RPUSH", "l", "x", "1");
    const migrate = ["MIGRATE", HOST, target.port];
    const commands: string[][] = [];
    const answer = async (...replies: string[]) => {
      const connection = await target.connection();
      for (const reply of replies) {
        commands.push(words(await connection.read()));
        await connection.write(reply);
      }
    };
    await source.post(...migrate, "a", 2, LONG_MS, "COPY", "REPLACE", "AUTH", "pw");
    await answer("+OK\r\n", "+OK\r\n", "+OK\r\n");
    assertEquals(show(await source.read()), "+OK");
    // The database is selected already, and stays so; it must be selected anew after an error.
    await source.post(...migrate, "", 2, LONG_MS, "AUTH2", "u", "pw", "KEYS", "a", "l");
    await answer("+OK\r\n", "-ERR no\r\n", "+OK\r\n");
    assertEquals(show(await source.read()), "-ERR Target instance replied with error: ERR no");
    await source.post(...migrate, "b", 2, LONG_MS);
    await answer("+OK\r\n", "+OK\r\n");
    assertEquals(show(await source.read()), "+OK");
    assertEquals(await source.ask("MGET", "a", "b", "l"), '["text" nil$ nil$]');
    sent.push(commands);
  }
  assertEquals(sent[1], sent[0]);
});

Deno.test("While MIGRATE waits, others read, and what writes waits for its end", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using mover = await connect(server.port);
  using reader = await connect(server.port);
  using writer = await connect(server.port);
  await mover.send("MSET", "k", "v", "other", "o");
  const id = await mover.ask("CLIENT", "ID");
  await mover.post("MIGRATE", HOST, target.port, "k", 0, LONG_MS);
  await mover.post("PING");
  const connection = await target.connection();
  assertEquals(words(await connection.read()), ["SELECT", "0"]);
  assertEquals(words(await connection.read())[0], "RESTORE");

  assertEquals(await reader.ask("GET", "k"), '"v"');
  await writer.post("SET", "k", "newer");
  await eventually(async () => (await reader.ask("CLIENT", "LIST")).includes("cmd=set "));
  assertEquals(await reader.ask("CLIENT", "UNBLOCK", id.slice(1), "ERROR"), ":0");
  assertEquals(await reader.ask("CLIENT", "UNPAUSE"), "+OK");
  // Who is paused counts, too.
  assertStringIncludes(await reader.ask("INFO", "clients"), "blocked_clients:2");
  assertEquals(await reader.ask("GET", "k"), '"v"');

  await connection.write("+OK\r\n+OK\r\n");
  assertEquals(show(await mover.read()), "+OK");
  assertEquals(show(await mover.read()), "+PONG");
  assertEquals(show(await writer.read()), "+OK");
  assertEquals(await reader.ask("GET", "k"), '"newer"');
  assertStringIncludes(await reader.ask("INFO", "clients"), "blocked_clients:0");
  assertStringIncludes(await reader.ask("INFO", "commandstats"), "cmdstat_migrate:calls=1,");
});

Deno.test("Keys that a target has taken go, and those stay of which it said nothing", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  await client.send("MSET", "a", "1", "b", "2", "c", "3");
  await client.post("MIGRATE", HOST, target.port, "", 0, LONG_MS, "KEYS", "a", "b", "c");
  const connection = await target.connection();
  for (let i = 0; i < 4; i++) await connection.read();
  await connection.write("+OK\r\n+OK\r\n");
  connection.close();
  assertEquals(show(await client.read()), CANNOT_READ);
  assertEquals(await client.ask("MGET", "a", "b", "c"), '[nil$ "2" "3"]');
});

Deno.test("MIGRATE to a target that says nothing ends with the time-out", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  await client.send("MSET", "a", "1", "b", "1");
  // Over a connection that is there, so that the time cannot be over while it is made.
  await client.post("MIGRATE", HOST, target.port, "b", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  await connection.write("+OK\r\n+OK\r\n");
  assertEquals(show(await client.read()), "+OK");
  assertEquals(await client.ask("MIGRATE", HOST, target.port, "a", 0, 50), CANNOT_READ);
  assertEquals(await client.ask("GET", "a"), '"1"');
  assertEquals(target.connections.length, 1, "a time-out is not tried again");
  assertEquals(await client.ask("SET", "a", "2"), "+OK");
});

Deno.test("MIGRATE keeps its connection, and makes another where that has ended", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  const migrate = async (number: number, commands: number) => {
    await client.send("SET", "a", "1");
    await client.post("MIGRATE", HOST, target.port, "a", 0, LONG_MS);
    const connection = await target.connection(number);
    for (let i = 0; i < commands; i++) {
      await connection.read();
      await connection.write("+OK\r\n");
    }
    assertEquals(show(await client.read()), "+OK");
    assertStringIncludes(await client.ask("INFO", "stats"), "migrate_cached_sockets:1\\r");
  };
  await migrate(0, 2);
  await migrate(0, 1);
  (await target.connection()).close();
  await migrate(1, 2);
  assertEquals(target.connections.length, 2);
});

Deno.test("A migration is finished though its client has gone", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using other = await connect(server.port);
  const client = await connect(server.port);
  await client.send("SET", "a", "1");
  await client.post("MIGRATE", HOST, target.port, "a", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  client.close();
  await eventually(async () => (await other.ask("INFO", "clients")).includes("blocked_clients:0"));
  assertEquals(await other.ask("GET", "a"), '"1"');
  await connection.write("+OK\r\n+OK\r\n");
  await eventually(async () => await other.ask("EXISTS", "a") === ":0");
  assertEquals(await other.ask("SET", "a", "2"), "+OK");
});

Deno.test("What MIGRATE began before its server became a replica takes no key away", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  using mover = await connect(server.port);
  await client.send("SET", "a", "1");
  await mover.post("MIGRATE", HOST, target.port, "a", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  // Nobody listens there; and it is a primary again when the target answers.
  await client.send("REPLICAOF", HOST, 1);
  assert(show(await mover.read()).startsWith("-UNBLOCKED "));
  await client.send("REPLICAOF", "NO", "ONE");
  await connection.write("+OK\r\n+OK\r\n");
  // This waits until the migration is over.
  assertEquals(await client.ask("SET", "b", "2"), "+OK");
  assertEquals(await client.ask("GET", "a"), '"1"');
});

Deno.test("FAILOVER waits for migrations, so that its target has what they remove", async () => {
  await using target = new FakeTarget();
  await using a = await startRedino();
  await using b = await startReplica(a.port);
  await a.client.send("SET", "k", "v");
  await caughtUp(a.client, b.client);
  using mover = await connect(a.port);
  await mover.post("MIGRATE", HOST, target.port, "k", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  // Its time is over, though the replica has all there is.
  assertEquals(await a.client.ask("FAILOVER", "TIMEOUT", 1000), "+OK");
  const fields = () => info(a.client, "replication");
  await eventually(async () => (await fields()).get("master_failover_state") === "no-failover");
  assertEquals((await fields()).get("role"), "master");
  assertEquals(await a.client.ask("FAILOVER"), "+OK");
  await connection.write("+OK\r\n+OK\r\n");
  assertEquals(show(await mover.read()), "+OK");
  await eventually(async () => (await fields()).get("role") === "slave");
  await caughtUp(b.client, a.client);
  for (const { client } of [a, b]) assertEquals(await client.ask("EXISTS", "k"), ":0");
});

Deno.test("SHUTDOWN waits for migrations, so that its file has not what they remove", async () => {
  await using target = new FakeTarget();
  await using server = await startRedino();
  using mover = await connect(server.port);
  await server.client.send("SET", "k", "v");
  await mover.post("MIGRATE", HOST, target.port, "k", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  await server.client.post("SHUTDOWN", "SAVE");
  await eventually(() => server.log.some((line) => line.includes("Waiting for migrations")));
  await connection.write("+OK\r\n+OK\r\n");
  assertEquals(show(await mover.read()), "+OK");
  await server.server.closed;
  await using next = await serve({ port: 0, dir: server.dir });
  using client = await connect(next.port);
  assertEquals(await client.ask("DBSIZE"), ":0");
});

Deno.test("Migrations take turns: what one has moved the next does not find", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using first = await connect(server.port);
  using second = await connect(server.port);
  await first.send("SET", "a", "1");
  // Whether the second one comes while the first still connects, or when writes wait already.
  const migrate = ["MIGRATE", HOST, target.port, "a", 0, LONG_MS];
  await Promise.all([first.post(...migrate), second.post(...migrate)]);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  await connection.write("+OK\r\n+OK\r\n");
  const replies = [show(await first.read()), show(await second.read())];
  assertEquals(replies.sort(), ["+NOKEY", "+OK"]);
  assertEquals(target.connections.length, 1);
});

Deno.test("A server that closes ends its migrations", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  await client.send("SET", "a", "1");
  await client.post("MIGRATE", HOST, target.port, "a", 0, LONG_MS);
  const connection = await target.connection();
  await connection.read();
  await connection.read();
  await server.close();
  assertEquals((await connection.readToEnd()).length, 0);
});

redisTest("Who moves keys that it keeps a copy of is answered, and then told of them", async () => {
  await using target = await startRedis();
  await using pair = await startPair({ protocol: 3 });
  await compare(pair, [
    ["CLIENT", "TRACKING", "ON"],
    ["SET", "a", 1],
    ["GET", "a"],
    frames(2, ["MIGRATE", HOST, target.port, "a", 0, LONG_MS, "REPLACE"]),
  ]);
});

redisTest("MIGRATE sends replicas a DEL of the keys that went", async () => {
  await using target = await startRedis();
  const migrate = `MIGRATE ${HOST} ${target.port}`;
  await comparePropagation([
    "MSET a 1 b 2 c 3 d 4",
    // Both servers say this to the target, and either may be the first.
    `${migrate} "" 0 ${LONG_MS} REPLACE KEYS a b missing c`,
    `${migrate} d 0 ${LONG_MS} COPY REPLACE`,
    `${migrate} d 0 ${LONG_MS}`,
    `${migrate} missing 0 ${LONG_MS}`,
    `${migrate} d 0 ${LONG_MS} REPLACE`,
    "EXISTS d",
  ]);
});

Deno.test("MIGRATE inside MULTI is refused", async () => {
  await using server = await serve({ port: 0 });
  using client = await connect(server.port);
  await client.send("SET", "a", "1");
  await client.send("MULTI");
  await client.send("MIGRATE", HOST, 1, "a", 0, 100);
  await client.send("MIGRATE", HOST, 1, "missing", 0, 100);
  assertEquals(await client.ask("EXEC"), "[-ERR MIGRATE is not possible inside MULTI +NOKEY]");
});

Deno.test("MIGRATE breaks WATCH, tells of del, and shows no password to MONITOR", async () => {
  await using target = new FakeTarget();
  await using server = await serve({ port: 0, "notify-keyspace-events": "KA" });
  using client = await connect(server.port);
  using watcher = await connect(server.port);
  using listener = await connect(server.port);
  using monitor = await connect(server.port);
  await client.send("SET", "a", "1");
  await watcher.send("WATCH", "a");
  await listener.send("SUBSCRIBE", "__keyspace@0__:a");
  await monitor.send("MONITOR");
  await client.post("MIGRATE", HOST, target.port, "a", 0, LONG_MS, "AUTH2", "user", "pass");
  const line = show(await monitor.read());
  assertStringIncludes(line, '"AUTH2" "(redacted)" "(redacted)"');
  const connection = await target.connection();
  for (let i = 0; i < 3; i++) await connection.read();
  await connection.write("+OK\r\n+OK\r\n+OK\r\n");
  assertEquals(show(await client.read()), "+OK");
  assertEquals(show(await listener.read()), '["message" "__keyspace@0__:a" "del"]');
  await watcher.send("MULTI");
  assertEquals(await watcher.ask("EXEC"), "nil*");
});
