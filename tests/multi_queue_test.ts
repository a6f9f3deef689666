/** MULTI's queue: what it takes, what it counts, and that all of it comes out as it went in. */
import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../lib/commands/index.ts";
import { serve } from "../lib/mod.ts";
import { Args } from "../lib/resp/args.ts";
import { CommandTable } from "../lib/server/command.ts";
import { Server } from "../lib/server/server.ts";
import { Transaction } from "../lib/server/transactions.ts";
import { compare, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { heapBytes } from "./support/heap.ts";
import { type Reply, RespClient, show } from "./support/resp_client.ts";
import { Rng } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const MEGABYTE = 1024 * 1024;

/** A server whose inside the test looks at. */
async function serveOpen(options: Parameters<typeof serve>[0]): Promise<Server> {
  const server = await serve(options);
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  return server;
}

Deno.test("a queued command takes little more than its bytes, and nothing of the heap", () => {
  const COUNT = 200_000;
  const echo = new CommandTable(COMMANDS).named("echo")!;
  const args = Args.of("ECHO", "x");
  const transaction = new Transaction();
  const before = heapBytes();
  for (let i = 0; i < COUNT; i++) assert(transaction.queue(echo, args));
  const heap = heapBytes() - before;
  assert(heap < COUNT, `${heap} bytes of heap`);
  assertEquals(transaction.count, COUNT);
  assertEquals(transaction.bytes, 21 * COUNT);
  const { memory } = transaction;
  assert(memory > 29 * COUNT && memory < 29 * COUNT + 2 * MEGABYTE, `${memory} bytes`);
});

Deno.test("a command for which there is no memory changes nothing in the queue", () => {
  const echo = new CommandTable(COMMANDS).named("echo")!;
  const transaction = new Transaction();
  assert(transaction.queue(echo, Args.of("ECHO", "x")));
  const { memory } = transaction;
  // Several arguments of 2 GiB, none of which has to be there for that.
  const huge = new Args(new Uint8Array(0), new Int32Array(20).fill(2 ** 31 - 1), 0, 10);
  assert(!transaction.queue(echo, huge));
  assertEquals([transaction.count, transaction.bytes, transaction.memory], [1, 21, memory]);
});

Deno.test("a command that cannot be queued for want of memory is refused as beyond maxmemory", async () => {
  await using server = await serveOpen({ port: 0 });
  using client = await RespClient.connect(server.port);
  await client.send("MULTI");
  assertEquals(await client.ask("SET", "a", "1"), "+QUEUED");
  server.clients.values().next().value!.transaction!.queue = () => false;
  assertEquals(
    await client.ask("SET", "b", "1"),
    "-OOM command not allowed when used memory > 'maxmemory'.",
  );
  assertEquals(
    await client.ask("EXEC"),
    "-EXECABORT Transaction discarded because of previous errors.",
  );
  assertEquals(await client.ask("EXISTS", "a", "b"), ":0");
});

Deno.test("commands of any length come out of the queue in their order", async () => {
  await using server = await serve({ port: 0, "client-query-buffer-limit": "1gb" });
  using client = await RespClient.connect(server.port);
  const rng = new Rng(7);
  const lengths = [0, 1, 40, 300, 5000, 70_000, 400_000, 3 * MEGABYTE];
  await client.send("MULTI");
  const expected: string[] = [];
  for (let i = 0; i < 300; i++) {
    const text = `${i}:${"x".repeat(rng.int(0, rng.pick(lengths)))}`;
    const rest = Array.from({ length: rng.int(0, 19) }, () => "y");
    if (i % 2 === 0) {
      await client.post("ECHO", text);
      expected.push(show({ type: "bulk", text }));
    } else {
      await client.post("DEL", text, ...rest);
      expected.push(":0");
    }
    await client.read();
  }
  const reply = await client.send("EXEC");
  assert(reply.type === "array");
  assertEquals(reply.items.map(show), expected);
});

/** What CLIENT LIST tells of the client named `queues`. */
const QUEUE = {
  command: ["CLIENT", "LIST"],
  view: (reply: Reply) => {
    const fields = / name=queues .*? (multi=\S+).*? (multi-mem=\S+)/.exec(show(reply))!;
    return `${fields[1]} ${fields[2]}`;
  },
};

redisTest("CLIENT LIST tells of the queue what Redis does", async () => {
  await using pair = await startPair();
  using other = await pair.connect();
  await compare(pair, [["CLIENT", "SETNAME", "queues"], ["MULTI"]]);
  for (let i = 0; i < 100; i++) await compare(pair, [["RPUSH", "list", "a", "b".repeat(i)]]);
  await compare(other, [QUEUE]);
  await compare(pair, [["EXEC"]]);
  await compare(other, [QUEUE]);
  await compare(pair, [["MULTI"], ["GET", "list"]]);
  await compare(other, [QUEUE]);
  await compare(pair, [["DISCARD"]]);
  await compare(other, [QUEUE]);
});

redisTest("a transaction that will not run queues no more", async () => {
  await using pair = await startPair({ config: {} });
  using other = await pair.connect();
  await compare(pair, [["CLIENT", "SETNAME", "queues"]]);
  await compare(pair, [["MULTI"], ["GET", "a"], ["NOSUCH"], ["SET", "a", "b"], ["PING"]]);
  await compare(other, [QUEUE]);
  await compare(pair, [["EXEC"], ["EXISTS", "a"]]);

  await compare(pair, [["WATCH", "w"], ["MULTI"], ["GET", "a"]]);
  await compare(other, [["SET", "w", "1"]]);
  await compare(pair, [["SET", "a", "b"], ["PING"]]);
  await compare(other, [QUEUE]);
  // So what came too late is not what EXEC is judged by.
  await compare(other, [["CONFIG", "SET", "maxmemory", "1"]]);
  await compare(pair, [["EXEC"]]);
  await compare(other, [["CONFIG", "SET", "maxmemory", "0"], QUEUE]);
});

Deno.test("what is queued counts against maxmemory at once, and no more once it is dropped", async () => {
  await using server = await serveOpen({ port: 0, maxmemory: "10mb" });
  // It counts what clients wait with, ten times a second.
  server.cron.stop();
  using client = await RespClient.connect(server.port);
  for (const end of ["EXEC", "DISCARD"]) {
    await client.send("MULTI");
    let refused = false;
    for (let i = 0; i < 100 && !refused; i++) {
      await client.write("*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n".repeat(10_000));
      for (let k = 0; k < 10_000; k++) refused = (await client.read()).type === "error" || refused;
    }
    assert(refused);
    const { count } = server.clients.values().next().value!.transaction!;
    assert(count > 10 * MEGABYTE / 40 && count < 10 * MEGABYTE / 29, `${count} commands`);
    await client.write(`${end}\r\nSET k v\r\n`);
    assertEquals(
      show(await client.read()),
      end === "EXEC" ? "-EXECABORT Transaction discarded because of previous errors." : "+OK",
    );
    assertEquals(show(await client.read()), "+OK");
  }
  await eventually(() => server.clientBytes === 0);
});

Deno.test("MONITOR and the slow log show queued commands as they came", async () => {
  await using server = await serveOpen({ port: 0, "slowlog-log-slower-than": 0 });
  using client = await RespClient.connect(server.port);
  using monitor = await RespClient.connect(server.port);
  await monitor.send("MONITOR");
  await client.send("SLOWLOG", "RESET");
  await client.write("MULTI\r\nSET k 1\r\nLPUSH l a b c\r\nGET k\r\nBLPOP none 0\r\nEXEC\r\n");
  for (let i = 0; i < 5; i++) await client.read();
  assertEquals(show(await client.read()), '[+OK :3 "1" nil*]');
  const log = await client.ask("SLOWLOG", "GET", "-1");
  for (const words of ['["SET" "k" "1"]', '["LPUSH" "l" "a" "b" "c"]', '["BLPOP" "none" "0"]']) {
    assert(log.includes(words), log);
  }
  const shown: string[] = [];
  while (shown.at(-1) !== '"EXEC"') {
    const line = await monitor.readAny();
    shown.push(show(line).replace(/^[^\]]*\] /, ""));
  }
  assertEquals(shown.slice(-6), [
    '"MULTI"',
    '"SET" "k" "1"',
    '"LPUSH" "l" "a" "b" "c"',
    '"GET" "k"',
    '"BLPOP" "none" "0"',
    '"EXEC"',
  ]);
});
