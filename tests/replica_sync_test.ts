/**
 * Full synchronisation as the replica has it, with a primary that the test plays: what comes in pieces, is
 * cut, damaged or nonsense, and what clients see meanwhile.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import {
  FakePrimary,
  type FakeReplica,
  HISTORY,
  rdbOf,
  rdbWith,
  stream,
} from "./support/fake_primary.ts";
import { link, synchronized } from "./support/linked.ts";
import { startRedino } from "./support/rdb.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

for (const load of ["disabled", "swapdb"]) {
  Deno.test(`a sync that is cut half-way leaves the old data (repl-diskless-load ${load})`, async () => {
    await using linked = await link({ "repl-diskless-load": load });
    const { primary, client } = linked;
    const replica = await synchronized(primary, 0);
    const set = stream(["SET", "old", "data"]);
    await replica.say(set);
    await replica.hearAckOf(set.length);
    replica.close();
    const rdb = rdbOf("new", "data");
    for (const bytes of [0, 1, 12, rdb.length - 1]) {
      const { replica: again } = await primary.greet();
      await again.say(`+FULLRESYNC ${"c".repeat(40)} 5\r\n$${rdb.length}\r\n`);
      await again.say(rdb.subarray(0, bytes));
      await eventually(async () =>
        (await info(client, "replication")).get("master_sync_read_bytes") === String(bytes)
      );
      again.close();
      await eventually(async () =>
        (await info(client, "replication")).get("master_sync_in_progress") === "0"
      );
      assertEquals(await client.ask("GET", "old"), '"data"');
    }
    const { replica: last, psync } = await primary.greet();
    assertEquals(psync, ["PSYNC", HISTORY, String(set.length + 1)]);
    await last.saySnapshot(9, rdb);
    await last.hearAckOf(9);
    assertEquals(await client.ask("GET", "old"), "nil$");
    assertEquals(await client.ask("GET", "new"), '"data"');
  });
}

redisTest("a sync that was not loaded lets the replica go on with the primary before", async () => {
  async function play(port: number): Promise<unknown> {
    using client = await RespClient.connect(port);
    await using before = await startRedino({ "repl-diskless-sync-delay": 0 });
    const isUp = async () => (await info(client, "replication")).get("master_link_status") === "up";
    const primaryPort = String(before.server.port);
    await client.send("REPLICAOF", "127.0.0.1", primaryPort);
    await eventually(isUp);
    await using other = new FakePrimary();
    await client.send("REPLICAOF", "127.0.0.1", other.port);
    const { replica } = await other.greet();
    await replica.say(`+FULLRESYNC ${"c".repeat(40)} 5\r\n$1000\r\nREDIS0011`);
    await eventually(async () =>
      Number((await info(client, "replication")).get("master_sync_read_bytes")) > 0
    );
    await client.send("REPLICAOF", "127.0.0.1", primaryPort);
    await eventually(isUp);
    const stats = await info(before.client, "stats");
    return ["sync_full", "sync_partial_ok"].map((name) => `${name} ${stats.get(name)}`);
  }
  await using redis = await startRedis();
  await using redino = await startRedino();
  assertEquals(await play(redino.server.port), await play(redis.port));
});

Deno.test("a server that closes while it gets its primary's data leaves no part of them behind", async () => {
  await using linked = await link();
  const { primary, server, dir } = linked;
  const names = () => Array.from(Deno.readDirSync(dir), ({ name }) => name);
  const { replica } = await primary.greet();
  await replica.say(`+FULLRESYNC ${HISTORY} 5\r\n$1000\r\nREDIS0011`);
  await eventually(() => names().length === 1);
  await server.close();
  assertEquals(names(), []);
});

Deno.test("an RDB between marks may come in any pieces", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  const mark = "0123456789".repeat(4);
  const rdb = rdbOf("k", "v");
  for (const size of [1, 3, 39, 40, 41, 1000]) {
    const { replica } = await primary.greet();
    await replica.say(`+FULLRESYNC ${HISTORY} 5\r\n`);
    await replica.say(`$EOF:${mark}\r\n`);
    const all = new Uint8Array([...rdb, ...new TextEncoder().encode(mark)]);
    for (let at = 0; at < all.length; at += size) await replica.say(all.subarray(at, at + size));
    await replica.hearAckOf(5);
    assertEquals(await client.ask("GET", "k"), '"v"');
    replica.close();
    const { replica: again } = await primary.greet();
    await again.say("-NOMASTERLINK\r\n");
  }
});

for (
  const [what, bytes, line] of [
    ["no RDB", "hello\r\n", "Bad protocol from MASTER, the first byte is not '$'"],
    ["an error", "-ERR broken\r\n", "MASTER aborted replication with an error: ERR broken"],
    ["a wild length", "$99999999999999999999\r\n", "Bad length of the RDB from MASTER"],
    [
      "an RDB that is none",
      "$5\r\nREDIX",
      "Failed trying to load the MASTER synchronization DB from disk: ",
    ],
    ["an endless line", "x".repeat(5000), "I/O error reading bulk count from MASTER: "],
  ] as const
) {
  Deno.test(`a primary that sends ${what} is given up, and asked again`, async () => {
    await using linked = await link();
    const { replica } = await linked.primary.greet();
    await replica.say(`+FULLRESYNC ${HISTORY} 5\r\n${bytes}`);
    assertEquals(await replica.hear(), []);
    await synchronized(linked.primary, 7);
    assertEquals(await linked.client.ask("PING"), "+PONG");
    assert(linked.log.some((said) => said.includes(` # ${line}`)), linked.log.join(""));
  });
}

for (
  const [when, bytes, line, load] of [
    ["before its answer", "", "Failed to read response from the server: connection lost"],
    [
      "before the RDB",
      `+FULLRESYNC ${HISTORY} 5\r\n`,
      "I/O error reading bulk count from MASTER: connection lost",
    ],
    [
      "within the RDB",
      `+FULLRESYNC ${HISTORY} 5\r\n$100\r\nREDIS`,
      "I/O error trying to sync with MASTER: connection lost",
    ],
    [
      "within an RDB that is loaded as it comes",
      `+FULLRESYNC ${HISTORY} 5\r\n$100\r\nREDIS`,
      "Failed trying to load the MASTER synchronization DB from socket: connection lost",
      "swapdb",
    ],
  ] as const
) {
  Deno.test(`the log tells of a primary that goes ${when}`, async () => {
    await using linked = await link({ "repl-diskless-load": load ?? "disabled" });
    const { replica } = await linked.primary.greet();
    await replica.say(bytes);
    replica.close();
    await synchronized(linked.primary, 7);
    assert(linked.log.some((said) => said.includes(` # ${line}`)), linked.log.join(""));
  });
}

Deno.test("a replica that cannot put the primary's file in its place keeps its data, and tries again", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await using linked = await link({ dir });
  const { primary, client } = linked;
  const first = await synchronized(primary, 0);
  const set = stream(["SET", "old", "data"]);
  await first.say(set);
  await first.hearAckOf(set.length);
  const path = `${dir}/dump.rdb`;
  await Deno.remove(path);
  await Deno.mkdir(path);
  first.close();
  const { replica } = await primary.greet();
  await replica.saySnapshot(5, rdbOf("new", "data"));
  assertEquals(await replica.hear(), []);
  assertEquals(await client.ask("GET", "old"), '"data"');
  const line =
    "Failed trying to rename the temp DB into dump.rdb in MASTER <-> REPLICA synchronization: Is a directory";
  assert(linked.log.some((said) => said.includes(` # ${line}`)), linked.log.join(""));
  await Deno.remove(path);
  const { replica: again } = await primary.greet();
  await again.saySnapshot(5, rdbOf("new", "data"));
  await again.hearAckOf(5);
  assertEquals(await client.ask("GET", "new"), '"data"');
});

redisTest("data that came past the file are a change to be saved", async () => {
  async function play(port: number): Promise<(string | undefined)[]> {
    using client = await RespClient.connect(port);
    const changes: (string | undefined)[] = [];
    for (const load of ["disabled", "swapdb", "on-empty-db"]) {
      await client.send("REPLICAOF", "NO", "ONE");
      await client.send("FLUSHALL");
      await client.send("CONFIG", "SET", "repl-diskless-load", load);
      await client.send("SAVE");
      await using primary = new FakePrimary();
      await client.send("REPLICAOF", "127.0.0.1", primary.port);
      const { replica } = await primary.greet();
      await replica.saySnapshot(5, rdbOf("new", "data"));
      await replica.hearAckOf(5);
      changes.push((await info(client, "persistence")).get("rdb_changes_since_last_save"));
    }
    return changes;
  }
  await using redis = await startRedis();
  await using redino = await startRedino();
  assertEquals(await play(redino.server.port), await play(redis.port));
});

Deno.test("a damaged RDB is refused with a sentence, and asked for again", async () => {
  await using linked = await link();
  const rdb = rdbOf("key", "value");
  rdb[rdb.length - 1]! ^= 1;
  const { replica } = await linked.primary.greet();
  await replica.saySnapshot(5, rdb);
  await synchronized(linked.primary, 7);
  assert(linked.log.some((line) => /checksum/i.test(line)), linked.log.join(""));
  assertEquals(await linked.client.ask("DBSIZE"), ":0");
});

Deno.test("keys that have expired come with a full sync, since only the primary says when they go", async () => {
  await using linked = await link();
  const { replica } = await linked.primary.greet();
  // Expires at the epoch's first millisecond.
  await replica.saySnapshot(0, rdbWith("\xfe\0\xfc\x01\0\0\0\0\0\0\0\0\x01k\x01v"));
  await replica.hearAckOf(0);
  assertEquals(await linked.client.ask("GET", "k"), "nil$");
  const persist = stream(["PERSIST", "k"]);
  await replica.say(persist);
  await replica.hearAckOf(persist.length);
  assertEquals(await linked.client.ask("GET", "k"), '"v"');
});

Deno.test("a key that expires at the end of time does not expire", async () => {
  await using linked = await link();
  const { replica } = await linked.primary.greet();
  const end = "\xff".repeat(7) + "\x7f";
  await replica.saySnapshot(0, rdbWith(`\xfe\0\xfc${end}\0\x01k\x01v`));
  await replica.hearAckOf(0);
  assertEquals(await linked.client.ask("GET", "k"), '"v"');
});

/** Begins a full sync as of offset 5 in a history, and stops in the middle of it. */
async function beginSync(
  primary: FakePrimary,
  history: string,
): Promise<() => Promise<FakeReplica>> {
  const { replica } = await primary.greet();
  const rdb = rdbOf("new", "data");
  await replica.say(`+FULLRESYNC ${history} 5\r\n$${rdb.length}\r\n`);
  await replica.say(rdb.subarray(0, 20));
  return async () => {
    await replica.say(rdb.subarray(20));
    await replica.hearAckOf(5);
    return replica;
  };
}

const LOADING = "-LOADING Redis is loading the dataset in memory";

for (
  const [load, history, meanwhile, field] of [
    ["disabled", HISTORY, '"data"', undefined],
    ["on-empty-db", HISTORY, '"data"', undefined],
    ["swapdb", HISTORY, '"data"', "async_loading"],
    ["swapdb", "b".repeat(40), LOADING, "loading"],
  ] as const
) {
  const which = history === HISTORY ? "the same history" : "another history";
  Deno.test(`while ${which} comes, clients are answered ${meanwhile} (repl-diskless-load ${load})`, async () => {
    await using linked = await link({ "repl-diskless-load": load });
    const { primary, client } = linked;
    const first = await synchronized(primary, 0);
    const set = stream(["SET", "old", "data"]);
    await first.say(set);
    await first.hearAckOf(set.length);
    using blocked = await RespClient.connect(linked.server.port);
    await blocked.post("BLPOP", "new", 0);
    first.close();
    const finish = await beginSync(primary, history);
    await eventually(async () =>
      (await info(client, "replication")).get("master_sync_read_bytes") === "20"
    );
    const persistence = await info(client, "persistence");
    for (const name of ["loading", "async_loading"]) {
      assertEquals(persistence.get(name), name === field ? "1" : "0");
    }
    assertEquals(await client.ask("GET", "old"), meanwhile);
    const replicaOf = await client.ask("REPLICAOF", "127.0.0.1", "1");
    if (field !== undefined) assertEquals(replicaOf, LOADING);
    else await client.send("REPLICAOF", "127.0.0.1", primary.port);
    if (field === undefined) return;
    await client.send("WATCH", "new");
    await finish();
    assertEquals(await client.ask("GET", "old"), "nil$");
    assertEquals(await client.ask("GET", "new"), '"data"');
  });
}

Deno.test("few data from a file take the place of the old ones without a client that is told to wait", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  const first = await synchronized(primary, 0);
  const set = stream(["SET", "old", "data"]);
  await first.say(set);
  await first.hearAckOf(set.length);
  first.close();
  for (let round = 0; round < 20; round++) {
    await client.send("CONFIG", "SET", "replica-read-only", "no");
    await client.send("SET", "old", "data");
    const finish = await beginSync(primary, "b".repeat(40));
    const finished = finish();
    const answers = new Set<string>();
    do answers.add(await client.ask("GET", "old")); while (!answers.has("nil$"));
    assertEquals([...answers].filter((answer) => answer !== "nil$" && answer !== '"data"'), []);
    (await finished).close();
  }
});

Deno.test("an empty replica may load what comes as it comes", async () => {
  await using linked = await link({ "repl-diskless-load": "on-empty-db" });
  const { primary, client, log } = linked;
  const finish = await beginSync(primary, HISTORY);
  await eventually(async () =>
    (await info(client, "replication")).get("master_sync_read_bytes") === "20"
  );
  assertEquals(await client.ask("GET", "new"), LOADING);
  assertMatch(await client.ask("ROLE"), /"sync" :-1/);
  await finish();
  assertEquals(await client.ask("GET", "new"), '"data"');
  assert(log.some((line) => line.includes("bytes from master to parser")));
  const persistence = await info(client, "persistence");
  assertEquals([persistence.get("loading"), persistence.get("async_loading")], ["0", "0"]);
});

Deno.test("databases that are exchanged are other ones to WATCH, to blocked clients and to those that selected them", async () => {
  await using linked = await link({ "repl-diskless-load": "swapdb" });
  const { primary, client } = linked;
  const first = await synchronized(primary, 0);
  using watching = await RespClient.connect(linked.server.port);
  await watching.send("WATCH", "new");
  await watching.send("MULTI");
  await watching.send("PING");
  using reading = await RespClient.connect(linked.server.port);
  await reading.post("XREAD", "BLOCK", 0, "STREAMS", "new", 0);
  await eventually(async () => (await info(client, "clients")).get("blocked_clients") === "1");
  first.close();
  await (await beginSync(primary, HISTORY))();
  assertEquals(await watching.ask("EXEC"), "nil*");
  assertEquals(await watching.ask("GET", "new"), '"data"');
  // It is no stream.
  assertEquals((await info(client, "clients")).get("blocked_clients"), "1");
});
