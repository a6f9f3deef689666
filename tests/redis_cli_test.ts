/** Redis's own programs against the server: redis-cli prints of it what it prints of redis-server. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { encodeCommand, RespClient } from "./support/resp_client.ts";
import { startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { without } from "./support/skip.ts";

/** No call here takes as long. */
const LIMIT_MS = 60_000;
const PIPED = 10_000;

/** A test that needs Redis's programs. */
function cliTest(name: string, fn: () => Promise<void>): void {
  const ignore = ["redis-server", "redis-cli", "redis-benchmark"].some(without);
  Deno.test({ name, ignore, fn });
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with `input` as its standard input; throws if it does not end. */
async function run(
  program: string,
  args: readonly string[],
  input: Uint8Array | string = "",
): Promise<Outcome> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  // A program that does not read its input may end before it is written.
  const [output] = await Promise.all([
    child.output(),
    new Response(bytes.slice()).body!.pipeTo(child.stdin).catch(() => {}),
  ]);
  clearTimeout(timer);
  assert(!late, `${program} ${args.join(" ")} did not end`);
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

function cli(port: number, args: readonly string[], input?: Uint8Array | string): Promise<Outcome> {
  return run("redis-cli", ["-p", String(port), ...args], input);
}

/** Without the lines by which redis-cli tells of a command that took half a second. */
function untimed(outcome: Outcome): Outcome {
  return { ...outcome, stdout: outcome.stdout.replace(/^\(\d+\.\d\ds\)\n/gm, "") };
}

/** A call of redis-cli: its arguments as one would type them, and perhaps its input. */
type Call = string | readonly [args: string, input: Uint8Array | string];

/** Calls redis-cli for both servers, one call after the other: it must print and return the same. */
async function same(calls: readonly Call[]): Promise<void> {
  await using pair = await startPair();
  for (const call of calls) {
    const [typed, input] = typeof call === "string" ? [call, ""] : call;
    const args = typed.split(" ");
    const [redis, redino] = await Promise.all([
      cli(pair.redisPort, args, input),
      cli(pair.redinoPort, args, input),
    ]);
    assertEquals(untimed(redino), untimed(redis), `redis-cli ${typed}`);
  }
}

const ALL_TYPES = [
  "set text value",
  "rpush list a b c",
  "hset hash f v g w",
  "sadd set 1 2",
  "zadd zset 1 a 2.5 b inf c",
];

cliTest("redis-cli shows every kind of reply", async () => {
  const commands = [
    ...ALL_TYPES,
    "ping",
    "get text",
    "get none",
    "strlen text",
    "lrange list 0 -1",
    "lrange none 0 -1",
    "hgetall hash",
    "hgetall none",
    "smembers set",
    "smembers none",
    "zrange zset 0 -1 withscores",
    "zscore zset b",
    "zmscore zset a none",
    "incr text",
    "nosuch command",
    "get",
    "scan 0 match none count 100",
    "blpop none 0.01",
    "set k v nx get",
    "exec",
    "config get maxmemory-policy",
    "config get appendonly",
  ];
  for (const kind of ["string", "integer", "double", "null", "array", "set", "map", "verbatim"]) {
    commands.push(`debug protocol ${kind}`);
  }
  for (const kind of ["true", "false", "bignum", "attrib", "push"]) {
    commands.push(`debug protocol ${kind}`);
  }
  const forms = ["--no-raw", "--raw", "-3 --no-raw", "-3 --raw", "--csv", "--json", "-e --no-raw"];
  await using pair = await startPair();
  for (const form of forms) {
    // One process for all: redis-cli takes commands from its input, too.
    const input = `flushall\n${commands.join("\n")}\n`;
    const args = form.split(" ");
    const [redis, redino] = await Promise.all([
      cli(pair.redisPort, args, input),
      cli(pair.redinoPort, args, input),
    ]);
    assertEquals(untimed(redino), untimed(redis), `redis-cli ${form}`);
  }
});

cliTest("redis-cli runs one command and returns its outcome", () =>
  same([
    "set k v",
    "get k",
    "--no-raw get k",
    "-n 3 set k of3",
    "-n 3 get k",
    "get k",
    "-n 100 get k",
    "-r 3 incr n",
    "-r 3 -i 0.01 incr n",
    "get",
    "-e get",
    "-e get k",
    "-3 -e nosuch",
    "-a wrong ping",
    "--no-auth-warning -a wrong ping",
    "--user nobody --pass wrong --no-auth-warning ping",
    "-D ; mget k n none",
    '--quoted-input set "a\\x00\\xff" "\\r\\n"',
    '--quoted-input --no-raw get "a\\x00\\xff"',
  ]));

cliTest("redis-cli takes an argument from its input", () =>
  same([
    ["-x set k", "from the input"],
    "get k",
    ["-x set binary", Uint8Array.of(0, 255, 13, 10)],
    "--no-raw get binary",
    ["-X here set k here ex 100", "tagged"],
    "get k",
  ]));

cliTest("redis-cli runs a session with transactions and SELECT", () =>
  same([
    ["--no-raw", "multi\nset a 1\nincr a\nlpush a x\nexec\nselect 5\nget a\nselect 0\nget a\n"],
    ["--no-raw", "multi\nnosuch\nexec\nmulti\nset a 2\ndiscard\nget a\nreset\nget a\n"],
    ["-3 --no-raw", "hset h f v\nhgetall h\n"],
    ["--raw", "3 incr n\nget n\n"],
  ]));

cliTest("redis-cli --scan lists all keys once", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const names = Array.from({ length: 1000 }, (_, i) => `key:${i}`).sort();
  await client.send("MSET", ...names.flatMap((name) => [name, "v"]), "other", "v");
  await client.send("SADD", "key:set", "m");
  const lines = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli(server.port, ["--scan", ...args]);
    assertEquals([code, stderr], [0, ""]);
    return stdout.split("\n").slice(0, -1).sort();
  };
  assertEquals(await lines(), [...names, "key:set", "other"].sort());
  assertEquals(await lines("--pattern", "key:[0-9]*"), names);
  assertEquals(await lines("--pattern", "none*"), []);
});

/** The lines below redis-cli's summary, in an order of their own: that of the types is chance. */
function summary(stdout: string): string[] {
  const at = stdout.indexOf("-------- summary");
  assert(at >= 0, stdout);
  return stdout.slice(at).split("\n").filter((line) => line !== "").sort();
}

cliTest("redis-cli --bigkeys sums up alike, --memkeys in the same form", async () => {
  await using pair = await startPair();
  const session = [...ALL_TYPES, "xadd stream 1-1 f v", "set text2 longer_than_text"].join("\n");
  const ports = [pair.redisPort, pair.redinoPort] as const;
  const outcomes = async (args: string[], input?: string) => {
    const [redis, redino] = await Promise.all(ports.map((port) => cli(port, args, input)));
    assertEquals([redino!.code, redino!.stderr], [redis!.code, redis!.stderr]);
    return [redis!.stdout, redino!.stdout] as const;
  };
  await outcomes([], session);
  const [redis, redino] = await outcomes(["--bigkeys"]);
  assertEquals(summary(redino), summary(redis));
  assertStringIncludes(redino, `Biggest string found '"text2"' has 16 bytes`);
  const [theirs, ours] = await outcomes(["--memkeys"]);
  // Both have their own bytes, so perhaps another largest string.
  const form = (lines: string[]) =>
    lines.map((line) => line.replace(/[\d.]+ bytes/, "n bytes").replace(/[\d.]+\)$/, "n)"))
      .map((line) => line.replace(/"text2?"/, "text")).sort();
  assertEquals(form(summary(ours)), form(summary(theirs)));
  assert(!/ 0 bytes/.test(ours), ours);
});

cliTest("redis-cli --hotkeys needs an LFU policy, and then names the most used", async () => {
  await same(["set k v", "--hotkeys"]);
  await using server = await serve({ port: 0, "maxmemory-policy": "allkeys-lfu" });
  using client = await RespClient.connect(server.port);
  await client.send("MSET", "cold", "v", "hot", "v");
  for (let i = 0; i < 1000; i++) await client.send("GET", "hot");
  const { code, stdout } = await cli(server.port, ["--hotkeys"]);
  assertEquals(code, 0);
  assertMatch(stdout, /hot key found with counter: \d+\s+keyname: "?hot"?\n/);
});

cliTest("redis-cli --pipe sends 10,000 commands and counts the replies", async () => {
  await using server = await serve({ port: 0 });
  const text = Array.from({ length: PIPED }, (_, i) => `SET key:${i} value:${i}\r\n`).join("");
  const inline = await cli(server.port, ["--pipe"], text);
  assertEquals(inline.code, 0, inline.stderr);
  assertStringIncludes(inline.stdout, `errors: 0, replies: ${PIPED}`);
  const commands = Array.from({ length: PIPED }, (_, i) => encodeCommand(["RPUSH", "list", i]));
  const bytes = new Uint8Array(await new Blob(commands as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  const encoded = await cli(server.port, ["--pipe"], bytes);
  assertEquals(encoded.code, 0, encoded.stderr);
  assertStringIncludes(encoded.stdout, `errors: 0, replies: ${PIPED}`);
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("DBSIZE"), `:${PIPED + 1}`);
  assertEquals(await client.ask("GET", "key:9999"), '"value:9999"');
  assertEquals(await client.ask("LLEN", "list"), `:${PIPED}`);
  assertEquals(await client.ask("LINDEX", "list", -1), '"9999"');
});

cliTest(
  "redis-cli --pipe counts errors",
  () => same([["--pipe", "SET a x\r\nGET a\r\nINCR a\r\nNOSUCH\r\nPING\r\n"]]),
);

cliTest("redis-cli --latency measures", async () => {
  await using server = await serve({ port: 0 });
  const { code, stdout, stderr } = await cli(server.port, ["--latency", "-i", "0.1"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^\d+ \d+ \d+\.\d+ [1-9]\d*\n$/);
});

cliTest("redis-cli --stat prints a line an interval", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v");
  await using stat = start("redis-cli", ["-p", String(server.port), "--stat", "-i", "0.02"]);
  const others = () => client.ask("CLIENT", "LIST", "TYPE", "normal");
  let asked = 0;
  await eventually(async () => {
    const stats = await client.ask("INFO", "commandstats");
    // Our own are counted, too, but for the one that is answered here.
    return Number(/cmdstat_info:calls=(\d+)/.exec(stats)?.[1] ?? 0) - asked++ >= 3;
  });
  // It shows what it has buffered when it has to connect again.
  const id = /id=(\d+) (?!.*cmd=client).*cmd=info/.exec((await others()).replaceAll("\\n", "\n"));
  assertEquals(await client.ask("CLIENT", "KILL", "ID", id![1]!), ":1");
  await eventually(() => stat.output().split("\n").length > 3);
  assertMatch(stat.output(), /^-+ data -+ -+ load -+ - child -\n/);
  assertMatch(stat.output(), /\n1 +\d+\.\d+[KM] +2 +0 +\d+ \(\+\d+\) +2 +\n/);
});

cliTest("redis-cli SUBSCRIBE and MONITOR print what comes", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  {
    await using listener = start("redis-cli", ["-p", String(server.port), "subscribe", "news"]);
    await eventually(async () => (await client.ask("PUBLISH", "news", "hello")) === ":1");
    const heard = "subscribe\nnews\n1\nmessage\nnews\nhello\n";
    await eventually(() => listener.output() === heard);
  }
  await using listener = start("redis-cli", ["-p", String(server.port), "monitor"]);
  await eventually(async () => (await client.ask("CLIENT", "LIST")).includes("cmd=monitor"));
  await client.send("SET", "k", "a b");
  await eventually(() =>
    /^OK\n\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a b"\n/m.test(listener.output())
  );
});

interface Running extends AsyncDisposable {
  /** What it has printed so far. */
  output(): string;
}

/** Starts a program that ends only when it is disposed. */
function start(program: string, args: readonly string[]): Running {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const read = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  return {
    output: () => text,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await read;
    },
  };
}

cliTest("redis-cli connects by URI, password and Unix socket", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_cli_" });
  try {
    const path = `${dir}/redis.sock`;
    await using server = await serve({ port: 0, requirepass: "secret", unixsocket: path });
    const address = `127.0.0.1:${server.port}`;
    for (
      const [args, stdout] of [
        [
          ["-u", `redis://default:secret@${address}/2`, "--no-auth-warning", "set", "k", "v"],
          "OK\n",
        ],
        [["-s", path, "-a", "secret", "--no-auth-warning", "-n", "2", "get", "k"], "v\n"],
        [["-s", path, "-3", "-a", "secret", "--no-auth-warning", "ping"], "PONG\n"],
        [["-s", path, "ping"], "NOAUTH Authentication required.\n\n"],
      ] as const
    ) {
      assertEquals((await run("redis-cli", args)).stdout, stdout, args.join(" "));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

const BENCHMARKS =
  "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset";

cliTest("redis-benchmark runs all its tests without an error", async () => {
  await using server = await serve({ port: 0 });
  const port = String(server.port);
  const args = ["-p", port, "-q", "-t", BENCHMARKS, "-n", "2000", "-P", "16"];
  const { code, stdout, stderr } = await run("redis-benchmark", args);
  assertEquals([code, stderr], [0, ""]);
  const tests = [...stdout.matchAll(/([^\r\n]+): [\d.]+ requests per second/g)]
    .map(([, name]) => name!);
  // PING twice, and LPUSH once more before LRANGE_100.
  assertEquals(tests.length, BENCHMARKS.split(",").length + 2, stdout);
  using client = await RespClient.connect(server.port);
  const counted = Number((await client.ask("GET", "counter:__rand_int__")).replaceAll('"', ""));
  assert(counted >= 2000, `INCR ran ${counted} times`);
  assertEquals(await client.ask("GET", "key:__rand_int__"), '"VXK"');
});

for (
  const [what, args] of [
    ["without a pipeline", ["-t", "set,get,lrange_600", "-n", "1000"]],
    ["with a connection a request", ["-t", "ping,set", "-n", "100", "-c", "5", "-k", "0"]],
    ["in RESP3 with random keys", ["-3", "-t", "set,get,zadd", "-n", "2000", "-r", "1000"]],
    ["with tracking", ["-3", "--enable-tracking", "-t", "get", "-n", "1000"]],
    ["with threads", ["--threads", "2", "-t", "set,get", "-n", "2000", "-P", "4"]],
    ["with large values", ["-t", "set,get", "-n", "500", "-d", "20000", "-P", "10"]],
    ["in another database", ["--dbnum", "3", "-t", "set,get", "-n", "500"]],
    ["with a command of one's own", ["-n", "1000", "hset", "h", "f:__rand_int__", "v"]],
  ] as const
) {
  cliTest(`redis-benchmark runs ${what}`, async () => {
    await using server = await serve({ port: 0 });
    const port = String(server.port);
    const outcome = await run("redis-benchmark", ["-p", port, "-q", ...args]);
    assertEquals([outcome.code, outcome.stderr.replace(/^WARNING: Keepalive disabled.*\n/, "")], [
      0,
      "",
    ]);
    assertMatch(outcome.stdout, /requests per second/);
  });
}

cliTest("redis-benchmark --csv prints a table", async () => {
  await using server = await serve({ port: 0 });
  const args = ["-p", String(server.port), "--csv", "-t", "ping,set,get", "-n", "1000"];
  const { code, stdout, stderr } = await run("redis-benchmark", args);
  assertEquals([code, stderr], [0, ""]);
  const [head, ...rows] = stdout.trimEnd().split("\n").map((line) => line.split(","));
  assertEquals(head!.slice(0, 3), ['"test"', '"rps"', '"avg_latency_ms"']);
  assertEquals(rows.map(([test]) => test), ['"PING_INLINE"', '"PING_MBULK"', '"SET"', '"GET"']);
  assert(rows.every((row) => row.length === head!.length), stdout);
});
