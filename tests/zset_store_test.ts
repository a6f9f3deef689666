import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { validateListpack } from "../lib/bytes/listpack.ts";
import { type Database, ENCODING } from "../lib/store/database.ts";
import {
  ADD,
  ADDED,
  addedScore,
  createZset,
  largeMember,
  largeZset,
  zsetAdd,
  zsetCountBelow,
  zsetCountBelowMember,
  zsetLength,
  type ZsetLimits,
  zsetMemberAt,
  zsetRank,
  zsetRemove,
  zsetRemoveRange,
  zsetScore,
  zsetWalk,
} from "../lib/store/zset_value.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { TestStore } from "./support/store.ts";

const KEY = latin1Bytes("key");
const SMALL: ZsetLimits = limits(200, 64);
const LARGE: ZsetLimits = limits(0, 0);

function limits(entries: number, bytes: number): ZsetLimits {
  return { "zset-max-listpack-entries": entries, "zset-max-listpack-value": bytes };
}

type Pair = [member: string, score: number];

/** What a sorted set is, without a thought for speed. */
class Model {
  readonly scores = new Map<string, number>();

  get pairs(): Pair[] {
    return [...this.scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
  }
}

function emptySet(db: Database, limits: ZsetLimits): number {
  return createZset(db, KEY, 0, KEY.length, 0, 1, 1, limits);
}

function add(
  db: Database,
  entry: number,
  member: string,
  score: number,
  how: number,
  limits = LARGE,
) {
  const bytes = latin1Bytes(member);
  return zsetAdd(db, entry, bytes, 0, bytes.length, score, how, limits);
}

function remove(db: Database, entry: number, member: string): boolean {
  const bytes = latin1Bytes(member);
  return zsetRemove(db, entry, bytes, 0, bytes.length);
}

function members(db: Database, entry: number, from: number, count: number, reverse: boolean) {
  const pairs: Pair[] = [];
  zsetWalk(db, entry, from, count, reverse, ({ buf, off, len, score }) => {
    pairs.push([latin1(buf, off, len), score]);
  });
  return pairs;
}

const SCORES = [
  -Infinity,
  Infinity,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1e300,
  -1e300,
  5e-324,
  2 ** 53,
  -7e18,
];

function anyScore(rng: Rng): number {
  return rng.oneIn(4) ? rng.pick(SCORES) : rng.int(-20, 20) / (rng.oneIn(2) ? 1 : 4);
}

function anyMember(rng: Rng, kinds: number): string {
  const number = rng.int(0, kinds);
  switch (rng.int(0, 3)) {
    case 0:
      return String(number);
    case 1:
      return `member:${number}`;
    case 2:
      return latin1(rng.bytes(rng.int(0, 2)));
    default:
      return "x".repeat(number % 70);
  }
}

/** Compares all that can be asked with the model. */
function check(db: Database, entry: number, model: Model, rng: Rng): void {
  const { pairs } = model;
  const plain = (list: Pair[]) => list.map(([member, score]) => [member, score === 0 ? 0 : score]);
  assertEquals(zsetLength(db, entry), pairs.length);
  assertEquals(plain(members(db, entry, 0, pairs.length, false)), plain(pairs));
  if (pairs.length === 0) return;
  const from = rng.int(0, pairs.length - 1);
  const count = rng.int(0, pairs.length - from);
  assertEquals(
    plain(members(db, entry, from, count, false)),
    plain(pairs.slice(from, from + count)),
  );
  assertEquals(
    plain(members(db, entry, pairs.length - 1 - from, count, true)),
    plain(pairs.toReversed().slice(from, from + count)),
  );
  const [member, score] = pairs[from]!;
  const bytes = latin1Bytes(member);
  assertEquals(zsetRank(db, entry, bytes, 0, bytes.length), from);
  assertEquals(zsetScore(db, entry, bytes, 0, bytes.length) - score || 0, 0);
  const at = zsetMemberAt(db, entry, from);
  assertEquals(latin1(at.buf, at.off, at.len), member);
  const bound = rng.oneIn(2) ? score : anyScore(rng);
  assertEquals(zsetCountBelow(db, entry, bound, false), pairs.filter(([, s]) => s < bound).length);
  assertEquals(zsetCountBelow(db, entry, bound, true), pairs.filter(([, s]) => s <= bound).length);
  const missing = latin1Bytes("no such member");
  assertEquals(zsetRank(db, entry, missing, 0, missing.length), -1);
  assertEquals(zsetScore(db, entry, missing, 0, missing.length), NaN);
}

function randomWalk(rng: Rng, limits: ZsetLimits, steps: number, kinds: number): void {
  const store = new TestStore(1, rng.seed);
  const db = store.dbs[0]!;
  const emptyBytes = store.usedBytes;
  const entry = emptySet(db, limits);
  const model = new Model();
  for (let step = 0; step < steps; step++) {
    const member = anyMember(rng, kinds);
    const old = model.scores.get(member);
    if (rng.oneIn(3)) {
      assertEquals(remove(db, entry, member), old !== undefined);
      model.scores.delete(member);
    } else if (rng.oneIn(step < steps / 2 ? 400 : 60)) {
      const { pairs } = model;
      const from = rng.int(0, pairs.length);
      const count = rng.int(0, pairs.length - from);
      zsetRemoveRange(db, entry, from, count);
      for (const [gone] of pairs.slice(from, from + count)) model.scores.delete(gone);
    } else {
      const score = anyScore(rng);
      const result = add(db, entry, member, score, 0, limits);
      const expected = old === undefined ? ADDED.added : old === score ? ADDED.same : ADDED.updated;
      assertEquals(result, expected);
      if (old !== score) model.scores.set(member, score);
    }
    if (rng.oneIn(Math.ceil(steps / 60))) check(db, entry, model, rng);
  }
  check(db, entry, model, rng);
  if (db.encoding(entry) === ENCODING.listpack) {
    const [ref, bytes] = [db.low(entry), db.high(entry)];
    const elements = validateListpack(db.arena.buf(ref, bytes), db.arena.off(ref, bytes), bytes);
    assertEquals(elements, 2 * model.scores.size);
  }
  db.remove(entry);
  assertEquals(store.usedBytes, emptyBytes);
}

Deno.test("A small sorted set does what a naive one does", () =>
  seeded((rng) => {
    for (let run = 0; run < 10; run++) randomWalk(rng, SMALL, 300, 30);
  }));

Deno.test("A large sorted set does what a naive one does", () =>
  seeded((rng) => {
    randomWalk(rng, LARGE, 1000, 30);
    randomWalk(rng, LARGE, 20_000, 20_000);
  }));

Deno.test("A sorted set that grows and shrinks through its limits stays itself", () =>
  seeded((rng) => {
    for (let run = 0; run < 10; run++) randomWalk(rng, limits(20, 30), 200, 40);
  }));

for (const order of ["ascending", "descending", "equal", "random"] as const) {
  Deno.test(`A large sorted set of ${order} scores keeps ranks, counts and its memory`, () =>
    seeded((rng) => {
      const count = 60_000;
      const store = new TestStore(1, rng.seed);
      const db = store.dbs[0]!;
      const entry = emptySet(db, LARGE);
      const scoreOf = (i: number) => order === "equal" ? 1 : order === "descending" ? -i : i;
      const name = (i: number) =>
        `m${String(order === "descending" ? count - i : i).padStart(6, "0")}`;
      const indexes = Array.from({ length: count }, (_, i) => i);
      if (order !== "ascending" && order !== "descending") rng.shuffle(indexes);
      for (const i of indexes) add(db, entry, name(i), scoreOf(i), 0);
      const first = members(db, entry, 0, 1, false)[0]![0];
      assertEquals(first, order === "descending" ? "m000001" : "m000000");
      for (let i = 0; i < 200; i++) {
        const rank = rng.int(0, count - 1);
        const at = zsetMemberAt(db, entry, rank);
        assertEquals(zsetRank(db, entry, at.buf, at.off, at.len), rank);
        const expected = order === "descending" ? rank + 1 : rank;
        assertEquals(latin1(at.buf, at.off, at.len), `m${String(expected).padStart(6, "0")}`);
      }
      // A member of 7 bytes: its block of 24, a slot or two of 8, and at worst half a node's share of 24.
      const large = largeZset(db, entry)!;
      const bytes = large.arenaBytes(0) + large.heapBytes;
      assert(bytes < 80 * count, `${bytes / count} bytes a member`);
      for (let removed = 0; removed < count - 10;) {
        const some = Math.min(rng.int(1, 500), count - 10 - removed);
        zsetRemoveRange(db, entry, rng.int(0, count - removed - some), some);
        removed += some;
      }
      assertEquals(members(db, entry, 0, 10, false), members(db, entry, 9, 10, true).reverse());
      db.remove(entry);
    }));
}

Deno.test("Members are counted by their bytes where scores are equal", () =>
  seeded((rng) => {
    for (const limits of [SMALL, LARGE]) {
      const db = new TestStore(1, rng.seed).dbs[0]!;
      const entry = emptySet(db, limits);
      const names = new Set(Array.from({ length: 150 }, () => latin1(rng.bytes(rng.int(0, 3)))));
      for (const name of names) add(db, entry, name, 0, 0, limits);
      for (let i = 0; i < 200; i++) {
        const bound = rng.oneIn(2) ? rng.pick([...names]) : latin1(rng.bytes(rng.int(0, 3)));
        const bytes = latin1Bytes(bound);
        const below = [...names].filter((name) => name < bound).length;
        assertEquals(zsetCountBelowMember(db, entry, bytes, 0, bytes.length, false), below);
        assertEquals(
          zsetCountBelowMember(db, entry, bytes, 0, bytes.length, true),
          below + (names.has(bound) ? 1 : 0),
        );
      }
    }
  }));

Deno.test("zsetAdd heeds its conditions in both encodings", () => {
  for (const limits of [SMALL, LARGE]) {
    const db = new TestStore(1, 1).dbs[0]!;
    const entry = emptySet(db, limits);
    const set = (score: number, how: number) => add(db, entry, "a", score, how, limits);
    assertEquals(set(1, ADD.xx), ADDED.nothing);
    assertEquals(set(1, ADD.nx), ADDED.added);
    assertEquals(set(2, ADD.nx), ADDED.nothing);
    assertEquals(set(2, ADD.lt), ADDED.nothing);
    assertEquals(set(0, ADD.gt), ADDED.nothing);
    assertEquals(set(2, ADD.gt), ADDED.updated);
    assertEquals(set(2, ADD.gt), ADDED.nothing);
    assertEquals(set(2, 0), ADDED.same);
    assertEquals(set(3, ADD.incr), ADDED.updated);
    assertEquals(addedScore, 5);
    assertEquals(set(Infinity, ADD.incr), ADDED.updated);
    assertEquals(set(-Infinity, ADD.incr), ADDED.nan);
    assertEquals(members(db, entry, 0, 1, false), [["a", Infinity]]);
  }
});

Deno.test("A scan of a large sorted set finds every member that stays", () =>
  seeded((rng) => {
    const db = new TestStore(1, rng.seed).dbs[0]!;
    const entry = emptySet(db, LARGE);
    for (let i = 0; i < 500; i++) add(db, entry, `stays:${i}`, i, 0);
    const large = largeZset(db, entry)!;
    const seen = new Set<string>();
    let cursor = 0;
    let round = 0;
    do {
      cursor = large.map.scan(cursor, (found) => {
        const { buf, off, len, score } = largeMember(large, found);
        const name = latin1(buf, off, len);
        seen.add(name);
        if (name.startsWith("stays:")) assertEquals(score, Number(name.slice(6)));
      });
      for (let i = 0; i < 20; i++) {
        if (round < 100) add(db, entry, `comes:${rng.int(0, 5000)}`, 0, 0);
        else remove(db, entry, `comes:${rng.int(0, 5000)}`);
      }
      round++;
    } while (cursor !== 0);
    for (let i = 0; i < 500; i++) assert(seen.has(`stays:${i}`), `stays:${i} was not found`);
  }));

Deno.test("Members of any length keep their bytes", () => {
  const db = new TestStore(1, 1).dbs[0]!;
  const entry = emptySet(db, SMALL);
  const names = ["", "\0", "a".repeat(40_000), "a".repeat(40_001), "b".repeat(32 * 1024)];
  for (const name of names) add(db, entry, name, 1, 0, SMALL);
  assertEquals(members(db, entry, 0, 5, false).map(([name]) => name), names.toSorted());
  for (const name of names) assertEquals(remove(db, entry, name), true);
  assertEquals(zsetLength(db, entry), 0);
});
