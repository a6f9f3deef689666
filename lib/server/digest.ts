/**
 * A digest of data that does not depend on the order of keys: equal data sets have equal digests, also
 * between this server and Redis, whose algorithm this is (DEBUG DIGEST): SHA-1 of each part, XORed
 * into what is there where order must not matter, and hashed again where it must.
 */
import { formatDigits } from "../bytes/double.ts";
import { readElement } from "../bytes/listpack.ts";
import { sha1, SHA1_BYTES } from "../bytes/sha1.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { type Database, TYPE } from "../store/database.ts";
import { HashValue, NO_FIELD } from "../store/hash_value.ts";
import { ListWalk } from "../store/list_value.ts";
import { SetValue } from "../store/set_value.ts";
import type { Stream } from "../store/stream.ts";
import { StreamCursor } from "../store/stream_cursor.ts";
import { formatId, idText } from "../store/stream_id.ts";
import { readString, type Span } from "../store/string_value.ts";
import { zsetLength, zsetWalk } from "../store/zset_value.ts";

/** Between the halves of a stream's ID. */
const DOT = 0x2e;
const VOLATILE = latin1Bytes("!!expire!!");
/** The digest of a part, until it is mixed in. */
const ofPart = new Uint8Array(SHA1_BYTES);

/** The digest of all databases, in hex; zeros where there is no key. */
export function datasetDigest(dbs: readonly Database[]): string {
  const total = new Uint8Array(SHA1_BYTES);
  for (const db of dbs) {
    if (db.size === 0) continue;
    mix(total, word(db.number));
    let cursor = 0;
    do {
      cursor = db.map.scan(cursor, (entry) => {
        const digest = new Uint8Array(SHA1_BYTES);
        mix(digest, db.map.key(entry));
        mixValue(digest, db, entry);
        xor(total, sha1(digest, digest));
      });
    } while (cursor !== 0);
  }
  return hex(total);
}

/** The digest of a key's value, in hex; zeros for entry 0, which is no key. */
export function valueDigest(db: Database, entry: number): string {
  const digest = new Uint8Array(SHA1_BYTES);
  if (entry !== 0) mixValue(digest, db, entry);
  return hex(digest);
}

function mixValue(digest: Uint8Array, db: Database, entry: number): void {
  const type = db.type(entry);
  mix(digest, word(type));
  switch (type) {
    case TYPE.string:
      mix(digest, view(readString(db, entry)));
      break;
    case TYPE.list:
      mixList(digest, db, entry);
      break;
    case TYPE.hash:
      xorHash(digest, new HashValue().open(db, entry));
      break;
    case TYPE.set:
      xorSet(digest, new SetValue().load(db, entry));
      break;
    case TYPE.zset:
      xorZset(digest, db, entry);
      break;
    case TYPE.stream:
      mixStream(digest, db.objects[db.low(entry)] as Stream);
      break;
  }
  if (db.isVolatile(entry)) xor(digest, sha1(VOLATILE, ofPart));
}

function mixList(digest: Uint8Array, db: Database, entry: number): void {
  const walk = new ListWalk();
  walk.start(db, entry, 0, true);
  do mix(digest, view(walk.element())); while (walk.next());
}

function mixStream(digest: Uint8Array, stream: Stream): void {
  const cursor = new StreamCursor();
  cursor.startAll(stream, false);
  while (cursor.next()) {
    mix(digest, idText.subarray(0, formatId(cursor.id, 0, DOT)));
    for (let i = 0; i < cursor.fields; i++) {
      cursor.nextField();
      mix(digest, view(readElement(cursor.buf, cursor.fieldAt)));
      mix(digest, view(readElement(cursor.buf, cursor.valueAt)));
    }
  }
}

function xorHash(digest: Uint8Array, hash: HashValue): void {
  hash.rewind();
  for (let field = hash.next(); field !== NO_FIELD; field = hash.next()) {
    const pair = new Uint8Array(SHA1_BYTES);
    mix(pair, view(hash.name(field)));
    mix(pair, view(hash.value(field)));
    xor(digest, sha1(pair, pair));
  }
}

function xorSet(digest: Uint8Array, set: SetValue): void {
  set.every((position) => {
    xor(digest, sha1(view(set.read(position)), ofPart));
    return true;
  });
}

function xorZset(digest: Uint8Array, db: Database, entry: number): void {
  zsetWalk(db, entry, 0, zsetLength(db, entry), false, (member) => {
    const pair = new Uint8Array(SHA1_BYTES);
    mix(pair, view(member));
    mix(pair, latin1Bytes(formatDigits(member.score)));
    xor(digest, sha1(pair, pair));
  });
}

function view({ buf, off, len }: Span): Uint8Array {
  return buf.subarray(off, off + len);
}

/** Adds a part so that its place among the parts matters. */
function mix(digest: Uint8Array, part: Uint8Array): void {
  xor(digest, sha1(part, ofPart));
  sha1(digest, digest);
}

function xor(digest: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < SHA1_BYTES; i++) digest[i]! ^= other[i]!;
}

/** 32 bits in network order. */
function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
