/** One call after a delay of any length: the runtime's own timers end at 2^31 - 1 ms. */
const LONGEST_MS = 2 ** 31 - 1;

export class Timer {
  readonly #endMs: number;
  readonly #run: () => void;
  #id: ReturnType<typeof setTimeout> | undefined;

  /** Calls `run` after `delayMs` of real time, unless it is stopped before. */
  constructor(delayMs: number, run: () => void) {
    this.#endMs = performance.now() + delayMs;
    this.#run = run;
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#id);
  }

  #arm(): void {
    const leftMs = this.#endMs - performance.now();
    this.#id = leftMs <= LONGEST_MS
      ? setTimeout(this.#run, Math.ceil(leftMs))
      : setTimeout(() => this.#arm(), LONGEST_MS);
  }
}
