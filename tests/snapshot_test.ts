/**
 * A snapshot is of one moment, whatever is done while it is taken. It is taken here an entry at a time,
 * with random commands in between, and what comes out is compared record by record with what there
 * was at its beginning.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve, type ServeOptions } from "../lib/mod.ts";
import { RdbOutput } from "../lib/persistence/rdb_output.ts";
import { writeEntry, writeHeader } from "../lib/persistence/rdb_write.ts";
import { Snapshot, type SnapshotOptions, writeSnapshotNow } from "../lib/persistence/snapshot.ts";
import { Server } from "../lib/server/server.ts";
import { ALL, argumentsFor, type Known } from "./support/random_commands.ts";
import { encodeCommand, RespClient, showCommand } from "./support/resp_client.ts";
import { type Rng, seeded } from "./support/rng.ts";

const ROUNDS = 40;
const DATABASES = 4;
/** Thresholds low, so that all encodings are there; nothing is moved on while nobody writes. */
const CONFIG = {
  databases: DATABASES,
  activerehashing: "no",
  "hash-max-listpack-entries": 4,
  "list-max-listpack-size": 4,
  "set-max-intset-entries": 4,
  "set-max-listpack-entries": 6,
  "zset-max-listpack-entries": 4,
  "stream-node-max-entries": 4,
  "hll-sparse-max-bytes": 40,
};

/** Commands of these groups are used on keys that mostly have the group's type. */
const GROUPS = ["string", "bitmap", "list", "set", "hash", "sorted-set", "hyperloglog", "stream"];
const ALL_KEYS = GROUPS.flatMap((group) => keysOf(group));
/** Whatever changes keys, and whatever reads them: some that read change a thing, too. */
const KNOWN = ALL.filter(({ words, spec }) =>
  [...GROUPS, "geo", "generic"].includes(spec.group) &&
  !["migrate", "wait", "waitaof"].includes(words[0]!)
);

function keysOf(group: string): string[] {
  return Array.from({ length: 3 }, (_, i) => `${group}${i}`);
}

function start(options: ServeOptions = {}): Promise<Server> {
  return serve({ port: 0, ...CONFIG, ...options }).then((server) => {
    assert(server instanceof Server);
    return server;
  });
}

function snapshotOptions(server: Server): SnapshotOptions {
  return { dbs: server.dbs, aux: [], compress: false, checksum: false };
}

function joined(chunks: readonly Uint8Array[]): string {
  return chunks.map((chunk) => latin1(chunk)).join("");
}

/** The records that a file must have, by database. */
function records(server: Server): Map<number, Map<string, string>> {
  return new Map(server.dbs.map((db) => {
    const ofDatabase = new Map<string, string>();
    for (let slot = 0; slot < db.map.slotCount; slot++) {
      const entry = db.map.entryInSlot(slot);
      if (entry === 0) continue;
      const output = new RdbOutput({ compress: false, checksum: false });
      writeEntry(output, db, entry);
      ofDatabase.set(joined(output.take()), latin1(db.map.key(entry)));
    }
    return [db.number, ofDatabase];
  }));
}

const SELECTDB = 0xfe;
const RESIZEDB = 0xfb;
const EOF = 0xff;

/** Asserts that a file, uncompressed, has just these records. */
function assertHolds(file: string, expected: Map<number, Map<string, string>>): void {
  const header = new RdbOutput({ compress: false, checksum: false });
  writeHeader(header, []);
  let at = joined(header.take()).length;
  let left = expected.get(-1);
  for (;;) {
    const opcode = file.charCodeAt(at);
    if (opcode === EOF) break;
    if (opcode === SELECTDB) {
      left = expected.get(file.charCodeAt(at + 1));
      at += 2;
    } else if (opcode === RESIZEDB) {
      at = afterLength(file, afterLength(file, at + 1));
    } else {
      const record = [...left!.keys()].find((record) => file.startsWith(record, at));
      if (record === undefined) {
        const found = JSON.stringify(file.slice(at, at + 200));
        const wanted = JSON.stringify([...left!.keys()].find((record) => {
          return record.slice(0, 40).includes(file.slice(at + 1, at + 9));
        }));
        throw new Error(`at ${at} is ${found}, and perhaps should be ${wanted}`);
      }
      left!.delete(record);
      at += record.length;
    }
  }
  assertEquals(at + 9, file.length);
  assertEquals(show(expected), "");
}

function afterLength(file: string, at: number): number {
  return at + [1, 2, 5, 9][file.charCodeAt(at) >> 6]!;
}

function show(left: Map<number, Map<string, string>>): string {
  return [...left].flatMap(([db, records]) => [...records.values()].map((key) => `${db}:${key}`))
    .join(" ");
}

/** Sends random commands. */
class Chaos {
  readonly #server: Server;
  readonly #client: RespClient;
  readonly #rng: Rng;
  /** What was done, for the message of a test that fails. */
  readonly done: string[] = [];

  constructor(server: Server, client: RespClient, rng: Rng) {
    this.#server = server;
    this.#client = client;
    this.#rng = rng;
  }

  /** Fills two databases with a bit of everything. */
  async fill(): Promise<void> {
    await this.send("FLUSHALL");
    for (const db of ["2", "1", "0"]) {
      await this.send("SELECT", db);
      if (db === "1") continue;
      for (let i = 0; i < 3; i++) {
        // From a listpack's to a large collection's sizes.
        const count = [2, 5, 40][i]!;
        const items = Array.from({ length: count }, () => `item${this.#rng.int(0, 50)}`);
        const numbers = items.map(() => `${this.#rng.int(-3, 300)}`);
        const pairs = (values: string[]) => values.flatMap((value, k) => [value, items[k]!]);
        await this.send("SET", `string${i}`, this.#rng.pick(["1", "short", "long".repeat(20)]));
        await this.send("SET", `bitmap${i}`, "bits".repeat(count));
        await this.send("RPUSH", `list${i}`, ...items);
        await this.send("SADD", `set${i}`, ...this.#rng.pick([items, numbers]));
        await this.send("HSET", `hash${i}`, ...pairs(items));
        await this.send("ZADD", `sorted-set${i}`, ...pairs(numbers));
        await this.send("PFADD", `hyperloglog${i}`, ...items);
        for (let k = 0; k < count; k++) {
          await this.send("XADD", `stream${i}`, `${k + 1}-0`, "f", items[k]!);
        }
        await this.send("XGROUP", "CREATE", `stream${i}`, "g", "0");
        await this.send(
          "XREADGROUP",
          "GROUP",
          "g",
          "c",
          "COUNT",
          "3",
          "STREAMS",
          `stream${i}`,
          ">",
        );
        for (const group of GROUPS) {
          if (this.#rng.oneIn(4)) await this.send("PEXPIRE", `${group}${i}`, "4000");
        }
      }
    }
  }

  async some(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.one();
  }

  async one(): Promise<void> {
    const rng = this.#rng;
    switch (rng.int(0, 40)) {
      case 0:
        return await this.send("SELECT", String(rng.int(0, DATABASES - 1)));
      case 1:
        if (rng.oneIn(6)) return await this.send("FLUSHDB");
        if (rng.oneIn(12)) return await this.send("FLUSHALL");
        return await this.send(
          "SWAPDB",
          String(rng.int(0, DATABASES - 1)),
          String(rng.int(0, DATABASES - 1)),
        );
      case 2:
        return await this.#evict();
      case 3:
      case 4:
        return await this.#useGroup();
      case 5:
        return await this.send("GETEX", rng.pick(keysOf("string")), "PERSIST");
      case 6:
        return await this.send("MOVE", rng.pick(ALL_KEYS), String(rng.int(0, DATABASES - 1)));
      default:
        return await this.#any(rng.pick(KNOWN));
    }
  }

  async send(...args: string[]): Promise<void> {
    this.done.push(showCommand(args.map(latin1Bytes)));
    await this.#client.write(encodeCommand(args.map(latin1Bytes)));
    await this.#client.read();
  }

  /** A command of the tables; those that block do not within a transaction. */
  async #any(known: Known): Promise<void> {
    const { group } = known.spec;
    const keys = group === "geo" ? "sorted-set" : group;
    const isOwn = GROUPS.includes(keys) && !this.#rng.oneIn(10);
    const args = argumentsFor(this.#rng, known, isOwn ? keysOf(keys) : ALL_KEYS);
    const blocks = known.spec.flags.includes("blocking");
    if (blocks) await this.send("MULTI");
    await this.send(...args);
    if (blocks) await this.send("EXEC");
  }

  /** What random words seldom hit: a stream's group, one step at a time. */
  async #useGroup(): Promise<void> {
    const key = this.#rng.pick(keysOf("stream"));
    const id = `${this.#rng.int(1, 4)}-0`;
    await this.send(...this.#rng.pick([
      ["XADD", key, "*", "field", "value"],
      ["XGROUP", "CREATE", key, "g", "0", "MKSTREAM"],
      ["XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", key, ">"],
      ["XACK", key, "g", id],
      ["XCLAIM", key, "g", "d", "0", id],
      ["XAUTOCLAIM", key, "g", "d", "0", "0", "COUNT", "1"],
      ["XSETID", key, "999999999999999-1"],
    ]));
  }

  /** Removes a few keys as if memory were short. */
  async #evict(): Promise<void> {
    const { usedMemory } = this.#server;
    const limit = usedMemory - this.#rng.int(1, 2000);
    await this.send("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", `${limit}`);
    await this.send("SET", "string0", "v");
    await this.send("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0");
  }
}

Deno.test("a snapshot is of the moment at which it began, whatever is done meanwhile", async () => {
  await seeded(async (rng) => {
    let nowMs = 1_800_000_000_000;
    await using server = await start({ clock: () => nowMs, random: () => rng.float() });
    using client = await RespClient.connect(server.port);
    const chaos = new Chaos(server, client, rng);
    for (let round = 0; round < ROUNDS; round++) {
      await chaos.fill();
      await chaos.some(30);
      chaos.done.length = 0;
      const expected = records(server);
      const chunks: Uint8Array[] = [];
      const snapshot = new Snapshot(snapshotOptions(server));
      const keep = (more: Uint8Array[]) => Promise.resolve(void chunks.push(...more));
      const rest = () => {
        // So far that nothing expires but what has a short time to live.
        if (rng.oneIn(10)) nowMs += 500;
        return chaos.some(rng.int(0, 5));
      };
      await snapshot.write(keep, undefined, { sliceMs: 0, entriesAtOnce: 1, rest });
      try {
        assertHolds(joined(chunks), expected);
      } catch (error) {
        throw new Error(`In round ${round} after\n    ${chaos.done.join("\n    ")}`, {
          cause: error,
        });
      }
      assertEquals(snapshot.keysOut, snapshot.keys);
      assert(server.dbs.every((db) => db.snapshot === undefined));
    }
  });
});

/** A server with many keys, all of one size. */
async function startFilled(keys: number): Promise<{ server: Server; client: RespClient }> {
  const server = await start({ "enable-debug-command": "yes" });
  const client = await RespClient.connect(server.port);
  await client.send("DEBUG", "POPULATE", keys);
  return { server, client };
}

Deno.test("a snapshot has every key while its index grows, shrinks and is emptied", async () => {
  const { server, client } = await startFilled(3000);
  await using _server = server;
  using _client = client;
  const expected = records(server);
  const chunks: Uint8Array[] = [];
  let step = 0;
  const rest = async () => {
    const keys = Array.from({ length: 100 }, (_, i) => 100 * (step % 60) + i);
    if (step < 40) await client.send("MSET", ...keys.flatMap((key) => [`new:${key}`, "v"]));
    else if (step < 55) await client.send("DEL", ...keys.map((key) => `new:${key - 4000}`));
    else if (step < 60) await client.send("DEL", ...keys.map((key) => `key:${key - 5500}`));
    else if (step === 60) await client.send("FLUSHDB");
    else await client.send("SET", `key:${step}`, "another");
    step++;
  };
  const keep = (more: Uint8Array[]) => Promise.resolve(void chunks.push(...more));
  const pace = { sliceMs: 0, entriesAtOnce: 20, rest };
  await new Snapshot(snapshotOptions(server)).write(keep, undefined, pace);
  assertHolds(joined(chunks), expected);
});

Deno.test("what a flushed database left is released when the snapshot has it", async () => {
  const { server, client } = await startFilled(3000);
  await using _server = server;
  using _client = client;
  const { arena, map } = server.dbs[0]!;
  const key = latin1Bytes("key:0");
  const slab = arena.slab(map.find(key, 0, key.length));
  const snapshot = new Snapshot(snapshotOptions(server));
  await client.send("FLUSHALL");
  assert(slab.length > 0);
  await snapshot.write(() => Promise.resolve());
  assertEquals(slab.length, 0);
});

Deno.test("a snapshot that is given up, or whose sink fails, lets go of the databases", async () => {
  const { server, client } = await startFilled(3000);
  await using _server = server;
  using _client = client;
  const abort = new AbortController();
  abort.abort(new Error("given up"));
  const aborted = new Snapshot(snapshotOptions(server)).write(
    () => Promise.resolve(),
    abort.signal,
  );
  await assertRejects(() => aborted, Error, "given up");
  const failed = new Snapshot(snapshotOptions(server)).write(() =>
    Promise.reject(new Error("full"))
  );
  await assertRejects(() => failed, Error, "full");
  assert(server.dbs.every((db) => db.snapshot === undefined));
  await client.send("SET", "k", "v");
});

Deno.test("SAVE writes the same records as a snapshot", async () => {
  await seeded(async (rng) => {
    await using server = await start();
    using client = await RespClient.connect(server.port);
    await new Chaos(server, client, rng).fill();
    const expected = records(server);
    const chunks: Uint8Array[] = [];
    writeSnapshotNow(snapshotOptions(server), (chunk) => chunks.push(chunk));
    assertHolds(joined(chunks), expected);
  });
});
