/**
 * The kinds of directive with one value: how each is read, validated and written. The tables in
 * `directives/` are made of these; `special_kinds.ts` has those of several values.
 *
 * All texts of errors are those that Redis answers to CONFIG SET and prints for its file.
 */
import { cString } from "../bytes/text.ts";
import { exactInteger, exactMemory, formatMemory, integerText } from "./memory.ts";
import { quoteArg } from "./split_args.ts";

/** Why a value is refused; the caller adds which directive it was. */
export class BadValue {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

export interface DirectiveOptions {
  /** The other name, older or newer, that CONFIG GET and SET also know. */
  readonly alias?: string;
  /** Only in the file or on the command line. */
  readonly immutable?: boolean;
  /** CONFIG SET needs `enable-protected-configs`. */
  readonly protected?: boolean;
  /** CONFIG SET waits for the data: it says where they are, or in which way they come. */
  readonly notWhileLoading?: boolean;
  /** CONFIG GET shows it only by its exact name. */
  readonly hidden?: boolean;
  /** Its value must not reach a log. */
  readonly sensitive?: boolean;
  /** A NUL is a part of its words; those of all others end there, as C's strings do. */
  readonly takesNul?: boolean;
  /** Known, checked and kept, but without effect here: the reason why. */
  readonly accepted?: string;
}

export interface Directive<T> extends DirectiveOptions {
  /** What kind of value, for --help and the README. */
  readonly kind: string;
  readonly initial: T;
  /** Takes several words, or none; CONFIG SET gets them in one argument, parted by spaces. */
  readonly multiArg: boolean;
  /**
   * Reads and validates the words behind the name; throws {@link BadValue}.
   * `append`: an earlier line of the same file has set `current`, and this one adds to it.
   */
  parse(words: readonly string[], current: T, append: boolean): T;
  /** What CONFIG GET shows. */
  format(value: T): string;
  /** What CONFIG REWRITE writes behind the name, a string a line; none takes the directive out. */
  lines(value: T): string[];
}

/** Bounds of C's types, which the ranges are given in. */
export const INT_MAX = 2 ** 31 - 1;
export const UINT_MAX = 2 ** 32 - 1;
/** Not exact (2^63 - 1 has no double), but printed and compared so. */
export const INT64_MAX = 2 ** 63;
export const UINT64_MAX = 2 ** 64;

/** Makes a directive whose single word `read` understands. */
function single<T>(
  kind: string,
  initial: T,
  options: DirectiveOptions,
  read: (word: string, current: T) => T,
  format: (value: T) => string,
  write: (value: T) => string = format,
): Directive<T> {
  return {
    kind,
    initial,
    multiArg: false,
    parse(words, current) {
      if (words.length !== 1) throw new BadValue("wrong number of arguments");
      return read(words[0]!, current);
    },
    format,
    lines: (value) => [write(value)],
    ...options,
  };
}

/** `yes` or `no`. */
export function yesNo(initial: boolean, options: DirectiveOptions = {}): Directive<boolean> {
  function read(word: string): boolean {
    const lower = word.toLowerCase();
    if (lower !== "yes" && lower !== "no") {
      throw new BadValue("argument must be 'yes' or 'no'");
    }
    return lower === "yes";
  }
  return single("yes | no", initial, options, read, (value) => value ? "yes" : "no");
}

/** One of `words`, the first word of which need not be the default. */
export function oneOf<const W extends string>(
  words: readonly W[],
  initial: NoInfer<W>,
  options: DirectiveOptions = {},
): Directive<W> {
  function read(word: string): W {
    const lower = word.toLowerCase();
    const found = words.find((candidate) => candidate === lower);
    if (found === undefined) throw notOneOf(words);
    return found;
  }
  return single<W>(words.join(" | "), initial, options, read, (value) => value);
}

/** The refusal of a word that is none of `words`. */
export function notOneOf(words: readonly string[]): BadValue {
  return new BadValue(`argument(s) must be one of the following: ${words.join(", ")}`);
}

/** A whole number from `min` to `max`; `adjust` brings a valid one into what is really used. */
export function integer(
  initial: number,
  min: number,
  max: number,
  options: DirectiveOptions = {},
  adjust: (value: number) => number = (value) => value,
): Directive<number> {
  function read(word: string): number {
    if (!/^(0|-?[1-9][0-9]{0,18})$/.test(word) || !fitsInt64(word)) {
      throw new BadValue("argument couldn't be parsed into an integer");
    }
    return adjust(inRange(BigInt(word), min, max));
  }
  return single("integer", initial, { takesNul: true, ...options }, read, integerText);
}

/** Bytes, read with units; `adjust` as for {@link integer}. */
export function memory(
  initial: number,
  min: number,
  max: number,
  options: DirectiveOptions = {},
  adjust: (bytes: number) => number = (bytes) => bytes,
): Directive<number> {
  function read(word: string): number {
    const bytes = exactMemory(word);
    if (bytes === undefined) throw new BadValue("argument must be a memory value");
    return adjust(inRange(bytes, min, max));
  }
  return single("memory", initial, options, read, integerText, formatMemory);
}

/** Bytes, or a percentage of `maxmemory`: that is kept as a negative number. */
export function memoryOrPercent(
  initial: number,
  options: DirectiveOptions = {},
): Directive<number> {
  function read(word: string): number {
    const percent = /^(0|[1-9]\d{0,18})%$/.exec(word)?.[1];
    const value = percent !== undefined && fitsInt64(percent)
      ? -BigInt(percent)
      : exactMemory(cString(word));
    if (value === undefined) throw new BadValue("argument must be a memory or percent value");
    // Redis keeps both in 64 bits with a sign, so that very many bytes are a percentage, too.
    const signed = BigInt.asIntN(64, value);
    if (signed < -100n) throw new BadValue("percentage argument must be less or equal to 100");
    return Number(signed);
  }
  function format(value: number): string {
    return value < 0 ? `${-value}%` : integerText(value);
  }
  function write(value: number): string {
    return value < 0 ? format(value) : formatMemory(value);
  }
  return single("memory | percent", initial, { takesNul: true, ...options }, read, format, write);
}

/** A file's permission bits, written in octal. */
export function octal(
  initial: number,
  max: number,
  options: DirectiveOptions = {},
): Directive<number> {
  function read(word: string): number {
    if (!/^[0-7]+$/.test(word)) {
      throw new BadValue("argument couldn't be parsed as an octal number");
    }
    const value = parseInt(word, 8);
    if (value > max) {
      throw new BadValue(`argument must be between 0 and ${max.toString(8)} inclusive`);
    }
    return value;
  }
  return single("octal", initial, options, read, (value) => value.toString(8));
}

/** Any text; `check` names what is wrong with it, if anything is. */
export function text(
  initial: string,
  options: DirectiveOptions = {},
  check: (value: string) => string | undefined = () => undefined,
): Directive<string> {
  const read = (word: string): string => {
    const reason = check(word);
    if (reason !== undefined) throw new BadValue(reason);
    return word;
  };
  const directive = single<string>("text", initial, options, read, (value) => value);
  // An empty text that is the default has no line; one that is not must be said.
  const lines = (value: string) => value === "" && initial === "" ? [] : [quoteArg(value)];
  return { ...directive, lines };
}

function fitsInt64(digits: string): boolean {
  const value = BigInt(digits);
  return BigInt.asIntN(64, value) === value;
}

function inRange(value: bigint, min: number, max: number): number {
  if (value >= BigInt(min) && value <= exactInteger(max)) return Number(value);
  throw new BadValue(
    `argument must be between ${integerText(min)} and ${integerText(max)} inclusive`,
  );
}
