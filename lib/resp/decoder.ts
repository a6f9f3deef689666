/**
 * RESP requests, bytes to batches of commands, between a connection and the router. Format: the RESP
 * specification's arrays of bulk strings, and inline commands with the quoting of Redis's own clients.
 *
 * - A chunk's complete commands leave as one batch of spans into the chunk: nothing is copied. The
 *   chunk is the decoder's until the batch is used up (inline arguments are unquoted in place), and
 *   the batch is valid until the next chunk goes in.
 * - What is left over of an incomplete command is carried to a buffer of its own, with the spans
 *   found so far, and parsing goes on there without looking at a byte twice. A long bulk makes that
 *   buffer as long as the command has to become, so it is copied once.
 * - Bytes that are no request are the end: the last batch carries the error, the router answers it after
 *   the commands before it and closes.
 */
import { BufferPool } from "../bytes/buffer_pool.ts";
import { latin1 } from "../bytes/text.ts";
import { parseInteger } from "../bytes/integer.ts";
import type { Args } from "./args.ts";

/** What every connection allows; the server changes it with its configuration. */
export interface RequestLimits {
  /** `proto-max-bulk-len`, bytes. */
  maxBulkLength: number;
  /** `client-query-buffer-limit`, bytes of incomplete or waiting commands. */
  maxQueryBytes: number;
}

/** What one connection's client is, for its decoder. */
export interface Requester {
  readonly limits: RequestLimits;
  /** Before authentication only small commands are read: 10 arguments, 16 KiB each. */
  readonly authenticated: boolean;
  /** Our primary sends no inline commands: what looks like one shows that bytes were lost. */
  readonly isPrimary?: boolean;
}

const MAX_INLINE = 64 * 1024;
const MAX_ARGUMENTS = 0x7fffffff;
const UNAUTHENTICATED_ARGUMENTS = 10;
const UNAUTHENTICATED_BULK = 16 * 1024;
const FIRST_WORDS = 32;
/** Longer spans are let go when they have served once. */
const KEPT_WORDS = 4 * 1024;
/** The longest argument whose header is short: four digits. */
const MAX_PLAIN_LENGTH = 9999;

/** What a header's number may be beside a count: any negative one, and the two cases of no line end. */
const NEGATIVE = -1;
const INCOMPLETE = -2;
const TOO_LONG = -3;

/** Room that a carry has for what follows: a chunk as connections read them, and then some. */
const SLACK = 20 * 1024;
const CARRY_BYTES = 40 * 1024;
const carries = new BufferPool(CARRY_BYTES, 64);
/** About what a CommandBatch takes beside its arrays. */
const BATCH_BYTES = 256;

const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const DIGIT_0 = 0x30;

/** Complete commands: for each, its number of arguments and then a pair of offset and length each. */
export class CommandBatch {
  buf: Uint8Array = NO_BYTES;
  spans: Int32Array = new Int32Array(FIRST_WORDS);
  /** Word of `spans` at which the next command to run begins. */
  at = 0;
  /** Words of `spans` in use. */
  used = 0;
  /** Why the stream ends after these commands: Redis's words after `ERR `. */
  error: string | undefined;
  /** The client outgrew `client-query-buffer-limit`: it is closed without a word. */
  overflow = false;
  /** Its command ran before, and waited. */
  again = false;

  /** One command that ran before, whose arguments are in a buffer of their own. */
  static again(args: Args): CommandBatch {
    const batch = new CommandBatch();
    batch.buf = args.buf;
    batch.used = 1 + args.spans.length;
    batch.spans = new Int32Array(batch.used);
    batch.spans[0] = args.count;
    batch.spans.set(args.spans, 1);
    batch.again = true;
    return batch;
  }

  /** The commands from `at` on, in buffers of their own. */
  own(): CommandBatch {
    const own = new CommandBatch();
    own.error = this.error;
    own.overflow = this.overflow;
    own.spans = this.spans.slice(this.at, this.used);
    own.used = own.spans.length;
    let from = Infinity;
    let to = 0;
    for (let at = 0; at < own.used;) {
      const next = at + 1 + 2 * own.spans[at]!;
      for (let word = at + 1; word < next; word += 2) {
        from = Math.min(from, own.spans[word]!);
        to = Math.max(to, own.spans[word]! + own.spans[word + 1]!);
      }
      at = next;
    }
    if (own.used === 0) return own;
    own.buf = this.buf.slice(from, to);
    for (let at = 0; at < own.used;) {
      const next = at + 1 + 2 * own.spans[at]!;
      for (let word = at + 1; word < next; word += 2) own.spans[word]! -= from;
      at = next;
    }
    return own;
  }

  /** Bytes that an own batch takes. */
  get heldBytes(): number {
    return this.buf.length + 4 * this.spans.length + BATCH_BYTES;
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What the parser came to at the end of the bytes. */
const enum Stop {
  NeedMore,
  Error,
  /** A limit for unauthenticated clients, with commands before it that may authenticate. */
  Wait,
}

/**
 * Decodes what one connection reads. Each chunk goes to {@link RequestDecoder.decode}, and when the
 * batch that it returns was run, {@link RequestDecoder.next} is asked until it has no more:
 *
 *     for (let batch = decoder.decode(chunk, n); batch !== undefined; batch = decoder.next()) run(batch);
 */
export class RequestDecoder {
  readonly #requester: Requester;
  /** After bytes that are no request nothing more is decoded. */
  #failed = false;
  /** Whether the rest of the chunk may be decoded only when the batch was run. */
  #waits = false;
  readonly #batch = new CommandBatch();
  /** Bytes of an incomplete command, `#carried` of them. */
  #carry: Uint8Array = NO_BYTES;
  #carried = 0;
  /** The buffer that the last batch pointed into, if it was a carry: free again. */
  #spare: Uint8Array = NO_BYTES;

  #buf: Uint8Array = NO_BYTES;
  #pos = 0;
  #end = 0;
  /** Where the current command began, in bytes and in words of spans. */
  #start = 0;
  #startWord = 0;
  /** Arguments still missing; 0 between commands. */
  #missing = 0;
  /** Where the line after the last header begins. */
  #headerEnd = 0;
  /** The current bulk's length, or -1 where its header comes first. */
  #bulk = -1;

  constructor(requester: Requester) {
    this.#requester = requester;
  }

  /**
   * The commands that are complete with the first `length` bytes of a chunk, or undefined where there
   * are none: then the chunk is used up.
   */
  decode(chunk: Uint8Array, length: number): CommandBatch | undefined {
    if (this.#failed) return undefined;
    try {
      if (this.#carried > 0) this.#joinCarry(chunk, length);
      else {
        this.#buf = chunk;
        this.#pos = 0;
        this.#end = length;
        this.#start = 0;
      }
      return this.#decode();
    } catch {
      return this.#giveUp();
    }
  }

  /**
   * The last batch was run: buffers that it pointed into serve others. Returns what of the chunk could
   * not be decoded before: the commands may have been AUTH.
   */
  next(): CommandBatch | undefined {
    if (this.#waits) {
      try {
        return this.#decode();
      } catch {
        return this.#giveUp();
      }
    }
    // Who is idle from now on keeps nothing of a long command.
    this.#buf = this.#batch.buf = NO_BYTES;
    if (this.#carried === 0 && this.#missing === 0) {
      if (this.#batch.spans.length > KEPT_WORDS) this.#batch.spans = new Int32Array(FIRST_WORDS);
      if (this.#carry !== NO_BYTES || this.#spare !== NO_BYTES) {
        carries.give(this.#carry);
        carries.give(this.#spare);
        this.#carry = this.#spare = NO_BYTES;
      }
    }
    return undefined;
  }

  /** Bytes of the command that is not complete yet. */
  get carried(): number {
    return this.#carried;
  }

  /** Those of them that no argument has been made of, and those of the arguments that are whole. */
  get unparsed(): number {
    return this.#carried === 0 ? 0 : this.#carried - this.#pos;
  }

  get parsed(): number {
    if (this.#missing === 0) return 0;
    const { spans } = this.#batch;
    let bytes = 0;
    for (let i = spans[this.#startWord]! - this.#missing; i > 0; i--) {
      bytes += spans[this.#startWord + 2 * i]!;
    }
    return bytes;
  }

  /** Bytes of the buffers that hold it. */
  get held(): number {
    return this.#carry.length + this.#spare.length;
  }

  /** Memory for a long command was not to be had: one client's end, as if it were over its limit. */
  #giveUp(): CommandBatch {
    this.#waits = false;
    this.#failed = this.#batch.overflow = true;
    this.#batch.used = this.#batch.at = 0;
    return this.#batch;
  }

  #decode(): CommandBatch | undefined {
    const batch = this.#batch;
    if (this.#missing === 0) this.#startWord = 0;
    const stop = this.#parse();
    batch.buf = this.#buf;
    batch.used = this.#startWord;
    batch.at = 0;
    this.#waits = stop === Stop.Wait;
    if (stop === Stop.NeedMore) this.#keepRest();
    this.#failed = stop === Stop.Error || batch.overflow;
    return batch.used > 0 || this.#failed ? batch : undefined;
  }

  /** Puts a chunk behind the incomplete command's bytes, to be parsed there. */
  #joinCarry(chunk: Uint8Array, length: number): void {
    const need = this.#carried + length;
    if (need > this.#carry.length) {
      const grown = carryFor(need);
      grown.set(this.#carry.subarray(0, this.#carried));
      carries.give(this.#carry);
      this.#carry = grown;
    }
    this.#carry.set(chunk.subarray(0, length), this.#carried);
    this.#buf = this.#carry;
    this.#end = need;
    this.#carried = 0;
  }

  /** Moves the bytes of the incomplete command to a carry and its spans to the batch's end. */
  #keepRest(): void {
    const rest = this.#end - this.#start;
    if (rest === 0 && this.#missing === 0) return;
    if (rest > this.#requester.limits.maxQueryBytes) this.#batch.overflow = true;
    const expected = this.#bulk < 0 ? rest : this.#pos - this.#start + this.#bulk + 2;
    const need = Math.max(rest, expected);
    let into = this.#carry;
    if (this.#buf === this.#carry) {
      if (this.#start === 0 && need <= this.#carry.length) {
        this.#carried = rest;
        return;
      }
      // The batch still points into this carry: the next one goes on in the other.
      into = this.#spare;
      this.#spare = this.#carry.length > CARRY_BYTES ? NO_BYTES : this.#carry;
    }
    // With room for the chunk that completes the command and brings more behind it.
    if (into.length < need + SLACK) {
      carries.give(into);
      into = carryFor(need);
    }
    into.set(this.#buf.subarray(this.#start, this.#end));
    const spans = this.#batch.spans;
    if (this.#missing > 0) {
      const argc = spans[this.#startWord]!;
      const parsed = argc - this.#missing;
      for (let i = 0; i < parsed; i++) spans[this.#startWord + 1 + 2 * i]! -= this.#start;
    }
    this.#carry = into;
    this.#carried = rest;
    this.#pos -= this.#start;
    this.#start = 0;
  }

  #parse(): Stop {
    const batch = this.#batch;
    if (this.#missing > 0 && this.#startWord > 0) this.#rewindSpans();
    const buf = this.#buf;
    const end = this.#end;
    let pos = this.#pos;
    for (;;) {
      if (this.#missing === 0) {
        pos = this.#parsePlain(pos);
        this.#start = pos;
        if (pos >= end) break;
        if (buf[pos] !== STAR) {
          this.#pos = pos;
          const stop = this.#inline();
          if (stop !== undefined) return stop;
          pos = this.#pos;
          continue;
        }
        const count = this.#header(pos);
        if (!(count >= 0)) {
          this.#pos = pos;
          if (count === INCOMPLETE) return Stop.NeedMore;
          if (count === TOO_LONG) return this.#fail("too big mbulk count string");
        }
        if (!(count <= MAX_ARGUMENTS)) return this.#fail("invalid multibulk length");
        if (count > UNAUTHENTICATED_ARGUMENTS && !this.#requester.authenticated) {
          this.#pos = pos;
          return this.#failOrWait("unauthenticated multibulk length");
        }
        pos = this.#headerEnd;
        if (count <= 0) continue;
        this.#openCommand(count);
        this.#missing = count;
      }
      if (this.#bulk < 0) {
        if (pos >= end) break;
        const length = this.#header(pos);
        if (length === INCOMPLETE || length === TOO_LONG) {
          this.#pos = pos;
          return length === INCOMPLETE ? Stop.NeedMore : this.#fail("too big bulk count string");
        }
        if (buf[pos] !== DOLLAR) return this.#fail(`expected '$', got '${latin1(buf, pos, 1)}'`);
        if (!(length >= 0 && length <= this.#requester.limits.maxBulkLength)) {
          return this.#fail("invalid bulk length");
        }
        if (length > UNAUTHENTICATED_BULK && !this.#requester.authenticated) {
          this.#pos = pos;
          return this.#failOrWait("unauthenticated bulk length");
        }
        pos = this.#headerEnd;
        this.#bulk = length;
      }
      const next = pos + this.#bulk + 2;
      if (next > end) break;
      const spans = batch.spans;
      const argc = spans[this.#startWord]!;
      const word = this.#startWord + 1 + 2 * (argc - this.#missing);
      if (word + 2 > spans.length) this.#growSpans();
      batch.spans[word] = pos;
      batch.spans[word + 1] = this.#bulk;
      pos = next;
      this.#bulk = -1;
      if (--this.#missing === 0) this.#startWord = word + 2;
    }
    this.#pos = pos;
    return Stop.NeedMore;
  }

  /**
   * Takes the commands that are there whole and have short headers, as nearly all have; returns where
   * the first other one begins. It reads beyond the chunk's end at times, but takes nothing from there.
   */
  #parsePlain(pos: number): number {
    // Where even such lengths may be too much, they are looked at one by one.
    const { authenticated, limits } = this.#requester;
    if (!authenticated || limits.maxBulkLength < MAX_PLAIN_LENGTH) return pos;
    const buf = this.#buf;
    const end = this.#end;
    let { spans } = this.#batch;
    let start = this.#startWord;
    while (pos + 4 < end && buf[pos] === STAR) {
      let argc = buf[pos + 1]! - DIGIT_0;
      let at = pos + 2;
      if (argc < 1 || argc > 9) break;
      const second = buf[at]! - DIGIT_0;
      if (second >= 0 && second <= 9) {
        argc = argc * 10 + second;
        at++;
      }
      if (buf[at] !== CR) break;
      at += 2;
      const next = start + 1 + 2 * argc;
      let word = start + 1;
      while (next > spans.length) {
        this.#growSpans();
        spans = this.#batch.spans;
      }
      for (; word < next; word += 2) {
        if (buf[at] !== DOLLAR) break;
        let length = buf[at + 1]! - DIGIT_0;
        if (length < 0 || length > 9) break;
        at += 2;
        // Up to three digits more; none after a 0, and then there is no CR where one is looked for.
        for (let more = length === 0 ? 0 : 3; more > 0; more--) {
          const digit = buf[at]! - DIGIT_0;
          if (!(digit >= 0 && digit <= 9)) break;
          length = length * 10 + digit;
          at++;
        }
        if (buf[at] !== CR) break;
        spans[word] = at + 2;
        spans[word + 1] = length;
        at += length + 4;
        if (at > end) break;
      }
      if (word < next) break;
      spans[start] = argc;
      start = next;
      pos = at;
    }
    this.#startWord = start;
    return pos;
  }

  /** A command that went on from the chunk before: its spans become the batch's first. */
  #rewindSpans(): void {
    const spans = this.#batch.spans;
    const argc = spans[this.#startWord]!;
    spans.copyWithin(0, this.#startWord, this.#startWord + 1 + 2 * (argc - this.#missing));
    this.#startWord = 0;
  }

  #openCommand(count: number): void {
    if (this.#startWord + 1 > this.#batch.spans.length) this.#growSpans();
    this.#batch.spans[this.#startWord] = count;
  }

  #growSpans(): void {
    const grown = new Int32Array(2 * this.#batch.spans.length);
    grown.set(this.#batch.spans);
    this.#batch.spans = grown;
  }

  /**
   * The number in the header line that begins at `pos` (its first byte is the caller's concern);
   * NaN if it is none, INCOMPLETE or TOO_LONG where the line's end is not there. The next line
   * begins at `#headerEnd`.
   */
  #header(pos: number): number {
    const buf = this.#buf;
    const end = this.#end;
    let at = pos + 1;
    let value = 0;
    for (let digit = 0; at < end && at < pos + 10; at++) {
      digit = buf[at]! - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (
      at + 1 < end && buf[at] === CR &&
      (at === pos + 2 || (at > pos + 2 && buf[pos + 1] !== DIGIT_0))
    ) {
      this.#headerEnd = at + 2;
      return value;
    }
    const cr = buf.indexOf(CR, pos);
    if (cr < 0 || cr >= end) return end - pos > MAX_INLINE ? TOO_LONG : INCOMPLETE;
    if (cr + 1 >= end) return INCOMPLETE;
    this.#headerEnd = cr + 2;
    return Math.max(parseInteger(buf, pos + 1, cr - pos - 1), NEGATIVE);
  }

  #fail(message: string): Stop {
    this.#batch.error = `Protocol error: ${message}`;
    return Stop.Error;
  }

  #failOrWait(message: string): Stop {
    return this.#startWord > 0 ? Stop.Wait : this.#fail(message);
  }

  /** An inline command: a line of words. Returns why parsing stops, or undefined to go on. */
  #inline(): Stop | undefined {
    const buf = this.#buf;
    const lf = buf.indexOf(LF, this.#pos);
    if (lf < 0 || lf >= this.#end) {
      return this.#end - this.#pos > MAX_INLINE
        ? this.#fail("too big inline request")
        : Stop.NeedMore;
    }
    const lineEnd = lf > this.#pos && buf[lf - 1] === CR ? lf - 1 : lf;
    if (lineEnd > this.#pos && this.#requester.isPrimary === true) {
      return this.#fail("inline request from the primary");
    }
    this.#openCommand(0);
    const count = this.#words(this.#pos, lineEnd);
    if (count < 0) return this.#fail("unbalanced quotes in request");
    this.#batch.spans[this.#startWord] = count;
    if (count > 0) this.#startWord += 1 + 2 * count;
    this.#pos = lf + 1;
    return undefined;
  }

  /** Splits a line into words, unquoted in place; returns how many, or -1 for unbalanced quotes. */
  #words(pos: number, end: number): number {
    const buf = this.#buf;
    let count = 0;
    for (;;) {
      while (pos < end && isSpace(buf[pos]!)) pos++;
      if (pos >= end) return count;
      const from = pos;
      let to = pos;
      let quote = 0;
      for (;;) {
        if (pos >= end) {
          if (quote !== 0) return -1;
          break;
        }
        const byte = buf[pos]!;
        if (quote === 0) {
          if (endsWord(byte)) break;
          pos++;
          if (byte === DOUBLE || byte === SINGLE) quote = byte;
          else buf[to++] = byte;
          continue;
        }
        pos++;
        if (byte === quote) {
          // A closing quote must end the word.
          if (pos < end && !isSpace(buf[pos]!)) return -1;
          break;
        }
        if (byte === BACKSLASH && quote === SINGLE && buf[pos] === SINGLE && pos < end) {
          buf[to++] = SINGLE;
          pos++;
        } else if (byte === BACKSLASH && quote === DOUBLE && pos < end) {
          const high = pos + 2 < end && buf[pos] === LOWER_X ? hexDigit(buf[pos + 1]!) : -1;
          const low = high < 0 ? -1 : hexDigit(buf[pos + 2]!);
          if (low >= 0) {
            buf[to++] = high * 16 + low;
            pos += 3;
          } else {
            buf[to++] = unescape(buf[pos]!);
            pos++;
          }
        } else {
          buf[to++] = byte;
        }
      }
      const word = this.#startWord + 1 + 2 * count;
      if (word + 2 > this.#batch.spans.length) this.#growSpans();
      this.#batch.spans[word] = from;
      this.#batch.spans[word + 1] = to - from;
      count++;
    }
  }
}

/** A buffer for an incomplete command that needs so many bytes, and a chunk behind it. */
function carryFor(need: number): Uint8Array {
  return need + SLACK <= CARRY_BYTES ? carries.take() : new Uint8Array(need + SLACK);
}

const DOUBLE = 0x22;
const SINGLE = 0x27;
const BACKSLASH = 0x5c;
const LOWER_X = 0x78;

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** Within a word, vertical tab, form feed and NUL are characters like others. */
function endsWord(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** What a backslash and this byte stand for between double quotes. */
function unescape(byte: number): number {
  switch (byte) {
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    case 0x62:
      return 0x08;
    case 0x61:
      return 0x07;
    default:
      return byte;
  }
}
