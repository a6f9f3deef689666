/** SHA-1 against the platform's. */
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { sha1 } from "../lib/bytes/sha1.ts";
import { Rng } from "./support/rng.ts";

Deno.test("SHA-1 is the platform's for every length around its blocks", () => {
  const rng = new Rng(1);
  for (const length of [...Array(300).keys(), 1000, 65_535, 1 << 20]) {
    const bytes = Uint8Array.from({ length }, () => rng.int(0, 255));
    const expected = createHash("sha1").update(bytes).digest("hex");
    assertEquals(sha1(bytes).toHex(), expected, `${length} bytes`);
  }
});

Deno.test("SHA-1 may be written over what it is taken of", () => {
  const bytes = new Uint8Array(20).fill(7);
  const expected = sha1(bytes);
  assertEquals(sha1(bytes, bytes), expected);
});
