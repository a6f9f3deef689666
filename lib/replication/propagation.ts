/**
 * What a command sends to replicas: itself, as it came, or what has the same effect everywhere (an
 * absolute expiry, a generated ID, the members that SPOP chose).
 *
 * A *unit* is what replicas must see whole: a command, or a transaction, with the keys that expired
 * on the way. Its writes are gathered here, and {@link Propagation.endUnit} appends them to the
 * stream: within MULTI and EXEC if they are several, each after the SELECT that it needs (since 7.2
 * that stands behind the MULTI, too). The router
 * ends units (`lib/server/router.ts`); a key that goes between commands is a unit of its own.
 *
 * A write is propagated if its command changed something (Effects.dirty), so handlers that send
 * themselves say nothing. The others call, while the command runs:
 *
 * - {@link Propagation.instead}: this in the command's place; several calls: all of them;
 * - {@link Propagation.also}: this, before the command;
 * - {@link Propagation.nothing}: the command sends nothing itself;
 * - {@link Propagation.force}: it is sent though it changed nothing (PUBLISH, FLUSHALL);
 * - {@link Propagation.loose}: the unit's writes need not be seen as one (SCAN, which meets expired
 *   keys that have nothing to do with each other).
 *
 * While {@link Propagation.active} is false nobody listens, and these calls do nothing; since words cost
 * something to build, handlers ask first.
 */
import { copyBytes } from "../bytes/arena.ts";
import { decimalLength, formatInteger } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { requestBytes } from "../resp/request.ts";
import type { ReplicationStream } from "./stream.ts";

/** An argument: text (Latin-1), an integer, or bytes. */
export type Word = string | number | bigint | Uint8Array;

const MULTI = requestBytes("MULTI");
const EXEC = requestBytes("EXEC");
const FIRST_BYTES = 16 * 1024;
/** A longer buffer is let go when it has served once. */
const KEPT_BYTES = 1024 * 1024;
/** Room for `*` or `$`, a number and a line end. */
const HEADER_BYTES = 24;

const ARRAY = 0x2a;
const BULK = 0x24;
const CR = 0x0d;
const LF = 0x0a;

/** What becomes of the running command itself. */
const enum Own {
  IfChanged,
  Forced,
  Nothing,
}

export class Propagation {
  /** Whether there is a stream to write to: this server is a primary and has, or had, replicas. */
  active = false;

  readonly #stream: ReplicationStream;
  /** The database that the stream has selected; -1: none. */
  #selected = -1;

  /** The unit's writes, encoded, and for each its database and where it ends. */
  #buf = new Uint8Array(FIRST_BYTES);
  #end = 0;
  #databases: number[] = [];
  #ends: number[] = [];

  #own = Own.IfChanged;
  #isLoose = false;
  #running = false;
  #pending = false;

  constructor(stream: ReplicationStream) {
    this.#stream = stream;
  }

  /** Whether something was written since {@link Propagation.endUnit}. */
  get pending(): boolean {
    return this.#pending;
  }

  /** The database that the stream has selected; 0 where it has none yet. */
  get selected(): number {
    return Math.max(0, this.#selected);
  }

  /** The next write selects its database anew: for a replica whose copy begins here. */
  forgetSelected(): void {
    this.#selected = -1;
  }

  // ---- for handlers ------------------------------------------------------------------------------

  /** Sends this before the running command. */
  also(database: number, words: readonly Word[]): void {
    if (this.active) this.#add(database, words);
  }

  /** Sends this in place of the running command. */
  instead(database: number, words: readonly Word[]): void {
    if (!this.active) return;
    this.#own = Own.Nothing;
    this.#add(database, words);
  }

  /** Does not send the running command. */
  nothing(): void {
    this.#own = Own.Nothing;
  }

  /** Sends the running command even if it changes nothing. */
  force(): void {
    this.#own = Own.Forced;
  }

  /** Sends what the unit writes without MULTI and EXEC round it. */
  loose(): void {
    this.#isLoose = true;
  }

  // ---- for the router and the effects ------------------------------------------------------------

  /** A command begins, for which {@link Propagation.ended} will be called. */
  begin(): void {
    this.#own = Own.IfChanged;
    this.#isLoose = false;
    this.#running = true;
  }

  /**
   * A command has run on a database; `changed` tells whether it changed anything, `alone` whether its
   * unit ends with it.
   */
  ended(database: number, args: Args, changed: boolean, alone: boolean): void {
    this.#running = false;
    if (this.#own !== Own.Forced && !(changed && this.#own === Own.IfChanged)) return;
    if (!this.active) return;
    const from = wireOffset(args);
    if (alone && from >= 0 && this.#ends.length === 0) {
      // The usual case takes no detour.
      this.#select(database);
      this.#stream.append(args.buf, from, wireEnd(args) - from);
      this.#pending = true;
    } else {
      this.#addArgs(database, args);
    }
  }

  /** A key expired or was evicted, `lazily` as replicas are to remove it, too. */
  deleted(database: number, key: Uint8Array, lazily: boolean): void {
    this.#add(database, [lazily ? "UNLINK" : "DEL", key]);
    // Outside a command it is a unit of its own.
    if (!this.#running) this.endUnit();
  }

  /** The command or transaction is over: its writes go into the stream. */
  endUnit(): void {
    this.#pending = false;
    const ends = this.#ends;
    if (ends.length === 0) return;
    // A transaction may have made this server a replica, whose stream is its primary's.
    if (this.active) this.#appendUnit();
    ends.length = this.#databases.length = this.#end = 0;
    if (this.#buf.length > KEPT_BYTES) this.#buf = new Uint8Array(FIRST_BYTES);
  }

  #appendUnit(): void {
    const ends = this.#ends;
    const isTransaction = ends.length > 1 && !this.#isLoose;
    if (isTransaction) this.#stream.append(MULTI);
    let from = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i]!;
      this.#select(this.#databases[i]!);
      this.#stream.append(this.#buf, from, end - from);
      from = end;
    }
    if (isTransaction) this.#stream.append(EXEC);
  }

  #select(database: number): void {
    if (database === this.#selected) return;
    this.#selected = database;
    this.#stream.append(requestBytes("SELECT", String(database)));
  }

  #add(database: number, words: readonly Word[]): void {
    this.#header(ARRAY, words.length);
    for (const word of words) {
      const bytes = typeof word === "object" ? word : latin1Bytes(String(word));
      this.#bulk(bytes, 0, bytes.length);
    }
    this.#close(database);
  }

  #addArgs(database: number, args: Args): void {
    this.#header(ARRAY, args.count);
    for (let i = 0; i < args.count; i++) this.#bulk(args.buf, args.off(i), args.len(i));
    this.#close(database);
  }

  #close(database: number): void {
    this.#databases.push(database);
    this.#ends.push(this.#end);
    this.#pending = true;
  }

  #bulk(src: Uint8Array, off: number, len: number): void {
    this.#header(BULK, len, len + 2);
    copyBytes(src, off, this.#buf, this.#end, len);
    this.#end += len;
    this.#endLine();
  }

  /** Writes a header, and makes room for `following` bytes after it. */
  #header(kind: number, value: number, following = 0): void {
    const need = this.#end + HEADER_BYTES + following;
    if (need > this.#buf.length) {
      const grown = new Uint8Array(Math.max(need, 2 * this.#buf.length));
      grown.set(this.#buf.subarray(0, this.#end));
      this.#buf = grown;
    }
    this.#buf[this.#end] = kind;
    this.#end = formatInteger(value, this.#buf, this.#end + 1);
    this.#endLine();
  }

  #endLine(): void {
    this.#buf[this.#end++] = CR;
    this.#buf[this.#end++] = LF;
  }
}

/**
 * Where in their buffer the arguments begin as an array of bulk strings, if that is how they came and
 * how we should write them ourselves; -1 if not, as where they are queued or inline. Of the frame
 * between two arguments all but the digits is looked at: a line feed stands in no inline command, and
 * clients may send anything in place of an argument's line end.
 */
function wireOffset(args: Args): number {
  const { buf, count } = args;
  if (count === 1) return -1;
  let end = wireEnd(args) - 2;
  for (let i = count - 1; i >= 0; i--) {
    if (buf[end] !== CR || buf[end + 1] !== LF) return -1;
    const off = args.off(i);
    const sign = off - 3 - decimalLength(args.len(i));
    if (buf[sign] !== BULK || buf[off - 2] !== CR || buf[off - 1] !== LF) return -1;
    end = sign - 2;
    if (i > 0 && args.off(i - 1) + args.len(i - 1) !== end) return -1;
  }
  const from = end - 1 - decimalLength(count);
  return buf[from] === ARRAY && buf[end] === CR && buf[end + 1] === LF ? from : -1;
}

/** Where arguments end that stand in their buffer as they came. */
function wireEnd(args: Args): number {
  const last = args.count - 1;
  return args.off(last) + args.len(last) + 2;
}
