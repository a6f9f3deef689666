/** What SCAN and its kin read from their arguments: `cursor [MATCH p] [COUNT n] [TYPE t]`. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import { integerArg } from "./arguments.ts";

const DEFAULT_COUNT = 10;
const CURSOR = /^[+-]?[0-9]+$/;
const MAX_CURSOR = 2n ** 64n - 1n;
const INVALID_CURSOR = new ReplyError("ERR invalid cursor");

export interface ScanOptions {
  /** The cursor's low 32 bits: ours have no more. */
  readonly cursor: number;
  readonly count: number;
  /** Absent where everything matches. A view of the arguments. */
  readonly pattern: Uint8Array | undefined;
  /** Index of TYPE's argument, or 0. */
  readonly type: number;
}

/** Reads the cursor at argument `at` and the options behind it. */
export function scanOptions(args: Args, at: number, takesType: boolean): ScanOptions {
  const cursor = scanCursor(args, at);
  let count = DEFAULT_COUNT;
  let pattern: Uint8Array | undefined;
  let type = 0;
  for (let i = at + 1; i < args.count; i += 2) {
    if (i + 1 === args.count) throw SYNTAX_ERROR;
    if (args.is(i, "COUNT")) {
      count = integerArg(args, i + 1);
      if (count < 1) throw SYNTAX_ERROR;
    } else if (args.is(i, "MATCH")) {
      // Only the lone star stands for everything: no other pattern matches the empty string.
      pattern = args.text(i + 1) === "*" ? undefined : args.view(i + 1);
    } else if (takesType && args.is(i, "TYPE")) {
      type = i + 1;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return { cursor, count, pattern, type };
}

/**
 * The cursor at argument `i`. It is what C's strtoul takes but leading space: so a sign, and nothing
 * at all for 0. HSCAN and its like check it before they look at the key, and the options after that.
 */
export function scanCursor(args: Args, i: number): number {
  const text = args.text(i).split("\0", 1)[0]!;
  if (text === "") return 0;
  if (!CURSOR.test(text)) throw INVALID_CURSOR;
  const value = BigInt(text.replace("+", ""));
  if (value > MAX_CURSOR || value < -MAX_CURSOR) throw INVALID_CURSOR;
  return Number(BigInt.asUintN(32, value));
}
