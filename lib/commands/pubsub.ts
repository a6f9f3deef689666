/** Pub/Sub: subscribing to channels, patterns and shard channels, publishing, and who listens. */
import type { Kind } from "../pubsub/pubsub.ts";
import { NONE } from "../pubsub/topics.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import { type CommandSpec, keys } from "./spec.ts";

export const PUBSUB_COMMANDS = [
  {
    name: "subscribe",
    arity: -2,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "2.0.0",
    complexity: "O(N) for N channels",
    summary: "Listens to channels.",
    syntax: "channel:string...",
    traits: ["while_subscribed"],
    handler: subscribe,
  },
  {
    name: "unsubscribe",
    arity: -1,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "2.0.0",
    complexity: "O(N) for N channels",
    summary: "Stops listening to channels, or to all.",
    syntax: "[channel:string...]",
    traits: ["while_subscribed"],
    handler: unsubscribe,
  },
  {
    name: "psubscribe",
    arity: -2,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "2.0.0",
    complexity: "O(N) for N patterns",
    summary: "Listens to all channels that match patterns.",
    syntax: "pattern:pattern...",
    traits: ["while_subscribed"],
    handler: psubscribe,
  },
  {
    name: "punsubscribe",
    arity: -1,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "2.0.0",
    complexity: "O(N) for N patterns",
    summary: "Stops listening to patterns, or to all.",
    syntax: "[pattern:pattern...]",
    traits: ["while_subscribed"],
    handler: punsubscribe,
  },
  {
    name: "publish",
    arity: 3,
    flags: ["pubsub", "loading", "stale", "fast"],
    group: "pubsub",
    since: "2.0.0",
    complexity: "O(N+M) for N clients that listen to the channel and M patterns of all clients",
    summary: "Sends a message to a channel.",
    syntax: "channel:string message:string",
    traits: ["may_replicate"],
    handler: publish,
  },
  {
    name: "ssubscribe",
    arity: -2,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "7.0.0",
    complexity: "O(N) for N shard channels",
    summary: "Listens to shard channels.",
    syntax: "shardchannel:string...",
    keys: keys("not_key", 1, -1),
    traits: ["while_subscribed"],
    handler: ssubscribe,
  },
  {
    name: "sunsubscribe",
    arity: -1,
    flags: ["pubsub", "noscript", "loading", "stale"],
    group: "pubsub",
    since: "7.0.0",
    complexity: "O(N) for N shard channels",
    summary: "Stops listening to shard channels, or to all.",
    syntax: "[shardchannel:string...]",
    keys: keys("not_key", 1, -1),
    traits: ["while_subscribed"],
    handler: sunsubscribe,
  },
  {
    name: "spublish",
    arity: 3,
    flags: ["pubsub", "loading", "stale", "fast"],
    group: "pubsub",
    since: "7.0.0",
    complexity: "O(N) for N clients that listen to the shard channel",
    summary: "Sends a message to a shard channel.",
    syntax: "shardchannel:string message:string",
    keys: keys("not_key"),
    traits: ["may_replicate"],
    handler: spublish,
  },
  {
    name: "pubsub",
    arity: -2,
    flags: [],
    group: "pubsub",
    since: "2.8.0",
    complexity: "Depends on the subcommand.",
    summary: "Tells who listens to what.",
    syntax: "",
    subcommands: [
      {
        name: "channels",
        arity: -2,
        flags: ["pubsub", "loading", "stale"],
        group: "pubsub",
        since: "2.8.0",
        complexity: "O(N) for N channels",
        summary: "Lists the channels that have subscribers.",
        syntax: "[pattern:pattern]",
        handler: channels,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "pubsub",
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("pubsub", [
          "CHANNELS [<pattern>]",
          "    List channels with subscribers, those whose names match <pattern>.",
          "NUMPAT",
          "    Count the patterns that are listened to.",
          "NUMSUB [<channel> ...]",
          "    Count the subscribers of each channel; patterns do not count.",
          "SHARDCHANNELS [<pattern>]",
          "    List shard channels with subscribers, those whose names match <pattern>.",
          "SHARDNUMSUB [<shardchannel> ...]",
          "    Count the subscribers of each shard channel.",
        ]),
      },
      {
        name: "numpat",
        arity: 2,
        flags: ["pubsub", "loading", "stale"],
        group: "pubsub",
        since: "2.8.0",
        complexity: "O(1)",
        summary: "Counts the patterns that are listened to.",
        syntax: "",
        handler: numPat,
      },
      {
        name: "numsub",
        arity: -2,
        flags: ["pubsub", "loading", "stale"],
        group: "pubsub",
        since: "2.8.0",
        complexity: "O(N) for N channels asked for",
        summary: "Counts the subscribers of channels.",
        syntax: "[channel:string...]",
        handler: numSub,
      },
      {
        name: "shardchannels",
        arity: -2,
        flags: ["pubsub", "loading", "stale"],
        group: "pubsub",
        since: "7.0.0",
        complexity: "O(N) for N shard channels",
        summary: "Lists the shard channels that have subscribers.",
        syntax: "[pattern:pattern]",
        handler: shardChannels,
      },
      {
        name: "shardnumsub",
        arity: -2,
        flags: ["pubsub", "loading", "stale"],
        group: "pubsub",
        since: "7.0.0",
        complexity: "O(N) for N shard channels asked for",
        summary: "Counts the subscribers of shard channels.",
        syntax: "[shardchannel:string...]",
        handler: shardNumSub,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

const NO_SHARD_IN_MULTI = new ReplyError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");

function subscribe(client: Client, args: Args): void {
  join(client, args, "channels", "subscribe");
}

function psubscribe(client: Client, args: Args): void {
  join(client, args, "patterns", "psubscribe");
}

function ssubscribe(client: Client, args: Args): void {
  if (client.transaction !== undefined) throw NO_SHARD_IN_MULTI;
  join(client, args, "shards", "ssubscribe");
}

function unsubscribe(client: Client, args: Args): void {
  leave(client, args, "channels", "unsubscribe");
}

function punsubscribe(client: Client, args: Args): void {
  leave(client, args, "patterns", "punsubscribe");
}

function sunsubscribe(client: Client, args: Args): void {
  leave(client, args, "shards", "sunsubscribe");
}

function join(client: Client, args: Args, kind: Kind, word: string): void {
  const { pubsub } = client.server;
  for (let i = 1; i < args.count; i++) {
    pubsub.subscribe(client, kind, args.buf, args.off(i), args.len(i));
    confirm(client, kind, word, args.view(i));
  }
  client.subscriptionsChanged();
}

function leave(client: Client, args: Args, kind: Kind, word: string): void {
  const { pubsub } = client.server;
  for (let i = 1; i < args.count; i++) {
    pubsub.unsubscribe(client, kind, args.buf, args.off(i), args.len(i));
    confirm(client, kind, word, args.view(i));
  }
  if (args.count === 1) {
    const topics = [...client.subscriptions?.[kind] ?? []];
    if (topics.length === 0) confirm(client, kind, word, undefined);
    for (const topic of topics) {
      // Who is cut off meanwhile has left them all.
      if (client.closing) break;
      const name = pubsub[kind].name(topic);
      pubsub.unsubscribe(client, kind, name, 0, name.length);
      confirm(client, kind, word, name);
    }
  }
  client.subscriptionsChanged();
}

/** One confirmation for each topic; a push, so CLIENT REPLY does not silence it. */
function confirm(client: Client, kind: Kind, word: string, name: Uint8Array | undefined): void {
  const { reply, subscriptions } = client;
  const { muted } = reply;
  reply.muted = client.closing;
  reply.push(3);
  reply.bulkText(word);
  if (name === undefined) reply.nil();
  else reply.bulk(name);
  reply.integer(subscriptions?.count(kind) ?? 0);
  if (muted) reply.muted = true;
}

function publish({ server, reply, propagation }: Client, args: Args): void {
  const { buf } = args;
  propagation.force();
  const hash = args.hashed ? args.hash : undefined;
  reply.integer(
    server.pubsub.publish(buf, args.off(1), args.len(1), buf, args.off(2), args.len(2), hash),
  );
}

function spublish({ server, reply, propagation }: Client, args: Args): void {
  const { buf } = args;
  propagation.force();
  const hash = args.hashed ? args.hash : undefined;
  reply.integer(
    server.pubsub
      .publishToShard(buf, args.off(1), args.len(1), buf, args.off(2), args.len(2), hash),
  );
}

function channels(client: Client, args: Args): void {
  listTopics(client, args, "channels");
}

function shardChannels(client: Client, args: Args): void {
  listTopics(client, args, "shards");
}

function listTopics({ server, reply }: Client, args: Args, kind: Kind): void {
  if (args.count > 3) throw subcommandSyntaxError(args);
  const names: Uint8Array[] = [];
  const pattern = args.count === 3 ? args.view(2) : undefined;
  const topics = server.pubsub[kind];
  for (const topic of topics) {
    if (pattern === undefined || topics.matches(topic, pattern)) names.push(topics.name(topic));
  }
  reply.array(names.length);
  for (const name of names) reply.bulk(name);
}

function numPat({ server, reply }: Client): void {
  reply.integer(server.pubsub.patterns.size);
}

function numSub(client: Client, args: Args): void {
  countSubscribers(client, args, "channels");
}

function shardNumSub(client: Client, args: Args): void {
  countSubscribers(client, args, "shards");
}

function countSubscribers({ server, reply }: Client, args: Args, kind: Kind): void {
  const topics = server.pubsub[kind];
  reply.array(2 * (args.count - 2));
  for (let i = 2; i < args.count; i++) {
    const topic = topics.find(args.buf, args.off(i), args.len(i));
    reply.bulk(args.buf, args.off(i), args.len(i));
    reply.integer(topic === NONE ? 0 : topics.count(topic));
  }
}
