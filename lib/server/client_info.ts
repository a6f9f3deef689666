/**
 * What CLIENT LIST, CLIENT INFO and CLIENT KILL know of a client: its type and its line, the fields
 * of Redis 7.2 in their order. Where a field counts Redis's own buffers, it tells of the nearest
 * thing here: the socket's number is the client's id, the query buffer what runs or waits to be run.
 */
import type { Client } from "./client.ts";
import { GATE } from "./gates.ts";

export type ClientType = "normal" | "master" | "replica" | "pubsub";

/** About what an idle client takes beside its buffer, as measured with 10,000 of them; bytes. */
const OBJECT_BYTES = 7 * 1024;

export function clientType(client: Client): ClientType {
  return client.isPrimary ? "master" : client.outputClass;
}

/** Bytes that a client takes, its buffers included, while none of its commands runs. */
export function clientMemory(client: Client): number {
  const { inputBufferBytes, carriedBytes } = client.connection;
  return OBJECT_BYTES + inputBufferBytes + client.keptBytes - carriedBytes +
    (client.feed?.bytes ?? 0);
}

/** The client's line, without a line end. */
export function clientInfo(client: Client): string {
  const { connection, reply, transaction, subscriptions, tracking } = client;
  const { nowMs } = client.server.time;
  const { router } = client.server;
  const queryBytes = client.pendingBytes + connection.unparsedBytes + router.queryBytes(client);
  const running = client.blocked === undefined ? router.argumentBytes(client) : 0;
  const argumentBytes = connection.parsedBytes + (client.blocked?.argumentBytes ?? running);
  const { gathered } = reply;
  const unsent = connection.unsentBytes;
  const sending = unsent > reply.bytes;
  return `id=${client.id} addr=${connection.peer} laddr=${connection.local} fd=${client.id}` +
    ` name=${client.name} age=${seconds(nowMs - client.createdMs)}` +
    ` idle=${seconds(nowMs - client.seenMs)} flags=${flags(client)} db=${client.db.number}` +
    ` sub=${subscriptions?.channels.size ?? 0} psub=${subscriptions?.patterns.size ?? 0}` +
    ` ssub=${subscriptions?.shards.size ?? 0} multi=${transaction?.count ?? -1}` +
    ` qbuf=${queryBytes} qbuf-free=${connection.inputBufferBytes - connection.carriedBytes}` +
    ` argv-mem=${argumentBytes}` +
    ` multi-mem=${
      transaction?.bytes ?? 0
    } rbs=${reply.chunkBytes} rbp=${gathered} obl=${gathered}` +
    ` oll=${sending ? reply.chunks + 1 : reply.chunks} omem=${unsent - gathered}` +
    ` tot-mem=${clientMemory(client) + running} events=${sending ? "rw" : "r"}` +
    ` cmd=${client.lastCommand?.fullName ?? "NULL"} user=${client.user} redir=${
      tracking?.redirect ?? -1
    }` +
    ` resp=${reply.protocol} lib-name=${client.libName} lib-ver=${client.libVersion}`;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

/** A letter for each state, in Redis's order. */
function flags(client: Client): string {
  let letters = "";
  if (client.outputClass === "replica") letters += "S";
  if (client.isPrimary) letters += "M";
  if ((client.gates & GATE.monitor) !== 0) letters += "O";
  if (client.outputClass === "pubsub") letters += "P";
  if (client.transaction !== undefined) letters += "x";
  if (client.blocked !== undefined || client.postponed) letters += "b";
  if (client.tracking !== undefined) letters += "t";
  if (client.tracking?.redirectBroken) letters += "R";
  if (client.tracking?.mode === "broadcast") letters += "B";
  if (client.watchBroken) letters += "d";
  if (client.closing) letters += "c";
  if (client.connection.isUnix) letters += "U";
  if (client.noEvict) letters += "e";
  if ((client.gates & GATE.noTouch) !== 0) letters += "T";
  return letters === "" ? "N" : letters;
}
