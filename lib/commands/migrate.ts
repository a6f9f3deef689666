/**
 * MIGRATE: keys go to another server by RESTORE, and from here when it has them.
 *
 * Redis does nothing else meanwhile. Here only what writes waits, from the first value's being sent to
 * the last reply, so that no change is lost; who reads goes on, and sees the keys until all is
 * over. Migrations have their turn one after the other. A value is read when it is its turn to be
 * sent, so that memory need not hold all of them.
 */
import { Buffer } from "node:buffer";
import { latin1Bytes } from "../bytes/text.ts";
import { RdbOutput } from "../persistence/rdb_output.ts";
import { writeDump } from "../persistence/rdb_write.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type Target, TargetLost } from "../server/migration.ts";
import { type Database, NO_EXPIRY } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { int64Arg } from "./arguments.ts";
import { migrateKeys } from "./keyspecs.ts";
import type { CommandSpec } from "./spec.ts";

export const MIGRATE_COMMANDS = [
  {
    name: "migrate",
    arity: -6,
    flags: ["write"],
    group: "generic",
    since: "2.6.0",
    complexity: "O(N) for keys of N elements in all, here and at the target.",
    summary: "Moves keys to another server.",
    syntax:
      'host:string port:integer key-selector:(key:key|empty-string="") destination-db:integer timeout:integer [COPY@3.0.0] [REPLACE@3.0.0] [authentication:(AUTH auth/password:string@4.0.7|AUTH2 auth2:{username:string password:string}@6.0.0)] [KEYS keys/key:key#1@3.0.6...]',
    keys: [
      { flags: "RW access delete", begin: 3, range: [0, 1, 0] },
      {
        flags: "RW access delete incomplete",
        begin: { keyword: "KEYS", startFrom: -2 },
        range: [-1, 1, 0],
      },
    ],
    acl: ["dangerous"],
    tips: ["nondeterministic_output"],
    history: [
      ["3.0.0", "Has the options COPY and REPLACE."],
      ["3.0.6", "Has the option KEYS."],
      ["4.0.7", "Has the option AUTH."],
      ["6.0.0", "Has the option AUTH2."],
    ],
    partial: "not inside MULTI and EXEC, as it cannot wait there",
    secrets,
    getKeys: migrateKeys,
    handler: migrate,
  },
] as const satisfies readonly CommandSpec[];

const DEFAULT_TIMEOUT_MS = 1000;
/** So much is gathered before it is sent. */
const SEND_BYTES = 64 * 1024;

const KEY_AND_KEYS = new ReplyError(
  "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
);
const IN_TRANSACTION = new ReplyError("ERR MIGRATE is not possible inside MULTI");
const CANNOT_CONNECT = "IOERR error or timeout connecting to the client";
const CANNOT_WRITE = "IOERR error or timeout writing to target instance";
const CANNOT_READ = "IOERR error or timeout reading to target instance";

const CRLF = latin1Bytes("\r\n");
const REPLACE = latin1Bytes("$7\r\nREPLACE\r\n");

/** What MIGRATE was called with. */
interface Request {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly timeoutMs: number;
  readonly copy: boolean;
  readonly replace: boolean;
  /** AUTH's arguments; none where nobody need authenticate. */
  readonly credentials: readonly Uint8Array[];
  /** Those keys that were there. */
  readonly keys: readonly Uint8Array[];
  /** Aborted when the keys are not this server's any more. */
  readonly signal: AbortSignal;
}

/** How an exchange with the target ended. */
interface Outcome {
  /** Keys that the target has now. */
  readonly accepted: readonly Uint8Array[];
  /** The error line for the client; undefined: none. */
  readonly error: string | undefined;
  /** Whether the connection is gone … */
  readonly broken: boolean;
  /** … before the target said anything of a key, so that all may be tried again. */
  readonly retriable: boolean;
}

function migrate(client: Client, args: Args): void {
  const { server } = client;
  const request = readRequest(client, args);
  if (request.keys.length === 0) return client.reply.simple("NOKEY");
  if (client.transaction !== undefined) throw IN_TRANSACTION;
  server.blocking.block(client, 0, undefined, () => {});
  server.migration.inTurn(() => run(client, request));
}

function readRequest(client: Client, args: Args): Request {
  let copy = false;
  let replace = false;
  let credentials: readonly Uint8Array[] = [];
  let first = 3;
  let end = 4;
  for (let i = 6; i < args.count; i++) {
    const more = args.count - 1 - i;
    if (args.is(i, "COPY")) copy = true;
    else if (args.is(i, "REPLACE")) replace = true;
    else if (args.is(i, "AUTH") && more >= 1) credentials = [args.copy(++i)];
    else if (args.is(i, "AUTH2") && more >= 2) credentials = [args.copy(++i), args.copy(++i)];
    else if (args.is(i, "KEYS")) {
      if (args.len(3) > 0) throw KEY_AND_KEYS;
      first = i + 1;
      end = args.count;
      break;
    } else throw SYNTAX_ERROR;
  }
  const timeoutMs = Number(int64Arg(args, 5));
  const database = String(int64Arg(args, 4));
  const keys: Uint8Array[] = [];
  for (let i = first; i < end; i++) if (client.db.read(args, i) !== 0) keys.push(args.copy(i));
  return {
    host: args.text(1),
    // Redis reads it with atoi, to which anything is a number.
    port: Math.trunc(parseFloat(args.text(2))) || 0,
    database,
    timeoutMs: timeoutMs <= 0 ? DEFAULT_TIMEOUT_MS : timeoutMs,
    copy,
    replace,
    credentials,
    keys,
    signal: client.server.migration.signal,
  };
}

/** Which arguments are passwords or names for AUTH. */
function secrets(args: Args): number[] {
  const found: number[] = [];
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, "KEYS")) break;
    if (args.is(i, "AUTH")) found.push(++i);
    else if (args.is(i, "AUTH2")) found.push(++i, ++i);
  }
  return found.filter((i) => i < args.count);
}

/** Does a migration whose turn it is, and answers the client if that still waits. */
async function run(client: Client, request: Request): Promise<void> {
  const { db, server } = client;
  server.time.refresh();
  try {
    // The migrations before it may have left nothing.
    const hasKeys = !request.signal.aborted &&
      request.keys.some((key) => db.find(key, 0, key.length) !== 0);
    if (hasKeys) await migrateKeysTo(client, request);
    else answer(client, undefined, "NOKEY");
  } catch (bug) {
    server.reportBug("migrate", bug);
    answer(client, "ERR internal error, see the server's log");
  }
}

/** Connects, exchanges, removes and answers. */
async function migrateKeysTo(client: Client, request: Request): Promise<void> {
  const { migration, pause } = client.server;
  for (let isFirst = true;; isFirst = false) {
    let target: Target;
    try {
      target = await migration.connect(request.host, request.port, request.timeoutMs);
    } catch (error) {
      if (!(error instanceof TargetLost)) throw error;
      // To Redis a connection that is refused is one that it cannot write to, and so is port 0.
      const { cause } = error;
      const isRefused = cause instanceof Deno.errors.ConnectionRefused ||
        cause instanceof RangeError;
      return answer(client, isRefused ? CANNOT_WRITE : CANNOT_CONNECT);
    }
    let isWhole = false;
    pause.hold();
    try {
      const { accepted, error, broken, retriable } = await exchange(client, request, target);
      isWhole = !broken;
      // A connection that was kept may have ended meanwhile: that is worth a second try.
      if (isFirst && retriable && !target.timedOut) continue;
      if (!request.copy && !request.signal.aborted) removeKeys(client, accepted);
      // Before those go on who waited: what they do comes after it, also in what the client is sent.
      return answer(client, error);
    } finally {
      pause.release();
      if (isWhole) migration.done(target);
      else migration.drop(target);
    }
  }
}

/** Answers the client with an error line or a status, if it still waits, and lets it go on. */
function answer(client: Client, error: string | undefined, status = "OK"): void {
  const { blocking, router } = client.server;
  if (client.blocked === undefined) return router.settle();
  if (error !== undefined) return blocking.fail(client, error);
  client.reply.simple(status);
  blocking.complete(client);
}

/** Sends the keys and reads what the target says to each. */
async function exchange(client: Client, request: Request, target: Target): Promise<Outcome> {
  const { timeoutMs, credentials, database } = request;
  const selects = target.database !== Number(database);
  let sent: Uint8Array[];
  try {
    sent = await send(client, request, target, selects);
  } catch (error) {
    if (!(error instanceof TargetLost)) throw error;
    return { accepted: [], error: CANNOT_WRITE, broken: true, retriable: true };
  }
  const accepted: Uint8Array[] = [];
  let refusal: string | undefined;
  let replies = 0;
  try {
    // Where these are refused, so is every key, whatever is said to it.
    const read = async () => refusalOf(await target.readLine(timeoutMs));
    const ofAuth = credentials.length > 0 ? await read() : undefined;
    const ofSelect = selects ? await read() : undefined;
    for (const key of sent) {
      const ofKey = await read();
      replies++;
      const refused = ofAuth ?? ofSelect ?? ofKey;
      if (refused === undefined) accepted.push(key);
      refusal ??= refused;
    }
  } catch (lost) {
    if (!(lost instanceof TargetLost)) throw lost;
    const error = refusal === undefined ? CANNOT_READ : targetError(refusal);
    return { accepted, error, broken: true, retriable: replies === 0 };
  }
  target.database = refusal === undefined ? Number(database) : -1;
  const error = refusal === undefined ? undefined : targetError(refusal);
  return { accepted, error, broken: false, retriable: false };
}

/** A reply's error line, if it is one. */
function refusalOf(line: string): string | undefined {
  return line.startsWith("-") ? line.slice(1) : undefined;
}

function targetError(line: string): string {
  return `ERR Target instance replied with error: ${line}`;
}

/** Sends all of the request; returns the keys that were still there. */
async function send(
  client: Client,
  { credentials, database, keys, replace, signal, timeoutMs }: Request,
  target: Target,
  selects: boolean,
): Promise<Uint8Array[]> {
  const { db, server } = client;
  const compress = server.config.values.rdbcompression;
  const sent: Uint8Array[] = [];
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const add = (bytes: Uint8Array) => {
    waiting.push(bytes);
    waitingBytes += bytes.length;
  };
  const flush = async () => {
    const bytes = Buffer.concat(waiting);
    waiting.length = waitingBytes = 0;
    await target.write(bytes, timeoutMs);
  };

  if (credentials.length > 0) addCommand(add, "AUTH", credentials);
  if (selects) addCommand(add, "SELECT", [latin1Bytes(database)]);
  server.time.refresh();
  for (const key of keys) {
    if (signal.aborted) break;
    const entry = db.find(key, 0, key.length);
    if (entry === 0) continue;
    const payload = new RdbOutput({ compress, checksum: true });
    writeDump(payload, db, entry);
    const count = replace ? 5 : 4;
    addCommand(add, "RESTORE", [key, latin1Bytes(String(ttlMs(db, entry)))], count);
    add(latin1Bytes(`$${payload.bytes}\r\n`));
    for (const chunk of payload.take()) add(chunk);
    add(CRLF);
    if (replace) add(REPLACE);
    sent.push(key);
    if (waitingBytes >= SEND_BYTES) await flush();
  }
  if (waitingBytes > 0) await flush();
  return sent;
}

/** What an entry has left in ms: 0 where it never expires. */
function ttlMs(db: Database, entry: number): number {
  const expiryMs = db.expiryMs(entry);
  return expiryMs === NO_EXPIRY ? 0 : Math.max(1, expiryMs - db.context.time.nowMs);
}

/** Encodes a command of `count` words, or the beginning of one. */
function addCommand(
  add: (bytes: Uint8Array) => void,
  name: string,
  args: readonly Uint8Array[],
  count = 1 + args.length,
): void {
  add(latin1Bytes(`*${count}\r\n$${name.length}\r\n${name}\r\n`));
  for (const arg of args) {
    add(latin1Bytes(`$${arg.length}\r\n`));
    add(arg);
    add(CRLF);
  }
}

/** Removes keys that the target has, as DEL would, which is what replicas are sent. */
function removeKeys(client: Client, keys: readonly Uint8Array[]): void {
  const { db, server } = client;
  const { effects, replication } = server;
  server.time.refresh();
  server.current = client;
  const removed: Uint8Array[] = [];
  for (const key of keys) {
    const entry = db.find(key, 0, key.length);
    // It may have expired meanwhile, or have been named twice.
    if (entry === 0) continue;
    db.remove(entry);
    effects.keyChanged(db, key, 0, key.length, EVENT.generic, "del");
    removed.push(key);
  }
  server.current = undefined;
  if (removed.length === 0) return;
  replication.propagation.also(db.number, ["DEL", ...removed]);
  replication.propagation.endUnit();
  client.writeOffset = replication.stream.offset;
}
