/**
 * The server: its databases, clients and what they share, from listening to closing. It wires the
 * parts together; what each does stands in its own file.
 */
import { COMMANDS } from "../commands/index.ts";
import type { Config } from "../config/config.ts";
import { AccessPolicy } from "../store/access.ts";
import { Database, type DatabaseContext, KeyspaceStats } from "../store/database.ts";
import { CachedTime } from "../store/time.ts";
import { Blocking } from "./blocking.ts";
import { Client } from "./client.ts";
import { type Command, CommandTable } from "./command.ts";
import { Connection } from "./connection.ts";
import { Effects } from "./effects.ts";
import { GATE } from "./gates.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";
import { Pause } from "./pause.ts";
import { Router } from "./router.ts";
import { Slowlog } from "./slowlog.ts";
import { Stats } from "./stats.ts";
import { Watches } from "./transactions.ts";

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
  readonly watches = new Watches();
  readonly effects = new Effects(this.watches);
  readonly router = new Router(this, this.commands);
  readonly blocking = new Blocking((client) => this.router.resume(client));
  readonly pause: Pause;
  readonly databaseContext: DatabaseContext;
  readonly onErrorReply = (line: string) => this.stats.noteError(line);
  readonly startedMs: number;
  /** 40 hex digits that name this run: INFO's run_id. */
  readonly runId: string;

  /** Bits of {@link GATE} that hold for every client. */
  gates = 0;
  /** Whether every command is timed by itself, because the slow log wants short ones too. */
  timesEachCommand = false;

  #listeners: Deno.Listener[] = [];
  #nextClientId = 1;
  /** Clients with replies to send at the end of the running batch. */
  #flushes: Client[] = [];
  #closing = false;

  constructor(parts: ServerParts) {
    this.config = parts.config;
    this.log = parts.log;
    this.random = parts.random;
    this.time = new CachedTime(parts.clock);
    this.startedMs = this.time.nowMs;
    this.runId = hexDigits(40, parts.random);
    this.access = new AccessPolicy(this.time, parts.random);
    this.databaseContext = {
      time: this.time,
      access: this.access,
      listener: this.effects,
      stats: this.keyspaceStats,
      random: parts.random,
      expires: true,
    };
    this.dbs = Array.from(
      { length: this.config.values.databases },
      (_, number) => new Database(number, this.databaseContext),
    );
    this.pause = new Pause(
      parts.clock,
      (on) => this.setGate(GATE.paused, on),
      (client) => this.router.resume(client),
    );
  }

  /** Binds every address of the configuration; throws one Error with a sentence where it cannot. */
  async listen(): Promise<void> {
    this.#listeners = await listen(this.config, this.log);
    for (const listener of this.#listeners) this.#accept(listener);
  }

  /** The TCP port in use, also where the configuration asked for any (`port 0`). */
  get port(): number {
    for (const { addr } of this.#listeners) if (addr.transport === "tcp") return addr.port;
    return 0;
  }

  setGate(bit: number, on: boolean): void {
    this.gates = on ? this.gates | bit : this.gates & ~bit;
  }

  /** Sends what is written to a client other than the running one, at the end of the batch. */
  flushLater(client: Client): void {
    if (client.flushQueued) return;
    client.flushQueued = true;
    this.#flushes.push(client);
  }

  flushOthers(): void {
    if (this.#flushes.length === 0) return;
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const client of flushes) {
      client.flushQueued = false;
      client.connection.flush();
    }
  }

  /** Frees memory as `maxmemory-policy` says; returns whether the rest is within `maxmemory`. */
  makeRoom(): boolean {
    return true;
  }

  /** Closes a client whose unread commands outgrew `client-query-buffer-limit`. */
  limitInput(client: Client, overflow = false): void {
    if (!overflow && client.pendingBytes <= client.limits.maxCarry) return;
    this.stats.queryBufferDisconnections++;
    client.close();
  }

  /** Closes a client that does not read what it is sent. */
  limitOutput(_client: Client): void {
  }

  /** A handler threw what is no ReplyError: our mistake, and one client's answer. */
  reportBug(client: Client, command: Command, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error);
    this.log.warning(`Internal error in ${command.fullName}, please report it: ${stack}`);
    client.reply.error("ERR internal error, see the server's log");
  }

  /** A connection has ended: nothing of its client remains. */
  clientGone(client: Client): void {
    client.closing = true;
    this.blocking.forget(client);
    this.pause.forget(client);
    this.watches.unwatch(client);
    client.reply.clear();
    this.clients.delete(client.id);
  }

  /** Stops listening and closes every connection. */
  close(): Promise<void> {
    this.#closing = true;
    for (const listener of this.#listeners) listener.close();
    for (const client of this.clients.values()) client.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    while (!this.#closing) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (this.#closing) return;
        this.log.warning(`Accepting a connection failed: ${error}`);
        continue;
      }
      this.#welcome(conn);
    }
  }

  #welcome(conn: Deno.Conn): void {
    const connection = new Connection(this, conn);
    const client = new Client(this, connection, this.#nextClientId++);
    this.clients.set(client.id, client);
    this.stats.connections++;
    connection.serve(client);
  }
}

function hexDigits(count: number, random: () => number): string {
  let digits = "";
  for (let i = 0; i < count; i++) digits += Math.floor(random() * 16).toString(16);
  return digits;
}
