/** Counters of streams, which are Redis's 64-bit integers: a bigint only beyond ±(2^53 - 1). */
export type Count = number | bigint;

/** `a + b` as signed 64 bits. */
export function plus(a: Count, b: Count): Count {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrowed(BigInt.asIntN(64, BigInt(a) + BigInt(b)));
}

/** `a - b` as signed 64 bits. */
export function minus(a: Count, b: Count): Count {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return narrowed(BigInt.asIntN(64, BigInt(a) - BigInt(b)));
}

function narrowed(value: bigint): Count {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
