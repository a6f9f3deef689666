/** Lists: what takes elements off, alone or to push them to another list. */
import { copyBytes } from "../bytes/arena.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import {
  addList,
  growList,
  listLength,
  ListWalk,
  pushElement,
  removeElements,
  shrinkList,
} from "../store/list_value.ts";
import { integerAtLeast, writeTyped } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";

/** Of a command that moves an element from the list at argument 1 to that at argument 2. */
export const MOVE_KEYS = [
  { flags: "RW access delete", begin: 1, range: [0, 1, 0] },
  { flags: "RW insert", begin: 2, range: [0, 1, 0] },
] as const;

export const LIST_POP_COMMANDS = [
  {
    name: "lpop",
    arity: -2,
    flags: ["write", "fast"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N), N being the number of elements returned.",
    summary: "Removes and returns elements at a list's head.",
    syntax: "key:key [count:integer@6.2.0]",
    keys: keys("RW access delete"),
    history: [["6.2.0", "Takes a count."]],
    handler: lpop,
  },
  {
    name: "rpop",
    arity: -2,
    flags: ["write", "fast"],
    group: "list",
    since: "1.0.0",
    complexity: "O(N), N being the number of elements returned.",
    summary: "Removes and returns elements at a list's tail.",
    syntax: "key:key [count:integer@6.2.0]",
    keys: keys("RW access delete"),
    history: [["6.2.0", "Takes a count."]],
    handler: rpop,
  },
  {
    name: "lmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    group: "list",
    since: "7.0.0",
    complexity: "O(N+M) for N keys and M elements returned.",
    summary: "Removes and returns elements of the first of the lists that is there.",
    syntax: "numkeys:integer key:key... where:(LEFT|RIGHT) [COUNT count:integer]",
    keys: [{ flags: "RW access delete", begin: 1, keyNum: [0, 1, 1] }],
    handler: lmpop,
  },
  {
    name: "lmove",
    arity: 5,
    flags: ["write", "denyoom"],
    group: "list",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Moves an element from either end of a list to either end of another.",
    syntax: "source:key destination:key#1 wherefrom:(LEFT|RIGHT) whereto:(LEFT|RIGHT)",
    keys: MOVE_KEYS,
    handler: lmove,
  },
  {
    name: "rpoplpush",
    arity: 3,
    flags: ["write", "denyoom"],
    group: "list",
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Moves the last element of a list to the head of another.",
    syntax: "source:key destination:key#1",
    keys: MOVE_KEYS,
    deprecatedSince: "6.2.0",
    replacedBy: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
    handler: rpoplpush,
  },
] as const satisfies readonly CommandSpec[];

const NO_KEYS = new ReplyError("ERR numkeys should be greater than 0");
const NO_COUNT = new ReplyError("ERR count should be greater than 0");

const walk = new ListWalk();

/** What an element stands in on its way from one list to another. */
let moved: Uint8Array = new Uint8Array(1024);
/** A longer element gets bytes of its own. */
const MAX_KEPT_BYTES = 1 << 20;

function lpop(client: Client, args: Args): void {
  pop(client, args, true);
}

function rpop(client: Client, args: Args): void {
  pop(client, args, false);
}

function pop(client: Client, args: Args, fromHead: boolean): void {
  const { reply } = client;
  if (args.count > 3) {
    const name = fromHead ? "lpop" : "rpop";
    throw new ReplyError(`ERR wrong number of arguments for '${name}' command`);
  }
  const count = args.count === 3 ? integerAtLeast(args, 2, 0) : -1;
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) return count === -1 ? reply.nil() : reply.nilArray();
  if (count === -1) popElements(client, args, 1, entry, fromHead, 1);
  else if (count === 0) reply.array(0);
  else popArray(client, args, 1, entry, fromHead, count);
}

function lmpop(client: Client, args: Args): void {
  const { keyCount, fromHead, count } = multiPopArgs(args, 1);
  for (let i = 2; i < 2 + keyCount; i++) {
    const entry = writeTyped(client, args, i, TYPE.list);
    if (entry !== 0) return popWithKey(client, args, i, entry, fromHead, count);
  }
  client.reply.nilArray();
}

function lmove(client: Client, args: Args): void {
  const fromHead = isLeft(args, 3);
  move(client, args, fromHead, isLeft(args, 4));
}

function rpoplpush(client: Client, args: Args): void {
  move(client, args, false, true);
}

function move(client: Client, args: Args, fromHead: boolean, toHead: boolean): void {
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry === 0) client.reply.nil();
  else moveElement(client, args, entry, fromHead, toHead);
}

/** Whether argument `i` is LEFT; it must be that or RIGHT. */
export function isLeft(args: Args, i: number): boolean {
  if (args.is(i, "LEFT")) return true;
  if (args.is(i, "RIGHT")) return false;
  throw SYNTAX_ERROR;
}

/** Reads `numkeys key... LEFT|RIGHT [COUNT n]`, numkeys being argument `at`. */
export function multiPopArgs(
  args: Args,
  at: number,
): { readonly keyCount: number; readonly fromHead: boolean; readonly count: number } {
  const keyCount = integerAtLeast(args, at, 1, NO_KEYS);
  const where = at + keyCount + 1;
  if (where >= args.count) throw SYNTAX_ERROR;
  const fromHead = isLeft(args, where);
  let count = 1;
  if (where + 1 < args.count) {
    if (!args.is(where + 1, "COUNT") || where + 2 >= args.count) throw SYNTAX_ERROR;
    count = integerAtLeast(args, where + 2, 1, NO_COUNT);
    if (where + 3 < args.count) throw SYNTAX_ERROR;
  }
  return { keyCount, fromHead, count };
}

/** Removes up to `count` elements of the list at key argument `i` and replies them after its key. */
export function popWithKey(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  fromHead: boolean,
  count: number,
): void {
  const { db, reply, propagation } = client;
  reply.array(2);
  reply.bulk(args.buf, args.off(i), args.len(i));
  const popped = popArray(client, args, i, entry, fromHead, count);
  if (propagation.active) {
    propagation.instead(db.number, [fromHead ? "LPOP" : "RPOP", args.view(i), popped]);
  }
}

/** Removes up to `count` elements and replies an array of them; returns how many they are. */
function popArray(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  fromHead: boolean,
  count: number,
): number {
  count = Math.min(count, listLength(client.db, entry));
  client.reply.array(count);
  popElements(client, args, i, entry, fromHead, count);
  return count;
}

/** Removes `count` elements, which are there, of the list at key argument `i` and replies each. */
export function popElements(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  fromHead: boolean,
  count: number,
): void {
  const { db, reply } = client;
  const length = listLength(db, entry);
  walk.start(db, entry, fromHead ? 0 : length - 1, fromHead);
  writeElement(reply, walk);
  for (let n = 1; n < count; n++) {
    walk.next();
    writeElement(reply, walk);
  }
  removeElements(db, entry, fromHead ? 0 : length - count, count);
  elementsRemoved(client, args, i, entry, fromHead ? "lpop" : "rpop", count);
}

/** Moves an element of the list at key argument 1 to the one at key argument 2, and replies it. */
export function moveElement(
  client: Client,
  args: Args,
  from: number,
  fromHead: boolean,
  toHead: boolean,
): void {
  const { db, reply, server } = client;
  let to = writeTyped(client, args, 2, TYPE.list);
  const index = fromHead ? 0 : listLength(db, from) - 1;
  walk.start(db, from, index, fromHead);
  const { buf, off, len } = walk.element();
  if (len > moved.length) moved = new Uint8Array(len);
  const element = moved;
  copyBytes(buf, off, element, 0, len);
  if (moved.length > MAX_KEPT_BYTES) moved = new Uint8Array(1024);

  removeElements(db, from, index, 1);
  if (to === 0) to = addList(db, args, 2);
  const fill = server.config.values["list-max-listpack-size"];
  growList(db, to, 1, len, fill);
  pushElement(db, to, element, 0, len, toHead, fill);
  client.changed(args, 2, EVENT.list, toHead ? "lpush" : "rpush");
  // Redis counts the move as one change.
  server.effects.dirty--;
  elementsRemoved(client, args, 1, from, fromHead ? "lpop" : "rpop", 1);
  reply.bulk(element, 0, len);
}

/** What follows after `count` elements of the list at key argument `i` were removed. */
export function elementsRemoved(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  event: string,
  count: number,
): void {
  const { db, server } = client;
  const isEmpty = listLength(db, entry) === 0;
  if (isEmpty) db.remove(entry);
  else shrinkList(db, entry, server.config.values["list-max-listpack-size"]);
  client.changed(args, i, EVENT.list, event);
  server.effects.dirty += count - 1;
  if (!isEmpty) return;
  client.changed(args, i, EVENT.generic, "del");
  server.effects.dirty--;
}

/** Replies the element that a walk has come to. */
export function writeElement(reply: ReplyWriter, walk: ListWalk): void {
  const { buf, off, len } = walk.element();
  reply.bulk(buf, off, len);
}
