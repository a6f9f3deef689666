/** Buffers of one size for whoever needs one for a moment, so that they are not made and collected. */
export class BufferPool {
  readonly size: number;
  readonly #most: number;
  readonly #free: Uint8Array[] = [];

  /** Keeps at most `most` free buffers of `size` bytes. */
  constructor(size: number, most: number) {
    this.size = size;
    this.#most = most;
  }

  /** A buffer; what it holds is undefined. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.size);
  }

  /** Takes a buffer back that nobody uses any more; one of another size is left to the collector. */
  give(buffer: Uint8Array): void {
    if (buffer.length === this.size && this.#free.length < this.#most) this.#free.push(buffer);
  }
}
