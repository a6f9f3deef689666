/**
 * Saving on a replica while a full sync from its primary arrives, which the test plays: Redino and
 * redis-server in the same position.
 */
import { assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { FakePrimary, HISTORY, rdbWith } from "./support/fake_primary.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** Saving so many keys with that pause after each takes ten seconds, were it not given up. */
const OLD_KEYS = 1000;
const SAVE_DELAY_US = 10_000;
const NEW_KEYS = 300;
const OFFSET = 100;

interface Replica {
  readonly port: number;
  readonly dir: string;
  log(): string;
}

/** Runs the same on Redino and on redis-server, and holds that it says the same of both. */
async function onBoth(
  load: string,
  play: (replica: Replica, client: RespClient) => Promise<unknown>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "redino_replica_save_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  let log = "";
  const config = { "repl-diskless-load": load, "enable-debug-command": "yes" };
  const redino = stack.use(
    await serve({ port: 0, dir, log: (line) => log += line, ...config }),
  );
  const redis = stack.use(await startRedis({ args: ["--repl-diskless-load", load] }));
  const redisLog = `${redis.dir}/redis.log`;
  using toRedino = await RespClient.connect(redino.port);
  using toRedis = await RespClient.connect(redis.port);
  for (const client of [toRedino, toRedis]) {
    assertEquals(await client.ask("CONFIG", "SET", "rdb-key-save-delay", SAVE_DELAY_US), "+OK");
  }
  const ours = await play({ port: redino.port, dir, log: () => log }, toRedino);
  const theirs = await play({
    port: redis.port,
    dir: redis.dir,
    log: () => Deno.readTextFileSync(redisLog),
  }, toRedis);
  assertEquals(ours, theirs);
}

/** A primary's data: an RDB of {@link NEW_KEYS} strings. */
function newData(): Uint8Array {
  const text = (s: string) => String.fromCharCode(s.length) + s;
  const records = Array.from({ length: NEW_KEYS }, (_, i) => `\0${text(`new${i}`)}${text("v")}`);
  return rdbWith(`\xfe\0${records.join("")}`);
}

/** What a replica says of its saves when its link is up. */
async function afterwards(replica: Replica, client: RespClient): Promise<unknown> {
  await eventually(async () =>
    (await info(client, "replication")).get("master_link_status") === "up"
  );
  await eventually(async () =>
    (await info(client, "persistence")).get("rdb_bgsave_in_progress") === "0"
  );
  const fields = await info(client, "persistence");
  const file = await Deno.readFile(`${replica.dir}/dump.rdb`).catch(() => undefined);
  return {
    info: ["rdb_last_bgsave_status", "rdb_saves", "rdb_last_load_keys_loaded", "loading"]
      .map((name) => `${name}:${fields.get(name)}`),
    keys: await client.ask("DBSIZE"),
    // redis-server keeps its log there.
    files: Array.from(Deno.readDirSync(replica.dir), ({ name }) => name)
      .filter((name) => name !== "redis.log"),
    holdsNewData: file && file.length === newData().length,
    log: [...replica.log().matchAll(/MASTER <-> REPLICA sync: (.*)|(Done loading RDB.*)/g)]
      .map(([line]) => line).filter((line) => !line.includes("Giving up a BGSAVE")),
  };
}

redisTest(
  "a replica that receives a file saves, and the file takes the place of what was saved",
  () =>
    onBoth("disabled", async (replica, client) => {
      await using primary = new FakePrimary();
      await client.send("SET", "old", "data");
      await client.send("REPLICAOF", "127.0.0.1", primary.port);
      const { replica: link } = await primary.greet();
      const rdb = newData();
      await link.say(`+FULLRESYNC ${HISTORY} ${OFFSET}\r\n$${rdb.length}\r\n`);
      await link.say(rdb.subarray(0, 50));
      await eventually(async () =>
        (await info(client, "replication")).get("master_sync_read_bytes") === "50"
      );
      const replies = [await client.ask("SAVE"), await client.ask("GET", "old")];
      const savedOld = (await Deno.readTextFile(`${replica.dir}/dump.rdb`)).includes("old");
      await client.send("DEBUG", "POPULATE", OLD_KEYS);
      for (const command of [["BGSAVE"], ["BGSAVE"], ["BGSAVE", "SCHEDULE"], ["SAVE"]]) {
        replies.push(await client.ask(...command));
      }
      await link.say(rdb.subarray(50));
      return { replies, savedOld, after: await afterwards(replica, client) };
    }),
);

redisTest(
  "a BGSAVE is given up when the primary's data come without a file",
  () =>
    onBoth("swapdb", async (replica, client) => {
      await using primary = new FakePrimary();
      await client.send("DEBUG", "POPULATE", OLD_KEYS);
      await client.send("REPLICAOF", "127.0.0.1", primary.port);
      const { replica: link } = await primary.greet();
      const reply = await client.ask("BGSAVE");
      await link.saySnapshot(OFFSET, newData());
      return { reply, after: await afterwards(replica, client) };
    }),
);
