/**
 * The longest common subsequence of two byte strings, and the runs it is made of, as LCS reports
 * them.
 *
 * Of several longest subsequences the walk back from both ends decides, as Redis does it: where two
 * bytes differ it steps back in `a` only if that leaves strictly more. Redis keeps the whole table
 * of lengths to tell; one bit a cell is enough.
 */

/** A run that both strings share: where it starts in each, and how long it is. */
export interface LcsMatch {
  readonly aStart: number;
  readonly bStart: number;
  readonly length: number;
}

export interface Lcs {
  readonly bytes: Uint8Array;
  /** From the last run to the first, as they are found and replied. */
  readonly matches: readonly LcsMatch[];
}

/** Bytes of Redis's table of lengths, which LCS refuses to allocate beyond proto-max-bulk-len. */
export function lcsTableBytes(aLength: number, bLength: number): number {
  return (aLength + 1) * (bLength + 1) * 4;
}

/** How long the longest common subsequence is. */
export function lcsLength(a: Uint8Array, b: Uint8Array): number {
  return fillTable(a, b, undefined);
}

/** The longest common subsequence, and its runs of at least `minMatchLength` bytes. */
export function longestCommonSubsequence(
  a: Uint8Array,
  b: Uint8Array,
  minMatchLength = 0,
): Lcs {
  const rowBytes = Math.ceil(b.length / 8);
  const backInA = new Uint8Array(a.length * rowBytes);
  let left = fillTable(a, b, backInA);
  const bytes = new Uint8Array(left);
  const matches: LcsMatch[] = [];

  let i = a.length;
  let j = b.length;
  let run = 0;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      bytes[--left] = a[i - 1]!;
      run++;
      i--;
      j--;
      if (i > 0 && j > 0) continue;
    }
    if (run > 0 && run >= minMatchLength) matches.push({ aStart: i, bStart: j, length: run });
    run = 0;
    if (i === 0 || j === 0) break;
    const bits = backInA[(i - 1) * rowBytes + ((j - 1) >> 3)]!;
    if (bits & (1 << ((j - 1) & 7))) i--;
    else j--;
  }
  return { bytes, matches };
}

/**
 * Computes the length row by row. Sets in `backInA` (a row of bits for each byte of `a`, padded to
 * bytes) where bytes differ and dropping a byte of `a` leaves more than dropping one of `b`.
 */
function fillTable(a: Uint8Array, b: Uint8Array, backInA: Uint8Array | undefined): number {
  const rowBytes = Math.ceil(b.length / 8);
  // One row, overwritten from left to right: `row[j + 1]` is the cell above until it is written.
  const row = new Uint32Array(b.length + 1);
  for (let i = 0; i < a.length; i++) {
    const byte = a[i]!;
    let diagonal = 0;
    let left = 0;
    for (let j = 0; j < b.length; j++) {
      const above = row[j + 1]!;
      if (byte === b[j]) {
        left = diagonal + 1;
      } else if (above > left) {
        left = above;
        if (backInA !== undefined) {
          backInA[i * rowBytes + (j >> 3)]! |= 1 << (j & 7);
        }
      }
      row[j + 1] = left;
      diagonal = above;
    }
  }
  return row[b.length]!;
}
