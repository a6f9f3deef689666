/** Amounts of memory as the configuration and some commands write them: `100`, `64kb`, `1G`. */

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

/**
 * Bytes; `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` of 1024; at most 2^64;
 * undefined where it is neither.
 */
export function parseMemory(text: string): number | undefined {
  const match = /^(\d*)([a-z]*)$/i.exec(text);
  const unit = match && UNITS[match[2]!.toLowerCase()];
  if (!unit) return undefined;
  return Math.min(Number(match[1]) * unit, 2 ** 64);
}

/** The shortest text that {@link parseMemory} reads as `bytes`: the configuration file's form. */
export function formatMemory(bytes: number): string {
  for (const unit of ["gb", "mb", "kb"]) {
    const size = UNITS[unit]!;
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return integerText(bytes);
}

/** A whole number's digits, never in exponent form; 2^63 and 2^64 stand for the greatest below. */
export function integerText(value: number): string {
  const exact = BigInt(value);
  return String(value === 2 ** 63 || value === 2 ** 64 ? exact - 1n : exact);
}
