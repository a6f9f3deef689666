/** The two servers under measure, each a process of its own, and what the system knows of them. */
import { startRedinoProcess } from "../../tests/support/redino_process.ts";
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
export async function startBoth(args: readonly string[] = []): Promise<[Subject, Subject]> {
  await using stack = new AsyncDisposableStack();
  const redino = stack.use(await startRedinoProcess({ args }));
  const redis = await startRedis({ args });
  stack.move();
  return [{ name: "Redino", ...redino }, { name: "Redis", ...redis }];
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
