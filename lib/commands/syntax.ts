/**
 * The notation in which a command's record writes down its arguments, and its reader: the tree that
 * COMMAND DOCS replies.
 *
 *     key:key value:string [condition:(NX|XX)@2.6.12] [GET@6.2.0] [EX seconds:integer]
 *
 * | written                      | is                                                             |
 * | ---------------------------- | -------------------------------------------------------------- |
 * | `name:type`                  | a value; the types are those of {@link ArgumentType}           |
 * | `name:(A\|B)`                | one of several arguments (`oneof`)                             |
 * | `name:{a:string b:string}`   | several arguments in a row (`block`)                           |
 * | `TOKEN name:…`               | any of these behind a word of the command's language           |
 * | `TOKEN`                      | a word alone (`pure-token`), whose name is that in lower case  |
 * | `name=TOKEN`                 | the same with another name; also where a value follows, whose  |
 * |                              | token the word would be otherwise                              |
 * | `name/shown:type`            | a value whose display text is not its name                     |
 * | `…#1` `…@6.2.0` `…!2.8.12`   | its key specification's index, since when, deprecated since    |
 * | `…...`                       | multiple: the value may be repeated                            |
 * | `[…]`                        | optional                                                       |
 * | `[TOKEN …]...`               | optional and multiple, the token repeated with each value      |
 *
 * A key belongs to key specification 0 unless it says otherwise. A name or token with signs other
 * than letters, digits and `_-*~$` stands in double quotes.
 */

const VALUE_TYPES = [
  "string",
  "integer",
  "double",
  "key",
  "pattern",
  "unix-time",
] as const;

export type ArgumentType = typeof VALUE_TYPES[number] | "pure-token" | "oneof" | "block";

/** One argument, as COMMAND DOCS describes it. */
export interface Argument {
  readonly name: string;
  readonly type: ArgumentType;
  /** What a person is shown; only values and tokens have it. */
  readonly displayText?: string;
  readonly keySpecIndex?: number;
  readonly token?: string;
  readonly since?: string;
  readonly deprecatedSince?: string;
  /** `optional`, `multiple`, `multiple_token`, in this order. */
  readonly flags: readonly string[];
  /** The alternatives of a `oneof`, the parts of a `block`. */
  readonly arguments?: readonly Argument[];
}

/** Reads a record's `syntax`; throws an Error that shows where it goes wrong. */
export function parseSyntax(text: string): readonly Argument[] {
  return new Reader(text).all();
}

const WORD = /[\w\-*~$]+|"([^"]*)"/y;
const VERSION = /[\d.]*\d/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  all(): Argument[] {
    const list = this.#sequence();
    if (this.#at < this.#text.length) this.#fail("an argument");
    return list;
  }

  /** Arguments up to a closing sign or the end. */
  #sequence(): Argument[] {
    const list: Argument[] = [];
    while (this.#at < this.#text.length && !this.#sees("}")) {
      if (list.length > 0) this.#expect(" ");
      list.push(this.#argument());
    }
    return list;
  }

  #argument(): Argument {
    if (!this.#takes("[")) return this.#described([]);
    const argument = this.#described(["optional"]);
    this.#expect("]");
    if (!this.#takes("...")) return argument;
    return { ...argument, flags: ["optional", "multiple", "multiple_token"] };
  }

  /** An argument without its brackets. */
  #described(flags: readonly string[]): Argument {
    const first = this.#word();
    if (this.#takes("=")) {
      return this.#attributed({ name: first, type: "pure-token", token: this.#word() }, flags);
    }
    if (this.#sees(":") || this.#sees("/")) return this.#value(first, undefined, flags);

    // A word is the token of the value that follows it, and else stands for itself.
    const after = this.#at;
    if (this.#takes(" ") && !this.#sees("[")) {
      const name = this.#word();
      if (this.#sees(":") || this.#sees("/")) return this.#value(name, first, flags);
    }
    this.#at = after;
    return this.#attributed({ name: first.toLowerCase(), type: "pure-token", token: first }, flags);
  }

  #value(name: string, token: string | undefined, flags: readonly string[]): Argument {
    const displayText = this.#takes("/") ? this.#word() : name;
    this.#expect(":");
    const head = { name, ...(token !== undefined && { token }) };
    if (this.#takes("(")) {
      const alternatives: Argument[] = [];
      do alternatives.push(this.#argument()); while (this.#takes("|"));
      this.#expect(")");
      return this.#attributed({ ...head, type: "oneof", arguments: alternatives }, flags);
    }
    if (this.#takes("{")) {
      const parts = this.#sequence();
      this.#expect("}");
      return this.#attributed({ ...head, type: "block", arguments: parts }, flags);
    }
    const word = this.#word();
    const type = VALUE_TYPES.find((known) => known === word);
    if (type === undefined) this.#fail("a type");
    return this.#attributed(
      { ...head, type, displayText, ...(type === "key" && { keySpecIndex: 0 }) },
      flags,
    );
  }

  #attributed(argument: Omit<Argument, "flags">, flags: readonly string[]): Argument {
    return {
      ...(argument.type === "pure-token" && { displayText: argument.name }),
      ...argument,
      ...(this.#takes("#") && { keySpecIndex: Number(this.#version()) }),
      ...(this.#takes("@") && { since: this.#version() }),
      ...(this.#takes("!") && { deprecatedSince: this.#version() }),
      flags: this.#takes("...") ? [...flags, "multiple"] : flags,
    };
  }

  #word(): string {
    WORD.lastIndex = this.#at;
    const match = WORD.exec(this.#text);
    if (match === null) this.#fail("a word");
    this.#at = WORD.lastIndex;
    return match[1] ?? match[0];
  }

  #version(): string {
    VERSION.lastIndex = this.#at;
    const match = VERSION.exec(this.#text);
    if (match === null) this.#fail("a number");
    this.#at = VERSION.lastIndex;
    return match[0];
  }

  #sees(sign: string): boolean {
    return this.#text.startsWith(sign, this.#at);
  }

  #takes(sign: string): boolean {
    const seen = this.#sees(sign);
    if (seen) this.#at += sign.length;
    return seen;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) this.#fail(`"${sign}"`);
  }

  #fail(wanted: string): never {
    const text = this.#text;
    throw new Error(
      `Cannot read a command's syntax: expected ${wanted} at the mark in ` +
        `"${text.slice(0, this.#at)}▸${text.slice(this.#at)}"`,
    );
  }
}
