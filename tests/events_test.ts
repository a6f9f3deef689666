/**
 * Every command that fires keyspace events, in every way in which it does, with each class of
 * `notify-keyspace-events` alone: which events there are, of which class, for which keys, in which
 * order, by redis-server's word.
 */
import { compareConversation, type Line } from "./support/conversation.ts";
import { redisTest } from "./support/skip.ts";

/** By the class that most of their events have; each part empties the server at its end. */
const COMMANDS: Readonly<Record<string, string>> = {
  string: `
    SET k 1
    SET k 1 EX 100
    SET k 2 KEEPTTL
    SET k 3 NX
    SET k 3 XX GET
    SET k 3 PXAT 99999999999999
    GETSET k 4
    SETNX k 5
    SETNX new 5
    SETEX k 100 v
    PSETEX k 100000 v
    GETEX k
    GETEX k EX 50
    GETEX k PXAT 99999999999999
    GETEX k PERSIST
    GETEX k PERSIST
    GETEX k EXAT 1
    GETDEL new
    GETDEL new
    MSET a 1 b 2 a 3
    MSETNX a 1 c 2
    MSETNX c 1 d 2
    INCR n
    INCRBY n 5
    DECR n
    DECRBY n 3
    INCRBYFLOAT n 1.5
    APPEND a xyz
    SETRANGE a 3 q
    SETRANGE none 0 ""
    SETRANGE far 5 q
    SETBIT bits 7 1
    BITFIELD bits SET u8 0 255 INCRBY u8 0 1 GET u8 0
    BITFIELD bits GET u8 0
    BITFIELD bits OVERFLOW FAIL INCRBY u2 0 9
    BITFIELD_RO bits GET u8 0
    BITOP NOT bits2 bits
    BITOP AND bits2 nothing
    BITOP AND bits2 nothing
    PFADD hll a b
    PFADD hll a b
    PFADD empty
    PFMERGE hll2 hll
    PFMERGE hll2
    PFCOUNT hll
    LCS a b
    SUBSTR a 0 1
    STRLEN nothing
    GET nothing
    MGET a nothing b
  `,
  generic: `
    SET k v
    EXPIRE k 100
    EXPIRE k 50 GT
    PEXPIRE k 100000 LT
    EXPIREAT k 99999999999
    PEXPIREAT k 99999999999999
    PERSIST k
    PERSIST k
    EXPIRE nothing 5
    EXPIRE k -1
    SET k v
    PEXPIREAT k 1
    SET k v
    RENAME k k2
    RENAME k2 k2
    SET other v
    RENAME k2 other
    RENAMENX other k
    SET other v
    RENAMENX other k
    COPY k copied
    COPY k copied
    COPY k copied REPLACE
    COPY k copied DB 3
    MOVE k 3
    MOVE copied 3
    MOVE nothing 3
    SET k v
    DEL k nothing
    UNLINK copied nothing
    RPUSH list 3 1 2
    SORT list STORE sorted
    SORT nothing STORE sorted
    SORT nothing STORE sorted
    SORT_RO list
    TOUCH list
    EXISTS nothing
    TYPE nothing
    TTL nothing
    OBJECT ENCODING nothing
    DUMP nothing
    SWAPDB 0 3
    SWAPDB 0 3
    SELECT 3
    DEL copied
    SELECT 0
  `,
  list: `
    LPUSH l a b
    RPUSH l c
    LPUSHX l d
    RPUSHX l e
    LPUSHX nothing d
    LINSERT l BEFORE a x
    LINSERT l AFTER nothing x
    LSET l 0 y
    LREM l 1 x
    LREM l 1 nothing
    LTRIM l 0 2
    LPOP l
    RPOP l
    LPOP l 5
    LPOP l
    RPUSH l a b c d e f
    RPOP l 2
    LPOP l 0
    LMOVE l l2 LEFT RIGHT
    LMOVE l l LEFT RIGHT
    RPOPLPUSH l l2
    BLMOVE l l2 RIGHT LEFT 0
    BRPOPLPUSH l l2 0
    LMPOP 2 nothing l2 LEFT COUNT 2
    BLMPOP 0 2 nothing l2 RIGHT
    BLPOP l2 0
    LTRIM l2 5 6
    RPUSH l3 a
    BRPOP l3 0
    LRANGE l3 0 -1
    LLEN l3
    RPUSH l4 x x x
    LREM l4 0 x
    RPUSH l5 a
    RPOPLPUSH l5 l5
    LMOVE l5 l6 LEFT LEFT
  `,
  set: `
    SADD s a
    SADD s a
    SADD s b c d
    SADD t b z
    SREM s a nothing
    SREM nothing a
    SMOVE s t c
    SMOVE s t nothing
    SMOVE s t b
    SMOVE s s d
    SADD one x
    SPOP one
    SPOP one
    SADD one 1 2
    SPOP one 5
    SPOP t 0
    SADD s2 a b
    SADD s3 b c
    SINTERSTORE d s2 s3
    SUNIONSTORE d s2 s3
    SDIFFSTORE d s2 s3
    SDIFFSTORE d s2 s2
    SDIFFSTORE d s2 s2
    SINTERSTORE d s2 nothing
    SINTER s2 nothing
    SINTERCARD 2 s2 nothing
    SISMEMBER nothing a
    SREM s2 a b
  `,
  hash: `
    HSET h a 1 b 2
    HSET h a 1
    HSETNX h a 2
    HSETNX h c 3
    HMSET h d 4
    HINCRBY h a 2
    HINCRBYFLOAT h a 1.5
    HDEL h a nothing
    HDEL h nothing
    HGET nothing a
    HDEL h b c d
    HINCRBY h2 n 1
  `,
  zset: `
    ZADD z 1 a 2 b 3 c
    ZADD z 1 a
    ZADD z XX CH 5 a
    ZADD z NX 5 a
    ZADD z INCR 2 a
    ZADD z XX INCR 2 nothing
    ZADD z GT CH 1 a
    ZINCRBY z 1 b
    ZREM z a nothing
    ZREM z nothing
    ZADD z 4 d 5 e 6 f 7 g 8 h
    ZPOPMIN z
    ZPOPMAX z 2
    ZPOPMIN z 0
    ZPOPMIN nothing
    BZPOPMIN z 0
    BZPOPMAX nothing z 0
    ZMPOP 2 nothing z MIN
    BZMPOP 0 2 nothing z MAX COUNT 9
    ZADD z 0 a 0 b 0 c 1 d 2 e
    ZREMRANGEBYLEX z [a (b
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYSCORE z 1 2
    ZREMRANGEBYSCORE z 1 2
    ZREMRANGEBYRANK z 0 -1
    ZADD z1 1 a 2 b
    ZADD z2 1 b 2 c
    ZUNIONSTORE d 2 z1 z2
    ZINTERSTORE d 2 z1 z2
    ZDIFFSTORE d 2 z1 z2
    ZDIFFSTORE d 2 z1 z1
    ZDIFFSTORE d 2 z1 z1
    ZRANGESTORE d z1 0 -1
    ZRANGESTORE d z1 5 6
    ZRANGESTORE d z1 5 6
    ZSCORE nothing a
    GEOADD g 13 38 a 15 37 b
    GEOADD g CH 13 38 a
    GEORADIUS g 15 37 200 km STORE gs
    GEORADIUS g 15 37 200 km STOREDIST gs
    GEORADIUSBYMEMBER g a 1 m STORE gs
    GEOSEARCHSTORE gs g FROMLONLAT 15 37 BYRADIUS 200 km
    GEOSEARCHSTORE gs g FROMLONLAT 80 80 BYRADIUS 1 km
    GEOSEARCHSTORE gs g FROMLONLAT 80 80 BYRADIUS 1 km
    ZREM z1 a b
  `,
  stream: `
    XADD x 1-1 a 1
    XADD x 1-2 a 1
    XADD x MAXLEN 2 1-3 a 1
    XADD x MAXLEN 9 1-4 a 1
    XADD x MINID 1-4 1-5 a 1
    XADD nothing NOMKSTREAM 1-1 a 1
    XADD x 2-1 a 1
    XTRIM x MAXLEN 2
    XTRIM x MAXLEN 2
    XDEL x 1-5 7-7
    XDEL x 7-7
    XSETID x 9-9
    XGROUP CREATE x g 0
    XGROUP CREATE made g $ MKSTREAM
    XGROUP SETID x g 0
    XGROUP CREATECONSUMER x g c
    XGROUP CREATECONSUMER x g c
    XREADGROUP GROUP g c STREAMS x >
    XREADGROUP GROUP g c3 STREAMS x 0
    XACK x g 2-1
    XADD x 10-1 a 1
    XREADGROUP GROUP g c STREAMS x >
    XCLAIM x g c4 0 10-1
    XAUTOCLAIM x g c6 0 0
    XPENDING x g
    XGROUP DELCONSUMER x g c
    XGROUP DELCONSUMER x g nothing
    XGROUP DESTROY x g
    XGROUP DESTROY x g
    XREAD STREAMS nothing 0
    XTRIM x MAXLEN 0
    DEL x made
  `,
};

/** Every class on its own, those of which no command fires any included. */
const CLASSES = [..."g$lshzxetmdn"];

function lines(text: string): Line[] {
  return text.trim().split("\n").map((line) => {
    const words = line.trim().split(/ +/);
    return ["b", ...words.map((word) => word === '""' ? "" : word)] as const;
  });
}

for (const [kind, text] of Object.entries(COMMANDS)) {
  redisTest(`Commands on ${kind} keys fire redis-server's events, class by class`, async () => {
    const settings = CLASSES.flatMap((letter): Line[] => [
      ["b", "CONFIG", "SET", "notify-keyspace-events", `E${letter}`],
      ...lines(text),
      ["b", "FLUSHALL"],
    ]);
    await compareConversation({ a: 2, b: 2 }, [
      ["a", "PSUBSCRIBE", "__key*"],
      ...settings,
      ["b", "CONFIG", "SET", "notify-keyspace-events", "KEAmn"],
      ...lines(text),
    ]);
  });
}
