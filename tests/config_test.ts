import { assertEquals, assertThrows } from "@std/assert";
import { Config } from "../lib/config/config.ts";
import { directiveTable, NAMES_AND_ALIASES } from "../lib/config/directives.ts";
import { ConfigError, loadConfig } from "../lib/config/load.ts";
import { parseMemory } from "../lib/config/memory.ts";
import { quoteArg, splitArgs } from "../lib/config/split_args.ts";
import { ReplyError } from "../lib/resp/reply_error.ts";
import { startRedis } from "./support/redis.ts";
import { type Reply, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

function load(...argv: string[]): Config {
  const launch = loadConfig(argv, () => "");
  if (launch.action !== "serve") throw new Error(`printed: ${launch.text}`);
  return launch.config;
}

/** The answer of CONFIG SET: OK, or the error's line. */
function trySet(config: Config, ...pairs: [string, string][]): string {
  try {
    config.set(pairs);
    return "OK";
  } catch (error) {
    if (error instanceof ReplyError) return error.message;
    throw error;
  }
}

function withFile(text: string, use: (path: string) => void): void {
  const dir = Deno.makeTempDirSync({ prefix: "redino_config_" });
  try {
    Deno.writeTextFileSync(`${dir}/redis.conf`, text);
    use(`${dir}/redis.conf`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** The bulk strings of an array, or of a map: keys and values in turn. */
function texts(reply: Reply): string[] {
  const items = reply.type === "map" ? reply.entries.flat() : "items" in reply ? reply.items : [];
  if (items.length === 0) throw new Error(`nothing in a reply of the type ${reply.type}`);
  return items.map((item) => item.type === "bulk" ? item.text : `(${item.type})`);
}

function line(reply: Reply): string {
  if (reply.type !== "simple" && reply.type !== "error") throw new Error(`no line: ${reply.type}`);
  return reply.text;
}

Deno.test("parseMemory reads Redis's units and refuses all else", () => {
  assertEquals(
    ["0", "100", "1k", "1kb", "2M", "2mb", "1G", "1gb", "7b", "kb"].map(parseMemory),
    [0, 100, 1000, 1024, 2e6, 2 * 1024 ** 2, 1e9, 1024 ** 3, 7, 0],
  );
  assertEquals(
    ["-1", "1.5gb", "1tb", " 1", "1 kb", "x1"].map(parseMemory),
    Array(6).fill(undefined),
  );
});

Deno.test("splitArgs undoes quotes and escapes, and refuses open ones", () => {
  assertEquals(splitArgs(`  a "b c"\t'd "e' "\\x41\\n\\"\\q"  `), ["a", "b c", 'd "e', 'A\n"q']);
  assertEquals(splitArgs(`'it\\'s' "" x"y z"`), ["it's", "", "xy z"]);
  assertEquals(splitArgs('"\\xc3\\xa9é"'), ["éé"]);
  assertEquals(splitArgs(""), []);
  assertEquals(['"a', "'a", '"a"b', '"a\\'].map(splitArgs), Array(4).fill(undefined));
});

Deno.test("quoteArg writes what splitArgs reads back", () => {
  for (const text of ["", "a b", '"\\', "\n\r\t\b\x07\x00\x7f", "é€"]) {
    assertEquals(splitArgs(quoteArg(text)), [text]);
  }
});

Deno.test("CONFIG GET matches globs without case and gives each name once", () => {
  const config = new Config();
  assertEquals(config.get(["hash-max-*-ENTRIES", "hash-max-*"]), [
    ["hash-max-listpack-entries", "512"],
    ["hash-max-ziplist-entries", "512"],
    ["hash-max-listpack-value", "64"],
    ["hash-max-ziplist-value", "64"],
  ]);
  assertEquals(config.get(["PORT", "port"]), [["PORT", "6379"]]);
  assertEquals(config.get(["nosuch", "rename-command", "[z]zz"]), []);
  assertEquals(config.get(["watchdog*"]), []);
  assertEquals(config.get(["watchdog-period"]), [["watchdog-period", "0"]]);
});

Deno.test("CONFIG SET changes all of its directives or none", () => {
  const config = new Config();
  const failed = (name: string, reason: string) =>
    `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
  assertEquals(trySet(config, ["maxmemory", "1gb"], ["hz", "5"]), "OK");
  assertEquals([config.values.maxmemory, config.values.hz], [1024 ** 3, 5]);
  assertEquals(
    trySet(config, ["maxmemory", "2gb"], ["hz", "x"]),
    failed("hz", "argument couldn't be parsed into an integer"),
  );
  assertEquals(config.values.maxmemory, 1024 ** 3);
  assertEquals(
    trySet(config, ["maxmemory", "1"], ["MAXMEMORY", "2"]),
    failed("MAXMEMORY", "duplicate parameter"),
  );
  assertEquals(
    trySet(config, ["databases", "2"]),
    failed("databases", "can't set immutable config"),
  );
  assertEquals(
    trySet(config, ["nosuch", "2"], ["databases", "2"]),
    "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
  );
});

Deno.test("CONFIG SET of a protected directive asks enable-protected-configs", () => {
  const refusal =
    "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config";
  assertEquals(trySet(new Config(), ["dbfilename", "x"]), refusal);
  const local = new Config({ "enable-protected-configs": "local" });
  assertEquals(trySet(local, ["dbfilename", "x"]), refusal);
  local.set([["dbfilename", "x"]], { local: true });
  assertEquals(local.values.dbfilename, "x");
  assertEquals(
    trySet(new Config({ "enable-protected-configs": "yes" }), ["dbfilename", "x"]),
    "OK",
  );
});

Deno.test("a hook sees the new value, and its refusal undoes the whole CONFIG SET", () => {
  const config = new Config();
  const seen: unknown[] = [];
  config.onChange("timeout", (value) => void seen.push(value));
  config.onChange("maxclients", (value) => value > 20000 ? "too many for this machine" : undefined);
  assertEquals(trySet(config, ["timeout", "7"], ["maxclients", "100"]), "OK");
  assertEquals(
    trySet(config, ["timeout", "9"], ["maxclients", "30000"]),
    "ERR CONFIG SET failed (possibly related to argument 'maxclients') - too many for this machine",
  );
  assertEquals([config.values.timeout, config.values.maxclients], [7, 100]);
  assertEquals(seen, [7, 9, 7]);
  assertEquals(trySet(config, ["timeout", "7"]), "OK");
  assertEquals(seen, [7, 9, 7]);
});

Deno.test("options follow the file, and several words follow an option", () => {
  withFile(
    "port 7000\nmaxmemory 1mb\n",
    (path) => {
      const config = load(
        path,
        "--port",
        "7001",
        "--replicaof",
        "primary 6380",
        "--save",
        "1",
        "2",
      );
      assertEquals(config.values.port, 7001);
      assertEquals(config.values.maxmemory, 1024 ** 2);
      assertEquals(config.values.replicaof, { host: "primary", port: 6380 });
      assertEquals(config.values.save, [{ seconds: 1, changes: 2 }]);
      assertEquals(config.file, path);
    },
  );
  assertEquals(
    load("--replicaof", "primary", "6380").text("replicaof"),
    "primary 6380",
  );
  assertEquals(load("--save", "--port", "1").values.save, []);
  assertEquals(load("--save", "").values.save, []);
  assertEquals(load("--requirepass", "--x").values.requirepass, "--x");
});

Deno.test("`-` reads the configuration from standard input, before the options", () => {
  const launch = loadConfig(["-", "--port", "1"], () => "port 2\ntimeout 3\n");
  if (launch.action !== "serve") throw new Error("printed");
  assertEquals([launch.config.values.port, launch.config.values.timeout], [1, 3]);
});

Deno.test("--help names every directive, --version the version, --sentinel a refusal", () => {
  const help = loadConfig(["--help"], () => "");
  if (help.action !== "print") throw new Error("served");
  for (const { name, note } of directiveTable()) {
    if (!["include", "user", "rename-command", "loadmodule"].includes(name)) {
      assertEquals(help.text.includes(`--${name} <`), true, `${name}: ${note}`);
    }
  }
  const version = loadConfig(["-v"], () => "");
  assertEquals(version.action === "print" && /^Redis server v=7\.2/.test(version.text), true);
  const sentinel = loadConfig(["--sentinel"], () => "");
  assertEquals(sentinel.action === "print" && sentinel.exitCode, 1);
});

Deno.test("include reads files by path and by pattern, and not itself for ever", () => {
  withFile("", (path) => {
    const dir = path.replace("/redis.conf", "");
    Deno.writeTextFileSync(`${dir}/a.inc`, "timeout 1\n");
    Deno.writeTextFileSync(`${dir}/b.inc`, "timeout 2\nhz 3\n");
    Deno.writeTextFileSync(path, `include ${dir}/*.inc\ninclude ${dir}/none*.inc\n`);
    const { values } = load(path);
    assertEquals([values.timeout, values.hz], [2, 3]);
    Deno.writeTextFileSync(path, `include ${path}\n`);
    assertThrows(() => load(path), ConfigError, "nested");
  });
});

Deno.test("user and rename-command lines are kept with their place", () => {
  withFile('# a\nuser bob on >x\nrename-command GET ""\n', (path) => {
    assertEquals(load(path).fileOnly, [
      { directive: "user", words: ["bob", "on", ">x"], lineNumber: 2, line: "user bob on >x" },
      {
        directive: "rename-command",
        words: ["GET", ""],
        lineNumber: 3,
        line: 'rename-command GET ""',
      },
    ]);
  });
});

Deno.test("CONFIG REWRITE keeps comments and order, and appends what is new", () => {
  const before =
    '# hi\nport 27313\n\n\nsave ""\nslave-read-only yes\nrequirepass x\nsave 3 3\n# end\n';
  withFile(before, (path) => {
    const config = load(path);
    config.set([["save", "10 1 10 2 10 3"], ["maxmemory", "10mb"], ["slave-read-only", "no"]]);
    config.set([["requirepass", ""], ["client-output-buffer-limit", "replica 1kb 2mb 3"]]);
    config.rewrite(["default on nopass ~* &* +@all"]);
    assertEquals(
      Deno.readTextFileSync(path),
      `# hi
port 27313

save 10 1
replica-read-only no
save 10 2
# end

# Generated by CONFIG REWRITE
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 1kb 2mb 3
client-output-buffer-limit pubsub 32mb 8mb 60
maxmemory 10mb
dir "${Deno.cwd()}"
save 10 3
user default on nopass ~* &* +@all
`,
    );
    const again = load(path);
    for (const name of NAMES_AND_ALIASES.values()) {
      assertEquals(again.text(name), config.text(name));
    }
    again.rewrite(["default on nopass ~* &* +@all"]);
    assertEquals([...Deno.readDirSync(path.replace("/redis.conf", ""))].length, 1);
    const twice = Deno.readTextFileSync(path);
    again.rewrite(["default on nopass ~* &* +@all"]);
    assertEquals(Deno.readTextFileSync(path), twice);
  });
});

Deno.test("CONFIG REWRITE fails plainly without a file, and where the file cannot be written", () => {
  const rewrite = (config: Config) => {
    try {
      config.rewrite();
      return "OK";
    } catch (error) {
      return error instanceof ReplyError ? error.message : error;
    }
  };
  assertEquals(rewrite(new Config()), "ERR The server is running without a config file");
  assertEquals(
    rewrite(new Config({}, "/nonexistent/redis.conf")),
    "ERR Rewriting config file: No such file or directory",
  );
});

redisTest("CONFIG GET shows the defaults that Redis shows", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port);
  // What the start of the test's server sets, and what the package builds in.
  const given = new Set(["port", "bind", "dir", "save", "logfile", "enable-debug-command"]);
  const config = new Config();
  const all = texts(await client.send("CONFIG", "GET", "*"));
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i]!;
    if (!given.has(name)) assertEquals(config.get([name]), [[name, all[i + 1]!]]);
  }
  const sets = texts(await client.send("CONFIG", "GET", "hash-max-*"));
  assertEquals(config.get(["hash-max-*"]).length, sets.length / 2);
});

redisTest("CONFIG SET accepts, refuses and shows every plain value as Redis does", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port, { protocol: 3 });
  // Who subscribes is not closed by a `timeout` of a second.
  await client.post("SUBSCRIBE", "nothing");
  await client.readPush();
  const values = [
    ..."zzz,yes,NO,0,1,00,-0,-1,+1,2,5,100,101,700,1000,65535,65536,1k,1kb,3Mb,1gb,50%,1e2,0x10"
      .split(","),
    ...[
      "",
      " 1",
      "1 ",
      "3000000000",
      "99999999999999999999",
      "-99999999999999999999",
      "allkeys-LRU",
    ],
    ...["always", "NOW FORCE", "save nosave", "default", "KEA", "Kgx", "KEn", "KEm", "AKEmn", "Kq"],
    ...[
      "10 1",
      "10 1 20",
      "10 1  20 2",
      "0 1",
      "10 -1",
      "pubsub 1kb 2mb 3",
      "pubsub 1 2",
      "x 1 2 3",
    ],
    ...[
      "slave 1 2 3 pubsub 4 5 6",
      "pubsub 1x 2 3",
      "1 2 3",
      "1 2 2001",
      "1 2 x",
      "50 99.99",
      "101",
    ],
    ...["33.333333", "-5", "{title}", "{nope}", "title}", "{title", "a/b"],
  ];
  // Would end or hide the connection, or need what the machine may not have.
  const left =
    /^(port|tls-.*|bind|requirepass|maxclients|maxmemory-clients|appendonly|activedefrag)$/;
  const config = new Config();
  config.set([["save", ""]]);
  const names = texts(await client.send("CONFIG", "GET", "*")).filter((_, i) => i % 2 === 0);
  for (const name of names) {
    if (left.test(name) || name === "loglevel" || name.endsWith("-announce-ip")) continue;
    for (const value of values) {
      // Redis tells the percentile -0 from 0.
      if (value === "-0" && name === "latency-tracking-info-percentiles") continue;
      const theirs = line(await client.send("CONFIG", "SET", name, value));
      assertEquals(trySet(config, [name, value]), theirs, `CONFIG SET ${name} '${value}'`);
      if (theirs !== "OK") continue;
      const shown = texts(await client.send("CONFIG", "GET", name));
      assertEquals(config.get([name]), [[name, shown[1]!]], `CONFIG SET ${name} '${value}'`);
    }
  }
});

redisTest("CONFIG SET of several directives fails as in Redis", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port);
  const config = new Config();
  const cases: [string, string][][] = [
    [["nosuch", "1"], ["databases", "2"]],
    [["databases", "2"], ["nosuch", "1"]],
    [["hz", "x"], ["port", "x"]],
    [["hz", "10"], ["hz", "10"], ["databases", "3"]],
    [["maxmemory", "1"], ["MAXMEMORY", "1"]],
    [["Databases", "1"]],
    [["DIR", "/"]],
    [["MaxMemory", "x"]],
    [["replica-priority", "3"], ["slave-priority", "4"]],
    [["hash-max-listpack-entries", "5"], ["hash-max-ziplist-entries", "x"]],
    [["maxmemory-clients", "101%"]],
    [["maxmemory-clients", "05%"]],
    [["maxmemory-clients", "5.5%"]],
    [["rename-command", "a b"]],
    [["user", "a"]],
    [["timeout", "x"], ["activerehashing", "maybe"]],
  ];
  for (const pairs of cases) {
    const theirs = line(await client.send("CONFIG", "SET", ...pairs.flat()));
    assertEquals(trySet(config, ...pairs), theirs);
  }
  assertEquals(config.values["replica-priority"], 4);
  assertEquals(config.values["hash-max-listpack-entries"], 512);
});

redisTest("a configuration that Redis refuses is refused with its words", () => {
  const files = [
    'port 1\nport "27398',
    "port 1\nport\n",
    "port 1\n  # x\n\n foo bar\n",
    "port 1 # x\n",
    "PORT 1\nMaxMemory 1x\n",
    "include nosuch.conf\n",
    "include nosuch*.conf\nport 1 2",
    "user\n",
    "user a on\nuser a off\n",
    "rename-command a\n",
    "loadmodule\n",
    "sentinel x\n",
    "watchdog-period 3\nslaveof a 1\nmaxclients 0",
    "slaveof a b",
    'replicaof "a b c"',
    "replicaof a 99999",
    "unixsocketperm 0888",
    "unixsocketperm 7777",
    "proc-title-template {nope}",
    `bind ${"1 ".repeat(17)}`,
    "oom-score-adj-values 1 2 3 4",
    "notify-keyspace-events KEA x",
    "dbfilename a/b",
    'appendfilename ""',
    "appenddirname a/b",
    "maxmemory-clients 200%",
    "logfile /nosuch/a",
    "dir /nosuch",
    "save 1",
    "save a b",
    "client-output-buffer-limit normal 1 1",
    "cluster-enabled yes\nreplicaof a 1",
    "supervised x",
    "syslog-facility x",
    "databases 0",
    "io-threads 129",
  ];
  const argvs = [
    ["--port"],
    ["--port=1"],
    ["--nosuch", "1"],
    ["--port", "1", "2"],
    ["--port", "1", "--daemonize"],
    ["--port", "abc"],
    ["--maxmemory 3x"],
    ["--port", "1", "-x"],
    ["--databases", "--port", "--x"],
    ["--yes"],
    ["/nosuch.conf"],
  ];
  /** Without what differs by itself: the versions, and the log's prefix. */
  const bare = (text: string) =>
    text.trim().replace(/\(Redis .*\)/, "").replace(/^\d+:C .* # (?=Fatal error)/m, "");
  const check = (argv: string[], cwd: string) => {
    const { code, stdout, stderr } = new Deno.Command("redis-server", { args: argv, cwd })
      .outputSync();
    assertEquals(code, 1, argv.join(" "));
    const printed = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
    const error = assertThrows(() => load(...argv), ConfigError);
    // The log's first lines come before it, where the file could be read.
    assertEquals(bare(printed).endsWith(bare(error.message)), true, `${error.message}${printed}`);
  };
  for (const text of files) {
    withFile(text, (path) => check([path], path.replace("/redis.conf", "")));
  }
  for (const argv of argvs) check(argv, "/");
});
