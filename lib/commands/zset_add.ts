/** The second half of ZADD, which GEOADD shares: members with scores that are known. */
import { hashBytes } from "../bytes/hash.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import {
  ADD,
  ADDED,
  addedScore,
  createZset,
  enlargeZset,
  largeZset,
  zsetAdd,
} from "../store/zset_value.ts";
import { writeTyped } from "./arguments.ts";

const NOT_A_NUMBER = new ReplyError("ERR resulting score is not a number (NaN)");

/**
 * Adds `count` members, each `step`th argument from `first` on, with the first of `scores`, to the set
 * under argument 1, as the bits of {@link ADD} in `how` say. Replies the new score of an increment,
 * else how many members were added, or with `countsUpdates` how many were changed, too.
 */
export function addMembers(
  client: Client,
  args: Args,
  how: number,
  countsUpdates: boolean,
  first: number,
  step: number,
  scores: Float64Array,
  count: number,
): void {
  const { db, reply, server } = client;
  const increments = (how & ADD.incr) !== 0;
  const limits = server.config.values;
  let entry = writeTyped(client, args, 1, TYPE.zset);
  if (entry === 0) {
    if ((how & ADD.xx) !== 0) return increments ? reply.nil() : reply.integer(0);
    const { buf } = args;
    const off = args.off(1);
    const len = args.len(1);
    const hash = args.hashed ? args.hash : hashBytes(buf, off, len);
    entry = createZset(db, buf, off, len, hash, count, args.len(first), limits);
  } else if (count > limits["zset-max-listpack-entries"] && largeZset(db, entry) === undefined) {
    enlargeZset(db, entry);
  }
  let added = 0;
  let updated = 0;
  let result: number = ADDED.nothing;
  for (let i = 0; i < count; i++) {
    const arg = first + i * step;
    result = zsetAdd(db, entry, args.buf, args.off(arg), args.len(arg), scores[i]!, how, limits);
    if (result === ADDED.nan) throw NOT_A_NUMBER;
    if (result === ADDED.added) added++;
    else if (result === ADDED.updated) updated++;
  }
  if (added + updated > 0) {
    client.changed(args, 1, EVENT.zset, increments ? "zincr" : "zadd");
    server.effects.dirty += added + updated - 1;
  }
  if (!increments) reply.integer(countsUpdates ? added + updated : added);
  else if (result === ADDED.nothing) reply.nil();
  else reply.double(addedScore);
}
