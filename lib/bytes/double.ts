/**
 * Doubles as Redis reads and prints them: scores, and every other double of a reply.
 *
 * Reading takes what C's strtod takes and is rounded correctly. Printing follows Redis 7.2: whole
 * numbers up to 2^62 in full; otherwise the digits of Grisu2 (Florian Loitsch, "Printing
 * Floating-Point Numbers Quickly and Accurately with Integers", 2010). Those read back as the same
 * double, but are not always the shortest or the nearest ones, so JavaScript's own conversion would
 * now and then differ from Redis in the last digit.
 */
import { latin1 } from "./text.ts";
import { type FloatFormat, parseFloatText } from "./long_double.ts";

const TWO_32 = 2 ** 32;
const ZERO = 0x30;

const DOUBLE: FloatFormat = { bits: 53, minExponent: -1074, maxExponent: 971 };
/** Powers of ten up to this one are exact doubles. */
const EXACT_POWER = 22;
const MINUS = 0x2d;
const POINT = 0x2e;

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const DECIMAL_ZERO = /^[+-]?[0.]+(?:e|$)/i;

/**
 * The double in `len` bytes from `off` on, or undefined where Redis says that it is no valid float:
 * junk (white space around it, too), NaN, or a finite number that overflows or rounds to zero.
 */
export function parseDouble(buf: Uint8Array, off: number, len: number): number | undefined {
  const plain = parsePlain(buf, off, len);
  if (!Number.isNaN(plain)) return plain;
  const text = latin1(buf, off, len);
  if (DECIMAL.test(text)) {
    const value = Number(text);
    const inRange = value === 0 ? DECIMAL_ZERO.test(text) : Number.isFinite(value);
    return inRange ? value : undefined;
  }
  // Hexadecimal or infinite.
  const value = parseFloatText(text, DOUBLE);
  if (value === undefined) return undefined;
  if (value.mantissa === 0n) return text.startsWith("-") ? -0 : 0;
  if (value.exponent === Infinity) return value.mantissa < 0n ? -Infinity : Infinity;
  // In two steps: 2 to the exponent may be a denormal where the product is a normal number.
  const half = Math.trunc(value.exponent / 2);
  return Number(value.mantissa) * 2 ** half * 2 ** (value.exponent - half);
}

/** Digits with at most one point among them, where one division gives the exact result; else NaN. */
function parsePlain(buf: Uint8Array, off: number, len: number): number {
  const end = off + len;
  const negative = len > 1 && buf[off] === MINUS;
  const start = negative ? off + 1 : off;
  if (end - start > EXACT_POWER) return NaN;
  let value = 0;
  let digits = 0;
  let point = -1;
  for (let at = start; at < end; at++) {
    const byte = buf[at]!;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digits++;
    } else if (byte === POINT && point < 0) {
      point = at;
    } else {
      return NaN;
    }
  }
  if (digits === 0 || value > Number.MAX_SAFE_INTEGER) return NaN;
  if (point >= 0) value /= 10 ** (end - 1 - point);
  return negative ? -value : value;
}

/** The double as a reply shows it: `3`, `0.1`, `1e-7`, `1e+20`, `inf`, `-inf`, `nan`, `-0`. */
export function formatDouble(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0" : String(value);
  if (Math.abs(value) <= 2 ** 62 && Number.isInteger(value)) return BigInt(value).toString();
  return formatDigits(value);
}

/** The double with Grisu2's digits though it may be whole: `3`, `1e+15`. For digests. */
export function formatDigits(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  return value < 0 ? "-" + layOut(-value, 17) : layOut(value, 18);
}

/** Puts the point, zeros or the exponent to the digits; the exponent's form has `maxDigits` of them. */
function layOut(value: number, maxDigits: number): string {
  const scale = generate(value);
  const text = latin1(digits, 0, count);
  const exponent = scale + count - 1;
  const size = Math.abs(exponent);
  if (scale >= 0 && size < count + 7) return text + "0".repeat(scale);
  if (scale < 0 && (scale > -7 || size < 4)) {
    const whole = count + scale;
    return whole <= 0
      ? "0." + "0".repeat(-whole) + text
      : text.slice(0, whole) + "." + text.slice(whole);
  }
  const fraction = text.slice(1, maxDigits);
  const mantissa = fraction === "" ? text : text[0] + "." + fraction;
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
}

/*
 * Grisu2 on 64-bit numbers as pairs of 32-bit halves. The value and the bounds between which every
 * decimal reads back as it are scaled by a power of ten so that the binary exponent falls into
 * -60…-32; then digits of the upper bound are taken until what is left fits between the bounds.
 */

const FIRST_POWER = -348;
const POWER_STEP = 8;
const POWERS = 87;

/** The powers of ten from 10^-348 on in steps of 8: `high` and `low` halves, and binary exponents. */
let powers: { high: Uint32Array; low: Uint32Array; exponent: Int32Array } | undefined;

/** The digits last generated, and how many they are. */
const digits = new Uint8Array(20);
let count = 0;

/** The product last calculated by {@link multiply}. */
let productHigh = 0;
let productLow = 0;

const bits = new Float64Array(1);
const halves = new Uint32Array(bits.buffer);

/** Leaves the digits of a positive finite double in `digits`; returns the last one's power of ten. */
function generate(value: number): number {
  bits[0] = value;
  let low = halves[0]!;
  let high = halves[1]! & 0xfffff;
  const biased = halves[1]! >>> 20;
  let exponent = Math.max(biased, 1) - 1075;
  if (biased > 0) high |= 0x100000;
  const powerOfTwo = high === 0x100000 && low === 0;

  // Normalised to 64 bits; `half` is half the distance to the next double, as a power of two.
  let half = -1;
  while (high < 0x80000000) {
    high = (high * 2 + (low >>> 31)) % TWO_32;
    low = (low * 2) % TWO_32;
    exponent--;
    half++;
  }
  const below = powerOfTwo ? half - 1 : half;
  const lowerLow = low - (below < 32 ? 2 ** below : 0);
  const lowerHigh = high - (below < 32 ? 0 : 2 ** (below - 32)) - (lowerLow < 0 ? 1 : 0);
  const upperLow = low + (half < 32 ? 2 ** half : 0);
  const upperHigh = high + (half < 32 ? 0 : 2 ** (half - 32));

  powers ??= powersOfTen();
  const power = choosePower(exponent, powers.exponent);
  const powerHigh = powers.high[power]!;
  const powerLow = powers.low[power]!;
  multiply(high, low, powerHigh, powerLow);
  const wHigh = productHigh;
  const wLow = productLow;
  // The bounds move in by one, since the products are off by up to half of that.
  multiply(lowerHigh, lowerLow < 0 ? lowerLow + TWO_32 : lowerLow, powerHigh, powerLow);
  const fromHigh = productHigh;
  const fromLow = productLow + 1;
  multiply(upperHigh, upperLow, powerHigh, powerLow);
  const toHigh = productHigh;
  const toLow = productLow - 1;
  const shift = -(exponent + powers.exponent[power]! + 64) - 32;
  return takeDigits(shift, wHigh, wLow, fromHigh, fromLow, toHigh, toLow) -
    (FIRST_POWER + POWER_STEP * power);
}

/**
 * Generates digits of `to`; the whole part is what its high half has above `shift` bits. Pairs may
 * have a low half out of range by some bits: comparisons take that into account.
 */
function takeDigits(
  shift: number,
  wHigh: number,
  wLow: number,
  fromHigh: number,
  fromLow: number,
  toHigh: number,
  toLow: number,
): number {
  const one = 2 ** shift;
  if (toLow < 0) {
    toLow += TWO_32;
    toHigh--;
  }
  let whole = Math.floor(toHigh / one);
  let restHigh = toHigh % one;
  let restLow = toLow;
  // How far `to` lies above `from` and above the value.
  let deltaHigh = toHigh - fromHigh;
  let deltaLow = toLow - fromLow;
  let gapHigh = toHigh - wHigh;
  let gapLow = toLow - wLow;

  count = 0;
  for (let kappa = 9, unit = 1e9; kappa >= 0; kappa--, unit /= 10) {
    const digit = Math.floor(whole / unit);
    if (digit > 0 || count > 0) digits[count++] = ZERO + digit;
    whole -= digit * unit;
    const leftHigh = whole * one + restHigh;
    if (compare(leftHigh, restLow, deltaHigh, deltaLow) <= 0) {
      roundDown(leftHigh, restLow, deltaHigh, deltaLow, unit * one, gapHigh, gapLow);
      return kappa;
    }
  }
  for (let kappa = -1;; kappa--) {
    restLow *= 10;
    restHigh = restHigh * 10 + Math.floor(restLow / TWO_32);
    restLow %= TWO_32;
    deltaHigh *= 10;
    deltaLow *= 10;
    gapHigh *= 10;
    gapLow *= 10;
    deltaHigh += Math.floor(deltaLow / TWO_32);
    deltaLow -= Math.floor(deltaLow / TWO_32) * TWO_32;
    gapHigh += Math.floor(gapLow / TWO_32);
    gapLow -= Math.floor(gapLow / TWO_32) * TWO_32;
    const digit = Math.floor(restHigh / one);
    if (digit > 0 || count > 0) digits[count++] = ZERO + digit;
    restHigh %= one;
    if (compare(restHigh, restLow, deltaHigh, deltaLow) < 0) {
      roundDown(restHigh, restLow, deltaHigh, deltaLow, one, gapHigh, gapLow);
      return kappa;
    }
  }
}

/**
 * Lowers the last digit while that brings the decimal nearer to the value and leaves it between the
 * bounds: `left` is what the digits lack of the upper bound, `unit` the last digit's worth in high
 * halves, `gap` what the value lacks.
 */
function roundDown(
  leftHigh: number,
  leftLow: number,
  deltaHigh: number,
  deltaLow: number,
  unit: number,
  gapHigh: number,
  gapLow: number,
): void {
  while (
    compare(leftHigh, leftLow, gapHigh, gapLow) < 0 &&
    compare(deltaHigh - leftHigh, deltaLow - leftLow, unit, 0) >= 0 &&
    (compare(leftHigh + unit, leftLow, gapHigh, gapLow) < 0 ||
      compare(2 * gapHigh, 2 * gapLow, 2 * leftHigh + unit, 2 * leftLow) > 0)
  ) {
    digits[count - 1]!--;
    leftHigh += unit;
  }
}

/** The sign of a - b. The sum may round, but never to another sign. */
function compare(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  return (aHigh - bHigh) * TWO_32 + (aLow - bLow);
}

/** The upper 64 bits of a product, rounded to nearest. */
function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  multiplyHalves(aLow, bLow);
  let middle = productHigh + 0x80000000;
  multiplyHalves(aHigh, bLow);
  middle += productLow;
  let low = productHigh;
  multiplyHalves(aLow, bHigh);
  middle += productLow;
  low += productHigh + Math.floor(middle / TWO_32);
  multiplyHalves(aHigh, bHigh);
  low += productLow;
  productHigh += Math.floor(low / TWO_32);
  productLow = low % TWO_32;
}

/** The full product of two 32-bit numbers, by way of 16-bit parts of the second. */
function multiplyHalves(a: number, b: number): void {
  const upper = a * (b >>> 16);
  const lower = a * (b & 0xffff);
  const low = (upper % 0x10000) * 0x10000 + lower;
  productHigh = Math.floor(upper / 0x10000) + Math.floor(low / TWO_32);
  productLow = low % TWO_32;
}

/** The power that brings a 64-bit number of binary exponent `exponent` into -60…-32. */
function choosePower(exponent: number, exponents: Int32Array): number {
  const decimal = Math.trunc(-(exponent + POWERS) * Math.log10(2));
  let power = Math.trunc((decimal - FIRST_POWER) / POWER_STEP);
  for (;;) {
    const scaled = exponent + exponents[power]! + 64;
    if (scaled < -60) power++;
    else if (scaled > -32) power--;
    else return power;
  }
}

/** Calculates {@link powers}, each rounded to 64 bits. */
function powersOfTen(): { high: Uint32Array; low: Uint32Array; exponent: Int32Array } {
  const high = new Uint32Array(POWERS);
  const low = new Uint32Array(POWERS);
  const exponent = new Int32Array(POWERS);
  for (let i = 0; i < POWERS; i++) {
    const decimal = FIRST_POWER + POWER_STEP * i;
    // A denormal-free format as wide as the table's numbers does the rounding.
    const power = parseFloatText(`1e${decimal}`, {
      bits: 64,
      minExponent: -2000,
      maxExponent: 2000,
    })!;
    const shift = 64 - power.mantissa.toString(2).length;
    const mantissa = power.mantissa << BigInt(shift);
    high[i] = Number(mantissa >> 32n);
    low[i] = Number(mantissa & 0xffffffffn);
    exponent[i] = power.exponent - shift;
  }
  return { high, low, exponent };
}
