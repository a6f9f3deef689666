/** LATENCY: what the latency monitor noted, and how long each command's calls took. */
import { cString, utf8Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import type { Command } from "../server/command.ts";
import { latencyDiagnosis, latencyGraph } from "../server/latency_report.ts";
import { helpHandler } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

export const LATENCY_COMMANDS = [
  {
    name: "latency",
    arity: -2,
    flags: [],
    group: "server",
    since: "2.8.13",
    complexity: "Depends on the subcommand.",
    summary: "Shows what took long.",
    syntax: "",
    subcommands: [
      {
        name: "doctor",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Explains in words what the latency monitor noted.",
        syntax: "",
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: doctor,
      },
      {
        name: "graph",
        arity: 3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Draws an event's samples with characters.",
        syntax: "event:string",
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: graph,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        syntax: "",
        handler: helpHandler("latency", [
          "DOCTOR",
          "    Explain what was slow.",
          "GRAPH <event>",
          "    Draw the samples of <event>.",
          "HISTOGRAM [COMMAND ...]",
          "    Tell how many calls of the commands took how long; of all, if none is named.",
          "HISTORY <event>",
          "    List the samples of <event>: when, and how many milliseconds.",
          "LATEST",
          "    List the latest and the longest sample of every event.",
          "RESET [<event> ...]",
          "    Forget the samples of events; of all, if none is named.",
        ]),
      },
      {
        name: "histogram",
        arity: -2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "7.0.0",
        complexity: "O(N) for N commands",
        summary: "Tells how many calls of commands took how long.",
        syntax: "[command:string...]",
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: histogram,
      },
      {
        name: "history",
        arity: 3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Lists an event's samples.",
        syntax: "event:string",
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: history,
      },
      {
        name: "latest",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Lists the latest sample of every event.",
        syntax: "",
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: latest,
      },
      {
        name: "reset",
        arity: -2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "server",
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Forgets the samples of events, or of all.",
        syntax: "[event:string...]",
        tips: ["request_policy:all_nodes", "response_policy:agg_sum"],
        handler: reset,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

function nowSeconds({ server }: Client): number {
  return Math.floor(server.time.nowMs / 1000);
}

/** The event that argument `i` names, to Redis a C string. */
function eventArg(args: Args, i: number): string {
  return cString(args.text(i));
}

function doctor(client: Client): void {
  const { latency, config } = client.server;
  const slowlogUsec = config.values["slowlog-log-slower-than"];
  const text = latencyDiagnosis(
    latency,
    slowlogUsec < 0 ? Infinity : slowlogUsec,
    nowSeconds(client),
  );
  client.reply.verbatim("txt", utf8Bytes(text));
}

function graph(client: Client, args: Args): void {
  const name = eventArg(args, 2);
  const event = client.server.latency.events.get(name);
  if (event === undefined) throw new ReplyError(`ERR No samples available for event '${name}'`);
  client.reply.verbatim("txt", utf8Bytes(latencyGraph(name, event, nowSeconds(client))));
}

function history({ server, reply }: Client, args: Args): void {
  const samples = server.latency.events.get(eventArg(args, 2))?.samples ?? [];
  reply.array(samples.length);
  for (const { timeSeconds, ms } of samples) {
    reply.array(2);
    reply.integer(timeSeconds);
    reply.integer(ms);
  }
}

function latest({ server, reply }: Client): void {
  const { events } = server.latency;
  reply.array(events.size);
  for (const [name, { samples, maxMs }] of events) {
    const { timeSeconds, ms } = samples.at(-1)!;
    reply.array(4);
    reply.bulkText(name);
    reply.integer(timeSeconds);
    reply.integer(ms);
    reply.integer(maxMs);
  }
}

function reset({ server, reply }: Client, args: Args): void {
  const { events } = server.latency;
  let count = 0;
  if (args.count === 2) {
    count = events.size;
    events.clear();
  }
  for (let i = 2; i < args.count; i++) if (events.delete(eventArg(args, i))) count++;
  reply.integer(count);
}

function histogram({ server, reply }: Client, args: Args): void {
  let commands: Command[] = [];
  if (args.count === 2) commands = [...server.commands.everything()];
  for (let i = 2; i < args.count; i++) {
    const command = server.commands.named(args.text(i));
    if (command !== undefined) commands.push(command, ...command.subcommands.values());
  }
  commands = commands.filter(({ latency }) => latency !== undefined);
  reply.map(commands.length);
  for (const { fullName, latency } of commands) {
    const steps = latency!.steps();
    reply.bulkText(fullName);
    reply.map(2);
    reply.bulkText("calls");
    reply.integer(latency!.count);
    reply.bulkText("histogram_usec");
    reply.map(steps.length);
    for (const [usec, calls] of steps) {
      reply.integer(usec);
      reply.integer(calls);
    }
  }
}
