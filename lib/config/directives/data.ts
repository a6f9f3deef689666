/** Directives about memory, eviction, expiry and the encodings of values. */
import { INT64_MAX, INT_MAX, integer, memory, oneOf, UINT64_MAX, yesNo } from "../kinds.ts";

const NO_JEMALLOC = "no jemalloc; the arena reuses what is freed";
const FREED_AT_ONCE = "values are freed where they are dropped";
const TOLD_REPLICAS = `${FREED_AT_ONCE}; replicas are sent UNLINK`;

export const DATA = {
  "maxmemory": memory(0, 0, UINT64_MAX),
  "maxmemory-policy": oneOf([
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
  ], "noeviction"),
  "maxmemory-samples": integer(5, 1, INT_MAX),
  "maxmemory-eviction-tenacity": integer(10, 0, 100),
  "lfu-log-factor": integer(10, 0, INT_MAX),
  "lfu-decay-time": integer(1, 0, INT_MAX),
  "active-expire-effort": integer(1, 1, 10),
  "activerehashing": yesNo(true),
  "lazyfree-lazy-eviction": yesNo(false, { accepted: TOLD_REPLICAS }),
  "lazyfree-lazy-expire": yesNo(false, { accepted: TOLD_REPLICAS }),
  "lazyfree-lazy-server-del": yesNo(false, { accepted: TOLD_REPLICAS }),
  "lazyfree-lazy-user-del": yesNo(false, { accepted: TOLD_REPLICAS }),
  "lazyfree-lazy-user-flush": yesNo(false, { accepted: FREED_AT_ONCE }),

  "hash-max-listpack-entries": integer(512, 0, INT64_MAX, { alias: "hash-max-ziplist-entries" }),
  "hash-max-listpack-value": memory(64, 0, INT64_MAX, { alias: "hash-max-ziplist-value" }),
  "list-max-listpack-size": integer(-2, -(2 ** 31), INT_MAX, { alias: "list-max-ziplist-size" }),
  "list-compress-depth": integer(0, 0, INT_MAX, { accepted: "list nodes are not compressed" }),
  "set-max-intset-entries": integer(512, 0, INT64_MAX),
  "set-max-listpack-entries": integer(128, 0, INT64_MAX),
  "set-max-listpack-value": integer(64, 0, INT64_MAX),
  "zset-max-listpack-entries": integer(128, 0, INT64_MAX, { alias: "zset-max-ziplist-entries" }),
  "zset-max-listpack-value": memory(64, 0, INT64_MAX, { alias: "zset-max-ziplist-value" }),
  "hll-sparse-max-bytes": memory(3000, 0, INT64_MAX),
  "stream-node-max-bytes": memory(4096, 0, INT64_MAX),
  "stream-node-max-entries": integer(100, 0, INT64_MAX),

  "activedefrag": yesNo(false, { accepted: NO_JEMALLOC }),
  "active-defrag-ignore-bytes": memory(100 * 1024 * 1024, 1, INT64_MAX, { accepted: NO_JEMALLOC }),
  "active-defrag-threshold-lower": integer(10, 0, 1000, { accepted: NO_JEMALLOC }),
  "active-defrag-threshold-upper": integer(100, 0, 1000, { accepted: NO_JEMALLOC }),
  "active-defrag-cycle-min": integer(1, 1, 99, { accepted: NO_JEMALLOC }),
  "active-defrag-cycle-max": integer(25, 1, 99, { accepted: NO_JEMALLOC }),
  "active-defrag-max-scan-fields": integer(1000, 1, INT64_MAX, { accepted: NO_JEMALLOC }),
  "jemalloc-bg-thread": yesNo(true, { accepted: NO_JEMALLOC }),
};
