/** The two checksums. */
import { assertEquals } from "@std/assert";
import { crc16, keySlot } from "../lib/bytes/crc16.ts";
import { crc64 } from "../lib/bytes/crc64.ts";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { freePort, startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { Rng } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

function crc64Of(buf: Uint8Array, off = 0, len = buf.length): bigint {
  const state = new Uint32Array(2);
  crc64(state, buf, off, len);
  return (BigInt(state[1]!) << 32n) | BigInt(state[0]!);
}

/** One bit at a time, as the polynomial is defined. */
function slowCrc64(buf: Uint8Array): bigint {
  let crc = 0n;
  for (const byte of buf) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n;
    }
  }
  return crc;
}

Deno.test("crc16 gives the check value of CRC-16/XMODEM", () => {
  assertEquals(crc16(latin1Bytes("123456789"), 0, 9), 0x31c3);
  assertEquals(crc16(latin1Bytes("x123456789y"), 1, 9), 0x31c3);
});

Deno.test("crc64 gives the check value of Jones' polynomial", () => {
  assertEquals(crc64Of(latin1Bytes("123456789")), 0xe9c6d914c4b8d9can);
  assertEquals(crc64Of(latin1Bytes("x123456789y"), 1, 9), 0xe9c6d914c4b8d9can);
});

Deno.test("crc64 is the same at once and in parts of any length", () => {
  const rng = new Rng(64);
  for (let length = 0; length < 70; length++) {
    const buf = rng.bytes(length);
    const want = slowCrc64(buf);
    assertEquals(crc64Of(buf), want);
    const state = new Uint32Array(2);
    for (let at = 0; at < length;) {
      const part = Math.min(rng.int(1, 20), length - at);
      crc64(state, buf, at, part);
      at += part;
    }
    assertEquals((BigInt(state[1]!) << 32n) | BigInt(state[0]!), want);
  }
});

redisTest("keySlot is what CLUSTER KEYSLOT replies, hash tags included", async () => {
  // The port of its own choice is 10,000 above the other, where perhaps there are none.
  const args = ["--cluster-enabled", "yes", "--cluster-port", String(freePort())];
  await using redis = await startRedis({ args });
  using client = await RespClient.connect(redis.port);
  const rng = new Rng(16);
  const keys = [
    "",
    "foo",
    "{}",
    "{",
    "}",
    "{}x",
    "x{}{y}",
    "{a}b{c}",
    "x{{a}}",
    "x{a",
    "}{a}",
    "{a",
  ];
  for (let i = 0; i < 200; i++) {
    let key = "";
    for (let left = rng.int(0, 8); left > 0; left--) key += rng.pick(["a", "b", "{", "}", "\xff"]);
    keys.push(key);
  }
  for (const key of keys) {
    const bytes = latin1Bytes(key);
    const padded = latin1Bytes(`{${key}}`);
    const want = await client.ask("CLUSTER", "KEYSLOT", bytes);
    assertEquals(`:${keySlot(bytes, 0, bytes.length)}`, want, key);
    assertEquals(`:${keySlot(padded, 1, bytes.length)}`, want, key);
  }
});
