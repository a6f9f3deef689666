/** The configuration's values where they take effect: once at the start, and after each CONFIG SET. */
import type { Config, ConfigValues, DirectiveName } from "../config/config.ts";
import { ListenError } from "./listen.ts";
import { applyRole } from "./role.ts";
import type { Server } from "./server.ts";

/** Microseconds below which a command must be timed by itself to be found slow. */
const TIMED_BELOW_USEC = 1000;

export function applyConfig(server: Server): void {
  const { config, slowlog, access, requestLimits, eviction, log } = server;

  use(config, "slowlog-log-slower-than", (usec) => {
    slowlog.thresholdUsec = usec < 0 ? Infinity : usec;
    chooseTiming(server);
  });
  use(config, "latency-monitor-threshold", (ms) => {
    server.latency.thresholdMs = ms;
    chooseTiming(server);
  });
  use(config, "latency-tracking", (on) => {
    server.router.tracksLatency = on;
  });
  use(config, "repl-backlog-size", (bytes) => {
    const { replication } = server;
    if (!replication.hasBacklog) return;
    replication.stream.backlogBytes = bytes;
    replication.replicas.trim();
  });
  use(config, "min-replicas-to-write", () => server.replication.replicas.refreshGood());
  use(config, "min-replicas-max-lag", () => server.replication.replicas.refreshGood());
  use(config, "slowlog-max-len", (length) => {
    slowlog.maxLength = length;
    slowlog.trim();
  });
  use(config, "maxmemory", (bytes) => {
    applyRole(server);
    if (bytes > 0) server.makeRoomSoon();
    server.clientEviction.configure();
  });
  use(config, "maxmemory-clients", () => server.clientEviction.configure());
  use(config, "maxmemory-policy", (policy) => {
    eviction.policy = policy;
    access.lfu = policy.endsWith("-lfu");
    access.lru = policy.endsWith("-lru");
  });
  use(config, "maxmemory-samples", (samples) => {
    eviction.samples = samples;
  });
  use(config, "maxmemory-eviction-tenacity", (tenacity) => {
    eviction.tenacity = tenacity;
  });
  use(config, "lfu-log-factor", (factor) => {
    access.lfuLogFactor = factor;
  });
  use(config, "lfu-decay-time", (minutes) => {
    access.lfuDecayMinutes = minutes;
  });
  use(config, "proto-max-bulk-len", (bytes) => {
    requestLimits.maxBulkLength = Math.min(bytes, 2 ** 31 - 1);
  });
  use(config, "client-query-buffer-limit", (bytes) => {
    requestLimits.maxQueryBytes = Math.min(bytes, 2 ** 31 - 1);
  });
  use(config, "notify-keyspace-events", (classes) => {
    server.effects.eventClasses = classes;
  });
  use(config, "lazyfree-lazy-expire", (lazily) => {
    server.effects.expiresLazily = lazily;
  });
  use(config, "lazyfree-lazy-eviction", (lazily) => {
    server.effects.evictsLazily = lazily;
  });
  use(config, "tracking-table-max-keys", (keys) => {
    server.tracking.maxKeys = keys;
    server.tracking.giveUp();
  });
  use(config, "active-expire-effort", (effort) => {
    server.activeExpiry.effort = effort;
  });
  for (const name of ["save", "stop-writes-on-bgsave-error"] as const) {
    config.onChange(name, () => server.persistence.updateDiskError());
  }
  const roleDirectives = [
    "replica-read-only",
    "replica-serve-stale-data",
    "replica-ignore-maxmemory",
  ] as const;
  for (const name of roleDirectives) config.onChange(name, () => applyRole(server));
  use(config, "loglevel", (level) => {
    log.level = level;
  });
  const { listeners } = server;
  const move = () => {
    const { port } = config.values;
    // Any port will do where 0 is asked for: the one it has, too.
    listeners.move(port === 0 ? listeners.port : port);
  };
  const renewTls = () => listeners.renewTls();
  const checkLogs = "Check server logs.";
  const listenDirectives = [
    ["port", move, `Unable to listen on this port. ${checkLogs}`],
    ["tls-port", move, `Unable to listen on this port. ${checkLogs}`],
    ["bind", move, "Failed to bind to specified addresses."],
    ["tls-cert-file", renewTls, `Unable to update TLS configuration. ${checkLogs}`],
    ["tls-key-file", renewTls, `Unable to update TLS configuration. ${checkLogs}`],
  ] as const;
  for (const [name, listen, refusal] of listenDirectives) {
    config.onChange(name, () => tryToListen(server, listen, refusal));
  }
  config.onChange("hz", () => server.cron.start());
  config.onChange("requirepass", (password) => {
    // As in Redis, whoever is connected stays so when the password goes or comes.
    if (password !== "") return;
    for (const client of server.clients.values()) client.setAuthenticated(true);
  });
}

function chooseTiming(server: Server): void {
  const { slowlog, latency } = server;
  server.timesEachCommand = slowlog.thresholdUsec < TIMED_BELOW_USEC || latency.thresholdMs > 0;
}

/** Returns `refusal` where the server cannot listen as it should. */
function tryToListen(server: Server, listen: () => void, refusal: string): string | undefined {
  try {
    listen();
    return undefined;
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    server.log.warning(error.message);
    return refusal;
  }
}

/** Applies a value now and whenever it changes. */
function use<N extends DirectiveName>(
  config: Config,
  name: N,
  apply: (value: ConfigValues[N]) => void,
): void {
  apply(config.values[name]);
  config.onChange(name, apply);
}
