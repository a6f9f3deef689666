/** CLIENT and its subcommands, held against redis-server. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import {
  type ClientPair,
  compare,
  type Comparison,
  sameShape,
  startPair,
} from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { info } from "./support/replication.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** Fields of CLIENT LIST whose values are the same for both servers. */
const SAME_FIELDS =
  /^(name|flags|db|sub|psub|ssub|multi|qbuf|argv-mem|events|cmd|user|redir|resp)=/;

/** CLIENT LIST or INFO, of each line the fields that must be the same. */
function lines(...command: readonly string[]): Comparison {
  return {
    command,
    view: (reply) =>
      "text" in reply
        ? `${reply.type} ${
          reply.text.split("\n").map((line) =>
            line.split(" ").filter((field) => SAME_FIELDS.test(field)).join(" ")
          ).join("\n")
        }`
        : show(reply),
  };
}

async function idOf(client: RespClient): Promise<number> {
  const reply = await client.send("CLIENT", "ID");
  assert(reply.type === "integer");
  return Number(reply.value);
}

/** The same for both servers, with the numbers that each gave its own client. */
async function compareWith(
  pair: ClientPair,
  target: ClientPair,
  command: (id: number, addr: string, laddr: string) => readonly string[],
  ask: ClientPair = pair,
): Promise<void> {
  const replies: string[] = [];
  for (const side of ["redis", "redino"] as const) {
    const info = text(await target[side].send("CLIENT", "INFO"));
    const [, id, addr, laddr] = info.match(/^id=(\d+) addr=(\S+) laddr=(\S+)/)!;
    replies.push(await ask[side].ask(...command(Number(id), addr!, laddr!)));
  }
  assertEquals(replies[1], replies[0]);
}

function text(reply: Reply): string {
  assert("text" in reply, show(reply));
  return reply.text;
}

/** Whether the server has closed the connection. */
async function isClosed(client: RespClient): Promise<boolean> {
  return (await client.readToEnd()).length === 0;
}

redisTest("CLIENT SETNAME takes visible ASCII characters", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "GETNAME"],
    ["CLIENT", "SETNAME", "!name~"],
    ["CLIENT", "GETNAME"],
    ["client", "setname", "a b"],
    ["CLIENT", "SETNAME", "a\nb"],
    ["CLIENT", "SETNAME", "é"],
    ["CLIENT", "SETNAME", "\x7f"],
    ["CLIENT", "SETNAME", "\0"],
    ["CLIENT", "GETNAME"],
    ["CLIENT", "SETNAME", ""],
    ["CLIENT", "GETNAME"],
    ["CLIENT", "SETNAME"],
    ["CLIENT", "SETNAME", "a", "b"],
    ["CLIENT", "GETNAME", "x"],
  ]);
});

redisTest("CLIENT answers without a name in RESP3 too", async () => {
  await using pair = await startPair({ protocol: 3 });
  await compare(pair, [["CLIENT", "GETNAME"], lines("CLIENT", "INFO")]);
});

redisTest("CLIENT without a subcommand it knows is refused", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT"],
    ["CLIENT", "NOSUCH"],
    ["CLIENT", "NOSUCH", "x"],
    ["CLIENT", ""],
    ["CLIENT", "ID", "x"],
    ["CLIENT", "INFO", "x"],
    ["CLIENT", "HELP", "x"],
    ["CLIENT", "KILL"],
    ["CLIENT", "UNPAUSE", "x"],
    ["CLIENT", "NO-EVICT"],
    ["CLIENT", "REPLY"],
  ]);
});

redisTest("CLIENT HELP has Redis's first and last lines", async () => {
  await using pair = await startPair();
  const ends: string[] = [];
  for (const client of [pair.redis, pair.redino]) {
    const reply = await client.send("CLIENT", "HELP");
    assert(reply.type === "array");
    ends.push([reply.items[0]!, ...reply.items.slice(-2)].map(show).join("\n"));
  }
  assertEquals(ends[1], ends[0]);
});

redisTest("CLIENT HELP has an entry for every subcommand", async () => {
  await using pair = await startPair();
  const help = await pair.redino.ask("CLIENT", "HELP");
  const { CLIENT_COMMANDS } = await import("../lib/commands/client.ts");
  for (const { name } of CLIENT_COMMANDS[0].subcommands) {
    assertMatch(help, new RegExp(`\\+${name.toUpperCase()}[ \\]]`));
  }
});

redisTest("CLIENT ID counts up", async () => {
  await using pair = await startPair();
  const ids = [];
  for (let i = 0; i < 3; i++) {
    using client = await RespClient.connect(pair.redinoPort);
    ids.push(await idOf(client));
  }
  assertEquals(ids, [ids[0]!, ids[0]! + 1, ids[0]! + 2]);
});

redisTest("CLIENT INFO tells the connection's state", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [
    lines("CLIENT", "INFO"),
    ["CLIENT", "SETNAME", "me"],
    ["SELECT", "3"],
    lines("CLIENT", "INFO"),
    ["CLIENT", "NO-EVICT", "ON"],
    lines("client", "info"),
    ["CLIENT", "NO-EVICT", "OFF"],
    ["WATCH", "k"],
  ]);
  await compare(other, [["SELECT", "3"], ["SET", "k", "v"]]);
  await compare(pair, [
    lines("CLIENT", "INFO"),
    ["UNWATCH"],
    lines("CLIENT", "INFO"),
    ["MULTI"],
    ["PING"],
    ["CLIENT", "ID"],
  ]);
  await compare(other, [lines("CLIENT", "LIST", "TYPE", "normal")]);
  await compare(pair, [["DISCARD"], ["MULTI"], ["PING"], lines("CLIENT", "INFO")]);
  await compare(pair, [{ ...lines("EXEC"), view: (reply) => execLines(reply) }]);
});

/** As {@link lines}, for an EXEC whose second reply is CLIENT INFO. */
function execLines(reply: Reply): string {
  assert(reply.type === "array");
  return lines("").view(reply.items[1]!);
}

Deno.test("CLIENT INFO has the fields of Redis 7.2 in their order", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  await client.ask("CLIENT", "SETINFO", "LIB-NAME", "mine");
  await client.ask("CLIENT", "SETINFO", "lib-ver", "1.0.0");
  const info = text(await client.send("CLIENT", "INFO"));
  assertMatch(
    info,
    /^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=\d+ name= age=\d+ idle=\d+ flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=\d+ qbuf-free=\d+ argv-mem=\d+ multi-mem=0 rbs=\d+ rbp=\d+ obl=\d+ oll=\d+ omem=\d+ tot-mem=\d+ events=r cmd=client\|info user=default redir=-1 resp=2 lib-name=mine lib-ver=1\.0\.0\n$/,
  );
});

Deno.test("CLIENT INFO counts age and idle time in seconds of the server's clock", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using idler = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  const id = await idOf(idler);
  await idOf(client);
  nowMs += 61_999;
  await idOf(client);
  nowMs += 5_000;
  assertMatch(text(await client.send("CLIENT", "INFO")), / age=66 idle=0 /);
  assertMatch(text(await client.send("CLIENT", "LIST", "ID", id)), / age=66 idle=66 /);
});

Deno.test("a client that is sent something is not idle, and timeout leaves it", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, timeout: 2, clock: () => nowMs });
  using subscriber = await RespClient.connect(server.port);
  await subscriber.send("SUBSCRIBE", "news");
  using waiting = await RespClient.connect(server.port);
  await waiting.post("BLPOP", "l", 0);
  nowMs += 1500;
  using idler = await RespClient.connect(server.port);
  await idler.send("PING");
  nowMs += 2000;
  using writer = await RespClient.connect(server.port);
  assertEquals(await writer.ask("RPUSH", "l", "x"), ":1");
  assertEquals(show(await waiting.read()), '["l" "x"]');
  assertMatch(text(await writer.send("CLIENT", "LIST", "TYPE", "pubsub")), / idle=3 /);
  await writer.send("PUBLISH", "news", "hi");
  await subscriber.read();
  await eventually(async () =>
    text(await writer.send("CLIENT", "LIST", "TYPE", "pubsub")).includes(" idle=0 ")
  );
  nowMs += 1000;
  // The clients are looked at in the order in which they came.
  await idler.readToEnd();
  assertEquals(await waiting.ask("PING"), "+PONG");
});

Deno.test("CLIENT SETINFO notes the library and refuses as Redis 7.2 does", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const library = async () => text(await client.send("CLIENT", "INFO")).match(/lib-name=.*/)?.[0];
  assertEquals(await client.ask("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), "+OK");
  assertEquals(await client.ask("CLIENT", "SETINFO", "LIB-VER", "5.0"), "+OK");
  assertEquals(await library(), "lib-name=redis-py lib-ver=5.0");
  assertEquals(
    await client.ask("CLIENT", "SETINFO", "lib-name", "redis py"),
    "-ERR lib-name cannot contain spaces, newlines or special characters.",
  );
  assertEquals(
    await client.ask("CLIENT", "SETINFO", "LIB-VER", "5\n0"),
    "-ERR LIB-VER cannot contain spaces, newlines or special characters.",
  );
  assertEquals(
    await client.ask("CLIENT", "SETINFO", "lib-what", "x y"),
    "-ERR Unrecognized option 'lib-what'",
  );
  assertEquals(
    await client.ask("CLIENT", "SETINFO", "LIB-NAME"),
    "-ERR wrong number of arguments for 'client|setinfo' command",
  );
  assertEquals(await library(), "lib-name=redis-py lib-ver=5.0");
  assertEquals(await client.ask("CLIENT", "SETINFO", "LIB-NAME", ""), "+OK");
  assertEquals(await library(), "lib-name= lib-ver=5.0");
});

redisTest("CLIENT LIST chooses by type and by id", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(other, [["CLIENT", "SETNAME", "other"]]);
  await compare(pair, [
    lines("CLIENT", "LIST"),
    lines("CLIENT", "LIST", "TYPE", "normal"),
    lines("CLIENT", "LIST", "type", "NORMAL"),
    ["CLIENT", "LIST", "TYPE", "master"],
    ["CLIENT", "LIST", "TYPE", "replica"],
    ["CLIENT", "LIST", "TYPE", "slave"],
    ["CLIENT", "LIST", "TYPE", "pubsub"],
    ["CLIENT", "LIST", "TYPE", "nosuch"],
    ["CLIENT", "LIST", "TYPE"],
    ["CLIENT", "LIST", "TYPE", "normal", "x"],
    ["CLIENT", "LIST", "TYPE", "normal", "ID", "1"],
    ["CLIENT", "LIST", "ID"],
    ["CLIENT", "LIST", "ID", "abc"],
    ["CLIENT", "LIST", "ID", "01"],
    ["CLIENT", "LIST", "ID", "0"],
    ["CLIENT", "LIST", "ID", "-1"],
    ["CLIENT", "LIST", "ID", "123456789"],
    ["CLIENT", "LIST", "ID", "9223372036854775807"],
    ["CLIENT", "LIST", "ID", "9223372036854775808"],
    ["CLIENT", "LIST", "ID", "1", "TYPE", "normal"],
    ["CLIENT", "LIST", "NOSUCH"],
    ["CLIENT", "LIST", "NOSUCH", "1"],
  ]);
  for (const side of ["redis", "redino"] as const) {
    const id = String(await idOf(other[side]));
    const mine = String(await idOf(pair[side]));
    const list = text(await pair[side].send("CLIENT", "LIST", "ID", id, "987654", mine, id));
    assertEquals(list.split("\n").map((line) => line.match(/^id=(\d+)/)?.[1]), [
      id,
      mine,
      id,
      undefined,
    ]);
  }
});

redisTest("CLIENT LIST knows who has sent nothing and who sent what is no command", async () => {
  await using pair = await startPair();
  using quiet = await pair.connect();
  // Connected is not accepted yet.
  for (const client of [pair.redis, pair.redino]) {
    await eventually(async () => text(await client.send("CLIENT", "LIST")).includes("cmd=NULL"));
  }
  await compare(pair, [lines("CLIENT", "LIST")]);
  await compare(quiet, [["NOSUCH"]]);
  await compare(pair, [lines("CLIENT", "LIST")]);
  await compare(quiet, [["CONFIG", "GET", "a", "b"], ["GET"]]);
  await compare(pair, [lines("CLIENT", "LIST")]);
});

redisTest("CLIENT KILL refuses what it does not understand", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "KILL", "1.2.3.4:5"],
    ["CLIENT", "KILL", "ID"],
    ["CLIENT", "KILL", "ID", "0"],
    ["CLIENT", "KILL", "ID", "-1"],
    ["CLIENT", "KILL", "ID", "abc"],
    ["CLIENT", "KILL", "ID", "9223372036854775808"],
    ["CLIENT", "KILL", "ID", "0", "NOSUCH"],
    ["CLIENT", "KILL", "ID", "123456789", "NOSUCH"],
    ["CLIENT", "KILL", "ID", "123456789", "NOSUCH", "1"],
    ["CLIENT", "KILL", "TYPE", "nosuch"],
    ["CLIENT", "KILL", "TYPE", "normal", "SKIPME"],
    ["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "maybe"],
    ["CLIENT", "KILL", "USER", "nobody"],
    ["CLIENT", "KILL", "MAXAGE", "10"],
    ["CLIENT", "KILL", "ADDR", "a", "b"],
  ]);
});

redisTest("CLIENT KILL counts what its filters agree on", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "KILL", "ID", "123456789"],
    ["CLIENT", "KILL", "ID", "9223372036854775807"],
    ["CLIENT", "KILL", "ADDR", "1.2.3.4:5"],
    ["CLIENT", "KILL", "LADDR", "1.2.3.4:5"],
    ["CLIENT", "KILL", "TYPE", "pubsub"],
    ["CLIENT", "KILL", "TYPE", "master"],
    ["CLIENT", "KILL", "TYPE", "slave", "SKIPME", "no"],
    ["CLIENT", "KILL", "USER", "default", "ADDR", "1.2.3.4:5"],
  ]);
  const forms: ((id: number, addr: string, laddr: string) => string[])[] = [
    (_, addr) => ["CLIENT", "KILL", addr],
    (id) => ["CLIENT", "KILL", "ID", String(id)],
    (id) => ["CLIENT", "KILL", "ID", "1234567", "ID", String(id)],
    (_, addr) => ["client", "kill", "addr", addr, "type", "normal", "skipme", "yes"],
    (id, _, laddr) => ["CLIENT", "KILL", "LADDR", laddr, "ID", String(id), "USER", "default"],
    () => ["CLIENT", "KILL", "TYPE", "normal"],
    () => ["CLIENT", "KILL", "SKIPME", "yes"],
    () => ["CLIENT", "KILL", "USER", "default"],
  ];
  for (const form of forms) {
    using victim = await pair.connect();
    await compareWith(pair, victim, form);
    assert(await isClosed(victim.redino));
    assert(await isClosed(victim.redis));
  }
  await compare(pair, [lines("CLIENT", "LIST")]);
});

redisTest("CLIENT KILL spares a client that one filter does not agree on", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compareWith(
    pair,
    other,
    (id) => ["CLIENT", "KILL", "ID", String(id), "TYPE", "pubsub"],
  );
  await compareWith(
    pair,
    other,
    (id) => ["CLIENT", "KILL", "ID", String(id), "ADDR", "1.2.3.4:5"],
  );
  await compareWith(pair, pair, (id) => ["CLIENT", "KILL", "ID", String(id)]);
  await compare(other, [["PING"]]);
});

redisTest("CLIENT KILL answers the client that kills itself, then closes", async () => {
  await using pair = await startPair();
  const forms: ((id: number, addr: string) => string[])[] = [
    (_, addr) => ["CLIENT", "KILL", addr],
    (id) => ["CLIENT", "KILL", "ID", String(id), "SKIPME", "no"],
  ];
  for (const form of forms) {
    using self = await pair.connect();
    await compareWith(self, self, form);
    assert(await isClosed(self.redino));
    assert(await isClosed(self.redis));
  }
});

redisTest("CLIENT REPLY silences the connection", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "REPLY", "ON"],
    ["CLIENT", "REPLY", "maybe"],
    ["CLIENT", "REPLY", "ON", "x"],
  ]);
  const scripts = [
    "CLIENT REPLY OFF\r\nSET a 1\r\nNOSUCH\r\nCLIENT REPLY SKIP\r\nPING no\r\nCLIENT REPLY ON\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nPING no\r\nPING yes\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nNOSUCH\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nGET\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING no\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING yes\r\n",
    "CLIENT REPLY SKIP\r\nCLIENT REPLY OFF\r\nPING no\r\nCLIENT REPLY ON\r\n",
    "CLIENT REPLY SKIP\r\nMULTI\r\nPING\r\nEXEC\r\n",
    "MULTI\r\nCLIENT REPLY SKIP\r\nPING\r\nEXEC\r\nPING no\r\nPING yes\r\n",
    "MULTI\r\nCLIENT REPLY ON\r\nPING\r\nEXEC\r\n",
  ];
  for (const script of scripts) {
    using clients = await pair.connect();
    const answers: string[] = [];
    for (const client of [clients.redis, clients.redino]) {
      await client.write(`${script}QUIT\r\n`);
      answers.push(new TextDecoder().decode(await client.readToEnd()));
    }
    assertEquals(answers[1], answers[0], script);
  }
});

redisTest("CLIENT PAUSE refuses what it does not understand", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "PAUSE"],
    ["CLIENT", "PAUSE", "abc"],
    ["CLIENT", "PAUSE", "1.5"],
    ["CLIENT", "PAUSE", "-1"],
    ["CLIENT", "PAUSE", "1", "maybe"],
    ["CLIENT", "PAUSE", "abc", "maybe"],
    ["CLIENT", "PAUSE", "1", "WRITE", "x"],
    ["CLIENT", "PAUSE", "9223372036854775808"],
    ["CLIENT", "UNPAUSE"],
  ]);
});

Deno.test("CLIENT PAUSE refuses an end beyond 64 bits", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  assertEquals(
    await client.ask("CLIENT", "PAUSE", "9223372036854775807", "WRITE"),
    "-ERR timeout is out of range",
  );
  assertEquals(await client.ask("CLIENT", "PAUSE", "9000000000000000000", "WRITE"), "+OK");
  assertEquals(await client.ask("CLIENT", "UNPAUSE"), "+OK");
});

redisTest("CLIENT PAUSE WRITE holds writes back until CLIENT UNPAUSE", async () => {
  await using pair = await startPair();
  using writer = await pair.connect();
  await compare(pair, [["CLIENT", "PAUSE", "100000", "WRITE"]]);
  for (const side of ["redis", "redino"] as const) {
    await writer[side].ask("GET", "k");
    await writer[side].post("SET", "k", "1");
    await writer[side].post("GET", "k");
    // The writer shows as blocked as soon as its SET has come.
    while (!/ flags=b .* cmd=set /.test(text(await pair[side].send("CLIENT", "LIST"))));
    assertEquals(await pair[side].ask("GET", "k"), "nil$");
    assertEquals((await info(pair[side], "clients")).get("blocked_clients"), "1");
    assertEquals(await pair[side].ask("CLIENT", "UNPAUSE"), "+OK");
    assertEquals(show(await writer[side].read()), "+OK");
    assertEquals((await info(pair[side], "clients")).get("blocked_clients"), "0");
    assertEquals(show(await writer[side].read()), '"1"');
  }
});

redisTest("CLIENT PAUSE WRITE holds back what replicas may be sent, too", async () => {
  for (const command of [["PFCOUNT", "k"], ["PUBLISH", "c", "m"], ["SPUBLISH", "c", "m"]]) {
    await using pair = await startPair();
    using other = await pair.connect();
    await compare(pair, [["PFADD", "k", "a"], ["CLIENT", "PAUSE", "100000", "WRITE"]]);
    for (const side of ["redis", "redino"] as const) {
      await other[side].post(...command);
      await eventually(async () =>
        (await info(pair[side], "clients")).get("blocked_clients") === "1"
      );
    }
    await compare(pair, [["CLIENT", "UNPAUSE"]]);
    assertEquals(show(await other.redino.read()), show(await other.redis.read()));
  }
});

Deno.test("CLIENT UNBLOCK leaves a paused client waiting, as Redis 7.2 does", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  using writer = await RespClient.connect(server.port);
  const id = await idOf(writer);
  assertEquals(await client.ask("CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
  await writer.post("SET", "k", "1");
  while (!/ flags=b /.test(text(await client.send("CLIENT", "LIST", "ID", id))));
  assertEquals(await client.ask("CLIENT", "UNBLOCK", id), ":0");
  assertEquals(await client.ask("CLIENT", "UNPAUSE"), "+OK");
  assertEquals(show(await writer.read()), "+OK");
});

redisTest("CLIENT PAUSE holds EXEC back by what it would run", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["MULTI"], ["SET", "k", "1"]]);
  await compare(other, [["CLIENT", "PAUSE", "100000", "WRITE"]]);
  for (const side of ["redis", "redino"] as const) {
    await pair[side].post("EXEC");
    while (!/ flags=xb /.test(text(await other[side].send("CLIENT", "LIST"))));
    assertEquals(await other[side].ask("CLIENT", "UNPAUSE"), "+OK");
    assertEquals(show(await pair[side].read()), "[+OK]");
  }
});

redisTest("CLIENT PAUSE ALL holds everything back until its time is over", async () => {
  await using pair = await startPair();
  await compare(pair, [["CLIENT", "PAUSE", "30"], ["PING"], ["CLIENT", "PAUSE", "30", "ALL"]]);
  await compare(pair, [["GET", "k"], ["CLIENT", "PAUSE", "0"], ["PING"]]);
});

redisTest("CLIENT UNBLOCK refuses and finds nobody as Redis does", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "UNBLOCK"],
    ["CLIENT", "UNBLOCK", "abc"],
    ["CLIENT", "UNBLOCK", "abc", "maybe"],
    ["CLIENT", "UNBLOCK", "123456"],
    ["CLIENT", "UNBLOCK", "123456", "timeout"],
    ["CLIENT", "UNBLOCK", "123456", "ERROR"],
    ["CLIENT", "UNBLOCK", "123456", "maybe"],
    ["CLIENT", "UNBLOCK", "123456", "TIMEOUT", "x"],
    ["CLIENT", "UNBLOCK", "9223372036854775808"],
  ]);
  await compareWith(pair, pair, (id) => ["CLIENT", "UNBLOCK", String(id)]);
});

redisTest("CLIENT NO-EVICT and NO-TOUCH take ON and OFF", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["CLIENT", "NO-EVICT", "on"],
    ["CLIENT", "NO-EVICT", "OFF"],
    ["CLIENT", "NO-EVICT", "maybe"],
    ["CLIENT", "NO-EVICT", "ON", "x"],
  ]);
  const { redino } = pair;
  assertEquals(await redino.ask("CLIENT", "NO-TOUCH", "maybe"), "-ERR syntax error");
  assertEquals(await redino.ask("CLIENT", "NO-TOUCH", "ON"), "+OK");
  assertEquals(await redino.ask("CLIENT", "NO-TOUCH", "off"), "+OK");
  assertEquals(
    await redino.ask("CLIENT", "NO-TOUCH"),
    "-ERR wrong number of arguments for 'client|no-touch' command",
  );
});

Deno.test("CLIENT NO-TOUCH keeps reads from counting as an access", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  await client.ask("SET", "k", "v");
  assertEquals(await client.ask("CLIENT", "NO-TOUCH", "ON"), "+OK");
  nowMs += 60_000;
  await client.ask("GET", "k");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "k"), ":60");
  assertEquals(await client.ask("CLIENT", "NO-TOUCH", "OFF"), "+OK");
  await client.ask("GET", "k");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "k"), ":0");
});

Deno.test("CLIENT NO-TOUCH goes by each command of a transaction: TOUCH touches, GET does not", async () => {
  let nowMs = 1_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  await client.ask("MSET", "touched", "v", "read", "v", "last", "v");
  nowMs += 60_000;
  const queued = [
    ["CLIENT", "NO-TOUCH", "ON"],
    ["TOUCH", "touched"],
    ["GET", "read"],
    ["CLIENT", "NO-TOUCH", "OFF"],
    ["GET", "last"],
  ];
  await client.ask("MULTI");
  for (const command of queued) await client.ask(...command);
  assertEquals(await client.ask("EXEC"), '[+OK :1 "v" +OK "v"]');
  assertEquals(await client.ask("OBJECT", "IDLETIME", "touched"), ":0");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "read"), ":60");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "last"), ":0");
  await client.ask("CLIENT", "NO-TOUCH", "ON");
  nowMs += 60_000;
  await client.ask("MULTI");
  await client.ask("TOUCH", "read");
  assertEquals(await client.ask("EXEC"), "[:1]");
  assertEquals(await client.ask("OBJECT", "IDLETIME", "read"), ":0");
});

redisTest("A HELP's replies are simple strings in RESP3 too", async () => {
  await using pair = await startPair({ protocol: 3 });
  const { redino } = pair;
  const reply = await redino.send("CLIENT", "HELP");
  assert(reply.type === "array" && reply.items.every(({ type }) => type === "simple"));
  await compare(pair, [sameShape(["CLIENT", "ID"])]);
});
