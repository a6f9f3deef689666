/** MONITOR, held against redis-server: the lines, what is left out of them, and what monitors may do. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { compareConversation } from "./support/conversation.ts";
import { compare, startPair } from "./support/differential.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i);

redisTest("MONITOR shows commands, but no secrets and no administration", async () => {
  await compareConversation({ m: 2, a: 2, b: 3 }, [
    ["m", "MONITOR"],
    ["a", "SET", "k", "v"],
    ["a", "set", "k", EVERY_BYTE],
    ["a", "GET", ""],
    ["a", "SELECT", "3"],
    ["a", "GET", "k"],
    ["b", "HELLO", "3"],
    ["a", "AUTH", "user", "password"],
    ["a", "AUTH", "password"],
    ["a", "AUTH", "a", "b", "c"],
    ["b", "HELLO", "3", "AUTH", "default", "password"],
    ["b", "HELLO", "3", "AUTH", "default", "password", "SETNAME", "n"],
    ["b", "HELLO", "3", "SETNAME", "auth", "AUTH", "user", "password"],
    ["a", "MIGRATE", "127.0.0.1", "1", "none", "0", "10", "AUTH", "password"],
    ["a", "MIGRATE", "127.0.0.1", "1", "none", "0", "10", "COPY", "AUTH2", "user", "password"],
    ["a", "NOSUCH", "command"],
    ["a", "GET"],
    ["a", "INCR", "k", "x"],
    ["a", "LPUSH", "k", "x"],
    ["a", "CONFIG", "GET", "save"],
    ["a", "CLIENT", "KILL", "ID", "999999999"],
    ["a", "CLIENT", "GETNAME"],
    ["a", "SLOWLOG", "LEN"],
    ["a", "PUBLISH", "c", "m"],
    ["b", "SUBSCRIBE", "c"],
    ["a", "WATCH", "k"],
    ["a", "UNWATCH"],
    // What takes long on a busy machine would be in the slow log.
  ], { "slowlog-log-slower-than": -1 });
});

redisTest("MONITOR shows an EXEC that is refused", async () => {
  await using pair = await startPair();
  using monitor = await pair.connect();
  await compare(monitor, [["MONITOR"]]);
  await compare(pair, [
    ["MULTI"],
    ["NOSUCH"],
    ["EXEC"],
    ["MULTI"],
    ["SET", "k", "v"],
  ]);
  using other = await pair.connect();
  await compare(other, [["CONFIG", "SET", "maxmemory", "1"]]);
  await compare(pair, [["EXEC"]]);
  await compare(other, [["CONFIG", "SET", "maxmemory", "0"], ["PING", "end"]]);
  assertEquals(await lines(monitor.redino), await lines(monitor.redis));
});

redisTest("MONITOR shows a transaction's commands when they run, then EXEC", async () => {
  await using pair = await startPair();
  using monitor = await pair.connect();
  await compare(monitor, [["MONITOR"]]);
  await compare(pair, [
    ["MULTI"],
    ["SET", "k", "1"],
    ["INCR", "k"],
    ["EXEC"],
    ["MULTI"],
    ["GET", "k"],
    ["DISCARD"],
    ["BLPOP", "none", "0.01"],
    ["PING", "end"],
  ]);
  assertEquals(await lines(monitor.redino), await lines(monitor.redis));
});

/** What a monitor was shown up to PING's line, without times and addresses. */
async function lines(monitor: RespClient): Promise<string[]> {
  const shown: string[] = [];
  for (;;) {
    const line = show(await monitor.readAny());
    shown.push(line.replace(/^\+\d+\.\d{6} \[(\d+) [\d.:]+\]/, "$1"));
    if (line.includes("PING")) return shown;
  }
}

redisTest("A monitor may not use the keyspace, and RESET ends it", async () => {
  await using pair = await startPair();
  using monitor = await pair.connect();
  const flags = {
    command: ["CLIENT", "INFO"],
    view: (reply: Reply) => "text" in reply ? / flags=\S+/.exec(reply.text)![0] : show(reply),
  };
  await compare(monitor, [
    ["MONITOR"],
    { command: ["PING"], frames: 2, view: withoutTime },
    ["GET", "k"],
    ["SET", "k", "v"],
    ["PUBLISH", "a", "b"],
    ["EXISTS", "k"],
    { command: ["ECHO", "x"], frames: 2, view: withoutTime },
    flags,
  ]);
  for (const side of ["redis", "redino"] as const) {
    const client = monitor[side];
    assertMatch(show(await client.readAny()), /"CLIENT" "INFO"$/);
    await client.post("MONITOR");
    assertEquals(await client.ask("GET", "k"), "-ERR Replica can't interact with the keyspace");
    assertEquals(await client.ask("RESET"), "+RESET");
    await pair[side].send("SET", "k", "v");
    assertEquals(await client.ask("GET", "k"), '"v"');
  }
  await compare(pair, [["MULTI"], ["MONITOR"], ["EXEC"], ["MONITOR", "x"]]);
});

function withoutTime(reply: Reply): string {
  return show(reply).replace(/^\+\d+\.\d{6} \[(\d+) [\d.:]+\]/, "$1");
}

redisTest("Several monitors, of both protocols, see the same", async () => {
  await compareConversation({ m: 2, n: 3, a: 2 }, [
    ["m", "MONITOR"],
    ["n", "MONITOR"],
    ["a", "SET", "k", "v"],
    ["n", "RESET"],
    ["a", "GET", "k"],
  ]);
});

Deno.test("MONITOR shows when, and from where", async () => {
  const path = await Deno.makeTempFile({ prefix: "redino_socket_" });
  await Deno.remove(path);
  await using server = await serve({
    port: 0,
    unixsocket: path,
    clock: () => 1_700_000_000_123,
  });
  using monitor = await RespClient.connect(server.port);
  using client = new RespClient(await Deno.connect({ transport: "unix", path }));
  using tcp = await RespClient.connect(server.port);
  await monitor.send("MONITOR");
  await client.send("GET", "k");
  await tcp.send("GET", "k");
  assertEquals(
    show(await monitor.readAny()),
    `+1700000000.123000 [0 unix:${path}] "GET" "k"`,
  );
  assertMatch(
    show(await monitor.readAny()),
    /^\+1700000000\.123000 \[0 127\.0\.0\.1:\d+\] "GET" "k"$/,
  );
});

Deno.test("The slow log shows no password either", async () => {
  await using server = await serve({ port: 0, "slowlog-log-slower-than": 0 });
  using client = await RespClient.connect(server.port);
  await client.send("AUTH", "user", "password");
  await client.send("CONFIG", "SET", "maxclients", "100", "MasterAuth", "password", "hz");
  await client.send("CONFIG", "SET", "maxclients", "100", "MasterAuth", "password");
  const log = await client.ask("SLOWLOG", "GET");
  assertMatch(log, /\["AUTH" "\(redacted\)" "\(redacted\)"\]/);
  assertMatch(log, /\["CONFIG" "SET" "maxclients" "100" "MasterAuth" "\(redacted\)"\]/);
  assert(!log.includes('"password"'), log);
});
