/** Whether a listpack from outside has the same field or member twice. */
import { hashBytes } from "../bytes/hash.ts";
import {
  elementEquals,
  firstElement,
  LISTPACK_END,
  nextElement,
  readElement,
} from "../bytes/listpack.ts";

/** Positions of elements, by their hash: an open-addressing table that serves all calls. */
let slots = new Int32Array(256);

/**
 * Looks among every `step`th element (2: the fields of a hash) of a well-formed listpack; `count` is
 * how many elements it has in all.
 */
export function hasDuplicates(buf: Uint8Array, off: number, count: number, step: 1 | 2): boolean {
  const looked = count / step;
  let size = 16;
  while (size < 2 * looked) size *= 2;
  if (size > slots.length) slots = new Int32Array(size);
  else slots.fill(0, 0, size);
  const mask = size - 1;
  let at = firstElement(off);
  while (buf[at] !== LISTPACK_END) {
    const text = readElement(buf, at);
    let slot = hashBytes(text.buf, text.off, text.len) & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (elementEquals(buf, slots[slot]!, text.buf, text.off, text.len)) return true;
    }
    slots[slot] = at;
    at = nextElement(buf, at);
    if (step === 2) at = nextElement(buf, at);
  }
  return false;
}
