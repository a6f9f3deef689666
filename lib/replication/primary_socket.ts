/**
 * The socket to a primary before its stream begins: commands go out, lines come back, and then as many
 * bytes as an RDB has. What was read beyond that is what the stream begins with.
 */
import { latin1 } from "../bytes/text.ts";
import { systemErrorText } from "../config/special_kinds.ts";
import { requestBytes } from "../resp/request.ts";

const BUFFER_BYTES = 64 * 1024;
/** No line of the handshake is longer. */
const MAX_LINE = 1024;
const LF = 0x0a;
const CR = 0x0d;

/** Why a link has ended or could not be made; the message is what the log says. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

export class PrimarySocket {
  readonly conn: Deno.Conn;
  /** What the log says before the reason where reading fails. */
  failure = "Failed to read response from the server";
  readonly #onRead: (bytes: number) => void;
  readonly #buf = new Uint8Array(BUFFER_BYTES);
  #at = 0;
  #end = 0;

  /** `onRead` is told how many bytes came, each time that some did. */
  constructor(conn: Deno.Conn, onRead: (bytes: number) => void) {
    this.conn = conn;
    this.#onRead = onRead;
  }

  /** Sends a command. */
  async send(...words: readonly string[]): Promise<void> {
    const bytes = requestBytes(...words);
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** The next line, without its end; empty for the newline by which a primary says that it is there. */
  async line(): Promise<string> {
    for (let scanned = this.#at;;) {
      const lf = this.#buf.subarray(0, this.#end).indexOf(LF, scanned);
      if (lf >= 0) {
        const to = lf > this.#at && this.#buf[lf - 1] === CR ? lf - 1 : lf;
        const line = latin1(this.#buf, this.#at, to - this.#at);
        this.#at = lf + 1;
        return line;
      }
      if (this.#end - this.#at > MAX_LINE) throw this.#failed("the line is too long");
      scanned = this.#end - this.#at;
      await this.#fill();
    }
  }

  /** Bytes that have come, one at least; valid until the next read. {@link PrimarySocket.consume} them. */
  async bytes(): Promise<Uint8Array> {
    if (this.#at === this.#end) await this.#fill();
    return this.#buf.subarray(this.#at, this.#end);
  }

  consume(count: number): void {
    this.#at += count;
  }

  /** A copy of what was read and not consumed. */
  rest(): Uint8Array {
    return this.#buf.slice(this.#at, this.#end);
  }

  /** Reads more behind what is there, which moves to the buffer's beginning. */
  async #fill(): Promise<void> {
    this.#buf.copyWithin(0, this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = 0;
    const count = await this.conn.read(this.#buf.subarray(this.#end)).catch((error) => {
      throw this.#failed(systemErrorText(error));
    });
    if (count === null) throw this.#failed("connection lost");
    this.#end += count;
    this.#onRead(count);
  }

  #failed(reason: string): LinkError {
    return new LinkError(`${this.failure}: ${reason}`);
  }
}
