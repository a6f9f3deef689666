/** Names made by chance: run IDs, IDs of histories, marks. */

/** `count` hex digits; `random` gives numbers from 0 up to 1. */
export function hexDigits(count: number, random: () => number): string {
  let digits = "";
  for (let i = 0; i < count; i++) digits += Math.floor(random() * 16).toString(16);
  return digits;
}
