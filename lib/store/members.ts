/** Large collections as maps of their fields or members, whatever else they keep. */
import type { ByteMap } from "../bytes/byte_map.ts";
import { type Database, ENCODING } from "./database.ts";
import type { HashTable } from "./hash_table.ts";
import type { LargeZset } from "./zset_large.ts";

/** The map of an entry's fields or members; undefined where it is no large collection of such. */
export function membersOf(db: Database, entry: number): ByteMap | undefined {
  switch (db.encoding(entry)) {
    case ENCODING.hashtable:
      return (db.objects[db.low(entry)] as HashTable).map;
    case ENCODING.skiplist:
      return (db.objects[db.low(entry)] as LargeZset).map;
    default:
      return undefined;
  }
}
