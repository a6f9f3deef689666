/** All commands: the families' tables, joined. */
import { BITMAP_COMMANDS } from "./bitmap.ts";
import { CLIENT_COMMANDS } from "./client.ts";
import { CONFIG_COMMANDS } from "./config.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { DEBUG_COMMANDS } from "./debug.ts";
import { DUMP_COMMANDS } from "./dump.ts";
import { EXPIRE_COMMANDS } from "./expire.ts";
import { GEO_COMMANDS } from "./geo.ts";
import { HASH_COMMANDS } from "./hash.ts";
import { HYPERLOGLOG_COMMANDS } from "./hyperloglog.ts";
import { INFO_COMMANDS } from "./info.ts";
import { INTROSPECTION_COMMANDS } from "./introspection.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { LATENCY_COMMANDS } from "./latency.ts";
import { LIST_COMMANDS } from "./list.ts";
import { LIST_BLOCKING_COMMANDS } from "./list_blocking.ts";
import { MEMORY_COMMANDS } from "./memory.ts";
import { MIGRATE_COMMANDS } from "./migrate.ts";
import { MONITOR_COMMANDS } from "./monitor.ts";
import { OBJECT_COMMANDS } from "./object.ts";
import { PERSISTENCE_COMMANDS } from "./persistence.ts";
import { PUBSUB_COMMANDS } from "./pubsub.ts";
import { REPLICAOF_COMMANDS } from "./replicaof.ts";
import { REPLICATION_COMMANDS } from "./replication.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { SET_COMMANDS } from "./set.ts";
import { SORT_COMMANDS } from "./sort.ts";
import { STREAM_COMMANDS } from "./stream.ts";
import { STREAM_GROUP_COMMANDS } from "./stream_group.ts";
import { STRING_COMMANDS } from "./string.ts";
import { TRANSACTION_COMMANDS } from "./transaction.ts";
import { ZSET_COMMANDS } from "./zset.ts";
import type { CommandSpec } from "./spec.ts";

export const COMMANDS: readonly CommandSpec[] = [
  ...BITMAP_COMMANDS,
  ...CLIENT_COMMANDS,
  ...CONFIG_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...DEBUG_COMMANDS,
  ...DUMP_COMMANDS,
  ...EXPIRE_COMMANDS,
  ...GEO_COMMANDS,
  ...HASH_COMMANDS,
  ...HYPERLOGLOG_COMMANDS,
  ...INFO_COMMANDS,
  ...INTROSPECTION_COMMANDS,
  ...KEY_COMMANDS,
  ...LATENCY_COMMANDS,
  ...LIST_COMMANDS,
  ...LIST_BLOCKING_COMMANDS,
  ...MEMORY_COMMANDS,
  ...MIGRATE_COMMANDS,
  ...MONITOR_COMMANDS,
  ...OBJECT_COMMANDS,
  ...PERSISTENCE_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...REPLICAOF_COMMANDS,
  ...REPLICATION_COMMANDS,
  ...SERVER_COMMANDS,
  ...SET_COMMANDS,
  ...SORT_COMMANDS,
  ...STREAM_COMMANDS,
  ...STREAM_GROUP_COMMANDS,
  ...STRING_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...ZSET_COMMANDS,
];
