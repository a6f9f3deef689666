/** The longest common subsequence, against the real server's LCS. */
import { assertEquals } from "@std/assert";
import { lcsLength, lcsTableBytes, longestCommonSubsequence } from "../lib/store/lcs.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

Deno.test("longestCommonSubsequence finds the runs from the last to the first", () => {
  const lcs = longestCommonSubsequence(latin1Bytes("ohmytext"), latin1Bytes("mynewtext"));
  assertEquals(latin1(lcs.bytes), "mytext");
  assertEquals(lcs.matches, [
    { aStart: 4, bStart: 5, length: 4 },
    { aStart: 2, bStart: 0, length: 2 },
  ]);
});

Deno.test("longestCommonSubsequence leaves out runs that are too short", () => {
  const lcs = longestCommonSubsequence(latin1Bytes("ohmytext"), latin1Bytes("mynewtext"), 4);
  assertEquals(latin1(lcs.bytes), "mytext");
  assertEquals(lcs.matches, [{ aStart: 4, bStart: 5, length: 4 }]);
});

Deno.test("longestCommonSubsequence of an empty string is empty", () => {
  const lcs = longestCommonSubsequence(latin1Bytes(""), latin1Bytes("abc"));
  assertEquals([lcs.bytes.length, lcs.matches.length], [0, 0]);
  assertEquals(lcsLength(latin1Bytes("abc"), latin1Bytes("")), 0);
});

Deno.test("lcsTableBytes counts Redis's table of 32-bit lengths", () => {
  assertEquals(lcsTableBytes(0, 0), 4);
  assertEquals(lcsTableBytes(9, 99), 4000);
});

redisTest("longestCommonSubsequence chooses as LCS does", async () => {
  await seeded(async (rng) => {
    await using redis = await startRedis();
    using client = await RespClient.connect(redis.port);
    for (let i = 0; i < 300; i++) {
      const letters = rng.int(2, 5);
      const text = () =>
        Uint8Array.from({ length: rng.int(0, 40) }, () => 0x61 + rng.int(1, letters));
      const [a, b] = [text(), text()];
      await client.send("MSET", "a", a, "b", b);
      const min = rng.int(0, 4);
      const lcs = longestCommonSubsequence(a, b, min);
      assertEquals(`"${latin1(lcs.bytes)}"`, await client.ask("LCS", "a", "b"));
      assertEquals(`:${lcsLength(a, b)}`, await client.ask("LCS", "a", "b", "LEN"));
      const runs = lcs.matches.map(({ aStart, bStart, length }) =>
        `[[:${aStart} :${aStart + length - 1}] [:${bStart} :${bStart + length - 1}] :${length}]`
      );
      assertEquals(
        `["matches" [${runs.join(" ")}] "len" :${lcs.bytes.length}]`,
        await client.ask("LCS", "a", "b", "IDX", "MINMATCHLEN", min, "WITHMATCHLEN"),
      );
    }
  });
});
