/**
 * When snapshots are taken and files written: SAVE, BGSAVE, the save points, and the loading of the
 * file at the start; and what INFO tells of it.
 *
 * One snapshot runs at a time, for a file or for replicas, as Redis has one child. SAVE is no
 * snapshot: it writes while nothing else happens.
 */
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { systemErrorText } from "../config/special_kinds.ts";
import { REDIS_VERSION } from "../config/version.ts";
import type { Database } from "../store/database.ts";
import type { DatabaseContext } from "../store/database_context.ts";
import {
  loadFile,
  type LoadLog,
  LoadPace,
  RdbError,
  RdbLoader,
  type RdbLoaderOptions,
} from "./rdb_loader.ts";
import { RdbFile, removeLeftovers, SaveError } from "./rdb_file.ts";
import {
  delayedPace,
  letOthersRun,
  Snapshot,
  type SnapshotOptions,
  type SnapshotPace,
  type SnapshotSink,
  USUAL_PACE,
  writeSnapshotNow,
} from "./snapshot.ts";

/** After a failure the next try waits so long. */
const RETRY_SECONDS = 5;
/** Of a replication ID; what is not as long is none. */
const ID_DIGITS = 40;
/** How often the log tells how far loading is. */
const PROGRESS_MS = 2000;

/** What of the server persistence needs. */
export interface PersistenceHost {
  readonly config: Config;
  readonly log: LoadLog;
  readonly time: { readonly nowMs: number; refresh(): void };
  readonly dbs: Database[];
  readonly databaseContext: DatabaseContext;
  readonly effects: { dirty: number };
  readonly stats: { commands: number };
  readonly usedMemory: number;
  /** Clients are told that it loads, or no longer. */
  setLoading(on: boolean): void;
  /** Writes are refused as the last BGSAVE failed, or no longer. */
  setDiskError(on: boolean): void;
}

/** A position in a history of replication: of the data set that a file holds. */
export interface ReplicationPosition {
  /** 40 hex digits. */
  readonly id: string;
  readonly offset: number;
  /** The database that the stream had selected there. */
  readonly db: number;
}

/** Data that are loaded: INFO's loading_* fields. */
export interface Loading {
  /** Whether clients are served other data meanwhile. */
  readonly aside: boolean;
  readonly startedMs: number;
  readonly totalBytes: number;
  loadedBytes: number;
  /** What the file says that its data took in memory; 0 if it says nothing. */
  usedMemory: number;
}

/** How far a snapshot is. */
export interface SnapshotProgress {
  readonly keys: number;
  readonly keysOut: number;
  /** See {@link Snapshot.copiedBytes}. */
  readonly copiedBytes: number;
  readonly startedSeconds: number;
}

interface Running {
  readonly kind: "disk" | "socket";
  readonly snapshot: Snapshot;
  readonly abort: AbortController;
  readonly startedSeconds: number;
}

/** Why a snapshot ends that is no failure: FLUSHALL, SHUTDOWN. */
class SnapshotAborted extends Error {
  constructor() {
    super("it was given up");
  }
}

/** A file that is there cannot be loaded: the message says why, without a period. */
export class LoadError extends Error {}

export class Persistence {
  /** The time of the last save that went well, or of the start; in seconds since the epoch. */
  lastSaveSeconds: number;
  /** SAVE and BGSAVE that were begun; other saves do not count, as in Redis. */
  saves = 0;
  /** Whether the last BGSAVE, or a SAVE after it, went well. */
  lastOk = true;
  /** How long the last snapshot took; -1 if there was none. */
  lastTookSeconds = -1;
  /** The last snapshot's {@link Snapshot.copiedBytes}. */
  lastCopiedBytes = 0;
  /** BGSAVE was asked for while it could not begin. */
  scheduled = false;
  loading: Loading | undefined;
  keysLoaded = 0;
  keysExpired = 0;
  /** Off by DEBUG SET-SKIP-CHECKSUM-VALIDATION 1. */
  verifiesChecksums = true;
  /** Where in replication the loaded file's data stands, if the file tells. */
  loadedReplication: ReplicationPosition | undefined;
  /** Where in replication the data stands now; undefined where that is of no use to anybody. */
  replicationPosition: () => ReplicationPosition | undefined = () => undefined;
  /** Called when a snapshot has ended and another may begin. */
  onIdle: () => void = () => {};

  readonly #host: PersistenceHost;
  #running: Running | undefined;
  /** Settles when the running snapshot, if any, has wholly ended. */
  #ended: Promise<unknown> = Promise.resolve();
  #lastTrySeconds = 0;
  /** Aborted when the server closes. */
  readonly #stop = new AbortController();
  readonly #usualPace: SnapshotPace = { ...USUAL_PACE, rest: () => this.#rest() };
  /** Commands that had run when the snapshot last rested. */
  #commandsSeen = 0;

  constructor(host: PersistenceHost) {
    this.#host = host;
    this.lastSaveSeconds = this.#nowSeconds;
  }

  /** Whether a snapshot runs: another must wait. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** How far the running snapshot is, if one runs. */
  get progress(): SnapshotProgress | undefined {
    if (this.#running === undefined) return undefined;
    const { snapshot: { keys, keysOut, copiedBytes }, startedSeconds } = this.#running;
    return { keys, keysOut, copiedBytes, startedSeconds };
  }

  /** Bytes of the running snapshot that wait for those who take it. */
  get waitingBytes(): number {
    return this.#running?.snapshot.waitingBytes ?? 0;
  }

  // ---- saving ------------------------------------------------------------------------------------

  /** Writes the file at once. Returns whether that went well; the log tells if not. */
  save(): boolean {
    const { effects, log } = this.#host;
    let file: RdbFile | undefined;
    try {
      const target = file = this.#beginFile();
      writeSnapshotNow(this.#snapshotOptions(), (chunk) => target.writeNow(chunk));
      target.completeNow();
    } catch (error) {
      file?.discardNow();
      log.warning(failureText(error));
      return false;
    }
    log.notice("DB saved on disk");
    effects.dirty = 0;
    this.#saved();
    return true;
  }

  /**
   * BGSAVE: the file will hold the data as they are now. Not to be called while {@link
   * Persistence.busy}. Resolves to whether it went well; the log tells if not.
   */
  async backgroundSave(): Promise<boolean> {
    const { effects, log, time } = this.#host;
    const dirtyBefore = effects.dirty;
    this.saves++;
    this.#lastTrySeconds = this.#nowSeconds;
    log.notice(`Background saving started by pid ${Deno.pid}`);
    // All is accounted for before another snapshot may begin, which counts from there.
    return await this.#run("disk", async (snapshot, signal) => {
      try {
        await this.#writeFile(snapshot, signal);
      } catch (error) {
        if (error instanceof SnapshotAborted) {
          log.warning("Background saving given up");
          return false;
        }
        log.warning(failureText(error));
        log.warning("Background saving error");
        this.lastOk = false;
        this.updateDiskError();
        return false;
      }
      log.notice("DB saved on disk");
      log.notice("Background saving terminated with success");
      effects.dirty = Math.max(0, effects.dirty - dirtyBefore);
      time.refresh();
      this.#saved();
      return true;
    });
  }

  async #writeFile(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const file = this.#beginFile();
    try {
      await snapshot.write((chunks) => file.write(chunks), signal, this.#pace());
      await file.complete(signal);
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /**
   * Takes a snapshot of this moment for somebody else: replication. Not to be called while {@link
   * Persistence.busy}. The point in time is the call; `sink` gets the file's bytes piece by piece, and
   * the snapshot waits for it. Throws what the sink throws, or the signal's reason.
   */
  runSnapshot(sink: SnapshotSink, signal: AbortSignal): Promise<void> {
    return this.#run("socket", (snapshot, own) => {
      return snapshot.write(sink, AbortSignal.any([own, signal]), this.#pace());
    });
  }

  /**
   * Gives up a BGSAVE that runs, and returns whether one did; snapshots for replicas go on. The file
   * stays as it was.
   */
  abortSave(): boolean {
    if (this.#running?.kind !== "disk") return false;
    this.#running.abort.abort(new SnapshotAborted());
    return true;
  }

  /**
   * FLUSHALL: what is still to be saved or sent is of no use, and where there are save points, the file
   * is emptied as the data were.
   */
  flushed(): void {
    this.#running?.abort.abort(new SnapshotAborted());
    if (this.#host.config.values.save.length > 0) this.save();
  }

  /** Begins a BGSAVE that is due by the save points, or was scheduled; ten times a second. */
  cron(): void {
    if (this.busy || this.loading !== undefined) return;
    const now = this.#nowSeconds;
    if (!this.lastOk && now - this.#lastTrySeconds <= RETRY_SECONDS) return;
    const { config: { values }, effects: { dirty }, log } = this.#host;
    const sinceSave = now - this.lastSaveSeconds;
    const point = values.save.find((point) => {
      return dirty >= point.changes && sinceSave > point.seconds;
    });
    if (point !== undefined) {
      log.notice(`${point.changes} changes in ${point.seconds} seconds. Saving...`);
    } else if (!this.scheduled) return;
    this.scheduled = false;
    this.backgroundSave();
  }

  /** Lets writes pass, or not: after a save, and when a directive has changed on which that rests. */
  updateDiskError(): void {
    const { values } = this.#host.config;
    const refuses = values["stop-writes-on-bgsave-error"] && values.save.length > 0;
    this.#host.setDiskError(refuses && !this.lastOk);
  }

  /** What a file's head says of itself, field by field as Redis writes them. */
  saveAux(): [string, string][] {
    const position = this.replicationPosition();
    const replication: [string, string][] = position === undefined ? [] : [
      ["repl-stream-db", String(position.db)],
      ["repl-id", position.id],
      ["repl-offset", String(position.offset)],
    ];
    return [
      ["redis-ver", REDIS_VERSION],
      ["redis-bits", "64"],
      ["ctime", String(this.#nowSeconds)],
      ["used-mem", String(this.#host.usedMemory)],
      ...replication,
      ["aof-base", "0"],
    ];
  }

  /** Ends what runs, for good; resolves when no file is open any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#running?.abort.abort(new SnapshotAborted());
    await this.#ended.catch(() => {});
  }

  async #run<T>(
    kind: "disk" | "socket",
    write: (snapshot: Snapshot, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const snapshot = new Snapshot(this.#snapshotOptions());
    const abort = new AbortController();
    const startedSeconds = this.#nowSeconds;
    this.#running = { kind, snapshot, abort, startedSeconds };
    try {
      const ended = write(snapshot, abort.signal);
      this.#ended = ended;
      return await ended;
    } finally {
      snapshot.end();
      this.#running = undefined;
      this.lastCopiedBytes = snapshot.copiedBytes;
      this.#host.time.refresh();
      this.lastTookSeconds = this.#nowSeconds - startedSeconds;
      this.onIdle();
    }
  }

  #snapshotOptions(): SnapshotOptions {
    const { config: { values }, dbs } = this.#host;
    return {
      dbs,
      aux: this.saveAux(),
      compress: values.rdbcompression,
      checksum: values.rdbchecksum,
    };
  }

  /** `rdb-key-save-delay` makes snapshots slow, so that something can be seen to happen meanwhile. */
  #pace(): SnapshotPace {
    const delayUs = this.#host.config.values["rdb-key-save-delay"];
    return delayUs > 0 ? delayedPace(delayUs) : this.#usualPace;
  }

  #beginFile(): RdbFile {
    const { values } = this.#host.config;
    return RdbFile.begin(values.dir, values.dbfilename, values["rdb-save-incremental-fsync"]);
  }

  /** The file holds the data. */
  #saved(): void {
    this.lastSaveSeconds = this.#nowSeconds;
    this.lastOk = true;
    this.updateDiskError();
  }

  /** Lets others run; where they have something to do, for as long as a slice takes. */
  #rest(): Promise<void> {
    const { commands } = this.#host.stats;
    const areBusy = commands !== this.#commandsSeen;
    this.#commandsSeen = commands;
    return letOthersRun(areBusy ? USUAL_PACE.sliceMs : 0);
  }

  get #nowSeconds(): number {
    return Math.floor(this.#host.time.nowMs / 1000);
  }

  // ---- loading -----------------------------------------------------------------------------------

  /**
   * Loads the file into the empty databases, if there is one; clients are told meanwhile, from before
   * anything is waited for. Returns false where the server was closed before it was done. Throws
   * LoadError.
   */
  async loadAtStart(): Promise<boolean> {
    const { config: { values }, log, time } = this.#host;
    const { dir, dbfilename } = values;
    removeLeftovers(dir);
    const file = openFile(dir, dbfilename);
    if (file === undefined) return true;
    const startMs = performance.now();
    const loading: Loading = {
      aside: false,
      startedMs: time.nowMs,
      totalBytes: file.statSync().size,
      loadedBytes: 0,
      usedMemory: 0,
    };
    this.loading = loading;
    this.#host.setLoading(true);
    try {
      const loader = this.#loader(loading.totalBytes, { tellsReplicas: true });
      let toldMs = startMs;
      const { signal } = this.#stop;
      await loadFile(file, loader, new LoadPace(values, signal), signal, (bytes) => {
        this.noteLoaded(loader, bytes);
        const nowMs = performance.now();
        if (nowMs - toldMs < PROGRESS_MS) return;
        toldMs = nowMs;
        const done = 100 * loading.loadedBytes / loading.totalBytes;
        log.notice(`Loading ${dbfilename}: ${done.toFixed(0)}% done`);
      });
      this.#loaded(loader);
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      throw loadError(dbfilename, error);
    } finally {
      file.close();
      this.loading = undefined;
      this.#host.setLoading(false);
    }
    const seconds = (performance.now() - startMs) / 1000;
    log.notice(`DB loaded from disk: ${seconds.toFixed(3)} seconds`);
    return true;
  }

  /** So many bytes more are loaded: for INFO. */
  noteLoaded(loader: RdbLoader, bytes: number): void {
    const { loading } = this;
    if (loading === undefined) return;
    loading.loadedBytes += bytes;
    loading.usedMemory = Number(loader.aux.get("used-mem") ?? 0);
  }

  /**
   * DEBUG RELOAD: loads the file at once into what is there; `replaceKeys` as RdbLoader has it. Throws
   * LoadError.
   */
  loadNow(replaceKeys: boolean): void {
    const { dir, dbfilename } = this.#host.config.values;
    const path = join(dir, dbfilename);
    try {
      refuseOtherThanFile(dbfilename, Deno.statSync(path));
      const bytes = Deno.readFileSync(path);
      const loader = this.#loader(bytes.length, { replaceKeys });
      loader.push(bytes);
      loader.finish();
      this.#loaded(loader);
    } catch (error) {
      throw loadError(dbfilename, error);
    }
  }

  #loader(
    fileBytes: number,
    options: Pick<RdbLoaderOptions, "replaceKeys" | "tellsReplicas">,
  ): RdbLoader {
    const { config: { values }, dbs, databaseContext, log, time } = this.#host;
    return new RdbLoader({
      dbs,
      nowMs: time.nowMs,
      keepExpired: !databaseContext.expires,
      limits: values,
      log,
      source: values.dbfilename,
      verifyChecksum: values.rdbchecksum && this.verifiesChecksums,
      fileBytes,
      ...options,
    });
  }

  #loaded(loader: RdbLoader): void {
    this.#host.log.notice(loader.summary);
    this.keysLoaded = loader.keysLoaded;
    this.keysExpired = loader.keysExpired;
    const id = loader.aux.get("repl-id");
    const offset = Number(loader.aux.get("repl-offset") ?? -1);
    if (id?.length !== ID_DIGITS || !Number.isSafeInteger(offset) || offset < 0) return;
    this.loadedReplication = { id, offset, db: loader.streamDb };
  }
}

/** The file to load, or undefined where there is none. */
function openFile(dir: string, name: string): Deno.FsFile | undefined {
  const path = join(dir, name);
  try {
    refuseOtherThanFile(name, Deno.statSync(path));
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw loadError(name, error);
  }
}

/** Throws LoadError for what has no end or no beginning: opening a FIFO waits for its writer. */
function refuseOtherThanFile(name: string, info: Deno.FileInfo): void {
  if (info.isFile) return;
  const kind = info.isDirectory
    ? "a directory"
    : info.isFifo
    ? "a FIFO"
    : info.isSocket
    ? "a socket"
    : "a device";
  throw new LoadError(
    `Cannot read ${name}: it is ${kind}, not a file; move it away, or set dbfilename to another name`,
  );
}

/** What ended loading, as a LoadError; our own mistakes stay what they are. */
function loadError(name: string, error: unknown): unknown {
  if (error instanceof RdbError) return new LoadError(error.message, { cause: error });
  const isOfSystem = error instanceof Error && "code" in error;
  if (!isOfSystem) return error;
  return new LoadError(`Cannot read ${name}: ${systemErrorText(error)}`, { cause: error });
}

/** What the log tells of a failure. */
function failureText(error: unknown): string {
  if (error instanceof SaveError) return error.message;
  return `Error saving DB: ${error instanceof Error ? error.stack : String(error)}`;
}
