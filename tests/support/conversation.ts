/**
 * Several connections to Redino and to the real redis-server at once: after each command, all that
 * each connection was sent is compared, messages and pushes included.
 *
 *     await compareConversation({ a: 2, b: 3 }, [
 *       ["a", "SUBSCRIBE", "news"],
 *       ["b", "PUBLISH", "news", "hi"],
 *     ]);
 *
 * The connections are named; their values are their protocols. `<a>` in a command stands for the
 * number that the server gave to connection `a`.
 */
import { assertEquals } from "@std/assert";
import { type PairOptions, startPair } from "./differential.ts";
import { type Argument, type Reply, RespClient, show } from "./resp_client.ts";

/** Who, and the command. */
export type Line = readonly [who: string, ...command: Argument[]];

const MARK = "that was all";

/** Runs the lines on both servers; throws at the first after which a connection was sent other things. */
export async function compareConversation(
  protocols: Readonly<Record<string, 2 | 3>>,
  lines: readonly Line[],
  config: PairOptions["config"] = {},
): Promise<void> {
  await using pair = await startPair({ config });
  await using redis = await Conversation.start(pair.redisPort, protocols);
  await using redino = await Conversation.start(pair.redinoPort, protocols);
  for (const [i, line] of lines.entries()) {
    const [expected, actual] = await Promise.all([redis.say(line), redino.say(line)]);
    const before = lines.slice(Math.max(0, i - 5), i + 1).map((each) => each.join(" ")).join("\n");
    assertEquals(actual, expected, `After these lines:\n${before}`);
  }
}

/** The named connections to one server. */
export class Conversation implements AsyncDisposable {
  readonly #clients: ReadonlyMap<string, RespClient>;
  readonly #ids: ReadonlyMap<string, string>;

  private constructor(
    clients: ReadonlyMap<string, RespClient>,
    ids: ReadonlyMap<string, string>,
  ) {
    this.#clients = clients;
    this.#ids = ids;
  }

  static async start(
    port: number,
    protocols: Readonly<Record<string, 2 | 3>>,
  ): Promise<Conversation> {
    const clients = new Map<string, RespClient>();
    const ids = new Map<string, string>();
    for (const [name, protocol] of Object.entries(protocols)) {
      const client = await RespClient.connect(port, { protocol });
      clients.set(name, client);
      ids.set(name, (await client.ask("CLIENT", "ID")).slice(1));
    }
    return new Conversation(clients, ids);
  }

  client(name: string): RespClient {
    const client = this.#clients.get(name);
    if (client === undefined) throw new TypeError(`Nobody is called ${name}.`);
    return client;
  }

  /** Sends one command and returns what every connection was sent until it was done. */
  async say([who, ...command]: Line): Promise<Record<string, string[]>> {
    const speaker = this.client(who);
    const words = command.map((word) =>
      typeof word === "string" ? word.replace(/<(\w+)>/g, (_, name) => this.#ids.get(name)!) : word
    );
    await speaker.post(...words);
    const told: Record<string, string[]> = { [who]: [] };
    // What follows a batch of commands (BCAST) is sent before the mark's reply only if that waits.
    const first = await speaker.readAny();
    told[who]!.push(this.#plain(first));
    for (const [name, client] of this.#clients) {
      await client.post("PING", MARK);
      const frames = told[name] ??= [];
      for (;;) {
        const frame = show(await client.readAny());
        if (frame === `"${MARK}"` || frame === `["pong" "${MARK}"]`) break;
        if (!frame.includes(MARK)) frames.push(this.#withNames(frame));
      }
    }
    return told;
  }

  #plain(frame: Reply): string {
    return this.#withNames(show(frame));
  }

  /** What differs by nature made the same: clients' numbers, HELLO, MONITOR's times and addresses. */
  #withNames(frame: string): string {
    if (/^.("server" "redis"|"server"=>"redis")/.test(frame)) return "<hello>";
    if (frame.includes("redir")) {
      for (const [name, id] of this.#ids) {
        frame = frame.replace(new RegExp(`:${id}(?=[\\] ])`), `:<${name}>`);
      }
    }
    return frame.replace(/^\+\d{10}\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\]/, "+<time> [$1 <address>]");
  }

  // deno-lint-ignore require-await -- closing needs no waiting, but `await using` wants a promise
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) client.close();
  }
}
