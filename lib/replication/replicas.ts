/**
 * The primary's side of replication: the replicas that have attached, and what follows from how far
 * they are (WAIT, `min-replicas-to-write`, what the stream must keep).
 *
 * Replicas that have attached to a replica are served just so: there the stream holds the primary's
 * bytes as they were applied.
 *
 *     PSYNC ──► goes on in the stream (+CONTINUE), if it holds all that follows the asked position
 *           └─► waits for a snapshot (`sync_snapshots.ts`), and then goes on where that was taken
 */
import { NOT_AN_INTEGER, ReplyError } from "../resp/reply_error.ts";
import { requestBytes } from "../resp/request.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import type { Server } from "../server/server.ts";
import { AckWaits } from "./ack_waits.ts";
import { SyncSnapshots } from "./sync_snapshots.ts";
import { Replica } from "./replica.ts";
import type { Replication } from "./replication.ts";

const NOT_CONNECTED = new ReplyError("NOMASTERLINK Can't SYNC while not connected with my master");
const PENDING_OUTPUT = new ReplyError("ERR SYNC and PSYNC are invalid with pending output");
const FILTER_NEEDS_MARK = new ReplyError("ERR Filtered replica requires EOF capability");

const PING = requestBytes("PING");
const GETACK = requestBytes("REPLCONF", "GETACK", "*");

/** From here on what waits for a replica is held against its output limit after each batch. */
const WATCHED_BYTES = 64 * 1024;

/** From where a replica asks to go on. */
export interface ResumeRequest {
  readonly id: string;
  /** Of the first byte it lacks, counted from 1; undefined if it sent no number. */
  readonly offset: number | undefined;
}

export class Replicas {
  /** Those that have asked for the data, in the order in which they came. */
  readonly attached = new Set<Replica>();
  /** How many are online, and were heard of within `min-replicas-max-lag`. */
  good = 0;
  readonly waits: AckWaits;

  readonly #server: Server;
  readonly #replication: Replication;
  readonly #snapshots: SyncSnapshots;
  /** Whether the replicas are to be asked how far they are. */
  #asking = false;
  /** Since when there has been none, and we a primary that keeps a backlog. */
  #noneSinceMs = 0;
  #seconds = 0;

  constructor(server: Server, replication: Replication) {
    this.#server = server;
    this.#replication = replication;
    this.waits = new AckWaits(this);
    this.#snapshots = new SyncSnapshots(server, replication, this);
  }

  /** What a client has said of itself as a replica. */
  of(client: Client): Replica {
    return client.replica ??= new Replica(client, this.#replication.stream);
  }

  // ---- attaching ---------------------------------------------------------------------------------

  /**
   * Makes a client a replica: with a request (PSYNC) it goes on from there if that can be, else, and
   * without (SYNC), it gets everything. Throws a ReplyError where it cannot have it now.
   */
  synchronize(client: Client, request?: ResumeRequest): void {
    const { config, log, stats } = this.#server;
    const replication = this.#replication;
    const replica = this.of(client);
    if (replication.link !== undefined && !replication.link.isUp) throw NOT_CONNECTED;
    if (client.reply.bytes > 0) throw PENDING_OUTPUT;
    if (replica.wantsNoKeys && !replica.takesMark) throw FILTER_NEEDS_MARK;

    log.notice(`Replica ${replica.name} asks for synchronization`);
    if (request !== undefined) {
      const { id, offset } = request;
      if (offset === undefined) {
        log.warning(`Replica ${replica.name} asks for synchronization but with a wrong offset`);
        throw NOT_AN_INTEGER;
      }
      if (this.#goOn(replica, id, offset)) {
        stats.partialSyncs++;
        return;
      }
      if (!id.startsWith("?")) stats.refusedPartialSyncs++;
    } else replica.isOld = true;

    stats.fullSyncs++;
    replica.state = "waiting";
    if (config.values["repl-disable-tcp-nodelay"]) client.connection.setNoDelay(false);
    this.#attach(replica);
    if (!replication.hasBacklog) {
      replication.begin();
      replication.createBacklog();
      log.notice(
        `Replication backlog created, my new replication IDs are '${replication.id}' and '${replication.id2}'`,
      );
    }
    this.#snapshots.request(replica);
  }

  /** Lets a replica go on from an offset of a history; returns false where that cannot be. */
  #goOn(replica: Replica, asked: string, offset: number): boolean {
    const { log } = this.#server;
    const { id, id2, id2Offset, stream, hasBacklog } = this.#replication;
    const position = offset - 1;
    const name = asked.toLowerCase();
    if (name !== id && (name !== id2 || position > id2Offset)) {
      if (asked.startsWith("?")) log.notice(`Full resync requested by replica ${replica.name}`);
      else if (name === id2) {
        log.notice(
          "Partial resynchronization not accepted: Requested offset for second ID was " +
            `${offset}, but I can reply up to ${id2Offset + 1}`,
        );
      } else {
        log.notice(
          "Partial resynchronization not accepted: Replication ID mismatch " +
            `(Replica asked for '${asked}', my replication IDs are '${id}' and '${id2}')`,
        );
      }
      return false;
    }
    if (!hasBacklog || !stream.holds(position)) {
      log.notice(
        `Unable to partial resync with replica ${replica.name} for lack of backlog ` +
          `(Replica request was: ${offset}).`,
      );
      if (offset > stream.offset) {
        log.warning(
          `Warning: replica ${replica.name} tried to PSYNC with an offset that is greater than ` +
            "the master replication offset.",
        );
      }
      return false;
    }
    replica.state = "online";
    replica.ackMs = this.#server.time.nowMs;
    replica.position = position;
    this.#attach(replica);
    replica.sendText(replica.takesNewId ? `+CONTINUE ${id}\r\n` : "+CONTINUE\r\n");
    log.notice(
      `Partial resynchronization request from ${replica.name} accepted. Sending ` +
        `${stream.offset - position} bytes of backlog starting from offset ${offset}.`,
    );
    replica.stream();
    this.refreshGood();
    return true;
  }

  /** Another snapshot may begin. */
  snapshotEnded(): void {
    this.#snapshots.startIfDue();
  }

  #attach(replica: Replica): void {
    const { client } = replica;
    this.attached.add(replica);
    client.outputClass = "replica";
    client.feed = replica;
    client.noteErrors("master", "replica");
    client.setGate(GATE.replica, true);
  }

  /** A client's connection is gone. */
  left(client: Client): void {
    const { replica } = client;
    if (replica === undefined || !this.attached.delete(replica)) return;
    const { log, time } = this.#server;
    log.notice(`Connection with replica ${replica.name} lost.`);
    replica.leave();
    if (this.attached.size === 0) this.#noneSinceMs = time.nowMs;
    this.#snapshots.left(replica);
    this.refreshGood();
  }

  /** Lets all replicas come again: what they have is not our history any more. */
  disconnect(): void {
    for (const { client } of this.attached) client.close();
  }

  // ---- how far they are --------------------------------------------------------------------------

  /** REPLCONF ACK: a replica has applied the stream up to an offset. */
  acknowledge(replica: Replica, offset: number, fileOffset = 0): void {
    replica.ackOffset = Math.max(replica.ackOffset, offset);
    replica.fileOffset = Math.max(replica.fileOffset, fileOffset);
    replica.ackMs = this.#server.time.nowMs;
    // It has seen the mark at the end of its data, and will not take what follows for a part of them.
    if (replica.state === "online" && !replica.streams) replica.stream();
    this.waits.check();
  }

  /** How many online replicas have the stream up to an offset. */
  countAcks(offset: number): number {
    let count = 0;
    for (const { state, ackOffset } of this.attached) {
      if (state === "online" && ackOffset >= offset) count++;
    }
    return count;
  }

  /** How many have it in a file on disk. */
  countFileAcks(offset: number): number {
    let count = 0;
    for (const { state, fileOffset } of this.attached) {
      if (state === "online" && fileOffset >= offset) count++;
    }
    return count;
  }

  /** Lets the replicas be asked how far they are, at the end of the batch. */
  askForAcks(): void {
    this.#asking = true;
  }

  /** Whether {@link Replicas.feed} has something to say beside what the stream has. */
  get asking(): boolean {
    return this.#asking;
  }

  /** Seconds since an online replica was heard of. */
  lagSeconds(replica: Replica): number {
    return replica.state === "online" ? this.#secondsSince(replica.ackMs) : 0;
  }

  /** Counts the good replicas, and lets writes pass or not. */
  refreshGood(): void {
    const { "min-replicas-to-write": least, "min-replicas-max-lag": maxLag } =
      this.#server.config.values;
    this.good = 0;
    for (const replica of this.attached) {
      if (replica.state === "online" && this.lagSeconds(replica) <= maxLag) this.good++;
    }
    const few = least > 0 && maxLag > 0 && this.good < least;
    this.#server.setTooFewReplicas(few && !this.#replication.isReplica);
  }

  // ---- what they are sent ------------------------------------------------------------------------

  /** There is more in the stream: sends it, and lets go of what nobody needs. */
  feed(): void {
    const { stream } = this.#replication;
    if (this.#asking) {
      this.#asking = false;
      if (this.attached.size > 0) stream.append(GETACK);
    }
    for (const replica of this.attached) {
      if (replica.streams) replica.client.connection.flush();
      if (replica.bytes > WATCHED_BYTES) this.#server.limitOutput(replica.client);
    }
    this.trim();
  }

  /** Lets go of the part of the stream that is neither backlog nor needed by a replica. */
  trim(): void {
    const { stream } = this.#replication;
    let needed = stream.offset;
    for (const replica of this.attached) {
      if (replica.needsStream && replica.position < needed) needed = replica.position;
    }
    stream.trim(needed);
  }

  /** A primary keeps a backlog from now on, though no replica has attached. */
  waitForFirst(): void {
    this.#noneSinceMs = this.#server.time.nowMs;
  }

  /** Once a second. */
  cron(): void {
    const { config: { values }, log } = this.#server;
    const replication = this.#replication;
    this.#seconds++;
    // A replica that is to take over has nothing left to get: that must not change by itself.
    const failsOver = this.#server.failover.state !== "no-failover";
    if (
      this.attached.size > 0 && !replication.isReplica && !failsOver &&
      this.#seconds % values["repl-ping-replica-period"] === 0
    ) {
      replication.stream.append(PING);
    }
    for (const replica of this.attached) {
      if (replica.state === "waiting" || this.#snapshots.writesFileFor(replica)) {
        replica.sendNewline();
      }
    }
    const ttlSeconds = values["repl-backlog-ttl"];
    if (
      this.attached.size === 0 && ttlSeconds > 0 && replication.hasBacklog &&
      !replication.isReplica && this.#secondsSince(this.#noneSinceMs) > ttlSeconds
    ) {
      replication.begin();
      replication.freeBacklog();
      log.notice(
        `Replication backlog freed after ${ttlSeconds} seconds without connected replicas.`,
      );
    }
    this.#snapshots.cron();
    this.trim();
  }

  /** Drops replicas that were silent for longer than `repl-timeout`, and counts the good ones. */
  judge(): void {
    const timeoutSeconds = this.#server.config.values["repl-timeout"];
    for (const replica of this.attached) this.#checkTimeout(replica, timeoutSeconds);
    this.refreshGood();
  }

  #checkTimeout(replica: Replica, timeoutSeconds: number): void {
    const { log } = this.#server;
    if (replica.state === "online") {
      if (replica.isOld || this.lagSeconds(replica) <= timeoutSeconds) return;
      log.warning(`Disconnecting timedout replica (streaming sync): ${replica.name}`);
    } else {
      // One that does not read its snapshot holds up the others for which it is made.
      const { state, stalledSinceMs } = replica;
      if (state !== "snapshot" || stalledSinceMs === undefined) return;
      if (this.#secondsSince(stalledSinceMs) <= timeoutSeconds) return;
      log.warning(`Disconnecting timedout replica (full sync): ${replica.name}`);
    }
    replica.client.close();
  }

  #secondsSince(ms: number): number {
    return Math.floor(this.#server.time.nowMs / 1000) - Math.floor(ms / 1000);
  }
}
