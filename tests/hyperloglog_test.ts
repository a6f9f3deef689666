import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { murmur, murmurHash64 } from "../lib/bytes/murmur.ts";
import { serve } from "../lib/mod.ts";
import { type Command, compare, startPair, type Step } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { type Reply, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** The key's bytes, how they are kept, and what they say. */
function state(key: string): Command[] {
  return [
    ["GET", key],
    ["OBJECT", "ENCODING", key],
    ["PFDEBUG", "ENCODING", key],
    ["PFCOUNT", key],
    ["GET", key],
  ];
}

async function same(steps: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, steps);
}

function elements(rng: Rng, count: number): string[] {
  return Array.from({ length: count }, () => `element ${rng.int(0, 1_000_000)}`);
}

redisTest("PFADD, PFCOUNT and PFMERGE keep the bytes that Redis keeps", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["PFADD", "k"],
      ["PFADD", "k"],
      ...state("k"),
      ["PFADD", "k", "a", "b", "c"],
      ["PFADD", "k", "a"],
      ...state("k"),
      ["PFADD", "k", "", Uint8Array.of(0, 255, 13, 10), "x".repeat(100)],
      ...state("k"),
      ["PFDEBUG", "DECODE", "k"],
      ["PFADD", "l", "a", "d"],
      ["PFCOUNT", "k", "l"],
      ["PFCOUNT", "k", "none", "l", "k"],
      ["PFCOUNT", "none"],
      ["PFCOUNT", "none", "none"],
      ["PFMERGE", "m", "k", "l"],
      ...state("m"),
      ["PFMERGE", "m"],
      ...state("m"),
      ["PFMERGE", "new"],
      ...state("new"),
      ["PFMERGE", "new", "none", "l"],
      ...state("new"),
      ["PFADD"],
      ["PFCOUNT"],
      ["PFMERGE"],
    ], protocol);
  }
});

redisTest(
  "PFADD grows a sparse HyperLogLog run by run as Redis does, until it is dense",
  () =>
    seeded(async (rng) => {
      for (const maxSparseBytes of [0, 20, 60, 3000, 16_000]) {
        await using pair = await startPair({ config: { "hll-sparse-max-bytes": maxSparseBytes } });
        for (let added = 0; added < 6000; added += 150) {
          await compare(pair, [
            ...elements(rng, 20).map((element) => ["PFADD", "k", element]),
            ["GET", "k"],
            ["PFADD", "k", ...elements(rng, 130)],
            ...state("k"),
          ]);
        }
        await compare(pair, [["PFDEBUG", "GETREG", "k"]]);
      }
    }),
);

redisTest(
  "PFMERGE and PFCOUNT join sparse and dense ones as Redis does",
  () =>
    seeded(async (rng) => {
      await using pair = await startPair();
      const keys = ["a", "b", "c", "d"];
      for (let round = 0; round < 40; round++) {
        const [key, other, third] = [rng.pick(keys), rng.pick(keys), rng.pick(keys)];
        const count = rng.pick([1, 10, 100, 1000]);
        await compare(pair, [
          ["PFADD", key, ...elements(rng, count)],
          ["PFCOUNT", key],
          ["PFCOUNT", key, other],
          ["PFCOUNT", key, other, third],
          ["PFMERGE", rng.pick(["to", third]), key, other],
          ...rng.oneIn(8) ? [["DEL", other]] : [],
          ...rng.oneIn(8) ? [["PFDEBUG", "TODENSE", key]] : [],
          ["GET", "to"],
          ["GET", key],
          ["GET", third],
        ]);
      }
    }),
);

redisTest("PFDEBUG looks into both representations", () =>
  same([
    ["PFADD", "k", "a", "b", "c", "d"],
    ["PFDEBUG", "ENCODING", "k"],
    ["PFDEBUG", "decode", "k"],
    ["PFCOUNT", "k"],
    ["PFDEBUG", "TODENSE", "k"],
    ["PFDEBUG", "TODENSE", "k"],
    ...state("k"),
    ["PFDEBUG", "DECODE", "k"],
    ["PFADD", "l", "x"],
    ["PFDEBUG", "GETREG", "l"],
    ["PFDEBUG", "ENCODING", "l"],
    ["PFDEBUG", "JUNK", "k"],
    ["PFDEBUG", "x\0y", "k"],
    ["PFDEBUG", "JUNK", "none"],
    ["PFDEBUG", "ENCODING", "none"],
    ["PFDEBUG", "ENCODING"],
    ["PFDEBUG", "ENCODING", "k", "l"],
    ["SET", "t", "v"],
    ["PFDEBUG", "ENCODING", "t"],
    ["SADD", "s", "x"],
    ["PFDEBUG", "JUNK", "s"],
  ]));

/** A HyperLogLog's head and what follows it. */
function crafted(encoding: number, ...registers: number[]): Uint8Array {
  return Uint8Array.of(
    ...latin1Bytes("HYLL"),
    encoding,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x80,
    ...registers,
  );
}

redisTest(
  "what is no HyperLogLog, or a corrupted one, is refused as Redis refuses it",
  async () => {
    const values: readonly (string | Uint8Array)[] = [
      "",
      "5",
      "HYLL",
      "HYLL" + "\0".repeat(12),
      "hyll" + "\x01" + "\0".repeat(20),
      crafted(1),
      crafted(2, 0x7f, 0xff),
      crafted(0, ...new Array(12_287).fill(0)),
      crafted(0, ...new Array(12_288).fill(0)),
      crafted(0, ...new Array(12_288).fill(0xff)),
      crafted(1, 0x7f, 0xff),
      crafted(1, 0x7f, 0xfe),
      crafted(1, 0x7f, 0xff, 0x00),
      crafted(1, 0x7f, 0xff, 0x80),
      crafted(1, 0x7f, 0xfd, 0x83),
      crafted(1, 0x7f, 0xf0, 0x85, 0x85, 0x85, 0x85),
      crafted(1, ...new Array(256).fill(0x3f)),
      crafted(1, ...new Array(255).fill(0x3f)),
    ];
    await same([
      ...values.flatMap((value): Step[] => [
        ["SET", "k", value],
        ["PFCOUNT", "k"],
        ["PFCOUNT", "k", "k"],
        ["PFMERGE", "to", "k"],
        ["EXISTS", "to"],
        ["PFADD", "k", "a"],
        ["PFCOUNT", "k"],
        ["PFADD", "k", "b", "c", "d"],
        ["GET", "k"],
        ["OBJECT", "ENCODING", "k"],
        ["PFDEBUG", "GETREG", "k"],
        ["DEL", "to", "k"],
      ]),
      ["RPUSH", "l", "x"],
      ["PFADD", "l", "x"],
      ["PFCOUNT", "l"],
      ["PFCOUNT", "none", "l"],
      ["PFMERGE", "l"],
      ["PFMERGE", "to", "none", "l"],
      ["EXISTS", "to"],
    ]);
  },
);

redisTest(
  "an estimate that 64 bits do not hold is what Redis makes of it",
  () =>
    same([31, 50, 51, 63].flatMap((value): Step[] => {
      const four = value | value << 6 | value << 12 | value << 18;
      const three = [four & 0xff, four >>> 8 & 0xff, four >>> 16 & 0xff];
      return [
        ["SET", "k", crafted(0, ...Array.from({ length: 4096 }, () => three).flat())],
        ["PFCOUNT", "k"],
        ["PFCOUNT", "k"],
        ["GET", "k"],
        ["PFCOUNT", "k", "none"],
      ];
    })),
);

redisTest("string commands work on a HyperLogLog, and it on what they leave", () =>
  same([
    ["PFADD", "k", "a", "b"],
    ["STRLEN", "k"],
    ["COPY", "k", "l"],
    ["PFADD", "l", "c"],
    ...state("k"),
    ...state("l"),
    ["SETRANGE", "l", "8", Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0)],
    ["PFCOUNT", "l"],
    ["SETRANGE", "l", "8", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127)],
    ["PFCOUNT", "l"],
    ["EXPIREAT", "k", "4102444800"],
    ["PFADD", "k", "z"],
    ["TTL", "none"],
    ["EXPIRETIME", "k"],
    ["PFDEBUG", "TODENSE", "k"],
    ["EXPIRETIME", "k"],
    ["DEBUG", "DIGEST"],
  ]));

redisTest("HyperLogLog commands tell of their changes as Redis does", () =>
  compareEffects([
    ["PFADD", "k"],
    ["PFADD", "k"],
    ["PFADD", "k", "a", "b", "a"],
    ["PFADD", "k", "a"],
    ["PFCOUNT", "k"],
    ["PFCOUNT", "k"],
    ["PFCOUNT", "none"],
    ["PFCOUNT", "none", "k"],
    ["PFMERGE", "m", "k", "none"],
    ["PFMERGE", "m"],
    ["PFDEBUG", "ENCODING", "m"],
    ["PFDEBUG", "TODENSE", "m"],
    ["PFDEBUG", "TODENSE", "m"],
    ["PFDEBUG", "GETREG", "k"],
    ["PFDEBUG", "ENCODING", "none"],
    ["PFADD", "new", "x", "y"],
  ]));

redisTest("PFCOUNT breaks WATCH only where it keeps a new estimate", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  for (const breaks of [true, false]) {
    await compare(pair, [...breaks ? [["PFADD", "k", "a"]] : [], ["WATCH", "k"]]);
    await compare(other, [["PFCOUNT", "k"]]);
    await compare(pair, [["MULTI"], ["PING"], ["EXEC"]]);
  }
});

redisTest("PFSELFTEST finds nothing wrong", () => same([["PFSELFTEST"], ["PFSELFTEST", "x"]]));

Deno.test("PFADD's hash is MurmurHash64A", () =>
  seeded((rng) => {
    for (let length = 0; length < 40; length++) {
      const bytes = rng.bytes(length + 3);
      murmurHash64(bytes, 3, length, 0xadc83b19 | 0);
      const hash = BigInt(murmur.high >>> 0) << 32n | BigInt(murmur.low >>> 0);
      assertEquals(hash, naiveMurmur(bytes.subarray(3), 0xadc83b19n));
    }
  }));

/** The hash as its author describes it, on bigints. */
function naiveMurmur(bytes: Uint8Array, seed: bigint): bigint {
  const multiplier = 0xc6a4a7935bd1e995n;
  const wrap = (value: bigint) => BigInt.asUintN(64, value);
  let hash = seed ^ wrap(BigInt(bytes.length) * multiplier);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    let word = wrap(littleEndian(bytes.subarray(at, at + 8)) * multiplier);
    word ^= word >> 47n;
    hash = wrap((hash ^ wrap(word * multiplier)) * multiplier);
  }
  if (at < bytes.length) hash = wrap((hash ^ littleEndian(bytes.subarray(at))) * multiplier);
  hash = wrap((hash ^ hash >> 47n) * multiplier);
  return hash ^ hash >> 47n;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value << 8n | BigInt(byte), 0n);
}

redisTest("PFCOUNT is within three percent of the truth", async () => {
  await using pair = await startPair();
  const all = Array.from({ length: 50_000 }, (_, i) => `number ${i}`);
  for (let at = 0; at < all.length; at += 1000) {
    await compare(pair, [["PFADD", "k", ...all.slice(at, at + 1000)]]);
  }
  const count = number(await pair.redino.send("PFCOUNT", "k"));
  assert(Math.abs(count - all.length) < 0.03 * all.length);
  assertEquals(count, number(await pair.redis.send("PFCOUNT", "k")));
});

function number(reply: Reply): number {
  if (reply.type !== "integer") throw new TypeError("Not an integer");
  return Number(reply.value);
}

Deno.test("a damaged HyperLogLog harms no key beside it", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  // A run of two bytes of which the second is missing, in values of every length that fill their block.
  for (let runs = 0; runs < 64; runs++) {
    const damaged = `HYLL\x01${"\0".repeat(10)}\x80${"\x80".repeat(runs)}\x7f`;
    const keys = ["h1", "h2", "h3"];
    for (const key of keys) {
      await client.send("SET", key, latin1Bytes(damaged));
      // No longer part of the key's entry.
      await client.send("APPEND", key, "");
    }
    for (const key of keys) await client.send("PFADD", key, "a", "b", "c");
    assertEquals(await client.ask("EXISTS", ...keys), ":3");
    assertEquals(await client.ask("DBSIZE"), ":3");
    assertEquals(await client.ask("DEL", ...keys), ":3");
  }
});
