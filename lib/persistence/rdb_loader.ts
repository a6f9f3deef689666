/**
 * Loading an RDB file into databases, in whatever pieces its bytes come: from a file, or from a
 * primary that is still writing it.
 *
 * Bytes are gathered until a record is whole, which a walk over its lengths tells; only then is it
 * read. So nothing is built from half a record, and what is gathered is never more than one record
 * and one piece.
 */
import { crc64 } from "../bytes/crc64.ts";
import { hashBytes } from "../bytes/hash.ts";
import { quoted } from "../bytes/quote.ts";
import { latin1 } from "../bytes/text.ts";
import { setAccess } from "../store/access.ts";
import { type Database, NO_EXPIRY } from "../store/database.ts";
import type { KeyspaceListener } from "../store/events.ts";
import { OPCODE, RDB_HEADER_BYTES, RDB_MAGIC, RDB_NEWEST } from "./rdb_format.ts";
import { checksumIs, RdbError, RdbInput, RdbString } from "./rdb_input.ts";
import { moduleName, typeName, type ValueLimits, ValueReader } from "./rdb_read.ts";
import { CHECKSUM_BYTES, recordParts, RecordWalk } from "./rdb_skip.ts";
import { letOthersRun } from "./snapshot.ts";

export { RdbError } from "./rdb_input.ts";

/** Bytes of a file that are loaded at once, and for how long before others run. */
const LOAD_BYTES = 512 * 1024;
const LOAD_MS = 10;
const FIRST_BUFFER_BYTES = 1 << 16;
const MIB = 1 << 20;
/** The least that a key and its value take: type, key's length, value's length. */
const LEAST_KEY_BYTES = 3;
/** Where the file's length is not known, room is made at first for so many keys at the most. */
const MAX_UNFOUNDED_ROOM = 1 << 20;
/** More than any server writes; what a file says of itself beyond them is not kept. */
const MAX_AUX = 64;
/** Bytes of a key or name that a message shows. */
const SHOWN_BYTES = 128;

/** Hears nothing of the keys that come into being: they are not new to anyone. */
const DEAF: KeyspaceListener = {
  keyMissed() {},
  keyAdded() {},
  keyExpired() {},
  keyEvicted() {},
};

/** Who is told what the file says of itself, and what of it is left out. */
export interface LoadLog {
  notice(text: string): void;
  warning(text: string): void;
}

export interface RdbLoaderOptions {
  readonly dbs: readonly Database[];
  /**
   * The time, in ms since the epoch: keys that expire before are dropped, but not for a replica, which
   * waits for its primary's DEL.
   */
  readonly nowMs: number;
  readonly keepExpired: boolean;
  /**
   * Replicas may go on from where a file stands that says where: they must be told of what has expired,
   * so that is loaded, and whoever loads the file removes it then.
   */
  readonly tellsReplicas?: boolean;
  /** The thresholds of the values' encodings: the configuration's values. */
  readonly limits: ValueLimits;
  readonly log: LoadLog;
  /** A name for errors: the file's. */
  readonly source: string;
  /** `rdbchecksum`. */
  readonly verifyChecksum: boolean;
  /** How long the file is, where that is known: what claims to be longer is refused at once. */
  readonly fileBytes?: number;
  /** A key that is there already is replaced; without this that is an error. */
  readonly replaceKeys?: boolean;
}

export class RdbLoader {
  /** Whether the file's end was reached, its checksum included. */
  done = false;
  /** What the file says of itself. */
  readonly aux: Map<string, string> = new Map();
  keysLoaded = 0;
  keysExpired = 0;
  emptyKeysSkipped = 0;

  readonly #options: RdbLoaderOptions;
  readonly #fileBytes: number;
  readonly #reader: ValueReader;
  readonly #input = new RdbInput();
  readonly #walk = new RecordWalk();
  readonly #crc = new Uint32Array(2);
  readonly #key = new RdbString();
  readonly #text = new RdbString();

  /** Bytes from `#start`, where a record begins, up to `#end`; `#buf[0]` is at `#base` in the file. */
  #buf = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #base = 0;

  /** The records of the file's version; none before that is known. */
  #parts: ReturnType<typeof recordParts> | undefined;
  /** Whether a record's first byte was read, and the walk over the rest of it begun. */
  #walking = false;
  #db: Database;
  /** What records before a key say of it. */
  #expiryMs = NO_EXPIRY;
  #idleSeconds = -1;
  #frequency = -1;

  constructor(options: RdbLoaderOptions) {
    this.#options = options;
    this.#fileBytes = options.fileBytes ?? Infinity;
    this.#reader = new ValueReader(options.limits);
    this.#db = options.dbs[0]!;
  }

  /** The database that the replication stream has selected where the file stands, or the first. */
  get streamDb(): number {
    const number = Number(this.aux.get("repl-stream-db") ?? 0);
    return this.#options.dbs[number] === undefined ? 0 : number;
  }

  /**
   * Takes bytes and loads every record that is complete by then; the bytes are the caller's again
   * afterwards. Returns how many were taken: all of them but for what follows the file's end. Throws
   * RdbError, after which the loader is of no use.
   */
  push(bytes: Uint8Array): number {
    if (this.done || bytes.length === 0) return 0;
    this.#append(bytes);
    const { context } = this.#db;
    const { listener } = context;
    context.listener = DEAF;
    try {
      this.#load();
    } catch (error) {
      if (!(error instanceof RdbError)) throw error;
      throw new RdbError(error.reason, error.offset, this.#options.source, this.#record());
    } finally {
      context.listener = listener;
    }
    return this.done ? bytes.length - (this.#end - this.#start) : bytes.length;
  }

  /** What was loaded, for the log. */
  get summary(): string {
    const { emptyKeysSkipped, keysExpired, keysLoaded } = this;
    const skipped = emptyKeysSkipped === 0 ? "" : `, empty keys skipped: ${emptyKeysSkipped}`;
    return `Done loading RDB, keys loaded: ${keysLoaded}, keys expired: ${keysExpired}${skipped}.`;
  }

  /** Throws RdbError if the file's end was not reached. */
  finish(): void {
    if (this.done) return;
    const offset = this.#base + this.#end;
    throw new RdbError("The data ends too early", offset, this.#options.source, this.#record());
  }

  /** Puts bytes behind those that are there, which move to the buffer's beginning. */
  #append(bytes: Uint8Array): void {
    const kept = this.#end - this.#start;
    const wanted = kept + bytes.length;
    const from = this.#buf;
    if (wanted > from.length) this.#buf = new Uint8Array(Math.max(wanted, 2 * from.length));
    if (this.#start > 0 || this.#buf !== from) {
      this.#buf.set(from.subarray(this.#start, this.#end));
    }
    this.#base += this.#start;
    this.#walk.at -= this.#start;
    this.#start = 0;
    this.#buf.set(bytes, kept);
    this.#end = wanted;
  }

  /** Loads all whole records of the buffer. */
  #load(): void {
    if (this.#parts === undefined && !this.#readHeader()) return;
    const checked = this.#start;
    const walk = this.#walk;
    while (!this.done && this.#start < this.#end) {
      const type = this.#buf[this.#start]!;
      if (!this.#walking) {
        walk.start(this.#parts![type] ?? this.#refuse(type), this.#start + 1);
        this.#walking = true;
      }
      if (!walk.goOn(this.#buf, this.#end, this.#base, this.#fileBytes)) break;
      this.#walking = false;
      const input = this.#input.open(this.#buf, this.#start + 1, walk.at, this.#base);
      if (type === OPCODE.eof) {
        this.#sum(checked, this.#start + 1);
        this.#finishFile(input);
      } else if (type >= OPCODE.slotInfo) {
        this.#readOpcode(type, input);
      } else {
        this.#loadKey(type, input);
      }
      this.#start = walk.at;
    }
    if (!this.done) this.#sum(checked, this.#start);
  }

  /** Takes bytes into the checksum. */
  #sum(from: number, to: number): void {
    if (this.#options.verifyChecksum) crc64(this.#crc, this.#buf, from, to - from);
  }

  /** Reads magic and version; false if they are not all there. */
  #readHeader(): boolean {
    if (this.#end < RDB_HEADER_BYTES) return false;
    const head = latin1(this.#buf, 0, RDB_HEADER_BYTES);
    const version = head.slice(RDB_MAGIC.length);
    if (!head.startsWith(RDB_MAGIC) || !/^\d+$/.test(version)) {
      throw new RdbError("Wrong signature: this is no RDB file", 0);
    }
    if (Number(version) < 1 || Number(version) > RDB_NEWEST) {
      throw new RdbError(`RDB format version ${version} cannot be read`, RDB_MAGIC.length);
    }
    this.#parts = recordParts(Number(version));
    this.#sum(0, RDB_HEADER_BYTES);
    this.#start = RDB_HEADER_BYTES;
    return true;
  }

  #refuse(type: number): never {
    throw new RdbError(`${typeName(type)} cannot be read`, this.#base + this.#start);
  }

  /** Ends the file, if it has the checksum that its bytes have, or none. */
  #finishFile(input: RdbInput): void {
    if (input.at < input.end && this.#options.verifyChecksum) {
      const at = input.skip(CHECKSUM_BYTES);
      let written = 0;
      for (let i = 0; i < CHECKSUM_BYTES; i++) written |= input.buf[at + i]!;
      if (written !== 0 && !checksumIs(this.#crc, input.buf, at)) {
        throw new RdbError("RDB CRC error: the data is damaged", this.#base + at);
      }
    }
    this.done = true;
  }

  /** What is being read, for errors: as much of it as can be told. */
  #record(): string {
    if (this.#parts === undefined) return "the file's header";
    const type = this.#buf[this.#start];
    if (this.#start === this.#end || type === undefined) return "";
    if (this.#parts[type] === undefined) return "";
    if (type === OPCODE.eof) return "the checksum";
    if (type >= OPCODE.slotInfo) return `a record of type ${type}`;
    const of = `(${typeName(type)}) of database ${this.#db.number}`;
    try {
      this.#input.open(this.#buf, this.#start + 1, this.#end).string(this.#key);
      return `key "${shown(this.#key)}" ${of}`;
    } catch {
      return `a key ${of}`;
    }
  }

  // ---- keys ----------------------------------------------------------------------------------------

  #loadKey(type: number, input: RdbInput): void {
    const key = this.#key;
    const db = this.#db;
    const { keepExpired, nowMs, tellsReplicas } = this.#options;
    input.string(key);
    const expired = !keepExpired && this.#expiryMs !== NO_EXPIRY && this.#expiryMs < nowMs;
    if (expired) this.keysExpired++;
    const stays = !expired || (tellsReplicas === true && this.aux.has("repl-id"));
    if (stays && !this.#reader.read(input, type, db)) {
      this.emptyKeysSkipped++;
      this.#options.log.notice(`Loading RDB: skipping empty key: ${shown(key)}`);
    } else if (stays) {
      this.#add(db);
      if (!expired) this.keysLoaded++;
    }
    this.#expiryMs = NO_EXPIRY;
    this.#idleSeconds = -1;
    this.#frequency = -1;
  }

  /** Gives the key that was read the value that was read. */
  #add(db: Database): void {
    const { buf, off, len } = this.#key;
    const hash = hashBytes(buf, off, len);
    const old = db.map.findHashed(hash, buf, off, len);
    if (old !== 0) {
      if (this.#options.replaceKeys !== true) {
        this.#reader.drop(db);
        throw new RdbError("The key is there twice", this.#base + this.#start);
      }
      db.remove(old);
    }
    const entry = this.#reader.add(db, buf, off, len, hash, this.#expiryMs);
    setAccess(db, entry, this.#idleSeconds, this.#frequency);
  }

  // ---- what is no key ------------------------------------------------------------------------------

  #readOpcode(opcode: number, input: RdbInput): void {
    switch (opcode) {
      case OPCODE.expireTimeMs:
        this.#expiryMs = input.time();
        break;
      case OPCODE.expireTime:
        this.#expiryMs = 1000 * input.word();
        break;
      case OPCODE.idle:
        this.#idleSeconds = input.length();
        break;
      case OPCODE.freq:
        this.#frequency = input.byte();
        break;
      case OPCODE.selectDb:
        this.#select(input);
        break;
      case OPCODE.resizeDb:
        this.#makeRoom(input.length());
        break;
      case OPCODE.aux:
        this.#readAux(input);
        break;
      case OPCODE.moduleAux:
        this.#options.log.warning(
          `Skipping data of the module '${moduleName(input)}', as there are no modules here`,
        );
        break;
      case OPCODE.function2:
        input.string(this.#text);
        this.#options.log.warning(
          `Skipping a function library of ${this.#text.len} bytes, as there are no functions here`,
        );
        break;
    }
  }

  #select(input: RdbInput): void {
    const { dbs } = this.#options;
    const number = input.length();
    const db = dbs[number];
    if (db === undefined) {
      input.fail(`There is no database ${number}: the server is configured for ${dbs.length}`);
    }
    this.#db = db;
  }

  /** Makes room in the database for as many keys as it is said to have, if that can be. */
  #makeRoom(keys: number): void {
    const left = this.#fileBytes - this.#base - this.#start;
    const most = left === Infinity ? MAX_UNFOUNDED_ROOM : Math.floor(left / LEAST_KEY_BYTES);
    if (this.#db.size === 0) this.#db.map.reserve(Math.min(keys, most));
  }

  /** Keeps what the file says of itself, and tells the log what an operator may want to know. */
  #readAux(input: RdbInput): void {
    const { log, nowMs } = this.#options;
    input.string(this.#key);
    input.string(this.#text);
    const name = shown(this.#key);
    const value = shown(this.#text);
    if (this.aux.size < MAX_AUX) {
      const { buf, off, len } = this.#text;
      this.aux.set(name, latin1(buf, off, len));
    }
    if (name === "redis-ver") {
      log.notice(`Loading RDB produced by version ${value}`);
    } else if (name === "ctime") {
      log.notice(`RDB age ${Math.max(0, Math.floor(nowMs / 1000) - Number(value))} seconds`);
    } else if (name === "used-mem") {
      log.notice(`RDB memory usage when created ${(Number(value) / MIB).toFixed(2)} Mb`);
    } else if (name.startsWith("%")) {
      log.notice(`RDB '${name}': ${value}`);
    }
  }
}

/** The directives that make loading slow, so that something can be seen to happen meanwhile. */
interface LoadDelays {
  /** Microseconds that each key takes. */
  readonly "key-load-delay": number;
  readonly "loading-process-events-interval-bytes": number;
}

/** How fast data are loaded. */
export class LoadPace {
  readonly #delays: LoadDelays;
  readonly #signal: AbortSignal;
  /** Keys for which it has waited, and milliseconds that are still to be waited. */
  #keys = 0;
  #owedMs = 0;

  /** `signal` ends waiting. */
  constructor(delays: LoadDelays, signal: AbortSignal) {
    this.#delays = delays;
    this.#signal = signal;
  }

  /** Bytes to load at once, at the most. */
  get pieceBytes(): number {
    return Math.min(LOAD_BYTES, this.#delays["loading-process-events-interval-bytes"]);
  }

  /** Waits as long as the keys take that were loaded since the last call. */
  async delay({ keysLoaded }: RdbLoader): Promise<void> {
    this.#owedMs += (keysLoaded - this.#keys) * Math.max(0, this.#delays["key-load-delay"]) / 1000;
    this.#keys = keysLoaded;
    // A timer takes a millisecond at least.
    if (this.#owedMs < 1) return;
    await letOthersRun(this.#owedMs, this.#signal);
    this.#owedMs = 0;
  }
}

/**
 * Loads a file to its end while others run from time to time; `onLoaded` is told the length of each
 * piece. Throws RdbError, what reading throws and, where `signal` ends it, the signal's reason.
 */
export async function loadFile(
  file: Deno.FsFile,
  loader: RdbLoader,
  pace: LoadPace,
  signal: AbortSignal,
  onLoaded: (bytes: number) => void,
): Promise<void> {
  const piece = new Uint8Array(pace.pieceBytes);
  let restedMs = performance.now();
  while (!loader.done) {
    // Not awaited: what takes less than a slice is loaded without anybody seeing that it was not there.
    const count = file.readSync(piece);
    if (count === null) break;
    loader.push(piece.subarray(0, count));
    onLoaded(count);
    await pace.delay(loader);
    signal.throwIfAborted();
    if (performance.now() - restedMs >= LOAD_MS) {
      await letOthersRun(0);
      signal.throwIfAborted();
      restedMs = performance.now();
    }
  }
  loader.finish();
}

/** A string for messages: printable, and not too long. */
function shown({ buf, off, len }: RdbString): string {
  return quoted(buf.subarray(off, off + Math.min(len, SHOWN_BYTES))).slice(1, -1);
}
