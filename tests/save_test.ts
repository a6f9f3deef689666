/** SAVE, BGSAVE, save points and SHUTDOWN's save: replies, files, and what happens where they fail. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve, type ServeOptions } from "../lib/mod.ts";
import { Server } from "../lib/server/server.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { redisTest, without } from "./support/skip.ts";

/** A server with a directory of its own, a clock that is moved by hand, and what it logged. */
class Saving implements AsyncDisposable {
  nowMs = 1_800_000_000_000;
  log = "";
  readonly dir: string;
  server!: Server;
  client!: RespClient;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(options: ServeOptions = {}): Promise<Saving> {
    const saving = new Saving(await Deno.makeTempDir({ prefix: "redino_save_" }));
    const server = await serve({
      port: 0,
      dir: saving.dir,
      "enable-debug-command": "yes",
      "enable-protected-configs": "yes",
      clock: () => saving.nowMs,
      log: (line) => saving.log += line,
      ...options,
    });
    assert(server instanceof Server);
    saving.server = server;
    saving.client = await RespClient.connect(server.port);
    return saving;
  }

  ask(...args: string[]): Promise<string> {
    return this.client.ask(...args);
  }

  /** Sends commands at once, so that they are run in one go. */
  async askAll(...commands: string[][]): Promise<string[]> {
    const requests = commands.map((command) => latin1(encodeCommand(command.map(latin1Bytes))));
    await this.client.write(requests.join(""));
    const replies: string[] = [];
    for (const _ of commands) replies.push(show(await this.client.read()));
    return replies;
  }

  /** A field of INFO. */
  async info(field: string): Promise<string> {
    const reply = await this.client.send("INFO");
    assert(reply.type === "bulk");
    return new RegExp(`^${field}:(.*)\r$`, "m").exec(reply.text)?.[1] ?? "";
  }

  async saved(): Promise<void> {
    await eventually(async () => await this.info("rdb_bgsave_in_progress") === "0");
  }

  files(): string[] {
    return Array.from(Deno.readDirSync(this.dir), ({ name }) => name).sort();
  }

  /** A server that has loaded the file. */
  async reload(): Promise<string[]> {
    await using server = await serve({ port: 0, dir: this.dir, clock: () => this.nowMs });
    using client = await RespClient.connect(server.port);
    const reply = await client.send("KEYS", "*");
    assert(reply.type === "array");
    return reply.items.map((item) => item.type === "bulk" ? item.text : "").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.server.close();
    await Deno.remove(this.dir, { recursive: true }).catch(() => {});
  }
}

/** Makes saving impossible; returns what makes it possible again. */
function blockTarget(dir: string): () => void {
  Deno.mkdirSync(`${dir}/dump.rdb/in_the_way`, { recursive: true });
  return () => Deno.removeSync(`${dir}/dump.rdb`, { recursive: true });
}

redisTest("what SAVE writes redis-check-rdb accepts and redis-server loads", async () => {
  await using saving = await Saving.start();
  await saving.ask("DEBUG", "POPULATE", "2000");
  await saving.ask("RPUSH", "list", "a", "b");
  await saving.ask("SELECT", "3");
  await saving.ask("SET", "k", "v", "EX", "100000000");
  assertEquals(await saving.ask("SAVE"), "+OK");
  assertEquals(saving.files(), ["dump.rdb"]);
  assertEquals(await saving.info("rdb_changes_since_last_save"), "0");
  assertEquals(await saving.ask("LASTSAVE"), ":1800000000");
  assertEquals(await saving.info("rdb_saves"), "1");

  const check = new Deno.Command("redis-check-rdb", { args: [`${saving.dir}/dump.rdb`] });
  const { success, stdout } = await check.output();
  assert(success, new TextDecoder().decode(stdout));
  await using redis = await startRedis({ args: ["--dir", saving.dir] });
  using client = await RespClient.connect(redis.port);
  assertEquals(await client.ask("DEBUG", "DIGEST"), await saving.ask("DEBUG", "DIGEST"));
});

redisTest("saving answers as Redis does", async () => {
  const temp = await Deno.makeTempDir({ prefix: "redino_save_" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(temp, { recursive: true }));
  await using pair = await startPair({ config: { "enable-protected-configs": "yes" } });
  await compare(pair, [
    ["SAVE"],
    ["SAVE", "now"],
    ["BGSAVE", "now"],
    ["BGSAVE", "SCHEDULE", "now"],
    ["LASTSAVE", "x"],
    ["MULTI"],
    ["SAVE"],
    ["DISCARD"],
    ["DEBUG", "RELOAD", "now"],
    ["SET", "k", "v"],
    ["DEBUG", "RELOAD"],
    ["GET", "k"],
    ["DEBUG", "RELOAD", "NOFLUSH", "MERGE"],
    ["DBSIZE"],
    ["SET", "k2", "v"],
    ["DEBUG", "RELOAD", "NOSAVE"],
    ["EXISTS", "k", "k2"],
    ["CONFIG", "SET", "dbfilename", "other.rdb", "dir", temp],
    ["SAVE"],
    ["CONFIG", "SET", "dbfilename", "a/b"],
    ["SHUTDOWN", "ABORT"],
    ["SHUTDOWN", "SAVE", "NOSAVE"],
  ]);
  const clients = [pair.redis, pair.redino];
  const savesBefore = await Promise.all(
    clients.map(async (client) => Number((await info(client, "persistence")).get("rdb_saves"))),
  );
  await compare(pair, [
    ["MULTI"],
    ["BGSAVE"],
    ["BGSAVE", "schedule"],
    ["EXEC"],
  ]);
  // The one that was scheduled writes to the directory, which is to be removed.
  for (const [i, client] of clients.entries()) {
    await eventually(async () => {
      const fields = await info(client, "persistence");
      return Number(fields.get("rdb_saves")) > savesBefore[i]! &&
        fields.get("rdb_bgsave_in_progress") === "0";
    });
  }
});

Deno.test("BGSAVE writes the file while others go on", async () => {
  await using saving = await Saving.start();
  await saving.ask("DEBUG", "POPULATE", "50000");
  await saving.ask("SET", "before", "1");
  const replies = await saving.askAll(
    ["BGSAVE"],
    ["BGSAVE"],
    ["SAVE"],
    ["BGSAVE", "SCHEDULE"],
    ["INFO", "persistence"],
    ["SET", "after", "1"],
    ["SET", "before", "2"],
  );
  const refusal = "-ERR Background save already in progress";
  assertEquals(replies.slice(0, 4), ["+Background saving started", refusal, refusal, refusal]);
  assertStringIncludes(replies[4]!, "rdb_bgsave_in_progress:1");
  assertStringIncludes(replies[4]!, "current_save_keys_total:50001");
  let answered = 0;
  while (await saving.info("rdb_bgsave_in_progress") === "1") answered++;
  assert(answered > 1, "nothing was answered meanwhile");
  assertEquals(await saving.info("rdb_changes_since_last_save"), "2");
  assertEquals(await saving.info("rdb_last_bgsave_status"), "ok");
  assertEquals(await saving.info("rdb_last_bgsave_time_sec"), "0");
  assertEquals(await saving.info("rdb_current_bgsave_time_sec"), "-1");
  assertStringIncludes(saving.log, "Background saving started by pid");
  assertStringIncludes(saving.log, "Background saving terminated with success");
  assertEquals((await saving.reload()).length, 50001);
  assertEquals(saving.files(), ["dump.rdb"]);
});

Deno.test("BGSAVE within a transaction begins when that is over", async () => {
  await using saving = await Saving.start();
  await saving.ask("MULTI");
  await saving.ask("BGSAVE");
  await saving.ask("SET", "after", "1");
  assertEquals(await saving.ask("EXEC"), "[+Background saving scheduled +OK]");
  await eventually(() => saving.log.includes("terminated with success"));
  assertEquals(await saving.reload(), ["after"]);
});

Deno.test("a save point saves when there were so many changes in so many seconds", async () => {
  await using saving = await Saving.start({ save: "60 2" });
  await saving.ask("SET", "a", "1");
  saving.nowMs += 61_000;
  await saving.ask("SET", "b", "1");
  await eventually(() => saving.log.includes("terminated with success"));
  assertStringIncludes(saving.log, "2 changes in 60 seconds. Saving...");
  assertEquals(await saving.reload(), ["a", "b"]);
  assertEquals(await saving.ask("LASTSAVE"), ":1800000061");
});

Deno.test("after a failure the save points wait five seconds", async () => {
  await using saving = await Saving.start({ save: "60 1", "stop-writes-on-bgsave-error": "no" });
  const unblock = blockTarget(saving.dir);
  await saving.ask("SET", "a", "1");
  saving.nowMs += 61_000;
  await eventually(() => saving.log.includes("Background saving error"));
  assertEquals(await saving.info("rdb_last_bgsave_status"), "err");
  unblock();
  saving.nowMs += 5_000;
  const { persistence, time } = saving.server;
  time.refresh();
  persistence.cron();
  assert(!persistence.busy);
  saving.nowMs += 1_000;
  await eventually(() => saving.log.includes("terminated with success"));
  assertEquals(await saving.info("rdb_last_bgsave_status"), "ok");
});

Deno.test("writes are refused after a BGSAVE that failed, until one goes well", async () => {
  await using saving = await Saving.start({ save: "3600 1" });
  const unblock = blockTarget(saving.dir);
  assertEquals(await saving.ask("BGSAVE"), "+Background saving started");
  await saving.saved();
  assertMatch(await saving.ask("SET", "k", "v"), /^-MISCONF Redis is configured to save RDB/);
  assertMatch(await saving.ask("PING"), /^-MISCONF/);
  assertEquals(await saving.ask("GET", "k"), "nil$");
  await saving.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
  assertEquals(await saving.ask("SET", "k", "v"), "+OK");
  await saving.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes");
  assertMatch(await saving.ask("SET", "k", "v"), /^-MISCONF/);
  await saving.ask("CONFIG", "SET", "save", "");
  assertEquals(await saving.ask("SET", "k", "v"), "+OK");
  await saving.ask("CONFIG", "SET", "save", "3600 1");
  unblock();
  await saving.ask("BGSAVE");
  await saving.saved();
  assertEquals(await saving.ask("SET", "k", "w"), "+OK");
});

Deno.test("where the directory is gone, SAVE fails and the log says why", async () => {
  await using saving = await Saving.start();
  await Deno.remove(saving.dir, { recursive: true });
  assertEquals(await saving.ask("SAVE"), "-ERR");
  assertMatch(
    saving.log,
    /Failed opening the temp RDB file temp-\S+\.rdb \(in server root dir .*\) for saving: No such file or directory/,
  );
  await saving.ask("SET", "k", "v");
  assertEquals(await saving.info("rdb_changes_since_last_save"), "1");
});

Deno.test("where the target is a directory, nothing is left behind", async () => {
  await using saving = await Saving.start();
  blockTarget(saving.dir);
  assertEquals(await saving.ask("SAVE"), "-ERR");
  assertMatch(
    saving.log,
    /Error moving temp DB file temp-\S+\.rdb on the final destination dump\.rdb \(in server root dir .*\): Is a directory/,
  );
  await saving.ask("BGSAVE");
  await saving.saved();
  assertEquals(saving.files(), ["dump.rdb"]);
});

Deno.test("FLUSHALL empties the file where there are save points, and ends a BGSAVE", async () => {
  await using saving = await Saving.start();
  await saving.ask("DEBUG", "POPULATE", "20000");
  await saving.ask("SAVE");
  await saving.askAll(["BGSAVE"], ["FLUSHALL"]);
  await saving.saved();
  assertStringIncludes(saving.log, "Background saving given up");
  assertEquals(await saving.info("rdb_last_bgsave_status"), "ok");
  assertEquals((await saving.reload()).length, 20000);

  await saving.ask("CONFIG", "SET", "save", "3600 1");
  await saving.ask("DEBUG", "POPULATE", "20000");
  await saving.askAll(["BGSAVE"], ["FLUSHALL"]);
  assertEquals(await saving.reload(), []);
  await saving.saved();
  assertEquals(await saving.reload(), []);
  assertEquals(saving.files(), ["dump.rdb"]);
});

Deno.test("What changes while a replica's file is written counts, though that follows a BGSAVE at once", async () => {
  await using saving = await Saving.start({ "repl-diskless-sync": "no" });
  for (let i = 0; i < 30; i++) await saving.ask("SET", `k${i}`, "v");
  await saving.ask("CONFIG", "SET", "rdb-key-save-delay", "10000");
  using replica = await RawReplica.connect(saving.server.port, "capa", "eof", "capa", "psync2");
  await saving.ask("BGSAVE");
  // It gets its answer when the next save begins.
  assertMatch(await replica.psync("?", -1), /^FULLRESYNC/);
  for (let i = 0; i < 3; i++) await saving.ask("SET", `new ${i}`, "v");
  await eventually(async () => await saving.info("rdb_bgsave_in_progress") === "0");
  assertEquals(await saving.info("rdb_changes_since_last_save"), "3");
  assertEquals(await saving.info("rdb_saves"), "2");
});

Deno.test("SHUTDOWN saves where there are save points or it is asked to", async () => {
  const words: [save: string, args: string[], saves: boolean][] = [
    ["", [], false],
    ["", ["SAVE"], true],
    ["3600 1", [], true],
    ["3600 1", ["NOSAVE"], false],
  ];
  for (const [save, args, saves] of words) {
    await using saving = await Saving.start({ save });
    await saving.ask("SET", "k", "v");
    await saving.client.post("SHUTDOWN", ...args);
    await saving.server.closed;
    assertEquals(saving.files(), saves ? ["dump.rdb"] : [], `SHUTDOWN ${args} with "${save}"`);
    if (saves) assertEquals(await saving.reload(), ["k"]);
  }
});

Deno.test("SHUTDOWN that cannot save does not end the server, unless it is forced", async () => {
  await using saving = await Saving.start({ save: "3600 1" });
  blockTarget(saving.dir);
  assertEquals(await saving.ask("SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
  assertEquals(await saving.ask("PING"), "+PONG");
  assertStringIncludes(saving.log, "Error trying to save the DB, can't exit.");
  await saving.client.post("SHUTDOWN", "FORCE");
  await saving.server.closed;
  assertStringIncludes(saving.log, "Error trying to save the DB. Exit anyway.");
});

Deno.test("SHUTDOWN ends a BGSAVE, whose file then stays the old one", async () => {
  await using saving = await Saving.start();
  await saving.ask("SET", "k", "v");
  await saving.ask("SAVE");
  await saving.ask("DEBUG", "POPULATE", "20000");
  // So it would take 20 seconds.
  await saving.ask("CONFIG", "SET", "rdb-key-save-delay", "1000");
  await saving.ask("BGSAVE");
  await eventually(() => saving.files().length === 2);
  await saving.client.post("SHUTDOWN", "NOSAVE");
  await saving.server.closed;
  assertEquals(saving.files(), ["dump.rdb"]);
  assertEquals(await saving.reload(), ["k"]);
});

Deno.test("SIGTERM saves as SHUTDOWN does, and the next start loads the file", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_save_" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const args = ["--save", "3600 1"];
  {
    await using first = await startRedinoProcess({ dir, args });
    using client = await RespClient.connect(first.port);
    await client.ask("SET", "k", "v");
    first.kill("SIGTERM");
    assertEquals((await first.status).code, 0);
    assertStringIncludes(first.log(), "Saving the final RDB snapshot before exiting.");
  }
  await using second = await startRedinoProcess({ dir, args });
  using client = await RespClient.connect(second.port);
  assertEquals(await client.ask("GET", "k"), '"v"');
  assertMatch(second.log(), /DB loaded from disk: \d+\.\d{3} seconds/);
});

/** A disk of 1 MiB at a directory, where this process may mount one. */
async function mountSmallDisk(stack: AsyncDisposableStack, dir: string): Promise<boolean> {
  const run = async (command: string, ...args: string[]) => {
    const output = await new Deno.Command(command, { args, stderr: "null" }).output()
      .catch(() => undefined);
    return output?.success ?? false;
  };
  if (Deno.build.os !== "linux") return false;
  if (!await run("mount", "-t", "tmpfs", "-o", "size=1m", "redino", dir)) return false;
  stack.defer(async () => assert(await run("umount", dir)));
  return true;
}

/** A script that runs Redino with no file of its longer than 64 KiB. */
async function limitedRedino(stack: AsyncDisposableStack): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "redino_limited_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const main = new URL("../main.ts", import.meta.url).pathname;
  await Deno.writeTextFile(
    `${dir}/redino.sh`,
    `#!/bin/sh\ntrap '' XFSZ\nulimit -f 128\nexec "${Deno.execPath()}" run -A "${main}" "$@"\n`,
    { mode: 0o755 },
  );
  return `${dir}/redino.sh`;
}

/** What a server with save points says and leaves where saving more than a little fails. */
async function saveTooMuch(port: number, dir: string): Promise<unknown> {
  using client = await RespClient.connect(port);
  const says: unknown[] = [];
  const ask = async (...command: string[]) => {
    const reply = await client.ask(...command);
    const state = await info(client, "persistence");
    const fields = ["rdb_changes_since_last_save", "rdb_last_bgsave_status", "rdb_saves"];
    says.push([command.join(" "), reply.replace(/ .*/, ""), ...fields.map((f) => state.get(f))]);
  };
  await ask("SET", "k", "v");
  await ask("SAVE");
  const before = await Deno.readFile(`${dir}/dump.rdb`);
  const lastSave = await client.ask("LASTSAVE");
  await client.ask("CONFIG", "SET", "rdbcompression", "no");
  await client.ask("DEBUG", "POPULATE", "20000", "key", "100");
  await ask("SAVE");
  await ask("SET", "k", "w");
  await client.ask("BGSAVE");
  await eventually(async () =>
    (await info(client, "persistence")).get("rdb_bgsave_in_progress") === "0"
  );
  await ask("SET", "k", "x");
  await ask("PING");
  await ask("SAVE");
  await ask("SHUTDOWN");
  const after = await Deno.readFile(`${dir}/dump.rdb`);
  const files = Array.from(Deno.readDirSync(dir), ({ name }) => name);
  assertEquals(await client.ask("LASTSAVE"), lastSave);
  await ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
  // It saves, and there is room for that.
  await ask("FLUSHALL");
  await ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes");
  await ask("SET", "k", "y");
  return { says, files, sameFile: String(after) === String(before) };
}

Deno.test({
  name: "a disk that is full leaves the old file, and the log says so",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "redino_save_" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const isMounted = await mountSmallDisk(stack, dir);
    // Where there is none to fill, files may not be long: to the writer it is nearly the same.
    const executable = isMounted ? {} : { executable: await limitedRedino(stack) };
    const args = ["--save", "3600 1", "--enable-debug-command", "yes", "--dir", dir];
    const expected = {
      says: [
        ["SET k v", "+OK", "1", "ok", "0"],
        ["SAVE", "+OK", "0", "ok", "1"],
        ["SAVE", "-ERR", "0", "ok", "2"],
        ["SET k w", "+OK", "1", "ok", "2"],
        ["SET k x", "-MISCONF", "1", "err", "3"],
        ["PING", "-MISCONF", "1", "err", "3"],
        ["SAVE", "-ERR", "1", "err", "4"],
        ["SHUTDOWN", "-ERR", "1", "err", "4"],
        ["CONFIG SET stop-writes-on-bgsave-error no", "+OK", "1", "err", "4"],
        ["FLUSHALL", "+OK", "0", "ok", "4"],
        ["CONFIG SET stop-writes-on-bgsave-error yes", "+OK", "0", "ok", "4"],
        ["SET k y", "+OK", "1", "ok", "4"],
      ],
      files: ["dump.rdb"],
      sameFile: true,
    };
    {
      await using redino = await startRedinoProcess({ dir, args, ...executable });
      assertEquals(await saveTooMuch(redino.port, dir), expected);
      const reason = isMounted ? "No space left on device" : "File too large";
      const line = `Write error while saving DB to the disk(rdbSaveRio): ${reason}`;
      redino.kill("SIGKILL");
      await redino.status;
      assertEquals(redino.log().split(line).length - 1, 4, redino.log());
      assertStringIncludes(redino.log(), "Background saving error");
    }
    if (!isMounted || without("redis-server")) return;
    await Deno.remove(`${dir}/dump.rdb`);
    await using redis = await startRedis({ args });
    assertEquals(await saveTooMuch(redis.port, dir), expected);
  },
});
