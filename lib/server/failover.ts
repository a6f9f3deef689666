/**
 * FAILOVER: this primary and one of its replicas change places, and no write is lost.
 *
 * Writes wait from the command on, and migrations end. Once the replica has acknowledged all that there is (or time is
 * over and it was forced), we become its replica, and ask it with `PSYNC … FAILOVER` to be a primary.
 * Its answer ends the failover, and the writes that waited are refused by a replica now.
 */
import type { HostPort } from "../config/special_kinds.ts";
import { becomePrimary, becomeReplica } from "./role.ts";
import type { Server } from "./server.ts";

/** As INFO's master_failover_state has them. */
export type FailoverState = "no-failover" | "waiting-for-sync" | "failover-in-progress";

export interface FailoverOptions {
  /** The replica that shall take over; undefined for the first that is ready. */
  readonly target: HostPort | undefined;
  /** When to give up, or with `force` to wait no longer; undefined for never. */
  readonly timeoutMs: number | undefined;
  readonly force: boolean;
}

/** Milliseconds between looks at how far the replicas are. */
const POLL_MS = 100;

export class Failover {
  state: FailoverState = "no-failover";
  readonly #server: Server;
  #target: HostPort | undefined;
  #force = false;
  /** When time is over, on the clock of performance.now(). */
  #endMs = Infinity;
  #poll: ReturnType<typeof setInterval> | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Begins; the options are sound. */
  start({ target, timeoutMs, force }: FailoverOptions): void {
    this.#target = target;
    this.#force = force;
    this.#server.log.notice(`FAILOVER requested to ${targetName(target)}.`);
    this.#endMs = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    this.state = "waiting-for-sync";
    this.#server.pause.hold();
    this.#poll = setInterval(() => this.#look(), POLL_MS);
  }

  /** Gives up, and is a primary as before. */
  abort(reason: string): void {
    this.#server.log.notice(`FAILOVER to ${targetName(this.#target)} aborted: ${reason}`);
    const wasReplica = this.state === "failover-in-progress";
    if (wasReplica) becomePrimary(this.#server);
    this.#end();
  }

  /** The server closes. */
  close(): void {
    clearInterval(this.#poll);
  }

  #look(): void {
    const { log, migration, replication, time } = this.#server;
    time.refresh();
    if (performance.now() >= this.#endMs) {
      if (!this.#force) return this.abort("Replica never caught up before timeout");
      log.notice(`FAILOVER to ${targetName(this.#target)} time out exceeded, failing over.`);
      return this.#hand(this.#target!);
    }
    // The replica must have a migration's DEL, too, which is still to come.
    if (migration.running) return;
    for (const replica of replication.replicas.attached) {
      const { address: host, listeningPort: port, ackOffset } = replica;
      const isTarget = this.#target === undefined ||
        (this.#target.host === host && this.#target.port === port);
      if (!isTarget || ackOffset !== replication.stream.offset) continue;
      log.notice(`Failover target ${targetName({ host, port })} is synced, failing over.`);
      return this.#hand({ host, port });
    }
  }

  /** Asks a replica to take over. */
  #hand(target: HostPort): void {
    clearInterval(this.#poll);
    this.#target = target;
    this.state = "failover-in-progress";
    becomeReplica(this.#server, target, (accepted) => {
      if (accepted) this.#end();
      else this.abort("Failover target rejected psync request");
    });
    this.#server.router.settle();
  }

  #end(): void {
    clearInterval(this.#poll);
    this.state = "no-failover";
    this.#target = undefined;
    this.#server.pause.release();
  }
}

function targetName(target: HostPort | undefined): string {
  return target === undefined ? "any replica" : `${target.host}:${target.port}`;
}
