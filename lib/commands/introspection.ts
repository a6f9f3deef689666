/**
 * COMMAND and its subcommands: everything that the records of `lib/commands/` say, in the shapes of
 * Redis's replies.
 */
import { globMatch } from "../bytes/glob.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import type { Command } from "../server/command.ts";
import { aclCategories } from "./acl_categories.ts";
import { helpHandler } from "./help.ts";
import { findKeys, hasKeys, legacyRange } from "./keyspecs.ts";
import type { CommandSpec, KeySpec } from "./spec.ts";
import { type Argument, parseSyntax } from "./syntax.ts";

export const INTROSPECTION_COMMANDS = [
  {
    name: "command",
    arity: -1,
    flags: ["loading", "stale"],
    group: "server",
    since: "2.8.13",
    complexity: "O(N) where N is the number of commands",
    summary: "Describes all commands.",
    syntax: "",
    acl: ["connection"],
    tips: ["nondeterministic_output_order"],
    handler: describeAll,
    subcommands: [
      {
        name: "count",
        arity: 2,
        flags: ["loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Counts the commands.",
        syntax: "",
        acl: ["connection"],
        handler: count,
      },
      {
        name: "docs",
        arity: -2,
        flags: ["loading", "stale"],
        group: "server",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to document",
        summary: "Documents commands: one, several or all.",
        syntax: "[command-name:string...]",
        acl: ["connection"],
        tips: ["nondeterministic_output_order"],
        handler: docs,
      },
      {
        name: "getkeys",
        arity: -3,
        flags: ["loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments of the command",
        summary: "Finds the keys among the arguments of a command.",
        syntax: "command:string [arg:string...]",
        acl: ["connection"],
        handler: getKeys,
      },
      {
        name: "getkeysandflags",
        arity: -3,
        flags: ["loading", "stale"],
        group: "server",
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments of the command",
        summary: "Finds the keys among the arguments of a command, and what it does with each.",
        syntax: "command:string [arg:string...]",
        acl: ["connection"],
        handler: getKeysAndFlags,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "server",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Tells what the subcommands do.",
        syntax: "",
        acl: ["connection"],
        handler: helpHandler("command", [
          "(no subcommand)",
          "    Describe all commands.",
          "COUNT",
          "    Count the commands of this server.",
          "LIST",
          "    List the names of the commands of this server.",
          "INFO [<command-name> ...]",
          "    Describe the commands that are named, or all of them.",
          "DOCS [<command-name> ...]",
          "    Document the commands that are named, or all of them.",
          "GETKEYS <full-command>",
          "    Tell the keys that a full command has.",
          "GETKEYSANDFLAGS <full-command>",
          "    Tell the keys that a full command has and how it uses them.",
        ]),
      },
      {
        name: "info",
        arity: -2,
        flags: ["loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to describe",
        summary: "Describes commands: one, several or all.",
        syntax: "[command-name:string...]",
        acl: ["connection"],
        tips: ["nondeterministic_output_order"],
        history: [["7.0.0", "The names of commands became optional."]],
        handler: info,
      },
      {
        name: "list",
        arity: -2,
        flags: ["loading", "stale"],
        group: "server",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands",
        summary: "Lists the names of all commands, or of those that pass a filter.",
        syntax:
          "[FILTERBY filterby:(MODULE module-name:string|ACLCAT category:string|PATTERN pattern:pattern)]",
        acl: ["connection"],
        tips: ["nondeterministic_output_order"],
        handler: list,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

/** Commands that serve the server itself and are not meant for applications: `syscmd` in the docs. */
const SYSTEM_COMMANDS: ReadonlySet<string> = new Set([
  "debug",
  "pfdebug",
  "pfselftest",
  "replconf",
  "restore-asking",
]);

const INVALID_COMMAND = new ReplyError("ERR Invalid command specified");
const NO_KEY_ARGUMENTS = new ReplyError("ERR The command has no key arguments");
const WRONG_COUNT = new ReplyError("ERR Invalid number of arguments specified for command");
const INVALID_ARGUMENTS = new ReplyError("ERR Invalid arguments specified for command");

function describeAll(client: Client): void {
  const { all } = client.server.commands;
  client.reply.array(all.length);
  for (const command of all) writeInfo(client.reply, command);
}

function count(client: Client): void {
  client.reply.integer(client.server.commands.all.length);
}

function info(client: Client, args: Args): void {
  if (args.count === 2) return describeAll(client);
  const { reply, server } = client;
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const command = server.commands.named(args.text(i));
    if (command === undefined) reply.nil();
    else writeInfo(reply, command);
  }
}

function docs(client: Client, args: Args): void {
  const { commands } = client.server;
  let wanted: readonly Command[] = commands.all;
  if (args.count > 2) {
    wanted = Array.from({ length: args.count - 2 }, (_, i) => commands.named(args.text(i + 2)))
      .filter((command) => command !== undefined);
  }
  writeAllDocs(client.reply, wanted);
}

function list(client: Client, args: Args): void {
  const wanted = listFilter(args);
  const names: string[] = [];
  for (const command of client.server.commands.everything()) {
    if (wanted(command)) names.push(command.fullName);
  }
  writeTexts(client.reply, names);
}

/** Which commands COMMAND LIST is asked for. No command here comes from a module. */
function listFilter(args: Args): (command: Command) => boolean {
  if (args.count === 2) return () => true;
  if (args.count !== 5 || !args.is(2, "FILTERBY")) throw SYNTAX_ERROR;
  if (args.is(3, "MODULE")) return () => false;
  if (args.is(3, "ACLCAT")) {
    const category = args.text(4).toLowerCase();
    return ({ spec }) => aclCategories(spec).includes(category);
  }
  if (args.is(3, "PATTERN")) {
    const pattern = args.view(4);
    return ({ fullName }) => globMatch(pattern, latin1Bytes(fullName), true);
  }
  throw SYNTAX_ERROR;
}

function getKeys(client: Client, args: Args): void {
  const { reply } = client;
  const command = new Args(args.buf, args.spans, args.base + 4, args.count - 2);
  const found = keysOf(client, command);
  reply.array(found.length);
  for (const { index } of found) reply.bulk(command.buf, command.off(index), command.len(index));
}

function getKeysAndFlags(client: Client, args: Args): void {
  const { reply } = client;
  const command = new Args(args.buf, args.spans, args.base + 4, args.count - 2);
  const found = keysOf(client, command);
  reply.array(found.length);
  for (const { index, flags } of found) {
    reply.array(2);
    reply.bulk(command.buf, command.off(index), command.len(index));
    writeStatuses(reply, flags === "" ? [] : flags.split(" "));
  }
}

/** The keys of the command that `args` are; throws a ReplyError where there are none. */
function keysOf(client: Client, args: Args): ReturnType<typeof findKeys> {
  const command = client.server.commands.resolve(args);
  if (typeof command === "string") throw INVALID_COMMAND;
  const { spec } = command;
  if (!hasKeys(spec)) throw NO_KEY_ARGUMENTS;
  if (!command.takes(args.count)) throw WRONG_COUNT;
  const found = findKeys(spec, args);
  if (found.length === 0 && !command.spec.flags.includes("no_mandatory_keys")) {
    throw INVALID_ARGUMENTS;
  }
  return found;
}

/** The ten fields of COMMAND INFO. */
function writeInfo(reply: ReplyWriter, command: Command): void {
  const { spec } = command;
  const { first, last, step, movable } = legacyRange(spec);
  reply.array(10);
  reply.bulkText(command.fullName);
  reply.integer(spec.arity);
  const flags = spec.flags.filter((flag) => flag !== "movablekeys");
  writeStatuses(reply, movable ? [...flags, "movablekeys"] : flags);
  reply.integer(first);
  reply.integer(last);
  reply.integer(step);
  writeStatuses(reply, aclCategories(spec).map((category) => `@${category}`));
  const tips = spec.tips ?? [];
  reply.set(tips.length);
  for (const tip of tips) reply.bulkText(tip);
  const keySpecs = spec.keys ?? [];
  reply.set(keySpecs.length);
  for (const keySpec of keySpecs) writeKeySpec(reply, keySpec);
  // Redis has a set where there are none, an array where there are some.
  if (command.subcommands.size === 0) reply.set(0);
  else reply.array(command.subcommands.size);
  for (const sub of command.subcommands.values()) writeInfo(reply, sub);
}

function writeKeySpec(reply: ReplyWriter, spec: KeySpec): void {
  reply.map(spec.notes === undefined ? 3 : 4);
  if (spec.notes !== undefined) writeField(reply, "notes", spec.notes);
  reply.bulkText("flags");
  writeStatuses(reply, spec.flags.split(" "));

  reply.bulkText("begin_search");
  if (typeof spec.begin === "number") writeStep(reply, "index", { index: spec.begin });
  else if (spec.begin === "unknown") writeStep(reply, "unknown", {});
  else {
    const { keyword, startFrom: startfrom } = spec.begin;
    writeStep(reply, "keyword", { keyword, startfrom });
  }

  reply.bulkText("find_keys");
  if (spec.range !== undefined) {
    const [lastkey, keystep, limit] = spec.range;
    writeStep(reply, "range", { lastkey, keystep, limit });
  } else if (spec.keyNum !== undefined) {
    const [keynumidx, firstkey, keystep] = spec.keyNum;
    writeStep(reply, "keynum", { keynumidx, firstkey, keystep });
  } else writeStep(reply, "unknown", {});
}

/** One of the two steps in which a key specification finds its keys. */
function writeStep(
  reply: ReplyWriter,
  type: string,
  numbers: Readonly<Record<string, string | number>>,
): void {
  reply.map(2);
  writeField(reply, "type", type);
  reply.bulkText("spec");
  const entries = Object.entries(numbers);
  reply.map(entries.length);
  for (const [name, value] of entries) writeField(reply, name, value);
}

function writeAllDocs(reply: ReplyWriter, commands: readonly Command[]): void {
  reply.map(commands.length);
  for (const command of commands) {
    reply.bulkText(command.fullName);
    writeDocs(reply, command);
  }
}

/** One command's map of COMMAND DOCS. */
function writeDocs(reply: ReplyWriter, command: Command): void {
  const { spec } = command;
  const flags: string[] = [];
  if (spec.deprecatedSince !== undefined) flags.push("deprecated");
  if (SYSTEM_COMMANDS.has(command.fullName)) flags.push("syscmd");
  const syntax = parseSyntax(spec.syntax);

  const fields: Field[] = [
    text("summary", spec.summary),
    text("since", spec.since),
    text("group", spec.group),
  ];
  if (spec.complexity !== "") fields.push(text("complexity", spec.complexity));
  if (flags.length > 0) fields.push(["doc_flags", (reply) => writeStatuses(reply, flags)]);
  if (spec.deprecatedSince !== undefined) {
    fields.push(text("deprecated_since", spec.deprecatedSince));
  }
  if (spec.replacedBy !== undefined) fields.push(text("replaced_by", spec.replacedBy));
  const { history } = spec;
  if (history !== undefined) fields.push(["history", (reply) => writeHistory(reply, history)]);
  if (syntax.length > 0) fields.push(["arguments", (reply) => writeArguments(reply, syntax)]);
  if (command.subcommands.size > 0) {
    fields.push(["subcommands", (reply) => writeAllDocs(reply, [...command.subcommands.values()])]);
  }
  writeFields(reply, fields);
}

function writeHistory(reply: ReplyWriter, history: NonNullable<CommandSpec["history"]>): void {
  reply.set(history.length);
  for (const entry of history) writeTexts(reply, entry);
}

function writeArguments(reply: ReplyWriter, syntax: readonly Argument[]): void {
  reply.array(syntax.length);
  for (const argument of syntax) {
    const fields: Field[] = [text("name", argument.name), text("type", argument.type)];
    if (argument.displayText !== undefined) {
      fields.push(text("display_text", argument.displayText));
    }
    const { keySpecIndex, flags, arguments: inner } = argument;
    if (keySpecIndex !== undefined) {
      fields.push(["key_spec_index", (reply) => reply.integer(keySpecIndex)]);
    }
    if (argument.token !== undefined) fields.push(text("token", argument.token));
    if (argument.since !== undefined) fields.push(text("since", argument.since));
    if (argument.deprecatedSince !== undefined) {
      fields.push(text("deprecated_since", argument.deprecatedSince));
    }
    if (flags.length > 0) fields.push(["flags", (reply) => writeStatuses(reply, flags)]);
    if (inner !== undefined) fields.push(["arguments", (reply) => writeArguments(reply, inner)]);
    writeFields(reply, fields);
  }
}

/** An entry of a map whose length is known only once all its entries are. */
type Field = readonly [name: string, write: (reply: ReplyWriter) => void];

function text(name: string, value: string): Field {
  return [name, (reply) => reply.bulkText(value)];
}

function writeFields(reply: ReplyWriter, fields: readonly Field[]): void {
  reply.map(fields.length);
  for (const [name, write] of fields) {
    reply.bulkText(name);
    write(reply);
  }
}

function writeField(reply: ReplyWriter, name: string, value: string | number): void {
  reply.bulkText(name);
  if (typeof value === "number") reply.integer(value);
  else reply.bulkText(value);
}

/** A set of simple strings: flags and categories. */
function writeStatuses(reply: ReplyWriter, words: readonly string[]): void {
  reply.set(words.length);
  for (const word of words) reply.simple(word);
}

/** An array of bulk strings. */
function writeTexts(reply: ReplyWriter, texts: readonly string[]): void {
  reply.array(texts.length);
  for (const each of texts) reply.bulkText(each);
}
