/**
 * How far a replica got in its primary's stream, to the byte (see `primary_link.ts`), and the bytes
 * between what was received and what was applied.
 *
 * Where a command ends follows from its last argument; so the position before any command of a batch
 * can be told, without looking at the bytes again.
 */
import type { CommandBatch } from "../resp/decoder.ts";
import type { ReplicationStream } from "./stream.ts";

const FIRST_BYTES = 16 * 1024;
/** A longer buffer is let go when it is empty. */
const KEPT_BYTES = 1024 * 1024;

const MULTI = [0x6d, 0x75, 0x6c, 0x74, 0x69];
const LOWER_CASE = 0x20;

export class AppliedBytes {
  /** The position behind all bytes that were read. */
  received = 0;

  readonly #stream: ReplicationStream;
  /** The bytes from `applied` to `received`. */
  #buf = new Uint8Array(FIRST_BYTES);
  /** The position where the buffer begins that a batch's spans point into. */
  #parsed = 0;

  constructor(stream: ReplicationStream) {
    this.#stream = stream;
  }

  /** Where our data stand: the end of our own stream. */
  get applied(): number {
    return this.#stream.offset;
  }

  /** The link is up: the next byte is the one behind our stream. */
  begin(): void {
    this.received = this.#parsed = this.applied;
  }

  receive(chunk: Uint8Array): void {
    const held = this.received - this.applied;
    const need = held + chunk.length;
    if (need > this.#buf.length) {
      const grown = new Uint8Array(Math.max(need, 2 * this.#buf.length));
      grown.set(this.#buf.subarray(0, held));
      this.#buf = grown;
    }
    this.#buf.set(chunk, held);
    this.received += chunk.length;
  }

  /**
   * A batch has run, with which all bytes up to a position are parsed. Within MULTI what follows that
   * command is not applied yet; neither are commands that were not run, as the link was closed.
   */
  ran(batch: CommandBatch, position: number, inMulti: boolean): void {
    if (inMulti) {
      const multi = lastMulti(batch);
      if (multi >= 0) this.#apply(this.#parsed + endBefore(batch, multi));
    } else {
      this.#apply(batch.at < batch.used ? this.appliedWithin(batch) : position);
    }
    this.#parsed = position;
  }

  /** Bytes that were no commands: empty lines, or less than one. */
  skipped(position: number): void {
    if (this.applied === this.#parsed) this.#apply(position);
    this.#parsed = position;
  }

  /** Where our data stand while the batch's command at `batch.at` runs, outside MULTI. */
  appliedWithin(batch: CommandBatch): number {
    return this.#parsed + endBefore(batch, batch.at);
  }

  #apply(position: number): void {
    const count = position - this.applied;
    const held = this.received - this.applied;
    this.#stream.append(this.#buf, 0, count);
    this.#buf.copyWithin(0, count, held);
    if (count === held && this.#buf.length > KEPT_BYTES) this.#buf = new Uint8Array(FIRST_BYTES);
  }
}

/** Where in the batch's bytes the commands before the one at word `at` of its spans end. */
function endBefore({ spans }: CommandBatch, at: number): number {
  let end = 0;
  for (let word = 0; word < at;) {
    const last = word + 2 * spans[word]! - 1;
    end = spans[last]! + spans[last + 1]! + 2;
    word = last + 2;
  }
  return end;
}

/** The word of its spans at which a batch's last MULTI begins; -1 if it has none. */
function lastMulti({ buf, spans, used }: CommandBatch): number {
  let found = -1;
  for (let word = 0; word < used; word += 1 + 2 * spans[word]!) {
    if (spans[word] !== 1 || spans[word + 2] !== MULTI.length) continue;
    const off = spans[word + 1]!;
    if (MULTI.every((byte, i) => (buf[off + i]! | LOWER_CASE) === byte)) found = word;
  }
  return found;
}
