/**
 * The configuration of a running server: the values, CONFIG GET and SET, and the parts of the
 * server that want to know of a change.
 */
import { globMatch } from "../bytes/glob.ts";
import { cString, utf8Bytes } from "../bytes/text.ts";
import { ReplyError } from "../resp/reply_error.ts";
import {
  type ConfigValues,
  DIRECTIVE_NAMES,
  type DirectiveName,
  DIRECTIVES,
  NAMES_AND_ALIASES,
} from "./directives.ts";
import { BadValue, type Directive } from "./kinds.ts";
import { rewriteConfigFile } from "./rewrite.ts";
import { splitArgs } from "./split_args.ts";

export type { ConfigValues, DirectiveName } from "./directives.ts";

/** A line of the file that is no value: its directive, the words behind it, and where it stands. */
export interface FileOnlyLine {
  readonly directive: "user" | "rename-command";
  readonly words: readonly string[];
  readonly lineNumber: number;
  readonly line: string;
}

/** Takes a new value into use; a text that it returns refuses the value and undoes the whole SET. */
type Apply<T> = (value: T) => string | undefined | void;

export class Config {
  /** All values; read freely, write by {@link Config.assign}. */
  readonly values: Readonly<ConfigValues>;
  /** Absolute path of the file that was loaded, which CONFIG REWRITE writes. */
  readonly file: string | undefined;
  /** The `user` and `rename-command` lines, in their order, for whom they concern. */
  readonly fileOnly: FileOnlyLine[] = [];
  readonly #values: ConfigValues;
  readonly #hooks = new Map<DirectiveName, Apply<never>[]>();

  /** Redis's defaults, with `values` in place of some of them. */
  constructor(values: Partial<ConfigValues> = {}, file?: string) {
    const initial = DIRECTIVE_NAMES.map((name) => [name, DIRECTIVES[name].initial]);
    this.#values = { ...Object.fromEntries(initial) as ConfigValues, ...values };
    if (this.#values.dir === "") this.#values.dir = Deno.cwd();
    this.values = this.#values;
    this.file = file;
  }

  /** Sets a value without any check or hook: for what the server itself decides, as REPLICAOF does. */
  assign<N extends DirectiveName>(name: N, value: ConfigValues[N]): void {
    this.#values[name] = value;
  }

  /** Has `apply` called after each CONFIG SET that changes `name`. */
  onChange<N extends DirectiveName>(name: N, apply: Apply<ConfigValues[N]>): void {
    const hooks = this.#hooks.get(name) ?? [];
    hooks.push(apply as Apply<never>);
    this.#hooks.set(name, hooks);
  }

  /** What CONFIG GET shows for names and glob patterns: each name once, with its value as text. */
  get(patterns: readonly string[]): [name: string, value: string][] {
    const found = new Map<string, [string, string]>();
    for (const pattern of patterns) {
      if (!/[*?[]/.test(cString(pattern))) {
        const name = NAMES_AND_ALIASES.get(pattern.toLowerCase());
        const key = pattern.toLowerCase();
        if (name !== undefined && !found.has(key)) found.set(key, [pattern, this.text(name)]);
        continue;
      }
      const glob = utf8Bytes(cString(pattern));
      for (const [key, name] of NAMES_AND_ALIASES) {
        if (DIRECTIVES[name].hidden || found.has(key)) continue;
        if (globMatch(glob, utf8Bytes(key), true)) found.set(key, [key, this.text(name)]);
      }
    }
    return [...found.values()];
  }

  /** One value as CONFIG GET shows it. */
  text(name: DirectiveName): string {
    return formatValue(name, this.#values);
  }

  /**
   * CONFIG SET: all of the pairs or, with the ReplyError thrown, none.
   * `local`: the client is on this machine, which `enable-protected-configs local` lets pass;
   * `loading`: the server loads its data.
   */
  set(
    pairs: readonly (readonly [name: string, value: string])[],
    { local = false, loading = false }: { local?: boolean; loading?: boolean } = {},
  ): void {
    const chosen = this.#choose(pairs, local, loading);
    const before = { ...this.#values };
    for (const { shown, name, value } of chosen) {
      try {
        // Read against the values as they are now, for a directive may come under both its names.
        const words = value === "" ? [] : value.split(" ");
        this.#parse(name, DIRECTIVES[name].multiArg ? words : [value], false);
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        Object.assign(this.#values, before);
        throw setFailed(shown, error.reason);
      }
    }
    const applied: DirectiveName[] = [];
    for (const { shown, name } of chosen) {
      if (applied.includes(name) || this.text(name) === formatValue(name, before)) continue;
      applied.push(name);
      const reason = this.#apply(name);
      if (reason === undefined) continue;
      Object.assign(this.#values, before);
      for (const undone of applied) this.#apply(undone);
      throw setFailed(shown, reason);
    }
  }

  /**
   * Reads the words of one line of a configuration, where several values may also stand as one
   * quoted word; throws BadValue.
   * `append`: an earlier line has set the directive already.
   */
  readLine(name: DirectiveName, words: readonly string[], append: boolean): void {
    const inner = DIRECTIVES[name].multiArg && words.length === 1 ? splitArgs(words[0]!) : words;
    if (inner === undefined) throw new BadValue("Unbalanced quotes in configuration line");
    this.#parse(name, inner, append);
  }

  /**
   * CONFIG REWRITE; throws a ReplyError. `userLines` are the definitions of the ACL users as they
   * stand behind `user`; leave them out where the users are kept in an ACL file. `all`: what has its
   * default value is written, too.
   */
  rewrite(userLines?: readonly string[], all = false): void {
    if (this.file === undefined) {
      throw new ReplyError("ERR The server is running without a config file");
    }
    rewriteConfigFile(this.file, this.#values, userLines, all);
  }

  /** Finds the directives and refuses, before anything is parsed, those that may not be set. */
  #choose(
    pairs: readonly (readonly [string, string])[],
    local: boolean,
    loading: boolean,
  ): Chosen[] {
    const chosen: Chosen[] = [];
    for (const [word, value] of pairs) {
      const shown = word.toLowerCase();
      const name = NAMES_AND_ALIASES.get(shown);
      if (name === undefined) {
        throw new ReplyError(
          `ERR Unknown option or number of arguments for CONFIG SET - '${cString(word)}'`,
        );
      }
      const directive = DIRECTIVES[name];
      if (directive.immutable) throw setFailed(word, "can't set immutable config");
      if (directive.protected && !this.#mayProtected(local)) {
        throw setFailed(word, "can't set protected config");
      }
      if (directive.notWhileLoading && loading) throw LOADING;
      if (chosen.some((other) => other.shown === shown)) {
        throw setFailed(word, "duplicate parameter");
      }
      chosen.push({ shown, name, value });
    }
    return chosen;
  }

  #mayProtected(local: boolean): boolean {
    const allowed = this.#values["enable-protected-configs"];
    return allowed === "yes" || (allowed === "local" && local);
  }

  #parse<N extends DirectiveName>(name: N, words: readonly string[], append: boolean): void {
    const directive: Directive<ConfigValues[N]> = DIRECTIVES[name];
    const read = directive.takesNul ? words : words.map(cString);
    this.#values[name] = directive.parse(read, this.#values[name], append);
  }

  #apply(name: DirectiveName): string | undefined {
    for (const apply of this.#hooks.get(name) ?? []) {
      const reason = apply(this.#values[name] as never);
      if (typeof reason === "string") return reason;
    }
    return undefined;
  }
}

const LOADING = new ReplyError("LOADING Redis is loading the dataset in memory");

interface Chosen {
  /** The name or alias that the client used, in lower case. */
  readonly shown: string;
  readonly name: DirectiveName;
  readonly value: string;
}

function formatValue<N extends DirectiveName>(name: N, values: ConfigValues): string {
  const directive: Directive<ConfigValues[N]> = DIRECTIVES[name];
  return directive.format(values[name]);
}

function setFailed(name: string, reason: string): ReplyError {
  return new ReplyError(
    `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`,
  );
}
