/**
 * Damaged RDB files and DUMP payloads: each ends in an error that says where, or loads as something
 * that is whole in itself. What the checksum would find is let through, so that the rest must.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { LISTPACK_END } from "../lib/bytes/listpack.ts";
import { RdbError } from "../lib/persistence/rdb_loader.ts";
import { datasetDigest } from "../lib/server/digest.ts";
import type { Server } from "../lib/server/server.ts";
import { intset, stream, ziplist, zipmap } from "./support/old_encodings.ts";
import {
  bytesOf,
  concat,
  dumpPayload,
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
import { type Argument, type Reply, RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** Elements of the data's larger collections: few, so that a file is short and each byte is hit. */
const ELEMENTS = 12;
const MIB = 1 << 20;

/** All old encodings and all kinds of records, by hand. */
function oldFile(): Uint8Array {
  const entries = ["a", { value: 5, bits: 4 }, { value: -7, bits: 8 }, "x".repeat(70)] as const;
  const records = new RdbBuilder()
    .raw(0xfa).string("redis-ver").string("3.2.0")
    .raw(0xfe, 0, 0xfb).length(12).length(2)
    .raw(0xf5).string("#!lua name=lib")
    .raw(0xf7).length(2 ** 50).length(2).length(1).length(5).string("s").length(0)
    .raw(0xfd, littleEndian(2_000_000_000, 4)).key(0, "string").string("v")
    .raw(0xfc, littleEndian(2_000_000_000_000, 8)).raw(0xf8).length(100).key(0, "int").integer(
      -70_000,
      32,
    )
    .raw(0xf9, 7).key(0, "lzf").raw(0xc3).length(6).length(20).raw(1, "ab", 0xe0, 9, 1)
    .key(1, "list").length(3).string("a").integer(1, 8).string("")
    .key(2, "set").length(2).string("a").string("b")
    .key(3, "zset").length(3).string("a").string("1.5").string("b").raw(254).string("c").raw(255)
    .key(4, "hash").length(2).string("f").string("v").string("g").integer(300, 16)
    .key(9, "zipmap").string(zipmap([["f", "v"], ["g", "w".repeat(300)]], 2))
    .key(10, "ziplist").string(ziplist(entries))
    .key(11, "intset").string(intset(8, [-(2n ** 40n), 0, 7]))
    .key(12, "zset ziplist").string(ziplist(["a", "1", "b", "2.5"]))
    .key(13, "hash ziplist").string(ziplist([...entries]))
    .key(14, "quicklist").length(2).string(ziplist(entries)).string(ziplist(["z"]));
  records.raw(...stream(15).bytes);
  return rdbFile(9, records);
}

/** Redis-server's file of a small data set: with small encodings, or with large ones. */
async function redisFile(large: boolean): Promise<Uint8Array> {
  const args = large
    ? [
      ["--hash-max-listpack-entries", "1", "--set-max-intset-entries", "1"],
      ["--zset-max-listpack-entries", "1", "--list-max-listpack-size", "3"],
      ["--stream-node-max-entries", "3", "--rdbcompression", "no"],
    ].flat()
    : [];
  await using process = await startRedis({ args });
  const redis = await RespClient.connect(process.port);
  const commands = everyType(ELEMENTS).filter((command) =>
    command.every((word) => String(word).length < 1000) && command[0] !== "SETBIT"
  );
  await runAll(redis, [...commands, ["SAVE"]]);
  redis.close();
  return await Deno.readFile(`${process.dir}/dump.rdb`);
}

/** One way or another something else than the file was. */
function damage(rng: Rng, file: Uint8Array): Uint8Array {
  const at = rng.int(0, file.length - 1);
  const copy = file.slice();
  switch (rng.int(0, 6)) {
    case 0:
      copy[at]! ^= 1 << rng.int(0, 7);
      return copy;
    case 1:
      copy[at] = rng.pick([
        0,
        1,
        0x3f,
        0x40,
        0x80,
        0x81,
        0xc0,
        0xc3,
        LISTPACK_END,
        rng.int(0, 255),
      ]);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3: {
      // A wild length.
      const length = new RdbBuilder().length(BigInt(2 ** rng.int(6, 53)) << BigInt(rng.int(0, 10)));
      return concat(file.subarray(0, at), length, file.subarray(Math.min(file.length, at + 1)));
    }
    case 4: {
      // A part of it somewhere else.
      const from = rng.int(0, file.length - 1);
      const part = file.subarray(from, from + rng.int(1, 64));
      return concat(file.subarray(0, at), part, file.subarray(at + rng.int(0, part.length)));
    }
    case 5:
      return concat(file.subarray(0, at), rng.bytes(rng.int(1, 16)), file.subarray(at));
    default:
      for (let i = rng.int(2, 20); i > 0; i--) {
        copy[rng.int(0, file.length - 1)] = rng.int(0, 255);
      }
      return copy;
  }
}

/** Loads what may be damaged; returns whether it was accepted. Anything but an RdbError is thrown. */
function tryToLoad(server: Server, file: Uint8Array, piece: number): boolean {
  for (const db of server.dbs) db.clear();
  const loader = loaderFor(server, { verifyChecksum: false, replaceKeys: true });
  try {
    for (let at = 0; at < file.length && !loader.done; at += piece) {
      loader.push(file.subarray(at, at + piece));
    }
    loader.finish();
    return true;
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    assertMatch(error.message, / at byte \d+ of test\.rdb/);
    return false;
  }
}

/** Reads all there is, then removes it key by key: nothing may remain in the arena. */
function takeApart(server: Server): void {
  datasetDigest(server.dbs);
  for (const db of server.dbs) {
    const entries: number[] = [];
    for (let slot = 0; slot < db.map.slotCount; slot++) {
      const entry = db.map.entryInSlot(slot);
      if (entry !== 0) entries.push(entry);
    }
    assertEquals(entries.length, db.size);
    for (const entry of entries) db.remove(entry);
    assertEquals(db.size, 0);
    assertEquals(db.volatileCount, 0);
    assertEquals(db.arena.usedBytes, 0, "What was loaded left something behind");
    assertEquals(db.arena.besideBytes, db.map.indexBytes);
  }
}

redisTest("Files with random damage are refused, or load as something whole", async () => {
  await using redino = await startRedino();
  const { server } = redino;
  const files = [oldFile(), await redisFile(false), await redisFile(true)];
  for (const file of files) assert(tryToLoad(server, file, file.length));
  await seeded((rng) => {
    let accepted = 0;
    for (let i = 0; i < 1200; i++) {
      const damaged = damage(rng, rng.pick(files));
      const piece = rng.oneIn(4) ? rng.int(1, 100) : Math.max(1, damaged.length);
      if (tryToLoad(server, damaged, piece)) accepted++;
      takeApart(server);
    }
    assert(accepted > 0 && accepted < 1200);
  });
});

redisTest("A file that is cut at any byte is known not to be whole", async () => {
  await using redino = await startRedino();
  for (const file of [oldFile(), await redisFile(false), await redisFile(true)]) {
    for (const db of redino.server.dbs) db.clear();
    const loader = loaderFor(redino.server);
    for (let at = 0; at < file.length; at++) {
      assertThrows(() => loader.finish(), RdbError, `The data ends too early at byte ${at} of`);
      assert(!loader.done);
      assertEquals(loader.push(file.subarray(at, at + 1)), 1);
    }
    loader.finish();
  }
});

redisTest("Every flipped bit of a file is found by its checksum at the latest", async () => {
  await using redino = await startRedino();
  const file = (await redisFile(false)).slice();
  // Zeros in place of a checksum say that there is none.
  await seeded((rng) => {
    for (let i = 0; i < 150; i++) {
      const at = rng.int(0, file.length - 1);
      const bit = 1 << rng.int(0, 7);
      file[at]! ^= bit;
      assertThrows(() => load(redino.server, file), RdbError);
      file[at]! ^= bit;
    }
  });
  load(redino.server, file);
});

/** Commands that read and change a key of each type in many ways. */
function exercise(key: Uint8Array): Argument[][] {
  const commands = `
    TYPE|OBJECT ENCODING|DUMP|MEMORY USAGE|DEBUG DIGEST-VALUE|STRLEN|GETRANGE . 0 -1|APPEND . x|SETRANGE . 3 y
    INCR|PFCOUNT|BITCOUNT|LLEN|LRANGE . 0 -1|LINSERT . BEFORE a b|LREM . 0 a|LPUSH . x|RPUSH . y|LSET . 1 z
    LTRIM . 1 -2|RPOP|SCARD|SMEMBERS|SADD . a 1 x|SREM . 1|SRANDMEMBER . 5|SPOP . 2|HLEN|HGETALL
    HSET . f w new v|HDEL . g|HINCRBY . n 1|HRANDFIELD . -5 WITHVALUES|ZCARD|ZRANGE . 0 -1 WITHSCORES
    ZRANGE . -inf +inf BYSCORE|ZADD . 2 m 3 n|ZRANK . a|ZREM . b|ZINCRBY . 1 a|ZRANDMEMBER . -5
    ZREMRANGEBYRANK . 0 1|ZPOPMIN . 2|XLEN|XRANGE . - +|XREVRANGE . + -|XINFO STREAM . FULL
    XINFO GROUPS .|XPENDING . group|XPENDING . group - + 10|XREADGROUP GROUP group new COUNT 2 STREAMS . >
    XAUTOCLAIM . group new 0 0|XACK . group 1-1|XADD . * f v|XDEL . 1-1|XTRIM . MAXLEN ~ 3|XTRIM . MAXLEN 2
    XGROUP DELCONSUMER . group new|COPY . copy REPLACE|RENAME . renamed|RENAME renamed .|EXPIRE . 1000|PERSIST`;
  return commands.trim().split(/[|\n]/).map((line) => {
    const words: Argument[] = line.trim().split(" ");
    const place = words.indexOf(".");
    if (place < 0 && words[0] !== "RENAME") words.push(key);
    return words.map((word) => word === "." ? key : word);
  });
}

/** Asks all at once and returns the replies. */
async function askAll(client: RespClient, commands: readonly Argument[][]): Promise<Reply[]> {
  for (const command of commands) await client.post(...command);
  const replies: Reply[] = [];
  for (let i = 0; i < commands.length; i++) replies.push(await client.read());
  return replies;
}

redisTest("A server goes on well with what a damaged RESTORE has put there", async () => {
  const lines: string[] = [];
  await using redino = await startRedino({ log: (line) => lines.push(line) });
  const { client, server } = redino;
  const payloads: Uint8Array[] = [];
  for (const file of [oldFile(), await redisFile(false), await redisFile(true)]) {
    load(server, file);
    for (const db of [0, 3]) {
      await client.send("SELECT", db);
      const keys = await client.send("KEYS", "*");
      assert(keys.type === "array");
      for (const item of keys.items) {
        assert(item.type === "bulk");
        const payload = await client.send("DUMP", bytesOf(item.text));
        assert(payload.type === "bulk");
        payloads.push(bytesOf(payload.text).slice(0, -10));
      }
    }
  }
  // Old encodings, which DUMP does not write.
  payloads.push(concat("\x0a", new RdbBuilder().string(ziplist(["a", { value: 7, bits: 16 }]))));
  payloads.push(concat("\x09", new RdbBuilder().string(zipmap([["f", "v"], ["g", "1"]], 1))));
  payloads.push(concat("\x0e\x01", new RdbBuilder().string(ziplist(["a", "b"]))));
  for (const type of [15, 19, 21] as const) payloads.push(withoutKey(stream(type).bytes));
  await client.send("FLUSHALL");
  const key = bytesOf("k");
  await seeded(async (rng) => {
    const told = { restored: 0, refused: 0 };
    for (let i = 0; i < 1000; i++) {
      const damaged = damage(rng, rng.pick(payloads));
      const restored = await client.ask(
        "RESTORE",
        key,
        0,
        dumpPayload(new RdbBuilder().raw(damaged)),
      );
      if (restored === "-ERR Bad data format") {
        told.refused++;
      } else {
        assertEquals(restored, "+OK");
        told.restored++;
        await askAll(client, rng.shuffle(exercise(key)));
      }
      await client.send("DEL", key, "copy", "renamed");
      assertEquals(server.dbs[3]!.size, 0);
      assertEquals(server.dbs[3]!.arena.usedBytes, 0, "What was restored left something behind");
    }
    assert(told.refused > 0 && told.restored > 0);
  });
  assertEquals(lines.filter((line) => line.includes("Internal error")), []);
});

/** A record without its key: the type, and the value. */
function withoutKey(record: Uint8Array): Uint8Array {
  return concat(record.subarray(0, 1), record.subarray(2 + record[1]!));
}

Deno.test("Lengths that nothing bears out take no memory", async () => {
  await using redino = await startRedino();
  const { server } = redino;
  const wild = [2 ** 31 - 65, 2 ** 31, 2 ** 32 - 1, 2n ** 53n, 2n ** 64n - 1n];
  const before = Deno.memoryUsage().external;
  for (const length of wild) {
    const records = [
      new RdbBuilder().key(0, "k").length(length),
      new RdbBuilder().raw(0).length(length),
      new RdbBuilder().key(0, "k").raw(0xc3).length(length).length(length),
      new RdbBuilder().key(0, "k").raw(0xc3).length(3).length(length).raw("abc"),
      ...[1, 2, 3, 4, 5, 14, 18, 15].map((type) => new RdbBuilder().key(type, "k").length(length)),
      new RdbBuilder().raw(0xfb).length(length).length(length).key(0, "k").string("v").raw(99),
      new RdbBuilder().raw(0xfa).length(length),
      new RdbBuilder().raw(0xf7).length(length),
      new RdbBuilder().key(11, "k").string(concat(littleEndian(8, 4), littleEndian(-1, 4))),
      new RdbBuilder().key(15, "k").raw(0, 0, 0, 0).length(length),
    ];
    for (const record of records) {
      const file = rdbFile(10, record);
      for (const fileBytes of [file.length, Infinity]) {
        for (const db of server.dbs) db.clear();
        const loader = loaderFor(server, { fileBytes });
        assertThrows(() => {
          loader.push(file);
          loader.finish();
        }, RdbError);
        assert(server.usedMemory < 20 * MIB);
      }
    }
  }
  assert(Deno.memoryUsage().external - before < 100 * MIB);
});
