/**
 * The clients that most programs use, ioredis and node-redis, with the features of theirs that lean
 * on the protocol: handshakes, pipelines, transactions, bytes, errors, and coming back after the
 * connection was lost.
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { createClient, RESP_TYPES } from "redis";
import { serve } from "../lib/mod.ts";

/** Every byte there is, twice. */
const BYTES = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff);

interface IoredisOptions {
  readonly protocol?: 2 | 3;
  readonly password?: string;
  readonly db?: number;
  readonly connectionName?: string;
}

/** Runs `use` with an ioredis client, which is closed after it. */
async function withIoredis(
  port: number,
  options: IoredisOptions,
  use: (redis: Redis) => Promise<void>,
): Promise<void> {
  const redis = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 10, ...options });
  // A lost connection is reported here too; the tests see it in what they await.
  redis.on("error", () => {});
  try {
    await use(redis);
  } finally {
    await redis.quit();
  }
}

function nodeRedis(port: number, RESP: 2 | 3, more: { password?: string; name?: string } = {}) {
  const client = createClient({
    socket: { port, host: "127.0.0.1", reconnectStrategy: () => 10 },
    RESP,
    ...more,
  });
  client.on("error", () => {});
  return client;
}

type NodeRedis = ReturnType<typeof nodeRedis>;

/** Runs `use` with a connected node-redis client, which is closed after it. */
async function withNodeRedis(client: NodeRedis, use: () => Promise<void>): Promise<void> {
  await client.connect();
  try {
    await use();
  } finally {
    await client.close();
  }
}

for (const protocol of [2, 3] as const) {
  Deno.test(`ioredis authenticates, names itself and selects in RESP${protocol}`, async () => {
    await using server = await serve({ port: 0, requirepass: "secret" });
    const options = { password: "secret", db: 3, connectionName: "reports", protocol };
    await withIoredis(server.port, options, async (redis) => {
      assertEquals(await redis.set("k", "v"), "OK");
      assertEquals(await redis.client("GETNAME"), "reports");
      assertMatch(
        String(await redis.client("INFO")),
        new RegExp(` name=reports .* db=3 .* resp=${protocol} `),
      );
      await redis.select(0);
      assertEquals(await redis.exists("k"), 0);
      await redis.hset("h", { a: "1", b: "2" });
      assertEquals({ ...await redis.hgetall("h") }, { a: "1", b: "2" });
      assertEquals(await redis.zscore("nosuch", "x"), null);
    });
  });
}

Deno.test("ioredis is told that its password is wrong", async () => {
  await using server = await serve({ port: 0, requirepass: "secret" });
  const redis = new Redis(server.port, "127.0.0.1", { password: "wrong", retryStrategy: null });
  const errors: string[] = [];
  redis.on("error", (error: Error) => errors.push(error.message));
  await assertRejects(() => redis.get("k"), Error);
  redis.disconnect();
  assert(errors.some((message) => message.includes("WRONGPASS")), errors.join());
});

Deno.test("ioredis pipelines thousands of commands and keeps their replies apart", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (redis) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 2000; i++) pipeline.set(`k${i}`, `v${i}`).get(`k${i}`).incr(`k${i}`);
    const replies = (await pipeline.exec())!;
    assertEquals(replies.length, 6000);
    for (let i = 0; i < 2000; i++) {
      assertEquals(replies[3 * i], [null, "OK"]);
      assertEquals(replies[3 * i + 1], [null, `v${i}`]);
      assertEquals(
        replies[3 * i + 2]![0]?.message,
        "ERR value is not an integer or out of range",
      );
    }
    const auto = await Promise.all(Array.from({ length: 100 }, () => redis.incr("n")));
    assertEquals(auto, Array.from({ length: 100 }, (_, i) => i + 1));
  });
});

Deno.test("ioredis runs, aborts and loses transactions", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (redis) => {
    await redis.set("text", "x");
    const replies = (await redis.multi().incr("n").lpush("text", "y").incr("n").exec())!;
    assertEquals([replies[0], replies[2]], [[null, 1], [null, 2]]);
    assert(replies[1]![0]!.message.startsWith("WRONGTYPE "));

    await assertRejects(
      () => redis.multi().call("GET").set("n", "9").exec(),
      Error,
      "EXECABORT Transaction discarded because of previous errors.",
    );
    assertEquals(await redis.get("n"), "2");

    await redis.watch("n");
    await redis.set("n", "5");
    assertEquals(await redis.multi().incr("n").exec(), null);
  });
});

Deno.test("ioredis carries any bytes as keys, values, fields and members", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (redis) => {
    const bytes = Buffer.from(BYTES);
    await redis.set(bytes, bytes);
    assertEquals(new Uint8Array((await redis.getBuffer(bytes))!), BYTES);
    await redis.hset("h", bytes, bytes);
    assertEquals(new Uint8Array((await redis.hgetBuffer("h", bytes))!), BYTES);
    const large = Buffer.alloc(3_000_000, BYTES);
    await redis.set("large", large);
    assert(large.equals((await redis.getBuffer("large"))!));
    await redis.set("utf-8", "Grüße, 世界 🎉");
    assertEquals(await redis.get("utf-8"), "Grüße, 世界 🎉");
  });
});

Deno.test("ioredis comes back after CLIENT KILL, to its database and with its name", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (admin) => {
    await withIoredis(server.port, { db: 2, connectionName: "worker" }, async (redis) => {
      await redis.set("k", "v");
      const id = await redis.client("ID");
      const back = new Promise((resolve) => redis.once("ready", resolve));
      assertEquals(await admin.client("KILL", "ID", id), 1);
      await back;
      assert(await redis.client("ID") > id);
      assertEquals(await redis.get("k"), "v");
      assertEquals(await redis.client("GETNAME"), "worker");
    });
  });
});

Deno.test("ioredis hears what is published while it goes on asking elsewhere", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (redis) => {
    await withIoredis(server.port, {}, async (subscriber) => {
      const heard = new Promise((resolve) =>
        subscriber.on("message", (channel, message) => resolve([channel, message]))
      );
      assertEquals(await subscriber.subscribe("news"), 1);
      assertEquals(await redis.publish("news", "hello"), 1);
      assertEquals(await heard, ["news", "hello"]);
      await subscriber.unsubscribe("news");
      assertEquals(await subscriber.ping(), "PONG");
    });
  });
});

Deno.test("ioredis waits for a list", async () => {
  await using server = await serve({ port: 0 });
  await withIoredis(server.port, {}, async (redis) => {
    await withIoredis(server.port, {}, async (waiting) => {
      const popped = waiting.blpop("queue", 0);
      await redis.rpush("queue", "job");
      assertEquals(await popped, ["queue", "job"]);
    });
  });
});

for (const RESP of [2, 3] as const) {
  Deno.test(`node-redis authenticates and names itself in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0, requirepass: "secret" });
    const client = nodeRedis(server.port, RESP, { password: "secret", name: "reports" });
    await withNodeRedis(client, async () => {
      const info = await client.clientInfo();
      assertEquals([info.name, info.resp, info.user], ["reports", RESP, "default"]);
      // It introduces itself by CLIENT SETINFO.
      assertEquals(info.libName, "node-redis");
      assert(await client.clientId() > 0);
    });
  });

  Deno.test(`node-redis maps values and errors in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const client = nodeRedis(server.port, RESP);
    await withNodeRedis(client, async () => {
      await client.hSet("h", { a: "1", b: "2" });
      assertEquals({ ...await client.hGetAll("h") }, { a: "1", b: "2" });
      await client.zAdd("z", [{ score: 1.5, value: "x" }, { score: Infinity, value: "y" }]);
      assertEquals(
        (await client.zRangeWithScores("z", 0, -1)).map(({ value, score }) => [value, score]),
        [["x", 1.5], ["y", Infinity]],
      );
      assertEquals(await client.zScore("z", "missing"), null);
      assertEquals([...await client.sMembers("missing")], []);
      await assertRejects(() => client.lPush("h", "x"), Error, "WRONGTYPE Operation");
      await assertRejects(() => client.sendCommand(["NOSUCH"]), Error, "unknown command");
    });
  });

  Deno.test(`node-redis carries any bytes in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const client = nodeRedis(server.port, RESP);
    await withNodeRedis(client, async () => {
      const bytes = Buffer.from(BYTES);
      await client.set(bytes, bytes);
      const typed = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      const value: unknown = await typed.get(bytes);
      assert(Buffer.isBuffer(value) && value.equals(bytes));
    });
  });

  Deno.test(`node-redis runs, aborts and loses transactions in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const client = nodeRedis(server.port, RESP);
    await withNodeRedis(client, async () => {
      const replies: unknown[] = await client.multi().incr("n").hSet("h", "f", "v").hGetAll("h")
        .exec();
      assertEquals(replies.slice(0, 2), [1, 1]);
      assertEquals({ ...replies[2] as object }, { f: "v" });

      await assertRejects(() => client.multi().addCommand(["GET"]).incr("n").exec());
      assertEquals(await client.get("n"), "1");

      await client.watch("n");
      await client.set("n", "5");
      await assertRejects(() => client.multi().incr("n").exec(), Error, "watched keys");
      assertEquals(await client.get("n"), "5");
    });
  });

  Deno.test(`node-redis comes back after CLIENT KILL in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const admin = nodeRedis(server.port, RESP);
    const client = nodeRedis(server.port, RESP);
    await withNodeRedis(admin, async () => {
      await withNodeRedis(client, async () => {
        await client.set("k", "v");
        const id = await client.clientId();
        const back = new Promise((resolve) => client.once("ready", resolve));
        assertEquals(await admin.clientKill({ filter: "ID", id }), 1);
        await back;
        assert(await client.clientId() > id);
        assertEquals(await client.get("k"), "v");
      });
    });
  });

  Deno.test(`node-redis hears what is published in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const client = nodeRedis(server.port, RESP);
    const subscriber = nodeRedis(server.port, RESP);
    await withNodeRedis(client, async () => {
      await withNodeRedis(subscriber, async () => {
        const heard = new Promise((resolve) => {
          subscriber.pSubscribe("news.*", (message, channel) => resolve([channel, message]));
        });
        while (await client.publish("news.today", "hello") === 0);
        assertEquals(await heard, ["news.today", "hello"]);
        await subscriber.pUnsubscribe("news.*");
        assertEquals(await subscriber.publish("news.later", "unheard"), 0);
      });
    });
  });
}

Deno.test("node-redis is told that its password is wrong", async () => {
  await using server = await serve({ port: 0, requirepass: "secret" });
  const client = createClient({
    socket: { port: server.port, host: "127.0.0.1", reconnectStrategy: false },
    password: "wrong",
  });
  client.on("error", () => {});
  await assertRejects(() => client.connect(), Error, "WRONGPASS");
});
