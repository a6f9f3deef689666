/** LZF: round trips, limits, malformed input, and Redis's own compressor as the other party. */
import { assert, assertEquals } from "@std/assert";
import { compress, decompress } from "../lib/bytes/lzf.ts";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { type Rng, seeded } from "./support/rng.ts";

function compressed(bytes: Uint8Array, limit = 2 * bytes.length + 16): Uint8Array {
  const out = new Uint8Array(limit);
  return out.slice(0, compress(bytes, 0, bytes.length, out, 0, limit));
}

function expanded(bytes: Uint8Array, length: number): Uint8Array | undefined {
  const out = new Uint8Array(length);
  return decompress(bytes, 0, bytes.length, out, 0, length) ? out : undefined;
}

/** Bytes with repetitions near and far, and stretches without any. */
function someBytes(rng: Rng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const run = Math.min(length - at, rng.int(1, 400));
    if (at > 0 && !rng.oneIn(3)) {
      const back = rng.int(1, Math.min(at, rng.oneIn(2) ? 20 : 10_000));
      for (let i = 0; i < run; i++) bytes[at + i] = bytes[at + i - back]!;
    } else {
      const letters = rng.pick([2, 16, 256]);
      for (let i = 0; i < run; i++) bytes[at + i] = rng.int(0, letters - 1);
    }
    at += run;
  }
  return bytes;
}

Deno.test("LZF gives back what was compressed, whatever it is", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 400; round++) {
      const bytes = someBytes(rng, rng.int(1, rng.pick([8, 100, 3000, 40_000])));
      assertEquals(expanded(compressed(bytes), bytes.length), bytes);
    }
  });
});

Deno.test("LZF works at any offset and leaves what lies beside alone", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 100; round++) {
      const bytes = someBytes(rng, rng.int(30, 500));
      const off = rng.int(1, 50);
      const src = new Uint8Array(off + bytes.length + 9).fill(0x55);
      src.set(bytes, off);
      const dst = new Uint8Array(2000).fill(0xaa);
      const length = compress(src, off, bytes.length, dst, 7, 1500);
      assert(length > 0);
      assertEquals(dst.subarray(0, 7), new Uint8Array(7).fill(0xaa));
      assert(dst.subarray(7 + length).every((byte) => byte === 0xaa));

      const back = new Uint8Array(600).fill(0xcc);
      assert(decompress(dst, 7, length, back, 3, bytes.length));
      assertEquals(back.slice(3, 3 + bytes.length), bytes);
      assertEquals(back.subarray(0, 3), new Uint8Array(3).fill(0xcc));
      assert(back.subarray(3 + bytes.length).every((byte) => byte === 0xcc));
    }
  });
});

Deno.test("LZF writes no byte beyond its limit, and says 0 where that is too few", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 100; round++) {
      const bytes = someBytes(rng, rng.int(20, 400));
      const full = compressed(bytes).length;
      for (const limit of [full, full - 1, Math.floor(full / 2), 1, 0]) {
        const dst = new Uint8Array(1000).fill(0xaa);
        const length = compress(bytes, 0, bytes.length, dst, 10, limit);
        assert(length <= limit);
        // A match needs room for its longer form, so a byte or two may be missing in vain.
        if (limit < full) assertEquals(length, 0);
        assert(dst.subarray(10 + limit).every((byte) => byte === 0xaa));
      }
    }
  });
});

Deno.test("LZF shortens what repeats to little", () => {
  assert(compressed(new Uint8Array(100_000)).length < 1200);
  const json = JSON.stringify(
    Array.from(
      { length: 300 },
      (_, i) => ({ id: i, name: `user ${i}`, active: true, score: 7 * i }),
    ),
  );
  assert(compressed(latin1Bytes(json)).length < json.length / 2);
});

Deno.test("LZF finds repetitions as far back as the format can tell, and none beyond", () => {
  for (const [distance, found] of [[8192, true], [8193, false]] as const) {
    const bytes = new Uint8Array(distance + 200);
    let state = 12345;
    for (let i = 0; i < bytes.length; i++) {
      state = Math.imul(state, 1103515245) + 12345;
      bytes[i] = state >>> 16;
    }
    bytes.copyWithin(distance, 0, 200);
    const small = compressed(bytes);
    // Literals cost a byte in 32.
    assertEquals(small.length < distance * 33 / 32 + 100, found);
    assertEquals(expanded(small, bytes.length), bytes);
  }
});

Deno.test("LZF refuses what is cut, of another length or points before its beginning", () => {
  const bytes = latin1Bytes("abcabcabcabcabc".repeat(20));
  const small = compressed(bytes);
  for (let cut = 1; cut < small.length; cut++) {
    assertEquals(expanded(small.subarray(0, cut), bytes.length), undefined);
  }
  assertEquals(expanded(small, bytes.length - 1), undefined);
  assertEquals(expanded(small, bytes.length + 1), undefined);
  assertEquals(expanded(Uint8Array.of(0x00, 0x61, 0x20, 0x01), 4), undefined);
  assertEquals(expanded(Uint8Array.of(0x00, 0x61, 0x20, 0x00), 4), latin1Bytes("aaaa"));
});

Deno.test("LZF survives random bytes as input to expand", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 2000; round++) {
      const bytes = rng.bytes(rng.int(0, 60));
      const dst = new Uint8Array(300).fill(0xaa);
      decompress(bytes, 0, bytes.length, dst, 100, 100);
      assert(dst.subarray(0, 100).every((byte) => byte === 0xaa));
      assert(dst.subarray(200).every((byte) => byte === 0xaa));
    }
  });
});
