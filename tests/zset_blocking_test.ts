import { assertEquals } from "@std/assert";
import { compare, startPair } from "./support/differential.ts";
import { type RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

async function blockedClients(client: RespClient): Promise<number> {
  return Number(/blocked_clients:(\d+)/.exec(await client.ask("INFO", "clients"))![1]);
}

for (const protocol of [2, 3] as const) {
  redisTest(
    `Clients that wait for sorted sets are served as Redis serves them, RESP${protocol}`,
    async () => {
      await using pair = await startPair({ protocol });
      const waiters = [
        ["BZPOPMIN", "a", "b", "0"],
        ["BZPOPMAX", "b", "a", "0"],
        ["BZMPOP", "0", "2", "a", "b", "MAX", "COUNT", "2"],
        ["BZPOPMIN", "to", "0"],
        ["BZPOPMIN", "s", "0"],
      ];
      using stack = new DisposableStack();
      const clients = [];
      for (const [i, command] of waiters.entries()) {
        const client = stack.use(await pair.connect(protocol));
        await Promise.all([client.redis.post(...command), client.redino.post(...command)]);
        clients.push(client);
        // Both must have seen this one before the next one comes.
        for (const one of [pair.redis, pair.redino]) {
          while (await blockedClients(one) <= i);
        }
      }
      await compare(pair, [
        ["MULTI"],
        ["ZADD", "b", "1", "x", "2", "y", "3", "z"],
        ["ZREM", "b", "y"],
        ["ZADD", "b", "4", "w", "5", "v"],
        ["EXEC"],
        ["ZADD", "src", "1", "p", "2", "q"],
        ["ZUNIONSTORE", "to", "1", "src"],
        ["SET", "s", "x"],
        ["ZRANGESTORE", "s", "src", "0", "-1"],
        ["EXISTS", "a", "b"],
        ["ZRANGE", "to", "0", "-1"],
        ["ZRANGE", "s", "0", "-1"],
      ]);
      // In Redis a key that is overwritten serves nobody: only a new one does.
      const overwritten = clients.pop()!;
      for (const client of clients) {
        assertEquals(show(await client.redino.read()), show(await client.redis.read()));
      }
      await compare(pair, [["ZRANGE", "b", "0", "-1", "WITHSCORES"], ["DEL", "s"], [
        "ZADD",
        "s",
        "9",
        "r",
      ]]);
      assertEquals(show(await overwritten.redino.read()), show(await overwritten.redis.read()));
    },
  );
}
