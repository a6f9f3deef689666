/**
 * A connection's two ways: bytes come from the socket through the RESP decoder, a TransformStream, to
 * the router; replies go from the client's writer to the socket, one write a batch.
 *
 *     SocketSource ──► RespDecoder (writable → readable) ──► Router ──► ReplyWriter ──► socket
 *
 * The source hands each chunk to the decoder's writable side itself: a ReadableStream and a pipe
 * between the two cost a tenth of an unpipelined request. It reads into one buffer again and again,
 * so it reads on only when the chunk before is used up: a batch of commands that was made from it has
 * run, or the decoder has taken what it needs. Reading does not wait for the last write to settle.
 */
import { RespDecoder } from "../resp/decoder.ts";
import type { Chunk } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

/**
 * Bytes read at once, as in Redis, by a connection that has filled its first buffer; most never do, and
 * an idle connection keeps what it has.
 */
const READ_BYTES = 16 * 1024;
const FIRST_READ_BYTES = 4 * 1024;

/** Reads a socket chunk by chunk into a decoder. */
class SocketSource {
  readonly #conn: Deno.Conn;
  readonly #sink: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stats: { inputBytes: number };
  #buf = new Uint8Array(FIRST_READ_BYTES);
  /** Whether more may have waited than the buffer could take. */
  #filled = false;
  readonly #onRead = (count: number | null) => this.#received(count);
  readonly #onError = () => this.#end();

  constructor(
    conn: Deno.Conn,
    sink: WritableStreamDefaultWriter<Uint8Array>,
    stats: { inputBytes: number },
  ) {
    this.#conn = conn;
    this.#sink = sink;
    this.#stats = stats;
  }

  get bufferBytes(): number {
    return this.#buf.length;
  }

  /** Reads the next chunk, over the last one. */
  read(): void {
    if (this.#filled) {
      this.#filled = false;
      this.#buf = new Uint8Array(READ_BYTES);
    }
    this.#conn.read(this.#buf).then(this.#onRead, this.#onError);
  }

  /** The decoder never fails, so the write's promise may go unwatched. */
  #received(count: number | null): void {
    if (count === null) return this.#end();
    this.#stats.inputBytes += count;
    const buf = this.#buf;
    if (count < buf.length) this.#sink.write(buf.subarray(0, count));
    else {
      this.#filled = count < READ_BYTES;
      this.#sink.write(buf);
    }
  }

  /** The peer is gone or we closed: both end the stream. */
  #end(): void {
    this.#sink.close().catch(() => {});
  }
}

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
  #source: SocketSource | undefined;
  /** The chunk being sent, and how much of it has been. */
  #sending: Chunk | undefined;
  #sent = 0;
  #closeWhenSent = false;
  #closed = false;
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

  /** Bytes of the buffer that it reads into. */
  get inputBufferBytes(): number {
    return this.#source?.bufferBytes ?? 0;
  }

  /** Takes the client whose replies it sends; whoever does not have it served reads by himself. */
  attach(client: Client): void {
    this.#client = client;
  }

  /** Serves the client until its connection ends. */
  async serve(client: Client): Promise<void> {
    this.attach(client);
    const { router, stats } = this.#server;
    const decoder: RespDecoder = new RespDecoder(client, () => {
      this.#heard();
      source.read();
    });
    const source = new SocketSource(this.conn, decoder.writable.getWriter(), stats);
    this.#source = source;
    const batches = decoder.readable.getReader();
    source.read();
    try {
      for (;;) {
        const { value: batch, done } = await batches.read();
        if (done) break;
        router.runBatch(client, batch);
        // A decoder that waits for this batch still needs the bytes behind it.
        if (batch.done !== undefined) batch.done();
        else {
          decoder.batchDone();
          source.read();
        }
      }
    } catch (error) {
      this.#server.reportBug("a connection", error);
    }
    this.close();
  }

  /** Bytes came that complete no command: who sends a long one is not idle. */
  #heard(): void {
    const { time } = this.#server;
    const { replica } = this.#client;
    time.refresh();
    this.#client.seenMs = time.nowMs;
    // An empty line is what a replica says while it loads.
    if (replica !== undefined) replica.ackMs = time.nowMs;
  }

  /** Starts to send what the client's writer holds, unless a write is on its way already. */
  flush(): void {
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
    stats.outputBytes += count;
    if (this.#client.feed !== undefined) stats.replicaOutputBytes += count;
    const chunk = this.#sending!;
    this.#sent += count;
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
