/**
 * Runs Redino as a process of its own: for what only a process shows (flags, signals, a crash, its
 * memory), and for scripts that measure it. Tests of behaviour use `serve()` in their own process.
 */
import { TextLineStream } from "@std/streams";

export interface RedinoProcess extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Its working directory. */
  readonly dir: string;
  /** How it ended, when all that it logged has been read. */
  readonly status: Promise<Deno.CommandStatus>;
  /** What it has logged so far. */
  log(): string;
  kill(signal: Deno.Signal): void;
}

export interface ProcessOptions {
  /** A compiled Redino; without it `deno run -A main.ts`. */
  readonly executable?: string;
  /** A working directory to keep; without it a new one, removed in the end. */
  readonly dir?: string;
  /** Further flags, which win. */
  readonly args?: readonly string[];
}

/** As the tasks start and compile it: a young heap of 2 MiB, which saves some 40 MB. */
const YOUNG_HEAP = "--v8-flags=--max-semi-space-size=2";
const MAIN = new URL("../../main.ts", import.meta.url);

/** Starts Redino on a free port and waits until it accepts connections; throws if it ends before. */
export async function startRedinoProcess(options: ProcessOptions = {}): Promise<RedinoProcess> {
  const dir = options.dir ?? await Deno.makeTempDir({ prefix: "redino_" });
  const flags = ["--port", "0", "--save", "", "--dir", dir, ...options.args ?? []];
  const command = options.executable === undefined
    ? new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", YOUNG_HEAP, MAIN.href, ...flags],
      stdin: "null",
      stdout: "piped",
    })
    : new Deno.Command(options.executable, { args: flags, stdin: "null", stdout: "piped" });
  const child = command.spawn();
  let running = true;
  const ended = child.status.finally(() => {
    running = false;
  });
  let log = "";
  const ready = Promise.withResolvers<number>();
  const logged = readLog(child.stdout, (line) => {
    log += `${line}\n`;
    if (!/ready to accept connections/i.test(line)) return;
    const port = /\b(?:port|tcp)[ =:]+(\d+)/i.exec(log)?.[1];
    if (port === undefined) ready.reject(new Error(`Redino logged no port:\n${log}`));
    else ready.resolve(Number(port));
  }).then(() => ready.reject(new Error(`Redino ended before it was ready:\n${log}`)));
  const status = logged.then(() => ended);
  const kill = (signal: Deno.Signal) => {
    if (running) child.kill(signal);
  };
  const stop = async () => {
    kill("SIGKILL");
    await status;
    if (options.dir === undefined) await Deno.remove(dir, { recursive: true });
  };
  try {
    const port = await ready.promise;
    const pid = child.pid;
    return { port, pid, dir, status, log: () => log, kill, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readLog(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  const lines = stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) onLine(line);
}
