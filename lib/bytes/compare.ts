/** The order of byte strings, as C's memcmp has it; of two that begin alike the shorter comes first. */
export function compareBytes(
  a: Uint8Array,
  aOff: number,
  aLen: number,
  b: Uint8Array,
  bOff: number,
  bLen: number,
): number {
  const common = Math.min(aLen, bLen);
  for (let i = 0; i < common; i++) {
    const difference = a[aOff + i]! - b[bOff + i]!;
    if (difference !== 0) return difference;
  }
  return aLen - bLen;
}
