/**
 * What a client's memory is, by CLIENT LIST and MEMORY STATS, and whom `maxmemory-clients` closes for
 * it: beside redis-server. Figures need only be of the same size, except for those that count a
 * client's own bytes.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { type Command, type Pair, startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const MEGABYTE = 1_000_000;
/** How far a figure of ours may be from Redis's, either way. */
const SAME_SIZE = 8;

function ports(pair: Pair): readonly number[] {
  return [pair.redisPort, pair.redinoPort];
}

function names(count: number, prefix = "name:"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(8, "0")}`);
}

/** A connection that counts, but is not closed. */
async function connectControl(port: number): Promise<RespClient> {
  const control = await RespClient.connect(port);
  assertEquals(await control.ask("CLIENT", "NO-EVICT", "ON"), "+OK");
  return control;
}

async function idOf(client: RespClient): Promise<string> {
  return (await client.ask("CLIENT", "ID")).slice(1);
}

/** A field of CLIENT LIST for a client; undefined when it is gone. */
async function field(control: RespClient, id: string, name: string): Promise<number | undefined> {
  const line = await control.ask("CLIENT", "LIST", "ID", id);
  const found = new RegExp(` ${name}=(-?\\d+)`).exec(line)?.[1];
  return found === undefined ? undefined : Number(found);
}

async function evictedCount(control: RespClient): Promise<number> {
  return Number(/evicted_clients:(\d+)/.exec(await control.ask("INFO", "stats"))?.[1]);
}

async function setLimit(control: RespClient, limit: string | number): Promise<void> {
  assertEquals(await control.ask("CONFIG", "SET", "maxmemory-clients", String(limit)), "+OK");
}

/** Begins a command with an argument of `bytes`, all but its end. */
async function beginLong(client: RespClient, bytes: number): Promise<void> {
  await client.write(`*1\r\n$${bytes}\r\n${"x".repeat(bytes - 1)}`);
}

/** Sends a command and reads as many replies. */
async function sendAll(client: RespClient, replies: number, ...command: Command): Promise<void> {
  await client.post(...command);
  for (let i = 0; i < replies; i++) await client.readAny();
}

const COUNT = 1000;

/** What a client can take memory with, and how it lets go of it. */
const STATES: readonly {
  readonly name: string;
  readonly enter: (client: RespClient) => Promise<void>;
  readonly leave: (client: RespClient, control: RespClient) => Promise<void>;
  /** Fields that are the same in both meanwhile. */
  readonly fields?: Readonly<Record<string, number>>;
}[] = [
  {
    name: "watched keys",
    enter: (client) => sendAll(client, 1, "WATCH", ...names(COUNT)),
    leave: (client) => sendAll(client, 1, "UNWATCH"),
    fields: { qbuf: 0, "argv-mem": 0, "multi-mem": 0 },
  },
  {
    name: "channels",
    enter: (client) => sendAll(client, COUNT, "SUBSCRIBE", ...names(COUNT)),
    leave: (client) => sendAll(client, COUNT, "UNSUBSCRIBE"),
    fields: { sub: COUNT, qbuf: 0, omem: 0 },
  },
  {
    name: "patterns",
    enter: (client) => sendAll(client, COUNT, "PSUBSCRIBE", ...names(COUNT)),
    leave: (client) => sendAll(client, COUNT, "PUNSUBSCRIBE", ...names(COUNT)),
    fields: { psub: COUNT },
  },
  {
    name: "shard channels",
    enter: (client) => sendAll(client, COUNT, "SSUBSCRIBE", ...names(COUNT)),
    leave: (client) => sendAll(client, 1, "RESET"),
  },
  {
    name: "prefixes",
    enter: (client) => {
      const prefixes = names(COUNT).flatMap((name) => ["PREFIX", name]);
      return sendAll(client, 1, "CLIENT", "TRACKING", "ON", "BCAST", ...prefixes);
    },
    leave: (client) => sendAll(client, 1, "CLIENT", "TRACKING", "OFF"),
  },
  {
    name: "a queued command with a long argument",
    enter: async (client) => {
      await sendAll(client, 1, "MULTI");
      await sendAll(client, 1, "SET", "k", "x".repeat(100_000));
    },
    leave: (client) => sendAll(client, 1, "DISCARD"),
    fields: { multi: 1, "multi-mem": 100_028, "argv-mem": 0 },
  },
  {
    name: "many queued commands",
    enter: async (client) => {
      await sendAll(client, 1, "MULTI");
      for (let i = 0; i < COUNT; i++) await sendAll(client, 1, "SET", "k", "value");
    },
    leave: (client) => sendAll(client, 1, "EXEC"),
    fields: { multi: COUNT, "multi-mem": 33 * COUNT },
  },
  {
    name: "a command that is not complete",
    enter: (client) =>
      client.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${MEGABYTE}\r\n${"x".repeat(MEGABYTE / 2)}`),
    leave: async (client) => {
      await client.write(`${"x".repeat(MEGABYTE / 2)}\r\n`);
      await client.read();
    },
    fields: { qbuf: MEGABYTE / 2, "argv-mem": 4 },
  },
  {
    name: "a long command that waits",
    enter: (client) => client.post("BLPOP", "k".repeat(100_000), "0"),
    leave: async (client, control) => {
      await control.send("RPUSH", "k".repeat(100_000), "v");
      await client.read();
    },
    fields: { "argv-mem": 100_006 },
  },
];

for (const { name, enter, leave, fields = {} } of STATES) {
  redisTest(`tot-mem grows with ${name} about as Redis's does, and shrinks again`, async () => {
    await using pair = await startPair();
    const grown: number[] = [];
    for (const port of ports(pair)) {
      using control = await RespClient.connect(port);
      using client = await RespClient.connect(port);
      const id = await idOf(client);
      // What ours reads into has its full size from here on.
      await client.send("ECHO", "x".repeat(5000));
      const total = async () => (await field(control, id, "tot-mem"))!;
      const before = await total();
      await enter(client);
      // It may not have been read yet.
      for (const [name, value] of Object.entries(fields)) {
        await eventually(async () => await field(control, id, name) === value);
      }
      await eventually(async () => await total() > before + 10_000);
      const growth = await total() - before;
      grown.push(growth);
      await leave(client, control);
      await eventually(async () => await total() < before + growth / 2);
      await control.send("DEL", "k");
    }
    const [redis, redino] = grown as [number, number];
    assert(
      redino < redis * SAME_SIZE && redino > redis / SAME_SIZE,
      `Redis ${redis}, we ${redino}`,
    );
  });
}

redisTest("MEMORY STATS counts clients' states, and no longer when they are gone", async () => {
  await using pair = await startPair();
  for (const port of ports(pair)) {
    using control = await RespClient.connect(port);
    const stats = async () =>
      Number(/"clients.normal"\W+(\d+)/.exec(await control.ask("MEMORY", "STATS"))?.[1]);
    const before = await stats();
    const client = await RespClient.connect(port);
    await sendAll(client, 1, "WATCH", ...names(5 * COUNT, "a"));
    await sendAll(client, COUNT, "SUBSCRIBE", ...names(COUNT));
    await eventually(async () => await stats() > before + 250_000);
    client.close();
    await eventually(async () => await stats() < before + 50_000);
  }
});

/** Commands of which enough must close the client; the number makes each another one. */
const GROWTHS: Readonly<Record<string, (i: number) => Command>> = {
  "watched keys": (i) => ["WATCH", ...names(10, `${i}:`)],
  channels: (i) => ["SUBSCRIBE", `channel:${i}`],
  patterns: (i) => ["PSUBSCRIBE", `pattern:${i}`],
  "shard channels": (i) => ["SSUBSCRIBE", `shard:${i}`],
  prefixes: (i) => ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", `p${i}:`],
  "queued commands": (i) => i === 0 ? ["MULTI"] : ["SET", "k", "x".repeat(10_000)],
};

redisTest("maxmemory-clients closes a client whose state grows, without the cron", async () => {
  await using pair = await startPair({ config: {} });
  for (const port of ports(pair)) {
    using control = await connectControl(port);
    await setLimit(control, 200_000);
    await control.send("DEBUG", "PAUSE-CRON", "1");
    let evicted = 0;
    for (const [name, command] of Object.entries(GROWTHS)) {
      using client = await RespClient.connect(port);
      const grow = async () => {
        for (let i = 0; i < 20_000; i++) await sendAll(client, 1, ...command(i));
      };
      const isClosed = await grow().then(() => false, () => true);
      assert(isClosed, name);
      assertEquals(await evictedCount(control), ++evicted, name);
    }
  }
});

redisTest("a command too long for maxmemory-clients closes its client before it runs", async () => {
  await using pair = await startPair({ config: { "maxmemory-clients": 3 * MEGABYTE } });
  for (const port of ports(pair)) {
    using control = await connectControl(port);
    using client = await RespClient.connect(port);
    assertEquals(await client.ask("MSET", "a", "1", "b", "x".repeat(MEGABYTE)), "+OK");
    await client.send("MSET", "a", "2", "b", "x".repeat(3 * MEGABYTE)).catch(() => {});
    await eventually(async () => await evictedCount(control) === 1);
    assertEquals(await control.ask("GET", "a"), '"1"');
  }
});

// Not so in Redis, which looks at its clients between two commands, too.
Deno.test("a reply or message that is read at once closes nobody", async () => {
  await using server = await serve({ port: 0, "maxmemory-clients": 3 * MEGABYTE });
  using control = await connectControl(server.port);
  await control.send("SET", "k", "x".repeat(40_000));
  await using stack = new AsyncDisposableStack();
  const clients: RespClient[] = [];
  for (let i = 0; i < 100; i++) clients.push(stack.use(await RespClient.connect(server.port)));
  for (let round = 0; round < 5; round++) {
    // All of them are answered at about the same time, with more than the limit together.
    await Promise.all(clients.map((client) => client.send("GET", "k")));
  }
  for (const client of clients) await client.send("SUBSCRIBE", "c");
  for (let round = 0; round < 5; round++) {
    assertEquals(await control.ask("PUBLISH", "c", "x".repeat(40_000)), ":100");
    await Promise.all(clients.map((client) => client.read()));
  }
  assertEquals(await evictedCount(control), 0);
  // Who does not read what the others do is the one to go.
  using deaf = await RespClient.connect(server.port);
  for (let i = 0; i < 400; i++) await deaf.post("GET", "k").catch(() => {});
  await eventually(async () => await evictedCount(control) === 1);
  for (const client of clients) assertEquals(await client.ask("PING"), '["pong" ""]');
});

redisTest("clients with NO-EVICT count for maxmemory-clients, but others are closed", async () => {
  await using pair = await startPair({ config: {} });
  for (const port of ports(pair)) {
    using control = await connectControl(port);
    using large = await connectControl(port);
    using small = await RespClient.connect(port);
    const [largeId, smallId] = [await idOf(large), await idOf(small)];
    await beginLong(large, 2 * MEGABYTE);
    await eventually(async () => (await field(control, largeId, "tot-mem"))! > 2 * MEGABYTE);
    await setLimit(control, MEGABYTE);
    await eventually(async () => await field(control, smallId, "tot-mem") === undefined);
    // The pair's own client has gone, too. Nobody is left to be closed, until one may be.
    assertEquals(await evictedCount(control), 2);
    await setLimit(control, MEGABYTE);
    await setLimit(control, 3 * MEGABYTE);
    assert(await field(control, largeId, "tot-mem") !== undefined);
    using other = await connectControl(port);
    const otherId = await idOf(other);
    await beginLong(other, 2 * MEGABYTE - 10);
    await eventually(async () => (await field(control, otherId, "tot-mem"))! > MEGABYTE);
    using last = await RespClient.connect(port);
    await last.send("PING").catch(() => {});
    await eventually(async () => await evictedCount(control) === 3);
    assert(await field(control, otherId, "tot-mem") !== undefined);
  }
});

redisTest("maxmemory-clients closes the largest first, and no more than it must", async () => {
  await using pair = await startPair({ config: {} });
  for (const port of ports(pair)) {
    using control = await connectControl(port);
    const clients: RespClient[] = [];
    const ids: string[] = [];
    // Far enough from each other for Redis, which only knows powers of two.
    for (const bytes of [600_000, 4_900_000, 150_000, 2_400_000, 1_200_000]) {
      const client = await RespClient.connect(port);
      clients.push(client);
      ids.push(await idOf(client));
      await beginLong(client, bytes);
      await eventually(async () => (await field(control, ids.at(-1)!, "tot-mem"))! > bytes);
    }
    const left = async () => {
      const found = [];
      for (const [i, id] of ids.entries()) {
        if (await field(control, id, "tot-mem") !== undefined) found.push(i);
      }
      return found.join();
    };
    for (const [limit, expected] of [[5_500_000, "0,2,3,4"], [2_700_000, "0,2,4"], [1, ""]]) {
      await setLimit(control, limit!);
      await eventually(async () => await left() === expected);
    }
    assertEquals(await evictedCount(control), clients.length);
    for (const client of clients) client.close();
  }
});

redisTest("maxmemory-clients in percent follows maxmemory; its least is 128 KB", async () => {
  await using pair = await startPair({ config: {} });
  for (const port of ports(pair)) {
    using control = await connectControl(port);
    using client = await RespClient.connect(port);
    const id = await idOf(client);
    await setLimit(control, "7%");
    await beginLong(client, 500_000);
    await eventually(async () => (await field(control, id, "tot-mem"))! > 500_000);
    // Without maxmemory there is nothing to take a part of.
    assertEquals(await control.ask("CONFIG", "SET", "maxmemory", "100mb"), "+OK");
    assertEquals(await control.ask("PING"), "+PONG");
    assertEquals(await evictedCount(control), 0);
    assertEquals(await control.ask("CONFIG", "SET", "maxmemory", "6mb"), "+OK");
    await eventually(async () => await evictedCount(control) === 1);
    // One percent of nearly nothing leaves room for small clients.
    await control.send("CONFIG", "SET", "maxmemory", "99");
    await setLimit(control, "1%");
    using small = await RespClient.connect(port);
    assertEquals(await small.ask("PING"), "+PONG");
    assertEquals(await small.ask("PING"), "+PONG");
    await beginLong(small, 200_000).catch(() => {});
    await eventually(async () => await evictedCount(control) === 2);
  }
});

Deno.test("the log tells which client maxmemory-clients closes", async () => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  await using server = await serve({ port: 0, log, "maxmemory-clients": MEGABYTE });
  using client = await RespClient.connect(server.port);
  const id = await idOf(client);
  await beginLong(client, 2 * MEGABYTE).catch(() => {});
  await eventually(() => lines.some((line) => line.includes("Evicting client: ")));
  const line = lines.find((line) => line.includes("Evicting client: "))!;
  assertMatch(line, new RegExp(` \\* Evicting client: id=${id} addr=.* tot-mem=20\\d{5} `));
});
