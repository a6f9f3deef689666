/** The configuration's words as bytes: those that are no UTF-8, NULs, and the ends of 64 bits. */
import { assertEquals, assertMatch } from "@std/assert";
import { latin1Bytes, utf8, utf8Bytes } from "../lib/bytes/text.ts";
import { loadConfig } from "../lib/config/load.ts";
import { exactMemory, formatMemory } from "../lib/config/memory.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { startReplica } from "./support/redino_replica.ts";
import { startRedis } from "./support/redis.ts";
import { caughtUp, info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** Bytes that are no UTF-8 wholly: alone, cut off, overlong, a surrogate, too high, a BOM before. */
const ODD_WORDS = [
  "\xff",
  "p\xe9",
  "\xc3\xa9\xff\xc3\xa9",
  "\xe2\x82",
  "\xc0\x80\xf0\x9f\x98\x80",
  "\xed\xa0\x80\xed\xb2\x80",
  "\xf4\x90\x80\x80",
  "\xef\xbb\xbfp\x80",
  "\xef\xbf\xbd\xfe",
].map(latin1Bytes);

Deno.test("utf8Bytes gives back every byte that utf8 was given", async () => {
  for (const word of ODD_WORDS) assertEquals(utf8Bytes(utf8(word)), word);
  assertEquals(utf8(utf8Bytes("é€😀\ufeff\ufffd")), "é€😀\ufeff\ufffd");
  await seeded((rng) => {
    for (let round = 0; round < 2000; round++) {
      const leads = [0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff];
      const word = Uint8Array.from(
        { length: rng.int(0, 11) },
        () => rng.int(0, 1) === 0 ? rng.int(0, 255) : leads[rng.int(0, leads.length - 1)]!,
      );
      assertEquals(utf8Bytes(utf8(word)), word);
      try {
        assertEquals(
          utf8(word),
          new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(word),
        );
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
  });
});

redisTest("CONFIG SET keeps bytes that are not UTF-8, and AUTH wants the same", async () => {
  for (const word of ODD_WORDS) {
    await using pair = await startPair({ config: {} });
    await compare(pair, [
      ["CONFIG", "SET", "requirepass", word, "masterauth", word, "replica-announce-ip", word],
      ["CONFIG", "GET", "requirepass"],
      ["CONFIG", "GET", "masterauth"],
      ["CONFIG", "GET", "replica-announce-ip"],
      ["AUTH", "\ufffd"],
      ["AUTH", "p\ufffd"],
      ["AUTH", word],
      ["CONFIG", "SET", word, "1"],
      ["CONFIG", "SET", "maxmemory", word],
      ["CONFIG", "GET", word],
    ]);
  }
});

redisTest("a NUL ends a configuration's word where Redis reads a C string", async () => {
  await using pair = await startPair({ config: { "enable-protected-configs": "yes" } });
  const sets = [
    ["replica-announce-ip", "a\0b"],
    ["requirepass", "a\0b"],
    ["masterauth", "a\0b"],
    ["masteruser", "a\0b"],
    ["repl-backlog-size", "20000kb\0x"],
    ["maxmemory-clients", "7\0%"],
    ["maxmemory-clients", "5%\0"],
    ["timeout", "1\0"],
    ["latency-tracking-info-percentiles", "1\0 2"],
    ["latency-tracking-info-percentiles", "-0"],
    ["maxmemory-policy", "allkeys-lru\0b"],
    ["appendonly", "no\0b"],
    ["notify-keyspace-events", "K\0q"],
    ["save", "100\0 2\0b"],
    ["client-output-buffer-limit", "normal\0 1mb\0a 0 0\0"],
    ["oom-score-adj-values", "0\0a 201 800"],
    ["proc-title-template", "t\0{"],
    ["cluster-announce-hostname", "t\0{"],
    ["dbfilename", "d\0/x"],
  ] as const;
  for (const [name, value] of sets) {
    await compare(pair, [["CONFIG", "SET", name, value], ["CONFIG", "GET", name]]);
  }
  await compare(pair, [
    ["CONFIG", "SET", "nope\0nope", "1"],
    ["CONFIG", "GET", "masteruse*\0x"],
    ["CONFIG", "GET", "masteruser\0*"],
    ["AUTH", "a"],
    ["AUTH", "a\0b"],
  ]);
});

redisTest("an amount of memory is judged by its exact bytes", async () => {
  await using pair = await startPair({ config: {} });
  // Past 64 bits Redis counts from 0 again, and takes the uppermost for percentages.
  const sets = [
    ["repl-backlog-size", "9223372036854775808"],
    ["repl-backlog-size", "8796093022208mb"],
    ["repl-backlog-size", "17592186044416mb"],
    ["repl-backlog-size", "17592186044417mb"],
    ["repl-backlog-size", "9223372036854775807"],
    ["maxmemory-clients", "9223372036854775808"],
    ["maxmemory-clients", "18446744073709551566"],
    ["maxmemory-clients", "101%"],
    ["maxmemory-clients", "9223372036854775807%"],
    ["maxmemory-clients", "9223372036854775808%"],
    ["maxmemory-clients", "9223372036854775807"],
    ["maxmemory", "36893488147419103232"],
    ["maxmemory", "18446744073709551615"],
    ["maxmemory", "18014398509481984kb"],
    ["client-output-buffer-limit", "normal 0 17592186044417mb 0"],
  ] as const;
  for (const [name, value] of sets) {
    await compare(pair, [["CONFIG", "SET", name, value], ["CONFIG", "GET", name]]);
  }
});

Deno.test("the greatest amounts of memory survive CONFIG REWRITE's form", () => {
  for (const bytes of [2 ** 63, 2 ** 64]) {
    assertEquals(exactMemory(formatMemory(bytes)), BigInt(bytes) - 1n);
  }
});

Deno.test("a file's bytes are read and, by CONFIG REWRITE, written as they are", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_config_" });
  try {
    const file = `${dir}/redis.conf`;
    const head = `# \xff kept\xc2\xa0\nmasteruser "u\\xff"\ndir ${JSON.stringify(dir)}\n`;
    await Deno.writeFile(file, latin1Bytes(`${head}requirepass p\xff\xc3\xa9\n`));
    for (let round = 0; round < 2; round++) {
      const launch = loadConfig([file], () => "");
      if (launch.action !== "serve") throw new Error(`printed: ${launch.text}`);
      const { values } = launch.config;
      assertEquals(utf8Bytes(values.requirepass), latin1Bytes("p\xff\xc3\xa9"));
      assertEquals(utf8Bytes(values.masteruser), latin1Bytes("u\xff"));
      launch.config.rewrite();
    }
    assertEquals(
      await Deno.readFile(file),
      latin1Bytes(`${head}requirepass "p\\xff\\xc3\\xa9"\n`),
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

redisTest("a replica sends its primary a password and an address of any bytes", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  using ours = await RespClient.connect(primary.port);
  assertEquals(await ours.ask("CONFIG", "SET", "requirepass", latin1Bytes("p\xff")), "+OK");
  await using replica = await startReplica(primary.port, {});
  const values = ["masterauth", latin1Bytes("p\xff"), "replica-announce-ip", latin1Bytes("h\xff")];
  assertEquals(await replica.client.ask("CONFIG", "SET", ...values), "+OK");
  await caughtUp(ours, replica.client);
  await eventually(async () => (await info(ours, "replication")).has("slave0"));
  assertMatch((await info(ours, "replication")).get("slave0")!, /^ip=h\xff,/);
});

redisTest(
  "CONFIG SET knows no unit and no class by the name of what every object has",
  async () => {
    await using pair = await startPair();
    await compare(pair, [
      ["CONFIG", "SET", "maxmemory", "1constructor"],
      ["CONFIG", "SET", "maxmemory-clients", "1constructor"],
      ["CONFIG", "SET", "client-output-buffer-limit", "constructor 1 1 1"],
      ["CONFIG", "SET", "constructor", "1"],
    ]);
  },
);
