/**
 * A picture of all databases at one moment, taken in slices while they go on being changed.
 *
 * Redis forks, and the child's memory stands still. Here a walk goes through each database's index,
 * a few milliseconds at a time, and writes the entries that it meets; before an entry changes that
 * the walk has not reached, its old state is written (the hook in `lib/store/database_context.ts`).
 * So what comes out is the moment at which the {@link Snapshot} was made, in some order.
 *
 * - What is out is a bit for each reference: {@link Marks}. Blocks that become entries are marked when
 *   they do, so a clear bit always means an entry as it was at that moment.
 * - Removals and rehashing move entries about in the index, also behind the walk's back. The walk
 *   begins again until as many entries are out as there were: the marks make meeting one twice
 *   harmless.
 * - A database that is emptied leaves what it held to the snapshot, which releases it when it is out.
 * - A value is written whole, so a change to a collection of millions waits for that, once.
 */
import type { Database } from "../store/database.ts";
import type { SnapshotHook } from "../store/database_context.ts";
import { OPCODE } from "./rdb_format.ts";
import { RdbOutput } from "./rdb_output.ts";
import { writeDatabase, writeEntry, writeHeader } from "./rdb_write.ts";

/** The clock is read after so many bytes, too, since values are long and short. */
const BYTES_AT_ONCE = 64 * 1024;
/** Slots looked through for an entry. */
const SLOTS_AT_ONCE = 2048;
/** Walks of a whole index in a row that may find nothing, as what is left was moved out of their way. */
const MAX_FRUITLESS_WALKS = 16;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** What is gathered before the sink gets it. */
const SINK_BYTES = 1024 * 1024;

export interface SnapshotOptions {
  readonly dbs: readonly Database[];
  /** What stands in the file's head: names and values. */
  readonly aux: Iterable<[string, string]>;
  /** Whether strings are compressed (`rdbcompression`), and whether there is a checksum (`rdbchecksum`). */
  readonly compress: boolean;
  readonly checksum: boolean;
}

/** Takes the next pieces; what it is given is its own. The snapshot goes on when it is done. */
export type SnapshotSink = (chunks: Uint8Array[]) => Promise<void>;

/** How a snapshot shares the time with others. */
export interface SnapshotPace {
  readonly sliceMs: number;
  /** The clock is read after so many entries. */
  readonly entriesAtOnce: number;
  /** Lets others run between two slices. */
  rest(): Promise<void>;
  /** So long is waited for each entry that is out, however it got there. */
  readonly entryMs?: number;
}

export const USUAL_PACE: SnapshotPace = {
  sliceMs: 4,
  entriesAtOnce: 32,
  rest: () => letOthersRun(0),
};

/** The pace at which each entry takes so many microseconds, and other things can be done meanwhile. */
export function delayedPace(entryUs: number): SnapshotPace {
  return {
    sliceMs: 0,
    // A timer takes a millisecond at least.
    entriesAtOnce: Math.ceil(1000 / entryUs),
    rest: () => Promise.resolve(),
    entryMs: entryUs / 1000,
  };
}

/**
 * Lets what is due run, for so many milliseconds at least unless `signal` ends it. A timer, though it
 * takes one to two itself: between two callbacks of setImmediate Deno looks at no socket.
 */
export function letOthersRun(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, LONGEST_TIMER_MS));
    signal?.addEventListener("abort", end);
  });
}

/** References of 32 bits that are marked, in pages of 16 KiB that are made when needed. */
class Marks {
  #pages: (Int32Array | undefined)[] = [];

  /** Marks a reference; returns whether it was marked already. */
  add(ref: number): boolean {
    const page = this.#pages[ref >>> 17] ??= new Int32Array(1 << 12);
    const word = ref >>> 5 & 0xfff;
    const bit = 1 << (ref & 31);
    const before = page[word]!;
    page[word] = before | bit;
    return (before & bit) !== 0;
  }
}

type WriteEntry = (picture: Picture, entry: number) => void;

/** One database's part of a snapshot. */
class Picture implements SnapshotHook {
  /** Entries that are not out yet. */
  left: number;
  readonly #write: WriteEntry;
  /** Writes an entry out of turn. */
  readonly #copy: WriteEntry;
  readonly number: number;
  readonly size: number;
  readonly volatileCount: number;
  /** Whether RESIZEDB is out. */
  announced = false;
  #db: Database;
  readonly #marks = new Marks();
  /** Where the walk is in the index. */
  #slot = 0;
  /** Slots looked through since the last entry that was left. */
  #fruitless = 0;
  /** Whether the database is one that was emptied since, and ours to release. */
  #owned = false;

  constructor(db: Database, write: WriteEntry, copy: WriteEntry) {
    this.#db = db;
    this.#write = write;
    this.#copy = copy;
    this.number = db.number;
    this.left = this.size = db.size;
    this.volatileCount = db.volatileCount;
    db.snapshot = this;
  }

  get db(): Database {
    return this.#db;
  }

  beforeWrite(entry: number): void {
    if (this.#marks.add(entry)) return;
    this.left--;
    this.#copy(this, entry);
    if (this.left === 0) this.end();
  }

  created(entry: number): void {
    this.#marks.add(entry);
  }

  emptied(left: Database): void {
    this.#db = left;
    this.#owned = true;
  }

  /** Writes the next entry that is left, unless there is none in the next slots. */
  step(): void {
    const { map } = this.#db;
    const { slotCount } = map;
    for (let slots = Math.min(SLOTS_AT_ONCE, slotCount); slots > 0; slots--) {
      if (this.#slot >= slotCount) this.#slot = 0;
      const entry = map.entryInSlot(this.#slot++);
      this.#fruitless++;
      if (entry === 0 || this.#marks.add(entry)) continue;
      this.#fruitless = 0;
      this.left--;
      this.#write(this, entry);
      return;
    }
    if (this.#fruitless > MAX_FRUITLESS_WALKS * slotCount) {
      throw new Error(`${this.left} keys of database ${this.number} were changed behind our back`);
    }
  }

  /** Lets go of the database. */
  end(): void {
    this.left = 0;
    if (this.#db.snapshot === this) this.#db.snapshot = undefined;
    if (this.#owned) {
      this.#owned = false;
      this.#db.clear();
    }
  }
}

export class Snapshot {
  /** Keys that there were, and those that are out. */
  readonly keys: number;
  keysOut = 0;
  /** Bytes of entries that were written as they were about to change: what copy-on-write is in Redis. */
  copiedBytes = 0;
  readonly #output: RdbOutput;
  readonly #pictures: Picture[];
  /** The database that what is written belongs to. */
  #selected: Picture | undefined;
  /** Why it cannot go on. */
  #error: unknown;
  #failed = false;

  /** The picture is of this moment; {@link Snapshot.write} or {@link Snapshot.end} must follow. */
  constructor(options: SnapshotOptions) {
    this.#output = new RdbOutput(options);
    writeHeader(this.#output, options.aux);
    const write: WriteEntry = (picture, entry) => this.#write(picture, entry);
    const copy: WriteEntry = (picture, entry) => {
      const before = this.#output.bytes;
      this.#write(picture, entry);
      this.copiedBytes += this.#output.bytes - before;
    };
    this.#pictures = options.dbs.filter((db) => db.size > 0)
      .map((db) => new Picture(db, write, copy));
    this.keys = this.#pictures.reduce((sum, { size }) => sum + size, 0);
  }

  /** Bytes that wait for the sink. */
  get waitingBytes(): number {
    return this.#output.bytes;
  }

  /**
   * Writes all of it into `sink`, which it waits for; only what is about to change meanwhile is
   * gathered without it, at most the rest of the data. Throws what the sink throws and, where
   * `signal` ends it, the signal's reason.
   */
  async write(sink: SnapshotSink, signal?: AbortSignal, pace = USUAL_PACE): Promise<void> {
    const output = this.#output;
    const { entryMs = 0 } = pace;
    let waitedFor = 0;
    try {
      for (;;) {
        signal?.throwIfAborted();
        const done = this.#slice(pace);
        if (this.#failed) throw this.#error;
        if (entryMs > 0) {
          const entries = this.keysOut - waitedFor;
          waitedFor = this.keysOut;
          await letOthersRun(entries * entryMs, signal);
          signal?.throwIfAborted();
        }
        if (done) output.finish();
        if (done || output.bytes >= SINK_BYTES) await sink(output.take());
        if (done) return;
        await pace.rest();
      }
    } finally {
      this.end();
    }
  }

  /** Lets go of the databases. */
  end(): void {
    for (const picture of this.#pictures) picture.end();
  }

  /** Writes for as long as a slice takes; returns whether all is out. */
  #slice({ sliceMs, entriesAtOnce }: SnapshotPace): boolean {
    const endMs = performance.now() + sliceMs;
    for (const picture of this.#pictures) {
      while (picture.left > 0) {
        const enough = this.#output.bytes + BYTES_AT_ONCE;
        for (let i = 0; i < entriesAtOnce && picture.left > 0; i++) {
          picture.step();
          if (this.#output.bytes > enough) break;
        }
        if (performance.now() >= endMs || this.#output.bytes >= SINK_BYTES) return false;
      }
      picture.end();
    }
    return true;
  }

  #write(picture: Picture, entry: number): void {
    if (this.#failed) return;
    const output = this.#output;
    try {
      if (this.#selected !== picture) {
        this.#selected = picture;
        if (picture.announced) {
          output.byte(OPCODE.selectDb);
          output.length(picture.number);
        } else {
          picture.announced = true;
          writeDatabase(output, picture.number, picture.size, picture.volatileCount);
        }
      }
      writeEntry(output, picture.db, entry);
      this.keysOut++;
    } catch (error) {
      // The command that is about to write is not to suffer for it.
      this.#failed = true;
      this.#error = error;
    }
  }
}

/** Writes all databases at once, while nothing else runs. */
export function writeSnapshotNow(
  options: SnapshotOptions,
  sink: (chunk: Uint8Array) => void,
): void {
  const output = new RdbOutput(options);
  const flush = () => {
    for (const chunk of output.take()) sink(chunk);
  };
  writeHeader(output, options.aux);
  for (const db of options.dbs) {
    if (db.size === 0) continue;
    writeDatabase(output, db.number, db.size, db.volatileCount);
    const { map } = db;
    for (let slot = 0; slot < map.slotCount; slot++) {
      const entry = map.entryInSlot(slot);
      if (entry === 0) continue;
      writeEntry(output, db, entry);
      if (output.bytes >= SINK_BYTES) flush();
    }
  }
  output.finish();
  flush();
}
