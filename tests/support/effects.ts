/** What follows a command besides its reply, compared: keyspace events, and how many changes count. */
import { assertEquals } from "@std/assert";
import { serve } from "../../lib/mod.ts";
import { Server } from "../../lib/server/server.ts";
import { latin1 } from "../../lib/bytes/text.ts";
import { type Command, compare, startPair } from "./differential.ts";
import { RespClient } from "./resp_client.ts";

/** All classes, key misses and new keys included. */
const ALL_CLASSES = "KEAmn";

/** Runs each command on both and asserts that it has the same reply, events and count of changes. */
export async function compareEffects(commands: readonly Command[]): Promise<void> {
  await using pair = await startPair({ config: { "notify-keyspace-events": ALL_CLASSES } });
  using listener = await RespClient.connect(pair.redisPort);
  await listener.send("PSUBSCRIBE", "__keyevent@0__:*");
  await using server = await serve({ port: 0, "enable-debug-command": "yes" });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  let told: string[] = [];
  server.effects.eventClasses = -1;
  server.effects.onEvent = (event, _db, key) => told.push(`${event} ${latin1(key)}`);
  using redino = await RespClient.connect(server.port);
  const clients = { redis: pair.redis, redino, [Symbol.dispose]() {} };
  // A key that has expired is told of when a command finds it, not at a cron's moment.
  await compare(clients, [["DEBUG", "SET-ACTIVE-EXPIRE", "0"]]);

  for (const command of commands) {
    const [redisBefore, before] = [await changes(pair.redis), server.effects.dirty];
    told = [];
    await compare(clients, [command]);
    const redisChanges = await changes(pair.redis) - redisBefore;
    const actual = { command, told, changes: server.effects.dirty - before };
    assertEquals(actual, {
      command,
      told: await events(listener, pair.redis),
      changes: redisChanges,
    });
  }
}

async function changes(redis: RespClient): Promise<number> {
  const info = await redis.ask("INFO", "persistence");
  return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)![1]);
}

/** What the listener was told up to now: a message of our own marks the end. */
async function events(listener: RespClient, redis: RespClient): Promise<string[]> {
  await redis.send("PUBLISH", "__keyevent@0__:end", "");
  const told: string[] = [];
  for (;;) {
    const message = await listener.readAny();
    if (!("items" in message)) throw new Error("A subscriber was sent what is no message");
    const [, , channel, key] = message.items.map((item) => "text" in item ? item.text : "");
    const event = channel!.slice("__keyevent@0__:".length);
    if (event === "end") return told;
    told.push(`${event} ${key}`);
  }
}
