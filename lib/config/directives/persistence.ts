/** Directives about snapshots (RDB) and the append-only file. */
import { INT64_MAX, INT_MAX, integer, memory, oneOf, text, yesNo } from "../kinds.ts";
import { directory, savePoints } from "../special_kinds.ts";

const NO_FILE = "there is no append-only file";

export const PERSISTENCE = {
  "dir": directory({ protected: true, notWhileLoading: true }),
  "save": savePoints([
    { seconds: 3600, changes: 1 },
    { seconds: 300, changes: 100 },
    { seconds: 60, changes: 10000 },
  ]),
  "dbfilename": text("dump.rdb", { protected: true }, notAPath("dbfilename", "filename")),
  "rdbcompression": yesNo(true),
  "rdbchecksum": yesNo(true, { immutable: true }),
  "rdb-del-sync-files": yesNo(false),
  "rdb-save-incremental-fsync": yesNo(true),
  "rdb-key-save-delay": integer(0, -(2 ** 31), INT_MAX, { hidden: true }),
  "key-load-delay": integer(0, -(2 ** 31), INT_MAX, { hidden: true }),
  "loading-process-events-interval-bytes": memory(2 * 1024 * 1024, 1024, INT_MAX, {
    hidden: true,
  }),
  "sanitize-dump-payload": oneOf(["no", "yes", "clients"], "no", {
    accepted: "payloads are always checked",
  }),
  "stop-writes-on-bgsave-error": yesNo(true),

  "appendonly": yesNo(false, { notWhileLoading: true }),
  "appendfilename": text(
    "appendonly.aof",
    { immutable: true },
    fileName("appendfilename", "filename"),
  ),
  "appenddirname": text("appendonlydir", { immutable: true }, fileName("appenddirname", "dirname")),
  "appendfsync": oneOf(["everysec", "always", "no"], "everysec"),
  "no-appendfsync-on-rewrite": yesNo(false),
  "auto-aof-rewrite-percentage": integer(100, 0, INT_MAX),
  "auto-aof-rewrite-min-size": memory(64 * 1024 * 1024, 0, INT64_MAX),
  "aof-load-truncated": yesNo(true),
  "aof-use-rdb-preamble": yesNo(true),
  "aof-timestamp-enabled": yesNo(false),
  "aof-rewrite-incremental-fsync": yesNo(true, { accepted: NO_FILE }),
  "aof-disable-auto-gc": yesNo(false, { accepted: NO_FILE }),
};

function notAPath(name: string, what: string): (value: string) => string | undefined {
  return (value) => /[/\\]/.test(value) ? `${name} can't be a path, just a ${what}` : undefined;
}

function fileName(name: string, what: string): (value: string) => string | undefined {
  return (value) => value === "" ? `${name} can't be empty` : notAPath(name, what)(value);
}
