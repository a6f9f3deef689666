/** Waiting for what a server does in its own time. */

/** Longer than anything awaited takes, shorter than a run that hangs. */
const WITHIN_MS = 30_000;

/** Returns when a condition holds; throws where it does not in a long time. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + WITHIN_MS;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`It never came to pass: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
