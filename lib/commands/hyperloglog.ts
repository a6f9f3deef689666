/** HyperLogLog: PFADD and its family. A HyperLogLog is a string, so all string commands see it. */
import { hashBytes } from "../bytes/hash.ts";
import { cString, latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { Database, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import {
  countRegisters,
  HyperLogLog,
  isDenseValue,
  isHyperLogLog,
  mergeValueInto,
  REGISTERS,
} from "../store/hyperloglog.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const HYPERLOGLOG_COMMANDS = [
  {
    name: "pfadd",
    arity: -2,
    flags: ["write", "denyoom", "fast"],
    group: "hyperloglog",
    since: "2.8.9",
    complexity: "O(1) for each element",
    summary: "Adds elements to a HyperLogLog, which is created where there is none.",
    syntax: "key:key [element:string...]",
    keys: keys("RW insert"),
    handler: pfadd,
  },
  {
    name: "pfcount",
    arity: -2,
    flags: ["readonly"],
    group: "hyperloglog",
    since: "2.8.9",
    complexity: "O(1) for one key, mostly from what was counted before; O(N) for N keys, and slow",
    summary: "Estimates how many different elements HyperLogLogs have together.",
    syntax: "key:key...",
    keys: [{
      flags: "RW access",
      begin: 1,
      range: [-1, 1, 0],
      notes: "Written to because the estimate for a single key is kept in it",
    }],
    traits: ["may_replicate"],
    handler: pfcount,
  },
  {
    name: "pfmerge",
    arity: -2,
    flags: ["write", "denyoom"],
    group: "hyperloglog",
    since: "2.8.9",
    complexity: "O(N), N being the number of HyperLogLogs, and slow",
    summary: "Adds the elements of HyperLogLogs to one.",
    syntax: "destkey:key [sourcekey:key#1...]",
    keys: [
      { flags: "RW access insert", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, range: [-1, 1, 0] },
    ],
    handler: pfmerge,
  },
  {
    name: "pfdebug",
    arity: 3,
    flags: ["write", "denyoom", "admin"],
    group: "hyperloglog",
    since: "2.8.9",
    complexity: "O(1), as the number of registers is fixed",
    summary: "Looks into a HyperLogLog's representation, for debugging.",
    syntax: "subcommand:string key:key",
    keys: keys("RW access", 2),
    handler: pfdebug,
  },
  {
    name: "pfselftest",
    arity: 1,
    flags: ["admin"],
    group: "hyperloglog",
    since: "2.8.9",
    complexity: "O(1), as what it tries is fixed",
    summary: "Tries the implementation of HyperLogLogs.",
    syntax: "",
    handler: pfselftest,
  },
] as const satisfies readonly CommandSpec[];

const NOT_A_HYPERLOGLOG = new ReplyError(
  "WRONGTYPE Key is not a valid HyperLogLog string value.",
);
const NO_SUCH_HYPERLOGLOG = new ReplyError("ERR The specified key does not exist");
const NOT_SPARSE = new ReplyError("ERR HLL encoding is not sparse");

// The handle of the running command, and the registers of several values together.
const counter = new HyperLogLog();
const merged = new Uint8Array(REGISTERS);

/** Checks what a key holds; returns its entry, which may be 0. */
function checked({ db }: Client, entry: number): number {
  if (entry === 0) return 0;
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  if (!isHyperLogLog(db, entry)) throw NOT_A_HYPERLOGLOG;
  return entry;
}

/** Opens the HyperLogLog of argument 1, which is created where `entry` is 0. */
function openFirst({ db }: Client, args: Args, entry: number): void {
  if (entry !== 0) {
    counter.open(db, entry);
    return;
  }
  const hash = args.hashed ? args.hash : hashBytes(args.buf, args.off(1), args.len(1));
  counter.create(db, args.buf, args.off(1), args.len(1), hash);
}

function pfadd(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const maxSparseBytes = server.config.values["hll-sparse-max-bytes"];
  const entry = checked(client, db.write(args, 1));
  openFirst(client, args, entry);
  let changes = entry === 0 ? 1 : 0;
  for (let i = 2; i < args.count; i++) {
    if (counter.add(args.buf, args.off(i), args.len(i), maxSparseBytes)) changes++;
  }
  if (changes > 0) {
    counter.invalidate();
    client.changed(args, 1, EVENT.string, "pfadd");
    server.effects.dirty += changes - 1;
  }
  reply.integer(changes > 0 ? 1 : 0);
}

function pfcount(client: Client, args: Args): void {
  const { db, reply } = client;
  if (args.count > 2) {
    mergeKeys(client, args);
    return replyCount(client, countRegisters(merged));
  }
  const entry = checked(client, db.read(args, 1));
  if (entry === 0) return reply.integer(0);
  // Taking it may move it, and the kept estimate is a change of the value, but no event.
  db.beforeWrite(entry);
  counter.open(db, entry);
  const { cached } = counter;
  if (cached !== undefined) return replyCount(client, cached);
  const count = counter.count();
  client.changed(args, 1, 0, "");
  replyCount(client, count);
}

function replyCount({ reply }: Client, count: number | bigint): void {
  if (Number.isSafeInteger(count)) reply.integer(Number(count));
  else reply.bigInteger(BigInt(count));
}

/** Fills `merged` from all key arguments; returns whether one of them is dense. */
function mergeKeys(client: Client, args: Args): boolean {
  const { db } = client;
  let anyDense = false;
  merged.fill(0);
  for (let i = 1; i < args.count; i++) {
    const entry = checked(client, db.read(args, i));
    if (entry === 0) continue;
    if (isDenseValue(db, entry)) anyDense = true;
    mergeValueInto(db, entry, merged);
  }
  return anyDense;
}

function pfmerge(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const maxSparseBytes = server.config.values["hll-sparse-max-bytes"];
  const anyDense = mergeKeys(client, args);
  openFirst(client, args, db.write(args, 1));
  if (anyDense) counter.toDense();
  for (let i = 0; i < REGISTERS; i++) {
    if (merged[i] !== 0) counter.raise(i, merged[i]!, maxSparseBytes);
  }
  counter.invalidate();
  client.changed(args, 1, EVENT.string, "pfadd");
  reply.ok();
}

function pfdebug(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = checked(client, db.write(args, 2));
  if (entry === 0) throw NO_SUCH_HYPERLOGLOG;
  counter.open(db, entry);
  if (args.is(1, "GETREG")) {
    makeDense(client);
    merged.fill(0);
    counter.mergeInto(merged);
    reply.array(REGISTERS);
    for (let i = 0; i < REGISTERS; i++) reply.integer(merged[i]!);
  } else if (args.is(1, "DECODE")) {
    if (counter.isDense) throw NOT_SPARSE;
    reply.bulk(latin1Bytes(counter.describe()));
  } else if (args.is(1, "ENCODING")) {
    reply.simple(counter.isDense ? "dense" : "sparse");
  } else if (args.is(1, "TODENSE")) {
    reply.integer(makeDense(client) ? 1 : 0);
  } else {
    throw new ReplyError(`ERR Unknown PFDEBUG subcommand '${cString(args.text(1))}'`);
  }
}

/** Makes `counter` dense, which counts as a change but is none to those who watch the key. */
function makeDense({ server }: Client): boolean {
  if (counter.isDense) return false;
  counter.toDense();
  server.effects.dirty++;
  return true;
}

// ---- PFSELFTEST ------------------------------------------------------------------------------------

const TRIED_ELEMENTS = 100_000;
/** Of an estimate with 16384 registers. */
const STANDARD_ERROR = 1.04 / Math.sqrt(REGISTERS);

/** Adds elements to a sparse and a dense HyperLogLog, which must agree and not be far off. */
function pfselftest(client: Client): void {
  const { server, reply } = client;
  const db = new Database(0, { ...server.databaseContext, listener: DEAF });
  const maxSparseBytes = server.config.values["hll-sparse-max-bytes"];
  const [sparse, dense] = ["sparse", "dense"].map((name) => {
    const key = latin1Bytes(name);
    return new HyperLogLog().create(db, key, 0, key.length, hashBytes(key, 0, key.length));
  });
  dense!.toDense();
  const element = new Uint8Array(8);
  const words = new Uint32Array(element.buffer);
  words[0] = server.random() * 2 ** 32;
  for (let i = 1, checkpoint = 1; i <= TRIED_ELEMENTS; i++) {
    words[1] = i;
    sparse!.add(element, 0, 8, maxSparseBytes);
    dense!.add(element, 0, 8, maxSparseBytes);
    if (i !== checkpoint) continue;
    const count = dense!.count();
    if (sparse!.count() !== count) throw new ReplyError("TESTFAILED dense/sparse disagree");
    const error = Math.abs(count - i);
    if (error > Math.ceil(6 * STANDARD_ERROR * i)) {
      throw new ReplyError(`TESTFAILED Too big error. card:${i} abserr:${error}`);
    }
    checkpoint *= 10;
  }
  reply.ok();
}

const DEAF = { keyMissed() {}, keyAdded() {}, keyExpired() {}, keyEvicted() {} };
