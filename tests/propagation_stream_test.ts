/** What replicas are sent of commands on streams, held against what redis-server sends its own. */
import { assertEquals } from "@std/assert";
import { comparePropagation, propagatedBy } from "./support/replica_stream.ts";
import { redisTest } from "./support/skip.ts";

redisTest("XADD sends replicas the ID it chose, and what its trimming left", async () => {
  await comparePropagation([
    "XADD s 5-* f v",
    "XADD s 5-* f v",
    "XADD s 6 f v",
    "XADD s 6-5 f v",
    "XADD s 6-5 f v",
    "XADD s * f v",
    "XADD s 1-* f v",
    "XADD nokey NOMKSTREAM * f v",
    "XADD s * f",
    "CONFIG SET stream-node-max-entries 2",
    "DEL s",
    "XADD s 1-1 f v",
    "XADD s 1-2 f v",
    "XADD s nomkstream MAXLEN = 100 1-3 f v",
    "XADD s 1-4 f v",
    "XADD s 1-5 f v",
    "xadd s MAXLEN ~ 3 LIMIT 2 1-6 f v",
    "XADD s MAXLEN ~ 100 1-7 f v",
    "XADD s MAXLEN ~ 100 2 f v",
    "XADD s MINID ~ 1-4 * f v",
    "XADD s MINID ~ 1 LIMIT 0 * f v",
    "XADD s MAXLEN 3 * f v",
    "XADD s MINID = 5-* * f v",
    "XADD s NOMKSTREAM MAXLEN ~ 0 99999999999999-* f v",
    "XADD s MAXLEN ~ 0 99999999999999-9 f v",
    "XADD gone MINID ~ 99 1-1 f v",
    "XADD gone MINID 99 1-2 f v",
    "XADD gone MINID ~ 99 1-3 f v",
  ]);
});

redisTest(
  "XTRIM, XDEL and XSETID are sent where they change something, trimming as what it left",
  async () => {
    await comparePropagation([
      "CONFIG SET stream-node-max-entries 2",
      ...Array.from({ length: 11 }, (_, i) => `XADD s 1-${i + 1} f v`),
      "XTRIM s MAXLEN ~ 10",
      "XTRIM s MAXLEN ~ 9",
      "XTRIM s MAXLEN ~ 0 LIMIT 4",
      "xtrim s minid ~ 1-9",
      "XTRIM s MAXLEN 2",
      "XTRIM s MAXLEN 2",
      "XTRIM s MINID = 1-11",
      "XTRIM nokey MAXLEN 2",
      "XDEL s 1-1",
      "XDEL s 1-1 1-11",
      "XTRIM s MINID ~ 9",
      "XSETID s 9-9",
      "XSETID s 9-9 ENTRIESADDED 50 MAXDELETEDID 3-3",
      "COPY s t",
    ]);
  },
);

redisTest("XGROUP is sent as it is where it changes something", async () => {
  await comparePropagation([
    "XGROUP CREATE s g $",
    "XGROUP CREATE s g $ MKSTREAM",
    "XGROUP CREATE s g $ MKSTREAM",
    "XADD s 1-1 f v",
    "xgroup create s h 0-0 ENTRIESREAD 5",
    "XGROUP CREATECONSUMER s g c",
    "XGROUP CREATECONSUMER s g c",
    "XGROUP SETID s g $",
    "XGROUP SETID s g 0 ENTRIESREAD 3",
    "XGROUP DELCONSUMER s g c",
    "XGROUP DELCONSUMER s g c",
    "XGROUP DESTROY s g",
    "XGROUP DESTROY s g",
  ]);
});

redisTest(
  "XREADGROUP sends replicas each delivery as a claim, with NOACK how far it read",
  async () => {
    await comparePropagation([
      "XGROUP CREATE s g 0 MKSTREAM",
      "XGROUP CREATE s h 0",
      "XGROUP CREATE t g 0 MKSTREAM",
      "XADD s 1-1 a 1",
      "XADD s 1-2 a 1",
      "XADD s 1-3 a 1",
      "XADD t 1-1 a 1",
      "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
      "XREADGROUP GROUP g c STREAMS s 0",
      "XREADGROUP GROUP g new STREAMS s 0",
      "XREADGROUP GROUP g noack NOACK STREAMS s 0",
      "XREADGROUP GROUP g noack2 COUNT 1 NOACK STREAMS s >",
      "XREADGROUP GROUP g d STREAMS s t > >",
      "XREADGROUP GROUP g d STREAMS s t > >",
      "XREADGROUP GROUP h d COUNT 2 STREAMS s >",
      "XREADGROUP GROUP h d NOACK STREAMS s >",
      "XREADGROUP GROUP g d STREAMS s nokey > >",
      "XREADGROUP GROUP nogroup d STREAMS s >",
      "XREADGROUP GROUP g d STREAMS s t 0 x",
      "XACK s h 1-1",
      "XACK s h 1-1",
      "XACK s h 1-1 1-2 1-9",
      "XDEL s 1-3",
      "XREADGROUP GROUP g d STREAMS s 0",
      "XREAD STREAMS s 0",
      "XPENDING s g",
    ]);
  },
);

// Redis 7.0, which the others are held against, made no consumer then.
Deno.test("XREADGROUP tells of a new consumer that read nothing only with NOACK", async () => {
  const told = await propagatedBy([
    "XGROUP CREATE s g 0 MKSTREAM",
    "XREADGROUP GROUP g a STREAMS s >",
    "XREADGROUP GROUP g b NOACK STREAMS s >",
    "XAUTOCLAIM s g c 0 0",
  ]);
  assertEquals(told, [
    ["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"],
    ["XGROUP", "CREATECONSUMER", "s", "g", "b"],
  ]);
});

redisTest("XCLAIM sends replicas what is pending now", async () => {
  await comparePropagation([
    "XGROUP CREATE s g 0 MKSTREAM",
    "XADD s 1-1 a 1",
    "XADD s 1-2 a 1",
    "XADD s 1-3 a 1",
    "XREADGROUP GROUP g a STREAMS s >",
    "XCLAIM s g b 0 1-1 1-2",
    "XCLAIM s g b 100000 1-1 1-2",
    "XCLAIM s g b 0 1-1 JUSTID",
    "XCLAIM s g b 0 1-1 1-9 FORCE",
    "XCLAIM s g b 0 1-1 TIME 1000 RETRYCOUNT 7",
    "XCLAIM s g b 0 1-1 IDLE 1000",
    "XCLAIM s g b 0 5-1 LASTID 4-1",
    "XCLAIM s g b 0 5-1 LASTID 4-1",
    "XCLAIM s g b 0 1-1 LASTID 5-1",
    "XACK s g 1-1",
    "XCLAIM s g b 0 1-1",
    "XCLAIM s g b 0 1-1 FORCE",
    "XDEL s 1-2",
    "XCLAIM s g c 0 1-2 1-3 LASTID 6-1",
    "XCLAIM s g c 0 1-2",
    "XCLAIM s nogroup c 0 1-2",
    "XCLAIM s g c 0 x",
  ]);
});

redisTest(
  "XAUTOCLAIM sends replicas what is pending now, and what is no longer there",
  async () => {
    await comparePropagation([
      "XGROUP CREATE s g 0 MKSTREAM",
      "XADD s 1-1 a 1",
      "XADD s 1-2 a 1",
      "XADD s 1-3 a 1",
      "XREADGROUP GROUP g a STREAMS s >",
      "XAUTOCLAIM s g b 0 0 COUNT 1",
      "XAUTOCLAIM s g b 0 0",
      "XAUTOCLAIM s g b 100000 0",
      "XDEL s 1-1",
      "XAUTOCLAIM s g c 0 0 JUSTID",
      "XAUTOCLAIM s g c 0 2-0",
      "XAUTOCLAIM s nogroup c 0 2-0",
    ]);
  },
);
