/**
 * What a server is in replication: a primary with its stream and replicas, or a replica with a link to
 * its primary. The two sides stand in `replicas.ts` and `primary_link.ts`.
 *
 * A data set's history has an ID and grows by the bytes of the stream. A replica that becomes a
 * primary begins a history with a new ID that shares the old one's beginning: `id2` names the old
 * one, which is ours up to `id2Offset`. Whoever asks to go on from a position that we still hold, in
 * either history, need not be sent everything.
 *
 * On a replica the history is its primary's: `id` is the primary's ID, and the stream holds the bytes
 * that were applied, as they came, so its end is where our data stand.
 */
import { Propagation } from "./propagation.ts";
import type { PrimaryLink } from "./primary_link.ts";
import { Replicas } from "./replicas.ts";
import { ReplicationStream } from "./stream.ts";
import type { Server } from "../server/server.ts";

const NO_ID = "0".repeat(40);

export class Replication {
  /** This history: 40 hex digits, INFO's master_replid. */
  id: string;
  /** The history before, valid up to {@link Replication.id2Offset}; {@link NO_ID} if there is none. */
  id2 = NO_ID;
  /** Up to which position `id2` is this history too: INFO's second_repl_offset, less 1; -1 if none. */
  id2Offset = -1;
  readonly stream = new ReplicationStream();
  readonly propagation = new Propagation(this.stream);
  /** Those that have attached to us. */
  readonly replicas: Replicas;
  /** Whether the stream is kept: from the first replica on, and always on a replica. */
  hasBacklog = false;

  /** The link to our primary, up or not: there while this server is a replica. */
  link: PrimaryLink | undefined;
  /**
   * Whether a primary may be asked to go on from the end of our stream: the data stand there, and the
   * history is one that a primary may know. INFO calls this state a cached master.
   */
  resumable = false;
  /** The database that the primary's stream has selected at the end of ours, while the link is down. */
  selected = 0;

  readonly #server: Server;
  readonly #newId: () => string;
  /** Up to where the replicas' connections were told of the stream; -1: they were not. */
  #fedOffset = 0;

  /** `newId` makes IDs of histories. */
  constructor(server: Server, newId: () => string) {
    this.#server = server;
    this.#newId = newId;
    this.id = newId();
    this.replicas = new Replicas(server, this);
  }

  get isReplica(): boolean {
    return this.link !== undefined;
  }

  /** Lets the stream be kept from here on. */
  createBacklog(): void {
    this.hasBacklog = true;
    this.stream.backlogBytes = this.#server.config.values["repl-backlog-size"];
    this.stream.restart(this.stream.offset);
    this.propagation.active = !this.isReplica;
    this.propagation.forgetSelected();
    // It may go on at a lower position, and reach that one again.
    this.#fedOffset = -1;
  }

  /** Forgets the stream: nobody can go on from here. */
  freeBacklog(): void {
    this.hasBacklog = false;
    this.propagation.active = false;
    this.stream.backlogBytes = 0;
    this.stream.restart(this.stream.offset);
  }

  /** Sends replicas what is new in the stream: after each batch of commands. */
  feed(): void {
    if (this.stream.offset === this.#fedOffset && !this.replicas.asking) return;
    this.replicas.feed();
    this.#fedOffset = this.stream.offset;
  }

  /** Begins a history that nobody knows. */
  begin(): void {
    this.id = this.#newId();
    this.id2 = NO_ID;
    this.id2Offset = -1;
  }

  /** Begins a history that goes on from the one before: the way of a replica that is now a primary. */
  branch(): void {
    this.id2 = this.id;
    this.id2Offset = this.stream.offset;
    this.id = this.#newId();
  }

  /**
   * Takes a primary's history, in which our data stand at an offset; the bytes before are not there.
   * Where it has no ID nobody can go on with it, and it gets one of ours.
   */
  adopt(id: string | undefined, offset: number, selected: number): void {
    this.begin();
    this.id = id ?? this.id;
    this.stream.restart(offset);
    this.selected = selected;
    this.resumable = id !== undefined;
    this.createBacklog();
  }

  /**
   * The data come from a file that says where in a history they stand. A replica goes on with it; a primary
   * begins a new one from there, as after {@link Replication.branch}.
   */
  resume(id: string, offset: number, selected: number): void {
    if (this.isReplica) return this.adopt(id, offset, selected);
    this.stream.restart(offset);
    this.id2 = id;
    this.id2Offset = offset;
    this.createBacklog();
    this.replicas.waitForFirst();
  }

  /**
   * Where the data stand, for a file that holds them: in a history that others know, and with the
   * database that its stream has selected there. Undefined if nobody could go on from there.
   */
  get position(): { id: string; offset: number; db: number } | undefined {
    const { id, link, stream: { offset } } = this;
    if (link === undefined) {
      return this.hasBacklog ? { id, offset, db: this.propagation.selected } : undefined;
    }
    return this.resumable ? { id, offset, db: this.selected } : undefined;
  }

  /** Once a second. */
  cron(): void {
    this.replicas.cron();
    this.link?.tick();
  }

  /** Once a second, unless there may be much to read: acts on who has been silent for long. */
  judge(): void {
    this.replicas.judge();
    this.link?.judge();
  }

  /** Our primary's history has another ID from here on: it was a replica of the same one. */
  follow(id: string): void {
    if (id === this.id) return;
    this.id2 = this.id;
    this.id2Offset = this.stream.offset;
    this.id = id;
  }
}
