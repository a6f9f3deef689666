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
/** What Redis 7.2 is compared with; Debian 12 has it in its backports. */
const VALKEY = "valkey-server";
const BACKPORTS_FILE = "/etc/apt/sources.list.d/redino-tests-backports.list";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
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
  await providePrograms();
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

/**
 * Installs Redis's programs, and Valkey, where this process may, and says what is missing where it
 * may not; what needs Valkey can be left out.
 */
async function providePrograms(): Promise<void> {
  const missing = PROGRAMS.filter((program) => !onPath(program));
  const wantsValkey = !onPath(VALKEY);
  if (missing.length === 0 && !wantsValkey) return;
  const debian = Deno.build.os === "linux" && onPath("apt-get");
  if (!debian || Deno.uid() !== 0) {
    if (missing.length === 0) return;
    console.error(
      `Not on PATH: ${missing.join(", ")}. The tests that need them are left out; to run them ` +
        `install Redis 7${debian ? `: apt-get install ${PACKAGES.join(" ")}` : ""}.`,
    );
    return;
  }
  const wanted = wantsValkey ? [...missing, VALKEY] : missing;
  console.error(`Not on PATH: ${wanted.join(", ")}. Installing Debian's packages.`);
  // Debian asks this file whether a package may start its service: 101 means no.
  const ownPolicy = !exists(POLICY_FILE);
  if (ownPolicy) await Deno.writeTextFile(POLICY_FILE, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await aptGet("update");
    if (missing.length > 0) await install(...PACKAGES);
    if (wantsValkey) await installValkey();
  } finally {
    if (ownPolicy) await Deno.remove(POLICY_FILE);
  }
}

/** Installs Valkey from the release's archive, or from its backports, which stay no source of apt's. */
async function installValkey(): Promise<void> {
  const policy = await new Deno.Command("apt-cache", { args: ["policy", VALKEY] }).output();
  if (/Candidate: \d/.test(new TextDecoder().decode(policy.stdout))) {
    return void await install(VALKEY);
  }
  const release = await Deno.readTextFile("/etc/os-release").catch(() => "");
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  const archive = codename === undefined ? undefined : await archiveOf(codename);
  if (archive === undefined || !/^ID=debian$/m.test(release)) {
    return console.error(`This release has no package ${VALKEY}.`);
  }
  const source = `deb [signed-by=${KEYRING}] ${archive} ${codename}-backports main`;
  await Deno.writeTextFile(BACKPORTS_FILE, `${source}\n`);
  try {
    const only = ["-o", `Dir::Etc::sourcelist=${BACKPORTS_FILE}`, "-o", "Dir::Etc::sourceparts=-"];
    if (await aptGet("update", ...only, "-o", "APT::Get::List-Cleanup=0")) await install(VALKEY);
  } finally {
    await Deno.remove(BACKPORTS_FILE);
  }
}

/** Where apt gets the release's own packages from. */
async function archiveOf(codename: string): Promise<string | undefined> {
  const args = ["indextargets", "--format", "$(CODENAME) $(REPO_URI)"];
  const { stdout } = await new Deno.Command("apt-get", { args }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  return lines.find((line) => line.startsWith(`${codename} `))?.split(" ")[1];
}

async function install(...packages: readonly string[]): Promise<void> {
  await aptGet("install", "-y", "--no-install-recommends", ...packages);
}

/** Runs apt-get, waiting for another that runs; says so and returns false if it fails. */
async function aptGet(...args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("apt-get", {
    args: ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::http::Timeout=30", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
  }).spawn().status;
  if (!success) console.error(`apt-get ${args[0]} failed.`);
  return success;
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
