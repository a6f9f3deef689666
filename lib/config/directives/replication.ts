/** Directives about replication and the cluster. */
import { INT64_MAX, INT_MAX, integer, memory, oneOf, text, UINT64_MAX, yesNo } from "../kinds.ts";
import { primaryAddress } from "../special_kinds.ts";

const NO_CLUSTER = "no cluster";

export const REPLICATION = {
  "replicaof": primaryAddress({ alias: "slaveof", immutable: true }),
  "masterauth": text("", { sensitive: true, takesNul: true }),
  "masteruser": text("", { sensitive: true }),
  "replica-serve-stale-data": yesNo(true, { alias: "slave-serve-stale-data" }),
  "replica-read-only": yesNo(true, { alias: "slave-read-only" }),
  "replica-ignore-maxmemory": yesNo(true, { alias: "slave-ignore-maxmemory" }),
  "replica-ignore-disk-write-errors": yesNo(false, {
    accepted: "a replica applies what its primary sends, whether it can save it or not",
  }),
  "replica-lazy-flush": yesNo(false, {
    alias: "slave-lazy-flush",
    accepted: "values are freed where they are dropped",
  }),
  "replica-priority": integer(100, 0, INT_MAX, { alias: "slave-priority" }),
  "replica-announced": yesNo(true),
  "replica-announce-ip": text("", { alias: "slave-announce-ip" }),
  "replica-announce-port": integer(0, 0, 65535, { alias: "slave-announce-port" }),
  "min-replicas-to-write": integer(0, 0, INT_MAX, { alias: "min-slaves-to-write" }),
  "min-replicas-max-lag": integer(10, 0, INT_MAX, { alias: "min-slaves-max-lag" }),
  "repl-ping-replica-period": integer(10, 1, INT_MAX, { alias: "repl-ping-slave-period" }),
  "repl-timeout": integer(60, 1, INT_MAX),
  "repl-backlog-size": memory(1024 * 1024, 1, INT64_MAX, {}, (bytes) => Math.max(bytes, 16384)),
  "repl-backlog-ttl": integer(3600, 0, INT64_MAX),
  "repl-disable-tcp-nodelay": yesNo(false),
  "repl-diskless-sync": yesNo(true),
  "repl-diskless-sync-delay": integer(5, 0, INT_MAX),
  "repl-diskless-sync-max-replicas": integer(0, 0, INT_MAX),
  "repl-diskless-load": oneOf(["disabled", "on-empty-db", "swapdb"], "disabled", {
    notWhileLoading: true,
  }),
  "propagation-error-behavior": oneOf(["ignore", "panic", "panic-on-replicas"], "ignore", {
    accepted: "an error in what the primary sends is logged",
  }),

  "cluster-enabled": yesNo(false, { immutable: true, accepted: NO_CLUSTER }),
  "cluster-config-file": text("nodes.conf", { immutable: true, accepted: NO_CLUSTER }),
  "cluster-port": integer(0, 0, 65535, { immutable: true, accepted: NO_CLUSTER }),
  "cluster-node-timeout": integer(15000, 0, INT64_MAX, { accepted: NO_CLUSTER }),
  "cluster-replica-validity-factor": integer(10, 0, INT_MAX, {
    alias: "cluster-slave-validity-factor",
    accepted: NO_CLUSTER,
  }),
  "cluster-replica-no-failover": yesNo(false, {
    alias: "cluster-slave-no-failover",
    accepted: NO_CLUSTER,
  }),
  "cluster-migration-barrier": integer(1, 0, INT_MAX, { accepted: NO_CLUSTER }),
  "cluster-allow-replica-migration": yesNo(true, { accepted: NO_CLUSTER }),
  "cluster-require-full-coverage": yesNo(true, { accepted: NO_CLUSTER }),
  "cluster-allow-reads-when-down": yesNo(false, { accepted: NO_CLUSTER }),
  "cluster-allow-pubsubshard-when-down": yesNo(true, { accepted: NO_CLUSTER }),
  "cluster-link-sendbuf-limit": memory(0, 0, UINT64_MAX, { accepted: NO_CLUSTER }),
  "cluster-preferred-endpoint-type": oneOf(["ip", "hostname", "unknown-endpoint"], "ip", {
    accepted: NO_CLUSTER,
  }),
  "cluster-announce-ip": text("", { accepted: NO_CLUSTER }),
  "cluster-announce-port": integer(0, 0, 65535, { accepted: NO_CLUSTER }),
  "cluster-announce-tls-port": integer(0, 0, 65535, { accepted: NO_CLUSTER }),
  "cluster-announce-bus-port": integer(0, 0, 65535, { accepted: NO_CLUSTER }),
  "cluster-announce-hostname": text("", { accepted: NO_CLUSTER }, checkHostname),
  "cluster-announce-human-nodename": text("", { accepted: NO_CLUSTER }),
};

function checkHostname(name: string): string | undefined {
  if (name.length >= 256) return "Hostnames must be less than 256 characters";
  return /[^a-zA-Z0-9.-]/.test(name)
    ? "Hostnames may only contain alphanumeric characters, hyphens or dots"
    : undefined;
}
