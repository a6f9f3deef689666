/** Opening the hash that a command works on. */
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { TYPE } from "../store/database.ts";
import { type HashLimits, HashValue } from "../store/hash_value.ts";
import { readTyped, writeTyped } from "./arguments.ts";

/** The hash of the running command: one handle serves all. */
export const hash = new HashValue();

/** Opens the hash of argument 1 for a command that reads; false where there is no such key. */
export function openToRead(client: Client, args: Args): boolean {
  const entry = readTyped(client, args, 1, TYPE.hash);
  if (entry !== 0) hash.open(client.db, entry);
  return entry !== 0;
}

/** Opens the hash of argument 1 for a command that changes it; false where there is no such key. */
export function openToWrite(client: Client, args: Args): boolean {
  const entry = writeTyped(client, args, 1, TYPE.hash);
  if (entry !== 0) hash.open(client.db, entry);
  return entry !== 0;
}

/** Adds the key of argument 1, which is not there, with a hash that gets a field next. */
export function createHash({ db }: Client, args: Args): void {
  hash.create(db, args.buf, args.off(1), args.len(1), args.hashed ? args.hash : undefined);
}

export function openOrCreate(client: Client, args: Args): void {
  if (!openToWrite(client, args)) createHash(client, args);
}

const limits = { maxFields: 0, maxBytes: 0 };

/** Up to what a hash is kept as a listpack now; one object serves all calls. */
export function hashLimits({ server }: Client): HashLimits {
  const { values } = server.config;
  limits.maxFields = values["hash-max-listpack-entries"];
  limits.maxBytes = values["hash-max-listpack-value"];
  return limits;
}
