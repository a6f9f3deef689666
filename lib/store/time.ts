/**
 * The one time that a command sees: the server reads its clock at each batch, and the store takes
 * what was read. It also counts LRU seconds and LFU minutes from it.
 */
export class CachedTime {
  /** Milliseconds since the Unix epoch. */
  nowMs = 0;
  /** Seconds modulo 2^24, as objects' access times have them. */
  lruSeconds = 0;

  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.refresh();
  }

  refresh(): void {
    const nowMs = this.#clock();
    if (nowMs === this.nowMs) return;
    this.nowMs = nowMs;
    this.lruSeconds = Math.floor(nowMs / 1000) & 0xffffff;
  }
}
