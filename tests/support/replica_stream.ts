/**
 * What a server sends its replicas, as commands: attaches as a replica does, lets the snapshot pass,
 * and reads the stream. {@link comparePropagation} holds Redino's stream against redis-server's.
 */
import { assertEquals } from "@std/assert";
import { serve } from "../../lib/mod.ts";
import { eventually } from "./eventually.ts";
import { type Program, startRedis } from "./redis.ts";
import { type Argument, type Reply, RespClient } from "./resp_client.ts";

/** The commands that servers send by themselves, now and then. */
const OWN_WORDS = new Set(["PING", "REPLCONF"]);
const MARK_CHANNEL = "that-was-all";
const LINE_FEED = 0x0a;

/** The stream of one server, as a replica gets it. */
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
    const control = await RespClient.connect(port);
    // Redis takes no notice of an ACK that comes before it knows that the snapshot is through.
    await eventually(async () =>
      (await control.ask("INFO", "replication")).includes("state=online")
    );
    await link.post("REPLCONF", "ACK", 0);
    const stream = new ReplicaStream(link, control);
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
export async function skipSnapshot(link: RespClient): Promise<void> {
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

/**
 * A line of a conversation: words with spaces between them (`""` is an empty one), or the words, or a
 * command's bytes as they are to be sent. `b|`
 * before it has another client say it, whose reply is not waited for: it may be blocked by then.
 * `wait: n` waits till n clients are blocked, `pass: n` till n milliseconds have passed for the server,
 * `empty: ` till the database is.
 */
export type Line = string | readonly Argument[] | Uint8Array;

/** Times, and IDs made of them, may differ by so much. */
const TOLERANCE_MS = 10_000;

/** Redino and a redis-server, each with what it propagates. */
export class StreamPair implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;
  readonly #redis: ReplicaStream;
  readonly #redino: ReplicaStream;
  readonly #toRedis: Speakers;
  readonly #toRedino: Speakers;

  private constructor(
    owned: AsyncDisposableStack,
    redis: ReplicaStream,
    redino: ReplicaStream,
    toRedis: Speakers,
    toRedino: Speakers,
  ) {
    this.#owned = owned;
    this.#redis = redis;
    this.#redino = redino;
    this.#toRedis = toRedis;
    this.#toRedino = toRedino;
  }

  /** Starts both with directives; `program` stands in redis-server's place. */
  static async start(
    config: Readonly<Record<string, string>> = {},
    program: Program = "redis-server",
  ): Promise<StreamPair> {
    await using stack = new AsyncDisposableStack();
    const own = { "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "3600" };
    const args = Object.entries({ ...own, ...config }).flatMap(([k, v]) => [`--${k}`, v]);
    const redis = stack.use(await startRedis({ args, program }));
    const dir = await Deno.makeTempDir({ prefix: "redino_propagation_" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const redino = stack.use(
      await serve({ port: 0, save: "", dir, "enable-debug-command": "yes", ...own, ...config }),
    );
    const expected = stack.use(await ReplicaStream.attach(redis.port));
    const actual = stack.use(await ReplicaStream.attach(redino.port));
    const toRedis = stack.use(new Speakers(redis.port));
    const toRedino = stack.use(new Speakers(redino.port));
    return new StreamPair(stack.move(), expected, actual, toRedis, toRedino);
  }

  /** Says lines to both; returns what redis-server propagated, and Redino, times made alike. */
  async say(lines: readonly Line[]): Promise<{ redis: string[][]; redino: string[][] }> {
    const sayAll = async (speakers: Speakers, stream: ReplicaStream) => {
      for (const line of lines) await speakers.say(line);
      return await stream.upToNow();
    };
    const [redis, redino] = await Promise.all([
      sayAll(this.#toRedis, this.#redis),
      sayAll(this.#toRedino, this.#redino),
    ]);
    return { redis, redino: withinTolerance(redino, redis) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** Says the lines to redis-server and to Redino; after each, both must have propagated the same. */
export async function comparePropagation(
  lines: readonly Line[],
  mask: (command: readonly string[]) => readonly string[] = (command) => command,
  program: Program = "redis-server",
): Promise<void> {
  await using pair = await StreamPair.start({}, program);
  for (const [i, line] of lines.entries()) {
    const { redis, redino } = await pair.say([line]);
    const before = lines.slice(Math.max(0, i - 5), i + 1).map(String).join("\n");
    const expected = program === "redis-server" ? selectWithin(redis) : redis;
    assertEquals(redino.map(mask), expected.map(mask), `After these lines:\n${before}\n`);
    await nextMillisecond();
  }
}

/** So that no two lines share one, in which the second `*` of a stream would be numbered 1. */
async function nextMillisecond(): Promise<void> {
  const now = Date.now();
  while (Date.now() === now) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The stream as of 7.2, where the SELECT of a transaction's first write stands behind the MULTI. */
function selectWithin(commands: readonly string[][]): string[][] {
  const sorted = [...commands];
  for (let i = 1; i < sorted.length; i++) {
    const [before, command] = [sorted[i - 1]!, sorted[i]!];
    if (before[0] === "SELECT" && command[0] === "MULTI") sorted.splice(i - 1, 2, command, before);
  }
  return sorted;
}

/** What Redino propagates while the lines are said to it. */
export async function propagatedBy(lines: readonly Line[]): Promise<string[][]> {
  await using redino = await serve({ port: 0, save: "", "repl-diskless-sync-delay": 0 });
  using stream = await ReplicaStream.attach(redino.port);
  using speakers = new Speakers(redino.port);
  for (const line of lines) await speakers.say(line);
  return await stream.upToNow();
}

/** The commands with each word taken from `others` where both are nearly the same time. */
function withinTolerance(
  commands: (readonly string[])[],
  others: (readonly string[])[],
): string[][] {
  return commands.map((command, i) =>
    command.map((word, k) => nearTime(word, others[i]?.[k] ?? "") ? others[i]![k]! : word)
  );
}

/** Whether both are times of this age, or of one so far that its milliseconds are rounded, or such IDs. */
function nearTime(a: string, b: string): boolean {
  const [msA, ...restA] = a.split("-");
  const [msB, ...restB] = b.split("-");
  const { length } = msA!;
  if (length !== msB!.length || (length !== 13 && length < 17)) return false;
  return restA.join() === restB.join() && Math.abs(Number(msA) - Number(msB)) <= TOLERANCE_MS;
}

/** The clients of one server, made when they first speak. */
class Speakers implements Disposable {
  readonly #port: number;
  readonly #clients = new Map<string, RespClient>();

  constructor(port: number) {
    this.#port = port;
  }

  async say(line: Line): Promise<void> {
    if (line instanceof Uint8Array) {
      const client = await this.#client("");
      await client.write(line);
      return void await client.read();
    }
    if (typeof line !== "string") return void await (await this.#client("")).send(...line);
    const [who, words] = /^(\w+)[|:] (.*)$/s.exec(line)?.slice(1) ?? ["", line];
    if (who === "wait") return await this.#untilBlocked(Number(words));
    if (who === "pass") return await this.#untilPassed(Number(words));
    if (who === "empty") return await this.#untilEmpty();
    const command = words!.split(" ").map((word) => word === '""' ? "" : word);
    const client = await this.#client(who!);
    if (who === "") await client.send(...command);
    else await client.post(...command);
  }

  async #untilBlocked(count: number): Promise<void> {
    const client = await this.#client("");
    await eventually(async () =>
      (await client.ask("INFO", "clients")).includes(`blocked_clients:${count}\\r`)
    );
  }

  async #untilPassed(ms: number): Promise<void> {
    const client = await this.#client("");
    const nowMs = async () => {
      const reply = await client.send("TIME");
      if (!("items" in reply)) throw new Error("TIME gives no time");
      const [seconds, usec] = reply.items.map((item) => "text" in item ? Number(item.text) : NaN);
      return seconds! * 1000 + usec! / 1000;
    };
    const endMs = await nowMs() + ms;
    await eventually(async () => await nowMs() > endMs);
  }

  async #untilEmpty(): Promise<void> {
    const client = await this.#client("");
    await eventually(async () => await client.ask("DBSIZE") === ":0");
  }

  async #client(name: string): Promise<RespClient> {
    let client = this.#clients.get(name);
    if (client === undefined) {
      this.#clients.set(name, client = await RespClient.connect(this.#port));
    }
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client.close();
  }
}
