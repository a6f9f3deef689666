/** Pub/Sub and client-side caching through the clients that people use: ioredis and node-redis. */
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { RespClient } from "./support/resp_client.ts";

/** Longer than a busy machine pauses; without it node-redis gives up after five seconds. */
const connectTimeout = 60_000;

Deno.test("ioredis gets messages of channels, patterns and shards", async () => {
  await using server = await serve({ port: 0 });
  const subscriber = new Redis(server.port, "127.0.0.1");
  const publisher = new Redis(server.port, "127.0.0.1");
  try {
    const told: string[] = [];
    subscriber.on("message", (...message: string[]) => told.push(message.join(" ")));
    subscriber.on("pmessage", (...message: string[]) => told.push(message.join(" ")));
    subscriber.on("smessage", (...message: string[]) => told.push(message.join(" ")));
    assertEquals(await subscriber.subscribe("news", "sport"), 2);
    assertEquals(await subscriber.psubscribe("n*"), 3);
    assertEquals(await subscriber.ssubscribe("shard"), 1);
    assertEquals(await publisher.publish("news", "one"), 2);
    assertEquals(await publisher.publish("nobody", "two"), 1);
    assertEquals(await publisher.spublish("shard", "three"), 1);
    await eventually(() => told.length === 4);
    assertEquals(told, ["news one", "n* news one", "n* nobody two", "shard three"]);
    assertEquals(await subscriber.unsubscribe("news", "sport"), 1);
    assertEquals(await subscriber.punsubscribe("n*"), 0);
    assertEquals(await subscriber.sunsubscribe("shard"), 0);
    assertEquals(await subscriber.ping(), "PONG");
  } finally {
    subscriber.disconnect();
    publisher.disconnect();
  }
});

Deno.test("ioredis subscribes again after its connection was lost", async () => {
  await using server = await serve({ port: 0 });
  using admin = await RespClient.connect(server.port);
  const subscriber = new Redis({ port: server.port, host: "127.0.0.1", retryStrategy: () => 5 });
  try {
    const told: string[] = [];
    subscriber.on("message", (_channel: string, text: string) => told.push(text));
    await subscriber.subscribe("news");
    await subscriber.psubscribe("p*");
    assertEquals(await admin.ask("CLIENT", "KILL", "TYPE", "pubsub"), ":1");
    await eventually(async () => await admin.ask("PUBSUB", "NUMSUB", "news") === '["news" :1]');
    await eventually(async () => await admin.ask("PUBSUB", "NUMPAT") === ":1");
    assertEquals(await admin.ask("PUBLISH", "news", "again"), ":1");
    await eventually(() => told.length === 1);
    assertEquals(told, ["again"]);
  } finally {
    subscriber.disconnect();
  }
});

for (const protocol of [2, 3] as const) {
  Deno.test(`node-redis gets messages and survives a lost connection, RESP${protocol}`, async () => {
    await using server = await serve({ port: 0 });
    using admin = await RespClient.connect(server.port);
    const subscriber = createClient({
      url: `redis://127.0.0.1:${server.port}`,
      RESP: protocol,
      socket: { connectTimeout, reconnectStrategy: () => 5 },
    });
    // It tells of the lost connection by an error event, which nobody else listens to.
    subscriber.on("error", () => {});
    await subscriber.connect();
    try {
      const told: string[] = [];
      const listener = (text: string, channel: string) => {
        told.push(`${channel} ${text}`);
      };
      await subscriber.subscribe("news", listener);
      await subscriber.pSubscribe("n*", listener);
      await subscriber.sSubscribe("shard", listener);
      assertEquals(await admin.ask("PUBLISH", "news", "one"), ":2");
      assertEquals(await admin.ask("SPUBLISH", "shard", "two"), ":1");
      await eventually(() => told.length === 3);
      assertEquals(told, ["news one", "news one", "shard two"]);
      // Under RESP3 a subscribed connection still does everything.
      if (protocol === 3) {
        assertEquals(await subscriber.set("k", "v"), "OK");
        assertEquals(await subscriber.publish("news", "own"), 2);
        await eventually(() => told.length === 5);
      }
      told.length = 0;
      assertEquals(await admin.ask("CLIENT", "KILL", "TYPE", "pubsub"), ":1");
      await eventually(async () => await admin.ask("PUBSUB", "NUMPAT") === ":1");
      await eventually(async () => await admin.ask("PUBSUB", "NUMSUB", "news") === '["news" :1]');
      assertEquals(await admin.ask("PUBLISH", "news", "again"), ":2");
      await eventually(() => told.length === 2);
      assertEquals(told, ["news again", "news again"]);
      await subscriber.unsubscribe("news");
      await subscriber.pUnsubscribe("n*");
      assertEquals(await admin.ask("PUBLISH", "news", "nobody"), ":0");
    } finally {
      subscriber.destroy();
    }
  });
}

Deno.test("node-redis's client-side cache is told of changes", async () => {
  await using server = await serve({ port: 0 });
  using writer = await RespClient.connect(server.port);
  const client = createClient({
    url: `redis://127.0.0.1:${server.port}`,
    RESP: 3,
    socket: { connectTimeout },
    clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" },
  });
  await client.connect();
  try {
    await writer.send("SET", "k", "one");
    assertEquals(await client.get("k"), "one");
    const calls = async () => /cmdstat_get:calls=(\d+)/.exec(await writer.ask("INFO", "all"))![1];
    const before = await calls();
    assertEquals(await client.get("k"), "one");
    assertEquals(await calls(), before, "the second GET came from the cache");
    await writer.send("SET", "k", "two");
    await eventually(async () => await client.get("k") === "two");
  } finally {
    client.destroy();
  }
});
