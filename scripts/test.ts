/**
 * `deno task test`: sees to it that the programs are there that tests are held against, runs
 * `deno test`, and ends with one line that counts. A run in which no test ran is a failure, and
 * with CI=true so is a test that was left out.
 *
 * Arguments go to `deno test`; without a file or folder among them all of tests/ is run.
 */

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

const PROGRAMS = ["redis-server", "redis-sentinel", "redis-cli", "redis-benchmark"];
const PACKAGES = ["redis-server", "redis-sentinel", "redis-tools"];
const POLICY_FILE = "/usr/sbin/policy-rc.d";
/** A run that takes longer hangs. */
const TIMEOUT_MS = 60 * 60 * 1000;
/** More than the summary that deno test ends with. */
const TAIL_LENGTH = 4096;

if (import.meta.main) {
  const tally = await runTests(Deno.args);
  report(tally);
}

/** Prints the closing line, after which the process ends with the matching code. */
export function report(tally: Tally): never {
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  Deno.exit(tally.failed === 0 ? 0 : 1);
}

/** Runs `deno test` with these arguments; what went wrong without a failed test counts as one. */
export async function runTests(args: readonly string[]): Promise<Tally> {
  await provideRedis();
  const paths = args.some((arg) => !arg.startsWith("-") && exists(arg)) ? [] : ["tests/"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args, ...paths],
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => {
    console.error(`The tests did not end within ${TIMEOUT_MS / 60_000} minutes.`);
    child.kill("SIGKILL");
  }, TIMEOUT_MS);
  const tail = await showAndKeepTail(child.stdout);
  const { success } = await child.status;
  clearTimeout(timer);
  return count(tail, success);
}

async function showAndKeepTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length;) at += await Deno.stdout.write(chunk.subarray(at));
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_LENGTH);
  }
  return tail;
}

/** Reads deno test's summary: `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
function count(tail: string, success: boolean): Tally {
  // deno-lint-ignore no-control-regex
  const plain = tail.replace(/\x1b\[[\d;]*m/g, "");
  const summary = [...plain.matchAll(
    /^(?:ok|FAILED) \| (\d+) passed[^|\n]*\| (\d+) failed[^|\n]*(?:\| (\d+) ignored)?/gm,
  )].at(-1);
  const passed = Number(summary?.[1] ?? 0);
  const ignored = Number(summary?.[3] ?? 0);
  let failed = Number(summary?.[2] ?? 0);
  if (ignored > 0 && Deno.env.get("CI") === "true") {
    console.error(`With CI=true every test must run; left out: ${ignored}.`);
    failed += ignored;
  }
  if (passed + failed === 0) console.error("No test ran.");
  if (!success || passed === 0) failed = Math.max(failed, 1);
  return { passed, failed };
}

/** Installs Redis's programs where this process may, and says what is missing where it may not. */
async function provideRedis(): Promise<void> {
  const missing = PROGRAMS.filter((program) => !onPath(program));
  if (missing.length === 0) return;
  const debian = Deno.build.os === "linux" && onPath("apt-get");
  if (!debian || Deno.uid() !== 0) {
    console.error(
      `Not on PATH: ${missing.join(", ")}. The tests that need them are left out; to run them ` +
        `install Redis 7${debian ? `: apt-get install ${PACKAGES.join(" ")}` : ""}.`,
    );
    return;
  }
  console.error(`Not on PATH: ${missing.join(", ")}. Installing Debian's packages.`);
  // Debian asks this file whether a package may start its service: 101 means no.
  const ownPolicy = !exists(POLICY_FILE);
  if (ownPolicy) await Deno.writeTextFile(POLICY_FILE, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await aptGet("update");
    await aptGet("install", "-y", "--no-install-recommends", ...PACKAGES);
  } finally {
    if (ownPolicy) await Deno.remove(POLICY_FILE);
  }
}

async function aptGet(...args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command("apt-get", {
    args: ["-q", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
  }).spawn().status;
  if (!success) console.error(`apt-get ${args[0]} failed.`);
}

function onPath(program: string): boolean {
  const windows = Deno.build.os === "windows";
  const folders = (Deno.env.get("PATH") ?? "").split(windows ? ";" : ":");
  return folders.some((folder) => exists(`${folder}/${program}${windows ? ".exe" : ""}`));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
