/** Fields of hashes as numbers: HINCRBY and HINCRBYFLOAT. */
import { formatInteger, parseAnyInt64 } from "../bytes/integer.ts";
import {
  addLongDouble,
  formatLongDouble,
  type LongDouble,
  parseLongDouble,
} from "../bytes/long_double.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { NOT_A_FLOAT, ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { EVENT } from "../store/events.ts";
import { NO_FIELD } from "../store/hash_value.ts";
import type { Span } from "../store/string_value.ts";
import { addInt64, int64Arg } from "./arguments.ts";
import { createHash, hash, hashLimits, openToWrite } from "./hash_access.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { replyInt64 } from "./string_counter.ts";

export const HASH_COUNTER_COMMANDS = [
  {
    name: "hincrby",
    arity: 4,
    flags: ["write", "denyoom", "fast"],
    group: "hash",
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Adds a number to a field that is an integer; a missing one counts as 0.",
    syntax: "key:key field:string increment:integer",
    keys: keys("RW access update"),
    handler: hincrby,
  },
  {
    name: "hincrbyfloat",
    arity: 4,
    flags: ["write", "denyoom", "fast"],
    group: "hash",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Adds a float to a field that is a number; a missing one counts as 0.",
    syntax: "key:key field:string increment:double",
    keys: keys("RW access update"),
    handler: hincrbyfloat,
  },
] as const satisfies readonly CommandSpec[];

const NOT_AN_INTEGER_FIELD = new ReplyError("ERR hash value is not an integer");
const NOT_A_FLOAT_FIELD = new ReplyError("ERR hash value is not a float");
const NOT_FINITE_INCREMENT = new ReplyError("ERR value is NaN or Infinity");
const NOT_FINITE = new ReplyError("ERR increment would produce NaN or Infinity");

const digits = new Uint8Array(20);

/** The field that is argument 2 of the hash just opened, if it is `there`. */
function oldValue(args: Args, there: boolean): Span | undefined {
  const field = there ? hash.find(args.buf, args.off(2), args.len(2)) : NO_FIELD;
  return field === NO_FIELD ? undefined : hash.value(field);
}

/** Sets the field that is argument 2 to a number's text, in a hash that is to be made if not `there`. */
function setNumber(
  client: Client,
  args: Args,
  there: boolean,
  text: Uint8Array,
  len: number,
  event: string,
): void {
  if (!there) createHash(client, args);
  hash.set(args.buf, args.off(2), args.len(2), text, 0, len, hashLimits(client));
  client.changed(args, 1, EVENT.hash, event);
}

function hincrby(client: Client, args: Args): void {
  let value = int64Arg(args, 3);
  const there = openToWrite(client, args);
  const old = oldValue(args, there);
  if (old !== undefined) {
    const before = parseAnyInt64(old.buf, old.off, old.len);
    if (before === undefined) throw NOT_AN_INTEGER_FIELD;
    value = addInt64(before, value);
  }
  if (typeof value === "number") {
    setNumber(client, args, there, digits, formatInteger(value, digits, 0), "hincrby");
  } else {
    const text = latin1Bytes(value.toString());
    setNumber(client, args, there, text, text.length, "hincrby");
  }
  replyInt64(client.reply, value);
}

function hincrbyfloat(client: Client, args: Args): void {
  const by = parseLongDouble(args.buf, args.off(3), args.len(3));
  if (by === undefined) throw NOT_A_FLOAT;
  if (by.exponent === Infinity) throw NOT_FINITE_INCREMENT;
  const there = openToWrite(client, args);
  const old = oldValue(args, there);
  let value: LongDouble | undefined = by;
  if (old !== undefined) {
    const before = parseLongDouble(old.buf, old.off, old.len);
    if (before === undefined) throw NOT_A_FLOAT_FIELD;
    value = addLongDouble(before, by);
    if (value === undefined) throw NOT_FINITE;
  }
  const text = latin1Bytes(formatLongDouble(value));
  setNumber(client, args, there, text, text.length, "hincrbyfloat");
  const { db, propagation } = client;
  if (propagation.active) {
    propagation.instead(db.number, ["HSET", args.view(1), args.view(2), text]);
  }
  client.reply.bulk(text);
}
