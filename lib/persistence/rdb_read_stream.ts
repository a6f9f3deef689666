/**
 * Reading a stream's value: its blocks, its counters, its consumer groups. What is pending comes
 * twice, as the group's and as the consumers', and both must agree.
 */
import type { Arena } from "../bytes/arena.ts";
import { joinInt64 } from "../bytes/int64.ts";
import {
  firstElement,
  integerAt,
  isIntegerAt,
  nextElement,
  validateListpack,
} from "../bytes/listpack.ts";
import { NO_RECORD } from "../store/id_table.ts";
import { BLOCK_BYTES, BLOCK_REF, DELETED_FLAG, SAME_FIELDS_FLAG } from "../store/stream_cursor.ts";
import type { Count } from "../store/stream_count.ts";
import { entriesUpTo, Group } from "../store/stream_groups.ts";
import { newId, type StreamId } from "../store/stream_id.ts";
import { Stream } from "../store/stream.ts";
import { RDB_TYPE } from "./rdb_format.ts";
import { type RdbInput, RdbString } from "./rdb_input.ts";

const ID_BYTES = 16;
/** ID, time, and a byte at least for how often it was delivered. */
const LEAST_PENDING_BYTES = 25;

const MAX_TIME_MS = 2 ** 52;

const id = newId();
const text = new RdbString();

/** Reads a stream of one of the three stream types; throws RdbError, and nothing is kept then. */
export function readStream(input: RdbInput, type: number, arena: Arena): Stream {
  const stream = new Stream(arena);
  try {
    const entries = readBlocks(input, stream);
    const length = input.length();
    if (length !== entries) input.fail(`A stream of ${length} entries has ${entries}`);
    stream.length = length;
    readId(input, stream.lastId);
    if (type === RDB_TYPE.streamListpacks) {
      stream.entriesAdded = length;
      stream.findFirstId();
    } else {
      readId(input, stream.firstId);
      readId(input, stream.maxDeletedId);
      stream.entriesAdded = readCount(input);
    }
    for (let left = input.count(1); left > 0; left--) readGroup(input, type, stream);
    if (!stream.groups.order()) input.fail("Two of a stream's groups have one name");
    return stream;
  } catch (error) {
    stream.free();
    throw error;
  }
}

/** Reads the blocks; returns how many entries they have. */
function readBlocks(input: RdbInput, { arena, blocks }: Stream): number {
  let entries = 0;
  for (let left = input.count(2); left > 0; left--) {
    input.string(text);
    if (text.len !== ID_BYTES) input.fail("A stream's block has no ID");
    copyBigEndian(text.buf, text.off);
    if (blocks.find(id) !== NO_RECORD) input.fail("Two of a stream's blocks have one ID");
    input.string(text);
    const live = validateBlock(text.buf, text.off, text.len);
    if (live < 0) input.fail("Stream listpack integrity check failed");
    entries += live;
    const ref = arena.put(text.buf, text.off, text.len);
    const place = blocks.insert(id);
    blocks.words(place)[blocks.at(place) + BLOCK_REF] = ref;
    blocks.words(place)[blocks.at(place) + BLOCK_BYTES] = text.len;
  }
  return entries;
}

/** Looks whether bytes are a block of a stream; returns how many entries it has, or -1. */
function validateBlock(buf: Uint8Array, off: number, bytes: number): number {
  let left = validateListpack(buf, off, bytes);
  if (left < 4) return -1;
  let at = firstElement(off);
  const live = integerAt(buf, at);
  const deleted = integerAt(buf, at = nextElement(buf, at));
  const masterFields = integerAt(buf, at = nextElement(buf, at));
  left -= 4 + masterFields;
  if (!(masterFields >= 0 && left >= 0)) return -1;
  for (let i = 0; i <= masterFields; i++) at = nextElement(buf, at);
  if (integerAt(buf, at) !== 0) return -1;

  let seenLive = 0;
  let seenDeleted = 0;
  while (left > 0) {
    at = nextElement(buf, at);
    const flags = buf[at]!;
    if (flags > (DELETED_FLAG | SAME_FIELDS_FLAG) || left < 4) return -1;
    const msAt = nextElement(buf, at);
    at = nextElement(buf, msAt);
    if (!isIntegerAt(buf, msAt) || !isIntegerAt(buf, at)) return -1;
    // How many elements the entry has, the last of which is to say so, itself not counted.
    let elements = masterFields + 3;
    if ((flags & SAME_FIELDS_FLAG) === 0) {
      at = nextElement(buf, at);
      elements = 2 * integerAt(buf, at) + 4;
      if (!(elements >= 4)) return -1;
    }
    left -= elements + 1;
    if (left < 0) return -1;
    const passed = (flags & SAME_FIELDS_FLAG) === 0 ? 4 : 3;
    for (let i = passed; i <= elements; i++) at = nextElement(buf, at);
    if (integerAt(buf, at) !== elements) return -1;
    if ((flags & DELETED_FLAG) === 0) seenLive++;
    else seenDeleted++;
  }
  return seenLive === live && seenDeleted === deleted ? live : -1;
}

function readGroup(input: RdbInput, type: number, stream: Stream): void {
  input.string(text);
  const name = text.buf.slice(text.off, text.off + text.len);
  readId(input, id);
  const read = type === RDB_TYPE.streamListpacks ? entriesUpTo(stream, id) : readCount(input);
  const group = new Group(name, stream.arena, id, read);
  stream.groups.push(group);
  readPending(input, group);
  for (let left = input.count(1); left > 0; left--) readConsumer(input, type, group);
  if (!group.consumers.order()) input.fail("Duplicate stream consumer detected");
  const { pending } = group;
  for (let place = pending.first; place !== NO_RECORD; place = pending.next(place)) {
    if (group.consumerOf(place) === undefined) input.fail("A pending entry has no consumer");
  }
}

function readPending(input: RdbInput, group: Group): void {
  for (let left = input.count(LEAST_PENDING_BYTES); left > 0; left--) {
    copyBigEndian(input.buf, input.skip(ID_BYTES));
    if (group.pending.find(id) !== NO_RECORD) input.fail("An entry is pending twice");
    const deliveryMs = readTime(input);
    const deliveries = readCount(input);
    const place = group.addPending(id);
    group.setDelivery(place, deliveryMs);
    group.setDeliveries(place, deliveries);
  }
}

function readConsumer(input: RdbInput, type: number, group: Group): void {
  input.string(text);
  const name = text.buf.slice(text.off, text.off + text.len);
  const consumer = group.pushConsumer(name, readTime(input));
  // Where it is not told, the time at which it last asked is the best guess.
  consumer.activeMs = type === RDB_TYPE.streamListpacks3 ? readTime(input) : consumer.seenMs;
  for (let left = input.count(ID_BYTES); left > 0; left--) {
    copyBigEndian(input.buf, input.skip(ID_BYTES));
    const place = group.pending.find(id);
    if (place === NO_RECORD) input.fail("A consumer's pending entry is not its group's");
    if (group.consumerOf(place) !== undefined) input.fail("A pending entry has two consumers");
    group.assign(place, consumer);
  }
}

/** An ID as two lengths. */
function readId(input: RdbInput, into: StreamId): void {
  input.length();
  into[0] = input.high;
  into[1] = input.low;
  input.length();
  into[2] = input.high;
  into[3] = input.low;
}

/** A time in ms since the epoch, none so wild that reckoning with it would lose digits. */
function readTime(input: RdbInput): number {
  return Math.min(Math.max(input.time(), -MAX_TIME_MS), MAX_TIME_MS);
}

/** A counter, which RDB has as an unsigned length and Redis as a signed integer. */
function readCount(input: RdbInput): Count {
  input.length();
  return joinInt64(input.low, input.high);
}

/** Makes `id` the one that stands in 16 bytes. */
function copyBigEndian(buf: Uint8Array, at: number): void {
  for (let i = 0; i < 4; i++, at += 4) {
    id[i] = buf[at]! << 24 | buf[at + 1]! << 16 | buf[at + 2]! << 8 | buf[at + 3]!;
  }
}
