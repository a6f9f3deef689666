/** PING, ECHO, HELLO, AUTH, SELECT, QUIT and RESET, held against redis-server. */
import { assertEquals } from "@std/assert";
import {
  type Command,
  compare,
  type Comparison,
  type Pair,
  startPair,
} from "./support/differential.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const PASSWORD = { config: { requirepass: "secret" } };

/** HELLO's reply but for the connection's number and the version, which are each server's own. */
function hello(...args: readonly string[]): Comparison {
  return {
    command: ["HELLO", ...args],
    view: (reply) =>
      show(reply).replace(/"version"(=>| )"[\d.]+"/, "version").replace(/"id"(=>| ):\d+/, "id"),
  };
}

/** Connections to a pair with a password, on which nothing was sent yet. */
async function strangers(pair: Pair) {
  const redis = await RespClient.connect(pair.redisPort);
  const redino = await RespClient.connect(pair.redinoPort);
  return {
    redis,
    redino,
    [Symbol.dispose]() {
      redis.close();
      redino.close();
    },
  };
}

for (const protocol of [2, 3] as const) {
  redisTest(`PING and ECHO answer their argument in RESP${protocol}`, async () => {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["PING"],
      ["ping"],
      ["PING", ""],
      ["PING", new Uint8Array([0, 13, 10, 255])],
      ["PING", "a", "b"],
      ["ECHO", "x"],
      ["ECHO", new Uint8Array([0, 13, 10, 255])],
      ["ECHO"],
      ["ECHO", "x", "y"],
    ]);
  });
}

redisTest("HELLO changes the protocol and describes the server", async () => {
  await using pair = await startPair();
  await compare(pair, [
    hello(),
    hello("3"),
    hello(),
    ["CLIENT", "GETNAME"],
    hello("2"),
    hello("3", "SETNAME", "me"),
    ["CLIENT", "GETNAME"],
    hello("2", "setname", "me", "SetName", "you"),
    ["CLIENT", "GETNAME"],
    hello("2", "SETNAME", ""),
    ["CLIENT", "GETNAME"],
    hello("3", "AUTH", "default", "anything", "SETNAME", "x"),
    ["CLIENT", "GETNAME"],
  ]);
});

redisTest("HELLO says 7.2.4 and the connection's own number", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  const id = await redino.ask("CLIENT", "ID");
  assertEquals(
    await redino.ask("HELLO", 3),
    `{"server"=>"redis" "version"=>"7.2.4" "proto"=>:3 "id"=>${id} "mode"=>"standalone" ` +
      `"role"=>"master" "modules"=>[]}`,
  );
});

redisTest("HELLO refuses in Redis's order and then changes nothing", async () => {
  await using pair = await startPair();
  const steps: Command[] = [
    ["HELLO", "abc"],
    ["HELLO", ""],
    ["HELLO", "1"],
    ["HELLO", "4"],
    ["HELLO", "-3"],
    ["HELLO", "03"],
    ["HELLO", "9223372036854775807"],
    ["HELLO", "9223372036854775808"],
    ["HELLO", "SETNAME", "x"],
    ["HELLO", "1", "FOO"],
    ["HELLO", "3", "FOO"],
    ["HELLO", "3", "AUTH", "default"],
    ["HELLO", "3", "AUTH"],
    ["HELLO", "3", "SETNAME"],
    ["HELLO", "3", "SETNAME", "a b"],
    ["HELLO", "3", "SETNAME", "a b", "FOO"],
    ["HELLO", "3", "FOO", "SETNAME", "a b"],
    ["HELLO", "3", "AUTH", "nobody", "x"],
    ["HELLO", "3", "AUTH", "nobody", "x", "SETNAME", "name"],
  ];
  for (const step of steps) await compare(pair, [step, ["CLIENT", "GETNAME"]]);
});

redisTest("HELLO reads all its options before it uses any, as Redis 7.2 does", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  assertEquals(
    await redino.ask("HELLO", "3", "AUTH", "nobody", "x", "SETNAME", "a b"),
    "-ERR Client names cannot contain spaces, newlines or special characters.",
  );
  assertEquals(
    await redino.ask("HELLO", "3", "SETNAME", "name", "AUTH", "nobody", "x"),
    "-WRONGPASS invalid username-password pair or user is disabled.",
  );
  assertEquals(await redino.ask("CLIENT", "GETNAME"), "nil$");
});

redisTest("AUTH without requirepass takes the default user with any password", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["AUTH", "x"],
    ["AUTH", "default", "x"],
    ["AUTH", "DEFAULT", "x"],
    ["AUTH", "nobody", "x"],
    ["AUTH"],
    ["AUTH", "a", "b", "c"],
    ["PING"],
  ]);
});

/** HELLO before AUTH: Redis 7.2 names the protocol's version in the sentence. */
function helloRefused(command: Command): Comparison {
  return { command, view: (reply) => show(reply).replace("HELLO <proto> AUTH", "HELLO AUTH") };
}

redisTest("A client must authenticate where requirepass is set", async () => {
  await using pair = await startPair(PASSWORD);
  using clients = await strangers(pair);
  await compare(clients, [
    ["PING"],
    ["GET"],
    ["NOSUCH"],
    ["CLIENT", "ID"],
    ["MULTI"],
    helloRefused(["HELLO"]),
    helloRefused(["HELLO", "3"]),
    ["HELLO", "1"],
    ["HELLO", "3", "SETNAME", "a b"],
    helloRefused(["HELLO", "3", "SETNAME", "ab"]),
    ["HELLO", "3", "AUTH", "default", "wrong"],
    ["AUTH", "wrong"],
    ["AUTH", "secret2"],
    ["AUTH", ""],
    ["AUTH", "default", "wrong"],
    ["AUTH", "nobody", "secret"],
    ["AUTH", "a", "b", "c"],
    ["PING"],
    ["RESET"],
    ["PING"],
    ["AUTH", "secret"],
    ["PING"],
    ["CLIENT", "GETNAME"],
    // Who failed to become somebody else stays who he is.
    ["AUTH", "wrong"],
    ["AUTH", "nobody", "secret"],
    ["PING"],
    ["RESET"],
    ["PING"],
    ["AUTH", "default", "secret"],
    ["PING"],
    ["MULTI"],
    ["AUTH", "wrong"],
    ["AUTH", "secret"],
    ["EXEC"],
  ]);
});

redisTest("HELLO authenticates, names and changes the protocol at once", async () => {
  await using pair = await startPair(PASSWORD);
  using clients = await strangers(pair);
  await compare(clients, [
    hello("3", "SETNAME", "me", "AUTH", "default", "secret"),
    ["CLIENT", "GETNAME"],
    ["GET", "k"],
    hello(),
  ]);
});

redisTest("QUIT needs no authentication", async () => {
  await using pair = await startPair(PASSWORD);
  using clients = await strangers(pair);
  await compare(clients, [["QUIT"]]);
  assertEquals(await clients.redis.readToEnd(), await clients.redino.readToEnd());
});

redisTest("CONFIG SET requirepass concerns those who come later", async () => {
  await using pair = await startPair({ config: {} });
  await compare(pair, [["CONFIG", "SET", "requirepass", "pässword"], ["PING"]]);
  {
    using clients = await strangers(pair);
    await compare(clients, [["PING"], ["AUTH", "passw"], ["AUTH", "pässword"], ["PING"]]);
    await compare(pair, [["CONFIG", "SET", "requirepass", ""]]);
    await compare(clients, [["PING"], ["AUTH", "x"]]);
  }
  using clients = await strangers(pair);
  await compare(clients, [["PING"]]);
});

redisTest("SELECT chooses a database", async () => {
  await using pair = await startPair();
  await compare(pair, [
    ["SET", "k", "0"],
    ["SELECT", "1"],
    ["GET", "k"],
    ["SET", "k", "1"],
    ["SELECT", "15"],
    ["GET", "k"],
    ["SELECT", "0"],
    ["GET", "k"],
    ["SELECT", "1"],
    ["GET", "k"],
    ["SELECT", "16"],
    ["SELECT", "-1"],
    ["SELECT", "2147483647"],
    ["SELECT", "2147483648"],
    ["SELECT", "-2147483649"],
    ["SELECT", "9223372036854775808"],
    ["SELECT", "abc"],
    ["SELECT", "01"],
    ["SELECT", ""],
    ["SELECT"],
    ["SELECT", "1", "2"],
    ["GET", "k"],
  ]);
});

redisTest("SELECT counts the databases of the configuration", async () => {
  await using pair = await startPair({ config: { databases: 2 } });
  await compare(pair, [["SELECT", "1"], ["SELECT", "2"], ["SELECT", "15"]]);
});

redisTest("QUIT answers and closes, and what was sent after it is not run", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  for (const client of [other.redis, other.redino]) {
    await client.write("PING\r\nQUIT\r\nSET after quit\r\n");
    assertEquals(new TextDecoder().decode(await client.readToEnd()), "+PONG\r\n+OK\r\n");
  }
  await compare(pair, [["EXISTS", "after"]]);
});

redisTest("QUIT takes any arguments and leaves a transaction unrun", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(other, [["MULTI"], ["SET", "k", "v"], ["QUIT", "a", "b"]]);
  assertEquals(await other.redino.readToEnd(), new Uint8Array(0));
  await compare(pair, [["EXISTS", "k"]]);
});

redisTest("RESET makes the connection as new", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [
    hello("3", "SETNAME", "me"),
    ["SELECT", "2"],
    ["CLIENT", "NO-EVICT", "ON"],
    ["WATCH", "k"],
  ]);
  await compare(other, [["SELECT", "2"], ["SET", "k", "v"]]);
  await compare(pair, [
    ["MULTI"],
    ["SET", "queued", "v"],
    ["RESET"],
    ["EXEC"],
    ["CLIENT", "GETNAME"],
    ["EXISTS", "queued"],
    ["MULTI"],
    ["PING"],
    ["EXEC"],
    hello(),
    ["RESET", "x"],
    ["PING"],
  ]);
});

redisTest("RESET ends CLIENT REPLY OFF and is itself answered", async () => {
  await using pair = await startPair();
  for (const client of [pair.redis, pair.redino]) {
    await client.post("CLIENT", "REPLY", "OFF");
    await client.post("PING");
    assertEquals(await client.ask("RESET"), "+RESET");
    await client.post("CLIENT", "REPLY", "SKIP");
    await client.post("RESET");
    assertEquals(await client.ask("PING", "heard"), '"heard"');
  }
});

redisTest("RESET leaves the library's name and takes NO-TOUCH and NO-EVICT away", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  await redino.ask("CLIENT", "SETINFO", "LIB-NAME", "lib");
  await redino.ask("CLIENT", "SETINFO", "LIB-VER", "1.2");
  await redino.ask("CLIENT", "NO-TOUCH", "ON");
  await redino.ask("CLIENT", "NO-EVICT", "ON");
  assertEquals((await redino.ask("CLIENT", "INFO")).match(/ flags=(\w+)/)?.[1], "eT");
  assertEquals(await redino.ask("RESET"), "+RESET");
  const info = await redino.ask("CLIENT", "INFO");
  assertEquals(info.match(/ flags=(\w+)/)?.[1], "N");
  assertEquals(info.match(/lib-name.*\d/)?.[0], "lib-name=lib lib-ver=1.2");
});
