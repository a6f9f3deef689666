/**
 * LZF, as RDB compresses strings with it: Marc Lehmann's format, a row of
 *
 *     000nnnnn                    n + 1 literal bytes follow
 *     lllooooo oooooooo           l + 2 bytes (l from 1 to 6) again from o + 1 bytes back
 *     111ooooo llllllll oooooooo  the same of l + 9 bytes
 *
 * Neither length is part of it: whoever keeps compressed bytes keeps both beside them.
 */

const MAX_LITERALS = 32;
const MIN_MATCH = 3;
const MAX_MATCH = 264;
/** How far back a match may begin. */
const WINDOW = 8192;

/** Where three bytes were seen last, by their hash; kept between calls. */
const HASH_BITS = 14;
const seen = new Int32Array(1 << HASH_BITS);
/**
 * What is added to positions in the table. It grows with each call beyond all that is in there, so
 * that nothing need be wiped: what is less is of an earlier call.
 */
let era = 1;
const LAST_ERA = 2 ** 30;

/** After so many bytes without a match, as a power of two, one more is skipped each time. */
const PATIENCE_BITS = 5;

/**
 * Compresses `len` bytes (under 2^30) of `src` from `off` on to `dst` from `dstOff` on; returns how
 * many they are then, or 0 where `dstLimit` bytes are not enough.
 */
export function compress(
  src: Uint8Array,
  off: number,
  len: number,
  dst: Uint8Array,
  dstOff: number,
  dstLimit: number,
): number {
  if (era > LAST_ERA) {
    seen.fill(0);
    era = 1;
  }
  const shift = era - off;
  era += len;
  const end = off + len;
  const matchEnd = end - MIN_MATCH;
  const outEnd = dstOff + dstLimit;
  let out = dstOff;
  let literals = off;
  let misses = 0;
  for (let at = off; at <= matchEnd;) {
    const bytes = src[at]! | src[at + 1]! << 8 | src[at + 2]! << 16;
    const hash = Math.imul(bytes, 0x9e3779b1) >>> (32 - HASH_BITS);
    const before = seen[hash]! - shift;
    seen[hash] = at + shift;
    if (
      before < off || at - before > WINDOW ||
      (src[before]! | src[before + 1]! << 8 | src[before + 2]! << 16) !== bytes
    ) {
      at += 1 + (misses++ >> PATIENCE_BITS);
      continue;
    }
    misses = 0;
    const most = Math.min(MAX_MATCH, end - at);
    let length = MIN_MATCH;
    while (length < most && src[before + length] === src[at + length]) length++;

    out = writeLiterals(src, literals, at, dst, out, outEnd);
    if (out + 3 > outEnd) return 0;
    const back = at - before - 1;
    if (length < 9) {
      dst[out++] = (length - 2) << 5 | back >> 8;
    } else {
      dst[out++] = 7 << 5 | back >> 8;
      dst[out++] = length - 9;
    }
    dst[out++] = back;
    at += length;
    literals = at;
    // Two of the places within it are enough to find what follows it again.
    for (let i = at - 2; i < at && i <= matchEnd; i++) {
      const next = src[i]! | src[i + 1]! << 8 | src[i + 2]! << 16;
      seen[Math.imul(next, 0x9e3779b1) >>> (32 - HASH_BITS)] = i + shift;
    }
  }
  out = writeLiterals(src, literals, end, dst, out, outEnd);
  return out > outEnd ? 0 : out - dstOff;
}

/** Writes a run of literals; returns the position after it, which is beyond `outEnd` if it has no room. */
function writeLiterals(
  src: Uint8Array,
  from: number,
  to: number,
  dst: Uint8Array,
  out: number,
  outEnd: number,
): number {
  while (from < to) {
    const count = Math.min(MAX_LITERALS, to - from);
    if (out + 1 + count > outEnd) return outEnd + 1;
    dst[out++] = count - 1;
    for (let i = 0; i < count; i++) dst[out++] = src[from++]!;
  }
  return out;
}

/**
 * Expands `len` bytes of `src` from `off` on to `dst` from `dstOff` on; returns whether they are well
 * formed and just `dstLen` bytes then. Nothing outside either range is read or written.
 */
export function decompress(
  src: Uint8Array,
  off: number,
  len: number,
  dst: Uint8Array,
  dstOff: number,
  dstLen: number,
): boolean {
  const end = off + len;
  const outEnd = dstOff + dstLen;
  let out = dstOff;
  for (let at = off; at < end;) {
    const control = src[at++]!;
    if (control < MAX_LITERALS) {
      const count = control + 1;
      if (at + count > end || out + count > outEnd) return false;
      for (let i = 0; i < count; i++) dst[out++] = src[at++]!;
      continue;
    }
    let count = (control >> 5) + 2;
    if (count === 9) {
      if (at >= end) return false;
      count += src[at++]!;
    }
    if (at >= end) return false;
    let before = out - ((control & 0x1f) << 8 | src[at++]!) - 1;
    if (before < dstOff || out + count > outEnd) return false;
    // The bytes may overlap: a match may go on into what it writes.
    for (let i = 0; i < count; i++) dst[out++] = dst[before++]!;
  }
  return out === outEnd;
}
