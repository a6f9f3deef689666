/**
 * A message as subscribers get it, encoded once for all of them: an array under RESP2, a push under
 * RESP3, which differ in their first byte alone.
 *
 * A message of usual size is written into one array for all messages, so it is valid until the next
 * one; a long one has arrays of its own, one for each protocol, which replies hold without a copy.
 */
import { copyBytes } from "../bytes/arena.ts";
import { formatInteger } from "../bytes/integer.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { SHARED_FROM } from "../resp/reply_writer.ts";

const ARRAY = 0x2a;
const PUSH = 0x3e;
const BULK = 0x24;
const CR = 0x0d;
const LF = 0x0a;
/** A bulk's head and both line ends, at most. */
const BULK_ROOM = 32;

export const MESSAGE = latin1Bytes("*3\r\n$7\r\nmessage\r\n");
export const SHARD_MESSAGE = latin1Bytes("*3\r\n$8\r\nsmessage\r\n");
export const PATTERN_MESSAGE = latin1Bytes("*4\r\n$8\r\npmessage\r\n");

const scratch = new Uint8Array(SHARED_FROM);

export class Message {
  readonly length: number;
  readonly #bytes: Uint8Array;
  /** The other array of a long message. */
  #push: Uint8Array | undefined;

  constructor(bytes: Uint8Array, length: number) {
    this.#bytes = bytes;
    this.length = length;
  }

  /** Its bytes for a protocol: the first {@link Message.length} of an array. */
  bytes(protocol: number): Uint8Array {
    const bytes = this.#bytes;
    if (bytes === scratch) {
      bytes[0] = protocol === 2 ? ARRAY : PUSH;
      return bytes;
    }
    if (protocol === 2) return bytes;
    if (this.#push === undefined) {
      this.#push = bytes.slice();
      this.#push[0] = PUSH;
    }
    return this.#push;
  }
}

/** A message of this kind: its head, the pattern where there is one, the channel and the text. */
export function encodeMessage(
  head: Uint8Array,
  pattern: Uint8Array | undefined,
  buf: Uint8Array,
  channelOff: number,
  channelLen: number,
  text: Uint8Array,
  textOff: number,
  textLen: number,
): Message {
  const room = head.length + (pattern?.length ?? 0) + channelLen + textLen + 3 * BULK_ROOM;
  const bytes = room < scratch.length ? scratch : new Uint8Array(room);
  copyBytes(head, 0, bytes, 0, head.length);
  let at = head.length;
  if (pattern !== undefined) at = writeBulk(bytes, at, pattern, 0, pattern.length);
  at = writeBulk(bytes, at, buf, channelOff, channelLen);
  at = writeBulk(bytes, at, text, textOff, textLen);
  return new Message(bytes, at);
}

function writeBulk(
  bytes: Uint8Array,
  at: number,
  src: Uint8Array,
  off: number,
  len: number,
): number {
  bytes[at] = BULK;
  at = formatInteger(len, bytes, at + 1);
  bytes[at] = CR;
  bytes[at + 1] = LF;
  copyBytes(src, off, bytes, at + 2, len);
  at += 2 + len;
  bytes[at] = CR;
  bytes[at + 1] = LF;
  return at + 2;
}
