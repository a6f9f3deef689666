/**
 * npm's ioredis and redis against the server, as programs use them. Deno's sanitizers see that
 * neither server nor client leaves anything open.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Redis, type RedisOptions } from "ioredis";
import { createClient, ErrorReply, RESP_TYPES } from "redis";
import { type RunningServer, serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { freePort } from "./support/redis.ts";

const PROTOCOLS = [2, 3] as const;
const PIPELINED = 10_000;
/** Every byte there is, and no UTF-8. */
const BINARY = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => 255 - i));

/** Runs with a client of ioredis, and ends it. */
async function withIoredis(
  options: Omit<RedisOptions, "replyMapping">,
  use: (redis: Redis) => Promise<void>,
): Promise<void> {
  const redis = new Redis({ host: "127.0.0.1", ...options });
  try {
    await use(redis);
  } finally {
    await redis.quit();
  }
}

/** Longer than a busy machine pauses; without it redis gives up after five seconds. */
const connectTimeout = 60_000;

function nodeRedis(port: number, RESP: 2 | 3) {
  return createClient({ socket: { port, host: "127.0.0.1", connectTimeout }, RESP });
}

type NodeRedis = ReturnType<typeof nodeRedis>;

/** Runs with a client of redis, and ends it. */
async function withNodeRedis(
  { port }: RunningServer,
  RESP: 2 | 3,
  use: (client: NodeRedis) => Promise<void>,
): Promise<void> {
  const client = nodeRedis(port, RESP);
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

/** A test with a server and a client of ioredis, in both protocols. */
function ioredisTest(
  name: string,
  test: (redis: Redis, server: RunningServer, protocol: 2 | 3) => Promise<void>,
): void {
  for (const protocol of PROTOCOLS) {
    Deno.test(`ioredis ${name} (RESP${protocol})`, async () => {
      await using server = await serve({ port: 0 });
      await withIoredis({ port: server.port, protocol }, (redis) => test(redis, server, protocol));
    });
  }
}

/** The same with a client of redis. */
function nodeRedisTest(
  name: string,
  test: (client: NodeRedis, server: RunningServer, protocol: 2 | 3) => Promise<void>,
): void {
  for (const protocol of PROTOCOLS) {
    Deno.test(`redis ${name} (RESP${protocol})`, async () => {
      await using server = await serve({ port: 0 });
      await withNodeRedis(server, protocol, (client) => test(client, server, protocol));
    });
  }
}

Deno.test("ioredis authenticates, names itself and selects a database", async () => {
  await using server = await serve({ port: 0, requirepass: "secret" });
  const options = { port: server.port, password: "secret", connectionName: "me", db: 3 };
  await withIoredis(options, async (redis) => {
    assertEquals(await redis.client("GETNAME"), "me");
    assertEquals(await redis.set("k", "v"), "OK");
    assert(String(await redis.client("INFO")).includes(" db=3 "));
    await redis.select(0);
    assertEquals(await redis.get("k"), null);
  });
});

Deno.test("redis authenticates, names itself and selects a database", async () => {
  await using server = await serve({ port: 0, requirepass: "secret" });
  for (const RESP of PROTOCOLS) {
    const socket = { port: server.port, host: "127.0.0.1", connectTimeout };
    const client = createClient({ socket, RESP, password: "secret", name: "me", database: 3 });
    await client.connect();
    try {
      assertEquals(await client.clientGetName(), "me");
      assertEquals((await client.clientInfo()).db, 3);
      await client.select(0);
      assertEquals(await client.get("k"), null);
    } finally {
      await client.close();
    }
  }
});

Deno.test("a wrong password is told to both clients", async () => {
  await using server = await serve({ port: 0, requirepass: "secret" });
  const redis = new Redis(server.port, { password: "wrong", lazyConnect: true });
  // It also warns on the console, through this event if somebody listens.
  redis.on("error", () => {});
  await assertRejects(() => redis.get("k"), Error, "WRONGPASS");
  redis.disconnect();
  const socket = {
    port: server.port,
    host: "127.0.0.1",
    connectTimeout,
    reconnectStrategy: false as const,
  };
  const client = createClient({ socket, password: "wrong" });
  client.on("error", () => {});
  await assertRejects(() => client.connect(), Error, "WRONGPASS");
});

ioredisTest("pipelines 10,000 commands", async (redis) => {
  const pipeline = redis.pipeline();
  for (let i = 0; i < PIPELINED; i++) pipeline.set(`k${i}`, `v${i}`);
  const set = await pipeline.exec();
  assertEquals(set!.length, PIPELINED);
  assert(set!.every(([error, reply]) => error === null && reply === "OK"));
  const reading = redis.pipeline();
  for (let i = 0; i < PIPELINED; i++) reading.get(`k${i}`);
  const got = await reading.exec();
  assertEquals(
    got!.map(([, reply]) => reply),
    Array.from({ length: PIPELINED }, (_, i) => `v${i}`),
  );
  assertEquals(await redis.dbsize(), PIPELINED);
});

nodeRedisTest("pipelines 10,000 commands by itself", async (client) => {
  const numbers = await Promise.all(Array.from({ length: PIPELINED }, () => client.incr("n")));
  assertEquals(numbers, Array.from({ length: PIPELINED }, (_, i) => i + 1));
});

ioredisTest("runs transactions, and is told when WATCH was broken", async (redis, server) => {
  const done = await redis.multi().set("a", "1").incr("a").lpush("a", "x").get("a").exec();
  assertEquals(done!.map(([error, reply]) => error?.message ?? reply), [
    "OK",
    2,
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "2",
  ]);
  await redis.watch("a");
  await withIoredis({ port: server.port }, async (other) => {
    await other.set("a", "3");
  });
  assertEquals(await redis.multi().set("a", "4").exec(), null);
  assertEquals(await redis.get("a"), "3");
  const aborted = redis.multi().set("a", "5").call("NOSUCH").exec();
  const error = await assertRejects(() => aborted, Error, "EXECABORT");
  assertEquals(error.name, "ReplyError");
});

nodeRedisTest("runs transactions, and is told when WATCH was broken", async (client, server) => {
  const done: unknown[] = await client.multi().set("a", "1").incr("a").get("a").exec();
  assertEquals(done, ["OK", 2, "2"]);
  await client.watch("a");
  await withNodeRedis(server, 2, async (other) => {
    await other.set("a", "3");
  });
  const error = await assertRejects(() => client.multi().set("a", "4").exec(), Error);
  assertEquals(error.constructor.name, "WatchError");
  assertEquals(await client.get("a"), "3");
});

ioredisTest("keeps binary keys and values", async (redis) => {
  await redis.set(BINARY, BINARY);
  assertEquals(await redis.getBuffer(BINARY), BINARY);
  assertEquals(await redis.keysBuffer("*"), [BINARY]);
  await redis.hset("h", BINARY, BINARY);
  assertEquals(await redis.hgetBuffer("h", BINARY), BINARY);
  await redis.rpush("l", BINARY, Buffer.alloc(0));
  assertEquals(await redis.lrangeBuffer("l", 0, -1), [BINARY, Buffer.alloc(0)]);
  await redis.sadd("s", BINARY);
  assertEquals(await redis.smembersBuffer("s"), [BINARY]);
  const large = Buffer.alloc(1_000_000, BINARY);
  await redis.set("large", large);
  assert((await redis.getBuffer("large"))!.equals(large));
});

nodeRedisTest("keeps binary keys and values", async (client) => {
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await bytes.set(BINARY, BINARY);
  assertEquals(await bytes.get(BINARY), BINARY);
  assertEquals(await bytes.keys("*"), [BINARY]);
  await bytes.hSet("h", BINARY, BINARY);
  assertEquals(await bytes.hGet("h", BINARY), BINARY);
  await bytes.rPush("l", [BINARY, Buffer.alloc(0)]);
  assertEquals(await bytes.lRange("l", 0, -1), [BINARY, Buffer.alloc(0)]);
  await bytes.sAdd("s", BINARY);
  assertEquals(await bytes.sMembers("s"), [BINARY]);
});

ioredisTest("has every type there and back", async (redis) => {
  await redis.mset({ a: "1", b: "zwei", c: "drei €" });
  assertEquals(await redis.mget("a", "b", "c", "none"), ["1", "zwei", "drei €", null]);
  assertEquals(await redis.incrbyfloat("a", 0.5), "1.5");
  await redis.rpush("l", 1, 2, 3);
  assertEquals(await redis.lrange("l", 0, -1), ["1", "2", "3"]);
  assertEquals(await redis.lpop("l", 2), ["1", "2"]);
  await redis.hset("h", { f: "1", g: "x" });
  assertEquals(await redis.hgetall("h"), { f: "1", g: "x" });
  await redis.sadd("s", "a", "b");
  assertEquals((await redis.smembers("s")).sort(), ["a", "b"]);
  await redis.zadd("z", 1, "a", 2.5, "b", "inf", "c");
  assertEquals(await redis.zrange("z", 0, "-1"), ["a", "b", "c"]);
  assertEquals((await redis.zrange("z", 0, "-1", "WITHSCORES")).flat().map(String).slice(0, 4), [
    "a",
    "1",
    "b",
    "2.5",
  ]);
  const id = await redis.xadd("x", "*", "f", "v");
  assertEquals(await redis.xrange("x", "-", "+"), [[id!, ["f", "v"]]]);
  assertEquals(await redis.type("x"), "stream");
});

nodeRedisTest("has every type there and back", async (client) => {
  await client.mSet({ a: "1", b: "zwei", c: "drei €" });
  assertEquals(await client.mGet(["a", "b", "c", "none"]), ["1", "zwei", "drei €", null]);
  assertEquals(String(await client.incrByFloat("a", 0.5)), "1.5");
  await client.rPush("l", ["1", "2", "3"]);
  assertEquals(await client.lRange("l", 0, -1), ["1", "2", "3"]);
  assertEquals(await client.lPopCount("l", 2), ["1", "2"]);
  await client.hSet("h", { f: "1", g: "x" });
  assertEquals({ ...await client.hGetAll("h") }, { f: "1", g: "x" });
  await client.sAdd("s", ["a", "b"]);
  assertEquals((await client.sMembers("s")).sort(), ["a", "b"]);
  const members = [{ score: 1, value: "a" }, { score: 2.5, value: "b" }, {
    score: Infinity,
    value: "c",
  }];
  await client.zAdd("z", members);
  assertEquals(
    (await client.zRangeWithScores("z", 0, -1)).map(({ score, value }) => ({ score, value })),
    members,
  );
  assertEquals(await client.zScore("z", "b"), 2.5);
  const id = await client.xAdd("x", "*", { f: "v" });
  const entry = (await client.xRange("x", "-", "+"))?.[0];
  assertEquals([entry!.id, { ...entry!.message }], [id, { f: "v" }]);
  const read = await client.xRead({ key: "x", id: "0" });
  assert(JSON.stringify(read).includes(id), "XREAD's reply holds the entry");
});

ioredisTest("reads streams through groups", async (redis) => {
  await redis.xgroup("CREATE", "x", "g", "$", "MKSTREAM");
  const id = await redis.xadd("x", "*", "f", "v");
  const read = JSON.stringify(
    await redis.xreadgroup("GROUP", "g", "me", "COUNT", 1, "STREAMS", "x", ">"),
  );
  assert(read.includes(id!), read);
  assertEquals(await redis.xack("x", "g", id!), 1);
});

ioredisTest("gets errors as ReplyError with Redis's text", async (redis) => {
  await redis.set("k", "text");
  for (
    const [command, text] of [
      [() => redis.incr("k"), "ERR value is not an integer or out of range"],
      [() => redis.lpush("k", "a"), "WRONGTYPE Operation against a key"],
      [() => redis.call("NOSUCH", "a"), "ERR unknown command 'NOSUCH'"],
      [() => redis.call("GET"), "ERR wrong number of arguments for 'get' command"],
    ] as const
  ) {
    const error = await assertRejects<Error>(async () => {
      await command();
    }, Error);
    assertEquals(error.name, "ReplyError");
    assert(error.message.startsWith(text), error.message);
  }
  assertEquals(await redis.get("k"), "text");
});

nodeRedisTest("gets errors as ErrorReply with Redis's text", async (client) => {
  await client.set("k", "text");
  const failed = assertRejects(() => client.lPush("k", "a"), ErrorReply, "WRONGTYPE");
  await assertRejects(() => client.incr("k"), ErrorReply, "ERR value is not an integer");
  await assertRejects(() => client.sendCommand(["NOSUCH"]), ErrorReply, "ERR unknown command");
  await failed;
  assertEquals(await client.get("k"), "text");
});

ioredisTest("scans keyspace, set, hash and sorted set", async (redis) => {
  const names = Array.from({ length: 500 }, (_, i) => `k${i}`).sort();
  await redis.mset(...names.flatMap((name) => [name, "v"]));
  assertEquals(await scanned(redis.scanStream({ match: "k*", count: 50 })), names);
  await redis.sadd("s", ...names);
  assertEquals(await scanned(redis.sscanStream("s")), names);
  await redis.hset("h", ...names.flatMap((name) => [name, "v"]));
  assertEquals((await scanned(redis.hscanStream("h"))).filter((word) => word !== "v"), names);
  await redis.zadd("z", ...names.flatMap((name) => ["1", name]));
  assertEquals((await scanned(redis.zscanStream("z"))).filter((word) => word !== "1"), names);
});

/** All elements of a scan, each once, sorted. */
async function scanned(stream: AsyncIterable<unknown[]>): Promise<string[]> {
  const found = new Set<string>();
  for await (const batch of stream) for (const word of batch) found.add(String(word));
  return [...found].sort();
}

nodeRedisTest("scans keyspace, set, hash and sorted set", async (client) => {
  const names = Array.from({ length: 500 }, (_, i) => `k${i}`).sort();
  const found = { keys: new Set<string>(), s: new Set<string>(), h: new Set(), z: new Set() };
  await client.mSet(names.map((name) => [name, "v"]));
  for await (const keys of client.scanIterator({ MATCH: "k*", COUNT: 50 })) {
    for (const key of keys) found.keys.add(key);
  }
  await client.sAdd("s", names);
  for await (const members of client.sScanIterator("s")) {
    for (const member of members) found.s.add(member);
  }
  await client.hSet("h", Object.fromEntries(names.map((name) => [name, "v"])));
  for await (const entries of client.hScanIterator("h")) {
    for (const { field } of entries) found.h.add(field);
  }
  await client.zAdd("z", names.map((value) => ({ score: 1, value })));
  for await (const members of client.zScanIterator("z")) {
    for (const { value } of members) found.z.add(value);
  }
  for (const set of Object.values(found)) assertEquals([...set].sort(), names);
});

ioredisTest("waits for elements", async (redis, server) => {
  const waiting = redis.blpop("l", "m", 0);
  await withIoredis({ port: server.port }, async (other) => {
    await eventually(async () => (await other.info("clients")).includes("blocked_clients:1"));
    await other.rpush("m", "a");
  });
  assertEquals(await waiting, ["m", "a"]);
  assertEquals(await redis.brpop("none", 0.01), null);
});

nodeRedisTest("waits for elements", async (client, server) => {
  const waiting = client.blPop(["l", "m"], 0);
  await withNodeRedis(server, 2, async (other) => {
    await eventually(async () => (await other.info("clients")).includes("blocked_clients:1"));
    await other.rPush("m", "a");
  });
  const popped = await waiting;
  assertEquals([popped?.key, popped?.element], ["m", "a"]);
  assertEquals(await client.brPop("none", 0.01), null);
  await client.zAdd("z", { score: 1.5, value: "a" });
  const least = await client.bzPopMin("z", 0);
  assertEquals([least?.key, least?.value, least?.score], ["z", "a", 1.5]);
});

ioredisTest("subscribes and publishes", async (redis) => {
  const subscriber = redis.duplicate();
  const heard: string[] = [];
  subscriber.on("message", (channel, message) => heard.push(`${channel}: ${message}`));
  subscriber.on("pmessage", (pattern, channel, message) => {
    heard.push(`${pattern} ${channel}: ${message}`);
  });
  try {
    assertEquals(await subscriber.subscribe("news", "sport"), 2);
    assertEquals(await subscriber.psubscribe("n*"), 3);
    assertEquals(await redis.publish("news", "1"), 2);
    assertEquals(await redis.publish("sport", "2"), 1);
    assertEquals(await redis.publish("none", "3"), 1);
    await eventually(() => heard.length === 4);
    assertEquals(heard, ["news: 1", "n* news: 1", "sport: 2", "n* none: 3"]);
    // By name: ioredis waits for ever for the replies of an UNSUBSCRIBE that names nothing.
    assertEquals(await subscriber.unsubscribe("news", "sport"), 1);
    assertEquals(await subscriber.punsubscribe("n*"), 0);
    assertEquals(await redis.publish("news", "4"), 0);
    assertEquals(await subscriber.set("k", "usable again"), "OK");
  } finally {
    await subscriber.quit();
  }
});

nodeRedisTest("subscribes and publishes", async (client) => {
  const subscriber = client.duplicate();
  await subscriber.connect();
  const heard: string[] = [];
  try {
    await subscriber.subscribe("news", (message, channel) => heard.push(`${channel}: ${message}`));
    await subscriber.pSubscribe(
      "n*",
      (message, channel) => heard.push(`n* ${channel}: ${message}`),
    );
    await subscriber.sSubscribe("shard", (message) => heard.push(`shard: ${message}`));
    const raw: Buffer[] = [];
    await subscriber.subscribe("raw", (message) => raw.push(message), true);
    assertEquals(await client.publish("news", "1"), 2);
    assertEquals(await client.sPublish("shard", "2"), 1);
    assertEquals(await client.publish("raw", BINARY), 1);
    await eventually(() => heard.length === 3 && raw.length === 1);
    assertEquals(heard, ["news: 1", "n* news: 1", "shard: 2"]);
    assertEquals(raw, [BINARY]);
    await subscriber.unsubscribe();
    await subscriber.pUnsubscribe();
    await subscriber.sUnsubscribe();
    assertEquals(await client.publish("news", "3"), 0);
    // In RESP2 this client then answers with Buffers, whatever the server.
    assertEquals(String(await subscriber.set("k", "usable again")), "OK");
  } finally {
    await subscriber.close();
  }
});

Deno.test("redis in RESP3 runs commands on the connection that subscribes", async () => {
  await using server = await serve({ port: 0 });
  await withNodeRedis(server, 3, async (client) => {
    const heard: string[] = [];
    await client.subscribe("news", (message) => heard.push(message));
    assertEquals(await client.set("k", "v"), "OK");
    assertEquals(await client.publish("news", "own"), 1);
    assertEquals(await client.get("k"), "v");
    await eventually(() => heard.length === 1);
    await client.unsubscribe("news");
  });
});

ioredisTest("comes back after CLIENT KILL", async (redis, server) => {
  assertEquals(await redis.set("k", "v"), "OK");
  const id = await redis.client("ID");
  await withIoredis({ port: server.port }, async (other) => {
    assertEquals(await other.client("KILL", "ID", id), 1);
  });
  assertEquals(await redis.get("k"), "v");
  await eventually(async () => await redis.client("ID") !== id);
});

nodeRedisTest("comes back after CLIENT KILL", async (client, server) => {
  client.on("error", () => {});
  const id = await client.clientId();
  const again = new Promise((resolve) => client.once("ready", resolve));
  await withNodeRedis(server, 2, async (other) => {
    const killed: unknown = await other.sendCommand(["CLIENT", "KILL", "ID", String(id)]);
    assertEquals(killed, 1);
  });
  await again;
  assert(await client.clientId() !== id);
  assertEquals(await client.set("k", "v"), "OK");
});

Deno.test("both clients read INFO, CONFIG and COMMAND", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis({ port: server.port }, async (redis) => {
    assert((await redis.info()).includes("redis_version:7.2"));
    assertEquals(await redis.config("GET", "maxmemory-policy"), [
      "maxmemory-policy",
      "noeviction",
    ]);
    assertEquals(await redis.command("GETKEYS", "MSET", "a", "1", "b", "2"), ["a", "b"]);
  });
  for (const RESP of PROTOCOLS) {
    await withNodeRedis(server, RESP, async (client) => {
      assert((await client.info("server")).includes("redis_version:7.2"));
      const [info] = await client.commandInfo(["get"]);
      assertEquals([info?.name, info?.arity], ["get", 2]);
      assert((await client.command()).length > 100);
      assertEquals((await client.memoryUsage("none")) ?? null, null);
      // The one before it is gone when its end has been read.
      await eventually(async () => (await client.clientList()).length === 1);
    });
  }
});

Deno.test("both clients connect through a Unix socket", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_unix_" });
  try {
    const path = `${dir}/redis.sock`;
    await using _server = await serve({ port: 0, unixsocket: path });
    await withIoredis({ path }, async (redis) => {
      assertEquals(await redis.set("k", "v"), "OK");
    });
    const client = createClient({ socket: { path, tls: false, connectTimeout } });
    await client.connect();
    try {
      assertEquals(await client.get("k"), "v");
    } finally {
      await client.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("both clients connect with TLS", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_tls_" });
  try {
    const [cert, key] = [`${dir}/cert.pem`, `${dir}/key.pem`];
    // deno-fmt-ignore
    const args = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
      "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
    ];
    const { success } = await new Deno.Command("openssl", { args, stderr: "null" }).output();
    assert(success, "openssl makes this test's certificate");
    const port = freePort();
    await using _server = await serve({
      port: 0,
      "tls-port": port,
      "tls-cert-file": cert,
      "tls-key-file": key,
      "tls-auth-clients": "no",
    });
    const ca = await Deno.readTextFile(cert);
    const large = "x".repeat(1_000_000);
    const tls = { ca, servername: "localhost" };
    await withIoredis({ port, tls }, async (redis) => {
      assertEquals(await redis.set("k", large), "OK");
      assertEquals(await redis.get("k"), large);
    });
    const client = createClient({
      socket: { port, host: "127.0.0.1", ...tls, tls: true, connectTimeout },
    });
    await client.connect();
    try {
      assertEquals(await client.get("k"), large);
    } finally {
      await client.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a server that closes ends the clients' connections", async () => {
  const server = await serve({ port: 0 });
  const redis = new Redis({ port: server.port, retryStrategy: () => null });
  assertEquals(await redis.ping(), "PONG");
  const ended = once(redis, "end");
  const socket = {
    port: server.port,
    host: "127.0.0.1",
    connectTimeout,
    reconnectStrategy: false as const,
  };
  const client = createClient({ socket });
  client.on("error", () => {});
  await client.connect();
  assertEquals(await client.ping(), "PONG");
  await server.close();
  await ended;
  await eventually(() => !client.isOpen);
  await assertRejects(() => redis.get("k"), Error, "Connection is closed");
});
