/**
 * COMMAND: its replies, and with them every command's record, held against the real server's.
 *
 * A record is right where COMMAND INFO and COMMAND DOCS say of it what redis-server 7.0 says, but
 * for the wording of summaries, complexities, histories and notes, and for what Redis 7.2 changed:
 * that is in the tables below. Valkey, which is Redis 7.2 grown on, holds those tables in its turn.
 */
import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../lib/bytes/text.ts";
import { COMMANDS } from "../lib/commands/index.ts";
import {
  bitfieldKeys,
  findKeys,
  type FoundKey,
  legacyRange,
  migrateKeys,
  setKeys,
  sortKeys,
  sortReadOnlyKeys,
} from "../lib/commands/keyspecs.ts";
import { type CommandSpec, type FlagName, FLAGS, type KeySpec } from "../lib/commands/spec.ts";
import { Args } from "../lib/resp/args.ts";
import { compare, startPair, unordered } from "./support/differential.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { startRedis } from "./support/redis.ts";
import { redisTest, valkeyTest } from "./support/skip.ts";

/** What Redis 7.2 says otherwise than 7.0.15: the whole field. */
const CHANGED_IN_7_2: Readonly<Record<string, Plain>> = {
  "blmove": { flags: ["write", "denyoom", "blocking"] },
  "blpop": { flags: ["write", "blocking"] },
  "brpop": { flags: ["write", "blocking"] },
  "brpoplpush": { flags: ["write", "denyoom", "blocking"] },
  "bzpopmax": { flags: ["write", "blocking", "fast"] },
  "bzpopmin": { flags: ["write", "blocking", "fast"] },
  "client|pause": { since: "3.0.0" },
  "client|setname": { tips: ["request_policy:all_nodes", "response_policy:all_succeeded"] },
  "command|getkeys": { arity: -3 },
  "command|getkeysandflags": { arity: -3 },
  "config|resetstat": { tips: ["request_policy:all_nodes", "response_policy:all_succeeded"] },
  "config|rewrite": { tips: ["request_policy:all_nodes", "response_policy:all_succeeded"] },
  "georadius_ro": { history: ["6.2.0", "7.0.0"] },
  "georadiusbymember": { history: ["6.2.0", "7.0.0"] },
  "georadiusbymember_ro": { history: ["6.2.0", "7.0.0"] },
  "latency|reset": { tips: ["request_policy:all_nodes", "response_policy:agg_sum"] },
  "msetnx": { tips: [] },
  "psetex": {
    doc_flags: ["deprecated"],
    deprecated_since: "2.6.12",
    replaced_by: "`SET` with the `PX` argument",
  },
  "quit": {
    doc_flags: ["deprecated"],
    deprecated_since: "7.2.0",
    replaced_by: "just closing the connection",
  },
  "randomkey": {
    tips: ["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
  },
  "scan": {
    tips: ["nondeterministic_output", "request_policy:special", "response_policy:special"],
  },
  "setex": {
    doc_flags: ["deprecated"],
    deprecated_since: "2.6.12",
    replaced_by: "`SET` with the `EX` argument",
  },
  "setnx": {
    doc_flags: ["deprecated"],
    deprecated_since: "2.6.12",
    replaced_by: "`SET` with the `NX` argument",
  },
  "wait": { flags: ["blocking"], categories: ["@slow", "@blocking", "@connection"] },
  "zrank": { arity: -3 },
  "zrevrank": { arity: -3 },
};

/** Commands whose arguments 7.2 documents otherwise than by better names, or that have new ones. */
const OTHER_ARGUMENTS_IN_7_2: ReadonlySet<string> = new Set([
  "acl|cat",
  "bitop",
  "client|kill",
  "client|list",
  "command|getkeys",
  "command|getkeysandflags",
  "config|get",
  "geohash",
  "geopos",
  "georadius",
  "georadiusbymember",
  "lcs",
  "migrate",
  "module|loadex",
  "pfmerge",
  "psubscribe",
  "xclaim",
  "xgroup|create",
  "xgroup|createconsumer",
  "xgroup|delconsumer",
  "xgroup|destroy",
  "xgroup|setid",
  "xinfo|consumers",
  "xinfo|stream",
  "xsetid",
  "zrank",
  "zrevrank",
]);

type Plain = string | number | null | Plain[] | { [name: string]: Plain };

/** A reply as plain values. */
function plain(reply: Reply): Plain {
  switch (reply.type) {
    case "map":
      return Object.fromEntries(reply.entries.map(([key, value]) => [plain(key), plain(value)]));
    case "array":
    case "set":
      return reply.items.map(plain);
    case "integer":
      return Number(reply.value);
    case "bulk":
    case "simple":
      return reply.text;
    case "null":
      return null;
    default:
      throw new Error(`COMMAND replied a ${reply.type}`);
  }
}

interface Info {
  readonly [field: string]: Plain;
  readonly keySpecs: { [field: string]: Plain }[];
}

/** What COMMAND says of each command and subcommand, by full name. */
async function infoOf(client: RespClient): Promise<Map<string, Info>> {
  const found = new Map<string, Info>();
  const add = (entry: Plain) => {
    const [name, arity, flags, first, last, step, categories, tips, keySpecs, subcommands] =
      entry as Plain[];
    found.set(name as string, {
      arity: arity!,
      flags: flags!,
      range: [first!, last!, step!],
      categories: categories!,
      tips: tips!,
      // Notes are worded by whoever writes them.
      keySpecs: (keySpecs as { [field: string]: Plain }[]).map((spec) =>
        "notes" in spec ? { ...spec, notes: "…" } : spec
      ),
    });
    (subcommands as Plain[]).forEach(add);
  };
  (plain(await client.send("COMMAND")) as Plain[]).forEach(add);
  return found;
}

type Docs = { readonly [field: string]: Plain };

/** What COMMAND DOCS says of each command and subcommand, by full name. */
async function docsOf(client: RespClient): Promise<Map<string, Docs>> {
  const found = new Map<string, Docs>();
  const add = (all: Plain) => {
    for (const [name, docs] of Object.entries(all as Record<string, Docs>)) {
      found.set(name, docs);
      if (docs.subcommands !== undefined) add(docs.subcommands);
    }
  };
  add(plain(await client.send("COMMAND", "DOCS")));
  return found;
}

/** The differences of one field after another; `changed` wins over `redis`. */
function differences(name: string, redis: Docs, redino: Docs): string[] {
  const changed = CHANGED_IN_7_2[name] as Docs | undefined ?? {};
  const fields = new Set([...Object.keys(redis), ...Object.keys(redino)]);
  const wrong: string[] = [];
  for (const field of fields) {
    const want = JSON.stringify(changed[field] ?? redis[field]);
    const got = JSON.stringify(redino[field]);
    if (want !== got) wrong.push(`${name}: ${field} is ${got}, should be ${want}`);
    if (field in changed && want === JSON.stringify(redis[field])) {
      wrong.push(`${name}: ${field} is no change in 7.2`);
    }
  }
  return wrong;
}

redisTest("COMMAND says of each command what redis-server says", async () => {
  await using redis = await startPair({ protocol: 3 });
  const theirs = await infoOf(redis.redis);
  const wrong: string[] = [];
  for (const [name, info] of await infoOf(redis.redino)) {
    const reference = theirs.get(name);
    if (reference !== undefined) wrong.push(...differences(name, reference, info));
    else if (!sinceOf(name).startsWith("7.2.")) wrong.push(`${name}: unknown to redis-server`);
  }
  assertEquals(wrong, []);
});

redisTest("COMMAND DOCS documents each command as redis-server does, in other words", async () => {
  await using pair = await startPair({ protocol: 3 });
  const theirs = await docsOf(pair.redis);
  const wrong: string[] = [];
  for (const [name, docs] of await docsOf(pair.redino)) {
    const reference = theirs.get(name);
    if (docs.summary === "") wrong.push(`${name}: its summary is empty`);
    if (reference === undefined) continue;
    wrong.push(...differences(name, skeleton(reference), skeleton(docs)));
    if (OTHER_ARGUMENTS_IN_7_2.has(name)) continue;
    const path = `${name}: arguments`;
    wrong.push(...argumentDifferences(path, reference.arguments ?? [], docs.arguments ?? []));
  }
  assertEquals(wrong, []);
});

/** What Valkey 8 says otherwise than Redis 7.2, or what may be 7.2's and may be its own (`?`). */
const VALKEYS_OWN: Readonly<Record<string, readonly string[]>> = {
  "bitcount": ["arguments", "history"],
  "client|kill": ["arguments", "history"],
  "client|list": ["history"],
  "hscan": ["arguments"],
  "multi": ["flags"],
  "shutdown": ["arguments?"],
  "sinterstore": ["keySpecs?"],
  "watch": ["flags"],
  "xread": ["fields?"],
  "zscan": ["arguments", "history"],
};

valkeyTest("COMMAND and COMMAND DOCS say of each command what Valkey says", async () => {
  await using pair = await startPair({ protocol: 3, program: "valkey-server" });
  const wrong: string[] = [];
  const hold = (name: string, valkey: Docs | undefined, redino: Docs) => {
    const own = VALKEYS_OWN[name]?.map((field) => field.replace("?", "")) ?? [];
    for (const field of new Set([...Object.keys(valkey ?? {}), ...Object.keys(redino)])) {
      const [want, got] = [JSON.stringify(valkey?.[field]), JSON.stringify(redino[field])];
      if (want !== got && !own.includes(field)) {
        wrong.push(`${name}: ${field} is ${got}, should be ${want}`);
      }
    }
  };
  const infos = await infoOf(pair.redis);
  for (const [name, info] of await infoOf(pair.redino)) hold(name, infos.get(name), info);
  const docs = await docsOf(pair.redis);
  for (const [name, ours] of await docsOf(pair.redino)) {
    hold(name, comparable(docs.get(name)!), comparable(ours));
  }
  assertEquals(wrong, []);
});

/** A command's documentation without what is wording, and without its subcommands'. */
function comparable(docs: Docs): Docs {
  return { ...skeleton(docs), history: versionsOf(docs), arguments: docs.arguments ?? [] };
}

function sinceOf(fullName: string): string {
  const [name, sub] = fullName.split("|");
  const command: CommandSpec | undefined = COMMANDS.find((spec) => spec.name === name);
  const spec = sub === undefined ? command : command?.subcommands?.find((s) => s.name === sub);
  return spec?.since ?? "";
}

/** What of a command's documentation is no wording, its arguments apart. */
function skeleton(docs: Docs): Docs {
  return {
    fields: Object.keys(docs).filter((field) =>
      ["summary", "since", "group", "complexity"].includes(field)
    ),
    since: docs.since!,
    group: docs.group!,
    doc_flags: docs.doc_flags ?? null,
    deprecated_since: docs.deprecated_since ?? null,
    replaced_by: docs.replaced_by ?? null,
    history: versionsOf(docs).filter((version) => version !== "7.2.0"),
  };
}

/** The versions in which a command changed. */
function versionsOf(docs: Docs): Plain[] {
  return (docs.history as Plain[][] | undefined ?? []).map(([version]) => version!);
}

/**
 * 7.2 gave most arguments of 7.0 better names and keeps the old one of a value for showing it;
 * where neither fits, or anything else differs, the argument is wrong.
 */
function argumentDifferences(path: string, redis: Plain, redino: Plain): string[] {
  const [theirs, ours] = [redis as Docs[], redino as Docs[]];
  if (theirs.length !== ours.length) {
    return [`${path} are ${ours.length}, should be ${theirs.length}`];
  }
  return theirs.flatMap((their, i) => {
    const our = ours[i]!;
    const here = `${path} > ${their.name}`;
    const { name, arguments: theirParts, ...rest } = their;
    const { name: ourName, display_text: shown, arguments: ourParts, ...ourRest } = our;
    const wrong: string[] = [];
    if (JSON.stringify(rest) !== JSON.stringify(ourRest)) {
      wrong.push(`${here} is ${JSON.stringify(ourRest)}, should be ${JSON.stringify(rest)}`);
    }
    const isValue = theirParts === undefined;
    if (isValue && ![ourName, shown].some((each) => words(each!) === words(name!))) {
      wrong.push(`${here} is named ${ourName}, shown as ${shown}`);
    }
    if (isValue !== (shown !== undefined)) wrong.push(`${here} is shown as ${shown}`);
    return [...wrong, ...argumentDifferences(here, theirParts ?? [], ourParts ?? [])];
  });
}

function words(name: Plain): string {
  return String(name).toLowerCase().replaceAll("_", "-");
}

redisTest("COMMAND INFO has the shapes of redis-server", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["COMMAND", "INFO", "get", "nope", "GET", "mset", "", "get|x", "config|get", "CONFIG|GET|x"],
      ["COMMAND", "INFO", "config|nope", "config|", "|get", "command|docs"],
      ["command", "info", "object|freq", "ping", "rename", "config|SET"],
      unordered(["COMMAND", "INFO", "slowlog", "SLOWLOG"]),
    ]);
  }
});

redisTest(
  "COMMAND, COMMAND INFO and COMMAND DOCS without names describe all commands",
  async () => {
    await using pair = await startPair({ protocol: 3 });
    const { redino } = pair;
    assertEquals(await redino.ask("COMMAND", "INFO"), await redino.ask("COMMAND"));
    assertEquals((await infoOf(redino)).size, (await docsOf(redino)).size);
    const count = (plain(await redino.send("COMMAND")) as Plain[]).length;
    assertEquals(await redino.ask("COMMAND", "COUNT"), `:${count}`);
    assertEquals(count, COMMANDS.length);
  },
);

redisTest("COMMAND DOCS leaves out what is no command", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [["COMMAND", "DOCS", "nope", "get|x", "config|get|x"]]);
  }
  await using pair = await startPair();
  using client = await pair.connect(3);
  const docs = plain(await client.redino.send("COMMAND", "DOCS", "no", "GET", "config|SET"));
  assertEquals(Object.keys(docs as Docs), ["get", "config|set"]);
});

redisTest("COMMAND DOCS shows an argument as Redis 7.2 does", async () => {
  await using pair = await startPair();
  using client = await pair.connect(3);
  const docs = plain(await client.redino.send("COMMAND", "DOCS", "config|get", "config|set"));
  assertEquals((docs as Record<string, Docs>)["config|get"]!.arguments, [
    { name: "parameter", type: "string", display_text: "parameter", flags: ["multiple"] },
  ]);
  assertEquals((docs as Record<string, Docs>)["config|set"]!.arguments, [{
    name: "data",
    type: "block",
    flags: ["multiple"],
    arguments: [
      { name: "parameter", type: "string", display_text: "parameter" },
      { name: "value", type: "string", display_text: "value" },
    ],
  }]);
});

redisTest("COMMAND LIST filters by pattern, category and module", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      unordered(["COMMAND", "LIST", "FILTERBY", "PATTERN", "config*"]),
      unordered(["COMMAND", "list", "filterBy", "pattern", "CONFIG|[gs]et"]),
      unordered(["COMMAND", "LIST", "FILTERBY", "PATTERN", ""]),
      ["COMMAND", "LIST", "FILTERBY", "ACLCAT", "nope"],
      ["COMMAND", "LIST", "FILTERBY", "ACLCAT", "@string"],
      ["COMMAND", "LIST", "FILTERBY", "MODULE", "nope"],
      ["COMMAND", "LIST", "FILTERBY"],
      ["COMMAND", "LIST", "FILTERBY", "PATTERN"],
      ["COMMAND", "LIST", "FILTERBY", "NOPE", "x"],
      ["COMMAND", "LIST", "NOPE", "PATTERN", "x"],
      ["COMMAND", "LIST", "FILTERBY", "PATTERN", "x", "FILTERBY", "PATTERN", "x"],
      ["COMMAND", "LIST", "x"],
    ]);
    const everything = plain(await pair.redino.send("COMMAND", "LIST")) as string[];
    const subcommands = COMMANDS.reduce((sum, spec: CommandSpec) => {
      return sum + (spec.subcommands?.length ?? 0);
    }, 0);
    assertEquals(everything.length, COMMANDS.length + subcommands);
    const strings = plain(
      await pair.redino.send("COMMAND", "LIST", "FILTERBY", "ACLCAT", "STRING"),
    ) as string[];
    assert(strings.includes("get") && strings.includes("set") && !strings.includes("ping"));
  }
});

redisTest("COMMAND GETKEYS finds keys, and says why not", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    const key = new Uint8Array([0, 255, 13, 10]);
    await compare(
      pair,
      ["GETKEYS", "GETKEYSANDFLAGS"].flatMap((sub) => [
        ["COMMAND", sub, "get", key],
        ["COMMAND", sub, "GET", "k", "x"],
        ["COMMAND", sub, "nope", "k"],
        ["COMMAND", sub, "mset", "a", "1", "b", "2"],
        ["COMMAND", sub, "mset", "a", "1", "b"],
        ["COMMAND", sub, "rename", "a", "b"],
        ["COMMAND", sub, "copy", "a", "b", "REPLACE"],
        ["COMMAND", sub, "del", "a", "b", "a"],
        ["COMMAND", sub, "ping", "a"],
        ["COMMAND", sub, "config", "get", "a"],
        ["COMMAND", sub, "config", "nope", "a"],
        ["COMMAND", sub, "config|get", "a"],
        ["COMMAND", sub, "object", "freq", "k"],
        ["COMMAND", sub, "object", "FREQ", "k", "x"],
        ["COMMAND", sub, "object", "help", "k"],
        ["COMMAND", sub, "set", "k", "v"],
        ["COMMAND", sub, "set", "k", "v", "NX", "get"],
        ["COMMAND", sub, "bitfield", "k", "get", "u8", "0"],
        ["COMMAND", sub],
      ]),
    );
    // Redis 7.2 asks for one argument less than 7.0, which lets a name through that stands alone.
    const { redino } = pair;
    assertEquals(
      await redino.ask("COMMAND", "GETKEYS", "get"),
      "-ERR Invalid number of arguments specified for command",
    );
    assertEquals(
      await redino.ask("COMMAND", "GETKEYS", "config"),
      "-ERR The command has no key arguments",
    );
  }
});

/** Counts of keys that only C's atoi can read, that are cut to 32 bits, or that are too many. */
const ODD_COUNTS = [
  ..."1x 2x 9x 01 02 00 +1 +2 -1 -0 --1 +-1 1_000 1.5 0x1 1e1 x - +".split(" "),
  ..."| | 1|\t2|\v1|+ 1|1 2|1\0x|\0|\xa01|\x1f1".split("|"),
  `${"0".repeat(40)}2`,
  ...[31, 32, 53, 54, 63, 64].flatMap((bits) => {
    return [-2n, -1n, 0n, 1n, 2n, 9n].map((more) => 2n ** BigInt(bits) + more)
      .flatMap((count) => [`${count}`, `-${count}`, `+${count}x`]);
  }),
  ..."0 1 2 3 4 5 99999999999999999999999 -99999999999999999999999".split(" "),
];

redisTest("COMMAND GETKEYS reads an odd count of keys as redis-server does", async () => {
  await using pair = await startPair({ protocol: 3 });
  const counted = COMMANDS.filter(({ syntax }) => syntax.includes("numkeys:integer"));
  assertEquals(counted.length, 12);
  for (const { name, syntax } of counted) {
    const [before] = syntax.split("numkeys:integer");
    const head = before === "" ? [name] : [name, "0"];
    await compare(
      pair,
      ODD_COUNTS.flatMap((count) => [
        ["COMMAND", "GETKEYS", ...head, latin1Bytes(count), "a", "", "b"],
        ["COMMAND", "GETKEYSANDFLAGS", ...head, latin1Bytes(count), "a", "", "b"],
      ]),
    );
  }
});

redisTest("the keys of a command that fails for its count of keys are tracked", async () => {
  await using pair = await startPair({ protocol: 3 });
  using writer = await pair.connect();
  for (const count of ["1x", "02", "4294967297", "-1"]) {
    await compare(pair, [
      ["CLIENT", "TRACKING", "ON"],
      ["ZUNION", count, "a", "b"],
      ["SINTERCARD", count, "c", "d"],
    ]);
    await compare(writer, [..."abcd"].map((key) => ["SET", key, "1"]));
    // Invalidations are told before the next reply.
    const pushes = async (client: RespClient) => {
      await client.post("ECHO", "end");
      const frames: string[] = [];
      do frames.push(show(await client.readAny())); while (!frames.at(-1)!.includes("end"));
      return frames;
    };
    assertEquals(await pushes(pair.redino), await pushes(pair.redis), count);
  }
});

redisTest("COMMAND HELP has a line for each subcommand", async () => {
  await using pair = await startPair();
  const headings = async (client: RespClient) => {
    const lines = plain(await client.send("COMMAND", "HELP")) as string[];
    return lines.filter((line, i) => !line.startsWith(" ") || i === lines.length - 1);
  };
  assertEquals(await headings(pair.redino), await headings(pair.redis));
  await compare(pair, [["COMMAND", "HELP", "x"], ["COMMAND", "NOPE"], ["COMMAND", "COUNT", "x"]]);
});

/** The key specifications in a reply of COMMAND, as a record writes them. */
function readKeySpec(described: { [field: string]: Plain }): KeySpec {
  const step = (name: string) =>
    described[name] as unknown as { type: string; spec: Record<string, never> };
  const [begin, find] = [step("begin_search"), step("find_keys")];
  const { index, keyword, startfrom: startFrom } = begin.spec;
  const { lastkey, keystep, limit, keynumidx, firstkey } = find.spec;
  return {
    flags: (described.flags as string[]).join(" "),
    begin: begin.type === "index"
      ? index!
      : begin.type === "keyword"
      ? { keyword: keyword!, startFrom: startFrom! }
      : "unknown",
    ...(find.type === "range" && { range: [lastkey!, keystep!, limit!] as const }),
    ...(find.type === "keynum" && { keyNum: [keynumidx!, firstkey!, keystep!] as const }),
  };
}

/** A record of nothing but flags and keys. */
function keyedSpec(name: string, info: Info, getKeys?: (args: Args) => FoundKey[]): CommandSpec {
  return {
    name,
    arity: info.arity as number,
    flags: (info.flags as string[]).filter((flag): flag is FlagName => flag in FLAGS),
    group: "generic",
    since: "",
    complexity: "",
    summary: "",
    syntax: "",
    keys: info.keySpecs.map(readKeySpec),
    ...(getKeys !== undefined && { getKeys }),
  };
}

redisTest("the first key, the last and the step follow from the key specifications", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port, { protocol: 3 });
  for (const [name, info] of await infoOf(client)) {
    const { first, last, step, movable } = legacyRange(keyedSpec(name, info));
    assertEquals([first, last, step] as Plain, info.range, name);
    assertEquals(movable, (info.flags as string[]).includes("movablekeys"), name);
  }
});

Deno.test("a record whose key specifications cannot tell has a way to find its keys", () => {
  const all = COMMANDS.flatMap((spec: CommandSpec) => [spec, ...spec.subcommands ?? []]);
  const unclear = all.filter(({ keys }) =>
    keys?.some(({ begin, flags }) =>
      begin === "unknown" || flags.includes("variable_flags") || flags.includes("incomplete")
    )
  );
  assertEquals(unclear.filter(({ getKeys }) => getKeys === undefined).map(({ name }) => name), []);
});

const KEY_FINDERS: Readonly<Record<string, (args: Args) => FoundKey[]>> = {
  bitfield: bitfieldKeys,
  migrate: migrateKeys,
  set: setKeys,
  sort: sortKeys,
  sort_ro: sortReadOnlyKeys,
};

/** Commands of every kind of key specification, an empty key as `-`. */
const KEYED_COMMANDS = `
  get k                                      mset a 1 b 2             mset a 1 b
  del a b c                                  rename a b               blpop a b c 0
  bitop AND d a b                            eval s 0                 eval s 2 a b x
  eval s 3 a b                               eval s x a               eval s -1 a
  eval s 1x a b                              eval_ro s 4294967298 a b fcall_ro f 01 k x
  zunionstore d 2 a b weights 1 2            zunionstore d 0 a        zunionstore d 5 a
  zunion 2 a b                               zunion 0 a               zmpop 1 k MIN
  blmpop 0 2 a b LEFT                        lmpop 3 a b LEFT         sintercard 2 a b limit 1
  xread streams a b                          xread streams a b 1 2    xread count 2 streams a b 0 0
  xread a b c                                xread streams a b c      xread block 0 streams a 0
  xreadgroup group g c streams a b 1 2       xreadgroup group streams c streams a 1
  georadius k 0 0 1 m                        georadius k 0 0 1 m store
  georadius k 0 0 1 m store d storedist e    georadius k 0 0 1 m store store store
  georadiusbymember k m 1 m STOREDIST d      geosearchstore d s frommember m byradius 1 m
  sort k                                     sort k store d           sort k STORE a store b
  sort k store                               sort k by store store d  sort k get store limit store store d
  sort_ro k by x get y                       memory usage k           object encoding k
  set k v                                    set k v get              set k v ex 1 GET
  set k get                                  bitfield k               bitfield k get u8 0
  bitfield k get u8 0 get u8 1               bitfield k set u8 0 1    bitfield k get u8 0 incrby u8 0 1
  bitfield k overflow sat get u8 0           bitfield k overflow      bitfield k get u8
  bitfield k nope
  migrate h 1 k 0 0                          migrate h 1 - 0 0 keys a b c
  migrate h 1 - 0 0 copy                     migrate h 1 - 0 0 keys
  migrate h 1 k 0 0 keys a                   migrate h 1 - 0 0 auth keys keys a
  migrate h 1 - 0 0 auth2 keys x keys a b    migrate h 1 - 0 0 AUTH2 x keys replace keys a b
  xadd k * f v                               xgroup create k g $      pfcount a b
  pfmerge d a b                              fcall f 1 k x            fcall f 2 k
  lmove a b LEFT RIGHT                       zrangestore d s 0 1      zdiffstore d 2 a b
  spublish c m                               watch a b                lcs a b
`;

redisTest("keys are found where redis-server finds them, with their flags", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port, { protocol: 3 });
  const infos = await infoOf(client);
  for (const line of KEYED_COMMANDS.trim().split(/ {2,}|\n/).filter((line) => line !== "")) {
    const words = line.trim().split(" ").map((word) => word === "-" ? "" : word);
    const reply = await client.send("COMMAND", "GETKEYSANDFLAGS", ...words);
    const name = infos.has(`${words[0]}|${words[1]}`) ? `${words[0]}|${words[1]}` : words[0]!;
    const args = Args.of(...words);
    const found = findKeys(keyedSpec(name, infos.get(name)!, KEY_FINDERS[name]), args)
      .map(({ index, flags }) => [args.text(index), flags === "" ? [] : flags.split(" ")]);
    const none = reply.type === "error" &&
      /Invalid arguments|has no key arguments/.test(reply.text);
    if (!none && reply.type !== "array") throw new Error(`${line}: ${show(reply)}`);
    assertEquals(found as Plain, none ? [] : plain(reply), line);
  }
});
