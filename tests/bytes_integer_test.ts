/** Decimal integers in bytes. */
import { assertEquals } from "@std/assert";
import { decimalLength, formatInteger, parseInt64, parseInteger } from "../lib/bytes/integer.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { seeded } from "./support/rng.ts";

/** Parses amid other digits, which must not count. */
function parse(text: string): number {
  return parseInteger(latin1Bytes(`9${text}9`), 1, text.length);
}

function parse64(text: string): bigint | undefined {
  return parseInt64(latin1Bytes(`9${text}9`), 1, text.length);
}

function format(value: number): string {
  const dst = new Uint8Array(20).fill(0x78);
  const end = formatInteger(value, dst, 1);
  assertEquals(latin1(dst, 0, 1) + latin1(dst, end, 1), "xx");
  return latin1(dst, 1, end - 1);
}

const NOT_INTEGERS = [
  ..."| |-|+|--1|+1| 1|1 |01|00|-0|-01|1.0|1e3|0x10|a|1a|12345678a|123456789a|1234567890123456a"
    .split("|"),
  "123456789012345678901",
  "-",
  "1\0",
];

const EDGES = [
  ...[0, 1, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2_147_483_647, 2_147_483_648],
  ...[4_294_967_295, 4_294_967_296, 9_999_999_999, 999_999_999_999_999, 1_000_000_000_000_000],
  ...[9_007_199_254_740_990, Number.MAX_SAFE_INTEGER],
];

Deno.test("parseInteger refuses what Redis does not take for an integer", () => {
  for (const text of NOT_INTEGERS) assertEquals(parse(text), NaN, JSON.stringify(text));
});

Deno.test("parseInteger reads every safe integer and no other", () => {
  for (const edge of EDGES) {
    assertEquals(parse(String(edge)), edge);
    if (edge > 0) assertEquals(parse(String(-edge)), -edge);
  }
  for (
    const text of ["9007199254740992", "9007199254740993", "9999999999999999", "1" + "0".repeat(16)]
  ) {
    assertEquals(parse(text), NaN);
    assertEquals(parse("-" + text), NaN);
  }
});

Deno.test("parseInt64 reads all of 64 bits", () => {
  for (const text of NOT_INTEGERS) assertEquals(parse64(text), undefined, JSON.stringify(text));
  for (
    const text of [
      ...EDGES.map(String),
      "9007199254740992",
      "9007199254740993",
      "99999999999999999",
      "1000000000000000000",
      "9223372036854775807",
    ]
  ) {
    assertEquals(parse64(text), BigInt(text));
    if (text !== "0") assertEquals(parse64("-" + text), BigInt("-" + text));
  }
  assertEquals(parse64("-9223372036854775808"), -(2n ** 63n));
});

Deno.test("parseInt64 refuses what does not fit 64 bits", () => {
  const tooLarge = ["9223372036854775808", "9999999999999999999", "18446744073709551615"];
  for (const text of tooLarge) assertEquals(parse64(text), undefined);
  assertEquals(parse64("-9223372036854775809"), undefined);
  assertEquals(parse64("922337203685477580x"), undefined);
});

Deno.test("formatInteger writes every safe integer in place", () => {
  for (const edge of EDGES) {
    for (const value of edge === 0 ? [0] : [edge, -edge]) {
      assertEquals(format(value), String(value));
      assertEquals(decimalLength(value), String(value).length);
    }
  }
  assertEquals(format(-0), "0");
  assertEquals(decimalLength(-0), 1);
});

Deno.test("integers of any length come back as they were written", async () => {
  await seeded((rng) => {
    for (let i = 0; i < 20_000; i++) {
      const value = Math.trunc((rng.float() * 2 - 1) * 10 ** rng.int(0, 15));
      assertEquals(format(value), String(value + 0));
      assertEquals(decimalLength(value), String(value).length);
      if (value !== 0) assertEquals(parse(String(value)), value);
    }
  });
});
