/** The module as its users have it: a server inside a program, for tests above all. */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { RespClient } from "./support/resp_client.ts";

Deno.test("ioredis works against an embedded server", async () => {
  await using server = await serve({ port: 0 });
  const redis = new Redis(server.port, "127.0.0.1");
  try {
    assertEquals(await redis.set("greeting", "hello", "EX", 60), "OK");
    assertEquals(await redis.get("greeting"), "hello");
    const bytes = Uint8Array.of(0, 255, 13, 10);
    await redis.set("bytes", Buffer.from(bytes));
    assertEquals(new Uint8Array((await redis.getBuffer("bytes"))!), bytes);
    const results = await redis.multi().incr("n").incrby("n", 41).get("n").exec();
    assertEquals(results, [[null, 1], [null, 42], [null, "42"]]);
    const pipelined = await redis.pipeline().mset("a", "1", "b", "2").mget("a", "b", "c").exec();
    assertEquals(pipelined, [[null, "OK"], [null, ["1", "2", null]]]);
    await assertRejects(() => redis.incr("greeting"), Error, "not an integer");
  } finally {
    await redis.quit();
  }
});

for (const RESP of [2, 3] as const) {
  Deno.test(`node-redis works against an embedded server in RESP${RESP}`, async () => {
    await using server = await serve({ port: 0 });
    const client = createClient({ socket: { port: server.port, host: "127.0.0.1" }, RESP });
    await client.connect();
    try {
      assertEquals(await client.set("greeting", "hello", { PX: 60_000 }), "OK");
      assertEquals(await client.get("greeting"), "hello");
      assertEquals(await client.get("missing"), null);
      const [first, second] = await Promise.all([client.incr("n"), client.incrBy("n", 41)]);
      assertEquals([first, second], [1, 42]);
      const replies: unknown[] = await client.multi().set("a", "1").get("a").exec();
      assertEquals(replies, ["OK", "1"]);
      await client.watch("a");
      await client.set("a", "2");
      await assertRejects(() => client.multi().get("a").exec());
      assertEquals(await client.configGet("maxmemory"), { maxmemory: "0" });
    } finally {
      await client.close();
    }
  });
}

Deno.test("a clock of one's own decides what has expired", async () => {
  let nowMs = Date.UTC(2030, 0, 1);
  await using server = await serve({ port: 0, clock: () => nowMs });
  const redis = new Redis(server.port, "127.0.0.1");
  try {
    await redis.set("session", "open", "EX", 3600);
    nowMs += 3_599_000;
    assertEquals(await redis.get("session"), "open");
    assertEquals(await redis.ttl("session"), 1);
    nowMs += 1001;
    assertEquals(await redis.get("session"), null);
    assertEquals((await redis.time()).map(Number), [Date.UTC(2030, 0, 1, 1) / 1000, 1000]);
  } finally {
    await redis.quit();
  }
});

Deno.test("several servers in one program know nothing of each other", async () => {
  await using first = await serve({ port: 0 });
  await using second = await serve({ port: 0, requirepass: "secret" });
  using a = await RespClient.connect(first.port);
  using b = await RespClient.connect(second.port);
  assertEquals(await a.ask("SET", "k", "first"), "+OK");
  assertEquals(await b.ask("GET", "k"), "-NOAUTH Authentication required.");
  assertEquals(await b.ask("AUTH", "secret"), "+OK");
  assertEquals(await b.ask("GET", "k"), "nil$");
  await second.close();
  assertEquals(await b.readToEnd(), new Uint8Array());
  assertEquals(await a.ask("GET", "k"), '"first"');
});

Deno.test("closing ends every connection, whatever it is doing, and leaves nothing open", async () => {
  const server = await serve({ port: 0 });
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => RespClient.connect(server.port)),
  );
  const [idle, half, paused, deaf, watching] = clients;
  await half!.write("*2\r\n$3\r\nGET\r\n$5\r\nab");
  assertEquals(await idle!.ask("SET", "k", "x".repeat(1_000_000)), "+OK");
  for (let i = 0; i < 30; i++) await deaf!.post("GET", "k");
  assertEquals(await watching!.ask("WATCH", "k"), "+OK");
  assertEquals(await watching!.ask("MULTI"), "+OK");
  assertEquals(await idle!.ask("CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
  await paused!.post("SET", "k", "v");
  assertEquals(await idle!.ask("PING"), "+PONG");
  await server.close();
  await server.closed;
  for (const client of clients) {
    await client.readToEnd().catch(() => {});
    client.close();
  }
  // Deno's sanitizers fail this test if a listener, connection or timer of the server is left.
});

Deno.test("a write that CLIENT PAUSE holds up is not answered by a server that closes", async () => {
  const server = await serve({ port: 0 });
  using writer = await RespClient.connect(server.port);
  using admin = await RespClient.connect(server.port);
  assertEquals(await admin.ask("CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
  await writer.post("SET", "k", "v");
  await eventually(async () => (await admin.ask("CLIENT", "LIST")).includes("cmd=set"));
  await server.close();
  // The data were saved, if at all, before: it would be lost.
  assertEquals((await writer.readToEnd().catch(() => new Uint8Array())).length, 0);
});

Deno.test("close can be called again, and after SHUTDOWN", async () => {
  const server = await serve({ port: 0 });
  const { port } = server;
  {
    using client = await RespClient.connect(port);
    await client.post("SHUTDOWN", "NOSAVE");
    assertEquals(await client.readToEnd(), new Uint8Array());
  }
  await server.closed;
  await server.close();
  await server.close();
  await assertRejects(() => RespClient.connect(port), Deno.errors.ConnectionRefused);
  // The port is free at once.
  await using again = await serve({ port });
  assertEquals(again.port, port);
});

Deno.test("options are directives of redis.conf, and wrong ones are refused in a sentence", async () => {
  await using server = await serve({
    port: 0,
    maxmemory: "100mb",
    appendonly: false,
    databases: 4,
    save: "3600 1 300 100",
    "client-output-buffer-limit": "normal 1mb 0 0",
  });
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("CONFIG", "GET", "maxmemory"), '["maxmemory" "104857600"]');
  assertEquals(await client.ask("CONFIG", "GET", "databases"), '["databases" "4"]');
  assertEquals(await client.ask("SELECT", "4"), "-ERR DB index is out of range");
  await assertRejects(() => serve({ prot: 0 }), TypeError, '"prot" is no directive');
  await assertRejects(() => serve({ port: 0, hz: "many" }), TypeError, 'hz cannot be "many"');
});

Deno.test("the log goes where it is asked for, and nowhere else", async () => {
  const lines: string[] = [];
  {
    await using server = await serve({ port: 0, log: (line) => lines.push(line) });
    using client = await RespClient.connect(server.port);
    await client.post("SHUTDOWN", "NOSAVE");
    await server.closed;
  }
  assert(lines.some((line) => line.includes("ready to exit")), lines.join(""));
});
