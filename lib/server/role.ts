/** Primary or replica: what changes in the server with its role, and with the state of its link. */
import type { HostPort } from "../config/special_kinds.ts";
import { PrimaryLink } from "../replication/primary_link.ts";
import { GATE } from "./gates.ts";
import type { Server } from "./server.ts";

const UNBLOCKED =
  "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/**
 * Makes the server a replica, or that of another primary. With `onFailoverAnswer` the primary is still a
 * replica of ours: see PrimaryLink.
 */
export function becomeReplica(
  server: Server,
  primary: HostPort,
  onFailoverAnswer?: (accepted: boolean) => void,
): void {
  const { replication, config, log } = server;
  const wasPrimary = !replication.isReplica;
  const { link: before } = replication;
  before?.stop();
  for (const client of server.clients.values()) {
    if (client.blocked === undefined) continue;
    // First, as what it sent behind its command is not to run.
    client.closeAfterReplies();
    server.blocking.fail(client, UNBLOCKED);
  }
  server.migration.disown();
  config.assign("replicaof", primary);
  if (wasPrimary) {
    log.role = "S";
    log.notice(
      "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer.",
    );
    replication.resumable = true;
    // Whoever takes over from us begins by selecting one.
    replication.selected = 0;
  }
  const link = new PrimaryLink(server, primary, onFailoverAnswer);
  link.downSinceMs = before?.isUp ? server.time.nowMs : before?.downSinceMs;
  replication.link = link;
  replication.propagation.active = false;
  applyRole(server);
  runLink(server, link);
}

/** At the start, before a file is loaded: the role that the configuration says. */
export function takeRole(server: Server): void {
  const { replicaof } = server.config.values;
  if (replicaof !== null) server.replication.link = new PrimaryLink(server, replicaof);
  applyRole(server);
}

/**
 * The data are loaded: takes up their history, so that replicas, or our primary, can go on where they
 * stand; and begins the link, if there is one.
 */
export function startReplicating(server: Server): void {
  const { activeExpiry, dbs, persistence, replication, router } = server;
  const { loadedReplication: loaded } = persistence;
  if (loaded !== undefined) {
    replication.resume(loaded.id, loaded.offset, loaded.db);
    if (persistence.keysExpired > 0) {
      activeExpiry.runToEnd(dbs);
      router.settle();
    }
  }
  if (replication.link !== undefined) runLink(server, replication.link);
}

function runLink(server: Server, link: PrimaryLink): void {
  link.ended = link.run().catch((error) => server.reportBug("the link to the primary", error));
}

/** Makes a replica a primary, whose data are where its primary's stream had got to. */
export function becomePrimary(server: Server): void {
  const { replication, config, log } = server;
  replication.link?.stop();
  replication.link = undefined;
  config.assign("replicaof", null);
  if (replication.resumable) log.notice("Discarding previously cached master state.");
  replication.resumable = false;
  replication.branch();
  log.notice(
    `Setting secondary replication ID to ${replication.id2}, valid up to offset: ${
      replication.id2Offset + 1
    }. New replication ID is ${replication.id}`,
  );
  // They must learn the new ID, and can go on right away.
  replication.replicas.disconnect();
  replication.replicas.waitForFirst();
  replication.propagation.forgetSelected();
  replication.propagation.active = replication.hasBacklog;
  applyRole(server);
}

/**
 * Lets gates, expiry and eviction be as role, link, configuration and CLIENT PAUSE have it: during a
 * pause the data stay as they are, so that replicas can catch up.
 */
export function applyRole(server: Server): void {
  const { replication, config: { values }, databaseContext, eviction, log } = server;
  const { isReplica, link } = replication;
  log.role = isReplica ? "S" : "M";
  const isPaused = (server.gates & GATE.paused) !== 0;
  databaseContext.expires = !isReplica && !isPaused;
  server.setGate(GATE.readOnly, isReplica && values["replica-read-only"]);
  const isStale = isReplica && !link!.isUp && !values["replica-serve-stale-data"];
  server.setGate(GATE.stale, isStale);
  keepOwnExpiry(server, isReplica && !values["replica-read-only"]);
  // A replica has what its primary has: it is there that memory is kept within its limit.
  const isKept = isPaused || (isReplica && values["replica-ignore-maxmemory"]);
  eviction.maxMemory = isKept ? 0 : values.maxmemory;
  server.setGate(GATE.memory, eviction.maxMemory > 0);
  replication.replicas.refreshGood();
}

/** Lets the keys that clients make themselves expire on a replica to which they may write. */
function keepOwnExpiry(server: Server, writable: boolean): void {
  const { effects, ownExpiry } = server;
  if (!writable) {
    ownExpiry.clear();
    effects.onChange = undefined;
    return;
  }
  effects.onChange = (db, buf, off, len) => {
    if (!server.current?.isPrimary) ownExpiry.note(db, buf, off, len);
  };
}
