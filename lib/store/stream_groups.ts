/**
 * Consumer groups: who has read how far, and what was delivered and is not yet acknowledged.
 *
 * What is pending stands in two tables: the group's has a record of each entry's delivery, and the
 * consumer's the same IDs alone, so that its own history is read without looking at others'.
 */
import type { Arena } from "../bytes/arena.ts";
import { IdTable, NO_RECORD } from "./id_table.ts";
import { type Count, minus, plus } from "./stream_count.ts";
import type { Stream } from "./stream.ts";
import { compareIds, copyId, ID_WORDS, isZeroId, newId, type StreamId } from "./stream_id.ts";

/** Words of a pending entry's record behind its ID. */
const TIME = 4;
const DELIVERIES = 6;
const CONSUMER = 8;
const PENDING_WORDS = 9;

const TWO_32 = 2 ** 32;
/** What the objects take in V8's heap, roughly. */
const OBJECT_BYTES = 200;

/** A counter or time that is not known. */
export const UNKNOWN = -1;
/** The consumer of a pending entry that has none yet. */
const NOBODY = -1;

/** A few things with names, in the order of these as bytes. */
export class ByName<T extends { readonly name: Uint8Array }> {
  readonly items: T[] = [];

  find(buf: Uint8Array, off: number, len: number): T | undefined {
    const i = this.#search(buf, off, len);
    const item = this.items[i];
    return item !== undefined && compareBytes(item.name, buf, off, len) === 0 ? item : undefined;
  }

  /** Adds an item whose name is new. */
  add(item: T): void {
    this.items.splice(this.#search(item.name, 0, item.name.length), 0, item);
  }

  /** Adds an item in no order, for many of them: {@link ByName.order} must follow before all else. */
  push(item: T): void {
    this.items.push(item);
  }

  /** Puts all items in order after {@link ByName.push}; returns whether each name is there once. */
  order(): boolean {
    const { items } = this;
    items.sort((a, b) => compareBytes(a.name, b.name, 0, b.name.length));
    return items.every(({ name }, i) =>
      i === 0 || compareBytes(items[i - 1]!.name, name, 0, name.length) < 0
    );
  }

  remove(item: T): void {
    this.items.splice(this.#search(item.name, 0, item.name.length), 1);
  }

  /** The first place whose name is not less. */
  #search(buf: Uint8Array, off: number, len: number): number {
    let low = 0;
    for (let high = this.items.length; low < high;) {
      const middle = (low + high) >> 1;
      if (compareBytes(this.items[middle]!.name, buf, off, len) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Consumer {
  readonly name: Uint8Array;
  /** When it last asked for something, and when it last got something: ms since the epoch. */
  seenMs: number;
  activeMs = UNKNOWN;
  /** IDs of what was delivered to it. */
  readonly pending: IdTable;
  /** Its number in its group. */
  readonly slot: number;

  constructor(name: Uint8Array, slot: number, arena: Arena, seenMs: number) {
    this.name = name;
    this.slot = slot;
    this.seenMs = seenMs;
    this.pending = new IdTable(arena, ID_WORDS);
  }
}

export class Group {
  readonly name: Uint8Array;
  /** Of the last entry delivered. */
  readonly lastId = newId();
  /** How many entries of the stream's history lie up to `lastId`, or UNKNOWN. */
  entriesRead: Count;
  readonly consumers = new ByName<Consumer>();
  /** Records of all pending entries. */
  readonly pending: IdTable;
  readonly #arena: Arena;
  /** Consumers by number, with gaps. */
  readonly #bySlot: (Consumer | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  constructor(name: Uint8Array, arena: Arena, lastId: StreamId, entriesRead: Count) {
    this.name = name;
    this.entriesRead = entriesRead;
    this.pending = new IdTable(arena, PENDING_WORDS);
    this.#arena = arena;
    copyId(lastId, this.lastId);
  }

  addConsumer(name: Uint8Array, nowMs: number): Consumer {
    const consumer = this.#newConsumer(name, nowMs);
    this.consumers.add(consumer);
    return consumer;
  }

  /** {@link Group.addConsumer} in no order: the consumers must be put in order then. */
  pushConsumer(name: Uint8Array, nowMs: number): Consumer {
    const consumer = this.#newConsumer(name, nowMs);
    this.consumers.push(consumer);
    return consumer;
  }

  #newConsumer(name: Uint8Array, nowMs: number): Consumer {
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const consumer = new Consumer(name, slot, this.#arena, nowMs);
    this.#bySlot[slot] = consumer;
    return consumer;
  }

  /** Removes a consumer and what is pending with it. */
  removeConsumer(consumer: Consumer): void {
    const { pending } = consumer;
    for (let place = pending.first; place !== NO_RECORD; place = pending.next(place)) {
      this.pending.remove(this.pending.find(pending.words(place), pending.at(place)));
    }
    pending.free();
    this.consumers.remove(consumer);
    this.#bySlot[consumer.slot] = undefined;
    this.#freeSlots.push(consumer.slot);
  }

  /** Notes the first delivery of an entry to a consumer, taking it from whoever had it; its place. */
  deliver(id: StreamId, consumer: Consumer, nowMs: number): number {
    let place = this.pending.find(id);
    if (place === NO_RECORD) place = this.addPending(id);
    this.assign(place, consumer);
    this.setDelivery(place, nowMs);
    this.setDeliveries(place, 1);
    return place;
  }

  /** Adds a record of an entry that is nobody's yet, delivered once; returns its place. */
  addPending(id: StreamId): number {
    const place = this.pending.insert(id);
    this.pending.words(place)[this.pending.at(place) + CONSUMER] = NOBODY;
    this.setDeliveries(place, 1);
    return place;
  }

  /** Makes a pending entry a consumer's. */
  assign(place: number, consumer: Consumer): void {
    const words = this.pending.words(place);
    const at = this.pending.at(place);
    const old = this.consumerOf(place);
    if (old === consumer) return;
    if (old !== undefined) old.pending.remove(old.pending.find(words, at));
    consumer.pending.insert(words, at);
    words[at + CONSUMER] = consumer.slot;
  }

  /** Removes a pending entry; returns the place of the next one. */
  removePending(place: number): number {
    const consumer = this.consumerOf(place);
    if (consumer !== undefined) {
      const { pending } = consumer;
      pending.remove(pending.find(this.pending.words(place), this.pending.at(place)));
    }
    return this.pending.remove(place);
  }

  consumerOf(place: number): Consumer | undefined {
    const slot = this.pending.words(place)[this.pending.at(place) + CONSUMER]!;
    return slot === NOBODY ? undefined : this.#bySlot[slot];
  }

  /** When a pending entry was last delivered: ms since the epoch. */
  deliveryMs(place: number): number {
    const words = this.pending.words(place);
    const at = this.pending.at(place) + TIME;
    return words[at]! * TWO_32 + (words[at + 1]! >>> 0);
  }

  setDelivery(place: number, ms: number): void {
    const words = this.pending.words(place);
    const at = this.pending.at(place) + TIME;
    words[at] = Math.floor(ms / TWO_32);
    words[at + 1] = ms;
  }

  /** How often a pending entry was delivered. */
  deliveries(place: number): Count {
    const words = this.pending.words(place);
    const at = this.pending.at(place) + DELIVERIES;
    const high = words[at]!;
    const low = words[at + 1]! >>> 0;
    const value = high * TWO_32 + low;
    return Number.isSafeInteger(value) ? value : BigInt(high) << 32n | BigInt(low);
  }

  setDeliveries(place: number, count: Count): void {
    const words = this.pending.words(place);
    const at = this.pending.at(place) + DELIVERIES;
    if (typeof count === "number") {
      words[at] = Math.floor(count / TWO_32);
      words[at + 1] = count;
    } else {
      words[at] = Number(count >> 32n);
      words[at + 1] = Number(BigInt.asIntN(32, count));
    }
  }

  /** Reads on to an entry: its ID is the last delivered, and what was read is counted where possible. */
  advance(stream: Stream, id: StreamId): void {
    if (compareIds(id, this.lastId) <= 0) return;
    if (this.entriesRead !== UNKNOWN && !hasDeletedFrom(stream, id)) {
      this.entriesRead = plus(this.entriesRead, 1);
    } else if (stream.entriesAdded !== 0) {
      this.entriesRead = entriesUpTo(stream, id);
    }
    copyId(id, this.lastId);
  }

  /** How many entries of the stream remain to be delivered, or undefined if that is not known. */
  lag(stream: Stream): Count | undefined {
    if (stream.entriesAdded === 0) return 0;
    const read = this.entriesRead !== UNKNOWN && !hasDeletedFrom(stream, this.lastId)
      ? this.entriesRead
      : entriesUpTo(stream, this.lastId);
    return read === UNKNOWN ? undefined : minus(stream.entriesAdded, read);
  }

  copy(arena: Arena): Group {
    const copy = new Group(this.name, arena, this.lastId, this.entriesRead);
    for (const consumer of this.consumers.items) {
      const other = new Consumer(consumer.name, consumer.slot, arena, consumer.seenMs);
      other.activeMs = consumer.activeMs;
      other.pending.copyFrom(consumer.pending);
      copy.#bySlot[other.slot] = other;
      copy.consumers.add(other);
    }
    for (const slot of this.#freeSlots) copy.#freeSlots.push(slot);
    copy.pending.copyFrom(this.pending);
    return copy;
  }

  free(): void {
    this.pending.free();
    for (const { pending } of this.consumers.items) pending.free();
  }

  get arenaBytes(): number {
    return this.consumers.items.reduce(
      (sum, { pending }) => sum + pending.arenaBytes,
      this.pending.arenaBytes,
    );
  }

  get heapBytes(): number {
    return this.consumers.items.reduce(
      (sum, { name, pending }) => sum + OBJECT_BYTES + name.length + pending.heapBytes,
      OBJECT_BYTES + this.name.length + this.pending.heapBytes,
    );
  }
}

/** Whether entries behind an ID may have been deleted, so that counting from there tells nothing. */
function hasDeletedFrom({ length, firstId, maxDeletedId }: Stream, id: StreamId): boolean {
  if (length === 0 || isZeroId(maxDeletedId)) return false;
  if (compareIds(firstId, maxDeletedId) > 0) return false;
  return compareIds(id, maxDeletedId) <= 0;
}

/** How many entries were ever added up to an ID, where that can be known; else UNKNOWN. */
export function entriesUpTo(stream: Stream, id: StreamId): Count {
  const { entriesAdded, length, lastId, firstId, maxDeletedId } = stream;
  if (entriesAdded === 0) return 0;
  const toLast = compareIds(id, lastId);
  if (length === 0 && toLast < 1) return entriesAdded;
  if (toLast === 0) return entriesAdded;
  if (toLast > 0) return UNKNOWN;
  if (!isZeroId(maxDeletedId) && compareIds(maxDeletedId, firstId) >= 0) return UNKNOWN;
  const toFirst = compareIds(id, firstId);
  if (toFirst > 0) return UNKNOWN;
  return plus(minus(entriesAdded, length), toFirst === 0 ? 1 : 0);
}

function compareBytes(a: Uint8Array, b: Uint8Array, bOff: number, bLen: number): number {
  const common = Math.min(a.length, bLen);
  for (let i = 0; i < common; i++) {
    const difference = a[i]! - b[bOff + i]!;
    if (difference !== 0) return difference;
  }
  return a.length - bLen;
}
