/** The server as a program: its options, its files, its log, its signals and how it ends. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { compare, errorPrefix } from "./support/differential.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const MAIN = new URL("../main.ts", import.meta.url).href;
const isWindows = Deno.build.os === "windows";
const decoder = new TextDecoder();

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program until it ends by itself. */
async function run(...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, ...args],
    stdin: "null",
  }).output();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

interface Started {
  readonly child: Deno.ChildProcess;
  readonly port: number;
  readonly log: string;
}

/** Runs the program in `cwd` until it accepts connections; whoever starts it ends it. */
async function start(cwd: string, args: readonly string[], input = ""): Promise<Started> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, ...args],
    cwd,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(input));
  await stdin.close();
  let log = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    log += chunk;
    if (log.includes("Ready to accept connections")) break;
  }
  const port = /port=(\d+)/.exec(log)?.[1];
  if (port === undefined) throw new Error(`The program ended before it was ready: ${log}`);
  return { child, port: Number(port), log };
}

async function withDir(fn: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "redino_start_" });
  try {
    await fn(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The values of directives as CONFIG GET tells them. */
async function configOf(port: number, ...names: readonly string[]): Promise<string[]> {
  using client = await RespClient.connect(port);
  const values: string[] = [];
  for (const name of names) {
    const reply = await client.send("CONFIG", "GET", name);
    assert(reply.type === "array" && reply.items.length === 2);
    const value = reply.items[1]!;
    values.push("text" in value ? value.text : value.type);
  }
  return values;
}

Deno.test("--version and --help print and end with status 0", async () => {
  for (const option of ["--version", "-v"]) {
    const { code, out } = await run(option);
    assertEquals(code, 0);
    assertMatch(out, /^Redis server v=7\.2\.4 /);
  }
  for (const option of ["--help", "-h"]) {
    const { code, out } = await run(option);
    assertEquals(code, 0);
    assertStringIncludes(out, "--port");
  }
});

redisTest(
  "a configuration that is wrong ends the start with Redis's message and status 1",
  async () => {
    const wrong = [
      ["--nosuch", "1"],
      ["--port", "abc"],
      ["--port"],
      ["--maxmemory", "1zb"],
      ["--replicaof", "1.2.3.4"],
      ["--save", "abc"],
      ["--dir", "/nonexistent"],
      ["--logfile", "/nonexistent/log"],
      ["--maxmemory-policy", "no-such-policy"],
    ];
    for (const args of wrong) {
      const { code, err } = await run(...args);
      const redis = await new Deno.Command("redis-server", { args, stdin: "null" }).output();
      const expected = decoder.decode(redis.stderr) + decoder.decode(redis.stdout);
      assertEquals(
        err.trim().replace(/\(Redis .*?\)/, "(Redis)"),
        expected.trim().replace(/\(Redis .*?\)/, "(Redis)"),
        args.join(" "),
      );
      assertEquals(code, 1);
    }
  },
);

Deno.test("a file that cannot be read, a port that is taken: one sentence and status 1", async () => {
  await withDir(async (dir) => {
    const missing = await run(`${dir}/none.conf`);
    assertEquals(missing.code, 1);
    assertStringIncludes(
      missing.err,
      `Fatal error, can't open config file '${dir}/none.conf': No such file or directory`,
    );
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const taken = await run("--port", String(port), "--bind", "127.0.0.1", "--dir", dir);
    assertEquals(taken.code, 1);
    assertEquals(
      taken.err.trim(),
      `Cannot listen on 127.0.0.1:${port}: the address is in use; stop the server that has it, or choose another port.`,
    );
  });
});

Deno.test("a file, standard input and options are read in this order", async () => {
  await withDir(async (dir) => {
    await Deno.writeTextFile(
      `${dir}/redis.conf`,
      "# A comment\nport 1\nmaxclients 11\ntimeout 12\ninclude more.conf\n",
    );
    await Deno.writeTextFile(`${dir}/more.conf`, "hz 13\n");
    // deno-fmt-ignore
    const args = [
      `${dir}/redis.conf`, "--timeout", "22", "--dir", dir, "--replica-announce-ip", "1.2.3.4",
      "--appendonly", "no", "-",
    ];
    const input = "port 0\nmaxclients 21\ntimeout 21\n";
    const { child, port, log } = await start(dir, args, input);
    assertStringIncludes(log, "Configuration loaded");
    assertEquals(await configOf(port, "maxclients", "timeout", "hz", "replica-announce-ip"), [
      "21",
      "22",
      "13",
      "1.2.3.4",
    ]);
    using client = await RespClient.connect(port);
    await client.post("SHUTDOWN", "NOSAVE");
    assertEquals((await child.status).code, 0);
  });
});

Deno.test("replicaof takes host and port as one word or as two", async () => {
  for (const args of [["--replicaof", "127.0.0.1 1"], ["--replicaof", "127.0.0.1", "1"]]) {
    await using server = await startRedinoProcess({ args });
    assertEquals(await configOf(server.port, "replicaof"), ["127.0.0.1 1"]);
  }
});

Deno.test("the log has Redis's lines, and the words that harnesses wait for", async () => {
  await using server = await startRedinoProcess();
  const lines = server.log().trimEnd().split("\n");
  for (const line of lines) {
    assertMatch(
      line,
      /^\d+:[CM] \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}\.\d{3} [.\-*#] \S/,
    );
    assertStringIncludes(line, `${server.pid}:`);
  }
  const log = server.log();
  assertStringIncludes(log, "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
  assertStringIncludes(log, `port=${server.port}.`);
  assert(log.indexOf("Server initialized") < log.indexOf("Ready to accept connections tcp"));
});

Deno.test("logfile takes the log, relative to dir, and loglevel chooses", async () => {
  await withDir(async (dir) => {
    const child = new Deno.Command(Deno.execPath(), {
      // deno-fmt-ignore
      args: [
        "run", "-A", MAIN, "--port", "0", "--bind", "127.0.0.1", "--dir", dir,
        "--logfile", "redino.log", "--pidfile", "redino.pid",
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const read = () => Deno.readTextFile(`${dir}/redino.log`).catch(() => "");
    await eventually(async () => (await read()).includes("Ready to accept connections"));
    assertEquals(await Deno.readTextFile(`${dir}/redino.pid`), `${child.pid}\n`);
    const port = Number(/port=(\d+)/.exec(await read())![1]);
    using client = await RespClient.connect(port);
    assertEquals(await client.ask("CONFIG", "SET", "loglevel", "warning"), "+OK");
    const before = await read();
    await client.post("SHUTDOWN", "NOSAVE");
    assertEquals((await child.status).code, 0);
    assertEquals(await new Response(child.stdout).text(), "");
    const after = (await read()).slice(before.length);
    assertStringIncludes(after, "# Redis is now ready to exit, bye bye...");
    assert(!after.includes("User requested shutdown"), after);
    // What ends in order leaves no PID file.
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["redino.log"]);
  });
});

Deno.test({
  name: "SIGTERM and SIGINT end the server in order",
  ignore: isWindows,
  async fn() {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using server = await startRedinoProcess();
      using client = await RespClient.connect(server.port);
      assertEquals(await client.ask("SET", "k", "v"), "+OK");
      server.kill(signal);
      assertEquals(await client.readToEnd(), new Uint8Array());
      assertEquals((await server.status).code, 0);
      await eventually(() => server.log().includes("bye bye"));
      assertMatch(server.log(), new RegExp(`# Received ${signal} scheduling shutdown\\.\\.\\.`));
    }
  },
});

Deno.test("SHUTDOWN ends the program, however it is asked for", async () => {
  for (const words of [[], ["NOSAVE"], ["NOW"], ["NOSAVE", "NOW", "FORCE"], ["save", "force"]]) {
    await using server = await startRedinoProcess();
    using client = await RespClient.connect(server.port);
    using other = await RespClient.connect(server.port);
    assertEquals(await other.ask("PING"), "+PONG");
    await client.post("SHUTDOWN", ...words);
    assertEquals(await client.readToEnd(), new Uint8Array());
    assertEquals(await other.readToEnd(), new Uint8Array());
    assertEquals((await server.status).code, 0);
  }
});

Deno.test("CONFIG REWRITE keeps the file's comments and order, and what it wrote can be started from", async () => {
  await withDir(async (dir) => {
    const file = `${dir}/redis.conf`;
    const text = "# Ours\nbind 127.0.0.1\nport 0\n\n# How many\nmaxclients 50\ntimeout 5\n";
    await Deno.writeTextFile(file, text);
    const first = await start(dir, [file]);
    {
      using client = await RespClient.connect(first.port);
      assertEquals(await client.ask("CONFIG", "SET", "maxclients", "60", "hz", "20"), "+OK");
      assertEquals(await client.ask("CONFIG", "REWRITE"), "+OK");
      await client.post("SHUTDOWN", "NOSAVE");
    }
    assertEquals((await first.child.status).code, 0);
    const rewritten = await Deno.readTextFile(file);
    assert(
      rewritten.startsWith(text.replace("maxclients 50", "maxclients 60")),
      rewritten,
    );
    assertStringIncludes(rewritten, "\n# Generated by CONFIG REWRITE\n");
    assertStringIncludes(rewritten, "\nhz 20\n");
    const second = await start(dir, [file]);
    assertEquals(await configOf(second.port, "maxclients", "hz", "timeout"), ["60", "20", "5"]);
    using client = await RespClient.connect(second.port);
    await client.post("SHUTDOWN", "NOSAVE");
    assertEquals((await second.child.status).code, 0);
  });
});

redisTest("rename-command leaves a command its new name alone, or none", async () => {
  const long = "config-7c0a9d2c55d84f53b8a1d3f0f5c3b0a1";
  // deno-fmt-ignore
  const args = [
    "--rename-command", "FlushDB", "SweepDB",
    "--rename-command", "config", long,
    "--rename-command", "get", "fetch1",
    "--rename-command", "Fetch1", "fetch",
    "--rename-command", "keys", "",
    "--rename-command", "object", "obj\u00c9t",
  ];
  await using redisServer = await startRedis({ args });
  await using redinoServer = await startRedinoProcess({ args });
  using redis = await RespClient.connect(redisServer.port);
  using redino = await RespClient.connect(redinoServer.port);
  await compare({ redis, redino, [Symbol.dispose]() {} }, [
    ["SET", "k", "v"],
    ["GET", "k"],
    ["fetch1", "k"],
    ["FETCH", "k"],
    ["fetch", "k", "more"],
    ["KEYS", "*"],
    ["", "*"],
    ["flushdb"],
    ["config", "get", "port"],
    [long, "get", "maxmemory"],
    [long.toUpperCase(), "nope"],
    ["obj\u00c9t", "encoding", "k"],
    ["obj\u00e9t", "encoding", "k"],
    ["COMMAND", "GETKEYS", "fetch", "k"],
    ["COMMAND", "GETKEYS", "get", "k"],
    ["COMMAND", "INFO", "get", "flushdb", "keys"],
    ["COMMAND", "LIST", "FILTERBY", "PATTERN", "*flushd*"],
    ["COMMAND", "LIST", "FILTERBY", "PATTERN", "keys"],
    ["MULTI"],
    ["sweepdb"],
    ["EXEC"],
    ["fetch", "k"],
    errorPrefix(["sweepdb", "now"]),
  ]);
});

redisTest("rename-command refuses a name that is not there, or taken", async () => {
  const bad = [["nosuch", "x"], ["get", "set"], ["get", "SET"], ["get"], ["get", "x", "y"]];
  for (const words of bad) {
    const args = ["--port", "0", "--save", "", "--rename-command", ...words];
    const redino = await run(...args);
    const redis = await new Deno.Command("redis-server", { args }).output();
    assertEquals(redino.code, 1);
    assertEquals(lastLine(redino.err), lastLine(decoder.decode(redis.stderr)));
  }
  const unusual = await run("--port", "0", "--rename-command", "config|get", "x");
  assertStringIncludes(unusual.err, "No such command in rename-command");
});

function lastLine(text: string): string | undefined {
  return text.trimEnd().split("\n").at(-1);
}
