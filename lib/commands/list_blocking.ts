/**
 * Lists: the commands that wait for an element where there is none. Each looks at its keys first, as
 * its sister that does not wait; once a key is ready it runs again (`lib/server/blocked_keys.ts`).
 */
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { timeoutArg, writeTyped } from "./arguments.ts";
import {
  isLeft,
  MOVE_KEYS,
  moveElement,
  multiPopArgs,
  popElements,
  popWithKey,
} from "./list_pop.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const LIST_BLOCKING_COMMANDS = [
  {
    name: "blpop",
    arity: -3,
    flags: ["write", "blocking"],
    group: "list",
    since: "2.0.0",
    complexity: "O(N) for N keys.",
    summary: "Removes and returns the first element of a list, waiting for one if there is none.",
    syntax: "key:key... timeout:double",
    keys: keys("RW access delete", 1, -2),
    history: [["6.0.0", "The time-out may be a fraction."]],
    handler: blpop,
  },
  {
    name: "brpop",
    arity: -3,
    flags: ["write", "blocking"],
    group: "list",
    since: "2.0.0",
    complexity: "O(N) for N keys.",
    summary: "Removes and returns the last element of a list, waiting for one if there is none.",
    syntax: "key:key... timeout:double",
    keys: keys("RW access delete", 1, -2),
    history: [["6.0.0", "The time-out may be a fraction."]],
    handler: brpop,
  },
  {
    name: "blmpop",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    group: "list",
    since: "7.0.0",
    complexity: "O(N+M) for N keys and M elements returned.",
    summary: "Removes and returns elements of the first list there, waiting if there is none.",
    syntax: "timeout:double numkeys:integer key:key... where:(LEFT|RIGHT) [COUNT count:integer]",
    keys: [{ flags: "RW access delete", begin: 2, keyNum: [0, 1, 1] }],
    handler: blmpop,
  },
  {
    name: "blmove",
    arity: 6,
    flags: ["write", "denyoom", "blocking"],
    group: "list",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Moves an element from one list to another, waiting for one if there is none.",
    syntax:
      "source:key destination:key#1 wherefrom:(LEFT|RIGHT) whereto:(LEFT|RIGHT) timeout:double",
    keys: MOVE_KEYS,
    handler: blmove,
  },
  {
    name: "brpoplpush",
    arity: 4,
    flags: ["write", "denyoom", "blocking"],
    group: "list",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Moves a list's last element to another's head, waiting for one if there is none.",
    syntax: "source:key destination:key#1 timeout:double",
    keys: MOVE_KEYS,
    history: [["6.0.0", "The time-out may be a fraction."]],
    deprecatedSince: "6.2.0",
    replacedBy: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
    handler: brpoplpush,
  },
] as const satisfies readonly CommandSpec[];

function blpop(client: Client, args: Args): void {
  blockingPop(client, args, true);
}

function brpop(client: Client, args: Args): void {
  blockingPop(client, args, false);
}

function blockingPop(client: Client, args: Args, fromHead: boolean): void {
  const { reply } = client;
  const last = args.count - 1;
  const timeoutMs = timeoutArg(client, args, last);
  for (let i = 1; i < last; i++) {
    const entry = writeTyped(client, args, i, TYPE.list);
    if (entry === 0) continue;
    reply.array(2);
    reply.bulk(args.buf, args.off(i), args.len(i));
    popElements(client, args, i, entry, fromHead, 1);
    const { db, propagation } = client;
    if (propagation.active) {
      propagation.instead(db.number, [fromHead ? "LPOP" : "RPOP", args.view(i)]);
    }
    return;
  }
  const { blockedKeys } = client.server.effects;
  if (!blockedKeys.mayWait(client)) return reply.nilArray();
  blockedKeys.wait(client, args, 1, last - 1, TYPE.list, timeoutMs);
}

function blmpop(client: Client, args: Args): void {
  const { keyCount, fromHead, count } = multiPopArgs(args, 2);
  const timeoutMs = timeoutArg(client, args, 1);
  for (let i = 3; i < 3 + keyCount; i++) {
    const entry = writeTyped(client, args, i, TYPE.list);
    if (entry !== 0) return popWithKey(client, args, i, entry, fromHead, count);
  }
  const { blockedKeys } = client.server.effects;
  if (!blockedKeys.mayWait(client)) return client.reply.nilArray();
  blockedKeys.wait(client, args, 3, keyCount, TYPE.list, timeoutMs);
}

function blmove(client: Client, args: Args): void {
  const fromHead = isLeft(args, 3);
  const toHead = isLeft(args, 4);
  blockingMove(client, args, fromHead, toHead, timeoutArg(client, args, 5));
}

function brpoplpush(client: Client, args: Args): void {
  blockingMove(client, args, false, true, timeoutArg(client, args, 3));
}

function blockingMove(
  client: Client,
  args: Args,
  fromHead: boolean,
  toHead: boolean,
  timeoutMs: number,
): void {
  const entry = writeTyped(client, args, 1, TYPE.list);
  if (entry !== 0) {
    moveElement(client, args, entry, fromHead, toHead);
    const { db, propagation } = client;
    if (propagation.active) {
      // All but the time-out.
      const name = args.count === 4 ? "RPOPLPUSH" : "LMOVE";
      propagation.instead(db.number, [name, ...args.views(1, args.count - 1)]);
    }
    return;
  }
  const { blockedKeys } = client.server.effects;
  if (!blockedKeys.mayWait(client)) return client.reply.nil();
  blockedKeys.wait(client, args, 1, 1, TYPE.list, timeoutMs);
}
