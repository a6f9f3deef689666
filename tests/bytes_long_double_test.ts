/** Long doubles, as INCRBYFLOAT of the real server reads, adds and prints them. */
import { assert, assertEquals } from "@std/assert";
import { addLongDouble, formatLongDouble, parseLongDouble } from "../lib/bytes/long_double.ts";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

/** INCRBYFLOAT by the parts under test: what the server replies, errors included. */
function incrementByFloat(value: string, increment: string): string {
  const a = parseLongDouble(latin1Bytes(value), 0, value.length);
  const b = parseLongDouble(latin1Bytes(increment), 0, increment.length);
  if (a === undefined || b === undefined) return "-ERR value is not a valid float";
  const sum = addLongDouble(a, b);
  if (sum === undefined) return "-ERR increment would produce NaN or Infinity";
  return `"${formatLongDouble(sum)}"`;
}

Deno.test("addLongDouble keeps 64 bits and rounds ties to even", () => {
  assertEquals(incrementByFloat("0.1", "0.2"), '"0.3"');
  assertEquals(incrementByFloat("18446744073709551615", "0"), '"18446744073709551615"');
  assertEquals(incrementByFloat("18446744073709551616", "1"), '"18446744073709551616"');
  assertEquals(incrementByFloat("18446744073709551618", "1"), '"18446744073709551620"');
});

Deno.test("addLongDouble answers an infinite or undefined sum with nothing", () => {
  const parse = (text: string) => {
    const value = parseLongDouble(latin1Bytes(text), 0, text.length);
    assert(value !== undefined);
    return value;
  };
  assertEquals(addLongDouble(parse("1e4932"), parse("1e4932")), undefined);
  assertEquals(addLongDouble(parse("inf"), parse("-inf")), undefined);
  assertEquals(addLongDouble(parse("-inf"), parse("1")), undefined);
  assertEquals(parse("-inf"), { mantissa: -1n, exponent: Infinity });
});

Deno.test("parseLongDouble sees only its part of the buffer", () => {
  const value = parseLongDouble(latin1Bytes("91.59"), 1, 3);
  assert(value !== undefined);
  assertEquals(formatLongDouble(value), "1.5");
});

redisTest("INCRBYFLOAT's edges are those of the real server", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port);
  const texts = [
    ..."0|-0|1|+1|-1|1.|.5|.|-|1e|1e5|1E-5|0x1p-3|0x|0x.8p1|inf|-Infinity|nan|infi".split("|"),
    ..." 1|1 |1x|00012|1_0|1e4932|-1e4932|1.1897e4932|1.19e4932|1.2e4932|1e4933|1e400".split("|"),
    ..."1e99999999999|1e-4931|1e-4950|1e-4951|1e-4952|1e-99999999999|0e99999999999".split("|"),
    ..."0x1p-16445|0x1p-16446|0x1.8p-16446|0x1p16383|0x1p16384|0xf.fffffffffffffffp16380".split(
      "|",
    ),
    ..."0x1.fffffffffffffffep16383|0x1.ffffffffffffffffp16383|1e-17|5e-18|4.9e-18|1.5e-17".split(
      "|",
    ),
    "",
    "1\0",
    "0." + "3".repeat(3000),
    "1".repeat(4000),
    "0." + "0".repeat(5116) + "1",
    "0." + "0".repeat(5117) + "1",
  ];
  for (const text of texts) {
    for (const value of ["0", "1", "-1e4932", "0.1"]) {
      await client.send("SET", "k", value);
      const want = await client.ask("INCRBYFLOAT", "k", text);
      assertEquals(incrementByFloat(value, text), want, `${value} + ${text.slice(0, 80)}`);
    }
  }
});

/** A decimal of any size, most of them of sizes that meet. */
function randomNumber(rng: Rng): string {
  const sign = rng.pick(["", "", "-", "+"]);
  let digits = "";
  for (let left = rng.int(1, rng.pick([3, 20, 40])); left > 0; left--) digits += rng.int(0, 9);
  const point = rng.int(0, digits.length);
  const plain = rng.oneIn(3) ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  const exponent = rng.pick([0, 0, rng.int(-20, 20), rng.int(-60, 60), rng.int(-4970, 4950)]);
  return sign + plain + (exponent === 0 ? "" : `e${exponent}`);
}

redisTest("INCRBYFLOAT of any two numbers gives the real server's digits", async () => {
  await seeded(async (rng) => {
    await using redis = await startRedis();
    using client = await RespClient.connect(redis.port);
    for (let i = 0; i < 1500; i++) {
      const [value, increment] = [randomNumber(rng), randomNumber(rng)];
      await client.send("SET", "k", value);
      const want = await client.ask("INCRBYFLOAT", "k", increment);
      assertEquals(incrementByFloat(value, increment), want, `${value} + ${increment}`);
    }
  });
});
