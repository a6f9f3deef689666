/**
 * What of the stream belongs together and in which order: transactions, databases, keys that go by
 * themselves, clients that were blocked. Held against what redis-server sends its replicas.
 */
import { assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { comparePropagation, ReplicaStream, StreamPair } from "./support/replica_stream.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest, valkeyTest } from "./support/skip.ts";

redisTest("Messages are sent though they change nothing, and settings are not", async () => {
  await comparePropagation([
    "PUBLISH channel hi",
    "SPUBLISH channel hi",
    "PUBLISH channel",
    "CLIENT SETNAME me",
    "CONFIG RESETSTAT",
    "SLOWLOG RESET",
    "SET k v",
    "SAVE",
    "DEBUG RELOAD",
    "DEBUG POPULATE 3",
    "OBJECT ENCODING k",
    "PING",
    "SELECT 2",
    "SPUBLISH channel hi",
    "SET k v",
  ]);
});

redisTest("What is sent is well formed, however it came", async () => {
  const raw = [
    "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$12\r\n1234567890ab\r\n",
    "*3\r\n$3\r\nSET..$1\r\nk..$1\r\nv..",
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv..",
    "*3\r.$3\r.SET\r\n$1\r.k\r\n$1\r.v\r\n",
    "SET k v\r\n",
    "set  k   'some text'\n",
    'SET "\\x41\\x42$\\x43$$$$$$" $$$$$$$$\r\n',
    'SET k "*1\\r\\n$8"\r\n',
    "FLUSHALL\r\n",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "*11\r\n$4\r\nMSET\r\n" + "$1\r\nx\r\n".repeat(10),
    "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n",
    // Two commands, so that the last one's reply is read for the second.
    "*2\r\n$3\r\nGET\r\n$6\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "PING\r\n",
  ];
  await comparePropagation(raw.map(latin1Bytes));
});

redisTest("A transaction that writes more than once is sent as one", async () => {
  await comparePropagation([
    "MULTI",
    "SET a 1",
    "EXEC",
    "MULTI",
    "GET a",
    "EXEC",
    "multi",
    "INCR a",
    "SADD a x",
    "SPOP nokey",
    "LPUSH l x y",
    "lpop l",
    "exec",
    "MULTI",
    "SET a 1",
    "SELECT 3",
    "SET b 2",
    "PUBLISH x y",
    "SELECT 4",
    "EXPIRE nokey 1",
    "EXEC",
    "SET c 1",
    "MULTI",
    "SELECT 5",
    "MOVE c 3",
    "SET c 1",
    "MOVE c 3",
    "EXEC",
    "MULTI",
    "FLUSHALL",
    "SWAPDB 1 2",
    "EXEC",
    "MULTI",
    "SET a 1 EX 100",
    "NOSUCHCOMMAND",
    "EXEC",
    "MULTI",
    "SET a 1",
    "DISCARD",
    "WATCH a",
    "SET a 2",
    "MULTI",
    "SET a 1",
    "EXEC",
    "MULTI",
    "SADD s a b c",
    "SPOP s 3",
    "BLPOP nokey 0",
    "INCRBYFLOAT f 1.5",
    "XADD s * a b",
    "XADD x * a b",
    "GEOADD g 1 1 a",
    "EXEC",
    "SELECT 0",
    "SET a 1",
  ]);
});

valkeyTest("A key that expired before it could serve goes when a command meets it", async () => {
  const lines = [
    "CONFIG SET lazyfree-lazy-expire no",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "SELECT 1",
    "RPUSH k v",
    "PEXPIRE k 1",
    "pass: 10",
    "b| BLPOP k 0",
    "wait: 1",
    "SWAPDB 0 1",
    "wait: 1",
    "SET other v",
    "SELECT 0",
    "EXISTS k",
    "SET other v",
  ];
  await comparePropagation(lines, undefined, "valkey-server");
});

redisTest("Keys that expire as SCAN or RANDOMKEY meets them are sent one by one", async () => {
  const expired = [
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "PSETEX a 1 v",
    "PSETEX b 1 v",
    "PSETEX c 1 v",
    "pass: 10",
  ];
  for (const command of ["SCAN 0", "SCAN 0 TYPE string", "RANDOMKEY"]) {
    await using pair = await StreamPair.start();
    await pair.say(expired);
    const { redis, redino } = await pair.say([command]);
    assertEquals(redino.length, 3, command);
    assertEquals(redino.toSorted(), redis.toSorted(), command);
  }
  // In a transaction they belong to it.
  await comparePropagation([
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "SET k v",
    "PSETEX a 1 v",
    "pass: 10",
    "MULTI",
    "SCAN 0",
    "DEL k",
    "EXEC",
  ]);
});

Deno.test("A transaction that ends in another role adds nothing to what is its primary's", async () => {
  await using server = await serve({ port: 0, save: "", "repl-diskless-sync-delay": 0 });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  using stream = await ReplicaStream.attach(server.port);
  using client = await RespClient.connect(server.port);
  await client.send("SET", "a", 1);
  assertEquals(await stream.upToNow(), [["SET", "a", "1"]]);
  const { offset } = server.replication.stream;
  for (const word of ["MULTI", "INCR a", "REPLICAOF 127.0.0.1 1", "INCR a", "EXEC"]) {
    await client.send(...word.split(" "));
  }
  assertEquals(await client.ask("GET", "a"), '"3"');
  assertEquals(server.replication.stream.offset, offset);
});

redisTest("Clients that were blocked come after what served them, each by itself", async () => {
  await comparePropagation([
    "b| BLPOP none list 0",
    "wait: 1",
    "c| BLMOVE list moved left right 0",
    "wait: 2",
    "d| BRPOP moved 0",
    "wait: 3",
    "RPUSH list 1 2 3",
    "wait: 0",
    "b| BRPOPLPUSH other moved 0",
    "wait: 1",
    "c| BLMPOP 0 2 none other LEFT COUNT 5",
    "wait: 2",
    "MULTI",
    "RPUSH list 4",
    "RPUSH other 4 5 6 7",
    "EXEC",
    "wait: 0",
    "b| BZPOPMIN none zset 0",
    "wait: 1",
    "c| BZPOPMAX zset 0",
    "wait: 2",
    "d| BZMPOP 0 1 zset MIN COUNT 3",
    "wait: 3",
    "ZADD zset 1 a 2 b 3 c 4 d 5 e 6 f",
    "wait: 0",
    "XGROUP CREATE stream g $ MKSTREAM",
    "XGROUP CREATECONSUMER stream g c",
    "b| XREADGROUP GROUP g c BLOCK 0 STREAMS stream >",
    "wait: 1",
    "XADD stream 5-1 f v",
    "wait: 0",
    "b| XREADGROUP GROUP g c BLOCK 0 NOACK STREAMS stream >",
    "wait: 1",
    "MULTI",
    "XADD stream 6-1 f v",
    "XADD stream 6-2 f v",
    "EXEC",
    "wait: 0",
    "b| SELECT 4",
    "b| BLPOP list 0",
    "wait: 1",
    "SELECT 4",
    "LPUSH list x",
    "wait: 0",
    "b| BLPOP dest 0",
    "wait: 1",
    "RPUSH a 2 1",
    "SORT a STORE dest",
    "wait: 0",
    "DEL dest",
    "b| BRPOP dest 0",
    "wait: 1",
    "RPUSH src 1",
    "RENAME src dest",
    "wait: 0",
  ]);
});

redisTest("A key found expired goes before the command that found it, with it", async () => {
  const commands = [
    "GET k",
    "SET k w",
    "SET k w NX",
    "SET k w XX",
    "SET k w GET",
    "SET k w EX 100",
    "GETSET k w",
    "GETDEL k",
    "GETEX k PERSIST",
    "SETNX k w",
    "SETEX k 100 w",
    "MSET k w l w",
    "MSETNX k w m w",
    "APPEND k w",
    "INCR k",
    "INCRBYFLOAT k 1.5",
    "STRLEN k",
    "UNLINK k j2",
    "EXISTS k",
    "TOUCH k",
    "TYPE k",
    "TTL k",
    "EXPIRE k 1",
    "PERSIST k",
    "RENAME k z",
    "RENAMENX j k",
    "RENAMENX k j",
    "COPY j k",
    "COPY k q",
    "RENAME j k",
    "RENAME k j",
    "OBJECT ENCODING k",
    "MOVE k 1",
    "LPUSH k v",
    "LPUSHX k v",
    "BLPOP k j2 l2 1",
    "RPOP k",
    "HSET k f v",
    "SADD k a",
    "SUNIONSTORE d k",
    "SUNIONSTORE k d",
    "ZADD k 1 a",
    "PFADD k a",
    "PFMERGE k d",
    "XADD k 1-1 f v",
    "SORT k STORE d",
    "SORT nokey STORE k",
    "SINTERSTORE k nokey",
    "ZUNIONSTORE k 1 nokey",
    "ZRANGESTORE k nokey 0 1",
    "GEOSEARCHSTORE k nokey FROMLONLAT 1 1 BYRADIUS 1 km",
    "GEORADIUS nokey 1 1 1 km STORE k",
    "BITOP NOT k nokey",
    "ZADD z 1 a",
    "ZRANGESTORE k z 0 1",
    "SADD s a",
    "SUNIONSTORE k s",
    "RPUSH l3 a",
    "SORT l3 BY nosort STORE k",
    "BITOP NOT k j",
    "SETBIT k 1 0",
    "SETRANGE k 1 x",
    "SCAN 0",
    "KEYS *",
    "DBSIZE",
    "FLUSHDB",
    "SWAPDB 0 0",
  ];
  await comparePropagation([
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "SET j v",
    ...commands.flatMap((command) => ["SET k v PX 1", "pass: 3", command, "DEL k"]),
  ]);
});

redisTest("Keys found expired by one command or transaction go together", async () => {
  await comparePropagation([
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "SET a v PX 1",
    "SET b v PX 1",
    "SET c v PX 1",
    "pass: 3",
    "MGET a b c",
    "MULTI",
    "SET a v PX 1",
    "SET b v PX 1",
    "EXEC",
    "pass: 3",
    "MULTI",
    "GET a",
    "INCR b",
    "EXEC",
    "SET a v PX 1",
    "pass: 3",
    "MULTI",
    "GET a",
    "EXEC",
    "SELECT 2",
    "SET a v PX 1",
    "SELECT 1",
    "SET a v",
    "pass: 3",
    "MOVE a 2",
    "COPY a a DB 3",
    "SELECT 2",
    "GET a",
    "CONFIG SET lazyfree-lazy-expire yes",
    "SET a v PX 1",
    "pass: 3",
    "GET a",
    "SET a v PX 1",
    "pass: 3",
    "WATCH a",
    "MULTI",
    "SET k v",
    "EXEC",
    // So long that it has not passed when the key is watched.
    "SET a v PX 1500",
    "WATCH a",
    "pass: 1600",
    "MULTI",
    "SET k v",
    "EXEC",
  ]);
});

redisTest("A key whose time comes is sent as removed", async () => {
  await using pair = await StreamPair.start();
  const ways = [
    ["DEL", "SELECT 0"],
    ["UNLINK", "CONFIG SET lazyfree-lazy-expire yes", "SELECT 3"],
  ] as const;
  for (const [removal, ...before] of ways) {
    // At once: whether it goes before a question that comes between is a matter of the moment.
    const { redis, redino } = await pair.say([...before, "SET k v PX 30", "empty: "]);
    assertEquals(redino, redis);
    assertEquals(redino.filter(([, key]) => key === "k").at(-1), [removal, "k"]);
  }
});

redisTest("Keys that are evicted are sent as removed", async () => {
  await comparePropagation([
    "SET a v",
    "CONFIG SET maxmemory-policy allkeys-random",
    "CONFIG SET maxmemory 1",
    "SET b v",
    "CONFIG SET maxmemory 0",
    "SELECT 2",
    "SET b v",
    "CONFIG SET lazyfree-lazy-eviction yes",
    "CONFIG SET maxmemory 1",
    "CONFIG SET maxmemory 0",
  ]);
});

redisTest("Nothing is removed while clients are paused", async () => {
  await using pair = await startPair({ config: { "maxmemory-policy": "allkeys-random" } });
  await compare(pair, [
    ["SET", "j", "v"],
    ["CLIENT", "PAUSE", 100_000, "WRITE"],
    ["CONFIG", "SET", "maxmemory", 1],
    ["GET", "j"],
    ["DBSIZE"],
    ["CONFIG", "SET", "maxmemory", 0],
    ["CLIENT", "UNPAUSE"],
    ["MULTI"],
    ["SET", "k", "v", "PX", 20],
    ["CLIENT", "PAUSE", 100_000, "WRITE"],
    ["EXEC"],
  ]);
  for (const client of [pair.redis, pair.redino]) {
    await eventually(async () => await client.ask("GET", "k") === "nil$");
  }
  await compare(pair, [["EXISTS", "k", "j"], ["DBSIZE"], ["CLIENT", "UNPAUSE"]]);
  for (const client of [pair.redis, pair.redino]) {
    await eventually(async () => await client.ask("DBSIZE") === ":1");
  }
});
