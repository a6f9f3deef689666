/** Stands in for `@std/cli/unstable-progress-bar` where JSR is out of reach. */

export interface ProgressBarOptions {
  /** Where it is drawn; standard error by default. */
  writable?: WritableStream<Uint8Array>;
  /** 0 by default. */
  value?: number;
  /** 1 by default. */
  max?: number;
  /** In characters; 50 by default. */
  barLength?: number;
}

const REDRAW_MS = 200;

/** A line that shows how far `value` is on its way to `max`, until it is stopped. */
export class ProgressBar {
  value: number;
  max: number;
  readonly #barLength: number;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #startMs = performance.now();

  constructor(options: ProgressBarOptions = {}) {
    this.value = options.value ?? 0;
    this.max = options.max ?? 1;
    this.#barLength = options.barLength ?? 50;
    this.#writer = (options.writable ?? Deno.stderr.writable).getWriter();
    this.#timer = setInterval(() => void this.#draw(), REDRAW_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#draw();
    await this.#writer.write(new TextEncoder().encode("\n"));
    this.#writer.releaseLock();
  }

  #draw(): Promise<void> {
    const filled = Math.round(this.#barLength * Math.min(1, this.value / this.max));
    const seconds = Math.floor((performance.now() - this.#startMs) / 1000);
    const bar = "#".repeat(filled) + "-".repeat(this.#barLength - filled);
    const line = `\r\x1b[K[${seconds} s] [${bar}] [${this.value}/${this.max}]`;
    return this.#writer.write(new TextEncoder().encode(line));
  }
}
