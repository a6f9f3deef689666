/** INFO. */
import { utf8Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { infoText } from "../server/info.ts";
import type { CommandSpec } from "./spec.ts";

export const INFO_COMMANDS = [
  {
    name: "info",
    arity: -1,
    flags: ["loading", "stale"],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells the server's state and statistics.",
    syntax: "[section:string...]",
    acl: ["dangerous"],
    tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    history: [["7.0.0", "Takes several sections."]],
    handler: info,
  },
] as const satisfies readonly CommandSpec[];

function info(client: Client, args: Args): void {
  const words: string[] = [];
  for (let i = 1; i < args.count; i++) words.push(args.text(i).toLowerCase());
  client.reply.verbatim("txt", utf8Bytes(infoText(client.server, words)));
}
