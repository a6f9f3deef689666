/**
 * Where a command's keys are: found in its arguments by the key specifications of its record, for
 * COMMAND GETKEYS and all who must know the keys before a command runs.
 *
 * A specification may not tell enough: where the keys are depends on the command's own language
 * (SORT, MIGRATE), or how they are used depends on its options (SET, BITFIELD). Such a record has a
 * `getKeys`, one of those at the end of this file.
 */
import { parseAnyInt64 } from "../bytes/integer.ts";
import type { Args } from "../resp/args.ts";
import type { CommandSpec, KeySpec } from "./spec.ts";

/** A key among a command's arguments. */
export interface FoundKey {
  /** Which argument. */
  readonly index: number;
  /** How it is used, in the words of {@link KeySpec.flags}; empty where nothing tells. */
  readonly flags: string;
}

/** Whether a command can have keys at all; a channel is none. */
export function hasKeys(spec: CommandSpec): boolean {
  return spec.getKeys !== undefined || (spec.keys?.some(isOfKeys) ?? false);
}

/** The keys among the arguments of a command; none also where the arguments make no sense. */
export function findKeys(spec: CommandSpec, args: Args): readonly FoundKey[] {
  const specs = spec.keys ?? [];
  if (!specs.some((keySpec) => hasFlag(keySpec, "variable_flags"))) {
    const found = findBySpecs(specs, args);
    if (found !== undefined) return found;
  }
  return spec.getKeys === undefined ? countedKeys(specs, args) : spec.getKeys(args);
}

/** The keys that all specifications together find; undefined if one of them cannot tell. */
function findBySpecs(specs: readonly KeySpec[], args: Args): FoundKey[] | undefined {
  const found: FoundKey[] = [];
  for (const spec of specs) {
    if (!isOfKeys(spec)) continue;
    if (spec.begin === "unknown") return undefined;
    const begin = typeof spec.begin === "number"
      ? spec.begin
      : afterKeyword(args, spec.begin.keyword, spec.begin.startFrom);
    // An option that was not given has no keys.
    if (begin === undefined) continue;
    const run = runOfKeys(spec, args, begin);
    if (run === undefined) return undefined;
    for (let i = run.first; i <= run.last; i += run.step) {
      found.push({ index: i, flags: spec.flags });
    }
    if (hasFlag(spec, "incomplete")) return undefined;
  }
  return found;
}

/** The argument behind a keyword, which is looked for from `startFrom` on, or backwards from the end. */
function afterKeyword(args: Args, keyword: string, startFrom: number): number | undefined {
  if (startFrom > 0) {
    for (let i = startFrom; i < args.count - 1; i++) if (args.is(i, keyword)) return i + 1;
  } else {
    for (let i = args.count + startFrom; i > 1; i--) if (args.is(i, keyword)) return i + 1;
  }
  return undefined;
}

interface Run {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** Which arguments a specification means that begins at `begin`; undefined if not all are there. */
function runOfKeys(spec: KeySpec, args: Args, begin: number): Run | undefined {
  let run: Run;
  if (spec.range !== undefined) {
    const [last, step, limit] = spec.range;
    if (last >= 0) run = { first: begin, last: begin + last, step };
    else if (limit === 0) run = { first: begin, last: args.count + last, step };
    else {run = {
        first: begin,
        last: begin + Math.trunc((args.count - begin) / limit) + last,
        step,
      };}
  } else if (spec.keyNum !== undefined) {
    const [keyNumIndex, firstKey, step] = spec.keyNum;
    const at = begin + keyNumIndex;
    if (at >= args.count) return undefined;
    const long = parseAnyInt64(args.buf, args.off(at), args.len(at));
    if (long === undefined || long < 0) return undefined;
    const count = typeof long === "number" ? long | 0 : toInt32(long);
    const first = begin + firstKey;
    run = { first, last: first + (count - 1) * step, step };
  } else return undefined;
  return run.first <= run.last && run.last < args.count ? run : undefined;
}

/**
 * The keys of a command with a count of keys that its specification cannot read. Any such command
 * fails, but its keys are shown and tracked: Redis then has a routine of the command's own find
 * them, which reads the count as C's atoi does, knows no flags, and puts the destination last.
 */
function countedKeys(specs: readonly KeySpec[], args: Args): FoundKey[] {
  const counted = specs.find(({ keyNum }) => keyNum !== undefined);
  if (counted?.keyNum === undefined || typeof counted.begin !== "number") return [];
  const [keyNumIndex, firstKey] = counted.keyNum;
  const first = counted.begin + firstKey;
  const count = atoi(args.text(counted.begin + keyNumIndex));
  if (count < 1 || count > args.count - first) return [];
  const found = Array.from({ length: count }, (_, k) => ({ index: first + k, flags: "" }));
  return specs.length === 1 ? found : [...found, { index: 1, flags: "" }];
}

/** The number that a text begins with, as C's atoi reads it; 0 where there is none. */
function atoi(text: string): number {
  const [, minus, digits = ""] = /^[\t-\r ]*(?:(-)|\+?)0*(\d{0,20})/.exec(text)!;
  const long = minus === undefined ? BigInt(digits) : -BigInt(digits);
  // C stops at the last of 64 bits, whose lower half is -1 or, below zero, 0.
  if (BigInt.asIntN(64, long) !== long) return long > 0 ? -1 : 0;
  return toInt32(long);
}

/** The lower 32 bits: what C makes of a long that it keeps as an int. */
function toInt32(long: bigint): number {
  return Number(BigInt.asIntN(32, long));
}

function isOfKeys(spec: KeySpec): boolean {
  return !hasFlag(spec, "not_key");
}

function hasFlag(spec: KeySpec, flag: string): boolean {
  return spec.flags.split(" ").includes(flag);
}

/** The first key, the last (negative: from the end) and the step, as COMMAND told before key specs. */
export interface LegacyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
  /** Whether there can be keys that the range leaves out: the flag `movablekeys`. */
  readonly movable: boolean;
}

/**
 * What the key specifications are in the older words. A single range is told as it is; of several
 * those with step 1 at fixed places are told as one, and whatever that hides makes keys movable.
 */
export function legacyRange(spec: CommandSpec): LegacyRange {
  const specs = spec.keys ?? [];
  const [only] = specs;
  if (specs.length === 1 && typeof only!.begin === "number" && only!.range !== undefined) {
    const [last, step] = only!.range;
    return {
      first: only!.begin,
      last: last < 0 ? last : only!.begin + last,
      step,
      movable: hasFlag(only!, "incomplete"),
    };
  }
  let movable = false;
  let first = Infinity;
  let last = 0;
  for (const { begin, range, flags } of specs) {
    if (typeof begin !== "number" || range === undefined || range[1] !== 1) {
      movable = true;
      continue;
    }
    if (flags.includes("incomplete") || (last !== 0 && last !== begin - 1)) movable = true;
    first = Math.min(first, begin);
    const end = range[0] < 0 ? range[0] : begin + range[0];
    // What counts from the end lies behind all that counts from the beginning.
    if (last >= 0) last = end < 0 ? end : Math.max(last, end);
  }
  if (first === Infinity) return { first: 0, last: 0, step: 0, movable };
  return { first, last, step: 1, movable };
}

/** SET reads the key only with GET. */
export function setKeys(args: Args): FoundKey[] {
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "GET")) return [{ index: 1, flags: "RW access update" }];
  }
  return [{ index: 1, flags: "OW update" }];
}

/** BITFIELD changes the key unless all its operations are GET. */
export function bitfieldKeys(args: Args): FoundKey[] {
  let at = 2;
  while (at < args.count) {
    const rest = args.count - at - 1;
    if (args.is(at, "GET") && rest >= 2) at += 3;
    else if (args.is(at, "OVERFLOW") && rest >= 1) at += 2;
    else return [{ index: 1, flags: "RW access update" }];
  }
  return [{ index: 1, flags: "RO access" }];
}

/** SORT: the key, and that of its last STORE. */
export function sortKeys(args: Args): FoundKey[] {
  const key = sortReadOnlyKeys();
  let store = 0;
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, "LIMIT")) i += 2;
    else if (args.is(i, "GET") || args.is(i, "BY")) i++;
    else if (args.is(i, "STORE") && i + 1 < args.count) store = i + 1;
  }
  return store === 0 ? key : [...key, { index: store, flags: "OW update" }];
}

/** SORT_RO: the key; those that its patterns reach have no place in the arguments. */
export function sortReadOnlyKeys(): FoundKey[] {
  return [{ index: 1, flags: "RO access" }];
}

/** MIGRATE: the third argument or, where that is empty, all behind KEYS. */
export function migrateKeys(args: Args): FoundKey[] {
  const flags = "RW access delete";
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, "KEYS")) {
      // A key twice is a mistake, which MIGRATE itself will tell.
      if (args.len(3) > 0) return [];
      return Array.from({ length: args.count - i - 1 }, (_, k) => ({ index: i + 1 + k, flags }));
    }
    if (args.is(i, "AUTH")) i++;
    else if (args.is(i, "AUTH2")) i += 2;
  }
  return [{ index: 3, flags }];
}
