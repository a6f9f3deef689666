/**
 * Redino held against the real redis-server: the same commands to both, reply by reply. What
 * redis-server answers is the definition of right.
 *
 *     redisTest("GET answers as Redis does", async () => {
 *       await using pair = await startPair();
 *       await compare(pair, [["SET", "k", "v"], ["GET", "k"], unordered(["KEYS", "*"])]);
 *     });
 *
 * Importing this file gives the test file one redis-server, which all its pairs without `config`
 * share; each of them starts from an empty one.
 */
import { serve } from "../../lib/mod.ts";
import { type Program, type RedisProcess, startRedis } from "./redis.ts";
import { type Argument, type Reply, RespClient, show, showCommand } from "./resp_client.ts";
import { without } from "./skip.ts";

export interface PairOptions {
  /**
   * Directives for both. With them (even `{}`) the pair has a redis-server of its own, as it must
   * where a test changes what FLUSHALL leaves (CONFIG SET, ACL, replication).
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** 2 by default. */
  readonly protocol?: 2 | 3;
  /** The pair has a valkey-server of its own in place of redis-server. */
  readonly program?: Program;
}

/** A connection to each of the two. */
export interface ClientPair extends Disposable {
  readonly redis: RespClient;
  readonly redino: RespClient;
}

export interface Pair extends AsyncDisposable, ClientPair {
  readonly redisPort: number;
  readonly redinoPort: number;
  /** Another connection to each; whoever opens it closes it. */
  connect(protocol?: 2 | 3): Promise<ClientPair>;
}

export type Command = readonly Argument[];

/** How the two replies are compared; a bare command is compared exactly. */
export interface Comparison {
  readonly command: Command;
  /** Where it is answered with this many frames, pushes counted: SUBSCRIBE to 3 channels, 3. */
  readonly frames?: number;
  /** What must be the same of both. */
  readonly view: (reply: Reply) => string;
  /** Instead of equal views: whether two replies agree. */
  readonly agree?: (redis: Reply, redino: Reply) => boolean;
}

export type Step = Command | Comparison;

let shared: RedisProcess | undefined;

// Hooks and not a lazy start within a test: a process that outlives its test would be taken for a leak.
Deno.test.beforeAll(async () => {
  if (!without("redis-server")) shared = await startRedis();
});
Deno.test.afterAll(async () => {
  await shared?.[Symbol.asyncDispose]();
});

/** Starts Redino in this process and connects to both; disposing ends all of it. */
export async function startPair(options: PairOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  let redisPort: number;
  const { program = "redis-server" } = options;
  if (options.config !== undefined || program !== "redis-server" || shared === undefined) {
    redisPort = stack.use(await startRedis({ args: flags(options.config ?? {}), program })).port;
  } else {
    redisPort = shared.port;
  }
  const dir = await Deno.makeTempDir({ prefix: "redino_pair_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const server = stack.use(
    await serve({ port: 0, save: "", dir, "enable-debug-command": "yes", ...options.config }),
  );
  const auth = options.config?.["requirepass"];
  const connect = async (protocol: 2 | 3 = options.protocol ?? 2): Promise<ClientPair> => {
    const redis = await connectOne(redisPort, protocol, auth);
    const redino = await connectOne(server.port, protocol, auth);
    return {
      redis,
      redino,
      [Symbol.dispose]() {
        redis.close();
        redino.close();
      },
    };
  };
  const first = stack.use(await connect());
  if (redisPort === shared?.port) {
    await first.redis.send("FLUSHALL");
    await first.redis.send("SCRIPT", "FLUSH");
    await first.redis.send("FUNCTION", "FLUSH");
  }
  const owned = stack.move();
  return {
    redis: first.redis,
    redino: first.redino,
    redisPort,
    redinoPort: server.port,
    connect,
    [Symbol.dispose]: () => first[Symbol.dispose](),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function connectOne(
  port: number,
  protocol: 2 | 3,
  password: string | number | boolean | undefined,
): Promise<RespClient> {
  const client = await RespClient.connect(port);
  if (password !== undefined) await client.send("AUTH", String(password));
  if (protocol === 3) await client.useResp3();
  return client;
}

function flags(config: NonNullable<PairOptions["config"]>): string[] {
  return Object.entries(config).flatMap(([name, value]) => [
    `--${name}`,
    typeof value === "boolean" ? (value ? "yes" : "no") : String(value),
  ]);
}

/** Sends each step to both and throws at the first pair of replies that differ. */
export async function compare(pair: ClientPair, steps: readonly Step[]): Promise<void> {
  for (const [i, step] of steps.entries()) {
    const { command, frames, view, agree }: Comparison = isComparison(step)
      ? step
      : { command: step, view: show };
    await Promise.all([pair.redis.post(...command), pair.redino.post(...command)]);
    for (let frame = 0; frame < (frames ?? 1); frame++) {
      const [redis, redino] = await Promise.all([
        frames === undefined ? pair.redis.read() : pair.redis.readAny(),
        frames === undefined ? pair.redino.read() : pair.redino.readAny(),
      ]);
      if (agree?.(redis, redino) ?? view(redis) === view(redino)) continue;
      const before = steps.slice(Math.max(0, i - 8), i).map((earlier) =>
        `    ${showCommand(isComparison(earlier) ? earlier.command : earlier)}\n`
      ).join("");
      throw new Error(
        `Step ${i + 1} of ${steps.length} differs${
          frames !== undefined ? ` in frame ${frame + 1}` : ""
        }:\n` +
          `${before}  > ${showCommand(command)}\n` +
          `    redis:  ${show(redis)}\n    redino: ${show(redino)}`,
      );
    }
  }
}

function isComparison(step: Step): step is Comparison {
  return !Array.isArray(step);
}

/** The same elements in any order, at every depth: for sets, KEYS, hashes. */
export function unordered(command: Command): Comparison {
  return { command, view: showUnordered };
}

/** Both errors with the same code (their first word), or the same reply. */
export function errorPrefix(command: Command): Comparison {
  return {
    command,
    view: (reply) => reply.type === "error" ? `-${reply.text.split(" ")[0]}` : show(reply),
  };
}

/** Only sent: the replies may differ. */
export function ignore(command: Command): Comparison {
  return { command, view: () => "" };
}

/** Only the replies' types are compared, with the number of elements: for random or timed ones. */
export function sameShape(command: Command): Comparison {
  return { command, view: shape };
}

/** Numbers in the replies (also in bulk strings) may differ by `tolerance`; the rest is exact. */
export function within(tolerance: number, command: Command): Comparison {
  return { command, view: show, agree: (redis, redino) => near(redis, redino, tolerance) };
}

/** A command that is answered with several frames, such as SUBSCRIBE; pushes count. */
export function frames(count: number, command: Command): Comparison {
  return { command, frames: count, view: show };
}

function showUnordered(reply: Reply): string {
  switch (reply.type) {
    case "array":
    case "set":
    case "push":
      return `${reply.type}[${reply.items.map(showUnordered).sort().join(" ")}]`;
    case "map":
      return `{${
        reply.entries.map(([key, value]) => `${showUnordered(key)}=>${showUnordered(value)}`)
          .sort().join(" ")
      }}`;
    default:
      return show(reply);
  }
}

function shape(reply: Reply): string {
  switch (reply.type) {
    case "array":
    case "set":
    case "push":
      return `${reply.type}[${reply.items.map(shape).join(" ")}]`;
    case "map":
      return `{${reply.entries.map(([key, value]) => `${shape(key)}=>${shape(value)}`).join(" ")}}`;
    default:
      return reply.type;
  }
}

function near(a: Reply, b: Reply, tolerance: number): boolean {
  if (a.type !== b.type) return false;
  if ("items" in a && "items" in b) {
    return a.items.length === b.items.length &&
      a.items.every((item, i) => near(item, b.items[i]!, tolerance));
  }
  if (a.type === "map" && b.type === "map") {
    return a.entries.length === b.entries.length && a.entries.every(([key, value], i) => {
      const [otherKey, otherValue] = b.entries[i]!;
      return near(key, otherKey, tolerance) && near(value, otherValue, tolerance);
    });
  }
  const [x, y] = [numeric(a), numeric(b)];
  return x !== undefined && y !== undefined ? Math.abs(x - y) <= tolerance : show(a) === show(b);
}

function numeric(reply: Reply): number | undefined {
  if (reply.type === "integer") return Number(reply.value);
  if (reply.type !== "bulk" && reply.type !== "double") return undefined;
  const value = Number(reply.text);
  return reply.text.trim() !== "" && Number.isFinite(value) ? value : undefined;
}
