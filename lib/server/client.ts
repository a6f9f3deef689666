/**
 * A client: who is connected and what state the protocol keeps for it. Its bytes come and go through
 * its {@link Connection}; its commands are run by the router.
 */
import { Queue } from "../bytes/queue.ts";
import type { Args } from "../resp/args.ts";
import type { CommandBatch, Requester, RequestLimits } from "../resp/decoder.ts";
import { ReplyWriter } from "../resp/reply_writer.ts";
import type { Database } from "../store/database.ts";
import type { Blocked } from "./blocking.ts";
import type { Command } from "./command.ts";
import type { Connection } from "./connection.ts";
import { GATE } from "./gates.ts";
import type { Server } from "./server.ts";
import type { Transaction } from "./transactions.ts";

/**
 * CLIENT REPLY: after SKIP (`skip`) the next command is not answered (`skipping`).
 */
export type ReplyMode = "on" | "off" | "skip" | "skipping";

export class Client implements Requester {
  readonly id: number;
  readonly server: Server;
  readonly connection: Connection;
  /** Replies go here; the connection sends them. */
  readonly reply = new ReplyWriter();
  /** What its decoder accepts: the server's, shared by all. */
  readonly limits: RequestLimits;
  db: Database;
  /** Bits of {@link GATE}. */
  gates = 0;

  name = "";
  libName = "";
  libVersion = "";
  user = "default";
  readonly createdMs: number;
  /** When its last bytes came. */
  seenMs: number;
  lastCommand: Command | undefined;

  /** Set between MULTI and EXEC. */
  transaction: Transaction | undefined;
  /** WATCHed keys, as (database, key). Empty for most clients, so made when needed. */
  watched: Map<string, { expired: boolean }> | undefined;
  /** Whether a WATCHed key has changed. */
  watchBroken = false;

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
  /** Its class of `client-output-buffer-limit`. */
  outputClass: "normal" | "replica" | "pubsub" = "normal";
  /** Since when it has been over its class's soft limit. */
  overSoftLimitMs: number | undefined;
  /** Whether its replies wait to be sent at the end of the running batch. */
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

  /** Bytes that are kept for it: commands that were not run, and replies that were not sent. */
  get waitingBytes(): number {
    return this.pendingBytes + (this.transaction?.bytes ?? 0) + this.connection.unsentBytes;
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
