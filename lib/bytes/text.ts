/**
 * Bytes to strings and back, with nothing lost: one byte a character (Latin-1), or as UTF-8 with an
 * escape for each byte that is not.
 */
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
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A byte that is not UTF-8 stands in a string as this plus its value, a surrogate without its pair. */
const ESCAPE = 0xdc00;

/** In a Latin-1 string: one character's UTF-8 of several bytes, or a byte that is none. */
const SEQUENCE_OR_BYTE =
  /[\xc2-\xdf][\x80-\xbf]|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2}|[\x80-\xff]/g;

/**
 * The bytes of a string that {@link utf8} made, or the UTF-8 of any other: for what comes from the
 * file system or the configuration.
 */
export function utf8Bytes(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8Encoder.encode(text);
  const bytes = new Uint8Array(3 * text.length);
  let from = 0;
  let end = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code > 0xffff) i++;
    if (code < ESCAPE + 0x80 || code > ESCAPE + 0xff) continue;
    if (i > from) end += utf8Encoder.encodeInto(text.slice(from, i), bytes.subarray(end)).written;
    bytes[end++] = code - ESCAPE;
    from = i + 1;
  }
  end += utf8Encoder.encodeInto(text.slice(from), bytes.subarray(end)).written;
  return bytes.subarray(0, end);
}

/**
 * Bytes as a string: UTF-8 as what it spells, any other byte as a lone surrogate, U+DC80 to U+DCFF,
 * which {@link utf8Bytes} turns back.
 */
export function utf8(bytes: Uint8Array): string {
  const text = utf8Decoder.decode(bytes);
  if (!text.includes("\ufffd")) return text;
  return latin1(bytes).replace(
    SEQUENCE_OR_BYTE,
    (part) =>
      part.length === 1
        ? String.fromCharCode(ESCAPE + part.charCodeAt(0))
        : utf8Decoder.decode(latin1Bytes(part)),
  );
}
