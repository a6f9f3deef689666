/**
 * One replica of ours: what it said of itself, how far it is, and what its connection sends it.
 *
 * A client becomes a replica by PSYNC or SYNC; REPLCONF before that tells what it can do. From then on
 * its connection takes from here and not from replies, of which a replica gets none:
 *
 *     `+FULLRESYNC` or `+CONTINUE`  →  the snapshot, piece by piece  →  the stream from its position on
 *
 * Pieces before the stream are few: whoever sends a snapshot waits for {@link Replica.send}.
 */
import { latin1Bytes } from "../bytes/text.ts";
import { Queue } from "../bytes/queue.ts";
import { type Chunk, SharedChunk } from "../resp/reply_writer.ts";
import type { Client, OutputFeed } from "../server/client.ts";
import type { ReplicationStream } from "./stream.ts";

/**
 * - `handshake`: it has not asked for the data yet;
 * - `waiting`: for a snapshot to begin;
 * - `snapshot`: its snapshot is written, on its way to it or into a file;
 * - `bulk`: that file is sent;
 * - `online`: it has the data, and gets the stream (after its first ACK, if a mark ended the data);
 * - `served`: it wanted the data only, has them, and is about to be closed.
 */
export type ReplicaState = "handshake" | "waiting" | "snapshot" | "bulk" | "online" | "served";

/** What INFO and the log call the states. */
const STATE_NAMES: Readonly<Record<ReplicaState, string>> = {
  handshake: "",
  waiting: "wait_bgsave",
  snapshot: "wait_bgsave",
  bulk: "send_bulk",
  online: "online",
  served: "",
};

export class Replica implements OutputFeed {
  readonly client: Client;
  state: ReplicaState = "handshake";

  /** REPLCONF listening-port and ip-address; 0 and empty if not given. */
  listeningPort = 0;
  announcedAddress = "";
  /** REPLCONF capa: it understands data that a mark ends, and a new ID after `+CONTINUE`. */
  takesMark = false;
  takesNewId = false;
  /** REPLCONF rdb-only: it wants no stream. */
  wantsOnlyData = false;
  /** REPLCONF rdb-filter-only: it wants a snapshot without keys. */
  wantsNoKeys = false;
  /** It used SYNC, and never tells how far it is. */
  isOld = false;

  /** How far it is, by its own word (REPLCONF ACK), and when it said so last. */
  ackOffset = 0;
  ackMs = 0;
  /** Up to where it has its data in an append-only file that is on disk (REPLCONF ACK … FACK). */
  fileOffset = 0;

  /** The first byte of the stream that it has yet to be sent. */
  position = 0;
  /** Whether it is sent the stream. */
  streams = false;
  /** When its socket last took a piece that {@link Replica.send} waits for; undefined if none waits. */
  stalledSinceMs: number | undefined;

  readonly #stream: ReplicationStream;
  readonly #pieces = new Queue<Uint8Array>();
  #onSent: (() => void) | undefined;

  constructor(client: Client, stream: ReplicationStream) {
    this.client = client;
    this.#stream = stream;
  }

  /** Where it listens, as it said or as its connection shows. */
  get address(): string {
    if (this.announcedAddress !== "") return this.announcedAddress;
    const { remoteAddr } = this.client.connection.conn;
    return remoteAddr.transport === "tcp" ? remoteAddr.hostname : "";
  }

  /** How the log calls it. */
  get name(): string {
    const { address, listeningPort } = this;
    if (address === "") return `client id #${this.client.id}`;
    const host = address.includes(":") ? `[${address}]` : address;
    return listeningPort === 0 ? `${address}:<unknown-replica-port>` : `${host}:${listeningPort}`;
  }

  get stateName(): string {
    return STATE_NAMES[this.state];
  }

  /** Whether the stream must be kept from its position on. */
  get needsStream(): boolean {
    if (this.state === "online") return true;
    return !this.wantsOnlyData && (this.state === "snapshot" || this.state === "bulk");
  }

  /**
   * Bytes that wait for it: of the stream, and of its snapshot while it does not take what it was sent,
   * for what clients change meanwhile is written there before.
   */
  get bytes(): number {
    const isStalled = this.state === "snapshot" && this.stalledSinceMs !== undefined;
    const ofSnapshot = isStalled ? this.client.server.persistence.waitingBytes : 0;
    return ofSnapshot + (this.needsStream ? this.#stream.offset - this.position : 0);
  }

  /** The next piece for its connection, which asks when the one before is sent. */
  take(): Chunk | undefined {
    const { client } = this;
    if (client.reply.bytes > 0) {
      const command = client.lastCommand?.fullName ?? "<unknown>";
      client.server.log.warning(
        `Replica generated a reply to command '${command}', disconnecting it: ${this.name}`,
      );
      client.close();
      return undefined;
    }
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      if (this.#onSent !== undefined) this.stalledSinceMs = client.server.time.nowMs;
      return new SharedChunk(piece);
    }
    this.#sent();
    if (!this.streams || this.position === this.#stream.offset) return undefined;
    const view = this.#stream.view(this.position);
    this.position += view.length;
    return new SharedChunk(view);
  }

  /** Sends text before the stream. */
  sendText(text: string): void {
    this.#pieces.push(latin1Bytes(text));
    this.client.connection.flush();
  }

  /** A sign of life while there is nothing to send. */
  sendNewline(): void {
    if (this.#pieces.length === 0) this.sendText("\n");
  }

  /** Begins with the stream, behind what is still to be sent before it. */
  stream(): void {
    this.streams = true;
    this.client.connection.flush();
  }

  /** Sends pieces of a snapshot, before the stream; resolves when its socket has them, or it is gone. */
  send(pieces: readonly Uint8Array[]): Promise<void> {
    const { client } = this;
    if (client.connection.closed) return Promise.resolve();
    for (const piece of pieces) this.#pieces.push(piece);
    this.stalledSinceMs = client.server.time.nowMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onSent = resolve;
    client.connection.flush();
    return promise;
  }

  /** Its connection is gone. */
  leave(): void {
    this.streams = false;
    this.#pieces.clear();
    this.#sent();
  }

  #sent(): void {
    this.stalledSinceMs = undefined;
    this.#onSent?.();
    this.#onSent = undefined;
  }
}
