/** Sorted sets: ranges by rank, score or member, read, counted, stored or removed. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { LargeZset } from "../store/zset_large.ts";
import { zsetRemoveRange, zsetWalk } from "../store/zset_value.ts";
import { integerArg, readTyped, writeTyped } from "./arguments.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { arrayOfMembers, membersRemoved, replyMember, storeResult } from "./zset_access.ts";
import { memberRange, type Range, type RankRange, rankRange, scoreRange } from "./zset_bounds.ts";

export const ZSET_RANGE_COMMANDS = [
  {
    name: "zrange",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(log(N)+M), N being the set's size and M that of the range.",
    summary: "Returns the members in a range of ranks, scores or members.",
    syntax:
      "key:key start:string stop:string [sortby:(BYSCORE|BYLEX)@6.2.0] [REV@6.2.0] [LIMIT limit:{offset:integer count:integer}@6.2.0] [WITHSCORES]",
    keys: keys("RO access"),
    history: [["6.2.0", "Takes `REV`, `BYSCORE`, `BYLEX` and `LIMIT`."]],
    traits: ["cost_in_reply"],
    handler: zrange,
  },
  {
    name: "zrevrange",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(log(N)+M), N being the set's size and M that of the range.",
    summary: "Returns the members in a range of ranks, the highest first.",
    syntax: "key:key start:integer stop:integer [WITHSCORES]",
    keys: keys("RO access"),
    deprecatedSince: "6.2.0",
    replacedBy: "`ZRANGE` with the `REV` argument",
    traits: ["cost_in_reply"],
    handler: zrevrange,
  },
  {
    name: "zrangebyscore",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "1.0.5",
    complexity: "O(log(N)+M), N being the set's size and M the number of members returned.",
    summary: "Returns the members in a range of scores.",
    syntax:
      "key:key min:double max:double [WITHSCORES@2.0.0] [LIMIT limit:{offset:integer count:integer}]",
    keys: keys("RO access"),
    history: [["2.0.0", "Takes `WITHSCORES`."]],
    deprecatedSince: "6.2.0",
    replacedBy: "`ZRANGE` with the `BYSCORE` argument",
    traits: ["cost_in_reply"],
    handler: zrangebyscore,
  },
  {
    name: "zrevrangebyscore",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "2.2.0",
    complexity: "O(log(N)+M), N being the set's size and M the number of members returned.",
    summary: "Returns the members in a range of scores, the highest first.",
    syntax:
      "key:key max:double min:double [WITHSCORES] [LIMIT limit:{offset:integer count:integer}]",
    keys: keys("RO access"),
    history: [["2.1.6", "Either end of the range can be open."]],
    deprecatedSince: "6.2.0",
    replacedBy: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
    traits: ["cost_in_reply"],
    handler: zrevrangebyscore,
  },
  {
    name: "zrangebylex",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "2.8.9",
    complexity: "O(log(N)+M), N being the set's size and M the number of members returned.",
    summary: "Returns the members between two others, where all scores are equal.",
    syntax: "key:key min:string max:string [LIMIT limit:{offset:integer count:integer}]",
    keys: keys("RO access"),
    deprecatedSince: "6.2.0",
    replacedBy: "`ZRANGE` with the `BYLEX` argument",
    traits: ["cost_in_reply"],
    handler: zrangebylex,
  },
  {
    name: "zrevrangebylex",
    arity: -4,
    flags: ["readonly"],
    group: "sorted-set",
    since: "2.8.9",
    complexity: "O(log(N)+M), N being the set's size and M the number of members returned.",
    summary: "Returns the members between two others, the last first, where all scores are equal.",
    syntax: "key:key max:string min:string [LIMIT limit:{offset:integer count:integer}]",
    keys: keys("RO access"),
    deprecatedSince: "6.2.0",
    replacedBy: "`ZRANGE` with the `REV` and `BYLEX` arguments",
    traits: ["cost_in_reply"],
    handler: zrevrangebylex,
  },
  {
    name: "zrangestore",
    arity: -5,
    flags: ["write", "denyoom"],
    group: "sorted-set",
    since: "6.2.0",
    complexity: "O(log(N)+M), N being the set's size and M the number of members stored.",
    summary: "Stores the members in a range of ranks, scores or members in another key.",
    syntax:
      "dst:key src:key#1 min:string max:string [sortby:(BYSCORE|BYLEX)] [REV] [LIMIT limit:{offset:integer count:integer}]",
    keys: [
      { flags: "OW update", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, range: [0, 1, 0] },
    ],
    handler: zrangestore,
  },
  {
    name: "zcount",
    arity: 4,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "2.0.0",
    complexity: "O(log(N)), N being the set's size.",
    summary: "Counts the members in a range of scores.",
    syntax: "key:key min:double max:double",
    keys: keys("RO access"),
    handler: (client, args) => countRange(client, args, scoreRange(args, 2, 3)),
  },
  {
    name: "zlexcount",
    arity: 4,
    flags: ["readonly", "fast"],
    group: "sorted-set",
    since: "2.8.9",
    complexity: "O(log(N)), N being the set's size.",
    summary: "Counts the members between two others, where all scores are equal.",
    syntax: "key:key min:string max:string",
    keys: keys("RO access"),
    handler: (client, args) => countRange(client, args, memberRange(args, 2, 3, false)),
  },
  {
    name: "zremrangebyrank",
    arity: 4,
    flags: ["write"],
    group: "sorted-set",
    since: "2.0.0",
    complexity: "O(log(N)+M), N being the set's size and M the number of members removed.",
    summary: "Removes the members in a range of ranks.",
    syntax: "key:key start:integer stop:integer",
    keys: keys("RW delete"),
    handler: (client, args) =>
      removeRange(client, args, rankRange(args, 2, 3, false), "zremrangebyrank"),
  },
  {
    name: "zremrangebyscore",
    arity: 4,
    flags: ["write"],
    group: "sorted-set",
    since: "1.2.0",
    complexity: "O(log(N)+M), N being the set's size and M the number of members removed.",
    summary: "Removes the members in a range of scores.",
    syntax: "key:key min:double max:double",
    keys: keys("RW delete"),
    handler: (client, args) =>
      removeRange(client, args, scoreRange(args, 2, 3), "zremrangebyscore"),
  },
  {
    name: "zremrangebylex",
    arity: 4,
    flags: ["write"],
    group: "sorted-set",
    since: "2.8.9",
    complexity: "O(log(N)+M), N being the set's size and M the number of members removed.",
    summary: "Removes the members between two others, where all scores are equal.",
    syntax: "key:key min:string max:string",
    keys: keys("RW delete"),
    handler: (client, args) =>
      removeRange(client, args, memberRange(args, 2, 3, false), "zremrangebylex"),
  },
] as const satisfies readonly CommandSpec[];

const LIMIT_BY_RANK = new ReplyError(
  "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const SCORES_BY_MEMBER = new ReplyError(
  "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
);

/** By what a range is given; undefined where an option may tell. */
type Sorting = "rank" | "score" | "member" | undefined;

/** What a command of ranges asks for. */
interface RangeRequest {
  readonly range: Range;
  readonly reverse: boolean;
  readonly withScores: boolean;
  /** LIMIT: how many to pass over, and how many to take (negative: all). */
  readonly offset: number;
  readonly limit: number;
}

function zrange(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, undefined, undefined));
}

function zrevrange(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, "rank", true));
}

function zrangebyscore(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, "score", false));
}

function zrevrangebyscore(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, "score", true));
}

function zrangebylex(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, "member", false));
}

function zrevrangebylex(client: Client, args: Args): void {
  replyRange(client, args, parseRange(args, 1, false, "member", true));
}

function zrangestore(client: Client, args: Args): void {
  const { db } = client;
  const request = parseRange(args, 2, true, undefined, undefined);
  const entry = readTyped(client, args, 2, TYPE.zset);
  const result = new LargeZset(db.arena);
  if (entry !== 0) {
    const { from, count } = resolve(client, entry, request);
    zsetWalk(db, entry, from, count, request.reverse, ({ buf, off, len, score }) => {
      result.addUnordered(buf, off, len, score);
    });
  }
  storeResult(client, args, 1, result, "zrangestore");
}

/**
 * Reads the range and the options behind it; the key is argument `keyArg`. `sorting` and `reverse` are
 * what the command itself says; where it says nothing, options do.
 */
function parseRange(
  args: Args,
  keyArg: number,
  stores: boolean,
  sorting: Sorting,
  reverse: boolean | undefined,
): RangeRequest {
  let withScores = false;
  let offset = 0;
  let limit = -1;
  for (let i = keyArg + 3; i < args.count; i++) {
    if (!stores && args.is(i, "WITHSCORES")) {
      withScores = true;
    } else if (args.is(i, "LIMIT") && i + 2 < args.count) {
      offset = integerArg(args, i + 1);
      limit = integerArg(args, i + 2);
      i += 2;
    } else if (reverse === undefined && args.is(i, "REV")) {
      reverse = true;
    } else if (sorting === undefined && args.is(i, "BYLEX")) {
      sorting = "member";
    } else if (sorting === undefined && args.is(i, "BYSCORE")) {
      sorting = "score";
    } else {
      throw SYNTAX_ERROR;
    }
  }
  sorting ??= "rank";
  reverse ??= false;
  if (limit !== -1 && sorting === "rank") throw LIMIT_BY_RANK;
  if (withScores && sorting === "member") throw SCORES_BY_MEMBER;
  // A reversed range of scores or members begins with its upper end.
  const first = reverse && sorting !== "rank" ? keyArg + 2 : keyArg + 1;
  const second = 2 * keyArg + 3 - first;
  const range = sorting === "rank"
    ? rankRange(args, first, second, reverse)
    : sorting === "score"
    ? scoreRange(args, first, second)
    : memberRange(args, first, second, reverse);
  // LIMIT without a limit is let through for ranks, and means nothing.
  return { range, reverse, withScores, offset: sorting === "rank" ? 0 : offset, limit };
}

/** The ranks asked for: `from` is the first one on the way, which leads down if reversed. */
function resolve({ db }: Client, entry: number, request: RangeRequest): RankRange {
  const { reverse, offset, limit } = request;
  const { from, count } = request.range(db, entry);
  if (offset < 0 || offset >= count) return { from: 0, count: 0 };
  const rest = count - offset;
  return {
    from: reverse ? from + rest - 1 : from + offset,
    count: limit < 0 ? rest : Math.min(limit, rest),
  };
}

function replyRange(client: Client, args: Args, request: RangeRequest): void {
  const { db, reply } = client;
  const { reverse, withScores } = request;
  const entry = readTyped(client, args, 1, TYPE.zset);
  if (entry === 0) return reply.array(0);
  const { from, count } = resolve(client, entry, request);
  arrayOfMembers(reply, count, withScores);
  zsetWalk(db, entry, from, count, reverse, (member) => replyMember(reply, member, withScores));
}

function countRange(client: Client, args: Args, range: Range): void {
  const entry = readTyped(client, args, 1, TYPE.zset);
  client.reply.integer(entry === 0 ? 0 : range(client.db, entry).count);
}

function removeRange(client: Client, args: Args, range: Range, event: string): void {
  const { db, reply } = client;
  const entry = writeTyped(client, args, 1, TYPE.zset);
  if (entry === 0) return reply.integer(0);
  const { from, count } = range(db, entry);
  if (count > 0) {
    zsetRemoveRange(db, entry, from, count);
    membersRemoved(client, args, 1, entry, count, event);
  }
  reply.integer(count);
}
