/**
 * Prints the flags by which deno finds the bare names `@std/…`: none where JSR answers, and the
 * import map of the stand-ins where it does not. The tasks in deno.json put them on their command.
 */

const TIMEOUT_MS = 3000;

async function jsrAnswers(): Promise<boolean> {
  try {
    const response = await fetch("https://jsr.io/@std/assert/meta.json", {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

if (!await jsrAnswers()) console.log("--import-map=scripts/offline/import_map.json");
