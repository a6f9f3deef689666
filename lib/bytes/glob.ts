/**
 * Redis's glob patterns over bytes: `*`, `?`, `[a-z]`, `[^…]` and `\` as escape.
 *
 * The corners are Redis's too: bytes of a range compare as signed chars; an escaped byte in a class
 * heeds case even where the rest does not; a class may end with the pattern; and nothing but the
 * empty pattern matches an empty subject. Reading past the pattern's end sees 0, as C's
 * terminator is.
 */

const STAR = 0x2a;
const MINUS = 0x2d;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const CARET = 0x5e;

/** Deeper than so many `*`, a pattern matches nothing. */
const MAX_NESTING = 1000;

const NO = 0;
const YES = 1;
/**
 * A `*` tried every rest of the subject in vain. Then no earlier `*` can succeed by taking more, and
 * the whole match ends: this is what keeps many `*` from costing exponential time.
 */
const NEVER = 2;

/** Whether all of `subject` matches `pattern`. */
export function globMatch(pattern: Uint8Array, subject: Uint8Array, ignoreCase = false): boolean {
  return match(pattern, 0, subject, 0, subject.length, ignoreCase, 0) === YES;
}

/** Whether the `len` bytes of `subject` from `off` on match `pattern`. */
export function globMatchAt(
  pattern: Uint8Array,
  subject: Uint8Array,
  off: number,
  len: number,
  ignoreCase: boolean,
): boolean {
  return match(pattern, 0, subject, off, off + len, ignoreCase, 0) === YES;
}

/** Matches `pattern` from `p` on against `subject` from `s` up to `end`: NO, YES or NEVER. */
function match(
  pattern: Uint8Array,
  p: number,
  subject: Uint8Array,
  s: number,
  end: number,
  ignoreCase: boolean,
  nesting: number,
): number {
  if (nesting > MAX_NESTING) return NO;
  const patternEnd = pattern.length;
  while (p < patternEnd && s < end) {
    const byte = subject[s]!;
    let want = pattern[p]!;
    switch (want) {
      case STAR:
        while (p + 1 < patternEnd && pattern[p + 1] === STAR) p++;
        if (p + 1 === patternEnd) return YES;
        for (; s < end; s++) {
          const result = match(pattern, p + 1, subject, s, end, ignoreCase, nesting + 1);
          if (result !== NO) return result;
        }
        return NEVER;
      case QUESTION:
        break;
      case OPEN: {
        p++;
        const not = p < patternEnd && pattern[p] === CARET;
        if (not) p++;
        let found = false;
        for (; p < patternEnd; p++) {
          const first = pattern[p]!;
          if (first === BACKSLASH && p + 1 < patternEnd) {
            p++;
            if (pattern[p] === byte) found = true;
          } else if (first === CLOSE) {
            break;
          } else if (p + 2 < patternEnd && pattern[p + 1] === MINUS) {
            p += 2;
            if (inRange(byte, first, pattern[p]!, ignoreCase)) found = true;
          } else if (first === byte || (ignoreCase && lower(first) === lower(byte))) {
            found = true;
          }
        }
        // An unterminated class: the step below must end at the pattern's end, not past it.
        if (p === patternEnd) p--;
        if (found === not) return NO;
        break;
      }
      case BACKSLASH:
        if (p + 1 < patternEnd) want = pattern[++p]!;
        if (want !== byte && !(ignoreCase && lower(want) === lower(byte))) return NO;
        break;
      default:
        if (want !== byte && !(ignoreCase && lower(want) === lower(byte))) return NO;
    }
    p++;
    s++;
    if (s === end) {
      while (p < patternEnd && pattern[p] === STAR) p++;
    }
  }
  return p === patternEnd && s === end ? YES : NO;
}

function inRange(byte: number, first: number, last: number, ignoreCase: boolean): boolean {
  let low = signed(first);
  let high = signed(last);
  if (low > high) [low, high] = [high, low];
  if (!ignoreCase) return signed(byte) >= low && signed(byte) <= high;
  const char = lower(signed(byte));
  return char >= lower(low) && char <= lower(high);
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}

function lower(char: number): number {
  return char >= 0x41 && char <= 0x5a ? char + 0x20 : char;
}
