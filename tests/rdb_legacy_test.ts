/** RDB versions 1 to 9 and their encodings, which nothing writes any more: files built by hand. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { RdbError } from "../lib/persistence/rdb_loader.ts";
import {
  littleEndian,
  load,
  RdbBuilder,
  rdbFile,
  type Redino,
  startRedino,
} from "./support/rdb.ts";
import { intset, stream, ziplist, type ZiplistEntry, zipmap } from "./support/old_encodings.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const INTEGERS: ZiplistEntry[] = [
  { value: 0, bits: 4 },
  { value: 12, bits: 4 },
  { value: -128, bits: 8 },
  { value: 127, bits: 8 },
  { value: -32768, bits: 16 },
  { value: 32767, bits: 16 },
  { value: -8388608, bits: 24 },
  { value: 8388607, bits: 24 },
  { value: -2147483648, bits: 32 },
  { value: 2147483647, bits: 32 },
  { value: -(2n ** 63n), bits: 64 },
  { value: 2n ** 63n - 1n, bits: 64 },
];
const STRINGS = ["", "a", "x".repeat(63), "y".repeat(64), "z".repeat(300), "w".repeat(20_000)];

/** What the entries are as replies. */
function texts(entries: readonly ZiplistEntry[]): string[] {
  return entries.map((entry) =>
    typeof entry === "object" && "bits" in entry ? String(entry.value) : String(entry)
  );
}

/** Loads a file that must be whole. */
async function loaded(file: Uint8Array): Promise<Redino> {
  const redino = await startRedino();
  load(redino.server, file);
  return redino;
}

async function items(client: RespClient, ...command: (string | number)[]): Promise<string[]> {
  const reply = await client.send(...command);
  if (reply.type !== "array") throw new TypeError(`${command.join(" ")} is answered ${reply.type}`);
  return reply.items.map((item) => "text" in item ? item.text : "");
}

Deno.test("Strings and plain collections of version 1 load", async () => {
  const records = new RdbBuilder()
    .raw(0xfe, 0)
    .key(0, "plain").string("hello")
    .key(0, "32-bit length").string("hello", 32)
    .key(0, "64-bit length").string("hello", 64)
    .key(0, "int8").integer(-7, 8)
    .key(0, "int16").integer(-700, 16)
    .key(0, "int32").integer(-70_000, 32)
    .key(0, "lzf").raw(0xc3).length(6).length(20).raw(1, "ab", 0xe0, 9, 1)
    .raw(0).integer(42, 8).string("a key that is an integer")
    .key(1, "list").length(3, 32).string("a").integer(1, 8).string("")
    .key(2, "set").length(2).string("a").string("b")
    .key(3, "zset").length(6).string("a").string("1.5").string("b").raw(254).string("c").raw(255)
    .string("d").string("-3").string("e").string("1e-7").string("f").string("17179869184")
    .key(4, "hash").length(2).string("f").string("v").string("g").integer(300, 16)
    .raw(0xfd, littleEndian(2_000_000_000, 4)).key(0, "expires").string("v");
  await using redino = await loaded(rdbFile(1, records));
  const { client } = redino;
  for (
    const [key, value] of [
      ["plain", "hello"],
      ["32-bit length", "hello"],
      ["64-bit length", "hello"],
      ["int8", "-7"],
      ["int16", "-700"],
      ["int32", "-70000"],
      ["lzf", "ab".repeat(10)],
      ["42", "a key that is an integer"],
      ["expires", "v"],
    ]
  ) assertEquals(await client.ask("GET", key!), `"${value}"`, key);
  assertEquals(await client.ask("PEXPIRETIME", "expires"), ":2000000000000");
  assertEquals(await items(client, "LRANGE", "list", 0, -1), ["a", "1", ""]);
  assertEquals((await items(client, "SMEMBERS", "set")).sort(), ["a", "b"]);
  assertEquals(
    await items(client, "ZRANGE", "zset", 0, -1, "WITHSCORES"),
    ["c", "-inf", "d", "-3", "e", "1e-7", "a", "1.5", "f", "17179869184", "b", "inf"],
  );
  assertEquals(await items(client, "HGETALL", "hash"), ["f", "v", "g", "300"]);
});

Deno.test("Ziplists with every kind of entry load, from versions 2 to 9", async () => {
  const entries = [...INTEGERS, ...STRINGS];
  const pairs = texts(entries).flatMap((text, i) => [`field ${i}`, text]);
  for (const long of [false, true]) {
    const records = new RdbBuilder()
      .key(10, "list").string(ziplist(entries, long))
      .key(13, "hash").string(ziplist(entries.flatMap((entry, i) => [`field ${i}`, entry]), long))
      .key(12, "zset").string(ziplist(
        ["a", "-inf", "b", { value: -3, bits: 8 }, "c", "2.5", "d", { value: 7, bits: 4 }],
        long,
      ))
      .key(14, "quicklist").length(3).string(ziplist(["a", { value: 5, bits: 4 }]))
      .string(ziplist([])).string(ziplist(STRINGS, long));
    for (const version of [2, 4, 5, 6, 7, 8, 9]) {
      await using redino = await loaded(rdbFile(version, records));
      const { client } = redino;
      assertEquals(await items(client, "LRANGE", "list", 0, -1), texts(entries));
      assertEquals(await items(client, "HGETALL", "hash"), pairs);
      assertEquals(
        await items(client, "ZRANGE", "zset", 0, -1, "WITHSCORES"),
        ["a", "-inf", "b", "-3", "c", "2.5", "d", "7"],
      );
      assertEquals(await items(client, "LRANGE", "quicklist", 0, -1), ["a", "5", ...STRINGS]);
      for (const key of ["hash", "zset"]) {
        assertEquals(await client.ask("OBJECT", "ENCODING", key), '"listpack"');
      }
    }
  }
});

Deno.test("Long ziplists become what their length asks for", async () => {
  const numbers = Array.from({ length: 600 }, (_, i) => ({ value: i, bits: 16 as const }));
  const scored = numbers.slice(0, 300).flatMap((entry) => [`m${entry.value}`, entry]);
  const records = new RdbBuilder()
    .key(10, "list").string(
      ziplist([...numbers, ..."abcdefgh".split("").map((c) => c.repeat(2000))]),
    )
    .key(13, "hash").string(ziplist(numbers.flatMap((entry) => [entry, "value"])))
    .key(12, "zset").string(ziplist(scored));
  await using redino = await loaded(rdbFile(6, records));
  const { client } = redino;
  for (
    const [key, command, length, encoding] of [
      ["list", "LLEN", 608, "quicklist"],
      ["hash", "HLEN", 600, "hashtable"],
      ["zset", "ZCARD", 300, "skiplist"],
    ] as const
  ) {
    assertEquals(await client.ask(command, key), `:${length}`);
    assertEquals(await client.ask("OBJECT", "ENCODING", key), `"${encoding}"`);
  }
  assertEquals(await client.ask("LINDEX", "list", 599), '"599"');
  assertEquals(await client.ask("HGET", "hash", 599), '"value"');
  assertEquals(await client.ask("ZRANK", "zset", "m299"), ":299");
});

Deno.test("Zipmaps load", async () => {
  const many = Array.from({ length: 300 }, (_, i) => [`f${i}`, `v${i}`] as const);
  const records = new RdbBuilder()
    .key(9, "small").string(zipmap([["f", "v"], ["", "1"], ["g", ""]]))
    .key(9, "unused").string(zipmap([["f", "v"], ["g", "w"]], 3))
    .key(9, "long").string(zipmap([["f".repeat(300), "v"], ["g", "w".repeat(70_000)]]))
    .key(9, "many").string(zipmap(many));
  await using redino = await loaded(rdbFile(3, records));
  const { client } = redino;
  assertEquals(await items(client, "HGETALL", "small"), ["f", "v", "", "1", "g", ""]);
  assertEquals(await items(client, "HGETALL", "unused"), ["f", "v", "g", "w"]);
  assertEquals(await client.ask("HGET", "long", "f".repeat(300)), '"v"');
  assertEquals(await client.ask("HSTRLEN", "long", "g"), ":70000");
  assertEquals(await client.ask("HLEN", "many"), ":300");
  for (
    const [key, encoding] of [["small", "listpack"], ["long", "hashtable"], ["many", "listpack"]]
  ) {
    assertEquals(await client.ask("OBJECT", "ENCODING", key!), `"${encoding}"`);
  }
});

Deno.test("Intsets of each width load", async () => {
  const records = new RdbBuilder()
    .key(11, "16").string(intset(2, [-32768, 0, 32767]))
    .key(11, "32").string(intset(4, [-(2 ** 31), 5, 2 ** 31 - 1]))
    .key(11, "64").string(intset(8, [-(2n ** 63n), -1, 0, 2n ** 32n, 2n ** 63n - 1n]))
    .key(11, "many").string(intset(2, Array.from({ length: 600 }, (_, i) => i)));
  await using redino = await loaded(rdbFile(7, records));
  const { client } = redino;
  assertEquals(await items(client, "SMEMBERS", "16"), ["-32768", "0", "32767"]);
  assertEquals(await items(client, "SMEMBERS", "32"), ["-2147483648", "5", "2147483647"]);
  assertEquals(
    await items(client, "SMEMBERS", "64"),
    ["-9223372036854775808", "-1", "0", "4294967296", "9223372036854775807"],
  );
  assertEquals(await client.ask("OBJECT", "ENCODING", "64"), '"intset"');
  assertEquals(await client.ask("OBJECT", "ENCODING", "many"), '"hashtable"');
  assertEquals(await client.ask("SISMEMBER", "many", "599"), ":1");
});

Deno.test("Streams of each type load, with groups and what is pending", async () => {
  for (const type of [15, 19, 21] as const) {
    await using redino = await startRedino({ clock: () => 1_000_000 });
    load(redino.server, rdbFile(11, stream(type)));
    const { client } = redino;
    assertEquals(
      await client.ask("XRANGE", "s", "-", "+"),
      '[["1000-1" ["f" "v"]] ["1002-6" ["g" "x"]]]',
    );
    const info = await client.ask("XINFO", "STREAM", "s");
    assertStringIncludes(info, '"length" :2');
    assertStringIncludes(info, '"last-generated-id" "1002-6"');
    assertStringIncludes(info, `"max-deleted-entry-id" "${type === 15 ? "0-0" : "1001-1"}"`);
    assertStringIncludes(info, `"entries-added" :${type === 15 ? 2 : 3}`);
    assertStringIncludes(info, '"recorded-first-entry-id" "1000-1"');
    assertEquals(
      await client.ask("XPENDING", "s", "group", "-", "+", 10),
      '[["1000-1" "alice" :876544 :3] ["1002-6" "alice" :876543 :300]]',
    );
    const [aliceInactive, bobInactive] = type === 21 ? [900_000, -1] : [888_889, 777_778];
    assertEquals(
      await client.ask("XINFO", "CONSUMERS", "s", "group"),
      `[["name" "alice" "pending" :2 "idle" :888889 "inactive" :${aliceInactive}] ` +
        `["name" "bob" "pending" :0 "idle" :777778 "inactive" :${bobInactive}]]`,
    );
    const groups = await client.ask("XINFO", "GROUPS", "s");
    assertStringIncludes(groups, '"last-delivered-id" "1000-1" "entries-read" :1');
    const unread = type === 15 ? ":2" : "nil$";
    assertStringIncludes(groups, `"last-delivered-id" "1002-6" "entries-read" ${unread} "lag" :0`);
  }
});

Deno.test("A stream's groups and consumers load in whatever order they come", async () => {
  const consumer = (name: string) => new RdbBuilder().string(name).raw("12345678", 0).bytes;
  const group = (name: string, ...consumers: string[]) =>
    new RdbBuilder().string(name).raw(0, 0, 0, consumers.length, ...consumers.map(consumer)).bytes;
  const groups = [group("b", "y", "x", "yy"), group("c"), group("a", "z")];
  const streamOf = (...all: Uint8Array[]) =>
    rdbFile(9, new RdbBuilder().key(15, "s").raw(0, 0, 0, 0, all.length, ...all));
  await using redino = await loaded(streamOf(...groups));
  const { client, server } = redino;
  const names = async (...command: string[]) =>
    [...(await client.ask(...command)).matchAll(/"name" "(\w+)"/g)].map(([, name]) => name);
  assertEquals(await names("XINFO", "GROUPS", "s"), ["a", "b", "c"]);
  assertEquals(await names("XINFO", "CONSUMERS", "s", "b"), ["x", "y", "yy"]);
  assertEquals(await client.ask("XGROUP", "DELCONSUMER", "s", "b", "y"), ":0");
  assertEquals(await client.ask("XGROUP", "DESTROY", "s", "c"), ":1");
  assertThrows(() => load(server, streamOf(...groups, group("b"))), RdbError, "groups");
  assertThrows(
    () => load(server, streamOf(group("b", "y", "x", "y"))),
    RdbError,
    "Duplicate stream consumer",
  );
  assertEquals(server.dbs[0]!.arena.usedBytes, 0);
});

redisTest("What is built by hand is what redis-server understands by it", async () => {
  await using process = await startRedis();
  const redis = await RespClient.connect(process.port);
  await redis.send("CONFIG", "SET", "sanitize-dump-payload", "yes");
  const entries = [...INTEGERS, ...STRINGS];
  const records = new RdbBuilder()
    .key(10, "list").string(ziplist(entries))
    .key(13, "hash").string(ziplist(entries.flatMap((entry, i) => [`field ${i}`, entry])))
    .key(12, "zset").string(ziplist(["a", "-inf", "b", { value: -3, bits: 8 }, "c", "2.5"]))
    .key(9, "zipmap").string(zipmap([["f", "v"], ["g", "w"]], 3))
    .key(11, "intset").string(intset(8, [-(2n ** 63n), -1, 0, 2n ** 32n]))
    .key(3, "text").length(2).string("a").string("1.5").string("b").raw(254)
    .raw(...stream(15).bytes);
  const file = rdbFile(9, records);
  await Deno.writeFile(`${process.dir}/dump.rdb`, file);
  assertEquals(await redis.ask("DEBUG", "RELOAD", "NOSAVE"), "+OK");
  await using redino = await loaded(file);
  assertEquals(await redino.client.ask("DEBUG", "DIGEST"), await redis.ask("DEBUG", "DIGEST"));
  redis.close();
});

Deno.test("Damaged old encodings are refused", async () => {
  await using redino = await startRedino();
  const good = ziplist(["a", "b"]);
  const changed = (bytes: Uint8Array, at: number, value: number) => {
    const copy = bytes.slice();
    copy[at < 0 ? copy.length + at : at] = value;
    return copy;
  };
  const cases: [type: number, value: Uint8Array][] = [
    [10, new Uint8Array(0)],
    [10, Uint8Array.of(255)],
    [10, changed(good, 0, good.length + 1)],
    [10, changed(good, 4, 9)],
    [10, changed(good, 8, 3)],
    [10, changed(good, -1, 0xfe)],
    [10, changed(good, 10, 1)],
    [10, changed(good, 11, 5)],
    [10, changed(good, 11, 0x7f)],
    [10, changed(good, 11, 0x80)],
    [10, changed(good, 11, 0xff)],
    [10, changed(good, 11, 0xc1)],
    [10, changed(good, 11, 0xe0)],
    [12, ziplist(["a"])],
    [12, ziplist(["a", "x"])],
    [12, ziplist(["a", "nan"])],
    [12, ziplist(["a", "1", "a", "2"])],
    [13, ziplist(["a"])],
    [13, ziplist(["a", "1", "a", "2"])],
    [9, Uint8Array.of(0)],
    [9, changed(zipmap([["f", "v"]]), 0, 2)],
    [9, changed(zipmap([["f", "v"]]), 1, 5)],
    [9, changed(zipmap([["f", "v"]]), 3, 0xff)],
    [9, changed(zipmap([["f", "v"]]), 3, 0xfe)],
    [9, changed(zipmap([["f", "v"]]), -1, 0)],
    [9, zipmap([["f", "v"], ["f", "w"]])],
    [11, changed(intset(2, [1, 2]), 0, 3)],
    [11, changed(intset(2, [1, 2]), 4, 3)],
    [11, intset(2, [2, 1])],
    [11, intset(8, [1, 1])],
    [11, new Uint8Array(7)],
  ];
  for (const [type, value] of cases) {
    const file = rdbFile(9, new RdbBuilder().key(type, "key").string(value));
    const error = assertThrows(() => load(redino.server, file), RdbError);
    assertStringIncludes(error.message, 'while reading key "key" (type ');
    assertEquals(redino.server.dbs[0]!.usedBytes, startBytes(redino), `${type} ${value}`);
  }
});

/** What an empty database takes. */
function startBytes({ server }: Redino): number {
  return server.dbs[1]!.usedBytes;
}
