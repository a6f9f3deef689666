/** Keyspace notifications as messages; which events commands fire is compared beside the commands. */
import { assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compareConversation, type Line } from "./support/conversation.ts";
import { compare, startPair } from "./support/differential.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const CHANGES: readonly Line[] = [
  ["b", "SET", "k", "1"],
  ["b", "INCR", "k"],
  ["b", "APPEND", "k", "x"],
  ["b", "EXPIRE", "k", "100"],
  ["b", "PERSIST", "k"],
  ["b", "RENAME", "k", "k2"],
  ["b", "COPY", "k2", "k3"],
  ["b", "GET", "missing"],
  ["b", "EXISTS", "missing"],
  ["b", "SET", new Uint8Array([0, 0xff, 0x0d, 0x0a]), "1"],
  ["b", "MSET", "a", "1", "b", "2"],
  ["b", "MOVE", "a", "3"],
  ["b", "SELECT", "3"],
  ["b", "DEL", "a", "b"],
  ["b", "SET", "k", "1", "PX", "100000"],
  ["b", "SELECT", "0"],
  ["b", "SETEX", "v", "100", "x"],
  ["b", "GETEX", "v", "PERSIST"],
  ["b", "GETDEL", "v"],
  ["b", "SETRANGE", "k3", "5", "x"],
  ["b", "SETBIT", "bit", "1", "1"],
  ["b", "EXPIRE", "bit", "-1"],
  ["b", "FLUSHALL"],
];

for (const events of ["KEA", "K$", "Eg", "KExn", "Em", "g$", "", "KEAmn"]) {
  redisTest(`Events are published as notify-keyspace-events "${events}" says`, async () => {
    await compareConversation({ a: 2, b: 2 }, [
      ["a", "PSUBSCRIBE", "__key*"],
      ["b", "CONFIG", "SET", "notify-keyspace-events", events],
      ...CHANGES,
    ]);
  });
}

redisTest("Events and other messages come in the order in which they happen", async () => {
  await compareConversation({ a: 3, b: 2 }, [
    ["b", "CONFIG", "SET", "notify-keyspace-events", "KEA"],
    ["a", "SUBSCRIBE", "__keyspace@0__:k", "__keyevent@0__:del", "c"],
    ["b", "SET", "k", "1"],
    ["b", "SET", "other", "1"],
    ["b", "DEL", "k", "other"],
    ["b", "PUBLISH", "c", "after"],
    ["b", "PUBLISH", "__keyspace@0__:k", "forged"],
  ]);
});

redisTest("A key found expired is told of before what the command does", async () => {
  const told: string[] = [];
  await using pair = await startPair({ config: { "notify-keyspace-events": "EA$gxmn" } });
  await compare(pair, [["DEBUG", "SET-ACTIVE-EXPIRE", "0"]]);
  for (const side of ["redis", "redino"] as const) {
    using listener = await RespClient.connect(pair[`${side}Port`]);
    await listener.send("PSUBSCRIBE", "*");
    for (const command of [["GET", "k"], ["SET", "k", "v"], ["INCR", "k"], ["EXISTS", "k"]]) {
      await pair[side].send("SET", "k", "v", "PX", "1");
      await new Promise((resolve) => setTimeout(resolve, 5));
      await pair[side].send(...command);
      await pair[side].send("DEL", "k");
    }
    await pair[side].send("PUBLISH", "end", "");
    let events = "";
    while (!events.includes('"end"')) events += `${show(await listener.readAny())}\n`;
    told.push(events);
  }
  assertEquals(told[1], told[0]);
});

redisTest(
  "A key set with a time that has passed is there until somebody looks for it, though it is watched",
  async () => {
    await compareConversation({ a: 2, b: 2, c: 2 }, [
      // Else the cron may be the first to look.
      ["b", "DEBUG", "SET-ACTIVE-EXPIRE", "0"],
      ["b", "CONFIG", "SET", "notify-keyspace-events", "EA"],
      ["a", "PSUBSCRIBE", "*"],
      ["c", "WATCH", "k"],
      ["b", "SET", "k", "v", "PXAT", "1"],
      ["b", "GET", "k"],
    ]);
  },
);

Deno.test("Events tell of expired keys, found by a client or by the clock", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({
    port: 0,
    clock: () => nowMs,
    "notify-keyspace-events": "Ex",
    hz: 100,
    "enable-debug-command": "yes",
  });
  using listener = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await listener.send("PSUBSCRIBE", "*");
  assertEquals(await client.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0"), "+OK");
  await client.send("SET", "k", "v", "PX", "10");
  nowMs += 20;
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(show(await listener.readAny()), '["pmessage" "*" "__keyevent@0__:expired" "k"]');
  // Nobody asks for this one.
  await client.send("DEBUG", "SET-ACTIVE-EXPIRE", "1");
  await client.send("SELECT", "2");
  await client.send("SET", "late", "v", "PX", "10");
  nowMs += 20;
  assertEquals(show(await listener.readAny()), '["pmessage" "*" "__keyevent@2__:expired" "late"]');
});

Deno.test("Events tell of evicted keys", async () => {
  await using server = await serve({
    port: 0,
    "maxmemory-policy": "allkeys-random",
    "notify-keyspace-events": "Ee",
  });
  using listener = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await listener.send("PSUBSCRIBE", "*");
  await client.send("SET", "k", "x".repeat(100_000));
  await client.send("CONFIG", "SET", "maxmemory", "1");
  assertEquals(show(await listener.readAny()), '["pmessage" "*" "__keyevent@0__:evicted" "k"]');
});

Deno.test("Events of a client's own command follow its reply", async () => {
  await using server = await serve({ port: 0, "notify-keyspace-events": "KEA" });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.post("SUBSCRIBE", "__keyspace@0__:k");
  await client.readAny();
  await client.post("SET", "k", "v");
  assertEquals(show(await client.readAny()), "+OK");
  assertEquals(show(await client.readAny()), '>["message" "__keyspace@0__:k" "set"]');
});
