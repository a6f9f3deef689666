/**
 * Sorted set values, small (a listpack of member, score, member, score … in order) and large
 * ({@link LargeZset}), behind functions that do not care which. A set is known by its database and
 * its key's entry, which no function here voids.
 *
 * Ranks count from 0, the lowest score. A small set is searched from one end to the other: its limits
 * keep it short.
 */
import { compareBytes } from "../bytes/compare.ts";
import { formatDouble, parseDouble } from "../bytes/double.ts";
import { hashBytes } from "../bytes/hash.ts";
import {
  bigIntegerAt,
  countElements,
  Element,
  findElement,
  firstElement,
  integerAt,
  isIntegerAt,
  Listpack,
  LISTPACK_END,
  nextElement,
  NO_ELEMENT,
  previousElement,
  readElement,
  seekElement,
} from "../bytes/listpack.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { type Database, ENCODING, NO_EXPIRY, TYPE } from "./database.ts";
import { LargeZset } from "./zset_large.ts";

/** The directives that say up to where a set stays small. */
export interface ZsetLimits {
  readonly "zset-max-listpack-entries": number;
  readonly "zset-max-listpack-value": number;
}

/** A member in turn, its bytes valid until the next one and only while nothing changes. */
export class ZsetMember {
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  len = 0;
  score = 0;
}

export type ZsetVisitor = (member: ZsetMember) => void;

/** Conditions and ways of {@link zsetAdd}. */
export const ADD = { nx: 1, xx: 2, gt: 4, lt: 8, incr: 16 } as const;

/** What {@link zsetAdd} did: `same` where the member has this score already. */
export const ADDED = { nothing: 0, same: 1, updated: 2, added: 3, nan: 4 } as const;
export type Added = typeof ADDED[keyof typeof ADDED];

/** Integers up to this are kept as such in a listpack. */
const MAX_INTEGER_SCORE = 2 ** 62;
/** Redis lets no listpack grow beyond this many bytes. */
const MAX_LISTPACK_BYTES = 2 ** 30;

const pack = new Listpack();
const element = new Element();
const member = new ZsetMember();

/** Adds an empty set under a key that is not there; small if that is what the hints allow. */
export function createZset(
  db: Database,
  key: Uint8Array,
  off: number,
  len: number,
  hash: number,
  members: number,
  memberBytes: number,
  limits: ZsetLimits,
): number {
  const { zset } = TYPE;
  if (
    members <= limits["zset-max-listpack-entries"] &&
    memberBytes <= limits["zset-max-listpack-value"]
  ) {
    pack.create(db.arena);
    const { ref, bytes } = pack;
    return db.add(key, off, len, zset, ENCODING.listpack, ref, bytes, NO_EXPIRY, hash);
  }
  const index = db.keepObject(new LargeZset(db.arena));
  return db.add(key, off, len, zset, ENCODING.skiplist, index, 0, NO_EXPIRY, hash);
}

/**
 * Makes a set, complete but not yet ordered, a key's value in place of any other (`old` is its entry,
 * or 0), and small where it can be; it must not be empty.
 */
export function storeZset(
  db: Database,
  old: number,
  key: Uint8Array,
  off: number,
  len: number,
  set: LargeZset,
  limits: ZsetLimits,
): void {
  set.order();
  const small = packZset(db, set, limits);
  const encoding = small === undefined ? ENCODING.skiplist : ENCODING.listpack;
  const low = small === undefined ? db.keepObject(set) : small.ref;
  const high = small === undefined ? 0 : small.bytes;
  if (old === 0) db.add(key, off, len, TYPE.zset, encoding, low, high);
  else db.replace(old, TYPE.zset, encoding, low, high, NO_EXPIRY);
}

/**
 * A listpack in place of a large set in order, which is freed then; undefined where it is too large
 * for one. What is returned is valid until the next call of any function here.
 */
export function packZset(db: Database, set: LargeZset, limits: ZsetLimits): Listpack | undefined {
  if (!fitsListpack(set, limits)) return undefined;
  pack.create(db.arena);
  walkLarge(set, 0, set.length, false, ({ buf, off, len, score }) => {
    pack.append(buf, off, len);
    insertScore(pack.end, score);
  });
  set.free();
  return pack;
}

function fitsListpack(set: LargeZset, limits: ZsetLimits): boolean {
  if (set.length > limits["zset-max-listpack-entries"]) return false;
  let fits = true;
  set.tree.walk(0, set.length, false, (entry) => {
    if (set.map.keyLen(entry) > limits["zset-max-listpack-value"]) fits = false;
  });
  return fits;
}

/** The object behind a set that is large, or undefined for a small one. */
export function largeZset(db: Database, entry: number): LargeZset | undefined {
  return db.encoding(entry) === ENCODING.skiplist
    ? db.objects[db.low(entry)] as LargeZset
    : undefined;
}

export function zsetLength(db: Database, entry: number): number {
  const large = largeZset(db, entry);
  if (large !== undefined) return large.length;
  open(db, entry);
  return countElements(pack.buf, pack.off) >>> 1;
}

/** A member's score, or NaN if it is no member. */
export function zsetScore(
  db: Database,
  entry: number,
  buf: Uint8Array,
  off: number,
  len: number,
): number {
  const large = largeZset(db, entry);
  if (large !== undefined) {
    const found = large.find(buf, off, len);
    return found === 0 ? NaN : large.score(found);
  }
  open(db, entry);
  const at = findElement(pack.buf, pack.first, 1, buf, off, len);
  return at === NO_ELEMENT ? NaN : scoreAt(pack.buf, nextElement(pack.buf, at));
}

/** A member's rank, or -1 if it is no member. */
export function zsetRank(
  db: Database,
  entry: number,
  buf: Uint8Array,
  off: number,
  len: number,
): number {
  const large = largeZset(db, entry);
  if (large !== undefined) {
    const found = large.find(buf, off, len);
    return found === 0 ? -1 : large.rank(found);
  }
  open(db, entry);
  const at = findElement(pack.buf, pack.first, 1, buf, off, len);
  return at === NO_ELEMENT ? -1 : ranksUpTo(at);
}

/** The score that the last {@link zsetAdd} left the member with. */
export let addedScore = 0;

/**
 * Adds a member with a score, or sets or increments its score, as the bits of {@link ADD} in `how`
 * say; a set that outgrows its limits becomes large.
 */
export function zsetAdd(
  db: Database,
  entry: number,
  buf: Uint8Array,
  off: number,
  len: number,
  score: number,
  how: number,
  limits: ZsetLimits,
): Added {
  let large = largeZset(db, entry);
  if (large === undefined) {
    open(db, entry);
    const at = findElement(pack.buf, pack.first, 1, buf, off, len);
    if (at !== NO_ELEMENT) {
      const old = scoreAt(pack.buf, nextElement(pack.buf, at));
      const result = decide(old, score, how);
      if (result === ADDED.updated) {
        pack.remove(at, 2);
        insertPair(buf, off, len, addedScore);
        keep(db, entry);
      }
      return result;
    }
    if ((how & ADD.xx) !== 0) return ADDED.nothing;
    addedScore = score;
    const members = countElements(pack.buf, pack.off) >>> 1;
    if (
      members < limits["zset-max-listpack-entries"] && len <= limits["zset-max-listpack-value"] &&
      pack.bytes + len < MAX_LISTPACK_BYTES
    ) {
      insertPair(buf, off, len, score);
      keep(db, entry);
      return ADDED.added;
    }
    large = enlargeZset(db, entry);
    large.add(buf, off, len, score);
    return ADDED.added;
  }
  const hash = hashBytes(buf, off, len);
  const found = large.map.findHashed(hash, buf, off, len);
  if (found === 0) {
    if ((how & ADD.xx) !== 0) return ADDED.nothing;
    addedScore = score;
    large.add(buf, off, len, score, hash);
    return ADDED.added;
  }
  const result = decide(large.score(found), score, how);
  if (result === ADDED.updated) large.setScore(found, addedScore);
  return result;
}

/** What becomes of a member that is there; leaves the score in `addedScore`. */
function decide(old: number, score: number, how: number): Added {
  if ((how & ADD.nx) !== 0) return ADDED.nothing;
  if ((how & ADD.incr) !== 0) {
    score += old;
    if (Number.isNaN(score)) return ADDED.nan;
  }
  if ((how & ADD.lt) !== 0 && score >= old) return ADDED.nothing;
  if ((how & ADD.gt) !== 0 && score <= old) return ADDED.nothing;
  addedScore = score;
  return score === old ? ADDED.same : ADDED.updated;
}

/** Makes a small set large. */
export function enlargeZset(db: Database, entry: number): LargeZset {
  const large = new LargeZset(db.arena);
  zsetWalk(db, entry, 0, zsetLength(db, entry), false, ({ buf, off, len, score }) => {
    large.add(buf, off, len, score);
  });
  db.freeValue(entry);
  db.setValue(entry, ENCODING.skiplist, db.keepObject(large), 0);
  return large;
}

/** Removes a member; returns whether it was there. */
export function zsetRemove(
  db: Database,
  entry: number,
  buf: Uint8Array,
  off: number,
  len: number,
): boolean {
  const large = largeZset(db, entry);
  if (large !== undefined) {
    const found = large.find(buf, off, len);
    if (found !== 0) large.remove(found);
    return found !== 0;
  }
  open(db, entry);
  const at = findElement(pack.buf, pack.first, 1, buf, off, len);
  if (at === NO_ELEMENT) return false;
  pack.remove(at, 2);
  keep(db, entry);
  return true;
}

/** Removes the members of `count` ranks from `from` on, all of which must be there. */
export function zsetRemoveRange(db: Database, entry: number, from: number, count: number): void {
  if (count <= 0) return;
  const large = largeZset(db, entry);
  if (large !== undefined) return large.removeRange(from, count);
  open(db, entry);
  pack.remove(seekElement(pack.buf, pack.off, pack.bytes, 2 * from), 2 * count);
  keep(db, entry);
}

/** Removes the member at a rank, which must be there, and tells `visit` of it. */
export function zsetTakeAt(db: Database, entry: number, rank: number, visit: ZsetVisitor): void {
  const large = largeZset(db, entry);
  if (large === undefined) {
    visit(zsetMemberAt(db, entry, rank));
    zsetRemoveRange(db, entry, rank, 1);
  } else {
    const taken = large.tree.removeAt(rank);
    visit(largeMember(large, taken));
    large.forget(taken);
  }
}

/**
 * Calls `visit` for the members of `count` ranks from `from` on, upwards or downwards; they must be
 * there. `visit` neither changes the set nor walks over another one.
 */
export function zsetWalk(
  db: Database,
  entry: number,
  from: number,
  count: number,
  reverse: boolean,
  visit: ZsetVisitor,
): void {
  if (count <= 0) return;
  const large = largeZset(db, entry);
  if (large !== undefined) return walkLarge(large, from, count, reverse, visit);
  open(db, entry);
  const { buf, off, bytes } = pack;
  let at = seekElement(buf, off, bytes, 2 * from);
  for (; count > 0; count--) {
    readMember(buf, at);
    visit(member);
    if (reverse) {
      at = previousElement(buf, off, at);
      if (at !== NO_ELEMENT) at = previousElement(buf, off, at);
    } else {
      at = nextElement(buf, nextElement(buf, at));
    }
  }
}

/** {@link zsetWalk} over a set that is no key's value, too. */
export function walkLarge(
  large: LargeZset,
  from: number,
  count: number,
  reverse: boolean,
  visit: ZsetVisitor,
): void {
  large.tree.walk(from, count, reverse, (entry) => {
    visit(largeMember(large, entry));
  });
}

/** The member at a rank that is there. */
export function zsetMemberAt(db: Database, entry: number, rank: number): ZsetMember {
  const large = largeZset(db, entry);
  if (large !== undefined) return largeMember(large, large.tree.entryAt(rank));
  open(db, entry);
  readMember(pack.buf, seekElement(pack.buf, pack.off, pack.bytes, 2 * rank));
  return member;
}

/** A member of a large set, by its entry there. */
export function largeMember(large: LargeZset, entry: number): ZsetMember {
  const { map } = large;
  member.buf = map.keyBuf(entry);
  member.off = map.keyOff(entry);
  member.len = map.keyLen(entry);
  member.score = large.score(entry);
  return member;
}

/** How many members have a lower score, or with `orEqual` no higher one. */
export function zsetCountBelow(
  db: Database,
  entry: number,
  score: number,
  orEqual: boolean,
): number {
  const large = largeZset(db, entry);
  if (large !== undefined) return large.tree.countBelow(score, orEqual);
  open(db, entry);
  const { buf } = pack;
  let count = 0;
  for (let at = pack.first; buf[at] !== LISTPACK_END; count++) {
    const scorePlace = nextElement(buf, at);
    const there = scoreAt(buf, scorePlace);
    if (orEqual ? there > score : there >= score) break;
    at = nextElement(buf, scorePlace);
  }
  return count;
}

/** {@link zsetCountBelow} by members' bytes: of use where all scores are the same. */
export function zsetCountBelowMember(
  db: Database,
  entry: number,
  buf: Uint8Array,
  off: number,
  len: number,
  orEqual: boolean,
): number {
  const large = largeZset(db, entry);
  if (large !== undefined) return large.tree.countBelowMember(buf, off, len, orEqual);
  open(db, entry);
  let count = 0;
  for (let at = pack.first; pack.buf[at] !== LISTPACK_END; count++) {
    const order = compareMember(at, buf, off, len);
    if (order > 0 || (order === 0 && !orEqual)) break;
    at = nextElement(pack.buf, nextElement(pack.buf, at));
  }
  return count;
}

// ---- listpacks -------------------------------------------------------------------------------------

function open(db: Database, entry: number): void {
  pack.open(db.arena, db.low(entry), db.high(entry));
}

function keep(db: Database, entry: number): void {
  db.setValue(entry, ENCODING.listpack, pack.ref, pack.bytes);
}

function readMember(buf: Uint8Array, at: number): void {
  readElement(buf, at, element);
  member.buf = element.buf;
  member.off = element.off;
  member.len = element.len;
  member.score = scoreAt(buf, nextElement(buf, at));
}

/** The score that a listpack's element is, NaN if it is none. */
export function scoreAt(buf: Uint8Array, at: number): number {
  if (isIntegerAt(buf, at)) {
    const value = integerAt(buf, at);
    return Number.isNaN(value) ? Number(bigIntegerAt(buf, at)) : value;
  }
  readElement(buf, at, scoreText);
  return parseDouble(scoreText.buf, scoreText.off, scoreText.len) ?? NaN;
}

const scoreText = new Element();

/** The rank of the member at a position. */
function ranksUpTo(at: number): number {
  let rank = 0;
  for (let before = firstElement(pack.off); before !== at; rank++) {
    before = nextElement(pack.buf, nextElement(pack.buf, before));
  }
  return rank;
}

function compareMember(at: number, buf: Uint8Array, off: number, len: number): number {
  readElement(pack.buf, at, element);
  return compareBytes(element.buf, element.off, element.len, buf, off, len);
}

/** Inserts a member that is not there, in order. */
function insertPair(buf: Uint8Array, off: number, len: number, score: number): void {
  let at = pack.first;
  while (pack.buf[at] !== LISTPACK_END) {
    const scorePlace = nextElement(pack.buf, at);
    const there = scoreAt(pack.buf, scorePlace);
    if (there > score || (there === score && compareMember(at, buf, off, len) > 0)) break;
    at = nextElement(pack.buf, scorePlace);
  }
  at = pack.insert(at, buf, off, len);
  insertScore(nextElement(pack.buf, at), score);
}

/** Writes a score as Redis does: -0 is 0 here, as an integer has no sign then. */
function insertScore(at: number, score: number): void {
  if (Number.isInteger(score) && Math.abs(score) <= MAX_INTEGER_SCORE) {
    pack.insertInteger(at, Number.isSafeInteger(score) ? score : BigInt(score));
  } else {
    const text = latin1Bytes(formatDouble(score));
    pack.insert(at, text, 0, text.length);
  }
}
