/** Amounts of memory as the configuration and some commands write them: `100`, `64kb`, `1G`. */

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["", 1n],
  ["b", 1n],
  ["k", 1000n],
  ["kb", 1024n],
  ["m", 1000n ** 2n],
  ["mb", 1024n ** 2n],
  ["g", 1000n ** 3n],
  ["gb", 1024n ** 3n],
]);

const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Bytes; `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` of 1024; undefined where it is neither.
 * As in Redis, digits stop at 2^64 - 1, and what the unit makes of them is taken modulo 2^64.
 */
export function exactMemory(text: string): bigint | undefined {
  const match = /^(\d{0,127})([a-z]*)$/i.exec(text);
  if (match === null) return undefined;
  const unit = UNITS.get(match[2]!.toLowerCase());
  if (unit === undefined) return undefined;
  const digits = BigInt(match[1]!);
  return BigInt.asUintN(64, (digits < UINT64_MAX ? digits : UINT64_MAX) * unit);
}

/** What {@link exactMemory} says, as the nearest double. */
export function parseMemory(text: string): number | undefined {
  const bytes = exactMemory(text);
  return bytes === undefined ? undefined : Number(bytes);
}

/** The shortest text that {@link parseMemory} reads as `bytes`: the configuration file's form. */
export function formatMemory(bytes: number): string {
  const exact = exactInteger(bytes);
  for (const unit of ["gb", "mb", "kb"]) {
    const size = UNITS.get(unit)!;
    if (exact > 0n && exact % size === 0n) return `${exact / size}${unit}`;
  }
  return String(exact);
}

/** A whole number's digits, never in exponent form, by {@link exactInteger}. */
export function integerText(value: number): string {
  return String(exactInteger(value));
}

/** The whole number that a double stands for: 2^63 and 2^64 for the greatest below, which have none. */
export function exactInteger(value: number): bigint {
  const exact = BigInt(value);
  return value === 2 ** 63 || value === 2 ** 64 ? exact - 1n : exact;
}
