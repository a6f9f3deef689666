/** Geo: the members inside a circle or a box, replied or stored. */
import {
  coveringCells,
  decodePosition,
  distanceInside,
  firstScore,
  type Position,
  scoreSpan,
  type Shape,
} from "../bytes/geohash.ts";
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type Database, TYPE } from "../store/database.ts";
import { LargeZset } from "../store/zset_large.ts";
import { zsetCountBelow, zsetMemberAt, zsetWalk } from "../store/zset_value.ts";
import { integerArg, readTyped } from "./arguments.ts";
import {
  doubleArg,
  positionArg,
  positionOf,
  replyDistance,
  replyPosition,
  unitArg,
} from "./geo_access.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { storeResult } from "./zset_access.ts";

const SEARCH_COMPLEXITY =
  "O(N+log(M)), N being the members in the cells around the shape and M those inside it.";
const RADIUS_COMPLEXITY =
  "O(N+log(M)), N being the members in the cells around the circle and M those inside it.";
const UPPERCASE_UNITS = ["7.0.0", "Takes units in upper case."] as const;
const ANY_OPTION = ["6.2.0", "Takes `ANY` with `COUNT`."] as const;

export const GEO_SEARCH_COMMANDS = [
  {
    name: "geosearch",
    arity: -7,
    flags: ["readonly"],
    group: "geo",
    since: "6.2.0",
    complexity: SEARCH_COMPLEXITY,
    summary: "Returns the members inside a circle or a box.",
    syntax:
      "key:key from:(FROMMEMBER member:string|FROMLONLAT fromlonlat:{longitude:double latitude:double}) by:(circle:{BYRADIUS radius:double unit:(M|KM|FT|MI)}|box:{BYBOX width:double height:double unit:(M|KM|FT|MI)}) [order:(ASC|DESC)] [count-block:{COUNT count:integer [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]",
    keys: keys("RO access"),
    history: [UPPERCASE_UNITS],
    handler: (client, args) => search(client, args, parseSearch(client, args, 1)),
  },
  {
    name: "geosearchstore",
    arity: -8,
    flags: ["write", "denyoom"],
    group: "geo",
    since: "6.2.0",
    complexity: SEARCH_COMPLEXITY,
    summary: "Stores the members inside a circle or a box in another key.",
    syntax:
      "destination:key source:key#1 from:(FROMMEMBER member:string|FROMLONLAT fromlonlat:{longitude:double latitude:double}) by:(circle:{BYRADIUS radius:double unit:(M|KM|FT|MI)}|box:{BYBOX width:double height:double unit:(M|KM|FT|MI)}) [order:(ASC|DESC)] [count-block:{COUNT count:integer [ANY]}] [STOREDIST]",
    keys: [
      { flags: "OW update", begin: 1, range: [0, 1, 0] },
      { flags: "RO access", begin: 2, range: [0, 1, 0] },
    ],
    history: [UPPERCASE_UNITS],
    handler: (client, args) => search(client, args, parseSearch(client, args, 2)),
  },
  {
    name: "georadius",
    arity: -6,
    flags: ["write", "denyoom", "movablekeys"],
    group: "geo",
    since: "3.2.0",
    complexity: RADIUS_COMPLEXITY,
    summary: "Returns or stores the members inside a circle around a position.",
    syntax:
      "key:key longitude:double latitude:double radius:double unit:(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block:{COUNT count:integer [ANY@6.2.0]}] [order:(ASC|DESC)] [store:(STORE storekey/key:key#1|STOREDIST storedistkey/key:key#2)]",
    keys: [
      { flags: "RO access", begin: 1, range: [0, 1, 0] },
      { flags: "OW update", begin: { keyword: "STORE", startFrom: 6 }, range: [0, 1, 0] },
      { flags: "OW update", begin: { keyword: "STOREDIST", startFrom: 6 }, range: [0, 1, 0] },
    ],
    history: [ANY_OPTION, UPPERCASE_UNITS],
    deprecatedSince: "6.2.0",
    replacedBy: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    handler: (client, args) => search(client, args, parseRadius(client, args, true)),
  },
  {
    name: "georadius_ro",
    arity: -6,
    flags: ["readonly"],
    group: "geo",
    since: "3.2.10",
    complexity: RADIUS_COMPLEXITY,
    summary: "Returns the members inside a circle around a position.",
    syntax:
      "key:key longitude:double latitude:double radius:double unit:(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block:{COUNT count:integer [ANY@6.2.0]}] [order:(ASC|DESC)]",
    keys: keys("RO access"),
    history: [ANY_OPTION, UPPERCASE_UNITS],
    deprecatedSince: "6.2.0",
    replacedBy: "`GEOSEARCH` with the `BYRADIUS` argument",
    handler: (client, args) => search(client, args, parseRadius(client, args, false)),
  },
  {
    name: "georadiusbymember",
    arity: -5,
    flags: ["write", "denyoom", "movablekeys"],
    group: "geo",
    since: "3.2.0",
    complexity: RADIUS_COMPLEXITY,
    summary: "Returns or stores the members inside a circle around one of them.",
    syntax:
      "key:key member:string radius:double unit:(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block:{COUNT count:integer [ANY]}] [order:(ASC|DESC)] [store:(STORE storekey/key:key#1|STOREDIST storedistkey/key:key#2)]",
    keys: [
      { flags: "RO access", begin: 1, range: [0, 1, 0] },
      { flags: "OW update", begin: { keyword: "STORE", startFrom: 5 }, range: [0, 1, 0] },
      { flags: "OW update", begin: { keyword: "STOREDIST", startFrom: 5 }, range: [0, 1, 0] },
    ],
    history: [ANY_OPTION, UPPERCASE_UNITS],
    deprecatedSince: "6.2.0",
    replacedBy: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    handler: (client, args) => search(client, args, parseRadiusByMember(client, args, true)),
  },
  {
    name: "georadiusbymember_ro",
    arity: -5,
    flags: ["readonly"],
    group: "geo",
    since: "3.2.10",
    complexity: RADIUS_COMPLEXITY,
    summary: "Returns the members inside a circle around one of them.",
    syntax:
      "key:key member:string radius:double unit:(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block:{COUNT count:integer [ANY]}] [order:(ASC|DESC)]",
    keys: keys("RO access"),
    history: [ANY_OPTION, UPPERCASE_UNITS],
    deprecatedSince: "6.2.0",
    replacedBy: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    handler: (client, args) => search(client, args, parseRadiusByMember(client, args, false)),
  },
] as const satisfies readonly CommandSpec[];

const NO_RADIUS = new ReplyError("ERR need numeric radius");
const NO_WIDTH = new ReplyError("ERR need numeric width");
const NO_HEIGHT = new ReplyError("ERR need numeric height");
const NEGATIVE_RADIUS = new ReplyError("ERR radius cannot be negative");
const NEGATIVE_BOX = new ReplyError("ERR height or width cannot be negative");
const NO_MEMBER = new ReplyError("ERR could not decode requested zset member");
const COUNT_NOT_POSITIVE = new ReplyError("ERR COUNT must be > 0");
const ANY_WITHOUT_COUNT = new ReplyError("ERR the ANY argument requires COUNT argument");

type Size = { readonly radius: number } | { readonly width: number; readonly height: number };

/** What a search asks for; what it does not say is undefined or 0. */
class Request {
  /** The set, or 0. */
  entry = 0;
  center: Position | undefined;
  /** In metres. */
  size: Size | undefined;
  /** Metres of the unit of distances. */
  unit = 1;
  withDistance = false;
  withHash = false;
  withPosition = false;
  order: "asc" | "desc" | undefined;
  count = 0;
  any = false;
  /** Which argument is the key to store to. */
  storeArg = 0;
  storesDistance = false;
}

/** A member that was found, by its rank. */
interface Found {
  readonly rank: number;
  readonly score: number;
  readonly position: Position;
  /** From the center, in metres. */
  readonly distance: number;
}

/** GEOSEARCH and GEOSEARCHSTORE; the set's key is argument `keyArg`. */
function parseSearch(client: Client, args: Args, keyArg: number): Request {
  const request = new Request();
  const entry = request.entry = readTyped(client, args, keyArg, TYPE.zset);
  const stores = keyArg > 1;
  if (stores) request.storeArg = 1;
  let from = "";
  let by = "";
  for (let i = keyArg + 1; i < args.count; i++) {
    const left = args.count - 1 - i;
    const option = parseOption(request, args, i);
    if (option >= 0) {
      i += option;
    } else if (args.is(i, "FROMMEMBER") && left >= 1 && from !== "lonlat") {
      // Where there is no set, all arguments are still to be checked.
      if (entry !== 0) request.center = memberArg(client, entry, args, i + 1);
      from = "member";
      i += 1;
    } else if (args.is(i, "FROMLONLAT") && left >= 2 && from !== "member") {
      request.center = positionArg(args, i + 1);
      from = "lonlat";
      i += 2;
    } else if (args.is(i, "BYRADIUS") && left >= 2 && by !== "box") {
      parseCircle(request, args, i + 1);
      by = "radius";
      i += 2;
    } else if (args.is(i, "BYBOX") && left >= 3 && by !== "radius") {
      parseBox(request, args, i + 1);
      by = "box";
      i += 3;
    } else if (stores && args.is(i, "STOREDIST")) {
      request.storesDistance = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  checkStore(request, "GEOSEARCHSTORE");
  const command = cString(args.text(0));
  if (from === "") {
    throw new ReplyError(
      `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${command}`,
    );
  }
  if (by === "") {
    throw new ReplyError(`ERR exactly one of BYRADIUS and BYBOX can be specified for ${command}`);
  }
  checkAny(request);
  return request;
}

/** GEORADIUS; `mayStore` but for its variant that only reads. */
function parseRadius(client: Client, args: Args, mayStore: boolean): Request {
  const request = new Request();
  request.entry = readTyped(client, args, 1, TYPE.zset);
  request.center = positionArg(args, 2);
  parseCircle(request, args, 4);
  parseRadiusOptions(request, args, 6, mayStore);
  return request;
}

/** GEORADIUSBYMEMBER: where there is no set, its arguments are not looked at. */
function parseRadiusByMember(client: Client, args: Args, mayStore: boolean): Request {
  const request = new Request();
  const entry = request.entry = readTyped(client, args, 1, TYPE.zset);
  if (entry !== 0) {
    request.center = memberArg(client, entry, args, 2);
    parseCircle(request, args, 3);
  }
  parseRadiusOptions(request, args, 5, mayStore);
  return request;
}

function parseRadiusOptions(request: Request, args: Args, first: number, mayStore: boolean): void {
  for (let i = first; i < args.count; i++) {
    const option = parseOption(request, args, i);
    if (option >= 0) {
      i += option;
      continue;
    }
    const storesDistance = args.is(i, "STOREDIST");
    const stores = storesDistance || args.is(i, "STORE");
    if (!mayStore || !stores || i + 1 === args.count) throw SYNTAX_ERROR;
    request.storeArg = ++i;
    request.storesDistance = storesDistance;
  }
  checkStore(request, "STORE option in GEORADIUS");
  checkAny(request);
}

/** Reads an option that all searches have; returns how many arguments it has, or -1 if it is none. */
function parseOption(request: Request, args: Args, i: number): number {
  if (args.is(i, "WITHDIST")) request.withDistance = true;
  else if (args.is(i, "WITHHASH")) request.withHash = true;
  else if (args.is(i, "WITHCOORD")) request.withPosition = true;
  else if (args.is(i, "ANY")) request.any = true;
  else if (args.is(i, "ASC")) request.order = "asc";
  else if (args.is(i, "DESC")) request.order = "desc";
  else if (args.is(i, "COUNT") && i + 1 < args.count) {
    request.count = integerArg(args, i + 1);
    if (request.count <= 0) throw COUNT_NOT_POSITIVE;
    return 1;
  } else {
    return -1;
  }
  return 0;
}

function memberArg(client: Client, entry: number, args: Args, i: number): Position {
  const position = positionOf(client, entry, args, i);
  if (position === undefined) throw NO_MEMBER;
  return position;
}

function parseCircle(request: Request, args: Args, i: number): void {
  const radius = doubleArg(args, i, NO_RADIUS);
  if (radius < 0) throw NEGATIVE_RADIUS;
  request.unit = unitArg(args, i + 1);
  request.size = { radius: radius * request.unit };
}

function parseBox(request: Request, args: Args, i: number): void {
  const width = doubleArg(args, i, NO_WIDTH);
  const height = doubleArg(args, i + 1, NO_HEIGHT);
  if (width < 0 || height < 0) throw NEGATIVE_BOX;
  request.unit = unitArg(args, i + 2);
  request.size = { width: width * request.unit, height: height * request.unit };
}

function checkStore(request: Request, what: string): void {
  const { storeArg, withDistance, withHash, withPosition } = request;
  if (storeArg === 0 || !(withDistance || withHash || withPosition)) return;
  throw new ReplyError(
    `ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`,
  );
}

function checkAny({ any, count }: Request): void {
  if (any && count === 0) throw ANY_WITHOUT_COUNT;
}

function search(client: Client, args: Args, request: Request): void {
  const { db } = client;
  const { entry, center, size, any, count } = request;
  const found = entry === 0 ? [] : find(db, entry, { center: center!, ...size! }, any ? count : 0);
  // Without an order the nearest ones are meant by a count, unless any will do.
  const order = request.order ?? (count > 0 && !any ? "asc" : undefined);
  if (order === "asc") found.sort((a, b) => a.distance - b.distance);
  else if (order === "desc") found.sort((a, b) => b.distance - a.distance);
  if (count > 0 && count < found.length) found.length = count;
  if (request.storeArg > 0) store(client, args, request, found);
  else replyFound(client, request, found);
}

/** The members inside a shape, cell by cell; no more than `limit` of them, if that is not 0. */
function find(db: Database, entry: number, shape: Shape, limit: number): Found[] {
  const found: Found[] = [];
  for (const cell of coveringCells(shape)) {
    if (limit > 0 && found.length >= limit) break;
    const first = firstScore(cell);
    const from = zsetCountBelow(db, entry, first, false);
    const to = zsetCountBelow(db, entry, first + scoreSpan(cell.step), false);
    let rank = from;
    zsetWalk(db, entry, from, to - from, false, ({ score }) => {
      const position = decodePosition(score);
      const distance = distanceInside(shape, position);
      const isWanted = !Number.isNaN(distance) && (limit === 0 || found.length < limit);
      if (isWanted) found.push({ rank, score, position, distance });
      rank++;
    });
  }
  return found;
}

function replyFound(client: Client, request: Request, found: readonly Found[]): void {
  const { db, reply } = client;
  const { entry, unit, withDistance, withHash, withPosition } = request;
  const options = Number(withDistance) + Number(withHash) + Number(withPosition);
  reply.array(found.length);
  for (const { rank, score, position, distance } of found) {
    if (options > 0) reply.array(options + 1);
    const { buf, off, len } = zsetMemberAt(db, entry, rank);
    reply.bulk(buf, off, len);
    if (withDistance) replyDistance(reply, distance / unit);
    if (withHash) reply.integer(Math.trunc(score));
    if (withPosition) replyPosition(reply, position);
  }
}

function store(client: Client, args: Args, request: Request, found: readonly Found[]): void {
  const { db, server } = client;
  const { entry, storeArg, storesDistance, unit } = request;
  const result = new LargeZset(db.arena);
  for (const { rank, score, distance } of found) {
    const { buf, off, len } = zsetMemberAt(db, entry, rank);
    result.addUnordered(buf, off, len, storesDistance ? distance / unit : score);
  }
  const event = args.is(0, "GEOSEARCHSTORE") ? "geosearchstore" : "georadiusstore";
  storeResult(client, args, storeArg, result, event);
  // Redis counts each member stored here as a change.
  if (found.length > 0) server.effects.dirty += found.length - 1;
}
