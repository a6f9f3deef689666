/** Bad input and bad manners: one client's trouble stays its own, and the server goes on. */
import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import { compare, errorPrefix, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { type Argument, encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

async function serveOpen(options: Parameters<typeof serve>[0] = {}): Promise<Server> {
  const server = await serve({ port: 0, ...options });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  return server;
}

function request(...args: readonly Argument[]): string {
  return latin1(encodeCommand(args));
}

/** Lets the server see what was written before more is: a round trip of another client. */
async function turn(other: RespClient): Promise<void> {
  assertEquals(await other.ask("PING"), "+PONG");
}

Deno.test("a chunk that completes no command does not hang its connection", async () => {
  await using server = await serve({ port: 0 });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  const bytes = request("SET", "key", "value");
  for (const byte of bytes) {
    await client.write(byte);
    await turn(other);
  }
  assertEquals(await client.read(), { type: "simple", text: "OK" });
  // A chunk that asks for nothing at all.
  for (const nothing of ["\r\n", "*0\r\n", "*-1\r\n", "\n \n"]) {
    await client.write(nothing);
    await turn(other);
  }
  assertEquals(await client.ask("GET", "key"), '"value"');
});

Deno.test("a deep pipeline is answered whole and in order, wherever it is split", async () => {
  await using server = await serve({ port: 0 });
  await seeded(async (rng) => {
    for (const longest of [40, 3000, 60_000]) {
      using client = await RespClient.connect(server.port, { timeoutMs: 20_000 });
      const count = longest < 100 ? 300 : 5000;
      let bytes = "";
      for (let i = 0; i < count; i++) {
        bytes += request("SET", `key:${i}`, `${i}`.padEnd(rng.int(1, 60), "\r\n"));
        bytes += rng.oneIn(5) ? `GET key:${i}\r\n` : request("GET", `key:${i}`);
      }
      const values = bytes.length;
      const sending = (async () => {
        for (let at = 0; at < values;) {
          const size = rng.int(1, longest);
          await client.write(bytes.slice(at, at + size));
          at += size;
        }
      })();
      for (let i = 0; i < count; i++) {
        assertEquals(await client.read(), { type: "simple", text: "OK" });
        const value = await client.read();
        assert(value.type === "bulk");
        assertEquals(parseInt(value.text), i);
      }
      await sending;
    }
  });
});

redisTest("a client that stops sending still gets all its replies", async () => {
  await using pair = await startPair();
  await compare(pair, [["SET", "k", "x".repeat(5000)]]);
  for (const tail of ["", "*2\r\n$3\r\nGET\r\n$100\r\nk", "GET"]) {
    const answers: string[] = [];
    for (const port of [pair.redisPort, pair.redinoPort]) {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      using client = new RespClient(conn);
      await client.write(request("GET", "k").repeat(10) + tail);
      await conn.closeWrite();
      answers.push(latin1(await client.readToEnd()));
    }
    assertEquals(answers[1], answers[0]);
  }
});

Deno.test("a client that sends no more and reads nothing is let go", async () => {
  let nowMs = Date.now();
  await using server = await serveOpen({ clock: () => nowMs });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(8 << 20));
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  using client = new RespClient(conn);
  await client.write(request("GET", "k").repeat(4));
  await eventually(() => (server.clients.get(2)?.connection.unsentBytes ?? 0) > 0);
  await conn.closeWrite();
  await eventually(() => server.clients.get(2)!.closing);
  nowMs += 9000;
  await other.send("PING");
  assert(server.clients.has(2));
  nowMs += 2000;
  await eventually(() => !server.clients.has(2));
});

Deno.test("half a command and then silence costs nobody else anything", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  const halves = ["*", "*3", "*3\r\n$3\r\nSET\r\n$1", "*2\r\n$3\r\nGET\r\n$5\r\nab", "SET k", '"'];
  const silent: RespClient[] = [];
  for (const half of halves) {
    const client = await RespClient.connect(server.port);
    await client.write(half);
    silent.push(client);
  }
  await eventually(() => server.clients.size === halves.length + 1);
  assertEquals(await other.ask("SET", "k", "v"), "+OK");
  for (const client of silent) client.close();
  await eventually(() => server.clients.size === 1);
  assertEquals(await other.ask("DBSIZE"), ":1");
});

Deno.test("a client that is gone in mid-reply leaves nothing behind", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(1024 * 1024));
  const before = server.usedMemory;
  for (let i = 0; i < 20; i++) {
    const client = await RespClient.connect(server.port);
    await client.write(request("GET", "k").repeat(20));
    if (i % 2 === 0) await client.readRaw(100_000);
    client.close();
  }
  await eventually(() => server.clients.size === 1);
  server.countClientBytes();
  assertEquals(server.usedMemory, before);
  assertEquals(await other.ask("STRLEN", "k"), `:${1024 * 1024}`);
});

Deno.test("huge lengths that are only declared take no memory", async () => {
  await using server = await startRedinoProcess();
  const clients: RespClient[] = [];
  for (let i = 0; i < 60; i++) {
    const client = await RespClient.connect(server.port);
    clients.push(client);
    // A bulk of 512 MiB, and 2^31 - 1 arguments.
    await client.write(
      i % 2 === 0 ? "*2\r\n$4\r\nECHO\r\n$536870912\r\nab" : "*2147483647\r\n$1\r\n",
    );
  }
  using other = await RespClient.connect(server.port);
  assertEquals(await other.ask("SET", "k", "v"), "+OK");
  const status = await Deno.readTextFile(`/proc/${server.pid}/status`).catch(() => "VmRSS: 0 kB");
  const rssKb = Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]);
  assert(rssKb < 512 * 1024, `${rssKb} kB`);
  for (const client of clients) client.close();
  assertEquals(await other.ask("GET", "k"), '"v"');
});

redisTest("NUL and invalid UTF-8 pass through keys, values, names and errors", async () => {
  await using pair = await startPair();
  const odd = [
    "\0",
    "\0\0a",
    "a\0b",
    "\xff\xfe",
    "\xc3\x28",
    "\xed\xa0\x80",
    "\xf5\x80\x80\x80",
    "\r\n",
    "a\r\n-ERR b\r\n",
    "",
  ].map(latin1Bytes);
  for (const text of odd) {
    await compare(pair, [
      ["SET", text, text],
      ["GET", text],
      ["APPEND", text, text],
      ["STRLEN", text],
      ["EXISTS", text],
      ["KEYS", text],
      ["RENAME", text, text],
      ["ECHO", text],
      ["PING", text],
      [text],
      [text, text],
      ["OBJECT", text],
      ["OBJECT", "HELP", text],
      ["CONFIG", text, text],
      ["CONFIG", "GET", text],
      // A directive's name is text, so what is no UTF-8 is not repeated as it was.
      errorPrefix(["CONFIG", "SET", text, text]),
      ["SET", "k", "v", text],
      ["INCRBY", "n", text],
      ["SELECT", text],
      ["AUTH", text],
      ["AUTH", text, text],
      ["HELLO", text],
      ["HELLO", "2", text],
      ["CLIENT", "KILL", text],
      ["CLIENT", "KILL", "TYPE", text],
      ["CLIENT", "LIST", "TYPE", text],
      ["EXPIRE", "k", "1", text],
      ["BITFIELD", "k", "GET", text, "0"],
      ["DEL", text],
    ]);
  }
});

Deno.test("ten thousand connections opened and dropped leave the server as it was", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  const batch = 200;
  for (let opened = 0; opened < 10_000; opened += batch) {
    const conns = await Promise.all(
      Array.from({ length: batch }, () => Deno.connect({ port: server.port })),
    );
    // Some say something before they go, some do not finish it.
    await Promise.all(
      conns.map((conn, i) => i % 4 === 0 ? conn.write(latin1Bytes("PING\r\nPI")) : undefined),
    );
    for (const conn of conns) conn.close();
  }
  // The last ones may not have been accepted yet when nobody else is there.
  await eventually(() => server.stats.connections >= 10_001 && server.clients.size === 1);
  assertEquals(server.stats.connections, 10_001);
  await turn(other);
});

redisTest(
  "WATCH of a key whose time passes: EXEC is refused once the key is seen to be gone",
  async () => {
    await using pair = await startPair({ config: {} });
    // Lazy expiry alone removes keys, so that both servers see it at the same command.
    await compare(pair, [["DEBUG", "SET-ACTIVE-EXPIRE", "0"]]);
    for (const look of [["GET", "k"], ["EXISTS", "k"], ["PING"]]) {
      // Again, with more time, where the key was gone before it was watched.
      for (let ms = 20;; ms *= 2) {
        await compare(pair, [["SET", "k", "v", "PX", ms], ["WATCH", "k"]]);
        const left = [await pair.redis.ask("PTTL", "k"), await pair.redino.ask("PTTL", "k")];
        if (!left.includes(":-2")) break;
        await compare(pair, [["UNWATCH"]]);
      }
      await eventually(async () => await pair.redis.ask("PTTL", "k") === ":-2");
      await eventually(async () => await pair.redino.ask("PTTL", "k") === ":-2");
      await compare(pair, [look, ["MULTI"], ["SET", "k", "new"], ["EXEC"], ["GET", "k"], [
        "DEL",
        "k",
      ]]);
    }
  },
);

Deno.test("WATCH of a key whose time passes unseen breaks the transaction", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v", "PX", 1000);
  await client.send("WATCH", "k");
  nowMs += 1001;
  await client.send("MULTI");
  await client.send("PING");
  assertEquals(await client.ask("EXEC"), "nil*");
});

Deno.test("what a client sent before it was paused, while and after is run in order", async () => {
  await using server = await serve({ port: 0 });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port, { timeoutMs: 20_000 });
  await other.send("CLIENT", "PAUSE", "60000", "WRITE");
  const count = 20_000;
  let bytes = "";
  for (let i = 0; i < count; i++) bytes += request("INCR", "n");
  await client.write(bytes);
  await turn(other);
  await other.send("CLIENT", "UNPAUSE");
  await client.write(bytes);
  for (let i = 1; i <= 2 * count; i++) {
    assertEquals(await client.read(), { type: "integer", value: i });
  }
});

Deno.test("a paused client that goes away is not run when the pause ends", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  const client = await RespClient.connect(server.port);
  await other.send("CLIENT", "PAUSE", "60000", "WRITE");
  await client.post("SET", "k", "v");
  await eventually(() => server.clients.get(2)?.postponed === true);
  client.close();
  await eventually(() => server.clients.size === 1);
  await other.send("CLIENT", "UNPAUSE");
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});

Deno.test("what a blocked client goes on to send is run in order when it is woken", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port, { timeoutMs: 20_000 });
  const count = 20_000;
  await client.write(request("BLPOP", "list", 0) + request("INCR", "n").repeat(count));
  await client.write("*2\r\n$4\r\nINCR\r\n$1");
  await eventually(() => (server.clients.get(2)?.pendingBytes ?? 0) > 10 * count);
  assertEquals(await other.ask("EXISTS", "n"), ":0");
  await client.write("\r\nn\r\n");
  assertEquals(await other.ask("RPUSH", "list", "x"), ":1");
  assertEquals(show(await client.read()), '["list" "x"]');
  for (let i = 1; i <= count + 1; i++) {
    assertEquals(await client.read(), { type: "integer", value: i });
  }
});

Deno.test("a blocked client that sends beyond client-query-buffer-limit is closed and takes nothing", async () => {
  await using server = await serveOpen({ "client-query-buffer-limit": "1mb" });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await client.write(request("BLPOP", "list", 0));
  await eventually(() => server.blocking.count === 1);
  const sending = client.write(request("SET", "k", "x".repeat(1000)).repeat(3000)).catch(() => {});
  await eventually(() => server.clients.size === 1);
  await sending;
  assertEquals(server.blocking.count, 0);
  assertEquals(await other.ask("RPUSH", "list", "x"), ":1");
  assertEquals(await other.ask("LLEN", "list"), ":1");
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});

Deno.test("a blocked client that is gone takes nothing", async () => {
  await using server = await serveOpen();
  using other = await RespClient.connect(server.port);
  for (const tail of ["", request("SET", "k", "v"), "*3\r\n$3"]) {
    const client = await RespClient.connect(server.port);
    await client.write(request("BLPOP", "list", 0) + tail);
    await eventually(() => server.blocking.count === 1);
    client.close();
    await eventually(() => server.clients.size === 1);
    assertEquals(server.blocking.count, 0);
  }
  assertEquals(await other.ask("RPUSH", "list", "x"), ":1");
  assertEquals(await other.ask("LLEN", "list"), ":1");
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});

Deno.test("a server closes with clients that wait, and their timers", async () => {
  const server = await serveOpen();
  using client = await RespClient.connect(server.port);
  await client.write(request("BLPOP", "list", 100));
  await eventually(() => server.blocking.count === 1);
  await server.close();
  assertEquals(await client.readToEnd(), new Uint8Array());
});

Deno.test("a reply without end ends with its client, by client-output-buffer-limit", async () => {
  await using server = await serveOpen({ "client-output-buffer-limit": "normal 4mb 0 0" });
  using other = await RespClient.connect(server.port);
  await other.send("SADD", "set", "a", "b", "c");
  await other.send("HSET", "hash", "a", "1", "b", "2");
  await other.send("ZADD", "zset", "1", "a", "2", "b");
  for (const command of ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"]) {
    using client = await RespClient.connect(server.port);
    await client.post(...command.split(" "), "-9223372036854775807");
    await client.readToEnd().catch(() => {});
    assertEquals(await other.ask("PING"), "+PONG");
  }
  assertEquals(server.stats.outputBufferDisconnections, 3);
});
