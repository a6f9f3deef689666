/** Streams' consumer groups: XGROUP, XACK and XPENDING; claiming stands in `stream_claim.ts`. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { NO_RECORD } from "../store/id_table.ts";
import { Stream } from "../store/stream.ts";
import type { Count } from "../store/stream_count.ts";
import { Group, UNKNOWN } from "../store/stream_groups.ts";
import { compareIds, copyId, MAX_ID, MIN_ID, newId, type StreamId } from "../store/stream_id.ts";
import { int64Arg, integerArg, readTyped, readTypedToChange, writeTyped } from "./arguments.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { addStream } from "./stream.ts";
import {
  createConsumer,
  endArg,
  findConsumer,
  findGroup,
  groupChanged,
  idArg,
  isByte,
  noGroup,
  noGroupOfKey,
  replyCount,
  replyId,
  startArg,
  streamOf,
} from "./stream_args.ts";
import { STREAM_CLAIM_COMMANDS } from "./stream_claim.ts";

const HELP = [
  "CREATE <key> <groupname> <id|$> [option]",
  "    Makes a consumer group that reads on from an ID. Options:",
  "    * MKSTREAM",
  "      Make an empty stream where the key is missing.",
  "    * ENTRIESREAD entries_read",
  "      Set the count of what the group has read (for replication).",
  "CREATECONSUMER <key> <groupname> <consumer>",
  "    Adds a consumer to a group.",
  "DELCONSUMER <key> <groupname> <consumer>",
  "    Removes a consumer, with what it has pending.",
  "DESTROY <key> <groupname>",
  "    Removes a group.",
  "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
  "    Sets from where the group reads on, and its count of what it has read.",
];

export const STREAM_GROUP_COMMANDS = [
  {
    name: "xgroup",
    arity: -2,
    flags: [],
    group: "stream",
    since: "5.0.0",
    complexity: "Depends on the subcommand.",
    summary: "Makes and removes consumer groups and their consumers.",
    syntax: "",
    subcommands: [
      {
        name: "create",
        arity: -5,
        flags: ["write", "denyoom"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Makes a consumer group.",
        syntax:
          "key:key group:string id-selector:(id:string|new-id=$) [MKSTREAM] [ENTRIESREAD entriesread/entries-read:integer]",
        keys: keys("RW insert", 2),
        history: [["7.0.0", "Takes `ENTRIESREAD`."]],
        handler: xgroupCreate,
      },
      {
        name: "createconsumer",
        arity: 5,
        flags: ["write", "denyoom"],
        group: "stream",
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Adds a consumer to a group.",
        syntax: "key:key group:string consumer:string",
        keys: keys("RW insert", 2),
        handler: xgroupCreateConsumer,
      },
      {
        name: "delconsumer",
        arity: 5,
        flags: ["write"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Removes a consumer with what it has pending.",
        syntax: "key:key group:string consumer:string",
        keys: keys("RW delete", 2),
        handler: xgroupDelConsumer,
      },
      {
        name: "destroy",
        arity: 4,
        flags: ["write"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(N), N being what the group has pending.",
        summary: "Removes a consumer group.",
        syntax: "key:key group:string",
        keys: keys("RW delete", 2),
        handler: xgroupDestroy,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("xgroup", HELP),
      },
      {
        name: "setid",
        arity: -5,
        flags: ["write"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Sets the last ID that a group was delivered.",
        syntax:
          "key:key group:string id-selector:(id:string|new-id=$) [ENTRIESREAD entriesread/entries-read:integer]",
        keys: keys("RW update", 2),
        history: [["7.0.0", "Takes `ENTRIESREAD`."]],
        handler: xgroupSetId,
      },
    ],
  },
  {
    name: "xack",
    arity: -4,
    flags: ["write", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)) for each ID, N being what the group has pending.",
    summary: "Acknowledges entries: they are no longer pending.",
    syntax: "key:key group:string id:string...",
    keys: keys("RW update"),
    handler: xack,
  },
  {
    name: "xpending",
    arity: -3,
    flags: ["readonly"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)+M), N being what is pending and M those looked at; O(C) for C consumers.",
    summary: "Tells what is delivered to a group's consumers and not acknowledged.",
    syntax:
      "key:key group:string [filters:{[IDLE min-idle-time:integer@6.2.0] start:string end:string count:integer [consumer:string]}]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    history: [["6.2.0", "Takes `IDLE` and exclusive IDs."]],
    handler: xpending,
  },
  ...STREAM_CLAIM_COMMANDS,
] as const satisfies readonly CommandSpec[];

const NO_KEY = new ReplyError(
  "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);
const BUSY_GROUP = new ReplyError("BUSYGROUP Consumer Group name already exists");
const NEGATIVE_READ = new ReplyError("ERR value for ENTRIESREAD must be positive or -1");

const DOLLAR = 0x24;
const MINUS = 0x2d;
const PLUS = 0x2b;

const id = newId();
const end = newId();

// ---- XGROUP ----------------------------------------------------------------------------------------

/** The options of CREATE and SETID, from argument 5 on: one object, valid until the next command. */
const created = { makeStream: false, entriesRead: UNKNOWN as Count };

function groupOptions(args: Args, takesMakeStream: boolean): void {
  created.makeStream = false;
  created.entriesRead = UNKNOWN;
  for (let i = 5; i < args.count; i++) {
    if (takesMakeStream && args.is(i, "MKSTREAM")) {
      created.makeStream = true;
    } else if (i + 1 < args.count && args.is(i, "ENTRIESREAD")) {
      created.entriesRead = int64Arg(args, ++i);
      if (created.entriesRead < 0 && created.entriesRead !== UNKNOWN) throw NEGATIVE_READ;
    } else {
      throw subcommandSyntaxError(args);
    }
  }
}

/** The stream that is argument 2; throws if it is not there. */
function streamArg(client: Client, args: Args): Stream {
  const entry = writeTyped(client, args, 2, TYPE.stream);
  if (entry === 0) throw NO_KEY;
  return streamOf(client.db, entry);
}

/** The group that is argument 3 of a stream; throws if it is not there. */
function groupArg(stream: Stream, args: Args): Group {
  const group = findGroup(stream, args, 3);
  if (group === undefined) throw noGroupOfKey(args, 2, 3);
  return group;
}

/** Argument 4 as where a group is to read on; `$` is a stream's last ID. */
function groupIdArg(args: Args, stream: Stream | undefined): StreamId {
  if (isByte(args, 4, DOLLAR)) copyId(stream?.lastId ?? MIN_ID, id);
  else idArg(args, 4, id);
  return id;
}

function xgroupCreate(client: Client, args: Args): void {
  const { db, reply } = client;
  groupOptions(args, true);
  const entry = writeTyped(client, args, 2, TYPE.stream);
  if (entry === 0 && !created.makeStream) throw NO_KEY;
  let stream = entry === 0 ? undefined : streamOf(db, entry);
  groupIdArg(args, stream);
  if (stream === undefined) {
    stream = new Stream(db.arena);
    addStream(db, args, 2, stream);
    const { watches, tracking } = client.server;
    watches.changed(db, args.buf, args.off(2), args.len(2));
    if (tracking.active) tracking.changed(true, args.buf, args.off(2), args.len(2));
  }
  if (findGroup(stream, args, 3) !== undefined) throw BUSY_GROUP;
  stream.groups.add(new Group(args.copy(3), db.arena, id, created.entriesRead));
  groupChanged(client, args, 2, "xgroup-create");
  reply.ok();
}

function xgroupSetId(client: Client, args: Args): void {
  groupOptions(args, false);
  const stream = streamArg(client, args);
  const group = groupArg(stream, args);
  // Unlike CREATE it takes the ends of a range, too.
  if (isByte(args, 4, MINUS)) copyId(MIN_ID, group.lastId);
  else if (isByte(args, 4, PLUS)) copyId(MAX_ID, group.lastId);
  else copyId(groupIdArg(args, stream), group.lastId);
  group.entriesRead = created.entriesRead;
  groupChanged(client, args, 2, "xgroup-setid");
  client.reply.ok();
}

function xgroupDestroy(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const stream = streamArg(client, args);
  const group = findGroup(stream, args, 3);
  if (group === undefined) return reply.integer(0);
  stream.groups.remove(group);
  group.free();
  groupChanged(client, args, 2, "xgroup-destroy");
  // Who waits to read for the group must be told.
  server.effects.keyReady(db, args.buf, args.off(2), args.len(2));
  reply.integer(1);
}

function xgroupCreateConsumer(client: Client, args: Args): void {
  const group = groupArg(streamArg(client, args), args);
  const isNew = findConsumer(group, args, 4) === undefined;
  if (isNew) createConsumer(client, args, 2, group, 4);
  client.reply.integer(isNew ? 1 : 0);
}

function xgroupDelConsumer(client: Client, args: Args): void {
  const group = groupArg(streamArg(client, args), args);
  const consumer = findConsumer(group, args, 4);
  if (consumer === undefined) return client.reply.integer(0);
  const pending = consumer.pending.count;
  group.removeConsumer(consumer);
  groupChanged(client, args, 2, "xgroup-delconsumer");
  client.reply.integer(pending);
}

// ---- what is pending -------------------------------------------------------------------------------

function xack(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const entry = readTypedToChange(client, args, 1, TYPE.stream);
  const group = entry === 0 ? undefined : findGroup(streamOf(db, entry), args, 2);
  if (group === undefined) return reply.integer(0);
  for (let i = 3; i < args.count; i++) idArg(args, i, id);
  let acknowledged = 0;
  for (let i = 3; i < args.count; i++) {
    idArg(args, i, id);
    const place = group.pending.find(id);
    if (place === NO_RECORD) continue;
    group.removePending(place);
    acknowledged++;
  }
  server.effects.dirty += acknowledged;
  reply.integer(acknowledged);
}

function xpending(client: Client, args: Args): void {
  const { db } = client;
  const isSummary = args.count === 3;
  if (!isSummary && (args.count < 6 || args.count > 9)) throw SYNTAX_ERROR;
  let at = 3;
  let minIdleMs = 0;
  let count = 0;
  if (!isSummary) {
    if (args.is(3, "IDLE")) {
      minIdleMs = integerArg(args, 4);
      if (args.count < 8) throw SYNTAX_ERROR;
      at = 5;
    }
    count = Math.max(0, integerArg(args, at + 2));
    startArg(args, at, id);
    endArg(args, at + 1, end);
  }
  const entry = readTyped(client, args, 1, TYPE.stream);
  const group = entry === 0 ? undefined : findGroup(streamOf(db, entry), args, 2);
  if (group === undefined) throw noGroup(args, 1, 2);
  if (isSummary) summarise(client, group);
  else listPending(client, args, group, at + 3, count, minIdleMs);
}

function summarise({ reply }: Client, { pending, consumers }: Group): void {
  reply.array(4);
  reply.integer(pending.count);
  if (pending.count === 0) {
    reply.nil();
    reply.nil();
    reply.nilArray();
    return;
  }
  const { first, last } = pending;
  replyId(reply, pending.words(first), pending.at(first));
  replyId(reply, pending.words(last), pending.at(last));
  const busy = consumers.items.filter((consumer) => consumer.pending.count > 0);
  reply.array(busy.length);
  for (const consumer of busy) {
    reply.array(2);
    reply.bulk(consumer.name);
    reply.bulkInteger(consumer.pending.count);
  }
}

/** Lists up to `count` entries from `id` to `end` that are pending, of all consumers or of argument `at`. */
function listPending(
  client: Client,
  args: Args,
  group: Group,
  at: number,
  count: number,
  minIdleMs: number,
): void {
  const { reply } = client;
  const { nowMs } = client.server.time;
  const consumer = at < args.count ? findConsumer(group, args, at) : undefined;
  if (at < args.count && consumer === undefined) return reply.array(0);
  const table = consumer?.pending ?? group.pending;
  const found: number[] = [];
  let place = table.atLeast(id);
  for (; place !== NO_RECORD && found.length < count; place = table.next(place)) {
    const words = table.words(place);
    if (compareIds(words, end, table.at(place)) > 0) break;
    const record = consumer === undefined ? place : group.pending.find(words, table.at(place));
    if (minIdleMs !== 0 && nowMs - group.deliveryMs(record) < minIdleMs) continue;
    found.push(record);
  }
  reply.array(found.length);
  for (const record of found) {
    reply.array(4);
    replyId(reply, group.pending.words(record), group.pending.at(record));
    reply.bulk(group.consumerOf(record)!.name);
    reply.integer(Math.max(0, nowMs - group.deliveryMs(record)));
    replyCount(reply, group.deliveries(record));
  }
}
