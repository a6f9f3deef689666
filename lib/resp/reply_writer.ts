/**
 * Replies, written as RESP2 or RESP3 straight into bytes: one buffer a client, in chunks.
 *
 * A chunk comes from a small pool, so an idle client holds none. A reply that outgrows its chunk
 * goes on in a larger one, and a long bulk is a chunk of its own; `bytes` counts what waits, which
 * is what `client-output-buffer-limit` limits. Format: the RESP and RESP3 specifications.
 */
import { copyBytes } from "../bytes/arena.ts";
import { BufferPool } from "../bytes/buffer_pool.ts";
import { decimalLength, formatInteger } from "../bytes/integer.ts";
import { formatDouble } from "../bytes/double.ts";
import { Queue } from "../bytes/queue.ts";
import { latin1Bytes } from "../bytes/text.ts";

const FIRST_CHUNK = 16 * 1024;
const LARGEST_CHUNK = 1024 * 1024;
/** Chunks of the first size kept for the next client: 4 MiB. */
const POOLED_CHUNKS = 256;
/** A bulk from here on is not gathered with its neighbours. */
const OWN_CHUNK = 64 * 1024;

const pool = new BufferPool(FIRST_CHUNK, POOLED_CHUNKS);
const EMPTY: Uint8Array = new Uint8Array(0);

/** What is to be sent next: the first `length` bytes of an array. */
export class Chunk {
  readonly bytes: Uint8Array;
  readonly length: number;

  constructor(bytes: Uint8Array, length: number) {
    this.bytes = bytes;
    this.length = length;
  }

  /** Lets other clients write to the array, now that it was sent. */
  recycle(): void {
    pool.give(this.bytes);
  }
}

/** What several clients are sent: its bytes stay as they are. */
export class SharedChunk extends Chunk {
  constructor(bytes: Uint8Array) {
    super(bytes, bytes.length);
  }

  override recycle(): void {}
}

const CR = 0x0d;
const LF = 0x0a;

/** The first byte of each kind of reply. */
const ARRAY = 0x2a;
const BULK = 0x24;
const INTEGER = 0x3a;
const MAP = 0x25;
const SET = 0x7e;
const PUSH = 0x3e;
const DOUBLE = 0x2c;

const OK = latin1Bytes("+OK\r\n");
const PONG = latin1Bytes("+PONG\r\n");
const QUEUED = latin1Bytes("+QUEUED\r\n");
const NULL_BULK = latin1Bytes("$-1\r\n");
const NULL_ARRAY = latin1Bytes("*-1\r\n");
const NULL = latin1Bytes("_\r\n");
const TRUE = latin1Bytes("#t\r\n");
const FALSE = latin1Bytes("#f\r\n");

export class ReplyWriter {
  /** 2 or 3: the protocol that HELLO chose. */
  protocol = 2;
  /** Nothing is written while this is set (CLIENT REPLY). */
  muted = false;
  /** Bytes written and not yet taken. */
  bytes = 0;
  /** How many error replies were written: the router compares it before and after a command. */
  errors = 0;
  /** Called with each error's code and whole line, for INFO's errorstats. */
  onError: ((line: string) => void) | undefined;

  /** Called when a chunk is full: the moment to look at the output limits. */
  onGrow: (() => void) | undefined;

  #buf: Uint8Array = EMPTY;
  #pos = 0;
  #full = new Queue<Chunk>();

  ok(): void {
    this.raw(OK);
  }

  pong(): void {
    this.raw(PONG);
  }

  queued(): void {
    this.raw(QUEUED);
  }

  /** A simple string; it has no CR or LF. */
  simple(text: string): void {
    this.#line(0x2b, text);
  }

  /**
   * An error line, its code first. No line may hold CR or LF: those at the end go, others become
   * spaces.
   */
  error(line: string): void {
    this.errors++;
    this.onError?.(line);
    const hasLineEnd = line.includes("\n") || line.includes("\r");
    this.#line(0x2d, hasLineEnd ? line.replace(/[\r\n]+$/, "").replace(/[\r\n]/g, " ") : line);
  }

  integer(value: number): void {
    this.#header(INTEGER, value);
  }

  /** An integer beyond ±(2^53 - 1). */
  bigInteger(value: bigint): void {
    this.#line(INTEGER, value.toString());
  }

  /** A bulk string: `len` bytes of `src` from `off` on. */
  bulk(src: Uint8Array, off = 0, len = src.length - off): void {
    if (this.muted) return;
    const need = len + 32;
    if (this.#pos + need > this.#buf.length) {
      if (len >= OWN_CHUNK) return this.#longBulk(src, off, len);
      this.#grow(need);
    }
    const buf = this.#buf;
    let pos = this.#pos;
    buf[pos] = BULK;
    pos = formatInteger(len, buf, pos + 1);
    buf[pos] = CR;
    buf[pos + 1] = LF;
    copyBytes(src, off, buf, pos + 2, len);
    pos += 2 + len;
    buf[pos] = CR;
    buf[pos + 1] = LF;
    this.bytes += pos + 2 - this.#pos;
    this.#pos = pos + 2;
  }

  /** A bulk string of Latin-1 characters. */
  bulkText(text: string): void {
    this.bulk(latin1Bytes(text));
  }

  /** A bulk string with an integer's digits. */
  bulkInteger(value: number): void {
    if (this.muted) return;
    this.#header(BULK, decimalLength(value));
    this.#reserve(32);
    const start = this.#pos;
    const pos = formatInteger(value, this.#buf, start);
    this.#endLine(start, pos);
  }

  /** No value: the null bulk string of RESP2, RESP3's null. */
  nil(): void {
    this.raw(this.protocol === 2 ? NULL_BULK : NULL);
  }

  /** No array: RESP2's null array, RESP3's null. */
  nilArray(): void {
    this.raw(this.protocol === 2 ? NULL_ARRAY : NULL);
  }

  /** The head of an array; its elements follow. */
  array(length: number): void {
    this.#header(ARRAY, length);
  }

  /** The head of a map of `length` pairs; RESP2: an array of twice as many. */
  map(length: number): void {
    if (this.protocol === 2) this.#header(ARRAY, 2 * length);
    else this.#header(MAP, length);
  }

  /** The head of a set; RESP2: an array. */
  set(length: number): void {
    this.#header(this.protocol === 2 ? ARRAY : SET, length);
  }

  /** The head of a push message; RESP2: an array. */
  push(length: number): void {
    this.#header(this.protocol === 2 ? ARRAY : PUSH, length);
  }

  /** A double; RESP2: a bulk string. */
  double(value: number): void {
    // Most scores are whole numbers, whose digits need no string.
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      return this.protocol === 2 ? this.bulkInteger(value) : this.#header(DOUBLE, value);
    }
    const text = formatDouble(value);
    if (this.protocol === 2) this.bulkText(text);
    else this.#line(DOUBLE, text);
  }

  /** A boolean; RESP2: 1 or 0. */
  boolean(value: boolean): void {
    if (this.protocol === 2) this.integer(value ? 1 : 0);
    else this.raw(value ? TRUE : FALSE);
  }

  /** A big number given in decimal; RESP2: a bulk string. */
  bigNumber(decimal: string): void {
    if (this.protocol === 2) this.bulkText(decimal);
    else this.#line(0x28, decimal);
  }

  /** Text with its format (`txt` or `mkd`); RESP2: a bulk string. */
  verbatim(format: string, text: Uint8Array): void {
    if (this.protocol === 2) return this.bulk(text);
    this.#header(0x3d, text.length + 4);
    this.raw(latin1Bytes(`${format}:`));
    this.raw(text);
    this.raw(latin1Bytes("\r\n"));
  }

  /** The head of an attribute of `length` pairs, which goes before a reply; RESP3 only. */
  attribute(length: number): void {
    this.#header(0x7c, length);
  }

  /** Bytes that are RESP already: the first `length` of an array. */
  raw(bytes: Uint8Array, length = bytes.length): void {
    if (this.muted) return;
    this.#reserve(length);
    copyBytes(bytes, 0, this.#buf, this.#pos, length);
    this.#pos += length;
    this.bytes += length;
  }

  /**
   * RESP that goes to several clients alike, taken as a reference as long as little waits. Behind a
   * reply, or for a client that lags behind, a short one is copied: to keep it costs several times its
   * bytes, which are what the limits count.
   */
  shared(chunk: SharedChunk): void {
    if (this.muted) return;
    const { length } = chunk;
    if (length < OWN_CHUNK && (this.#pos > 0 || this.bytes >= FIRST_CHUNK)) {
      return this.raw(chunk.bytes, length);
    }
    this.#close();
    this.#full.push(chunk);
    this.bytes += length;
    if (length >= OWN_CHUNK) this.onGrow?.();
  }

  /** Takes what is to be sent next, or undefined if nothing waits. */
  take(): Chunk | undefined {
    if (this.#full.length === 0) this.#close();
    let chunk = this.#full.shift();
    if (chunk === undefined) return undefined;
    if (chunk.length + (this.#full.peek()?.length ?? Infinity) <= FIRST_CHUNK) {
      chunk = this.#gather(chunk);
    }
    this.bytes -= chunk.length;
    return chunk;
  }

  /** As many short chunks as fit into one, beginning with `first`. */
  #gather(first: Chunk): Chunk {
    const bytes = pool.take();
    let at = 0;
    let chunk: Chunk | undefined = first;
    while (chunk !== undefined) {
      copyBytes(chunk.bytes, 0, bytes, at, chunk.length);
      at += chunk.length;
      chunk.recycle();
      const next: Chunk | undefined = this.#full.peek();
      chunk = next !== undefined && at + next.length <= FIRST_CHUNK
        ? this.#full.shift()
        : undefined;
    }
    return new Chunk(bytes, at);
  }

  /** Drops all that waits. */
  clear(): void {
    this.#buf = EMPTY;
    this.#pos = 0;
    this.#full.clear();
    this.bytes = 0;
  }

  /** Bytes in the current chunk, and how many it has room for: 0 where nothing is written. */
  get gathered(): number {
    return this.#pos;
  }

  get chunkBytes(): number {
    return this.#buf.length;
  }

  /** How many chunks wait beside the current one. */
  get chunks(): number {
    return this.#full.length;
  }

  #header(kind: number, value: number): void {
    if (this.muted) return;
    this.#reserve(32);
    const start = this.#pos;
    this.#buf[start] = kind;
    const pos = formatInteger(value, this.#buf, start + 1);
    this.#endLine(start, pos);
  }

  #line(kind: number, text: string): void {
    if (this.muted) return;
    this.#reserve(text.length + 3);
    const buf = this.#buf;
    const start = this.#pos;
    buf[start] = kind;
    for (let i = 0; i < text.length; i++) buf[start + 1 + i] = text.charCodeAt(i);
    this.#endLine(start, start + 1 + text.length);
  }

  #endLine(start: number, pos: number): void {
    this.#buf[pos] = CR;
    this.#buf[pos + 1] = LF;
    this.bytes += pos + 2 - start;
    this.#pos = pos + 2;
  }

  #longBulk(src: Uint8Array, off: number, len: number): void {
    this.#header(BULK, len);
    this.#close();
    const own = new Uint8Array(len + 2);
    own.set(src.subarray(off, off + len));
    own[len] = CR;
    own[len + 1] = LF;
    this.#full.push(new Chunk(own, own.length));
    this.bytes += own.length;
    this.onGrow?.();
  }

  #reserve(need: number): void {
    if (this.#pos + need > this.#buf.length) this.#grow(need);
  }

  #grow(need: number): void {
    const last = this.#buf.length;
    this.#close();
    if (last > 0) this.onGrow?.();
    const size = Math.max(need, Math.min(LARGEST_CHUNK, Math.max(FIRST_CHUNK, 2 * last)));
    this.#buf = size === FIRST_CHUNK ? pool.take() : new Uint8Array(size);
  }

  #close(): void {
    if (this.#pos > 0) this.#full.push(new Chunk(this.#buf, this.#pos));
    this.#buf = EMPTY;
    this.#pos = 0;
  }
}
