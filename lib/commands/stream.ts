/**
 * Streams: their entries, added, read by range, deleted. XREAD and XREADGROUP stand in
 * `stream_read.ts`, XINFO in `stream_info.ts`, groups in `stream_group.ts`.
 */
import type { Args } from "../resp/args.ts";
import { NO_SUCH_KEY, ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type Database, ENCODING, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { Stream } from "../store/stream.ts";
import type { Count } from "../store/stream_count.ts";
import { StreamCursor } from "../store/stream_cursor.ts";
import {
  compareIds,
  copyId,
  incrementId,
  isLastSequence,
  isZeroId,
  MAX_ID,
  newId,
  PARSED,
  type StreamId,
} from "../store/stream_id.ts";
import { int64Arg, integerArg, readTyped, writeTyped } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import {
  blockLimits,
  endArg,
  exactTrim,
  groupChanged,
  idArg,
  idWord,
  replyEntry,
  replyId,
  startArg,
  streamOf,
  trimOptions,
} from "./stream_args.ts";
import { STREAM_INFO_COMMANDS } from "./stream_info.ts";
import { STREAM_READ_COMMANDS } from "./stream_read.ts";

export const STREAM_COMMANDS = [
  {
    name: "xadd",
    arity: -5,
    flags: ["write", "denyoom", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(1) to add; O(N) to trim N entries.",
    summary: "Adds an entry to a stream, which it creates where the key is missing.",
    syntax:
      'key:key [NOMKSTREAM@6.2.0] [trim:{strategy:(MAXLEN|MINID@6.2.0) [operator:(equal="="|approximately=~)] threshold:string [LIMIT count:integer@6.2.0]}] id-selector:(auto-id=*|id:string) data:{field:string value:string}...',
    keys: [{
      flags: "RW update",
      begin: 1,
      range: [0, 1, 0],
      notes: "Updated, not inserted, as Redis has it: trimming may also delete",
    }],
    tips: ["nondeterministic_output"],
    history: [
      ["6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."],
      ["7.0.0", "Takes an ID of the form `<ms>-*`."],
    ],
    handler: xadd,
  },
  {
    name: "xlen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Counts the entries of a stream.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: xlen,
  },
  {
    name: "xrange",
    arity: -4,
    flags: ["readonly"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)+M), N being the stream's entries and M those returned.",
    summary: "Returns the entries between two IDs.",
    syntax: "key:key start:string end:string [COUNT count:integer]",
    keys: keys("RO access"),
    history: [["6.2.0", "Takes exclusive IDs."]],
    traits: ["cost_in_reply"],
    handler: (client, args) => range(client, args, false),
  },
  {
    name: "xrevrange",
    arity: -4,
    flags: ["readonly"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)+M), N being the stream's entries and M those returned.",
    summary: "Returns the entries between two IDs, the last one first.",
    syntax: "key:key end:string start:string [COUNT count:integer]",
    keys: keys("RO access"),
    history: [["6.2.0", "Takes exclusive IDs."]],
    traits: ["cost_in_reply"],
    handler: (client, args) => range(client, args, true),
  },
  {
    name: "xdel",
    arity: -3,
    flags: ["write", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log(N)) for each ID, N being the stream's entries.",
    summary: "Deletes entries of a stream by their IDs.",
    syntax: "key:key id:string...",
    keys: keys("RW delete"),
    handler: xdel,
  },
  {
    name: "xtrim",
    arity: -4,
    flags: ["write"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(N), N being the entries that go, most of them as whole blocks.",
    summary: "Deletes the oldest entries of a stream.",
    syntax:
      'key:key trim:{strategy:(MAXLEN|MINID@6.2.0) [operator:(equal="="|approximately=~)] threshold:string [LIMIT count:integer@6.2.0]}',
    keys: keys("RW delete"),
    tips: ["nondeterministic_output"],
    history: [["6.2.0", "Takes `MINID` and `LIMIT`."]],
    handler: xtrim,
  },
  {
    name: "xsetid",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Sets a stream's last ID, and its counters: for replication.",
    syntax:
      "key:key last-id:string [ENTRIESADDED entries-added:integer@7.0.0] [MAXDELETEDID max-deleted-id:string@7.0.0]",
    keys: keys("RW update"),
    history: [["7.0.0", "Takes `ENTRIESADDED` and `MAXDELETEDID`."]],
    handler: xsetid,
  },
  ...STREAM_READ_COMMANDS,
  ...STREAM_INFO_COMMANDS,
] as const satisfies readonly CommandSpec[];

const ZERO_ID = new ReplyError("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED = new ReplyError(
  "ERR The stream has exhausted the last possible ID, unable to add more items",
);
const NOT_GREATER = new ReplyError(
  "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const TOO_LARGE = new ReplyError("ERR Elements are too large to be stored");
const ADD_ARITY = new ReplyError("ERR wrong number of arguments for 'xadd' command");
/** What an entry's fields and values may have together, in bytes. */
const MAX_ENTRY_BYTES = 1 << 30;

const NEGATIVE_ADDED = new ReplyError("ERR entries_added must be positive");
const BELOW_GIVEN_DELETED = new ReplyError(
  "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
);
const BELOW_DELETED = new ReplyError(
  "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
);
const BELOW_TOP = new ReplyError(
  "ERR The ID specified in XSETID is smaller than the target stream top item",
);
const BELOW_LENGTH = new ReplyError(
  "ERR The entries_added specified in XSETID is smaller than the target stream length",
);

// Registers for the IDs of one command, and its way through the entries.
const id = newId();
const start = newId();
const end = newId();
const cursor = new StreamCursor();

function xadd(client: Client, args: Args): void {
  const { db, reply } = client;
  const options = trimOptions(client, args, true);
  const first = options.idAt + 1;
  if (args.count - first < 2 || (args.count - first) % 2 === 1) throw ADD_ARITY;
  if (options.id === PARSED.whole && isZeroId(options.givenId)) throw ZERO_ID;
  const entry = writeTyped(client, args, 1, TYPE.stream);
  if (entry === 0 && options.noCreate) return reply.nil();
  const stream = entry === 0 ? new Stream(db.arena) : streamOf(db, entry);
  if (compareIds(stream.lastId, MAX_ID) === 0) throw EXHAUSTED;
  chooseId(client, stream, options.id, options.givenId);
  checkSize(args, first);

  stream.append(id, args, first, blockLimits(client));
  if (entry === 0) addStream(db, args, 1, stream);
  client.changed(args, 1, EVENT.stream, "xadd");
  if (entry !== 0) client.server.effects.keyReady(db, args.buf, args.off(1), args.len(1));
  if (options.trims && stream.trim(options) > 0) {
    client.server.effects.dirty--;
    client.changed(args, 1, EVENT.stream, "xtrim");
  }
  const { propagation } = client;
  if (propagation.active && (options.id !== PARSED.whole || options.approximate)) {
    const words = exactTrim(args, stream);
    if (options.id !== PARSED.whole) words[options.idAt] = idWord(id);
    propagation.instead(db.number, words);
  }
  replyId(reply, id);
}

/** Makes `id` the new entry's ID, or throws. */
function chooseId(
  client: Client,
  stream: Stream,
  parsed: number | undefined,
  given: StreamId,
): void {
  const { lastId } = stream;
  if (parsed === undefined) return stream.nextId(id, client.server.time.nowMs);
  copyId(given, id);
  if (parsed === PARSED.sequenceOpen && id[0] === lastId[0] && id[1] === lastId[1]) {
    if (isLastSequence(lastId)) throw NOT_GREATER;
    copyId(lastId, id);
    incrementId(id);
  }
  if (compareIds(id, lastId) <= 0) throw NOT_GREATER;
}

function checkSize(args: Args, first: number): void {
  let bytes = 0;
  for (let i = first; i < args.count; i++) bytes += args.len(i);
  if (bytes > MAX_ENTRY_BYTES) throw TOO_LARGE;
}

/** Adds key argument `i`, which is not there, with a stream. */
export function addStream(db: Database, args: Args, i: number, stream: Stream): void {
  const index = db.keepObject(stream);
  db.add(args.buf, args.off(i), args.len(i), TYPE.stream, ENCODING.stream, index, 0);
}

function xlen(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.stream);
  client.reply.integer(entry === 0 ? 0 : streamOf(client.db, entry).length);
}

function range(client: Client, args: Args, reversed: boolean): void {
  const { db, reply } = client;
  startArg(args, reversed ? 3 : 2, start);
  endArg(args, reversed ? 2 : 3, end);
  let count = -1;
  for (let i = 4; i < args.count; i += 2) {
    if (!args.is(i, "COUNT") || i + 1 === args.count) throw SYNTAX_ERROR;
    count = Math.max(0, integerArg(args, i + 1));
  }
  const entry = readTyped(client, args, 1, TYPE.stream);
  if (entry === 0) return reply.array(0);
  if (count === 0) return reply.nilArray();
  cursor.start(streamOf(db, entry), start, end, reversed);
  const found = cursor.ahead(Math.max(0, count));
  reply.array(found);
  for (let i = 0; i < found; i++) {
    cursor.next();
    replyEntry(reply, cursor);
  }
}

function xdel(client: Client, args: Args): void {
  const entry = writeTyped(client, args, 1, TYPE.stream);
  if (entry === 0) return client.reply.integer(0);
  for (let i = 2; i < args.count; i++) idArg(args, i, id);
  const stream = streamOf(client.db, entry);
  let deleted = 0;
  for (let i = 2; i < args.count; i++) {
    idArg(args, i, id);
    if (stream.delete(id)) deleted++;
  }
  if (deleted > 0) {
    stream.findFirstId();
    client.changed(args, 1, EVENT.stream, "xdel");
    client.server.effects.dirty += deleted - 1;
  }
  client.reply.integer(deleted);
}

function xtrim(client: Client, args: Args): void {
  const options = trimOptions(client, args, false);
  const entry = writeTyped(client, args, 1, TYPE.stream);
  if (entry === 0) return client.reply.integer(0);
  const { db, propagation } = client;
  const stream = streamOf(db, entry);
  const removed = stream.trim(options);
  if (removed > 0) {
    client.changed(args, 1, EVENT.stream, "xtrim");
    client.server.effects.dirty += removed - 1;
    if (propagation.active) propagation.instead(db.number, exactTrim(args, stream));
  }
  client.reply.integer(removed);
}

function xsetid(client: Client, args: Args): void {
  idArg(args, 2, id);
  let added: Count | undefined;
  let deletedId: StreamId | undefined;
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) throw SYNTAX_ERROR;
    if (args.is(i, "ENTRIESADDED")) {
      added = int64Arg(args, i + 1);
      if (added < 0) throw NEGATIVE_ADDED;
    } else if (args.is(i, "MAXDELETEDID")) {
      idArg(args, i + 1, end);
      if (compareIds(id, end) < 0) throw BELOW_GIVEN_DELETED;
      deletedId = end;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const entry = writeTyped(client, args, 1, TYPE.stream);
  if (entry === 0) throw NO_SUCH_KEY;
  const stream = streamOf(client.db, entry);
  if (compareIds(id, stream.maxDeletedId) < 0) throw BELOW_DELETED;
  if (stream.length > 0) {
    stream.edgeId(start, true);
    if (compareIds(id, start) < 0) throw BELOW_TOP;
    if (added !== undefined && added < stream.length) throw BELOW_LENGTH;
  }
  copyId(id, stream.lastId);
  if (added !== undefined) stream.entriesAdded = added;
  if (deletedId !== undefined && !isZeroId(deletedId)) copyId(deletedId, stream.maxDeletedId);
  groupChanged(client, args, 1, "xsetid");
  client.reply.ok();
}
