/**
 * What replicas say to their primary (PSYNC, SYNC, REPLCONF), and what clients ask about replicas (WAIT,
 * WAITAOF, ROLE). The replica's own side is in `replicaof.ts`.
 */
import { parseInt64, parseInteger } from "../bytes/integer.ts";
import { cString, utf8, utf8Bytes } from "../bytes/text.ts";
import { splitArgs } from "../config/split_args.ts";
import type { Replica } from "../replication/replica.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { clientInfo } from "../server/client_info.ts";
import { GATE } from "../server/gates.ts";
import { becomePrimary } from "../server/role.ts";
import { integerArg, integerAtLeast, millisecondsArg } from "./arguments.ts";
import type { CommandSpec } from "./spec.ts";

export const REPLICATION_COMMANDS = [
  {
    name: "psync",
    arity: -3,
    flags: ["admin", "noscript", "no_async_loading", "no_multi"],
    group: "server",
    since: "2.8.0",
    complexity: "",
    summary: "Makes the connection a replica's; where it can, goes on where that replica stands.",
    syntax: "replicationid:string offset:integer",
    handler: psync,
  },
  {
    name: "sync",
    arity: 1,
    flags: ["admin", "noscript", "no_async_loading", "no_multi"],
    group: "server",
    since: "1.0.0",
    complexity: "",
    summary: "Makes the connection that of a replica which knows no PSYNC.",
    syntax: "",
    handler: sync,
  },
  {
    name: "replconf",
    arity: -1,
    flags: ["admin", "noscript", "loading", "stale", "allow_busy"],
    group: "server",
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Tells the primary of the replica, and the replica what the primary wants to know.",
    syntax: "",
    handler: replconf,
  },
  {
    name: "wait",
    arity: 3,
    flags: ["blocking"],
    group: "generic",
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Waits until so many replicas have what this connection wrote.",
    syntax: "numreplicas:integer timeout:integer",
    acl: ["-keyspace", "connection"],
    tips: ["request_policy:all_shards", "response_policy:agg_min"],
    handler: wait,
  },
  {
    name: "waitaof",
    arity: 4,
    flags: ["blocking"],
    group: "generic",
    since: "7.2.0",
    complexity: "O(1)",
    summary: "Waits until what this connection wrote is in append-only files on disk.",
    syntax: "numlocal:integer numreplicas:integer timeout:integer",
    acl: ["-keyspace", "connection"],
    tips: ["request_policy:all_shards", "response_policy:agg_min"],
    partial: "there is no append-only file here: only replicas' count",
    handler: waitAof,
  },
  {
    name: "role",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast"],
    group: "server",
    since: "2.8.12",
    complexity: "O(1)",
    summary: "Tells whether this is a primary or a replica, and of whom.",
    syntax: "",
    acl: ["admin", "dangerous"],
    handler: role,
  },
] as const satisfies readonly CommandSpec[];

const FAILING_OVER = new ReplyError("NOMASTERLINK Can't SYNC while failing over");
const IS_PRIMARY = new ReplyError("ERR PSYNC FAILOVER can't be sent to a master.");
const OTHER_HISTORY = new ReplyError("ERR PSYNC FAILOVER replid must match my replid.");
const NO_WAIT_ON_REPLICA = new ReplyError(
  "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
);
const NO_WAITAOF_ON_REPLICA = new ReplyError(
  "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
);
const NO_FILE = new ReplyError(
  "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
);
const NOT_0_OR_1 = new ReplyError("ERR value is out of range, value must between 0 and 1");
const NO_FILTERS = new ReplyError("ERR Missing rdb-filter-only values");

/** Redis's room for a host name. */
const MAX_ADDRESS_BYTES = 255;

// ---- replicas ------------------------------------------------------------------------------------

function psync(client: Client, args: Args): void {
  if (isAttached(client)) return;
  const { server } = client;
  const id = args.text(1);
  if (args.count > 3 && args.is(3, "FAILOVER")) takeOver(client, id);
  if (server.failover.state !== "no-failover") throw FAILING_OVER;
  const offset = parseInt64(args.buf, args.off(2), args.len(2));
  server.replication.replicas.synchronize(client, {
    id,
    offset: offset === undefined ? undefined : Number(offset),
  });
}

function sync(client: Client): void {
  if (isAttached(client)) return;
  const { server } = client;
  if (server.failover.state !== "no-failover") throw FAILING_OVER;
  server.replication.replicas.synchronize(client);
}

/** Whether a client gets the stream already, or everything by MONITOR: it is not even answered. */
function isAttached(client: Client): boolean {
  return client.feed !== undefined || (client.gates & GATE.monitor) !== 0;
}

/** Our primary wants to be our replica. */
function takeOver(client: Client, id: string): void {
  const { server } = client;
  const { log, replication } = server;
  log.notice(`Failover request received for replid ${id}.`);
  if (!replication.isReplica) throw IS_PRIMARY;
  if (id.toLowerCase() !== replication.id) throw OTHER_HISTORY;
  becomePrimary(server);
  log.notice(`MASTER MODE enabled (failover request from '${clientInfo(client)}')`);
}

/** Each pair takes effect, also before one that does not. ACK and GETACK are not answered. */
function replconf(client: Client, args: Args): void {
  if (args.count % 2 === 0) throw SYNTAX_ERROR;
  const { server } = client;
  const { replicas, link } = server.replication;
  for (let i = 1; i < args.count; i += 2) {
    const value = i + 1;
    if (args.is(i, "ACK")) {
      if (client.feed !== undefined) acknowledge(replicas.of(client), args, value);
      return;
    }
    if (args.is(i, "GETACK")) {
      link?.acknowledge();
      return;
    }
    const replica = replicas.of(client);
    if (args.is(i, "LISTENING-PORT")) replica.listeningPort = integerArg(args, value);
    else if (args.is(i, "IP-ADDRESS")) replica.announcedAddress = addressArg(args, value);
    else if (args.is(i, "CAPA")) {
      // What else it can do is of no use to us.
      if (args.is(value, "EOF")) replica.takesMark = true;
      else if (args.is(value, "PSYNC2")) replica.takesNewId = true;
    } else if (args.is(i, "RDB-ONLY")) replica.wantsOnlyData = zeroOrOneArg(args, value) === 1;
    else if (args.is(i, "RDB-FILTER-ONLY")) {
      replica.wantsNoKeys = true;
      checkFilters(args.text(value));
    } else throw new ReplyError(`ERR Unrecognized REPLCONF option: ${cString(args.text(i))}`);
  }
  client.reply.ok();
}

/** ACK offset [FACK offset on disk]. */
function acknowledge(replica: Replica, args: Args, i: number): void {
  const offset = parseInteger(args.buf, args.off(i), args.len(i));
  if (Number.isNaN(offset)) return;
  let fileOffset = 0;
  if (i + 2 < args.count && args.is(i + 1, "FACK")) {
    fileOffset = parseInteger(args.buf, args.off(i + 2), args.len(i + 2)) || 0;
  }
  replica.client.server.replication.replicas.acknowledge(replica, offset, fileOffset);
}

function addressArg(args: Args, i: number): string {
  const bytes = args.len(i);
  if (bytes > MAX_ADDRESS_BYTES) {
    throw new ReplyError(
      `ERR REPLCONF ip-address provided by replica instance is too long: ${bytes} bytes`,
    );
  }
  return utf8(args.view(i));
}

/** What a snapshot is to hold, beside nothing: `functions`, of which there are none. */
function checkFilters(text: string): void {
  const filters = splitArgs(text);
  if (filters === undefined) throw NO_FILTERS;
  for (const filter of filters) {
    if (filter.toLowerCase() === "functions") continue;
    throw new ReplyError(`ERR Unsupported rdb-filter-only option: ${cString(filter)}`);
  }
}

function zeroOrOneArg(args: Args, i: number): number {
  const value = integerArg(args, i);
  if (value !== 0 && value !== 1) throw NOT_0_OR_1;
  return value;
}

// ---- clients -------------------------------------------------------------------------------------

function wait(client: Client, args: Args): void {
  const { reply, writeOffset, server: { replication: { isReplica, replicas } } } = client;
  if (isReplica) throw NO_WAIT_ON_REPLICA;
  const wanted = integerArg(args, 1);
  const timeoutMs = millisecondsArg(client, args, 2);
  const count = replicas.countAcks(writeOffset);
  if (count >= wanted || client.transaction !== undefined) return reply.integer(count);
  replicas.waits.wait(client, wanted, false, timeoutMs, () => {
    reply.integer(replicas.countAcks(writeOffset));
  });
}

function waitAof(client: Client, args: Args): void {
  const { reply, writeOffset, server: { replication: { isReplica, replicas } } } = client;
  const local = zeroOrOneArg(args, 1);
  const wanted = integerAtLeast(args, 2, 0);
  const timeoutMs = millisecondsArg(client, args, 3);
  if (isReplica) throw NO_WAITAOF_ON_REPLICA;
  if (local > 0) throw NO_FILE;
  const answer = () => {
    reply.array(2);
    // Where there is no file, nothing is on disk, not even of nothing written.
    reply.integer(0);
    reply.integer(replicas.countFileAcks(writeOffset));
  };
  const count = replicas.countFileAcks(writeOffset);
  if (count >= wanted || client.transaction !== undefined) return answer();
  replicas.waits.wait(client, wanted, true, timeoutMs, answer);
}

function role({ reply, server }: Client): void {
  const { link, replicas, stream: { offset } } = server.replication;
  if (link !== undefined) {
    reply.array(5);
    reply.bulkText("slave");
    reply.bulk(utf8Bytes(link.host));
    reply.integer(link.port);
    reply.bulkText(link.state === "loading" ? "sync" : link.state);
    reply.integer(link.isUp ? offset : -1);
    return;
  }
  const online = [...replicas.attached].filter(({ state }) => state === "online");
  reply.array(3);
  reply.bulkText("master");
  reply.integer(offset);
  reply.array(online.length);
  for (const { address, listeningPort, ackOffset } of online) {
    reply.array(3);
    reply.bulk(utf8Bytes(address));
    reply.bulkInteger(listeningPort);
    reply.bulkInteger(ackOffset);
  }
}
