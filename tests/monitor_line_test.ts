/** MONITOR's lines of any length: what is too long for a monitor harms no other client. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { Args } from "../lib/resp/args.ts";
import { Server } from "../lib/server/server.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const MEGABYTE = 1024 * 1024;

/** A server whose inside the test looks at, and what it logs. */
async function serveOpen(
  options: Parameters<typeof serve>[0] = {},
): Promise<{ server: Server; log: string[] }> {
  const log: string[] = [];
  const server = await serve({ port: 0, ...options, log: (line) => void log.push(line) });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  return { server, log };
}

redisTest("MONITOR shows long arguments of any bytes as Redis does", async () => {
  await using pair = await startPair();
  using monitor = await pair.connect();
  await compare(monitor, [["MONITOR"]]);
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * i >> 3);
  const commands = [["SET", "k", bytes], ["DEL", "", "x".repeat(20_000)], ["ECHO", "\0"]];
  await compare(pair, [...commands, ["MULTI"], ...commands, ["EXEC"]]);
  for (let i = 0; i < 2 * commands.length + 2; i++) {
    const [redis, redino] = [await monitor.redis.readAny(), await monitor.redino.readAny()];
    assertEquals(withoutTime(redino), withoutTime(redis));
  }
});

function withoutTime(line: Reply): string {
  return show(line).replace(/^\+\d+\.\d{6} \[(\d+) [\d.:]+\]/, "$1");
}

Deno.test("a line longer than any string ends neither EXEC nor its client", async () => {
  const { server, log } = await serveOpen({ "client-output-buffer-limit": "normal 16mb 0 0" });
  await using _ = server;
  using monitor = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await monitor.send("MONITOR");
  // Each byte of it becomes four.
  const value = new Uint8Array(130 * MEGABYTE);
  await client.send("MULTI");
  await client.send("INCR", "n");
  await client.send("STRLEN", value);
  await client.send("INCR", "n");
  assertEquals(await client.ask("EXEC"), "[:1 :0 :2]");
  assertEquals(await client.ask("STRLEN", value), ":0");
  assertEquals(await client.ask("GET", "n"), '"2"');
  await eventually(() => server.stats.outputBufferDisconnections === 1);
  assertEquals(server.clients.size, 1);
  assertEquals(log.filter((line) => line.includes("Internal error")), []);
});

Deno.test("monitors are closed where no memory could hold a line", async () => {
  const { server, log } = await serveOpen();
  await using _ = server;
  using monitor = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await client.send("SET", "k", "v");
  await monitor.send("MONITOR");
  const other = [...server.clients.values()].at(-1)!;
  // The same megabyte, 600 times.
  const spans = Int32Array.from({ length: 1200 }, (_, i) => i % 2 === 0 ? 0 : MEGABYTE);
  const args = new Args(new Uint8Array(MEGABYTE), spans, 0, 600);
  server.monitors.feed(other, server.commands.named("del")!, args);
  await monitor.readToEnd();
  assertEquals(await client.ask("GET", "k"), '"v"');
  assert(log.some((line) => line.includes("no memory for a line of 25165")), log.join("\n"));
});

Deno.test("what fails after a command is told of in the log, and no command is left out", async () => {
  const { server, log } = await serveOpen();
  await using _ = server;
  using monitor = await RespClient.connect(server.port);
  using client = await RespClient.connect(server.port);
  await monitor.send("MONITOR");
  server.monitors.feed = () => {
    throw new RangeError("a mistake of ours");
  };
  await client.write("MULTI\r\nINCR n\r\nINCR n\r\nEXEC\r\nINCR n\r\nINCR n\r\n");
  const replies: string[] = [];
  for (let i = 0; i < 6; i++) replies.push(show(await client.read()));
  assertEquals(replies, ["+OK", "+QUEUED", "+QUEUED", "[:1 :2]", ":3", ":4"]);
  assertEquals(server.current, undefined);
  const bugs = log.filter((line) => line.includes("Internal error"));
  assertEquals(bugs.length, 6);
  assertMatch(bugs[1]!, /Internal error in what follows incr, please report it: RangeError: a mis/);
});
