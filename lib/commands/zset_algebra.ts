/** Sorted sets: unions, intersections and differences, also with plain sets, whose scores are 1. */
import { parseDouble } from "../bytes/double.ts";
import { hashBytes } from "../bytes/hash.ts";
import { Element } from "../bytes/listpack.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type Database, TYPE } from "../store/database.ts";
import { SetValue } from "../store/set_value.ts";
import { LargeZset } from "../store/zset_large.ts";
import { walkLarge, zsetLength, zsetScore, zsetWalk } from "../store/zset_value.ts";
import { integerArg, integerAtLeast } from "./arguments.ts";
import type { CommandSpec } from "./spec.ts";
import { looksUp } from "./set_algebra.ts";
import { arrayOfMembers, replyMember, storeResult } from "./zset_access.ts";

export const ZSET_ALGEBRA_COMMANDS = [
  {
    name: "zunion",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "sorted-set",
    since: "6.2.0",
    complexity:
      "O(N)+O(M*log(M)), N being the sizes of all sets together and M that of the result.",
    summary: "Returns the members that are in any of the sets.",
    syntax:
      "numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)] [WITHSCORES]",
    keys: [{ flags: "RO access", begin: 1, keyNum: [0, 1, 1] }],
    handler: (client, args) => replyCombined(client, args, "zunion", unite),
  },
  {
    name: "zinter",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "sorted-set",
    since: "6.2.0",
    complexity:
      "O(N*K)+O(M*log(M)) at worst, N being the smallest set's size, K the number of sets and M the result's size.",
    summary: "Returns the members that are in all of the sets.",
    syntax:
      "numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)] [WITHSCORES]",
    keys: [{ flags: "RO access", begin: 1, keyNum: [0, 1, 1] }],
    handler: (client, args) => replyCombined(client, args, "zinter", intersect),
  },
  {
    name: "zdiff",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "sorted-set",
    since: "6.2.0",
    complexity:
      "O(L + (N-K)log(N)) at worst, L being the sizes of all sets together, N the first one's and K the result's.",
    summary: "Returns the members of the first set that are in none of the others.",
    syntax: "numkeys:integer key:key... [WITHSCORES]",
    keys: [{ flags: "RO access", begin: 1, keyNum: [0, 1, 1] }],
    handler: (client, args) => replyCombined(client, args, "zdiff", subtract),
  },
  {
    name: "zunionstore",
    arity: -4,
    flags: ["write", "denyoom", "movablekeys"],
    group: "sorted-set",
    since: "2.0.0",
    complexity:
      "O(N)+O(M log(M)), N being the sizes of all sets together and M that of the result.",
    summary: "Stores the members that are in any of the sets.",
    syntax:
      "destination:key numkeys:integer key:key#1... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)]",
    keys: [
      { flags: "OW update", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, keyNum: [0, 1, 1] },
    ],
    handler: (client, args) => storeCombined(client, args, "zunionstore", unite),
  },
  {
    name: "zinterstore",
    arity: -4,
    flags: ["write", "denyoom", "movablekeys"],
    group: "sorted-set",
    since: "2.0.0",
    complexity:
      "O(N*K)+O(M*log(M)) at worst, N being the smallest set's size, K the number of sets and M the result's size.",
    summary: "Stores the members that are in all of the sets.",
    syntax:
      "destination:key numkeys:integer key:key#1... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM|MIN|MAX)]",
    keys: [
      { flags: "OW update", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, keyNum: [0, 1, 1] },
    ],
    handler: (client, args) => storeCombined(client, args, "zinterstore", intersect),
  },
  {
    name: "zdiffstore",
    arity: -4,
    flags: ["write", "denyoom", "movablekeys"],
    group: "sorted-set",
    since: "6.2.0",
    complexity:
      "O(L + (N-K)log(N)) at worst, L being the sizes of all sets together, N the first one's and K the result's.",
    summary: "Stores the members of the first set that are in none of the others.",
    syntax: "destination:key numkeys:integer key:key#1...",
    keys: [
      { flags: "OW update", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, keyNum: [0, 1, 1] },
    ],
    handler: (client, args) => storeCombined(client, args, "zdiffstore", subtract),
  },
  {
    name: "zintercard",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "sorted-set",
    since: "7.0.0",
    complexity: "O(N*K) at worst, N being the smallest set's size and K the number of sets.",
    summary: "Counts the members that are in all of the sets.",
    syntax: "numkeys:integer key:key... [LIMIT limit:integer]",
    keys: [{ flags: "RO access", begin: 1, keyNum: [0, 1, 1] }],
    handler: zintercard,
  },
] as const satisfies readonly CommandSpec[];

const WEIGHT_NOT_A_FLOAT = new ReplyError("ERR weight value is not a float");
const NEGATIVE_LIMIT = new ReplyError("ERR LIMIT can't be negative");

/** How scores of one member in several sets become one. */
type Aggregate = (a: number, b: number) => number;

const sum: Aggregate = (a, b) => {
  const total = a + b;
  // Of infinities of both signs, or of an infinity times 0.
  return Number.isNaN(total) ? 0 : total;
};
const lesser: Aggregate = (a, b) => b < a ? b : a;
const greater: Aggregate = (a, b) => b > a ? b : a;

type MemberVisitor = (buf: Uint8Array, off: number, len: number, score: number) => void;

/** One of the sets that a command combines: sorted, plain, or none. */
class Source {
  weight = 1;
  readonly length: number;
  readonly #db: Database;
  readonly #entry: number;
  readonly #set: SetValue | undefined;

  constructor(db: Database, entry: number) {
    this.#db = db;
    this.#entry = entry;
    this.#set = entry !== 0 && db.type(entry) === TYPE.set
      ? new SetValue().load(db, entry)
      : undefined;
    this.length = this.#set?.size ?? (entry === 0 ? 0 : zsetLength(db, entry));
  }

  /** A member's score without the weight, or NaN if it is no member. */
  score(buf: Uint8Array, off: number, len: number): number {
    if (this.length === 0) return NaN;
    if (this.#set !== undefined) return this.#set.has(buf, off, len) ? 1 : NaN;
    return zsetScore(this.#db, this.#entry, buf, off, len);
  }

  /** Visits members with weighted scores until `visit` says no; it may ask for scores meanwhile. */
  walk(visit: MemberVisitor): void {
    const set = this.#set;
    if (set === undefined) {
      zsetWalk(this.#db, this.#entry, 0, this.length, false, ({ buf, off, len, score }) => {
        visit(buf, off, len, this.#weighted(score));
      });
      return;
    }
    const element = new Element();
    set.every((position) => {
      set.read(position, element);
      visit(element.buf, element.off, element.len, this.weight);
      return true;
    });
  }

  #weighted(score: number): number {
    const weighted = score * this.weight;
    // An infinity times 0.
    return Number.isNaN(weighted) ? 0 : weighted;
  }
}

interface Combination {
  readonly sources: Source[];
  readonly aggregate: Aggregate;
  readonly withScores: boolean;
}

/** What a command combines sets to, not yet in order. */
type Combine = (db: Database, combination: Combination) => LargeZset;

/** The sets named from argument `at` on by `numkeys key …`; throws if a key is of another type. */
function parseSources({ db }: Client, args: Args, at: number, command: string): Source[] {
  const count = integerArg(args, at);
  if (count < 1) {
    throw new ReplyError(`ERR at least 1 input key is needed for '${command}' command`);
  }
  if (count > args.count - at - 1) throw SYNTAX_ERROR;
  const entries: number[] = [];
  for (let i = 0; i < count; i++) {
    const entry = db.read(args, at + 1 + i);
    if (entry !== 0) {
      const type = db.type(entry);
      if (type !== TYPE.zset && type !== TYPE.set) throw WRONG_TYPE;
    }
    entries.push(entry);
  }
  return entries.map((entry) => new Source(db, entry));
}

/** The sets as {@link parseSources} reads them, and the options behind them. */
function parseCombination(
  client: Client,
  args: Args,
  at: number,
  command: string,
  takesScores: boolean,
  takesWeights: boolean,
): Combination {
  const sources = parseSources(client, args, at, command);
  let aggregate = sum;
  let withScores = false;
  for (let i = at + 1 + sources.length; i < args.count; i++) {
    if (takesWeights && i + sources.length < args.count && args.is(i, "WEIGHTS")) {
      for (const source of sources) {
        i++;
        const weight = parseDouble(args.buf, args.off(i), args.len(i));
        if (weight === undefined) throw WEIGHT_NOT_A_FLOAT;
        source.weight = weight;
      }
    } else if (takesWeights && i + 1 < args.count && args.is(i, "AGGREGATE")) {
      i++;
      if (args.is(i, "SUM")) aggregate = sum;
      else if (args.is(i, "MIN")) aggregate = lesser;
      else if (args.is(i, "MAX")) aggregate = greater;
      else throw SYNTAX_ERROR;
    } else if (takesScores && args.is(i, "WITHSCORES")) {
      withScores = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return { sources, aggregate, withScores };
}

function replyCombined(client: Client, args: Args, command: string, combine: Combine): void {
  const { db, reply } = client;
  const combination = parseCombination(client, args, 1, command, true, combine !== subtract);
  const { withScores } = combination;
  const result = combine(db, combination);
  result.order();
  arrayOfMembers(reply, result.length, withScores);
  walkLarge(result, 0, result.length, false, (member) => replyMember(reply, member, withScores));
  result.free();
}

function storeCombined(client: Client, args: Args, command: string, combine: Combine): void {
  const combination = parseCombination(client, args, 2, command, false, combine !== subtract);
  storeResult(client, args, 1, combine(client.db, combination), command);
}

function zintercard(client: Client, args: Args): void {
  const sources = parseSources(client, args, 1, "zintercard");
  let limit = 0;
  for (let i = 2 + sources.length; i < args.count; i += 2) {
    if (!args.is(i, "LIMIT") || i + 1 === args.count) throw SYNTAX_ERROR;
    limit = integerAtLeast(args, i + 1, 0, NEGATIVE_LIMIT);
  }
  const [smallest, ...others] = bySize(sources);
  let count = 0;
  smallest!.walk((buf, off, len) => {
    if (limit > 0 && count === limit) return;
    if (others.every((other) => !Number.isNaN(other.score(buf, off, len)))) count++;
  });
  client.reply.integer(count);
}

/** The smallest first: it is what an intersection walks over, and the order in which scores add up. */
function bySize(sources: readonly Source[]): Source[] {
  return sources.toSorted((a, b) => a.length - b.length);
}

function unite(db: Database, { sources, aggregate }: Combination): LargeZset {
  const result = new LargeZset(db.arena);
  for (const source of bySize(sources)) {
    source.walk((buf, off, len, score) => {
      const hash = hashBytes(buf, off, len);
      const found = result.map.findHashed(hash, buf, off, len);
      if (found === 0) result.addUnordered(buf, off, len, score, hash);
      else result.setUnorderedScore(found, aggregate(result.score(found), score));
    });
  }
  return result;
}

function intersect(db: Database, { sources, aggregate }: Combination): LargeZset {
  const result = new LargeZset(db.arena);
  const [smallest, ...others] = bySize(sources);
  smallest!.walk((buf, off, len, score) => {
    for (const other of others) {
      const more = other.score(buf, off, len);
      if (Number.isNaN(more)) return;
      // An infinity times 0 stays NaN here, as in Redis: SUM is 0 then, MIN and MAX keep what they had.
      score = aggregate(score, more * other.weight);
    }
    result.addUnordered(buf, off, len, score);
  });
  return result;
}

/** Asks the others for each member, or takes theirs away from a copy. */
function subtract(db: Database, { sources }: Combination): LargeZset {
  const result = new LargeZset(db.arena);
  const [first, ...others] = sources;
  const asks = looksUp(sources.map(({ length }) => length));
  first!.walk((buf, off, len, score) => {
    if (asks && others.some((other) => !Number.isNaN(other.score(buf, off, len)))) return;
    result.addUnordered(buf, off, len, score);
  });
  if (asks) return result;
  for (const other of others) {
    other.walk((buf, off, len) => {
      const found = result.find(buf, off, len);
      if (found !== 0) result.forget(found);
    });
  }
  return result;
}
