/** Sorted sets: members with scores, one by one. */
import { parseDouble } from "../bytes/double.ts";
import type { Args } from "../resp/args.ts";
import { NOT_A_FLOAT, ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { ADD, zsetLength, zsetRank, zsetRemove, zsetScore } from "../store/zset_value.ts";
import { readTyped, writeTyped } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { membersRemoved } from "./zset_access.ts";
import { addMembers } from "./zset_add.ts";
import { ZSET_ALGEBRA_COMMANDS } from "./zset_algebra.ts";
import { ZSET_POP_COMMANDS } from "./zset_pop.ts";
import { ZSET_RANGE_COMMANDS } from "./zset_range.ts";
import { ZSET_WALK_COMMANDS } from "./zset_walk.ts";

export const ZSET_COMMANDS = [
  {
    name: "zadd",
    arity: -4,
    flags: ["write", "denyoom", "fast"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(log(N)) a member, N being the set's size.",
    summary: "Adds members with scores, or changes the scores of members.",
    syntax:
      "key:key [condition:(NX|XX)@3.0.2] [comparison:(GT|LT)@6.2.0] [change=CH@3.0.2] [increment=INCR@3.0.2] data:{score:double member:string}...",
    keys: keys("RW update"),
    history: [
      ["2.4.0", "Takes several members."],
      ["3.0.2", "Takes `XX`, `NX`, `CH` and `INCR`."],
      ["6.2.0", "Takes `GT` and `LT`."],
    ],
    handler: (client, args) => add(client, args, 0),
  },
  {
    name: "zincrby",
    arity: 4,
    flags: ["write", "denyoom", "fast"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(log(N)), N being the set's size.",
    summary: "Adds to a member's score.",
    syntax: "key:key increment:integer member:string",
    keys: keys("RW access update"),
    handler: (client, args) => add(client, args, ADD.incr),
  },
  {
    name: "zrem",
    arity: -3,
    flags: ["write", "fast"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(M*log(N)), N being the set's size and M the number of members given.",
    summary: "Removes members.",
    syntax: "key:key member:string...",
    keys: keys("RW delete"),
    history: [["2.4.0", "Takes several members."]],
    handler: zrem,
  },
  {
    name: "zcard",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Counts the members.",
    syntax: "key:key",
    keys: keys("RO"),
    handler: zcard,
  },
  {
    name: "zscore",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Returns a member's score.",
    syntax: "key:key member:string",
    keys: keys("RO access"),
    handler: zscore,
  },
  {
    name: "zmscore",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "6.2.0",
    complexity: "O(N), N being the number of members given.",
    summary: "Returns the scores of members.",
    syntax: "key:key member:string...",
    keys: keys("RO access"),
    handler: zmscore,
  },
  {
    name: "zrank",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "2.0.0",
    complexity: "O(log(N))",
    summary: "Returns a member's rank, the lowest score's being 0.",
    syntax: "key:key member:string [WITHSCORE]",
    keys: keys("RO access"),
    history: [["7.2.0", "Takes `WITHSCORE`."]],
    handler: (client, args) => rank(client, args, false),
  },
  {
    name: "zrevrank",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "2.0.0",
    complexity: "O(log(N))",
    summary: "Returns a member's rank, the highest score's being 0.",
    syntax: "key:key member:string [WITHSCORE]",
    keys: keys("RO access"),
    history: [["7.2.0", "Takes `WITHSCORE`."]],
    handler: (client, args) => rank(client, args, true),
  },
  ...ZSET_RANGE_COMMANDS,
  ...ZSET_POP_COMMANDS,
  ...ZSET_WALK_COMMANDS,
  ...ZSET_ALGEBRA_COMMANDS,
] as const satisfies readonly CommandSpec[];

const NX_WITH_XX = new ReplyError(
  "ERR XX and NX options at the same time are not compatible",
);
const NX_WITH_COMPARISON = new ReplyError(
  "ERR GT, LT, and/or NX options at the same time are not compatible",
);
const ONE_INCREMENT = new ReplyError(
  "ERR INCR option supports a single increment-element pair",
);

/** The scores of a running ZADD. */
let scores = new Float64Array(16);

/** ZADD and ZINCRBY: `how` has bits of {@link ADD} that the command itself says. */
function add(client: Client, args: Args, how: number): void {
  let first = 2;
  let countsUpdates = false;
  for (; first < args.count; first++) {
    if (args.is(first, "NX")) how |= ADD.nx;
    else if (args.is(first, "XX")) how |= ADD.xx;
    else if (args.is(first, "CH")) countsUpdates = true;
    else if (args.is(first, "INCR")) how |= ADD.incr;
    else if (args.is(first, "GT")) how |= ADD.gt;
    else if (args.is(first, "LT")) how |= ADD.lt;
    else break;
  }
  const given = args.count - first;
  if (given === 0 || given % 2 !== 0) throw SYNTAX_ERROR;
  const increments = (how & ADD.incr) !== 0;
  checkConditions(how);
  const pairs = given / 2;
  if (increments && pairs > 1) throw ONE_INCREMENT;
  if (pairs > scores.length) scores = new Float64Array(2 * pairs);
  for (let i = 0; i < pairs; i++) {
    const arg = first + 2 * i;
    const score = parseDouble(args.buf, args.off(arg), args.len(arg));
    if (score === undefined) throw NOT_A_FLOAT;
    scores[i] = score;
  }
  addMembers(client, args, how, countsUpdates, first + 1, 2, scores, pairs);
}

function checkConditions(how: number): void {
  const { nx, xx, gt, lt } = ADD;
  if ((how & (nx | xx)) === (nx | xx)) throw NX_WITH_XX;
  const chosen = how & (nx | gt | lt);
  if ((chosen & (chosen - 1)) !== 0) throw NX_WITH_COMPARISON;
}

function zrem(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = writeTyped(client, args, 1, TYPE.zset);
  if (entry === 0) return reply.integer(0);
  let removed = 0;
  for (let i = 2; i < args.count; i++) {
    if (zsetRemove(db, entry, args.buf, args.off(i), args.len(i))) removed++;
  }
  if (removed > 0) membersRemoved(client, args, 1, entry, removed, "zrem");
  reply.integer(removed);
}

function zcard(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.zset);
  client.reply.integer(entry === 0 ? 0 : zsetLength(client.db, entry));
}

function zscore(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.zset);
  replyScore(client, entry, args, 2);
}

function zmscore(client: Client, args: Args): void {
  const entry = readTyped(client, args, 1, TYPE.zset);
  client.reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) replyScore(client, entry, args, i);
}

/** Replies the score of the member that is argument `i`, or nil. */
function replyScore({ db, reply }: Client, entry: number, args: Args, i: number): void {
  const score = entry === 0 ? NaN : zsetScore(db, entry, args.buf, args.off(i), args.len(i));
  if (Number.isNaN(score)) reply.nil();
  else reply.double(score);
}

function rank(client: Client, args: Args, reverse: boolean): void {
  const { db, reply } = client;
  const withScore = args.count > 3;
  if (args.count > 4) {
    const command = reverse ? "zrevrank" : "zrank";
    throw new ReplyError(`ERR wrong number of arguments for '${command}' command`);
  }
  if (withScore && !args.is(3, "WITHSCORE")) throw SYNTAX_ERROR;
  const entry = readTyped(client, args, 1, TYPE.zset);
  const [buf, off, len] = [args.buf, args.off(2), args.len(2)];
  const found = entry === 0 ? -1 : zsetRank(db, entry, buf, off, len);
  if (found < 0) return withScore ? reply.nilArray() : reply.nil();
  const shown = reverse ? zsetLength(db, entry) - 1 - found : found;
  if (!withScore) return reply.integer(shown);
  reply.array(2);
  reply.integer(shown);
  reply.double(zsetScore(db, entry, buf, off, len));
}
