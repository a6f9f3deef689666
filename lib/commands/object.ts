/** OBJECT: how a value is kept. */
import { type Database, ENCODING } from "../store/database.ts";
import { readInteger } from "../store/string_value.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { helpHandler } from "./help.ts";
import { type CommandSpec, keys } from "./spec.ts";

const HELP = [
  "ENCODING <key>",
  "    The kind of representation that the key's value has in memory.",
  "FREQ <key>",
  "    The key's access frequency: a logarithmic counter that decays. It is counted",
  "    while an LFU maxmemory-policy is in force.",
  "IDLETIME <key>",
  "    Seconds since the key was last accessed.",
  "REFCOUNT <key>",
  "    How many references the key's value has.",
];

export const OBJECT_COMMANDS = [
  {
    name: "object",
    arity: -2,
    flags: [],
    group: "generic",
    since: "2.2.3",
    complexity: "Depends on the subcommand.",
    summary: "Tells how a key's value is kept.",
    syntax: "",
    subcommands: [
      {
        name: "encoding",
        arity: 3,
        flags: ["readonly"],
        group: "generic",
        since: "2.2.3",
        complexity: "O(1)",
        summary: "Returns the encoding of a value.",
        syntax: "key:key",
        keys: keys("RO", 2),
        tips: ["nondeterministic_output"],
        handler: objectEncoding,
      },
      {
        name: "freq",
        arity: 3,
        flags: ["readonly"],
        group: "generic",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Returns the access frequency of a key.",
        syntax: "key:key",
        keys: keys("RO", 2),
        tips: ["nondeterministic_output"],
        handler: objectFreq,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "generic",
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("object", HELP),
      },
      {
        name: "idletime",
        arity: 3,
        flags: ["readonly"],
        group: "generic",
        since: "2.2.3",
        complexity: "O(1)",
        summary: "Returns the seconds since a key's last access.",
        syntax: "key:key",
        keys: keys("RO", 2),
        tips: ["nondeterministic_output"],
        handler: objectIdletime,
      },
      {
        name: "refcount",
        arity: 3,
        flags: ["readonly"],
        group: "generic",
        since: "2.2.3",
        complexity: "O(1)",
        summary: "Returns the reference count of a value.",
        syntax: "key:key",
        keys: keys("RO", 2),
        tips: ["nondeterministic_output"],
        handler: objectRefcount,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

/** By the encodings' numbers. */
const ENCODING_NAMES = Object.fromEntries(
  Object.entries(ENCODING).map(([name, number]) => [number, name]),
);

/** Integers from 0 up to this are one shared object each in Redis … */
const SHARED_INTEGERS = 10_000;
/** … with this reference count. */
const SHARED_REFCOUNT = 2_147_483_647;

const NO_FREQUENCY = new ReplyError(
  "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
const NO_IDLE_TIME = new ReplyError(
  "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

/** OBJECT ENCODING's word. */
export function encodingName(db: Database, entry: number): string {
  return ENCODING_NAMES[db.encoding(entry)]!;
}

/**
 * What Redis's reference count would be, as far as value and configuration tell: here nothing is shared.
 * Redis settles it when it makes a value. So it says 1 of a small integer that COPY made, or that was
 * made under a policy which is not in force any more, and {@link SHARED_REFCOUNT} the other way round.
 */
export function referenceCount(client: Client, entry: number): number {
  const { db, server } = client;
  if (db.encoding(entry) !== ENCODING.int) return 1;
  const { maxmemory, "maxmemory-policy": policy } = server.config.values;
  // Shared objects would share their access time, too.
  if (maxmemory > 0 && /-l[rf]u$/.test(policy)) return 1;
  const value = readInteger(db, entry);
  return value >= 0 && value < SHARED_INTEGERS ? SHARED_REFCOUNT : 1;
}

/** The key that is argument 2: counts hit or miss, but is no access; 0 if it is not there. */
function inspect({ db, server }: Client, args: Args): number {
  const entry = db.find(args.buf, args.off(2), args.len(2));
  if (entry === 0) server.keyspaceStats.misses++;
  else server.keyspaceStats.hits++;
  return entry;
}

function objectEncoding(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = inspect(client, args);
  if (entry === 0) reply.nil();
  else reply.bulkText(encodingName(db, entry));
}

function objectFreq(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const entry = inspect(client, args);
  if (entry === 0) return reply.nil();
  if (!server.access.lfu) throw NO_FREQUENCY;
  reply.integer(server.access.frequency(db.accessBits(entry)));
}

function objectIdletime(client: Client, args: Args): void {
  const { db, reply, server } = client;
  const entry = inspect(client, args);
  if (entry === 0) return reply.nil();
  if (server.access.lfu) throw NO_IDLE_TIME;
  reply.integer(server.access.idleSeconds(db.accessBits(entry)));
}

function objectRefcount(client: Client, args: Args): void {
  const entry = inspect(client, args);
  if (entry === 0) client.reply.nil();
  else client.reply.integer(referenceCount(client, entry));
}
