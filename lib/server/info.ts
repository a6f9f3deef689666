/**
 * INFO's sections, in the order and with the field names of Redis 7.2. What this server has no part
 * for (a fork, modules, defragmentation) has the value that Redis gives for "not in use", because
 * monitoring reads these fields by name.
 */
import process from "node:process";
import type { Loading } from "../persistence/persistence.ts";
import { REDIS_VERSION } from "../config/version.ts";
import { VERSION } from "../version.ts";
import type { Command } from "./command.ts";
import { datasetPercentage, memoryReport, percentage } from "./memory_usage.ts";
import type { PrimaryLink } from "../replication/primary_link.ts";
import type { Replicas } from "../replication/replicas.ts";
import type { Server } from "./server.ts";

type Field = readonly [name: string, value: string | number];

interface Section {
  readonly title: string;
  /** Shown by INFO without arguments. */
  readonly byDefault: boolean;
  readonly fields: (server: Server) => Field[];
}

/** By the name that INFO takes. */
const SECTIONS = new Map<string, Section>([
  ["server", { title: "Server", byDefault: true, fields: serverFields }],
  ["clients", { title: "Clients", byDefault: true, fields: clientFields }],
  ["memory", { title: "Memory", byDefault: true, fields: memoryFields }],
  ["persistence", { title: "Persistence", byDefault: true, fields: persistenceFields }],
  ["stats", { title: "Stats", byDefault: true, fields: statsFields }],
  ["replication", { title: "Replication", byDefault: true, fields: replicationFields }],
  ["cpu", { title: "CPU", byDefault: true, fields: cpuFields }],
  ["modules", { title: "Modules", byDefault: true, fields: () => [] }],
  ["commandstats", { title: "Commandstats", byDefault: false, fields: commandFields }],
  ["errorstats", { title: "Errorstats", byDefault: true, fields: errorFields }],
  ["latencystats", { title: "Latencystats", byDefault: false, fields: latencyFields }],
  ["cluster", { title: "Cluster", byDefault: true, fields: () => [["cluster_enabled", 0]] }],
  ["keyspace", { title: "Keyspace", byDefault: true, fields: keyspaceFields }],
]);

/**
 * INFO's text: the sections whose names are among `words` (lower case; `default`, `all` and
 * `everything` stand for several), those by default where there is none. Unknown names are ignored.
 */
export function infoText(server: Server, words: readonly string[]): string {
  const all = words.includes("all") || words.includes("everything");
  const byDefault = words.length === 0 || words.includes("default");
  const parts: string[] = [];
  for (const [name, section] of SECTIONS) {
    const named = words.includes(name) || name === "modules" && words.includes("module_list");
    if (!all && !named && !(byDefault && section.byDefault)) continue;
    const lines = section.fields(server).map(([field, value]) => `${field}:${value}\r\n`);
    parts.push(`# ${section.title}\r\n${lines.join("")}`);
  }
  return parts.join("\r\n");
}

/** Bytes for people to read, as Redis rounds them. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = ["K", "M", "G", "T", "P"];
  let amount = bytes / 1024;
  let unit = 0;
  for (; amount >= 1024 && unit < units.length - 1; unit++) amount /= 1024;
  return `${amount.toFixed(2)}${units[unit]}`;
}

const SYSTEMS: Readonly<Record<string, string>> = {
  linux: "Linux",
  darwin: "Darwin",
  windows: "Windows",
  freebsd: "FreeBSD",
};

function serverFields(server: Server): Field[] {
  const { os, arch } = Deno.build;
  const { nowMs, lruSeconds } = server.time;
  const uptimeSeconds = Math.floor((nowMs - server.startedMs) / 1000);
  const { hz } = server.config.values;
  return [
    ["redis_version", REDIS_VERSION],
    ["redino_version", VERSION],
    ["redis_git_sha1", "00000000"],
    ["redis_git_dirty", 0],
    ["redis_build_id", 0],
    ["redis_mode", "standalone"],
    ["os", `${SYSTEMS[os] ?? os} ${Deno.osRelease()} ${arch}`],
    ["arch_bits", 64],
    ["monotonic_clock", "POSIX clock_gettime"],
    ["multiplexing_api", os === "linux" ? "epoll" : os === "windows" ? "iocp" : "kqueue"],
    ["atomicvar_api", "none"],
    ["gcc_version", "0.0.0"],
    ["process_id", Deno.pid],
    ["process_supervised", "no"],
    ["run_id", server.runId],
    ["tcp_port", server.port],
    ["server_time_usec", Math.floor(nowMs * 1000)],
    ["uptime_in_seconds", uptimeSeconds],
    ["uptime_in_days", Math.floor(uptimeSeconds / 86_400)],
    ["hz", hz],
    ["configured_hz", hz],
    ["lru_clock", lruSeconds],
    ["executable", Deno.execPath()],
    ["config_file", server.config.file ?? ""],
    ["io_threads_active", 0],
    ...(server.shutdown.leftMs > 0
      ? [["shutdown_in_milliseconds", Math.ceil(server.shutdown.leftMs)]] satisfies Field[]
      : []),
    ...listenerFields(server),
  ];
}

/** A line for each kind of listener, numbered as Redis numbers them: TCP, Unix socket, TLS. */
function listenerFields(server: Server): Field[] {
  const tlsPort = server.config.values["tls-port"];
  const kinds = new Map<string, { binds: string[]; port: number }>();
  for (const addr of server.addresses) {
    if (addr.transport === "unix") {
      kinds.set("unix", { binds: [addr.path], port: 0 });
    } else if (addr.transport === "tcp") {
      const name = tlsPort !== 0 && addr.port === tlsPort ? "tls" : "tcp";
      const kind = kinds.get(name) ?? { binds: [], port: addr.port };
      kind.binds.push(addr.hostname);
      kinds.set(name, kind);
    }
  }
  const fields: Field[] = [];
  for (const [number, name] of ["tcp", "unix", "tls"].entries()) {
    const kind = kinds.get(name);
    if (kind === undefined) continue;
    const binds = kind.binds.map((bind) => `,bind=${bind}`).join("");
    const port = kind.port === 0 ? "" : `,port=${kind.port}`;
    fields.push([`listener${number}`, `name=${name}${binds}${port}`]);
  }
  return fields;
}

function clientFields(server: Server): Field[] {
  let maxInput = 0;
  let maxOutput = 0;
  let withTimeout = 0;
  for (const client of server.clients.values()) {
    maxInput = Math.max(maxInput, client.pendingBytes);
    maxOutput = Math.max(maxOutput, client.connection.unsentBytes);
    if (client.blocked?.timer !== undefined) withTimeout++;
  }
  return [
    ["connected_clients", server.clients.size - server.replication.replicas.attached.size],
    ["cluster_connections", 0],
    ["maxclients", server.config.values.maxclients],
    ["client_recent_max_input_buffer", maxInput],
    ["client_recent_max_output_buffer", maxOutput],
    ["blocked_clients", server.blocking.count + server.pause.count],
    ["tracking_clients", server.tracking.clientCount],
    ["clients_in_timeout_table", withTimeout],
    ["total_blocking_keys", server.effects.blockedKeys.size],
    ["total_blocking_keys_on_nokey", server.effects.blockedKeys.sizeOrGone],
  ];
}

function memoryFields(server: Server): Field[] {
  const report = memoryReport(server);
  const { used, peak, startup, overhead, dataset, clients, allocated, active, resident } = report;
  const { backlog, replicas, uncounted } = report;
  const { maxmemory } = server.config.values;
  const system = Deno.systemMemoryInfo().total;
  const ratio = (value: number, to: number) => (to > 0 ? value / to : 0).toFixed(2);
  const both = (name: string, bytes: number): Field[] => [
    [name, bytes],
    [`${name}_human`, humanBytes(bytes)],
  ];
  return [
    ...both("used_memory", used),
    ...both("used_memory_rss", resident),
    ...both("used_memory_peak", peak),
    ["used_memory_peak_perc", `${percentage(used, peak).toFixed(2)}%`],
    ["used_memory_overhead", overhead],
    ["used_memory_startup", startup],
    ["used_memory_dataset", dataset],
    ["used_memory_dataset_perc", `${datasetPercentage(report).toFixed(2)}%`],
    ["allocator_allocated", allocated],
    ["allocator_active", active],
    ["allocator_resident", resident],
    ...both("total_system_memory", system),
    ["used_memory_lua", 0],
    ["used_memory_vm_eval", 0],
    ["used_memory_lua_human", humanBytes(0)],
    ["used_memory_scripts_eval", 0],
    ["number_of_cached_scripts", 0],
    ["number_of_functions", 0],
    ["number_of_libraries", 0],
    ["used_memory_vm_functions", 0],
    ...both("used_memory_vm_total", 0),
    ["used_memory_functions", 0],
    ...both("used_memory_scripts", 0),
    ...both("maxmemory", maxmemory),
    ["maxmemory_policy", server.config.values["maxmemory-policy"]],
    ["allocator_frag_ratio", ratio(active, allocated)],
    ["allocator_frag_bytes", active - allocated],
    ["allocator_rss_ratio", ratio(resident, active)],
    ["allocator_rss_bytes", resident - active],
    ["rss_overhead_ratio", ratio(resident, resident)],
    ["rss_overhead_bytes", 0],
    ["mem_fragmentation_ratio", ratio(resident, used)],
    ["mem_fragmentation_bytes", resident - used],
    ["mem_not_counted_for_evict", uncounted],
    ["mem_replication_backlog", backlog],
    ["mem_total_replication_buffers", backlog + replicas],
    ["mem_clients_slaves", replicas],
    ["mem_clients_normal", clients],
    ["mem_cluster_links", 0],
    ["mem_aof_buffer", 0],
    ["mem_allocator", `v8-${Deno.version.v8}`],
    ["active_defrag_running", 0],
    ["lazyfree_pending_objects", 0],
    ["lazyfreed_objects", 0],
  ];
}

function persistenceFields(server: Server): Field[] {
  const { persistence } = server;
  const { loading, progress } = persistence;
  const nowSeconds = Math.floor(server.time.nowMs / 1000);
  const keys = progress?.keys ?? 0;
  const keysOut = progress?.keysOut ?? 0;
  const copiedBytes = progress?.copiedBytes ?? 0;
  return [
    ["loading", loading === undefined || loading.aside ? 0 : 1],
    ["async_loading", loading?.aside ? 1 : 0],
    ["current_cow_peak", copiedBytes],
    ["current_cow_size", copiedBytes],
    ["current_cow_size_age", 0],
    ["current_fork_perc", percentage(keysOut, keys).toFixed(2)],
    ["current_save_keys_processed", keysOut],
    ["current_save_keys_total", keys],
    ["rdb_changes_since_last_save", server.effects.dirty],
    ["rdb_bgsave_in_progress", progress === undefined ? 0 : 1],
    ["rdb_last_save_time", persistence.lastSaveSeconds],
    ["rdb_last_bgsave_status", persistence.lastOk ? "ok" : "err"],
    ["rdb_last_bgsave_time_sec", persistence.lastTookSeconds],
    [
      "rdb_current_bgsave_time_sec",
      progress === undefined ? -1 : nowSeconds - progress.startedSeconds,
    ],
    ["rdb_saves", persistence.saves],
    ["rdb_last_cow_size", persistence.lastCopiedBytes],
    ["rdb_last_load_keys_expired", persistence.keysExpired],
    ["rdb_last_load_keys_loaded", persistence.keysLoaded],
    ["aof_enabled", 0],
    ["aof_rewrite_in_progress", 0],
    ["aof_rewrite_scheduled", 0],
    ["aof_last_rewrite_time_sec", -1],
    ["aof_current_rewrite_time_sec", -1],
    ["aof_last_bgrewrite_status", "ok"],
    ["aof_rewrites", 0],
    ["aof_rewrites_consecutive_failures", 0],
    ["aof_last_write_status", "ok"],
    ["aof_last_cow_size", 0],
    ["module_fork_in_progress", 0],
    ["module_fork_last_cow_size", 0],
    ...(loading === undefined ? [] : loadingFields(loading, server.time.nowMs)),
  ];
}

/** How far a file is loaded; the rest is supposed to go as fast. */
function loadingFields(loading: Loading, nowMs: number): Field[] {
  const { startedMs, totalBytes, loadedBytes, usedMemory } = loading;
  const elapsedSeconds = Math.floor((nowMs - startedMs) / 1000);
  const etaSeconds = loadedBytes === 0
    ? 1
    : elapsedSeconds * (totalBytes - loadedBytes) / loadedBytes;
  return [
    ["loading_start_time", Math.floor(startedMs / 1000)],
    ["loading_total_bytes", totalBytes],
    ["loading_rdb_used_mem", usedMemory],
    ["loading_loaded_bytes", loadedBytes],
    ["loading_loaded_perc", percentage(loadedBytes, totalBytes).toFixed(2)],
    ["loading_eta_seconds", Math.floor(etaSeconds)],
  ];
}

function statsFields(server: Server): Field[] {
  const { activeExpiry, cron, keyspaceStats, migration, pubsub, stats, tracking } = server;
  const kbps = (bytesPerSecond: number) => (bytesPerSecond / 1024).toFixed(2);
  return [
    ["total_connections_received", stats.connections],
    ["total_commands_processed", stats.commands],
    ["instantaneous_ops_per_sec", Math.floor(cron.commandRate.perSecond)],
    ["total_net_input_bytes", stats.inputBytes],
    ["total_net_output_bytes", stats.outputBytes],
    ["total_net_repl_input_bytes", stats.replicationInputBytes],
    ["total_net_repl_output_bytes", stats.replicaOutputBytes],
    ["instantaneous_input_kbps", kbps(cron.inputRate.perSecond)],
    ["instantaneous_output_kbps", kbps(cron.outputRate.perSecond)],
    ["instantaneous_input_repl_kbps", kbps(cron.replicationInputRate.perSecond)],
    ["instantaneous_output_repl_kbps", kbps(cron.replicationOutputRate.perSecond)],
    ["rejected_connections", stats.rejectedConnections],
    ["sync_full", stats.fullSyncs],
    ["sync_partial_ok", stats.partialSyncs],
    ["sync_partial_err", stats.refusedPartialSyncs],
    ["expired_keys", keyspaceStats.expired],
    ["expired_stale_perc", activeExpiry.stalePercent.toFixed(2)],
    ["expired_time_cap_reached_count", activeExpiry.timeCapReached],
    ["expire_cycle_cpu_milliseconds", Math.floor(stats.expiryMs)],
    ["evicted_keys", keyspaceStats.evicted],
    ["evicted_clients", stats.evictedClients],
    ["total_eviction_exceeded_time", 0],
    ["current_eviction_exceeded_time", 0],
    ["keyspace_hits", keyspaceStats.hits],
    ["keyspace_misses", keyspaceStats.misses],
    ["pubsub_channels", pubsub.channels.size],
    ["pubsub_patterns", pubsub.patterns.size],
    ["pubsubshard_channels", pubsub.shards.size],
    ["latest_fork_usec", 0],
    ["total_forks", 0],
    ["migrate_cached_sockets", migration.targets],
    ["slave_expires_tracked_keys", server.ownExpiry.size],
    ["active_defrag_hits", 0],
    ["active_defrag_misses", 0],
    ["active_defrag_key_hits", 0],
    ["active_defrag_key_misses", 0],
    ["total_active_defrag_time", 0],
    ["current_active_defrag_time", 0],
    ["tracking_total_keys", tracking.keyCount],
    ["tracking_total_items", tracking.itemCount],
    ["tracking_total_prefixes", tracking.prefixCount],
    ["unexpected_error_replies", stats.unexpectedErrors],
    ["total_error_replies", stats.errorReplies],
    ["dump_payload_sanitizations", 0],
    ["total_reads_processed", stats.reads],
    ["total_writes_processed", stats.writes],
    ["io_threaded_reads_processed", 0],
    ["io_threaded_writes_processed", 0],
    ["client_query_buffer_limit_disconnections", stats.queryBufferDisconnections],
    ["client_output_buffer_limit_disconnections", stats.outputBufferDisconnections],
    ["reply_buffer_shrinks", 0],
    ["reply_buffer_expands", 0],
    ["eventloop_cycles", stats.cycles],
    ["eventloop_duration_sum", Math.floor(stats.busyUsec)],
    ["eventloop_duration_cmd_sum", Math.floor(stats.commandUsec)],
    ["instantaneous_eventloop_cycles_per_sec", Math.floor(cron.cycleRate.perSecond)],
    ["instantaneous_eventloop_duration_usec", Math.floor(cron.cycleUsec.perSecond)],
    ["acl_access_denied_auth", 0],
    ["acl_access_denied_cmd", 0],
    ["acl_access_denied_key", 0],
    ["acl_access_denied_channel", 0],
  ];
}

function replicationFields(server: Server): Field[] {
  const { link, replicas, id, id2, id2Offset, stream, hasBacklog } = server.replication;
  const { values } = server.config;
  const countsGood = values["min-replicas-to-write"] > 0 && values["min-replicas-max-lag"] > 0;
  return [
    ["role", link === undefined ? "master" : "slave"],
    ...(link === undefined ? [] : linkFields(server, link)),
    ["connected_slaves", replicas.attached.size],
    ...(countsGood ? [["min_slaves_good_slaves", replicas.good]] satisfies Field[] : []),
    ...replicaFields(replicas),
    ["master_failover_state", server.failover.state],
    ["master_replid", id],
    ["master_replid2", id2],
    ["master_repl_offset", stream.offset],
    ["second_repl_offset", id2Offset < 0 ? -1 : id2Offset + 1],
    ["repl_backlog_active", hasBacklog ? 1 : 0],
    ["repl_backlog_size", values["repl-backlog-size"]],
    ["repl_backlog_first_byte_offset", hasBacklog ? stream.start + 1 : 0],
    ["repl_backlog_histlen", hasBacklog ? stream.offset - stream.start : 0],
  ];
}

function replicaFields(replicas: Replicas): Field[] {
  const fields: Field[] = [];
  for (const replica of replicas.attached) {
    const { address, listeningPort, stateName, ackOffset } = replica;
    if (stateName === "" || address === "") continue;
    fields.push([
      `slave${fields.length}`,
      `ip=${address},port=${listeningPort},state=${stateName},offset=${ackOffset},` +
      `lag=${replicas.lagSeconds(replica)}`,
    ]);
  }
  return fields;
}

/** What a replica tells of its primary. */
function linkFields(server: Server, link: PrimaryLink): Field[] {
  const { time, config: { values }, replication } = server;
  const secondsSince = (ms: number) => Math.max(0, Math.floor((time.nowMs - ms) / 1000));
  const { sync, isUp, downSinceMs, client } = link;
  // Redis's numbers where there is nothing that could be gone on with.
  const offset = isUp || replication.resumable ? replication.stream.offset : 1;
  const progress: Field[] = [];
  if (sync !== undefined) {
    const { totalBytes, readBytes } = sync;
    progress.push(
      ["master_sync_total_bytes", totalBytes],
      ["master_sync_read_bytes", readBytes],
      ["master_sync_left_bytes", totalBytes - readBytes],
      ["master_sync_perc", percentage(readBytes, totalBytes).toFixed(2)],
      ["master_sync_last_io_seconds_ago", secondsSince(link.lastIoMs)],
    );
  }
  return [
    ["master_host", link.host],
    ["master_port", link.port],
    ["master_link_status", isUp ? "up" : "down"],
    ["master_last_io_seconds_ago", client === undefined ? -1 : secondsSince(link.lastIoMs)],
    ["master_sync_in_progress", sync === undefined ? 0 : 1],
    ["slave_read_repl_offset", isUp ? link.receivedOffset : offset],
    ["slave_repl_offset", offset],
    ...progress,
    ...(isUp ? [] : [
      [
        "master_link_down_since_seconds",
        downSinceMs === undefined ? -1 : secondsSince(downSinceMs),
      ],
    ] satisfies Field[]),
    ["slave_priority", values["replica-priority"]],
    ["slave_read_only", values["replica-read-only"] ? 1 : 0],
    ["replica_announced", values["replica-announced"] ? 1 : 0],
  ];
}

/** Commands run on one thread; what Deno's other threads take cannot be told apart from it. */
function cpuFields(): Field[] {
  const { user, system } = process.cpuUsage();
  const seconds = (usec: number) => (usec / 1e6).toFixed(6);
  return [
    ["used_cpu_sys", seconds(system)],
    ["used_cpu_user", seconds(user)],
    ["used_cpu_sys_children", seconds(0)],
    ["used_cpu_user_children", seconds(0)],
    ["used_cpu_sys_main_thread", seconds(system)],
    ["used_cpu_user_main_thread", seconds(user)],
  ];
}

function commandFields(server: Server): Field[] {
  const fields: Field[] = [];
  for (const command of server.commands.everything()) {
    const calls = command.calls + command.batchCalls;
    if (calls + command.rejected + command.failed === 0) continue;
    fields.push([`cmdstat_${command.fullName}`, commandStats(command, calls)]);
  }
  return fields;
}

/** `calls` includes those of the running batch, whose time is shared out when it ends. */
function commandStats(command: Command, calls: number): string {
  const each = command.calls === 0 ? 0 : command.usec / command.calls;
  return `calls=${calls},usec=${Math.floor(command.usec)},usec_per_call=${each.toFixed(2)},` +
    `rejected_calls=${command.rejected},failed_calls=${command.failed}`;
}

function errorFields(server: Server): Field[] {
  const codes = [...server.stats.errors].sort(([a], [b]) => a < b ? -1 : 1);
  return codes.map(([code, count]) => [`errorstat_${code}`, `count=${count}`]);
}

function latencyFields(server: Server): Field[] {
  const percentiles = server.config.values["latency-tracking-info-percentiles"];
  const fields: Field[] = [];
  for (const { fullName, latency } of server.commands.everything()) {
    if (latency === undefined) continue;
    const values = percentiles.map((percent) =>
      `p${percent}=${(latency.percentileNs(percent) / 1000).toFixed(3)}`
    );
    fields.push([`latency_percentiles_usec_${fullName}`, values.join(",")]);
  }
  return fields;
}

function keyspaceFields(server: Server): Field[] {
  return server.dbs.filter((db) => db.size > 0).map((db) => [
    `db${db.number}`,
    `keys=${db.size},expires=${db.volatileCount},avg_ttl=${Math.floor(db.averageTtlMs)}`,
  ]);
}
