/** DBSIZE, FLUSHDB, FLUSHALL, SWAPDB, TIME, LOLWUT, SHUTDOWN and SLOWLOG. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compare, sameShape, startPair } from "./support/differential.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { encodeCommand, type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

redisTest("DBSIZE, FLUSHDB and FLUSHALL answer as Redis does", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["DBSIZE"],
    ["SET", "a", "1"],
    ["SET", Uint8Array.of(0, 255, 13, 10), "2"],
    ["DBSIZE"],
    ["DBSIZE", "x"],
    ["SELECT", "3"],
    ["SET", "c", "3"],
    ["FLUSHDB", "now"],
    ["FLUSHDB", "SYNC", "ASYNC"],
    ["FLUSHALL", "x"],
    ["FLUSHALL", "sync", "x"],
    ["DBSIZE"],
    ["FLUSHDB", "async"],
    ["DBSIZE"],
    ["GET", "c"],
    ["SELECT", "0"],
    ["DBSIZE"],
    ["FLUSHDB"],
    ["DBSIZE"],
    ["SET", "a", "1"],
    ["SELECT", "15"],
    ["SET", "b", "1"],
    ["FLUSHALL", "Sync"],
    ["DBSIZE"],
    ["SELECT", "0"],
    ["DBSIZE"],
    ["FLUSHALL", "ASYNC"],
  ]);
});

redisTest("FLUSHDB and FLUSHALL break the WATCH of a key that is there", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  for (const flush of ["FLUSHDB", "FLUSHALL"]) {
    for (const key of ["there", "missing"]) {
      await compare(pair, [["SET", "there", "1"], ["WATCH", key], ["MULTI"], ["PING"]]);
      await compare(other, [[flush]]);
      await compare(pair, [["EXEC"]]);
    }
  }
});

redisTest("SWAPDB exchanges databases under the clients that selected them", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["SET", "k", "zero"], ["SELECT", "1"], ["SET", "k", "one"]]);
  await compare(other, [["GET", "k"]]);
  await compare(pair, [["SWAPDB", "0", "1"], ["GET", "k"]]);
  await compare(other, [["GET", "k"], ["SELECT", "1"], ["GET", "k"]]);
  await compare(pair, [
    ["SWAPDB", "1", "1"],
    ["GET", "k"],
    ["SWAPDB", "0", "5"],
    ["SELECT", "5"],
    ["GET", "k"],
    ["SELECT", "0"],
    ["GET", "k"],
    ["SWAPDB", "x", "y"],
    ["SWAPDB", "0", "y"],
    ["SWAPDB", "3000000000", "0"],
    ["SWAPDB", "0", "-3000000000"],
    ["SWAPDB", "-1", "0"],
    ["SWAPDB", "0", "16"],
    ["SWAPDB", "16", "x"],
    ["SWAPDB", "0"],
    ["SWAPDB", "0", "1", "2"],
    ["SWAPDB", "+1", "0"],
  ]);
});

redisTest("SWAPDB breaks the WATCH of a key that is in either database", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["SET", "k", "1"], ["WATCH", "k"]]);
  await compare(other, [["SWAPDB", "0", "1"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"], ["WATCH", "nowhere"]]);
  await compare(other, [["SWAPDB", "0", "1"]]);
  await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);
});

Deno.test("TIME tells the server's clock in seconds and microseconds", async () => {
  await using server = await serve({ port: 0, clock: () => 1_234_567_890_123 });
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("TIME"), '["1234567890","123000"]'.replace(",", " "));
});

redisTest("TIME and LOLWUT have Redis's shape, and LOLWUT its errors", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      sameShape(["TIME"]),
      ["TIME", "x"],
      sameShape(["LOLWUT"]),
      sameShape(["LOLWUT", "x", "y"]),
      ["LOLWUT", "VERSION", "x"],
      sameShape(["LOLWUT", "VERSION", "5"]),
      ["LOLWUT", "version", "5", "x"],
      ["LOLWUT", "version", "5", "1", "1", "x"],
      sameShape(["LOLWUT", "version", "5", "1", "1", "1", "x"]),
      sameShape(["LOLWUT", "version", "6", "1", "1", "x"]),
      ["LOLWUT", "version", "6", "1", "x"],
      sameShape(["LOLWUT", "version", "7", "x"]),
      sameShape(["LOLWUT", "VERSION"]),
    ]);
  }
});

Deno.test("LOLWUT draws as large as it is asked to, within bounds, and ends with the version", async () => {
  await using server = await serve({ port: 0, random: () => 0 });
  using client = await RespClient.connect(server.port);
  const draw = async (...args: string[]) => {
    const reply = await client.send("LOLWUT", ...args);
    assert(reply.type === "bulk");
    return reply.text.split("\n");
  };
  const lines = await draw("VERSION", "5", "3", "2");
  assertEquals(lines.length, 4);
  assertEquals(lines[0]!.length, 3 * 3);
  assertEquals(lines[2], "Redis ver. 7.2.4");
  assertEquals((await draw("VERSION", "6", "-1", "100000")).length, 202);
});

redisTest("SHUTDOWN checks its words as Redis does", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["SHUTDOWN", "x"],
    ["SHUTDOWN", "SAVE", "NOSAVE"],
    ["SHUTDOWN", "NOSAVE", "SAVE"],
    ["SHUTDOWN", "NOSAVE", "NOSAVE", "x"],
    ["SHUTDOWN", "ABORT", "NOW"],
    ["SHUTDOWN", "FORCE", "ABORT"],
    ["SHUTDOWN", "NOSAVE", "ABORT"],
    ["SHUTDOWN", "ABORT"],
    ["SHUTDOWN", "abort", "ABORT"],
    ["MULTI"],
    ["SHUTDOWN"],
    ["EXEC"],
  ]);
});

Deno.test("SHUTDOWN ends an embedded server and its connections without a reply", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  await client.post("SHUTDOWN", "NOSAVE", "NOW");
  await server.closed;
  assertEquals(await client.readToEnd(), new Uint8Array());
});

Deno.test("SHUTDOWN ends the process with status 0", async () => {
  await using server = await startRedinoProcess();
  using client = await RespClient.connect(server.port);
  await client.post("SHUTDOWN", "NOSAVE");
  assertEquals((await server.status).code, 0);
});

redisTest("SLOWLOG keeps the newest commands, shortened as Redis shortens them", async () => {
  await using pair = await startPair({
    config: { "slowlog-log-slower-than": 0, "slowlog-max-len": 4 },
  });
  const many = Array.from({ length: 40 }, (_, i) => `k${i}`);
  // IDs count from the server's start, so only their steps are compared.
  const entries = (reply: Reply): string => {
    assert(reply.type === "array");
    let lastId: number | undefined;
    return reply.items.map((entry) => {
      assert(entry.type === "array" && entry.items.length === 6);
      const [id, time, usec, args, peer, name] = entry.items;
      assert(id?.type === "integer" && time?.type === "integer" && usec?.type === "integer");
      assert(peer?.type === "bulk");
      assertMatch(peer.text, /^127\.0\.0\.1:\d+$/);
      const step = lastId === undefined ? 0 : lastId - Number(id.value);
      lastId = Number(id.value);
      return `${step} ${show(args!)} ${show(name!)}`;
    }).join("\n");
  };
  await compare(pair, [
    ["SLOWLOG", "RESET"],
    ["SLOWLOG", "LEN"],
    ["CLIENT", "SETNAME", "me"],
    ["SET", "k", "x".repeat(200)],
    ["SET", Uint8Array.of(0, 200, 13), "v"],
    { command: ["SLOWLOG", "GET", "3"], view: entries },
    ["EXISTS", ...many],
    { command: ["SLOWLOG", "GET"], view: entries },
    { command: ["SLOWLOG", "GET", "-1"], view: entries },
    ["SLOWLOG", "GET", "0"],
    ["SLOWLOG", "LEN"],
    { command: ["SLOWLOG", "GET", "9223372036854775807"], view: entries },
    ["SLOWLOG", "GET", "-2"],
    ["SLOWLOG", "GET", "-9223372036854775808"],
    ["SLOWLOG", "GET", "x"],
    ["SLOWLOG", "GET", "9223372036854775808"],
    ["SLOWLOG", "GET", "1", "2"],
    ["SLOWLOG", "LEN", "x"],
    ["SLOWLOG", "RESET", "x"],
    ["SLOWLOG", "nope"],
    ["SLOWLOG"],
    ["CONFIG", "SET", "slowlog-max-len", "2"],
    ["SLOWLOG", "LEN"],
    ["CONFIG", "SET", "slowlog-log-slower-than", "-1"],
    ["SLOWLOG", "RESET"],
    ["SLOWLOG", "LEN"],
  ]);
});

Deno.test("SLOWLOG names the slow one of many commands that were sent at once", async () => {
  await using server = await serve({ port: 0, "slowlog-log-slower-than": 300 });
  using client = await RespClient.connect(server.port);
  // A reply of 1.6 MB takes milliseconds.
  const elements = Array.from({ length: 20_000 }, (_, i) => `element:${i}`);
  for (let i = 0; i < 5; i++) await client.send("RPUSH", "list", ...elements);
  await client.send("SLOWLOG", "RESET");
  const short = "LRANGE list 0 9\r\n".repeat(2);
  await client.write(`${short}LRANGE list 0 -1\r\n${short}`);
  for (let i = 0; i < 5; i++) await client.read();
  // A busy machine may make others slow, too.
  assert((await slowCommands(client)).includes('["LRANGE" "list" "0" "-1"]'));
});

Deno.test("SLOWLOG names a command that is slow for its many arguments", async () => {
  await using server = await serve({ port: 0, "slowlog-log-slower-than": 1000 });
  using client = await RespClient.connect(server.port);
  const members = Array.from({ length: 100_000 }, (_, i) => `member:${i}`);
  await client.write(encodeCommand(["SADD", "set", ...members]));
  await client.read();
  assertStringIncludes((await slowCommands(client)).join(), '["SADD" "set" "member:0"');
});

/** The commands in the slow log, as texts. */
async function slowCommands(client: RespClient): Promise<string[]> {
  const reply = await client.send("SLOWLOG", "GET", "-1");
  assert(reply.type === "array");
  return reply.items.map((entry) => entry.type === "array" ? show(entry.items[3]!) : "");
}

redisTest("SLOWLOG HELP names Redis's subcommands", async () => {
  await using pair = await startPair();
  const names = (reply: Reply): string => {
    assert(reply.type === "array");
    return reply.items.map((line) => line.type === "simple" ? line.text : line.type)
      .filter((line) => !line.startsWith(" ")).join("\n");
  };
  await compare(pair, [{ command: ["SLOWLOG", "HELP"], view: names }]);
});
