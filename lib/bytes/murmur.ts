/**
 * MurmurHash64A (Austin Appleby, in the public domain), on halves of 32 bits: the hash that Redis's
 * HyperLogLog counts with. The result is left in a register, so that nothing is allocated.
 */

const MULTIPLIER_LOW = 0x5bd1e995;
const MULTIPLIER_HIGH = 0xc6a4a793 | 0;

/** The hash that was made last, and what {@link multiply} works on. */
export const murmur = { low: 0, high: 0 };

/** Hashes `len` bytes from `off` on; `seed` has 32 bits. */
export function murmurHash64(buf: Uint8Array, off: number, len: number, seed: number): void {
  murmur.low = len | 0;
  murmur.high = 0;
  multiply();
  let low = murmur.low ^ seed;
  let high = murmur.high;
  const whole = off + (len & ~7);
  for (let at = off; at < whole; at += 8) {
    murmur.low = buf[at]! | buf[at + 1]! << 8 | buf[at + 2]! << 16 | buf[at + 3]! << 24;
    murmur.high = buf[at + 4]! | buf[at + 5]! << 8 | buf[at + 6]! << 16 | buf[at + 7]! << 24;
    multiply();
    murmur.low ^= murmur.high >>> 15;
    multiply();
    murmur.low ^= low;
    murmur.high ^= high;
    multiply();
    low = murmur.low;
    high = murmur.high;
  }
  murmur.low = low;
  murmur.high = high;
  const rest = len & 7;
  if (rest > 0) {
    for (let i = 0; i < rest; i++) {
      if (i < 4) murmur.low ^= buf[whole + i]! << (8 * i);
      else murmur.high ^= buf[whole + i]! << (8 * (i - 4));
    }
    multiply();
  }
  murmur.low ^= murmur.high >>> 15;
  multiply();
  murmur.low ^= murmur.high >>> 15;
}

/** Multiplies the register by the hash's constant, modulo 2^64. */
function multiply(): void {
  const { low, high } = murmur;
  // The low halves' product needs 64 bits: by parts of 16.
  const a = low & 0xffff;
  const b = low >>> 16;
  const c = MULTIPLIER_LOW & 0xffff;
  const d = MULTIPLIER_LOW >>> 16;
  const middle = Math.imul(b, c) >>> 0;
  const other = (Math.imul(a, d) >>> 0) + (Math.imul(a, c) >>> 16) + (middle & 0xffff);
  const carried = Math.imul(b, d) + (middle >>> 16) + Math.floor(other / 0x10000);
  murmur.low = Math.imul(low, MULTIPLIER_LOW);
  murmur.high = (carried + Math.imul(low, MULTIPLIER_HIGH) + Math.imul(high, MULTIPLIER_LOW)) | 0;
}
