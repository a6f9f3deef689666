/** Listpacks, held against a naive model, and byte for byte against what redis-server keeps. */
import { assert, assertEquals } from "@std/assert";
import { Arena } from "../lib/bytes/arena.ts";
import {
  bigIntegerAt,
  countElements,
  elementEquals,
  EMPTY_LISTPACK_BYTES,
  findElement,
  firstElement,
  integerAt,
  isIntegerAt,
  Listpack,
  LISTPACK_END,
  nextElement,
  NO_ELEMENT,
  previousElement,
  readElement,
  seekElement,
  validateListpack,
} from "../lib/bytes/listpack.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { startRedis } from "./support/redis.ts";
import { RespClient } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { without } from "./support/skip.ts";

const INTEGERS = [
  0n,
  127n,
  128n,
  4095n,
  4096n,
  2n ** 15n,
  2n ** 23n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n,
]
  .flatMap((edge) => [edge - 1n, edge, edge + 1n, -edge - 1n, -edge, -edge + 1n]);
const LENGTHS = [0, 1, 20, 21, 62, 63, 64, 125, 126, 4095, 4096, 16376, 16381, 16382, 16400];

/** A string element: often an integer, or of a length where the encoding changes. */
function anyElement(rng: Rng): string {
  if (rng.oneIn(3)) return rng.pick(INTEGERS).toString();
  if (rng.oneIn(10)) return rng.pick(["007", "-0", "+1", " 1", "1.0", "-", "1e3"]);
  const length = rng.oneIn(20) ? rng.pick(LENGTHS) : rng.int(0, 30);
  return latin1(rng.bytes(Math.min(1, length))).padEnd(length, String(rng.int(0, 9)));
}

function texts({ buf, off }: Listpack): string[] {
  const all: string[] = [];
  for (let at = firstElement(off); buf[at] !== LISTPACK_END; at = nextElement(buf, at)) {
    all.push(textAt(buf, at));
  }
  return all;
}

function textAt(buf: Uint8Array, at: number): string {
  const element = readElement(buf, at);
  return latin1(element.buf, element.off, element.len);
}

function textsBackwards(list: Listpack): string[] {
  const { buf, off } = list;
  const all: string[] = [];
  for (let at = list.last; at !== NO_ELEMENT; at = previousElement(buf, off, at)) {
    all.push(textAt(buf, at));
  }
  return all.reverse();
}

function at(list: Listpack, index: number): number {
  return seekElement(list.buf, list.off, list.bytes, index);
}

Deno.test("a listpack keeps its elements like an array, whatever is inserted, replaced and removed", async () => {
  await seeded((rng) => {
    const arena = new Arena();
    for (let round = 0; round < 30; round++) {
      const list = new Listpack().create(arena);
      const model: string[] = [];
      for (let step = 0; step < 200; step++) {
        change(rng, list, model);
        if (rng.oneIn(8)) assertIs(list, model);
      }
      assertIs(list, model);
      list.free();
    }
    assertEquals(arena.usedBytes, 0);
  });
});

function change(rng: Rng, list: Listpack, model: string[]): void {
  const index = rng.int(0, Math.max(0, model.length - 1));
  const text = anyElement(rng);
  const bytes = latin1Bytes(text);
  // Now and then the same as an integer: it must not matter which way it came.
  const integer = /^(0|-?[1-9]\d*)$/.test(text) && rng.oneIn(2) ? BigInt(text) : undefined;
  const fits = integer !== undefined && BigInt.asIntN(64, integer) === integer;
  const place = model.length === 0 ? list.end : at(list, index);
  switch (rng.int(0, 5)) {
    case 0:
    case 1: {
      const now = fits
        ? list.insertInteger(place, integer)
        : list.insert(place, bytes, 0, bytes.length);
      assertEquals(textAt(list.buf, now), text);
      model.splice(index, 0, text);
      break;
    }
    case 2:
      if (fits) list.appendInteger(integer);
      else list.append(bytes, 0, bytes.length);
      model.push(text);
      break;
    case 3: {
      if (model.length === 0) break;
      const now = fits
        ? list.replaceInteger(place, integer)
        : list.replace(place, bytes, 0, bytes.length);
      assertEquals(textAt(list.buf, now), text);
      model[index] = text;
      break;
    }
    case 4: {
      const count = rng.oneIn(3) ? rng.int(0, 20) : 1;
      const after = list.remove(place, count);
      model.splice(index, count);
      const next = model[index];
      if (next === undefined) assertEquals(after, list.end);
      else assertEquals(textAt(list.buf, after), next);
      break;
    }
    default: {
      const other = new Listpack().create(list.arena);
      const more = Array.from({ length: rng.int(0, 3) }, () => anyElement(rng));
      for (const each of more) other.append(latin1Bytes(each), 0, each.length);
      list.insertElements(place, other.buf, other.first, other.end, more.length);
      model.splice(index, 0, ...more);
      other.free();
    }
  }
}

function assertIs(list: Listpack, model: readonly string[]): void {
  const { buf, off, bytes } = list;
  assertEquals(texts(list), model);
  assertEquals(textsBackwards(list), model);
  assertEquals(list.count, model.length);
  assertEquals(validateListpack(buf, off, bytes), model.length);
  for (const [i, text] of model.entries()) {
    const needle = latin1Bytes(text);
    assertEquals(textAt(buf, at(list, i)), text);
    assertEquals(at(list, i - model.length), at(list, i));
    assert(elementEquals(buf, at(list, i), needle, 0, needle.length));
    assertEquals(find(list, text, 0), at(list, model.indexOf(text)));
    const even = model.findIndex((each, k) => k % 2 === 0 && each === text);
    assertEquals(find(list, text, 1), even < 0 ? NO_ELEMENT : at(list, even));
  }
  assertEquals(at(list, model.length), NO_ELEMENT);
  assertEquals(at(list, -model.length - 1), NO_ELEMENT);
  assertEquals(find(list, "not there", 0), NO_ELEMENT);
}

function find({ buf, off }: Listpack, text: string, skip: number): number {
  const needle = latin1Bytes(text);
  return findElement(buf, firstElement(off), skip, needle, 0, needle.length);
}

Deno.test("a listpack tells integers from strings", () => {
  const list = new Listpack().create(new Arena());
  for (const value of INTEGERS) {
    const text = value.toString();
    const where = list.insert(list.first, latin1Bytes(text), 0, text.length);
    const fits = BigInt.asIntN(64, value) === value;
    assertEquals(isIntegerAt(list.buf, where), fits, text);
    if (fits) assertEquals(bigIntegerAt(list.buf, where), value);
    const safe = Number.isSafeInteger(Number(value));
    assertEquals(integerAt(list.buf, where), safe ? Number(value) : NaN);
  }
  for (const text of ["", "00", "-0", "01", "1 ", "x"]) {
    const where = list.insert(list.first, latin1Bytes(text), 0, text.length);
    assertEquals(isIntegerAt(list.buf, where), false, text);
    assertEquals(integerAt(list.buf, where), NaN);
  }
});

Deno.test("a listpack counts more elements than its header can number", () => {
  const list = new Listpack().create(new Arena());
  for (let i = 0; i < 70_000; i++) list.appendInteger(i % 10);
  assertEquals(list.count, 70_000);
  assertEquals(textAt(list.buf, at(list, -3)), "7");
  list.remove(list.first, 69_998);
  assertEquals(texts(list), ["8", "9"]);
  assertEquals(list.count, 2);
  assertEquals(countElements(list.buf, list.off), 2);
});

Deno.test("a damaged listpack is not taken for a good one, and reading it ends", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 300; round++) {
      const list = new Listpack().create(new Arena());
      for (let i = rng.int(0, 8); i > 0; i--) {
        const bytes = latin1Bytes(anyElement(rng));
        list.append(bytes, 0, bytes.length);
      }
      const bytes = list.buf.slice(list.off, list.off + list.bytes);
      assertEquals(validateListpack(bytes, 0, bytes.length), list.count);
      assertEquals(validateListpack(bytes, 0, bytes.length + 1), -1);
      assertEquals(validateListpack(bytes.subarray(0, -1), 0, bytes.length - 1), -1);
      for (let flips = 0; flips < 20; flips++) {
        const damaged = bytes.slice();
        damaged[rng.int(0, bytes.length - 1)]! ^= 1 << rng.int(0, 7);
        const count = validateListpack(damaged, 0, damaged.length);
        if (count < 0) continue;
        // Where only data changed it is still one, and reads in full.
        let seen = 0;
        for (let k = firstElement(0); damaged[k] !== LISTPACK_END; k = nextElement(damaged, k)) {
          readElement(damaged, k);
          seen++;
        }
        assertEquals(seen, count);
      }
    }
  });
  assertEquals(validateListpack(new Uint8Array(6), 0, 6), -1);
  assertEquals(new Listpack().create(new Arena()).bytes, EMPTY_LISTPACK_BYTES);
});

/** The listpack in a DUMP payload of a small hash or a list of one node, without compression. */
function listpackOf(payload: Uint8Array): Uint8Array {
  // A hash has its type, then a string; a list its type, the number of nodes, the node's kind.
  let pos = payload[0] === 16 ? 1 : 3;
  const first = payload[pos++]!;
  if (first < 0x40) return payload.slice(pos, pos + first);
  if (first < 0x80) return payload.slice(pos + 1, pos + 1 + ((first & 0x3f) << 8 | payload[pos]!));
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(pos);
  pos += 4;
  return payload.slice(pos, pos + length);
}

async function dump(redis: RespClient, key: string): Promise<Uint8Array> {
  const reply = await redis.send("DUMP", key);
  assert(reply.type === "bulk");
  return listpackOf(latin1Bytes(reply.text));
}

function bytesOf({ buf, off, bytes }: Listpack): Uint8Array {
  return buf.slice(off, off + bytes);
}

Deno.test({
  name: "a listpack has the bytes that Redis keeps",
  ignore: without("redis-server"),
  fn: async () => {
    // deno-fmt-ignore
    await using server = await startRedis({
      args: [
        "--rdbcompression", "no", "--list-max-listpack-size", "-5",
        "--hash-max-listpack-value", "100000", "--hash-max-listpack-entries", "1000",
      ],
    });
    using redis = await RespClient.connect(server.port);
    await seeded(async (rng) => {
      const hash = new Listpack().create(new Arena());
      const fields = [...INTEGERS.map(String), ...LENGTHS.map((length) => "x".repeat(length))];
      for (const [i, field] of new Set(fields).entries().toArray().entries()) {
        const value = latin1Bytes(anyElement(rng));
        const name = latin1Bytes(field[0]);
        await redis.send("HSET", "hash", name, value);
        hash.append(name, 0, name.length);
        hash.append(value, 0, value.length);
        if (i % 10 === 0) assertEquals(bytesOf(hash), await dump(redis, "hash"));
      }
      assertEquals(bytesOf(hash), await dump(redis, "hash"));

      const list = new Listpack().create(new Arena());
      for (let step = 0; step < 400; step++) {
        const bytes = latin1Bytes(anyElement(rng));
        const index = rng.int(0, Math.max(0, list.count - 1));
        if (list.count === 0 || list.bytes < 30_000 && rng.oneIn(2)) {
          await redis.send("RPUSH", "list", bytes);
          list.append(bytes, 0, bytes.length);
        } else if (rng.oneIn(3)) {
          await redis.send("LPUSH", "list", bytes);
          list.insert(list.first, bytes, 0, bytes.length);
        } else if (rng.oneIn(2)) {
          await redis.send("LSET", "list", index, bytes);
          list.replace(at(list, index), bytes, 0, bytes.length);
        } else {
          await redis.send("LTRIM", "list", 1, -1);
          list.remove(list.first);
        }
        if (list.count > 0) assertEquals(bytesOf(list), await dump(redis, "list"));
        if (list.bytes > 40_000) {
          await redis.send("LTRIM", "list", -5, -1);
          list.remove(list.first, list.count - 5);
        }
      }
    });
  },
});
