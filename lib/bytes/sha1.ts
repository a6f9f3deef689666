/**
 * SHA-1, as FIPS 180-4 has it, for short byte strings by the million (DEBUG DIGEST takes several a key):
 * the call of the platform's own takes several times as long as the work.
 */
const BLOCK_BYTES = 64;
export const SHA1_BYTES = 20;
/** Behind the bytes stand one that marks their end, and their number of bits. */
const TAIL_BYTES = 9;

const state = new Int32Array(5);
const words = new Int32Array(80);
const last = new Uint8Array(2 * BLOCK_BYTES);

/** Writes the SHA-1 of `bytes` into `out`, which may be `bytes`; returns it. */
export function sha1(
  bytes: Uint8Array,
  out: Uint8Array = new Uint8Array(SHA1_BYTES),
): Uint8Array {
  state[0] = 0x67452301;
  state[1] = 0xefcdab89;
  state[2] = 0x98badcfe;
  state[3] = 0x10325476;
  state[4] = 0xc3d2e1f0;
  const { length } = bytes;
  const rest = length % BLOCK_BYTES;
  const whole = length - rest;
  for (let at = 0; at < whole; at += BLOCK_BYTES) mixBlock(bytes, at);
  for (let i = 0; i < rest; i++) last[i] = bytes[whole + i]!;
  const end = rest + TAIL_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  last.fill(0, rest, end);
  last[rest] = 0x80;
  let bits = 8 * length;
  for (let i = end; bits > 0; bits = Math.floor(bits / 256)) last[--i] = bits % 256;
  for (let at = 0; at < end; at += BLOCK_BYTES) mixBlock(last, at);
  for (let i = 0; i < SHA1_BYTES; i++) out[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
  return out;
}

function mixBlock(buf: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++, at += 4) {
    words[i] = buf[at]! << 24 | buf[at + 1]! << 16 | buf[at + 2]! << 8 | buf[at + 3]!;
  }
  for (let i = 16; i < 80; i++) {
    const word = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!;
    words[i] = word << 1 | word >>> 31;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let i = 0; i < 80; i++) {
    const chosen = i < 20
      ? (b & c | ~b & d) + 0x5a827999
      : i < 40
      ? (b ^ c ^ d) + 0x6ed9eba1
      : i < 60
      ? (b & c | b & d | c & d) + 0x8f1bbcdc
      : (b ^ c ^ d) + 0xca62c1d6;
    const next = (a << 5 | a >>> 27) + chosen + e + words[i]! | 0;
    e = d;
    d = c;
    c = b << 30 | b >>> 2;
    b = a;
    a = next;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
}
