/**
 * How long the calls of a command took: a histogram of counts with buckets that are at most 1/128 of
 * their value wide, from 1 ns to 1 s, as HdrHistogram has them for two significant digits. Values
 * below 256 have a bucket each; from there on every doubling has 128.
 */

const MAX_NS = 1e9;
const HALF = 128;
const HALF_BITS = 7;
/** Buckets up to 2^30 ns, beyond the greatest value. */
const BUCKETS = (30 - HALF_BITS + 1) * HALF;

/** The first step of LATENCY HISTOGRAM, in ns; each one doubles. */
const FIRST_STEP_NS = 1024;

export class LatencyHistogram {
  count = 0;
  readonly #counts = new Float64Array(BUCKETS);

  /** Counts `calls` calls that took `usec` microseconds each. */
  record(usec: number, calls: number): void {
    const ns = usec * 1000;
    this.#counts[bucketOf(ns >= MAX_NS ? MAX_NS : ns < 1 ? 1 : ns | 0)]! += calls;
    this.count += calls;
  }

  /** The time in ns within which `percent` of the calls were done; there must be some. */
  percentileNs(percent: number): number {
    const wanted = Math.max(1, Math.floor(percent / 100 * this.count + 0.5));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted) return lastOf(bucket);
    }
    return lastOf(BUCKETS - 1);
  }

  /**
   * Pairs of a time in whole microseconds and how many calls took no longer: at 1 µs, and at each
   * doubling that has more than the one before.
   */
  steps(): [usec: number, calls: number][] {
    const steps: [number, number][] = [];
    let seen = 0;
    let bucket = 0;
    for (let stepNs = FIRST_STEP_NS; seen < this.count; stepNs *= 2) {
      const last = Math.min(BUCKETS - 1, bucketOf(stepNs));
      const before = seen;
      for (; bucket <= last; bucket++) seen += this.#counts[bucket]!;
      if (seen > before) steps.push([Math.floor(lastOf(last) / 1000), seen]);
    }
    return steps;
  }
}

function bucketOf(ns: number): number {
  if (ns < 2 * HALF) return ns;
  const shift = 31 - Math.clz32(ns) - HALF_BITS;
  return shift * HALF + (ns >>> shift);
}

/** The greatest value, in ns, that a bucket stands for. */
function lastOf(bucket: number): number {
  if (bucket < 2 * HALF) return bucket;
  const shift = Math.floor(bucket / HALF) - 1;
  return (bucket - shift * HALF + 1) * 2 ** shift - 1;
}
