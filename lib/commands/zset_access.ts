/** What the commands of sorted sets have in common: replies with scores, and the ends of a change. */
import type { Args } from "../resp/args.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { EVENT } from "../store/events.ts";
import type { LargeZset } from "../store/zset_large.ts";
import { storeZset, zsetLength, type ZsetMember } from "../store/zset_value.ts";
import { clearDestination } from "./emptied.ts";

/** The head of an array of members; with scores RESP2 has twice as many elements, RESP3 pairs. */
export function arrayOfMembers(reply: ReplyWriter, count: number, withScores: boolean): void {
  reply.array(withScores && reply.protocol === 2 ? 2 * count : count);
}

/** An element of {@link arrayOfMembers}. */
export function replyMember(reply: ReplyWriter, member: ZsetMember, withScore: boolean): void {
  if (withScore && reply.protocol > 2) reply.array(2);
  reply.bulk(member.buf, member.off, member.len);
  if (withScore) reply.double(member.score);
}

/**
 * Tells that `count` members were removed from the set under key argument `i`, one at least; if that
 * were all, the key goes, too.
 */
export function membersRemoved(
  client: Client,
  args: Args,
  i: number,
  entry: number,
  count: number,
  event: string,
): void {
  const { db, server } = client;
  client.changed(args, i, EVENT.zset, event);
  server.effects.dirty += count - 1;
  if (zsetLength(db, entry) > 0) return;
  db.remove(entry);
  client.changed(args, i, EVENT.generic, "del");
  server.effects.dirty--;
}

/**
 * Ends a command that stores its result: the set, complete but unordered, becomes the value of key
 * argument `i`, or the key is deleted if the set is empty. Replies the number of members.
 */
export function storeResult(
  client: Client,
  args: Args,
  i: number,
  set: LargeZset,
  event: string,
): void {
  const { db, reply, server } = client;
  const { length } = set;
  if (length === 0) {
    set.free();
    clearDestination(client, args, i);
  } else {
    const old = db.write(args, i);
    storeZset(db, old, args.buf, args.off(i), args.len(i), set, server.config.values);
    client.changed(args, i, EVENT.zset, event);
  }
  reply.integer(length);
}
