/** The store's ground, held against naive models with seeded random operations. */
import { assert, assertEquals } from "@std/assert";
import { Arena, MAX_BLOCK } from "../lib/bytes/arena.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { AccessPolicy } from "../lib/store/access.ts";
import { Database, NO_EXPIRY } from "../lib/store/database.ts";
import { KeyspaceStats } from "../lib/store/database_context.ts";
import {
  appendString,
  KEEP_EXPIRY,
  readString,
  replaceWithInteger,
  setString,
} from "../lib/store/string_value.ts";
import { CachedTime } from "../lib/store/time.ts";
import { type Rng, seeded } from "./support/rng.ts";

interface Block {
  ref: number;
  bytes: Uint8Array;
}

Deno.test("an arena's blocks keep their bytes whatever is allocated, resized and freed beside them", async () => {
  await seeded((rng) => {
    const arena = new Arena();
    const blocks: Block[] = [];
    for (let step = 0; step < 30_000; step++) {
      // Waves, so that slabs fill up and fall empty.
      const growing = step % 10_000 < 6000;
      if (blocks.length === 0 || (growing ? !rng.oneIn(4) : rng.oneIn(4))) {
        blocks.push(newBlock(rng, arena));
        continue;
      }
      const i = rng.int(0, blocks.length - 1);
      const block = blocks[i]!;
      assertHolds(arena, block);
      const change = rng.int(0, 8);
      if (change < 3) resize(rng, arena, block);
      else if (change < 5) fit(arena, block);
      else {
        arena.free(block.ref, block.bytes.length);
        blocks[i] = blocks.at(-1)!;
        blocks.pop();
      }
    }
    for (const block of blocks) assertHolds(arena, block);
    for (const { ref, bytes } of blocks) arena.free(ref, bytes.length);
    assertEquals(arena.usedBytes, 0);
  });
});

function blockLength(rng: Rng): number {
  if (rng.oneIn(200)) return rng.int(MAX_BLOCK - 2, MAX_BLOCK * 2);
  return rng.oneIn(20) ? rng.int(0, 20_000) : rng.int(0, 200);
}

function newBlock(rng: Rng, arena: Arena): Block {
  const bytes = filled(rng, blockLength(rng));
  const { length } = bytes;
  // Some ask for more than they use at first.
  const room = length > 0 && length < 4096 && rng.oneIn(4) ? rng.int(length, 4096) : length;
  const ref = arena.alloc(room);
  arena.write(ref, length, bytes, 0);
  assertEquals(arena.bytesOf(ref, length), Arena.blockBytes(room));
  assert(length > MAX_BLOCK || length === 0 || arena.fits(ref, length, room));
  return { ref, bytes };
}

function fit(arena: Arena, block: Block): void {
  const { length } = block.bytes;
  block.ref = arena.fit(block.ref, length);
  if (length <= MAX_BLOCK) {
    assertEquals(arena.bytesOf(block.ref, length), Arena.blockBytes(length));
  }
}

function resize(rng: Rng, arena: Arena, block: Block): void {
  const { length } = block.bytes;
  const to = rng.oneIn(2) ? blockLength(rng) : length + rng.int(0, 9);
  const bytes = filled(rng, to);
  bytes.set(block.bytes.subarray(0, Math.min(length, to)));
  block.ref = arena.resize(block.ref, length, to);
  const off = arena.off(block.ref, to);
  arena.buf(block.ref, to).set(bytes.subarray(length), off + Math.min(length, to));
  block.bytes = bytes;
}

function filled(rng: Rng, length: number): Uint8Array {
  return new Uint8Array(length).fill(rng.int(0, 255));
}

function assertHolds(arena: Arena, { ref, bytes }: Block): void {
  assert(arena.equals(ref, bytes.length, bytes, 0), `block ${ref} of ${bytes.length} bytes`);
}

interface Model {
  value: string;
  expiryMs: number;
}

class Subject {
  readonly model = new Map<string, Model>();
  readonly keys: string[];
  nowMs = 1_800_000_000_000;
  readonly db: Database;
  readonly #time: CachedTime;
  expired: string[] = [];

  constructor(readonly rng: Rng, keys: number) {
    this.#time = new CachedTime(() => this.nowMs);
    const random = () => rng.float();
    this.db = new Database(0, {
      time: this.#time,
      access: new AccessPolicy(this.#time, random),
      listener: {
        keyMissed() {},
        keyAdded() {},
        keyEvicted() {},
        keyExpired: (_db, buf, off, len) => this.expired.push(latin1(buf, off, len)),
      },
      stats: new KeyspaceStats(),
      random,
      expires: true,
      expiredOnReplica: () => "hidden",
      latency: { thresholdMs: 0, note() {} },
    });
    this.keys = Array.from({ length: keys }, (_, i) => this.#keyName(i));
  }

  #keyName(i: number): string {
    if (i === 0) return "";
    const length = i % 997 === 1 ? 40_000 : this.rng.int(1, 40);
    return `${i}`.padEnd(length, "\xff\0");
  }

  find(key: string): number {
    const bytes = latin1Bytes(key);
    return this.db.find(bytes, 0, bytes.length);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#time.refresh();
  }

  /** What the model holds of a key: nothing once its time has come. */
  expected(key: string): Model | undefined {
    const held = this.model.get(key);
    if (held === undefined || held.expiryMs === NO_EXPIRY || held.expiryMs >= this.nowMs) {
      return held;
    }
    this.model.delete(key);
    return undefined;
  }

  assertHolds(key: string): void {
    const expected = this.expected(key);
    const entry = this.find(key);
    if (expected === undefined) {
      assertEquals(entry, 0, JSON.stringify(key.slice(0, 40)));
      return;
    }
    assert(entry !== 0, `${JSON.stringify(key.slice(0, 40))} is lost`);
    const { buf, off, len } = readString(this.db, entry);
    const found = { value: latin1(buf, off, len), expiryMs: this.db.expiryMs(entry) };
    assertEquals(found, expected);
    assertEquals(latin1(this.db.map.key(entry)), key);
  }

  set(key: string): void {
    const { rng } = this;
    const value = randomValue(rng);
    const expiryMs = this.randomExpiry(rng.oneIn(4) ? KEEP_EXPIRY : NO_EXPIRY);
    const kept = this.expected(key)?.expiryMs ?? NO_EXPIRY;
    const keyBytes = latin1Bytes(key);
    const src = latin1Bytes(`..${value}..`);
    setString(this.db, keyBytes, 0, keyBytes.length, src, 2, value.length, expiryMs);
    this.model.set(key, { value, expiryMs: expiryMs === KEEP_EXPIRY ? kept : expiryMs });
  }

  randomExpiry(otherwise: number): number {
    return this.rng.oneIn(3) ? this.nowMs + this.rng.int(0, 5000) : otherwise;
  }

  change(key: string): void {
    const { db, rng } = this;
    const held = this.expected(key);
    const entry = this.find(key);
    if (held === undefined) return this.set(key);
    switch (rng.int(0, 4)) {
      case 0:
        held.expiryMs = this.randomExpiry(NO_EXPIRY);
        db.setExpiry(entry, held.expiryMs);
        break;
      case 1: {
        const more = latin1Bytes("+".repeat(rng.int(0, 60)));
        assertEquals(
          appendString(db, entry, more, 0, more.length),
          held.value.length + more.length,
        );
        held.value += latin1(more);
        break;
      }
      case 2: {
        const number = rng.int(-9, 9) * 10 ** rng.int(0, 14);
        replaceWithInteger(db, entry, number);
        held.value = String(number);
        break;
      }
      default: {
        const to = rng.pick(this.keys);
        if (to === key) break;
        const there = this.find(to);
        if (there !== 0) db.remove(there);
        const bytes = latin1Bytes(to);
        db.rename(entry, bytes, 0, bytes.length);
        this.model.delete(key);
        this.model.set(to, held);
      }
    }
  }

  remove(key: string): void {
    const entry = this.find(key);
    assertEquals(entry !== 0, this.expected(key) !== undefined);
    if (entry !== 0) this.db.remove(entry);
    this.model.delete(key);
  }

  assertSound(): void {
    for (const key of this.keys) this.assertHolds(key);
    assertEquals(this.db.size, this.model.size);
    const volatile = [...this.model.values()].filter(({ expiryMs }) => expiryMs !== NO_EXPIRY);
    assertEquals(this.db.volatileCount, volatile.length);
    const listed = new Set(this.db.volatile.subarray(0, this.db.volatileCount));
    assertEquals(listed.size, volatile.length);
    for (const entry of listed) assert(this.db.isVolatile(entry));
  }
}

const VALUES = [
  ...["", "0", "-1", "00", "-0", "9007199254740991", "9007199254740993", "-9007199254740993"],
  ...["9223372036854775807", "-9223372036854775808", "9223372036854775808", "4294967296"],
  ..."-4294967297|2147483648|-2147483649|x".split("|"),
];

function randomValue(rng: Rng): string {
  if (rng.oneIn(3)) return rng.pick(VALUES);
  return "v".repeat(rng.oneIn(300) ? MAX_BLOCK + 1 : rng.int(0, 120));
}

Deno.test("a database holds what was set, renamed, appended and left to expire, while it rehashes", async () => {
  await seeded((rng) => {
    const subject = new Subject(rng, 6000);
    for (let step = 0; step < 60_000; step++) {
      const key = rng.pick(subject.keys);
      const filling = step % 20_000 < 11_000;
      if (filling ? !rng.oneIn(4) : rng.oneIn(8)) subject.set(key);
      else if (rng.oneIn(3)) subject.change(key);
      else subject.remove(key);
      if (rng.oneIn(20)) subject.pass(rng.int(0, 20));
      subject.assertHolds(rng.pick(subject.keys));
      if (step % 10_000 === 9999) subject.assertSound();
    }
    for (const key of subject.keys) subject.remove(key);
    subject.assertSound();
    assertEquals(subject.db.arena.usedBytes, 0);
  });
});

Deno.test("a scan meets every key that stays, whatever comes and goes between its calls", async () => {
  await seeded((rng) => {
    for (let round = 0; round < 12; round++) {
      const subject = new Subject(rng, 9000);
      const { db } = subject;
      const stay = subject.keys.slice(0, rng.int(1, 3000));
      for (const key of stay) subject.set(key);
      const grows = round % 2 === 0;
      const others = subject.keys.slice(stay.length);
      if (!grows) { for (const key of others) subject.set(key); }
      const left = new Set(stay);
      let at = 0;
      let cursor = 0;
      do {
        cursor = db.map.scan(cursor, (entry) => left.delete(latin1(db.map.key(entry))));
        for (let i = rng.int(0, 8); i > 0 && at < others.length; i--) {
          if (grows) subject.set(others[at++]!);
          else subject.remove(others[at++]!);
        }
      } while (cursor !== 0);
      for (const key of left) assertEquals(subject.find(key), 0, "missed a key that stayed");
    }
  });
});

Deno.test("an expired key is told of once, and is gone by then", async () => {
  await seeded((rng) => {
    const subject = new Subject(rng, 1);
    const key = latin1Bytes("k");
    setString(subject.db, key, 0, 1, key, 0, 1, subject.nowMs + 10);
    subject.pass(10);
    assert(subject.find("k") !== 0);
    subject.pass(1);
    assertEquals([subject.find("k"), subject.find("k"), subject.db.size], [0, 0, 0]);
    assertEquals(subject.expired, ["k"]);
  });
});

Deno.test("a sample comes from every part of a database", async () => {
  await seeded((rng) => {
    const subject = new Subject(rng, 50);
    assertEquals(subject.db.map.sample(() => rng.float()), 0);
    for (const key of subject.keys) subject.set(key);
    const seen = new Set<number>();
    for (let i = 0; i < 5000; i++) seen.add(subject.db.map.sample(() => rng.float()));
    assertEquals(seen.size, subject.db.size);
  });
});
