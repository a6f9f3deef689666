/**
 * The decoder against a decoder that anyone can check, on bytes that nobody should send: random ones,
 * requests with bytes changed, lost, doubled, split anywhere. It never throws, and decodes the same.
 */
import { assertEquals } from "@std/assert";
import { latin1 } from "../lib/bytes/text.ts";
import { decode, type Decoded } from "./support/decoding.ts";
import { type Rng, seeded } from "./support/rng.ts";

const ROUNDS = 1500;
const MAX_BULK = 100_000;
const UNAUTHENTICATED = { arguments: 10, bulk: 16 * 1024 };

/** Decodes a whole text at once, with strings; lines here are never long enough to be refused. */
function decodePlainly(bytes: string, authenticatesOn?: string): Decoded {
  const commands: string[][] = [];
  let limited = authenticatesOn !== undefined;
  const failed = (words: string): Decoded => ({ commands, error: `Protocol error: ${words}` });
  let at = 0;
  const run = (command: string[]) => {
    commands.push(command);
    if (command[0] === authenticatesOn) limited = false;
  };
  while (at < bytes.length) {
    if (bytes[at] !== "*") {
      const lf = bytes.indexOf("\n", at);
      if (lf < 0) break;
      const words = splitWords(bytes.slice(at, lf).replace(/\r$/, ""));
      if (words === undefined) return failed("unbalanced quotes in request");
      if (words.length > 0) run(words);
      at = lf + 1;
      continue;
    }
    const countLine = lineAt(bytes, at);
    if (countLine === undefined) break;
    const count = number(countLine.slice(1));
    if (!(count <= 0x7fffffff)) return failed("invalid multibulk length");
    if (limited && count > UNAUTHENTICATED.arguments) {
      return failed("unauthenticated multibulk length");
    }
    at += countLine.length + 2;
    const command: string[] = [];
    while (command.length < count) {
      const lengthLine = at < bytes.length ? lineAt(bytes, at) : undefined;
      if (lengthLine === undefined) return { commands };
      if (bytes[at] !== "$") return failed(`expected '$', got '${bytes[at]}'`);
      const length = number(lengthLine.slice(1));
      if (!(length >= 0 && length <= MAX_BULK)) return failed("invalid bulk length");
      if (limited && length > UNAUTHENTICATED.bulk) return failed("unauthenticated bulk length");
      at += lengthLine.length + 2;
      if (at + length + 2 > bytes.length) return { commands };
      command.push(bytes.slice(at, at + length));
      at += length + 2;
    }
    if (count > 0) run(command);
  }
  return { commands };
}

/** The header line at `at` without its end, which is CR and any other byte. */
function lineAt(bytes: string, at: number): string | undefined {
  const cr = bytes.indexOf("\r", at);
  return cr < 0 || cr + 1 >= bytes.length ? undefined : bytes.slice(at, cr);
}

function number(text: string): number {
  return /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : NaN;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  a: "\x07",
};

/** The words of an inline command; undefined where a quote is left open or followed by a letter. */
function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  const word =
    /(?:([^ \t\n\r"']*)(?:("(?:\\x[0-9a-fA-F]{2}|\\[^]|[^"\\])*"|'(?:\\'|\\(?!')|[^'\\])*')(?=[ \t\n\v\f\r]|$)|(?=[ \t\n\r]|$)))/y;
  let rest = line;
  for (;;) {
    rest = rest.replace(/^[ \t\n\v\f\r]+/, "");
    if (rest === "") return words;
    word.lastIndex = 0;
    const match = word.exec(rest);
    if (match === null) return undefined;
    words.push(match[1]! + unquote(match[2] ?? ""));
    rest = rest.slice(match[0].length);
  }
}

function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1);
  if (quoted.startsWith("'")) return inner.replaceAll("\\'", "'");
  return inner.replace(
    /\\(?:x([0-9a-fA-F]{2})|([^]))/g,
    (_, hex: string | undefined, char: string) =>
      hex !== undefined ? String.fromCharCode(parseInt(hex, 16)) : ESCAPES[char] ?? char,
  );
}

/** Bytes that mean something to a decoder, more often than others. */
const TELLING = "*$*$\r\n\r\n\r\n0123456789-+ \"'\\x\0\xff\t\v\f";

function randomBytes(rng: Rng): string {
  const length = rng.int(0, 200);
  if (rng.oneIn(4)) return latin1(rng.bytes(length));
  return Array.from({ length }, () => TELLING[rng.int(0, TELLING.length - 1)]!).join("");
}

function request(rng: Rng): string {
  if (rng.oneIn(6)) return rng.pick(["\r\n", "*0\r\n", "*-1\r\n", "PING\r\n", 'ECHO "a b"\n']);
  const count = rng.oneIn(15) ? rng.int(9, 12) : rng.int(1, 4);
  let bytes = `*${count}\r\n`;
  for (let i = 0; i < count; i++) {
    const argument = rng.oneIn(40)
      ? "y".repeat(rng.int(16_383, 20_000))
      : rng.oneIn(12)
      ? "AUTH"
      : latin1(rng.bytes(rng.int(0, 12)));
    bytes += `$${argument.length}\r\n${argument}\r\n`;
  }
  return bytes;
}

/** Requests in a row, a few of their bytes changed, lost, doubled or put in. */
function mutated(rng: Rng): string {
  let bytes = "";
  for (let i = rng.int(1, 8); i > 0; i--) bytes += request(rng);
  for (let i = rng.int(0, 3); i > 0; i--) {
    const at = rng.int(0, bytes.length);
    const [before, after] = [bytes.slice(0, at), bytes.slice(at)];
    switch (rng.int(0, 4)) {
      case 0:
        bytes = before + TELLING[rng.int(0, TELLING.length - 1)]! + after;
        break;
      case 1:
        bytes = before + TELLING[rng.int(0, TELLING.length - 1)]! + after.slice(1);
        break;
      case 2:
        bytes = before + after.slice(rng.int(1, 4));
        break;
      case 3:
        bytes = before + after.slice(0, 6) + after;
        break;
      default:
        bytes = before;
    }
  }
  return bytes;
}

/** Cut anywhere, into chunks that a connection may read. */
function chunksOf(rng: Rng, bytes: string): string[] {
  const longest = rng.pick([1, 3, 20, 1000, 16 * 1024]);
  // A long text a byte at a time shows nothing that a short one does not, and takes long.
  const least = bytes.length > 2000 ? 500 : 1;
  const chunks: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = Math.min(Math.max(rng.int(1, longest), least), 16 * 1024);
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

const KINDS = [["random bytes", randomBytes], ["changed requests", mutated]] as const;

for (const [kind, make] of KINDS) {
  for (const authenticatesOn of [undefined, "AUTH"]) {
    const who = authenticatesOn === undefined ? "" : ", before and after authentication";
    Deno.test(`${kind} decode wherever they are split as they do in one piece${who}`, async () => {
      await seeded((rng) => {
        for (let round = 0; round < ROUNDS; round++) {
          const chunks = chunksOf(rng, make(rng));
          if (chunks.length === 0) continue;
          const decoded = decode(chunks, {
            limits: { maxBulkLength: MAX_BULK },
            ...(authenticatesOn === undefined ? {} : { authenticated: false, authenticatesOn }),
          });
          const bytes = chunks.join("");
          assertEquals(decoded, decodePlainly(bytes, authenticatesOn), JSON.stringify(chunks));
        }
      });
    });
  }
}
