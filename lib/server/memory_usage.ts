/**
 * Where the server's memory goes, as INFO and MEMORY tell it.
 *
 * `used` is what the databases and the clients' buffers take: it is what `maxmemory` limits, and what
 * grows with the data. V8's heap and the process as a whole are the allocator's side of the report.
 */
import { Arena } from "../bytes/arena.ts";
import { MAX_INLINE_KEY } from "../bytes/byte_map.ts";
import { Database, ENCODING } from "../store/database.ts";
import type { Server } from "./server.ts";

/** All amounts in bytes. */
export interface MemoryReport {
  readonly used: number;
  readonly peak: number;
  /** What an empty server uses. */
  readonly startup: number;
  /** Indexes of the databases, and the clients. */
  readonly overhead: number;
  /** Keys, values and their entries. */
  readonly dataset: number;
  readonly clients: number;
  /** The replication stream: what is kept for those to come, and what slow replicas have yet to get. */
  readonly backlog: number;
  readonly replicas: number;
  /** What of the stream `maxmemory` does not count. */
  readonly uncounted: number;
  /** In V8's heap and in ArrayBuffers: live, reserved, and the process's resident set. */
  readonly allocated: number;
  readonly active: number;
  readonly resident: number;
}

/** Reads all of it; that costs system calls, so it is not for hot paths. */
export function memoryReport(server: Server): MemoryReport {
  const { stats, replication: { stream, replicas: { attached } } } = server;
  const held = stream.heldBytes;
  server.countClientBytes();
  // Without replicas all of it is backlog.
  const backlog = attached.size > 0 ? stream.countedBytes : held;
  const replicas = held - backlog;
  const used = server.usedMemory - stream.countedBytes + held;
  stats.peakMemoryBytes = Math.max(stats.peakMemoryBytes, used);
  const clients = server.clientBytes;
  const overhead = server.dbs.reduce((sum, db) => sum + db.overheadBytes, clients + held);
  const { heapUsed, heapTotal, external, rss } = Deno.memoryUsage();
  return {
    used,
    peak: stats.peakMemoryBytes,
    startup: server.dbs.length * emptyDatabaseBytes(server),
    overhead,
    dataset: used - overhead,
    clients,
    backlog,
    replicas,
    uncounted: held - stream.countedBytes,
    allocated: heapUsed + external,
    active: heapTotal + external,
    resident: rss,
  };
}

/** Part of `whole`, in percent; 0 of nothing. */
export function percentage(part: number, whole: number): number {
  return whole > 0 ? part * 100 / whole : 0;
}

/** How much of what the server uses beyond its start is data, in percent. */
export function datasetPercentage(report: MemoryReport): number {
  return Math.min(100, percentage(report.dataset, report.used - report.startup));
}

/**
 * Bytes of a key with its value: its entry, and what both hold outside of it. A large collection is
 * estimated by `samples` of its elements, all where that is 0.
 */
export function keyBytes(db: Database, entry: number, samples: number): number {
  const keyLen = db.map.keyLen(entry);
  const longKey = keyLen > MAX_INLINE_KEY ? Arena.blockBytes(keyLen) : 0;
  return db.entryBytes(entry) + longKey + valueBytes(db, entry, samples);
}

/** Bytes of a value outside its entry: see {@link keyBytes}. */
function valueBytes(db: Database, entry: number, samples: number): number {
  switch (db.encoding(entry)) {
    case ENCODING.int:
    case ENCODING.embstr:
      return 0;
    case ENCODING.raw:
    case ENCODING.listpack:
    case ENCODING.intset:
      return Arena.blockBytes(db.high(entry));
    default: {
      const object = db.objects[db.low(entry)]!;
      return object.heapBytes + object.arenaBytes(samples);
    }
  }
}

let emptyBytes: number | undefined;

function emptyDatabaseBytes(server: Server): number {
  emptyBytes ??= new Database(0, server.databaseContext).usedBytes;
  return emptyBytes;
}
