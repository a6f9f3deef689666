/** What replicas are sent, held against what redis-server sends its own. */
import { assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { comparePropagation, propagatedBy, ReplicaStream } from "./support/replica_stream.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const FAR_MS = "99999999999000";
const FAR_S = "99999999999";
const PAYLOAD = "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce";

redisTest("SET and its kin send replicas when the key expires, and no options", async () => {
  await comparePropagation([
    "set k v",
    "SET k v",
    "SET k v EX 100",
    "SET k v px 100000",
    `SET k v EXAT ${FAR_S}`,
    `SET k v PXAT ${FAR_MS}`,
    `SET k v PXAT ${FAR_MS} NX`,
    `SET k v XX PXAT ${FAR_MS}`,
    `SET k v PXAT ${FAR_MS} XX GET`,
    "SET k v EX 100 GET",
    "SET k v PXAT 1",
    "SET k v NX",
    "SET k v NX",
    "SET k v XX",
    "SET nokey v XX",
    "SET k v KEEPTTL",
    "SET k v get",
    "set k v GET get KEEPTTL",
    "SET k v GET XX",
    "SET k v NX GET",
    "SET new v nx GET",
    "LPUSH list a",
    "SET list v GET",
    "SET list v EX 0",
    "SET list v FOO",
    "SETEX k 100 v",
    "setex k 0 v",
    "psetex k 100000 v",
    "SETNX k v",
    "SETNX k2 v",
    "GETSET k w",
    "getset k3 w",
    "GETSET h w",
    "MSET a 1 b 2",
    "MSETNX a 1 c 2",
    "MSETNX c 1 d 2",
    "GETDEL a",
    "GETDEL a",
    "GETDEL list",
    "GET k",
  ]);
});

redisTest("GETEX sends replicas what it did to the expiry", async () => {
  await comparePropagation([
    "SET k v",
    "GETEX k",
    "GETEX k EX 100",
    "GETEX k px 100000",
    `GETEX k EXAT ${FAR_S}`,
    `GETEX k PXAT ${FAR_MS}`,
    "getex k persist",
    "GETEX k PERSIST",
    "GETEX nokey EX 100",
    "GETEX k EX 0",
    "GETEX k PXAT 1000",
    "GETEX k PXAT 1000",
    "CONFIG SET lazyfree-lazy-expire yes",
    "SET k v",
    "GETEX k EXAT 1",
    "CONFIG SET lazyfree-lazy-user-del yes",
    "SET k v",
    "GETDEL k",
    "SET k v",
    "DEL k",
    "UNLINK k",
  ]);
});

redisTest("EXPIRE and its kin send replicas a time, or the removal", async () => {
  await comparePropagation([
    // What expires is removed by the next command that meets it, not by itself at any moment.
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "EXPIRE k 10",
    "SET k v",
    "EXPIRE k 100",
    "expire k 100 nx",
    "EXPIRE k 200 XX GT",
    "EXPIRE k 100 LT",
    "EXPIRE k 100 FOO",
    "pexpire k 300000 gt",
    "PEXPIRE k 1",
    "pass: 5",
    "SET k v",
    `expireat k ${FAR_S}`,
    `PEXPIREAT k ${FAR_MS} GT`,
    `pexpireat k ${FAR_MS}`,
    "PERSIST k",
    "PERSIST k",
    "EXPIRE k -1",
    "SET k v",
    "EXPIREAT k 1",
    "SET k v",
    "PEXPIREAT k 0",
    "CONFIG SET lazyfree-lazy-expire yes",
    "SET k v",
    "PEXPIRE k 0",
  ]);
});

redisTest("Counters of floats send replicas their result", async () => {
  await comparePropagation([
    "INCR n",
    "incrby n 5",
    "DECRBY n 7",
    "DECR n",
    "INCRBY n 0",
    "INCRBY n x",
    "SET f 10 EX 100",
    "INCRBYFLOAT f 1.5",
    "incrbyfloat f 1e2",
    "INCRBYFLOAT f 0",
    "INCRBYFLOAT new 3.0e-3",
    "INCRBYFLOAT f x",
    "HINCRBY h f 3",
    "HINCRBYFLOAT h f 1.5",
    "hincrbyfloat h g -0.25",
    "HINCRBYFLOAT h f x",
  ]);
});

redisTest(
  "Commands on strings and bits are sent as they are where they change something",
  async () => {
    await comparePropagation([
      "APPEND k v",
      'APPEND k ""',
      "SETRANGE k 3 abc",
      'SETRANGE k 0 ""',
      'SETRANGE nokey 0 ""',
      "GETRANGE k 0 -1",
      "SETBIT k 3 1",
      "SETBIT k 3 1",
      "BITFIELD k SET u8 0 5 INCRBY u8 8 1",
      "BITFIELD k GET u8 0",
      "BITFIELD k OVERFLOW FAIL INCRBY u1 0 5",
      "BITOP NOT d k",
      "BITOP AND d k nokey",
      "BITOP NOT d nokey",
      "BITOP NOT d nokey",
      "BITCOUNT k",
      "PFADD p a b c",
      "PFADD p a",
      "PFADD q",
      "PFADD q",
      "PFCOUNT p",
      "PFCOUNT p",
      "PFCOUNT p q",
      "PFMERGE p q",
      "PFMERGE new",
      "PFCOUNT p",
      "PFDEBUG TODENSE p",
      "PFDEBUG TODENSE p",
      "LCS k d",
    ]);
  },
);

redisTest("Commands on keys are sent as they are where they change something", async () => {
  await comparePropagation([
    "SET k v",
    "SET j v",
    "DEL nokey",
    "DEL k nokey",
    "UNLINK j",
    "UNLINK j",
    "SET k v",
    "RENAME k j",
    "RENAME k j",
    "RENAME j j",
    "SET k v",
    "RENAMENX k j",
    "RENAMENX k l",
    "COPY l m",
    "COPY l m",
    "COPY l m REPLACE",
    "COPY l l DB 1",
    "COPY l n DB 2 REPLACE",
    "MOVE l 1",
    "MOVE l 3",
    "TOUCH m",
    "EXISTS m",
    "OBJECT ENCODING m",
    "SWAPDB 0 1",
    "SWAPDB 1 1",
    "SWAPDB 0 99",
    "FLUSHDB",
    "FLUSHDB SYNC",
    "FLUSHALL",
    "flushall async",
    "FLUSHALL foo",
    "DEBUG SLEEP 0",
    "CONFIG SET maxmemory-samples 5",
  ]);
});

redisTest("DEBUG REPLICATE sends replicas what it is given, known or not", async () => {
  await comparePropagation([
    "SET k v",
    "DEBUG REPLICATE set k other",
    "GET k",
    "DEBUG REPLICATE nonsense",
    "DEBUG REPLICATE",
    "SET k w",
  ]);
});

redisTest("RESTORE sends replicas when the key expires, or that it is gone", async () => {
  // What DUMP makes of "v".
  const payload = latin1Bytes(PAYLOAD);
  await comparePropagation([
    ["RESTORE", "k", 0, payload],
    ["RESTORE", "k", 0, payload],
    ["restore", "k", 100_000, payload, "replace", "IDLETIME", 5],
    ["RESTORE", "k", FAR_MS, payload, "REPLACE", "ABSTTL"],
    ["RESTORE", "j", 1000, payload, "ABSTTL"],
    ["RESTORE", "k", 1000, payload, "ABSTTL", "REPLACE"],
    ["RESTORE-ASKING", "j", 100_000, payload],
    ["RESTORE", "j", -1, payload],
    ["RESTORE", "j", 0, "damaged"],
  ]);
});

redisTest(
  "Commands on lists are sent as they are, and those of many forms as LPOP and RPOP",
  async () => {
    await comparePropagation([
      "RPUSH l a b c d e f g h i j k l m n o p",
      "LPUSHX l z",
      "RPUSHX nokey z",
      "LPOP l",
      "rpop l 2",
      "LPOP l 0",
      "LPOP nokey",
      "LMPOP 1 l RIGHT COUNT 2",
      "lmpop 2 nokey l left",
      "LMPOP 1 nokey LEFT",
      "LMOVE l m left RIGHT",
      "LMOVE nokey m LEFT RIGHT",
      "RPOPLPUSH l m",
      "RPOPLPUSH l l",
      "BLPOP nokey l 0",
      "brpop l 0",
      "BLMPOP 0 2 nokey l LEFT COUNT 2",
      "BLMOVE l m left RIGHT 0",
      "BRPOPLPUSH l m 0",
      "LINSERT l BEFORE h x",
      "LINSERT l BEFORE nothing x",
      "LSET l 0 y",
      "LREM l 0 y",
      "LREM l 0 y",
      "LTRIM l 0 -1",
      "LTRIM l 1 -1",
      "LTRIM l 5 1",
      "LMPOP 1 m LEFT COUNT 100",
      "RPUSH l 3 1 2",
      "SORT l",
      "SORT l STORE d",
      "SORT d BY nosort GET # STORE d",
      "SORT nokey STORE d",
      "SORT nokey STORE d",
    ]);
  },
);

redisTest(
  "Commands on hashes and sets are sent as they are where they change something",
  async () => {
    await comparePropagation([
      "HSET h a 1 b 2",
      "HSET h a 1",
      "HMSET h c 3",
      "HSETNX h a 1",
      "HSETNX h d 1",
      "HDEL h d x",
      "HDEL h x",
      "HDEL h a b c",
      "HRANDFIELD h",
      "SADD s a b c",
      "SADD s a",
      "SREM s a x",
      "SREM s x",
      "SMOVE s t b",
      "SMOVE s t b",
      "SMOVE s s c",
      "SUNIONSTORE d s t",
      "SINTERSTORE d s t",
      "SINTERSTORE d s t",
      "SDIFFSTORE d s t",
      "SRANDMEMBER s 2",
      "SREM s c",
    ]);
  },
);

/** SPOP's members, hidden: they are chosen at random. */
function withoutMembers(command: readonly string[]): readonly string[] {
  return command[0] === "SREM" ? command.map((word, i) => i < 2 ? word : "*") : command;
}

redisTest("SPOP sends replicas which members it took, or that all are gone", async () => {
  const many = Array.from({ length: 40 }, (_, i) => `m${i}`).join(" ");
  await comparePropagation([
    `SADD s ${many}`,
    "SPOP s",
    "spop s 1",
    "SPOP s 0",
    "SPOP nokey",
    "SPOP nokey 3",
    "SPOP s 100",
    "SADD s a",
    "SPOP s",
    "SADD i 1 2 3",
    "SPOP i 3",
  ], withoutMembers);
});

// Redis 7.0 sends DEL.
Deno.test("SPOP sends replicas UNLINK for the last members where removals are lazy", async () => {
  const told = await propagatedBy([
    "CONFIG SET lazyfree-lazy-server-del yes",
    "SADD s 1 2 3",
    "SPOP s 4",
  ]);
  assertEquals(told.slice(-1), [["UNLINK", "s"]]);
});

// Redis 7.0 sends a command a member, 7.2 one for up to 1024.
Deno.test("SPOP sends replicas many members in few commands, together", async () => {
  for (const size of [2600, 20_000]) {
    const members = Array.from({ length: size }, (_, i) => `m${i}`);
    const told = await propagatedBy([["SADD", "s", ...members], "SPOP s 2500"]);
    const removals = told.slice(2, -1);
    assertEquals([told[1], told.at(-1)], [["MULTI"], ["EXEC"]]);
    assertEquals(removals.map((command) => command.length), [1026, 1026, 454]);
    assertEquals(new Set(removals.flatMap((command) => command.slice(2))).size, 2500);
    for (const command of removals) assertEquals(command.slice(0, 2), ["SREM", "s"]);
  }
});

Deno.test("SPOP that ends by a bug leaves no member to be sent with the next one's key", async () => {
  let left = Infinity;
  const random = () => {
    if (--left === 0) throw new TypeError("no chance");
    return 0.5;
  };
  await using server = await serve({ port: 0, save: "", random, "repl-diskless-sync-delay": 0 });
  using client = await RespClient.connect(server.port);
  await client.send("SADD", "s", "a", "b", "c", "d", "e");
  await client.send("SADD", "t", "x", "y");
  using stream = await ReplicaStream.attach(server.port);
  left = 3;
  await client.post("SPOP", "s", 3);
  await client.readToEnd();
  using other = await RespClient.connect(server.port);
  const member = await other.ask("SPOP", "t");
  const told = await stream.upToNow();
  assertEquals(told.at(-1), ["SREM", "t", JSON.parse(member)]);
});

redisTest(
  "Commands on sorted sets are sent as they are, and those of many forms as ZPOPMIN and ZPOPMAX",
  async () => {
    await comparePropagation([
      "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i",
      "ZADD z 1 a",
      "ZADD z XX CH 2 a",
      "ZADD z GT CH 1 a",
      "ZADD z INCR 1.5 a",
      "ZADD z NX INCR 1.5 a",
      "ZINCRBY z 1.5 a",
      "ZREM z a x",
      "ZREM z x",
      "ZPOPMIN z",
      "zpopmax z 2",
      "ZPOPMIN z 0",
      "ZMPOP 2 nokey z MIN COUNT 2",
      "ZMPOP 1 z max",
      "ZMPOP 1 nokey MAX",
      "BZPOPMIN nokey z 0",
      "bzpopmax z 0",
      "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i",
      "BZMPOP 0 1 z MAX COUNT 3",
      "ZRANGESTORE d z 0 1",
      "ZRANGESTORE d nokey 0 1",
      "ZRANGESTORE d nokey 0 1",
      "ZUNIONSTORE d 2 z nokey WEIGHTS 2 1",
      "ZINTERSTORE d 2 z nokey",
      "ZDIFFSTORE d 2 z nokey",
      "ZREMRANGEBYRANK z 0 0",
      "ZREMRANGEBYRANK z 10 20",
      "ZREMRANGEBYSCORE z 2 3",
      "ZREMRANGEBYLEX z [a [b",
      "ZMPOP 1 z MIN COUNT 100",
    ]);
  },
);

redisTest("GEOADD is sent as ZADD", async () => {
  await comparePropagation([
    "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOADD g 13.361389 38.115556 Palermo",
    "geoadd g nx CH 13.4 38.2 Palermo 13.5 38.3 new",
    "GEOADD g XX CH 13.4 38.2 Palermo",
    "GEOADD g 13.4 100 Palermo",
    "GEOADD g -180 -85 a 180 85 b 0 0 c",
    "GEORADIUS g 13 38 200 km STORE d",
    "GEORADIUS g 13 38 200 km",
    "GEORADIUSBYMEMBER g Palermo 200 km STOREDIST d",
    "GEORADIUS nokey 13 38 200 km STORE d",
    "GEOSEARCHSTORE d g FROMMEMBER Palermo BYRADIUS 100 km ASC COUNT 1",
    "GEOSEARCHSTORE d nokey FROMLONLAT 1 1 BYRADIUS 1 km",
    "GEOSEARCHSTORE d nokey FROMLONLAT 1 1 BYRADIUS 1 km",
  ]);
});
