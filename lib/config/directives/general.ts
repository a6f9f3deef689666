/** Directives about the process, its log, its security and its diagnosis. */
import { INT64_MAX, INT_MAX, integer, oneOf, text, yesNo } from "../kinds.ts";
import { keyspaceEvents, oomScores, percentiles, shutdownOptions } from "../special_kinds.ts";

const FOREGROUND = "the server stays in the foreground";
const NO_SYSLOG = "no syslog; the log goes to standard output or a file";
const ONE_THREAD = "commands run on one thread, and files are written from it";
const CRASH = "a crash report is Deno's";
const TITLE = "the process keeps its title";

export const GENERAL = {
  "daemonize": yesNo(false, { immutable: true, accepted: FOREGROUND }),
  "supervised": oneOf(["upstart", "systemd", "auto", "no"], "no", {
    immutable: true,
    accepted: FOREGROUND,
  }),
  "pidfile": text("", { immutable: true }),
  "loglevel": oneOf(["debug", "verbose", "notice", "warning", "nothing"], "notice"),
  "logfile": text("", { immutable: true }),
  "syslog-enabled": yesNo(false, { immutable: true, accepted: NO_SYSLOG }),
  "syslog-ident": text("redis", { immutable: true, accepted: NO_SYSLOG }),
  "syslog-facility": oneOf(
    ["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
    "local0",
    { immutable: true, accepted: NO_SYSLOG },
  ),
  "crash-log-enabled": yesNo(true, { accepted: CRASH }),
  "crash-memcheck-enabled": yesNo(true, { accepted: CRASH }),
  "use-exit-on-panic": yesNo(false, { hidden: true, accepted: CRASH }),
  "always-show-logo": yesNo(false, { immutable: true }),
  "set-proc-title": yesNo(true, { immutable: true, accepted: TITLE }),
  "proc-title-template": text(
    "{title} {listen-addr} {server-mode}",
    { accepted: TITLE },
    checkTitleTemplate,
  ),
  "locale-collate": text("", { accepted: "texts are compared by their bytes" }),
  "databases": integer(16, 1, INT_MAX, { immutable: true }),
  "hz": integer(10, 0, INT_MAX, {}, (value) => Math.min(Math.max(value, 1), 500)),
  "dynamic-hz": yesNo(true, { accepted: "housekeeping runs hz times a second" }),
  "watchdog-period": integer(0, 0, INT_MAX, { hidden: true, accepted: "no software watchdog" }),
  "notify-keyspace-events": keyspaceEvents(),
  "shutdown-timeout": integer(10, 0, INT_MAX),
  "shutdown-on-sigint": shutdownOptions(),
  "shutdown-on-sigterm": shutdownOptions(),
  "busy-reply-threshold": integer(5000, 0, INT64_MAX, { alias: "lua-time-limit" }),
  "lua-enable-deprecated-api": yesNo(false, {
    immutable: true,
    hidden: true,
    accepted: "no Lua C API",
  }),

  "requirepass": text("", { sensitive: true, takesNul: true }),
  "aclfile": text("", { immutable: true }),
  "acllog-max-len": integer(128, 0, INT64_MAX),
  "acl-pubsub-default": oneOf(["allchannels", "resetchannels"], "resetchannels"),
  "enable-protected-configs": oneOf(["no", "yes", "local"], "no", { immutable: true }),
  "enable-debug-command": oneOf(["no", "yes", "local"], "no", { immutable: true }),
  "enable-module-command": oneOf(["no", "yes", "local"], "no", {
    immutable: true,
    accepted: "no modules",
  }),

  "slowlog-log-slower-than": integer(10000, -1, INT64_MAX),
  "slowlog-max-len": integer(128, 0, INT64_MAX),
  "latency-monitor-threshold": integer(0, 0, INT64_MAX),
  "latency-tracking": yesNo(true),
  "latency-tracking-info-percentiles": percentiles([50, 99, 99.9]),
  "ignore-warnings": text("", { accepted: "no warning stops the start" }),

  "io-threads": integer(1, 1, 128, { immutable: true, accepted: ONE_THREAD }),
  "io-threads-do-reads": yesNo(false, { immutable: true, accepted: ONE_THREAD }),
  "server-cpulist": text("", { alias: "server_cpulist", immutable: true, accepted: ONE_THREAD }),
  "bio-cpulist": text("", { alias: "bio_cpulist", immutable: true, accepted: ONE_THREAD }),
  "aof-rewrite-cpulist": text("", {
    alias: "aof_rewrite_cpulist",
    immutable: true,
    accepted: ONE_THREAD,
  }),
  "bgsave-cpulist": text("", { alias: "bgsave_cpulist", immutable: true, accepted: ONE_THREAD }),
  "oom-score-adj": oneOf(["no", "yes", "relative", "absolute"], "no", {
    accepted: "the kernel's score is left alone",
  }),
  "oom-score-adj-values": oomScores([0, 200, 800], -2000, 2000, {
    accepted: "the kernel's score is left alone",
  }),
  "disable-thp": yesNo(true, { immutable: true, accepted: "huge pages are left as they are" }),
};

/** Each variable with a text of the length it has when Redis tries a template: some are empty. */
const TITLE_VARIABLES = new Map([
  ["title", ""],
  ["listen-addr", "x"],
  ["server-mode", ""],
  ["port", "x"],
  ["tls-port", "x"],
  ["unixsocket", ""],
  ["config-file", "x"],
]);

function checkTitleTemplate(template: string): string | undefined {
  const title = template.replace(
    /\{([^}]*)\}/g,
    (whole, name) => TITLE_VARIABLES.get(name) ?? whole,
  );
  const valid = title.trim() !== "" && !title.includes("{");
  return valid ? undefined : "template format is invalid or contains unknown variables";
}
