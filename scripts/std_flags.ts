/**
 * Prints the flags by which deno finds the bare names `@std/…`: none where JSR answers, and the
 * import map of the stand-ins where it does not. The tasks in deno.json put them on their command.
 */

const TIMEOUT_MS = 5000;

/** Asks Deno itself, which knows where JSR is. */
async function jsrAnswers(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "jsr:@std/assert"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).output();
    return success;
  } catch {
    return false;
  }
}

if (!await jsrAnswers()) console.log("--import-map=scripts/offline/import_map.json");
