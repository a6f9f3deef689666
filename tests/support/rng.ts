/** Seeded chance for tests: the same seed, the same run. */

/** Mulberry32: 32 bits of state, good enough to choose test operations. */
export class Rng {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 (included) to 1 (excluded). */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1));
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.float() * n < 1;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("Cannot pick from an empty array");
    return items[this.int(0, items.length - 1)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(0, 255));
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}

/** The seed of a run that names none, so that a gate's result does not depend on chance. */
const DEFAULT_SEED = 0x5eed;

/**
 * Runs a test with a seed: the number in `TEST_SEED`, a new one each time where that is `new`, and
 * the same always where it is not set. When the test fails the seed is printed, so that the same run
 * can be had again.
 */
export async function seeded(fn: (rng: Rng) => void | Promise<void>): Promise<void> {
  const seed = chooseSeed(Deno.env.get("TEST_SEED"));
  try {
    await fn(new Rng(seed));
  } catch (error) {
    console.error(`Failed with TEST_SEED=${seed}`);
    throw error;
  }
}

function chooseSeed(given: string | undefined): number {
  if (given === undefined) return DEFAULT_SEED;
  if (given === "new") return crypto.getRandomValues(new Uint32Array(1))[0]!;
  const seed = Number(given);
  if (!Number.isInteger(seed)) throw new Error(`TEST_SEED is "${given}", not a number or "new"`);
  return seed;
}
