/** Pub/Sub, held against redis-server where that is of the same mind as Redis 7.2. */
import { assert, assertEquals } from "@std/assert";
import { hashBytes } from "../lib/bytes/hash.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import type { Subscriber } from "../lib/pubsub/pubsub.ts";
import { NONE, Topics } from "../lib/pubsub/topics.ts";
import { compareConversation, Conversation, type Line } from "./support/conversation.ts";
import { compare, frames, startPair, unordered } from "./support/differential.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { eventually } from "./support/eventually.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = new Uint8Array([0, 0xff, 0x0d, 0x0a, 0x2a]);

const TALK: readonly Line[] = [
  ["a", "SUBSCRIBE", "news"],
  ["b", "PUBLISH", "news", "one"],
  ["b", "PUBLISH", "nobody", "hears"],
  ["a", "SUBSCRIBE", "news", "sport", "news", ""],
  ["b", "PUBLISH", "sport", ""],
  ["b", "PUBLISH", "", "to the empty channel"],
  ["a", "PSUBSCRIBE", "n*", "[ms]port", "news", ""],
  ["c", "PSUBSCRIBE", "*"],
  ["b", "PUBLISH", "nx", "by a pattern"],
  ["b", "PUBLISH", "mport", "by a class"],
  ["b", "PUBLISH", "", "empty"],
  ["c", "PUNSUBSCRIBE", "*"],
  ["a", "PUNSUBSCRIBE", "n*", "news", "unknown", ""],
  ["b", "PUBLISH", "news", "two"],
  ["a", "UNSUBSCRIBE", "sport", "unknown", ""],
  ["a", "SSUBSCRIBE", "news", "shard", "news"],
  ["b", "SPUBLISH", "news", "to the shard"],
  ["b", "SPUBLISH", "sport", "no"],
  ["b", "PUBLISH", "shard", "no"],
  ["a", "SUNSUBSCRIBE", "shard", "unknown"],
  ["a", "PING"],
  ["a", "PING", "x"],
  ["a", "PUNSUBSCRIBE"],
  ["a", "PUNSUBSCRIBE"],
  ["a", "UNSUBSCRIBE"],
  ["a", "SUNSUBSCRIBE"],
  ["a", "UNSUBSCRIBE"],
  ["a", "GET", "k"],
  ["a", "SUBSCRIBE", BINARY],
  ["c", "SUBSCRIBE", BINARY],
  ["b", "PUBLISH", BINARY, BINARY],
  ["a", "RESET"],
  ["b", "PUBLISH", BINARY, "for c"],
  ["a", "GET", "k"],
];

for (const protocol of [2, 3] as const) {
  redisTest(
    `Messages reach channels, patterns and shards as in Redis, RESP${protocol}`,
    async () => {
      await compareConversation({ a: protocol, b: 2, c: protocol === 2 ? 3 : 2 }, TALK);
    },
  );
}

redisTest("UNSUBSCRIBE without names ends all of them, in any order", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    for (const kind of ["", "P", "S"]) {
      await compare(pair, [frames(3, [`${kind}SUBSCRIBE`, "a", "b", "c"])]);
      const told: string[][] = [];
      for (const client of [pair.redis, pair.redino]) {
        await client.post(`${kind}UNSUBSCRIBE`);
        const items: Reply[] = [];
        for (let i = 0; i < 3; i++) items.push(await client.readAny());
        // The counts go down one by one, whichever channel goes first.
        told.push([
          ...items.map((item) => show(item).replace(/"[abc]"/, "?")),
          ...items.map((item) => /"([abc])"/.exec(show(item))![1]!).sort(),
        ]);
      }
      assertEquals(told[1], told[0]);
    }
  }
});

redisTest("A subscribed RESP2 client may do little else", async () => {
  await compareConversation(
    { a: 2, b: 3 },
    [
      ["a", "PSUBSCRIBE", "p*"],
      ["a", "GET", "k"],
      ["a", "get"],
      ["a", "NOSUCH"],
      ["a", "CLIENT", "ID"],
      ["a", "CONFIG", "GET", "x"],
      ["a", "PUBLISH", "a", "b"],
      ["a", "PUBSUB", "NUMPAT"],
      ["a", "MULTI"],
      ["a", "HELLO", "3"],
      ["a", "PING", "a", "b"],
      ["a", "SUBSCRIBE"],
      ["a", "PUNSUBSCRIBE"],
      ["a", "GET", "k"],
      ["b", "SUBSCRIBE", "x"],
      ["b", "GET", "k"],
      ["b", "HELLO", "2"],
      ["b", "GET", "k"],
      ["b", "UNSUBSCRIBE", "x"],
      ["b", "GET", "k"],
      ["a", "SSUBSCRIBE", "x"],
      ["a", "GET", "k"],
    ],
  );
});

redisTest("Arity and wrong subcommands are refused as in Redis", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["SUBSCRIBE"],
    ["PSUBSCRIBE"],
    ["SSUBSCRIBE"],
    ["PUBLISH", "a"],
    ["PUBLISH", "a", "b", "c"],
    ["SPUBLISH", "a"],
    ["PUBSUB"],
    ["PUBSUB", "NOSUCH"],
    ["PUBSUB", "CHANNELS", "a", "b"],
    ["PUBSUB", "SHARDCHANNELS", "a", "b"],
    ["PUBSUB", "NUMPAT", "x"],
    ["PUBSUB", "HELP", "x"],
  ]);
});

redisTest("PUBSUB tells who listens", async () => {
  await using pair = await startPair();
  using listener = await pair.connect();
  using other = await pair.connect(3);
  const questions = [
    unordered(["PUBSUB", "CHANNELS"]),
    unordered(["pubsub", "channels", "a*"]),
    ["PUBSUB", "CHANNELS", "x*"],
    ["PUBSUB", "CHANNELS", ""],
    ["PUBSUB", "NUMSUB"],
    ["PUBSUB", "NUMSUB", "ab", "nobody", "ac", "ab", BINARY],
    ["PUBSUB", "NUMPAT"],
    unordered(["PUBSUB", "SHARDCHANNELS"]),
    unordered(["PUBSUB", "SHARDCHANNELS", "s?"]),
    ["PUBSUB", "SHARDNUMSUB", "s1", "ab"],
    ["PUBSUB", "SHARDNUMSUB"],
  ];
  await compare(pair, questions);
  await compare(listener, [
    frames(3, ["SUBSCRIBE", "ab", "ac", BINARY]),
    frames(2, ["PSUBSCRIBE", "p*", "q*"]),
    frames(2, ["SSUBSCRIBE", "s1", "s22"]),
  ]);
  await compare(other, [
    frames(2, ["SUBSCRIBE", "ab", "b"]),
    frames(2, ["PSUBSCRIBE", "p*", "r*"]),
    ...questions,
  ]);
  await compare(pair, questions);
  await compare(listener, [["RESET"]]);
  await compare(pair, questions);
  listener[Symbol.dispose]();
  other[Symbol.dispose]();
  for (const client of [pair.redis, pair.redino]) {
    while (await client.ask("PUBSUB", "NUMPAT") !== ":0");
  }
  await compare(pair, questions);
});

redisTest("Subscribing inside MULTI answers inside EXEC, but shards refuse", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["MULTI"],
      ["SUBSCRIBE", "x"],
      ["SSUBSCRIBE", "x"],
      ["PSUBSCRIBE", "x*"],
      ["UNSUBSCRIBE"],
      ["SUNSUBSCRIBE"],
      ["EXEC"],
    ]);
    using other = await pair.connect();
    await compare(other, [["PUBLISH", "xx", "m"]]);
    await compare(pair, [frames(1, ["PING"]), frames(1, ["PING"])]);
  }
});

redisTest("Messages come although CLIENT REPLY is off", async () => {
  await using pair = await startPair();
  using listener = await pair.connect();
  for (const side of ["redis", "redino"] as const) {
    const client = listener[side];
    await client.post("CLIENT", "REPLY", "OFF");
    await client.post("SUBSCRIBE", "x");
    const told = [show(await client.readAny())];
    assertEquals(await pair[side].ask("PUBLISH", "x", "one"), ":1");
    await client.post("UNSUBSCRIBE", "x");
    await client.post("CLIENT", "REPLY", "ON");
    while (told.length < 4) told.push(show(await client.readAny()));
    assertEquals(told, [
      '["subscribe" "x" :1]',
      '["message" "x" "one"]',
      '["unsubscribe" "x" :0]',
      "+OK",
    ]);
  }
});

redisTest("CLIENT PAUSE WRITE holds PUBLISH back, but no subscribing", async () => {
  await using pair = await startPair({ config: {} });
  using listener = await pair.connect();
  using publisher = await pair.connect();
  await compare(pair, [["CLIENT", "PAUSE", "100000", "WRITE"]]);
  await compare(listener, [["SUBSCRIBE", "c"], ["SSUBSCRIBE", "c"]]);
  for (const side of ["redis", "redino"] as const) {
    for (const command of ["PUBLISH", "SPUBLISH"]) {
      await publisher[side].post(command, "c", "m");
      const waits = new RegExp(` flags=b .* cmd=${command.toLowerCase()} `);
      await eventually(async () => waits.test(await pair[side].ask("CLIENT", "LIST")));
      assertEquals(await pair[side].ask("CLIENT", "UNPAUSE"), "+OK");
      assertEquals(show(await publisher[side].read()), ":1");
      await pair[side].ask("CLIENT", "PAUSE", "100000", "WRITE");
    }
  }
});

redisTest("CLIENT LIST and INFO count subscriptions as Redis does", async () => {
  await using pair = await startPair({ config: {} });
  using listener = await pair.connect(3);
  await compare(listener, [
    frames(2, ["SUBSCRIBE", "a", "b"]),
    frames(1, ["PSUBSCRIBE", "p"]),
    frames(3, ["SSUBSCRIBE", "s", "t", "u"]),
  ]);
  const fields = (command: string[], field: RegExp) => ({
    command,
    view: (reply: Reply) => ("text" in reply ? reply.text.match(field) ?? [] : []).join(" "),
  });
  await compare(listener, [
    fields(["CLIENT", "INFO"], / flags=\S+| sub=\d+ psub=\d+ ssub=\d+| redir=\S+/g),
    fields(["INFO", "stats"], /pubsub\w+:\d+/g),
    fields(["CLIENT", "LIST", "TYPE", "pubsub"], / flags=\S+| sub=\d+ psub=\d+ ssub=\d+/g),
  ]);
  await compare(pair, [["CLIENT", "KILL", "TYPE", "PUBSUB"]]);
  assertEquals((await listener.redino.readToEnd()).length, 0);
  await compare(pair, [fields(["INFO", "stats"], /pubsub\w+:\d+/g)]);
});

Deno.test("PUBLISH to a channel that its own client listens to answers first", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port, { protocol: 3 });
  await client.post("SUBSCRIBE", "a");
  assertEquals(show(await client.readAny()), '>["subscribe" "a" :1]');
  await client.post("PUBLISH", "a", "1");
  assertEquals(show(await client.readAny()), ":1");
  assertEquals(show(await client.readAny()), '>["message" "a" "1"]');
  // Inside EXEC as well: the messages wait for the end of its reply.
  for (const command of [["MULTI"], ["PUBLISH", "a", "2"], ["PING"], ["PUBLISH", "a", "3"]]) {
    await client.send(...command);
  }
  await client.post("EXEC");
  assertEquals(show(await client.readAny()), "[:1 +PONG :1]");
  assertEquals(show(await client.readAny()), '>["message" "a" "2"]');
  assertEquals(show(await client.readAny()), '>["message" "a" "3"]');
});

Deno.test("PUBLISH keeps the order of messages among pipelined replies", async () => {
  await using server = await serve({ port: 0 });
  await using talk = await Conversation.start(server.port, { a: 3 });
  const client = talk.client("a");
  await client.post("SUBSCRIBE", "a");
  await client.readAny();
  await client.write(
    "PING one\r\nPUBLISH a x\r\nPING two\r\nPUBLISH a y\r\nPING three\r\n",
  );
  const told: string[] = [];
  for (let i = 0; i < 7; i++) told.push(show(await client.readAny()));
  assertEquals(told, [
    '"one"',
    ":1",
    '>["message" "a" "x"]',
    '"two"',
    ":1",
    '>["message" "a" "y"]',
    '"three"',
  ]);
});

Deno.test("PUBLISH sends long messages whole to subscribers of both protocols", async () => {
  await using server = await serve({ port: 0 });
  using publisher = await RespClient.connect(server.port);
  using two = await RespClient.connect(server.port);
  using three = await RespClient.connect(server.port, { protocol: 3 });
  using other = await RespClient.connect(server.port);
  for (const client of [two, three, other]) {
    await client.post("SUBSCRIBE", "c");
    await client.readAny();
  }
  for (const length of [0, 1, 4000, 16_384, 65_400, 65_500, 65_536, 70_000, 3_000_000]) {
    const text = "x".repeat(length);
    assertEquals(await publisher.ask("PUBLISH", "c", text), ":3");
    assertEquals(show(await two.readAny()), `["message" "c" "${text}"]`);
    assertEquals(show(await other.readAny()), `["message" "c" "${text}"]`);
    assertEquals(show(await three.readAny()), `>["message" "c" "${text}"]`);
  }
});

Deno.test("Topics are found among many, also where their hashes are the same", async () => {
  await seeded((rng) => {
    // So many that two or three pairs share a hash of 32 bits.
    const names = Array.from({ length: 150_000 }, (_, i) => latin1Bytes(`name:${i}`));
    const topics = new Topics();
    const [me, you] = [0, 1].map((): Subscriber => ({
      subscriptions: undefined,
      deliver() {},
    })) as [
      Subscriber,
      Subscriber,
    ];
    for (const name of names) {
      topics.open(name, 0, name.length, hashBytes(name, 0, name.length), me);
    }
    assertEquals(topics.size, names.length);
    assertEquals([...topics].length, names.length);
    rng.shuffle(names);
    for (const [i, name] of names.entries()) {
      const topic = topics.find(name, 0, name.length);
      if (topic === NONE || latin1(topics.name(topic)) !== latin1(name)) {
        throw new Error(`${latin1(name)} is not found after ${i} removals`);
      }
      assert(topics.listeners(topic) === me);
      // Some have a second listener for a while.
      if (i % 3 === 0) {
        topics.join(topic, you);
        assertEquals([topics.count(topic), topics.listeners(topic)], [2, [me, you]]);
        assertEquals(topics.leave(topic, me), false);
        assert(topics.count(topic) === 1 && topics.listeners(topic) === you);
      }
      assertEquals(topics.leave(topic, i % 3 === 0 ? you : me), true);
      if (topics.find(name, 0, name.length) !== NONE) {
        throw new Error(`${latin1(name)} is still there`);
      }
      // Numbers of topics that went are given again.
      if (i % 1000 === 0) {
        assert(
          topics.open(name, 0, name.length, hashBytes(name, 0, name.length), you) < names.length,
        );
      }
    }
    for (const topic of [...topics]) topics.leave(topic, you);
    assertEquals([topics.size, [...topics].length], [0, 0]);
  });
});

Deno.test("A subscriber that is gone gets nothing, and its topics are gone with it", async () => {
  await using server = await serve({ port: 0 });
  using publisher = await RespClient.connect(server.port);
  const subscriber = await RespClient.connect(server.port);
  for (const kind of ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"]) await subscriber.send(kind, "t");
  assertEquals(await publisher.ask("PUBLISH", "t", "x"), ":2");
  subscriber.close();
  while (await publisher.ask("PUBSUB", "NUMPAT") !== ":0");
  assertEquals(await publisher.ask("PUBLISH", "t", "x"), ":0");
  assertEquals(await publisher.ask("SPUBLISH", "t", "x"), ":0");
  assertEquals(await publisher.ask("PUBSUB", "CHANNELS"), "[]");
  assertEquals(await publisher.ask("PUBSUB", "SHARDCHANNELS"), "[]");
});
