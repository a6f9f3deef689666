/** A worker that sends PING and GET in turn, without a pause, and takes the time of each. */
import { RespClient } from "../../tests/support/resp_client.ts";

export interface ProbeResult {
  readonly probes: number;
  readonly medianMs: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** The part of a worker's global scope that is used here. */
declare const self: {
  onmessage: ((event: MessageEvent<{ port: number; key: string } | "stop">) => void) | null;
  postMessage(message: ProbeResult): void;
};

const TIMEOUT_MS = 60_000;

let running = false;
const timesMs: number[] = [];

self.onmessage = async ({ data }) => {
  if (data === "stop") {
    running = false;
    return;
  }
  running = true;
  using client = await RespClient.connect(data.port, { timeoutMs: TIMEOUT_MS });
  await client.send("PING");
  self.postMessage(result());
  while (running) {
    const startMs = performance.now();
    await (timesMs.length % 2 === 0 ? client.send("PING") : client.send("GET", data.key));
    timesMs.push(performance.now() - startMs);
  }
  self.postMessage(result());
};

function result(): ProbeResult {
  const sorted = Float64Array.from(timesMs).sort();
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return {
    probes: sorted.length,
    medianMs: at(0.5) ?? 0,
    p999Ms: at(0.999) ?? 0,
    maxMs: sorted.at(-1) ?? 0,
  };
}
