/**
 * Several sets joined: SINTER, SUNION, SDIFF, with STORE and CARD.
 *
 * A STORE builds its result apart and then puts it in the destination's place, which may be one of
 * the sources. How the result is encoded follows from how it grew, so it grows as in Redis 7.2.
 */
import { readInt64 } from "../bytes/int64.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { ENCODING, NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { SetValue } from "../store/set_value.ts";
import { integerAtLeast, readTyped } from "./arguments.ts";
import { clearDestination } from "./emptied.ts";
import { type CommandSpec, keys, type KeySpec } from "./spec.ts";

const SOURCES: KeySpec = { flags: "RO access", begin: 2, range: [-1, 1, 0] };

export const SET_ALGEBRA_COMMANDS = [
  {
    name: "sinter",
    arity: -2,
    flags: ["readonly"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
    summary: "Lists the members that all of several sets have.",
    syntax: "key:key...",
    keys: keys("RO access", 1, -1),
    tips: ["nondeterministic_output_order"],
    handler: sinter,
  },
  {
    name: "sinterstore",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
    summary: "Stores the members that all of several sets have.",
    syntax: "destination:key key:key#1...",
    keys: [{ flags: "RW update", begin: 1, range: [0, 1, 0] }, SOURCES],
    handler: sinterstore,
  },
  {
    name: "sintercard",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "set",
    since: "7.0.0",
    complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
    summary: "Counts the members that all of several sets have.",
    syntax: "numkeys:integer key:key... [LIMIT limit:integer]",
    keys: [{ flags: "RO access", begin: 1, keyNum: [0, 1, 1] }],
    handler: sintercard,
  },
  {
    name: "sunion",
    arity: -2,
    flags: ["readonly"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members in all sets together",
    summary: "Lists the members that any of several sets has.",
    syntax: "key:key...",
    keys: keys("RO access", 1, -1),
    tips: ["nondeterministic_output_order"],
    handler: sunion,
  },
  {
    name: "sunionstore",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members in all sets together",
    summary: "Stores the members that any of several sets has.",
    syntax: "destination:key key:key#1...",
    keys: [{ flags: "OW update", begin: 1, range: [0, 1, 0] }, SOURCES],
    handler: sunionstore,
  },
  {
    name: "sdiff",
    arity: -2,
    flags: ["readonly"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members in all sets together",
    summary: "Lists the members of a set that none of others has.",
    syntax: "key:key...",
    keys: keys("RO access", 1, -1),
    tips: ["nondeterministic_output_order"],
    handler: sdiff,
  },
  {
    name: "sdiffstore",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "set",
    since: "1.0.0",
    complexity: "O(N), N being the number of members in all sets together",
    summary: "Stores the members of a set that none of others has.",
    syntax: "destination:key key:key#1...",
    keys: [{ flags: "OW update", begin: 1, range: [0, 1, 0] }, SOURCES],
    handler: sdiffstore,
  },
] as const satisfies readonly CommandSpec[];

const NO_SUCH_NUMBER_OF_KEYS = new ReplyError("ERR numkeys should be greater than 0");
const TOO_MANY_KEYS = new ReplyError("ERR Number of keys can't be greater than number of args");
const NEGATIVE_LIMIT = new ReplyError("ERR LIMIT can't be negative");

/** The sets that are arguments `first` to `end - 1`, in their order; undefined where there is no key. */
function readSets(
  client: Client,
  args: Args,
  first: number,
  end: number,
): (SetValue | undefined)[] {
  const { db } = client;
  const sets: (SetValue | undefined)[] = [];
  for (let i = first; i < end; i++) {
    const entry = readTyped(client, args, i, TYPE.set);
    sets.push(entry === 0 ? undefined : new SetValue().load(db, entry));
  }
  return sets;
}

/** Those of the sets that are there. */
function present(sets: readonly (SetValue | undefined)[]): SetValue[] {
  return sets.filter((set) => set !== undefined);
}

/** Replies those members of a set that stand at some positions. */
function replyMembers({ reply }: Client, set: SetValue, positions: readonly number[]): void {
  reply.set(positions.length);
  for (const position of positions) {
    const { buf, off, len } = set.read(position);
    reply.bulk(buf, off, len);
  }
}

/** Replies all members of a set that was made for the reply, and frees it. */
function replyResult({ reply }: Client, result: SetValue): void {
  reply.set(result.size);
  result.every((position) => {
    const { buf, off, len } = result.read(position);
    reply.bulk(buf, off, len);
    return true;
  });
  result.free();
}

/** Puts a set in place of whatever argument 1 holds, or, being empty, removes that; replies its size. */
function storeResult(client: Client, args: Args, result: SetValue, event: string): void {
  const { db, reply } = client;
  const { size } = result;
  if (size === 0) {
    result.free();
    return storeNothing(client, args);
  }
  const old = db.write(args, 1);
  if (old !== 0) result.replace(old, NO_EXPIRY);
  else result.addKey(args.buf, args.off(1), args.len(1));
  client.changed(args, 1, EVENT.set, event);
  reply.integer(size);
}

function storeNothing(client: Client, args: Args): void {
  clearDestination(client, args, 1);
  client.reply.integer(0);
}

function addMember(client: Client, result: SetValue, set: SetValue, position: number): void {
  const { buf, off, len } = set.read(position);
  result.add(buf, off, len, client.server.config.values);
}

/** Adds all members of a set to the result. */
function addAll(client: Client, result: SetValue, set: SetValue): void {
  set.every((position) => {
    addMember(client, result, set, position);
    return true;
  });
}

// ---- what all have ---------------------------------------------------------------------------------

/**
 * Visits the members of the smallest set that all others have, too, until `visit` says no. `sets` come
 * from smallest to largest.
 */
function intersect(sets: readonly SetValue[], visit: (position: number) => boolean): void {
  const [smallest, ...others] = sets;
  const distinct = others.filter((set) => !set.isSame(smallest!));
  smallest!.every((position) => {
    for (const set of distinct) if (!set.hasMember(smallest!, position)) return true;
    return visit(position);
  });
}

/** The sets that are there, the smallest first; undefined where one is missing. */
function bySize(sets: readonly (SetValue | undefined)[]): SetValue[] | undefined {
  const all = present(sets);
  return all.length < sets.length ? undefined : all.sort((a, b) => a.size - b.size);
}

function sinter(client: Client, args: Args): void {
  const sets = bySize(readSets(client, args, 1, args.count));
  if (sets === undefined) return client.reply.set(0);
  const found: number[] = [];
  intersect(sets, (position) => {
    found.push(position);
    return true;
  });
  replyMembers(client, sets[0]!, found);
}

function sinterstore(client: Client, args: Args): void {
  const sets = bySize(readSets(client, args, 2, args.count));
  if (sets === undefined) return storeNothing(client, args);
  const { db, server } = client;
  const smallest = sets[0]!;
  const result = new SetValue();
  if (smallest.encoding === ENCODING.intset) result.createIntset(db);
  else result.createListpack(db);
  let onlyIntegers = true;
  intersect(sets, (position) => {
    const { buf, off, len } = smallest.read(position);
    onlyIntegers &&= readInt64(buf, off, len);
    result.add(buf, off, len, server.config.values);
    return true;
  });
  if (onlyIntegers) result.toIntset(server.config.values);
  storeResult(client, args, result, "sinterstore");
}

function sintercard(client: Client, args: Args): void {
  const count = integerAtLeast(args, 1, 1, NO_SUCH_NUMBER_OF_KEYS);
  if (count > args.count - 2) throw TOO_MANY_KEYS;
  let limit = 0;
  for (let i = 2 + count; i < args.count; i += 2) {
    if (!args.is(i, "LIMIT") || i + 1 === args.count) throw SYNTAX_ERROR;
    limit = integerAtLeast(args, i + 1, 0, NEGATIVE_LIMIT);
  }
  const sets = bySize(readSets(client, args, 2, 2 + count));
  let found = 0;
  if (sets !== undefined) intersect(sets, () => ++found !== limit);
  client.reply.integer(found);
}

// ---- what any has ----------------------------------------------------------------------------------

/** An empty set for a reply made of other sets. */
function createForReply(client: Client, sets: readonly SetValue[]): SetValue {
  const result = new SetValue();
  const allIntsets = sets.every((set) => set.encoding === ENCODING.intset);
  return allIntsets ? result.createIntset(client.db) : result.createTable(client.db);
}

function sunion(client: Client, args: Args): void {
  const sets = present(readSets(client, args, 1, args.count));
  const result = createForReply(client, sets);
  for (const set of sets) addAll(client, result, set);
  replyResult(client, result);
}

function sunionstore(client: Client, args: Args): void {
  const sets = present(readSets(client, args, 2, args.count));
  const result = new SetValue().createIntset(client.db);
  for (const set of sets) addAll(client, result, set);
  storeResult(client, args, result, "sunionstore");
}

// ---- what only the first has -----------------------------------------------------------------------

/**
 * Whether to look for each member of the first of sets of these sizes in all others, and not to take
 * the members of all others from a copy of the first: Redis's estimate of which is less work.
 */
export function looksUp(sizes: readonly number[]): boolean {
  const lookUps = Math.floor(sizes[0]! * sizes.length / 2);
  return lookUps <= sizes.reduce((sum, size) => sum + size, 0);
}

/** Visits the members of the first set that no other has; the largest are asked first. */
function subtract(
  first: SetValue,
  others: readonly SetValue[],
  visit: (position: number) => void,
): void {
  const largestFirst = others.toSorted((a, b) => b.size - a.size);
  first.every((position) => {
    if (!largestFirst.some((set) => set.hasMember(first, position))) visit(position);
    return true;
  });
}

/** Fills an empty set with the members of the first set and takes those of the others from it. */
function copyAndTake(
  client: Client,
  result: SetValue,
  first: SetValue,
  others: readonly SetValue[],
): void {
  addAll(client, result, first);
  for (const set of others) {
    set.every((position) => {
      const { buf, off, len } = set.read(position);
      result.remove(buf, off, len);
      return result.size > 0;
    });
  }
}

function sdiff(client: Client, args: Args): void {
  const [first, ...rest] = readSets(client, args, 1, args.count);
  const others = present(rest);
  if (first === undefined || others.some((set) => set.isSame(first))) return client.reply.set(0);
  if (looksUp([first, ...others].map(({ size }) => size))) {
    const found: number[] = [];
    subtract(first, others, (position) => found.push(position));
    return replyMembers(client, first, found);
  }
  const result = createForReply(client, [first]);
  copyAndTake(client, result, first, others);
  replyResult(client, result);
}

function sdiffstore(client: Client, args: Args): void {
  const [first, ...rest] = readSets(client, args, 2, args.count);
  const others = present(rest);
  if (first === undefined || others.some((set) => set.isSame(first))) {
    return storeNothing(client, args);
  }
  const result = new SetValue().createIntset(client.db);
  if (looksUp([first, ...others].map(({ size }) => size))) {
    subtract(first, others, (position) => addMember(client, result, first, position));
  } else {
    copyAndTake(client, result, first, others);
  }
  storeResult(client, args, result, "sdiffstore");
}
