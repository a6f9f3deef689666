/** What streams are made of, without a server: tables by ID, and streams over many blocks. */
import { assert, assertEquals } from "@std/assert";
import { Arena } from "../lib/bytes/arena.ts";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { Args } from "../lib/resp/args.ts";
import { IdTable, NO_RECORD } from "../lib/store/id_table.ts";
import { Stream } from "../lib/store/stream.ts";
import { StreamCursor } from "../lib/store/stream_cursor.ts";
import { Group } from "../lib/store/stream_groups.ts";
import {
  compareIds,
  decrementId,
  formatId,
  idText,
  incrementId,
  MAX_ID,
  MIN_ID,
  newId,
  PARSED,
  parseId,
  type StreamId,
} from "../lib/store/stream_id.ts";
import { type Rng, seeded } from "./support/rng.ts";

function id(value: number): StreamId {
  return newId(0, value >>> 3, 0, value & 7);
}

function text(words: Int32Array, at = 0): string {
  return latin1(idText, 0, formatId(words, at));
}

Deno.test("a table by ID holds what a sorted list holds", () =>
  seeded((rng) => {
    const arena = new Arena();
    const table = new IdTable(arena, 6);
    let model: number[] = [];
    for (let step = 0; step < 6000; step++) {
      const value = rng.oneIn(2) ? 8 * step : rng.int(0, 8 * step);
      const at = model.findIndex((each) => each >= value);
      const place = table.find(id(value));
      assertEquals(place !== NO_RECORD, model[at] === value);
      if (place === NO_RECORD) {
        const added = table.insert(id(value));
        table.words(added)[table.at(added) + 5] = value;
        model.splice(at < 0 ? model.length : at, 0, value);
      } else {
        const next = table.remove(place);
        model.splice(at, 1);
        assertEquals(valueAt(table, next), model[at]);
      }
      // Whole runs go, as they do when a stream is trimmed.
      if (rng.oneIn(500)) {
        const gone = rng.int(0, model.length);
        const first = rng.oneIn(2) ? 0 : rng.int(0, model.length - gone);
        for (let i = 0; i < gone; i++) {
          table.remove(table.find(id(model[first]!))), model.splice(first, 1);
        }
      }
      checkAround(table, model, rng);
    }
    checkWalks(table, model);
    const copy = new IdTable(arena, 6);
    copy.copyFrom(table);
    checkWalks(copy, model);
    copy.free();
    while (table.count > 0) table.remove(table.first);
    model = [];
    checkWalks(table, model);
    table.free();
    assertEquals(arena.usedBytes, 0);
  }));

function valueAt(table: IdTable, place: number): number | undefined {
  return place === NO_RECORD ? undefined : table.words(place)[table.at(place) + 5];
}

function checkAround(table: IdTable, model: readonly number[], rng: Rng): void {
  assertEquals(table.count, model.length);
  const value = rng.int(0, (model.at(-1) ?? 0) + 3);
  assertEquals(valueAt(table, table.atLeast(id(value))), model.find((each) => each >= value));
  assertEquals(valueAt(table, table.atMost(id(value))), model.findLast((each) => each <= value));
}

function checkWalks(table: IdTable, model: readonly number[]): void {
  const forward: number[] = [];
  for (let at = table.first; at !== NO_RECORD; at = table.next(at)) {
    forward.push(valueAt(table, at)!);
  }
  assertEquals(forward, model);
  const backward: number[] = [];
  for (let at = table.last; at !== NO_RECORD; at = table.previous(at)) {
    backward.push(valueAt(table, at)!);
  }
  assertEquals(backward, model.toReversed());
}

Deno.test("IDs are read, written and counted over the whole of both ranges", () => {
  const texts = [
    "0-0",
    "0-1",
    "1-4294967295",
    "1-4294967296",
    "9007199254740991-9007199254740992",
    "9007199254740993-18446744073709551615",
    "18446744073709551615-0",
    "18446744073709551615-18446744073709551615",
  ];
  const parsed = texts.map((each) => {
    const words = newId();
    assertEquals(parseId(latin1Bytes(each), 0, each.length, words), PARSED.whole);
    return words;
  });
  assertEquals(parsed.map((words) => text(words)), texts);
  for (let i = 1; i < parsed.length; i++) assert(compareIds(parsed[i - 1]!, parsed[i]!) < 0);
  for (const words of parsed) {
    const moved = words.slice();
    assertEquals(incrementId(moved), compareIds(words, MAX_ID) !== 0);
    assertEquals(decrementId(moved), compareIds(words, MAX_ID) !== 0);
    assertEquals(moved, words);
  }
  const wrapped = MIN_ID.slice();
  assertEquals(decrementId(wrapped), false);
  assertEquals(text(wrapped), texts.at(-1));
});

/** `count` entries of one field, with the IDs `1-0`, `2-0` …; some fields have another name. */
function fill(stream: Stream, count: number): void {
  const limits = { maxBytes: 4096, maxEntries: 3 };
  for (let i = 1; i <= count; i++) {
    const args = Args.of("XADD", "s", "*", i % 10 === 0 ? "other" : "field", String(i));
    stream.append(newId(0, i), args, 3, limits);
  }
}

function values(stream: Stream, from: StreamId, to: StreamId, reversed: boolean): number[] {
  const cursor = new StreamCursor();
  cursor.start(stream, from, to, reversed);
  const ahead = cursor.ahead(0);
  const found: number[] = [];
  while (cursor.next()) found.push(cursor.id[1]!);
  assertEquals(ahead, found.length);
  return found;
}

Deno.test("a stream is walked from and to any ID, over the whole of both ranges", () =>
  seeded((rng) => {
    // Around the limits of 32 and 53 bits and of a sign, in words.
    // deno-fmt-ignore
    const halves = [
      [0, 0], [0, 1], [0, -1], [1, 0], [0x1f_ffff, -1], [0x20_0000, 0], [0x20_0000, 1],
      [0x7fff_ffff, -1], [-0x8000_0000, 0], [-1, -1],
    ] as const;
    const ids = halves.flatMap((ms) => halves.map((seq) => newId(...ms, ...seq)));
    const args = Args.of("field", "value");
    const cursor = new StreamCursor();
    for (let round = 0; round < 100; round++) {
      const stream = new Stream(new Arena());
      const limits = { maxBytes: 0, maxEntries: rng.pick([7, 100]) };
      const rarity = rng.int(2, 40);
      const added = ids.filter((each) => compareIds(each, MIN_ID) > 0 && rng.oneIn(rarity));
      for (const each of added) stream.append(each, args, 0, limits);
      const kept = added.filter((each) => !rng.oneIn(4) || !stream.delete(each));
      for (const from of ids) {
        const to = rng.pick(ids);
        const limit = rng.pick([0, 1, 10]);
        const inRange = kept.filter((each) =>
          compareIds(each, from) >= 0 && compareIds(each, to) <= 0
        );
        cursor.start(stream, from, to);
        const ahead = limit === 0 ? inRange.length : Math.min(limit, inRange.length);
        assertEquals(cursor.ahead(limit), ahead);
        for (const each of inRange) {
          assert(cursor.next());
          assertEquals(compareIds(cursor.id, each), 0);
        }
        assert(!cursor.next());
      }
    }
  }));

Deno.test("a stream of many blocks is walked, counted, trimmed and freed", () =>
  seeded((rng) => {
    const arena = new Arena();
    const stream = new Stream(arena);
    fill(stream, 3000);
    assertEquals(stream.blocks.count, 1000);
    let model = Array.from({ length: 3000 }, (_, i) => i + 1);
    for (let step = 0; step < 200; step++) {
      if (step === 100) {
        assertEquals(
          stream.trim({ maxLength: 900, minId: MIN_ID, approximate: false, limit: 0 }),
          model.length - 900,
        );
        model = model.slice(-900);
      }
      for (let i = 0; i < 10; i++) {
        const gone = rng.int(1, 3000);
        assertEquals(stream.delete(newId(0, gone)), model.includes(gone));
        model = model.filter((each) => each !== gone);
      }
      const [from, to] = [rng.int(0, 3100), rng.int(0, 3100)];
      const inRange = model.filter((each) => each >= from && each <= to);
      assertEquals(values(stream, newId(0, from), newId(0, to), false), inRange);
      assertEquals(values(stream, newId(0, from), newId(0, to), true), inRange.toReversed());
    }
    assertEquals(stream.length, model.length);
    stream.groups.add(new Group(latin1Bytes("g"), arena, MIN_ID, 0));
    const group = stream.groups.items[0]!;
    const consumer = group.addConsumer(latin1Bytes("c"), 0);
    for (const each of model) group.deliver(newId(0, each), consumer, 1);

    const copy = stream.copy(arena);
    const used = arena.usedBytes;
    assertEquals(stream.arenaBytes() + copy.arenaBytes(), used);
    stream.free();
    assertEquals(values(copy, MIN_ID, MAX_ID, false), model);
    assertEquals(copy.groups.items[0]!.pending.count, model.length);
    copy.free();
    assertEquals(arena.usedBytes, 0);
  }));

Deno.test("a group that has lost very many consumers is copied", () => {
  const group = new Group(latin1Bytes("g"), new Arena(), MIN_ID, 0);
  const names = Array.from({ length: 200_000 }, (_, i) => latin1Bytes(String(1e6 + i)));
  for (const name of names) group.addConsumer(name, 0);
  for (const consumer of group.consumers.items.toReversed()) group.removeConsumer(consumer);
  const copy = group.copy(new Arena());
  assertEquals(copy.consumers.items.length, 0);
  copy.addConsumer(names[0]!, 0);
  assertEquals(copy.consumers.items.length, 1);
});
