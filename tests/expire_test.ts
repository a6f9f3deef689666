/** Expiry: the commands held against the real server, and the cycle that removes what has expired. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { ActiveExpiry } from "../lib/store/active_expiry.ts";
import { compare, startPair, type Step, within } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { info } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";
import { TestStore } from "./support/store.ts";

const FAR_MS = 99_999_999_999_999;
const NAMES = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"];
/** Seconds by which a busy machine may have one server later than the other. */
const BUSY_S = 60;

Deno.test("EXPIRE and its kin refuse what Redis refuses, in its order", async () => {
  await using pair = await startPair();
  const times = [
    "x",
    "",
    "1.5",
    "9223372036854775808",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854776",
    "9223372036854775",
    "-9223372036854776",
    "-9223372036854775",
    "9223372036854770000",
    "-9223372036854770000",
    "9007199254740993",
    "9007199254740",
    "0",
    "-1",
  ];
  await compare(
    pair,
    NAMES.flatMap((name): Step[] => [
      [name],
      [name, "k"],
      [name, "nothing", 1],
      [name, "nothing", "x"],
      [name, "nothing", 1, "FOO"],
      [name, "nothing", "x", "FOO"],
      [name, "nothing", 1, "NX", "XX", "FOO"],
      ...["NX XX", "NX GT", "LT NX", "GT LT", "NX GT LT", "XX GT LT", "XX GT", "LT XX", "XX XX"]
        .map((conditions) => [name, "nothing", 1, ...conditions.split(" ")]),
      [name, "nothing", "x", "NX", "XX"],
      ...times.flatMap((time): Step[] => [
        [name, "nothing", time],
        ["SET", "k", 1],
        [name, "k", time],
        ["EXISTS", "k"],
      ]),
    ]),
  );
});

Deno.test("the conditions NX, XX, GT and LT hold as in Redis", async () => {
  await using pair = await startPair();
  const conditions = ["nx", "XX", "GT", "LT", "XX GT", "XX LT"];
  const steps: Step[] = [];
  for (const condition of conditions) {
    for (const present of [undefined, FAR_MS]) {
      for (const time of [FAR_MS - 1, FAR_MS, FAR_MS + 1, 1]) {
        steps.push(["SET", "k", "v"]);
        if (present !== undefined) steps.push(["PEXPIREAT", "k", present]);
        steps.push(
          ["PEXPIREAT", "k", time, ...condition.split(" ")],
          ["PEXPIRETIME", "k"],
          ["EXISTS", "k"],
        );
      }
    }
  }
  await compare(pair, steps);
});

Deno.test("TTL and its kin answer as Redis does", async () => {
  await using pair = await startPair();
  const tells = ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"];
  await compare(pair, [
    ...tells.flatMap((name): Step[] => [[name], [name, "k", "l"], [name, "nothing"]]),
    ["SET", "k", 1],
    ...tells.map((name) => [name, "k"]),
    ["EXPIRE", "k", 1000],
    within(BUSY_S, ["TTL", "k"]),
    within(1000 * BUSY_S, ["PTTL", "k"]),
    within(BUSY_S, ["EXPIRETIME", "k"]),
    within(1000 * BUSY_S, ["PEXPIRETIME", "k"]),
    ["PEXPIRE", "k", 1_000_900],
    within(BUSY_S, ["TTL", "k"]),
    // Seconds are rounded to the nearest.
    ...[0, 499, 500, 999].flatMap((ms): Step[] => [
      ["PEXPIREAT", "k", 90_000_000_000_000 + ms],
      ["EXPIRETIME", "k"],
      ["PEXPIRETIME", "k"],
    ]),
    ["EXPIREAT", "k", 9_999_999_999],
    ["EXPIRETIME", "k"],
    ["PEXPIRETIME", "k"],
    ["PEXPIREAT", "k", "9007199254740991"],
    ["PEXPIRETIME", "k"],
  ]);
});

Deno.test("TTL and its kin count from the server's clock, seconds to the nearest", async () => {
  const startMs = 1_700_000_000_000;
  let nowMs = startMs;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v");
  for (
    const [name, time, inMs, atMs] of [
      ["EXPIRE", 100, 100_000, startMs + 100_000],
      ["PEXPIRE", 100_499, 100_499, startMs + 100_499],
      ["PEXPIRE", 100_500, 100_500, startMs + 100_500],
      ["EXPIREAT", startMs / 1000 + 7, 7000, startMs + 7000],
      ["PEXPIREAT", startMs + 7501, 7501, startMs + 7501],
    ] as const
  ) {
    nowMs = startMs;
    assertEquals(await client.ask(name, "k", time), ":1");
    for (const passedMs of [0, 499, 500, 501]) {
      nowMs = startMs + passedMs;
      const leftMs = inMs - passedMs;
      assertEquals(await client.ask("PTTL", "k"), `:${leftMs}`);
      assertEquals(await client.ask("TTL", "k"), `:${Math.floor((leftMs + 500) / 1000)}`);
      assertEquals(await client.ask("PEXPIRETIME", "k"), `:${atMs}`);
    }
  }
});

Deno.test("an expiry that needs 64 bits is kept, to a double's precision", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["SET", "k", 1],
    ["PEXPIREAT", "k", "9223372036854775807"],
    ["GET", "k"],
    ["PEXPIREAT", "k", "4611686018427387904"],
    ["PEXPIRETIME", "k"],
    ["GET", "k"],
  ]);
});

Deno.test("PERSIST answers as Redis does, and SET ends an expiry", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["PERSIST"],
    ["PERSIST", "nothing"],
    ["SET", "k", "v"],
    ["PERSIST", "k"],
    ["EXPIRE", "k", 100],
    ["PERSIST", "k"],
    ["TTL", "k"],
    ["GET", "k"],
    ["PERSIST", "k"],
    ["EXPIRE", "k", 100],
    ["SET", "k", "w"],
    ["TTL", "k"],
  ]);
});

Deno.test("an expiry moves no value of any encoding or key", async () => {
  await using pair = await startPair();
  const keys = ["k", "", new Uint8Array([0, 255]), "k".repeat(40_000)];
  const values = ["1", "-9223372036854775808", "", "abc", "x".repeat(44), "x".repeat(45)];
  await compare(
    pair,
    keys.flatMap((key) =>
      values.flatMap((value): Step[] => [
        ["SET", key, value],
        ["PEXPIREAT", key, FAR_MS],
        ["GET", key],
        ["PEXPIREAT", key, FAR_MS + 2 ** 33],
        ["PEXPIRETIME", key],
        ["GET", key],
        ["PERSIST", key],
        ["GET", key],
        ["PEXPIRE", key, 0],
        ["GET", key],
      ])
    ),
  );
});

Deno.test("an expired key is gone at the next look, and its time is over only after the millisecond", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({ port: 0, hz: 1, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  const ask = (line: string) => client.ask(...line.split(" "));
  await ask("SET k v");
  assertEquals(await ask("PEXPIRE k 100"), ":1");
  assertEquals(await ask("PEXPIRETIME k"), ":1700000000100");
  nowMs += 100;
  assertEquals(await ask("PTTL k"), ":0");
  assertEquals(await ask("EXISTS k"), ":1");
  nowMs += 1;
  assertEquals(await ask("PTTL k"), ":-2");
  assertEquals(await ask("EXISTS k"), ":0");
});

redisTest(
  "commands that are sent together have each its own time, those of a transaction one",
  async () => {
    await using pair = await startPair();
    using other = await pair.connect();
    for (const side of ["redis", "redino"] as const) {
      const client = pair[side];
      const waiting = other[side];
      const replies = async (count: number, line: string) => {
        await client.write(line.replaceAll("; ", "\r\n") + "\r\n");
        const shown: string[] = [];
        for (let i = 0; i < count; i++) shown.push(show(await client.read()));
        return shown;
      };
      assertEquals(await replies(3, "SET k v PX 100; DEBUG SLEEP 0.2; GET k"), [
        "+OK",
        "+OK",
        "nil$",
      ]);
      assertEquals(
        (await replies(6, "MULTI; SET k v PX 100; DEBUG SLEEP 0.2; GET k; EXEC; GET k")).slice(-2),
        ['[+OK +OK "v"]', "nil$"],
      );
      // Who is served goes on when those commands are over.
      await waiting.write("BLPOP l 0\r\nGET k\r\n");
      await eventually(async () => (await info(client, "clients")).get("blocked_clients") === "1");
      await replies(3, "SET k v PX 100; RPUSH l x; DEBUG SLEEP 0.2");
      assertEquals(show(await waiting.read()), '["l" "x"]');
      assertEquals(show(await waiting.read()), "nil$");
    }
  },
);

Deno.test("a key that expires is removed though nobody asks for it", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({ port: 0, hz: 500, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  for (let i = 0; i < 100; i++) await client.send("SET", `k${i}`, "v");
  for (let i = 0; i < 50; i++) await client.send("PEXPIRE", `k${i}`, 1000);
  nowMs += 2000;
  await eventually(async () => await client.ask("DBSIZE") === ":50");
});

Deno.test("a run of active expiry removes all that has expired where that is much", () => {
  const store = new TestStore(20, 1);
  for (let i = 0; i < 2000; i++) store.set(i % 20, `gone:${i}`, "v", 1000);
  for (let i = 0; i < 20; i++) store.set(i, "stays", "v");
  const expiry = new ActiveExpiry(() => 0);
  expiry.run(store.dbs, 25);
  assertEquals(store.told, []);
  store.pass(1001);
  expiry.run(store.dbs, 25);
  // One run looks at 16 databases, the next one begins with the others.
  assertEquals(store.told.length, 1600);
  expiry.run(store.dbs, 25);
  assertEquals(store.context.stats.expired, 2000);
  assertEquals(store.told.toSorted()[0], "expired 0 gone:0");
  for (const db of store.dbs) assertEquals([db.size, db.volatileCount], [1, 0]);
});

Deno.test("active expiry walks on where little has expired, and misses no key", () => {
  const store = new TestStore(1, 1);
  for (let i = 0; i < 1000; i++) store.set(0, `${i}`, "v", i % 50 === 0 ? 1000 : 1_000_000);
  store.pass(1001);
  const expiry = new ActiveExpiry(() => 0);
  expiry.run(store.dbs, 25);
  assert(store.told.length <= 2, "A few keys are looked at in one run");
  for (let i = 0; i < 50; i++) expiry.run(store.dbs, 25);
  assertEquals(store.dbs[0]!.size, 980);
  assertEquals(store.dbs[0]!.averageTtlMs, 1_000_000 - 1001);
  assert(expiry.stalePercent > 0 && expiry.stalePercent < 10);
});

Deno.test("a higher effort accepts fewer expired keys, so it looks at more", () => {
  const store = new TestStore(1, 1);
  for (let i = 0; i < 1000; i++) store.set(0, `${i}`, "v", i % 50 === 0 ? 1000 : 1_000_000);
  store.pass(1001);
  const expiry = new ActiveExpiry(() => 0);
  expiry.effort = 10;
  expiry.run(store.dbs, 25);
  assertEquals(store.told.length, 20);
});

Deno.test("active expiry ends when its time is up, and begins elsewhere the next time", () => {
  const store = new TestStore(2, 1);
  for (let i = 0; i < 2000; i++) store.set(i % 2, `${i}`, "v", 1000);
  store.pass(1001);
  let clockMs = 0;
  const expiry = new ActiveExpiry(() => clockMs += 1);
  expiry.run(store.dbs, 0);
  assertEquals(store.dbs.map((db) => db.size), [1000, 1000 - 16 * 20]);
  assertEquals(expiry.timeCapReached, 1);
  expiry.run(store.dbs, 0);
  assertEquals(store.dbs.map((db) => db.size), [1000 - 16 * 20, 1000 - 16 * 20]);
});

Deno.test("active expiry removes nothing while it is off, or on a replica", () => {
  const store = new TestStore(1, 1);
  store.set(0, "k", "v", 1000);
  store.pass(1001);
  const expiry = new ActiveExpiry(() => 0);
  expiry.enabled = false;
  expiry.run(store.dbs, 25);
  expiry.enabled = true;
  store.context.expires = false;
  expiry.run(store.dbs, 25);
  assert(store.has(0, "k"));
  store.context.expires = true;
  expiry.run(store.dbs, 25);
  assert(!store.has(0, "k"));
});

Deno.test("an expired key that is written anew is there once, on a writable replica and while clients pause", async () => {
  for (const isReplica of [true, false]) {
    let nowMs = 1_700_000_000_000;
    await using server = await serve({
      port: 0,
      clock: () => nowMs,
      "replica-read-only": "no",
      "enable-debug-command": "yes",
    });
    using client = await RespClient.connect(server.port);
    await client.send("DEBUG", "SET-ACTIVE-EXPIRE", 0);
    for (const key of ["k", "key:0"]) await client.send("SET", key, "old", "PX", 100);
    if (isReplica) await client.send("REPLICAOF", "127.0.0.1", 1);
    nowMs += 1000;
    await client.send("MULTI");
    if (!isReplica) await client.send("CLIENT", "PAUSE", 100_000, "WRITE");
    await client.send("SET", "k", "new");
    await client.send("DEBUG", "POPULATE", 1);
    await client.send("EXEC");
    assertEquals(await client.ask("GET", "k"), `"new"`);
    assertEquals(await client.ask("DBSIZE"), ":2");
  }
});
