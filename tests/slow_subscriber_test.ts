/** Subscribers that do not read: their memory is bounded, and nobody else is slowed down. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";

const MEGABYTE = 1024 * 1024;
const GIGABYTE = 1024 * MEGABYTE;

/** The most memory that a process ever had resident, in bytes. */
async function peakResident(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

/** Reads replies of exactly these bytes, again and again. */
async function readReplies(conn: Deno.Conn, count: number, bytes: number): Promise<void> {
  const buf = new Uint8Array(MEGABYTE);
  for (let left = count * bytes; left > 0;) {
    const read = await conn.read(buf);
    assert(read !== null, "the server closed the connection");
    left -= read;
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

Deno.test({
  name: "1 GB for a subscriber that stopped reading: the server's memory stays bounded",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using server = await startRedinoProcess();
    using idle = await RespClient.connect(server.port);
    using reader = await Deno.connect({ port: server.port, hostname: "127.0.0.1" });
    using publisher = await Deno.connect({ port: server.port, hostname: "127.0.0.1" });
    using admin = await RespClient.connect(server.port);
    await idle.send("SUBSCRIBE", "c");
    await writeAll(reader, encodeCommand(["SUBSCRIBE", "c"]));
    await readReplies(reader, 1, "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n".length);
    const before = await peakResident(server.pid);

    const text = new Uint8Array(MEGABYTE / 4);
    const message = encodeCommand(["PUBLISH", "c", text]);
    const received = encodeCommand(["message", "c", text]);
    const count = GIGABYTE / text.length;
    // In portions, so that the one who reads need not be faster than a publisher can be.
    const portion = 32;
    for (let sent = 0; sent < count; sent += portion) {
      await Promise.all([
        (async () => {
          for (let i = 0; i < portion; i++) await writeAll(publisher, message);
        })(),
        readReplies(publisher, portion, ":1\r\n".length),
        readReplies(reader, portion, received.length),
      ]);
    }

    const grown = await peakResident(server.pid) - before;
    assert(grown < 400 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`);
    assertEquals(await admin.ask("PUBSUB", "NUMSUB", "c"), '["c" :1]');
    assertMatch(
      await admin.ask("INFO", "stats"),
      /client_output_buffer_limit_disconnections:1\\r/,
    );
    await eventually(() => server.log().includes("closed for overcoming of output buffer limits"));
  },
});

Deno.test({
  name: "800 MB that a client's own command sends it: the server's memory stays bounded",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using server = await startRedinoProcess();
    using admin = await RespClient.connect(server.port);
    using client = await RespClient.connect(server.port);
    await client.send("HELLO", "3");
    const patterns = Array.from({ length: 400 }, (_, i) => "*".repeat(i + 1));
    await client.post("PSUBSCRIBE", ...patterns);
    while (await admin.ask("PUBSUB", "NUMPAT") !== ":400");
    const before = await peakResident(server.pid);
    await client.post("PUBLISH", "c", "x".repeat(2 * MEGABYTE));
    while (await admin.ask("PUBSUB", "NUMPAT") !== ":0");
    const grown = await peakResident(server.pid) - before;
    assert(grown < 300 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`);
  },
});

Deno.test("client-output-buffer-limit pubsub is hard at once, soft after its seconds", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await serve({
    port: 0,
    clock: () => nowMs,
    hz: 100,
    "client-output-buffer-limit": "pubsub 50mb 1mb 10",
  });
  using publisher = await RespClient.connect(server.port);
  const text = "x".repeat(MEGABYTE);
  const listeners = async () => await publisher.ask("PUBSUB", "NUMSUB", "c");

  using soft = await RespClient.connect(server.port);
  await soft.send("SUBSCRIBE", "c");
  // More than sockets hold on their own.
  for (let i = 0; i < 30; i++) await publisher.send("PUBLISH", "c", text);
  assertEquals(await listeners(), '["c" :1]');
  nowMs += 5000;
  await publisher.send("PUBLISH", "c", text);
  assertEquals(await listeners(), '["c" :1]');
  nowMs += 6000;
  while (await listeners() !== '["c" :0]');

  using hard = await RespClient.connect(server.port);
  await hard.send("SUBSCRIBE", "c");
  let sent = 0;
  while (show(await publisher.send("PUBLISH", "c", text)) === ":1") sent++;
  assert(sent >= 49, `cut off after ${sent} MB`);
  assert(sent <= 49 + 20, `cut off only after ${sent} MB`);
});
