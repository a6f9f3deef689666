/**
 * Tests that need a program which is not everywhere. Where it is missing they are left out, with
 * one line that says what to install; with CI=true they fail instead, so that no run is green for
 * having asked nothing. Only Valkey's tests are left out there, too: few releases have it.
 */

/** What to install for a program, where that is not Redis 7, and what its version must look like. */
const OTHERS: Readonly<Record<string, { readonly packages: string; readonly version: RegExp }>> = {
  "valkey-server": {
    packages: "Valkey 8.0 (the backports of Debian 12: valkey-server)",
    version: / v=8\.0\./,
  },
};

const found = new Map<string, boolean>();

/** Whether `program` can be run; the first "no" is told on the console. */
function has(program: string): boolean {
  let answer = found.get(program);
  if (answer === undefined) {
    const other = OTHERS[program];
    answer = other?.version.test(versionOf(program) ?? "") ?? versionOf(program) !== undefined;
    if (!answer) {
      const packages = other?.packages ??
        "Redis 7 (Debian and Ubuntu: apt-get install redis-server redis-sentinel redis-tools)";
      console.warn(`Tests against ${program} are left out: install ${packages}.`);
    }
    found.set(program, answer);
  }
  return answer;
}

/** What a program says of its version; undefined where it is missing or fails. */
function versionOf(program: string): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(program, { args: ["--version"], stderr: "null" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** For a test's `ignore`: true where `program` is missing, which with CI=true is an error. */
export function without(program: string): boolean {
  if (has(program)) return false;
  if (Deno.env.get("CI") === "true") {
    throw new Error(`With CI=true every test must run, and ${program} is not on PATH.`);
  }
  return true;
}

/** A test that needs the real redis-server. */
export function redisTest(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  Deno.test({ name, ignore: without("redis-server"), fn });
}

/**
 * A test that needs the real valkey-server 8.0, which is Redis 7.2 grown on. Where it is missing
 * there is no such test, so that none counts as ignored.
 */
export function valkeyTest(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  if (has("valkey-server")) Deno.test(name, fn);
}
