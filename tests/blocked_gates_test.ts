/**
 * A command that waited runs again when it can be served, and so passes once more what stands before
 * every command. The same is held against Redino and Valkey; 7.0 serves it without asking.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { valkeyTest } from "./support/skip.ts";

/** What is the same for Redino and Valkey. */
function bothTest(name: string, fn: (port: number) => Promise<void>): void {
  Deno.test(name, async () => {
    await using server = await serve({ port: 0, save: "" });
    await fn(server.port);
  });
  valkeyTest(`${name}, in Valkey`, async () => {
    await using valkey = await startRedis({ program: "valkey-server" });
    await fn(valkey.port);
  });
}

async function blocked(acting: RespClient, count: number): Promise<void> {
  await eventually(async () =>
    (await info(acting, "clients")).get("blocked_clients") === `${count}`
  );
}

type Line = readonly string[];

const CASES: readonly {
  readonly what: string;
  readonly before?: readonly Line[];
  readonly waits: Line;
  readonly makesReady: readonly Line[];
  readonly answer: string;
}[] = [
  {
    what: "where memory is short",
    before: [["RPUSH", "src", "x"]],
    waits: ["BLMOVE", "key", "dst", "LEFT", "LEFT", "0"],
    makesReady: [["CONFIG", "SET", "maxmemory", "1"], ["RENAME", "src", "key"]],
    answer: "-OOM command not allowed when used memory > 'maxmemory'.",
  },
  {
    what: "where replicas are too few",
    waits: ["BLPOP", "key", "0"],
    makesReady: [["RPUSH", "key", "x"], ["CONFIG", "SET", "min-replicas-to-write", "1"]],
    answer: "-NOREPLICAS Not enough good replicas to write.",
  },
  {
    what: "on a replica that takes no writes any more",
    before: [["REPLICAOF", "127.0.0.1", "1"], ["CONFIG", "SET", "replica-read-only", "no"]],
    waits: ["BZPOPMIN", "key", "0"],
    makesReady: [["ZADD", "key", "1", "x"], ["CONFIG", "SET", "replica-read-only", "yes"]],
    answer: "-READONLY You can't write against a read only replica.",
  },
  {
    what: "on a replica whose data are out of date",
    before: [["REPLICAOF", "127.0.0.1", "1"], ["CONFIG", "SET", "replica-read-only", "no"]],
    waits: ["XREAD", "BLOCK", "0", "STREAMS", "key", "$"],
    makesReady: [
      ["XADD", "key", "1-1", "f", "v"],
      ["CONFIG", "SET", "replica-serve-stale-data", "no"],
    ],
    answer: "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  },
];

for (const { what, before = [], waits, makesReady, answer } of CASES) {
  bothTest(`a command that waited is refused ${what}`, async (port) => {
    using waiting = await RespClient.connect(port);
    using acting = await RespClient.connect(port);
    for (const command of before) await acting.send(...command);
    await waiting.write(`${waits.join(" ")}\r\nECHO behind\r\n`);
    await blocked(acting, 1);
    // Not a transaction, where Redis asks for the memory once, before all of it.
    const whole = makesReady[0]![2] === "maxmemory"
      ? makesReady
      : [["MULTI"], ...makesReady, ["EXEC"]];
    for (const command of whole) await acting.send(...command);
    assertEquals(show(await waiting.read()), answer);
    assertEquals(show(await waiting.read()), '"behind"');
    await acting.send("CONFIG", "SET", "replica-serve-stale-data", "yes");
    assertEquals(await acting.ask("EXISTS", "key"), ":1");
    const stats = (await info(acting, "commandstats")).get(`cmdstat_${waits[0]!.toLowerCase()}`)!;
    assertMatch(stats, /^calls=0,.*,rejected_calls=1,/);
    await blocked(acting, 0);
  });
}

bothTest("a command that waited waits for the end of CLIENT PAUSE, too", async (port) => {
  using acting = await RespClient.connect(port);
  using monitor = await RespClient.connect(port);
  await monitor.send("MONITOR");
  using first = await RespClient.connect(port);
  using silenced = await RespClient.connect(port);
  using last = await RespClient.connect(port);
  await first.write("BLPOP l 0\r\nECHO behind\r\n");
  await blocked(acting, 1);
  await silenced.write("CLIENT REPLY SKIP\r\nBLPOP l 0\r\nECHO answered\r\n");
  await blocked(acting, 2);
  await last.write("BLPOP l 0\r\n");
  await blocked(acting, 3);
  await acting.send("MULTI");
  await acting.send("CLIENT", "PAUSE", "1000000", "WRITE");
  await acting.send("RPUSH", "l", "a", "b");
  await acting.send("EXEC");
  assertEquals(await acting.ask("LLEN", "l"), ":2");
  const clients = await info(acting, "clients");
  assertEquals(clients.get("blocked_clients"), "3");
  assertEquals(clients.get("total_blocking_keys"), "0");
  await acting.send("CLIENT", "UNPAUSE");
  assertEquals(show(await first.read()), '["l" "a"]');
  assertEquals(show(await first.read()), '"behind"');
  assertEquals(show(await silenced.read()), '"answered"');
  // Nothing is left for it, so it waits anew.
  await blocked(acting, 1);
  assertEquals(await acting.ask("RPUSH", "l", "c"), ":1");
  assertEquals(show(await last.read()), '["l" "c"]');
  const stats = await info(acting, "commandstats");
  assertEquals(stats.get("cmdstat_blpop")?.split(",")[0], "calls=3");
  await acting.send("ECHO", "the end");
  let shown = 0;
  for (let line = ""; !line.includes("the end");) {
    line = show(await monitor.read());
    if (line.includes("BLPOP")) shown++;
  }
  assertEquals(shown, 3);
});
