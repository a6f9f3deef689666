/** What follows when a command takes a collection's last element, or has nothing to store. */
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { EVENT } from "../store/events.ts";

/** Removes the key of argument `i`, which is empty now: an event of its own, but not another change. */
export function removeEmptied(client: Client, args: Args, i: number, entry: number): void {
  client.db.remove(entry);
  client.changed(args, i, EVENT.generic, "del");
  client.server.effects.dirty--;
}

/**
 * Removes the key of argument `i` where a command has nothing to store there. As in Redis that is a
 * change also where the key's time had come already.
 */
export function clearDestination(client: Client, args: Args, i: number): void {
  const { db } = client;
  const entry = db.map.find(args.buf, args.off(i), args.len(i));
  if (entry === 0) return;
  db.remove(entry);
  client.changed(args, i, EVENT.generic, "del");
}
