/** CRC-16/XMODEM (polynomial 0x1021, from 0), by which a cluster maps keys to slots. */

const SLOTS = 16384;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  table[byte] = crc;
}

/** The CRC of `len` bytes of `buf` from `off` on. */
export function crc16(buf: Uint8Array, off: number, len: number): number {
  let crc = 0;
  for (let i = off; i < off + len; i++) {
    crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ buf[i]!]!;
  }
  return crc;
}

/**
 * The cluster slot of a key. Only its hash tag counts where it has one: the bytes between its first
 * `{` and the next `}`, if there are any.
 */
export function keySlot(buf: Uint8Array, off: number, len: number): number {
  const end = off + len;
  let open = off;
  while (open < end && buf[open] !== OPEN_BRACE) open++;
  let close = open + 1;
  while (close < end && buf[close] !== CLOSE_BRACE) close++;
  const tagged = close < end && close > open + 1;
  const crc = tagged ? crc16(buf, open + 1, close - open - 1) : crc16(buf, off, len);
  return crc & (SLOTS - 1);
}
