/**
 * Stalls: how long one client waits at most while another fills the server. The waiting client is
 * a worker (probe.ts), since the filling one keeps this thread busy.
 */
import type { ProbeResult } from "./probe.ts";
import { benchKey, load } from "./load.ts";
import { startBoth } from "./servers.ts";
import { figure, table } from "./table.ts";

export interface GrowthRow extends ProbeResult {
  readonly server: string;
  readonly keys: number;
  readonly loadSeconds: number;
}

export async function measureGrowth(keys: number, size: number): Promise<GrowthRow[]> {
  const subjects = await startBoth();
  await using _redino = subjects[0];
  await using _redis = subjects[1];
  const value = "x".repeat(size);
  const rows: GrowthRow[] = [];
  for (const { name, port } of subjects) {
    const probe = new Worker(new URL("./probe.ts", import.meta.url), { type: "module" });
    try {
      await ask(probe, { port, key: benchKey(0) });
      const startMs = performance.now();
      await load(port, keys, (i) => ["SET", benchKey(i), value]);
      const loadSeconds = (performance.now() - startMs) / 1000;
      rows.push({ server: name, keys, loadSeconds, ...await ask(probe, "stop") });
    } finally {
      probe.terminate();
    }
  }
  return rows;
}

/** The worker answers each message with one. */
function ask(probe: Worker, message: unknown): Promise<ProbeResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ProbeResult>();
  probe.onmessage = ({ data }) => resolve(data);
  probe.onerror = (event) => reject(new Error(event.message));
  probe.postMessage(message);
  return promise;
}

export function showGrowth(rows: readonly GrowthRow[]): string {
  return table(
    ["server", "keys", "filled in s", "probes", "median ms", "99.9 % ms", "longest ms"],
    rows.map((row) => [
      row.server,
      figure(row.keys),
      figure(row.loadSeconds, 1),
      figure(row.probes),
      figure(row.medianMs, 2),
      figure(row.p999Ms, 2),
      figure(row.maxMs, 2),
    ]),
  );
}
