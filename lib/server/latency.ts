/**
 * The latency monitor: what took at least `latency-monitor-threshold` milliseconds, by kind of event,
 * the latest 160 samples of each.
 *
 * The kinds are Redis's: `command` and `fast-command`, `expire-cycle` and `eviction-cycle`, and within
 * or without these `expire-del` and `eviction-del`, the removal of one key. Its others have nothing
 * here for which clients would wait: there is no fork, append-only file, defragmentation or module,
 * files are written and removed aside, and while a data set is loaded the event loop goes on.
 */

const MAX_SAMPLES = 160;

export interface LatencySample {
  readonly timeSeconds: number;
  ms: number;
}

/** One kind of event. */
export interface LatencyEvent {
  /** Oldest first. */
  readonly samples: LatencySample[];
  /** The longest ever, also when its sample is gone. */
  maxMs: number;
}

export class LatencyMonitor {
  /** 0: off. */
  thresholdMs = 0;
  readonly events = new Map<string, LatencyEvent>();

  /** Notes that something took `ms`, if that is long enough; of a second it keeps the longest. */
  note(name: string, ms: number, nowMs: number): void {
    if (this.thresholdMs === 0 || ms < this.thresholdMs) return;
    ms = Math.floor(ms);
    let event = this.events.get(name);
    if (event === undefined) this.events.set(name, event = { samples: [], maxMs: 0 });
    event.maxMs = Math.max(event.maxMs, ms);
    const timeSeconds = Math.floor(nowMs / 1000);
    const last = event.samples.at(-1);
    if (last?.timeSeconds === timeSeconds) {
      last.ms = Math.max(last.ms, ms);
      return;
    }
    event.samples.push({ timeSeconds, ms });
    if (event.samples.length > MAX_SAMPLES) event.samples.shift();
  }
}
