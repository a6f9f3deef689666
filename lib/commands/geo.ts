/** Geo: positions as the scores of sorted sets. Searches stand in `geo_search.ts`. */
import { distanceBetween, encodePosition, standardGeohash } from "../bytes/geohash.ts";
import type { Word } from "../replication/propagation.ts";
import type { Args } from "../resp/args.ts";
import { SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { ADD } from "../store/zset_value.ts";
import { readTyped } from "./arguments.ts";
import { positionArg, positionOf, replyDistance, replyPosition, unitArg } from "./geo_access.ts";
import { GEO_SEARCH_COMMANDS } from "./geo_search.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { addMembers } from "./zset_add.ts";

export const GEO_COMMANDS = [
  {
    name: "geoadd",
    arity: -5,
    flags: ["write", "denyoom"],
    group: "geo",
    since: "3.2.0",
    complexity: "O(log(N)) a member, N being the set's size.",
    summary: "Adds members with positions, or changes the positions of members.",
    syntax:
      "key:key [condition:(NX|XX)@6.2.0] [change=CH@6.2.0] data:{longitude:double latitude:double member:string}...",
    keys: keys("RW update"),
    history: [["6.2.0", "Takes `CH`, `NX` and `XX`."]],
    handler: geoadd,
  },
  {
    name: "geopos",
    arity: -2,
    flags: ["readonly"],
    group: "geo",
    since: "3.2.0",
    complexity: "O(N), N being the number of members given.",
    summary: "Returns the positions of members.",
    syntax: "key:key [member:string...]",
    keys: keys("RO access"),
    handler: geopos,
  },
  {
    name: "geodist",
    arity: -4,
    flags: ["readonly"],
    group: "geo",
    since: "3.2.0",
    complexity: "O(log(N))",
    summary: "Returns the distance between two members.",
    syntax: "key:key member1:string member2:string [unit:(M|KM|FT|MI)]",
    keys: keys("RO access"),
    handler: geodist,
  },
  {
    name: "geohash",
    arity: -2,
    flags: ["readonly"],
    group: "geo",
    since: "3.2.0",
    complexity: "O(log(N)) a member, N being the set's size.",
    summary: "Returns the positions of members as standard geohashes.",
    syntax: "key:key [member:string...]",
    keys: keys("RO access"),
    handler: geohash,
  },
  ...GEO_SEARCH_COMMANDS,
] as const satisfies readonly CommandSpec[];

function geoadd(client: Client, args: Args): void {
  let how = 0;
  let countsUpdates = false;
  let first = 2;
  for (; first < args.count; first++) {
    if (args.is(first, "NX")) how |= ADD.nx;
    else if (args.is(first, "XX")) how |= ADD.xx;
    else if (args.is(first, "CH")) countsUpdates = true;
    else break;
  }
  const given = args.count - first;
  if (given === 0 || given % 3 !== 0 || how === (ADD.nx | ADD.xx)) throw SYNTAX_ERROR;
  const count = given / 3;
  const scores = new Float64Array(count);
  for (let i = 0; i < count; i++) scores[i] = encodePosition(positionArg(args, first + 3 * i));
  const { db, propagation, server } = client;
  const { dirty } = server.effects;
  addMembers(client, args, how, countsUpdates, first + 2, 3, scores, count);
  if (!propagation.active || server.effects.dirty === dirty) return;
  const words: Word[] = ["zadd", ...args.views(1, first)];
  for (let i = 0; i < count; i++) words.push(scores[i]!, args.view(first + 3 * i + 2));
  propagation.instead(db.number, words);
}

function geopos(client: Client, args: Args): void {
  const { reply } = client;
  const entry = readTyped(client, args, 1, TYPE.zset);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const position = positionOf(client, entry, args, i);
    if (position === undefined) reply.nilArray();
    else replyPosition(reply, position);
  }
}

function geodist(client: Client, args: Args): void {
  const { reply } = client;
  if (args.count > 5) throw SYNTAX_ERROR;
  const unit = args.count === 5 ? unitArg(args, 4) : 1;
  const entry = readTyped(client, args, 1, TYPE.zset);
  const from = positionOf(client, entry, args, 2);
  const to = positionOf(client, entry, args, 3);
  if (from === undefined || to === undefined) return reply.nil();
  replyDistance(reply, distanceBetween(from, to) / unit);
}

function geohash(client: Client, args: Args): void {
  const { reply } = client;
  const entry = readTyped(client, args, 1, TYPE.zset);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const position = positionOf(client, entry, args, i);
    if (position === undefined) reply.nil();
    else reply.bulkText(standardGeohash(position));
  }
}
