/** CLIENT's subcommands for client-side caching: see `lib/server/tracking.ts`. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import type { TrackingMode } from "../server/tracking.ts";
import { integerArg } from "./arguments.ts";
import type { CommandSpec } from "./spec.ts";

export const CLIENT_TRACKING_SUBCOMMANDS = [
  {
    name: "caching",
    arity: 3,
    flags: ["noscript", "loading", "stale"],
    group: "connection",
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Says whether the next command's keys are tracked.",
    syntax: "mode:(YES|NO)",
    handler: caching,
  },
  {
    name: "getredir",
    arity: 2,
    flags: ["noscript", "loading", "stale"],
    group: "connection",
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Returns the connection that is told what this one tracks.",
    syntax: "",
    handler: getRedir,
  },
  {
    name: "tracking",
    arity: -3,
    flags: ["noscript", "loading", "stale"],
    group: "connection",
    since: "6.0.0",
    complexity: "O(1), or O(N) for N prefixes.",
    summary: "Lets the connection be told when keys change that it may have cached.",
    syntax: "status:(ON|OFF) [REDIRECT client-id:integer] [PREFIX prefix:string]... " +
      "[BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    handler: tracking,
  },
  {
    name: "trackinginfo",
    arity: 2,
    flags: ["noscript", "loading", "stale"],
    group: "connection",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Tells what the connection tracks, and how.",
    syntax: "",
    handler: trackingInfo,
  },
] as const satisfies readonly CommandSpec[];

const REDIRECT_TWICE = new ReplyError("ERR A client can only redirect to a single other client");
const NO_REDIRECT_TARGET = new ReplyError(
  "ERR The client ID you want redirect to does not exist",
);
const PREFIX_WITHOUT_BCAST = new ReplyError("ERR PREFIX option requires BCAST mode to be enabled");
const BCAST_SWITCHED = new ReplyError(
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
);
const BCAST_WITH_OPT = new ReplyError("ERR OPTIN and OPTOUT are not compatible with BCAST");
const OPTIN_WITH_OPTOUT = new ReplyError("ERR You can't specify both OPTIN mode and OPTOUT mode");
const OPT_SWITCHED = new ReplyError(
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
);
const NOT_TRACKING = new ReplyError(
  "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);
const YES_WITHOUT_OPTIN = new ReplyError(
  "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
);
const NO_WITHOUT_OPTOUT = new ReplyError(
  "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
);

function tracking(client: Client, args: Args): void {
  const { server, reply } = client;
  let redirect = 0;
  let broadcast = false;
  let optIn = false;
  let optOut = false;
  let noLoop = false;
  const prefixes: string[] = [];
  for (let i = 3; i < args.count; i++) {
    const hasMore = i + 1 < args.count;
    if (args.is(i, "REDIRECT") && hasMore) {
      if (redirect !== 0) throw REDIRECT_TWICE;
      redirect = integerArg(args, ++i);
      if (!server.clients.has(redirect)) throw NO_REDIRECT_TARGET;
    } else if (args.is(i, "BCAST")) broadcast = true;
    else if (args.is(i, "OPTIN")) optIn = true;
    else if (args.is(i, "OPTOUT")) optOut = true;
    else if (args.is(i, "NOLOOP")) noLoop = true;
    else if (args.is(i, "PREFIX") && hasMore) prefixes.push(args.text(++i));
    else throw SYNTAX_ERROR;
  }
  if (args.is(2, "OFF")) {
    server.tracking.disable(client);
    return reply.ok();
  }
  if (!args.is(2, "ON")) throw SYNTAX_ERROR;
  if (!broadcast && prefixes.length > 0) throw PREFIX_WITHOUT_BCAST;
  const old = client.tracking?.mode;
  if (old !== undefined && (old === "broadcast") !== broadcast) throw BCAST_SWITCHED;
  if (broadcast && (optIn || optOut)) throw BCAST_WITH_OPT;
  if (optIn && optOut) throw OPTIN_WITH_OPTOUT;
  if ((optIn && old === "optOut") || (optOut && old === "optIn")) throw OPT_SWITCHED;
  let mode: TrackingMode = "default";
  if (broadcast) {
    checkPrefixes(client, prefixes);
    mode = "broadcast";
  } else if (optIn) mode = "optIn";
  else if (optOut) mode = "optOut";
  server.tracking.enable(client, mode, noLoop, redirect, prefixes);
  reply.ok();
}

/**
 * Throws for the first prefix that begins with another one, or another one with it, told with the first
 * that does. In the order of their bytes, those that overlap follow the shortest of them.
 */
function checkPrefixes(client: Client, prefixes: readonly string[]): void {
  const existing = [...client.tracking?.prefixes ?? []];
  const overlapping = new Set<string>();
  let shortest: string | undefined;
  for (const text of [...existing, ...prefixes].sort()) {
    if (shortest === undefined || !text.startsWith(shortest)) shortest = text;
    else overlapping.add(shortest).add(text);
  }
  const at = prefixes.findIndex((prefix) => overlapping.has(prefix));
  if (at < 0) return;
  const prefix = prefixes[at]!;
  const overlaps = (other: string) => other.startsWith(prefix) || prefix.startsWith(other);
  const known = existing.find(overlaps);
  if (known !== undefined) throw overlapError(prefix, "an existing", known);
  throw overlapError(prefix, "another provided", prefixes.slice(at + 1).find(overlaps)!);
}

function overlapError(prefix: string, which: string, other: string): ReplyError {
  return new ReplyError(
    `ERR Prefix '${prefix}' overlaps with ${which} prefix '${other}'. Prefixes for a single client must not overlap.`,
  );
}

function caching(client: Client, args: Args): void {
  const mode = client.tracking?.mode;
  if (mode === undefined) throw NOT_TRACKING;
  if (args.is(2, "YES")) {
    if (mode !== "optIn") throw YES_WITHOUT_OPTIN;
  } else if (args.is(2, "NO")) {
    if (mode !== "optOut") throw NO_WITHOUT_OPTOUT;
  } else throw SYNTAX_ERROR;
  client.setCaching(true);
  client.reply.ok();
}

function getRedir(client: Client): void {
  client.reply.integer(client.tracking?.redirect ?? -1);
}

function trackingInfo(client: Client): void {
  const { reply, tracking } = client;
  const flags: string[] = [tracking === undefined ? "off" : "on"];
  if (tracking?.mode === "broadcast") flags.push("bcast");
  if (tracking?.mode === "optIn") flags.push("optin");
  if (tracking?.mode === "optIn" && tracking.caching) flags.push("caching-yes");
  if (tracking?.mode === "optOut") flags.push("optout");
  if (tracking?.mode === "optOut" && tracking.caching) flags.push("caching-no");
  if (tracking?.noLoop) flags.push("noloop");
  if (tracking?.redirectBroken) flags.push("broken_redirect");
  reply.map(3);
  reply.bulkText("flags");
  reply.set(flags.length);
  for (const flag of flags) reply.bulkText(flag);
  reply.bulkText("redirect");
  reply.integer(tracking?.redirect ?? -1);
  reply.bulkText("prefixes");
  reply.array(tracking?.prefixes.size ?? 0);
  for (const prefix of tracking?.prefixes ?? []) reply.bulkText(prefix);
}
