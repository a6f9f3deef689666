/** INFO: its sections, its fields, and what they count. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { humanBytes } from "../lib/server/info.ts";
import { VERSION } from "../lib/version.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { type Reply, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** Fields that 7.2 has and the redis-server of the tests (7.0) has not, and our own. */
const NEWER = new Set([
  "redino_version",
  "listener0",
  "total_blocking_keys",
  "total_blocking_keys_on_nokey",
  "client_query_buffer_limit_disconnections",
  "client_output_buffer_limit_disconnections",
  "eventloop_cycles",
  "eventloop_duration_sum",
  "eventloop_duration_cmd_sum",
  "instantaneous_eventloop_cycles_per_sec",
  "instantaneous_eventloop_duration_usec",
  "acl_access_denied_auth",
  "acl_access_denied_cmd",
  "acl_access_denied_key",
  "acl_access_denied_channel",
]);

function text(reply: Reply): string {
  assert(reply.type === "bulk" || reply.type === "verbatim");
  return reply.text;
}

/** The text without values, and without fields that only one of the servers has. */
function names(reply: Reply): string {
  return text(reply).split("\r\n").map((line) => line.split(":")[0]!)
    .filter((name) => !NEWER.has(name) && !/^(cmdstat|latency)_/.test(name)).join("\n");
}

async function fields(client: RespClient, ...sections: string[]): Promise<Map<string, string>> {
  const lines = text(await client.send("INFO", ...sections)).split("\r\n");
  return new Map(
    lines.filter((line) => line.includes(":")).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

redisTest("INFO has Redis's sections and fields in Redis's order", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol, config: {} });
    const selections = [
      [],
      ["default"],
      ["all"],
      ["everything"],
      ["ALL"],
      ["server"],
      ["Clients"],
      ["memory"],
      ["persistence"],
      ["stats"],
      ["replication"],
      ["cpu"],
      ["modules"],
      ["module_list"],
      ["commandstats"],
      ["errorstats"],
      ["latencystats"],
      ["cluster"],
      ["keyspace"],
      ["keyspace", "server"],
      ["default", "commandstats"],
      ["nosuch"],
      ["nosuch", "cluster"],
      [""],
    ];
    await compare(pair, selections.map((words) => ({ command: ["INFO", ...words], view: names })));
    await compare(pair, [["NOSUCH"], { command: ["INFO"], view: names }]);
  }
});

redisTest("INFO keyspace, cluster and errorstats equal Redis's", async () => {
  await using pair = await startPair({ protocol: 3, config: {} });
  await compare(pair, [
    ["INFO", "keyspace"],
    ["SET", "a", "1"],
    ["SET", "b", "1"],
    ["SELECT", "9"],
    ["SET", "c", "1"],
    ["INFO", "keyspace"],
    ["INFO", "keyspace", "cluster"],
    ["INFO", "nosuch"],
    ["NOSUCH"],
    ["GET"],
    ["EXEC"],
    ["OBJECT", "ENCODING"],
    ["MULTI"],
    ["GET"],
    ["EXEC"],
    ["INFO", "errorstats"],
  ]);
});

redisTest("INFO commandstats counts calls, rejections and failures as Redis does", async () => {
  await using pair = await startPair({ config: {} });
  const counts = (reply: Reply) =>
    text(reply).split("\r\n").filter((line) =>
      /^cmdstat_(get|set|object\|encoding|dbsize|exec|lpush):/.test(line)
    )
      .map((line) => line.replace(/usec=.*?,usec_per_call=.*?,/, "")).sort().join("\n");
  await compare(pair, [
    ["SET", "a", "1"],
    ["SET", "a", "1", "NX", "XX"],
    ["GET", "a"],
    ["GET", "a"],
    ["GET"],
    ["OBJECT", "ENCODING", "a"],
    ["DBSIZE", "x"],
    ["EXEC"],
    ["MULTI"],
    ["SET", "a"],
    ["EXEC"],
    // What failed is the inner command, not EXEC.
    ["MULTI"],
    ["LPUSH", "a", "1"],
    ["GET", "a"],
    ["EXEC"],
    { command: ["INFO", "commandstats"], view: counts },
  ]);
});

redisTest("INFO stats counts as Redis does", async () => {
  await using pair = await startPair({ config: {} });
  const counted = [
    "keyspace_hits",
    "keyspace_misses",
    "expired_keys",
    "total_error_replies",
  ];
  const view = (reply: Reply) =>
    text(reply).split("\r\n").filter((line) => counted.includes(line.split(":")[0]!)).join("\n");
  await compare(pair, [
    ["SET", "a", "1"],
    ["GET", "a"],
    ["GET", "b"],
    ["OBJECT", "ENCODING", "a"],
    ["OBJECT", "ENCODING", "b"],
    ["MEMORY", "USAGE", "b"],
    ["NOSUCH"],
    ["GET"],
    { command: ["INFO", "stats"], view },
  ]);
});

Deno.test("INFO tells who the server is and how much it has done", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  nowMs += 2 * 86_400_000 + 5500;
  await client.send("SET", "k", "v");
  const info = await fields(client);
  assertEquals(info.get("redis_version"), "7.2.4");
  assertEquals(info.get("redino_version"), VERSION);
  assertEquals(info.get("redis_mode"), "standalone");
  assertEquals(info.get("tcp_port"), String(server.port));
  assertEquals(info.get("listener0"), `name=tcp,bind=127.0.0.1,port=${server.port}`);
  assertEquals(info.get("process_id"), String(Deno.pid));
  assertMatch(info.get("run_id")!, /^[0-9a-f]{40}$/);
  assertEquals(info.get("uptime_in_seconds"), "172805");
  assertEquals(info.get("uptime_in_days"), "2");
  assertEquals(info.get("connected_clients"), "1");
  assertEquals(info.get("total_connections_received"), "1");
  assertEquals(info.get("rdb_changes_since_last_save"), "1");
  assertEquals(info.get("role"), "master");
  assertEquals(info.get("db0"), "keys=1,expires=0,avg_ttl=0");
});

Deno.test("INFO memory grows by what is stored, and remembers the peak", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const before = await fields(client, "memory");
  assertEquals(before.get("used_memory"), before.get("used_memory_startup"));
  await client.send("SET", "k", "x".repeat(1_000_000));
  const during = await fields(client, "memory");
  const used = Number(during.get("used_memory"));
  assert(used - Number(before.get("used_memory")) >= 1_000_000);
  assertEquals(
    used,
    Number(during.get("used_memory_overhead")) + Number(during.get("used_memory_dataset")),
  );
  await client.send("FLUSHALL");
  const after = await fields(client, "memory");
  assertEquals(after.get("used_memory"), before.get("used_memory"));
  assertEquals(Number(after.get("used_memory_peak")), used);
  assert(Number(after.get("used_memory_rss")) > 1_000_000);
});

Deno.test("INFO counts calls of the batch that it stands in", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  await client.write(`${"GET k\r\n".repeat(3)}INFO commandstats\r\n`);
  for (let i = 0; i < 3; i++) assertEquals((await client.read()).type, "nullBulk");
  assertMatch(
    text(await client.read()),
    /\r\ncmdstat_get:calls=3,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0\r\n/,
  );
});

Deno.test("INFO counts batches, their time and their commands' part of it, until CONFIG RESETSTAT", async () => {
  await using server = await serve({ port: 0 });
  using client = await RespClient.connect(server.port);
  const read = async () => {
    const stats = await fields(client, "stats");
    const at = (name: string) => Number(stats.get(`eventloop_${name}`));
    return { cycles: at("cycles"), total: at("duration_sum"), commands: at("duration_cmd_sum") };
  };
  for (let i = 0; i < 20; i++) await client.send("PING");
  await client.send("SETRANGE", "k", "50000000", "x");
  const first = await read();
  assert(first.cycles > 20);
  assert(first.commands > 0 && first.commands <= first.total);
  await client.send("PING");
  const second = await read();
  assert(second.cycles > first.cycles && second.total > first.total);
  // A batch that the machine let wait may take longer than all before it, so not at the first time.
  await eventually(async () => {
    await client.send("CONFIG", "RESETSTAT");
    const last = await read();
    return last.cycles < first.cycles && last.total < first.total;
  });
});

Deno.test("INFO's redino_version is the version that deno.json names", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  assertEquals(VERSION, version);
});

Deno.test("INFO rounds bytes for people as Redis does", () => {
  assertEquals(humanBytes(0), "0B");
  assertEquals(humanBytes(1023), "1023B");
  assertEquals(humanBytes(1024), "1.00K");
  assertEquals(humanBytes(916_448), "894.97K");
  assertEquals(humanBytes(25_276_502_016), "23.54G");
});
