/** XINFO: a stream, its groups and their consumers described. */
import type { Args } from "../resp/args.ts";
import { NO_SUCH_KEY } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { type IdTable, NO_RECORD } from "../store/id_table.ts";
import type { Stream } from "../store/stream.ts";
import { StreamCursor } from "../store/stream_cursor.ts";
import { type Consumer, type Group, UNKNOWN } from "../store/stream_groups.ts";
import { integerArg, readTyped } from "./arguments.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import { type CommandSpec, keys } from "./spec.ts";
import {
  findGroup,
  noGroupOfKey,
  replyCount,
  replyEntry,
  replyId,
  streamOf,
} from "./stream_args.ts";

const HELP = [
  "CONSUMERS <key> <groupname>",
  "    The consumers of a group.",
  "GROUPS <key>",
  "    The groups of a stream.",
  "STREAM <key> [FULL [COUNT <count>]",
  "    The stream itself.",
];

export const STREAM_INFO_COMMANDS = [
  {
    name: "xinfo",
    arity: -2,
    flags: [],
    group: "stream",
    since: "5.0.0",
    complexity: "Depends on the subcommand.",
    summary: "Describes streams, groups and consumers.",
    syntax: "",
    subcommands: [
      {
        name: "consumers",
        arity: 4,
        flags: ["readonly"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(N), N being the group's consumers.",
        summary: "Describes the consumers of a group.",
        syntax: "key:key group:string",
        keys: keys("RO access", 2),
        tips: ["nondeterministic_output"],
        history: [["7.2.0", "Tells `inactive`."]],
        handler: xinfoConsumers,
      },
      {
        name: "groups",
        arity: 3,
        flags: ["readonly"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(N), N being the stream's groups.",
        summary: "Describes the groups of a stream.",
        syntax: "key:key",
        keys: keys("RO access", 2),
        history: [["7.0.0", "Tells `entries-read` and `lag`."]],
        handler: xinfoGroups,
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
        handler: helpHandler("xinfo", HELP),
      },
      {
        name: "stream",
        arity: -3,
        flags: ["readonly"],
        group: "stream",
        since: "5.0.0",
        complexity: "O(B), B being the stream's blocks; FULL also O(N) for N entries returned.",
        summary: "Describes a stream.",
        syntax: "key:key [full-block:{FULL [COUNT count:integer]}]",
        keys: keys("RO access", 2),
        history: [
          ["6.0.0", "Takes `FULL`."],
          ["7.0.0", "Tells what was added and deleted, and the groups' lag."],
          ["7.2.0", "Tells a consumer's `active-time`."],
        ],
        handler: xinfoStream,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

const DEFAULT_COUNT = 10;
const ID_BYTES = 16;

const cursor = new StreamCursor();

/** The stream that is argument 2; throws if it is not there. */
function streamArg(client: Client, args: Args): Stream {
  const entry = readTyped(client, args, 2, TYPE.stream);
  if (entry === 0) throw NO_SUCH_KEY;
  return streamOf(client.db, entry);
}

function xinfoConsumers(client: Client, args: Args): void {
  const { reply, server } = client;
  const group = findGroup(streamArg(client, args), args, 3);
  if (group === undefined) throw noGroupOfKey(args, 2, 3);
  const { nowMs } = server.time;
  const { items } = group.consumers;
  reply.array(items.length);
  for (const { name, pending, seenMs, activeMs } of items) {
    reply.map(4);
    reply.bulkText("name");
    reply.bulk(name);
    reply.bulkText("pending");
    reply.integer(pending.count);
    reply.bulkText("idle");
    reply.integer(Math.max(0, nowMs - seenMs));
    reply.bulkText("inactive");
    reply.integer(activeMs === UNKNOWN ? UNKNOWN : Math.max(0, nowMs - activeMs));
  }
}

function xinfoGroups(client: Client, args: Args): void {
  const { reply } = client;
  const stream = streamArg(client, args);
  reply.array(stream.groups.items.length);
  for (const group of stream.groups.items) {
    reply.map(6);
    reply.bulkText("name");
    reply.bulk(group.name);
    reply.bulkText("consumers");
    reply.integer(group.consumers.items.length);
    reply.bulkText("pending");
    reply.integer(group.pending.count);
    replyProgress(reply, stream, group);
  }
}

/** How far a group is: three pairs. */
function replyProgress(reply: ReplyWriter, stream: Stream, group: Group): void {
  reply.bulkText("last-delivered-id");
  replyId(reply, group.lastId);
  reply.bulkText("entries-read");
  if (group.entriesRead === UNKNOWN) reply.nil();
  else replyCount(reply, group.entriesRead);
  reply.bulkText("lag");
  const lag = group.lag(stream);
  if (lag === undefined) reply.nil();
  else replyCount(reply, lag);
}

function xinfoStream(client: Client, args: Args): void {
  const { reply } = client;
  const stream = streamArg(client, args);
  const isFull = args.count > 3;
  let count = 0;
  if (isFull) {
    if ((args.count !== 4 && args.count !== 6) || !args.is(3, "FULL")) {
      throw subcommandSyntaxError(args);
    }
    count = DEFAULT_COUNT;
    if (args.count === 6) {
      if (!args.is(4, "COUNT")) throw subcommandSyntaxError(args);
      count = integerArg(args, 5);
      if (count < 0) count = DEFAULT_COUNT;
    }
  }
  reply.map(isFull ? 9 : 10);
  reply.bulkText("length");
  reply.integer(stream.length);
  reply.bulkText("radix-tree-keys");
  reply.integer(stream.blocks.count);
  reply.bulkText("radix-tree-nodes");
  reply.integer(radixNodes(stream.blocks));
  reply.bulkText("last-generated-id");
  replyId(reply, stream.lastId);
  reply.bulkText("max-deleted-entry-id");
  replyId(reply, stream.maxDeletedId);
  reply.bulkText("entries-added");
  replyCount(reply, stream.entriesAdded);
  reply.bulkText("recorded-first-entry-id");
  replyId(reply, stream.firstId);
  if (isFull) return replyFull(reply, stream, count);
  reply.bulkText("groups");
  reply.integer(stream.groups.items.length);
  reply.bulkText("first-entry");
  replyEdge(reply, stream, false);
  reply.bulkText("last-entry");
  replyEdge(reply, stream, true);
}

/** Writes the first or the last entry, or null. */
function replyEdge(reply: ReplyWriter, stream: Stream, last: boolean): void {
  cursor.startAll(stream, last);
  if (cursor.next()) replyEntry(reply, cursor);
  else reply.nil();
}

/** Writes entries and groups, of each list at most `count` (0: all). */
function replyFull(reply: ReplyWriter, stream: Stream, count: number): void {
  reply.bulkText("entries");
  cursor.startAll(stream, false);
  const entries = cursor.ahead(count);
  reply.array(entries);
  for (let i = 0; i < entries; i++) {
    cursor.next();
    replyEntry(reply, cursor);
  }
  reply.bulkText("groups");
  reply.array(stream.groups.items.length);
  for (const group of stream.groups.items) {
    reply.map(7);
    reply.bulkText("name");
    reply.bulk(group.name);
    replyProgress(reply, stream, group);
    const { pending } = group;
    reply.bulkText("pel-count");
    reply.integer(pending.count);
    reply.bulkText("pending");
    replyPending(reply, pending, count, (place) => {
      reply.array(4);
      replyId(reply, pending.words(place), pending.at(place));
      reply.bulk(group.consumerOf(place)!.name);
      replyDelivery(reply, group, place);
    });
    reply.bulkText("consumers");
    reply.array(group.consumers.items.length);
    for (const consumer of group.consumers.items) replyConsumer(reply, group, consumer, count);
  }
}

function replyConsumer(reply: ReplyWriter, group: Group, consumer: Consumer, count: number): void {
  const { name, seenMs, activeMs, pending } = consumer;
  reply.map(5);
  reply.bulkText("name");
  reply.bulk(name);
  reply.bulkText("seen-time");
  reply.integer(seenMs);
  reply.bulkText("active-time");
  reply.integer(activeMs);
  reply.bulkText("pel-count");
  reply.integer(pending.count);
  reply.bulkText("pending");
  replyPending(reply, pending, count, (place) => {
    reply.array(3);
    replyId(reply, pending.words(place), pending.at(place));
    replyDelivery(reply, group, group.pending.find(pending.words(place), pending.at(place)));
  });
}

/** Writes up to `count` (0: all) of a table's records. */
function replyPending(
  reply: ReplyWriter,
  pending: IdTable,
  count: number,
  write: (place: number) => void,
): void {
  let left = count === 0 ? pending.count : Math.min(count, pending.count);
  reply.array(left);
  for (let place = pending.first; left > 0; left--, place = pending.next(place)) write(place);
}

function replyDelivery(reply: ReplyWriter, group: Group, place: number): void {
  reply.integer(group.deliveryMs(place));
  replyCount(reply, group.deliveries(place));
}

/**
 * How many nodes Redis's radix tree of the blocks would have: one where keys part, one at each end,
 * and one for every run of bytes in which nothing parts.
 */
function radixNodes(blocks: IdTable): number {
  if (blocks.count === 0) return 1;
  let nodes = 0;
  /** Where keys part above the place that is looked at, in bytes: the depths, ever deeper. */
  const partings: number[] = [];
  const close = (depth: number) => {
    while (partings.length > 0 && partings.at(-1)! > depth) {
      const parting = partings.pop()!;
      const above = Math.max(depth, partings.at(-1) ?? -1);
      nodes += parting > above + 1 ? 2 : 1;
    }
  };
  let before = -1;
  for (let place = blocks.first; place !== NO_RECORD; place = blocks.next(place)) {
    const following = blocks.next(place);
    const after = following === NO_RECORD ? -1 : sharedBytes(blocks, place, following);
    const parting = Math.max(before, after);
    nodes += ID_BYTES > parting + 1 ? 2 : 1;
    close(after);
    if (after >= 0 && partings.at(-1) !== after) partings.push(after);
    before = after;
  }
  return nodes;
}

/** How many bytes two IDs have in common from their beginning. */
function sharedBytes(blocks: IdTable, a: number, b: number): number {
  const [aWords, bWords] = [blocks.words(a), blocks.words(b)];
  const [aAt, bAt] = [blocks.at(a), blocks.at(b)];
  let word = 0;
  while (aWords[aAt + word] === bWords[bAt + word]) word++;
  return 4 * word + (Math.clz32(aWords[aAt + word]! ^ bWords[bAt + word]!) >> 3);
}
