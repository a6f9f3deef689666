/** What stream commands have in common: IDs and trimming among their arguments, entries in replies. */
import { readElement } from "../bytes/listpack.ts";
import { latin1 } from "../bytes/text.ts";
import type { Word } from "../replication/propagation.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import type { Database } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import type { BlockLimits, Stream, Trim } from "../store/stream.ts";
import type { Count } from "../store/stream_count.ts";
import type { StreamCursor } from "../store/stream_cursor.ts";
import type { Consumer, Group } from "../store/stream_groups.ts";
import {
  copyId,
  decrementId,
  formatId,
  idText,
  incrementId,
  MAX_ID,
  MIN_ID,
  newId,
  PARSED,
  type Parsed,
  parseId,
  type StreamId,
} from "../store/stream_id.ts";
import { integerArg } from "./arguments.ts";

const INVALID_ID = new ReplyError(
  "ERR Invalid stream ID specified as stream command argument",
);
const INVALID_START = new ReplyError("ERR invalid start ID for the interval");
const INVALID_END = new ReplyError("ERR invalid end ID for the interval");

const NEGATIVE_MAXLEN = new ReplyError("ERR The MAXLEN argument must be >= 0.");
const NEGATIVE_LIMIT = new ReplyError("ERR The LIMIT argument must be >= 0.");
const TWO_STRATEGIES = new ReplyError(
  "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
);
const LIMIT_ALONE = new ReplyError(
  "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
);
const LIMIT_OF_EXACT = new ReplyError(
  "ERR syntax error, LIMIT cannot be used without the special ~ option",
);
const NO_STRATEGY = new ReplyError(
  "ERR syntax error, XTRIM must be called with a trimming strategy",
);

/** How much approximate trimming does by default: blocks, and what that is at the most, in entries. */
const DEFAULT_LIMIT_BLOCKS = 100;
const DEFAULT_LIMIT = 10_000;
const MAX_DEFAULT_LIMIT = 1_000_000;

const PAREN = 0x28;
const MINUS = 0x2d;
const PLUS = 0x2b;
const STAR = 0x2a;

// ---- arguments -------------------------------------------------------------------------------------

/** Whether argument `i` is one byte. */
export function isByte(args: Args, i: number, byte: number): boolean {
  return args.len(i) === 1 && args.buf[args.off(i)] === byte;
}

/** Reads argument `i` as an ID that is no range's end; a missing sequence is 0. */
export function idArg(args: Args, i: number, id: StreamId): void {
  if (!isId(args, i, id)) throw INVALID_ID;
}

/** {@link idArg} that tells instead of throwing. */
export function isId(args: Args, i: number, id: StreamId): boolean {
  return parseId(args.buf, args.off(i), args.len(i), id) === PARSED.whole;
}

/** The first ID of a range, from argument `i`: also `-`, `+`, and exclusive behind a `(`. */
export function startArg(args: Args, i: number, id: StreamId): void {
  if (intervalArg(args, i, id, false) && !incrementId(id)) throw INVALID_START;
}

/** The last ID of a range. */
export function endArg(args: Args, i: number, id: StreamId): void {
  if (intervalArg(args, i, id, true) && !decrementId(id)) throw INVALID_END;
}

/** Returns whether the ID is excluded. */
function intervalArg(args: Args, i: number, id: StreamId, last: boolean): boolean {
  const off = args.off(i);
  const len = args.len(i);
  if (isByte(args, i, MINUS)) copyId(MIN_ID, id);
  else if (isByte(args, i, PLUS)) copyId(MAX_ID, id);
  else {
    const excluded = len > 1 && args.buf[off] === PAREN;
    const skip = excluded ? 1 : 0;
    if (parseId(args.buf, off + skip, len - skip, id, last) !== PARSED.whole) throw INVALID_ID;
    return excluded;
  }
  return false;
}

/** What the options of XADD and XTRIM say: one object for all commands, valid until the next. */
class TrimOptions implements Trim {
  /** Whether there is anything to trim. */
  trims = false;
  maxLength: number | undefined;
  readonly minId = newId();
  approximate = false;
  limit = 0;
  /** Index of the threshold's argument. */
  thresholdAt = 0;
  /** XADD: whether the key must be there already. */
  noCreate = false;
  /** XADD: the ID, or what is known of it; undefined for `*`. */
  id: Parsed | undefined;
  readonly givenId = newId();
  /** XADD: index of the ID's argument. */
  idAt = 0;
}

const options = new TrimOptions();

/** Reads the options of XADD, up to its ID, or those of XTRIM, from argument 2 on. */
export function trimOptions(client: Client, args: Args, isAdd: boolean): TrimOptions {
  options.trims = options.approximate = options.noCreate = false;
  options.maxLength = options.id = undefined;
  options.limit = 0;
  let limited = false;
  let i = 2;
  for (; i < args.count; i++) {
    const more = args.count - 1 - i;
    if (isAdd && isByte(args, i, STAR)) break;
    if (more > 0 && args.is(i, "MAXLEN")) {
      i = strategyArg(args, i, more);
      const maxLength = integerArg(args, i);
      if (maxLength < 0) throw NEGATIVE_MAXLEN;
      options.maxLength = maxLength;
    } else if (more > 0 && args.is(i, "MINID")) {
      i = strategyArg(args, i, more);
      idArg(args, i, options.minId);
    } else if (more > 0 && args.is(i, "LIMIT")) {
      options.limit = integerArg(args, ++i);
      if (options.limit < 0) throw NEGATIVE_LIMIT;
      limited = true;
    } else if (isAdd && args.is(i, "NOMKSTREAM")) {
      options.noCreate = true;
    } else if (isAdd) {
      options.id = parseId(args.buf, args.off(i), args.len(i), options.givenId, false, true);
      if (options.id === PARSED.invalid) throw INVALID_ID;
      break;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  options.idAt = i;
  if (options.limit > 0 && !options.trims) throw LIMIT_ALONE;
  if (!isAdd && !options.trims) throw NO_STRATEGY;
  if (client.isPrimary) {
    // It made the threshold exact and left the LIMIT.
    options.limit = 0;
  } else if (limited) {
    if (!options.approximate) throw LIMIT_OF_EXACT;
  } else if (options.approximate) {
    const limit = DEFAULT_LIMIT_BLOCKS * client.server.config.values["stream-node-max-entries"];
    options.limit = limit > 0 ? Math.min(limit, MAX_DEFAULT_LIMIT) : DEFAULT_LIMIT;
  }
  return options;
}

/** MAXLEN or MINID at `i`: returns the index of what is the threshold, behind `~` or `=`. */
function strategyArg(args: Args, i: number, more: number): number {
  if (options.trims) throw TWO_STRATEGIES;
  options.trims = true;
  options.approximate = more > 1 && isByte(args, i + 1, 0x7e);
  const hasSign = options.approximate || (more > 1 && isByte(args, i + 1, 0x3d));
  return options.thresholdAt = hasSign ? i + 2 : i + 1;
}

/**
 * The words of a command that trimmed as {@link trimOptions} say, for replicas: an approximate
 * threshold becomes the exact one that leaves as much as there is now.
 */
export function exactTrim(args: Args, stream: Stream): Word[] {
  const words: Word[] = args.views(0);
  if (!options.approximate) return words;
  words[options.thresholdAt - 1] = "=";
  if (options.maxLength !== undefined) {
    words[options.thresholdAt] = stream.length;
  } else {
    const first = newId();
    if (!stream.edgeId(first, false)) copyId(MAX_ID, first);
    words[options.thresholdAt] = idWord(first);
  }
  return words;
}

/** When a block is full, as configured. One object for all. */
export function blockLimits({ server }: Client): BlockLimits {
  const { values } = server.config;
  limits.maxBytes = values["stream-node-max-bytes"];
  limits.maxEntries = values["stream-node-max-entries"];
  return limits;
}

const limits = { maxBytes: 0, maxEntries: 0 };

// ---- the store -------------------------------------------------------------------------------------

/** The stream of an entry of type stream. */
export function streamOf(db: Database, entry: number): Stream {
  return db.objects[db.low(entry)] as Stream;
}

/** The group that argument `i` names. */
export function findGroup(stream: Stream, args: Args, i: number): Group | undefined {
  return stream.groups.find(args.buf, args.off(i), args.len(i));
}

/** The consumer of a group that argument `i` names. */
export function findConsumer(group: Group, args: Args, i: number): Consumer | undefined {
  return group.consumers.find(args.buf, args.off(i), args.len(i));
}

/** Creates the consumer that argument `i` names, in a group of key argument `key`, and tells of it. */
export function createConsumer(
  client: Client,
  args: Args,
  key: number,
  group: Group,
  i: number,
): Consumer {
  const consumer = group.addConsumer(args.copy(i), client.server.time.nowMs);
  groupChanged(client, args, key, "xgroup-createconsumer");
  return consumer;
}

/** The error of a missing key or group, which arguments name; `where` ends the sentence. */
export function noGroup(args: Args, key: number, group: number, where = ""): ReplyError {
  return new ReplyError(
    `NOGROUP No such key '${cString(args, key)}' or consumer group '${
      cString(args, group)
    }'${where}`,
  );
}

/** The error of a missing group of a key that is there. */
export function noGroupOfKey(args: Args, key: number, group: number): ReplyError {
  return new ReplyError(
    `NOGROUP No such consumer group '${cString(args, group)}' for key name '${cString(args, key)}'`,
  );
}

/** Redis formats arguments as C strings, which end at a NUL. */
export function cString(args: Args, i: number): string {
  return args.text(i).split("\0", 1)[0]!;
}

/**
 * Tells of a change to the groups of the key that is argument `i`: an event and one change more. What
 * is watched is the entries, so no transaction fails for it.
 */
export function groupChanged(client: Client, args: Args, i: number, event: string): void {
  const { db, server } = client;
  server.effects.keyNoted(db, args.buf, args.off(i), args.len(i), EVENT.stream, event);
}

// ---- replicas --------------------------------------------------------------------------------------

/** An ID as an argument. */
export function idWord(id: Int32Array, at = 0): string {
  return latin1(idText, 0, formatId(id, at));
}

/**
 * Sends replicas what is pending at a place now, of the stream that is argument `key`. Together with
 * the group's last ID it is all that they need of a delivery or a claim.
 */
export function propagatePending(
  client: Client,
  args: Args,
  key: number,
  group: Group,
  place: number,
): void {
  const { db, propagation } = client;
  const { pending } = group;
  propagation.instead(db.number, [
    "XCLAIM",
    args.view(key),
    group.name,
    group.consumerOf(place)!.name,
    "0",
    idWord(pending.words(place), pending.at(place)),
    "TIME",
    group.deliveryMs(place),
    "RETRYCOUNT",
    group.deliveries(place),
    "FORCE",
    "JUSTID",
    "LASTID",
    idWord(group.lastId),
  ]);
}

/** Sends replicas how far a group of the stream that is argument `key` has read. */
export function propagateGroupId(client: Client, args: Args, key: number, group: Group): void {
  client.propagation.instead(client.db.number, [
    "XGROUP",
    "SETID",
    args.view(key),
    group.name,
    idWord(group.lastId),
    "ENTRIESREAD",
    group.entriesRead,
  ]);
}

// ---- replies ---------------------------------------------------------------------------------------

export function replyId(reply: ReplyWriter, id: Int32Array, at = 0): void {
  reply.bulk(idText, 0, formatId(id, at));
}

export function replyCount(reply: ReplyWriter, count: Count): void {
  if (typeof count === "number") reply.integer(count);
  else reply.bigInteger(count);
}

/** Writes the cursor's entry: its ID, and an array of fields and values. */
export function replyEntry(reply: ReplyWriter, cursor: StreamCursor): void {
  reply.array(2);
  replyId(reply, cursor.id);
  const { fields, buf } = cursor;
  reply.array(2 * fields);
  for (let i = 0; i < fields; i++) {
    cursor.nextField();
    const field = readElement(buf, cursor.fieldAt);
    reply.bulk(field.buf, field.off, field.len);
    const value = readElement(buf, cursor.valueAt);
    reply.bulk(value.buf, value.off, value.len);
  }
}
