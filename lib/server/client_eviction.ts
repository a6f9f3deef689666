/**
 * `maxmemory-clients`: where all clients together take as much, the largest are closed until they do
 * not. Replicas do not count; clients with CLIENT NO-EVICT count, but stay.
 *
 * While there is a limit, a client is counted whenever it may have grown or shrunk: with each flush
 * of its connection, and when commands of it are kept. Who grows is closed not in the midst of that
 * but after a turn of the event loop: what sockets take at once has been written by then and counts
 * no more. All clients are walked over only to choose among them. The cron sees to whatever no flush
 * tells of.
 */
import type { Client } from "./client.ts";
import { clientInfo, clientMemory } from "./client_info.ts";
import type { Server } from "./server.ts";
import { Turn } from "./turn.ts";

/** Redis's least limit, with which one can still talk to the server. */
const LEAST_BYTES = 128 * 1024;

/** While many are being sent messages, who is to go is looked at in the cron's second round. */
const ROUNDS = 2;

/** A command that needs as much could be complete within that turn. */
const LONG_COMMAND = 64 * 1024;

export class ClientEviction {
  /** Whether there is a limit: only then is anything counted. */
  active = false;
  readonly #server: Server;
  #limitBytes = Infinity;
  /** The sum of all clients' `countedMemory`. */
  #totalBytes = 0;
  /** Whether clients are looked at when the turn is over. */
  #due = false;
  /** In how many rounds of the cron they have taken too much. */
  #rounds = 0;
  /** Over the limit with nobody left who may be closed: nobody is looked for until somebody may be. */
  #exhausted = false;
  readonly #turn = new Turn(() => {
    this.#due = false;
    // Who is yet to be sent what is written to him is counted again then.
    if (this.#server.flushes.busy && this.#rounds < ROUNDS) return;
    this.#server.time.refresh();
    this.#run();
  });

  constructor(server: Server) {
    this.#server = server;
  }

  /** The limit is another one now. */
  configure(): void {
    this.#limitBytes = limitBytes(this.#server);
    this.active = this.#limitBytes !== Infinity;
    for (const client of this.#server.clients.values()) {
      if (this.active) this.count(client);
      else this.forget(client);
    }
    if (!this.active) return;
    // Whoever has set it finds it done with his next command.
    queueMicrotask(() => this.#run());
    // The first turn is none of the sockets' yet: it is better had before it matters.
    this.#runSoon();
  }

  /** Counts a client anew, which may have another size now; to be called while {@link active}. */
  count(client: Client): void {
    this.#measure(client);
    if (this.#totalBytes < this.#limitBytes) {
      this.#exhausted = false;
      return;
    }
    if (!this.#exhausted || isEvictable(client)) this.#runSoon();
  }

  /** The same for a client that has begun a command, which takes all of its memory at once. */
  countIncomplete(client: Client): void {
    this.count(client);
    if (client.connection.inputBufferBytes >= LONG_COMMAND) this.#run();
  }

  /** A client counts no more. */
  forget(client: Client): void {
    this.#totalBytes -= client.countedMemory;
    client.countedMemory = 0;
  }

  cron(): void {
    const isOver = this.#totalBytes >= this.#limitBytes;
    this.#rounds = isOver ? this.#rounds + 1 : 0;
    if (isOver && !this.#exhausted) this.#runSoon();
  }

  close(): void {
    this.active = false;
    this.#turn.close();
  }

  #runSoon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#turn.next();
  }

  /** Closes the largest clients as long as all of them take too much. */
  #run(): void {
    if (!this.active || this.#totalBytes < this.#limitBytes) return;
    const { clients, log, stats } = this.#server;
    const evictable: Client[] = [];
    for (const client of clients.values()) {
      this.#measure(client);
      if (isEvictable(client)) evictable.push(client);
    }
    evictable.sort((a, b) => b.countedMemory - a.countedMemory);
    for (const client of evictable) {
      if (this.#totalBytes < this.#limitBytes) return;
      log.notice(`Evicting client: ${clientInfo(client)}`);
      stats.evictedClients++;
      client.close();
    }
    if (this.#totalBytes < this.#limitBytes) return;
    if (!this.#exhausted) log.warning("Over client maxmemory after evicting all evictable clients");
    this.#exhausted = true;
  }

  #measure(client: Client): void {
    const bytes = isCounted(client) ? clientMemory(client) : 0;
    this.#totalBytes += bytes - client.countedMemory;
    client.countedMemory = bytes;
  }
}

function isCounted({ outputClass, isPrimary, connection }: Client): boolean {
  return outputClass !== "replica" && !isPrimary && !connection.closed;
}

function isEvictable(client: Client): boolean {
  return !client.noEvict && isCounted(client);
}

/** The limit in bytes, Infinity for none; a negative directive is a percentage of `maxmemory`. */
function limitBytes(server: Server): number {
  const { maxmemory, "maxmemory-clients": directive } = server.config.values;
  if (directive === 0 || (directive < 0 && maxmemory === 0)) return Infinity;
  const bytes = directive > 0 ? directive : Math.floor(maxmemory * -directive / 100);
  return Math.max(bytes, LEAST_BYTES);
}
