/**
 * DEBUG: looks into the server, and sets it up for tests. Redis's subcommands that crash or restart
 * the process are refused; those that tune what this server has no part for are accepted, so that
 * programs written for Redis's tests run.
 */
import { parseDouble } from "../bytes/double.ts";
import { globMatch } from "../bytes/glob.ts";
import { parseInteger } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { parseMemory } from "../config/memory.ts";
import type { Args } from "../resp/args.ts";
import { NO_SUCH_KEY, ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { datasetDigest, valueDigest } from "../server/digest.ts";
import { Arena } from "../bytes/arena.ts";
import { LoadError } from "../persistence/persistence.ts";
import { RdbOutput } from "../persistence/rdb_output.ts";
import { writeValue } from "../persistence/rdb_write.ts";
import { ENCODING, NO_EXPIRY, TYPE } from "../store/database.ts";
import type { HashTable } from "../store/hash_table.ts";
import type { Quicklist } from "../store/quicklist.ts";
import { setString } from "../store/string_value.ts";
import { integerArg } from "./arguments.ts";
import { debugProtocol } from "./debug_protocol.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import { encodingName, referenceCount } from "./object.ts";
import type { CommandSpec, Handler } from "./spec.ts";

export const DEBUG_COMMANDS = [
  {
    name: "debug",
    arity: -2,
    flags: ["admin", "noscript", "loading", "stale"],
    group: "server",
    since: "1.0.0",
    complexity: "Depends on the subcommand.",
    summary: "Looks into the server, for tests and diagnosis.",
    syntax: "",
    traits: ["protected"],
    partial: "nothing that crashes or restarts the server, no LOADAOF",
    handler: debug,
  },
] as const satisfies readonly CommandSpec[];

const HELP = [
  "CHANGE-REPL-ID",
  "    Give the data a new replication ID, which no replica knows.",
  "CONFIG-REWRITE-FORCE-ALL",
  "    CONFIG REWRITE that writes every directive, also where it has its default value.",
  "DIGEST",
  "    A digest of all data; the same as Redis's for the same data.",
  "DIGEST-VALUE <key> [<key> ...]",
  "    A digest of each key's value.",
  "ERROR <string>",
  "    Answer with an error that has this text.",
  "HTSTATS <dbid>",
  "    The state of a database's index.",
  "HTSTATS-KEY <key>",
  "    The state of a value's hash table.",
  "JMAP",
  "    Show what V8 takes of memory; Redis has no such heap and no such subcommand.",
  "LEAK <string>",
  "    Keep a copy of the string for ever.",
  "LISTPACK <key>",
  "    Log the listpack of a value.",
  "LOG <message>",
  "    Write a line to the server's log.",
  "OBJECT <key>",
  "    How a key's value is kept.",
  "PAUSE-CRON <0|1>",
  "    Stop what the server does by the clock, or start it again.",
  "POPULATE <count> [<prefix>] [<size>]",
  "    Create <count> strings with the keys <prefix>:0, <prefix>:1 and so on (key:0 …",
  "    unless given), each <size> bytes long. Keys that are there stay as they are.",
  "PROTOCOL <type>",
  "    Answer with a value of a type: string, integer, double, bignum, null, array,",
  "    set, map, attrib, push, verbatim, true, false.",
  "QUICKLIST <key>",
  "    Log the quicklist of a value.",
  "QUICKLIST-PACKED-THRESHOLD <size>",
  "    Accepted, if it is an amount of memory below 4gb.",
  "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
  "    Save the data and load them again. MERGE: a key that is there already is",
  "    replaced; NOFLUSH: the data stay while the file is loaded; NOSAVE: the file",
  "    that is there is loaded.",
  "REPLICATE <command> [<arg> ...]",
  "    Send the replicas a command that is not run here, to make their data differ.",
  "SDSLEN <key>",
  "    Lengths of a key and its string in memory.",
  "SET-ACTIVE-EXPIRE <0|1>",
  "    Stop removing expired keys that nobody asks for, or start it again.",
  "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
  "    Take RDB files and RESTORE's payloads whatever their checksum, or refuse them again.",
  "SLEEP <seconds>",
  "    Stop the whole server for some time, which may be a fraction.",
  "STRINGMATCH-LEN <length> <pattern>",
  '    Whether the pattern matches so many letters "a".',
  "STRUCTSIZE",
  "    Sizes of the store's structures in bytes.",
];

/** What a subcommand takes, counted with DEBUG and its own name, and what it does. */
interface Subcommand {
  readonly min: number;
  readonly max: number;
  readonly run: Handler;
}

function takes(min: number, max: number, run: Handler): Subcommand {
  return { min, max, run };
}

const BAD_RELOAD = new ReplyError(
  "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
);

const accepted: Handler = ({ reply }) => reply.ok();

const refused: Handler = (_client, args) => {
  throw new ReplyError(`ERR DEBUG ${args.text(1).toUpperCase()} would end the server: refused`);
};

const SUBCOMMANDS = new Map<string, Subcommand>([
  ["AOF-FLUSH-SLEEP", takes(3, 3, accepted)],
  ["ASSERT", takes(2, 2, refused)],
  ["CHANGE-REPL-ID", takes(2, 2, changeReplId)],
  ["CLOSE-CLUSTER-LINK-ON-PACKET-DROP", takes(3, 3, accepted)],
  ["CONFIG-REWRITE-FORCE-ALL", takes(2, 2, configRewriteForceAll)],
  ["CRASH-AND-RECOVER", takes(2, 3, refused)],
  ["DICT-RESIZING", takes(3, 3, accepted)],
  ["DIGEST", takes(2, 2, digest)],
  ["DIGEST-VALUE", takes(2, Infinity, digestValue)],
  ["DROP-CLUSTER-PACKET-FILTER", takes(3, 3, accepted)],
  ["ERROR", takes(3, 3, error)],
  ["HELP", takes(2, 2, helpHandler("debug", HELP))],
  ["HTSTATS", takes(3, 4, htstats)],
  ["HTSTATS-KEY", takes(3, 4, htstatsKey)],
  ["LEAK", takes(3, 3, leak)],
  ["JMAP", takes(2, 2, jmap)],
  ["LOADAOF", takes(2, 2, loadAof)],
  ["LISTPACK", takes(3, 3, (client, args) => logValue(client, args, ENCODING.listpack))],
  ["LOG", takes(3, 3, log)],
  ["OBJECT", takes(3, 4, object)],
  ["OOM", takes(2, Infinity, refused)],
  ["PANIC", takes(2, 2, refused)],
  ["PAUSE-CRON", takes(3, 3, pauseCron)],
  ["POPULATE", takes(3, 5, populate)],
  ["PROTOCOL", takes(3, 3, debugProtocol)],
  ["QUICKLIST", takes(3, 4, (client, args) => logValue(client, args, ENCODING.quicklist))],
  ["QUICKLIST-PACKED-THRESHOLD", takes(3, 3, packedThreshold)],
  ["RELOAD", takes(2, Infinity, reload)],
  ["REPLICATE", takes(3, Infinity, replicate)],
  ["REPLYBUFFER", takes(4, 4, replyBuffer)],
  ["RESTART", takes(2, 3, refused)],
  ["SDSLEN", takes(3, 3, sdslen)],
  ["SEGFAULT", takes(2, 2, refused)],
  ["SET-ACTIVE-EXPIRE", takes(3, 3, setActiveExpire)],
  ["SET-DISABLE-DENY-SCRIPTS", takes(3, 3, accepted)],
  ["SET-SKIP-CHECKSUM-VALIDATION", takes(3, 3, setSkipChecksumValidation)],
  ["SLEEP", takes(3, 3, sleep)],
  ["STRINGMATCH-LEN", takes(4, 4, stringMatchLength)],
  ["STRUCTSIZE", takes(2, 2, structSize)],
]);

function debug(client: Client, args: Args): void {
  const subcommand = SUBCOMMANDS.get(args.text(1).toUpperCase());
  if (subcommand === undefined || args.count < subcommand.min || args.count > subcommand.max) {
    throw subcommandSyntaxError(args);
  }
  subcommand.run(client, args);
}

/** The key that is argument 2, also where its time has come: nothing is counted or removed. */
function keyArg({ db }: Client, args: Args): number {
  const entry = db.map.find(args.buf, args.off(2), args.len(2));
  if (entry === 0) throw NO_SUCH_KEY;
  return entry;
}

/** Argument `i` as C's atoi reads it: what is no number is 0. */
function flagArg(args: Args, i: number): boolean {
  return Boolean(Number.parseInt(args.text(i), 10));
}

// ---- data ----------------------------------------------------------------------------------------

function digest({ reply, server }: Client): void {
  reply.simple(datasetDigest(server.dbs));
}

function digestValue({ db, reply }: Client, args: Args): void {
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    reply.simple(valueDigest(db, db.map.find(args.buf, args.off(i), args.len(i))));
  }
}

function object(client: Client, args: Args): void {
  const entry = keyArg(client, args);
  if (args.count === 4 && !args.is(3, "FAST")) throw subcommandSyntaxError(args);
  const { db, reply, server } = client;
  const lru = db.accessBits(entry);
  const length = args.count === 4 ? "" : ` serializedlength:${serializedLength(client, entry)}`;
  reply.simple(
    `Value at:0x${(entry >>> 0).toString(16)} refcount:${referenceCount(client, entry)} ` +
      `encoding:${encodingName(db, entry)}${length} ` +
      `lru:${lru} lru_seconds_idle:${server.access.idleSeconds(lru)}` +
      (args.count === 3 && db.encoding(entry) === ENCODING.quicklist ? nodes(client, entry) : ""),
  );
}

/** What DEBUG OBJECT tells of a quicklist's nodes. */
function nodes({ db, server }: Client, entry: number): string {
  const list = db.objects[db.low(entry)] as Quicklist;
  const fill = server.config.values["list-max-listpack-size"];
  return ` ql_nodes:${list.nodes} ql_avg_node:${(list.length / list.nodes).toFixed(2)} ` +
    `ql_listpack_max:${fill} ql_compressed:0 ql_uncompressed_size:${list.totalBytes}`;
}

/** Bytes of a value in RDB's format. */
function serializedLength({ db, server }: Client, entry: number): number {
  const output = new RdbOutput({
    compress: server.config.values.rdbcompression,
    checksum: false,
  });
  writeValue(output, db, entry);
  return output.bytes;
}

/** The map of V8's heap, as far as Deno tells it: our own, as Redis has no such heap. */
function jmap(client: Client): void {
  const { rss, heapTotal, heapUsed, external } = Deno.memoryUsage();
  client.reply.simple(
    `rss:${rss}, heap_total:${heapTotal}, heap_used:${heapUsed}, external:${external}`,
  );
}

function configRewriteForceAll({ reply, server }: Client): void {
  server.config.rewrite(undefined, true);
  reply.ok();
}

function sdslen(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = keyArg(client, args);
  if (db.type(entry) !== TYPE.string || db.encoding(entry) === ENCODING.int) {
    throw new ReplyError("ERR Not an sds encoded string.");
  }
  const keyLen = db.map.keyLen(entry);
  const len = db.high(entry);
  const room = Arena.blockBytes(len);
  reply.simple(
    `key_sds_len:${keyLen}, key_sds_avail:0, key_zmalloc: ${Arena.blockBytes(keyLen)}, ` +
      `val_sds_len:${len}, val_sds_avail:${room - len}, val_zmalloc: ${room}`,
  );
}

function logValue(client: Client, args: Args, encoding: number): void {
  const { db, reply, server } = client;
  const entry = keyArg(client, args);
  const name = encoding === ENCODING.listpack ? "listpack" : "quicklist";
  if (db.encoding(entry) !== encoding) throw new ReplyError(`ERR Not a ${name} encoded object.`);
  server.log.warning(`DEBUG ${name} ${args.text(2)}: ${db.high(entry)} bytes`);
  reply.simple(`${name[0]!.toUpperCase()}${name.slice(1)} structure printed on stdout`);
}

function htstats({ reply, server }: Client, args: Args): void {
  const number = integerArg(args, 2);
  const db = server.dbs[number];
  if (db === undefined) throw new ReplyError("ERR Out of range database");
  checkFull(args);
  const text = "[Dictionary HT]\n" + tableStats(db.map.slotCount, db.size) +
    "[Expires HT]\n" + tableStats(db.volatile.length, db.volatileCount);
  reply.verbatim("txt", latin1Bytes(text));
}

function htstatsKey(client: Client, args: Args): void {
  const entry = keyArg(client, args);
  checkFull(args);
  const { db, reply } = client;
  if (db.encoding(entry) === ENCODING.hashtable) {
    const { map } = db.objects[db.low(entry)] as HashTable;
    return reply.verbatim("txt", latin1Bytes(tableStats(map.slotCount, map.count)));
  }
  throw new ReplyError(
    "ERR The value stored at the specified key is not represented using an hash table",
  );
}

/** HTSTATS takes the word "full" since 7.2. */
function checkFull(args: Args): void {
  if (args.count === 4 && !args.is(3, "FULL")) throw subcommandSyntaxError(args);
}

function tableStats(slots: number, count: number): string {
  const head = "Hash table 0 stats (main hash table):\n";
  if (count === 0) return `${head}No stats available for empty dictionaries\n`;
  return `${head} table size: ${slots}\n number of elements: ${count}\n`;
}

function reload({ reply, server }: Client, args: Args): void {
  const { dbs, log, persistence } = server;
  let merge = false;
  let flushes = true;
  let saves = true;
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, "MERGE")) merge = true;
    else if (args.is(i, "NOFLUSH")) flushes = false;
    else if (args.is(i, "NOSAVE")) saves = false;
    else throw BAD_RELOAD;
  }
  if (saves && !persistence.save()) throw new ReplyError("ERR");
  if (flushes) { for (const db of dbs) db.clear(); }
  try {
    persistence.loadNow(merge);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    log.warning(error.message);
    throw new ReplyError("ERR Error trying to load the RDB dump, check server logs.");
  }
  log.warning("DB reloaded by DEBUG RELOAD");
  reply.ok();
}

/** Redis empties itself before it finds that there is no such file; the data stay here. */
function loadAof(): void {
  throw new ReplyError("ERR Error trying to load the AOF files, check server logs.");
}

/** Replicas that come back must get everything. */
function changeReplId({ reply, server }: Client): void {
  server.log.notice("Changing replication IDs after receiving change-repl-id");
  server.replication.begin();
  reply.ok();
}

function replicate({ db, propagation, reply }: Client, args: Args): void {
  propagation.also(db.number, args.views(2));
  reply.ok();
}

function populate({ db, reply, server }: Client, args: Args): void {
  const count = positiveArg(args, 2);
  const prefix = args.count > 3 ? args.text(3) : "key";
  const size = args.count > 4 ? positiveArg(args, 4) : 0;
  for (let i = 0; i < count; i++) {
    const key = latin1Bytes(`${prefix}:${i}`);
    // Expired or not: a look-up might only hide it.
    if (db.map.find(key, 0, key.length) !== 0) continue;
    let value = latin1Bytes(`value:${i}`);
    if (size > 0) {
      const sized = new Uint8Array(size);
      sized.set(value.subarray(0, size));
      value = sized;
    }
    setString(db, key, 0, key.length, value, 0, value.length, NO_EXPIRY);
    if (server.watches.size > 0) server.watches.changed(db, key, 0, key.length);
  }
  reply.ok();
}

function positiveArg(args: Args, i: number): number {
  const value = parseInteger(args.buf, args.off(i), args.len(i));
  if (!(value >= 0)) throw new ReplyError("ERR value is out of range, must be positive");
  return value;
}

function structSize({ reply }: Client): void {
  reply.bulkText("bits:64 entry:12 entry_expiry:12 index_slot:8 arena_unit:8 ");
}

function stringMatchLength({ reply }: Client, args: Args): void {
  const text = new Uint8Array(positiveArg(args, 2)).fill(0x61);
  reply.integer(globMatch(args.view(3), text, false) ? 1 : 0);
}

// ---- the server ----------------------------------------------------------------------------------

function error({ reply }: Client, args: Args): void {
  // Written raw, because Redis does not count it as an error reply.
  const text = args.text(2).replace(/[\r\n]/g, " ");
  reply.raw(latin1Bytes(`-${text}\r\n`));
}

function log({ reply, server }: Client, args: Args): void {
  server.log.warning(`DEBUG LOG: ${args.text(2)}`);
  reply.ok();
}

const leaked: Uint8Array[] = [];

function leak({ reply }: Client, args: Args): void {
  leaked.push(args.copy(2));
  reply.ok();
}

/** Nothing else runs meanwhile, as in Redis. */
function sleep({ reply }: Client, args: Args): void {
  const bytes = args.view(2);
  const seconds = parseDouble(bytes, 0, bytes.length) ?? 0;
  if (seconds > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
  reply.ok();
}

function setActiveExpire({ reply, server }: Client, args: Args): void {
  server.activeExpiry.enabled = flagArg(args, 2);
  reply.ok();
}

function setSkipChecksumValidation({ reply, server }: Client, args: Args): void {
  server.persistence.verifiesChecksums = !flagArg(args, 2);
  reply.ok();
}

function pauseCron({ reply, server }: Client, args: Args): void {
  if (flagArg(args, 2)) server.cron.stop();
  else server.cron.start();
  reply.ok();
}

const PACKED_LIMIT = 2 ** 32;

function packedThreshold({ reply }: Client, args: Args): void {
  const bytes = parseMemory(args.text(2));
  if (bytes === undefined || bytes >= PACKED_LIMIT) {
    throw new ReplyError(
      "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
    );
  }
  reply.ok();
}

function replyBuffer({ reply }: Client, args: Args): void {
  if (args.is(2, "PEAK-RESET-TIME")) {
    if (!args.is(3, "NEVER") && !args.is(3, "RESET")) integerArg(args, 3);
  } else if (!args.is(2, "RESIZING")) {
    throw subcommandSyntaxError(args);
  }
  reply.ok();
}
