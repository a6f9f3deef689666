/**
 * Bytes between double quotes as Redis shows them: those that cannot be printed as `\n` or `\x00`.
 * No string is made of them, for they may be longer than a string can be.
 */
import { latin1, latin1Bytes } from "./text.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_X = 0x78;
const HEX = latin1Bytes("0123456789abcdef");

/** For each byte the letter that stands for it behind a backslash; 0 where there is none. */
const LETTERS = letterTable();

/** How many bytes become of each. */
const LENGTHS = Uint8Array.from(LETTERS, (letter, byte) => {
  if (letter !== 0) return 2;
  return byte >= 0x20 && byte <= 0x7e ? 1 : 4;
});

/** How many bytes {@link writeQuoted} writes for `len` bytes of `buf` from `off` on. */
export function quotedLength(buf: Uint8Array, off: number, len: number): number {
  let length = 2;
  for (let i = off; i < off + len; i++) length += LENGTHS[buf[i]!]!;
  return length;
}

/** Writes `len` bytes of `buf` from `off` on to `dst` at `at`, in quotes; returns where they end. */
export function writeQuoted(
  buf: Uint8Array,
  off: number,
  len: number,
  dst: Uint8Array,
  at: number,
): number {
  dst[at++] = QUOTE;
  for (let i = off; i < off + len; i++) {
    const byte = buf[i]!;
    const length = LENGTHS[byte]!;
    if (length === 1) {
      dst[at++] = byte;
      continue;
    }
    dst[at++] = BACKSLASH;
    if (length === 2) {
      dst[at++] = LETTERS[byte]!;
      continue;
    }
    dst[at++] = LETTER_X;
    dst[at++] = HEX[byte >> 4]!;
    dst[at++] = HEX[byte & 15]!;
  }
  dst[at++] = QUOTE;
  return at;
}

/** Bytes in quotes, as a string of Latin-1 characters. */
export function quoted(bytes: Uint8Array): string {
  const shown = new Uint8Array(quotedLength(bytes, 0, bytes.length));
  writeQuoted(bytes, 0, bytes.length, shown, 0);
  return latin1(shown);
}

function letterTable(): Uint8Array {
  const letters = new Uint8Array(256);
  for (const pair of ['""', "\\\\", "\nn", "\rr", "\tt", "\x07a", "\bb"]) {
    letters[pair.charCodeAt(0)] = pair.charCodeAt(1);
  }
  return letters;
}
