/** kill -9 while a snapshot is written: on disk is the file before or the new one, whole. */
import { assert, assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { RespClient } from "./support/resp_client.ts";
import { seeded } from "./support/rng.ts";
import { without } from "./support/skip.ts";

const ROUNDS = 8;
/** Enough that a save takes longer than the longest time to the kill. */
const KEYS = 60_000;
const MAX_DELAY_MS = 600;

/** Sets every key to the generation's value, in one transaction. */
async function write(client: RespClient, generation: number): Promise<void> {
  await client.send("MULTI");
  for (let from = 0; from < KEYS; from += 5000) {
    const keys = Array.from({ length: 5000 }, (_, i) => `key:${from + i}`);
    await client.send("MSET", ...keys.flatMap((key) => [key, `${generation}:${key}`]));
  }
  await client.send("EXEC");
}

/** The generation that a file holds; asserts that all of it is of that one. */
async function generationOf(dir: string): Promise<number> {
  await using server = await serve({ port: 0, dir });
  using client = await RespClient.connect(server.port, { timeoutMs: 30_000 });
  const first = await client.send("GET", "key:0");
  if (first.type !== "bulk") {
    assertEquals(await client.ask("DBSIZE"), ":0");
    return 0;
  }
  const generation = Number.parseInt(first.text, 10);
  assertEquals(await client.ask("DBSIZE"), `:${KEYS}`);
  const keys = Array.from({ length: KEYS }, (_, i) => `key:${i}`);
  const values = await client.send("MGET", ...keys);
  assert(values.type === "array");
  for (const [i, value] of values.items.entries()) {
    assert(value.type === "bulk" && value.text === `${generation}:key:${i}`);
  }
  return generation;
}

Deno.test({
  name: "a server that is killed while it saves leaves the old file or the new one",
  ignore: Deno.build.os === "windows" || without("redis-check-rdb"),
  fn: async () => {
    const dir = await Deno.makeTempDir({ prefix: "redino_kill_" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    await seeded(async (rng) => {
      let onDisk = 0;
      for (let generation = 1; generation <= ROUNDS; generation++) {
        {
          await using redino = await startRedinoProcess({ dir });
          using client = await RespClient.connect(redino.port, { timeoutMs: 30_000 });
          await write(client, generation);
          assertEquals(await client.ask("BGSAVE"), "+Background saving started");
          // The next generation comes while this one is being saved.
          const next = write(client, generation + 0.5).catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, rng.int(0, MAX_DELAY_MS)));
          redino.kill("SIGKILL");
          await redino.status;
          await next;
        }
        const file = `${dir}/dump.rdb`;
        if (await Deno.stat(file).then(() => true, () => false)) {
          const check = await new Deno.Command("redis-check-rdb", { args: [file] }).output();
          assert(check.success, new TextDecoder().decode(check.stdout));
        }
        const found = await generationOf(dir);
        assert(found === onDisk || found === generation, `${found} after ${onDisk}, ${generation}`);
        onDisk = found;
        const names = Array.from(Deno.readDirSync(dir), ({ name }) => name);
        assert(names.every((name) => name === "dump.rdb"), `left behind: ${names}`);
      }
    });
  },
});
