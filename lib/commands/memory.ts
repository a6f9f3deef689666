/** MEMORY. */
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { humanBytes } from "../server/info.ts";
import {
  datasetPercentage,
  keyBytes,
  type MemoryReport,
  memoryReport,
  percentage,
} from "../server/memory_usage.ts";
import { integerArg } from "./arguments.ts";
import { helpHandler } from "./help.ts";
import { type CommandSpec, keys } from "./spec.ts";

const HELP = [
  "DOCTOR",
  "    Look for trouble with memory and say what it is.",
  "MALLOC-STATS",
  "    What the allocators hold.",
  "PURGE",
  "    Accepted: a slab of memory that falls empty is given back at once.",
  "STATS",
  "    What the server's memory is used for.",
  "USAGE <key> [SAMPLES <count>]",
  "    Bytes that a key and its value take. They are counted, not sampled, so that",
  "    <count> makes no difference.",
];

export const MEMORY_COMMANDS = [
  {
    name: "memory",
    arity: -2,
    flags: [],
    group: "server",
    since: "4.0.0",
    complexity: "Depends on the subcommand.",
    summary: "Tells what memory is used for.",
    syntax: "",
    subcommands: [
      {
        name: "doctor",
        arity: 2,
        flags: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Reports trouble with memory.",
        syntax: "",
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: memoryDoctor,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("memory", HELP),
      },
      {
        name: "malloc-stats",
        arity: 2,
        flags: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Reports what the allocators hold.",
        syntax: "",
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: mallocStats,
      },
      {
        name: "purge",
        arity: 2,
        flags: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Gives unused memory back to the system.",
        syntax: "",
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        handler: ({ reply }) => reply.ok(),
      },
      {
        name: "stats",
        arity: 2,
        flags: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Tells what memory is used for, in numbers.",
        syntax: "",
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: memoryStats,
      },
      {
        name: "usage",
        arity: -3,
        flags: ["readonly"],
        group: "server",
        since: "4.0.0",
        complexity: "O(1)",
        summary: "Counts the bytes that a key and its value take.",
        syntax: "key:key [SAMPLES count:integer]",
        keys: keys("RO", 2),
        handler: memoryUsage,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

/** By how many elements MEMORY USAGE estimates a large collection. */
const DEFAULT_SAMPLES = 5;

function memoryUsage({ db, reply }: Client, args: Args): void {
  let samples = DEFAULT_SAMPLES;
  for (let i = 3; i < args.count; i += 2) {
    if (!args.is(i, "SAMPLES") || i + 1 === args.count) throw SYNTAX_ERROR;
    samples = integerArg(args, i + 1);
    if (samples < 0) throw SYNTAX_ERROR;
  }
  // As in Redis, a key whose time has come counts until it is removed.
  const entry = db.map.find(args.buf, args.off(2), args.len(2));
  if (entry === 0) reply.nil();
  else reply.integer(keyBytes(db, entry, samples));
}

function memoryStats({ reply, server }: Client): void {
  const report = memoryReport(server);
  const { used, peak, startup, overhead, dataset, clients, allocated, active, resident } = report;
  const filled = server.dbs.filter((db) => db.size > 0);
  const keyCount = filled.reduce((sum, db) => sum + db.size, 0);
  const integer = (name: string, value: number) => {
    reply.bulkText(name);
    reply.integer(Math.floor(value));
  };
  const double = (name: string, value: number) => {
    reply.bulkText(name);
    reply.double(value);
  };
  reply.map(27 + filled.length);
  integer("peak.allocated", peak);
  integer("total.allocated", used);
  integer("startup.allocated", startup);
  integer("replication.backlog", report.backlog);
  integer("clients.slaves", report.replicas);
  integer("clients.normal", clients);
  integer("cluster.links", 0);
  integer("aof.buffer", 0);
  integer("lua.caches", 0);
  integer("functions.caches", 0);
  for (const db of filled) {
    reply.bulkText(`db.${db.number}`);
    reply.map(3);
    integer("overhead.hashtable.main", db.map.indexBytes);
    integer("overhead.hashtable.expires", db.overheadBytes - db.map.indexBytes);
    integer("overhead.hashtable.slot-to-keys", 0);
  }
  integer("overhead.total", overhead);
  integer("keys.count", keyCount);
  integer("keys.bytes-per-key", keyCount === 0 ? 0 : Math.max(0, used - startup) / keyCount);
  integer("dataset.bytes", dataset);
  double("dataset.percentage", datasetPercentage(report));
  double("peak.percentage", percentage(used, peak));
  integer("allocator.allocated", allocated);
  integer("allocator.active", active);
  integer("allocator.resident", resident);
  double("allocator-fragmentation.ratio", active / allocated);
  integer("allocator-fragmentation.bytes", active - allocated);
  double("allocator-rss.ratio", resident / active);
  integer("allocator-rss.bytes", resident - active);
  double("rss-overhead.ratio", 1);
  integer("rss-overhead.bytes", 0);
  double("fragmentation", resident / used);
  integer("fragmentation.bytes", resident - used);
}

/** Below this nothing that the doctor could find matters. */
const HEALTHY_BYTES = 5 * 1024 * 1024;
const LARGE_PEAK_RATIO = 1.5;
/** Bytes a client, on average, from which the doctor finds buffers large. */
const LARGE_BUFFERS = 200 * 1024;

function memoryDoctor({ reply, server }: Client): void {
  const advice = diagnose(memoryReport(server), server.clients.size);
  reply.verbatim("txt", latin1Bytes(`${advice.join("\n")}\n`));
}

function diagnose({ used, peak, clients }: MemoryReport, clientCount: number): string[] {
  if (used < HEALTHY_BYTES) return ["There is too little data for any trouble with memory."];
  const found: string[] = [];
  if (peak > used * LARGE_PEAK_RATIO) {
    found.push(
      `* Peak memory: ${humanBytes(peak)} were in use once, ${humanBytes(used)} are now. ` +
        "Slabs that still hold a few keys keep the rest of their memory until it is used again.",
    );
  }
  if (clients > clientCount * LARGE_BUFFERS) {
    found.push(
      `* Client buffers: ${humanBytes(clients)} wait for ${clientCount} clients. ` +
        "Some of them read too slowly; client-output-buffer-limit closes such connections.",
    );
  }
  return found.length > 0 ? found : ["No trouble with memory was found."];
}

function mallocStats({ reply, server }: Client): void {
  const lines = Object.entries(Deno.memoryUsage()).map(([name, bytes]) =>
    `${name}: ${humanBytes(bytes)}`
  );
  for (const db of server.dbs) {
    if (db.size === 0) continue;
    const { arena, overheadBytes } = db;
    lines.push(
      `db${db.number}: ${humanBytes(arena.usedBytes)} in blocks, ${
        humanBytes(overheadBytes)
      } in the index`,
    );
  }
  reply.verbatim("txt", latin1Bytes(`${lines.join("\n")}\n`));
}
