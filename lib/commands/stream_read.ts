/**
 * XREAD and XREADGROUP: the entries of several streams behind given IDs, for which a client may wait.
 *
 * A client that waits runs its command again when one of its keys is ready (`blocked_keys.ts`), so a
 * `$` is replaced by what it means at the first run.
 */
import { parseAnyInt64 } from "../bytes/integer.ts";
import { latin1 } from "../bytes/text.ts";
import { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { NO_RECORD } from "../store/id_table.ts";
import type { Stream } from "../store/stream.ts";
import { plus } from "../store/stream_count.ts";
import { StreamCursor } from "../store/stream_cursor.ts";
import type { Consumer, Group } from "../store/stream_groups.ts";
import {
  compareIds,
  copyId,
  formatId,
  idText,
  incrementId,
  MAX_ID,
  MIN_ID,
  newId,
  type StreamId,
} from "../store/stream_id.ts";
import { integerArg, readTyped, readTypedToChange } from "./arguments.ts";
import type { CommandSpec } from "./spec.ts";
import {
  createConsumer,
  findConsumer,
  findGroup,
  idArg,
  isByte,
  noGroup,
  propagateGroupId,
  propagatePending,
  replyEntry,
  replyId,
  streamOf,
} from "./stream_args.ts";

export const STREAM_READ_COMMANDS = [
  {
    name: "xread",
    arity: -4,
    flags: ["readonly", "blocking", "movablekeys"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)+M) for each stream, N being its entries and M those returned.",
    summary: "Returns the entries of streams that are newer than given IDs, or waits for some.",
    syntax:
      "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS streams:{key:key... id:string...}",
    keys: [{
      flags: "RO access",
      begin: { keyword: "STREAMS", startFrom: 1 },
      range: [-1, 1, 2],
    }],
    handler: xread,
  },
  {
    name: "xreadgroup",
    arity: -7,
    flags: ["write", "blocking", "movablekeys"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)+M) for each stream, N being its entries and M those returned.",
    summary: "Delivers new entries to a group's consumer, or returns those that it has pending.",
    syntax:
      "GROUP group-block:{group:string consumer:string} [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] STREAMS streams:{key:key... id:string...}",
    keys: [{
      flags: "RO access",
      begin: { keyword: "STREAMS", startFrom: 4 },
      range: [-1, 1, 2],
    }],
    handler: xreadgroup,
  },
] as const satisfies readonly CommandSpec[];

const TIMEOUT_NOT_AN_INTEGER = new ReplyError("ERR timeout is not an integer or out of range");
const NEGATIVE_TIMEOUT = new ReplyError("ERR timeout is negative");
const TIMEOUT_OUT_OF_RANGE = new ReplyError("ERR timeout is out of range");
const INT64_MAX = 2n ** 63n - 1n;

const GROUP_IN_XREAD = new ReplyError(
  "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
);
const NOACK_IN_XREAD = new ReplyError(
  "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
);
const NO_GROUP_OPTION = new ReplyError("ERR Missing GROUP option for XREADGROUP");
const NEW_IN_XREAD = new ReplyError(
  "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const LAST_IN_XREADGROUP = new ReplyError(
  "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);

const DOLLAR = 0x24;
const GREATER = 0x3e;

/** What the command says before its streams: one object, valid until the next command is read. */
class ReadOptions {
  count = 0;
  /** How long to wait, 0 for ever; undefined: not at all. */
  blockMs: number | undefined;
  /** Index of the group's name, before its consumer's; 0: none. */
  group = 0;
  noAck = false;
  /** Index of the first key, and how many there are. */
  first = 0;
  streams = 0;
}

const options = new ReadOptions();
const cursor = new StreamCursor();
const after = newId();
const edge = newId();

function readOptions(client: Client, args: Args, ofGroup: boolean): void {
  options.count =
    options.group =
    options.first =
    options.streams =
      0;
  options.blockMs = undefined;
  options.noAck = false;
  for (let i = 1; i < args.count && options.first === 0; i++) {
    const more = args.count - 1 - i;
    if (more > 0 && args.is(i, "BLOCK")) {
      options.blockMs = blockArg(client, args, ++i);
    } else if (more > 0 && args.is(i, "COUNT")) {
      options.count = Math.max(0, integerArg(args, ++i));
    } else if (more > 0 && args.is(i, "STREAMS")) {
      if (more % 2 !== 0) throw unbalanced(ofGroup);
      options.first = i + 1;
      options.streams = more / 2;
    } else if (more > 1 && args.is(i, "GROUP")) {
      if (!ofGroup) throw GROUP_IN_XREAD;
      options.group = i + 1;
      i += 2;
    } else if (args.is(i, "NOACK")) {
      if (!ofGroup) throw NOACK_IN_XREAD;
      options.noAck = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (options.first === 0) throw SYNTAX_ERROR;
  if (ofGroup && options.group === 0) throw NO_GROUP_OPTION;
}

function unbalanced(ofGroup: boolean): ReplyError {
  const [name, sign] = ofGroup ? ["xreadgroup", ">"] : ["xread", "$"];
  return new ReplyError(
    `ERR Unbalanced '${name}' list of streams: for each stream key an ID or '${sign}' must be specified.`,
  );
}

/** BLOCK's time in ms. */
function blockArg({ server }: Client, args: Args, i: number): number {
  const ms = parseAnyInt64(args.buf, args.off(i), args.len(i));
  if (ms === undefined) throw TIMEOUT_NOT_AN_INTEGER;
  if (ms < 0) throw NEGATIVE_TIMEOUT;
  if (ms > INT64_MAX - BigInt(server.time.nowMs)) throw TIMEOUT_OUT_OF_RANGE;
  return Number(ms);
}

/** The stream of the `i`th key, if that is there; throws for another type. */
function streamAt(client: Client, args: Args, i: number): Stream | undefined {
  const entry = readTyped(client, args, options.first + i, TYPE.stream);
  return entry === 0 ? undefined : streamOf(client.db, entry);
}

/** {@link streamAt} that counts no access, for a key that was looked at before. */
function peekStream({ db }: Client, args: Args, i: number): Stream | undefined {
  const at = options.first + i;
  const entry = db.find(args.buf, args.off(at), args.len(at));
  return entry === 0 ? undefined : streamOf(db, entry);
}

function xread(client: Client, args: Args): void {
  readOptions(client, args, false);
  const { streams, first, count } = options;
  const { reply } = client;
  for (let i = 0; i < streams; i++) readAfter(args, i, streamAt(client, args, i));
  let served = 0;
  for (let i = 0; i < streams; i++) {
    const stream = streamAt(client, args, i);
    if (stream !== undefined && hasNewer(stream, readAfter(args, i, stream))) served++;
  }
  if (served === 0) return wait(client, args, false);

  replyStreams(reply, served);
  for (let i = 0; i < streams; i++) {
    const stream = peekStream(client, args, i);
    if (stream === undefined || !hasNewer(stream, readAfter(args, i, stream))) continue;
    replyKey(reply, args, first + i);
    incrementId(after);
    cursor.start(stream, after, MAX_ID);
    const found = cursor.ahead(count);
    reply.array(found);
    for (let k = 0; k < found; k++) {
      cursor.next();
      replyEntry(reply, cursor);
    }
  }
}

/** Reads the ID of the `i`th stream of XREAD into `after`, which it returns. */
function readAfter(args: Args, i: number, stream: Stream | undefined): StreamId {
  const at = options.first + options.streams + i;
  if (isByte(args, at, DOLLAR)) copyId(stream?.lastId ?? MIN_ID, after);
  else if (isByte(args, at, GREATER)) throw NEW_IN_XREAD;
  else idArg(args, at, after);
  return after;
}

function xreadgroup(client: Client, args: Args): void {
  // Replicas are sent what was delivered.
  client.propagation.nothing();
  readOptions(client, args, true);
  const { streams, first } = options;
  for (let i = 0; i < streams; i++) {
    groupAt(args, i, streamAt(client, args, i));
    const at = first + streams + i;
    if (isByte(args, at, DOLLAR)) throw LAST_IN_XREADGROUP;
    if (!isByte(args, at, GREATER)) idArg(args, at, after);
  }
  const served = countServed(client, args);
  if (served === 0) return wait(client, args, true);

  const { reply, server } = client;
  replyStreams(reply, served);
  for (let i = 0; i < streams; i++) {
    const stream = peekStream(client, args, i)!;
    const group = groupAt(args, i, stream);
    const consumer = consumerOf(client, args, i, group);
    if (isNew(args, i)) {
      if (!hasNewer(stream, group.lastId)) continue;
      replyKey(reply, args, first + i);
      deliverNew(client, args, first + i, stream, group, consumer);
    } else {
      replyKey(reply, args, first + i);
      deliverAgain(client, stream, group, consumer);
    }
    server.effects.dirty++;
  }
}

/**
 * How many of the streams have something for the consumer; it is created in all groups. A stream
 * named more than once has only what the earlier mentions leave.
 */
function countServed(client: Client, args: Args): number {
  const { count, streams } = options;
  const mentions = streams > 1 ? new Map<Stream, number>() : undefined;
  let served = 0;
  for (let i = 0; i < streams; i++) {
    const entry = readTypedToChange(client, args, options.first + i, TYPE.stream);
    const stream = streamOf(client.db, entry);
    const group = groupAt(args, i, stream);
    consumerOf(client, args, i, group).seenMs = client.server.time.nowMs;
    if (!isNew(args, i)) {
      served++;
      continue;
    }
    const before = mentions?.get(stream) ?? 0;
    mentions?.set(stream, before + 1);
    if (before === 0) {
      if (hasNewer(stream, group.lastId)) served++;
    } else if (count > 0) {
      copyId(group.lastId, after);
      if (incrementId(after)) cursor.start(stream, after, MAX_ID);
      if (cursor.ahead(count * before + 1) > count * before) served++;
    }
  }
  return served;
}

/** Whether the `i`th ID is `>`, also where it is written as the greatest; else it is in `after`. */
function isNew(args: Args, i: number): boolean {
  const at = options.first + options.streams + i;
  if (isByte(args, at, GREATER)) return true;
  idArg(args, at, after);
  return compareIds(after, MAX_ID) === 0;
}

function groupAt(args: Args, i: number, stream: Stream | undefined): Group {
  const group = stream === undefined ? undefined : findGroup(stream, args, options.group);
  if (group === undefined) {
    throw noGroup(args, options.first + i, options.group, " in XREADGROUP with GROUP option");
  }
  return group;
}

/** The command's consumer in the group of the `i`th stream, created if it is new there. */
function consumerOf(client: Client, args: Args, i: number, group: Group): Consumer {
  const consumer = findConsumer(group, args, options.group + 1);
  if (consumer !== undefined) return consumer;
  const { db, propagation } = client;
  const key = options.first + i;
  if (options.noAck && propagation.active) {
    // Nothing that is pending will tell of it.
    const name = args.view(options.group + 1);
    const words = ["XGROUP", "CREATECONSUMER", args.view(key), group.name, name];
    propagation.instead(db.number, words);
  }
  return createConsumer(client, args, key, group, options.group + 1);
}

/** Writes what is new of the stream that is argument `key`, and notes its delivery. */
function deliverNew(
  client: Client,
  args: Args,
  key: number,
  stream: Stream,
  group: Group,
  consumer: Consumer,
): void {
  const { reply, server, propagation } = client;
  copyId(group.lastId, after);
  incrementId(after);
  cursor.start(stream, after, MAX_ID);
  const found = cursor.ahead(options.count);
  reply.array(found);
  for (let k = 0; k < found; k++) {
    cursor.next();
    group.advance(stream, cursor.id);
    replyEntry(reply, cursor);
    if (options.noAck) continue;
    const place = group.deliver(cursor.id, consumer, server.time.nowMs);
    consumer.activeMs = server.time.nowMs;
    if (propagation.active) propagatePending(client, args, key, group, place);
  }
  if (options.noAck && propagation.active) propagateGroupId(client, args, key, group);
}

/** Writes what is pending with a consumer behind `after`; entries that were deleted have no fields. */
function deliverAgain(client: Client, stream: Stream, group: Group, consumer: Consumer): void {
  const { reply, server } = client;
  const { count } = options;
  const { pending } = consumer;
  incrementId(after);
  const first = pending.atLeast(after);
  let found = 0;
  for (let place = first; place !== NO_RECORD; place = pending.next(place)) {
    if (++found === count) break;
  }
  reply.array(found);
  for (let place = first; found > 0; found--, place = pending.next(place)) {
    copyId(pending.words(place), edge, pending.at(place));
    cursor.start(stream, edge, edge);
    if (cursor.next()) {
      replyEntry(reply, cursor);
      const record = group.pending.find(edge);
      group.setDelivery(record, server.time.nowMs);
      group.setDeliveries(record, plus(group.deliveries(record), 1));
    } else {
      reply.array(2);
      replyId(reply, edge);
      reply.nilArray();
    }
  }
}

/** Whether a stream has an entry behind an ID. */
function hasNewer(stream: Stream, id: StreamId): boolean {
  return stream.length > 0 && stream.edgeId(edge, true) && compareIds(edge, id) > 0;
}

function replyStreams(reply: ReplyWriter, count: number): void {
  if (reply.protocol === 2) reply.array(count);
  else reply.map(count);
}

/** Writes the key of a stream, before its entries. */
function replyKey(reply: ReplyWriter, args: Args, i: number): void {
  if (reply.protocol === 2) reply.array(2);
  reply.bulk(args.buf, args.off(i), args.len(i));
}

/** Nothing is there to be returned: waits for it, or says so. */
function wait(client: Client, args: Args, ofGroup: boolean): void {
  const { blockMs, first, streams } = options;
  const { blockedKeys } = client.server.effects;
  if (blockMs === undefined || !blockedKeys.mayWait(client)) return client.reply.nilArray();
  const again = ofGroup ? args : withoutDollar(client, args);
  blockedKeys.wait(client, again, first, streams, TYPE.stream, blockMs, ofGroup);
}

/** The arguments with each `$` replaced by the last ID of its stream. */
function withoutDollar(client: Client, args: Args): Args {
  const { first, streams } = options;
  const parts: (Uint8Array | string)[] = [];
  for (let i = 0; i < args.count; i++) {
    const stream = i - first - streams;
    if (stream < 0 || !isByte(args, i, DOLLAR)) parts.push(args.view(i));
    else {
      const length = formatId(peekStream(client, args, stream)?.lastId ?? MIN_ID);
      parts.push(latin1(idText, 0, length));
    }
  }
  return Args.from(parts);
}
