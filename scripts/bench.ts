/** `deno task bench`: measures Redino beside redis-server on this machine; see {@link USAGE}. */
import { parseArgs } from "@std/cli/parse-args";
import { measureGrowth, showGrowth } from "./bench/growth.ts";
import { measurePersistence, showPersistence } from "./bench/persistence.ts";
import { measurePubSub, PUBSUB_TESTS, showPubSub } from "./bench/pubsub.ts";
import { measureReplication, showReplication } from "./bench/replication.ts";
import {
  measureCollections,
  measureIdle,
  measureMemory,
  showCollections,
  showSpace,
} from "./bench/space.ts";
import { figure } from "./bench/table.ts";
import { measureThroughput, showThroughput } from "./bench/throughput.ts";

const USAGE = `Measures Redino beside redis-server and prints a Markdown table.

deno task bench [options]            requests a second and processor time a request
  --tests NAMES     with commas: those of redis-benchmark, or of scripts/bench/custom.ts
                    (set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset)
  --pipeline NUMBERS  requests a batch, with commas (1,16,64)
  --rounds N        rounds whose median counts (5)
  --clients N       connections (50)
  --size BYTES      of a value (16)
  --keys N          different keys (100000)
  --requests N      a round (as many as take about 1.5 s)
deno task bench --memory             what --keys (1000000) keys with values of --size cost
deno task bench --collections        what hashes, sets, lists, sorted sets and streams cost
deno task bench --growth             how long a client waits while --keys (5000000) are written
deno task bench --pubsub             delivered messages a second; --tests (fan_out,fan_in,fan_in_50),
                                     --pipeline (1,16), --rounds and --size as above
deno task bench --replication        seconds that a full sync of --keys (1000000) keys takes, and streaming
                                     as many SETs to a replica; with --rounds, --size
deno task bench --persistence        seconds to save and load --keys (1000000) mixed keys, and how long
                                     commands wait while twice as many are saved; with --rounds
deno task bench --idle               what --clients (10000) idle connections cost
  --json FILE       writes the figures to FILE too
`;

const flags = parseArgs(Deno.args, {
  boolean: [
    ...["help", "memory", "collections", "growth", "idle", "pubsub"],
    ...["replication", "persistence"],
  ],
  string: ["tests", "pipeline", "rounds", "clients", "size", "keys", "requests", "json"],
  unknown: (arg) => {
    console.error(`Unknown argument: ${arg}\n\n${USAGE}`);
    Deno.exit(2);
  },
});

/** The number that a flag was given, or the fallback. */
function count(name: string, given: string | undefined, fallback: number): number {
  const value = given === undefined ? fallback : Number(given);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} must be a positive integer, got ${given}.`);
  Deno.exit(2);
}

function numbers(name: string, given: string): number[] {
  return given.split(",").map((number) => count(name, number, 1));
}

async function measure(): Promise<{ text: string; rows: readonly unknown[] }> {
  const size = count("size", flags.size, 16);
  if (flags.memory) {
    const rows = await measureMemory(count("keys", flags.keys, 1_000_000), size);
    return { text: showSpace("key", rows), rows };
  }
  if (flags.collections) {
    const rows = await measureCollections();
    return { text: showCollections(rows), rows };
  }
  if (flags.growth) {
    const rows = await measureGrowth(count("keys", flags.keys, 5_000_000), size);
    return { text: showGrowth(rows), rows };
  }
  if (flags.idle) {
    const rows = await measureIdle(count("clients", flags.clients, 10_000));
    return { text: showSpace("connection", rows), rows };
  }
  if (flags.pubsub) {
    const rows = await measurePubSub({
      tests: flags.tests?.split(",") ?? PUBSUB_TESTS,
      pipelines: numbers("pipeline", flags.pipeline ?? "1,16"),
      rounds: count("rounds", flags.rounds, 5),
      size,
    });
    return { text: showPubSub(rows), rows };
  }
  if (flags.replication) {
    const keys = count("keys", flags.keys, 1_000_000);
    const rows = await measureReplication(keys, size, count("rounds", flags.rounds, 3));
    return { text: showReplication(rows), rows };
  }
  if (flags.persistence) {
    const keys = count("keys", flags.keys, 1_000_000);
    const rows = await measurePersistence(keys, count("rounds", flags.rounds, 3));
    return { text: showPersistence(rows), rows: [...rows.speed, ...rows.waits] };
  }
  const tests = flags.tests ?? "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset";
  const rows = await measureThroughput({
    tests: tests.split(","),
    pipelines: numbers("pipeline", flags.pipeline ?? "1,16,64"),
    rounds: count("rounds", flags.rounds, 5),
    clients: count("clients", flags.clients, 50),
    size,
    keys: count("keys", flags.keys, 100_000),
    requests: flags.requests === undefined ? undefined : count("requests", flags.requests, 1),
  });
  return { text: showThroughput(rows), rows };
}

if (flags.help) {
  console.log(USAGE);
} else {
  const loadBefore = Deno.loadavg()[0];
  const { text, rows } = await measure();
  const loadAfter = Deno.loadavg()[0];
  console.log(text);
  console.log(
    `\nLoad average of a minute: ${figure(loadBefore, 1)} before, ${figure(loadAfter, 1)} after`,
  );
  if (flags.json !== undefined) {
    const machine = {
      cores: navigator.hardwareConcurrency,
      deno: Deno.version.deno,
      loadBefore,
      loadAfter,
    };
    await Deno.writeTextFile(flags.json, JSON.stringify({ machine, rows }, null, 2) + "\n");
  }
}
