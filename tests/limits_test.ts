/** Limits: what is too long, too much or too late ends one client's connection, and only that. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { type Argument, encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";
import { latin1 } from "../lib/bytes/text.ts";

/** A server whose inside the test looks at. */
async function serveOpen(options: Parameters<typeof serve>[0]): Promise<Server> {
  const server = await serve(options);
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  return server;
}

/** All that a server answers to bytes before it closes the connection. */
async function answerTo(port: number, ...parts: readonly string[]): Promise<string> {
  using client = await RespClient.connect(port);
  for (const part of parts) await client.write(part);
  return latin1(await client.readToEnd());
}

function request(...args: readonly Argument[]): string {
  return latin1(encodeCommand(args));
}

const REFUSED: readonly (readonly [name: string, bytes: string])[] = [
  ["a count of arguments that is no number", "*x\r\n"],
  ["a count with a sign", "*+1\r\n"],
  ["a count beyond 31 bits", "*2147483648\r\n"],
  ["a count beyond 64 bits", "*99999999999999999999\r\n"],
  ["an argument that is no bulk", "*1\r\n:1\r\n"],
  ["an empty line where an argument is to begin", "*1\r\n\r\n"],
  ["an empty line where the next is to begin", "*2\r\n$4\r\nECHO\r\n\r\n"],
  ["a bulk length below 0", "*1\r\n$-1\r\n"],
  ["a bulk length that is no number", "*2\r\n$3\r\nGET\r\n$k\r\n"],
  ["a bulk longer than proto-max-bulk-len", "*1\r\n$536870913\r\n"],
  ["a bulk length beyond 64 bits", "*1\r\n$99999999999999999999\r\n"],
  ["quotes without an end", 'SET k "v\r\n'],
  ["a quote in mid-word", "SET k 'a'b\r\n"],
  ["an inline line without an end", "x".repeat(65_600)],
  ["a count line without an end", `*${"1".repeat(65_600)}`],
  ["a length line without an end", `*1\r\n$${"1".repeat(65_600)}`],
];

redisTest(
  "bytes that are no request are answered with Redis's words, and the connection ends",
  async () => {
    await using pair = await startPair();
    for (const [name, bytes] of REFUSED) {
      for (const before of ["", request("PING"), "PING\r\n"]) {
        const redis = await answerTo(pair.redisPort, before + bytes);
        const redino = await answerTo(pair.redinoPort, before + bytes);
        assertEquals(redino, redis, name);
      }
    }
    await compare(pair, [["PING"]]);
  },
);

Deno.test("a NUL where a header should be is refused like any other byte", async () => {
  // redis-server takes it for the end of what has come, and waits.
  await using server = await serve({ port: 0 });
  assertEquals(
    await answerTo(server.port, "*1\r\n\0\r\n"),
    "-ERR Protocol error: expected '$', got '\0'\r\n",
  );
});

redisTest("a browser that was made to send a request is cut off before its body runs", async () => {
  await using pair = await startPair();
  const set = request("SET", "k", "v");
  for (
    const bytes of [
      `POST / HTTP/1.1\r\nHost: localhost\r\n\r\n${set}`,
      `post\r\n${set}`,
      `GET / HTTP/1.1\r\nhost: localhost\r\n\r\n${set}`,
      `${request("MULTI")}${request("Host:")}${set}${request("EXEC")}`,
    ]
  ) {
    await answerTo(pair.redisPort, bytes);
    await answerTo(pair.redinoPort, bytes);
    await compare(pair, [["EXISTS", "k"]]);
  }
  await compare(pair, [["ECHO", "POST"]]);
});

redisTest(
  "proto-max-bulk-len bounds a bulk, also when it is changed under a connection",
  async () => {
    await using pair = await startPair({ config: { "proto-max-bulk-len": "2mb" } });
    const tooLong = `*1\r\n$${2 * 1024 * 1024 + 1}\r\n`;
    const redis = await answerTo(pair.redisPort, tooLong);
    assertEquals(await answerTo(pair.redinoPort, tooLong), redis);
    await compare(pair, [["ECHO", "x".repeat(2 * 1024 * 1024)]]);
    await compare(pair, [["CONFIG", "SET", "proto-max-bulk-len", "4mb"]]);
    await compare(pair, [["SET", "k", "x".repeat(3 * 1024 * 1024)], ["STRLEN", "k"]]);
  },
);

redisTest("an unauthenticated client is held to 10 arguments of 16 KiB", async () => {
  await using pair = await startPair({ config: { requirepass: "secret" } });
  const most = request("AUTH", ...Array.from({ length: 9 }, () => "x"));
  const more = request("AUTH", ...Array.from({ length: 10 }, () => "x"));
  for (
    const bytes of [
      more,
      most + more,
      `*2\r\n$4\r\nAUTH\r\n$${16 * 1024 + 1}\r\n`,
      request("AUTH", "x".repeat(16 * 1024)) + more,
      "PING\r\n" + request("GET", "k") + more,
    ]
  ) {
    const redis = await answerTo(pair.redisPort, bytes);
    assertStringIncludes(redis, "unauthenticated");
    assertEquals(await answerTo(pair.redinoPort, bytes), redis);
  }
});

redisTest("what AUTH allows may follow it in the same bytes", async () => {
  await using pair = await startPair({ config: { requirepass: "secret" } });
  const bytes = request("AUTH", "secret") + request("DEL", ...Array.from("abcdefghijklmnop")) +
    request("SET", "k", "x".repeat(20_000)) + request("STRLEN", "k") + request("QUIT");
  const redis = await answerTo(pair.redisPort, bytes);
  assertEquals(redis, "+OK\r\n:0\r\n+OK\r\n:20000\r\n+OK\r\n");
  assertEquals(await answerTo(pair.redinoPort, bytes), redis);
});

redisTest("commands before authentication are refused, by HELLO too", async () => {
  await using pair = await startPair({ config: { requirepass: "secret" } });
  for (
    const bytes of [
      "GET k\r\nHELLO 3\r\nNOSUCH\r\nGET\r\nMULTI\r\nEXEC\r\nQUIT\r\n",
      "AUTH wrong\r\nPING\r\nAUTH secret\r\nPING\r\nRESET\r\nPING\r\nQUIT\r\n",
    ]
  ) {
    // Since 7.2 the error names HELLO's protocol version, too.
    const expected = (await answerTo(pair.redisPort, bytes))
      .replace("the HELLO AUTH", "the HELLO <proto> AUTH");
    assertEquals(await answerTo(pair.redinoPort, bytes), expected);
  }
});

Deno.test("client-query-buffer-limit closes a client whose command outgrows it", async () => {
  const limit = 1024 * 1024;
  await using server = await serveOpen({ port: 0, "client-query-buffer-limit": limit });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await client.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${2 * limit}\r\n`);
  await client.write("x".repeat(limit + 64 * 1024)).catch(() => {});
  assertEquals(latin1(await client.readToEnd().catch(() => new Uint8Array())), "");
  assertEquals(await other.ask("EXISTS", "k"), ":0");
  assertEquals(server.stats.queryBufferDisconnections, 1);
});

Deno.test("client-query-buffer-limit closes a client whose transaction outgrows it", async () => {
  const limit = 1024 * 1024;
  await using server = await serveOpen({ port: 0, "client-query-buffer-limit": limit });
  using client = await RespClient.connect(server.port);
  await client.send("MULTI");
  const value = "x".repeat(300_000);
  for (let i = 0; i < 3; i++) assertEquals(await client.ask("SET", "k", value), "+QUEUED");
  // What it closes upon may not have been read: then the connection is reset.
  await client.post("SET", "k", value).catch(() => {});
  assertEquals(latin1(await client.readToEnd().catch(() => new Uint8Array())), "");
  using other = await RespClient.connect(server.port);
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});

Deno.test("client-query-buffer-limit closes a paused client that goes on sending", async () => {
  const limit = 1024 * 1024;
  await using server = await serveOpen({ port: 0, "client-query-buffer-limit": limit });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await other.send("CLIENT", "PAUSE", "60000", "WRITE");
  const value = "x".repeat(10_000);
  const sending = (async () => {
    for (let i = 0; i < 200; i++) await client.post("SET", `k${i}`, value);
  })().catch(() => {});
  assertEquals(latin1(await client.readToEnd().catch(() => new Uint8Array())), "");
  await sending;
  assertEquals(await other.ask("CLIENT", "UNPAUSE"), "+OK");
  assertEquals(await other.ask("DBSIZE"), ":0");
  assertEquals(server.stats.queryBufferDisconnections, 1);
  server.countClientBytes();
  assertEquals(server.clientBytes, 0);
});

Deno.test("what is pending of a paused client is counted and then run in order", async () => {
  await using server = await serveOpen({ port: 0 });
  using other = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await other.send("CLIENT", "PAUSE", "60000", "WRITE");
  const count = 500;
  for (let i = 0; i < count; i++) await client.post("APPEND", "k", `${i} `.padEnd(5000, "."));
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes >= count * 5000;
  });
  assertEquals(await other.ask("EXISTS", "k"), ":0");
  await other.send("CLIENT", "UNPAUSE");
  for (let i = 1; i <= count; i++) {
    assertEquals(await client.read(), { type: "integer", value: i * 5000 });
  }
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes === 0;
  });
});

Deno.test("client-output-buffer-limit cuts a reader off that does not read, and memory comes back", async () => {
  await using server = await serveOpen({
    port: 0,
    "client-output-buffer-limit": "normal 4mb 0 0",
  });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(1024 * 1024));
  const before = server.usedMemory;
  using deaf = await RespClient.connect(server.port);
  for (let i = 0; i < 50; i++) await deaf.post("GET", "k").catch(() => {});
  await eventually(() => server.stats.outputBufferDisconnections === 1);
  await eventually(() => server.clients.size === 1);
  assertEquals(server.usedMemory, before);
  assertEquals(await other.ask("STRLEN", "k"), `:${1024 * 1024}`);
});

Deno.test("a client cut off as it is served leaves nothing counted of what waited behind", async () => {
  await using server = await serveOpen({
    port: 0,
    "client-output-buffer-limit": "normal 100kb 0 0",
  });
  using other = await RespClient.connect(server.port);
  using waiting = await RespClient.connect(server.port);
  await waiting.post("BLPOP", "q", "0");
  await eventually(() => server.blocking.count === 1);
  await waiting.post("SET", "x", "x".repeat(300_000));
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes >= 300_000;
  });
  await other.send("RPUSH", "q", "x".repeat(200_000));
  await eventually(() => server.clients.size === 1);
  await other.send("PING");
  server.countClientBytes();
  assertEquals(server.clientBytes, 0);
});

Deno.test("a client that the cron closes is not counted from then on", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({ port: 0, clock: () => nowMs, timeout: 1 });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(20_000_000));
  using deaf = await RespClient.connect(server.port);
  await deaf.post("GET", "k");
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes > 1_000_000;
  });
  nowMs += 5000;
  await eventually(() => server.clients.size === 0);
  server.countClientBytes();
  assertEquals(server.clientBytes, 0);
});

Deno.test("a client cut off while its command runs leaves nothing behind that it asked for then", async () => {
  await using server = await serveOpen({
    port: 0,
    "client-output-buffer-limit": "normal 20kb 0 0 pubsub 20kb 0 0",
  });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(100_000));
  using subscriber = await RespClient.connect(server.port);
  const channels = Array.from({ length: 5000 }, (_, i) => `channel:${i}`);
  await subscriber.post("SUBSCRIBE", ...channels);
  using executor = await RespClient.connect(server.port);
  for (const line of ["MULTI", "GET k", "SUBSCRIBE c", "CLIENT TRACKING ON", "MONITOR", "EXEC"]) {
    await executor.post(...line.split(" "));
  }
  await eventually(() => server.stats.outputBufferDisconnections === 2);
  assertEquals(await other.ask("PUBSUB", "CHANNELS"), "[]");
  assertEquals(await other.ask("PUBLISH", "c", "m"), ":0");
  assertEquals(server.tracking.clientCount, 0);
  assertEquals(server.gates, 0);
});

redisTest(
  "client-output-buffer-limit: nothing is sent of a reply, or of several, beyond it",
  async () => {
    await using pair = await startPair({
      config: { "client-output-buffer-limit": "normal 100000 0 0" },
    });
    await compare(pair, [["SET", "k", "x".repeat(60_000)], ["GET", "k"]]);
    for (const commands of ["MGET k k k\r\n", "GET k\r\n".repeat(3)]) {
      using greedy = await pair.connect();
      for (const client of [greedy.redis, greedy.redino]) {
        await client.write(commands);
        assertEquals(await client.readToEnd(), new Uint8Array());
      }
    }
  },
);

Deno.test("a client that has not authenticated is not kept many refusals", async () => {
  await using server = await serveOpen({ port: 0, requirepass: "secret" });
  const refusal = "-NOAUTH Authentication required.\r\n";
  using modest = await RespClient.connect(server.port);
  await modest.write("GET k\r\n".repeat(200));
  for (let i = 0; i < 200; i++) assertEquals(show(await modest.read()), refusal.trimEnd());
  using greedy = await RespClient.connect(server.port);
  await greedy.write("GET k\r\n".repeat(2000));
  assertEquals(await greedy.readToEnd(), new Uint8Array());
  assertEquals(server.stats.outputBufferDisconnections, 1);
  assertEquals(await modest.ask("AUTH", "secret"), "+OK");
  await modest.write("GET k\r\n".repeat(20_000));
  for (let i = 0; i < 20_000; i++) assertEquals((await modest.read()).type, "nullBulk");
});

Deno.test("client-output-buffer-limit's soft limit cuts off who stays above it", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({
    port: 0,
    clock: () => nowMs,
    "client-output-buffer-limit": "normal 0 4mb 10",
  });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(1024 * 1024));
  using deaf = await RespClient.connect(server.port);
  for (let i = 0; i < 30; i++) await deaf.post("GET", "k");
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes > 4 * 1024 * 1024;
  });
  const client = server.clients.get(2)!;
  await eventually(() => client.overSoftLimitMs !== undefined);
  nowMs += 10_000;
  await other.send("PING");
  assert(server.clients.has(2));
  nowMs += 1;
  await eventually(() => !server.clients.has(2));
  assertEquals(server.stats.outputBufferDisconnections, 1);
});

Deno.test("replies that wait count against maxmemory", async () => {
  await using server = await serveOpen({ port: 0, maxmemory: "20mb" });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(1024 * 1024));
  assertEquals(await other.ask("SET", "n", "1"), "+OK");
  const deaf = await RespClient.connect(server.port);
  for (let i = 0; i < 40; i++) await deaf.post("GET", "k");
  await eventually(async () => (await other.ask("SET", "n", "2")).startsWith("-OOM"));
  deaf.close();
  await eventually(async () => await other.ask("SET", "n", "3") === "+OK");
});

Deno.test("maxmemory-clients closes the largest client, but none with NO-EVICT", async () => {
  await using server = await serveOpen({ port: 0 });
  using other = await RespClient.connect(server.port);
  await other.send("SET", "k", "x".repeat(1024 * 1024));
  const deaf: RespClient[] = [];
  for (const replies of [30, 60, 60]) {
    const client = await RespClient.connect(server.port);
    if (deaf.length === 2) await client.send("CLIENT", "NO-EVICT", "ON");
    for (let i = 0; i < replies; i++) await client.post("GET", "k");
    deaf.push(client);
  }
  await eventually(() => {
    server.countClientBytes();
    return server.clientBytes > 120 * 1024 * 1024;
  });
  assertEquals(await other.ask("CONFIG", "SET", "maxmemory-clients", "100mb"), "+OK");
  await eventually(() => server.stats.evictedClients === 1);
  assertEquals([...server.clients.keys()], [1, 2, 4]);
  // A tenth of 800 MB is too little for the next one: whoever must stay counts, too.
  await other.send("CONFIG", "SET", "maxmemory", "800mb", "maxmemory-clients", "10%");
  await eventually(() => server.stats.evictedClients === 2);
  assertEquals([...server.clients.keys()], [1, 4]);
  assertStringIncludes(await other.ask("INFO", "stats"), "evicted_clients:2");
  for (const client of deaf) client.close();
});

redisTest("bytes of a command that is not complete count as its client's memory", async () => {
  await using pair = await startPair({ config: {} });
  for (const port of [pair.redisPort, pair.redinoPort]) {
    using other = await RespClient.connect(port);
    using slow = await RespClient.connect(port);
    const id = (await slow.ask("CLIENT", "ID")).slice(1);
    const sum = async (field: string) => {
      const line = show(await other.send("CLIENT", "LIST", "ID", id));
      return Number(new RegExp(` ${field}=(\\d+)`).exec(line)?.[1]);
    };
    await slow.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n" + "x".repeat(1_500_000));
    await eventually(async () => await sum("qbuf") >= 1_500_000);
    assert(await sum("tot-mem") > 1_500_000);
    // It is told, and then it is what goes.
    await other.send("CONFIG", "SET", "maxmemory-clients", "1mb");
    await eventually(async () =>
      show(await other.send("INFO", "stats")).includes("evicted_clients:1")
    );
    assertEquals(show(await other.send("CLIENT", "LIST", "ID", id)), '""');
  }
});

Deno.test("INFO counts reads from sockets and writes to them", async () => {
  await using server = await serveOpen({ port: 0 });
  using client = await RespClient.connect(server.port);
  for (let i = 0; i < 10; i++) await client.send("PING");
  const stats = show(await client.send("INFO", "stats"));
  assertStringIncludes(stats, "total_reads_processed:11");
  assertStringIncludes(stats, "total_writes_processed:10");
});

redisTest("maxclients refuses one more, with Redis's words", async () => {
  await using pair = await startPair({ config: { maxclients: 3 } });
  const answers: string[] = [];
  for (const port of [pair.redisPort, pair.redinoPort]) {
    using _second = await RespClient.connect(port);
    using _third = await RespClient.connect(port);
    await _second.send("PING");
    await _third.send("PING");
    answers.push(await answerTo(port));
  }
  assertEquals(answers[1], answers[0]);
  assertStringIncludes(answers[1]!, "max number of clients");
  // Those who were there go on, and a place that is free again is given.
  await compare(pair, [["PING"]]);
  await eventually(async () => {
    try {
      using again = await RespClient.connect(pair.redinoPort);
      return await again.ask("PING") === "+PONG";
    } catch {
      return false;
    }
  });
});

Deno.test("timeout closes a client that was idle for longer, and no other", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({ port: 0, timeout: 30, clock: () => nowMs });
  using idle = await RespClient.connect(server.port);
  using busy = await RespClient.connect(server.port);
  await idle.send("PING");
  await busy.send("PING");
  nowMs += 20_000;
  await busy.send("PING");
  nowMs += 10_001;
  assertEquals(latin1(await idle.readToEnd()), "");
  assertEquals(await busy.ask("PING"), "+PONG");
});

Deno.test("timeout spares a client that is sending a long command", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({ port: 0, timeout: 30, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  await client.send("CLIENT", "SETNAME", "slow");
  await client.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n");
  for (let i = 0; i < 10; i++) {
    nowMs += 20_000;
    await client.write("x");
    await eventually(async () =>
      /name=slow age=\d+ idle=0 /.test(await other.ask("CLIENT", "LIST"))
    );
  }
  await client.write("\r\n");
  assertEquals(await client.read(), { type: "simple", text: "OK" });
});

Deno.test("timeout spares a client that CLIENT PAUSE holds back", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({ port: 0, timeout: 30, clock: () => nowMs });
  using paused = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  await other.send("CLIENT", "PAUSE", "60000", "WRITE");
  await paused.post("INCR", "k");
  await eventually(() => server.clients.get(1)!.postponed);
  nowMs += 31_000;
  assertEquals(latin1(await other.readToEnd()), "");
  using last = await RespClient.connect(server.port);
  await last.send("CLIENT", "UNPAUSE");
  assertEquals(await paused.read(), { type: "integer", value: 1 });
});

Deno.test("timeout 0 closes nobody", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serveOpen({ port: 0, timeout: 30, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("CONFIG", "SET", "timeout", "0"), "+OK");
  nowMs += 1_000_000;
  assertEquals(await client.ask("PING"), "+PONG");
});

/** An address of this machine by which it does not look local, if it has one. */
function outsideAddress(): string | undefined {
  return Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )?.address;
}

Deno.test({
  name: "protected-mode refuses who comes from outside, unless there is a password",
  ignore: outsideAddress() === undefined,
  async fn() {
    const hostname = outsideAddress()!;
    await using server = await serveOpen({ port: 0, bind: `127.0.0.1 ${hostname}` });
    using local = await RespClient.connect(server.port);
    const answer = async () => {
      using client = await RespClient.connect(server.port, { hostname });
      return latin1(await client.readToEnd());
    };
    const refusal = await answer();
    assertStringIncludes(refusal, "-DENIED Redis is running in protected mode");
    assert(refusal.endsWith("\r\n"));
    assertEquals(server.stats.rejectedConnections, 1);

    assertEquals(await local.ask("CONFIG", "SET", "requirepass", "secret"), "+OK");
    using withPassword = await RespClient.connect(server.port, { hostname });
    assertEquals(await withPassword.ask("AUTH", "secret"), "+OK");
    assertEquals(await local.ask("CONFIG", "SET", "requirepass", ""), "+OK");
    assertEquals(await local.ask("CONFIG", "SET", "protected-mode", "no"), "+OK");
    using unprotected = await RespClient.connect(server.port, { hostname });
    assertEquals(await unprotected.ask("PING"), "+PONG");
  },
});
