/** Lists: LPUSH, LRANGE, LINSERT and their family; `list_pop.ts` has what takes elements off. */
import type { Args } from "../resp/args.ts";
import { NO_SUCH_KEY, OUT_OF_RANGE, ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import {
  addList,
  growList,
  insertElement,
  listLength,
  ListWalk,
  pushElement,
  removeElements,
  removeEqualElements,
  replaceElement,
  shrinkList,
} from "../store/list_value.ts";
import { int64Arg, integerArg, integerAtLeast, readTyped, writeTyped } from "./arguments.ts";
import { elementsRemoved, LIST_POP_COMMANDS, writeElement } from "./list_pop.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const LIST_COMMANDS = [
  {
    name: "lpush",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "list",
    since: "1.0.0",
    complexity: "O(1) an element.",
    summary: "Adds elements at a list's head, making the list if there is none.",
    syntax: "key:key element:string...",
    keys: keys("RW insert"),
    history: [["2.4.0", "Takes several elements."]],
    handler: lpush,
  },
  {
    name: "rpush",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "list",
    since: "1.0.0",
    complexity: "O(1) an element.",
    summary: "Adds elements at a list's tail, making the list if there is none.",
    syntax: "key:key element:string...",
    keys: keys("RW insert"),
    history: [["2.4.0", "Takes several elements."]],
    handler: rpush,
  },
  {
    name: "lpushx",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "list",
    since: "2.2.0",
    complexity: "O(1) an element.",
    summary: "Adds elements at the head of a list that is there.",
    syntax: "key:key element:string...",
    keys: keys("RW insert"),
    history: [["4.0.0", "Takes several elements."]],
    handler: lpushx,
  },
  {
    name: "rpushx",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "list",
    since: "2.2.0",
    complexity: "O(1) an element.",
    summary: "Adds elements at the tail of a list that is there.",
    syntax: "key:key element:string...",
    keys: keys("RW insert"),
    history: [["4.0.0", "Takes several elements."]],
    handler: rpushx,
  },
  {
    name: "llen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "list",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns how many elements a list has.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: llen,
  },
  {
    name: "lrange",
    arity: 4,
    flags: ["readonly"],
    group: "list",
    since: "1.0.0",
    complexity:
      "O(S+N) for N elements returned, S being the way to the first of them from the nearer end.",
    summary: "Returns the elements between two indexes.",
    syntax: "key:key start:integer stop:integer",
    keys: keys("RO access"),
    traits: ["cost_in_reply"],
    handler: lrange,
  },
  {
    name: "lindex",
    arity: 3,
    flags: ["readonly"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N), N being the way to the element from the nearer end; O(1) at both ends.",
    summary: "Returns the element with an index.",
    syntax: "key:key index:integer",
    keys: keys("RO access"),
    traits: ["cost_in_reply"],
    handler: lindex,
  },
  {
    name: "lset",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N), N being the way to the element from the nearer end; O(1) at both ends.",
    summary: "Puts another element in the place of one.",
    syntax: "key:key index:integer element:string",
    keys: keys("RW update"),
    handler: lset,
  },
  {
    name: "linsert",
    arity: 5,
    flags: ["write", "denyoom"],
    group: "list",
    since: "2.2.0",
    complexity: "O(N), N being the elements from the head to the pivot.",
    summary: "Inserts an element beside the first one that is equal to a pivot.",
    syntax: "key:key where:(BEFORE|AFTER) pivot:string element:string",
    keys: keys("RW insert"),
    handler: linsert,
  },
  {
    name: "lrem",
    arity: 4,
    flags: ["write"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N+M) for a list of N elements of which M are removed.",
    summary: "Removes elements that are equal to one.",
    syntax: "key:key count:integer element:string",
    keys: keys("RW delete"),
    handler: lrem,
  },
  {
    name: "ltrim",
    arity: 4,
    flags: ["write"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N), N being the elements removed.",
    summary: "Removes the elements outside of two indexes.",
    syntax: "key:key start:integer stop:integer",
    keys: keys("RW delete"),
    handler: ltrim,
  },
  {
    name: "lpos",
    arity: -3,
    flags: ["readonly"],
    group: "list",
    since: "6.0.6",
    complexity: "O(N) for a list of N elements, less where matches are near or MAXLEN is given.",
    summary: "Returns the indexes of elements that are equal to one.",
    syntax:
      "key:key element:string [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
    keys: keys("RO access"),
    handler: lpos,
  },
  ...LIST_POP_COMMANDS,
] as const satisfies readonly CommandSpec[];

const INT64_MIN = -(2n ** 63n);
const NO_NEGATIVE = new ReplyError(
  `ERR value is out of range, value must between ${INT64_MIN + 1n} and ${-INT64_MIN - 1n}`,
);
const ZERO_RANK = new ReplyError(
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
);
const NEGATIVE_COUNT = new ReplyError("ERR COUNT can't be negative");
const NEGATIVE_MAXLEN = new ReplyError("ERR MAXLEN can't be negative");

const walk = new ListWalk();

function lpush(client: Client, args: Args): void {
  push(client, args, true, true);
}

function rpush(client: Client, args: Args): void {
  push(client, args, false, true);
}

function lpushx(client: Client, args: Args): void {
  push(client, args, true, false);
}

function rpushx(client: Client, args: Args): void {
  push(client, args, false, false);
}

function push(client: Client, args: Args, atHead: boolean, creates: boolean): void {
  const { db, reply, server } = client;
  let entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) {
    if (!creates) return reply.integer(0);
    entry = addList(db, args, 1);
  }
  const fill = server.config.values["list-max-listpack-size"];
  let bytes = 0;
  for (let i = 2; i < args.count; i++) bytes += args.len(i);
  growList(db, entry, args.count - 2, bytes, fill);
  for (let i = 2; i < args.count; i++) {
    pushElement(db, entry, args.buf, args.off(i), args.len(i), atHead, fill);
  }
  client.changed(args, 1, EVENT.list, atHead ? "lpush" : "rpush");
  server.effects.dirty += args.count - 3;
  reply.integer(listLength(db, entry));
}

function llen(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.list);
  client.reply.integer(entry === 0 ? 0 : listLength(client.db, entry));
}

function lrange(client: Client, args: Args): void {
  const { db, reply } = client;
  let start = integerArg(args, 2);
  let stop = integerArg(args, 3);
  const entry = readTyped(client, args, 1, TYPE.list);
  if (entry === 0) return reply.array(0);
  const length = listLength(db, entry);
  start = Math.max(0, fromHead(start, length));
  stop = Math.min(fromHead(stop, length), length - 1);
  if (start > stop) return reply.array(0);
  reply.array(stop - start + 1);
  walk.start(db, entry, start, true);
  for (let i = start; i < stop; i++) {
    writeElement(reply, walk);
    walk.next();
  }
  writeElement(reply, walk);
}

/** An index, negative counting from the end, as one from the head; -1 is before that. */
function fromHead(index: number, length: number): number {
  return index >= 0 ? index : Math.max(index + length, -1);
}

function lindex(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = readTyped(client, args, 1, TYPE.list);
  if (entry === 0) return reply.nil();
  const length = listLength(db, entry);
  const index = fromHead(integerArg(args, 2), length);
  if (index < 0 || index >= length) return reply.nil();
  walk.start(db, entry, index, true);
  writeElement(reply, walk);
}

function lset(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) throw NO_SUCH_KEY;
  const length = listLength(db, entry);
  const index = fromHead(integerArg(args, 2), length);
  const fill = server.config.values["list-max-listpack-size"];
  growList(db, entry, 1, args.len(3), fill);
  if (index < 0 || index >= length) throw OUT_OF_RANGE;
  replaceElement(db, entry, index, args.buf, args.off(3), args.len(3), fill);
  shrinkList(db, entry, fill);
  client.changed(args, 1, EVENT.list, "lset");
  reply.ok();
}

function linsert(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const isAfter = args.is(2, "AFTER");
  if (!isAfter && !args.is(2, "BEFORE")) throw SYNTAX_ERROR;
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) return reply.integer(0);
  const fill = server.config.values["list-max-listpack-size"];
  growList(db, entry, 1, args.len(4), fill);
  const pivot = indexOf(client, entry, args, 3);
  if (pivot === -1) return reply.integer(-1);
  const index = isAfter ? pivot + 1 : pivot;
  insertElement(db, entry, index, args.buf, args.off(4), args.len(4), fill);
  client.changed(args, 1, EVENT.list, "linsert");
  reply.integer(listLength(db, entry));
}

/** The index of the first element that is argument `i`, or -1. */
function indexOf({ db }: Client, entry: number, args: Args, i: number): number {
  walk.start(db, entry, 0, true);
  let index = 0;
  do {
    if (walk.equals(args.buf, args.off(i), args.len(i))) return index;
    index++;
  } while (walk.next());
  return -1;
}

function lrem(client: Client, args: Args): void {
  const { db, reply } = client;
  const count = negatableArg(args, 2);
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) return reply.integer(0);
  const limit = count === 0 ? Infinity : Math.abs(count);
  const fromTail = count < 0;
  const [buf, off, len] = [args.buf, args.off(3), args.len(3)];
  const removed = removeEqualElements(db, entry, buf, off, len, limit, fromTail);
  if (removed > 0) elementsRemoved(client, args, 1, entry, "lrem", removed);
  reply.integer(removed);
}

function ltrim(client: Client, args: Args): void {
  const { db, reply } = client;
  const first = integerArg(args, 2);
  const last = integerArg(args, 3);
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) return reply.ok();
  const length = listLength(db, entry);
  const start = Math.max(0, fromHead(first, length));
  const stop = Math.min(fromHead(last, length), length - 1);
  const isEmpty = start > stop;
  const atTail = isEmpty ? length : length - 1 - stop;
  const atHead = isEmpty ? 0 : start;
  removeElements(db, entry, length - atTail, atTail);
  removeElements(db, entry, 0, atHead);
  elementsRemoved(client, args, 1, entry, "ltrim", atTail + atHead);
  reply.ok();
}

function lpos(client: Client, args: Args): void {
  const { reply } = client;
  let rank = 1;
  let count = -1;
  let maxLength = 0;
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) throw SYNTAX_ERROR;
    if (args.is(i, "RANK")) {
      rank = negatableArg(args, i + 1);
      if (rank === 0) throw ZERO_RANK;
    } else if (args.is(i, "COUNT")) {
      count = integerAtLeast(args, i + 1, 0, NEGATIVE_COUNT);
    } else if (args.is(i, "MAXLEN")) {
      maxLength = integerAtLeast(args, i + 1, 0, NEGATIVE_MAXLEN);
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const entry = readTyped(client, args, 1, TYPE.list);
  const wanted = count === -1 ? 1 : count === 0 ? Infinity : count;
  const found = entry === 0 ? [] : positions(client, entry, args, rank, wanted, maxLength);
  if (count !== -1) reply.array(found.length);
  else if (found.length === 0) return reply.nil();
  for (const index of found) reply.integer(index);
}

/**
 * Indexes of elements that are argument 2: at most `wanted` from the match with this rank on (negative
 * from the tail), among the first `maxLength` elements looked at (0: all).
 */
function positions(
  { db }: Client,
  entry: number,
  args: Args,
  rank: number,
  wanted: number,
  maxLength: number,
): number[] {
  const length = listLength(db, entry);
  const forward = rank > 0;
  const limit = maxLength === 0 ? length : Math.min(maxLength, length);
  const [buf, off, len] = [args.buf, args.off(2), args.len(2)];
  const found: number[] = [];
  let skipped = Math.abs(rank) - 1;
  walk.start(db, entry, forward ? 0 : length - 1, forward);
  for (let i = 0; i < limit; i++) {
    if (walk.equals(buf, off, len) && skipped-- <= 0) {
      found.push(forward ? i : length - 1 - i);
      if (found.length >= wanted) break;
    }
    walk.next();
  }
  return found;
}

/** Argument `i` as a signed integer whose opposite is one, too. */
function negatableArg(args: Args, i: number): number {
  const value = int64Arg(args, i);
  if (value === INT64_MIN) throw NO_NEGATIVE;
  return Number(value);
}
