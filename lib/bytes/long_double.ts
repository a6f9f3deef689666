/**
 * The x87's 80-bit long double, in which INCRBYFLOAT and HINCRBYFLOAT calculate: 64 bits of
 * mantissa, exponents down to 2^-16445, every result rounded to nearest, ties to even. Text goes in
 * as C's strtold takes it, and comes out as printf's %.17Lf without the zeros at its end.
 */
import { latin1 } from "./text.ts";

/** `mantissa * 2^exponent`, the mantissa signed and at most 64 bits; an infinity has ±1 and Infinity. */
export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** A binary floating-point format: its mantissa's bits, and the exponents of the mantissa's last bit. */
export interface FloatFormat {
  readonly bits: number;
  readonly minExponent: number;
  readonly maxExponent: number;
}

const LONG_DOUBLE: FloatFormat = { bits: 64, minExponent: -16445, maxExponent: 16320 };

/** Redis reads numbers of fewer bytes than this. */
const MAX_TEXT = 5 * 1024;
/** Any decimal whose first digit lies beyond 10^±this is out of range, with room to spare. */
const MAX_DECIMAL_EXPONENT = 6000;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/**
 * The number in `len` bytes from `off` on, or undefined where Redis says that it is no valid float:
 * junk, NaN, or a finite number too large or too small for a long double.
 */
export function parseLongDouble(
  buf: Uint8Array,
  off: number,
  len: number,
): LongDouble | undefined {
  if (len >= MAX_TEXT) return undefined;
  return parseFloatText(latin1(buf, off, len), LONG_DOUBLE);
}

/** The sum, or undefined if it is NaN or infinite. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a.exponent === Infinity || b.exponent === Infinity) return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) +
    (b.mantissa << BigInt(b.exponent - exponent));
  const result = roundBinary(sum, exponent, false, LONG_DOUBLE);
  return result.exponent === Infinity ? undefined : result;
}

/** A finite number in decimal: at most 17 digits behind the point, and no zeros at the end. */
export function formatLongDouble(value: LongDouble): string {
  const negative = value.mantissa < 0n;
  const scaled = (negative ? -value.mantissa : value.mantissa) * 10n ** 17n;
  const rounded = value.exponent >= 0
    ? scaled << BigInt(value.exponent)
    : shiftRightRounding(scaled, -value.exponent, false);
  if (rounded === 0n) return "0";
  const digits = rounded.toString().padStart(18, "0");
  const whole = digits.slice(0, -17);
  const fraction = digits.slice(-17).replace(/0+$/, "");
  return (negative ? "-" : "") + whole + (fraction === "" ? "" : "." + fraction);
}

/**
 * Reads a number as C's strtod family does, correctly rounded to `format`. Undefined for text that
 * is none, for NaN, and for a finite number that overflows or rounds to zero.
 */
export function parseFloatText(text: string, format: FloatFormat): LongDouble | undefined {
  const infinite = INFINITE.exec(text);
  if (infinite) return { mantissa: infinite[1] === "-" ? -1n : 1n, exponent: Infinity };
  const hexadecimal = HEXADECIMAL.exec(text);
  const parts = hexadecimal ?? DECIMAL.exec(text);
  if (parts === null) return undefined;
  const whole = parts[2]!;
  const fraction = parts[3] ?? "";
  const digits = whole + fraction;
  if (digits === "") return undefined;

  const magnitude = BigInt((hexadecimal ? "0x" : "") + digits);
  if (magnitude === 0n) return { mantissa: 0n, exponent: 0 };
  const mantissa = parts[1] === "-" ? -magnitude : magnitude;
  const given = Number(parts[4] ?? 0);
  const result = hexadecimal
    ? fromBinary(mantissa, given - 4 * fraction.length, format)
    : fromDecimal(mantissa, given - fraction.length, format);
  return result.exponent === Infinity || result.mantissa === 0n ? undefined : result;
}

/** `mantissa * 10^exponent`, rounded; the mantissa is not 0. */
function fromDecimal(mantissa: bigint, exponent: number, format: FloatFormat): LongDouble {
  const size = exponent + mantissa.toString().length;
  if (size > MAX_DECIMAL_EXPONENT) return infinity(mantissa);
  if (size < -MAX_DECIMAL_EXPONENT) return { mantissa: 0n, exponent: 0 };
  if (exponent >= 0) return roundBinary(mantissa * 10n ** BigInt(exponent), 0, false, format);

  const divisor = 10n ** BigInt(-exponent);
  // Enough bits for the quotient to have more than the format keeps, whatever the operands' sizes.
  const shift = Math.max(0, bitLength(divisor) - bitLength(mantissa) + format.bits + 2);
  const dividend = mantissa << BigInt(shift);
  return roundBinary(dividend / divisor, -shift, dividend % divisor !== 0n, format);
}

/** `mantissa * 2^exponent`, rounded; the mantissa is not 0. */
function fromBinary(mantissa: bigint, exponent: number, format: FloatFormat): LongDouble {
  const size = exponent + bitLength(mantissa);
  if (size > format.maxExponent + format.bits) return infinity(mantissa);
  if (size < format.minExponent) return { mantissa: 0n, exponent: 0 };
  return roundBinary(mantissa, exponent, false, format);
}

/**
 * Rounds `mantissa * 2^exponent` to the format. `inexact` says that the true magnitude is larger by
 * less than one of the mantissa's last bit, which then has to lie below the format's.
 */
function roundBinary(
  mantissa: bigint,
  exponent: number,
  inexact: boolean,
  format: FloatFormat,
): LongDouble {
  const magnitude = mantissa < 0n ? -mantissa : mantissa;
  const excess = bitLength(magnitude) - format.bits;
  let shift = Math.max(excess, format.minExponent - exponent, 0);
  let rounded = shift === 0 ? magnitude : shiftRightRounding(magnitude, shift, inexact);
  if (bitLength(rounded) > format.bits) {
    rounded >>= 1n;
    shift++;
  }
  if (rounded === 0n) return { mantissa: 0n, exponent: 0 };
  if (exponent + shift + bitLength(rounded) > format.maxExponent + format.bits) {
    return infinity(mantissa);
  }
  return { mantissa: mantissa < 0n ? -rounded : rounded, exponent: exponent + shift };
}

/** `value / 2^shift` (value not negative) to nearest, ties to even; `inexact` puts it above a tie. */
function shiftRightRounding(value: bigint, shift: number, inexact: boolean): bigint {
  const bits = BigInt(shift);
  const quotient = value >> bits;
  const rest = value - (quotient << bits);
  const half = 1n << (bits - 1n);
  const up = rest > half || (rest === half && (inexact || (quotient & 1n) === 1n));
  return up ? quotient + 1n : quotient;
}

function infinity(sign: bigint): LongDouble {
  return { mantissa: sign < 0n ? -1n : 1n, exponent: Infinity };
}

function bitLength(value: bigint): number {
  const hex = (value < 0n ? -value : value).toString(16);
  return 4 * (hex.length - 1) + (32 - Math.clz32(parseInt(hex[0]!, 16)));
}
