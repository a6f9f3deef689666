/**
 * The CRC-64 that closes RDB files and DUMP payloads: Jones' polynomial, reflected, from 0, with no
 * final inversion. Eight bytes a step ("slicing by 8"), all on 32-bit halves.
 */

/** The polynomial 0xad93d23594c935a9 with its bits reversed, in halves. */
const POLY_LOW = 0xac4bc9b5;
const POLY_HIGH = 0x95ac9329;

/** `low[256 * n + byte]` and `high[…]`: what a byte contributes when n bytes follow it. */
const low = new Int32Array(8 * 256);
const high = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let lo = byte;
  let hi = 0;
  for (let bit = 0; bit < 8; bit++) {
    const odd = lo & 1;
    lo = (lo >>> 1) | (hi << 31);
    hi >>>= 1;
    if (odd) {
      lo ^= POLY_LOW;
      hi ^= POLY_HIGH;
    }
  }
  low[byte] = lo;
  high[byte] = hi;
}
for (let i = 256; i < 8 * 256; i++) {
  const lo = low[i - 256]!;
  const hi = high[i - 256]!;
  low[i] = ((lo >>> 8) | (hi << 24)) ^ low[lo & 0xff]!;
  high[i] = (hi >>> 8) ^ high[lo & 0xff]!;
}

/**
 * Takes `len` bytes of `buf` from `off` on into a running CRC: `state` holds its low and its high
 * half, both 0 at first. Written one after the other in little endian, they are RDB's checksum.
 */
export function crc64(state: Uint32Array, buf: Uint8Array, off: number, len: number): void {
  let lo = state[0]! | 0;
  let hi = state[1]! | 0;
  const end = off + len;
  let at = off;
  for (; at + 8 <= end; at += 8) {
    lo ^= buf[at]! | (buf[at + 1]! << 8) | (buf[at + 2]! << 16) | (buf[at + 3]! << 24);
    hi ^= buf[at + 4]! | (buf[at + 5]! << 8) | (buf[at + 6]! << 16) | (buf[at + 7]! << 24);
    const a = 1792 + (lo & 0xff);
    const b = 1536 + ((lo >>> 8) & 0xff);
    const c = 1280 + ((lo >>> 16) & 0xff);
    const d = 1024 + (lo >>> 24);
    const e = 768 + (hi & 0xff);
    const f = 512 + ((hi >>> 8) & 0xff);
    const g = 256 + ((hi >>> 16) & 0xff);
    const h = hi >>> 24;
    lo = low[a]! ^ low[b]! ^ low[c]! ^ low[d]! ^ low[e]! ^ low[f]! ^ low[g]! ^ low[h]!;
    hi = high[a]! ^ high[b]! ^ high[c]! ^ high[d]! ^ high[e]! ^ high[f]! ^ high[g]! ^ high[h]!;
  }
  for (; at < end; at++) {
    const index = (lo ^ buf[at]!) & 0xff;
    lo = ((lo >>> 8) | (hi << 24)) ^ low[index]!;
    hi = (hi >>> 8) ^ high[index]!;
  }
  state[0] = lo;
  state[1] = hi;
}
