/**
 * Decimal integers in bytes: the one place to parse and to write them.
 *
 * What counts as an integer is as strict as in Redis: an optional `-`, no `+`, no space, no leading
 * zero, no `-0`, at most 20 bytes. Up to nine digits everything stays in 32-bit arithmetic.
 */

const ZERO = 0x30;
const MINUS = 0x2d;
/** Digits that always fit a 32-bit integer. */
const INT32_DIGITS = 9;
const BILLION = 1_000_000_000;
const INT64_MAX = 2n ** 63n - 1n;
/** The greatest double that is a signed 64-bit integer: times beyond it are kept as that. */
export const LAST_TIME_MS = 2 ** 63 - 1024;

/** The integer in `len` bytes from `off` on, or NaN if it is none or lies outside ±(2^53 - 1). */
export function parseInteger(buf: Uint8Array, off: number, len: number): number {
  const end = off + len;
  const negative = len > 1 && buf[off] === MINUS;
  let at = negative ? off + 1 : off;
  const digits = end - at;
  if (digits === 0 || digits > 16) return NaN;
  if (buf[at] === ZERO) return len === 1 ? 0 : NaN;

  const smallEnd = digits > INT32_DIGITS ? at + INT32_DIGITS : end;
  let small = 0;
  for (; at < smallEnd; at++) {
    const digit = buf[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    small = (small * 10 + digit) | 0;
  }
  if (at === end) return negative ? -small : small;

  // Rounding can only happen above 2^53, and never brings a value back below it.
  let value = small;
  for (; at < end; at++) {
    const digit = buf[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return NaN;
  return negative ? -value : value;
}

/** The integer in `len` bytes from `off` on, if it is one and fits signed 64 bits. */
export function parseInt64(buf: Uint8Array, off: number, len: number): bigint | undefined {
  const value = parseInteger(buf, off, len);
  if (!Number.isNaN(value)) return BigInt(value);

  const negative = len > 0 && buf[off] === MINUS;
  const start = negative ? off + 1 : off;
  const digits = off + len - start;
  if (digits < 16 || digits > 19 || buf[start] === ZERO) return undefined;
  const middle = start + digits - INT32_DIGITS;
  const high = parseDigits(buf, start, middle);
  const low = parseDigits(buf, middle, off + len);
  if (high < 0 || low < 0) return undefined;
  const magnitude = BigInt(high) * BigInt(BILLION) + BigInt(low);
  if (magnitude > INT64_MAX + (negative ? 1n : 0n)) return undefined;
  return negative ? -magnitude : magnitude;
}

/** {@link parseInt64}, but a bigint only where the value leaves ±(2^53 - 1). */
export function parseAnyInt64(
  buf: Uint8Array,
  off: number,
  len: number,
): number | bigint | undefined {
  const value = parseInteger(buf, off, len);
  return Number.isNaN(value) ? parseInt64(buf, off, len) : value;
}

/** At most ten digits as a number, or -1 if a byte is none. */
function parseDigits(buf: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (; at < end; at++) {
    const digit = buf[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Writes a safe integer's decimal form at `at` (at most 17 bytes); returns the position after it. */
export function formatInteger(value: number, dst: Uint8Array, at: number): number {
  if (value < 0) {
    dst[at++] = MINUS;
    value = -value;
  }
  if (value <= 0x7fffffff) {
    const small = value | 0;
    return formatDigits(small, int32Length(small), dst, at);
  }
  const high = Math.floor(value / BILLION);
  at = formatDigits(high, int32Length(high), dst, at);
  return formatDigits(value - high * BILLION, INT32_DIGITS, dst, at);
}

/** Writes `count` digits of a 32-bit integer that is not negative, zeros in front. */
function formatDigits(value: number, count: number, dst: Uint8Array, at: number): number {
  let rest = value | 0;
  for (let i = at + count - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0;
    dst[i] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  return at + count;
}

/** How many bytes a safe integer's decimal form has, its sign included. */
export function decimalLength(value: number): number {
  const sign = value < 0 ? 1 : 0;
  const magnitude = sign === 1 ? -value : value;
  if (magnitude <= 0x7fffffff) return sign + int32Length(magnitude | 0);
  return sign + INT32_DIGITS + int32Length(Math.floor(magnitude / BILLION));
}

function int32Length(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  if (value < 1_000_000) return 6;
  if (value < 10_000_000) return 7;
  if (value < 100_000_000) return 8;
  return value < BILLION ? 9 : 10;
}
