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

const zset = filled(
  "ZCARD",
  "zset:1m",
  MILLION,
  MILLION / 10,
  (i) => ["ZADD", "zset:1m", ...ten((k) => [String(10 * i + k), `member:${digits(10 * i + k)}`])],
);
const list = filled(
  "LLEN",
  "list:1m",
  MILLION,
  MILLION / 10,
  (i) => ["RPUSH", "list:1m", ...ten((k) => [`element:${10 * i + k}`])],
);
const hash = filled(
  "HLEN",
  "hash:1m",
  MILLION,
  MILLION / 10,
  (i) => ["HSET", "hash:1m", ...ten((k) => [`field:${10 * i + k}`, `value:${k}`])],
);
const set = filled(
  "SCARD",
  "set:1m",
  MILLION / 2,
  MILLION / 10,
  (i) => ["SADD", "set:1m", ...ten((k) => [`member:${10 * i + k}`])],
);
const stream = filled(
  "XLEN",
  "stream:1m",
  MILLION,
  MILLION,
  (i) => ["XADD", "stream:1m", `${i + 1}-0`, "field", `value:${i}`],
);

function ten(words: (k: number) => string[]): string[] {
  return Array.from({ length: 10 }, (_, k) => words(k)).flat();
}

/** By the name that `--tests` gives them. */
export const CUSTOM_TESTS: Readonly<Record<string, CustomTest>> = {
  zadd_1m: {
    command: ["ZADD", "zset:1m", "__rand_int__", "member:__rand_int__"],
    range: MILLION,
    prepare: zset,
  },
  zrank_1m: { command: ["ZRANK", "zset:1m", "member:__rand_int__"], range: MILLION, prepare: zset },
  zrange_1m: {
    command: ["ZRANGE", "zset:1m", "500000", "500009"],
    range: MILLION,
    prepare: zset,
  },
  lindex_first_1m: { command: ["LINDEX", "list:1m", "0"], range: 1, prepare: list },
  lindex_last_1m: { command: ["LINDEX", "list:1m", "-1"], range: 1, prepare: list },
  hscan_1m: { command: ["HSCAN", "hash:1m", "__rand_int__"], range: MILLION, prepare: hash },
  sscan_1m: { command: ["SSCAN", "set:1m", "__rand_int__"], range: MILLION, prepare: set },
  hrandfield_1m: { command: ["HRANDFIELD", "hash:1m"], range: 1, prepare: hash },
  srandmember_1m: { command: ["SRANDMEMBER", "set:1m"], range: 1, prepare: set },
  spop_1m: { command: ["SPOP", "set:1m"], range: 1, prepare: set },
  xadd: { command: ["XADD", "stream", "*", "field", "value:__rand_int__"], range: MILLION },
  xrange_10_1m: {
    command: ["XRANGE", "stream:1m", "__rand_int__", "+", "COUNT", "10"],
    range: MILLION,
    prepare: stream,
  },
  xadd_trim: {
    command: ["XADD", "trimmed", "MAXLEN", "~", "10000", "*", "field", "value:__rand_int__"],
    range: MILLION,
  },
};
