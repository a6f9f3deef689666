/** XCLAIM and XAUTOCLAIM: a consumer takes over what is pending with others. */
import { parseAnyInt64 } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { NO_RECORD } from "../store/id_table.ts";
import type { Stream } from "../store/stream.ts";
import { type Count, plus } from "../store/stream_count.ts";
import { StreamCursor } from "../store/stream_cursor.ts";
import type { Consumer, Group } from "../store/stream_groups.ts";
import { compareIds, copyId, newId } from "../store/stream_id.ts";
import { integerAtLeast, readTypedToChange } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import {
  createConsumer,
  cString,
  findConsumer,
  findGroup,
  idArg,
  isId,
  noGroup,
  propagateGroupId,
  propagatePending,
  replyEntry,
  replyId,
  startArg,
  streamOf,
} from "./stream_args.ts";

export const STREAM_CLAIM_COMMANDS = [
  {
    name: "xclaim",
    arity: -6,
    flags: ["write", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)) for each ID, N being what the group has pending.",
    summary: "Makes pending entries a consumer's own.",
    syntax:
      "key:key group:string consumer:string min-idle-time:string id:string... [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid:string]",
    keys: keys("RW update"),
    tips: ["nondeterministic_output"],
    handler: xclaim,
  },
  {
    name: "xautoclaim",
    arity: -6,
    flags: ["write", "fast"],
    group: "stream",
    since: "6.2.0",
    complexity: "O(1) for a given COUNT.",
    summary: "Makes pending entries that are long idle a consumer's own.",
    syntax:
      "key:key group:string consumer:string min-idle-time:string start:string [COUNT count:integer] [JUSTID]",
    keys: keys("RW delete"),
    tips: ["nondeterministic_output"],
    history: [[
      "7.0.0",
      "Also returns the IDs of entries that were deleted, no longer pending now.",
    ]],
    handler: xautoclaim,
  },
] as const satisfies readonly CommandSpec[];

const DEFAULT_COUNT = 100;
/** Pending entries that XAUTOCLAIM looks at for each that it may return. */
const ATTEMPTS_PER_COUNT = 10;
const MAX_COUNT = (2 ** 63 - 1) / 16;
const BAD_COUNT = new ReplyError("ERR COUNT must be > 0");

const id = newId();
const lastId = newId();
const cursor = new StreamCursor();

/** Argument `i` as 64 bits, or the error of a bad `what`. */
function numberArg(args: Args, i: number, what: string, command: string): Count {
  const value = parseAnyInt64(args.buf, args.off(i), args.len(i));
  if (value === undefined) throw new ReplyError(`ERR Invalid ${what} argument for ${command}`);
  return value;
}

/** What XCLAIM's options say: one object, valid until the next command. */
const options = {
  /** When the entries are to seem delivered: ms since the epoch. */
  deliveryMs: 0,
  /** How often, or -1. */
  deliveries: -1 as Count,
  force: false,
  justId: false,
};

function claimOptions(args: Args, i: number, nowMs: number): void {
  let deliveryMs = NaN;
  options.deliveries = -1;
  options.force = options.justId = false;
  lastId.fill(0);
  for (; i < args.count; i++) {
    const more = i + 1 < args.count;
    if (args.is(i, "FORCE")) options.force = true;
    else if (args.is(i, "JUSTID")) options.justId = true;
    else if (more && args.is(i, "IDLE")) {
      deliveryMs = nowMs - Number(numberArg(args, ++i, "IDLE option", "XCLAIM"));
    } else if (more && args.is(i, "TIME")) {
      deliveryMs = Number(numberArg(args, ++i, "TIME option", "XCLAIM"));
    } else if (more && args.is(i, "RETRYCOUNT")) {
      options.deliveries = numberArg(args, ++i, "RETRYCOUNT option", "XCLAIM");
    } else if (more && args.is(i, "LASTID")) {
      idArg(args, ++i, lastId);
    } else {
      throw new ReplyError(`ERR Unrecognized XCLAIM option '${cString(args, i)}'`);
    }
  }
  // A time that cannot be is taken as now, since clients reckon it by clocks of their own.
  options.deliveryMs = deliveryMs >= 0 && deliveryMs <= nowMs ? deliveryMs : nowMs;
}

function xclaim(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const { nowMs } = server.time;
  const entry = readTypedToChange(client, args, 1, TYPE.stream);
  const stream = entry === 0 ? undefined : streamOf(db, entry);
  const group = stream === undefined ? undefined : findGroup(stream, args, 2);
  if (stream === undefined || group === undefined) throw noGroup(args, 1, 2);
  const minIdleMs = Math.max(0, Number(numberArg(args, 4, "min-idle-time", "XCLAIM")));
  let ids = 0;
  while (5 + ids < args.count && isId(args, 5 + ids, id)) ids++;
  claimOptions(args, 5 + ids, nowMs);

  // Replicas are sent what became of each entry.
  const { propagation } = client;
  propagation.nothing();
  const movesOn = compareIds(lastId, group.lastId) > 0;
  if (movesOn) copyId(lastId, group.lastId);
  const consumer = claimer(client, args, group);
  const claimed: number[] = [];
  let told = false;
  for (let i = 5; i < 5 + ids; i++) {
    idArg(args, i, id);
    let place = group.pending.find(id);
    if (!stream.has(id)) {
      if (place === NO_RECORD) continue;
      if (propagation.active) propagatePending(client, args, 1, group, place);
      group.removePending(place);
      server.effects.dirty++;
      told = true;
      continue;
    }
    if (place === NO_RECORD) {
      if (!options.force) continue;
      place = group.addPending(id);
    } else if (minIdleMs > 0 && nowMs - group.deliveryMs(place) < minIdleMs) {
      continue;
    }
    claim(group, place, consumer, options.deliveryMs, nowMs);
    if (propagation.active) propagatePending(client, args, 1, group, place);
    server.effects.dirty++;
    told = true;
    claimed.push(i);
  }
  if (movesOn && !told) {
    server.effects.dirty++;
    if (propagation.active) propagateGroupId(client, args, 1, group);
  }
  reply.array(claimed.length);
  for (const i of claimed) {
    idArg(args, i, id);
    replyClaimed(client, stream);
  }
}

/** The consumer that is argument 3, created if it is new. */
function claimer(client: Client, args: Args, group: Group): Consumer {
  const consumer = findConsumer(group, args, 3) ?? createConsumer(client, args, 1, group, 3);
  consumer.seenMs = client.server.time.nowMs;
  return consumer;
}

/** Makes a pending entry a consumer's, by what `options` says. */
function claim(
  group: Group,
  place: number,
  consumer: Consumer,
  deliveryMs: number,
  nowMs: number,
): void {
  group.assign(place, consumer);
  group.setDelivery(place, deliveryMs);
  if (options.deliveries >= 0) group.setDeliveries(place, options.deliveries);
  else if (!options.justId) group.setDeliveries(place, plus(group.deliveries(place), 1));
  consumer.activeMs = nowMs;
}

/** Writes the entry `id`, or the ID alone. */
function replyClaimed({ reply }: Client, stream: Stream): void {
  if (options.justId) return replyId(reply, id);
  cursor.start(stream, id, id);
  cursor.next();
  replyEntry(reply, cursor);
}

function xautoclaim(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const { nowMs } = server.time;
  const minIdleMs = Math.max(0, Number(numberArg(args, 4, "min-idle-time", "XAUTOCLAIM")));
  startArg(args, 5, lastId);
  let count = DEFAULT_COUNT;
  options.justId = false;
  options.deliveries = -1;
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, "COUNT") && i + 1 < args.count) {
      count = integerAtLeast(args, ++i, 1, BAD_COUNT);
      if (count > MAX_COUNT) throw BAD_COUNT;
    } else if (args.is(i, "JUSTID")) {
      options.justId = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const entry = readTypedToChange(client, args, 1, TYPE.stream);
  const stream = entry === 0 ? undefined : streamOf(db, entry);
  const group = stream === undefined ? undefined : findGroup(stream, args, 2);
  if (stream === undefined || group === undefined) throw noGroup(args, 1, 2);

  const { propagation } = client;
  propagation.nothing();
  const consumer = claimer(client, args, group);
  const { pending } = group;
  const claimed: Int32Array[] = [];
  const deleted: Int32Array[] = [];
  let place = pending.atLeast(lastId);
  let attempts = count * ATTEMPTS_PER_COUNT;
  for (; attempts > 0 && count > 0 && place !== NO_RECORD; attempts--) {
    copyId(pending.words(place), id, pending.at(place));
    if (!stream.has(id)) {
      if (propagation.active) propagatePending(client, args, 1, group, place);
      place = group.removePending(place);
      deleted.push(id.slice());
    } else if (minIdleMs > 0 && nowMs - group.deliveryMs(place) < minIdleMs) {
      place = pending.next(place);
      continue;
    } else {
      claim(group, place, consumer, nowMs, nowMs);
      if (propagation.active) propagatePending(client, args, 1, group, place);
      claimed.push(id.slice());
      place = pending.next(place);
    }
    server.effects.dirty++;
    count--;
  }
  reply.array(3);
  if (place === NO_RECORD) id.fill(0);
  else copyId(pending.words(place), id, pending.at(place));
  replyId(reply, id);
  reply.array(claimed.length);
  for (const each of claimed) {
    copyId(each, id);
    replyClaimed(client, stream);
  }
  reply.array(deleted.length);
  for (const each of deleted) replyId(reply, each);
}
