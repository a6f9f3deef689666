/**
 * The server: its databases, clients and what they share, from listening to closing. It wires the
 * parts together; what each does stands in its own file.
 */
import { COMMANDS } from "../commands/index.ts";
import { FLAGS } from "../commands/spec.ts";
import type { Config } from "../config/config.ts";
import { Persistence } from "../persistence/persistence.ts";
import { Replication } from "../replication/replication.ts";
import { AccessPolicy } from "../store/access.ts";
import { Database } from "../store/database.ts";
import {
  type DatabaseContext,
  type ExpiredOnReplica,
  KeyspaceStats,
} from "../store/database_context.ts";
import { CachedTime } from "../store/time.ts";
import { ActiveExpiry } from "../store/active_expiry.ts";
import { OwnExpiry } from "../store/own_expiry.ts";
import { Eviction } from "../store/eviction.ts";
import type { RequestLimits } from "../resp/decoder.ts";
import { Blocking } from "./blocking.ts";
import { Client } from "./client.ts";
import { ClientEviction } from "./client_eviction.ts";
import { CommandTable } from "./command.ts";
import { Connection, isLocal } from "./connection.ts";
import { applyConfig } from "./apply_config.ts";
import { Cron } from "./cron.ts";
import { Effects } from "./effects.ts";
import { Flushes } from "./flushes.ts";
import { GATE } from "./gates.ts";
import { LatencyMonitor } from "./latency.ts";
import { Listeners } from "./listeners.ts";
import type { Log } from "./log.ts";
import { hexDigits } from "../bytes/hex.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { clientInfo } from "./client_info.ts";
import { Migration } from "./migration.ts";
import { Monitors } from "./monitor.ts";
import { KeyspaceNotifications } from "./notifications.ts";
import { PubSub } from "../pubsub/pubsub.ts";
import { Failover } from "./failover.ts";
import { Pause } from "./pause.ts";
import { applyRole, startReplicating, takeRole } from "./role.ts";
import { Router } from "./router.ts";
import { Shutdown } from "./shutdown.ts";
import { Slowlog } from "./slowlog.ts";
import { Stats } from "./stats.ts";
import { TrackingTable } from "./tracking.ts";
import { Watches } from "./transactions.ts";

/** What may wait for a client before it authenticates: Redis's first buffer and, since 7.2.8, 1 KiB. */
const UNAUTHENTICATED_BYTES = 17 * 1024;

export interface ServerParts {
  readonly config: Config;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

export class Server implements AsyncDisposable {
  readonly config: Config;
  readonly log: Log;
  readonly time: CachedTime;
  readonly random: () => number;
  readonly access: AccessPolicy;
  readonly keyspaceStats = new KeyspaceStats();
  readonly dbs: Database[];
  readonly commands = new CommandTable(COMMANDS);
  readonly clients = new Map<number, Client>();
  readonly stats = new Stats();
  readonly slowlog = new Slowlog();
  readonly latency = new LatencyMonitor();
  readonly watches = new Watches();
  readonly pubsub = new PubSub();
  readonly tracking = new TrackingTable(
    (id) => this.clients.get(id),
    () => this.current,
    () => this.random(),
  );
  readonly monitors = new Monitors((on) => this.setGate(GATE.monitored, on));
  readonly migration = new Migration();
  readonly replication: Replication;
  readonly persistence: Persistence;
  readonly effects: Effects;
  readonly router: Router;
  readonly flushes = new Flushes();
  readonly clientEviction = new ClientEviction(this);
  readonly blocking = new Blocking((client) => this.router.resume(client));
  readonly pause: Pause;
  readonly failover = new Failover(this);
  readonly shutdown = new Shutdown(this);
  readonly databaseContext: DatabaseContext;
  readonly activeExpiry: ActiveExpiry;
  readonly ownExpiry = new OwnExpiry();
  readonly eviction: Eviction;
  readonly cron: Cron;
  readonly listeners: Listeners;
  /** What every connection's decoder accepts. */
  readonly requestLimits: RequestLimits;
  readonly onErrorReply = (line: string) => this.stats.noteError(line);
  readonly startedMs: number;
  /** 40 hex digits that name this run: INFO's run_id. */
  readonly runId: string;

  /** The client whose commands run. */
  current: Client | undefined;
  /** Bits of {@link GATE} that hold for every client. */
  gates = 0;
  /** Whether every command is timed by itself, because the slow log or the latency monitor wants to know. */
  timesEachCommand = false;

  #nextClientId = 1;
  #later: ReturnType<typeof setTimeout> | undefined;
  #closing = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(parts: ServerParts) {
    this.config = parts.config;
    this.log = parts.log;
    this.random = parts.random;
    this.time = new CachedTime(parts.clock);
    this.startedMs = this.time.nowMs;
    this.runId = hexDigits(40, parts.random);
    this.replication = new Replication(this, () => hexDigits(40, parts.random));
    this.effects = new Effects(this.watches, this.tracking, this.replication.propagation);
    this.router = new Router(this, this.commands);
    this.access = new AccessPolicy(this.time, parts.random);
    this.databaseContext = {
      time: this.time,
      access: this.access,
      listener: this.effects,
      stats: this.keyspaceStats,
      random: parts.random,
      expires: true,
      expiredOnReplica: () => this.#expiredOnReplica(),
      latency: this.latency,
    };
    this.dbs = Array.from(
      { length: this.config.values.databases },
      (_, number) => new Database(number, this.databaseContext),
    );
    this.pause = new Pause(
      (on) => {
        this.setGate(GATE.paused, on);
        applyRole(this);
      },
      (client) => this.router.resume(client),
    );
    this.requestLimits = { maxBulkLength: 0, maxQueryBytes: 0 };
    this.activeExpiry = new ActiveExpiry();
    this.eviction = new Eviction(
      this.dbs,
      this.databaseContext,
      () => this.usedMemory,
      (run) => this.#runLater(run),
    );
    this.cron = new Cron(this);
    this.listeners = new Listeners(this.config, this.log, (conn) => this.#welcome(conn));
    this.persistence = new Persistence(this);
    this.persistence.onIdle = () => this.replication.replicas.snapshotEnded();
    this.persistence.replicationPosition = () => this.replication.position;
    const notifications = new KeyspaceNotifications(this.pubsub, this.effects);
    this.effects.onEvent = (event, db, key) => notifications.publish(event, db, key);
    applyConfig(this);
  }

  /** Binds every address of the configuration and serves; throws ListenError. */
  listen(): void {
    takeRole(this);
    this.listeners.open();
    this.cron.start();
  }

  /** The TCP port in use, also where the configuration asked for any (`port 0`). */
  get port(): number {
    return this.listeners.port;
  }

  /** Every address that it listens on. */
  get addresses(): readonly Deno.Addr[] {
    return this.listeners.addresses;
  }

  /** Resolves when the server has closed, by {@link Server.close} or SHUTDOWN. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Bytes of the databases and of what waits for clients: what `maxmemory` limits. */
  get usedMemory(): number {
    let bytes = 0;
    for (const db of this.dbs) bytes += db.usedBytes;
    return bytes + this.clientBytes + this.replication.stream.countedBytes;
  }

  /** Bytes that are kept for all clients, as they were last counted: see {@link Client.keptBytes}. */
  clientBytes = 0;
  /** The clients to be counted again: for some something waited, others have changed their state. */
  readonly #laden = new Set<Client>();

  /** More than a little waits for a client, or its state is another: from now on it is counted. */
  noteWaiting(client: Client): void {
    if (!client.connection.closed) this.#laden.add(client);
  }

  countClientBytes(): void {
    for (const client of this.#laden) this.countBytesOf(client);
  }

  /** Counts one of the clients anew, whose bytes wait no more. */
  countBytesOf(client: Client): void {
    if (!this.#laden.has(client)) return;
    const bytes = client.keptBytes;
    this.clientBytes += bytes - client.countedBytes;
    client.countedBytes = bytes;
    // A state stays as it is until it is told of again.
    if (bytes === client.stateBytes) this.#laden.delete(client);
  }

  setGate(bit: number, on: boolean): void {
    this.gates = on ? this.gates | bit : this.gates & ~bit;
  }

  /**
   * Frees memory as `maxmemory-policy` says; returns whether the rest is within `maxmemory`. The
   * client whose command waits for that is told of it at once: nothing of a reply is written yet.
   */
  makeRoom(): boolean {
    const { current, latency } = this;
    this.current = undefined;
    const startMs = latency.thresholdMs === 0 ? 0 : performance.now();
    try {
      return this.eviction.makeRoom();
    } finally {
      this.current = current;
      if (latency.thresholdMs > 0) {
        latency.note("eviction-cycle", performance.now() - startMs, this.time.nowMs);
      }
    }
  }

  /** Makes room when the running batch is over: what a transaction has yet to write stays for it. */
  makeRoomSoon(): void {
    queueMicrotask(() => {
      if (this.#closing) return;
      this.time.refresh();
      try {
        this.makeRoom();
      } catch (error) {
        this.reportBug("eviction", error);
      }
      this.router.settle();
    });
  }

  /** Closes a client whose unread commands outgrew `client-query-buffer-limit`. */
  limitInput(client: Client, overflow = false): void {
    if (!overflow && client.pendingBytes <= this.requestLimits.maxQueryBytes) return;
    this.log.warning(
      `Closing client that reached max query buffer length: ${clientInfo(client)}`,
    );
    this.stats.queryBufferDisconnections++;
    client.close();
  }

  /**
   * Closes a client that does not read what it is sent, by `client-output-buffer-limit`; `coming`
   * bytes are about to be added to that.
   */
  limitOutput(client: Client, coming = 0): void {
    const limit = this.config.values["client-output-buffer-limit"][client.outputClass];
    const waiting = client.connection.unsentBytes + coming;
    if (waiting > 0) this.noteWaiting(client);
    // A replica that goes on in the backlog may have all of it to read.
    const leastHard = client.feed === undefined ? 0 : this.replication.stream.backlogBytes;
    const overHard = limit.hardBytes > 0 && waiting > Math.max(limit.hardBytes, leastHard);
    const overSoft = limit.softBytes > 0 && waiting > limit.softBytes;
    if (!overSoft) client.overSoftLimitMs = undefined;
    else client.overSoftLimitMs ??= this.time.nowMs;
    const softMs = overSoft ? this.time.nowMs - client.overSoftLimitMs! : 0;
    // Who has not authenticated could make the server keep refusals without end.
    const overRefusals = !client.authenticated && waiting > UNAUTHENTICATED_BYTES;
    if (!overHard && !overRefusals && !(overSoft && softMs > limit.softSeconds * 1000)) return;
    this.log.warning(
      `Client ${clientInfo(client)} closed for overcoming of output buffer limits.`,
    );
    this.stats.outputBufferDisconnections++;
    client.close();
  }

  /** Closes a client that was idle for longer than `timeout`. */
  checkTimeout(client: Client): void {
    client.connection.checkLingering();
    const { timeout } = this.config.values;
    if (timeout === 0 || client.blocked !== undefined || client.postponed) return;
    if (client.isPrimary) return;
    if (client.outputClass !== "normal" || (client.gates & GATE.monitor) !== 0) return;
    if (this.time.nowMs - client.seenMs <= timeout * 1000) return;
    this.log.verbose("Closing idle client");
    client.close();
  }

  /** Whether `enable-debug-command` lets a client use DEBUG. */
  allowsDebug(client: Client): boolean {
    const allowed = this.config.values["enable-debug-command"];
    return allowed === "yes" || (allowed === "local" && client.connection.isLocal);
  }

  /** Something was thrown that is no ReplyError: our mistake. The server goes on. */
  reportBug(where: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error);
    this.log.warning(`Internal error in ${where}, please report it: ${stack}`);
  }

  /** A connection has ended: nothing of its client remains. */
  clientGone(client: Client): void {
    client.closing = true;
    this.blocking.forget(client);
    this.pause.forget(client);
    this.watches.unwatch(client);
    this.pubsub.leave(client);
    this.tracking.disable(client);
    this.monitors.leave(client);
    this.replication.replicas.left(client);
    // What it alone had yet to get of the stream.
    if (client.feed !== undefined) this.replication.replicas.trim();
    client.reply.clear();
    this.clientBytes -= client.countedBytes;
    client.countedBytes = 0;
    this.#laden.delete(client);
    this.clientEviction.forget(client);
    this.clients.delete(client.id);
  }

  /** Commands that need the data are refused while they are loaded. */
  setLoading(on: boolean): void {
    this.setGate(GATE.loading, on);
  }

  /** Writes are refused while fewer replicas are well than `min-replicas-to-write`. */
  setTooFewReplicas(on: boolean): void {
    this.setGate(GATE.tooFewReplicas, on);
  }

  /** Our primary's data are loaded while clients are served the old ones. */
  setLoadingAside(on: boolean): void {
    this.setGate(GATE.loadingAside, on);
  }

  /** The data are there, loaded from a file or not: the configured primary is followed. */
  startReplicating(): void {
    startReplicating(this);
  }

  /** The link to our primary is in another state. */
  replicaChanged(): void {
    applyRole(this);
  }

  /** Writes are refused after a snapshot that failed. */
  setDiskError(on: boolean): void {
    this.setGate(GATE.diskError, on);
  }

  /** Runs what is left to do when the clients that wait have had their turn. */
  #runLater(run: () => void): void {
    this.#later = setTimeout(() => {
      this.time.refresh();
      run();
      this.router.settle();
    }, 0);
  }

  /** Stops listening and closes every connection. */
  close(): Promise<void> {
    if (this.#closing) return this.closed;
    this.#closing = true;
    this.cron.stop();
    clearTimeout(this.#later);
    this.pause.close();
    this.migration.close();
    const { link } = this.replication;
    link?.stop();
    this.failover.close();
    this.shutdown.close();
    this.flushes.close();
    this.clientEviction.close();
    const listenersClosed = this.listeners.close();
    for (const client of this.clients.values()) client.close();
    Promise.all([listenersClosed, this.persistence.close(), link?.ended])
      .then(() => this.#closed.resolve());
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Makes a connection to our primary a client, whose commands the caller reads. */
  welcomePrimary(conn: Deno.Conn): Client {
    const connection = new Connection(this, conn);
    const client = new Client(this, connection, this.#nextClientId++);
    connection.attach(client);
    client.obey();
    client.db = this.dbs[this.replication.selected] ?? this.dbs[0]!;
    this.clients.set(client.id, client);
    return client;
  }

  #expiredOnReplica(): ExpiredOnReplica {
    const { current } = this;
    if (current?.isPrimary) return "alive";
    // A primary whose clients are paused keeps them, too; but what writes nevertheless (a transaction
    // that itself pauses them) must find no key in its way.
    const command = current?.lastCommand;
    const flags = command?.executesQueue ? current?.transaction?.flags : command?.flags;
    const readOnly = this.replication.isReplica && this.config.values["replica-read-only"];
    return !readOnly && ((flags ?? 0) & FLAGS.write) !== 0 ? "removed" : "hidden";
  }

  #welcome(conn: Deno.Conn): void {
    const refusal = this.#refusal(conn);
    if (refusal !== undefined) {
      this.stats.rejectedConnections++;
      // Over TLS he can only be told after a handshake, which he may never finish.
      if ("handshake" in conn) return conn.close();
      conn.write(latin1Bytes(`-${refusal}\r\n`)).catch(() => {}).finally(() => conn.close());
      return;
    }
    const connection = new Connection(this, conn);
    const client = new Client(this, connection, this.#nextClientId++);
    this.clients.set(client.id, client);
    this.stats.connections++;
    connection.serve(client);
  }

  /** Why a new connection is not served, as an error line; undefined if it is. */
  #refusal(conn: Deno.Conn): string | undefined {
    const { values } = this.config;
    if (this.clients.size >= values.maxclients) return "ERR max number of clients reached";
    const isOpen = values["protected-mode"] && values.requirepass === "";
    if (isOpen && !isLocal(conn)) return PROTECTED;
    return undefined;
  }
}

const PROTECTED =
  "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.";
