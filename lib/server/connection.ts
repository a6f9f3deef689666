/**
 * A connection's two ways: what is read from the socket goes through the request decoder to the router;
 * replies go from the client's writer to the socket, one write a batch.
 *
 *     conn.read ──► RequestDecoder ──► Router ──► ReplyWriter ──► conn.write
 *
 * It reads into one buffer again and again, so it reads on only when the chunk before is used up: its
 * commands have run, or the decoder has taken what it needs. Reading does not wait for the last write
 * to settle.
 */
import { RequestDecoder } from "../resp/decoder.ts";
import type { Chunk } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

/**
 * Bytes read at once, as in Redis, by a connection that has filled its first buffer; most never do, and
 * an idle connection keeps what it has.
 */
const READ_BYTES = 16 * 1024;
const FIRST_READ_BYTES = 4 * 1024;
/** So long a peer that sends no more may take to read on. */
const LINGER_MS = 10_000;
const NO_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0);

export class Connection {
  readonly conn: Deno.Conn;
  /** `ip:port` or the socket's path of the peer and of our side, as CLIENT LIST shows them. */
  readonly peer: string;
  readonly local: string;
  readonly isUnix: boolean;
  /** Whether the peer is on this machine. */
  readonly isLocal: boolean;

  #server: Server;
  #client!: Client;
  #decoder: RequestDecoder | undefined;
  /** What is read into; empty where the client is not served. */
  #input = NO_BYTES;
  /** The chunk being sent, and how much of it has been. */
  #sending: Chunk | undefined;
  #sent = 0;
  #closeWhenSent = false;
  /** Since when a peer that sends no more has taken nothing. */
  #lingersSinceMs = Infinity;
  #closed = false;
  readonly #onRead = (count: number | null) => this.#received(count);
  readonly #onReadError = () => this.close();
  readonly #onWritten = (count: number) => this.#written(count);
  readonly #onWriteError = () => this.close();

  constructor(server: Server, conn: Deno.Conn) {
    this.#server = server;
    this.conn = conn;
    if ("setNoDelay" in conn) {
      // A reply is several writes only when it is long; waiting for ACKs between them costs 40 ms.
      this.setNoDelay(true);
      if (server.config.values["tcp-keepalive"] > 0) (conn as Deno.TcpConn).setKeepAlive(true);
    }
    this.isLocal = isLocal(conn);
    this.isUnix = conn.localAddr.transport === "unix";
    this.peer = addressText(conn.remoteAddr, conn.localAddr);
    this.local = addressText(conn.localAddr, conn.localAddr);
  }

  /** Whether small writes go out at once; nothing for a Unix socket. */
  setNoDelay(on: boolean): void {
    if ("setNoDelay" in this.conn) (this.conn as Deno.TcpConn).setNoDelay(on);
  }

  /** Bytes of replies that the socket has not taken. */
  get unsentBytes(): number {
    const sending = this.#sending === undefined ? 0 : this.#sending.length - this.#sent;
    return this.#client.reply.bytes + sending + (this.#client.feed?.bytes ?? 0);
  }

  /** Bytes of the buffers that it reads into, and of those that hold a command not yet complete. */
  get inputBufferBytes(): number {
    return this.#input.length + (this.#decoder?.held ?? 0);
  }

  /** Bytes that were read of a command which is not complete. */
  get carriedBytes(): number {
    return this.#decoder?.carried ?? 0;
  }

  /** Those of them that no argument has been made of, and those of the arguments that are whole. */
  get unparsedBytes(): number {
    return this.#decoder?.unparsed ?? 0;
  }

  get parsedBytes(): number {
    return this.#decoder?.parsed ?? 0;
  }

  /** Takes the client whose replies it sends; whoever does not have it served reads by himself. */
  attach(client: Client): void {
    this.#client = client;
  }

  /** Serves the client until its connection ends. */
  serve(client: Client): void {
    this.attach(client);
    this.#decoder = new RequestDecoder(client);
    this.#input = new Uint8Array(FIRST_READ_BYTES);
    this.#read();
  }

  /** Reads the next chunk, over the last one. */
  #read(): void {
    this.conn.read(this.#input).then(this.#onRead, this.#onReadError);
  }

  /** Runs the commands that are complete with what was read; null is the peer's end. */
  #received(count: number | null): void {
    if (this.#closed) return;
    if (count === null) return this.#ended();
    const { router, stats } = this.#server;
    const decoder = this.#decoder!;
    const client = this.#client;
    stats.reads++;
    stats.inputBytes += count;
    const wasLong = decoder.carried >= READ_BYTES;
    try {
      let batch = decoder.decode(this.#input, count);
      if (batch === undefined) this.#heard();
      // A long command is complete: its bytes wait no more.
      else if (wasLong) this.#server.countBytesOf(client);
      for (; batch !== undefined; batch = decoder.next()) router.runBatch(client, batch);
    } catch (error) {
      this.#server.reportBug("a connection", error);
      return this.close();
    }
    if (this.#closed) return;
    // More may have waited than the first buffer could take.
    if (count === FIRST_READ_BYTES && this.#input.length === FIRST_READ_BYTES) {
      this.#input = new Uint8Array(READ_BYTES);
    }
    this.#read();
  }

  /** The peer sends no more; he may still read, so what is on its way to him is sent. */
  #ended(): void {
    const client = this.#client;
    if (this.#sending === undefined || client.feed !== undefined) return this.close();
    client.reply.muted = true;
    client.closeAfterReplies();
    this.#lingersSinceMs = this.#server.time.nowMs;
  }

  /** Closes if the peer, who sends no more, has read nothing for long. */
  checkLingering(): void {
    if (this.#server.time.nowMs - this.#lingersSinceMs > LINGER_MS) this.close();
  }

  /** Bytes came that complete no command: who sends a long one is not idle. */
  #heard(): void {
    const { time } = this.#server;
    const { replica } = this.#client;
    time.refresh();
    this.#client.seenMs = time.nowMs;
    if (this.carriedBytes >= READ_BYTES) this.#server.noteWaiting(this.#client);
    const { clientEviction } = this.#server;
    if (clientEviction.active) clientEviction.countIncomplete(this.#client);
    // An empty line is what a replica says while it loads.
    if (replica !== undefined) replica.ackMs = time.nowMs;
  }

  /** Starts to send what the client's writer holds, unless a write is on its way already. */
  flush(): void {
    const { clientEviction } = this.#server;
    if (clientEviction.active) clientEviction.count(this.#client);
    if (this.#sending !== undefined || this.#closed) return;
    const { reply, feed } = this.#client;
    const chunk = feed === undefined ? reply.take() : feed.take();
    if (chunk === undefined) {
      if (this.#closeWhenSent) this.close();
      return;
    }
    this.#sending = chunk;
    this.#sent = 0;
    const { bytes, length } = chunk;
    this.conn.write(length === bytes.length ? bytes : bytes.subarray(0, length)).then(
      this.#onWritten,
      this.#onWriteError,
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closes as soon as nothing is left to send. */
  closeWhenSent(): void {
    this.#closeWhenSent = true;
    this.#server.flushes.later(this.#client);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.conn.close();
    } catch {
      // The runtime closed it already when the peer went away.
    }
    this.#server.clientGone(this.#client);
  }

  #written(count: number): void {
    const { stats } = this.#server;
    stats.writes++;
    stats.outputBytes += count;
    if (this.#client.feed !== undefined) stats.replicaOutputBytes += count;
    const { replica, isPrimary } = this.#client;
    // Who takes what he is sent is not idle; but these two are sent signs of life, and theirs count.
    if (replica === undefined && !isPrimary) this.#client.seenMs = this.#server.time.nowMs;
    const chunk = this.#sending!;
    this.#sent += count;
    if (this.#lingersSinceMs !== Infinity) this.#lingersSinceMs = this.#server.time.nowMs;
    if (this.#sent < chunk.length) {
      if (!this.#closed) {
        this.conn.write(chunk.bytes.subarray(this.#sent, chunk.length))
          .then(this.#onWritten, this.#onWriteError);
      }
      return;
    }
    chunk.recycle();
    this.#sending = undefined;
    this.flush();
  }
}

/** Whether the peer is on this machine: a loopback address or a Unix socket. */
export function isLocal(conn: Deno.Conn): boolean {
  const { remoteAddr } = conn;
  if (remoteAddr.transport !== "tcp") return true;
  return /^(127\.|::1$|::ffff:127\.)/.test(remoteAddr.hostname);
}

function addressText(address: Deno.Addr, local: Deno.Addr): string {
  if (address.transport === "tcp") {
    const { hostname, port } = address;
    return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  }
  // A Unix socket's peer has no name: Redis shows the socket's path with port 0.
  return `${local.transport === "unix" ? local.path : ""}:0`;
}
