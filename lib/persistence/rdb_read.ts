/**
 * Reading the value of a key in any of RDB's types into a database's own encodings.
 *
 * What comes from outside is checked whole before it is used: listpacks, intsets and stream blocks
 * element by element, for what is there twice, for scores that are none. A value that was read belongs
 * to no key yet: {@link ValueReader.add} gives it one, {@link ValueReader.drop} lets it go.
 */
import { hashBytes } from "../bytes/hash.ts";
import {
  Element,
  firstElement,
  isIntegerAt,
  Listpack,
  LISTPACK_END,
  nextElement,
  readElement,
  validateListpack,
} from "../bytes/listpack.ts";
import {
  type Database,
  ENCODING,
  type StoredObject,
  TYPE,
  type ValueEncoding,
  type ValueType,
} from "../store/database.ts";
import { HashTable } from "../store/hash_table.ts";
import { Intset, validateIntset } from "../store/intset.ts";
import { fitsNode, Quicklist } from "../store/quicklist.ts";
import { type SetLimits, SetValue } from "../store/set_value.ts";
import { addString } from "../store/string_value.ts";
import { LargeZset } from "../store/zset_large.ts";
import { packZset, scoreAt, type ZsetLimits } from "../store/zset_value.ts";
import { hasDuplicates } from "./duplicates.ts";
import { NODE, OPCODE, RDB_TYPE } from "./rdb_format.ts";
import { type RdbInput, RdbString } from "./rdb_input.ts";
import { readZiplist, readZipmap } from "./rdb_legacy.ts";
import { readStream } from "./rdb_read_stream.ts";

/** The directives that say which encoding a value gets. */
export interface ValueLimits extends SetLimits, ZsetLimits {
  readonly "hash-max-listpack-entries": number;
  readonly "hash-max-listpack-value": number;
  readonly "list-max-listpack-size": number;
}

/** Least bytes of a member with its score: as text, and in binary. */
const LEAST_TEXT_PAIR = 2;
const LEAST_BINARY_PAIR = 9;

const pack = new Listpack();
const intset = new Intset();
const set = new SetValue();
const name = new Element();
const value = new Element();

/** Old compact types, which are made a listpack first. */
const CONVERTED: readonly number[] = [
  RDB_TYPE.hashZipmap,
  RDB_TYPE.listZiplist,
  RDB_TYPE.zsetZiplist,
  RDB_TYPE.hashZiplist,
];

/** More than a score is ever written with. */
const MAX_DIGITS = 40;
const POINT = 0x2e;
const MINUS = 0x2d;

const NO_SCORE = "A score is no number";
const FIELD_TWICE = "A hash has a field twice";
const MEMBER_TWICE = "A set has a member twice";

export class ValueReader {
  readonly #limits: ValueLimits;
  readonly #text = new RdbString();
  readonly #second = new RdbString();
  /** The value that was read last: a string, which is `#text`, or a block, or an object. */
  #type: ValueType = TYPE.string;
  #encoding: ValueEncoding = ENCODING.raw;
  #ref = 0;
  #bytes = 0;
  #object: StoredObject | undefined;

  /** The limits are looked at whenever a value is read, so they may be a configuration's values. */
  constructor(limits: ValueLimits) {
    this.#limits = limits;
  }

  /**
   * Reads a value of an RDB type; returns false where it is a collection without elements, which no
   * key may have. Throws RdbError where it is damaged or of a kind that is not kept here; nothing of
   * it remains then.
   */
  read(input: RdbInput, type: number, db: Database): boolean {
    const text = this.#text;
    switch (type) {
      case RDB_TYPE.string:
        input.string(text);
        this.#type = TYPE.string;
        return true;
      case RDB_TYPE.list:
      case RDB_TYPE.listQuicklist:
      case RDB_TYPE.listQuicklist2:
        return this.#readList(input, type, db);
      case RDB_TYPE.set:
        return this.#readSet(input, db);
      case RDB_TYPE.zset:
      case RDB_TYPE.zset2:
        return this.#readZset(input, type, db);
      case RDB_TYPE.hash:
        return this.#readHash(input, db);
      case RDB_TYPE.streamListpacks:
      case RDB_TYPE.streamListpacks2:
      case RDB_TYPE.streamListpacks3:
        this.#keep(TYPE.stream, ENCODING.stream, readStream(input, type, db.arena));
        return true;
      case RDB_TYPE.module2:
        return input.fail(`A value of the module type '${moduleName(input)}' cannot be kept`);
    }
    input.string(text);
    switch (type) {
      case RDB_TYPE.setIntset:
        return this.#takeIntset(input, db, text);
      case RDB_TYPE.setListpack:
        return this.#takeSet(input, db, text);
      case RDB_TYPE.hashListpack:
        return this.#takeHash(input, db, text);
      case RDB_TYPE.zsetListpack:
        return this.#takeZset(input, db, text);
    }
    if (!CONVERTED.includes(type)) input.fail(`${typeName(type)} cannot be read`);
    pack.create(db.arena);
    try {
      return this.#takeConverted(input, type, db, text);
    } finally {
      pack.free();
    }
  }

  /** Adds a key that is not there, with the value that was read last; returns the entry. */
  add(
    db: Database,
    key: Uint8Array,
    off: number,
    len: number,
    hash: number,
    expiryMs: number,
  ): number {
    const type = this.#type;
    if (type === TYPE.string) {
      const text = this.#text;
      return addString(db, key, off, len, text.buf, text.off, text.len, expiryMs, hash);
    }
    const object = this.#object;
    const low = object === undefined ? this.#ref : db.keepObject(object);
    return db.add(key, off, len, type, this.#encoding, low, this.#bytes, expiryMs, hash);
  }

  /** Lets go of the value that was read last, which no key gets. */
  drop(db: Database): void {
    if (this.#type === TYPE.string) return;
    if (this.#object === undefined) db.arena.free(this.#ref, this.#bytes);
    else this.#object.free();
  }

  // ---- element by element --------------------------------------------------------------------------

  #readList(input: RdbInput, type: number, db: Database): boolean {
    const text = this.#text;
    const nodes = input.count(1);
    if (nodes === 0) return false;
    const { at } = input;
    if (nodes === 1 && type === RDB_TYPE.listQuicklist2 && input.length() === NODE.packed) {
      input.string(text);
      return this.#takeList(input, db, text);
    }
    input.at = at;
    const fill = this.#limits["list-max-listpack-size"];
    const list = new Quicklist(db.arena);
    try {
      for (let left = nodes; left > 0; left--) {
        const container = type === RDB_TYPE.listQuicklist2 ? input.length() : NODE.packed;
        input.string(text);
        if (text.len === 0 && type !== RDB_TYPE.list) input.fail("A list has an empty node");
        if (type === RDB_TYPE.list) list.push(text.buf, text.off, text.len, false, fill);
        else if (container === NODE.plain) adopt(list, db, text, 1, true);
        else if (container !== NODE.packed) input.fail(`A list has no nodes of kind ${container}`);
        else if (type === RDB_TYPE.listQuicklist) adoptZiplist(list, input, db, text);
        else adopt(list, db, text, countListpack(input, text), false);
      }
    } catch (error) {
      list.free();
      throw error;
    }
    const { head } = list;
    if (list.length === 0) {
      list.free();
      return false;
    }
    if (
      list.nodes > 1 || list.isPlain(head) ||
      !fitsNode(fill, list.bytes(head), list.length)
    ) {
      this.#keep(TYPE.list, ENCODING.quicklist, list);
    } else {
      this.#keepBlock(TYPE.list, ENCODING.listpack, list.ref(head), list.bytes(head));
      list.release();
      list.free();
    }
    return true;
  }

  #readSet(input: RdbInput, db: Database): boolean {
    const text = this.#text;
    const limits = this.#limits;
    const count = input.count(1);
    if (count === 0) return false;
    if (count > limits["set-max-intset-entries"]) set.createTable(db, count);
    else set.createIntset(db);
    try {
      for (let left = count; left > 0; left--) {
        input.string(text);
        if (!set.add(text.buf, text.off, text.len, limits)) {
          input.fail(MEMBER_TWICE);
        }
      }
    } catch (error) {
      set.free();
      throw error;
    }
    if (set.table !== undefined) this.#keep(TYPE.set, ENCODING.hashtable, set.table);
    else this.#keepBlock(TYPE.set, set.encoding, set.ref, set.bytes);
    return true;
  }

  #readHash(input: RdbInput, db: Database): boolean {
    const field = this.#text;
    const value = this.#second;
    const maxBytes = this.#limits["hash-max-listpack-value"];
    const count = input.count(2);
    if (count === 0) return false;
    let table = count > this.#limits["hash-max-listpack-entries"]
      ? newTable(db, true, count)
      : undefined;
    pack.create(db.arena);
    try {
      for (let left = count; left > 0; left--) {
        input.string(field);
        input.string(value);
        if (table === undefined && (field.len > maxBytes || value.len > maxBytes)) {
          const filled = newTable(db, true, count);
          fillTable(filled, input, pack.buf, pack.off, true);
          table = filled;
        }
        if (table === undefined) {
          pack.append(field.buf, field.off, field.len);
          pack.append(value.buf, value.off, value.len);
        } else if (
          !table.put(field.buf, field.off, field.len, value.buf, value.off, value.len)
        ) {
          input.fail(FIELD_TWICE);
        }
      }
      if (table === undefined && hasDuplicates(pack.buf, pack.off, 2 * count, 2)) {
        input.fail(FIELD_TWICE);
      }
    } catch (error) {
      table?.free();
      pack.free();
      throw error;
    }
    if (table === undefined) {
      this.#keepBlock(TYPE.hash, ENCODING.listpack, pack.ref, pack.bytes);
    } else {
      pack.free();
      this.#keep(TYPE.hash, ENCODING.hashtable, table);
    }
    return true;
  }

  #readZset(input: RdbInput, type: number, db: Database): boolean {
    const text = this.#text;
    const isText = type === RDB_TYPE.zset;
    const count = input.count(isText ? LEAST_TEXT_PAIR : LEAST_BINARY_PAIR);
    if (count === 0) return false;
    const zset = new LargeZset(db.arena);
    zset.map.reserve(count);
    const entries = new Int32Array(count);
    try {
      for (let i = 0; i < count; i++) {
        input.string(text);
        const score = isText ? input.scoreText() : input.double();
        entries[i] = addMember(zset, input, text, score);
      }
    } catch (error) {
      zset.free();
      throw error;
    }
    this.#keepZset(db, zset, entries);
    return true;
  }

  // ---- values in one string ------------------------------------------------------------------------

  #takeConverted(input: RdbInput, type: number, db: Database, text: RdbString): boolean {
    const longest = type === RDB_TYPE.hashZipmap ? readZipmap(input, text, pack) : 0;
    if (type !== RDB_TYPE.hashZipmap) readZiplist(input, text, pack);
    text.buf = pack.buf;
    text.off = pack.off;
    text.len = pack.bytes;
    switch (type) {
      case RDB_TYPE.hashZipmap:
      case RDB_TYPE.hashZiplist:
        return this.#takeHash(input, db, text, longest);
      case RDB_TYPE.zsetZiplist:
        return this.#takeZset(input, db, text);
      default:
        return this.#takeList(input, db, text);
    }
  }

  #takeList(input: RdbInput, db: Database, text: RdbString): boolean {
    const count = countListpack(input, text);
    if (count === 0) return false;
    if (fitsNode(this.#limits["list-max-listpack-size"], text.len, count)) {
      this.#copyBlock(TYPE.list, ENCODING.listpack, db, text);
    } else {
      const list = new Quicklist(db.arena);
      adopt(list, db, text, count, false);
      this.#keep(TYPE.list, ENCODING.quicklist, list);
    }
    return true;
  }

  #takeIntset(input: RdbInput, db: Database, text: RdbString): boolean {
    const count = validateIntset(text.buf, text.off, text.len);
    if (count < 0) input.fail("Intset integrity check failed");
    if (count === 0) return false;
    this.#copyBlock(TYPE.set, ENCODING.intset, db, text);
    if (count <= this.#limits["set-max-intset-entries"]) return true;
    intset.open(db.arena, this.#ref, this.#bytes);
    const table = newTable(db, false, count);
    for (let i = 0; i < count; i++) {
      const { buf, off, len } = intset.read(i, name);
      table.put(buf, off, len);
    }
    db.arena.free(this.#ref, this.#bytes);
    this.#keep(TYPE.set, ENCODING.hashtable, table);
    return true;
  }

  #takeSet(input: RdbInput, db: Database, text: RdbString): boolean {
    const count = countListpack(input, text);
    if (count === 0) return false;
    if (count > this.#limits["set-max-listpack-entries"]) {
      const table = newTable(db, false, count);
      fillTable(table, input, text.buf, text.off, false);
      this.#keep(TYPE.set, ENCODING.hashtable, table);
    } else {
      if (hasDuplicates(text.buf, text.off, count, 1)) input.fail(MEMBER_TWICE);
      this.#copyBlock(TYPE.set, ENCODING.listpack, db, text);
    }
    return true;
  }

  /** `longest` is the length of the longest field or value, where that matters. */
  #takeHash(input: RdbInput, db: Database, text: RdbString, longest = 0): boolean {
    const count = countListpack(input, text);
    if (count === 0) return false;
    if (count % 2 === 1) input.fail("A hash's last field has no value");
    const limits = this.#limits;
    if (
      count / 2 > limits["hash-max-listpack-entries"] || longest > limits["hash-max-listpack-value"]
    ) {
      const table = newTable(db, true, count / 2);
      fillTable(table, input, text.buf, text.off, true);
      this.#keep(TYPE.hash, ENCODING.hashtable, table);
    } else {
      if (hasDuplicates(text.buf, text.off, count, 2)) input.fail(FIELD_TWICE);
      this.#copyBlock(TYPE.hash, ENCODING.listpack, db, text);
    }
    return true;
  }

  #takeZset(input: RdbInput, db: Database, text: RdbString): boolean {
    const count = countListpack(input, text);
    if (count === 0) return false;
    if (count % 2 === 1) input.fail("A sorted set's last member has no score");
    if (!areScores(text.buf, text.off)) input.fail(NO_SCORE);
    if (count / 2 > this.#limits["zset-max-listpack-entries"]) {
      this.#enlargeZset(input, db, text, count / 2);
    } else {
      if (hasDuplicates(text.buf, text.off, count, 2)) input.fail(MEMBER_TWICE);
      this.#copyBlock(TYPE.zset, ENCODING.listpack, db, text);
    }
    return true;
  }

  /** Makes a large sorted set of a listpack that is too long. */
  #enlargeZset(input: RdbInput, db: Database, { buf, off }: RdbString, count: number): void {
    const zset = new LargeZset(db.arena);
    zset.map.reserve(count);
    const entries = new Int32Array(count);
    try {
      let at = firstElement(off);
      for (let i = count - 1; i >= 0; i--) {
        const scorePlace = nextElement(buf, at);
        entries[i] = addMember(zset, input, readElement(buf, at, name), scoreAt(buf, scorePlace));
        at = nextElement(buf, scorePlace);
      }
    } catch (error) {
      zset.free();
      throw error;
    }
    this.#keepZset(db, zset, entries);
  }

  // ---- what was read -------------------------------------------------------------------------------

  /** Keeps a sorted set without order, of these entries: large, or small where it may be. */
  #keepZset(db: Database, zset: LargeZset, entries: Int32Array): void {
    zset.orderFrom(entries);
    const small = packZset(db, zset, this.#limits);
    if (small === undefined) this.#keep(TYPE.zset, ENCODING.skiplist, zset);
    else this.#keepBlock(TYPE.zset, ENCODING.listpack, small.ref, small.bytes);
  }

  #copyBlock(type: ValueType, encoding: ValueEncoding, db: Database, text: RdbString): void {
    this.#keepBlock(type, encoding, db.arena.put(text.buf, text.off, text.len), text.len);
  }

  #keepBlock(type: ValueType, encoding: ValueEncoding, ref: number, bytes: number): void {
    this.#type = type;
    this.#encoding = encoding;
    this.#ref = ref;
    this.#bytes = bytes;
    this.#object = undefined;
  }

  #keep(type: ValueType, encoding: ValueEncoding, object: StoredObject): void {
    this.#keepBlock(type, encoding, 0, 0);
    this.#object = object;
  }
}

// ---- parts of values -------------------------------------------------------------------------------

/** How many elements a listpack has that was validated here. */
function countListpack(input: RdbInput, { buf, off, len }: RdbString): number {
  const count = validateListpack(buf, off, len);
  if (count < 0) input.fail("Listpack integrity check failed");
  return count;
}

/** Adds a node to a list, unless it has no element. */
function adopt(
  list: Quicklist,
  db: Database,
  text: RdbString,
  count: number,
  plain: boolean,
): void {
  if (count > 0) list.adopt(db.arena.put(text.buf, text.off, text.len), text.len, count, plain);
}

function adoptZiplist(list: Quicklist, input: RdbInput, db: Database, text: RdbString): void {
  pack.create(db.arena);
  try {
    readZiplist(input, text, pack);
  } catch (error) {
    pack.free();
    throw error;
  }
  const { count } = pack;
  if (count === 0) pack.free();
  else list.adopt(pack.ref, pack.bytes, count);
}

function newTable(db: Database, hasValues: boolean, count: number): HashTable {
  const table = new HashTable(db.arena, hasValues);
  table.map.reserve(count);
  return table;
}

/** Puts a listpack's elements into a table; frees it and throws RdbError where one is there twice. */
function fillTable(
  table: HashTable,
  input: RdbInput,
  buf: Uint8Array,
  off: number,
  hasValues: boolean,
): void {
  for (let at = firstElement(off); buf[at] !== LISTPACK_END; at = nextElement(buf, at)) {
    readElement(buf, at, name);
    if (hasValues) readElement(buf, at = nextElement(buf, at), value);
    if (table.put(name.buf, name.off, name.len, value.buf, value.off, value.len)) continue;
    table.free();
    input.fail(hasValues ? FIELD_TWICE : MEMBER_TWICE);
  }
}

/** Adds a member that must be new to a sorted set without order; returns its entry. */
function addMember(
  zset: LargeZset,
  input: RdbInput,
  { buf, off, len }: RdbString | Element,
  score: number,
): number {
  if (Number.isNaN(score)) input.fail(NO_SCORE);
  const hash = hashBytes(buf, off, len);
  if (zset.map.findHashed(hash, buf, off, len) !== 0) input.fail(MEMBER_TWICE);
  return zset.addUnordered(buf, off, len, score, hash);
}

/** Whether each second element of a listpack is a score. */
function areScores(buf: Uint8Array, off: number): boolean {
  for (let at = firstElement(off); buf[at] !== LISTPACK_END;) {
    at = nextElement(buf, at);
    if (!isIntegerAt(buf, at)) {
      const text = readElement(buf, at, value);
      if (!isDecimal(text.buf, text.off, text.len) && Number.isNaN(scoreAt(buf, at))) return false;
    }
    at = nextElement(buf, at);
  }
  return true;
}

/** Whether bytes are digits with at most a sign and a point, as nearly all scores are. */
function isDecimal(buf: Uint8Array, off: number, len: number): boolean {
  let points = 0;
  let digits = 0;
  for (let i = off; i < off + len; i++) {
    const byte = buf[i]!;
    if (byte >= 0x30 && byte <= 0x39) digits++;
    else if (byte === POINT) points++;
    else if (byte !== MINUS || i > off) return false;
  }
  return digits > 0 && digits <= MAX_DIGITS && points <= 1;
}

// ---- names, for messages ---------------------------------------------------------------------------

const NAMES: readonly (readonly [name: string, ...types: number[]])[] = [
  ["string", RDB_TYPE.string],
  ["list", RDB_TYPE.list, RDB_TYPE.listZiplist, RDB_TYPE.listQuicklist, RDB_TYPE.listQuicklist2],
  ["set", RDB_TYPE.set, RDB_TYPE.setIntset, RDB_TYPE.setListpack],
  ["zset", RDB_TYPE.zset, RDB_TYPE.zset2, RDB_TYPE.zsetZiplist, RDB_TYPE.zsetListpack],
  ["hash", RDB_TYPE.hash, RDB_TYPE.hashZipmap, RDB_TYPE.hashZiplist, RDB_TYPE.hashListpack],
  [
    "stream",
    RDB_TYPE.streamListpacks,
    RDB_TYPE.streamListpacks2,
    RDB_TYPE.streamListpacks3,
  ],
];

/** Redis 7.4's hashes with fields that expire. */
const EXPIRING_HASHES = [22, 23, 24, 25];

/** What an RDB type is, in words. */
export function typeName(type: number): string {
  const found = NAMES.find(([, ...types]) => types.includes(type));
  if (found !== undefined) return `type ${found[0]}`;
  if (EXPIRING_HASHES.includes(type)) return "A hash whose fields expire (Redis 7.4)";
  if (type === RDB_TYPE.module2) return "type module";
  if (type === OPCODE.functionPreGa) return "A function library as before Redis 7.0";
  if (type === RDB_TYPE.modulePreGa) return "A module's value as before Redis 4.0";
  return `A record of type ${type}`;
}

const MODULE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MODULE_NAME_LENGTH = 9;
const MODULE_VERSION_BITS = 10n;

/** Reads the number of a module's type: its name, of letters of six bits, above a version. */
export function moduleName(input: RdbInput): string {
  input.length();
  let letters = BigInt.asUintN(64, BigInt(input.high) << 32n | BigInt(input.low >>> 0)) >>
    MODULE_VERSION_BITS;
  let text = "";
  for (let i = 0; i < MODULE_NAME_LENGTH; i++, letters >>= 6n) {
    text = MODULE_LETTERS[Number(letters & 63n)]! + text;
  }
  return text;
}
