/** Strings: SET, GET and their family. */
import { EVENT } from "../store/events.ts";
import { NO_EXPIRY, TYPE } from "../store/database.ts";
import { readString, setString } from "../store/string_value.ts";
import type { Args } from "../resp/args.ts";
import { WRONG_TYPE } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const STRING_COMMANDS = [
  {
    name: "get",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns a string.",
    syntax: "key:key",
    keys: keys("RO access"),
    handler: get,
  },
  {
    name: "set",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "string",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a key to a string, whatever it held.",
    syntax: "key:key",
    keys: keys("RW access update variable_flags"),
    handler: set,
  },
] as const satisfies readonly CommandSpec[];

function get(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = db.read(args, 1);
  if (entry === 0) return reply.nil();
  if (db.type(entry) !== TYPE.string) throw WRONG_TYPE;
  const { buf, off, len } = readString(db, entry);
  reply.bulk(buf, off, len);
}

function set(client: Client, args: Args): void {
  const { db, reply } = client;
  setString(
    db,
    args.buf,
    args.off(1),
    args.len(1),
    args.buf,
    args.off(2),
    args.len(2),
    NO_EXPIRY,
    args.hashed ? args.hash : undefined,
  );
  client.changed(args, 1, EVENT.string, "set");
  reply.ok();
}
