/** MONITOR: see `lib/server/monitor.ts`. */
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import type { CommandSpec } from "./spec.ts";

export const MONITOR_COMMANDS = [
  {
    name: "monitor",
    arity: 1,
    flags: ["admin", "noscript", "loading", "stale"],
    group: "server",
    since: "1.0.0",
    complexity: "",
    summary: "Shows every command that the server runs.",
    syntax: "",
    handler: monitor,
  },
] as const satisfies readonly CommandSpec[];

const NOT_IN_MULTI = new ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client");

function monitor(client: Client): void {
  if (client.transaction !== undefined) throw NOT_IN_MULTI;
  // As in Redis, a second MONITOR is not answered; nor is a replica's.
  if ((client.gates & (GATE.monitor | GATE.replica)) !== 0) return;
  client.server.monitors.join(client);
  client.reply.ok();
}
