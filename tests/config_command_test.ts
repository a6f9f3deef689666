/** CONFIG as a client sees it. What each directive accepts is in config_test.ts. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Config } from "../lib/config/config.ts";
import { loadConfig } from "../lib/config/load.ts";
import { Log } from "../lib/server/log.ts";
import { Server } from "../lib/server/server.ts";
import { compare, type Pair, startPair, unordered } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

redisTest("CONFIG GET answers names and patterns with a map", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    await compare(pair, [
      ["CONFIG", "GET", "maxmemory-policy"],
      ["config", "get", "MAXMEMORY-policy"],
      unordered(["CONFIG", "GET", "hash-max-*"]),
      unordered(["CONFIG", "GET", "HASH-max-listpack-?ntries", "hash-max-*", "Maxmemory"]),
      unordered(["CONFIG", "GET", "maxmemory", "maxmemory", "MAXMEMORY"]),
      unordered(["CONFIG", "GET", "[h]ash-max-listpack-value", "nope", "nope*", ""]),
      ["CONFIG", "GET", "nope"],
      ["CONFIG", "GET", "é*"],
      ["CONFIG", "GET", "client-output-buffer-limit"],
      ["CONFIG", "GET", "save"],
    ]);
  }
});

redisTest("CONFIG refuses what redis-server refuses, in its words", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol, config: {} });
    await compare(pair, [
      ["CONFIG"],
      ["CONFIG", "NOPE"],
      ["CONFIG", "GET"],
      ["CONFIG", "SET"],
      ["CONFIG", "SET", "maxmemory"],
      ["CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy"],
      ["CONFIG", "SET", "nope", "1", "maxmemory"],
      ["CONFIG", "SET", "nope", "1"],
      ["CONFIG", "SET", "NOPÉ", "1"],
      ["CONFIG", "SET", "maxmemory", "1mb", "nope", "1"],
      ["CONFIG", "SET", "maxmemory", "é"],
      ["CONFIG", "SET", "MaxMemory", "-"],
      ["CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "nope"],
      ["CONFIG", "SET", "maxmemory", "1mb", "MAXMEMORY", "2mb"],
      ["CONFIG", "SET", "databases", "3"],
      ["CONFIG", "GET", "maxmemory"],
      ["CONFIG", "RESETSTAT", "x"],
      ["CONFIG", "REWRITE", "x"],
      ["CONFIG", "REWRITE"],
      ["CONFIG", "HELP", "x"],
    ]);
  }
});

redisTest("CONFIG SET sets several directives", async () => {
  await using pair = await startPair({ config: {} });
  await compare(pair, [
    ["CONFIG", "SET", "maxmemory-samples", "7", "Maxmemory-Policy", "ALLKEYS-lru"],
    ["CONFIG", "GET", "maxmemory-samples"],
    ["CONFIG", "GET", "maxmemory-policy"],
    ["CONFIG", "SET", "hash-max-ziplist-entries", "9"],
    ["CONFIG", "GET", "hash-max-listpack-entries"],
    ["CONFIG", "SET", "save", "900 1 300 10"],
    ["CONFIG", "GET", "save"],
    ["CONFIG", "SET", "save", ""],
    ["CONFIG", "GET", "save"],
  ]);
});

redisTest("CONFIG SET and GET take names as UTF-8", async () => {
  await using pair = await startPair({ config: { "enable-protected-configs": "yes" } });
  await compare(pair, [
    ["CONFIG", "SET", "dbfilename", "é€.rdb"],
    ["CONFIG", "GET", "dbfilename"],
    ["CONFIG", "SET", "dir", "/no/such/dîr"],
  ]);
});

redisTest("CONFIG SET changes protected directives only where they are unlocked", async () => {
  for (const unlocked of ["no", "local", "yes"]) {
    await using pair = await startPair({ config: { "enable-protected-configs": unlocked } });
    await compare(pair, [
      ["CONFIG", "SET", "dbfilename", "other.rdb"],
      ["CONFIG", "GET", "dbfilename"],
    ]);
  }
});

redisTest("CONFIG HELP has a line for each subcommand", async () => {
  await using pair = await startPair();
  const headings = async (client: RespClient) => {
    const reply = await client.send("CONFIG", "HELP");
    if (reply.type !== "array") throw new Error(`CONFIG HELP replied a ${reply.type}`);
    return reply.items.map((line) => line.type === "simple" ? line.text : line.type)
      .filter((line) => !line.startsWith(" "));
  };
  assertEquals(await headings(pair.redino), await headings(pair.redis));
});

Deno.test("CONFIG REWRITE writes the values in use to the file", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_config_" });
  try {
    const file = `${dir}/redis.conf`;
    await Deno.writeTextFile(file, "# kept\nport 0\nsave 900 1\nmaxmemory 10mb\n");
    const lines: string[] = [];
    const log = new Log({ nowMs: Date.now, sink: (line) => lines.push(line) });
    await using server = new Server({
      config: configOf(file),
      log,
      clock: Date.now,
      random: Math.random,
    });
    server.listen();
    using client = await RespClient.connect(server.port);
    const set = ["maxmemory", "20mb", "dbfilename", "a b.rdb"];
    assertEquals(
      await client.ask("CONFIG", "SET", ...set),
      "-ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config",
    );
    assertEquals(await client.ask("CONFIG", "SET", "maxmemory", "20mb", "hz", "20"), "+OK");
    assertEquals(await client.ask("CONFIG", "REWRITE"), "+OK");
    const written = await Deno.readTextFile(file);
    assertMatch(written, /^# kept\n/);
    assertMatch(written, /^maxmemory 20mb$/m);
    assertMatch(written, /^hz 20$/m);
    assertMatch(lines.join(""), /CONFIG REWRITE/);

    await Deno.remove(file);
    await Deno.mkdir(file);
    assertMatch(await client.ask("CONFIG", "REWRITE"), /^-ERR Rewriting config file: /);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Lines of INFO that begin with one of `names`, sorted; times and rates cut off. */
async function infoLines(client: RespClient, section: string, names: RegExp): Promise<string[]> {
  const reply = await client.send("INFO", section);
  if (reply.type !== "bulk") throw new Error(`INFO replied a ${reply.type}`);
  return reply.text.split("\r\n").filter((line) => names.test(line))
    .map((line) => line.replace(/usec=.*?,rejected/, "rejected")).sort();
}

redisTest("CONFIG RESETSTAT starts INFO's statistics anew", async () => {
  await using pair: Pair = await startPair({ config: {} });
  await compare(pair, [
    ["SET", "k", "v"],
    ["GET", "k"],
    ["GET", "nope"],
    ["GET"],
    ["NOPE"],
    ["CONFIG", "GET", "maxmemory"],
    ["SET", "gone", "v", "PXAT", "1"],
    // So that it does not expire by itself, after the statistics begin anew.
    ["DEL", "gone"],
  ]);
  const stats = /^(keyspace_(hits|misses)|expired_keys|evicted_keys|total_error_replies):/;
  for (const server of ["redis", "redino"] as const) {
    const before = await infoLines(pair[server], "stats", /^keyspace_(hits|misses)/);
    assertEquals(before, ["keyspace_hits:1", "keyspace_misses:1"], server);
    assertEquals((await infoLines(pair[server], "errorstats", /^errorstat_/)).length, 1, server);
  }
  await compare(pair, [["CONFIG", "RESETSTAT"]]);
  for (const section of ["stats", "commandstats", "errorstats"]) {
    const names = section === "stats" ? stats : /^(cmdstat|errorstat)_/;
    assertEquals(
      await infoLines(pair.redino, section, names),
      await infoLines(pair.redis, section, names),
    );
  }
});

redisTest("CONFIG RESETSTAT forgets what came before it in the same pipeline", async () => {
  await using pair: Pair = await startPair({ config: {} });
  for (const client of [pair.redis, pair.redino]) {
    await client.write("GET k\r\nGET k\r\nCONFIG RESETSTAT\r\nSTRLEN k\r\nPING\r\n");
    for (let i = 0; i < 5; i++) await client.read();
  }
  assertEquals(
    await infoLines(pair.redino, "commandstats", /^cmdstat_/),
    await infoLines(pair.redis, "commandstats", /^cmdstat_/),
  );
});

redisTest("CONFIG SET waits for the data where it is about them", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  using toPrimary = await RespClient.connect(primary.port);
  await toPrimary.send("DEBUG", "POPULATE", "5000", "key", "1000");
  await using pair = await startPair({
    // Microseconds a key: longer than the test takes.
    config: { "key-load-delay": 20_000, "loading-process-events-interval-bytes": 1024 },
  });
  for (const client of [pair.redis, pair.redino]) {
    await client.send("CONFIG", "SET", "rdbcompression", "no");
    await client.send("REPLICAOF", "127.0.0.1", String(primary.port));
    await eventually(async () => (await info(client, "persistence")).get("loading") === "1");
  }
  await compare(pair, [
    ["CONFIG", "SET", "maxmemory-samples", "7"],
    ["CONFIG", "SET", "appendonly", "no"],
    ["CONFIG", "SET", "repl-diskless-load", "disabled"],
    ["CONFIG", "SET", "repl-diskless-load", "nope", "repl-diskless-load", "disabled"],
    ["CONFIG", "SET", "maxmemory-samples", "8", "appendonly", "nope"],
    ["CONFIG", "SET", "nope", "1", "appendonly", "no"],
    ["CONFIG", "SET", "databases", "1", "appendonly", "no"],
    ["CONFIG", "SET", "appendonly", "no", "databases", "1"],
    ["CONFIG", "GET", "maxmemory-samples"],
  ]);
});

Deno.test("DEBUG CONFIG-REWRITE-FORCE-ALL writes a file with every directive, from which one can start", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_config_" });
  try {
    const file = `${dir}/redis.conf`;
    await Deno.writeTextFile(file, "port 0\nenable-debug-command yes\nhz 20\n");
    const config = configOf(file);
    await using server = new Server({
      config,
      log: new Log({ nowMs: Date.now, sink: () => {} }),
      clock: Date.now,
      random: Math.random,
    });
    server.listen();
    using client = await RespClient.connect(server.port);
    assertEquals(await client.ask("DEBUG", "CONFIG-REWRITE-FORCE-ALL"), "+OK");
    assertMatch(await Deno.readTextFile(file), /^maxmemory-samples 5$/m);
    assertEquals(configOf(file).get(["*"]), config.get(["*"]));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

function configOf(file: string): Config {
  const launch = loadConfig([file], () => "");
  if (launch.action !== "serve") throw new Error(launch.text);
  return launch.config;
}
