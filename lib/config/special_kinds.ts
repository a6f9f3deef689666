/** The kinds of directive that Redis gives a syntax of their own; see `kinds.ts` for the plain ones. */
import { resolve } from "node:path";
import { BadValue, type Directive, type DirectiveOptions, notOneOf } from "./kinds.ts";
import { formatMemory, integerText, parseMemory } from "./memory.ts";
import { quoteArg } from "./split_args.ts";

/** "After `seconds`, if at least `changes` keys changed." */
export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

export interface BufferLimit {
  /** Above this the client is closed at once; 0 is no limit. */
  readonly hardBytes: number;
  /** Above this for `softSeconds` the client is closed; 0 is no limit. */
  readonly softBytes: number;
  readonly softSeconds: number;
}

export interface BufferLimits {
  readonly normal: BufferLimit;
  readonly replica: BufferLimit;
  readonly pubsub: BufferLimit;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export type ShutdownOption = "save" | "nosave" | "now" | "force";

/** Bits of `notify-keyspace-events`, by the letter that stands for each. */
export const EVENT_CLASSES = {
  K: 1 << 0,
  E: 1 << 1,
  g: 1 << 2,
  $: 1 << 3,
  l: 1 << 4,
  s: 1 << 5,
  h: 1 << 6,
  z: 1 << 7,
  x: 1 << 8,
  e: 1 << 9,
  t: 1 << 10,
  m: 1 << 11,
  d: 1 << 13,
  n: 1 << 14,
} as const;

/** The letters that `A` stands for: all but the key misses and the new keys. */
const ALL_LETTERS = "g$lshzxetd";
const ALL_CLASSES = eventClasses(ALL_LETTERS);

function eventClasses(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    if (letter === "A") bits |= ALL_CLASSES;
    else if (letter in EVENT_CLASSES) bits |= EVENT_CLASSES[letter as keyof typeof EVENT_CLASSES];
    else throw new BadValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  }
  return bits;
}

function eventLetters(bits: number): string {
  const all = (bits & ALL_CLASSES) === ALL_CLASSES;
  let letters = all ? "A" : "";
  for (const letter of all ? "KEm" : `${ALL_LETTERS}nKEm`) {
    if (bits & EVENT_CLASSES[letter as keyof typeof EVENT_CLASSES]) letters += letter;
  }
  return letters;
}

/** Keyspace event classes, kept as bits of {@link EVENT_CLASSES}. */
export function keyspaceEvents(): Directive<number> {
  return {
    kind: "event classes",
    initial: 0,
    multiArg: false,
    parse(words) {
      if (words.length !== 1) throw new BadValue("wrong number of arguments");
      return eventClasses(words[0]!);
    },
    format: eventLetters,
    lines: (bits) => [quoteArg(eventLetters(bits))],
  };
}

/** Save points; no words are none. */
export function savePoints(initial: readonly SavePoint[]): Directive<readonly SavePoint[]> {
  return {
    kind: "[seconds changes]…",
    initial,
    multiArg: true,
    parse(words, current, append) {
      const bad = new BadValue("Invalid save parameters");
      if (words.length === 0) return [];
      if (words.length % 2 !== 0) throw bad;
      const points: SavePoint[] = append ? [...current] : [];
      for (let i = 0; i < words.length; i += 2) {
        const seconds = wholeNumber(words[i]!);
        const changes = wholeNumber(words[i + 1]!);
        if (seconds === undefined || seconds < 1 || changes === undefined || changes < 0) throw bad;
        points.push({ seconds, changes });
      }
      return points;
    },
    format: (points) => points.map(({ seconds, changes }) => `${seconds} ${changes}`).join(" "),
    lines(points) {
      if (points.length === 0) return ['""'];
      return points.map(({ seconds, changes }) => `${seconds} ${changes}`);
    },
  };
}

const BUFFER_CLASSES: ReadonlyMap<string, keyof BufferLimits> = new Map([
  ["normal", "normal"],
  ["slave", "replica"],
  ["replica", "replica"],
  ["pubsub", "pubsub"],
]);

/** A hard and a soft limit for each class of clients; a class that is not named keeps its own. */
export function bufferLimits(initial: BufferLimits): Directive<BufferLimits> {
  return {
    kind: "[class hard soft soft-seconds]…",
    initial,
    multiArg: true,
    parse(words, current) {
      if (words.length % 4 !== 0) {
        throw new BadValue("Wrong number of arguments in buffer limit configuration.");
      }
      const limits = { ...current };
      for (let i = 0; i < words.length; i += 4) {
        const name = BUFFER_CLASSES.get(words[i]!.toLowerCase());
        if (name === undefined) {
          throw new BadValue("Invalid client class specified in buffer limit configuration.");
        }
        const hardBytes = parseMemory(words[i + 1]!);
        const softBytes = parseMemory(words[i + 2]!);
        const softSeconds = wholeNumber(words[i + 3]!);
        if (
          hardBytes === undefined || softBytes === undefined || softSeconds === undefined ||
          softSeconds < 0
        ) {
          throw new BadValue(
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
          );
        }
        limits[name] = { hardBytes, softBytes, softSeconds };
      }
      return limits;
    },
    format: (limits) =>
      bufferClasses(limits).map(([name, limit]) =>
        `${name === "replica" ? "slave" : name} ${integerText(limit.hardBytes)} ` +
        `${integerText(limit.softBytes)} ${limit.softSeconds}`
      ).join(" "),
    lines: (limits) =>
      bufferClasses(limits).map(([name, limit]) =>
        `${name} ${formatMemory(limit.hardBytes)} ${formatMemory(limit.softBytes)} ` +
        `${limit.softSeconds}`
      ),
  };
}

function bufferClasses(limits: BufferLimits): [string, BufferLimit][] {
  return [["normal", limits.normal], ["replica", limits.replica], ["pubsub", limits.pubsub]];
}

/** The three values of `oom-score-adj-values`, each from `min` to `max`. */
export function oomScores(
  initial: readonly number[],
  min: number,
  max: number,
  options: DirectiveOptions,
): Directive<readonly number[]> {
  return {
    kind: "integers",
    initial,
    multiArg: true,
    parse(words) {
      if (words.length !== initial.length) throw new BadValue("wrong number of arguments");
      return words.map((word) => {
        const value = wholeNumber(word);
        if (value === undefined || value < min || value > max) {
          throw new BadValue(
            `Invalid oom-score-adj-values, elements must be between ${min} and ${max}.`,
          );
        }
        return value;
      });
    },
    format: (values) => values.join(" "),
    lines: (values) => [values.join(" ")],
    ...options,
  };
}

/** Addresses to listen on; `*` is all of IPv4, `::*` of IPv6, and `-` before one makes it optional. */
export function addresses(initial: readonly string[]): Directive<readonly string[]> {
  return {
    kind: "addresses",
    initial,
    multiArg: true,
    parse(words) {
      if (words.length > 16) throw new BadValue("Too many bind addresses specified.");
      return [...words];
    },
    format: (hosts) => hosts.join(" "),
    lines: (hosts) => [hosts.length === 0 ? '""' : hosts.join(" ")],
  };
}

/** Percentiles from 0 to 100; an empty list is none. */
export function percentiles(initial: readonly number[]): Directive<readonly number[]> {
  function format(values: readonly number[]): string {
    return values.map((value) => Object.is(value, -0) ? "-0" : String(Number(value.toFixed(6))))
      .join(" ");
  }
  return {
    kind: "percentiles",
    initial,
    multiArg: true,
    parse(words) {
      return words.map((word) => {
        const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^0x[\da-f]+$/i.test(word)
          ? Number(word)
          : NaN;
        if (Number.isNaN(value)) {
          throw new BadValue("Invalid latency-tracking-info-percentiles parameters");
        }
        if (value < 0 || value > 100) {
          throw new BadValue(
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
          );
        }
        return value;
      });
    },
    format,
    lines: (values) => [values.length === 0 ? '""' : format(values)],
    takesNul: true,
  };
}

/** What SHUTDOWN is given when a signal asks for it; none is the default. */
export function shutdownOptions(): Directive<readonly ShutdownOption[]> {
  const order: readonly ShutdownOption[] = ["save", "nosave", "now", "force"];
  function format(chosen: readonly ShutdownOption[]): string {
    return chosen.length === 0 ? "default" : chosen.join(" ");
  }
  return {
    kind: "default | [save | nosave] [now] [force]",
    initial: [],
    multiArg: true,
    parse(words) {
      if (words.length === 0) throw notOneOf(["default", ...order]);
      const chosen = new Set<string>();
      for (const word of words) {
        const lower = word.toLowerCase();
        if (lower !== "default" && !order.some((option) => option === lower)) {
          throw notOneOf(["default", ...order]);
        }
        chosen.add(lower);
      }
      if (chosen.has("save") && chosen.has("nosave")) {
        throw new BadValue("shutdown options SAVE and NOSAVE can't be used simultaneously");
      }
      return order.filter((option) => chosen.has(option));
    },
    format,
    lines: (chosen) => [format(chosen)],
  };
}

/** The server to replicate; null is none, written `no one`. */
export function primaryAddress(options: DirectiveOptions): Directive<HostPort | null> {
  function format(primary: HostPort | null): string {
    return primary === null ? "" : `${primary.host} ${primary.port}`;
  }
  return {
    kind: "host port",
    initial: null,
    multiArg: true,
    parse(words) {
      if (words.length !== 2) throw new BadValue("wrong number of arguments");
      const [host, portText] = words as [string, string];
      if (host.toLowerCase() === "no" && portText.toLowerCase() === "one") return null;
      const port = wholeNumber(portText);
      if (port === undefined || port < 0 || port > 65535) throw new BadValue("Invalid master port");
      return { host, port };
    },
    format,
    lines: (primary) => primary === null ? [] : [format(primary)],
    ...options,
  };
}

/** The working directory, as an absolute path; empty stands for the process's own. */
export function directory(options: DirectiveOptions): Directive<string> {
  return {
    kind: "path",
    initial: "",
    multiArg: false,
    parse(words, current) {
      if (words.length !== 1) throw new BadValue("wrong number of arguments");
      const path = resolve(current, words[0]!);
      let info: Deno.FileInfo;
      try {
        info = Deno.statSync(path);
      } catch (error) {
        throw new BadValue(systemErrorText(error));
      }
      if (!info.isDirectory) throw new BadValue("Not a directory");
      return path;
    },
    format: (path) => path,
    lines: (path) => [quoteArg(path)],
    ...options,
  };
}

/** What C's `strerror` says of the failures that files have, and Deno's own words for the rest. */
export function systemErrorText(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "No such file or directory";
  if (error instanceof Deno.errors.PermissionDenied) return "Permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "Is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "Not a directory";
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "");
}

/** As C's `strtol` reads a whole word: nothing is 0, white space and a sign may come first. */
function wholeNumber(word: string): number | undefined {
  return /^(\s*[+-]?\d{1,15})?$/.test(word) ? Number(word) : undefined;
}
