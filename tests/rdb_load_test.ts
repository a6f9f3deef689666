/** Loading the RDB files of the real redis-server: value by value, whatever the encodings. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { RdbError } from "../lib/persistence/rdb_loader.ts";
import {
  bytesOf,
  concat,
  everyType,
  littleEndian,
  load,
  loaderFor,
  RdbBuilder,
  rdbFile,
  runAll,
  startRedino,
} from "./support/rdb.ts";
import { startRedis } from "./support/redis.ts";
import { type Argument, RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** A redis-server with a data set, and the file that it saved. */
interface Saved extends AsyncDisposable {
  readonly redis: RespClient;
  readonly file: Uint8Array;
}

async function saved(
  commands: readonly Argument[][],
  config: readonly string[] = [],
): Promise<Saved> {
  const process = await startRedis({ args: config });
  const redis = await RespClient.connect(process.port, { timeoutMs: 30_000 });
  await runAll(redis, [...commands, ["SAVE"]]);
  return {
    redis,
    file: await Deno.readFile(`${process.dir}/dump.rdb`),
    async [Symbol.asyncDispose]() {
      redis.close();
      await process[Symbol.asyncDispose]();
    },
  };
}

/** Sends the same to both and asserts that they answer the same. */
async function assertSame(a: RespClient, b: RespClient, ...command: Argument[]): Promise<void> {
  assertEquals(await b.ask(...command), await a.ask(...command), command.join(" "));
}

/** Asserts that both have the same keys with the same values, times and, for streams, groups. */
async function assertSameData(redis: RespClient, redino: RespClient): Promise<void> {
  for (const db of [0, 3]) {
    await assertSame(redis, redino, "SELECT", db);
    await assertSame(redis, redino, "DBSIZE");
    const keys = await redis.send("KEYS", "*");
    assert(keys.type === "array");
    for (const item of keys.items) {
      assert(item.type === "bulk");
      const key = bytesOf(item.text);
      await assertSame(redis, redino, "DEBUG", "DIGEST-VALUE", key);
      await assertSame(redis, redino, "PEXPIRETIME", key);
      if (await redis.ask("TYPE", key) !== "+stream") continue;
      // 7.2 tells when a consumer was last active, and 7.0 does not; idle times pass meanwhile.
      assertEquals(
        streamView(await redino.ask("XINFO", "STREAM", key, "FULL", "COUNT", 0)),
        streamView(await redis.ask("XINFO", "STREAM", key, "FULL", "COUNT", 0)),
      );
    }
  }
  await assertSame(redis, redino, "SELECT", 0);
  await assertSame(redis, redino, "DEBUG", "DIGEST");
}

function streamView(info: string): string {
  return info.replace(/"(active-time|radix-tree-\w+)" :-?\d+ ?/g, "");
}

redisTest("A file of redis-server with every type loads value by value", async () => {
  await using redino = await startRedino();
  await using source = await saved(everyType());
  const loader = load(redino.server, source.file);
  assertEquals(loader.keysLoaded, 33);
  assertEquals(loader.aux.get("redis-ver"), "7.0.15");
  await assertSameData(source.redis, redino.client);
});

redisTest("Values in their large encodings load from redis-server's file", async () => {
  const config = [
    ["--hash-max-listpack-entries", "0"],
    ["--set-max-intset-entries", "0"],
    ["--zset-max-listpack-entries", "0"],
    ["--list-max-listpack-size", "2"],
    ["--rdbcompression", "no"],
    ["--stream-node-max-entries", "3"],
  ].flat();
  await using redino = await startRedino();
  await using source = await saved(everyType(), config);
  load(redino.server, source.file);
  await assertSameData(source.redis, redino.client);
  // They become small where our thresholds let them.
  for (const key of ["hash", "zset"]) {
    assertEquals(await redino.client.ask("OBJECT", "ENCODING", key), '"listpack"');
  }
  assertEquals(await redino.client.ask("OBJECT", "ENCODING", "intset16"), '"intset"');
});

redisTest("Small values of a file become large where our thresholds say so", async () => {
  await using redino = await startRedino({
    "hash-max-listpack-entries": 2,
    "set-max-intset-entries": 2,
    "set-max-listpack-entries": 2,
    "zset-max-listpack-entries": 2,
    "list-max-listpack-size": 2,
  });
  const config = ["--hash-max-listpack-entries", "5000", "--zset-max-listpack-entries", "5000"];
  await using source = await saved(everyType(), config);
  load(redino.server, source.file);
  await assertSameData(source.redis, redino.client);
  for (
    const [key, encoding] of [
      ["hash", "hashtable"],
      ["large hash", "hashtable"],
      ["intset16", "hashtable"],
      ["small set", "hashtable"],
      ["zset", "skiplist"],
      ["list", "quicklist"],
    ]
  ) {
    const db = key === "large hash" ? 3 : 0;
    await redino.client.send("SELECT", db);
    assertEquals(await redino.client.ask("OBJECT", "ENCODING", key!), `"${encoding}"`, key);
  }
});

redisTest("Scores of every size load exactly", async () => {
  const scores = [
    "0.1",
    "-0.1",
    "1e300",
    "-1e-300",
    "5e-324",
    "1.7976931348623157e308",
    "3.0000001",
  ];
  const commands: Argument[][] = [];
  for (const [i, score] of scores.entries()) {
    commands.push(["ZADD", "small", score, `m${i}`], ["ZADD", "large", score, `m${i}`]);
  }
  commands.push(["ZADD", "large", "1", "x".repeat(100)]);
  await using redino = await startRedino();
  await using source = await saved(commands);
  load(redino.server, source.file);
  for (const key of ["small", "large"]) {
    for (const [i, score] of scores.entries()) {
      const reply = await redino.client.send("ZSCORE", key, `m${i}`);
      assert(reply.type === "bulk");
      assertEquals(Number(reply.text), Number(score));
    }
    await assertSame(source.redis, redino.client, "ZRANGE", key, 0, -1);
  }
});

redisTest("Idle times and frequencies of keys come with the file", async () => {
  for (const [policy, ask] of [["allkeys-lru", "IDLETIME"], ["allkeys-lfu", "FREQ"]] as const) {
    await using redino = await startRedino({
      "maxmemory-policy": policy,
      "maxmemory": "1gb",
      "lfu-decay-time": 0,
    });
    const config = ["--maxmemory-policy", policy, "--maxmemory", "1gb", "--lfu-decay-time", "0"];
    await using source = await saved([], config);
    const { redis } = source;
    await redis.send("SET", "k", "v");
    const dumped = await redis.send("DUMP", "k");
    assert(dumped.type === "bulk");
    const option = policy === "allkeys-lru" ? "IDLETIME" : "FREQ";
    // Seconds, far enough from each other for those that may pass; or frequencies, which stay.
    const values = policy === "allkeys-lru" ? [0, 1000, 200_000] : [0, 7, 200];
    const toleratedSeconds = policy === "allkeys-lru" ? 100 : 0;
    for (const value of values) {
      await redis.send("RESTORE", `k${value}`, 0, bytesOf(dumped.text), option, value);
    }
    const dir = await redis.send("CONFIG", "GET", "dir");
    assert(dir.type === "array" && dir.items[1]?.type === "bulk");
    await redis.send("SAVE");
    load(redino.server, await Deno.readFile(`${dir.items[1].text}/dump.rdb`));
    for (const value of values) {
      const reply = await redino.client.send("OBJECT", ask, `k${value}`);
      assert(reply.type === "integer");
      const more = Number(reply.value) - value;
      assert(more >= 0 && more <= toleratedSeconds, `${ask} ${value}: ${reply.value}`);
    }
  }
});

redisTest("A file loads in pieces of any size", async () => {
  await using redino = await startRedino();
  await using source = await saved(everyType());
  const digest = await source.redis.ask("DEBUG", "DIGEST");
  for (const piece of [1, 7, 1000, 4096]) {
    load(redino.server, source.file, { piece });
    assertEquals(await redino.client.ask("DEBUG", "DIGEST"), digest, `pieces of ${piece}`);
  }
  await seeded(async (rng) => {
    for (const db of redino.server.dbs) db.clear();
    const loader = loaderFor(redino.server);
    for (let at = 0; at < source.file.length;) {
      const length = rng.int(0, 3000);
      loader.push(source.file.subarray(at, at + length));
      at += length;
    }
    loader.finish();
    assertEquals(await redino.client.ask("DEBUG", "DIGEST"), digest);
  });
});

Deno.test("What follows the end of a file is not taken", async () => {
  await using redino = await startRedino();
  const file = rdbFile(10, new RdbBuilder().raw(0xfe, 0).key(0, "k").string("v"));
  for (const piece of [1, 10, 1000]) {
    const loader = loaderFor(redino.server, { replaceKeys: true });
    const bytes = concat(file, "+CONTINUE");
    let taken = 0;
    while (!loader.done) taken += loader.push(bytes.subarray(taken, taken + piece));
    loader.finish();
    assertEquals(taken, file.length);
    assertEquals(loader.push(bytes.subarray(taken)), 0);
  }
});

Deno.test("Keys that have expired are dropped, or kept for a replica", async () => {
  await using redino = await startRedino();
  const { nowMs } = redino.server.time;
  const file = rdbFile(
    10,
    new RdbBuilder()
      .raw(0xfc, littleEndian(nowMs - 10_000, 8)).key(0, "gone").string("v")
      .raw(0xfd, littleEndian(Math.floor(nowMs / 1000) - 10, 4)).key(0, "gone too").string("v")
      .raw(0xfc, littleEndian(nowMs + 1_000_000, 8)).key(0, "later").string("v")
      .key(0, "never").string("v"),
  );
  const dropping = load(redino.server, file);
  assertEquals([dropping.keysLoaded, dropping.keysExpired], [2, 2]);
  assertEquals(await redino.client.ask("PTTL", "never"), ":-1");
  assertEquals(await redino.client.ask("PEXPIRETIME", "later"), `:${nowMs + 1_000_000}`);
  assertEquals(await redino.client.ask("DBSIZE"), ":2");

  const keeping = load(redino.server, file, { keepExpired: true });
  assertEquals([keeping.keysLoaded, keeping.keysExpired], [4, 0]);
});

Deno.test("Collections without elements are skipped and counted", async () => {
  await using redino = await startRedino();
  const records = new RdbBuilder();
  const told: string[] = [];
  for (const type of [1, 2, 3, 4, 5, 14, 18]) records.key(type, `empty ${type}`).length(0);
  const emptyListpack = Uint8Array.of(7, 0, 0, 0, 0, 0, 0xff);
  for (const type of [16, 17, 20]) records.key(type, `empty ${type}`).string(emptyListpack);
  records.key(18, "empty node").length(1).length(2).string(emptyListpack);
  records.key(11, "empty intset").string(concat(littleEndian(2, 4), littleEndian(0, 4)));
  records.key(0, "empty string").string("");
  const loader = load(redino.server, rdbFile(11, records), {
    log: { notice: (text) => told.push(text), warning() {} },
  });
  assertEquals([loader.keysLoaded, loader.emptyKeysSkipped], [1, 12]);
  assertEquals(
    loader.summary,
    "Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 12.",
  );
  assertEquals(told[0], "Loading RDB: skipping empty key: empty 1");
  assertEquals(redino.server.dbs[0]!.usedBytes > 0, true);
});

Deno.test("Functions, module data and slots are passed over, what the file says of itself is told", async () => {
  await using redino = await startRedino();
  const told: string[] = [];
  const { nowMs } = redino.server.time;
  const moduleId = 0x0123_4567_89ab_cdefn;
  const records = new RdbBuilder()
    .raw(0xfa).string("redis-ver").string("7.4.1")
    .raw(0xfa).string("ctime").integer(Math.floor(nowMs / 1000) - 5, 32)
    .raw(0xfa).string("used-mem").integer(3 * 2 ** 20, 32)
    .raw(0xfa).string("repl-id").string("0123456789012345678901234567890123456789")
    .raw(0xf5).string("#!lua name=lib\nredis.register_function('f', function() end)")
    .raw(0xf7).length(moduleId).length(2).length(1)
    .length(2).length(77).length(3).raw("ffff").length(4).raw("dddddddd").length(5).string("s")
    .length(1).length(5).length(0)
    .raw(0xf4).length(1).length(2).length(3)
    .raw(0xfe).length(1).raw(0xfb).length(1).length(0)
    .key(0, "k").string("v");
  const file = rdbFile(12, records);
  for (const piece of [1, 1000]) {
    told.length = 0;
    const log = {
      notice: (text: string) => told.push(text),
      warning: (text: string) => told.push(text),
    };
    const loader = load(redino.server, file, { piece, log, nowMs });
    assertEquals(loader.keysLoaded, 1);
    assertEquals(loader.aux.get("repl-id"), "0123456789012345678901234567890123456789");
    assertEquals(told, [
      "Loading RDB produced by version 7.4.1",
      "RDB age 5 seconds",
      "RDB memory usage when created 3.00 Mb",
      "Skipping a function library of 59 bytes, as there are no functions here",
      "Skipping data of the module 'ASNFZ4mrz', as there are no modules here",
    ]);
  }
  await redino.client.send("SELECT", 1);
  assertEquals(await redino.client.ask("GET", "k"), '"v"');
});

Deno.test("A key that the file has twice ends the loading, unless keys may be replaced", async () => {
  await using redino = await startRedino();
  const file = rdbFile(
    10,
    new RdbBuilder().key(0, "k").string("first").key(2, "k").length(1).string("member"),
  );
  const error = assertThrows(() => load(redino.server, file), RdbError);
  assertEquals(
    error.message,
    'The key is there twice at byte 18 of test.rdb while reading key "k" (type set) of database 0',
  );
  load(redino.server, file, { replaceKeys: true });
  assertEquals(await redino.client.ask("SMEMBERS", "k"), '["member"]');
});

Deno.test("What cannot be kept is refused in so many words", async () => {
  await using redino = await startRedino();
  const moduleKey = new RdbBuilder().key(7, "m").length(0x0123_4567_89ab_cdefn).length(0);
  const cases: [file: Uint8Array, words: string][] = [
    [
      rdbFile(12, new RdbBuilder().key(24, "h")),
      "A hash whose fields expire (Redis 7.4) cannot be read",
    ],
    [
      rdbFile(10, new RdbBuilder().raw(246).string("lib")),
      "A function library as before Redis 7.0 cannot be read",
    ],
    [
      rdbFile(9, new RdbBuilder().key(6, "m")),
      "A module's value as before Redis 4.0 cannot be read",
    ],
    [rdbFile(9, moduleKey), "A value of the module type 'ASNFZ4mrz' cannot be kept"],
    [rdbFile(9, moduleKey), 'while reading key "m" (type module) of database 0'],
    [
      rdbFile(9, new RdbBuilder().raw(99)),
      "A record of type 99 cannot be read at byte 9 of test.rdb",
    ],
    [rdbFile(13, new RdbBuilder()), "RDB format version 0013 cannot be read"],
    [rdbFile(0, new RdbBuilder()), "RDB format version 0000 cannot be read"],
    [bytesOf("REDIS00x1\xff"), "Wrong signature"],
    [bytesOf("REDAS0010\xff"), "Wrong signature"],
    [bytesOf("*3\r\n$3\r\nSET\r\n"), "Wrong signature"],
    [
      rdbFile(9, new RdbBuilder().raw(0xfe, 16)),
      "There is no database 16: the server is configured for 16",
    ],
  ];
  for (const [file, words] of cases) {
    const error = assertThrows(() => load(redino.server, file), RdbError);
    assertStringIncludes(error.message, words);
  }
});

Deno.test("A wrong checksum is found, unless it is not asked for or not there", async () => {
  await using redino = await startRedino();
  const records = new RdbBuilder().key(0, "k").string("v");
  const file = rdbFile(10, records);
  file[file.length - 1]! ^= 1;
  const error = assertThrows(() => load(redino.server, file), RdbError);
  assertEquals(
    error.message,
    "RDB CRC error: the data is damaged at byte 15 of test.rdb while reading the checksum",
  );
  load(redino.server, file, { verifyChecksum: false });
  assertEquals(load(redino.server, rdbFile(10, records, "none")).keysLoaded, 1);
  assertEquals(load(redino.server, rdbFile(4, records)).keysLoaded, 1);
});

Deno.test("Sets as Redis 7.2 writes them load", async () => {
  const listpack = (...members: string[]) => {
    const elements = members.map((member) =>
      concat(Uint8Array.of(0x80 | member.length), member, Uint8Array.of(member.length + 1))
    );
    const bytes = elements.reduce((sum, { length }) => sum + length, 7);
    const head = [littleEndian(bytes, 4), littleEndian(members.length, 2)];
    return concat(...head, ...elements, Uint8Array.of(0xff));
  };
  const many = Array.from({ length: 200 }, (_, i) => `m${i}`);
  const records = new RdbBuilder()
    .key(20, "small").string(listpack("a", "b", ""))
    .key(20, "many").string(listpack(...many));
  await using redino = await startRedino();
  const { client, server } = redino;
  load(server, rdbFile(11, records));
  assertEquals(await client.ask("SMEMBERS", "small"), '["a" "b" ""]');
  assertEquals(await client.ask("OBJECT", "ENCODING", "small"), '"listpack"');
  assertEquals(await client.ask("SMISMEMBER", "many", "m0", "m199", "m200"), "[:1 :1 :0]");
  assertEquals(await client.ask("OBJECT", "ENCODING", "many"), '"hashtable"');
  for (const members of [["a", "b", "a"], [...many, "m7"]]) {
    const file = rdbFile(11, new RdbBuilder().key(20, "k").string(listpack(...members)));
    assertThrows(() => load(server, file), RdbError, "A set has a member twice");
  }
});

Deno.test("An error tells what was being read", async () => {
  await using redino = await startRedino();
  const file = rdbFile(
    10,
    new RdbBuilder().raw(0xfa).string("name").string("value").raw(0xfe, 3)
      .key(1, 'a\n"key').length(2).string("a").string("b"),
  );
  const cut = (bytes: number) => {
    const part = file.subarray(0, bytes);
    return assertThrows(() => load(redino.server, part), RdbError).message;
  };
  const early = (bytes: number) => `The data ends too early at byte ${bytes} of test.rdb`;
  assertEquals(cut(4), `${early(4)} while reading the file's header`);
  assertEquals(cut(9), early(9));
  assertEquals(cut(12), `${early(12)} while reading a record of type 250`);
  assertEquals(cut(21), early(21));
  assertEquals(cut(24), `${early(24)} while reading a key (type list) of database 3`);
  assertEquals(
    cut(34),
    `${early(34)} while reading key "a\\n\\"key" (type list) of database 3`,
  );
  assertEquals(cut(40), `${early(40)} while reading the checksum`);
});

Deno.test("Nobody is told of keys that are loaded", async () => {
  await using redino = await startRedino({ "notify-keyspace-events": "KEAn" });
  const events: string[] = [];
  redino.server.effects.onEvent = (event) => events.push(event);
  const file = rdbFile(10, new RdbBuilder().key(0, "k").string("v"));
  load(redino.server, file);
  assertEquals(events, []);
  await redino.client.send("SET", "other", "v");
  assertEquals(events, ["new", "set"]);
});
