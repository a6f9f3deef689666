/**
 * What the server does by the clock, `hz` times a second: expiry, rehashing, time-outs of clients,
 * and the rates that INFO tells. Each round is bounded, since clients wait for it.
 */
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

/** Of each second, as Redis: at most a quarter for expiry. */
const EXPIRY_SHARE = 0.25;
/** Milliseconds a round for moving on indexes that grow or shrink while nobody writes. */
const REHASH_MS = 1;
const REHASH_SLOTS = 512;
/** Clients looked at in a round, at least; all of them within a second. */
const MIN_CLIENTS = 5;
const SAMPLES = 16;
const SAMPLE_MS = 100;
const REPLICATION_MS = 1000;
/** A round is late that begins so long after its time. */
const LATE_MS = 500;

/** A counter's rate over its last samples. */
export class Rate {
  #samples = new Float64Array(SAMPLES);
  #next = 0;
  #lastCount = 0;
  #lastMs = 0;

  sample(count: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#lastMs;
    if (elapsedMs > 0 && this.#lastMs > 0) {
      this.#samples[this.#next] = Math.max(0, (count - this.#lastCount) * 1000 / elapsedMs);
      this.#next = (this.#next + 1) % SAMPLES;
    }
    this.#lastCount = count;
    this.#lastMs = nowMs;
  }

  get perSecond(): number {
    return this.#samples.reduce((sum, sample) => sum + sample, 0) / SAMPLES;
  }
}

export class Cron {
  readonly commandRate = new Rate();
  readonly inputRate = new Rate();
  readonly outputRate = new Rate();
  readonly replicationInputRate = new Rate();
  readonly replicationOutputRate = new Rate();
  readonly cycleRate = new Rate();
  /** Microseconds a cycle: a rate over cycles, not over time. */
  readonly cycleUsec = new Rate();
  readonly #server: Server;
  #interval: ReturnType<typeof setInterval> | undefined;
  #sampledMs = 0;
  #replicatedMs = 0;
  /** When the last round began. */
  #roundMs = 0;
  /** Clients yet to be looked at in this second. */
  #clients: Iterator<Client> | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Starts, or starts anew with the configuration's `hz`. */
  start(): void {
    this.stop();
    const { hz } = this.#server.config.values;
    this.#roundMs = performance.now();
    this.#interval = setInterval(() => this.#round(), 1000 / hz);
    // The timer alone is no reason to keep a program running that embeds a closed server.
    Deno.unrefTimer(Number(this.#interval));
  }

  stop(): void {
    clearInterval(this.#interval);
  }

  #round(): void {
    const server = this.#server;
    server.time.refresh();
    const startMs = performance.now();
    const { hz } = server.config.values;
    // The event loop runs timers first: what came while something else took long is yet to be read, and
    // nobody is silent who said it.
    const isLate = startMs - this.#roundMs > 1000 / hz + LATE_MS;
    this.#roundMs = startMs;
    if (server.persistence.loading === undefined) {
      server.activeExpiry.run(server.dbs, 1000 / hz * EXPIRY_SHARE);
      server.ownExpiry.run(server.dbs);
      const tookMs = performance.now() - startMs;
      server.stats.expiryMs += tookMs;
      server.latency.note("expire-cycle", tookMs, server.time.nowMs);
    }
    server.persistence.cron();
    this.#rehash();
    if (!isLate) this.#watchClients(hz);
    server.countClientBytes();
    server.clientEviction.cron();
    server.tracking.giveUp();
    server.migration.expire();
    if (startMs - this.#replicatedMs >= REPLICATION_MS) {
      this.#replicatedMs = startMs;
      server.replication.cron();
      if (!isLate) server.replication.judge();
    }
    if (startMs - this.#sampledMs >= SAMPLE_MS) {
      this.#sampledMs = startMs;
      const { stats } = server;
      this.commandRate.sample(stats.commands, startMs);
      this.inputRate.sample(stats.inputBytes, startMs);
      this.outputRate.sample(stats.outputBytes, startMs);
      this.cycleRate.sample(stats.cycles, startMs);
      this.cycleUsec.sample(stats.busyUsec / 1000, stats.cycles);
      this.replicationInputRate.sample(stats.replicationInputBytes, startMs);
      this.replicationOutputRate.sample(stats.replicaOutputBytes, startMs);
      stats.peakMemoryBytes = Math.max(stats.peakMemoryBytes, server.usedMemory);
    }
    server.router.settle();
  }

  #rehash(): void {
    if (!this.#server.config.values.activerehashing) return;
    const untilMs = performance.now() + REHASH_MS;
    for (const { map } of this.#server.dbs) {
      while (map.rehashing && performance.now() < untilMs) map.rehash(REHASH_SLOTS);
    }
  }

  #watchClients(hz: number): void {
    const server = this.#server;
    const count = Math.max(MIN_CLIENTS, Math.ceil(server.clients.size / hz));
    for (let i = 0; i < count; i++) {
      this.#clients ??= server.clients.values();
      const { value, done } = this.#clients.next();
      if (done === true) {
        this.#clients = undefined;
        return;
      }
      server.checkTimeout(value);
      server.limitOutput(value);
      if (server.clientEviction.active) server.clientEviction.count(value);
    }
  }
}
