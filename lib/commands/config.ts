/** CONFIG: reading and changing the directives of a running server. */
import { latin1, utf8, utf8Bytes } from "../bytes/text.ts";
import { type DirectiveName, DIRECTIVES, NAMES_AND_ALIASES } from "../config/directives.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import { helpHandler } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

export const CONFIG_COMMANDS = [
  {
    name: "config",
    arity: -2,
    flags: [],
    group: "server",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    summary: "Holds the commands about the server's configuration.",
    syntax: "",
    subcommands: [
      {
        name: "get",
        arity: -3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns",
        summary: "Returns the directives that match patterns, with their values.",
        syntax: "parameter:string...",
        history: [["7.0.0", "Takes several patterns."]],
        handler: get,
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
        handler: helpHandler("config", [
          "GET <pattern>",
          "    Show the directives whose names match the pattern, with their values.",
          "SET <directive> <value>",
          "    Give a directive a value.",
          "RESETSTAT",
          "    Start the statistics that INFO shows anew.",
          "REWRITE",
          "    Bring the configuration file up to date.",
        ]),
      },
      {
        name: "resetstat",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Starts the statistics of INFO anew.",
        syntax: "",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: resetStat,
      },
      {
        name: "rewrite",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.0",
        complexity: "O(1)",
        summary: "Writes the values in use to the configuration file.",
        syntax: "",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: rewrite,
      },
      {
        name: "set",
        arity: -4,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.0.0",
        complexity: "O(N) where N is the number of directives",
        summary: "Gives directives new values: all of them or, where one is refused, none.",
        syntax: "data:{parameter:string value:string}...",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        history: [["7.0.0", "Takes several directives."]],
        secrets: setSecrets,
        handler: set,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

function get(client: Client, args: Args): void {
  const { reply, server } = client;
  const patterns: string[] = [];
  for (let i = 2; i < args.count; i++) patterns.push(utf8(args.view(i)));
  const found = server.config.get(patterns);
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.bulk(utf8Bytes(name));
    reply.bulk(utf8Bytes(value));
  }
}

function set(client: Client, args: Args): void {
  if (args.count % 2 !== 0) throw SYNTAX_ERROR;
  const pairs: [name: string, value: string][] = [];
  for (let i = 2; i < args.count; i += 2) pairs.push([utf8(args.view(i)), utf8(args.view(i + 1))]);
  const { connection, server } = client;
  const loading = (server.gates & (GATE.loading | GATE.loadingAside)) !== 0;
  inUtf8(() => server.config.set(pairs, { local: connection.isLocal, loading }));
  client.reply.ok();
}

function rewrite(client: Client): void {
  const { config, log } = client.server;
  inUtf8(() => config.rewrite());
  log.notice(`CONFIG REWRITE wrote ${config.file}`);
  client.reply.ok();
}

function resetStat(client: Client): void {
  const { activeExpiry, commands, keyspaceStats, persistence, stats } = client.server;
  stats.reset();
  activeExpiry.timeCapReached = 0;
  keyspaceStats.hits = keyspaceStats.misses = 0;
  keyspaceStats.expired = keyspaceStats.evicted = 0;
  persistence.saves = 0;
  for (const command of commands.all) command.resetStats();
  client.reply.ok();
}

/** Errors repeat what the client sent; they leave as the bytes that it came as. */
function inUtf8(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    throw new ReplyError(latin1(utf8Bytes(error.message)));
  }
}

/** The values of directives that are passwords. */
function setSecrets(args: Args): number[] {
  const secrets: number[] = [];
  for (let i = 2; i + 1 < args.count; i += 2) {
    const name: DirectiveName | undefined = NAMES_AND_ALIASES.get(args.text(i).toLowerCase());
    if (name !== undefined && DIRECTIVES[name].sensitive) secrets.push(i + 1);
  }
  return secrets;
}
