/** Clients that wait for streams, and what Redis 7.2 does otherwise than the 7.0 that is compared. */
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";

/** A server, and as many connections to it. */
async function start(
  connections: number,
): Promise<AsyncDisposable & { port: number; clients: RespClient[] }> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serve({ port: 0 }));
  const clients: RespClient[] = [];
  for (let i = 0; i < connections; i++) {
    clients.push(stack.use(await RespClient.connect(server.port)));
  }
  const owned = stack.move();
  return { port: server.port, clients, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Resolves when so many clients are blocked. */
async function blocked(client: RespClient, count: number): Promise<void> {
  await eventually(async () =>
    (await client.ask("INFO", "clients")).includes(`blocked_clients:${count}\\r`)
  );
}

function entry(stream: string, id: string, ...fields: string[]): string {
  const shown = fields.map((field) => `"${field}"`).join(" ");
  return `[["${stream}" [["${id}" [${shown}]]]]]`;
}

async function shown(client: RespClient): Promise<string> {
  return show(await client.read());
}

Deno.test("XREAD BLOCK waits for what comes after $, on several streams", async () => {
  await using test = await start(2);
  const [reader, writer] = test.clients as [RespClient, RespClient];
  await writer.send("XADD", "s", "1-1", "a", "b");
  await reader.post("XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$");
  await blocked(writer, 1);
  await writer.send("XADD", "s", "2-1", "c", "d");
  assertEquals(await shown(reader), entry("s", "2-1", "c", "d"));
  await reader.post("XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$");
  await blocked(writer, 1);
  await writer.send("XADD", "none", "1-1", "c", "d");
  assertEquals(await shown(reader), entry("none", "1-1", "c", "d"));
});

Deno.test("XREAD BLOCK sees all that a transaction added", async () => {
  await using test = await start(2);
  const [reader, writer] = test.clients as [RespClient, RespClient];
  await reader.post("XREAD", "BLOCK", 0, "STREAMS", "s", "$");
  await blocked(writer, 1);
  await writer.send("MULTI");
  await writer.send("XADD", "s", "1-1", "a", "1");
  await writer.send("XADD", "s", "2-1", "a", "2");
  await writer.send("EXEC");
  assertEquals(await shown(reader), `[["s" [["1-1" ["a" "1"]] ["2-1" ["a" "2"]]]]]`);
});

Deno.test("XREAD BLOCK goes on waiting while the key is another type, and after DEL", async () => {
  await using test = await start(2);
  const [reader, writer] = test.clients as [RespClient, RespClient];
  await reader.post("XREAD", "BLOCK", 0, "STREAMS", "s", "$");
  await blocked(writer, 1);
  await writer.send("SET", "s", "x");
  await writer.send("DEL", "s");
  await blocked(writer, 1);
  await writer.send("XADD", "s", "1-1", "a", "1");
  assertEquals(await shown(reader), entry("s", "1-1", "a", "1"));
});

Deno.test("one XADD wakes 2,000 readers, whose next commands run in the order in which they came", async () => {
  await using test = await start(2001);
  const [writer, ...readers] = test.clients as [RespClient, ...RespClient[]];
  for (const [i, reader] of readers.entries()) {
    await reader.write(`XREAD BLOCK 0 STREAMS s $\r\nRPUSH woken ${i}\r\n`);
    await blocked(writer, i + 1);
  }
  await writer.send("XADD", "s", "1-1", "a", "1");
  for (const [i, reader] of readers.entries()) {
    assertEquals(await shown(reader), entry("s", "1-1", "a", "1"));
    assertEquals(await shown(reader), `:${i + 1}`);
  }
  assertEquals(
    await writer.ask("LRANGE", "woken", 0, -1),
    `[${readers.map((_, i) => `"${i}"`).join(" ")}]`,
  );
});

Deno.test("XREADGROUP BLOCK gives each entry to one consumer, first come first served", async () => {
  await using test = await start(4);
  const [writer, ...readers] = test.clients as [RespClient, ...RespClient[]];
  await writer.send("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
  for (const [i, reader] of readers.entries()) {
    const name = `c${i}`;
    await reader.post(
      "XREADGROUP",
      "GROUP",
      "g",
      name,
      "COUNT",
      1,
      "BLOCK",
      0,
      "STREAMS",
      "s",
      ">",
    );
    await blocked(writer, i + 1);
  }
  for (const [i, reader] of readers.entries()) {
    await writer.send("XADD", "s", `${i + 1}-1`, "a", `${i}`);
    assertEquals(await shown(reader), entry("s", `${i + 1}-1`, "a", `${i}`));
  }
  assertEquals(
    await writer.ask("XPENDING", "s", "g"),
    `[:3 "1-1" "3-1" [["c0" "1"] ["c1" "1"] ["c2" "1"]]]`,
  );
});

Deno.test("XREADGROUP BLOCK answers an error when its stream or group goes away", async () => {
  const noGroup = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
  const wrongType = "-WRONGTYPE Operation against a key holding the wrong kind of value";
  const endings: readonly (readonly [string, ...(readonly string[])[]])[] = [
    [noGroup, ["DEL", "s"]],
    [noGroup, ["XGROUP", "DESTROY", "s", "g"]],
    [noGroup, ["FLUSHALL"]],
    [noGroup, ["FLUSHDB"]],
    [noGroup, ["SWAPDB", "0", "1"]],
    [noGroup, ["RENAME", "s", "t"]],
    [wrongType, ["SET", "s", "x"]],
    [wrongType, ["MULTI"], ["DEL", "s"], ["SET", "s", "x"], ["EXEC"]],
  ];
  for (const [error, ...commands] of endings) {
    await using test = await start(2);
    const [reader, writer] = test.clients as [RespClient, RespClient];
    await writer.send("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
    await reader.post("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">");
    await blocked(writer, 1);
    for (const command of commands) await writer.send(...command);
    assertEquals(await shown(reader), error, commands.join());
    await blocked(writer, 0);
  }
});

Deno.test("XREADGROUP BLOCK does not wake for another group's end", async () => {
  await using test = await start(2);
  const [reader, writer] = test.clients as [RespClient, RespClient];
  await writer.send("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
  await writer.send("XGROUP", "CREATE", "s", "h", "$");
  await reader.post("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">");
  await blocked(writer, 1);
  await writer.send("XGROUP", "DESTROY", "s", "h");
  await blocked(writer, 1);
  await writer.send("XADD", "s", "1-1", "a", "1");
  assertEquals(await shown(reader), entry("s", "1-1", "a", "1"));
});

Deno.test("CLIENT UNBLOCK ends the wait for a stream", async () => {
  await using test = await start(2);
  const [reader, writer] = test.clients as [RespClient, RespClient];
  const id = (await reader.ask("CLIENT", "ID")).slice(1);
  for (const [how, reply] of [["TIMEOUT", "nil*"], ["ERROR", undefined]] as const) {
    await reader.post("XREAD", "BLOCK", 0, "STREAMS", "s", "$");
    await blocked(writer, 1);
    assertEquals(await writer.ask("CLIENT", "UNBLOCK", id, how), ":1");
    assertEquals(
      await shown(reader),
      reply ?? "-UNBLOCKED client unblocked via CLIENT UNBLOCK",
    );
  }
});

Deno.test("XREADGROUP makes its consumer also where there is nothing to read, as 7.2 does", async () => {
  await using test = await start(1);
  const [client] = test.clients as [RespClient];
  await client.send("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
  assertEquals(await client.ask("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"), "nil*");
  assertEquals(await client.ask("XCLAIM", "s", "g", "d", "0", "1-1"), "[]");
  const consumers = await client.ask("XINFO", "CONSUMERS", "s", "g");
  assertEquals(
    consumers.replace(/"idle" :\d+/g, '"idle" :0'),
    `[["name" "c" "pending" :0 "idle" :0 "inactive" :-1] ` +
      `["name" "d" "pending" :0 "idle" :0 "inactive" :-1]]`,
  );
});

Deno.test("a consumer is active when it is given entries, seen when it asks, as 7.2 has it", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  const times = () => client.ask("XINFO", "CONSUMERS", "s", "g");
  await client.send("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM");
  await client.send("XADD", "s", "1-1", "a", "b");
  await client.send("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">");
  nowMs += 1000;
  await client.send("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">");
  nowMs += 100;
  assertEquals(await times(), `[["name" "c" "pending" :1 "idle" :100 "inactive" :1100]]`);
  assertEquals(
    await client.ask("XPENDING", "s", "g", "IDLE", "1100", "-", "+", "5"),
    `[["1-1" "c" :1100 :1]]`,
  );
  assertEquals(await client.ask("XPENDING", "s", "g", "IDLE", "1101", "-", "+", "5"), "[]");
  assertEquals(await client.ask("XAUTOCLAIM", "s", "g", "d", "1101", "0"), `["0-0" [] []]`);
  assertEquals(
    await client.ask("XAUTOCLAIM", "s", "g", "d", "1100", "0", "JUSTID"),
    `["0-0" ["1-1"] []]`,
  );
  nowMs += 7;
  assertEquals(
    await times(),
    `[["name" "c" "pending" :0 "idle" :107 "inactive" :1107] ` +
      `["name" "d" "pending" :1 "idle" :7 "inactive" :7]]`,
  );
  assertEquals(
    (await client.ask("XINFO", "STREAM", "s", "FULL")).match(/"consumers".*/)![0],
    `"consumers" [["name" "c" "seen-time" :1800000001000 "active-time" :1800000000000 ` +
      `"pel-count" :0 "pending" []] ["name" "d" "seen-time" :1800000001100 ` +
      `"active-time" :1800000001100 "pel-count" :1 "pending" [["1-1" :1800000001100 :1]]]]]]]`,
  );
});

Deno.test("an automatic ID is the time, or the next sequence where the clock stands or goes back", async () => {
  let nowMs = 1_800_000_000_000;
  await using server = await serve({ port: 0, clock: () => nowMs });
  using client = await RespClient.connect(server.port);
  assertEquals(await client.ask("XADD", "s", "*", "a", "b"), `"1800000000000-0"`);
  assertEquals(await client.ask("XADD", "s", "*", "a", "b"), `"1800000000000-1"`);
  nowMs -= 5;
  assertEquals(await client.ask("XADD", "s", "*", "a", "b"), `"1800000000000-2"`);
  nowMs += 6;
  assertEquals(await client.ask("XADD", "s", "*", "a", "b"), `"1800000000001-0"`);
});

Deno.test("errors that are 7.2's", async () => {
  await using test = await start(1);
  const [client] = test.clients as [RespClient];
  const max = "18446744073709551615";
  assertEquals(
    await client.ask("XREAD", "STREAMS", "a", "b", "1"),
    "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
  );
  assertEquals(
    await client.ask("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", "b", "1"),
    "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
  );
  assertEquals(
    await client.ask("XREAD", "BLOCK", "9223372036854775807", "STREAMS", "a", "0"),
    "-ERR timeout is out of range",
  );
  await client.send("XADD", "s", `6-${max}`, "a", "1");
  assertEquals(
    await client.ask("XADD", "s", "6-*", "a", "1"),
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
  );
  await client.send("XSETID", "s", "9-9", "MAXDELETEDID", "8-8");
  assertEquals(
    await client.ask("XSETID", "s", "8-7"),
    "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
  );
});

Deno.test("a work queue loses no entry and does none twice when a consumer dies", async () => {
  await using server = await serve({ port: 0 });
  const connect = () => new Redis(server.port, "127.0.0.1");
  const JOBS = 60;
  const LOST = 7;
  const producer = connect();
  await producer.xgroup("CREATE", "jobs", "workers", "$", "MKSTREAM");
  const done = new Map<string, number>();

  const finish = async (client: Redis, jobs: readonly [string, string[]][]) => {
    for (const [id] of jobs) {
      done.set(id, (done.get(id) ?? 0) + 1);
      assertEquals(await client.xack("jobs", "workers", id), 1);
    }
  };
  const work = async (name: string) => {
    const client = connect();
    while (done.size < JOBS - LOST) {
      const read = await client.xreadgroup(
        "GROUP",
        "workers",
        name,
        "COUNT",
        3,
        "BLOCK",
        20,
        "STREAMS",
        "jobs",
        ">",
      ) as [string, [string, string[]][]][] | null;
      if (read !== null) await finish(client, read[0]![1]);
    }
    await client.quit();
  };

  // It takes jobs and never acknowledges them.
  const dying = connect();
  for (let i = 0; i < 10; i++) await producer.xadd("jobs", "*", "n", String(i));
  await dying.xreadgroup("GROUP", "workers", "dying", "COUNT", LOST, "STREAMS", "jobs", ">");
  dying.disconnect();

  const workers = ["a", "b", "c"].map(work);
  for (let i = 10; i < JOBS; i++) await producer.xadd("jobs", "*", "n", String(i));
  await Promise.all(workers);

  const rescuer = connect();
  let cursor = "0-0";
  do {
    const [next, claimed] = await rescuer.xautoclaim(
      "jobs",
      "workers",
      "rescuer",
      0,
      cursor,
      "COUNT",
      3,
    ) as [string, [string, string[]][]];
    await finish(rescuer, claimed);
    cursor = next;
  } while (cursor !== "0-0");
  assertEquals(done.size, JOBS);
  assertEquals(new Set(done.values()), new Set([1]));
  assertEquals(await producer.xpending("jobs", "workers"), [0, null, null, null]);
  await Promise.all([producer.quit(), rescuer.quit()]);
});

Deno.test("XREAD BLOCK waits for very many streams", async () => {
  await using test = await start(1);
  const [client] = test.clients as [RespClient];
  const names = Array.from({ length: 150_000 }, (_, i) => `s${i}`);
  const ids = names.map(() => "$");
  await client.write(encodeCommand(["XREAD", "BLOCK", "1", "STREAMS", ...names, ...ids]));
  assertEquals(await shown(client), "nil*");
});
