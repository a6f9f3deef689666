/** The test client itself: a wrong reading of replies would make every other test worthless. */
import { assertEquals, assertRejects } from "@std/assert";
import { latin1Bytes } from "../../lib/bytes/text.ts";
import { encodeCommand, RespClient, show } from "./resp_client.ts";

/** Each frame as bytes and as `show` writes it. */
const FRAMES: readonly (readonly [wire: string, shown: string])[] = [
  ["+OK\r\n", "+OK"],
  ["-ERR no\r\n", "-ERR no"],
  [":-12\r\n", ":-12"],
  [":9223372036854775807\r\n", ":9223372036854775807"],
  ["$4\r\na\r\n\xff\r\n", '"a\\r\\n\\xff"'],
  ["$0\r\n\r\n", '""'],
  ["$-1\r\n", "nil$"],
  ["*-1\r\n", "nil*"],
  ["_\r\n", "nil"],
  ["*0\r\n", "[]"],
  ["*2\r\n*1\r\n:1\r\n$1\r\na\r\n", '[[:1] "a"]'],
  ["~1\r\n+x\r\n", "~[+x]"],
  ["%1\r\n$1\r\nk\r\n,1.5\r\n", '{"k"=>,1.5}'],
  [",-inf\r\n", ",-inf"],
  ["#t\r\n", "#t"],
  ["(12345678901234567890\r\n", "(12345678901234567890"],
  ["=7\r\ntxt:abc\r\n", '=txt"abc"'],
  ["!6\r\nERR no\r\n", "-ERR no"],
  ["|1\r\n+a\r\n:1\r\n:2\r\n", "|{+a=>:1}:2"],
];

interface Script extends AsyncDisposable {
  readonly port: number;
}

/** A server that writes these bytes to its only client, then closes or keeps the connection. */
function serveBytes(wire: string, bytewise: boolean, keep = false): Script {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = Promise.withResolvers<void>();
  const done = (async () => {
    using conn = await listener.accept();
    const bytes = latin1Bytes(wire);
    const step = bytewise ? 1 : Math.max(bytes.length, 1);
    for (let at = 0; at < bytes.length;) {
      at += await conn.write(bytes.subarray(at, at + step));
    }
    if (keep) await closed.promise;
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      closed.resolve();
      await done;
      listener.close();
    },
  };
}

for (const bytewise of [false, true]) {
  Deno.test(`RespClient reads every kind of frame, ${bytewise ? "byte by byte" : "in one piece"}`, async () => {
    await using script = serveBytes(FRAMES.map(([wire]) => wire).join(""), bytewise);
    using client = await RespClient.connect(script.port);
    for (const [, shown] of FRAMES) assertEquals(show(await client.read()), shown);
    assertEquals(await client.readToEnd(), new Uint8Array(0));
  });
}

Deno.test("RespClient keeps pushes apart from replies", async () => {
  await using script = serveBytes(">1\r\n+a\r\n:1\r\n>1\r\n+b\r\n", false);
  using client = await RespClient.connect(script.port);
  assertEquals(show(await client.read()), ":1");
  assertEquals(show(await client.readPush()), ">[+a]");
  assertEquals(show(await client.readPush()), ">[+b]");
});

Deno.test("RespClient says what it got when a reply stays away", async () => {
  await using script = serveBytes("$5\r\nab", false, true);
  using client = await RespClient.connect(script.port, { timeoutMs: 100 });
  await assertRejects(() => client.send("GET", "k"), Error, 'GET k; unread bytes: "ab"');
});

Deno.test("RespClient says that the server closed the connection", async () => {
  await using script = serveBytes("$5\r\nab", false);
  using client = await RespClient.connect(script.port);
  await assertRejects(() => client.read(), Error, "closed the connection");
});

Deno.test("RespClient refuses what is no reply", async () => {
  await using script = serveBytes(":1x\r\n", false);
  using client = await RespClient.connect(script.port);
  await assertRejects(() => client.read(), Error, "Not an integer reply");
});

Deno.test("encodeCommand writes text as UTF-8 and bytes as they are", () => {
  const bytes = encodeCommand(["SET", "é", new Uint8Array([0, 255]), 12]);
  assertEquals(
    bytes,
    latin1Bytes("*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$2\r\n\x00\xff\r\n$2\r\n12\r\n"),
  );
});
