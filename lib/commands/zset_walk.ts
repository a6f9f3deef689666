/** Sorted sets: members at random, and some with each call. */
import { formatDouble } from "../bytes/double.ts";
import { globMatchAt } from "../bytes/glob.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import {
  largeMember,
  largeZset,
  zsetLength,
  type ZsetMember,
  zsetMemberAt,
  zsetWalk,
} from "../store/zset_value.ts";
import { int64Arg, readTyped } from "./arguments.ts";
import { scanCursor, scanOptions } from "./scan_options.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { arrayOfMembers, replyMember } from "./zset_access.ts";

export const ZSET_WALK_COMMANDS = [
  {
    name: "zrandmember",
    arity: -2,
    flags: ["readonly"],
    group: "sorted-set",
    since: "6.2.0",
    complexity: "O(N), N being the number of members returned.",
    summary: "Returns one member or several at random.",
    syntax: "key:key [options:{count:integer [WITHSCORES]}]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: zrandmember,
  },
  {
    name: "zscan",
    arity: -3,
    flags: ["readonly"],
    group: "sorted-set",
    since: "2.8.0",
    complexity: "O(1) a call; O(N) for all N members of the set.",
    summary: "Walks over the members with their scores, some with each call.",
    syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: zscan,
  },
] as const satisfies readonly CommandSpec[];

const OUT_OF_RANGE = new ReplyError("ERR value is out of range");
const COUNT_OUT_OF_RANGE = new ReplyError(
  "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const INT64_MIN = -(2n ** 63n);
/** Half of the largest count: with scores there are twice as many elements. */
const MAX_COUNT_WITH_SCORES = 2n ** 62n - 1n;

/** From this part of a set on, members to be left out are fewer than those to be picked. */
const MANY = 3;
/** ZSCAN ends after COUNT times so many slots, however few members those held. */
const SLOTS_PER_COUNT = 10;

function zrandmember(client: Client, args: Args): void {
  const { db, reply, server } = client;
  if (args.count === 2) {
    const entry = readTyped(client, args, 1, TYPE.zset);
    if (entry === 0) return reply.nil();
    const rank = Math.floor(server.random() * zsetLength(db, entry));
    return replyMember(reply, zsetMemberAt(db, entry, rank), false);
  }
  const wanted = int64Arg(args, 2);
  if (wanted === INT64_MIN) throw COUNT_OUT_OF_RANGE;
  const withScores = args.count > 3;
  if (args.count > 4 || (withScores && !args.is(3, "WITHSCORES"))) throw SYNTAX_ERROR;
  if (
    withScores && (wanted > MAX_COUNT_WITH_SCORES || wanted < -MAX_COUNT_WITH_SCORES)
  ) throw OUT_OF_RANGE;
  const entry = readTyped(client, args, 1, TYPE.zset);
  const count = Number(wanted);
  if (entry === 0 || count === 0) return reply.array(0);
  const length = zsetLength(db, entry);
  const emit = (member: ZsetMember) => replyMember(reply, member, withScores);
  if (count < 0) {
    arrayOfMembers(reply, -count, withScores);
    // The output limits may end a client that asked for more than it can read.
    for (let i = 0; i < -count && !client.closing; i++) {
      emit(zsetMemberAt(db, entry, Math.floor(server.random() * length)));
    }
  } else if (count * MANY >= length) {
    arrayOfMembers(reply, Math.min(count, length), withScores);
    // Each member is picked with the chance that the picks left leave it.
    let left = Math.min(count, length);
    let unseen = length;
    zsetWalk(db, entry, 0, length, false, (member) => {
      if (server.random() * unseen-- < left) {
        emit(member);
        left--;
      }
    });
  } else {
    arrayOfMembers(reply, count, withScores);
    const picked = new Set<number>();
    while (picked.size < count) picked.add(Math.floor(server.random() * length));
    for (const rank of picked) emit(zsetMemberAt(db, entry, rank));
  }
}

function zscan(client: Client, args: Args): void {
  const { db, reply } = client;
  scanCursor(args, 2);
  const entry = readTyped(client, args, 1, TYPE.zset);
  if (entry === 0) {
    reply.array(2);
    reply.bulkInteger(0);
    return reply.array(0);
  }
  const { cursor: from, count, pattern } = scanOptions(args, 2, false);
  const matches = ({ buf, off, len }: ZsetMember) =>
    pattern === undefined || globMatchAt(pattern, buf, off, len, false);
  const large = largeZset(db, entry);
  reply.array(2);
  if (large === undefined) {
    const length = zsetLength(db, entry);
    let matching = 0;
    zsetWalk(db, entry, 0, length, false, (member) => {
      if (matches(member)) matching++;
    });
    reply.bulkInteger(0);
    reply.array(2 * matching);
    zsetWalk(db, entry, 0, length, false, (member) => {
      if (!matches(member)) return;
      reply.bulk(member.buf, member.off, member.len);
      reply.bulkText(formatDouble(member.score));
    });
    return;
  }
  const found: number[] = [];
  const collect = (memberEntry: number) => found.push(memberEntry);
  let cursor = from;
  let slots = SLOTS_PER_COUNT * count;
  do cursor = large.map.scan(cursor, collect); while (
    cursor !== 0 && slots-- > 0 && found.length < count
  );
  const shown = found.filter((memberEntry) => matches(largeMember(large, memberEntry)));
  reply.bulkInteger(cursor);
  reply.array(2 * shown.length);
  for (const memberEntry of shown) {
    const { buf, off, len, score } = largeMember(large, memberEntry);
    reply.bulk(buf, off, len);
    reply.bulkText(format17Digits(score));
  }
}

/** Digits that ZSCAN shows of a large set's scores. */
const DIGITS = 17;
/** More than a double's digits ever say, to tell a tie when rounding. */
const EXACT_DIGITS = 60;

/** A double as C's printf writes it with `%.17g`, which is how Redis's ZSCAN shows a large set's scores. */
function format17Digits(value: number): string {
  if (!Number.isFinite(value) || Number.isSafeInteger(value)) return formatDouble(value);
  const sign = value < 0 ? "-" : "";
  const [mantissa, power] = Math.abs(value).toExponential(EXACT_DIGITS).split("e");
  const exact = mantissa!.replace(".", "");
  let exponent = Number(power);
  let digits = BigInt(exact.slice(0, DIGITS));
  const rest = exact.slice(DIGITS);
  const half = "5".padEnd(rest.length, "0");
  if (rest > half || (rest === half && digits % 2n === 1n)) digits++;
  let text = digits.toString();
  if (text.length > DIGITS) exponent++;
  text = text.slice(0, DIGITS).replace(/0+$/, "");
  if (exponent < -4 || exponent >= DIGITS) {
    const fraction = text.length > 1 ? `.${text.slice(1)}` : "";
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${text[0]}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${text}`;
  const whole = text.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = text.slice(exponent + 1);
  return sign + whole + (fraction === "" ? "" : `.${fraction}`);
}
