/**
 * Ranges of scores and of members, as the arguments of ZRANGE and its family give them, and the ranks
 * that they mean in a set.
 */
import { compareBytes } from "../bytes/compare.ts";
import { parseDouble } from "../bytes/double.ts";
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Database } from "../store/database.ts";
import {
  largeZset,
  zsetCountBelow,
  zsetCountBelowMember,
  zsetLength,
  type ZsetMember,
  zsetMemberAt,
  zsetWalk,
} from "../store/zset_value.ts";
import { integerArg } from "./arguments.ts";

const NOT_A_SCORE = new ReplyError("ERR min or max is not a float");
const NOT_A_MEMBER_BOUND = new ReplyError("ERR min or max not valid string range item");

const OPEN = 0x28;
const CLOSED = 0x5b;
const PLUS = 0x2b;
const MINUS = 0x2d;

const LEADING_SPACE = /^[ \t\n\v\f\r]+/;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Ranks from `from` on; none where `count` is 0. */
export interface RankRange {
  readonly from: number;
  readonly count: number;
}

const NO_RANKS: RankRange = { from: 0, count: 0 };

/** What a range means in a set. */
export type Range = (db: Database, entry: number) => RankRange;

/**
 * A range from `start` to `stop`, both included; negative ones count from the end. With `reverse` the
 * highest score's rank is 0 in them.
 */
export function rankRange(
  args: Args,
  startArg: number,
  stopArg: number,
  reverse: boolean,
): Range {
  const start = integerArg(args, startArg);
  const stop = integerArg(args, stopArg);
  return (db, entry) => {
    const length = zsetLength(db, entry);
    const from = Math.max(0, start < 0 ? start + length : start);
    const last = Math.min(length - 1, stop < 0 ? stop + length : stop);
    const count = Math.max(0, last - from + 1);
    return { from: reverse ? length - from - count : from, count };
  };
}

/** A range of scores: `1`, `(1` where that score itself is out, `-inf`, `+inf`. */
export function scoreRange(args: Args, minArg: number, maxArg: number): Range {
  const minIsOut = isOpen(args, minArg);
  const min = scoreBound(args, minArg, minIsOut);
  const maxIsOut = isOpen(args, maxArg);
  const max = scoreBound(args, maxArg, maxIsOut);
  return (db, entry) => {
    const from = zsetCountBelow(db, entry, min, minIsOut);
    const to = zsetCountBelow(db, entry, max, !maxIsOut);
    return { from, count: Math.max(0, to - from) };
  };
}

function isOpen(args: Args, i: number): boolean {
  return args.len(i) > 0 && args.buf[args.off(i)] === OPEN;
}

/** Takes what C's strtod takes: space in front, the empty string for 0, and what overflows. */
function scoreBound(args: Args, i: number, isOpen: boolean): number {
  const skipped = isOpen ? 1 : 0;
  const value = parseDouble(args.buf, args.off(i) + skipped, args.len(i) - skipped);
  if (value !== undefined) return value;
  const text = cString(args.text(i).slice(skipped));
  if (text === "") return 0;
  const bare = text.replace(LEADING_SPACE, "");
  if (DECIMAL.test(bare)) return Number(bare);
  const bytes = Uint8Array.from(bare, (char) => char.charCodeAt(0));
  const other = parseDouble(bytes, 0, bytes.length);
  if (other === undefined) throw NOT_A_SCORE;
  return other;
}

/**
 * A range of members by their bytes: `[a`, `(a` where `a` itself is out, `-` and `+` for the ends. Only
 * where scores differ does `reverse` matter, by which the upper end is looked for first.
 */
export function memberRange(
  args: Args,
  minArg: number,
  maxArg: number,
  reverse: boolean,
): Range {
  checkMemberBound(args, minArg);
  checkMemberBound(args, maxArg);
  return (db, entry) => {
    // Members are in order where scores are equal. Where they are not, what Redis finds is empty if the
    // set's ends lie outside, whatever lies between them.
    const last = zsetMemberAt(db, entry, zsetLength(db, entry) - 1);
    if (isBelowBound(last, args, minArg, OPEN)) return NO_RANKS;
    if (!isBelowBound(zsetMemberAt(db, entry, 0), args, maxArg, CLOSED)) return NO_RANKS;
    // In a large set of different scores Redis finds what its skiplist's random heights lead to.
    if (reverse && largeZset(db, entry) === undefined) {
      return lastRun(db, entry, args, minArg, maxArg);
    }
    const from = countBelowBound(db, entry, args, minArg, OPEN);
    const to = countBelowBound(db, entry, args, maxArg, CLOSED);
    return { from, count: Math.max(0, to - from) };
  };
}

function checkMemberBound(args: Args, i: number): void {
  const sign = args.len(i) > 0 ? args.buf[args.off(i)]! : 0;
  if (sign === OPEN || sign === CLOSED) return;
  if ((sign === PLUS || sign === MINUS) && args.len(i) === 1) return;
  throw NOT_A_MEMBER_BOUND;
}

/** Whether a member comes before a bound; one that equals it does so if the bound has sign `passing`. */
function isBelowBound(member: ZsetMember, args: Args, i: number, passing: number): boolean {
  const { buf } = args;
  const off = args.off(i);
  const sign = buf[off];
  if (sign === MINUS) return false;
  if (sign === PLUS) return true;
  const order = compareBytes(member.buf, member.off, member.len, buf, off + 1, args.len(i) - 1);
  return order < 0 || (order === 0 && sign === passing);
}

/** How many members come before a bound, as {@link isBelowBound} has it. */
function countBelowBound(
  db: Database,
  entry: number,
  args: Args,
  i: number,
  passing: number,
): number {
  const off = args.off(i);
  const sign = args.buf[off];
  if (sign === MINUS) return 0;
  if (sign === PLUS) return zsetLength(db, entry);
  return zsetCountBelowMember(db, entry, args.buf, off + 1, args.len(i) - 1, sign === passing);
}

/** The last member that is not above max, and those right before it down to one below min. */
function lastRun(
  db: Database,
  entry: number,
  args: Args,
  minArg: number,
  maxArg: number,
): RankRange {
  let from = 0;
  let to = 0;
  let start = 0;
  let rank = 0;
  zsetWalk(db, entry, 0, zsetLength(db, entry), false, (member) => {
    rank++;
    if (isBelowBound(member, args, minArg, OPEN)) start = rank;
    if (isBelowBound(member, args, maxArg, CLOSED)) {
      from = start;
      to = rank;
    }
  });
  return { from, count: to - from };
}
