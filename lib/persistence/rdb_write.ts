/**
 * Writing RDB, version 10: the records of a snapshot, and values as DUMP has them.
 *
 * A listpack or intset is written as it stands in the arena. What Redis 7.2 keeps as one and RDB 10
 * cannot say, a set's listpack, is written element by element. Nothing is allocated for a key; a
 * value is gathered whole, however large, since it may change as soon as others run.
 *
 * A snapshot writes a value right before a command changes it, in the midst of that command. So
 * nothing here touches what commands share: the store's handles, spans and registers.
 */
import {
  countElements,
  Element,
  firstElement,
  LISTPACK_END,
  nextElement,
  readElement,
} from "../bytes/listpack.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { type Database, ENCODING, NO_EXPIRY, TYPE } from "../store/database.ts";
import type { HashTable } from "../store/hash_table.ts";
import { NO_NODE, type Quicklist } from "../store/quicklist.ts";
import type { Stream } from "../store/stream.ts";
import type { LargeZset } from "../store/zset_large.ts";
import { NODE, OPCODE, RDB_MAGIC, RDB_TYPE, RDB_VERSION } from "./rdb_format.ts";
import type { RdbOutput } from "./rdb_output.ts";
import { writeStream } from "./rdb_write_stream.ts";

const member = new Element();

// ---- a file ----------------------------------------------------------------------------------------

/** Begins a file; `aux` tells of it, as pairs of ASCII text. */
export function writeHeader(output: RdbOutput, aux: Iterable<readonly [string, string]>): void {
  const magic = latin1Bytes(RDB_MAGIC + String(RDB_VERSION).padStart(4, "0"));
  output.raw(magic, 0, magic.length);
  for (const [field, value] of aux) {
    output.byte(OPCODE.aux);
    output.text(field);
    output.text(value);
  }
}

/** Begins a database's keys: `size` in all, `volatileCount` of them with an expiry. */
export function writeDatabase(
  output: RdbOutput,
  number: number,
  size: number,
  volatileCount: number,
): void {
  output.byte(OPCODE.selectDb);
  output.length(number);
  output.byte(OPCODE.resizeDb);
  output.length(size);
  output.length(volatileCount);
}

/** Writes a key with all that belongs to it. */
export function writeEntry(output: RdbOutput, db: Database, entry: number): void {
  const expiryMs = db.expiryMs(entry);
  if (expiryMs !== NO_EXPIRY) {
    output.byte(OPCODE.expireTimeMs);
    output.time(expiryMs);
  }
  const { access } = db.context;
  if (access.lru) {
    output.byte(OPCODE.idle);
    output.length(access.idleSeconds(db.accessBits(entry)));
  } else if (access.lfu) {
    output.byte(OPCODE.freq);
    output.byte(access.frequency(db.accessBits(entry)));
  }
  const { map } = db;
  writeValueType(output, db, entry);
  output.string(map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry));
  writeValue(output, db, entry);
}

/** Writes all of a DUMP payload; take it from `output` then. */
export function writeDump(output: RdbOutput, db: Database, entry: number): void {
  writeValueType(output, db, entry);
  writeValue(output, db, entry);
  output.finishDump();
}

// ---- values ----------------------------------------------------------------------------------------

/** The byte that tells how {@link writeValue} writes an entry's value. */
function writeValueType(output: RdbOutput, db: Database, entry: number): void {
  output.byte(valueType(db, entry));
}

function valueType(db: Database, entry: number): number {
  const encoding = db.encoding(entry);
  switch (db.type(entry)) {
    case TYPE.string:
      return RDB_TYPE.string;
    case TYPE.list:
      return RDB_TYPE.listQuicklist2;
    case TYPE.set:
      return encoding === ENCODING.intset ? RDB_TYPE.setIntset : RDB_TYPE.set;
    case TYPE.zset:
      return encoding === ENCODING.listpack ? RDB_TYPE.zsetListpack : RDB_TYPE.zset2;
    case TYPE.hash:
      return encoding === ENCODING.listpack ? RDB_TYPE.hashListpack : RDB_TYPE.hash;
    case TYPE.stream:
      return RDB_TYPE.streamListpacks2;
  }
}

export function writeValue(output: RdbOutput, db: Database, entry: number): void {
  const encoding = db.encoding(entry);
  switch (encoding) {
    case ENCODING.int:
      return output.integer(db.low(entry), db.high(entry));
    case ENCODING.embstr:
      return output.string(db.arena.slab(entry), db.embstrOff(entry), db.high(entry));
    case ENCODING.raw:
    case ENCODING.intset:
      return writeBlock(output, db, entry);
    case ENCODING.listpack:
      return writeListpack(output, db, entry);
    case ENCODING.quicklist:
      return writeQuicklist(output, db, db.objects[db.low(entry)] as Quicklist);
    case ENCODING.hashtable:
      return writeTable(output, db.objects[db.low(entry)] as HashTable, db.type(entry));
    case ENCODING.skiplist:
      return writeLargeZset(output, db.objects[db.low(entry)] as LargeZset);
    case ENCODING.stream:
      return writeStream(output, db.objects[db.low(entry)] as Stream);
  }
}

/** An entry's block as a string. */
function writeBlock(output: RdbOutput, db: Database, entry: number): void {
  const ref = db.low(entry);
  const bytes = db.high(entry);
  output.string(db.arena.buf(ref, bytes), db.arena.off(ref, bytes), bytes);
}

function writeListpack(output: RdbOutput, db: Database, entry: number): void {
  const type = db.type(entry);
  if (type === TYPE.set) return writeSmallSet(output, db, entry);
  if (type === TYPE.list) {
    // A quicklist of one node.
    output.length(1);
    output.length(NODE.packed);
  }
  writeBlock(output, db, entry);
}

function writeSmallSet(output: RdbOutput, db: Database, entry: number): void {
  const bytes = db.high(entry);
  const buf = db.arena.buf(db.low(entry), bytes);
  const off = db.arena.off(db.low(entry), bytes);
  output.length(countElements(buf, off));
  for (let at = firstElement(off); buf[at] !== LISTPACK_END; at = nextElement(buf, at)) {
    readElement(buf, at, member);
    output.string(member.buf, member.off, member.len);
  }
}

function writeQuicklist(output: RdbOutput, { arena }: Database, list: Quicklist): void {
  output.length(list.nodes);
  for (let node = list.head; node !== NO_NODE; node = list.next(node)) {
    const ref = list.ref(node);
    const bytes = list.bytes(node);
    output.length(list.isPlain(node) ? NODE.plain : NODE.packed);
    output.string(arena.buf(ref, bytes), arena.off(ref, bytes), bytes);
  }
}

/** A hash's fields and values, or a set's members, in the order of their slots. */
function writeTable(output: RdbOutput, table: HashTable, type: number): void {
  const { map } = table;
  const hasValues = type === TYPE.hash;
  output.length(map.count);
  for (let slot = 0, slots = map.slotCount; slot < slots; slot++) {
    const entry = map.entryInSlot(slot);
    if (entry === 0) continue;
    output.string(map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry));
    if (hasValues) {
      output.string(table.valueBuf(entry), table.valueOff(entry), table.valueLen(entry));
    }
  }
}

/** From the greatest member down, as Redis does, which then adds each at the head of its list. */
function writeLargeZset(output: RdbOutput, zset: LargeZset): void {
  const { map } = zset;
  output.length(zset.length);
  zset.tree.walk(zset.length - 1, zset.length, true, (entry) => {
    output.string(map.keyBuf(entry), map.keyOff(entry), map.keyLen(entry));
    output.double(zset.score(entry));
  });
}
