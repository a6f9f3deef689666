/** Messages to many subscribers: how they are shared, gathered and written in slices. */
import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { ReplyWriter, SharedChunk } from "../lib/resp/reply_writer.ts";
import { Turn } from "../lib/server/turn.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";

/** More than two slices' worth. */
const SUBSCRIBERS = 150;

/** All that waits in a writer, and of how many chunks it is. */
function drain(writer: ReplyWriter): { text: string; chunks: number } {
  let text = "";
  let chunks = 0;
  for (let chunk = writer.take(); chunk !== undefined; chunk = writer.take()) {
    text += latin1(chunk.bytes, 0, chunk.length);
    chunk.recycle();
    chunks++;
  }
  assertEquals(writer.bytes, 0);
  return { text, chunks };
}

function sharedChunk(text: string): SharedChunk {
  return new SharedChunk(latin1Bytes(text));
}

Deno.test("A reply writer gathers shared messages into few chunks", () => {
  const writer = new ReplyWriter();
  let expected = "";
  for (let i = 0; i < 1000; i++) {
    const text = `+message ${i}\r\n`;
    writer.shared(sharedChunk(text));
    expected += text;
  }
  assertEquals(writer.bytes, expected.length);
  const { text, chunks } = drain(writer);
  assertEquals(text, expected);
  assertEquals(chunks, Math.ceil(expected.length / (16 * 1024)));
});

Deno.test("A reply writer for which nobody takes anything copies short messages", () => {
  const writer = new ReplyWriter();
  let grown = 0;
  writer.onGrow = () => grown++;
  const chunk = sharedChunk("+a message\r\n");
  for (let i = 0; i < 100_000; i++) writer.shared(chunk);
  // As references as long as 16 KiB are not full, then in chunks of up to 1 MiB.
  const references = Math.ceil(16 * 1024 / chunk.length);
  assert(writer.chunks <= references + 10, `${writer.chunks} chunks`);
  assert(grown > 0, "nobody was asked to look at the limits");
  assertEquals(drain(writer).text.length, 100_000 * chunk.length);
});

Deno.test("A reply writer keeps the order of replies and shared messages of any length", async () => {
  await seeded((rng) => {
    const writer = new ReplyWriter();
    const messages = Array.from({ length: 20 }, (_, i) => {
      const length = rng.pick([3, 60, 5000, 16_383, 16_384, 16_385, 70_000]);
      return sharedChunk(String.fromCharCode(0x41 + i).repeat(length));
    });
    const originals = messages.map(({ bytes }) => latin1(bytes));
    for (let round = 0; round < 20; round++) {
      let expected = "";
      for (let i = rng.int(0, 40); i > 0; i--) {
        if (rng.oneIn(3)) {
          const text = "x".repeat(rng.pick([1, 100, 20_000, 70_000]));
          writer.bulkText(text);
          expected += `$${text.length}\r\n${text}\r\n`;
        } else {
          const chunk = rng.pick(messages);
          writer.shared(chunk);
          expected += latin1(chunk.bytes);
        }
      }
      assertEquals(writer.bytes, expected.length);
      assert(drain(writer).text === expected, "other bytes came than were written");
    }
    // Nobody has written to what is shared.
    assertEquals(messages.map(({ bytes }) => latin1(bytes)), originals);
  });
});

Deno.test("Messages to many subscribers arrive whole and in order beside their replies", async () => {
  await using server = await serve({ port: 0 });
  using publisher = await RespClient.connect(server.port);
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, async (_, i) => {
      const client = await RespClient.connect(server.port, { protocol: i % 2 === 0 ? 2 : 3 });
      await client.post("SUBSCRIBE", "c");
      await client.readAny();
      return client;
    }),
  );
  const texts = Array.from({ length: 300 }, (_, i) => `${i}:${"x".repeat(i % 97)}`);
  // One by one, then many at once.
  for (const text of texts.slice(0, 50)) {
    assertEquals(await publisher.ask("PUBLISH", "c", text), `:${SUBSCRIBERS}`);
  }
  for (const text of texts.slice(50)) await publisher.write(encodeCommand(["PUBLISH", "c", text]));
  for (const client of subscribers) await client.post("PING", "between");
  for (let i = 50; i < texts.length; i++) {
    assertEquals(show(await publisher.read()), `:${SUBSCRIBERS}`);
  }

  for (const [i, client] of subscribers.entries()) {
    const [open, pong] = i % 2 === 0 ? ["[", '["pong" "between"]'] : [">[", '"between"'];
    const got: string[] = [];
    while (got.length < texts.length + 1) got.push(show(await client.readAny()));
    assertEquals(got.filter((line) => line === pong).length, 1);
    assertEquals(
      got.filter((line) => line !== pong),
      texts.map((text) => `${open}"message" "c" "${text}"]`),
    );
    client.close();
  }
});

Deno.test("A server that is closed while messages wait for many leaves nothing open", async () => {
  const server = await serve({ port: 0 });
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, async () => {
      const client = await RespClient.connect(server.port);
      await client.send("SUBSCRIBE", "c");
      return client;
    }),
  );
  using publisher = await RespClient.connect(server.port);
  for (let i = 0; i < 20; i++) {
    assertEquals(await publisher.ask("PUBLISH", "c", "x"), `:${SUBSCRIBERS}`);
  }
  await publisher.post("PUBLISH", "c", "last");
  await server.close();
  for (const client of subscribers) client.close();
});

Deno.test("A turn lets sockets be read before it is over", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using writer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using reader = await listener.accept();
  let resume = () => {};
  const turn = new Turn(() => resume());
  const pass = () =>
    new Promise<void>((resolve) => {
      resume = resolve;
      turn.next();
    });
  let received = 0;
  const reading = (async () => {
    const buf = new Uint8Array(16);
    for (let count; (count = await reader.read(buf)) !== null;) received += count;
  })();
  let sent = 0;
  const send = async () => {
    await writer.write(new Uint8Array(1));
    sent++;
    await pass();
  };
  // Until its connection is open it promises nothing.
  do {
    await send();
    await pass();
  } while (received < sent);
  for (let i = 0; i < 200; i++) {
    await send();
    await pass();
    assert(received === sent, `nothing was read in turn ${i}`);
  }
  turn.close();
  writer.closeWrite();
  await reading;
});

Deno.test("A turn that is closed while it opens leaves nothing open", async () => {
  const done = Promise.withResolvers<void>();
  const turn = new Turn(done.resolve);
  turn.next();
  turn.close();
  await done.promise;
});
