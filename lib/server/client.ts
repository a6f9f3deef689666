/**
 * A client: who is connected and what state the protocol keeps for it. Its bytes come and go through
 * its {@link Connection}; its commands are run by the router.
 */
import { Queue } from "../bytes/queue.ts";
import type { Replica } from "../replication/replica.ts";
import type { Args } from "../resp/args.ts";
import { CommandBatch, type Requester, type RequestLimits } from "../resp/decoder.ts";
import { type Chunk, ReplyWriter, SharedChunk } from "../resp/reply_writer.ts";
import type { Propagation } from "../replication/propagation.ts";
import type { Database } from "../store/database.ts";
import type { Blocked } from "./blocking.ts";
import type { Command } from "./command.ts";
import type { Connection } from "./connection.ts";
import { GATE } from "./gates.ts";
import type { Server } from "./server.ts";
import type { Message } from "../pubsub/message.ts";
import type { Subscriber, Subscriptions } from "../pubsub/pubsub.ts";
import type { Tracking } from "./tracking.ts";
import type { Transaction } from "./transactions.ts";

/**
 * CLIENT REPLY: after SKIP (`skip`) the next command is not answered (`skipping`).
 */
export type ReplyMode = "on" | "off" | "skip" | "skipping";

/** What a connection sends in place of replies. */
export interface OutputFeed {
  /** Bytes that wait. */
  readonly bytes: number;
  /** The next piece, or undefined if nothing waits; called when the one before is sent. */
  take(): Chunk | undefined;
}

/** What our primary sends has been accepted there. */
const PRIMARY_LIMITS: RequestLimits = { maxBulkLength: 2 ** 31 - 1, maxQueryBytes: Infinity };
const NOT_FOR_PRIMARY = GATE.loading | GATE.loadingAside | GATE.diskError | GATE.readOnly |
  GATE.stale | GATE.paused;

export class Client implements Requester, Subscriber {
  readonly id: number;
  readonly server: Server;
  readonly connection: Connection;
  /** Replies go here; the connection sends them. */
  readonly reply = new ReplyWriter();
  /** What its decoder accepts: the server's, shared by all. */
  limits: RequestLimits;
  db: Database;
  /** Bits of {@link GATE}. */
  gates = 0;
  /** Which of the server's gates hold for it: all but for our primary. */
  gateMask = -1;
  /** Whether it is the link to our primary, whose commands all run and are not answered. */
  isPrimary = false;
  /** Called when a batch of its commands has run, before other clients go on. */
  onBatch: (() => void) | undefined;

  name = "";
  libName = "";
  libVersion = "";
  user = "default";
  readonly createdMs: number;
  /** When its last bytes came, or were sent to it and taken. */
  seenMs: number;
  lastCommand: Command | undefined;

  /** Set between MULTI and EXEC. */
  transaction: Transaction | undefined;
  /** WATCHed keys, as (database, key), and whether they had expired. Made when needed. */
  watched: Map<string, boolean> | undefined;
  /** Bytes that these take, about. */
  watchedBytes = 0;
  /** Whether a WATCHed key has changed. */
  watchBroken = false;

  /** What it listens to, if anything. */
  subscriptions: Subscriptions | undefined;
  /** What CLIENT TRACKING ON chose. */
  tracking: Tracking | undefined;
  /** What came for it while its own command ran: messages, and what follows them. */
  #deferred: SharedChunk[] = [];
  #deferredLast: SharedChunk[] = [];
  #deferredBytes = 0;

  /** Set while a blocking command waits. */
  blocked: Blocked | undefined;
  /** Whether its commands wait for CLIENT PAUSE to end. */
  postponed = false;
  /** Commands that came while it was halted, in order. */
  readonly pending = new Queue<CommandBatch>();
  pendingBytes = 0;
  /** Whether it waits for the router to go on with what is pending. */
  resuming = false;

  /** Nothing more is run; the connection ends when what is written has been sent. */
  closing = false;
  replyMode: ReplyMode = "on";
  noEvict = false;
  /** Where in the replication stream its last write ends: what WAIT waits for. */
  writeOffset = 0;
  /** What it said of itself as a replica, if it is one or is about to be. */
  replica: Replica | undefined;
  /** What it is sent: set while it is a replica, which gets no replies. */
  feed: OutputFeed | undefined;
  /** Its class of `client-output-buffer-limit`. */
  outputClass: "normal" | "replica" | "pubsub" = "normal";
  /** Since when it has been over its class's soft limit. */
  overSoftLimitMs: number | undefined;
  /** How much of it is in {@link Server.clientBytes}. */
  countedBytes = 0;
  /** Its memory as it was counted for `maxmemory-clients`. */
  countedMemory = 0;
  /** Whether it waits in {@link Server.flushes}. */
  flushQueued = false;

  constructor(server: Server, connection: Connection, id: number) {
    this.id = id;
    this.server = server;
    this.connection = connection;
    this.db = server.dbs[0]!;
    this.createdMs = this.seenMs = server.time.nowMs;
    this.limits = server.requestLimits;
    this.setGate(GATE.auth, server.config.values.requirepass !== "");
    this.reply.onError = server.onErrorReply;
    this.reply.onGrow = () => server.limitOutput(this);
  }

  /** Makes it the link to our primary. */
  obey(): void {
    this.isPrimary = true;
    this.user = "(superuser)";
    this.limits = PRIMARY_LIMITS;
    this.gateMask = ~NOT_FOR_PRIMARY;
    this.setAuthenticated(true);
    this.reply.muted = true;
    this.noteErrors("replica", "master");
  }

  /** An error between a primary and its replica is a sign that their data differ: the log tells. */
  noteErrors(from: "master" | "replica", to: "master" | "replica"): void {
    const { server } = this;
    this.reply.onError = (line) => {
      server.onErrorReply(line);
      server.stats.unexpectedErrors++;
      const command = this.lastCommand?.fullName ?? "<unknown>";
      const text = line.startsWith("ERR ") ? line.slice(4) : `-${line}`;
      server.log.warning(
        `== CRITICAL == This ${from} is sending an error to its ${to}: '${text}' after processing the command '${command}'`,
      );
    };
  }

  /** Whether commands must wait that were read after the running one. */
  get halted(): boolean {
    return this.blocked !== undefined || this.postponed || this.closing || this.resuming;
  }

  get authenticated(): boolean {
    return (this.gates & GATE.auth) === 0;
  }

  setAuthenticated(authenticated: boolean): void {
    this.setGate(GATE.auth, !authenticated);
  }

  setGate(bit: number, on: boolean): void {
    this.gates = on ? this.gates | bit : this.gates & ~bit;
  }

  /** Keeps a batch's remaining commands, which it owns, for when it is no longer halted. */
  postpone(batch: CommandBatch): void {
    this.pending.push(batch);
    this.pendingBytes += batch.heldBytes;
    this.server.noteWaiting(this);
  }

  /** {@link Client.postpone} of a command that ran and waited, so that it comes before all others. */
  postponeFirst(args: Args): void {
    const batch = CommandBatch.again(args);
    this.pending.unshift(batch);
    this.pendingBytes += batch.heldBytes;
    this.server.noteWaiting(this);
  }

  /** Bytes that it takes for as long as it is in a state: what it watches, listens to, waits for. */
  get stateBytes(): number {
    return this.watchedBytes + (this.subscriptions?.bytes ?? 0) +
      (this.tracking?.prefixBytes ?? 0) + (this.blocked?.argumentBytes ?? 0);
  }

  /**
   * Bytes that are kept for it alone: commands that were not run or are not complete, replies that
   * were not sent, and its state. The stream, of which a replica has yet to be sent a part, is shared.
   */
  get keptBytes(): number {
    const { carriedBytes, unsentBytes } = this.connection;
    return this.pendingBytes + carriedBytes + (this.transaction?.memory ?? 0) + unsentBytes -
      (this.feed?.bytes ?? 0) + this.stateBytes;
  }

  /** HELLO: 2 or 3. */
  setProtocol(protocol: number): void {
    this.reply.protocol = protocol;
    this.subscriptionsChanged();
  }

  /** Its subscriptions, or its protocol, are others now. */
  subscriptionsChanged(): void {
    const subscribed = this.subscriptions !== undefined;
    if (this.outputClass !== "replica") this.outputClass = subscribed ? "pubsub" : "normal";
    this.setGate(GATE.subscribed, subscribed && this.reply.protocol === 2);
    this.server.noteWaiting(this);
  }

  deliver(message: Message): void {
    if (this.closing) return;
    const { reply } = this;
    if (this.server.current === this || reply.muted) {
      return this.#push(message.chunk(reply.protocol), this.#deferred);
    }
    message.writeTo(reply);
    this.server.flushes.later(this);
  }

  /**
   * Sends RESP that answers no command of it, whatever CLIENT REPLY says; the bytes stay as they are.
   * While its own command runs that waits for the reply, which may be half written, and for the
   * messages that come with it: so it is with Redis's invalidations.
   */
  push(bytes: Uint8Array): void {
    if (!this.closing) this.#push(new SharedChunk(bytes), this.#deferredLast);
  }

  /** Its command is over: what came meanwhile follows the reply. */
  pushDeferred(): void {
    const deferred = [...this.#deferred, ...this.#deferredLast];
    this.#deferred = [];
    this.#deferredLast = [];
    this.#deferredBytes = 0;
    this.setGate(GATE.deferred, false);
    for (const chunk of deferred) this.#pushNow(chunk);
  }

  #push(chunk: SharedChunk, deferred: SharedChunk[]): void {
    if (this.server.current === this) {
      deferred.push(chunk);
      this.setGate(GATE.deferred, true);
      this.#deferredBytes += chunk.length;
      this.server.limitOutput(this, this.#deferredBytes);
    } else {
      this.#pushNow(chunk);
      this.server.flushes.later(this);
    }
  }

  #pushNow(chunk: SharedChunk): void {
    const { reply } = this;
    const { muted } = reply;
    if (muted) reply.muted = this.closing;
    reply.shared(chunk);
    if (muted) reply.muted = true;
  }

  setTracking(tracking: Tracking | undefined): void {
    this.tracking = tracking;
    const remembers = tracking !== undefined && tracking.mode !== "broadcast";
    this.setGate(GATE.tracking, remembers);
    this.setGate(GATE.caching, tracking?.caching === true);
    this.server.noteWaiting(this);
  }

  /** CLIENT CACHING, of a client that tracks. */
  setCaching(caching: boolean): void {
    this.tracking!.caching = caching;
    this.setGate(GATE.caching, caching);
  }

  /** Whether RESP2's subscribed mode is on, in which PING answers otherwise. */
  get isSubscribed(): boolean {
    return (this.gates & GATE.subscribed) !== 0;
  }

  /**
   * Tells that the key which is argument `i` of the running command was changed: see
   * {@link Effects.keyChanged}.
   */
  changed(args: Args, i: number, eventClass: number, event: string): void {
    this.server.effects.keyChanged(
      this.db,
      args.buf,
      args.off(i),
      args.len(i),
      eventClass,
      event,
    );
  }

  /** What the running command sends to replicas: it asks there whether anyone listens. */
  get propagation(): Propagation {
    return this.server.replication.propagation;
  }

  /** CLIENT REPLY. */
  setReplyMode(mode: ReplyMode): void {
    this.replyMode = mode;
    this.reply.muted = mode === "off" || mode === "skipping";
    this.setGate(GATE.silenced, mode !== "on");
  }

  /** A command begins: after SKIP it is not answered, and the one after it is. */
  nextSilence(): void {
    if (this.replyMode === "skip") this.setReplyMode("skipping");
    else if (this.replyMode === "skipping") this.setReplyMode("on");
  }

  /** Ends a transaction without running it. */
  discard(): void {
    this.transaction = undefined;
    this.setGate(GATE.multi, false);
    this.server.watches.unwatch(this);
    // Memory was short, perhaps, and is not any more.
    if (this.countedBytes > 0) this.server.countBytesOf(this);
  }

  /** Sends what is written, then closes. */
  closeAfterReplies(): void {
    this.closing = true;
    this.connection.closeWhenSent();
  }

  /** Closes at once; what is written is lost. */
  close(): void {
    this.closing = true;
    this.reply.muted = true;
    this.connection.close();
  }
}
