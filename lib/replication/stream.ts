/**
 * The bytes that a primary sends to all its replicas: Redis's replication stream, encoded once.
 *
 * It is a list of chunks, from the oldest byte that somebody may still need to the newest: the backlog
 * and what slow replicas have yet to get are the same memory. A replica is a position in it. Bytes
 * that are there never change, so views of them can be given to sockets while more is appended.
 *
 * Positions count the bytes of the stream before them. Redis numbers bytes from 1, so what it calls
 * offset N (of the last byte) is the position behind that byte, and its "first byte" of a backlog is
 * `start + 1`.
 */
import { copyBytes } from "../bytes/arena.ts";

/** Of a chunk: a sixteenth of the backlog, within these, so that little is kept beyond it. */
const MIN_CHUNK_BYTES = 16 * 1024;
const MAX_CHUNK_BYTES = 64 * 1024;

export class ReplicationStream {
  /** The position behind the last byte: Redis's master_repl_offset. */
  offset = 0;
  /** `repl-backlog-size`: bytes kept though no connected replica needs them. */
  backlogBytes = 0;

  /** The position of the first chunk's first byte. */
  #base = 0;
  /** The first position that is kept, within the first chunk. */
  #start = 0;
  readonly #chunks: Uint8Array[] = [];
  /** The last chunk, and how much of it is used; full where there is none. */
  #last: Uint8Array = NO_BYTES;
  #used = MAX_CHUNK_BYTES;
  #chunkBytes = MAX_CHUNK_BYTES;

  /** The first position from which on all bytes are there. */
  get start(): number {
    return this.#start;
  }

  /** Bytes of memory that it takes. */
  get heldBytes(): number {
    return this.#chunks.length * this.#chunkBytes;
  }

  /** Those of them that `maxmemory` counts: what slow replicas make it hold is not the data's fault. */
  get countedBytes(): number {
    return Math.min(this.heldBytes, this.backlogBytes);
  }

  /** Whether all that follows a position is there. */
  holds(position: number): boolean {
    return position >= this.#start && position <= this.offset;
  }

  /** Forgets all bytes and goes on at a position, with chunks that suit the backlog. */
  restart(offset: number): void {
    this.#chunks.length = 0;
    const wanted = Math.floor(this.backlogBytes / 16);
    this.#chunkBytes = Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, wanted));
    this.#used = this.#chunkBytes;
    this.offset = this.#base = this.#start = offset;
  }

  append(src: Uint8Array, off = 0, len = src.length - off): void {
    const chunkBytes = this.#chunkBytes;
    while (len > 0) {
      if (this.#used === chunkBytes) {
        this.#chunks.push(this.#last = new Uint8Array(chunkBytes));
        this.#used = 0;
      }
      const count = Math.min(len, chunkBytes - this.#used);
      copyBytes(src, off, this.#last, this.#used, count);
      this.#used += count;
      this.offset += count;
      off += count;
      len -= count;
    }
  }

  /** Bytes from a position that is held on: some of them, or none if it is the end. */
  view(position: number): Uint8Array {
    if (position === this.offset) return NO_BYTES;
    const chunkBytes = this.#chunkBytes;
    const from = position - this.#base;
    const number = Math.floor(from / chunkBytes);
    const end = Math.min(chunkBytes, this.offset - this.#base - number * chunkBytes);
    return this.#chunks[number]!.subarray(from % chunkBytes, end);
  }

  /** Gives up what lies before the backlog and before `needed`, the least position of a replica. */
  trim(needed = this.offset): void {
    const from = Math.min(needed, Math.max(this.#start, this.offset - this.backlogBytes));
    if (from <= this.#start) return;
    this.#start = from;
    const whole = Math.floor((from - this.#base) / this.#chunkBytes);
    if (whole === 0) return;
    this.#chunks.splice(0, whole);
    this.#base += whole * this.#chunkBytes;
  }
}

const NO_BYTES = new Uint8Array(0);
