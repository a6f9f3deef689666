/** Doubles: read as the real server reads them, printed as Redis 7.2 prints them. */
import { assert, assertEquals } from "@std/assert";
import { formatDouble, parseDouble } from "../lib/bytes/double.ts";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** Parses amid other digits, which must not count. */
function parse(text: string): number | undefined {
  return parseDouble(latin1Bytes(`9${text}9`), 1, text.length);
}

/** Any finite double, all exponents alike. */
function randomDouble(rng: Rng): number {
  const bits = new DataView(new ArrayBuffer(8));
  do {
    bits.setUint32(0, rng.int(0, 0xffffffff));
    bits.setUint32(4, rng.int(0, 0xffffffff));
  } while (!Number.isFinite(bits.getFloat64(0)));
  return bits.getFloat64(0);
}

Deno.test("parseDouble keeps the sign of zero", () => {
  assert(Object.is(parse("-0"), -0));
  assert(Object.is(parse("-0x0"), -0));
  assert(Object.is(parse("-0e5"), -0));
  assert(Object.is(parse("0"), 0));
});

Deno.test("parseDouble rounds hexadecimal to nearest, ties to even", () => {
  assertEquals(parse("0x1.00000000000008p0"), 1);
  assertEquals(parse("0x1.00000000000018p0"), 1 + 2 ** -51);
  assertEquals(parse("0x1.000000000000080000000001p0"), 1 + 2 ** -52);
  assertEquals(parse("0x1p-1074"), 5e-324);
  assertEquals(parse("0x0.8p-1074"), undefined);
  assertEquals(parse("0x1.8p-1075"), 5e-324);
  assertEquals(parse("0x1.fffffffffffffp1023"), Number.MAX_VALUE);
  assertEquals(parse("0x1.fffffffffffff8p1023"), undefined);
  assertEquals(parse("-0x1p1023"), -(2 ** 1023));
  assertEquals(parse("0x1p99999999999999999999"), undefined);
  assertEquals(parse("0x1p-99999999999999999999"), undefined);
});

Deno.test("parseDouble reads decimals of any length as JavaScript does", async () => {
  await seeded((rng) => {
    for (let i = 0; i < 5000; i++) {
      const value = randomDouble(rng);
      for (const text of [String(value), value.toExponential(20), value.toPrecision(17)]) {
        assertEquals(parse(text), value, text);
      }
      const fixed = rng.int(-(10 ** 15), 10 ** 15).toString();
      const at = rng.int(2, fixed.length);
      const text = `${fixed.slice(0, at)}.${fixed.slice(at)}`;
      assertEquals(parse(text), Number(text), text);
    }
  });
});

redisTest("parseDouble takes what ZADD takes for a score, and for the same", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port);
  const texts = [
    ..."3|3.5|-3.5|+3|1.|.5|-.5|.|-|+|e5|1e|1e+|1e5|1E5|1e+5|1e-5|1.e2|.5e1|1..2|1.2.3".split("|"),
    ..." 1|1 |\t1|1\n|1,5|1_0|0x|0x10|0X1F|0x1.8|0x.8|0x1p3|0x1p|0x1p-3|0xg|-0x10|0x.p1".split("|"),
    ..."inf|INF|+inf|-inf|infinity|Infinity|-INFINITY|infinit|infx|nan|NaN|-nan|nan(1)".split("|"),
    ..."1e308|1.7976931348623157e308|1.7976931348623159e308|1e309|-1e309|1e5000".split("|"),
    ..."5e-324|3e-324|2e-324|1e-400|0e-400|0e5000|0.0|00|007|-00.10|2.2250738585072011e-308".split(
      "|",
    ),
    "",
    "1\0",
    "9007199254740993",
    "0.1000000000000000055511151231257827021181583404541015625",
    "123456789012345678901234567890",
    "0." + "0".repeat(400) + "1e390",
    "1" + "0".repeat(400) + "e-400",
  ];
  for (const text of texts) {
    await client.send("DEL", "z");
    const added = await client.send("ZADD", "z", text, "member");
    const got = parse(text);
    if (added.type === "error") {
      assertEquals(got, undefined, JSON.stringify(text));
    } else {
      const score = await client.send("ZSCORE", "z", "member");
      assert(score.type === "bulk");
      const want = Number(score.text.replace("inf", "Infinity"));
      // The sorted set loses the sign of zero.
      assertEquals(got === 0 ? 0 : got, want, JSON.stringify(text));
    }
  }
});

Deno.test("formatDouble prints whole numbers in full up to 2^62", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [-0, "-0"],
    [3, "3"],
    [-17, "-17"],
    [1e15, "1000000000000000"],
    [2 ** 53, "9007199254740992"],
    [1e17, "100000000000000000"],
    [2 ** 62, "4611686018427387904"],
    [-(2 ** 62), "-4611686018427387904"],
    [2 ** 62 + 1024, "4611686018427389000"],
    [9e18, "9e+18"],
    [-12345678901234567890, "-12345678901234567000"],
    [1e20, "1e+20"],
    [1e21, "1e+21"],
    [123456789012345678901234567890, "1.2345678901234568e+29"],
  ];
  for (const [value, text] of cases) assertEquals(formatDouble(value), text);
});

Deno.test("formatDouble chooses between the point and the exponent as Redis does", () => {
  const cases: [number, string][] = [
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [NaN, "nan"],
    [3.5, "3.5"],
    [0.1, "0.1"],
    [-0.1, "-0.1"],
    [0.30000000000000004, "0.30000000000000004"],
    [1e-5, "0.00001"],
    [1e-6, "0.000001"],
    [1e-7, "1e-7"],
    [1.23456789e-6, "1.23456789e-6"],
    [0.00123456789, "0.00123456789"],
    [17179869184.5, "17179869184.5"],
    [1234.567890123, "1234.567890123"],
    [12345.678901234, "1.2345678901234e+4"],
    [1234567890.12345, "1234567890.12345"],
    [1.5e-300, "1.5e-300"],
    [5e-324, "5e-324"],
    [2.2250738585072014e-308, "2.2250738585072014e-308"],
    [-Number.MAX_VALUE, "-1.7976931348623157e+308"],
  ];
  for (const [value, text] of cases) assertEquals(formatDouble(value), text);
});

Deno.test("formatDouble has Grisu2's last digit where that is not the nearest", () => {
  assertEquals(formatDouble(123456789012.12345), "123456789012.12344");
  assertEquals(formatDouble(1.2345678901234567e-9), "1.2345678901234566e-9");
});

Deno.test("formatDouble prints what reads back as the same double", async () => {
  await seeded((rng) => {
    for (let i = 0; i < 10_000; i++) {
      const value = rng.oneIn(2) ? randomDouble(rng) : (rng.float() - 0.5) * 10 ** rng.int(-9, 9);
      const text = formatDouble(value);
      assertEquals(Number(text), value, text);
      assertEquals(parse(text), value, text);
    }
  });
});
