/**
 * Tests that need a program which is not everywhere. Where it is missing they are left out, with
 * one line that says what to install; with CI=true they fail instead, so that no run is green for
 * having asked nothing.
 */

const found = new Map<string, boolean>();

/** Whether `program` can be run; the first "no" is told on the console. */
function has(program: string): boolean {
  let answer = found.get(program);
  if (answer === undefined) {
    try {
      answer = new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
        .outputSync().success;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      answer = false;
      console.warn(
        `Tests against ${program} are left out: install Redis 7 (Debian and Ubuntu: ` +
          "apt-get install redis-server redis-sentinel redis-tools).",
      );
    }
    found.set(program, answer);
  }
  return answer;
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
