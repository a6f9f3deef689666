/** Glob patterns, by hand and against the real server's KEYS and COMMAND LIST. */
import { assertEquals } from "@std/assert";
import { globMatch, globMatchAt } from "../lib/bytes/glob.ts";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

function match(pattern: string, subject: string, ignoreCase = false): boolean {
  return globMatch(latin1Bytes(pattern), latin1Bytes(subject), ignoreCase);
}

Deno.test("globMatch knows stars, question marks, classes and escapes", () => {
  const cases: [string, string, boolean][] = [
    ["*", "anything", true],
    ["h*o", "hello", true],
    ["h*o", "hell", false],
    ["h**o***", "hello", true],
    ["h?llo", "hallo", true],
    ["h?llo", "hllo", false],
    ["h[ae]llo", "hello", true],
    ["h[ae]llo", "hillo", false],
    ["h[^e]llo", "hello", false],
    ["h[a-c]llo", "hbllo", true],
    ["h[c-a]llo", "hbllo", true],
    ["h\\*llo", "h*llo", true],
    ["h\\*llo", "hello", false],
    ["\\", "\\", true],
    ["", "", true],
    ["", "a", false],
    ["a", "", false],
  ];
  for (const [pattern, subject, want] of cases) {
    assertEquals(match(pattern, subject), want, `${pattern} on ${subject}`);
  }
});

Deno.test("globMatch takes a class that is not closed to end with the pattern", () => {
  assertEquals(match("[ab", "b"), true);
  assertEquals(match("[^ab", "b"), false);
  assertEquals(match("[", "["), false);
  assertEquals(match("[^", "x"), true);
  assertEquals(match("[a-", "-"), true);
  assertEquals(match("[a\\", "\\"), true);
});

Deno.test("globMatch does not let a star match the empty subject", () => {
  assertEquals(match("*", ""), false);
  assertEquals(match("a*", "a"), true);
});

Deno.test("globMatch ignores case where told to, but not of an escaped byte in a class", () => {
  assertEquals(match("HeL*", "hello", true), true);
  assertEquals(match("HeL*", "hello"), false);
  assertEquals(match("[A-C]", "b", true), true);
  assertEquals(match("[\\A]", "a", true), false);
  assertEquals(match("\\A", "a", true), true);
});

Deno.test("globMatch compares the bytes of a range as signed", () => {
  assertEquals(match("[\x80-\x7f]", "\x00"), true);
  assertEquals(match("[\xf0-\x10]", "\xff"), true);
  assertEquals(match("[\xf0-\x10]", "\x20"), false);
});

Deno.test("globMatch ends soon on a pattern of many stars", () => {
  // With one try for every way to split the subject, this would not end.
  assertEquals(match("a*".repeat(50) + "b", "a".repeat(200)), false);
});

Deno.test("globMatch gives up on more than a thousand nested stars", () => {
  assertEquals(match("*a".repeat(1000), "a".repeat(1000)), true);
  assertEquals(match("*a".repeat(1001), "a".repeat(1001)), false);
});

Deno.test("globMatchAt sees only its part of the buffer", () => {
  const buf = latin1Bytes("xxhelloxx");
  assertEquals(globMatchAt(latin1Bytes("h*o"), buf, 2, 5, false), true);
  assertEquals(globMatchAt(latin1Bytes("h*o"), buf, 2, 6, false), false);
  assertEquals(globMatchAt(latin1Bytes("H*O"), buf, 2, 5, true), true);
});

/** Few different bytes, so that patterns match often enough. */
function randomText(rng: Rng, alphabet: readonly string[], maxLength: number): string {
  let text = "";
  for (let left = rng.int(1, maxLength); left > 0; left--) text += rng.pick(alphabet);
  return text;
}

redisTest("globMatch chooses the keys that KEYS chooses", async () => {
  await seeded(async (rng) => {
    await using redis = await startRedis();
    using client = await RespClient.connect(redis.port);
    const letters = ["a", "b", "c", "-", "]", "[", "^", "\\", "*", "\x80", "\xff"];
    const keys = new Set<string>([""]);
    for (let i = 0; i < 60; i++) keys.add(randomText(rng, letters, 5));
    for (const key of keys) await client.send("SET", latin1Bytes(key), "");
    const signs = [...letters, "*", "?", "[", "]", "-", "[^", "[a-c]"];
    for (let i = 0; i < 1500; i++) {
      const pattern = randomText(rng, signs, 7);
      // KEYS takes a pattern of `*` alone for "all" without matching.
      if (pattern === "*") continue;
      const reply = await client.send("KEYS", latin1Bytes(pattern));
      const want = reply.type === "array"
        ? reply.items.map((item) => item.type === "bulk" ? item.text : "?")
        : [];
      const got = [...keys].filter((key) => match(pattern, key));
      assertEquals(got.sort(), want.sort(), JSON.stringify(pattern));
    }
  });
});

redisTest("globMatch ignores case as COMMAND LIST FILTERBY PATTERN does", async () => {
  await seeded(async (rng) => {
    await using redis = await startRedis();
    using client = await RespClient.connect(redis.port);
    const names = async (...filter: string[]) => {
      const reply = await client.send("COMMAND", "LIST", ...filter);
      if (reply.type !== "array") throw new Error("COMMAND LIST replied no array");
      return reply.items.map((item) => item.type === "bulk" ? item.text : "?").sort();
    };
    const all = await names();
    const signs = ["*", "*", "?", "S", "s", "E", "[a-T]", "[^X-b]", "[\\S]", "\\G", "t", "[ze"];
    for (let i = 0; i < 300; i++) {
      const pattern = randomText(rng, signs, 5);
      const got = all.filter((name) => match(pattern, name, true));
      assertEquals(got, await names("FILTERBY", "PATTERN", pattern), pattern);
    }
  });
});
