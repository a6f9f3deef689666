/**
 * A command's arguments: spans of a byte buffer, no string and no copy each.
 *
 * One Args object walks over all commands of a batch, so it is valid only until the handler
 * returns; whoever keeps arguments longer (MULTI's queue, a blocked client) takes {@link Args.own}.
 */
import { latin1, latin1Bytes } from "../bytes/text.ts";

export class Args {
  /** The bytes that the spans point into. */
  buf: Uint8Array;
  /** Pairs of offset and length. */
  spans: Int32Array;
  /** Index in `spans` of the command's first pair. */
  base: number;
  /** How many arguments, the command's name included. */
  count: number;

  /** The hash of argument 1 where it is known already ({@link Args.hashed}). */
  hash = 0;
  hashed = false;

  constructor(buf: Uint8Array, spans: Int32Array, base: number, count: number) {
    this.buf = buf;
    this.spans = spans;
    this.base = base;
    this.count = count;
  }

  /** Offset in `buf` of argument `i` (0 is the command's name). */
  off(i: number): number {
    return this.spans[this.base + 2 * i]!;
  }

  /** Length in bytes of argument `i`. */
  len(i: number): number {
    return this.spans[this.base + 2 * i + 1]!;
  }

  /** Argument `i` as a view: valid as long as these Args are. */
  view(i: number): Uint8Array {
    const off = this.off(i);
    return this.buf.subarray(off, off + this.len(i));
  }

  /** Arguments from `first` up to, not including, `end` as views. */
  views(first: number, end = this.count): Uint8Array[] {
    const views: Uint8Array[] = [];
    for (let i = first; i < end; i++) views.push(this.view(i));
    return views;
  }

  /** Argument `i` as bytes of its own. */
  copy(i: number): Uint8Array {
    const off = this.off(i);
    return this.buf.slice(off, off + this.len(i));
  }

  /** Argument `i`, each byte a character (Latin-1): for words, numbers, messages; never for keys. */
  text(i: number): string {
    return latin1(this.buf, this.off(i), this.len(i));
  }

  /** Whether argument `i` is the word `upper` (given in upper case), in whatever case it was sent. */
  is(i: number, upper: string): boolean {
    const len = this.len(i);
    if (len !== upper.length) return false;
    const off = this.off(i);
    for (let k = 0; k < len; k++) {
      let byte = this.buf[off + k]!;
      if (byte >= 0x61 && byte <= 0x7a) byte -= 0x20;
      if (byte !== upper.charCodeAt(k)) return false;
    }
    return true;
  }

  /** The same arguments in a buffer of their own. */
  own(): Args {
    let bytes = 0;
    for (let i = 0; i < this.count; i++) bytes += this.len(i);
    const buf = new Uint8Array(bytes);
    const spans = new Int32Array(2 * this.count);
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      const off = this.off(i);
      const len = this.len(i);
      buf.set(this.buf.subarray(off, off + len), at);
      spans[2 * i] = at;
      spans[2 * i + 1] = len;
      at += len;
    }
    return new Args(buf, spans, 0, this.count);
  }

  /** Arguments made of strings (Latin-1) and byte arrays: for commands that the server gives itself. */
  static of(...parts: readonly (string | Uint8Array)[]): Args {
    return Args.from(parts);
  }

  /** {@link Args.of} for any number of them. */
  static from(parts: readonly (string | Uint8Array)[]): Args {
    const arrays = parts.map((part) => typeof part === "string" ? latin1Bytes(part) : part);
    const buf = new Uint8Array(arrays.reduce((sum, array) => sum + array.length, 0));
    const spans = new Int32Array(2 * arrays.length);
    let at = 0;
    for (const [i, array] of arrays.entries()) {
      buf.set(array, at);
      spans[2 * i] = at;
      spans[2 * i + 1] = array.length;
      at += array.length;
    }
    return new Args(buf, spans, 0, arrays.length);
  }
}
