/** Bytes to strings and back, one byte a character (Latin-1), which loses nothing. */
import { Buffer } from "node:buffer";

/** `len` bytes of `buf` from `off` on, as a string of characters U+0000 to U+00FF. */
export function latin1(buf: Uint8Array, off = 0, len = buf.length - off): string {
  if (len > 24) return Buffer.from(buf.buffer, buf.byteOffset + off, len).toString("latin1");
  let text = "";
  for (let i = off; i < off + len; i++) text += String.fromCharCode(buf[i]!);
  return text;
}

/** The bytes of a string whose characters are all at most U+00FF. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Text up to its first NUL: what Redis makes of arguments that it formats as C strings. */
export function cString(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder();

/** A string's UTF-8 bytes: for what comes from the file system or the configuration. */
export function utf8Bytes(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** UTF-8 bytes as a string, U+FFFD where they are not UTF-8. */
export function utf8(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes);
}
