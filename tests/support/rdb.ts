/** RDB files in tests: built by hand, loaded into a server of this process, filled by commands. */
import { crc64 } from "../../lib/bytes/crc64.ts";
import { latin1Bytes } from "../../lib/bytes/text.ts";
import type { ServeOptions } from "../../lib/mod.ts";
import { RdbLoader, type RdbLoaderOptions } from "../../lib/persistence/rdb_loader.ts";
import { Server } from "../../lib/server/server.ts";
import { startRedino as startServer } from "./redino_replica.ts";
import type { Argument, RespClient } from "./resp_client.ts";

export interface Redino extends AsyncDisposable {
  readonly server: Server;
  readonly client: RespClient;
}

/** A server of this process whose parts a test may reach for, and a connection to it. */
export async function startRedino(options: ServeOptions = {}): Promise<Redino> {
  const started = await startServer(options);
  const { server, client } = started;
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  return { server, client, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

export type LoadOptions = Partial<RdbLoaderOptions> & {
  /** How many bytes come at once; all by default. */
  readonly piece?: number;
};

/** A loader for a server's databases, which are as its configuration says. */
export function loaderFor(server: Server, options: Partial<RdbLoaderOptions> = {}): RdbLoader {
  server.time.refresh();
  return new RdbLoader({
    dbs: server.dbs,
    nowMs: server.time.nowMs,
    keepExpired: false,
    limits: server.config.values,
    log: { notice() {}, warning() {} },
    source: "test.rdb",
    verifyChecksum: true,
    ...options,
  });
}

/** Loads a file's bytes into a server's databases, which are emptied before; throws RdbError. */
export function load(server: Server, bytes: Uint8Array, options: LoadOptions = {}): RdbLoader {
  for (const db of server.dbs) db.clear();
  const { piece = bytes.length, ...rest } = options;
  const loader = loaderFor(server, rest);
  for (let at = 0; at < bytes.length && !loader.done; at += piece) {
    loader.push(bytes.subarray(at, at + piece));
  }
  loader.finish();
  return loader;
}

/** Bytes, or a string of which each character is a byte. */
export type Text = string | Uint8Array;

export function bytesOf(text: Text): Uint8Array {
  return typeof text === "string" ? latin1Bytes(text) : text;
}

/** Bytes, texts and builders one after the other. */
export function concat(...parts: readonly (Text | RdbBuilder)[]): Uint8Array {
  const arrays = parts.map((part) => part instanceof RdbBuilder ? part.bytes : bytesOf(part));
  const whole = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}

export function littleEndian(value: number | bigint, bytes: number): Uint8Array {
  const big = BigInt.asUintN(64, BigInt(value));
  return Uint8Array.from({ length: bytes }, (_, i) => Number(big >> BigInt(8 * i) & 0xffn));
}

export function bigEndian(value: number | bigint, bytes: number): Uint8Array {
  return littleEndian(value, bytes).reverse();
}

/** Writes what RDB is made of, as plainly as can be. */
export class RdbBuilder {
  #parts: number[] = [];

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }

  raw(...parts: readonly (Text | number)[]): this {
    for (const part of parts) {
      if (typeof part === "number") this.#parts.push(part);
      else for (const byte of bytesOf(part)) this.#parts.push(byte);
    }
    return this;
  }

  /** A length in its shortest form, or in that of 32 or 64 bits. */
  length(value: number | bigint, bits?: 32 | 64): this {
    if (bits === 64 || value >= 2 ** 32) return this.raw(0x81, bigEndian(value, 8));
    if (bits === 32 || value >= 1 << 14) return this.raw(0x80, bigEndian(value, 4));
    const small = Number(value);
    return small < 64 ? this.raw(small) : this.raw(0x40 | small >> 8, small & 0xff);
  }

  string(text: Text, bits?: 32 | 64): this {
    const bytes = bytesOf(text);
    return this.length(bytes.length, bits).raw(bytes);
  }

  /** A string that is an integer of 8, 16 or 32 bits. */
  integer(value: number, bits: 8 | 16 | 32): this {
    return this.raw(0xc0 | Math.log2(bits / 8), littleEndian(value, bits / 8));
  }

  /** A key of a type, whose value follows. */
  key(type: number, key: Text): this {
    return this.raw(type).string(key);
  }
}

/** A file of a version with these records; from version 5 on with its checksum, or zeros for it. */
export function rdbFile(
  version: number,
  records: RdbBuilder,
  checksum: "right" | "none" = "right",
): Uint8Array {
  const body = concat(`REDIS${String(version).padStart(4, "0")}`, records, Uint8Array.of(0xff));
  if (version < 5) return body;
  return concat(body, checksum === "right" ? checksumOf(body) : new Uint8Array(8));
}

/** The payload that DUMP would answer for a value, its type before it. */
export function dumpPayload(value: RdbBuilder, version = 10): Uint8Array {
  const body = concat(value, littleEndian(version, 2));
  return concat(body, checksumOf(body));
}

function checksumOf(bytes: Uint8Array): Uint8Array {
  const crc = new Uint32Array(2);
  crc64(crc, bytes, 0, bytes.length);
  return concat(littleEndian(crc[0]!, 4), littleEndian(crc[1]!, 4));
}

/**
 * Commands that make keys of all types and encodings, streams with groups included; the large ones
 * have so many elements.
 */
export function everyType(elements = 1000): Argument[][] {
  const commands: Argument[][] = [
    ["SET", "empty", ""],
    ["SET", "int8", "-128"],
    ["SET", "int16", "32767"],
    ["SET", "int32", "-2147483648"],
    ["SET", "int64", "9223372036854775807"],
    ["SET", "almost int", "007"],
    ["SET", "short", "hello"],
    ["SET", "embstr", "x".repeat(44)],
    ["SET", "repeats", "abc".repeat(5000)],
    ["SET", Uint8Array.of(0, 255, 10, 13), Uint8Array.of(255, 0, 254, 1)],
    ["SET", "k".repeat(40_000), "long key"],
    ["SET", "volatile", "v", "PX", "100000000"],
    ["SETBIT", "bits", "300000", "1"],
    ["PFADD", "hll", "a", "b", "c"],
    ["RPUSH", "list", "a", "1", "-70000", "", "x".repeat(100)],
    ["SADD", "intset16", "1", "-2", "300"],
    ["SADD", "intset32", "1", "-2", "70000"],
    ["SADD", "intset64", "1", "-2", "9223372036854775807", "-9223372036854775808"],
    ["SADD", "small set", "a", "1", "bb"],
    ["SADD", "long set", "y".repeat(300), "1", "b"],
    ["HSET", "hash", "f", "v", "1", "2", "empty", "", "big", "9223372036854775807"],
    ["HSET", "long hash", "f", "z".repeat(40_000), "g", "1"],
    ["ZADD", "zset", "1.5", "a", "-inf", "b", "inf", "c", "3", "d", "1048576.5", "e", "3", "10"],
    ["ZADD", "long zset", "1", "m".repeat(100), "-0.125", "n", "-3", "o"],
    ["GEOADD", "geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"],
    ["XADD", "stream", "1-1", "f", "v", "g", "1"],
    ["XADD", "stream", "1-2", "f", "w", "g", "-7000000000"],
    ["XADD", "stream", "2-0", "other", "fields", "than", "before"],
    ["XADD", "stream", "18446744073709551615-3", "f", "last"],
    ["XDEL", "stream", "1-2"],
    ["XGROUP", "CREATE", "stream", "group", "0"],
    ["XGROUP", "CREATE", "stream", "other", "1-1", "ENTRIESREAD", "1"],
    ["XGROUP", "CREATECONSUMER", "stream", "group", "idle"],
    ["XREADGROUP", "GROUP", "group", "alice", "COUNT", "2", "STREAMS", "stream", ">"],
    ["XREADGROUP", "GROUP", "group", "bob", "STREAMS", "stream", ">"],
    ["XACK", "stream", "group", "1-1"],
    ["XADD", "emptied", "5-5", "f", "v"],
    ["XDEL", "emptied", "5-5"],
    ["XGROUP", "CREATE", "emptied", "g", "$"],
    ["PEXPIRE", "stream", "100000000"],
    ["SELECT", "3"],
    ["SET", "elsewhere", "v"],
  ];
  for (let i = 0; i < elements; i++) {
    const text = `element ${i} ${"ab".repeat(i % 40)}`;
    commands.push(["RPUSH", "long list", i % 3 === 0 ? i * i : text]);
    commands.push(["SADD", "large set", i % 3 === 0 ? i : text]);
    commands.push(["HSET", "large hash", text, i % 2 === 0 ? i : text]);
    commands.push(["ZADD", "large zset", (i * 7919 % elements) / 8, text]);
    commands.push(["XADD", "long stream", `${i + 1}-${i}`, "field", text, "n", i]);
  }
  commands.push(
    ["RPUSH", "long list", "p".repeat(20_000), "q"],
    ["XTRIM", "long stream", "MAXLEN", Math.floor(elements * 0.75)],
    ["XDEL", "long stream", `${elements / 2}-${elements / 2 - 1}`],
    ["XGROUP", "CREATE", "long stream", "g", "0"],
    [
      "XREADGROUP",
      "GROUP",
      "g",
      "c",
      "COUNT",
      Math.floor(elements / 5),
      "STREAMS",
      "long stream",
      ">",
    ],
    ["EXPIREAT", "large zset", "4000000000"],
    ["SELECT", "0"],
  );
  return commands;
}

/** Runs commands and throws for the first that is answered with an error. */
export async function runAll(client: RespClient, commands: readonly Argument[][]): Promise<void> {
  for (const command of commands) {
    const reply = await client.send(...command);
    if (reply.type === "error") throw new Error(`${command.join(" ").slice(0, 80)}: ${reply.text}`);
  }
}
