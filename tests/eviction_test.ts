/** Eviction: which keys each policy chooses, and what clients see at the limit. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { Eviction, type EvictionPolicy } from "../lib/store/eviction.ts";
import { compare, startPair } from "./support/differential.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";
import { TestStore } from "./support/store.ts";

/** A store that is over its limit by as many keys of one size as `evict` is told. */
class Fixture extends TestStore {
  readonly eviction: Eviction;
  readonly waiting: (() => void)[] = [];
  clockMs = 0;
  /** How far each look at the clock moves it. */
  clockStepMs = 0;

  constructor(policy: EvictionPolicy, dbs = 1, seed = 1) {
    super(dbs, seed);
    const later = (run: () => void) => this.waiting.push(run);
    const clock = () => this.clockMs += this.clockStepMs;
    this.eviction = new Eviction(this.dbs, this.context, () => this.usedBytes, later, clock);
    this.eviction.policy = policy;
    this.context.access.lfu = policy.endsWith("-lfu");
  }

  /** Evicts just `keys` keys, if so many may go. */
  evict(keys: number): boolean {
    for (let i = 0; i < keys; i++) {
      this.eviction.maxMemory = this.usedBytes - 1;
      if (!this.eviction.makeRoom()) return false;
    }
    return true;
  }

  /** The keys that went, in their order. */
  get evicted(): string[] {
    return this.told.map((line) => line.split(" ")[2]!);
  }
}

Deno.test("nothing is evicted without a limit, nor while there is room", () => {
  const store = new Fixture("allkeys-random");
  store.set(0, "k");
  assert(store.eviction.makeRoom());
  store.eviction.maxMemory = store.usedBytes;
  assert(store.eviction.makeRoom());
  assertEquals(store.told, []);
});

Deno.test("noeviction evicts nothing and says so", () => {
  const store = new Fixture("noeviction");
  store.set(0, "k");
  store.eviction.maxMemory = 1;
  assert(!store.eviction.makeRoom());
  assert(store.has(0, "k"));
});

Deno.test("a policy evicts until memory is within the limit", () => {
  const store = new Fixture("allkeys-lru");
  for (let i = 0; i < 1000; i++) store.set(0, `key:${i}`, "x".repeat(100));
  store.eviction.maxMemory = store.usedBytes - 50_000;
  store.eviction.tenacity = 100;
  assert(store.eviction.makeRoom());
  assert(store.usedBytes <= store.eviction.maxMemory);
  assert(store.usedBytes > store.eviction.maxMemory - 1000);
  assertEquals(store.context.stats.evicted, store.told.length);
  assertEquals(store.dbs[0]!.size, 1000 - store.told.length);
});

Deno.test("allkeys-lru evicts in order of idleness where it looks at every key", () => {
  const store = new Fixture("allkeys-lru", 2);
  for (const [i, key] of ["a", "b", "c", "d", "e"].entries()) {
    store.set(i % 2, key);
    store.pass(10_000);
  }
  store.get(0, "a");
  store.pass(10_000);
  assert(store.evict(5));
  assertEquals(store.evicted, ["b", "c", "d", "e", "a"]);
  assertEquals(store.told[0], "evicted 1 b");
  assert(!store.evict(1));
});

Deno.test("allkeys-lru comes near the order of idleness where keys are many", () => {
  const store = new Fixture("allkeys-lru");
  for (let i = 0; i < 2000; i++) {
    store.set(0, `${i}`);
    store.pass(1000);
  }
  assert(store.evict(1000));
  const older = store.evicted.filter((key) => Number(key) < 1000).length;
  assert(older > 850, `Of 1000 that went, ${older} were of the older half`);
});

Deno.test("allkeys-lfu evicts what is asked for least", () => {
  const store = new Fixture("allkeys-lfu");
  for (let i = 0; i < 100; i++) {
    store.set(0, `rare:${i}`);
    store.set(0, `often:${i}`);
  }
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 100; i++) store.get(0, `often:${i}`);
  }
  // So few that samples of the keys, which stand by a random hash, go on to have rare ones among them.
  assert(store.evict(60));
  const rare = store.evicted.filter((key) => key.startsWith("rare")).length;
  assert(rare > 50, `Of 60 that went, ${rare} were rare`);
});

Deno.test("allkeys-lfu forgets what was asked for long ago", () => {
  const store = new Fixture("allkeys-lfu");
  store.set(0, "once-often");
  for (let i = 0; i < 1000; i++) store.get(0, "once-often");
  store.pass(60 * 60_000);
  store.set(0, "new");
  assert(store.evict(1));
  assertEquals(store.evicted, ["once-often"]);
});

Deno.test("volatile-ttl evicts what expires first", () => {
  const store = new Fixture("volatile-ttl", 2);
  for (const [i, ttl] of [500, 100, 300, 200, 400].entries()) {
    store.set(i % 2, `${ttl}`, "value", ttl * 1000);
  }
  store.set(0, "stays");
  assert(store.evict(5));
  assertEquals(store.evicted, ["100", "200", "300", "400", "500"]);
  assert(!store.evict(1));
  assert(store.has(0, "stays"));
});

Deno.test("the volatile policies leave keys that never expire", () => {
  for (
    const policy of ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] as const
  ) {
    const store = new Fixture(policy, 3);
    for (let i = 0; i < 60; i++) {
      store.set(i % 3, `stays:${i}`);
      store.set(i % 3, `volatile:${i}`, "value", 1_000_000 + i);
    }
    assert(store.evict(60), policy);
    assert(!store.evict(1), policy);
    assert(store.evicted.every((key) => key.startsWith("volatile")), policy);
    assertEquals(store.dbs.map((db) => db.size), [20, 20, 20]);
    assertEquals(store.dbs.map((db) => db.volatileCount), [0, 0, 0]);
  }
});

Deno.test("allkeys-random takes the databases in turn and spares nothing", () => {
  const store = new Fixture("allkeys-random", 3);
  for (let i = 0; i < 60; i++) store.set(i % 3, `${i}`, "value", i < 30 ? 1_000_000 : undefined);
  assert(store.evict(30));
  assertEquals(store.dbs.map((db) => db.size), [10, 10, 10]);
  assert(store.evict(30));
  assert(!store.evict(1));
  assertEquals(new Set(store.evicted).size, 60);
});

Deno.test("a candidate that was deleted, renamed or made to stay is passed over", () => {
  const store = new Fixture("volatile-ttl");
  const db = store.dbs[0]!;
  for (let i = 1; i <= 5; i++) store.set(0, `${i}`, "value", i * 1000);
  assert(store.evict(1));
  db.remove(store.get(0, "2"));
  db.setExpiry(store.get(0, "3"), -1);
  db.rename(store.get(0, "4"), new Uint8Array([0x39]), 0, 1);
  assert(store.evict(2));
  assertEquals(store.evicted, ["1", "9", "5"]);
  assert(store.has(0, "3"));
});

Deno.test("after another policy is set, its candidates come first", () => {
  const store = new Fixture("volatile-ttl");
  for (let i = 1; i <= 5; i++) {
    store.set(0, `${i}`, "value", 100_000 - i * 5000);
    store.pass(1000);
  }
  assert(store.evict(1));
  assertEquals(store.evicted, ["5"]);
  store.eviction.policy = "volatile-lru";
  assert(store.evict(1));
  assertEquals(store.evicted, ["5", "1"]);
});

Deno.test("eviction that takes too long goes on later", () => {
  const store = new Fixture("allkeys-random");
  for (let i = 0; i < 100; i++) store.set(0, `${i}`);
  store.clockStepMs = 1;
  store.eviction.tenacity = 10;
  const { usedBytes } = store;
  store.eviction.maxMemory = usedBytes - Math.floor(usedBytes / 2);
  assert(store.eviction.makeRoom(), "Commands are let pass meanwhile");
  assertEquals(store.told.length, 16);
  assert(store.eviction.makeRoom());
  assertEquals(store.waiting.length, 1);
  for (let run = store.waiting.shift(); run !== undefined; run = store.waiting.shift()) run();
  assert(store.usedBytes <= store.eviction.maxMemory);
});

Deno.test("a tenacity of 100 knows no time", () => {
  const store = new Fixture("allkeys-random");
  for (let i = 0; i < 100; i++) store.set(0, `${i}`);
  store.clockStepMs = 1e9;
  store.eviction.tenacity = 100;
  store.eviction.maxMemory = store.dbs[0]!.overheadBytes;
  store.eviction.makeRoom();
  assertEquals(store.waiting, []);
});

Deno.test("a server at maxmemory evicts, or refuses what needs memory", async () => {
  await using server = await serve({
    port: 0,
    maxmemory: "3mb",
    "maxmemory-policy": "allkeys-lru",
    "maxmemory-eviction-tenacity": 100,
  });
  using client = await RespClient.connect(server.port);
  const value = "x".repeat(1000);
  for (let i = 0; i < 5000; i++) await client.post("SET", `k${i}`, value);
  for (let i = 0; i < 5000; i++) assertEquals((await client.read()).type, "simple");
  const counted = /evicted_keys:(\d+)/.exec(await client.ask("INFO", "stats"));
  assert(Number(counted?.[1]) > 1000);

  await client.send("CONFIG", "SET", "maxmemory-policy", "noeviction");
  const oom = `-OOM command not allowed when used memory > 'maxmemory'.`;
  let refused = "";
  for (let i = 0; i < 5000 && refused === ""; i++) {
    const reply = await client.send("SET", `more:${i}`, value);
    if (reply.type === "error") refused = `-${reply.text}`;
  }
  assertEquals(refused, oom);
  assertEquals(await client.ask("GET", "nothing"), "nil$");
  assertEquals(await client.ask("DEL", "nothing"), ":0");
});

redisTest("a maxmemory set within a transaction evicts when that is over", async () => {
  await using pair = await startPair({ config: { "maxmemory-policy": "allkeys-lru" } });
  await compare(pair, [
    ["MULTI"],
    ["INCR", "x"],
    ["CONFIG", "SET", "maxmemory", "1"],
    ["INCR", "x"],
    ["EXEC"],
    ["DBSIZE"],
    ["INCR", "x"],
  ]);
});
