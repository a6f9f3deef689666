/** Sorted sets: taking members off either end, at once or waiting for one. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import {
  zsetLength,
  type ZsetMember,
  zsetRemoveRange,
  zsetTakeAt,
  zsetWalk,
} from "../store/zset_value.ts";
import { integerAtLeast, timeoutArg, writeTyped } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { arrayOfMembers, membersRemoved } from "./zset_access.ts";

export const ZSET_POP_COMMANDS = [
  {
    name: "zpopmin",
    arity: -2,
    flags: ["write", "fast"],
    group: "sorted-set",
    since: "5.0.0",
    complexity: "O(log(N)*M), N being the set's size and M the number of members popped.",
    summary: "Removes and returns the members with the lowest scores.",
    syntax: "key:key [count:integer]",
    keys: keys("RW access delete"),
    handler: (client, args) => pop(client, args, false),
  },
  {
    name: "zpopmax",
    arity: -2,
    flags: ["write", "fast"],
    group: "sorted-set",
    since: "5.0.0",
    complexity: "O(log(N)*M), N being the set's size and M the number of members popped.",
    summary: "Removes and returns the members with the highest scores.",
    syntax: "key:key [count:integer]",
    keys: keys("RW access delete"),
    handler: (client, args) => pop(client, args, true),
  },
  {
    name: "zmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    group: "sorted-set",
    since: "7.0.0",
    complexity:
      "O(K) + O(M*log(N)), K being the number of keys, N the set's size and M the number of members popped.",
    summary:
      "Removes and returns members with the lowest or highest scores of the first set there is.",
    syntax: "numkeys:integer key:key... where:(MIN|MAX) [COUNT count:integer]",
    keys: [{ flags: "RW access delete", begin: 1, keyNum: [0, 1, 1] }],
    handler: zmpop,
  },
  {
    name: "bzpopmin",
    arity: -3,
    flags: ["write", "blocking", "fast"],
    group: "sorted-set",
    since: "5.0.0",
    complexity: "O(log(N)), N being the set's size.",
    summary: "Removes and returns the member with the lowest score, waiting for one if need be.",
    syntax: "key:key... timeout:double",
    keys: keys("RW access delete", 1, -2),
    history: [["6.0.0", "The time-out is a double, no longer an integer."]],
    handler: (client, args) => popOrWait(client, args, false),
  },
  {
    name: "bzpopmax",
    arity: -3,
    flags: ["write", "blocking", "fast"],
    group: "sorted-set",
    since: "5.0.0",
    complexity: "O(log(N)), N being the set's size.",
    summary: "Removes and returns the member with the highest score, waiting for one if need be.",
    syntax: "key:key... timeout:double",
    keys: keys("RW access delete", 1, -2),
    history: [["6.0.0", "The time-out is a double, no longer an integer."]],
    handler: (client, args) => popOrWait(client, args, true),
  },
  {
    name: "bzmpop",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    group: "sorted-set",
    since: "7.0.0",
    complexity:
      "O(K) + O(M*log(N)), K being the number of keys, N the set's size and M the number of members popped.",
    summary:
      "Removes and returns members with the lowest or highest scores of the first set there is, waiting for one if need be.",
    syntax: "timeout:double numkeys:integer key:key... where:(MIN|MAX) [COUNT count:integer]",
    keys: [{ flags: "RW access delete", begin: 2, keyNum: [0, 1, 1] }],
    handler: bzmpop,
  },
] as const satisfies readonly CommandSpec[];

const NO_KEYS = new ReplyError("ERR numkeys should be greater than 0");
const NO_COUNT = new ReplyError("ERR count should be greater than 0");

function pop(client: Client, args: Args, highest: boolean): void {
  const { db, reply } = client;
  if (args.count > 3) throw SYNTAX_ERROR;
  const withCount = args.count === 3;
  const wanted = withCount ? integerAtLeast(args, 2, 0) : 1;
  const entry = writeTyped(client, args, 1, TYPE.zset);
  if (entry === 0 || wanted === 0) return reply.array(0);
  const count = Math.min(wanted, zsetLength(db, entry));
  // Only with a count does RESP3 get pairs.
  if (withCount) arrayOfMembers(reply, count, true);
  else reply.array(2);
  take(client, args, 1, entry, count, highest, withCount && reply.protocol > 2);
}

/** Replies the members from one end of the set under key argument `i`, and removes them. */
function take(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  count: number,
  highest: boolean,
  inPairs: boolean,
): void {
  const { db, reply } = client;
  const length = zsetLength(db, entry);
  const first = highest ? length - 1 : 0;
  const visit = (member: ZsetMember) => {
    if (inPairs) reply.array(2);
    reply.bulk(member.buf, member.off, member.len);
    reply.double(member.score);
  };
  if (count === 1) {
    zsetTakeAt(db, entry, first, visit);
  } else {
    zsetWalk(db, entry, first, count, highest, visit);
    zsetRemoveRange(db, entry, highest ? length - count : 0, count);
  }
  membersRemoved(client, args, i, entry, count, highest ? "zpopmax" : "zpopmin");
}

/** The first of `count` key arguments that is there: which it is, or 0. It must be a sorted set. */
function firstSet(client: Client, args: Args, first: number, count: number): number {
  const { db } = client;
  for (let i = first; i < first + count; i++) {
    const entry = db.write(args, i);
    if (entry === 0) continue;
    if (db.type(entry) !== TYPE.zset) throw WRONG_TYPE;
    return i;
  }
  return 0;
}

function popOrWait(client: Client, args: Args, highest: boolean): void {
  const { db, reply } = client;
  const { blockedKeys } = client.server.effects;
  const timeoutMs = timeoutArg(client, args, args.count - 1);
  const keyCount = args.count - 2;
  const i = firstSet(client, args, 1, keyCount);
  if (i === 0) {
    if (!blockedKeys.mayWait(client)) return reply.nilArray();
    return blockedKeys.wait(client, args, 1, keyCount, TYPE.zset, timeoutMs);
  }
  reply.array(3);
  reply.bulk(args.buf, args.off(i), args.len(i));
  take(client, args, i, db.find(args.buf, args.off(i), args.len(i)), 1, highest, false);
  const { propagation } = client;
  if (propagation.active) {
    propagation.instead(db.number, [highest ? "ZPOPMAX" : "ZPOPMIN", args.view(i)]);
  }
}

/** What ZMPOP and BZMPOP have behind the time-out. */
interface MultiPop {
  readonly keyCount: number;
  readonly highest: boolean;
  readonly count: number;
}

/** Reads `numkeys key … MIN|MAX [COUNT count]` from argument `at` on. */
function parseMultiPop(args: Args, at: number): MultiPop {
  const keyCount = integerAtLeast(args, at, 1, NO_KEYS);
  const where = at + 1 + keyCount;
  if (where >= args.count) throw SYNTAX_ERROR;
  const highest = args.is(where, "MAX");
  if (!highest && !args.is(where, "MIN")) throw SYNTAX_ERROR;
  let count = 0;
  for (let i = where + 1; i < args.count; i += 2) {
    if (count > 0 || !args.is(i, "COUNT") || i + 1 === args.count) throw SYNTAX_ERROR;
    count = integerAtLeast(args, i + 1, 1, NO_COUNT);
  }
  return { keyCount, highest, count: count || 1 };
}

function zmpop(client: Client, args: Args): void {
  const request = parseMultiPop(args, 1);
  if (!takeFromFirst(client, args, 2, request)) client.reply.nilArray();
}

function bzmpop(client: Client, args: Args): void {
  const { blockedKeys } = client.server.effects;
  const request = parseMultiPop(args, 2);
  const timeoutMs = timeoutArg(client, args, 1);
  if (takeFromFirst(client, args, 3, request)) return;
  if (!blockedKeys.mayWait(client)) return client.reply.nilArray();
  blockedKeys.wait(client, args, 3, request.keyCount, TYPE.zset, timeoutMs);
}

/** Answers with members of the first of the keys that is there; returns whether one is. */
function takeFromFirst(client: Client, args: Args, first: number, request: MultiPop): boolean {
  const { db, reply } = client;
  const i = firstSet(client, args, first, request.keyCount);
  if (i === 0) return false;
  const entry = db.find(args.buf, args.off(i), args.len(i));
  const count = Math.min(request.count, zsetLength(db, entry));
  reply.array(2);
  reply.bulk(args.buf, args.off(i), args.len(i));
  reply.array(count);
  take(client, args, i, entry, count, request.highest, true);
  const { propagation } = client;
  if (propagation.active) {
    propagation.instead(db.number, [request.highest ? "ZPOPMAX" : "ZPOPMIN", args.view(i), count]);
  }
  return true;
}
