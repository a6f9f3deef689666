/** Loading the file: at the start, while clients already ask, and by DEBUG RELOAD. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { serve, type ServeOptions } from "../lib/mod.ts";
import { LoadError } from "../lib/persistence/persistence.ts";
import { Server } from "../lib/server/server.ts";
import { eventually } from "./support/eventually.ts";
import { concat, littleEndian, RdbBuilder, rdbFile } from "./support/rdb.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const isWindows = Deno.build.os === "windows";

async function tempDir(stack: AsyncDisposableStack): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "redino_load_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  return dir;
}

/** Has a server save what these commands make. */
async function save(dir: string, commands: string[][], options: ServeOptions = {}): Promise<void> {
  await using server = await serve({ port: 0, dir, "enable-debug-command": "yes", ...options });
  using client = await RespClient.connect(server.port);
  for (const command of commands) await client.send(...command);
  assertEquals(await client.ask("SAVE"), "+OK");
}

async function ask(port: number, ...args: string[]): Promise<string> {
  using client = await RespClient.connect(port);
  return await client.ask(...args);
}

redisTest("a file of redis-server is loaded at the start", async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  using client = await RespClient.connect(redis.port);
  await client.send("DEBUG", "POPULATE", "1000");
  await client.send("SELECT", "5");
  await client.send("HSET", "hash", "field", "value");
  await client.send("PEXPIRE", "hash", "100000000");
  const digest = await client.ask("DEBUG", "DIGEST");
  await client.send("SAVE");
  let log = "";
  const server = stack.use(
    await serve({
      port: 0,
      dir: redis.dir,
      "enable-debug-command": "yes",
      log: (line) => log += line,
    }),
  );
  assertEquals(await ask(server.port, "DEBUG", "DIGEST"), digest);
  assertStringIncludes(await ask(server.port, "INFO"), "rdb_last_load_keys_loaded:1001");
  assertMatch(log, /DB loaded from disk: \d+\.\d{3} seconds/);
});

Deno.test("an embedded server loads only where it is told which file", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  await save(dir, [["SET", "k", "v"]]);
  const before = Deno.cwd();
  stack.defer(() => Deno.chdir(before));
  Deno.chdir(dir);
  await using unasked = await serve({ port: 0 });
  assertEquals(await ask(unasked.port, "DBSIZE"), ":0");
  await using asked = await serve({ port: 0, dbfilename: "dump.rdb" });
  assertEquals(await ask(asked.port, "DBSIZE"), ":1");
});

Deno.test("a start without a file begins empty", async () => {
  await using stack = new AsyncDisposableStack();
  await using server = await serve({ port: 0, dir: await tempDir(stack) });
  assertEquals(await ask(server.port, "DBSIZE"), ":0");
});

Deno.test("clients that come while it loads are told so", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  await save(dir, [["DEBUG", "POPULATE", "100000", "key", "120"]], { rdbcompression: false });
  const listener = Deno.listen({ port: 0 });
  const { port } = listener.addr;
  listener.close();
  const starting = serve({ port, dir, "enable-debug-command": "yes" });
  stack.defer(async () => (await starting).close());
  // It listens from the first moment on, and reads the file's pieces in turn with its clients' commands.
  using client = await RespClient.connect(port);
  assertEquals(await client.ask("GET", "key:1"), "-LOADING Redis is loading the dataset in memory");
  assertEquals(await client.ask("BGSAVE"), "-LOADING Redis is loading the dataset in memory");
  const info = await client.ask("INFO", "persistence");
  assertMatch(info, /loading:1\\r/);
  assertMatch(info, /loading_total_bytes:1\d{7}\\r/);
  assertMatch(info, /loading_loaded_perc:\d\d?\.\d\d\\r/);
  assertMatch(info, /loading_eta_seconds:\d+\\r/);
  await starting;
  assertEquals(await client.ask("DBSIZE"), ":100000");
  assertStringIncludes(await client.ask("INFO", "persistence"), "loading:0\\r");
});

Deno.test("SHUTDOWN while it loads leaves the file alone", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  await save(dir, [["DEBUG", "POPULATE", "100000", "key", "120"]], { rdbcompression: false });
  const before = await Deno.stat(`${dir}/dump.rdb`);
  const listener = Deno.listen({ port: 0 });
  const { port } = listener.addr;
  listener.close();
  const starting = serve({ port, dir, save: "3600 1" });
  using client = await RespClient.connect(port);
  await client.post("SHUTDOWN");
  const server = await starting;
  await server.closed;
  assertEquals((await Deno.stat(`${dir}/dump.rdb`)).ino, before.ino);
});

Deno.test("keys whose time has come are not loaded", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  let nowMs = 1_800_000_000_000;
  const clock = () => nowMs;
  await save(dir, [["SET", "gone", "v", "EX", "10"], ["SET", "here", "v", "EX", "1000"]], {
    clock,
  });
  nowMs += 11_000;
  await using server = await serve({ port: 0, dir, clock });
  assertEquals(await ask(server.port, "KEYS", "*"), '["here"]');
  assertEquals(await ask(server.port, "TTL", "here"), ":989");
  assertStringIncludes(await ask(server.port, "INFO"), "rdb_last_load_keys_expired:1");
});

Deno.test("a damaged file ends the start, with the place in it", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  await save(dir, [["RPUSH", "list", "a", "b"], ["SET", "k", "v".repeat(100)]]);
  const bytes = await Deno.readFile(`${dir}/dump.rdb`);
  await Deno.writeFile(`${dir}/dump.rdb`, bytes.subarray(0, bytes.length - 20));
  const error = await assertRejects(() => serve({ port: 0, dir }), LoadError);
  assertMatch(error.message, /at byte \d+ of dump\.rdb/);

  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "--port", "0", "--dir", dir],
  });
  const { code, stdout } = await command.output();
  const log = new TextDecoder().decode(stdout);
  assertEquals(code, 1, log);
  assertStringIncludes(log, `Fatal error loading the DB: ${error.message}. Exiting.`);
  assert(!log.includes("Ready to accept connections"));
});

/** What the start says where `dump.rdb` is something else. */
function refusalOf(kind: string): string {
  return `Cannot read dump.rdb: it is ${kind}, not a file; ` +
    "move it away, or set dbfilename to another name";
}

Deno.test("what is no file ends the start", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  const refused = async (kind: string) => {
    const error = await assertRejects(() => serve({ port: 0, dir }), LoadError);
    assertEquals(error.message, refusalOf(kind));
    await Deno.remove(`${dir}/dump.rdb`);
  };
  await Deno.mkdir(`${dir}/dump.rdb`);
  await refused("a directory");
  if (isWindows) return;
  using _socket = Deno.listen({ transport: "unix", path: `${dir}/dump.rdb` });
  await refused("a socket");
  await Deno.symlink("/dev/zero", `${dir}/dump.rdb`);
  await refused("a device");
});

Deno.test({
  name: "a FIFO in the file's place holds up neither the start nor DEBUG RELOAD",
  ignore: isWindows,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const dir = await tempDir(stack);
    const args = ["--enable-debug-command", "yes"];
    const running = stack.use(await startRedinoProcess({ dir, args }));
    await new Deno.Command("mkfifo", { args: [`${dir}/dump.rdb`] }).output();
    using client = await RespClient.connect(running.port);
    assertMatch(
      await client.ask("DEBUG", "RELOAD", "NOSAVE"),
      /^-ERR Error trying to load the RDB/,
    );
    await eventually(() => running.log().includes(refusalOf("a FIFO")));

    // A process of its own, as one that waits in open() can only be killed.
    const starting = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, "--port", "0", "--dir", dir],
      stdout: "piped",
    }).spawn();
    let ended = false;
    const status = starting.status.finally(() => ended = true);
    const log = new Response(starting.stdout).text();
    stack.defer(async () => {
      if (!ended) starting.kill("SIGKILL");
      await Promise.all([status, log]);
    });
    await eventually(() => ended);
    assertEquals((await status).code, 1);
    assertStringIncludes(
      await log,
      `Fatal error loading the DB: ${refusalOf("a FIFO")}. Exiting.`,
    );
  },
});

Deno.test("what killed servers left behind is removed at the start", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  const ended = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await ended.status;
  const living = new Deno.Command("sleep", { args: ["100"] }).spawn();
  stack.defer(async () => {
    living.kill("SIGKILL");
    await living.status;
  });
  const kept = [`temp-${living.pid}-1.rdb`, "temp-1.txt", "other.rdb"].sort();
  for (const name of [...kept, `temp-${ended.pid}-1.rdb`]) {
    await Deno.writeTextFile(`${dir}/${name}`, "x");
  }
  await using _server = await serve({ port: 0, dir });
  assertEquals(Array.from(Deno.readDirSync(dir), ({ name }) => name).sort(), kept);
});

Deno.test("a file remembers where in replication its data stand", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  const position = { id: "a".repeat(40), offset: 1234, db: 2 };
  {
    await using first = await serve({ port: 0, dir });
    assert(first instanceof Server);
    first.persistence.replicationPosition = () => position;
    assertEquals(await ask(first.port, "SAVE"), "+OK");
  }
  await using second = await serve({ port: 0, dir });
  assert(second instanceof Server);
  assertEquals(second.persistence.loadedReplication, position);
});

Deno.test("what a file says of replication is taken if it is an ID, an offset and a database that is there", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  const id = "f".repeat(40);
  const cases = [
    [id, "17", "3", { id, offset: 17, db: 3 }],
    [id, "17", "99", { id, offset: 17, db: 0 }],
    [id, "17", "x", { id, offset: 17, db: 0 }],
    [id, "-1", "0", undefined],
    [id, "1.5", "0", undefined],
    ["short", "17", "0", undefined],
  ] as const;
  for (const [replId, offset, db, position] of cases) {
    const records = new RdbBuilder()
      .raw(0xfa).string("repl-stream-db").string(db)
      .raw(0xfa).string("repl-id").string(replId)
      .raw(0xfa).string("repl-offset").string(offset);
    await Deno.writeFile(`${dir}/dump.rdb`, rdbFile(10, records));
    await using server = await serve({ port: 0, dir });
    assert(server instanceof Server);
    assertEquals(server.persistence.loadedReplication, position);
  }
});

redisTest(
  "keys that have expired are counted, and replicas are told of them",
  async () => {
    await using stack = new AsyncDisposableStack();
    const seconds = (time: number) => littleEndian(Math.floor(time / 1000), 4);
    const past = seconds(Date.now() - 60_000);
    const keys = new RdbBuilder()
      .raw(0xfe, 3, 0xfd, past).key(0, "gone").string("v")
      .raw(0xfd, past).key(0, "gone too").string("v")
      .raw(0xfd, seconds(Date.now() + 600_000)).key(0, "later").string("v")
      .raw(0xfe, 1).key(0, "never").string("v");
    const position = new RdbBuilder()
      .raw(0xfa).string("repl-stream-db").string("0")
      .raw(0xfa).string("repl-id").string("f".repeat(40))
      .raw(0xfa).string("repl-offset").string("1234");
    const fields = ["rdb_last_load_keys_expired", "rdb_last_load_keys_loaded", "db1", "db3"];
    // Without a position redis-server counts what it then forgets.
    const ofStream = ["master_repl_offset", "repl_backlog_histlen"];
    for (
      const { records, names } of [
        { records: [keys], names: fields },
        { records: [position, keys], names: [...fields, ...ofStream] },
      ]
    ) {
      const dir = await tempDir(stack);
      await Deno.writeFile(
        `${dir}/dump.rdb`,
        rdbFile(10, new RdbBuilder().raw(concat(...records))),
      );
      const redino = stack.use(await serve({ port: 0, dir }));
      const redis = stack.use(await startRedis({ args: ["--dir", dir] }));
      const told = await Promise.all([redino, redis].map(async ({ port }) => {
        using client = await RespClient.connect(port);
        const values = await info(client, "everything");
        return names.map((name) => `${name} ${values.get(name)?.replace(/,avg_ttl.*/, "")}`);
      }));
      assertEquals(told[0], told[1]);
      assertEquals(told[0]!.slice(0, 2), [
        "rdb_last_load_keys_expired 2",
        "rdb_last_load_keys_loaded 2",
      ]);
    }
  },
);

Deno.test("DEBUG RELOAD keeps what it cannot load from being taken for the data", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  await using server = await serve({ port: 0, dir, "enable-debug-command": "yes" });
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v");
  assertEquals(await client.ask("DEBUG", "RELOAD"), "+OK");
  assertEquals(await client.ask("GET", "k"), '"v"');
  const refusal = "-ERR Error trying to load the RDB dump, check server logs.";
  // The key is there already.
  assertEquals(await client.ask("DEBUG", "RELOAD", "NOFLUSH", "NOSAVE"), refusal);
  await Deno.truncate(`${dir}/dump.rdb`, 20);
  assertEquals(await client.ask("DEBUG", "RELOAD", "NOSAVE"), refusal);
  assertEquals(await client.ask("DBSIZE"), ":0");
  assertMatch(await client.ask("DEBUG", "LOADAOF"), /^-ERR Error trying to load the AOF files/);
});

Deno.test("a save that is going on is not disturbed by DEBUG RELOAD", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await tempDir(stack);
  let log = "";
  await using server = await serve({
    port: 0,
    dir,
    "enable-debug-command": "yes",
    log: (line) => log += line,
  });
  using client = await RespClient.connect(server.port);
  await client.send("DEBUG", "POPULATE", "20000");
  await client.send("BGSAVE");
  assertEquals(await client.ask("DEBUG", "RELOAD"), "+OK");
  await eventually(() => log.includes("terminated with success"));
  assertEquals(await client.ask("DEBUG", "RELOAD", "NOSAVE"), "+OK");
  assertEquals(await client.ask("DBSIZE"), ":20000");
});
