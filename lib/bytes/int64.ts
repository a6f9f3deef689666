/**
 * Signed 64-bit integers as two halves of 32 bits, in registers: for what keeps or looks for integers
 * among bytes and must allocate nothing, a bigint least of all.
 */
import { parseInt64, parseInteger } from "./integer.ts";

const TWO_32 = 2 ** 32;

/** The integer that was parsed or split last. */
export const int64 = { low: 0, high: 0 };

/** Leaves an integer's halves in {@link int64}. */
export function splitInt64(value: number | bigint): void {
  if (typeof value === "number") {
    int64.low = value | 0;
    int64.high = Math.floor(value / TWO_32);
  } else {
    int64.low = Number(BigInt.asIntN(32, value));
    int64.high = Number(value >> 32n);
  }
}

/** Whether the bytes are a 64-bit integer as Redis writes it, which is in {@link int64} then. */
export function readInt64(buf: Uint8Array, off: number, len: number): boolean {
  if (len === 0 || len > 20 || buf[off]! > 0x39) return false;
  const value = parseInteger(buf, off, len);
  if (!Number.isNaN(value)) {
    splitInt64(value);
    return true;
  }
  if (len < 16) return false;
  const big = parseInt64(buf, off, len);
  if (big === undefined) return false;
  splitInt64(big);
  return true;
}

/** The integer of two halves: a bigint only where it leaves ±(2^53 - 1). */
export function joinInt64(low: number, high: number): number | bigint {
  const value = high * TWO_32 + (low >>> 0);
  return Number.isSafeInteger(value) ? value : BigInt(high) << 32n | BigInt(low >>> 0);
}
