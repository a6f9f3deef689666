/**
 * A message as subscribers get it: an array under RESP2, a push under RESP3. It is written straight
 * behind the replies of a topic's only subscriber; for several it is encoded once a protocol, into
 * bytes that they share.
 */
import { latin1Bytes } from "../bytes/text.ts";
import { ReplyWriter, SharedChunk } from "../resp/reply_writer.ts";

/** What a message begins with under each protocol: how many parts there are, and the first. */
export interface MessageKind {
  readonly resp2: Uint8Array;
  readonly resp3: Uint8Array;
}

export const MESSAGE = messageKind(3, "message");
export const SHARD_MESSAGE = messageKind(3, "smessage");
export const PATTERN_MESSAGE = messageKind(4, "pmessage");

/** Encodes what is shared. */
const writer = new ReplyWriter();

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** One object for all messages: it refers to the bytes of the publishing command, and lasts no longer. */
export class Message {
  #kind: MessageKind = MESSAGE;
  #isShared = false;
  #pattern: Uint8Array | undefined;
  #buf = NO_BYTES;
  #off = 0;
  #len = 0;
  #text = NO_BYTES;
  #textOff = 0;
  #textLen = 0;
  #resp2: SharedChunk | undefined;
  #resp3: SharedChunk | undefined;

  /** Becomes another: the channel in `buf`, and the text. */
  set(
    buf: Uint8Array,
    off: number,
    len: number,
    text: Uint8Array,
    textOff: number,
    textLen: number,
  ): void {
    this.#buf = buf;
    this.#off = off;
    this.#len = len;
    this.#text = text;
    this.#textOff = textOff;
    this.#textLen = textLen;
  }

  /** Is to go to a topic's `receivers` subscribers, with the pattern where there is one. */
  address(kind: MessageKind, receivers: number, pattern?: Uint8Array): void {
    this.#kind = kind;
    this.#isShared = receivers > 1;
    this.#pattern = pattern;
    this.#resp2 = this.#resp3 = undefined;
  }

  /** Adds it to what a client will be sent. */
  writeTo(reply: ReplyWriter): void {
    if (this.#isShared) reply.shared(this.chunk(reply.protocol));
    else this.#encode(reply);
  }

  /** Its bytes for a protocol. */
  chunk(protocol: number): SharedChunk {
    if (protocol === 2) return this.#resp2 ??= this.#encoded(2);
    return this.#resp3 ??= this.#encoded(3);
  }

  #encoded(protocol: number): SharedChunk {
    writer.protocol = protocol;
    this.#encode(writer);
    const bytes = new Uint8Array(writer.bytes);
    let at = 0;
    for (let chunk = writer.take(); chunk !== undefined; chunk = writer.take()) {
      bytes.set(chunk.bytes.subarray(0, chunk.length), at);
      at += chunk.length;
      chunk.recycle();
    }
    return new SharedChunk(bytes);
  }

  #encode(reply: ReplyWriter): void {
    reply.raw(reply.protocol === 2 ? this.#kind.resp2 : this.#kind.resp3);
    if (this.#pattern !== undefined) reply.bulk(this.#pattern);
    reply.bulk(this.#buf, this.#off, this.#len);
    reply.bulk(this.#text, this.#textOff, this.#textLen);
  }
}

function messageKind(parts: number, name: string): MessageKind {
  const rest = `${parts}\r\n$${name.length}\r\n${name}\r\n`;
  return { resp2: latin1Bytes(`*${rest}`), resp3: latin1Bytes(`>${rest}`) };
}
