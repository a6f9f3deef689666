/**
 * A full sync of ours: the primary's data in place of those that we have, as `repl-diskless-load` says.
 *
 * - `disabled`: into a file, which becomes `dbfilename` as in Redis; then our data go and it is loaded.
 *   Until it is whole, a link that breaks costs nothing.
 * - `on-empty-db`: as it comes, where there is nothing to lose; else as `disabled`.
 * - `swapdb`: as it comes, into databases of its own that take the place of ours when all is there.
 *   Meanwhile clients are served the old data if they are an earlier state of the same history.
 */
import { join } from "node:path";
import { RdbFile, SaveError, type SaveStep } from "../persistence/rdb_file.ts";
import { loadFile, LoadPace, RdbError, RdbLoader } from "../persistence/rdb_loader.ts";
import type { Server } from "../server/server.ts";
import { Database } from "../store/database.ts";
import type { FullAnswer } from "./handshake.ts";
import { LinkError, type PrimarySocket } from "./primary_socket.ts";
import { type Framing, readFraming, receiveRdb } from "./sync_receiver.ts";

export class SyncLoad {
  /** Bytes of the RDB; 0 where the primary does not tell. */
  totalBytes = 0;
  readBytes = 0;

  readonly #server: Server;
  readonly #answer: FullAnswer;
  /** Told when a file begins to be loaded, which keeps us from the socket, and when that has ended. */
  readonly #onLoading: (on: boolean) => void;
  /** Aborted when the link is ended meanwhile. */
  readonly #signal: AbortSignal;

  constructor(
    server: Server,
    answer: FullAnswer,
    onLoading: (on: boolean) => void,
    signal: AbortSignal,
  ) {
    this.#server = server;
    this.#answer = answer;
    this.#onLoading = onLoading;
    this.#signal = signal;
  }

  /**
   * Receives and loads the primary's data, and takes its history. Throws LinkError.
   */
  async receive(socket: PrimarySocket): Promise<void> {
    const { config: { values }, dbs, effects, log, replication } = this.#server;
    const framing = await readFraming(socket);
    if (framing.kind === "length") this.totalBytes = framing.bytes;
    const mode = values["repl-diskless-load"];
    const isEmpty = dbs.every((db) => db.size === 0);
    const direct = mode === "swapdb" || (mode === "on-empty-db" && isEmpty);
    const what = framing.kind === "length"
      ? `receiving ${framing.bytes} bytes from master`
      : "receiving streamed RDB from master with EOF";
    log.notice(`MASTER <-> REPLICA sync: ${what} ${direct ? "to parser" : "to disk"}`);

    const loader = !direct
      ? await this.#throughFile(socket, framing)
      : mode === "swapdb"
      ? await this.#intoOthers(socket, framing)
      : await this.#intoOurs(socket, framing);
    this.#signal.throwIfAborted();
    const { id, offset } = this.#answer;
    replication.adopt(id, offset, loader.streamDb);
    // Data that came past the file are still to be saved.
    if (direct) effects.dirty++;
    log.notice("MASTER <-> REPLICA sync: Finished with success");
  }

  async #throughFile(socket: PrimarySocket, framing: Framing): Promise<RdbLoader> {
    const { config: { values }, log } = this.#server;
    const { dir, dbfilename } = values;
    let file: RdbFile | undefined;
    socket.failure = "I/O error trying to sync with MASTER";
    try {
      const target = file = RdbFile.begin(dir, dbfilename, true);
      await receiveRdb(socket, framing, async (bytes) => {
        this.readBytes += bytes.length;
        await target.write([bytes]);
      });
      this.#signal.throwIfAborted();
      this.#abortSave();
      // From here to the loading nothing else may run: a BGSAVE that began now would save the old data.
      target.completeNow();
    } catch (error) {
      await file?.discard();
      throw fileError(error, dbfilename);
    }
    this.#leaveHistory();
    this.#onLoading(true);
    const path = join(dir, dbfilename);
    try {
      log.notice("MASTER <-> REPLICA sync: Flushing old data");
      this.#empty();
      return await this.#whileLoading(false, () => this.#loadFile(path));
    } finally {
      this.#onLoading(false);
      if (values["rdb-del-sync-files"] && values.save.length === 0) {
        log.notice(
          "Removing the RDB file obtained from the master. This replica has persistence disabled",
        );
        await Deno.remove(path).catch(() => {});
      }
    }
  }

  async #loadFile(path: string): Promise<RdbLoader> {
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    const loader = this.#loader(this.#server.dbs, size);
    try {
      await loadFile(file, loader, this.#pace(), this.#signal, (bytes) => {
        this.#server.persistence.noteLoaded(loader, bytes);
      });
    } catch (error) {
      throw loadError("disk", error);
    }
    return loader;
  }

  async #intoOurs(socket: PrimarySocket, framing: Framing): Promise<RdbLoader> {
    this.#leaveHistory();
    this.#abortSave();
    const loader = this.#loader(this.#server.dbs, this.totalBytes);
    return await this.#whileLoading(false, () => this.#fromSocket(socket, framing, loader));
  }

  async #intoOthers(socket: PrimarySocket, framing: Framing): Promise<RdbLoader> {
    const { dbs, databaseContext, replication, log } = this.#server;
    const others = dbs.map((_, number) => new Database(number, databaseContext));
    const loader = this.#loader(others, this.totalBytes);
    const sameHistory = this.#answer.id === replication.id;
    this.#abortSave();
    try {
      await this.#whileLoading(
        sameHistory,
        () => this.#fromSocket(socket, framing, loader),
        others,
      );
    } catch (error) {
      log.notice("MASTER <-> REPLICA sync: Discarding temporary DB in background");
      throw error;
    }
    this.#leaveHistory();
    log.notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    this.#exchange(others);
    log.notice("MASTER <-> REPLICA sync: Discarding old DB in background");
    return loader;
  }

  async #fromSocket(
    socket: PrimarySocket,
    framing: Framing,
    loader: RdbLoader,
  ): Promise<RdbLoader> {
    const pace = this.#pace();
    const { pieceBytes } = pace;
    socket.failure = LOAD_FAILURES.socket;
    try {
      await receiveRdb(socket, framing, async (bytes) => {
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          const piece = bytes.subarray(at, at + pieceBytes);
          this.readBytes += piece.length;
          this.#push(loader, piece);
          await pace.delay(loader);
          this.#signal.throwIfAborted();
        }
      });
      loader.finish();
    } catch (error) {
      throw loadError("socket", error);
    }
    this.#signal.throwIfAborted();
    return loader;
  }

  /**
   * Runs what loads into databases: clients are refused meanwhile or, if it is `aside`, served the data
   * that are there. What was loaded before something failed goes again.
   */
  async #whileLoading(
    aside: boolean,
    load: () => Promise<RdbLoader>,
    into: readonly Database[] = this.#server.dbs,
  ): Promise<RdbLoader> {
    const server = this.#server;
    const { log, persistence } = server;
    log.notice("MASTER <-> REPLICA sync: Loading DB in memory");
    persistence.loading = {
      aside,
      startedMs: server.time.nowMs,
      // A file is there as a whole when it is loaded.
      totalBytes: this.totalBytes || this.readBytes,
      loadedBytes: 0,
      usedMemory: 0,
    };
    if (aside) server.setLoadingAside(true);
    else server.setLoading(true);
    try {
      const loader = await load();
      persistence.keysLoaded = loader.keysLoaded;
      persistence.keysExpired = loader.keysExpired;
      log.notice(loader.summary);
      return loader;
    } catch (error) {
      for (const db of into) db.clear();
      throw error;
    } finally {
      persistence.loading = undefined;
      server.setLoading(false);
      server.setLoadingAside(false);
    }
  }

  #loader(dbs: readonly Database[], fileBytes: number): RdbLoader {
    const { config: { values }, log, persistence, time } = this.#server;
    return new RdbLoader({
      dbs,
      nowMs: time.nowMs,
      keepExpired: true,
      limits: values,
      log,
      source: "the RDB from MASTER",
      verifyChecksum: values.rdbchecksum && persistence.verifiesChecksums,
      ...(fileBytes > 0 ? { fileBytes } : {}),
    });
  }

  #pace(): LoadPace {
    return new LoadPace(this.#server.config.values, this.#signal);
  }

  #push(loader: RdbLoader, bytes: Uint8Array): void {
    if (loader.push(bytes) < bytes.length) {
      throw new LinkError("The RDB from MASTER goes on behind its end");
    }
    this.#server.persistence.noteLoaded(loader, bytes.length);
  }

  /** A save that goes on would leave the old data as the file, in place of the primary's or behind it. */
  #abortSave(): void {
    const { log, persistence } = this.#server;
    if (!persistence.abortSave()) return;
    log.notice("MASTER <-> REPLICA sync: Giving up a BGSAVE of the old data");
  }

  /**
   * The primary's data take the place of ours, which until here could go on where they stand, with this
   * primary or another. Our replicas, too, must get everything.
   */
  #leaveHistory(): void {
    const { log, replication } = this.#server;
    if (replication.resumable) log.notice("Discarding previously cached master state.");
    replication.resumable = false;
    replication.replicas.disconnect();
    replication.freeBacklog();
  }

  #empty(): void {
    const { dbs, effects, tracking, clients, ownExpiry } = this.#server;
    const { dirty } = effects;
    ownExpiry.clear();
    for (const db of dbs) {
      effects.flushing(db);
      db.clear();
    }
    effects.dirty = dirty;
    tracking.flushed(clients.values());
  }

  /** Puts other databases in the place of ours. */
  #exchange(others: readonly Database[]): void {
    const { dbs, effects, tracking, clients, ownExpiry } = this.#server;
    const { dirty } = effects;
    ownExpiry.clear();
    for (const [number, other] of others.entries()) {
      const ours = dbs[number]!;
      effects.swapping(ours, other);
      dbs[number] = other;
      for (const client of clients.values()) if (client.db === ours) client.db = other;
      ours.clear();
    }
    effects.dirty = dirty;
    tracking.flushed(clients.values());
  }
}

/** What the log says of a file that cannot be made, before the reason; `name` is `dbfilename`. */
const FILE_FAILURES: Readonly<Record<SaveStep, (name: string) => string>> = {
  open: () => "Opening the temp file needed for MASTER <-> REPLICA synchronization",
  write: () =>
    "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization",
  sync: () => "Failed trying to sync the temp DB to disk in MASTER <-> REPLICA synchronization",
  rename: (name) =>
    `Failed trying to rename the temp DB into ${name} in MASTER <-> REPLICA synchronization`,
  directory: (name) =>
    `Failed trying to sync DB directory ${name} in MASTER <-> REPLICA synchronization`,
};

function fileError(error: unknown, name: string): unknown {
  if (!(error instanceof SaveError)) return error;
  return new LinkError(`${FILE_FAILURES[error.step](name)}: ${error.reason}`, { cause: error });
}

/** What it says of data that cannot be loaded, before the reason. */
const LOAD_FAILURES = {
  disk: "Failed trying to load the MASTER synchronization DB from disk",
  socket: "Failed trying to load the MASTER synchronization DB from socket",
} as const;

function loadError(from: "disk" | "socket", error: unknown): unknown {
  if (!(error instanceof RdbError)) return error;
  return new LinkError(`${LOAD_FAILURES[from]}: ${error.message}`, { cause: error });
}
