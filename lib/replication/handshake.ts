/**
 * What a replica and its primary say to each other before data flow: Redis's handshake, in its words.
 *
 *     PING · AUTH · REPLCONF listening-port, ip-address, capa eof capa psync2 · PSYNC id offset
 *
 * The answer to PSYNC says whether the stream goes on where ours ends, or an RDB comes first. A
 * primary too old for PSYNC is asked with SYNC.
 */
import type { LoadLog } from "../persistence/rdb_loader.ts";
import { LinkError, type PrimarySocket } from "./primary_socket.ts";

/** How we introduce ourselves. */
export interface Introduction {
  /** `masteruser` and `masterauth`; empty for none. */
  readonly user: string;
  readonly password: string;
  /** Where clients reach us. */
  readonly port: number;
  /** `replica-announce-ip`, if it is set. */
  readonly ip: string;
}

/** What PSYNC is asked for. */
export interface SyncRequest {
  /** The history to go on with; undefined to get everything. */
  readonly from: { readonly id: string; readonly offset: number } | undefined;
  /** Whether the primary is to become our replica, as FAILOVER has it. */
  readonly failover: boolean;
}

export type SyncAnswer =
  /** The stream goes on; in a history of that ID, if one is named. */
  | { readonly kind: "continue"; readonly id: string | undefined }
  | FullAnswer;

/** An RDB comes, and then the stream from an offset; no ID where the primary does not tell them. */
export interface FullAnswer {
  readonly kind: "full";
  readonly id: string | undefined;
  readonly offset: number;
}

/** Introduces us to a primary; throws LinkError where it will not have us. */
export async function introduce(
  socket: PrimarySocket,
  who: Introduction,
  log: LoadLog,
): Promise<void> {
  await socket.send("PING");
  const pong = await socket.line();
  // One that wants a password, or another user, may have us yet.
  if (!/^(\+|-NOAUTH|-NOPERM|-ERR operation not permitted)/.test(pong)) {
    throw new LinkError(`Error reply to PING from master: '${pong}'`);
  }
  log.notice("Master replied to PING, replication can continue...");

  const auth = who.user === "" ? [who.password] : [who.user, who.password];
  if (who.password !== "") await socket.send("AUTH", ...auth);
  await socket.send("REPLCONF", "listening-port", String(who.port));
  if (who.ip !== "") await socket.send("REPLCONF", "ip-address", who.ip);
  await socket.send("REPLCONF", "capa", "eof", "capa", "psync2");

  if (who.password !== "") {
    const reply = await socket.line();
    if (reply.startsWith("-")) throw new LinkError(`Unable to AUTH to MASTER: ${reply}`);
  }
  const asked = ["listening-port", ...(who.ip === "" ? [] : ["ip-address"]), "capa"];
  for (const option of asked) {
    const reply = await socket.line();
    if (!reply.startsWith("-")) continue;
    log.notice(`(Non critical) Master does not understand REPLCONF ${option}: ${reply}`);
  }
}

/** Asks for the stream; throws LinkError where the primary cannot give it now. */
export async function requestSync(
  socket: PrimarySocket,
  { from, failover }: SyncRequest,
  log: LoadLog,
): Promise<SyncAnswer> {
  if (from === undefined) {
    log.notice("Partial resynchronization not possible (no cached master)");
  } else {
    log.notice(`Trying a partial resynchronization (request ${from.id}:${from.offset + 1}).`);
  }
  const [id, offset] = from === undefined ? ["?", "-1"] : [from.id, String(from.offset + 1)];
  await socket.send("PSYNC", id, offset, ...(failover ? ["FAILOVER"] : []));
  const reply = await answerLine(socket);

  if (reply.startsWith("+FULLRESYNC")) return fullResync(reply, log);
  if (reply.startsWith("+CONTINUE")) {
    log.notice("Successful partial resynchronization with master.");
    const [, newId = ""] = reply.split(" ");
    return { kind: "continue", id: isId(newId) ? newId : undefined };
  }
  if (/^-(NOMASTERLINK|LOADING)/.test(reply)) {
    throw new LinkError(
      `Master is currently unable to PSYNC but should be in the future: ${reply}`,
    );
  }
  if (failover) throw new LinkError("Failover target rejected psync request");
  log.notice(
    reply.startsWith("-ERR")
      ? `Master does not support PSYNC or is in error state (reply: ${reply})`
      : `Unexpected reply to PSYNC from master: ${reply}`,
  );
  log.notice("Retrying with SYNC...");
  await socket.send("SYNC");
  return { kind: "full", id: undefined, offset: 0 };
}

/** The next line that says something: empty ones only say that the primary is there. */
export async function answerLine(socket: PrimarySocket): Promise<string> {
  for (;;) {
    const line = await socket.line();
    if (line !== "") return line;
  }
}

function fullResync(reply: string, log: LoadLog): SyncAnswer {
  const [, id = "", offset = ""] = reply.split(" ");
  if (!isId(id) || !/^\d{1,15}$/.test(offset)) {
    // Redis goes on, too: it takes the data, and asks for no part of that history later.
    log.warning("Master replied with wrong +FULLRESYNC syntax.");
    return { kind: "full", id: undefined, offset: 0 };
  }
  log.notice(`Full resync from master: ${id}:${offset}`);
  return { kind: "full", id, offset: Number(offset) };
}

/** IDs are hex digits in Redis, but nothing depends on that. */
function isId(text: string): boolean {
  return text.length === 40;
}
