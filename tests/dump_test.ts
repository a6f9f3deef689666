/** DUMP and RESTORE, held against redis-server. */
import { assert, assertEquals } from "@std/assert";
import { type Command, compare, startPair, within } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { eventually } from "./support/eventually.ts";
import {
  bytesOf,
  concat,
  dumpPayload,
  everyType,
  littleEndian,
  RdbBuilder,
  runAll,
  startRedino,
} from "./support/rdb.ts";
import { startRedis } from "./support/redis.ts";
import { comparePropagation } from "./support/replica_stream.ts";
import { type Argument, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const STRING = dumpPayload(new RdbBuilder().raw(0).string("value"));
const LIST = dumpPayload(new RdbBuilder().raw(1).length(2).string("a").string("b"));
const SANITIZE = { "sanitize-dump-payload": "yes" };

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  copy[at < 0 ? copy.length + at : at] = value;
  return copy;
}

/** DUMPs every key of a server's databases 0 and 3 and RESTOREs it in the other; both must be equal. */
async function carryOver(from: RespClient, to: RespClient): Promise<void> {
  for (const db of [0, 3]) {
    await from.send("SELECT", db);
    await to.send("SELECT", db);
    const keys = await from.send("KEYS", "*");
    assert(keys.type === "array");
    for (const item of keys.items) {
      assert(item.type === "bulk");
      const key = bytesOf(item.text);
      const payload = await from.send("DUMP", key);
      assert(payload.type === "bulk");
      const ttl = await from.ask("PEXPIRETIME", key);
      const expiry = ttl === ":-1" ? 0 : Number(ttl.slice(1));
      const restored = await to.ask("RESTORE", key, expiry, bytesOf(payload.text), "ABSTTL");
      assertEquals(restored, "+OK", item.text.slice(0, 50));
    }
  }
  assertEquals(await to.ask("DEBUG", "DIGEST"), await from.ask("DEBUG", "DIGEST"));
}

redisTest("Every value goes from redis-server to Redino and back by DUMP and RESTORE", async () => {
  await using process = await startRedis();
  const redis = await RespClient.connect(process.port);
  await runAll(redis, everyType());
  await using redino = await startRedino();
  await carryOver(redis, redino.client);
  await redis.send("FLUSHALL");
  await carryOver(redino.client, redis);
  redis.close();
});

redisTest(
  "DUMP answers nil for a key that is not there, and a payload that redis-server checks",
  async () => {
    await using pair = await startPair();
    await compare(pair, [
      ["DUMP", "nokey"],
      ["DUMP"],
      ["DUMP", "a", "b"],
      ["SET", "int", "123"],
      ["SET", "short", "hello"],
      ["SET", "volatile", "hello", "PX", "1"],
      ["DUMP", "int"],
      ["DUMP", "short"],
    ]);
  },
);

redisTest("RESTORE checks its arguments in Redis's order", async () => {
  await using pair = await startPair({ config: SANITIZE });
  const commands: Command[] = [
    ["RESTORE", "k", 0],
    ["RESTORE", "k", 0, STRING],
    ["GET", "k"],
    ["TTL", "k"],
    ["RESTORE", "k", 0, STRING],
    ["RESTORE", "k", "x", "nonsense"],
    ["RESTORE", "k", -1, "nonsense", "REPLACE"],
    ["RESTORE", "k", "x", "nonsense", "REPLACE"],
    ["RESTORE", "k", "9223372036854775808", "nonsense", "REPLACE"],
    ["RESTORE", "k", 0, "nonsense", "REPLACE"],
    ["RESTORE", "k", 0, "nonsense", "FOO"],
    ["RESTORE", "k", 0, "", "REPLACE"],
    ["RESTORE", "k", 0, LIST, "replace"],
    ["LRANGE", "k", 0, -1],
    ["RESTORE", "k", -1, LIST, "REPLACE", "ABSTTL"],
    ["RESTORE", "k", 0, LIST, "IDLETIME"],
    ["RESTORE", "k", 0, LIST, "IDLETIME", "x"],
    ["RESTORE", "k", 0, LIST, "IDLETIME", -1],
    ["RESTORE", "k", 0, LIST, "FREQ"],
    ["RESTORE", "k", 0, LIST, "FREQ", "x"],
    ["RESTORE", "k", 0, LIST, "FREQ", -1],
    ["RESTORE", "k", 0, LIST, "FREQ", 256],
    ["RESTORE", "k", 0, LIST, "FREQ", 5, "IDLETIME", 5],
    ["RESTORE", "k", 0, LIST, "IDLETIME", 5, "FREQ", 5],
    ["RESTORE", "k", 0, LIST, "IDLETIME", 5, "IDLETIME", 7],
    ["RESTORE", "k", 0, LIST, "REPLACE", "REPLACE", "ABSTTL", "ABSTTL", "FREQ", 255],
    ["RESTORE", "k2", 100_000, LIST],
    ["RESTORE", "k3", 4_000_000_000_000, LIST, "ABSTTL"],
    ["PEXPIRETIME", "k3"],
    ["RESTORE", "last", "9223372036854775807", LIST, "ABSTTL"],
    ["LLEN", "last"],
    ["RESTORE", "k4", 1, LIST, "ABSTTL"],
    ["EXISTS", "k4"],
    ["RESTORE", "k3", 1, LIST, "ABSTTL", "REPLACE"],
    ["EXISTS", "k3"],
    ["RESTORE", "k5", "9223372036854775807", LIST],
    ["EXISTS", "k5"],
    ["RESTORE", "k6", 0, LIST, "ABSTTL"],
    ["TTL", "k6"],
    ["SET", "taken", "v"],
    ["RESTORE", "taken", 0, "nonsense"],
    ["RESTORE", "taken", 0, changed(LIST, 0, 99), "REPLACE"],
    ["GET", "taken"],
    ["SET", "expired", "v", "PX", "1"],
    ["RESTORE-ASKING", "asking", 0, LIST],
    ["RESTORE-ASKING", "asking", 0, LIST],
    ["LRANGE", "asking", 0, -1],
  ];
  await compare(pair, commands);
});

redisTest("RESTORE answers damage that the checksum does not tell as Redis does", async () => {
  await using pair = await startPair({ config: SANITIZE });
  const listpack = (...bytes: number[]) =>
    concat(
      littleEndian(bytes.length + 7, 4),
      littleEndian(bytes.length / 2, 2),
      Uint8Array.from([...bytes, 0xff]),
    );
  const values: [name: string, value: RdbBuilder][] = [
    ["nothing", new RdbBuilder()],
    ["type 8", new RdbBuilder().raw(8).string("x")],
    ["type 99", new RdbBuilder().raw(99).string("x")],
    ["type 0xff", new RdbBuilder().raw(0xff)],
    ["a cut string", new RdbBuilder().raw(0, 50, "abcd")],
    ["a wild string", new RdbBuilder().raw(0).length(2n ** 60n).raw("abcd")],
    ["an unknown string encoding", new RdbBuilder().raw(0, 0xc4, "abcd")],
    ["damaged LZF", new RdbBuilder().raw(0, 0xc3, 2, 5, 0xe0, 1)],
    ["wild LZF", new RdbBuilder().raw(0, 0xc3, 2).length(2 ** 31, 64).raw(0xe0, 1)],
    ["more than the value", new RdbBuilder().raw(0).string("x").raw("and more")],
    ["an empty list", new RdbBuilder().raw(1, 0)],
    ["a cut list", new RdbBuilder().raw(1, 2).string("x")],
    ["a wild list", new RdbBuilder().raw(1).length(2 ** 40).string("x")],
    ["an empty quicklist", new RdbBuilder().raw(18, 0)],
    ["a quicklist of empty nodes", new RdbBuilder().raw(18, 1, 2).string(listpack())],
    ["a quicklist of unknown nodes", new RdbBuilder().raw(18, 1, 3).string("x")],
    ["a plain node", new RdbBuilder().raw(18, 1, 1).string("x")],
    ["an empty plain node", new RdbBuilder().raw(18, 1, 1).string("")],
    ["an empty node", new RdbBuilder().raw(14, 1).string("")],
    ["a list of an empty string", new RdbBuilder().raw(1, 1).string("")],
    ["a quicklist", new RdbBuilder().raw(18, 1, 2).string(listpack(5, 1))],
    ["a damaged node", new RdbBuilder().raw(18, 1, 2).string(listpack(5, 2))],
    ["an empty set", new RdbBuilder().raw(2, 0)],
    ["a member twice", new RdbBuilder().raw(2, 2).string("x").string("x")],
    ["an integer member twice", new RdbBuilder().raw(2, 2).string("1").integer(1, 8)],
    [
      "an intset out of order",
      new RdbBuilder().raw(11).string(
        concat(littleEndian(2, 4), littleEndian(2, 4), "\x02\0\x01\0"),
      ),
    ],
    [
      "an intset of width 3",
      new RdbBuilder().raw(11).string(concat(littleEndian(3, 4), littleEndian(1, 4), "\x02\0\x01")),
    ],
    [
      "an empty intset",
      new RdbBuilder().raw(11).string(concat(littleEndian(2, 4), littleEndian(0, 4))),
    ],
    ["a field twice", new RdbBuilder().raw(4, 2).string("f").string("1").string("f").string("2")],
    ["a field without value", new RdbBuilder().raw(4, 1).string("f")],
    ["a hash", new RdbBuilder().raw(16).string(listpack(1, 1, 2, 1))],
    ["half a hash", new RdbBuilder().raw(16).string(listpack(1, 1))],
    ["a listpack's field twice", new RdbBuilder().raw(16).string(listpack(1, 1, 2, 1, 1, 1, 3, 1))],
    ["an empty hash", new RdbBuilder().raw(16).string(listpack())],
    ["a wrong length", new RdbBuilder().raw(16).string(changed(listpack(1, 1, 2, 1), 0, 10))],
    ["a wrong count", new RdbBuilder().raw(16).string(changed(listpack(1, 1, 2, 1), 4, 3))],
    ["no end", new RdbBuilder().raw(16).string(changed(listpack(1, 1, 2, 1), -1, 0))],
    ["NaN", new RdbBuilder().raw(3, 1).string("m").raw(253)],
    ["no score", new RdbBuilder().raw(3, 1).string("m")],
    ["a binary NaN", new RdbBuilder().raw(5, 1).string("m").raw("\0\0\0\0\0\0\xf8\x7f")],
    ["a binary score", new RdbBuilder().raw(5, 1).string("m").raw("\0\0\0\0\0\0\xf0\x3f")],
    [
      "a scored member twice",
      new RdbBuilder().raw(3, 2).string("m").raw(1, "1").string("m").raw(1, "2"),
    ],
    [
      "a small scored member twice",
      new RdbBuilder().raw(17).string(listpack(1, 1, 2, 1, 1, 1, 3, 1)),
    ],
    ["a stream without blocks", new RdbBuilder().raw(15, 0, 0, 0, 0, 0)],
    ["a stream that has less than it says", new RdbBuilder().raw(15, 0, 5, 0, 0, 0)],
    ["a stream's short ID", new RdbBuilder().raw(15, 1).string("short").string(listpack(1, 1))],
    [
      "a stream's damaged block",
      new RdbBuilder().raw(15, 1).string("x".repeat(16)).string(listpack(1, 1)),
    ],
    [
      "a group twice",
      new RdbBuilder().raw(15, 0, 0, 0, 0, 2).string("g").raw(0, 0, 0, 0).string("g").raw(
        0,
        0,
        0,
        0,
      ),
    ],
    [
      "an entry that is pending with nobody",
      new RdbBuilder().raw(15, 0, 0, 0, 0, 1).string("g").raw(0, 0, 1, "x".repeat(24), 1, 0),
    ],
    [
      "a consumer's entry that is not pending",
      new RdbBuilder().raw(15, 0, 0, 0, 0, 1).string("g").raw(0, 0, 0, 1).string("c").raw(
        "t".repeat(8),
        1,
        "x".repeat(16),
      ),
    ],
  ];
  for (const [name, value] of values) {
    const key = name;
    await compare(pair, [["RESTORE", key, 0, dumpPayload(value)], ["TYPE", key]]);
  }
  await compare(pair, [["DEBUG", "DIGEST"]]);
});

Deno.test("RESTORE takes payloads up to version 12 whose checksum is right", async () => {
  await using redino = await startRedino();
  const { client } = redino;
  const value = new RdbBuilder().raw(0).string("value");
  const wrong = "-ERR DUMP payload version or checksum are wrong";
  for (const version of [1, 6, 9, 10, 11, 12]) {
    assertEquals(
      await client.ask("RESTORE", "k", 0, dumpPayload(value, version), "REPLACE"),
      "+OK",
    );
  }
  for (const version of [13, 256, 65535]) {
    assertEquals(
      await client.ask("RESTORE", "k", 0, dumpPayload(value, version), "REPLACE"),
      wrong,
    );
  }
  for (let at = 0; at < STRING.length; at++) {
    const damaged = changed(STRING, at, STRING[at]! ^ 0x10);
    assertEquals(await client.ask("RESTORE", "k", 0, damaged, "REPLACE"), wrong);
    assertEquals(await client.ask("RESTORE", "k", 0, STRING.subarray(0, at), "REPLACE"), wrong);
  }
});

redisTest("DEBUG SET-SKIP-CHECKSUM-VALIDATION lets a wrong checksum pass", async () => {
  const damaged = changed(STRING, STRING.length - 1, STRING.at(-1)! ^ 1);
  const tooNew = changed(damaged, damaged.length - 9, 1);
  await using pair = await startPair();
  await compare(pair, [
    ["RESTORE", "a", "0", damaged],
    ["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"],
    ["RESTORE", "a", "0", damaged],
    ["RESTORE", "b", "0", tooNew],
    ["GET", "a"],
    ["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0"],
    ["RESTORE", "b", "0", damaged],
    ["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION"],
  ]);
});

redisTest("RESTORE counts as one change and tells of it", async () => {
  await compareEffects([
    ["RESTORE", "k", 0, STRING],
    ["RESTORE", "k", 0, LIST],
    ["RESTORE", "k", 0, LIST, "REPLACE"],
    ["RESTORE", "k", 100_000, LIST, "REPLACE"],
    ["RESTORE", "k", 1, LIST, "ABSTTL", "REPLACE"],
    ["RESTORE", "k", 1, LIST, "ABSTTL", "REPLACE"],
    ["RESTORE", "k", 0, changed(LIST, 1, 5), "REPLACE"],
  ]);
});

redisTest("RESTORE is sent to replicas with the time at which the key expires", async () => {
  await comparePropagation([
    ["RESTORE", "k", 0, STRING],
    ["restore", "k", 0, LIST, "REPLACE"],
    ["RESTORE", "k", 100_000, LIST, "replace", "IDLETIME", 5],
    ["RESTORE", "k", 99_999_999_999_000, LIST, "REPLACE", "absttl"],
    ["RESTORE", "k", 0, "nonsense", "REPLACE"],
    ["RESTORE", "k", 1, LIST, "ABSTTL", "REPLACE"],
    ["RESTORE", "k", 1, LIST, "ABSTTL", "REPLACE"],
  ]);
});

redisTest("A restored key has the idle time or the frequency that is given", async () => {
  const lru: Argument[] = ["RESTORE", "k", 0, STRING, "REPLACE", "IDLETIME"];
  {
    await using pair = await startPair({ config: { "maxmemory-policy": "allkeys-lru" } });
    for (const seconds of [0, 1000, 10_000_000, 16_777_215, 100_000_000]) {
      await compare(pair, [[...lru, seconds], within(60, ["OBJECT", "IDLETIME", "k"])]);
    }
    // The frequency is of no use to this policy: the key is as one just used.
    await compare(pair, [
      ["RESTORE", "k", 0, STRING, "REPLACE", "FREQ", 7],
      within(60, ["OBJECT", "IDLETIME", "k"]),
    ]);
  }
  await using pair = await startPair({
    config: { "maxmemory-policy": "allkeys-lfu", "lfu-decay-time": 0 },
  });
  await compare(pair, [
    ["RESTORE", "k", 0, STRING, "FREQ", 0],
    ["OBJECT", "FREQ", "k"],
    ["RESTORE", "k", 0, STRING, "REPLACE", "FREQ", 255],
    ["OBJECT", "FREQ", "k"],
    ["RESTORE", "k", 0, STRING, "REPLACE", "IDLETIME", 7],
    ["OBJECT", "FREQ", "k"],
  ]);
});

redisTest("A client that waits for a key is served by RESTORE", async () => {
  await using pair = await startPair();
  using waiting = await pair.connect();
  await Promise.all([
    waiting.redis.post("BLPOP", "k", "0"),
    waiting.redino.post("BLPOP", "k", "0"),
  ]);
  for (const client of [pair.redis, pair.redino]) {
    await eventually(async () =>
      (await client.ask("INFO", "clients")).includes("blocked_clients:1\\r")
    );
  }
  await compare(pair, [["RESTORE", "k", 0, LIST], ["LRANGE", "k", 0, -1]]);
  assertEquals(show(await waiting.redino.read()), show(await waiting.redis.read()));
});
