/**
 * The end of the server, by SHUTDOWN or a signal: first migrations end and its replicas get what they
 * lack, for `shutdown-timeout` at the longest, while writes wait; then the data are saved where that is
 * wanted. Where they cannot be, the server goes on.
 */
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

export interface ShutdownOptions {
  /** SAVE, NOSAVE, or neither. */
  readonly save?: boolean;
  /** Replicas are not waited for. */
  readonly now: boolean;
  /** It ends though the data could not be saved. */
  readonly force: boolean;
}

/** Milliseconds between looks at how far the replicas are. */
const POLL_MS = 100;
const FAILED = "ERR Errors trying to SHUTDOWN. Check logs.";

export class Shutdown {
  readonly #server: Server;
  /** Set while it waits for replicas or migrations. */
  #waiting: { readonly options: ShutdownOptions; readonly endMs: number } | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;
  /** Clients whose SHUTDOWN this is; they are answered only if it fails. */
  readonly #clients = new Set<Client>();

  constructor(server: Server) {
    this.#server = server;
  }

  /** For how long it will wait at the most, on the clock of performance.now(); 0 if it does not. */
  get leftMs(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.endMs - performance.now();
  }

  /**
   * Begins, unless it has begun, and ends the server at once if it can. Throws a ReplyError where the
   * data cannot be saved; when that turns out later, `client` is answered so.
   */
  begin(options: ShutdownOptions, client?: Client): void {
    const { blocking, config, log, migration, pause } = this.#server;
    if (this.#waiting === undefined) {
      log.notice("User requested shutdown...");
      const timeoutMs = 1000 * config.values["shutdown-timeout"];
      if (options.now || timeoutMs === 0 || this.#isReady()) return this.#finish(options);
      log.notice(
        `Waiting for ${migration.running ? "migrations" : "replicas"} before shutting down.`,
      );
      pause.hold();
      this.#waiting = { options, endMs: performance.now() + timeoutMs };
      this.#poll = setInterval(() => this.#look(), POLL_MS);
    }
    if (client === undefined) return;
    this.#clients.add(client);
    blocking.block(client, 0, undefined, () => this.#clients.delete(client));
  }

  /** SIGINT or SIGTERM: SHUTDOWN as `shutdown-on-sigint` and `shutdown-on-sigterm` have it. */
  receive(signal: "SIGINT" | "SIGTERM"): void {
    const { config: { values }, log } = this.#server;
    log.warning(`Received ${signal} scheduling shutdown...`);
    const options = values[signal === "SIGINT" ? "shutdown-on-sigint" : "shutdown-on-sigterm"];
    try {
      this.begin({
        ...(options.includes("save") ? { save: true } : {}),
        now: options.includes("now"),
        force: options.includes("force"),
      });
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
    }
  }

  /** SHUTDOWN ABORT: returns whether there was one that waited. */
  abort(): boolean {
    if (this.#waiting === undefined) return false;
    this.#server.log.notice("Shutdown manually aborted.");
    this.#giveUp();
    return true;
  }

  /** The server closes, for whatever reason. */
  close(): void {
    clearInterval(this.#poll);
  }

  #look(): void {
    if (this.leftMs > 0 && !this.#isReady()) return;
    const { options } = this.#waiting!;
    this.#server.time.refresh();
    try {
      this.#finish(options);
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      this.#giveUp();
    }
  }

  #giveUp(): void {
    clearInterval(this.#poll);
    this.#waiting = undefined;
    this.#server.pause.release();
    for (const client of [...this.#clients]) {
      client.reply.error(FAILED);
      // As in Redis, that is a failure and no call.
      client.lastCommand!.failed++;
      this.#server.blocking.unblock(client);
    }
  }

  /** Whether no key is about to go, and the replicas have all there is. */
  #isReady(): boolean {
    const { migration, replication: { replicas, stream } } = this.#server;
    if (migration.running) return false;
    for (const { ackOffset } of replicas.attached) if (ackOffset !== stream.offset) return false;
    return true;
  }

  #finish({ save, force }: ShutdownOptions): void {
    const { config: { values }, log, persistence } = this.#server;
    this.#tellLag();
    if (persistence.abortSave()) log.warning("There is a child saving an .rdb. Killing it!");
    // What is half loaded must not take the place of the whole.
    if (persistence.loading === undefined && (save ?? values.save.length > 0)) {
      log.notice("Saving the final RDB snapshot before exiting.");
      if (!persistence.save()) {
        if (!force) {
          log.warning("Error trying to save the DB, can't exit.");
          log.warning(
            "Errors trying to shut down the server. Check the logs for more information.",
          );
          throw new ReplyError(FAILED);
        }
        log.warning("Error trying to save the DB. Exit anyway.");
      }
    }
    log.warning("Redis is now ready to exit, bye bye...");
    this.#server.close();
  }

  #tellLag(): void {
    const { log, replication: { replicas, stream } } = this.#server;
    const { size } = replicas.attached;
    if (size === 0) return;
    let inSync = 0;
    for (const replica of replicas.attached) {
      const { name, ackOffset, stateName } = replica;
      if (ackOffset === stream.offset) inSync++;
      else {
        log.notice(
          `Lagging replica ${name} reported offset ${stream.offset - ackOffset} behind master, ` +
            `lag=${replicas.lagSeconds(replica)}, state=${stateName}.`,
        );
      }
    }
    log.notice(`${inSync} of ${size} replicas are in sync when shutting down.`);
  }
}
