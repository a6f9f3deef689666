/** Saving the data: SAVE, BGSAVE and their kin. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import type { CommandSpec } from "./spec.ts";

export const PERSISTENCE_COMMANDS = [
  {
    name: "save",
    arity: 1,
    flags: ["admin", "noscript", "no_async_loading", "no_multi"],
    group: "server",
    since: "1.0.0",
    complexity: "O(N) for N keys in all databases",
    summary: "Saves the data to disk while nothing else happens.",
    syntax: "",
    handler: save,
  },
  {
    name: "bgsave",
    arity: -1,
    flags: ["admin", "noscript", "no_async_loading"],
    group: "server",
    since: "1.0.0",
    complexity: "O(N) for N databases; saving goes on beside other commands.",
    summary: "Saves the data to disk while other commands go on.",
    syntax: "[SCHEDULE@3.2.2]",
    history: [["3.2.2", "Takes `SCHEDULE`."]],
    handler: bgsave,
  },
  {
    name: "lastsave",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns when the data were last saved, in seconds since the epoch.",
    syntax: "",
    acl: ["admin", "dangerous"],
    tips: ["nondeterministic_output"],
    handler: ({ reply, server }) => reply.integer(server.persistence.lastSaveSeconds),
  },
  {
    name: "bgrewriteaof",
    arity: 1,
    flags: ["admin", "noscript", "no_async_loading"],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Would rewrite the append-only file, which this server does not keep.",
    syntax: "",
    partial: "there is no append-only file: an error",
    handler: () => {
      throw new ReplyError("ERR There is no append-only file here; use SAVE or BGSAVE");
    },
  },
] as const satisfies readonly CommandSpec[];

/** As short as Redis's; the log tells why. */
const FAILED = new ReplyError("ERR");
const IN_PROGRESS = new ReplyError("ERR Background save already in progress");

function save({ reply, server: { persistence } }: Client): void {
  if (persistence.busy) throw IN_PROGRESS;
  persistence.saves++;
  if (!persistence.save()) throw FAILED;
  reply.ok();
}

function bgsave({ reply, server: { persistence }, transaction }: Client, args: Args): void {
  if (args.count > 2 || (args.count === 2 && !args.is(1, "SCHEDULE"))) throw SYNTAX_ERROR;
  if (persistence.busy) throw IN_PROGRESS;
  if (transaction !== undefined) {
    // The file is to hold all that the transaction does.
    persistence.scheduled = true;
    return reply.simple("Background saving scheduled");
  }
  persistence.backgroundSave();
  reply.simple("Background saving started");
}
