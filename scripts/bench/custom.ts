/** Commands that redis-benchmark has no test for: on collections of a million, and on streams. */
import { RespClient } from "../../tests/support/resp_client.ts";
import { load } from "./load.ts";

export interface CustomTest {
  /** As redis-benchmark takes it: `__rand_int__` stands for 12 digits below `range`. */
  readonly command: readonly string[];
  readonly range: number;
  /** Fills what the command works on, unless it is there. */
  readonly prepare?: (port: number) => Promise<void>;
}

const MILLION = 1_000_000;

function digits(i: number): string {
  return String(i).padStart(12, "0");
}

/** Fills `key` by `commands` commands unless it holds `size` elements, as `count` tells. */
function filled(
  count: string,
  key: string,
  size: number,
  commands: number,
  command: (i: number) => string[],
): (port: number) => Promise<void> {
  return async (port) => {
    using client = await RespClient.connect(port, { timeoutMs: 60_000 });
    const reply = await client.send(count, key);
    if (reply.type === "integer" && Number(reply.value) >= size) return;
    await client.send("DEL", key);
    await load(port, commands, command);
  };
}

function ten(words: (k: number) => string[]): string[] {
  return Array.from({ length: 10 }, (_, k) => words(k)).flat();
}

/** The tests of collections of `size` elements, whose names and keys end with `label`. */
function testsOfSize(label: string, size: number): Record<string, CustomTest> {
  const zset = filled(
    "ZCARD",
    `zset:${label}`,
    size,
    size / 10,
    (i) => [
      "ZADD",
      `zset:${label}`,
      ...ten((k) => [String(10 * i + k), `member:${digits(10 * i + k)}`]),
    ],
  );
  const list = filled(
    "LLEN",
    `list:${label}`,
    size,
    size / 10,
    (i) => ["RPUSH", `list:${label}`, ...ten((k) => [`element:${10 * i + k}`])],
  );
  const hash = filled(
    "HLEN",
    `hash:${label}`,
    size,
    size / 10,
    (i) => ["HSET", `hash:${label}`, ...ten((k) => [`field:${10 * i + k}`, `value:${k}`])],
  );
  const set = filled(
    "SCARD",
    `set:${label}`,
    size / 2,
    size / 10,
    (i) => ["SADD", `set:${label}`, ...ten((k) => [`member:${10 * i + k}`])],
  );
  const stream = filled(
    "XLEN",
    `stream:${label}`,
    size,
    size,
    (i) => ["XADD", `stream:${label}`, `${i + 1}-0`, "field", `value:${i}`],
  );
  const middle = size / 2;
  const tests: Record<string, CustomTest> = {
    zadd: {
      command: ["ZADD", `zset:${label}`, "__rand_int__", "member:__rand_int__"],
      range: size,
      prepare: zset,
    },
    zrank: {
      command: ["ZRANK", `zset:${label}`, "member:__rand_int__"],
      range: size,
      prepare: zset,
    },
    zrange: {
      command: ["ZRANGE", `zset:${label}`, `${middle}`, `${middle + 9}`],
      range: 1,
      prepare: zset,
    },
    lindex_first: { command: ["LINDEX", `list:${label}`, "0"], range: 1, prepare: list },
    lindex_last: { command: ["LINDEX", `list:${label}`, "-1"], range: 1, prepare: list },
    hscan: { command: ["HSCAN", `hash:${label}`, "__rand_int__"], range: size, prepare: hash },
    sscan: { command: ["SSCAN", `set:${label}`, "__rand_int__"], range: size, prepare: set },
    hrandfield: { command: ["HRANDFIELD", `hash:${label}`], range: 1, prepare: hash },
    // A round of the smaller size takes all and goes on with an empty set.
    spop: { command: ["SPOP", `set:${label}`], range: 1, prepare: set },
    srandmember: { command: ["SRANDMEMBER", `set:${label}`], range: 1, prepare: set },
    xrange_10: {
      command: ["XRANGE", `stream:${label}`, "__rand_int__", "+", "COUNT", "10"],
      range: size,
      prepare: stream,
    },
  };
  return Object.fromEntries(
    Object.entries(tests).map(([name, test]) => [`${name}_${label}`, test]),
  );
}

/** By the name that `--tests` gives them: what grows with the size is there for two sizes. */
export const CUSTOM_TESTS: Readonly<Record<string, CustomTest>> = {
  ...testsOfSize("10k", 10_000),
  ...testsOfSize("1m", MILLION),
  xadd: { command: ["XADD", "stream", "*", "field", "value:__rand_int__"], range: MILLION },
  xadd_trim: {
    command: ["XADD", "trimmed", "MAXLEN", "~", "10000", "*", "field", "value:__rand_int__"],
    range: MILLION,
  },
};
