import { assertEquals } from "@std/assert";
import { combine, countBits, countBytes, findBit, getBits, setBits } from "../lib/store/bits.ts";
import { type Command, compare, startPair, type Step } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { compareWithList } from "./support/planted_list.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";
const FUTURE_S = "4102444800";

async function same(steps: readonly Step[], protocol: 2 | 3 = 2): Promise<void> {
  await using pair = await startPair({ protocol });
  await compare(pair, steps);
}

redisTest("SETBIT and GETBIT answer as Redis does", () =>
  same([
    ["SETBIT", "k", "7", "1"],
    ["GET", "k"],
    ["OBJECT", "ENCODING", "k"],
    ["SETBIT", "k", "7", "1"],
    ["SETBIT", "k", "7", "0"],
    ["SETBIT", "k", "100", "0"],
    ["GET", "k"],
    ["SETBIT", "k", "2000000", "1"],
    ["STRLEN", "k"],
    ["GETBIT", "k", "2000000"],
    ["GETBIT", "k", "2000001"],
    ["GETBIT", "k", "4294967295"],
    ["GETBIT", "k", "4294967296"],
    ["GETBIT", "none", "3"],
    ["SET", "n", "12345", "EXAT", FUTURE_S],
    ["GETBIT", "n", "2"],
    ["GETBIT", "n", "3"],
    ["SETBIT", "n", "2", "1"],
    ["OBJECT", "ENCODING", "n"],
    ["PEXPIRETIME", "n"],
    ["GET", "n"],
    ["SETBIT", "n", "6", "1"],
    ["GET", "n"],
  ]));

redisTest("SETBIT and GETBIT refuse the offsets and bits that Redis refuses", async () => {
  const steps: Step[] = [];
  for (
    const offset of [
      "-1",
      "4294967296",
      INT64_MAX,
      "9223372036854775808",
      "x",
      "",
      "#1",
      "1.5",
      " 1",
    ]
  ) {
    steps.push(["SETBIT", "k", offset, "1"], ["SETBIT", "k", offset, "2"], ["GETBIT", "k", offset]);
  }
  for (const bit of ["2", "-1", "x", "", "01", INT64_MAX]) steps.push(["SETBIT", "k", "1", bit]);
  steps.push(["EXISTS", "k"], ["SETBIT", "k", "1"], ["GETBIT", "k"]);
  await same(steps);
});

const INDEXES = [
  INT64_MIN,
  "-100",
  "-9",
  "-8",
  "-7",
  "-2",
  "-1",
  "0",
  "1",
  "2",
  "7",
  "9",
  "63",
  "100",
];

redisTest("BITCOUNT and BITPOS take every range", async () => {
  const values: Uint8Array[] = [
    Uint8Array.of(),
    Uint8Array.of(0xff),
    Uint8Array.of(0, 0),
    Uint8Array.of(0xff, 0xff, 0xff),
    Uint8Array.of(0x10, 0xff, 0x0f, 0x00, 0x01, 0x80, 0xaa, 0x55),
  ];
  for (const value of values) {
    const steps: Step[] = [["SET", "k", value], ["BITCOUNT", "k"]];
    for (const bit of ["0", "1"]) steps.push(["BITPOS", "k", bit]);
    for (const start of [...INDEXES, INT64_MAX]) {
      for (const bit of ["0", "1"]) steps.push(["BITPOS", "k", bit, start]);
      for (const end of [...INDEXES, INT64_MAX]) {
        for (const unit of [[], ["BYTE"], ["bit"]]) {
          steps.push(["BITCOUNT", "k", start, end, ...unit]);
          for (const bit of ["0", "1"]) steps.push(["BITPOS", "k", bit, start, end, ...unit]);
        }
      }
    }
    await same(steps);
  }
});

redisTest("BITCOUNT and BITPOS check their arguments in Redis's order", () =>
  same([
    ["SET", "k", "foobar"],
    ["SET", "n", "1234567"],
    ["BITCOUNT", "n"],
    ["BITPOS", "n", "1", "2"],
    ["BITCOUNT", "none"],
    ["BITCOUNT", "none", "x", "y"],
    ["BITCOUNT", "none", "1"],
    ["BITCOUNT", "k", "1"],
    ["BITCOUNT", "k", "x"],
    ["BITCOUNT", "k", "x", "1"],
    ["BITCOUNT", "k", "1", "x", "junk"],
    ["BITCOUNT", "k", "1", "2", "junk"],
    ["BITCOUNT", "k", "-1", "-2", "junk"],
    ["BITCOUNT", "k", "1", "2", "BIT", "x"],
    ["BITCOUNT", "k", "x", "2", "BIT", "x"],
    ["BITPOS", "none", "1"],
    ["BITPOS", "none", "0"],
    ["BITPOS", "none", "0", "x"],
    ["BITPOS", "none", "2"],
    ["BITPOS", "none", "x"],
    ["BITPOS", "k", "x", "1"],
    ["BITPOS", "k", "2", "x"],
    ["BITPOS", "k", "-1"],
    ["BITPOS", "k", "1", "x"],
    ["BITPOS", "k", "1", "1", "x"],
    ["BITPOS", "k", "1", "x", "1", "junk"],
    ["BITPOS", "k", "1", "1", "x", "junk"],
    ["BITPOS", "k", "1", "1", "2", "junk"],
    ["BITPOS", "k", "1", "1", "2", "BIT", "x"],
    ["BITPOS", "k", "1", "x", "2", "BIT", "x"],
    ["BITPOS", "k"],
    ["BITCOUNT"],
  ]));

redisTest("BITOP combines strings of any lengths", async () => {
  const steps: Step[] = [
    ["SET", "a", Uint8Array.of(0xff, 0x0f, 0xaa, 0x01, 0x80)],
    ["SET", "b", Uint8Array.of(0x0f, 0xff)],
    ["SET", "n", "12345"],
    ["SET", "e", ""],
    ["SET", "long", "long".repeat(1000)],
    ["SET", "longer", "and longer".repeat(1001)],
  ];
  const sources = [
    ["a"],
    ["a", "b"],
    ["b", "a"],
    ["a", "none"],
    ["none", "a", "n"],
    ["n", "n"],
    ["e", "none"],
    ["long", "longer"],
    ["longer", "long", "a", "n", "e"],
    ["n", "longer"],
    ["none"],
  ];
  for (const operation of ["AND", "or", "XOR", "NOT"]) {
    for (const keys of sources) {
      steps.push(["BITOP", operation, "to", ...keys], ["GET", "to"], ["OBJECT", "ENCODING", "to"]);
    }
  }
  steps.push(
    ["BITOP", "XOR", "a", "a", "b"],
    ["GET", "a"],
    ["BITOP", "NOT", "b", "b"],
    ["GET", "b"],
    ["SET", "to", "x", "EXAT", FUTURE_S],
    ["BITOP", "OR", "to", "a"],
    ["PEXPIRETIME", "to"],
    ["BITOP", "OR", "to", "none"],
    ["EXISTS", "to"],
    ["BITOP", "NAND", "to", "a"],
    ["BITOP", "NOT", "to", "a", "b"],
    ["BITOP", "AND", "to"],
  );
  await same(steps);
});

redisTest("BITFIELD reads and writes fields of every width", async () => {
  const steps: Step[] = [];
  for (let bits = 1; bits <= 64; bits++) {
    for (const type of bits < 64 ? [`u${bits}`, `i${bits}`] : [`i${bits}`]) {
      steps.push(
        ["BITFIELD", type, "SET", type, "5", "-1", "GET", type, "5", "GET", type, "6"],
        ["BITFIELD", type, "INCRBY", type, "5", "1", "INCRBY", type, "#1", "3"],
        ["BITFIELD", type, "SET", type, "0", INT64_MAX, "INCRBY", type, "3", "-7"],
        ["BITFIELD_RO", type, "GET", "u13", "2", "GET", type, "5", "GET", "i64", "#2"],
        ["GET", type],
      );
    }
  }
  for (const protocol of [2, 3] as const) await same(steps, protocol);
});

redisTest("BITFIELD wraps, saturates and fails where a field overflows", async () => {
  const steps: Step[] = [];
  const operands = [
    INT64_MIN,
    "-9223372036854775681",
    "-9223372036854775680",
    "-9223372036854775679",
    "-4503599627370497",
    "-129",
    "-128",
    "-1",
    "0",
    "1",
    "127",
    "128",
    "255",
    "256",
    "4503599627370497",
    "9007199254740993",
    INT64_MAX,
  ];
  for (const type of ["u1", "i1", "u8", "i8", "u48", "i48", "u49", "i49", "u63", "i63", "i64"]) {
    for (const overflow of ["WRAP", "sat", "FAIL"]) {
      for (const operand of operands) {
        const start = ["0", "-1", "1", INT64_MAX, INT64_MIN];
        for (const from of start) {
          steps.push(
            ["BITFIELD", "k", "SET", type, "3", from],
            ["BITFIELD", "k", "OVERFLOW", overflow, "INCRBY", type, "3", operand, "GET", type, "3"],
          );
        }
        steps.push(
          ["BITFIELD", "k", "OVERFLOW", overflow, "SET", type, "3", operand, "GET", type, "3"],
        );
      }
    }
  }
  steps.push(["GET", "k"]);
  await same(steps);
});

redisTest("BITFIELD answers as Redis does", async () => {
  for (const protocol of [2, 3] as const) {
    await same([
      ["BITFIELD", "k"],
      ["BITFIELD", "k", "OVERFLOW", "SAT"],
      ["BITFIELD", "k", "GET", "u8", "0"],
      ["EXISTS", "k"],
      ["BITFIELD", "k", "SET", "u8", "#1", "255", "GET", "u8", "0", "incrby", "i5", "100", "1"],
      ["GET", "k"],
      ["BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", "8", "1", "INCRBY", "u8", "8", "-1"],
      ["BITFIELD", "k", "OVERFLOW", "FAIL", "OVERFLOW", "SAT", "INCRBY", "u8", "8", "9"],
      ["BITFIELD", "grown", "OVERFLOW", "FAIL", "INCRBY", "u8", "8", "300"],
      ["GET", "grown"],
      ["SET", "n", "12345", "EXAT", FUTURE_S],
      ["BITFIELD", "n", "GET", "u8", "0", "GET", "u32", "16"],
      ["OBJECT", "ENCODING", "n"],
      ["BITFIELD", "n", "SET", "u8", "0", "49"],
      ["OBJECT", "ENCODING", "n"],
      ["PEXPIRETIME", "n"],
      ["BITFIELD", "n", "GET", "i64", "4294967295", "GET", "u1", "39", "GET", "u16", "32"],
      ["BITFIELD", "k", "SET", "u8", "#2305843009213693952", "5"],
      ["BITFIELD", "k", "GET", "u8", "#1152921504606846976"],
      ["GET", "k"],
    ], protocol);
  }
});

redisTest("BITFIELD and BITFIELD_RO refuse what Redis refuses", async () => {
  const steps: Step[] = [["SET", "k", "v"]];
  for (const name of ["BITFIELD", "BITFIELD_RO"]) {
    for (const type of ["u0", "u64", "i0", "i65", "U8", "x8", "i", "", "u", "u-1", "u08", "i1.0"]) {
      steps.push([name, "k", "GET", type, "0"], [name, "k", "SET", type, "x", "y"]);
    }
    for (
      const offset of [
        "-1",
        "#-1",
        "#",
        "x",
        "",
        "##1",
        "#x",
        INT64_MAX,
        "4294967296",
        "#536870912",
      ]
    ) {
      steps.push([name, "k", "GET", "u8", offset], [name, "k", "SET", "u8", offset, "x"]);
    }
    steps.push(
      [name, "k", "GET"],
      [name, "k", "GET", "u8"],
      [name, "k", "SET", "u8", "0"],
      [name, "k", "INCRBY", "u8", "0"],
      [name, "k", "SET", "u8", "0", "x"],
      [name, "k", "SET", "u8", "0", "9223372036854775808"],
      [name, "k", "OVERFLOW"],
      [name, "k", "OVERFLOW", "junk"],
      [name, "k", "OVERFLOW", "SAT"],
      [name, "k", "OVERFLOW", "SAT", "GET", "u8", "0"],
      [name, "k", "junk"],
      [name, "k", "GET", "u8", "0", "junk"],
      [name, "k", "GET", "u8", "0", "SET", "u8", "0", "1"],
      [name, "k", "SET", "u8", "0", "1", "junk"],
      [name],
    );
  }
  steps.push(["GET", "k"]);
  await same(steps);
});

redisTest("bitmap commands answer a key of another type as Redis does", () =>
  compareWithList([
    ["SETBIT", "l", "1", "1"],
    ["SETBIT", "l", "x", "1"],
    ["SETBIT", "l", "1", "2"],
    ["GETBIT", "l", "1"],
    ["GETBIT", "l", "x"],
    ["BITCOUNT", "l"],
    ["BITCOUNT", "l", "x"],
    ["BITPOS", "l", "1"],
    ["BITPOS", "l", "1", "x"],
    ["BITPOS", "l", "2"],
    ["BITOP", "OR", "to", "none", "l"],
    ["BITOP", "NOT", "to", "l", "l"],
    ["EXISTS", "to"],
    ["BITFIELD", "l"],
    ["BITFIELD", "l", "GET", "u8", "0"],
    ["BITFIELD", "l", "SET", "u8", "0", "1"],
    ["BITFIELD", "l", "SET", "u8", "0", "x"],
    ["BITFIELD_RO", "l", "SET", "u8", "0", "1"],
    ["BITFIELD_RO", "l", "GET", "u8", "0"],
    ["SET", "s", "x"],
    ["BITOP", "NOT", "l", "s"],
    ["GET", "l"],
  ]));

redisTest("bitmap commands tell of the changes that Redis tells of", () =>
  compareEffects([
    ["SETBIT", "k", "9", "0"],
    ["SETBIT", "k", "9", "0"],
    ["SETBIT", "k", "9", "1"],
    ["SETBIT", "k", "30", "0"],
    ["GETBIT", "none", "1"],
    ["BITCOUNT", "none"],
    ["BITPOS", "none", "1"],
    ["BITOP", "NOT", "to", "k"],
    ["BITOP", "NOT", "to", "none"],
    ["BITOP", "NOT", "to", "none"],
    ["BITFIELD", "k", "SET", "u8", "0", "1", "SET", "u8", "0", "1", "INCRBY", "u8", "8", "1"],
    ["BITFIELD", "k", "SET", "u8", "0", "1"],
    ["BITFIELD", "f", "SET", "u8", "0", "0", "SET", "u8", "8", "0"],
    ["BITFIELD", "f", "OVERFLOW", "FAIL", "SET", "u8", "100", "256"],
    ["BITFIELD", "f", "GET", "u8", "0"],
    ["BITFIELD_RO", "none", "GET", "u8", "0"],
  ]));

redisTest("bitmap commands in a random order leave what Redis has", () =>
  seeded(async (rng) => {
    await using pair = await startPair();
    await compare(pair, Array.from({ length: 1500 }, () => randomCommand(rng)));
    await compare(pair, KEYS.map((key) => ["GET", key]));
  }));

const KEYS = ["a", "b", "c"];

function randomCommand(rng: Rng): Command {
  const key = rng.pick(KEYS);
  const bit = String(rng.int(0, 1));
  const at = String(rng.int(0, 2000));
  const range = () => String(rng.int(-300, 300));
  const width = rng.int(1, 63);
  const type = rng.pick(["u", "i"]) + width;
  const unit = rng.pick([[], ["BIT"], ["BYTE"]]);
  switch (rng.int(0, 8)) {
    case 0:
      return ["SET", key, rng.bytes(rng.int(0, 200))];
    case 1:
      return ["SETBIT", key, at, bit];
    case 2:
      return ["GETBIT", key, at];
    case 3:
      return ["BITCOUNT", key, range(), range(), ...unit];
    case 4:
      return ["BITPOS", key, bit, range(), range(), ...unit];
    case 5:
      return ["BITOP", rng.pick(["AND", "OR", "XOR"]), key, rng.pick(KEYS), rng.pick(KEYS)];
    case 6:
      return ["BITOP", "NOT", key, rng.pick(KEYS)];
    case 7:
      return ["BITFIELD", key, "GET", type, at, "GET", "i64", `#${rng.int(0, 30)}`];
    default:
      return [
        "BITFIELD",
        key,
        "OVERFLOW",
        rng.pick(["WRAP", "SAT", "FAIL"]),
        rng.pick(["SET", "INCRBY"]),
        type,
        at,
        String(rng.int(-(2 ** 40), 2 ** 40)),
      ];
  }
}

Deno.test("bits are counted and found from any byte and bit on", () =>
  seeded((rng) => {
    for (let round = 0; round < 300; round++) {
      const off = rng.int(0, 9);
      const len = rng.int(1, 120);
      // Long stretches of one bit, so that whole words are skipped.
      const buf = new Uint8Array(off + len).fill(rng.pick([0, 0xff]));
      for (let i = rng.int(0, 4); i > 0; i--) buf[rng.int(off, off + len - 1)]! = rng.int(0, 255);
      const bits = [...buf.subarray(off)].flatMap((byte) =>
        [...byte.toString(2).padStart(8, "0")].map(Number)
      );
      const start = rng.int(0, bits.length - 1);
      const end = rng.int(start, bits.length - 1);
      const part = bits.slice(start, end + 1);
      const ones = (list: number[]) => list.reduce((sum, bit) => sum + bit, 0);
      assertEquals(countBytes(buf, off, len), ones(bits));
      assertEquals(countBits(buf, off, start, end), ones(part));
      for (const bit of [0, 1] as const) {
        const found = part.indexOf(bit);
        assertEquals(findBit(buf, off, bit, start, end), found < 0 ? -1 : start + found);
      }
    }
  }));

Deno.test("fields of bits hold what was written, and their neighbours stay", () =>
  seeded((rng) => {
    for (let round = 0; round < 500; round++) {
      const buf = rng.bytes(16);
      const before = buf.slice();
      const off = rng.int(0, 3);
      const bits = rng.int(1, 53);
      const at = rng.int(0, 8 * (buf.length - off) - bits);
      const value = Math.floor(rng.float() * 2 ** bits);
      setBits(buf, off, at, bits, value);
      assertEquals(getBits(buf, off, buf.length - off, at, bits), value);
      const whole = (bytes: Uint8Array) =>
        [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
      const first = 8 * off + at;
      assertEquals(whole(buf).slice(0, first), whole(before).slice(0, first));
      assertEquals(whole(buf).slice(first + bits), whole(before).slice(first + bits));
    }
  }));

Deno.test("bytes are combined alike whether they are aligned or not", () => {
  const src = Uint8Array.from({ length: 40 }, (_, i) => i * 37);
  const old = Uint8Array.from({ length: 40 }, (_, i) => 255 - i * 11);
  const each = {
    and: (a: number, b: number) => a & b,
    or: (a: number, b: number) => a | b,
    xor: (a: number, b: number) => a ^ b,
    not: (_: number, b: number) => ~b,
  };
  for (const operation of ["and", "or", "xor", "not"] as const) {
    for (const [to, from] of [[0, 0], [4, 8], [1, 0], [0, 3]] as const) {
      const dst = old.slice();
      combine(operation, dst, to, src, from, 30);
      const expected = old.slice();
      for (let i = 0; i < 30; i++) {
        expected[to + i] = each[operation](old[to + i]!, src[from + i]!);
      }
      assertEquals(dst, expected);
    }
  }
});
