/**
 * A primary played by a test, word by word: it accepts a replica's connection, hears what it says, and
 * answers what the test wants.
 */
import { latin1, latin1Bytes } from "../../lib/bytes/text.ts";
import { Queue } from "../../lib/bytes/queue.ts";
import { crc64 } from "../../lib/bytes/crc64.ts";
import { encodeCommand } from "./resp_client.ts";

export const HISTORY = "a".repeat(40);

export class FakePrimary implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #replicas = new Queue<FakeReplica>();
  #arrived = Promise.withResolvers<void>();
  readonly #open = new Set<FakeReplica>();
  readonly #serving: Promise<void>;

  constructor() {
    this.#serving = (async () => {
      for await (const conn of this.#listener) {
        const replica = new FakeReplica(conn);
        this.#open.add(replica);
        this.#replicas.push(replica);
        this.#arrived.resolve();
      }
    })();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The next connection. */
  async accept(): Promise<FakeReplica> {
    for (;;) {
      const replica = this.#replicas.shift();
      if (replica !== undefined) return replica;
      this.#arrived = Promise.withResolvers();
      await this.#arrived.promise;
    }
  }

  /** The next connection, greeted up to its PSYNC, which is returned with it. */
  async greet(): Promise<{ replica: FakeReplica; psync: string[] }> {
    const replica = await this.accept();
    for (;;) {
      const command = await replica.hear();
      if (command[0] === "PSYNC") return { replica, psync: command };
      await replica.say(command[0] === "PING" ? "+PONG\r\n" : "+OK\r\n");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const replica of this.#open) replica.close();
    await this.#serving;
  }
}

/** The replica's end of a connection. */
export class FakeReplica {
  readonly #conn: Deno.Conn;
  #text = "";

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** The next command that it sends; empty where it has closed the connection. */
  async hear(): Promise<string[]> {
    for (;;) {
      const command = this.#takeCommand();
      if (command !== undefined) return command;
      const buf = new Uint8Array(4096);
      const count = await this.#conn.read(buf).catch(() => null);
      if (count === null) return [];
      this.#text += latin1(buf, 0, count);
    }
  }

  /** The offset of the next REPLCONF ACK. */
  async hearAck(): Promise<number> {
    for (;;) {
      const [name, what, offset] = await this.hear();
      if (name === undefined) throw new Error("The replica closed the connection");
      if (name === "REPLCONF" && what === "ACK") return Number(offset);
    }
  }

  /** Waits until it acknowledges an offset. */
  async hearAckOf(offset: number): Promise<void> {
    while (await this.hearAck() !== offset);
  }

  async say(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === "string" ? latin1Bytes(bytes) : bytes;
    for (let at = 0; at < data.length;) at += await this.#conn.write(data.subarray(at));
  }

  /** Sends a whole data set, by its length, as of an offset; with no keys unless it is given. */
  async saySnapshot(offset: number, rdb = rdbWith()): Promise<void> {
    await this.say(`+FULLRESYNC ${HISTORY} ${offset}\r\n$${rdb.length}\r\n`);
    await this.say(rdb);
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
  }

  #takeCommand(): string[] | undefined {
    this.#text = this.#text.replace(/^\n+/, "");
    let at = 0;
    const header = (kind: string): number | undefined => {
      const end = this.#text.indexOf("\r\n", at);
      if (end < 0) return undefined;
      if (this.#text[at] !== kind) throw new Error(`Not a command: ${this.#text.slice(0, 100)}`);
      const value = Number(this.#text.slice(at + 1, end));
      at = end + 2;
      return value;
    };
    const count = header("*");
    if (count === undefined) return undefined;
    const words: string[] = [];
    for (let i = 0; i < count; i++) {
      const length = header("$");
      if (length === undefined || this.#text.length < at + length + 2) return undefined;
      words.push(this.#text.slice(at, at + length));
      at += length + 2;
    }
    this.#text = this.#text.slice(at);
    return words;
  }
}

/** Commands as they stand in a stream. */
export function stream(...commands: readonly (readonly string[])[]): string {
  return commands.map((command) => latin1(encodeCommand(command))).join("");
}

/** An RDB with what `records` say in it, and its checksum. */
export function rdbWith(records = ""): Uint8Array {
  const body = latin1Bytes(`REDIS0010${records}\xff`);
  const crc = new Uint32Array(2);
  crc64(crc, body, 0, body.length);
  const rdb = new Uint8Array(body.length + 8);
  rdb.set(body);
  new DataView(rdb.buffer).setUint32(body.length, crc[0]!, true);
  new DataView(rdb.buffer).setUint32(body.length + 4, crc[1]!, true);
  return rdb;
}

/** An RDB with one string in database 0. */
export function rdbOf(key: string, value: string): Uint8Array {
  const text = (s: string) => String.fromCharCode(s.length) + s;
  return rdbWith(`\xfe\0\0${text(key)}${text(value)}`);
}
