/** LATENCY GRAPH and DOCTOR: the latency monitor's samples for people to read. */
import type { LatencyEvent, LatencyMonitor, LatencySample } from "./latency.ts";

const COLUMNS = 80;
const ROWS = 4;
/** A column's top, by how far it reaches into its row. */
const TOPS = "_o#";

/** The graph of an event in Redis's layout: columns of characters over their ages, set upright. */
export function latencyGraph(name: string, event: LatencyEvent, nowSeconds: number): string {
  const values = event.samples.map(({ ms }) => ms);
  const high = Math.max(...values);
  const low = Math.min(...values);
  const lines = [
    `${name} - high ${high} ms, low ${low} ms (all time high ${event.maxMs} ms)`,
    "-".repeat(COLUMNS),
  ];
  for (let from = 0; from < event.samples.length; from += COLUMNS) {
    if (from > 0) lines.push("");
    const samples = event.samples.slice(from, from + COLUMNS);
    lines.push(...columns(samples, low, high), " ".repeat(samples.length));
    lines.push(...labels(samples, nowSeconds));
  }
  return lines.map((line) => `${line}\n`).join("");
}

function columns(samples: readonly LatencySample[], low: number, high: number): string[] {
  const steps = ROWS * TOPS.length;
  const range = high === low ? 1 : high - low;
  const heights = samples.map(({ ms }) => {
    return Math.min(steps - 1, Math.floor((ms - low) * steps / range));
  });
  const rows: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    const bottom = row * TOPS.length;
    rows.push(
      heights.map((height) => {
        if (height < bottom) return " ";
        return TOPS[height - bottom] ?? "|";
      }).join(""),
    );
  }
  return rows;
}

/** How long ago each sample was, read downwards. */
function labels(samples: readonly LatencySample[], nowSeconds: number): string[] {
  const texts = samples.map(({ timeSeconds }) => age(nowSeconds - timeSeconds));
  const longest = Math.max(...texts.map((text) => text.length));
  return Array.from(
    { length: longest },
    (_, row) => texts.map((text) => text[row] ?? " ").join(""),
  );
}

function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** What DOCTOR has to say: the events in figures, and what may help. */
export function latencyDiagnosis(
  monitor: LatencyMonitor,
  slowlogUsec: number,
  nowSeconds: number,
): string {
  const { events, thresholdMs } = monitor;
  if (events.size === 0) {
    return thresholdMs === 0
      ? "The latency monitor is off, so there is nothing to go by. It begins with:\n" +
        "CONFIG SET latency-monitor-threshold <milliseconds>\n"
      : `Nothing has taken ${thresholdMs} ms or longer. All is well.\n`;
  }
  const lines = ["These events took longer than they should:", ""];
  let number = 0;
  for (const [name, event] of events) {
    lines.push(`${++number}. ${name}: ${figures(event, nowSeconds)}`);
  }
  lines.push("", "What may help:", "");
  if (events.has("command") || events.has("fast-command")) {
    if (slowlogUsec > thresholdMs * 1000) {
      lines.push(
        "- The slow log leaves out commands that the latency monitor notes. Let it have them: " +
          `CONFIG SET slowlog-log-slower-than ${thresholdMs * 1000}`,
      );
    }
    lines.push("- SLOWLOG GET shows which commands these were, and with which arguments.");
  }
  if (events.has("fast-command")) {
    lines.push(
      "- Commands of constant time were slow, too: look for other programs on this machine, for " +
        "swapping, and for a virtual machine that shares its processor.",
    );
  }
  if (events.has("expire-del") || events.has("eviction-del")) {
    lines.push("- Single keys took long to remove: look for the largest ones with MEMORY USAGE.");
  }
  if (events.has("expire-cycle")) {
    lines.push("- Many keys expire at once: spread their times, or lower active-expire-effort.");
  }
  if (events.has("eviction-cycle")) {
    lines.push("- Memory is full and keys are evicted: raise maxmemory, or write less at a time.");
  }
  lines.push("- Large values take long to read and to remove: keep several smaller ones instead.");
  return `${lines.join("\n")}\n`;
}

function figures({ samples, maxMs }: LatencyEvent, nowSeconds: number): string {
  const count = samples.length;
  const mean = samples.reduce((sum, { ms }) => sum + ms, 0) / count;
  const deviation = samples.reduce((sum, { ms }) => sum + Math.abs(ms - mean), 0) / count;
  const period = (nowSeconds - samples[0]!.timeSeconds) / count;
  return `${count} latency spikes (average ${Math.floor(mean)}ms, ` +
    `mean deviation ${Math.floor(deviation)}ms, period ${period.toFixed(2)} sec). ` +
    `Worst all time event ${maxMs}ms.`;
}
