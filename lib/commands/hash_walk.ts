/** Some fields of a hash: HRANDFIELD, which picks them at random, and HSCAN, which walks over all. */
import { globMatchAt } from "../bytes/glob.ts";
import type { Args } from "../resp/args.ts";
import { SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";
import { NO_FIELD } from "../store/hash_value.ts";
import { randomCountArg } from "./arguments.ts";
import { hash, openToRead } from "./hash_access.ts";
import { scanCursor, scanOptions } from "./scan_options.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const HASH_WALK_COMMANDS = [
  {
    name: "hrandfield",
    arity: -2,
    flags: ["readonly"],
    group: "hash",
    since: "6.2.0",
    complexity: "O(N), N being the number of fields returned",
    summary: "Returns fields of a hash at random.",
    syntax: "key:key [options:{count:integer [WITHVALUES]}]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: hrandfield,
  },
  {
    name: "hscan",
    arity: -3,
    flags: ["readonly"],
    group: "hash",
    since: "2.8.0",
    complexity: "O(1) a call; O(N) for a whole walk over N fields",
    summary: "Walks over the fields of a hash with their values.",
    syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    handler: hscan,
  },
] as const satisfies readonly CommandSpec[];

/** Where more than one field in so many is wanted, all are listed to choose from. */
const FEW = 3;

function hrandfield(client: Client, args: Args): void {
  const { reply, server } = client;
  if (args.count === 2) {
    if (!openToRead(client, args)) return reply.nil();
    return replyName(reply, randomField(server.random));
  }
  const withValues = args.count === 4 && args.is(3, "WITHVALUES");
  const count = randomCountArg(args, 2, withValues);
  if (args.count > 3 && !withValues) throw SYNTAX_ERROR;
  if (!openToRead(client, args) || count === 0) return reply.array(0);
  if (count < 0) return replyRepeating(client, -count, withValues);
  const fields = distinctFields(Math.min(count, hash.length), server.random);
  arrayOfFields(reply, fields.length, withValues);
  for (const field of fields) replyPicked(reply, field, withValues);
}

/** One field at random, each as likely as any. */
function randomField(random: () => number): number {
  if (hash.table !== undefined) return hash.table.map.sample(random);
  return hash.at(Math.floor(random() * hash.length));
}

/** `count` fields at random, which may be the same. */
function replyRepeating(client: Client, count: number, withValues: boolean): void {
  const { reply, server: { random } } = client;
  const { table } = hash;
  // A position of a listpack is found only by going there, so all are noted first.
  const fields = table === undefined ? allFields() : undefined;
  arrayOfFields(reply, count, withValues);
  // A client whose replies outgrow its limit is closed meanwhile.
  for (let i = 0; i < count && !client.closing; i++) {
    const field = fields === undefined
      ? table!.map.sample(random)
      : fields[Math.floor(random() * fields.length)]!;
    replyPicked(reply, field, withValues);
  }
}

/** `count` different fields at random; there are at least as many. */
function distinctFields(count: number, random: () => number): Int32Array {
  if (hash.table !== undefined && count * FEW < hash.length) {
    const picked = new Set<number>();
    while (picked.size < count) picked.add(hash.table.map.sample(random));
    return Int32Array.from(picked);
  }
  const fields = allFields();
  if (count < fields.length) {
    for (let i = 0; i < count; i++) {
      const other = i + Math.floor(random() * (fields.length - i));
      const field = fields[other]!;
      fields[other] = fields[i]!;
      fields[i] = field;
    }
  }
  return fields.subarray(0, count);
}

function allFields(): Int32Array {
  const fields = new Int32Array(hash.length);
  hash.rewind();
  for (let i = 0; i < fields.length; i++) fields[i] = hash.next();
  return fields;
}

/** The head of an array of `count` fields: with values it has pairs in RESP3, else just more elements. */
function arrayOfFields(reply: ReplyWriter, count: number, withValues: boolean): void {
  reply.array(withValues && reply.protocol === 2 ? 2 * count : count);
}

function replyPicked(reply: ReplyWriter, field: number, withValues: boolean): void {
  if (withValues && reply.protocol > 2) reply.array(2);
  replyName(reply, field);
  if (withValues) replyValue(reply, field);
}

function replyName(reply: ReplyWriter, field: number): void {
  const { buf, off, len } = hash.name(field);
  reply.bulk(buf, off, len);
}

function replyValue(reply: ReplyWriter, field: number): void {
  const { buf, off, len } = hash.value(field);
  reply.bulk(buf, off, len);
}

/** How many slots of a table a call of HSCAN looks at for each field that it was asked for. */
const SLOTS_PER_COUNT = 10;

function hscan(client: Client, args: Args): void {
  const { reply } = client;
  scanCursor(args, 2);
  if (!openToRead(client, args)) {
    reply.array(2);
    reply.bulkInteger(0);
    reply.array(0);
    return;
  }
  const { cursor: from, count, pattern } = scanOptions(args, 2, false);
  const found: number[] = [];
  const collect = (field: number) => {
    if (pattern !== undefined) {
      const { buf, off, len } = hash.name(field);
      if (!globMatchAt(pattern, buf, off, len, false)) return;
    }
    found.push(field);
  };
  let cursor = 0;
  const { table } = hash;
  if (table === undefined) {
    hash.rewind();
    for (let field = hash.next(); field !== NO_FIELD; field = hash.next()) collect(field);
  } else {
    cursor = from;
    let seen = 0;
    const visit = (field: number) => {
      seen++;
      collect(field);
    };
    let slots = SLOTS_PER_COUNT * count;
    do cursor = table.map.scan(cursor, visit); while (cursor !== 0 && slots-- > 0 && seen < count);
  }
  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(2 * found.length);
  for (const field of found) {
    replyName(reply, field);
    replyValue(reply, field);
  }
}
