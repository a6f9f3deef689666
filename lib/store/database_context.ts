/**
 * What stands around the databases of a server: the clock, chance and statistics that they share, and who
 * is told of what happens in them.
 */
import type { AccessPolicy } from "./access.ts";
import type { Database } from "./database.ts";
import type { KeyspaceListener } from "./events.ts";
import type { CachedTime } from "./time.ts";

/**
 * Takes the picture of a database at one moment while it goes on being changed: told before an entry
 * is, so that it can write down the entry's old state.
 */
export interface SnapshotHook {
  /** The entry, or anything that its value holds, is about to be changed or removed. */
  beforeWrite(entry: number): void;
  /** The entry came into being, or holds from now on what another did that is out. */
  created(entry: number): void;
  /** The database is emptied: `left` is what it was, the hook's to release. */
  emptied(left: Database): void;
}

/**
 * An expired key of a replica is hidden from its clients, and alive to its primary, whose own clock says
 * when it goes. Clients that may write remove it.
 */
export type ExpiredOnReplica = "hidden" | "alive" | "removed";

/** What the databases of a server share. */
export interface DatabaseContext {
  readonly time: CachedTime;
  readonly access: AccessPolicy;
  /** Another one for as long as a data set is loaded. */
  listener: KeyspaceListener;
  readonly stats: KeyspaceStats;
  readonly random: () => number;
  /** False on a replica, which waits for its primary's DEL. */
  expires: boolean;
  /** What the running command makes of an expired key where `expires` is false. */
  readonly expiredOnReplica: () => ExpiredOnReplica;
  readonly latency: LatencyWatch;
}

/** Who wants to know what took `thresholdMs` or longer; nobody, where that is 0. */
interface LatencyWatch {
  readonly thresholdMs: number;
  note(event: string, ms: number, nowMs: number): void;
}

export class KeyspaceStats {
  hits = 0;
  misses = 0;
  expired = 0;
  evicted = 0;
}
