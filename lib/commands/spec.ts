/**
 * What a command is: one typed record beside its handler. The router's gates, COMMAND and its
 * subcommands, HELP and the README's support table all read these records and nothing else.
 *
 * If you add a flag here, the router must know what it means (`lib/server/router.ts`) and COMMAND
 * knows how to name it by its key here.
 */
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import type { FoundKey } from "./keyspecs.ts";

/**
 * Bits of {@link CommandSpec.flags}; the names are those that COMMAND INFO prints. Only
 * `may_replicate` is never printed: it comes from the trait.
 */
export const FLAGS = {
  write: 1 << 0,
  readonly: 1 << 1,
  denyoom: 1 << 2,
  admin: 1 << 3,
  pubsub: 1 << 4,
  noscript: 1 << 5,
  blocking: 1 << 6,
  loading: 1 << 7,
  stale: 1 << 8,
  skip_monitor: 1 << 9,
  skip_slowlog: 1 << 10,
  asking: 1 << 11,
  fast: 1 << 12,
  no_auth: 1 << 13,
  may_replicate: 1 << 14,
  no_async_loading: 1 << 15,
  no_multi: 1 << 16,
  movablekeys: 1 << 17,
  allow_busy: 1 << 18,
  no_mandatory_keys: 1 << 19,
} as const;

export type FlagName = keyof typeof FLAGS;

/**
 * How the router's gates treat a command beyond its flags; no client sees these.
 * - `unqueued`: runs at once between MULTI and EXEC.
 * - `executes_queue`: stands for the commands queued by MULTI wherever a gate asks for flags.
 * - `while_subscribed`: allowed to a subscribed RESP2 client.
 * - `fails_with_disk`: answers MISCONF after a failed snapshot although it writes nothing.
 * - `protected`: only where `enable-debug-command` lets it.
 * - `may_replicate`: it may be sent to replicas although it is no write, so it waits where writes do.
 * - `keeps_caching`: CLIENT CACHING outlives it; its subcommands have it from their container.
 * - `always_touches`: counts as an access even for a client with CLIENT NO-TOUCH.
 * - `cost_in_reply`: it can take long only where its reply is long, so the router times short ones
 *   together.
 */
export type Trait =
  | "unqueued"
  | "executes_queue"
  | "while_subscribed"
  | "fails_with_disk"
  | "protected"
  | "may_replicate"
  | "keeps_caching"
  | "always_touches"
  | "cost_in_reply";

/** Groups as COMMAND DOCS names them. */
export type CommandGroup =
  | "bitmap"
  | "cluster"
  | "connection"
  | "generic"
  | "geo"
  | "hash"
  | "hyperloglog"
  | "list"
  | "pubsub"
  | "scripting"
  | "server"
  | "set"
  | "sorted-set"
  | "stream"
  | "string"
  | "transactions";

/** One key specification, as COMMAND INFO's ninth field has it. */
export interface KeySpec {
  /** Space-separated flags: `RO`, `RW`, `OW`, `RM`, `access`, `update`, `insert`, `delete`, … */
  readonly flags: string;
  /** Where the keys begin: an argument's index, or the place of a keyword. */
  readonly begin: number | { readonly keyword: string; readonly startFrom: number } | "unknown";
  /** Which they are: a range (`last` relative to `begin`; negative counts from the end) … */
  readonly range?: readonly [last: number, step: number, limit: number];
  /** … or a count argument: its index, the first key's, and the step (relative to `begin`). */
  readonly keyNum?: readonly [keyNumIndex: number, firstKey: number, step: number];
  readonly notes?: string;
}

/**
 * Does one command. The router has checked existence, arity, authentication, state and memory.
 * A handler parses and validates everything first, then changes state, then writes exactly one
 * reply to `client.reply`; it throws a ReplyError for what Redis answers with an error.
 */
export type Handler = (client: Client, args: Args) => void;

export interface CommandSpec {
  /** Lower case; for a subcommand only its own word. */
  readonly name: string;
  /** As Redis counts: the name included, negative for "at least". */
  readonly arity: number;
  readonly flags: readonly FlagName[];
  readonly group: CommandGroup;
  readonly since: string;
  readonly complexity: string;
  readonly summary: string;
  /** The arguments in the notation of `lib/commands/syntax.ts`. */
  readonly syntax: string;
  readonly keys?: readonly KeySpec[];
  /** ACL categories beyond those that follow from flags and group. */
  readonly acl?: readonly string[];
  /** COMMAND's tips, such as `nondeterministic_output`. */
  readonly tips?: readonly string[];
  /** `[version, what changed]`, oldest first. */
  readonly history?: readonly (readonly [string, string])[];
  readonly deprecatedSince?: string;
  readonly replacedBy?: string;
  readonly traits?: readonly Trait[];
  /** What part of the command is missing here; shown in the README's support table. */
  readonly partial?: string;
  /** Which arguments neither MONITOR nor the slow log shows. */
  readonly secrets?: (args: Args) => readonly number[];
  /** Finds the keys where `keys` cannot tell which they are or how they are used. */
  readonly getKeys?: (args: Args) => FoundKey[];
  /** Absent only on a container, whose subcommands have handlers of their own. */
  readonly handler?: Handler;
  readonly subcommands?: readonly CommandSpec[];
}

/** The usual key specification: `count` keys from `first` on (a negative `last` counts from the end). */
export function keys(flags: string, first = 1, last = 0, step = 1): readonly KeySpec[] {
  return [{ flags, begin: first, range: [last, step, 0] }];
}
