/** The notation of command arguments: each sign by hand, and many commands against COMMAND DOCS. */
import { assertEquals, assertThrows } from "@std/assert";
import { type Argument, parseSyntax } from "../lib/commands/syntax.ts";
import { startRedis } from "./support/redis.ts";
import { type Reply, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

Deno.test("a syntax of nothing has no arguments", () => {
  assertEquals(parseSyntax(""), []);
});

Deno.test("a value has a name, a type, and a display text that is its name", () => {
  assertEquals(parseSyntax("seconds:integer at:unix-time"), [
    { name: "seconds", type: "integer", displayText: "seconds", flags: [] },
    { name: "at", type: "unix-time", displayText: "at", flags: [] },
  ]);
});

Deno.test("a value may have a token and another display text", () => {
  assertEquals(parseSyntax('[BY by-pattern/pattern:pattern#1] addr/"ip:port":string'), [
    {
      name: "by-pattern",
      token: "BY",
      type: "pattern",
      displayText: "pattern",
      keySpecIndex: 1,
      flags: ["optional"],
    },
    { name: "addr", type: "string", displayText: "ip:port", flags: [] },
  ]);
});

Deno.test("a key belongs to key specification 0 unless it says otherwise", () => {
  assertEquals(parseSyntax("from:key to:key#1").map((argument) => argument.keySpecIndex), [0, 1]);
});

Deno.test("a word alone is a token, named as it says or after itself", () => {
  const token = { type: "pure-token", flags: [] } as const;
  assertEquals(parseSyntax('NO ONE change=CH equal="=" none="" get=GET x:string'), [
    { name: "no", displayText: "no", token: "NO", ...token },
    { name: "one", displayText: "one", token: "ONE", ...token },
    { name: "change", displayText: "change", token: "CH", ...token },
    { name: "equal", displayText: "equal", token: "=", ...token },
    { name: "none", displayText: "none", token: "", ...token },
    { name: "get", displayText: "get", token: "GET", ...token },
    { name: "x", type: "string", displayText: "x", flags: [] },
  ]);
});

Deno.test("a word before an optional argument is no token of it", () => {
  assertEquals(parseSyntax("RESET [seed:integer]").map((argument) => argument.name), [
    "reset",
    "seed",
  ]);
});

Deno.test("brackets and dots say optional, multiple, and token repeated", () => {
  const flags = (text: string) => parseSyntax(text)[0]!.flags;
  assertEquals(flags("x:string"), []);
  assertEquals(flags("x:string..."), ["multiple"]);
  assertEquals(flags("[x:string]"), ["optional"]);
  assertEquals(flags("[x:string...]"), ["optional", "multiple"]);
  assertEquals(flags("[T x:string]..."), ["optional", "multiple", "multiple_token"]);
});

Deno.test("versions follow an argument", () => {
  const [first, second, third] = parseSyntax("a:string@6.2.0!7.0.0... b:string!2.8.12 [GET@6.2.0]");
  assertEquals([first!.since, first!.deprecatedSince], ["6.2.0", "7.0.0"]);
  assertEquals(first!.flags, ["multiple"]);
  assertEquals([second!.since, second!.deprecatedSince], [undefined, "2.8.12"]);
  assertEquals([third!.since, third!.token], ["6.2.0", "GET"]);
});

Deno.test("alternatives and blocks nest", () => {
  const [outer] = parseSyntax("[LIMIT limit:(ALL|range:{offset:integer count:integer})@7.0.0...]");
  assertEquals(outer, {
    name: "limit",
    token: "LIMIT",
    type: "oneof",
    since: "7.0.0",
    flags: ["optional", "multiple"],
    arguments: [
      { name: "all", type: "pure-token", displayText: "all", token: "ALL", flags: [] },
      {
        name: "range",
        type: "block",
        flags: [],
        arguments: [
          { name: "offset", type: "integer", displayText: "offset", flags: [] },
          { name: "count", type: "integer", displayText: "count", flags: [] },
        ],
      },
    ],
  });
});

Deno.test("a syntax with a mistake is refused, and shows where", () => {
  for (
    const text of [
      "key:",
      "key:kei",
      "[key:key",
      "key:key]",
      "a:(A|B",
      "a:{b:string",
      "a:string  b:string",
      "a:string@",
      "a:string#x",
      "a:string ",
      "}",
      "=A",
    ]
  ) {
    assertThrows(() => parseSyntax(text), Error, "▸", text);
  }
});

/** Arguments as Redis 7.0 describes them, which has no display text. */
const SYNTAX: Record<string, string> = {
  "get": "key:key",
  "set":
    "key:key value:string [condition:(NX|XX)@2.6.12] [GET@6.2.0] [expiration:(EX seconds:integer@2.6.12|PX milliseconds:integer@2.6.12|EXAT unix-time-seconds:unix-time@6.2.0|PXAT unix-time-milliseconds:unix-time@6.2.0|KEEPTTL@6.0.0)]",
  "getex":
    "key:key [expiration:(EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|PERSIST)]",
  "mset": "key_value:{key:key value:string}...",
  "copy": "source:key destination:key#1 [DB destination-db:integer] [REPLACE]",
  "sort":
    "key:key [BY pattern:pattern#1] [LIMIT offset_count:{offset:integer count:integer}] [GET pattern:pattern#1]... [order:(ASC|DESC)] [sorting=ALPHA] [STORE destination:key#2]",
  "scan": "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type:string@6.0.0]",
  "expire": "key:key seconds:integer [condition:(NX|XX|GT|LT)@7.0.0]",
  "migrate":
    'host:string port:integer key_or_empty_string:(key:key|empty_string="") destination-db:integer timeout:integer [COPY@3.0.0] [REPLACE@3.0.0] [authentication:([AUTH password:string@4.0.7]|[AUTH2 username_password:{username:string password:string}@6.0.0])] [KEYS key:key#1@3.0.6...]',
  "restore":
    "key:key ttl:integer serialized-value:string [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME seconds:integer@5.0.0] [FREQ frequency:integer@5.0.0]",
  "bitfield":
    "key:key [operation:(GET encoding_offset:{encoding:string offset:integer}|write:{[OVERFLOW wrap_sat_fail:(WRAP|SAT|FAIL)] write_operation:(SET encoding_offset_value:{encoding:string offset:integer value:integer}|INCRBY encoding_offset_increment:{encoding:string offset:integer increment:integer})})...]",
  "bitfield_ro": "key:key [GET encoding_offset:{encoding:string offset:integer}]...",
  "bitcount": "key:key [index:{start:integer end:integer [index_unit:(BYTE|BIT)@7.0.0]}]",
  "bitop": "operation:string destkey:key key:key#1...",
  "georadius":
    "key:key longitude:double latitude:double radius:double unit:(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count:{COUNT count:integer [ANY@6.2.0]}] [order:(ASC|DESC)] [STORE key:key#1] [STOREDIST key:key#2]",
  "geosearch":
    "key:key from:(FROMMEMBER member:string|FROMLONLAT longitude_latitude:{longitude:double latitude:double}) by:(circle:{BYRADIUS radius:double unit:(M|KM|FT|MI)}|box:{BYBOX width:double height:double unit:(M|KM|FT|MI)}) [order:(ASC|DESC)] [count:{COUNT count:integer [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]",
  "geoadd":
    "key:key [condition:(NX|XX)@6.2.0] [change=CH@6.2.0] longitude_latitude_member:{longitude:double latitude:double member:string}...",
  "zadd":
    "key:key [condition:(NX|XX)@3.0.2] [comparison:(GT|LT)@6.2.0] [change=CH@3.0.2] [increment=INCR@3.0.2] score_member:{score:double member:string}...",
  "zrange":
    "key:key start:string stop:string [sortby:(BYSCORE|BYLEX)@6.2.0] [REV@6.2.0] [LIMIT offset_count:{offset:integer count:integer}@6.2.0] [WITHSCORES]",
  "zrangestore":
    "dst:key src:key#1 min:string max:string [sortby:(BYSCORE|BYLEX)] [REV] [LIMIT offset_count:{offset:integer count:integer}]",
  "zunionstore":
    "destination:key numkeys:integer key:key#1... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)]",
  "zinter":
    "numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)] [WITHSCORES]",
  "zmpop": "numkeys:integer key:key... where:(MIN|MAX) [COUNT count:integer]",
  "zdiff": "numkeys:integer key:key... [WITHSCORES]",
  "blmpop": "timeout:double numkeys:integer key:key... where:(LEFT|RIGHT) [COUNT count:integer]",
  "lpos":
    "key:key element:string [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
  "lcs": "key1:key key2:key [LEN] [IDX] [MINMATCHLEN len:integer] [WITHMATCHLEN]",
  "linsert": "key:key where:(BEFORE|AFTER) pivot:string element:string",
  "xadd":
    'key:key [NOMKSTREAM@6.2.0] [trim:{strategy:(MAXLEN|MINID@6.2.0) [operator:(equal="="|approximately=~)] threshold:string [LIMIT count:integer@6.2.0]}] id_or_auto:(auto_id=*|id:string) field_value:{field:string value:string}...',
  "xtrim":
    'key:key trim:{strategy:(MAXLEN|MINID@6.2.0) [operator:(equal="="|approximately=~)] threshold:string [LIMIT count:integer@6.2.0]}',
  "xread":
    "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS streams:{key:key... id:string...}",
  "xreadgroup":
    "GROUP group_consumer:{group:string consumer:string} [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] STREAMS streams:{key:key... id:string...}",
  "xclaim":
    "key:key group:string consumer:string min-idle-time:string id:string... [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID id:string]",
  "xautoclaim":
    "key:key group:string consumer:string min-idle-time:string start:string [COUNT count:integer] [JUSTID]",
  "xpending":
    "key:key group:string [filters:{[IDLE min-idle-time:integer@6.2.0] start:string end:string count:integer [consumer:string]}]",
  "xgroup|create":
    "key:key groupname:string id:(id:string|new_id=$) [MKSTREAM] [ENTRIESREAD entries_read:integer]",
  "xinfo|stream": "key:key [FULL full:{[COUNT count:integer]}]",
  "hello":
    "[arguments:{protover:integer [AUTH username_password:{username:string password:string}] [SETNAME clientname:string]}]",
  "auth": "[username:string@6.0.0] password:string",
  "client|kill":
    'filter:("ip:port":string!2.8.12|new-format:([ID client-id:integer@2.8.12]|[TYPE normal_master_slave_pubsub:(NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)@2.8.12]|[USER username:string]|[ADDR "ip:port":string]|[LADDR "ip:port":string@6.2.0]|[SKIPME "yes/no":string])...)',
  "client|list":
    "[TYPE normal_master_replica_pubsub:(NORMAL|MASTER|REPLICA|PUBSUB)@5.0.0] [ID id:{client-id:integer...}@6.2.0]",
  "client|tracking":
    "status:(ON|OFF) [REDIRECT client-id:integer] [PREFIX prefix:string]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
  "client|reply": "on_off_skip:(ON|OFF|SKIP)",
  "client|caching": "mode:(YES|NO)",
  "config|get": "parameter:{parameter:string}...",
  "config|set": "parameter_value:{parameter:string value:string}...",
  "command|list":
    "[FILTERBY filterby:(MODULE module-name:string|ACLCAT category:string|PATTERN pattern:pattern)]",
  "module|loadex":
    "path:string [CONFIG configs:{name:string value:string}]... [ARGS args:{arg:string}...]",
  "function|list": "[LIBRARYNAME library-name-pattern:string] [WITHCODE]",
  "eval": "script:string numkeys:integer [key:key...] [arg:string...]",
  "fcall": "function:string numkeys:integer [key:key...] [arg:string...]",
  "subscribe": "channel:string...",
  "pubsub|channels": "[pattern:pattern]",
  "acl|setuser": "username:string [rule:string...]",
  "failover":
    "[TO target:{host:string port:integer [FORCE]}] [ABORT] [TIMEOUT milliseconds:integer]",
  "slaveof": "args:(host-port:{host:string port:integer}|no-one:{NO ONE})",
  "replicaof": "args:(host-port:{host:string port:integer}|no-one:{NO ONE})",
  "shutdown": "[nosave_save:(NOSAVE|SAVE)] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
  "cluster|setslot":
    "slot:integer subcommand:(IMPORTING node-id:string|MIGRATING node-id:string|NODE node-id:string|STABLE)",
  "memory|usage": "key:key [SAMPLES count:integer]",
  "lolwut": "[VERSION version:integer]",
  "debug": "",
  "ping": "[message:string]",
  "latency|graph": "event:string",
  "psync": "replicationid:string offset:integer",
  "spop": "key:key [count:integer@3.2.0]",
  "srandmember": "key:key [count:integer@2.6.0]",
  "hrandfield": "key:key [options:{count:integer [WITHVALUES]}]",
  "zrangebylex":
    "key:key min:string max:string [LIMIT offset_count:{offset:integer count:integer}]",
};

type Plain = string | number | bigint | Plain[] | { [name: string]: Plain };

/** A reply as plain values. */
function plain(reply: Reply): Plain {
  switch (reply.type) {
    case "map":
      return Object.fromEntries(reply.entries.map(([key, value]) => [plain(key), plain(value)]));
    case "array":
    case "set":
      return reply.items.map(plain);
    case "integer":
      return reply.value;
    case "bulk":
    case "simple":
      return reply.text;
    default:
      throw new Error(`COMMAND DOCS replied a ${reply.type}`);
  }
}

/** An argument as the map that COMMAND DOCS makes of it. */
function described(argument: Argument): Plain {
  return {
    name: argument.name,
    type: argument.type,
    ...(argument.keySpecIndex !== undefined && { key_spec_index: argument.keySpecIndex }),
    ...(argument.token !== undefined && { token: argument.token }),
    ...(argument.since !== undefined && { since: argument.since }),
    ...(argument.deprecatedSince !== undefined && { deprecated_since: argument.deprecatedSince }),
    ...(argument.flags.length > 0 && { flags: [...argument.flags] }),
    ...(argument.arguments !== undefined && { arguments: argument.arguments.map(described) }),
  };
}

redisTest("the notation describes arguments as COMMAND DOCS does", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port, { protocol: 3 });
  for (const [name, text] of Object.entries(SYNTAX)) {
    const docs = plain(await client.send("COMMAND", "DOCS", name)) as Record<
      string,
      { arguments?: Plain }
    >;
    assertEquals(parseSyntax(text).map(described), docs[name]?.arguments ?? [], name);
  }
});
