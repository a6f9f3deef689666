/** Commands as a client sends them: an array of bulk strings. */
import { utf8Bytes } from "../bytes/text.ts";

/** A command of some words of text, encoded as UTF-8. */
export function requestBytes(...words: readonly string[]): Uint8Array {
  const bulks = words.map((word) => `$${utf8Bytes(word).length}\r\n${word}\r\n`);
  return utf8Bytes(`*${words.length}\r\n${bulks.join("")}`);
}
