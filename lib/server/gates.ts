/**
 * Conditions under which a command is not simply run. The server and each client keep theirs as
 * bits, so that the router's usual path is one test against zero (`lib/server/router.ts`).
 */
export const GATE = {
  /** The server is loading a data set. */
  loading: 1 << 0,
  /** `maxmemory` is set: memory is checked before each command. */
  memory: 1 << 1,
  /** The last snapshot failed and `stop-writes-on-bgsave-error` is on. */
  diskError: 1 << 2,
  /** A replica that takes no writes of its own. */
  readOnly: 1 << 3,
  /** CLIENT PAUSE is in force, or the server itself holds writes back. */
  paused: 1 << 4,
  /** Somebody watches all commands with MONITOR. */
  monitored: 1 << 5,
  /** A replica without its primary that is not to serve the data it has. */
  stale: 1 << 6,
  /** A replica loads its primary's data while it serves the old ones. */
  loadingAside: 1 << 7,
  /** The client must authenticate first. */
  auth: 1 << 8,
  /** The client is between MULTI and EXEC. */
  multi: 1 << 9,
  /** The client subscribed under RESP2: few commands are allowed. */
  subscribed: 1 << 10,
  /** CLIENT NO-TOUCH. */
  noTouch: 1 << 11,
  /** CLIENT REPLY OFF or SKIP. */
  silenced: 1 << 12,
  /** MONITOR: no command that uses the keyspace is allowed. */
  monitor: 1 << 13,
  /** CLIENT TRACKING: the keys that it reads are remembered. */
  tracking: 1 << 14,
  /** CLIENT CACHING was called for the next command. */
  caching: 1 << 15,
  /** Messages came for it while its own command ran, and go behind the reply. */
  deferred: 1 << 16,
  /** The server: fewer replicas than `min-replicas-to-write` are well. */
  tooFewReplicas: 1 << 17,
  /** The client is a replica of ours: what CLIENT PAUSE holds up is not for it to do. */
  replica: 1 << 18,
} as const;
