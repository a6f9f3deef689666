/** What follows when a command takes a collection's last element. */
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { EVENT } from "../store/events.ts";

/** Removes the key of argument `i`, which is empty now: an event of its own, but not another change. */
export function removeEmptied(client: Client, args: Args, i: number, entry: number): void {
  client.db.remove(entry);
  client.changed(args, i, EVENT.generic, "del");
  client.server.effects.dirty--;
}
