/** What tests of replication ask of servers: how far they are, and whether they hold the same. */
import { assertEquals } from "@std/assert";
import { eventually } from "./eventually.ts";
import { type Argument, type Reply, type RespClient, show } from "./resp_client.ts";
import { ALL, argumentsFor } from "./random_commands.ts";
import type { Rng } from "./rng.ts";

/** INFO's fields. */
export async function info(client: RespClient, section: string): Promise<Map<string, string>> {
  const reply = await client.send("INFO", section);
  if (reply.type !== "bulk") throw new Error(`INFO was answered ${show(reply)}`);
  const pairs = reply.text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(pairs.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  }));
}

/** Waits until a replica's link is up and it has applied all that its primary has sent. */
export async function caughtUp(primary: RespClient, replica: RespClient): Promise<void> {
  await eventually(async () => {
    const theirs = await info(primary, "replication");
    const ours = await info(replica, "replication");
    return ours.get("master_link_status") === "up" &&
      ours.get("master_replid") === theirs.get("master_replid") &&
      ours.get("slave_repl_offset") === theirs.get("master_repl_offset");
  });
}

/** Holds that two servers have the same keys, values, expiries and stream groups. */
export async function assertSameData(a: RespClient, b: RespClient): Promise<void> {
  for (const number of await databases(a)) {
    for (const client of [a, b]) await client.send("SELECT", number);
    const keys = await sortedKeys(a);
    assertEquals(await sortedKeys(b), keys);
    for (const key of keys) {
      assertEquals(await expiry(b, key), await expiry(a, key), `expiry of ${key}`);
      assertEquals(await value(b, key), await value(a, key), `value of ${key}`);
      if (await a.ask("TYPE", key) !== "+stream") continue;
      assertEquals(await groups(b, key), await groups(a, key), `groups of ${key}`);
    }
  }
}

/** A key's type and value; scores as numbers, since 7.2 writes them with other digits than 7.0. */
async function value(client: RespClient, key: string): Promise<string> {
  const type = await client.ask("TYPE", key);
  if (type !== "+zset") return `${type} ${await client.ask("DEBUG", "DIGEST-VALUE", key)}`;
  const reply = await client.send("ZRANGE", key, 0, -1, "WITHSCORES");
  if (reply.type !== "array") throw new Error(`ZRANGE was answered ${show(reply)}`);
  const words = reply.items.map((item, i) => i % 2 === 0 ? show(item) : Number(textOf(item)));
  return `${type} ${words.join(" ")}`;
}

function textOf(reply: Reply): string {
  return "text" in reply ? reply.text : "";
}

/**
 * A stream's groups, without what Redis's replicas do not learn: consumers that have got nothing, and how
 * many entries each group has read.
 */
async function groups(client: RespClient, key: string): Promise<string[]> {
  const reply = await client.send("XINFO", "GROUPS", key);
  if (reply.type !== "array") throw new Error(`XINFO GROUPS was answered ${show(reply)}`);
  return reply.items.map((group) =>
    show(group).replace(/"consumers" :\d+ | "entries-read" .*/g, "")
  );
}

/** When a key expires; beyond 2^53 ms it is not kept to the millisecond. */
async function expiry(client: RespClient, key: string): Promise<number> {
  const reply = await client.send("PEXPIRETIME", key);
  return reply.type === "integer" ? Math.min(Number(reply.value), 2 ** 53) : NaN;
}

async function databases(client: RespClient): Promise<number[]> {
  const keyspace = await info(client, "keyspace");
  return [...keyspace.keys()].map((name) => Number(name.slice("db".length)));
}

async function sortedKeys(client: RespClient): Promise<string[]> {
  const reply = await client.send("KEYS", "*");
  if (reply.type !== "array") throw new Error(`KEYS was answered ${show(reply)}`);
  return reply.items.map(textOf).sort();
}

/** Commands that write, with the flags of their records; those that wait or empty all are left out. */
const WRITES = ALL.filter(({ spec, words }) => {
  const flags: readonly string[] = spec.flags;
  return flags.includes("write") && !flags.includes("blocking") &&
    !["flushall", "flushdb", "migrate", "restore", "restore-asking"].includes(words[0]!);
});

/** A key for each type, so that commands find what they want, and some where they do not. */
const SEEDS: readonly (readonly string[])[] = [
  ["SET", "k0", "value"],
  ["RPUSH", "k1", "a", "b", "c"],
  ["SADD", "k2", "1", "2", "x"],
  ["ZADD", "k3", "1", "a", "2", "b"],
  ["HSET", "k\0\xff", "f", "1", "g", "2"],
  ["XADD", "{k}:4", "*", "f", "v"],
  ["XGROUP", "CREATE", "{k}:4", "group", "0", "MKSTREAM"],
  ["XREADGROUP", "GROUP", "group", "me", "COUNT", "2", "STREAMS", "{k}:4", ">"],
  ["PEXPIRE", "k0", "100000000"],
];

/** A random command that may change something, of any type. */
function randomWrite(rng: Rng): readonly Argument[] {
  if (rng.oneIn(4)) return rng.pick(SEEDS);
  if (rng.oneIn(30)) return ["SELECT", rng.int(0, 2)];
  return argumentsFor(rng, rng.pick(WRITES));
}

/** Sends random writes, pipelined, some of them in transactions. */
export async function writeSome(client: RespClient, rng: Rng, count: number): Promise<void> {
  const commands: (readonly Argument[])[] = [];
  const inMulti = rng.oneIn(3);
  if (inMulti) commands.push(["MULTI"]);
  for (let i = 0; i < count; i++) commands.push(randomWrite(rng));
  if (inMulti) commands.push(["EXEC"]);
  for (const command of commands) await client.post(...command);
  for (let i = 0; i < commands.length; i++) await client.read();
}
