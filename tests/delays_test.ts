/**
 * The directives by which tests make saving and loading slow (`rdb-key-save-delay`, `key-load-delay`):
 * what they hold up stays what it is, and ends as soon as it is given up. Redis does the same.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { type Redino, startRedino } from "./support/rdb.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** Microseconds: nothing goes on by itself. */
const FOR_EVER = "1000000000";

/** Starts Redino with a directory of its own, which goes with it. */
async function start(options: Parameters<typeof startRedino>[0] = {}): Promise<Redino> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "redino_delays_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { server, client } = stack.use(await startRedino({ dir, ...options }));
  const owned = stack.move();
  return { server, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs the same on Redino and on redis-server, and holds that it says the same of both. */
async function onBoth(play: (client: RespClient) => Promise<unknown>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const redino = stack.use(await start());
  const redis = stack.use(await startRedis());
  using toRedino = await RespClient.connect(redino.server.port);
  using toRedis = await RespClient.connect(redis.port);
  assertEquals(await play(toRedino), await play(toRedis));
}

async function persistence(client: RespClient, field: string): Promise<string | undefined> {
  return (await info(client, "persistence")).get(field);
}

redisTest("rdb-key-save-delay holds up BGSAVE, which FLUSHALL gives up", async () => {
  await onBoth(async (client) => {
    await client.send("CONFIG", "SET", "save", "", "rdb-key-save-delay", FOR_EVER);
    await client.send("DEBUG", "POPULATE", "100");
    await client.send("SET", "a", "1");
    const replies = [await client.ask("BGSAVE"), await client.ask("BGSAVE")];
    // What is changed meanwhile need not wait.
    await client.send("MSET", ...Array.from({ length: 100 }, (_, i) => [`key:${i}`, "new"]).flat());
    const during = await persistence(client, "rdb_bgsave_in_progress");
    await client.send("FLUSHALL");
    await eventually(async () => await persistence(client, "rdb_bgsave_in_progress") === "0");
    return [replies, during, await persistence(client, "rdb_changes_since_last_save")];
  });
});

Deno.test("INFO tells what a save had to copy as it was about to change", async () => {
  await using redino = await start();
  const { client } = redino;
  const copied = async (field: string) => Number(await persistence(client, field));
  await client.send("CONFIG", "SET", "rdb-key-save-delay", FOR_EVER, "rdbcompression", "no");
  await client.send("DEBUG", "POPULATE", "100", "key", "1000");
  await client.send("BGSAVE");
  assertEquals(await copied("current_cow_size"), 0);
  await client.send("DEL", ...Array.from({ length: 11 }, (_, i) => `key:${i}`));
  const size = await copied("current_cow_size");
  // One of them may have been out before.
  assert(size >= 10_000 && size < 12_000, String(size));
  await client.send("SET", "new", "value");
  assertEquals(await copied("current_cow_size"), size);
  await client.send("FLUSHALL");
  await eventually(async () => await persistence(client, "rdb_bgsave_in_progress") === "0");
  assert(await copied("rdb_last_cow_size") >= size);
  assertEquals(await copied("current_cow_size"), 0);
});

redisTest("rdb-key-save-delay holds up what a replica is sent, until that is gone", async () => {
  await onBoth(async (primary) => {
    await using replica = await start();
    using client = await RespClient.connect(replica.server.port);
    await primary.send("CONFIG", "SET", "save", "", "rdb-key-save-delay", FOR_EVER);
    await primary.send("CONFIG", "SET", "repl-diskless-sync", "no");
    await primary.send("DEBUG", "POPULATE", "100");
    const [, port] = /tcp_port:(\d+)/.exec(await primary.ask("INFO", "server"))!;
    await client.send("REPLICAOF", "127.0.0.1", port!);
    await eventually(async () => await persistence(primary, "rdb_bgsave_in_progress") === "1");
    const line = (await info(primary, "replication")).get("slave0");
    assertMatch(line!, /state=wait_bgsave,/);
    await client.send("REPLICAOF", "NO", "ONE");
    await eventually(async () => await persistence(primary, "rdb_bgsave_in_progress") === "0");
  });
});

redisTest("FLUSHALL gives up what a replica is sent, which then gets the rest", async () => {
  await onBoth(async (primary) => {
    await using replica = await start();
    using client = await RespClient.connect(replica.server.port);
    await primary.send("CONFIG", "SET", "save", "", "rdb-key-save-delay", FOR_EVER);
    await primary.send("CONFIG", "SET", "repl-diskless-sync-delay", "0");
    await primary.send("DEBUG", "POPULATE", "100");
    const [, port] = /tcp_port:(\d+)/.exec(await primary.ask("INFO", "server"))!;
    await client.send("REPLICAOF", "127.0.0.1", port!);
    await eventually(async () => await persistence(primary, "rdb_bgsave_in_progress") === "1");
    await primary.send("FLUSHALL");
    await eventually(async () =>
      (await info(client, "replication")).get("master_link_status") === "up"
    );
    return (await info(primary, "stats")).get("sync_full");
  });
});

for (const load of ["disabled", "swapdb"]) {
  Deno.test(`key-load-delay holds up a full sync, which ends with the link (${load})`, async () => {
    await using primary = await start({ "repl-diskless-sync-delay": 0 });
    await using replica = await start({
      "repl-diskless-load": load,
      "key-load-delay": FOR_EVER,
      "loading-process-events-interval-bytes": 1024,
    });
    using toPrimary = await RespClient.connect(primary.server.port);
    using client = await RespClient.connect(replica.server.port);
    await toPrimary.send("DEBUG", "POPULATE", "100", "key", "1000");
    await client.send("REPLICAOF", "127.0.0.1", String(primary.server.port));
    await eventually(async () =>
      Number(await persistence(client, "loading_loaded_bytes") ?? 0) > 1000
    );
    assertEquals(await persistence(client, "loading"), "1");
    replica.server.replication.link!.stop();
    await eventually(async () => await persistence(client, "loading") === "0");
    assertEquals(await client.ask("DBSIZE"), ":0");
  });
}
