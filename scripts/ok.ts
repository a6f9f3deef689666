/**
 * `deno task ok`: the one gate of every change. Format, lint and types count as a failure each
 * when they fail, and the tests run whatever the others say. Arguments are flags for resolving
 * `@std/…` (scripts/std_flags.ts).
 */
import { report, runTests } from "./test.ts";

async function passes(...args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), { args: [...args] }).spawn().status;
  if (!success) console.error(`deno ${args[0]} failed.`);
  return success;
}

let failed = 0;
if (!await passes("fmt", "--check")) failed++;
if (!await passes("lint")) failed++;
if (!await passes("check", ...Deno.args, ".")) failed++;
if (!await passes("run", "-A", ...Deno.args, "scripts/support_table.ts", "--check")) failed++;
// The types have just been checked.
const tests = await runTests(["--no-check", ...Deno.args]);
report({ passed: tests.passed, failed: tests.failed + failed });
