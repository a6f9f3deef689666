/**
 * Full synchronisation: replicas that have nothing of ours get a snapshot, and then the stream from the
 * position at which it was taken.
 *
 * One snapshot runs at a time, of whatever kind, and all that wait when it begins share it. Its bytes
 * go to their sockets as they are made (`repl-diskless-sync`, if all of them can do with a mark at the
 * end instead of a length), at the pace of the slowest; or into the snapshot file, which each is sent
 * when it is whole. Who comes while a file is written shares it, too, for nothing was sent yet: the
 * stream from its beginning on is kept for the others. Otherwise one waits for the next.
 */
import { join } from "node:path";
import { hexDigits } from "../bytes/hex.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { systemErrorText } from "../config/special_kinds.ts";
import { writeSnapshotNow } from "../persistence/snapshot.ts";
import type { Server } from "../server/server.ts";
import type { Replica } from "./replica.ts";
import type { Replicas } from "./replicas.ts";
import type { Replication } from "./replication.ts";

const MARK_DIGITS = 40;
const FILE_PIECE_BYTES = 256 * 1024;

/** A snapshot for replicas. */
interface Run {
  readonly target: "disk" | "socket";
  /** Those that it is for and that are still there. */
  readonly replicas: Set<Replica>;
  /** The stream's position when it was taken. */
  readonly offset: number;
  readonly abort: AbortController;
}

export class SyncSnapshots {
  readonly #server: Server;
  readonly #replication: Replication;
  readonly #replicas: Replicas;
  #running: Run | undefined;
  /** Whether the snapshot file is there for replicas alone (`rdb-del-sync-files`). */
  #madeFile = false;

  constructor(server: Server, replication: Replication, replicas: Replicas) {
    this.#server = server;
    this.#replication = replication;
    this.#replicas = replicas;
  }

  /** A replica waits for a snapshot: begins one, or tells the log for what it waits. */
  request(replica: Replica): void {
    const { config: { values }, log, persistence } = this.#server;
    const run = this.#running;
    if (run?.target === "socket") {
      log.notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
    } else if (persistence.busy) {
      if (run !== undefined && sharesFile(replica, run)) {
        this.#begin(replica, run);
        log.notice("Waiting for end of BGSAVE for SYNC");
      } else {
        log.notice(
          "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC",
        );
      }
    } else if (
      values["repl-diskless-sync"] && replica.takesMark && values["repl-diskless-sync-delay"] > 0
    ) {
      log.notice("Delay next BGSAVE for diskless SYNC");
    } else {
      this.#start();
    }
  }

  /** Once a second. */
  cron(): void {
    this.startIfDue();
    this.#removeFile();
  }

  /** Begins a snapshot if replicas wait, and have waited for others to come as long as they should. */
  startIfDue(): void {
    const { config: { values }, persistence, time } = this.#server;
    if (this.#running !== undefined || persistence.busy || persistence.loading !== undefined) {
      return;
    }
    const waiting = this.#waiting();
    if (waiting.length === 0) return;
    const most = values["repl-diskless-sync-max-replicas"];
    const delaySeconds = values["repl-diskless-sync-delay"];
    const heardMs = Math.min(...waiting.map(({ client }) => client.seenMs));
    const due = !values["repl-diskless-sync"] || (most > 0 && waiting.length >= most) ||
      time.nowMs - heardMs >= 1000 * delaySeconds;
    if (due) this.#start();
  }

  /** Whether a file is being written for a replica, which hears nothing meanwhile. */
  writesFileFor(replica: Replica): boolean {
    return this.#running?.target === "disk" && this.#running.replicas.has(replica);
  }

  /** A replica is gone: what is made for nobody else is given up, unless the file is of use. */
  left(replica: Replica): void {
    const { config: { values }, log, persistence } = this.#server;
    const run = this.#running;
    if (run === undefined || !run.replicas.delete(replica) || run.replicas.size > 0) return;
    if (run.target === "socket") {
      log.warning("Diskless rdb transfer, last replica dropped, killing fork child.");
      run.abort.abort();
    } else if (values.save.length === 0) persistence.abortSave();
  }

  /** Those that wait for the next snapshot; where some want another kind than the first, without them. */
  #waiting(): Replica[] {
    const waiting = [...this.#replicas.attached].filter(({ state }) => state === "waiting");
    return waiting.filter(({ wantsNoKeys }) => wantsNoKeys === waiting[0]!.wantsNoKeys);
  }

  #start(): void {
    const { config: { values }, log } = this.#server;
    const { propagation, stream } = this.#replication;
    const waiting = this.#waiting();
    // A file without keys must not take the place of the one with them.
    const diskless = values["repl-diskless-sync"] || waiting[0]!.wantsNoKeys;
    const target = diskless && waiting.every(({ takesMark }) => takesMark) ? "socket" : "disk";
    log.notice(
      `Starting BGSAVE for SYNC with target: ${target === "disk" ? "disk" : "replicas sockets"}`,
    );
    const run: Run = {
      target,
      replicas: new Set(),
      offset: stream.offset,
      abort: new AbortController(),
    };
    this.#running = run;
    for (const replica of waiting) this.#begin(replica, run);
    const ended = target === "disk" ? this.#throughFile(run) : this.#throughSockets(run);
    ended.catch((error) => this.#server.reportBug("a full synchronisation", error));
    // What follows is read by those who know of no SELECT before.
    propagation.forgetSelected();
  }

  /** A snapshot is made for a replica, from now on or for a while already. */
  #begin(replica: Replica, run: Run): void {
    run.replicas.add(replica);
    replica.state = "snapshot";
    replica.position = run.offset;
    if (!replica.isOld) {
      replica.sendText(`+FULLRESYNC ${this.#replication.id} ${run.offset}\r\n`);
    }
  }

  /** The snapshot has ended; those that came meanwhile may have theirs. */
  #end(): void {
    this.#running = undefined;
    this.startIfDue();
  }

  // ---- through the file --------------------------------------------------------------------------

  async #throughFile(run: Run): Promise<void> {
    const { config: { values }, log, persistence } = this.#server;
    if (values["rdb-del-sync-files"]) this.#madeFile = true;
    // CONFIG SET may name another meanwhile.
    const path = join(values.dir, values.dbfilename);
    const saved = await persistence.backgroundSave();
    this.#end();
    const sent: Promise<void>[] = [];
    for (const replica of run.replicas) {
      if (!saved) {
        log.warning("SYNC failed. BGSAVE child returned an error");
        replica.client.close();
        continue;
      }
      let file: Deno.FsFile;
      try {
        file = Deno.openSync(path);
      } catch (error) {
        log.warning(`SYNC failed. Can't open/stat DB after BGSAVE: ${systemErrorText(error)}`);
        replica.client.close();
        continue;
      }
      sent.push(this.#sendFile(replica, file));
    }
    await Promise.all(sent);
  }

  async #sendFile(replica: Replica, file: Deno.FsFile): Promise<void> {
    const { client } = replica;
    replica.state = "bulk";
    try {
      const { size } = file.statSync();
      replica.sendText(`$${size}\r\n`);
      const piece = new Uint8Array(FILE_PIECE_BYTES);
      for (let left = size; left > 0 && !client.connection.closed;) {
        const count = await file.read(piece.subarray(0, Math.min(left, piece.length)));
        if (count === null) throw new Error("premature EOF");
        await replica.send([piece.subarray(0, count)]);
        left -= count;
      }
    } catch (error) {
      this.#server.log.warning(`Read error sending DB to replica: ${systemErrorText(error)}`);
      client.close();
    } finally {
      file.close();
    }
    if (client.connection.closed) return;
    if (this.#putOnline(replica)) replica.stream();
    else client.close();
  }

  /** Removes a file that only served replicas, when it has served the last. */
  #removeFile(): void {
    const { config: { values }, log } = this.#server;
    if (!values["rdb-del-sync-files"]) this.#madeFile = false;
    if (!this.#madeFile || values.save.length > 0) return;
    for (const { state } of this.#replicas.attached) {
      if (state === "waiting" || state === "snapshot" || state === "bulk") return;
    }
    this.#madeFile = false;
    try {
      Deno.removeSync(join(values.dir, values.dbfilename));
    } catch {
      return;
    }
    log.notice("Removing the RDB file used to feed replicas in a persistence-less instance");
  }

  // ---- through sockets ---------------------------------------------------------------------------

  async #throughSockets(run: Run): Promise<void> {
    const { log, persistence, random } = this.#server;
    const mark = hexDigits(MARK_DIGITS, random);
    const send = async (pieces: readonly Uint8Array[]) => {
      await Promise.all([...run.replicas].map((replica) => replica.send(pieces)));
    };
    let keyless = false;
    for (const replica of run.replicas) {
      keyless ||= replica.wantsNoKeys;
      replica.sendText(`$EOF:${mark}\r\n`);
    }
    let failure: unknown;
    try {
      log.notice(`Background RDB transfer started by pid ${Deno.pid}`);
      if (keyless) await send(this.#keylessSnapshot());
      else await persistence.runSnapshot(send, run.abort.signal);
      log.notice("Background RDB transfer terminated with success");
    } catch (error) {
      log.warning("Background transfer error");
      failure = error;
    }
    log.notice(
      `Diskless rdb transfer, done reading from pipe, ${run.replicas.size} replicas still up.`,
    );
    this.#end();
    const markBytes = latin1Bytes(mark);
    for (const replica of run.replicas) {
      if (failure !== undefined) {
        log.warning(`SYNC failed. BGSAVE child returned an error: ${failure}`);
        replica.client.close();
        continue;
      }
      log.notice(
        `Streamed RDB transfer with replica ${replica.name} succeeded (socket). ` +
          "Waiting for REPLCONF ACK from replica to enable streaming",
      );
      const sent = replica.send([markBytes]);
      if (!this.#putOnline(replica)) sent.then(() => replica.client.close());
    }
  }

  #keylessSnapshot(): Uint8Array[] {
    const { config: { values }, persistence } = this.#server;
    const pieces: Uint8Array[] = [];
    const { rdbcompression: compress, rdbchecksum: checksum } = values;
    writeSnapshotNow(
      { dbs: [], aux: persistence.saveAux(), compress, checksum },
      (piece) => pieces.push(piece),
    );
    return pieces;
  }

  // ---- the end -----------------------------------------------------------------------------------

  /** A replica has its data; returns whether it wants the stream, too. One that does not is closed. */
  #putOnline(replica: Replica): boolean {
    const { log, time } = this.#server;
    if (replica.wantsOnlyData) {
      replica.state = "served";
      log.notice(
        `RDB transfer completed, rdb only replica (${replica.name}) should be disconnected asap`,
      );
      return false;
    }
    replica.state = "online";
    replica.ackMs = time.nowMs;
    this.#replicas.refreshGood();
    log.notice(`Synchronization with replica ${replica.name} succeeded`);
    return true;
  }
}

/** Whether a replica can do with what is made for the others, and needs no more of the stream. */
function sharesFile(replica: Replica, { replicas }: Run): boolean {
  for (const other of replicas) {
    if (other.wantsOnlyData && !replica.wantsOnlyData) continue;
    return (replica.takesMark || !other.takesMark) && (replica.takesNewId || !other.takesNewId) &&
      replica.wantsNoKeys === other.wantsNoKeys;
  }
  return false;
}
