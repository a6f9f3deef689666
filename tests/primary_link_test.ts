/**
 * The link to a primary, to the byte: what a replica says and asks for, with a primary that the test
 * plays. How real servers get on with each other is in replica_test.ts.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { FakePrimary, type FakeReplica, HISTORY, rdbOf, stream } from "./support/fake_primary.ts";
import { link, synchronized } from "./support/linked.ts";
import { info } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";

Deno.test("the handshake is Redis's", async () => {
  await using linked = await link({
    masteruser: "me",
    masterauth: "secret",
    "replica-announce-ip": "10.0.0.1",
    "replica-announce-port": 1234,
  });
  const replica = await linked.primary.accept();
  assertEquals(await replica.hear(), ["PING"]);
  await replica.say("-NOAUTH Authentication required.\r\n");
  assertEquals(await replica.hear(), ["AUTH", "me", "secret"]);
  assertEquals(await replica.hear(), ["REPLCONF", "listening-port", "1234"]);
  assertEquals(await replica.hear(), ["REPLCONF", "ip-address", "10.0.0.1"]);
  assertEquals(await replica.hear(), ["REPLCONF", "capa", "eof", "capa", "psync2"]);
  assertEquals((await info(linked.client, "replication")).get("master_link_status"), "down");
  await replica.say("+OK\r\n-ERR no such thing\r\n+OK\r\n+OK\r\n");
  assertEquals(await replica.hear(), ["PSYNC", "?", "-1"]);
  await replica.say("\n\n\n");
  await replica.saySnapshot(41);
  await replica.hearAckOf(41);
  assert(linked.log.some((line) => line.includes("does not understand REPLCONF listening-port")));
});

for (const refusal of ["-LOADING not yet", "-NOMASTERLINK Can't SYNC", "-ERR who are you"]) {
  Deno.test(`a replica comes back to a primary that answers ${refusal}`, async () => {
    await using linked = await link();
    const { replica } = await linked.primary.greet();
    await replica.say(`${refusal}\r\n`);
    if (refusal.startsWith("-ERR")) {
      // A primary that knows no PSYNC may know SYNC; this one does not.
      assertEquals(await replica.hear(), ["SYNC"]);
      await replica.say("-ERR neither\r\n");
    }
    assertEquals(await replica.hear(), []);
    await synchronized(linked.primary, 7);
  });
}

Deno.test("a replica comes back to a primary that refuses its password", async () => {
  await using linked = await link({ masterauth: "secret" });
  const replica = await linked.primary.accept();
  assertEquals(await replica.hear(), ["PING"]);
  await replica.say("+PONG\r\n-WRONGPASS invalid username-password pair\r\n");
  await synchronized(linked.primary, 7);
  assert(linked.log.some((line) => line.includes("Unable to AUTH to MASTER: -WRONGPASS")));
});

Deno.test("a primary that knows only SYNC is followed, and hears no ACK", async () => {
  await using linked = await link();
  const { replica } = await linked.primary.greet();
  await replica.say("-ERR unknown command 'PSYNC'\r\n");
  assertEquals(await replica.hear(), ["SYNC"]);
  const rdb = rdbOf("k", "v");
  await replica.say(`$${rdb.length}\r\n`);
  await replica.say(rdb);
  await replica.say(stream(["APPEND", "k", "w"]));
  await eventually(async () => await linked.client.ask("GET", "k") === '"vw"');
  // Nothing can be gone on with here.
  replica.close();
  const { psync } = await linked.primary.greet();
  assertEquals(psync, ["PSYNC", "?", "-1"]);
});

Deno.test("a replica acknowledges each second what it has applied", async () => {
  await using linked = await link();
  const replica = await synchronized(linked.primary, 100);
  const set = stream(["SET", "k", "v"]);
  await replica.say(set);
  await replica.hearAckOf(100 + set.length);
  await replica.hearAckOf(100 + set.length);
});

Deno.test("GETACK is answered with the position before it, however the stream is cut", async () => {
  await using linked = await link();
  const replica = await synchronized(linked.primary, 0);
  const set = stream(["SET", "key", "value"], ["LPUSH", "list", "a", "b"]);
  const getAck = stream(["REPLCONF", "GETACK", "*"]);
  let offset = 0;
  await replica.say(set + getAck + set);
  await replica.hearAckOf(offset + set.length);
  offset += 2 * set.length + getAck.length;
  await replica.hearAckOf(offset);
  for (const byte of set + getAck) await replica.say(byte);
  await replica.hearAckOf(offset + set.length);
  await replica.hearAckOf(offset + set.length + getAck.length);
});

for (const cut of [1, 5, 9, 20, 30]) {
  Deno.test(`a command that is cut after ${cut} bytes is asked for again`, async () => {
    await using linked = await link();
    const { primary, client } = linked;
    const replica = await synchronized(primary, 1000);
    const first = stream(["INCR", "n"]);
    const second = stream(["INCRBY", "n", "10"], ["APPEND", "x", "0123456789"]);
    await replica.say(first + second.slice(0, cut));
    await eventually(async () => await client.ask("GET", "n") === '"1"');
    replica.close();
    const { replica: again, psync } = await primary.greet();
    assertEquals(psync, ["PSYNC", HISTORY, String(1000 + first.length + 1)]);
    await again.say("+CONTINUE\r\n" + second);
    await again.hearAckOf(1000 + first.length + second.length);
    assertEquals(await client.ask("GET", "n"), '"11"');
    assertEquals(await client.ask("GET", "x"), '"0123456789"');
  });
}

Deno.test("a transaction that is cut is asked for again from MULTI on", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  let replica = await synchronized(primary, 0);
  const before = stream(["SELECT", "3"], ["INCR", "n"]);
  const parts = [["MULTI"], ["INCR", "n"], ["SELECT", "2"], ["INCR", "m"], ["EXEC"]];
  const whole = stream(...parts);
  for (let known = 1; known < parts.length; known++) {
    const half = stream(...parts.slice(0, known));
    if (known === 1) await replica.say(before + half);
    // In pieces, and all at once.
    else if (known === 2) { for (const byte of half) await replica.say(byte); }
    else await replica.say(half);
    await client.send("SELECT", 3);
    await eventually(async () => await client.ask("GET", "n") === '"1"');
    const fields = await info(client, "replication");
    assertEquals(fields.get("slave_repl_offset"), String(before.length));
    await eventually(async () =>
      (await info(client, "replication")).get("slave_read_repl_offset") ===
        String(before.length + half.length)
    );
    replica.close();
    const greeting = await primary.greet();
    assertEquals(greeting.psync, ["PSYNC", HISTORY, String(before.length + 1)]);
    replica = greeting.replica;
    await replica.say("+CONTINUE\r\n");
  }
  await replica.say(whole);
  await replica.hearAckOf(before.length + whole.length);
  assertEquals(await client.ask("GET", "n"), '"2"');
  await client.send("SELECT", 2);
  assertEquals(await client.ask("GET", "m"), '"1"');
  // The database that the transaction selected stays selected.
  replica.close();
  const { replica: last } = await primary.greet();
  await last.say("+CONTINUE\r\n" + stream(["INCR", "m"]));
  await eventually(async () => await client.ask("GET", "m") === '"2"');
});

Deno.test("the primary's new ID is taken, and the old one kept beside it", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  const replica = await synchronized(primary, 50);
  replica.close();
  const { replica: again } = await primary.greet();
  const newId = "b".repeat(40);
  const set = stream(["SET", "a", "b"]);
  await again.say(`+CONTINUE ${newId}\r\n${set}`);
  await again.hearAckOf(50 + set.length);
  const fields = await info(client, "replication");
  assertEquals(fields.get("master_replid"), newId);
  assertEquals(fields.get("master_replid2"), HISTORY);
  assertEquals(fields.get("second_repl_offset"), "51");
});

for (const bytes of ["*1\r\nnonsense\r\n", "SET k inline\r\n"]) {
  Deno.test(`what came before ${JSON.stringify(bytes)}, which ends the link, is not gone on with`, async () => {
    await using linked = await link();
    const replica = await synchronized(linked.primary, 0);
    await replica.say("\n" + stream(["SET", "k", "v"]) + "\r\n" + bytes);
    const { psync } = await linked.primary.greet();
    assertEquals(psync, ["PSYNC", "?", "-1"]);
    assertEquals(await linked.client.ask("GET", "k"), '"v"');
  });
}

Deno.test("RESET of the primary changes nothing", async () => {
  await using linked = await link();
  const replica = await synchronized(linked.primary, 0);
  const commands = stream(["SELECT", "1"], ["RESET"], ["SET", "k", "v"]);
  await replica.say(commands);
  await replica.hearAckOf(commands.length);
  await linked.client.send("SELECT", 1);
  assertEquals(await linked.client.ask("GET", "k"), '"v"');
});

Deno.test("errors of the primary's commands are not told to it, but logged and counted", async () => {
  await using linked = await link();
  const replica = await synchronized(linked.primary, 0);
  const commands = stream(["SET", "k", "v"], ["LPUSH", "k", "v"], ["NOSUCH"], ["SET", "k", "w"]);
  await replica.say(commands);
  // It acknowledges each second, too, and says nothing else.
  for (let acknowledged = ""; acknowledged !== String(commands.length);) {
    const [name, what, offset, ...more] = await replica.hear();
    assertEquals([name, what, more], ["REPLCONF", "ACK", []]);
    acknowledged = offset!;
  }
  assertEquals(await linked.client.ask("GET", "k"), '"w"');
  const stats = await info(linked.client, "stats");
  assertEquals(stats.get("unexpected_error_replies"), "2");
  assert(
    linked.log.some((line) =>
      /== CRITICAL == .* error to its master: '-WRONGTYPE .*' after processing the command 'lpush'/
        .test(line)
    ),
  );
});

Deno.test("a primary that says nothing for repl-timeout is left, at every stage", async () => {
  let nowMs = 1_000_000;
  await using linked = await link({ "repl-timeout": 10, clock: () => nowMs });
  const { primary, client, log } = linked;
  /** Says nothing while time passes, until the replica has gone. */
  const beSilent = async (replica: FakeReplica) => {
    let hasGone = false;
    const hearing = (async () => {
      while ((await replica.hear()).length > 0);
      hasGone = true;
    })();
    await eventually(() => {
      nowMs += 1000;
      return hasGone;
    });
    await hearing;
  };
  await beSilent(await primary.accept());
  const { replica: second } = await primary.greet();
  await second.say(`+FULLRESYNC ${HISTORY} 5\r\n$100\r\nREDIS`);
  await eventually(async () =>
    (await info(client, "replication")).get("master_sync_read_bytes") === "5"
  );
  await beSilent(second);
  const third = await synchronized(primary, 5);
  assertEquals((await info(client, "replication")).get("master_link_status"), "up");
  await beSilent(third);
  const { psync } = await primary.greet();
  assertEquals(psync, ["PSYNC", HISTORY, "6"]);
  const told = log.filter((line) => /timeout/i.test(line)).map((line) => line.split(" # ")[1]);
  assertEquals(told.slice(0, 3), [
    "Timeout connecting to the MASTER...\n",
    "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.\n",
    "MASTER timeout: no data nor PING received...\n",
  ]);
});

Deno.test("REPLICAOF NO ONE in the middle of anything ends the link", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  const address = ["127.0.0.1", String(primary.port)];
  const stages: readonly ((replica: FakeReplica) => Promise<void>)[] = [
    async () => {},
    async (replica) => await replica.say("+PONG\r\n"),
    async (replica) => await replica.say(`+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${HISTORY} 5\r\n`),
    async (replica) =>
      await replica.say(`+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${HISTORY} 5\r\n$100\r\nREDIS`),
  ];
  for (const stage of stages) {
    const replica = await primary.accept();
    await stage(replica);
    assertEquals(await client.ask("REPLICAOF", "NO", "ONE"), "+OK");
    assertEquals(await client.ask("SET", "k", "v"), "+OK");
    assertEquals((await info(client, "replication")).get("role"), "master");
    while ((await replica.hear()).length > 0);
    assertEquals(await client.ask("REPLICAOF", ...address), "+OK");
  }
  const replica = await primary.accept();
  replica.close();
});

Deno.test("expired keys are hidden from clients, and alive to the primary's commands", async () => {
  let nowMs = 1_000_000;
  await using linked = await link({ clock: () => nowMs });
  const { primary, client } = linked;
  const replica = await synchronized(primary, 0);
  let said = 0;
  const say = async (...commands: readonly (readonly string[])[]) => {
    const bytes = stream(...commands);
    await replica.say(bytes + stream(["REPLCONF", "GETACK", "*"]));
    said += bytes.length;
    await replica.hearAckOf(said);
    said += stream(["REPLCONF", "GETACK", "*"]).length;
  };
  await say(["SET", "k", "1", "PXAT", "1000100"], ["SET", "gone", "1", "PXAT", "1000100"]);
  nowMs += 1000;
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(await client.ask("DBSIZE"), ":2");
  await say(["INCR", "k"], ["PEXPIREAT", "k", "1000200"], ["DEL", "gone"]);
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(await client.ask("DBSIZE"), ":1");
  await say(["PERSIST", "k"]);
  assertEquals(await client.ask("GET", "k"), '"2"');
});

Deno.test("a file that is saved right behind the primary's commands says so", async () => {
  await using linked = await link();
  const { primary, server, client, dir } = linked;
  const replica = await synchronized(primary, 10);
  // Woken by the first of two commands that come together, it saves when both have run.
  using saving = await RespClient.connect(server.port);
  await saving.post("XREAD", "BLOCK", 0, "STREAMS", "s", "$");
  await saving.post("SAVE");
  await eventually(async () => (await info(client, "clients")).get("blocked_clients") === "1");
  const commands = stream(["XADD", "s", "1-1", "f", "v"], ["INCR", "n"]);
  await replica.say(commands);
  assertEquals((await saving.read()).type, "array");
  assertEquals(show(await saving.read()), "+OK");
  await server.close();
  await using again = await serve({ port: 0, dir, replicaof: `127.0.0.1 ${primary.port}` });
  const { psync } = await primary.greet();
  assertEquals(psync, ["PSYNC", HISTORY, String(10 + commands.length + 1)]);
  using after = await RespClient.connect(again.port);
  assertEquals(await after.ask("GET", "n"), '"1"');
});

Deno.test("clients that wait are sent away when the server becomes a replica", async () => {
  await using primary = new FakePrimary();
  await using server = await serve({ port: 0 });
  using waiting = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await waiting.post("BLPOP", "list", 0);
  await eventually(async () => (await info(client, "clients")).get("blocked_clients") === "1");
  await client.send("REPLICAOF", "127.0.0.1", primary.port);
  assertMatch(
    new TextDecoder().decode(await waiting.readToEnd()),
    /^-UNBLOCKED force unblock from blocking operation, instance state changed \(master -> replica\?\)\r\n$/,
  );
});

Deno.test("a replica that may be written to removes keys that have expired when it writes them", async () => {
  let nowMs = 1_000_000;
  await using linked = await link(
    { clock: () => nowMs, "replica-read-only": "no" },
  );
  const { primary, client } = linked;
  await synchronized(primary, 0);
  assertEquals(await client.ask("SET", "k", "1", "PX", 100), "+OK");
  nowMs += 1000;
  assertEquals(await client.ask("GET", "k"), "nil$");
  assertEquals(await client.ask("INCR", "k"), ":1");
  assertEquals(await client.ask("PTTL", "k"), ":-1");
});

Deno.test("a replica that may be written to lets those keys expire that its clients made", async () => {
  let nowMs = 1_000_000;
  await using linked = await link({ clock: () => nowMs, "replica-read-only": "no" });
  const { primary, client } = linked;
  const replica = await synchronized(primary, 0);
  const set = stream(["SET", "theirs", "1", "PXAT", "1000100"]);
  await replica.say(set);
  await replica.hearAckOf(set.length);
  await client.send("SET", "ours", 1, "PX", 100);
  await client.send("SET", "ours for long", 1, "EX", 1000);
  const tracked = async () => (await info(client, "stats")).get("slave_expires_tracked_keys");
  assertEquals(await tracked(), "2");
  nowMs += 1000;
  await eventually(async () => await client.ask("DBSIZE") === ":2");
  assertEquals(await tracked(), "1");
  await client.send("CONFIG", "SET", "replica-read-only", "yes");
  assertEquals(await tracked(), "0");
});

Deno.test("a replica has what its primary has, whatever its maxmemory, unless it is to keep to that", async () => {
  await using linked = await link({ maxmemory: 1, "maxmemory-policy": "allkeys-lru" });
  const { primary, client } = linked;
  const replica = await synchronized(primary, 0);
  const set = stream(["SET", "k", "v"]);
  await replica.say(set);
  await replica.hearAckOf(set.length);
  assertEquals(await client.ask("GET", "k"), '"v"');
  await client.send("CONFIG", "SET", "replica-ignore-maxmemory", "no");
  await eventually(async () => await client.ask("DBSIZE") === ":0");
});

Deno.test("CLIENT KILL TYPE master breaks the link, which comes back", async () => {
  await using linked = await link();
  const { primary, client } = linked;
  const replica = await synchronized(primary, 3);
  assertEquals(await client.ask("CLIENT", "KILL", "TYPE", "normal"), ":0");
  assertEquals(await client.ask("CLIENT", "KILL", "TYPE", "master"), ":1");
  while ((await replica.hear()).length > 0);
  const { psync } = await primary.greet();
  assertEquals(psync, ["PSYNC", HISTORY, "4"]);
});

Deno.test("MONITOR shows what the primary sends", async () => {
  await using linked = await link();
  const replica = await synchronized(linked.primary, 0);
  using monitor = await RespClient.connect(linked.server.port);
  await monitor.send("MONITOR");
  await replica.say(stream(["SELECT", "2"], ["SET", "k", "v"]));
  assertMatch(show(await monitor.read()), /^\+[\d.]+ \[2 127\.0\.0\.1:\d+\] "SELECT" "2"$/);
  assertMatch(show(await monitor.read()), /^\+[\d.]+ \[2 127\.0\.0\.1:\d+\] "SET" "k" "v"$/);
});
