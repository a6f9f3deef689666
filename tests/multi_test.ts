/**
 * MULTI, EXEC, DISCARD and their queue, held against the real server; what breaks WATCH is in
 * watch_test.ts.
 */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { type Command, compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { encodeCommand, type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const PROTOCOLS = [2, 3] as const;
const BINARY = Uint8Array.of(0, 255, 13, 10, 58, 36);
const ABORTED = "-EXECABORT Transaction discarded because of previous errors.";

/** The same commands to both, by one client, in both protocols. */
function sameTest(name: string, commands: readonly Command[]): void {
  for (const protocol of PROTOCOLS) {
    redisTest(`${name} (RESP${protocol})`, async () => {
      await using pair = await startPair({ protocol });
      await compare(pair, commands);
    });
  }
}

sameTest("EXEC runs what was queued and answers with all replies", [
  ["MULTI"],
  ["SET", "a", "1"],
  ["INCR", "a"],
  ["GET", "a"],
  ["GET", "none"],
  ["RPUSH", "l", "x", "y"],
  ["LRANGE", "l", "0", "-1"],
  ["HSET", "h", "f", "v"],
  ["HGETALL", "h"],
  ["SADD", "s", "m"],
  ["SMEMBERS", "s"],
  ["ZADD", "z", "1.5", "m"],
  ["ZSCORE", "z", "m"],
  ["PING"],
  ["PING", "text"],
  ["ECHO", Uint8Array.of(0, 13, 10, 255)],
  ["EXEC"],
  ["GET", "a"],
  ["EXEC"],
  ["multi"],
  ["SET", BINARY, BINARY],
  ["GET", BINARY],
  ["MGET", BINARY, "missing"],
  ["LPUSH", BINARY, "x"],
  ["INCR", BINARY],
  ["exec"],
  ["GET", BINARY],
]);

sameTest("EXEC of nothing is an empty array", [["MULTI"], ["EXEC"], ["MULTI"], ["EXEC"]]);

sameTest("DISCARD drops the queue", [
  ["SET", "a", "1"],
  ["MULTI"],
  ["INCR", "a"],
  ["DISCARD"],
  ["GET", "a"],
  ["DISCARD"],
  ["EXEC"],
]);

sameTest("EXEC and DISCARD need MULTI, which does not nest, and WATCH comes before it", [
  ["EXEC"],
  ["DISCARD"],
  ["UNWATCH"],
  ["WATCH"],
  ["WATCH", "a", "a", "b"],
  ["MULTI", "x"],
  ["EXEC", "x"],
  ["DISCARD", "x"],
  ["UNWATCH", "x"],
  ["MULTI"],
  ["MULTI"],
  ["SET", "a", "1"],
  ["WATCH", "a"],
  ["UNWATCH"],
  ["EXEC"],
  ["GET", "a"],
]);

sameTest("a nested MULTI and a refused WATCH leave the transaction alone, arity errors do not", [
  ["MULTI"],
  ["MULTI"],
  ["EXEC"],
  ["MULTI"],
  ["WATCH", "a"],
  ["EXEC"],
  ["MULTI"],
  ["MULTI", "x"],
  ["EXEC"],
  ["MULTI"],
  ["SET", "a", "1"],
  ["EXEC", "x"],
  ["EXEC"],
  ["EXISTS", "a"],
  ["MULTI"],
  ["WATCH"],
  ["EXEC"],
]);

/** Refused before they are run: for their name, their subcommand or how many arguments they have. */
const REFUSED: readonly Command[] = [
  ["NOSUCH"],
  ["NOSUCH", "a"],
  ["NOSUCH", "a", "b"],
  ["OBJECT", "NOSUCH", "a"],
  ["CLIENT", "NOSUCH"],
  ["SET", "a"],
  ["GET"],
  ["GET", "a", "b"],
  ["CONFIG"],
  ["CLIENT"],
  ["OBJECT", "ENCODING"],
  ["CLIENT", "ID", "x"],
  ["MULTI", "x"],
  ["DISCARD", "x"],
  ["WATCH"],
  ["UNWATCH", "x"],
];

sameTest(
  "EXEC aborts when a command was refused while queueing, and the next transaction does not",
  REFUSED.flatMap((command) => [
    ["DEL", "a"],
    ["MULTI"],
    ["SET", "a", "1"],
    command,
    ["SET", "a", "2"],
    ["EXEC"],
    ["EXEC"],
    ["GET", "a"],
    ["MULTI"],
    ["SET", "a", "3"],
    ["EXEC"],
    ["GET", "a"],
    ["MULTI"],
    command,
    ["DISCARD"],
    ["EXEC"],
    ["MULTI"],
    ["EXEC"],
  ]),
);

sameTest("an aborted EXEC forgets the watched keys", [
  ["WATCH", "a"],
  ["MULTI"],
  ["NOSUCH"],
  ["EXEC"],
  ["SET", "a", "1"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
]);

sameTest("an abort is told before a broken WATCH", [
  ["WATCH", "a"],
  ["SET", "a", "1"],
  ["MULTI"],
  ["NOSUCH"],
  ["EXEC"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
]);

sameTest("errors at run time leave the other commands done", [
  ["SET", "text", "abc"],
  ["RPUSH", "list", "a"],
  ["MULTI"],
  ["SET", "a", "1"],
  ["INCR", "text"],
  ["LPUSH", "text", "a"],
  ["GET", "list"],
  ["SET", "a", "2", "NX", "XX"],
  ["SET", "a", "2", "NOSUCH"],
  ["SET", "a", "2", "EX", "nan"],
  ["INCRBY", "a", "9223372036854775807"],
  ["SELECT", "100"],
  ["RENAME", "none", "other"],
  ["CLIENT", "KILL", "ID", "abc"],
  ["AUTH", "x"],
  ["INCR", "a"],
  ["APPEND", "text", "!"],
  ["EXEC"],
  ["MGET", "a", "text"],
  ["LRANGE", "list", "0", "-1"],
]);

sameTest("what may not run in a transaction is refused when it is queued", [
  ["MULTI"],
  ["MONITOR"],
  ["EXEC"],
]);

sameTest("a client's own changes break its WATCH before MULTI and not within it", [
  ["SET", "a", "1"],
  ["WATCH", "a"],
  ["SET", "a", "2"],
  ["MULTI"],
  ["SET", "a", "3"],
  ["EXEC"],
  ["GET", "a"],
  ["WATCH", "a"],
  ["MULTI"],
  ["SET", "a", "4"],
  ["SET", "a", "5"],
  ["EXEC"],
  ["GET", "a"],
]);

sameTest("UNWATCH, EXEC and DISCARD forget the watched keys", [
  ["WATCH", "a", "b"],
  ["SET", "a", "1"],
  ["UNWATCH"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
  ["WATCH", "a"],
  ["MULTI"],
  ["EXEC"],
  ["SET", "a", "2"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
  ["WATCH", "a"],
  ["MULTI"],
  ["DISCARD"],
  ["SET", "a", "3"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
  ["WATCH", "a"],
  ["SET", "a", "4"],
  ["MULTI"],
  ["EXEC"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
  ["WATCH", "a"],
  ["SET", "a", "5"],
  ["MULTI"],
  ["DISCARD"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
]);

sameTest("UNWATCH inside a transaction is queued and comes too late", [
  ["WATCH", "a"],
  ["SET", "a", "1"],
  ["MULTI"],
  ["UNWATCH"],
  ["EXEC"],
  ["WATCH", "a"],
  ["MULTI"],
  ["UNWATCH"],
  ["SET", "a", "2"],
  ["EXEC"],
]);

sameTest("RESET ends a transaction and forgets the watched keys", [
  ["WATCH", "a"],
  ["SET", "a", "1"],
  ["MULTI"],
  ["SET", "a", "2"],
  ["RESET"],
  ["EXEC"],
  ["GET", "a"],
  ["MULTI"],
  ["PING"],
  ["EXEC"],
]);

sameTest("SELECT within EXEC holds for what follows, and afterwards", [
  ["MULTI"],
  ["SET", "a", "0"],
  ["SELECT", "3"],
  ["SET", "a", "3"],
  ["GET", "a"],
  ["SELECT", "0"],
  ["GET", "a"],
  ["SELECT", "3"],
  ["EXEC"],
  ["GET", "a"],
  ["DBSIZE"],
  ["SELECT", "0"],
  ["GET", "a"],
  ["MULTI"],
  ["SELECT", "1"],
  ["DISCARD"],
  ["GET", "a"],
]);

for (const protocol of PROTOCOLS) {
  redisTest(
    `HELLO within a transaction changes the replies after it (from RESP${protocol})`,
    async () => {
      await using pair = await startPair({ protocol });
      await compare(pair, [
        ["HSET", "h", "f", "v"],
        ["MULTI"],
        ["HGETALL", "h"],
        ["HELLO", "3", "NOSUCH"],
        ["HELLO", "9"],
        ["HELLO", protocol === 2 ? "3" : "2"],
        ["HGETALL", "h"],
        ["GET", "none"],
        {
          command: ["EXEC"],
          view: (reply) => {
            assert(reply.type === "array");
            // HELLO tells the version and the client's number.
            return reply.items.filter((_, i) => i !== 3).map(show).join(" ");
          },
        },
        ["HGETALL", "h"],
      ]);
    },
  );
}

sameTest("blocking commands in EXEC answer at once", [
  ["RPUSH", "l", "a", "b", "c", "d"],
  ["ZADD", "z", "1", "a", "2", "b"],
  ["MULTI"],
  ["BLPOP", "l", "0"],
  ["BRPOP", "none", "l", "0"],
  ["BLPOP", "none", "0"],
  ["BRPOP", "none", "0"],
  ["BLMOVE", "l", "m", "LEFT", "LEFT", "0"],
  ["BLMOVE", "none", "m", "LEFT", "LEFT", "0"],
  ["BRPOPLPUSH", "l", "m", "0"],
  ["BRPOPLPUSH", "none", "m", "0"],
  ["BLMPOP", "0", "1", "m", "LEFT", "COUNT", "10"],
  ["BLMPOP", "0", "1", "none", "LEFT"],
  ["BZPOPMIN", "z", "0"],
  ["BZPOPMAX", "none", "0"],
  ["BZMPOP", "0", "1", "z", "MIN"],
  ["BZMPOP", "0", "1", "none", "MIN"],
  ["BLPOP", "none", "-1"],
  ["BLPOP", "none", "nan"],
  ["BZPOPMIN", "none", "0"],
  ["XREAD", "BLOCK", "0", "STREAMS", "stream", "$"],
  ["RPUSH", "new", "a"],
  ["BLPOP", "new", "0"],
  ["EXEC"],
  ["EXISTS", "l", "m", "z", "new"],
]);

redisTest("CLIENT REPLY inside EXEC silences what follows", async () => {
  await using pair = await startPair();
  for (const client of [pair.redis, pair.redino]) {
    for (
      const words of [
        ["MULTI"],
        ["SET", "a", "1"],
        ["CLIENT", "REPLY", "OFF"],
        ["SET", "a", "2"],
        ["EXEC"],
        ["GET", "a"],
        ["CLIENT", "REPLY", "ON"],
        ["ECHO", "end"],
      ]
    ) await client.post(...words);
  }
  const [redis, redino] = await Promise.all(
    [pair.redis, pair.redino].map((client) => upTo(client, "end")),
  );
  assertEquals(redino, redis);
});

redisTest("CLIENT REPLY OFF before a transaction keeps it silent, and it is done", async () => {
  await using pair = await startPair();
  const told: string[] = [];
  for (const client of [pair.redis, pair.redino]) {
    const words = [
      ["CLIENT", "REPLY", "OFF"],
      ["MULTI"],
      ["INCR", "n"],
      ["NOSUCH"],
      ["EXEC"],
      ["MULTI"],
      ["INCR", "n"],
      ["EXEC"],
      ["CLIENT", "REPLY", "ON"],
      ["GET", "n"],
      ["ECHO", "end"],
    ];
    for (const command of words) await client.post(...command);
    told.push(await upTo(client, "end"));
  }
  assertEquals(told[1], told[0]);
  assertEquals(told[1], `+OK\r\n$1\r\n1\r\n`);
});

/** All bytes before the bulk string `mark`. */
async function upTo(client: RespClient, mark: string): Promise<string> {
  const end = `$${mark.length}\r\n${mark}\r\n`;
  let text = "";
  while (!text.endsWith(end)) text += String.fromCharCode(...await client.readRaw(1));
  return text.slice(0, -end.length);
}

redisTest("a pipelined transaction is answered alike wherever its bytes are split", async () => {
  const commands: Command[] = [
    ["WATCH", "k"],
    ["MULTI"],
    ["SET", "k", "one\r\ntwo"],
    ["GET", "k"],
    ["INCR", "k"],
    ["EXEC"],
    ["MULTI"],
    ["GET"],
    ["EXEC"],
    ["DEL", "k"],
    ["ECHO", "end"],
  ];
  const bytes = joined(commands);
  await using pair = await startPair();
  await pair.redis.write(bytes);
  const expected = await upTo(pair.redis, "end");
  assert(expected.includes(ABORTED) && expected.includes("one\r\ntwo"), expected);
  for (let at = 0; at <= bytes.length; at++) {
    await pair.redino.write(bytes.subarray(0, at));
    // A task of its own, so that the server has read the first part.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await pair.redino.write(bytes.subarray(at));
    assertEquals(await upTo(pair.redino, "end"), expected, `Split at ${at}`);
  }
  for (let at = 0; at < bytes.length; at++) await pair.redino.write(bytes.subarray(at, at + 1));
  assertEquals(await upTo(pair.redino, "end"), expected, "byte by byte");
});

function joined(commands: readonly Command[]): Uint8Array {
  const parts = commands.map((command) => encodeCommand(command));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

redisTest(
  "inline commands and QUIT in a transaction are answered alike whole and byte by byte",
  async () => {
    await using pair = await startPair();
    const script =
      "MULTI\r\nSET k 1\r\nINCR k\r\nEXEC\r\nWATCH k\r\nSET k 5\r\nMULTI\r\nINCR k\r\n" +
      "EXEC\r\nGET k\r\nMULTI\r\nGET k\r\nNOSUCH\r\nEXEC\r\nMULTI\r\nQUIT\r\n";
    using whole = await pair.connect();
    using pieces = await pair.connect();
    await whole.redis.write(script);
    await whole.redino.write(script);
    const expected = await whole.redis.readToEnd();
    assertEquals(await whole.redino.readToEnd(), expected);
    for (const byte of script) await pieces.redino.write(byte);
    assertEquals(await pieces.redino.readToEnd(), expected);
  },
);

redisTest("a transaction is one client's own", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["MULTI"], ["SET", "k", "v"]]);
  await compare(other, [["EXISTS", "k"], ["EXEC"], ["MULTI"], ["GET", "k"]]);
  await compare(pair, [["EXEC"]]);
  await compare(other, [["EXEC"]]);
});

Deno.test("a transaction of 10,000 commands runs whole, and between no other's commands", async () => {
  const COUNT = 10_000;
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  const queued = Array.from({ length: COUNT }, () => ["INCR", "n"]);
  const sent = client.write(joined([["MULTI"], ...queued]));
  assertEquals(show(await client.read()), "+OK");
  for (let i = 0; i < COUNT; i++) assertEquals(show(await client.read()), "+QUEUED");
  await sent;
  assertEquals(await other.ask("GET", "n"), "nil$");
  const [reply] = await Promise.all([client.send("EXEC"), other.ask("INCR", "n")]);
  const numbers = integers(reply);
  assertEquals(numbers.length, COUNT);
  const first = numbers[0]!;
  assert(first === 1 || first === 2, `The first is ${first}`);
  assertEquals(numbers, Array.from({ length: COUNT }, (_, i) => first + i));
  assertEquals(await other.ask("GET", "n"), `"${COUNT + 1}"`);
});

function integers(reply: Reply): number[] {
  if (reply.type !== "array") throw new Error(`No array: ${show(reply)}`);
  return reply.items.map((item) => {
    if (item.type !== "integer") throw new Error(`No integer: ${show(item)}`);
    return Number(item.value);
  });
}

redisTest("a transaction wakes those who wait when it is over, and only then", async () => {
  await using pair = await startPair();
  using waiting = await pair.connect();
  await Promise.all([waiting.redis, waiting.redino].map((client) => client.post("BLPOP", "l", 0)));
  for (const client of [pair.redis, pair.redino]) {
    await eventually(async () => /blocked_clients:1\b/.test(await client.ask("INFO", "clients")));
  }
  await compare(pair, [
    ["MULTI"],
    ["RPUSH", "l", "a", "b"],
    ["LRANGE", "l", "0", "-1"],
    ["LPOP", "l"],
    ["EXEC"],
    ["LRANGE", "l", "0", "-1"],
  ]);
  assertEquals(show(await waiting.redis.read()), '["l" "b"]');
  assertEquals(show(await waiting.redino.read()), '["l" "b"]');
});

redisTest("CLIENT LIST tells the length of a queue and the number of watched keys", async () => {
  await using pair = await startPair();
  await compare(pair, [["WATCH", "a", "b", "a"], ["MULTI"], ["SET", "a", "1"], ["CLIENT", "INFO"]]);
  const seen = await Promise.all([pair.redis, pair.redino].map(async (client) => {
    const reply = await client.ask("EXEC");
    return { multi: /multi=(-?\d+)/.exec(reply)?.[1], ok: reply.startsWith("[+OK ") };
  }));
  assertEquals(seen[1], seen[0]);
  assertEquals(seen[1], { multi: "2", ok: true });
});

redisTest("a full memory refuses what is queued, or EXEC if it fills later", async () => {
  await using pair = await startPair({ config: {} });
  await compare(pair, [
    ["SET", "a", "1"],
    ["CONFIG", "SET", "maxmemory", "1"],
    ["MULTI"],
    ["GET", "a"],
    ["SET", "a", "2"],
    ["EXEC"],
    ["MULTI"],
    ["GET", "a"],
    ["DEL", "none"],
    ["EXEC"],
    ["CONFIG", "SET", "maxmemory", "0"],
    ["MULTI"],
    ["SET", "a", "3"],
  ]);
  using other = await pair.connect();
  await compare(other, [["CONFIG", "SET", "maxmemory", "1"]]);
  await compare(pair, [["EXEC"], ["EXEC"], ["GET", "a"], ["MULTI"], ["GET", "a"], ["EXEC"]]);
});

redisTest("CLIENT PAUSE WRITE halts EXEC where writes are queued, and only there", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["MULTI"], ["GET", "a"]]);
  await compare(other, [["MULTI"], ["SET", "a", "1"]]);
  using third = await pair.connect();
  await compare(third, [["CLIENT", "PAUSE", "100000", "WRITE"]]);
  await compare(pair, [["EXEC"]]);
  await Promise.all([other.redis.post("EXEC"), other.redino.post("EXEC")]);
  await compare(third, [["GET", "a"], ["CLIENT", "UNPAUSE"]]);
  for (const client of [other.redis, other.redino]) {
    assertEquals(show(await client.read()), "[+OK]");
  }
  await compare(third, [["GET", "a"]]);
});

redisTest(
  "EXEC is refused where a replica has become stale since its commands were queued",
  async () => {
    await using pair = await startPair({ config: {} });
    using other = await pair.connect();
    const stale: Command = ["REPLICAOF", "127.0.0.1", "1"];
    await compare(pair, [["CONFIG", "SET", "replica-serve-stale-data", "no"], ["SET", "a", "1"]]);
    for (
      const command of [["GET", "a"], ["PING"], ["INFO", "nothing"], ["CONFIG", "GET", "nothing"]]
    ) {
      await compare(pair, [["MULTI"], ["INFO", "nothing"], command]);
      await compare(other, [stale]);
      await compare(pair, [["EXEC"], ["EXEC"]]);
      await compare(other, [["REPLICAOF", "NO", "ONE"]]);
    }
    await compare(other, [stale]);
    await compare(pair, [["MULTI"], ["GET", "a"], ["EXEC"], ["MULTI"]]);
    await compare(other, [["REPLICAOF", "NO", "ONE"]]);
    await compare(pair, [["GET", "a"], ["EXEC"]]);
  },
);

redisTest("CLIENT KILL of oneself in a transaction closes when EXEC has answered", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  for (const side of ["redis", "redino"] as const) {
    const id = (await other[side].ask("CLIENT", "ID")).slice(1);
    await other[side].ask("MULTI");
    await other[side].ask("CLIENT", "KILL", "ID", id, "SKIPME", "no");
    await other[side].ask("SET", "k", "v");
    await other[side].post("EXEC");
    await other[side].readToEnd();
  }
  await compare(pair, [["GET", "k"]]);
});

Deno.test("a transaction larger than client-query-buffer-limit closes its connection", async () => {
  await using server = await serve({ port: 0, "client-query-buffer-limit": "1mb" });
  using client = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  await client.ask("MULTI");
  const value = new Uint8Array(100_000);
  for (let i = 0; i < 10; i++) assertEquals(await client.ask("SET", "k", value), "+QUEUED");
  await client.post("SET", "k", value);
  assertEquals(await client.readToEnd(), new Uint8Array(0));
  assertEquals(await other.ask("EXISTS", "k"), ":0");
});
