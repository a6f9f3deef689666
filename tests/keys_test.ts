/** Keys of any type, held against the real server. */
import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import { compare, startPair, type Step, unordered } from "./support/differential.ts";
import { startRedis } from "./support/redis.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";

const BINARY = new Uint8Array([0, 13, 10, 255, 128, 42]);
const LONG_KEY = "k".repeat(40_000);
const LONG_VALUE = "v".repeat(200_000);

/** Values of every way a string is kept, under keys of every kind. */
const STRINGS: Step[] = [
  ["SET", "int", 12345],
  ["SET", "short", "abc"],
  ["SET", "long", "x".repeat(100)],
  ["SET", "huge", LONG_VALUE],
  ["SET", "", "empty key"],
  ["SET", BINARY, BINARY],
  ["SET", LONG_KEY, "long key"],
];

/** The cursor that SCAN tells to go on from. */
function cursorOf(reply: Reply): string {
  return reply.type === "array" ? show(reply.items[0]!) : show(reply);
}

function texts(reply: Reply): string[] {
  assert(reply.type === "array" || reply.type === "push");
  return reply.items.map((item) => {
    assert(item.type === "bulk");
    return item.text;
  });
}

Deno.test("DEL and UNLINK answer as Redis does", async () => {
  await using pair = await startPair();
  for (const name of ["DEL", "UNLINK"]) {
    await compare(pair, [
      [name],
      [name, "nothing"],
      ...STRINGS,
      [name, "int", "int", "nothing", "short"],
      [name, "", BINARY, LONG_KEY, "huge"],
      ["GET", "huge"],
      ["GET", LONG_KEY],
      unordered(["KEYS", "*"]),
      ["SET", "short", "abc"],
      ["PEXPIRE", "short", 1_000_000],
      ["SET", "other", "abc"],
      [name, "short"],
      ["TTL", "short"],
      ["GET", "other"],
    ]);
  }
});

Deno.test("EXISTS, TOUCH and TYPE answer as Redis does", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["EXISTS"],
    ["TOUCH"],
    ["TYPE"],
    ["TYPE", "a", "b"],
    ...STRINGS,
    ["EXISTS", "int", "int", "nothing", "", BINARY, LONG_KEY],
    ["TOUCH", "int", "int", "nothing", "", BINARY, LONG_KEY],
    ["TYPE", "int"],
    ["TYPE", "huge"],
    ["TYPE", ""],
    ["TYPE", "nothing"],
  ]);
});

Deno.test("KEYS finds what Redis finds", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["KEYS"],
    ["KEYS", "*"],
    ...STRINGS,
    ["SET", "a*b", 1],
    ["SET", "a[b", 1],
    ["SET", "abb", 1],
    ["SET", "SHORT", 1],
    unordered(["KEYS", "*"]),
    unordered(["KEYS", "**"]),
    unordered(["KEYS", ""]),
    unordered(["KEYS", "s*"]),
    unordered(["KEYS", "?????"]),
    unordered(["KEYS", "a\\*b"]),
    unordered(["KEYS", "a[*b]b"]),
    unordered(["KEYS", "[^a-h]*"]),
    unordered(["KEYS", new Uint8Array([0, 42])]),
    ["KEYS", "nothing"],
    ["SELECT", 1],
    ["KEYS", "*"],
  ]);
});

Deno.test("KEYS hides what has expired and leaves it there, SCAN removes it", async () => {
  await using pair = await startPair({ config: {} });
  await compare(pair, [
    ["DEBUG", "SET-ACTIVE-EXPIRE", 0],
    ["SET", "k", 1],
    ["SET", "gone", 1],
    ["PEXPIRE", "gone", 1],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  await compare(pair, [
    ["KEYS", "*"],
    ["DBSIZE"],
    ["SCAN", 0, "MATCH", "k*"],
    ["DBSIZE"],
    ["SCAN", 0],
    ["DBSIZE"],
    ["PEXPIRE", "k", 1],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  await compare(pair, [["RANDOMKEY"], ["DBSIZE"]]);
});

Deno.test("SCAN refuses what Redis refuses, in its order", async () => {
  await using pair = await startPair();
  const cursors = [
    "",
    "0",
    "00",
    "+0",
    "-0",
    " 0",
    "0 ",
    "0x",
    "x",
    "+",
    "-",
    "0\0x",
    "18446744073709551616",
    "-18446744073709551616",
  ];
  await compare(pair, [
    ["SCAN"],
    ...cursors.map((cursor) => ["SCAN", cursor]),
    ["SCAN", "x", "COUNT", "y"],
    ["SCAN", 0, "COUNT"],
    ["SCAN", 0, "MATCH"],
    ["SCAN", 0, "TYPE"],
    ["SCAN", 0, "NOTHING", 1],
    ["SCAN", 0, "COUNT", 0],
    ["SCAN", 0, "COUNT", -1],
    ["SCAN", 0, "COUNT", "x"],
    ["SCAN", 0, "COUNT", "9223372036854775808"],
    ["SCAN", 0, "COUNT", "x", "NOTHING"],
    ["SCAN", 0, "NOTHING", "x", "COUNT", "x"],
    ["SET", "k", 1],
    ["SCAN", 0, "COUNT", "9223372036854775807"],
    ["SCAN", 0, "count", 5, "match", "k", "type", "string", "count", 6],
    // Whether a key stands behind the last cursor is a matter of the hash's seed.
    { command: ["SCAN", "18446744073709551615"], view: cursorOf },
    { command: ["SCAN", "-1"], view: cursorOf },
    ["SCAN", "0"],
    ["SCAN", 0, "MATCH", "x"],
    ["SCAN", 0, "MATCH", ""],
    ["SCAN", 0, "TYPE", "STRING"],
    ["SCAN", 0, "TYPE", "list"],
    ["SCAN", 0, "TYPE", "none"],
    ["SET", "", 1],
    ["DEL", "k"],
    ["SCAN", 0, "MATCH", "*"],
    ["SCAN", 0, "MATCH", "**"],
  ]);
});

Deno.test("SCAN returns in the end every key that stays, while others come and go", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  const stays = Array.from({ length: 1000 }, (_, i) => `stays:${i}`);
  for (const key of stays) await redino.post("SET", key, 1);
  for (const _ of stays) await redino.read();
  for (const growing of [true, false]) {
    const seen = new Set<string>();
    let cursor = "0";
    let calls = 0;
    do {
      const reply: Reply = await redino.send("SCAN", cursor, "COUNT", 50, "MATCH", "stays:*");
      assert(reply.type === "array" && reply.items[0]?.type === "bulk");
      cursor = reply.items[0].text;
      for (const key of texts(reply.items[1]!)) seen.add(key);
      for (let i = 0; i < 100; i++) {
        const key = `comes:${calls * 100 + i}`;
        await (growing ? redino.post("SET", key, 1) : redino.post("DEL", key));
      }
      for (let i = 0; i < 100; i++) await redino.read();
      calls++;
      assert(calls < 10_000, "The walk does not end");
    } while (cursor !== "0");
    assertEquals([...seen].sort(), stays.toSorted());
  }
});

Deno.test("SCAN gives about COUNT keys a call, and ends where few slots are full", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  for (let i = 0; i < 3000; i++) await redino.post("SET", `k${i}`, 1);
  for (let i = 0; i < 3000; i++) await redino.read();
  const first = await redino.send("SCAN", 0, "COUNT", 100);
  assert(first.type === "array");
  const { length } = texts(first.items[1]!);
  assert(length >= 100 && length < 130, `It gave ${length}`);
  const all = await redino.send("SCAN", 0, "COUNT", 3000);
  assert(all.type === "array");
  assert(texts(all.items[1]!).length >= 2990);
});

Deno.test("RANDOMKEY gives any key, and none where there is none", async () => {
  await using pair = await startPair();
  await compare(pair, [["RANDOMKEY", "x"], ["RANDOMKEY"], ["SET", "k", 1], ["RANDOMKEY"]]);
  const { redino } = pair;
  for (const key of ["a", "b", "c"]) await redino.send("SET", key, 1);
  const seen = new Set<string>();
  for (let i = 0; i < 400; i++) seen.add(await redino.ask("RANDOMKEY"));
  assertEquals(seen.size, 4);
});

Deno.test("RENAME and RENAMENX answer as Redis does", async () => {
  await using pair = await startPair();
  const names = ["int", "short", "long", "huge", "", BINARY, LONG_KEY];
  for (const name of ["RENAME", "RENAMENX"]) {
    await compare(pair, [
      ["FLUSHALL"],
      [name, "a"],
      [name, "nothing", "b"],
      [name, "nothing", "nothing"],
      ...STRINGS,
      [name, "int", "int"],
      [name, "int", "short"],
      ["GET", "int"],
      ["GET", "short"],
      ...STRINGS,
      ...names.flatMap((key): Step[] => [
        ["PEXPIREAT", key, 99_999_999_999_999],
        [name, key, "renamed"],
        ["EXISTS", key],
        ["GET", "renamed"],
        ["OBJECT", "ENCODING", "renamed"],
        ["PEXPIRETIME", "renamed"],
        [name, "renamed", LONG_KEY + "2"],
        ["GET", LONG_KEY + "2"],
        ["PEXPIRETIME", LONG_KEY + "2"],
        ["PERSIST", LONG_KEY + "2"],
        [name, LONG_KEY + "2", "r"],
        ["GET", "r"],
        ["DEL", "r"],
      ]),
      ["DBSIZE"],
      ["SET", "from", 1],
      ["SET", "to", 2],
      ["PEXPIREAT", "to", 99_999_999_999_999],
      [name, "from", "to"],
      ["TTL", "from"],
      ["PEXPIRETIME", "to"],
      ["GET", "to"],
    ]);
  }
});

Deno.test("COPY answers as Redis does", async () => {
  await using pair = await startPair();
  const names = ["int", "short", "long", "huge", "", BINARY, LONG_KEY];
  await compare(pair, [
    ["COPY", "a"],
    ["COPY", "nothing", "b"],
    ["COPY", "a", "a"],
    ["COPY", "a", "a", "REPLACE"],
    ["COPY", "a", "a", "DB", 0],
    ["COPY", "a", "a", "DB", 1],
    ["COPY", "a", "b", "DB"],
    ["COPY", "a", "b", "FOO"],
    ["COPY", "a", "b", "DB", "x"],
    ["COPY", "a", "b", "DB", "x", "FOO"],
    ["COPY", "a", "b", "FOO", "DB", "x"],
    ["COPY", "a", "b", "DB", "99999999999"],
    ["COPY", "a", "b", "DB", "-99999999999"],
    ["COPY", "a", "b", "DB", "9223372036854775808"],
    ["COPY", "a", "b", "DB", 16],
    ["COPY", "a", "b", "DB", -1],
    ["COPY", "a", "b", "DB", 16, "FOO"],
    ...STRINGS,
    ...names.flatMap((key): Step[] => [
      ["COPY", key, "copied"],
      ["COPY", key, "copied"],
      ["GET", "copied"],
      ["PEXPIREAT", key, 99_999_999_999_999],
      ["COPY", key, "copied", "replace"],
      ["GET", "copied"],
      ["GET", key],
      ["OBJECT", "ENCODING", "copied"],
      ["PEXPIRETIME", "copied"],
      ["COPY", key, key, "db", 3],
      ["COPY", "int", "", "REPLACE", "DB", 3, "REPLACE", "DB", 3],
      ["SELECT", 3],
      ["GET", key],
      ["PEXPIRETIME", key],
      ["SELECT", 0],
      ["DEL", "copied"],
    ]),
    // The copy and its source are apart.
    ["SET", "source", "abc"],
    ["COPY", "source", "copy"],
    ["SET", "source", "abd"],
    ["GET", "copy"],
  ]);
});

Deno.test("MOVE answers as Redis does", async () => {
  await using pair = await startPair();
  const names = ["int", "short", "long", "huge", "", BINARY, LONG_KEY];
  await compare(pair, [
    ["MOVE", "a"],
    ["MOVE", "a", "x"],
    ["MOVE", "a", "99999999999"],
    ["MOVE", "a", 16],
    ["MOVE", "a", -1],
    ["MOVE", "a", 0],
    ["MOVE", "nothing", 1],
    ...STRINGS,
    ...names.flatMap((key): Step[] => [
      ["PEXPIREAT", key, 99_999_999_999_999],
      ["MOVE", key, 5],
      ["EXISTS", key],
      ["MOVE", key, 5],
      ["SELECT", 5],
      ["GET", key],
      ["PEXPIRETIME", key],
      ["PERSIST", key],
      ["SELECT", 0],
      ["SET", key, "other"],
      ["MOVE", key, 5],
      ["GET", key],
    ]),
    ["DBSIZE"],
    ["SELECT", 5],
    ["DBSIZE"],
  ]);
});

Deno.test("the commands for keys reply the same in RESP3", async () => {
  await using pair = await startPair({ protocol: 3 });
  await compare(pair, [
    ["RANDOMKEY"],
    ["SET", "k", 1],
    ["RANDOMKEY"],
    ["KEYS", "*"],
    ["SCAN", 0],
    ["TYPE", "k"],
    ["COPY", "k", "l"],
    ["RENAMENX", "l", "m"],
    ["EXISTS", "m", "l"],
    ["MOVE", "m", 1],
    ["DEL", "k"],
  ]);
});

Deno.test("the commands for keys tell of Redis's keyspace events and count its changes", async () => {
  const commands = [
    "SET a 1",
    "RENAME a b",
    "RENAME b b",
    "SET c 1",
    "RENAMENX b c",
    "RENAME b c",
    "SET b 1",
    "COPY b d DB 1",
    "COPY b c REPLACE",
    "COPY b c",
    "COPY nothing c",
    "MOVE c 2",
    "MOVE nothing 2",
    "EXPIRE b 100",
    "EXPIRE b 100 NX",
    "EXPIRE nothing 100",
    "PERSIST b",
    "PERSIST b",
    "TTL nothing",
    "EXISTS nothing b",
    "TOUCH nothing",
    "TYPE nothing",
    "EXPIRE b -1",
    "SET x 1",
    "SET y 1",
    "UNLINK x nothing y",
    "DEL x",
  ];
  const classes = "KEAnm";

  await using redis = await startRedis({ args: ["--notify-keyspace-events", classes] });
  using listener = await RespClient.connect(redis.port, { protocol: 3 });
  await listener.post("PSUBSCRIBE", "__keyevent@*");
  assertEquals((await listener.readAny()).type, "push");
  using asker = await RespClient.connect(redis.port);
  for (const command of commands) await asker.send(...command.split(" "));
  // The answer to this comes behind all events.
  await listener.send("PING");
  const expected = listener.pushes.map((push) => {
    const [, , channel, key] = texts(push);
    const [, db, event] = /^__keyevent@(\d+)__:(.*)$/.exec(channel!)!;
    return `${event} ${db} ${key}`;
  });
  const changes = /rdb_changes_since_last_save:(\d+)/.exec(await asker.ask("INFO", "persistence"));

  await using server = await serve({ port: 0, "notify-keyspace-events": classes });
  assert(server instanceof Server);
  const told: string[] = [];
  server.effects.onEvent = (event, db, key) => told.push(`${event} ${db.number} ${latin1(key)}`);
  using client = await RespClient.connect(server.port);
  for (const command of commands) await client.send(...command.split(" "));
  assertEquals(told, expected);
  assertEquals(server.effects.dirty, Number(changes![1]));
});

Deno.test("EXISTS, TYPE and TTL count hits and misses, but no access", async () => {
  // Without decay, so that no minute ends between an access and the question for it.
  await using pair = await startPair({
    config: { "maxmemory-policy": "allkeys-lfu", "lfu-decay-time": 0 },
  });
  const counted: Step = {
    command: ["INFO", "stats"],
    view: (reply) =>
      reply.type === "bulk" ? /keyspace_hits:\d+\r\nkeyspace_misses:\d+/.exec(reply.text)![0] : "",
  };
  await compare(pair, [
    ["SET", "k", 1],
    ...["EXISTS", "TYPE", "TTL", "PTTL", "EXPIRETIME", "TOUCH", "DEL"].flatMap((name): Step[] => [
      [name, "k"],
      [name, "nothing"],
      ...(name === "TOUCH" ? [] : [["OBJECT", "FREQ", "k"]]),
      counted,
    ]),
    ["SCAN", 0, "TYPE", "string"],
    counted,
  ]);
});

Deno.test("keys of all bytes pass through all commands for keys", async () => {
  await using pair = await startPair();
  for (let byte = 0; byte < 256; byte += 5) {
    const key = new Uint8Array([byte, 255 - byte, byte]);
    await compare(pair, [
      ["SET", key, 1],
      ["RENAME", key, latin1Bytes("new")],
      ["COPY", "new", key],
      ["DEL", "new"],
      ["KEYS", "*"],
      ["SCAN", 0],
      ["RANDOMKEY"],
      ["UNLINK", key],
    ]);
  }
});
