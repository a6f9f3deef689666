/**
 * Starts the real redis-server that tests hold Redino against, or valkey-server: a free port, no
 * snapshots.
 */
import { RespClient } from "./resp_client.ts";

export interface RedisProcess extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Its working directory, removed when it stops. */
  readonly dir: string;
  /** Ends it without waiting: for the end of the process, where nothing can be awaited. */
  kill(): void;
}

export type Program = "redis-server" | "valkey-server";

/** Makes Valkey say who it is as Redis does, and its defaults those of Redis 7.2. */
// deno-fmt-ignore
const VALKEY_AS_REDIS = [
  "--extended-redis-compatibility", "yes", "--lazyfree-lazy-eviction", "no",
  "--lazyfree-lazy-expire", "no", "--lazyfree-lazy-server-del", "no",
  "--lazyfree-lazy-user-del", "no", "--lazyfree-lazy-user-flush", "no",
  "--replica-lazy-flush", "no", "--repl-backlog-size", "1mb",
];

const ATTEMPTS = 5;
const READY_WITHIN_MS = 10_000;

/** Starts `program`, on a free port or a given one, and waits until it answers. `args` win. */
export async function startRedis(
  options: {
    readonly args?: readonly string[];
    readonly port?: number;
    /** redis-server by default. */
    readonly program?: Program;
  } = {},
): Promise<RedisProcess> {
  const { program = "redis-server" } = options;
  let failure = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const dir = await Deno.makeTempDir({ prefix: "redino_redis_" });
    const port = options.port ?? freePort();
    // deno-fmt-ignore
    const args = [
      "--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "",
      "--logfile", `${dir}/redis.log`, "--daemonize", "no", "--enable-debug-command", "yes",
      ...program === "valkey-server" ? VALKEY_AS_REDIS : [],
      ...options.args ?? [],
    ];
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let running = true;
    const ended = child.status.then(() => {
      running = false;
    });
    const kill = () => {
      if (running) child.kill("SIGKILL");
    };
    const stop = async () => {
      kill();
      await ended;
      await Deno.remove(dir, { recursive: true });
    };
    const deadline = performance.now() + READY_WITHIN_MS;
    while (running && performance.now() < deadline) {
      if (await answers(port, child.pid)) {
        return { port, pid: child.pid, dir, kill, [Symbol.asyncDispose]: stop };
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    failure = await Deno.readTextFile(`${dir}/redis.log`).catch(() => "it wrote no log");
    await stop();
  }
  throw new Error(`${program} did not start in ${ATTEMPTS} attempts: ${failure}`);
}

/** A port that is free now; another process may take it before it is used. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether the server on `port` is ready, and is the one we started. */
async function answers(port: number, pid: number): Promise<boolean> {
  try {
    using client = await RespClient.connect(port, { timeoutMs: 1000 });
    const info = await client.send("INFO");
    // A server with a password answers -NOAUTH: then nobody can tell whose it is.
    return info.type === "error" ||
      info.type === "bulk" && info.text.includes(`\r\nprocess_id:${pid}\r\n`) &&
        // While it loads a file it says so, but answers other commands with an error.
        info.text.includes("\r\nloading:0\r\n");
  } catch {
    // Refused or reset: not there yet.
    return false;
  }
}
