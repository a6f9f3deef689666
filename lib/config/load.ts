/**
 * From the command line and configuration files to a Config, by Redis's rules: the file named
 * first, then standard input where `-` asks for it, then the options, as if they were lines of one
 * file.
 */
import { resolve } from "node:path";
import process from "node:process";
import { utf8 } from "../bytes/text.ts";
import { Config } from "./config.ts";
import { FILE_ONLY, NAMES_AND_ALIASES } from "./directives.ts";
import { helpText } from "./help.ts";
import { BadValue } from "./kinds.ts";
import { systemErrorText } from "./special_kinds.ts";
import { quoteArg, splitArgs, trimLine } from "./split_args.ts";
import { REDIS_VERSION } from "./version.ts";

/** Why the server cannot start; `message` is all there is to print. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export type Launch =
  | {
    readonly action: "serve";
    readonly config: Config;
    /** What to log as warnings once the log is there. */
    readonly warnings: readonly string[];
  }
  | { readonly action: "print"; readonly text: string; readonly exitCode: number };

/** Files that include each other end here. */
const MAX_INCLUDE_DEPTH = 16;

/** Options that Redis knows and that are no part of this server. */
const REFUSED: Readonly<Record<string, string>> = {
  "--sentinel": "Redino has no Sentinel mode; run redis-sentinel beside it.",
  "--check-system": "Redino has no system check.",
  "--test-memory": "Redino has no memory test; use a tool made for it, such as memtester.",
};

/**
 * Reads the command line `argv` (without the program) and the files it names. `readStdin` returns
 * all of standard input. Throws ConfigError.
 */
export function loadConfig(argv: readonly string[], readStdin: () => string): Launch {
  const first = argv[0];
  if (argv.length === 1 && first !== undefined) {
    if (first === "-v" || first === "--version") {
      return { action: "print", text: versionText(), exitCode: 0 };
    }
    if (first === "-h" || first === "--help") {
      return { action: "print", text: helpText(), exitCode: 0 };
    }
  }
  const refused = argv.map((word) => REFUSED[word]).find((reason) => reason !== undefined);
  if (refused !== undefined) return { action: "print", text: `${refused}\n`, exitCode: 1 };

  const file = first !== undefined && !first.startsWith("-") ? resolve(first) : undefined;
  const options = readOptions(file === undefined ? argv : argv.slice(1));
  let text = file === undefined ? "" : readConfigFile(file, file);
  if (options.fromStdin) text += `\n${readStdin()}`;
  if (options.text !== "") text += `\n${options.text}`;

  const config = new Config({}, file);
  new FileReader(config).read(text, 0);
  checkTogether(config);
  return { action: "serve", config, warnings: warningsOf(config) };
}

/** The refusal of a configuration's line, in the shape in which Redis prints it. */
export function lineError(lineNumber: number, line: string, reason: string): ConfigError {
  return fatal(
    `Reading the configuration file, at line ${lineNumber}\n>>> '${line}'\n${reason}`,
  );
}

function fatal(text: string): ConfigError {
  return new ConfigError(
    `\n*** FATAL CONFIG FILE ERROR (Redis ${REDIS_VERSION}) ***\n${text}\n`,
  );
}

/** Turns `--name value …` into lines `name "value" …`. */
function readOptions(argv: readonly string[]): { text: string; fromStdin: boolean } {
  const lines: string[] = [];
  let fromStdin = false;
  // What follows a name is its value, even where it begins with "--".
  let needsValue = false;
  for (const [i, word] of argv.entries()) {
    if (word === "-" && (i === 0 || i === argv.length - 1)) {
      fromStdin = true;
    } else if (word.startsWith("--") && !needsValue) {
      const next = argv[i + 1];
      const isSave = word.toLowerCase() === "--save";
      if (isSave && (next === undefined || next.startsWith("--"))) {
        lines.push('save ""');
      } else {
        lines.push(word.slice(2));
        needsValue = splitArgs(word)?.length === 1;
      }
    } else {
      lines.push(`${lines.pop() ?? ""} ${quoteArg(word)}`.trimStart());
      needsValue = false;
    }
  }
  return { text: lines.join("\n"), fromStdin };
}

/** Reads text of configuration into a Config, with the files that it includes. */
class FileReader {
  readonly #config: Config;
  readonly #seen = new Set<string>();
  readonly #users = new Set<string>();

  constructor(config: Config) {
    this.#config = config;
  }

  read(text: string, depth: number): void {
    for (const [i, raw] of text.split("\n").entries()) {
      const line = trimLine(raw);
      if (line === "" || line.startsWith("#")) continue;
      const words = splitArgs(line);
      if (words === undefined) {
        throw lineError(i + 1, line, "Unbalanced quotes in configuration line");
      }
      if (words.length === 0) continue;
      try {
        this.#readLine(words, i + 1, line, depth);
      } catch (error) {
        throw error instanceof BadValue ? lineError(i + 1, line, error.reason) : error;
      }
    }
  }

  #readLine(words: readonly string[], lineNumber: number, line: string, depth: number): void {
    const word = words[0]!.toLowerCase();
    const name = NAMES_AND_ALIASES.get(word);
    if (name !== undefined) {
      this.#config.readLine(name, words.slice(1), this.#seen.has(name));
      this.#seen.add(name);
    } else if (word === "include" && words.length === 2) {
      this.#include(words[1]!, depth);
    } else if (word === "user" && words.length >= 2) {
      this.#addUser(words, lineNumber, line);
    } else if (word === "rename-command" && words.length === 3) {
      this.#config.fileOnly.push({ directive: word, words: words.slice(1), lineNumber, line });
    } else if (word === "loadmodule" && words.length >= 2) {
      throw new BadValue(`loadmodule: ${FILE_ONLY["loadmodule"]}`);
    } else if (word === "sentinel") {
      throw new BadValue("sentinel directive while not in sentinel mode");
    } else if (word !== "list-max-ziplist-entries" && word !== "list-max-ziplist-value") {
      // Those two were dropped long ago, but stand in many a file.
      throw new BadValue("Bad directive or wrong number of arguments");
    }
  }

  #addUser(words: readonly string[], lineNumber: number, line: string): void {
    const user = words[1]!;
    if (this.#users.has(user)) {
      throw new BadValue(
        `Error in user declaration '${user}': Duplicate user found. ` +
          "A user can only be defined once in config files",
      );
    }
    this.#users.add(user);
    this.#config.fileOnly.push({ directive: "user", words: words.slice(1), lineNumber, line });
  }

  #include(pattern: string, depth: number): void {
    if (depth >= MAX_INCLUDE_DEPTH) {
      throw new BadValue(`include: files are nested more than ${MAX_INCLUDE_DEPTH} deep`);
    }
    const path = resolve(this.#config.values.dir, pattern);
    if (!/[*?[]/.test(pattern)) return this.read(readConfigFile(path, pattern), depth + 1);
    // Loaded when first needed, as few configurations include others.
    const { globSync } = process.getBuiltinModule("node:fs");
    for (const file of globSync(path).sort()) this.read(readConfigFile(file, file), depth + 1);
  }
}

/** `shown` is the name that an error gives it. */
function readConfigFile(path: string, shown: string): string {
  try {
    return utf8(Deno.readFileSync(path));
  } catch (error) {
    throw new ConfigError(
      `Fatal error, can't open config file '${shown}': ${systemErrorText(error)}\n`,
    );
  }
}

/** What can only be judged when all values are there. */
function checkTogether(config: Config): void {
  const { values } = config;
  if (values["cluster-enabled"] && values.replicaof !== null) {
    throw fatal("replicaof directive not allowed in cluster mode");
  }
  if (values.logfile !== "") {
    try {
      Deno.openSync(resolve(values.dir, values.logfile), { append: true, create: true }).close();
    } catch (error) {
      throw fatal(`Can't open the log file: ${systemErrorText(error)}`);
    }
  }
}

/** Settings that promise what this server does not do, and that somebody may rely on. */
function warningsOf(config: Config): string[] {
  const { values } = config;
  const warnings: string[] = [];
  if (config.fileOnly.some(({ directive }) => directive === "user")) {
    warnings.push(
      "user has no effect: there are no ACL users, and no password but requirepass's.",
    );
  }
  if (values.daemonize || values.supervised !== "no") {
    warnings.push(
      "daemonize and supervised have no effect: the server stays in the foreground.",
    );
  }
  if (values["cluster-enabled"]) {
    warnings.push("cluster-enabled has no effect: the server runs standalone.");
  }
  if (values["syslog-enabled"]) {
    warnings.push("syslog-enabled has no effect: set logfile to keep the log.");
  }
  return warnings;
}

function versionText(): string {
  return `Redis server v=${REDIS_VERSION} sha=00000000:0 malloc=deno bits=64 build=0\n`;
}
