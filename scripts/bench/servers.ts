/** The two servers under measure, each a process of its own, and what the system knows of them. */
import { TextLineStream } from "@std/streams";
import { startRedis } from "../../tests/support/redis.ts";

export interface Subject extends AsyncDisposable {
  readonly name: "Redino" | "Redis";
  readonly port: number;
  readonly pid: number;
}

/** The unit of /proc/PID/stat: 100 a second on every Linux that Deno runs on. */
const CLOCK_TICKS_PER_SECOND = 100;
const PAGE_SIZE = 4096;

/** Redino first; `args` are directives for both. */
export async function startBoth(
  args: readonly string[] = [],
): Promise<[Subject, Subject]> {
  const redino = await startRedino(args);
  try {
    const redis = await startRedis({ args });
    return [redino, { name: "Redis", ...redis }];
  } catch (error) {
    await redino[Symbol.asyncDispose]();
    throw error;
  }
}

async function startRedino(args: readonly string[]): Promise<Subject> {
  const dir = await Deno.makeTempDir({ prefix: "redino_bench_" });
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main, "--port", "0", "--save", "", "--dir", dir, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const stop = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
    await Deno.remove(dir, { recursive: true });
  };
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  let port: number | undefined;
  let log = "";
  while (true) {
    const { value, done } = await lines.read();
    if (done) {
      await stop();
      throw new Error(`Redino did not start:\n${log}`);
    }
    log += `${value}\n`;
    const found = /\bport[ =:]+(\d+)/i.exec(value)?.[1];
    if (found !== undefined) port = Number(found);
    if (port !== undefined && /ready to accept connections/i.test(value)) break;
  }
  drain(lines);
  return { name: "Redino", port, pid: child.pid, [Symbol.asyncDispose]: stop };
}

/** Reads on, so that the process never waits for its log to be taken. */
async function drain(lines: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await lines.read()).done);
}

/** Processor time of all its threads so far, in seconds; undefined where there is no /proc. */
export function cpuSeconds(subject: Subject): number | undefined {
  const fields = statFields(subject.pid);
  return fields && (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory in bytes; undefined where there is no /proc. */
export function rssBytes(subject: Subject): number | undefined {
  const fields = statFields(subject.pid);
  return fields && Number(fields[21]) * PAGE_SIZE;
}

/** The fields of /proc/PID/stat from the third (the state) on: proc_pid_stat(5). */
function statFields(pid: number): string[] | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
