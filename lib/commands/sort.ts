/**
 * SORT and SORT_RO: the elements of a list, set or sorted set by their own value or by that of keys
 * which a pattern makes of them.
 *
 * Elements and the keys' values are copied out first; then everything is plain arrays.
 */
import { parseDouble } from "../bytes/double.ts";
import { latin1, latin1Bytes } from "../bytes/text.ts";
import { Listpack } from "../bytes/listpack.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { ENCODING, NO_EXPIRY, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { HashValue, NO_FIELD } from "../store/hash_value.ts";
import { addList, growList, listLength, ListWalk, pushElement } from "../store/list_value.ts";
import { SetValue } from "../store/set_value.ts";
import { readString, type Span } from "../store/string_value.ts";
import { enlargeZset, zsetLength, zsetWalk } from "../store/zset_value.ts";
import { integerArg } from "./arguments.ts";
import { clearDestination } from "./emptied.ts";
import { sortKeys, sortReadOnlyKeys } from "./keyspecs.ts";
import type { CommandSpec } from "./spec.ts";

const COMPLEXITY =
  "O(N+M*log(M)), N being the elements and M those returned; O(N) without sorting.";
const PATTERNS_NOTE = "What the patterns of BY and GET reach";

export const SORT_COMMANDS = [
  {
    name: "sort",
    arity: -2,
    flags: ["write", "denyoom", "movablekeys"],
    group: "generic",
    since: "1.0.0",
    complexity: COMPLEXITY,
    summary: "Sorts the elements of a list, set or sorted set, and may store the result.",
    syntax:
      "key:key [BY by-pattern/pattern:pattern#1] [LIMIT limit:{offset:integer count:integer}] [GET get-pattern/pattern:pattern#1]... [order:(ASC|DESC)] [sorting=ALPHA] [STORE destination:key#2]",
    keys: [
      { flags: "RO access", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: "unknown", notes: PATTERNS_NOTE },
      { flags: "OW update", begin: "unknown", notes: "The key behind STORE" },
    ],
    getKeys: sortKeys,
    acl: ["-keyspace", "set", "sortedset", "list", "dangerous"],
    handler: (client, args) => sort(client, args, true),
  },
  {
    name: "sort_ro",
    arity: -2,
    flags: ["readonly", "movablekeys"],
    group: "generic",
    since: "7.0.0",
    complexity: COMPLEXITY,
    summary: "Sorts the elements of a list, set or sorted set.",
    syntax:
      "key:key [BY by-pattern/pattern:pattern#1] [LIMIT limit:{offset:integer count:integer}] [GET get-pattern/pattern:pattern#1]... [order:(ASC|DESC)] [sorting=ALPHA]",
    keys: [
      { flags: "RO access", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: "unknown", notes: PATTERNS_NOTE },
    ],
    getKeys: sortReadOnlyKeys,
    acl: ["-keyspace", "set", "sortedset", "list", "dangerous"],
    handler: (client, args) => sort(client, args, false),
  },
] as const satisfies readonly CommandSpec[];

const NOT_DOUBLES = new ReplyError("ERR One or more scores can't be converted into double");

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NUL = 0;
const ARROW = latin1Bytes("->");

/** A `BY` or `GET`: the element itself, or a key that it makes, or a field of such a hash. */
type Pattern = "element" | "nothing" | KeyPattern;

interface KeyPattern {
  readonly prefix: Uint8Array;
  readonly postfix: Uint8Array;
  readonly field: Uint8Array | undefined;
}

interface SortOptions {
  readonly descending: boolean;
  readonly alpha: boolean;
  readonly offset: number;
  /** Negative: all. */
  readonly count: number;
  /** Absent: by the elements themselves. */
  readonly by: Pattern | undefined;
  /** Whether nothing is to be sorted: `BY` without a star. */
  readonly unsorted: boolean;
  readonly gets: readonly Pattern[];
  /** Index of the destination's argument, or 0. */
  readonly store: number;
}

function sortOptions(args: Args, stores: boolean): SortOptions {
  let descending = false;
  let alpha = false;
  let offset = 0;
  let count = -1;
  let by: Pattern | undefined;
  let unsorted = false;
  let store = 0;
  const gets: Pattern[] = [];
  for (let i = 2; i < args.count; i++) {
    const more = args.count - 1 - i;
    if (args.is(i, "ASC")) descending = false;
    else if (args.is(i, "DESC")) descending = true;
    else if (args.is(i, "ALPHA")) alpha = true;
    else if (more >= 2 && args.is(i, "LIMIT")) {
      offset = integerArg(args, ++i);
      count = integerArg(args, ++i);
    } else if (stores && more >= 1 && args.is(i, "STORE")) store = ++i;
    else if (more >= 1 && args.is(i, "BY")) {
      by = parsePattern(args.copy(++i));
      // Once a constant is given, another BY does not bring the sorting back.
      if (!cString(args.view(i)).includes(0x2a)) unsorted = true;
    } else if (more >= 1 && args.is(i, "GET")) gets.push(parsePattern(args.copy(++i)));
    else throw SYNTAX_ERROR;
  }
  return { descending, alpha, offset, count, by, unsorted, gets, store };
}

function parsePattern(text: Uint8Array): Pattern {
  if (text.length === 1 && text[0] === 0x23) return "element";
  const star = cString(text).indexOf(0x2a);
  if (star < 0) return "nothing";
  let arrow = -1;
  const end = cString(text).length;
  for (let i = star + 1; i + ARROW.length < end && arrow < 0; i++) {
    if (text[i] === ARROW[0] && text[i + 1] === ARROW[1]) arrow = i;
  }
  return {
    prefix: text.subarray(0, star),
    postfix: text.subarray(star + 1, arrow < 0 ? text.length : arrow),
    field: arrow < 0 ? undefined : text.subarray(arrow + ARROW.length),
  };
}

/** Bytes up to a NUL, where Redis takes them for a C string. */
function cString(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(NUL);
  return nul < 0 ? bytes : bytes.subarray(0, nul);
}

function sort(client: Client, args: Args, stores: boolean): void {
  const options = sortOptions(args, stores);
  const { store, gets } = options;
  const elements = sorted(client, args, options);
  const { reply } = client;
  if (store > 0) {
    const values = gets.length === 0
      ? elements
      : elements.flatMap((each) => gets.map((get) => lookUp(client, get, each) ?? NO_BYTES));
    storeList(client, args, store, values);
    return reply.integer(values.length);
  }
  reply.array(elements.length * Math.max(1, gets.length));
  for (const element of elements) {
    if (gets.length === 0) reply.bulk(element);
    for (const get of gets) {
      const value = lookUp(client, get, element);
      if (value === undefined) reply.nil();
      else reply.bulk(value);
    }
  }
}

/** The elements that are asked for, in order. */
function sorted(client: Client, args: Args, options: SortOptions): Uint8Array[] {
  const { db } = client;
  const entry = db.read(args, 1);
  if (entry === 0) return [];
  const type = db.type(entry);
  if (type !== TYPE.list && type !== TYPE.set && type !== TYPE.zset) throw WRONG_TYPE;
  const elements = readElements(client, entry);
  const { length } = elements;
  const start = Math.min(Math.max(0, options.offset), length);
  const end = options.count < 0 ? length : Math.min(length, start + options.count);
  if (!options.unsorted) return order(client, elements, options).slice(start, end);
  if (type === TYPE.set && options.store > 0) {
    // What is stored must not depend on the order of a table.
    const byElement = { ...options, alpha: true, by: undefined };
    return order(client, elements, byElement).slice(start, end);
  }
  if (type !== TYPE.set && options.descending) elements.reverse();
  return elements.slice(start, end);
}

function readElements({ db }: Client, entry: number): Uint8Array[] {
  const elements: Uint8Array[] = [];
  switch (db.type(entry)) {
    case TYPE.list: {
      const walk = new ListWalk();
      if (listLength(db, entry) === 0) break;
      walk.start(db, entry, 0, true);
      do elements.push(copy(walk.element())); while (walk.next());
      break;
    }
    case TYPE.set: {
      const set = new SetValue().load(db, entry);
      set.every((position) => {
        elements.push(copy(set.read(position)));
        return true;
      });
      break;
    }
    default:
      // As in Redis, a sorted set that was sorted stays large.
      if (db.encoding(entry) === ENCODING.listpack) {
        db.beforeWrite(entry);
        enlargeZset(db, entry);
      }
      zsetWalk(db, entry, 0, zsetLength(db, entry), false, (each) => {
        elements.push(copy(each));
      });
  }
  return elements;
}

function copy({ buf, off, len }: Span): Uint8Array {
  return buf.slice(off, off + len);
}

/** Sorts elements by what the options say. */
function order(client: Client, elements: Uint8Array[], options: SortOptions): Uint8Array[] {
  const { alpha, by, descending, store } = options;
  const keys = by === undefined || by === "element"
    ? elements
    : elements.map((element) => lookUp(client, by, element));
  const sign = descending ? -1 : 1;
  const indexes = elements.map((_, i) => i);
  if (alpha) {
    // Without STORE, Redis compares C strings.
    const words = store > 0
      ? keys
      : keys.map((key) => key === undefined ? undefined : cString(key));
    indexes.sort((a, b) => sign * compareKeys(words[a], words[b]));
  } else {
    const scores = Float64Array.from(keys, scoreOf);
    indexes.sort((a, b) =>
      sign * (compare(scores[a]!, scores[b]!) || compareBytes(elements[a]!, elements[b]!))
    );
  }
  return indexes.map((i) => elements[i]!);
}

const LEADING_SPACE = /^[ \t\n\v\f\r]+/;

/** The number that C's strtod makes of a key's value; 0 of no value, and of an empty one. */
function scoreOf(key: Uint8Array | undefined): number {
  if (key === undefined) return 0;
  const text = cString(key);
  if (text.length === 0) return 0;
  const trimmed = latin1Bytes(latin1(text).replace(LEADING_SPACE, ""));
  const score = parseDouble(trimmed, 0, trimmed.length);
  if (score === undefined) throw NOT_DOUBLES;
  return score;
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is missing comes first. */
function compareKeys(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return compareBytes(a, b);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** What a pattern finds for an element, if anything. */
function lookUp({ db }: Client, pattern: Pattern, element: Uint8Array): Uint8Array | undefined {
  if (pattern === "element") return element;
  if (pattern === "nothing") return undefined;
  const { prefix, postfix, field } = pattern;
  const key = new Uint8Array(prefix.length + element.length + postfix.length);
  key.set(prefix);
  key.set(element, prefix.length);
  key.set(postfix, prefix.length + element.length);
  const entry = db.readKey(key, 0, key.length);
  if (entry === 0) return undefined;
  if (field === undefined) {
    return db.type(entry) === TYPE.string ? copy(readString(db, entry)) : undefined;
  }
  if (db.type(entry) !== TYPE.hash) return undefined;
  const hash = new HashValue().open(db, entry);
  const found = hash.find(field, 0, field.length);
  return found === NO_FIELD ? undefined : copy(hash.value(found));
}

/** Makes a list of the values the value of key argument `i`, or removes that key if there are none. */
function storeList(client: Client, args: Args, i: number, values: readonly Uint8Array[]): void {
  const { db, server } = client;
  if (values.length === 0) return clearDestination(client, args, i);
  let entry = db.find(args.buf, args.off(i), args.len(i));
  if (entry === 0) {
    entry = addList(db, args, i);
  } else {
    const { ref, bytes } = new Listpack().create(db.arena);
    entry = db.replace(entry, TYPE.list, ENCODING.listpack, ref, bytes, NO_EXPIRY);
    server.effects.keyReady(db, args.buf, args.off(i), args.len(i));
  }
  const fill = server.config.values["list-max-listpack-size"];
  for (const value of values) {
    growList(db, entry, 1, value.length, fill);
    pushElement(db, entry, value, 0, value.length, false, fill);
  }
  client.changed(args, i, EVENT.list, "sortstore");
  server.effects.dirty += values.length - 1;
}
