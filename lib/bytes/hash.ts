/**
 * HalfSipHash-1-3, the 32-bit SipHash (Aumasson and Bernstein), keyed at random when the process
 * starts: nobody who chooses keys can choose their collisions.
 */

const seed = crypto.getRandomValues(new Int32Array(2));
const K0 = seed[0]!;
const K1 = seed[1]!;

const NO_BYTES: Uint8Array = new Uint8Array(0);

// The bytes that were hashed ahead, and their hash.
let aheadBuf = NO_BYTES;
let aheadOff = 0;
let aheadLen = 0;
let aheadHash = 0;

/**
 * Tells the hash of bytes that are soon to be hashed, and do not change before. It holds until others
 * are told or it is forgotten.
 */
export function tellHash(hash: number, buf: Uint8Array, off: number, len: number): void {
  aheadBuf = buf;
  aheadOff = off;
  aheadLen = len;
  aheadHash = hash;
}

/** To be called before the bytes may change whose hash was told. */
export function forgetHash(): void {
  aheadBuf = NO_BYTES;
}

/** The hash of `len` bytes from `off` on: 32 bits, signed. */
export function hashBytes(buf: Uint8Array, off: number, len: number): number {
  if (off === aheadOff && len === aheadLen && buf === aheadBuf) return aheadHash;
  let v0 = K0;
  let v1 = K1;
  let v2 = 0x6c796765 ^ K0;
  let v3 = 0x74656462 ^ K1;
  const words = off + (len & ~3);
  for (let i = off; i < words; i += 4) {
    const m = buf[i]! | buf[i + 1]! << 8 | buf[i + 2]! << 16 | buf[i + 3]! << 24;
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = (v2 + v3) | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    v0 ^= m;
  }
  let last = len << 24;
  for (let i = 0; i < (len & 3); i++) last |= buf[words + i]! << (8 * i);
  // One round for the last word, then three to finish: four turns of one loop.
  v3 ^= last;
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = (v2 + v3) | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    if (round === 0) {
      v0 ^= last;
      v2 ^= 0xff;
    }
  }
  return v1 ^ v3;
}
