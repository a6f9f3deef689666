/** Who is whose replica: REPLICAOF, by its old name SLAVEOF, and FAILOVER. */
import { utf8 } from "../bytes/text.ts";
import type { HostPort } from "../config/special_kinds.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { clientInfo } from "../server/client_info.ts";
import { becomePrimary, becomeReplica } from "../server/role.ts";
import { integerArg } from "./arguments.ts";
import type { CommandSpec } from "./spec.ts";

export const REPLICAOF_COMMANDS = [
  {
    name: "replicaof",
    arity: 3,
    flags: ["admin", "noscript", "stale", "no_async_loading"],
    group: "server",
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Makes the server a replica of another, or a primary.",
    syntax: "args:(host-port:{host:string port:integer}|no-one:{NO ONE})",
    handler: replicaOf,
  },
  {
    name: "slaveof",
    arity: 3,
    flags: ["admin", "noscript", "stale", "no_async_loading"],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Makes the server a replica of another, or a primary.",
    syntax: "args:(host-port:{host:string port:integer}|no-one:{NO ONE})",
    deprecatedSince: "5.0.0",
    replacedBy: "`REPLICAOF`",
    handler: replicaOf,
  },
  {
    name: "failover",
    arity: -1,
    flags: ["admin", "noscript", "stale"],
    group: "server",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Lets a primary and one of its replicas change places.",
    syntax: "[TO target:{host:string port:integer [FORCE]}] [ABORT] [TIMEOUT milliseconds:integer]",
    handler: failover,
  },
] as const satisfies readonly CommandSpec[];

const MAX_PORT = 65535;

function replicaOf(client: Client, args: Args): void {
  const { server, reply } = client;
  const { replication, log } = server;
  if (server.failover.state !== "no-failover") {
    throw new ReplyError("ERR REPLICAOF not allowed while failing over.");
  }
  if (args.is(1, "NO") && args.is(2, "ONE")) {
    if (replication.isReplica) {
      becomePrimary(server);
      log.notice(`MASTER MODE enabled (user request from '${clientInfo(client)}')`);
    }
    return reply.ok();
  }
  if (client.outputClass === "replica") {
    throw new ReplyError("ERR Command is not valid when client is a replica.");
  }
  const host = utf8(args.view(1));
  const port = portArg(args, 2);
  const { link } = replication;
  if (link?.host === host && link.port === port) {
    log.notice(
      "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.",
    );
    return reply.simple("OK Already connected to specified master");
  }
  becomeReplica(server, { host, port });
  log.notice(`REPLICAOF ${host}:${port} enabled (user request from '${clientInfo(client)}')`);
  reply.ok();
}

function portArg(args: Args, i: number): number {
  const port = Number(args.text(i));
  if (!/^(0|[1-9]\d*)$/.test(args.text(i)) || port > MAX_PORT) {
    throw new ReplyError("ERR Invalid master port");
  }
  return port;
}

function failover(client: Client, args: Args): void {
  const { server, reply } = client;
  const { replicas, isReplica } = server.replication;
  if (args.count === 2 && args.is(1, "ABORT")) {
    if (server.failover.state === "no-failover") {
      throw new ReplyError("ERR No failover in progress.");
    }
    server.failover.abort("Failover manually aborted");
    return reply.ok();
  }
  let timeoutMs: number | undefined;
  let target: HostPort | undefined;
  let force = false;
  for (let i = 1; i < args.count; i++) {
    if (args.is(i, "TIMEOUT") && i + 1 < args.count && timeoutMs === undefined) {
      timeoutMs = integerArg(args, ++i);
      if (timeoutMs <= 0) throw new ReplyError("ERR FAILOVER timeout must be greater than 0");
    } else if (args.is(i, "TO") && i + 2 < args.count && target === undefined) {
      target = { host: utf8(args.view(i + 1)), port: integerArg(args, i + 2) };
      i += 2;
    } else if (args.is(i, "FORCE") && !force) {
      force = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (server.failover.state !== "no-failover") {
    throw new ReplyError("ERR FAILOVER already in progress.");
  }
  if (isReplica) throw new ReplyError("ERR FAILOVER is not valid when server is a replica.");
  if (replicas.attached.size === 0) {
    throw new ReplyError("ERR FAILOVER requires connected replicas.");
  }
  if (force && (timeoutMs === undefined || target === undefined)) {
    throw new ReplyError(
      "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
    );
  }
  if (target !== undefined) {
    const { host, port } = target;
    const replica = [...replicas.attached].find((replica) => {
      return replica.address === host && replica.listeningPort === port;
    });
    if (replica === undefined) {
      throw new ReplyError("ERR FAILOVER target HOST and PORT is not a replica.");
    }
    if (replica.state !== "online") {
      throw new ReplyError("ERR FAILOVER target replica is not online.");
    }
  }
  server.failover.start({ target, timeoutMs, force });
  reply.ok();
}
