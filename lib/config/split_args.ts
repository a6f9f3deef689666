/**
 * The quoting of configuration lines: words parted by white space; "…" with the escapes `\xHH`,
 * `\n`, `\r`, `\t`, `\b`, `\a`; '…' with `\'` alone. The inline commands' decoder does the same on
 * bytes.
 */
import { quoted } from "../bytes/quote.ts";
import { latin1, latin1Bytes, utf8, utf8Bytes } from "../bytes/text.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  a: "\x07",
};

/** A line's words, or undefined where a quote is left open or something follows a closing one. */
export function splitArgs(line: string): string[] | undefined {
  // One character a byte while splitting, so that `\xHH` can spell UTF-8.
  const text = latin1(utf8Bytes(line));
  const words: string[] = [];
  let at = 0;
  while (true) {
    while (at < text.length && isSpace(text[at]!)) at++;
    if (at === text.length) return words;
    let word = "";
    let quote = "";
    while (at < text.length) {
      const char = text[at]!;
      if (quote === "") {
        if (isSpace(char)) break;
        if (char === '"' || char === "'") quote = char;
        else word += char;
        at++;
      } else if (char === quote) {
        at++;
        if (at < text.length && !isSpace(text[at]!)) return undefined;
        quote = "";
      } else if (char === "\\" && quote === '"' && /^x[0-9a-f]{2}/i.test(text.slice(at + 1))) {
        word += String.fromCharCode(parseInt(text.slice(at + 2, at + 4), 16));
        at += 4;
      } else if (char === "\\" && quote === '"' && at + 1 < text.length) {
        word += ESCAPES[text[at + 1]!] ?? text[at + 1]!;
        at += 2;
      } else if (char === "\\" && text[at + 1] === "'") {
        word += "'";
        at += 2;
      } else {
        word += char;
        at++;
      }
    }
    if (quote !== "") return undefined;
    words.push(utf8(latin1Bytes(word)));
  }
}

/** A line without the white space around it that Redis takes off. */
export function trimLine(line: string): string {
  return line.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
}

/** `text` in double quotes, so that {@link splitArgs} reads it back as one word. */
export function quoteArg(text: string): string {
  return quoted(utf8Bytes(text));
}

function isSpace(char: string): boolean {
  return char === " " || (char >= "\t" && char <= "\r") || char === "\0";
}
