/**
 * A stream's value in RDB 10: its blocks, which are Redis's byte for byte, its counters, and its
 * consumer groups.
 *
 * What is pending is written twice: the group's entries with their deliveries, and each consumer's
 * IDs, which say whose the group's entries are.
 */
import type { IdTable } from "../store/id_table.ts";
import { NO_RECORD } from "../store/id_table.ts";
import { BLOCK_BYTES, BLOCK_REF } from "../store/stream_cursor.ts";
import type { Group } from "../store/stream_groups.ts";
import type { Stream } from "../store/stream.ts";
import { ID_WORDS, type StreamId } from "../store/stream_id.ts";
import type { RdbOutput } from "./rdb_output.ts";

const BYTES_OF_ID = 4 * ID_WORDS;

export function writeStream(output: RdbOutput, stream: Stream): void {
  writeBlocks(output, stream);
  output.length(stream.length);
  writeId(output, stream.lastId);
  writeId(output, stream.firstId);
  writeId(output, stream.maxDeletedId);
  output.length(stream.entriesAdded);
  output.length(stream.groups.items.length);
  for (const group of stream.groups.items) writeGroup(output, group);
}

/** Each block as two strings: its first ID in 16 bytes, and its listpack. */
function writeBlocks(output: RdbOutput, { arena, blocks }: Stream): void {
  output.length(blocks.count);
  for (let place = blocks.first; place !== NO_RECORD; place = blocks.next(place)) {
    const words = blocks.words(place);
    const at = blocks.at(place);
    const ref = words[at + BLOCK_REF]!;
    const bytes = words[at + BLOCK_BYTES]!;
    output.length(BYTES_OF_ID);
    output.streamId(words, at);
    output.string(arena.buf(ref, bytes), arena.off(ref, bytes), bytes);
  }
}

function writeGroup(output: RdbOutput, group: Group): void {
  output.string(group.name, 0, group.name.length);
  writeId(output, group.lastId);
  output.length(group.entriesRead);

  const { pending } = group;
  output.length(pending.count);
  for (let place = pending.first; place !== NO_RECORD; place = pending.next(place)) {
    output.streamId(pending.words(place), pending.at(place));
    output.time(group.deliveryMs(place));
    output.length(group.deliveries(place));
  }

  output.length(group.consumers.items.length);
  for (const { name, seenMs, pending } of group.consumers.items) {
    output.string(name, 0, name.length);
    output.time(seenMs);
    writeIds(output, pending);
  }
}

function writeIds(output: RdbOutput, ids: IdTable): void {
  output.length(ids.count);
  for (let place = ids.first; place !== NO_RECORD; place = ids.next(place)) {
    output.streamId(ids.words(place), ids.at(place));
  }
}

/** An ID as two lengths, as it stands where it is no key. */
function writeId(output: RdbOutput, id: StreamId): void {
  output.length64(id[0]!, id[1]!);
  output.length64(id[2]!, id[3]!);
}
