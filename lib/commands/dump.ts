/** A key's value as bytes, and back: DUMP and RESTORE. */
import { Buffer } from "node:buffer";
import { dumpBytes, RdbError, RdbInput } from "../persistence/rdb_input.ts";
import { RdbOutput } from "../persistence/rdb_output.ts";
import { ValueReader } from "../persistence/rdb_read.ts";
import { writeDump } from "../persistence/rdb_write.ts";
import { hashBytes } from "../bytes/hash.ts";
import { LAST_TIME_MS } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { setAccess } from "../store/access.ts";
import { NO_EXPIRY } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { integerArg } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { propagateRemoval } from "./string.ts";

const RESTORE = {
  arity: -4,
  since: "2.6.0",
  complexity: "O(N), N being the payload's bytes; O(N log N) for a sorted set.",
  syntax: "key:key ttl:integer serialized-value:string [REPLACE@3.0.0] [ABSTTL@5.0.0] " +
    "[IDLETIME seconds:integer@5.0.0] [FREQ frequency:integer@5.0.0]",
  keys: keys("OW update"),
  history: [
    ["3.0.0", "Has the option REPLACE."],
    ["5.0.0", "Has the option ABSTTL."],
    ["5.0.0", "Has the options IDLETIME and FREQ."],
  ],
  handler: restore,
} satisfies Partial<CommandSpec>;

export const DUMP_COMMANDS = [
  {
    name: "dump",
    arity: 2,
    flags: ["readonly"],
    group: "generic",
    since: "2.6.0",
    complexity: "O(N), N being the bytes of the value.",
    summary: "Writes a key's value as bytes that RESTORE reads.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: dump,
  },
  {
    ...RESTORE,
    name: "restore",
    flags: ["write", "denyoom"],
    group: "generic",
    summary: "Creates a key from the bytes that DUMP wrote.",
    acl: ["dangerous"],
  },
  {
    ...RESTORE,
    name: "restore-asking",
    flags: ["write", "denyoom", "asking"],
    group: "server",
    since: "3.0.0",
    summary: "RESTORE for the nodes of a cluster that move keys.",
    acl: ["keyspace", "dangerous"],
  },
] satisfies CommandSpec[];

const BUSY_KEY = new ReplyError("BUSYKEY Target key name already exists.");
const WRONG_PAYLOAD = new ReplyError("ERR DUMP payload version or checksum are wrong");
const BAD_DATA = new ReplyError("ERR Bad data format");
const INVALID_TTL = new ReplyError("ERR Invalid TTL value, must be >= 0");
const INVALID_IDLE_TIME = new ReplyError("ERR Invalid IDLETIME value, must be >= 0");
const INVALID_FREQUENCY = new ReplyError("ERR Invalid FREQ value, must be >= 0 and <= 255");

function dump(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.nil();
  const compress = server.config.values["rdbcompression"];
  const output = new RdbOutput({ compress, checksum: true });
  writeDump(output, db, entry);
  const chunks = output.take();
  reply.bulk(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
}

interface RestoreOptions {
  replaces: boolean;
  /** Whether the TTL is a time, and not how long from now. */
  absolute: boolean;
  /** -1 where they are not given. */
  idleSeconds: number;
  frequency: number;
}

function restoreOptions(args: Args): RestoreOptions {
  const options = { replaces: false, absolute: false, idleSeconds: -1, frequency: -1 };
  for (let i = 4; i < args.count; i++) {
    const hasValue = i + 1 < args.count;
    if (args.is(i, "REPLACE")) {
      options.replaces = true;
    } else if (args.is(i, "ABSTTL")) {
      options.absolute = true;
    } else if (args.is(i, "IDLETIME") && hasValue && options.frequency === -1) {
      options.idleSeconds = integerArg(args, ++i);
      if (options.idleSeconds < 0) throw INVALID_IDLE_TIME;
    } else if (args.is(i, "FREQ") && hasValue && options.idleSeconds === -1) {
      options.frequency = integerArg(args, ++i);
      if (options.frequency < 0 || options.frequency > 255) throw INVALID_FREQUENCY;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return options;
}

function restore(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const options = restoreOptions(args);
  const hash = hashBytes(args.buf, args.off(1), args.len(1));
  if (!options.replaces && db.write(args, 1) !== 0) throw BUSY_KEY;
  const ttl = integerArg(args, 2);
  if (ttl < 0) throw INVALID_TTL;
  const value = readPayload(client, args, 3);

  // Also one whose time has come.
  const old = db.map.findHashed(hash, args.buf, args.off(1), args.len(1));
  if (old !== 0) db.remove(old);
  const { nowMs } = server.time;
  const expiryMs = ttl === 0
    ? NO_EXPIRY
    : options.absolute
    ? Math.min(ttl, LAST_TIME_MS)
    : ttl + nowMs;
  // A sum beyond 64 bits has wrapped around in Redis, and lies in the past.
  const isPast = expiryMs <= nowMs || expiryMs > LAST_TIME_MS;
  if (ttl !== 0 && isPast && db.context.expires) {
    value.drop(db);
    if (old !== 0) tellDeleted(client, args);
    return reply.ok();
  }
  const entry = value.add(db, args.buf, args.off(1), args.len(1), hash, expiryMs);
  setAccess(db, entry, options.idleSeconds, options.frequency);
  client.changed(args, 1, EVENT.generic, "restore");
  if (ttl !== 0 && !options.absolute && client.propagation.active) {
    client.propagation.instead(db.number, [
      args.view(0),
      args.view(1),
      expiryMs,
      ...args.views(3),
      "ABSTTL",
    ]);
  }
  reply.ok();
}

/** The value in argument `i`, a payload of DUMP. */
function readPayload({ db, server }: Client, args: Args, i: number): ValueReader {
  const { buf } = args;
  const off = args.off(i);
  const bytes = dumpBytes(buf, off, args.len(i), server.persistence.verifiesChecksums);
  if (bytes === undefined) throw WRONG_PAYLOAD;
  const reader = new ValueReader(server.config.values);
  const input = new RdbInput().open(buf, off, off + bytes);
  try {
    if (reader.read(input, input.byte(), db)) return reader;
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    server.log.verbose(`RESTORE of a damaged payload: ${error.message}`);
  }
  throw BAD_DATA;
}

/** What was to be restored has expired, and so only the key is gone that it was to replace. */
function tellDeleted(client: Client, args: Args): void {
  const lazily = client.server.config.values["lazyfree-lazy-server-del"];
  propagateRemoval(client, args, lazily);
  client.changed(args, 1, EVENT.generic, "del");
}
