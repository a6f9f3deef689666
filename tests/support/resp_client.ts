/**
 * A raw client for tests: one connection, no retry, nothing hidden. Replies keep the types of the
 * wire apart (a null bulk string is no null array, `:1` is no `,1`), because that difference is
 * what most tests are about. {@link show} turns a reply into one line of text for comparing.
 */
import { latin1, latin1Bytes } from "../../lib/bytes/text.ts";

/** Strings are sent as UTF-8, numbers in decimal. */
export type Argument = string | Uint8Array | number | bigint;

/**
 * A reply as it came. Texts hold one byte a character (Latin-1), so that they lose nothing;
 * doubles and big numbers keep the text of the wire.
 */
export type Reply =
  | { readonly type: "simple" | "error" | "bulk" | "double" | "bigNumber"; readonly text: string }
  | { readonly type: "integer"; readonly value: number | bigint }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "nullBulk" | "nullArray" | "null" }
  | { readonly type: "array" | "set" | "push"; readonly items: readonly Reply[] }
  | { readonly type: "map"; readonly entries: readonly (readonly [Reply, Reply])[] }
  | { readonly type: "verbatim"; readonly format: string; readonly text: string }
  | {
    readonly type: "attribute";
    readonly entries: readonly (readonly [Reply, Reply])[];
    readonly reply: Reply;
  };

export interface ClientOptions {
  /** How long a read waits for its reply; 30,000 by default: a busy machine may let it wait for seconds. */
  readonly timeoutMs?: number;
  /** 3 sends HELLO 3 first; 2 by default. */
  readonly protocol?: 2 | 3;
  /** 127.0.0.1 by default. */
  readonly hostname?: string;
}

/** No reply is this large in a test: beyond it the stream is out of step. */
const MAX_LENGTH = 1 << 30;

export class RespClient {
  /** RESP3 push frames that came while a reply was waited for, oldest first. */
  readonly pushes: Reply[] = [];
  readonly #conn: Deno.Conn;
  readonly #timeoutMs: number;
  readonly #chunk = new Uint8Array(65536);
  #buf: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #closed = false;
  /** The last command sent, for messages. */
  #last = "";

  /** Takes over a connection of any kind (Unix, TLS); {@link RespClient.connect} is for TCP. */
  constructor(conn: Deno.Conn, timeoutMs = 30_000) {
    this.#conn = conn;
    this.#timeoutMs = timeoutMs;
  }

  static async connect(port: number, options: ClientOptions = {}): Promise<RespClient> {
    const hostname = options.hostname ?? "127.0.0.1";
    const client = new RespClient(await Deno.connect({ hostname, port }), options.timeoutMs);
    if (options.protocol === 3) await client.useResp3();
    return client;
  }

  /** Changes to RESP3, or throws. */
  async useResp3(): Promise<void> {
    const reply = await this.send("HELLO", 3);
    if (reply.type !== "map") throw new Error(`HELLO 3 was answered ${show(reply)}`);
  }

  /** Sends a command and returns the next reply that is no push. */
  async send(...args: readonly Argument[]): Promise<Reply> {
    await this.post(...args);
    return await this.read();
  }

  /** As {@link RespClient.send}, the reply as {@link show} writes it. */
  async ask(...args: readonly Argument[]): Promise<string> {
    return show(await this.send(...args));
  }

  /** Sends a command and reads nothing. */
  async post(...args: readonly Argument[]): Promise<void> {
    this.#last = showCommand(args);
    await this.write(encodeCommand(args));
  }

  /** Writes bytes (a string as Latin-1) as they are. */
  async write(bytes: Uint8Array | string): Promise<void> {
    const data = typeof bytes === "string" ? latin1Bytes(bytes) : bytes;
    for (let at = 0; at < data.length;) at += await this.#conn.write(data.subarray(at));
  }

  /** The next reply that is no push; pushes before it go to {@link RespClient.pushes}. */
  async read(): Promise<Reply> {
    return await this.#limited(async () => {
      while (true) {
        const reply = await this.#frame();
        if (reply.type !== "push") return reply;
        this.pushes.push(reply);
      }
    });
  }

  /** The next push: the oldest one kept, or the next frame, which then must be a push. */
  async readPush(): Promise<Reply> {
    const kept = this.pushes.shift();
    if (kept !== undefined) return kept;
    const reply = await this.readAny();
    if (reply.type !== "push") throw new Error(`Expected a push, got ${show(reply)}`);
    return reply;
  }

  /** The next frame, push or not, in the order of the wire. */
  async readAny(): Promise<Reply> {
    return this.pushes.shift() ?? await this.#limited(() => this.#frame());
  }

  /** The next `n` bytes as they came. */
  async readRaw(n: number): Promise<Uint8Array> {
    return await this.#limited(async () => {
      await this.#need(n);
      this.#at += n;
      return this.#buf.slice(this.#at - n, this.#at);
    });
  }

  /** All bytes until the server closes the connection. */
  async readToEnd(): Promise<Uint8Array> {
    return await this.#limited(async () => {
      while (await this.#fill());
      const rest = this.#buf.slice(this.#at, this.#end);
      this.#at = this.#end;
      return rest;
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Runs a read under the time limit; the connection is closed when it passes. */
  async #limited<T>(read: () => Promise<T>): Promise<T> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.close();
    }, this.#timeoutMs);
    try {
      return await read();
    } catch (error) {
      if (!timedOut) throw error;
      const got = quote(latin1(this.#buf, this.#at, Math.min(this.#end - this.#at, 200)));
      throw new Error(
        `No complete reply within ${this.#timeoutMs} ms; last command: ${this.#last}; ` +
          `unread bytes: ${got}`,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads more from the connection; false at its end. */
  async #fill(): Promise<boolean> {
    const n = await this.#conn.read(this.#chunk);
    if (n === null) return false;
    if (this.#end + n > this.#buf.length) {
      const left = this.#end - this.#at;
      const grown = new Uint8Array(Math.max(2 * (left + n), 65536));
      grown.set(this.#buf.subarray(this.#at, this.#end));
      this.#buf = grown;
      this.#at = 0;
      this.#end = left;
    }
    this.#buf.set(this.#chunk.subarray(0, n), this.#end);
    this.#end += n;
    return true;
  }

  async #need(n: number): Promise<void> {
    while (this.#end - this.#at < n) {
      if (!await this.#fill()) {
        throw new Error(`The server closed the connection; last command: ${this.#last}`);
      }
    }
  }

  async #line(): Promise<string> {
    for (let scanned = 0;; scanned++) {
      if (this.#end - this.#at < scanned + 2) await this.#need(scanned + 2);
      const at = this.#at + scanned;
      if (this.#buf[at] !== 0x0d || this.#buf[at + 1] !== 0x0a) continue;
      const line = latin1(this.#buf, this.#at, scanned);
      this.#at = at + 2;
      return line;
    }
  }

  async #body(length: number): Promise<string> {
    await this.#need(length + 2);
    const text = latin1(this.#buf, this.#at, length);
    if (this.#buf[this.#at + length] !== 0x0d || this.#buf[this.#at + length + 1] !== 0x0a) {
      throw new Error(`No CRLF after a bulk of ${length} bytes: ${quote(text.slice(0, 200))}`);
    }
    this.#at += length + 2;
    return text;
  }

  async #items(count: number): Promise<Reply[]> {
    const items: Reply[] = [];
    for (let i = 0; i < count; i++) items.push(await this.#frame());
    return items;
  }

  async #entries(count: number): Promise<[Reply, Reply][]> {
    const entries: [Reply, Reply][] = [];
    for (let i = 0; i < count; i++) entries.push([await this.#frame(), await this.#frame()]);
    return entries;
  }

  async #frame(): Promise<Reply> {
    const line = await this.#line();
    const text = line.slice(1);
    switch (line[0]) {
      case "+":
        return { type: "simple", text };
      case "-":
        return { type: "error", text };
      case ":":
        return { type: "integer", value: integer(text, line) };
      case ",":
        return { type: "double", text };
      case "(":
        return { type: "bigNumber", text };
      case "_":
        return { type: "null" };
      case "#":
        if (text !== "t" && text !== "f") break;
        return { type: "boolean", value: text === "t" };
      case "$":
        if (text === "-1") return { type: "nullBulk" };
        return { type: "bulk", text: await this.#body(length(text, line)) };
      case "!":
        return { type: "error", text: await this.#body(length(text, line)) };
      case "=": {
        const body = await this.#body(length(text, line));
        return { type: "verbatim", format: body.slice(0, 3), text: body.slice(4) };
      }
      case "*":
        if (text === "-1") return { type: "nullArray" };
        return { type: "array", items: await this.#items(length(text, line)) };
      case "~":
        return { type: "set", items: await this.#items(length(text, line)) };
      case ">":
        return { type: "push", items: await this.#items(length(text, line)) };
      case "%":
        return { type: "map", entries: await this.#entries(length(text, line)) };
      case "|": {
        const entries = await this.#entries(length(text, line));
        return { type: "attribute", entries, reply: await this.#frame() };
      }
    }
    throw new Error(`Not a reply: ${quote(line)}; last command: ${this.#last}`);
  }
}

function integer(text: string, line: string): number | bigint {
  if (!/^-?(0|[1-9]\d*)$/.test(text)) throw new Error(`Not an integer reply: ${quote(line)}`);
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function length(text: string, line: string): number {
  const value = integer(text, line);
  if (typeof value === "bigint" || value < 0 || value > MAX_LENGTH) {
    throw new Error(`Not a length: ${quote(line)}`);
  }
  return value;
}

/** A command as an array of bulk strings. */
export function encodeCommand(args: readonly Argument[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [encoder.encode(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? arg : encoder.encode(String(arg));
    parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const CRLF = latin1Bytes("\r\n");

/**
 * A reply in one line, unambiguous: `+OK`, `-ERR …`, `:1`, `"bulk\r\n"`, `nil$`, `nil*`, `nil`
 * (RESP3), `[:1 "a"]`, `~["a"]` (set), `>["a"]` (push), `{"a"=>:1 "b"=>:2}`, `,1.5`, `#t`,
 * `(123`, `=txt"…"`, `|{…}` before what an attribute belongs to.
 */
export function show(reply: Reply): string {
  switch (reply.type) {
    case "simple":
      return `+${escape(reply.text)}`;
    case "error":
      return `-${escape(reply.text)}`;
    case "integer":
      return `:${reply.value}`;
    case "bulk":
      return quote(reply.text);
    case "double":
      return `,${reply.text}`;
    case "bigNumber":
      return `(${reply.text}`;
    case "boolean":
      return reply.value ? "#t" : "#f";
    case "nullBulk":
      return "nil$";
    case "nullArray":
      return "nil*";
    case "null":
      return "nil";
    case "array":
      return `[${reply.items.map(show).join(" ")}]`;
    case "set":
      return `~[${reply.items.map(show).join(" ")}]`;
    case "push":
      return `>[${reply.items.map(show).join(" ")}]`;
    case "map":
      return showEntries(reply.entries);
    case "verbatim":
      return `=${reply.format}${quote(reply.text)}`;
    case "attribute":
      return `|${showEntries(reply.entries)}${show(reply.reply)}`;
  }
}

function showEntries(entries: readonly (readonly [Reply, Reply])[]): string {
  return `{${entries.map(([key, value]) => `${show(key)}=>${show(value)}`).join(" ")}}`;
}

/** A command as one would type it, long arguments cut. */
export function showCommand(args: readonly Argument[]): string {
  return args.map((arg) => {
    const text = arg instanceof Uint8Array ? latin1(arg) : String(arg);
    const cut = text.length > 100 ? `${text.slice(0, 100)}… (${text.length})` : text;
    return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(cut) ? cut : quote(cut);
  }).join(" ");
}

function quote(text: string): string {
  return `"${escape(text).replaceAll('"', '\\"')}"`;
}

/** Bytes outside printable ASCII as `\r`, `\n`, `\xHH`. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\r", "\\r").replaceAll("\n", "\\n")
    .replace(
      // deno-lint-ignore no-control-regex
      /[\x00-\x1f\x7f-\xff]/g,
      (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
}
