/** Encodings of values that RDB had once, and streams, built by hand for tests. */
import { bigEndian, bytesOf, concat, littleEndian, RdbBuilder, type Text } from "./rdb.ts";

/** An entry of a ziplist: bytes as a string, or an integer in so many bits (4: in the encoding). */
export type ZiplistEntry = Text | {
  readonly value: number | bigint;
  readonly bits: 4 | 8 | 16 | 24 | 32 | 64;
};

const INTEGER_CODES = { 8: 0xfe, 16: 0xc0, 24: 0xf0, 32: 0xd0, 64: 0xe0 } as const;

/** A ziplist; with `longPrevious` each entry has the length before it in five bytes. */
export function ziplist(entries: readonly ZiplistEntry[], longPrevious = false): Uint8Array {
  const parts: Uint8Array[] = [];
  let previous = 0;
  let bytes = 10;
  let last = 10;
  for (const entry of entries) {
    const before = previous < 254 && !longPrevious
      ? Uint8Array.of(previous)
      : concat(Uint8Array.of(0xfe), littleEndian(previous, 4));
    const encoded = concat(before, ziplistEntry(entry));
    last = bytes;
    bytes += encoded.length;
    previous = encoded.length;
    parts.push(encoded);
  }
  const header = [
    littleEndian(bytes + 1, 4),
    littleEndian(last, 4),
    littleEndian(entries.length, 2),
  ];
  return concat(...header, ...parts, Uint8Array.of(0xff));
}

function ziplistEntry(entry: ZiplistEntry): Uint8Array {
  if (typeof entry === "object" && "bits" in entry) {
    const { value, bits } = entry;
    if (bits === 4) return Uint8Array.of(0xf1 + Number(value));
    return concat(Uint8Array.of(INTEGER_CODES[bits]), littleEndian(value, bits / 8));
  }
  const bytes = bytesOf(entry);
  const { length } = bytes;
  if (length < 64) return concat(Uint8Array.of(length), bytes);
  if (length < 1 << 14) return concat(Uint8Array.of(0x40 | length >> 8, length & 0xff), bytes);
  return concat(Uint8Array.of(0x80), bigEndian(length, 4), bytes);
}

/** A zipmap of pairs; each value has `unused` bytes behind it. */
export function zipmap(pairs: readonly (readonly [Text, Text])[], unused = 0): Uint8Array {
  const length = (text: Text) => {
    const { length } = bytesOf(text);
    return length < 254
      ? Uint8Array.of(length)
      : concat(Uint8Array.of(0xfe), littleEndian(length, 4));
  };
  const parts = pairs.map(([field, value]) =>
    concat(
      length(field),
      field,
      length(value),
      Uint8Array.of(unused),
      value,
      new Uint8Array(unused),
    )
  );
  return concat(Uint8Array.of(Math.min(pairs.length, 254)), ...parts, Uint8Array.of(0xff));
}

export function intset(width: 2 | 4 | 8, values: readonly (number | bigint)[]): Uint8Array {
  const integers = values.map((value) => littleEndian(value, width));
  return concat(littleEndian(width, 4), littleEndian(values.length, 4), ...integers);
}

/** A stream's listpack: two entries, the second deleted, then one with other fields. */
function streamListpack(): Uint8Array {
  const elements: (number | string)[] = [
    ...[2, 1, 1, "f", 0],
    ...[2, 0, 0, "v", 4],
    ...[3, 1, 0, "w", 4],
    ...[0, 2, 5, 1, "g", "x", 6],
  ];
  const body = elements.map((element) => {
    if (typeof element === "number") return Uint8Array.of(element, 1);
    return concat(Uint8Array.of(0x80 | element.length), element, Uint8Array.of(element.length + 1));
  });
  const bytes = body.reduce((sum, { length }) => sum + length, 7);
  return concat(
    littleEndian(bytes, 4),
    littleEndian(elements.length, 2),
    ...body,
    Uint8Array.of(0xff),
  );
}

/** A stream of one of the three types, with a group of two consumers. */
export function stream(type: 15 | 19 | 21): RdbBuilder {
  const id = (ms: number, sequence: number) => concat(bigEndian(ms, 8), bigEndian(sequence, 8));
  const records = new RdbBuilder().key(type, "s").length(1).string(id(1000, 1));
  records.string(streamListpack()).length(2).length(1002).length(6);
  if (type !== 15) records.length(1000).length(1).length(1001).length(1).length(3);
  records.length(2).string("group").length(1000).length(1);
  if (type !== 15) records.length(1);
  records.length(2).raw(id(1000, 1), littleEndian(123_456, 8)).length(3);
  records.raw(id(1002, 6), littleEndian(123_457, 8)).length(300);
  records.length(2).string("alice").raw(littleEndian(111_111, 8));
  if (type === 21) records.raw(littleEndian(100_000, 8));
  records.length(2).raw(id(1000, 1)).raw(id(1002, 6)).string("bob").raw(littleEndian(222_222, 8));
  if (type === 21) records.raw(littleEndian(-1, 8));
  records.length(0).string("unread").length(1002).length(6);
  if (type !== 15) records.length(2n ** 64n - 1n, 64);
  return records.length(0).length(0);
}
