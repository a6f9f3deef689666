/**
 * Random commands for tests, made from the commands' own records: what `syntax` allows, over a few keys,
 * with values that matter, and now and then an argument too many, too few or out of place.
 */
import { COMMANDS } from "../../lib/commands/index.ts";
import type { CommandSpec } from "../../lib/commands/spec.ts";
import { type Argument, parseSyntax } from "../../lib/commands/syntax.ts";
import { unordered } from "./differential.ts";
import { show } from "./resp_client.ts";
import type { Rng } from "./rng.ts";

const GROUPS: readonly CommandSpec["group"][] = [
  "generic",
  "string",
  "bitmap",
  "list",
  "set",
  "hash",
  "sorted-set",
  "hyperloglog",
  "stream",
  "transactions",
];

/** Words of a record by which its replies are not the same on two servers, or take their time. */
const UNFIT_FLAGS: readonly string[] = ["blocking", "admin", "pubsub"];

const UNFIT = new Set([
  // They tell of the clock, or store what has no order.
  "expiretime",
  "pexpiretime",
  "sort",
  // Where scores differ, which members are between two is for Redis's dice to say.
  ...["zlexcount", "zrangebylex", "zrevrangebylex", "zremrangebylex"],
  // Not compared, since sets are kept otherwise by 7.2.
  "object",
  "migrate",
  "restore",
  "wait",
  "waitaof",
]);

/** Redis says nothing of the order of these replies. */
const UNORDERED = new Set(["exec", "sort_ro"]);

export interface Known {
  readonly words: readonly string[];
  readonly syntax: readonly Argument[];
  /** Whether it takes more since 7.2 than the redis-server of the tests knows: then not tried. */
  readonly grown: boolean;
  readonly comparable: boolean;
  readonly spec: CommandSpec;
  readonly view: (reply: Parameters<typeof show>[0]) => string;
}

/** Commands and subcommands, without the containers. */
export const ALL = COMMANDS.flatMap((spec) => knownOf(spec, []));

/** Those whose replies can be compared. */
export const KNOWN = ALL.filter(({ comparable }) => comparable);

function knownOf(spec: CommandSpec, container: readonly string[]): Known[] {
  const words = [...container, spec.name];
  if (spec.subcommands !== undefined) return spec.subcommands.flatMap((sub) => knownOf(sub, words));
  const flags: readonly string[] = spec.flags;
  const tips: readonly string[] = spec.tips ?? [];
  const hasOrder = !UNORDERED.has(spec.name) && !tips.includes("nondeterministic_output_order");
  const view = hasOrder ? show : unordered([]).view;
  return [{
    words,
    spec,
    syntax: parseSyntax(spec.syntax),
    grown: spec.history?.some(([version]) => isNew(version)) ?? false,
    comparable: GROUPS.includes(spec.group) && !UNFIT.has(words[0]!) && spec.name !== "help" &&
      !isNew(spec.since) && !UNFIT_FLAGS.some((flag) => flags.includes(flag)) &&
      !tips.includes("nondeterministic_output"),
    view: spec.group === "sorted-set" || spec.name === "exec" ? withScores(view) : view,
  }];
}

/** 7.2 writes the shortest digits of a score, 7.0 always 17 of them: so scores are compared as numbers. */
export function withScores(view: Known["view"]): Known["view"] {
  const score = /(?<=[",])-?\d[\d.]*(?:e[+-]?\d+)?(?=$|["\s\]>}])/g;
  return (reply) => view(reply).replace(score, (digits) => String(Number(digits)));
}

/** What the redis-server of the tests (7.0) does not know. */
function isNew(since: string | undefined): boolean {
  return since !== undefined && /^7\.[1-9]/.test(since);
}

export const KEYS = ["k0", "k1", "k2", "k3", "k\0\xff", "{k}:4"];
/** The least of 64 bits is missing: 7.2 refuses it where 7.0 negates it. */
const INTEGERS = [
  ...["0", "1", "2", "3", "-1", "-2", "10", "100", "-100"],
  ...["9223372036854775807", "-9223372036854775807", "4294967296"],
];
const NO_INTEGERS = ["", "x", "1.5", "+1", "01", " 1", "9223372036854775808", "1\0"];
const DOUBLES = ["0", "1", "1.5", "-2.25", "1e3", "inf", "-inf", "nan", "0.1", "-0", "3.0"];
export const STRINGS = [
  ...["a", "b", "c", "abc", "hello world", "\0\r\n\xff", "x".repeat(40), "", "field"],
  ...["(1", "[a", "(b", "-", "+", "1-1", "2-0", "5-*", "$", ">", "0-0", "u8", "i5", "i64", "#1"],
];
const PATTERNS = ["*", "k?", "[k]*", "\\*", "k[^0]", ""];
const STAR_PATTERNS = PATTERNS.filter((pattern) => pattern.includes("*"));
/**
 * Times that have passed, by argument, and from where on they are far: nothing expires while it is
 * compared, and no two far ones are so near that GT and LT would ask how long a command took.
 */
const TIMES: Readonly<Record<string, readonly [past: readonly string[], far: number]>> = {
  seconds: [["-1", "0", "9223372036854775807", "x"], 1e6],
  milliseconds: [["-1", "0", "9223372036854775807", "x"], 1e9],
  "unix-time-seconds": [["1000", "-1", "0", "9223372036854775807", "x"], 1e10],
  "unix-time-milliseconds": [["1000", "-1", "0", "9223372036854775807", "x"], 1e13],
};

/** Makes the arguments of one command. */
class Maker {
  readonly #rng: Rng;
  readonly #keyNames: readonly string[];
  readonly #words: string[] = [];
  /** Whether what is optional is left out. */
  #least = false;
  /** How many keys the last `numkeys` promised. */
  #keys: number | undefined;

  constructor(rng: Rng, keyNames: readonly string[]) {
    this.#rng = rng;
    this.#keyNames = keyNames;
  }

  make({ words, syntax, grown }: Known): string[] {
    this.#words.push(...words);
    this.#least = grown;
    for (const argument of syntax) this.#optional(argument);
    return this.#words;
  }

  #optional(argument: Argument): void {
    if (isNew(argument.since)) return;
    const rng = this.#rng;
    if (argument.flags.includes("optional") && (this.#least || !rng.oneIn(3))) return;
    const count = !argument.flags.includes("multiple")
      ? 1
      : argument.type === "key" && this.#keys !== undefined
      ? this.#keys
      : rng.int(1, 3);
    for (let i = 0; i < count; i++) {
      const tokenAgain = i === 0 || argument.flags.includes("multiple_token");
      if (argument.token !== undefined && tokenAgain) this.#words.push(this.#token(argument.token));
      this.#value(argument);
    }
  }

  #token(token: string): string {
    return this.#rng.oneIn(3) ? token.toLowerCase() : token;
  }

  #value({ name, type, arguments: inner = [] }: Argument): void {
    const rng = this.#rng;
    switch (type) {
      case "pure-token":
        return;
      case "oneof":
        // "*" lets the server choose an ID by its clock; of members' order see UNFIT.
        return this.#optional(
          rng.pick(
            inner.filter(({ since, token }) => !isNew(since) && token !== "*" && token !== "BYLEX"),
          ),
        );
      case "block":
        for (const part of inner) this.#optional(part);
        return;
      default:
        this.#words.push(this.#text(name, type));
    }
  }

  #text(name: string, type: Argument["type"]): string {
    const rng = this.#rng;
    if (name === "numkeys") {
      this.#keys = rng.int(1, 3);
      return rng.oneIn(20) ? rng.pick(INTEGERS) : String(this.#keys);
    }
    // How long an entry has been pending is a matter of the moment: it is any time, or far too short.
    if (name === "min-idle-time") {
      return rng.pick(rng.oneIn(15) ? NO_INTEGERS : ["-1", "0", "0", "1000000000"]);
    }
    const times = TIMES[name];
    if (times !== undefined) {
      const [past, far] = times;
      return rng.oneIn(3) ? rng.pick(past) : String(far + rng.int(1, 1e6) * (far / 1e6));
    }
    switch (type) {
      case "key":
        return rng.pick(this.#keyNames);
      case "integer":
      case "unix-time":
        if (rng.oneIn(15)) return rng.pick(NO_INTEGERS);
        // SRANDMEMBER and its like answer with as many elements as they are asked for.
        if (name === "count") return String(rng.int(-20, 100));
        return rng.oneIn(3) ? rng.pick(INTEGERS) : String(rng.int(-3, 20));
      case "double":
        return rng.oneIn(15) ? rng.pick(NO_INTEGERS) : rng.pick(DOUBLES);
      case "pattern":
        // Elements that are not to be sorted come in their order, which a set has none of.
        return rng.pick(name === "by-pattern" ? STAR_PATTERNS : PATTERNS);
      default:
        return rng.oneIn(3) ? String(rng.int(-3, 20)) : rng.pick(STRINGS);
    }
  }
}

/** A command with its arguments; `keys` are the keys it may name. */
export function argumentsFor(
  rng: Rng,
  known: Known,
  keys: readonly string[] = KEYS,
): string[] {
  const made = new Maker(rng, keys).make(known);
  const args = known.spec.name.startsWith("sort") ? withoutTies(made) : made;
  if (!known.grown && rng.oneIn(12)) {
    // The first stays: it is a key mostly, and only known keys are looked at in the end.
    const at = Math.min(rng.int(known.words.length + 1, args.length + 1), args.length);
    // Not a number: that could be a time by which something expires within the test.
    if (rng.oneIn(2)) args.splice(at, 1);
    else args.splice(at, 0, rng.pick(STRINGS));
  }
  return args;
}

/** SORT without ALPHA where others' letters decide: where these are equal the order is chance in Redis. */
function withoutTies(args: string[]): string[] {
  if (!args.some((word) => word.toLowerCase() === "by")) return args;
  return args.filter((word) => word.toLowerCase() !== "alpha");
}
