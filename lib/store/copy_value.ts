/** Copying a key's value, with its expiry, to another key of the same or another database. */
import { hashBytes } from "../bytes/hash.ts";
import { type Database, ENCODING } from "./database.ts";

/**
 * Adds to `to` a key that is not there with a copy of an entry's value, encoded as that is; returns
 * the new entry. The key must not lie in the arena of `to`.
 */
export function copyValue(
  from: Database,
  entry: number,
  to: Database,
  buf: Uint8Array,
  off: number,
  len: number,
): number {
  const hash = hashBytes(buf, off, len);
  const type = from.type(entry);
  const encoding = from.encoding(entry);
  const expiryMs = from.expiryMs(entry);
  const info = from.high(entry);
  switch (encoding) {
    case ENCODING.embstr: {
      const src = from.arena.slab(entry);
      return to.addEmbstr(hash, buf, off, len, src, from.embstrOff(entry), info, expiryMs);
    }
    case ENCODING.int:
      return to.add(buf, off, len, type, encoding, from.low(entry), info, expiryMs, hash);
    case ENCODING.raw:
    case ENCODING.listpack:
    case ENCODING.intset: {
      const ref = from.low(entry);
      const copy = to.arena.put(from.arena.buf(ref, info), from.arena.off(ref, info), info);
      return to.add(buf, off, len, type, encoding, copy, info, expiryMs, hash);
    }
    default: {
      const object = to.keepObject(from.objects[from.low(entry)]!.copy(to.arena));
      return to.add(buf, off, len, type, encoding, object, info, expiryMs, hash);
    }
  }
}
