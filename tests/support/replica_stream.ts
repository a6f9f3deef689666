/**
 * What a server sends its replicas, as commands: attaches as a replica does, lets the snapshot pass,
 * and reads the stream. {@link Recorder} holds what a server propagates against what redis-server does.
 */
import { type Argument, type Reply, RespClient } from "./resp_client.ts";

/** The commands that servers send by themselves, now and then. */
const OWN_WORDS = new Set(["PING", "REPLCONF"]);
const MARK_CHANNEL = "that-was-all";
const LINE_FEED = 0x0a;

/** The stream of one server. */
export class ReplicaStream implements Disposable {
  readonly #link: RespClient;
  readonly #control: RespClient;
  #marks = 0;

  private constructor(link: RespClient, control: RespClient) {
    this.#link = link;
    this.#control = control;
  }

  /** Attaches to the server at a port; returns when the snapshot has passed. */
  static async attach(port: number): Promise<ReplicaStream> {
    const link = await RespClient.connect(port, { timeoutMs: 20_000 });
    await expectSimple(link, "PONG", "PING");
    await expectSimple(link, "OK", "REPLCONF", "listening-port", port);
    await expectSimple(link, "OK", "REPLCONF", "capa", "eof", "capa", "psync2");
    await expectSimple(link, "FULLRESYNC", "PSYNC", "?", "-1");
    await skipSnapshot(link);
    await link.post("REPLCONF", "ACK", 0);
    const stream = new ReplicaStream(link, await RespClient.connect(port));
    await stream.upToNow();
    return stream;
  }

  /** What was sent since the last call: everything that the server's clients were answered for. */
  async upToNow(): Promise<string[][]> {
    const mark = String(this.#marks++);
    await this.#control.send("PUBLISH", MARK_CHANNEL, mark);
    const commands: string[][] = [];
    for (;;) {
      const command = await this.next();
      if (command[1] === MARK_CHANNEL && command[2] === mark) return commands;
      commands.push(command);
    }
  }

  /** The next command. */
  async next(): Promise<string[]> {
    for (;;) {
      const command = words(await this.#link.readAny());
      if (!OWN_WORDS.has(command[0]!)) return command;
    }
  }

  [Symbol.dispose](): void {
    this.#link.close();
    this.#control.close();
  }
}

async function expectSimple(
  client: RespClient,
  word: string,
  ...command: readonly Argument[]
): Promise<void> {
  const reply = await client.send(...command);
  if (reply.type === "simple" && reply.text.startsWith(word)) return;
  throw new Error(`${command.join(" ")} was answered ${JSON.stringify(reply)}`);
}

/** Reads `$<length>` and as many bytes, or `$EOF:<mark>` and all up to that mark. */
async function skipSnapshot(link: RespClient): Promise<void> {
  let header = "";
  while (header === "") header = await readLine(link);
  if (header.startsWith("$EOF:")) {
    const mark = header.slice("$EOF:".length);
    let last = "";
    while (last !== mark) {
      last = (last + String.fromCharCode((await link.readRaw(1))[0]!)).slice(-mark.length);
    }
  } else {
    await link.readRaw(Number(header.slice(1)));
  }
}

/** A line without its end; an empty one is the sign of life of a server that makes its snapshot. */
async function readLine(link: RespClient): Promise<string> {
  let line = "";
  for (;;) {
    const byte = (await link.readRaw(1))[0]!;
    if (byte === LINE_FEED) return line.trimEnd();
    line += String.fromCharCode(byte);
  }
}

function words(reply: Reply): string[] {
  if (reply.type !== "array") throw new Error(`No command: ${JSON.stringify(reply)}`);
  return reply.items.map((item) => "text" in item ? item.text : "");
}
