/** Directives about sockets, clients' connections and TLS. */
import { integer, memory, memoryOrPercent, octal, oneOf, text, yesNo } from "../kinds.ts";
import { INT64_MAX, INT_MAX, UINT_MAX } from "../kinds.ts";
import { addresses, bufferLimits } from "../special_kinds.ts";

const MEGABYTE = 1024 * 1024;

export const NETWORK = {
  "bind": addresses(["*", "-::*"]),
  "bind-source-addr": text("", { accepted: "outgoing connections choose their own address" }),
  "port": integer(6379, 0, 65535),
  "tcp-backlog": integer(511, 0, INT_MAX, {
    immutable: true,
    accepted: "Deno chooses the length of the listen queue",
  }),
  "tcp-keepalive": integer(300, 0, INT_MAX),
  "timeout": integer(0, 0, INT_MAX),
  "unixsocket": text("", { immutable: true }),
  "unixsocketperm": octal(0, 0o777, { immutable: true }),
  "socket-mark-id": integer(0, 0, UINT_MAX, {
    immutable: true,
    accepted: "sockets cannot be marked from Deno",
  }),
  "protected-mode": yesNo(true),
  "maxclients": integer(10000, 1, UINT_MAX),
  "maxmemory-clients": memoryOrPercent(0),
  "client-query-buffer-limit": memory(1024 * MEGABYTE, MEGABYTE, INT64_MAX),
  "client-output-buffer-limit": bufferLimits({
    normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
    replica: { hardBytes: 256 * MEGABYTE, softBytes: 64 * MEGABYTE, softSeconds: 60 },
    pubsub: { hardBytes: 32 * MEGABYTE, softBytes: 8 * MEGABYTE, softSeconds: 60 },
  }),
  "proto-max-bulk-len": memory(512 * MEGABYTE, MEGABYTE, INT64_MAX),
  "tracking-table-max-keys": integer(1000000, 0, INT64_MAX),

  "tls-port": integer(0, 0, 65535),
  "tls-cert-file": text(""),
  "tls-key-file": text(""),
  "tls-key-file-pass": text("", { sensitive: true, accepted: "keys are read unencrypted" }),
  "tls-client-cert-file": text(""),
  "tls-client-key-file": text(""),
  "tls-client-key-file-pass": text("", { sensitive: true, accepted: "keys are read unencrypted" }),
  "tls-dh-params-file": text("", { accepted: "Deno's TLS needs none" }),
  "tls-ca-cert-file": text(""),
  "tls-ca-cert-dir": text("", { accepted: "name one file by tls-ca-cert-file" }),
  "tls-auth-clients": oneOf(["no", "yes", "optional"], "yes", {
    accepted: "Deno's TLS listener asks no client for a certificate",
  }),
  "tls-replication": yesNo(false),
  "tls-cluster": yesNo(false, { accepted: "no cluster" }),
  "tls-protocols": text("", { accepted: "TLS 1.2 and 1.3, as Deno offers them" }),
  "tls-ciphers": text("", { accepted: "Deno chooses the ciphers" }),
  "tls-ciphersuites": text("", { accepted: "Deno chooses the ciphers" }),
  "tls-prefer-server-ciphers": yesNo(false, { accepted: "Deno chooses the ciphers" }),
  "tls-session-caching": yesNo(true, { accepted: "Deno keeps the sessions" }),
  "tls-session-cache-size": integer(20480, 0, INT_MAX, { accepted: "Deno keeps the sessions" }),
  "tls-session-cache-timeout": integer(300, 0, INT_MAX, { accepted: "Deno keeps the sessions" }),
};
