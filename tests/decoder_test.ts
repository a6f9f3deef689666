/** Requests: bytes to commands, whole, split anywhere, pipelined, and the errors of what is none. */
import { assertEquals, assertRejects } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { RespDecoder } from "../lib/mod.ts";
import { decode, type Decoded, type DecodeOptions } from "./support/decoding.ts";
import { type Rng, seeded } from "./support/rng.ts";

function request(...args: readonly string[]): string {
  return `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
}

/** Whole, split in two at every byte, and a byte at a time. */
function assertDecodes(
  bytes: string,
  expected: Decoded,
  options?: DecodeOptions,
): void {
  assertEquals(decode([bytes], options), expected);
  for (let at = 1; at < bytes.length; at++) {
    const halves = [bytes.slice(0, at), bytes.slice(at)];
    assertEquals(decode(halves, options), expected, `split at ${at}`);
  }
  assertEquals(decode([...bytes], options), expected, "a byte at a time");
}

Deno.test("a request decodes wherever it is split", () => {
  assertDecodes(request("SET", "key", "value"), { commands: [["SET", "key", "value"]] });
  assertDecodes(request("SET", "", "\r\n$3\r\n*1\r\n\0\xff"), {
    commands: [["SET", "", "\r\n$3\r\n*1\r\n\0\xff"]],
  });
});

Deno.test("pipelined requests decode in order wherever they are split", () => {
  assertDecodes(request("GET", "a") + "PING\r\n" + request("SET", "b", "12345678901"), {
    commands: [["GET", "a"], ["PING"], ["SET", "b", "12345678901"]],
  });
});

Deno.test("what asks for nothing is passed over", () => {
  assertDecodes("\r\n*0\r\n*-1\r\n \t\r\n\n" + request("PING"), { commands: [["PING"]] });
});

const INLINE: readonly [line: string, words: string[]][] = [
  ["PING", ["PING"]],
  ["  SET\tkey  value ", ["SET", "key", "value"]],
  ['SET "a key" "tab\\t nl\\n cr\\r bell\\a back\\b"', [
    "SET",
    "a key",
    "tab\t nl\n cr\r bell\x07 back\b",
  ]],
  ['ECHO "\\x41\\xfF\\x0g\\q\\"\\\\"', ["ECHO", 'A\xffx0gq"\\']],
  ["ECHO 'it\\'s \\n'", ["ECHO", "it's \\n"]],
  ["ECHO \"\" ''", ["ECHO", "", ""]],
  // To Redis a NUL ends what has come so far, and it waits for ever.
  ["ECHO \0 a\0b", ["ECHO", "\0", "a\0b"]],
  ['ECHO ab"c d"', ["ECHO", "abc d"]],
];

Deno.test("an inline command is unquoted as redis-cli quotes", () => {
  for (const [line, words] of INLINE) {
    assertDecodes(`${line}\r\n`, { commands: [words] });
    assertDecodes(`${line}\n${line}\n`, { commands: [words, words] });
  }
});

const ERRORS: readonly [bytes: string, error: string][] = [
  ["*x\r\n", "invalid multibulk length"],
  ["*\r\n", "invalid multibulk length"],
  ["*01\r\n", "invalid multibulk length"],
  ["*2147483648\r\n", "invalid multibulk length"],
  ["*1\r\n!3\r\n", "expected '$', got '!'"],
  ["*1\r\n\r\n", "expected '$', got '\r'"],
  ["*2\r\n$4\r\nECHO\r\n\r\n", "expected '$', got '\r'"],
  ["*1\r\n$-1\r\n", "invalid bulk length"],
  ["*1\r\n$x\r\n", "invalid bulk length"],
  ["*1\r\n$01\r\n", "invalid bulk length"],
  ["*1\r\n$536870913\r\n", "invalid bulk length"],
  ['PING "a\r\n', "unbalanced quotes in request"],
  ["PING 'a\r\n", "unbalanced quotes in request"],
  ['PING "a"b\r\n', "unbalanced quotes in request"],
];

Deno.test("bytes that are no request end with Redis's words, after the commands before them", () => {
  for (const [bytes, words] of ERRORS) {
    const error = `Protocol error: ${words}`;
    assertDecodes(bytes, { commands: [], error });
    assertDecodes(request("GET", "k") + bytes, { commands: [["GET", "k"]], error });
  }
});

Deno.test("a line without an end is refused from 64 KiB on", () => {
  const long = "1".repeat(64 * 1024 + 1);
  for (
    const [bytes, words] of [
      [long, "too big inline request"],
      [`*${long}`, "too big mbulk count string"],
      [`*1\r\n$${long}`, "too big bulk count string"],
    ] as const
  ) {
    assertEquals(decode([bytes]), { commands: [], error: `Protocol error: ${words}` });
  }
});

Deno.test("an unauthenticated client may send 10 arguments of 16 KiB", () => {
  const options = { authenticated: false };
  const most = Array.from({ length: 10 }, () => "x");
  assertEquals(decode([request(...most)], options), { commands: [most] });
  assertEquals(decode([request(...most, "x")], options), {
    commands: [],
    error: "Protocol error: unauthenticated multibulk length",
  });
  const long = "x".repeat(16 * 1024);
  assertEquals(decode([request("GET", long)], options), { commands: [["GET", long]] });
  assertEquals(decode([request("GET", `${long}x`)], options), {
    commands: [],
    error: "Protocol error: unauthenticated bulk length",
  });
});

Deno.test("what AUTH allows may follow it in the same bytes", () => {
  const many = Array.from({ length: 11 }, (_, i) => String(i));
  const long = ["SET", "k", "x".repeat(16 * 1024 + 1)];
  const options = { authenticated: false, authenticatesOn: "AUTH" };
  const bytes = request("AUTH", "secret") + request(...many);
  assertDecodes(bytes, { commands: [["AUTH", "secret"], many] }, options);
  assertEquals(decode([request("AUTH", "secret") + request(...long)], options), {
    commands: [["AUTH", "secret"], long],
  });
  assertEquals(decode([request("NO", "secret") + request(...many)], options), {
    commands: [["NO", "secret"]],
    error: "Protocol error: unauthenticated multibulk length",
  });
});

Deno.test("an incomplete command that outgrows the query buffer's limit is told of", () => {
  const bytes = request("SET", "k", "x".repeat(4096));
  const chunks = bytes.match(/.{1,512}/gs)!;
  assertEquals((decode(chunks, { limits: { maxQueryBytes: 2048 } })).overflow, true);
  assertEquals(decode(chunks, { limits: { maxQueryBytes: 8192 } }), {
    commands: [["SET", "k", "x".repeat(4096)]],
  });
});

Deno.test("random pipelines split at random decode as they were sent", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 40; round++) {
      const commands: string[][] = [];
      let bytes = "";
      for (let i = rng.int(1, 40); i > 0; i--) {
        const command = randomCommand(rng);
        commands.push(command);
        bytes += request(...command);
      }
      assertEquals(decode(randomChunks(rng, bytes)), { commands });
    }
  });
});

/** Mostly short; now and then many arguments or one that takes several chunks. */
function randomCommand(rng: Rng): string[] {
  const count = rng.oneIn(20) ? rng.int(1, 3000) : rng.int(1, 6);
  const longest = count > 6 ? 8 : rng.oneIn(8) ? 90_000 : 40;
  return Array.from({ length: count }, () => randomText(rng, rng.int(0, longest)));
}

function randomText(rng: Rng, length: number): string {
  const start = latin1(rng.bytes(Math.min(length, 64)));
  return start.padEnd(length, "\r\n*$0");
}

function randomChunks(rng: Rng, bytes: string): string[] {
  const longest = rng.pick([7, 100, 5000, 16 * 1024]);
  const chunks: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length > 100_000 ? longest * 10 : longest;
    const size = Math.min(rng.int(1, length), 16 * 1024);
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** Sends bytes over a socket whose readable side is piped through the decoder. */
async function pipe(bytes: string): Promise<string[][]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [conn, peer] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port }),
  ]);
  const data = latin1Bytes(bytes);
  for (let at = 0; at < data.length;) at += await peer.write(data.subarray(at));
  peer.close();
  const commands: string[][] = [];
  for await (const args of conn.readable.pipeThrough(new RespDecoder())) {
    commands.push(args.map((arg) => latin1(arg)));
  }
  return commands;
}

Deno.test("a decoder refuses arguments beyond its own limit, however they come", () => {
  const limits = { maxBulkLength: 100 };
  const error = "Protocol error: invalid bulk length";
  const fits = ["SET", "k", "x".repeat(100)];
  assertDecodes(request(...fits), { commands: [fits] }, { limits });
  assertDecodes(request("SET", "k", "x".repeat(101)), { commands: [], error }, { limits });
});

Deno.test("a connection's readable side can be piped through the decoder", async () => {
  const long = "x".repeat(50_000);
  const bytes = request("SET", "k", long) + 'ECHO "a b"\r\n' + request("GET", "k");
  assertEquals(await pipe(bytes), [["SET", "k", long], ["ECHO", "a b"], ["GET", "k"]]);
  await assertRejects(() => pipe("*1\r\n!3\r\n"), Error, "Protocol error: expected '$', got '!'");
  await assertRejects(() => pipe("*1\r\n$3\r\nab"), Error, "The bytes end within a command");
});
