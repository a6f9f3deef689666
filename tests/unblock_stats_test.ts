/**
 * What INFO counts of a command that had to wait, by how its wait ends. The same table is held against
 * Redino and Valkey, and what 7.0 counted so already against redis-server, too.
 */
import { assertEquals } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { eventually } from "./support/eventually.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { startRedis } from "./support/redis.ts";
import { info } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";
import { redisTest, valkeyTest } from "./support/skip.ts";

type Words = readonly string[];

interface Wait {
  readonly before?: Words;
  /** `<time>` stands for how long. */
  readonly command: Words;
  /** A twentieth of a second, in the unit that the command takes. */
  readonly shortTime: string;
  /** What lets it end well. */
  readonly served: Words;
}

interface Ending {
  readonly what: string;
  /** What another client sends; `<id>` stands for the one that waits. */
  readonly by: (wait: Wait) => readonly Words[];
  readonly time?: "short";
  readonly failed: 0 | 1;
  /** INFO errorstats. */
  readonly error?: string;
  /** Whether 7.0 counts the same. */
  readonly in70: boolean;
}

const WAITS: readonly Wait[] = [
  { command: ["BLPOP", "l", "<time>"], shortTime: "0.05", served: ["RPUSH", "l", "a"] },
  { command: ["BRPOPLPUSH", "l", "m", "<time>"], shortTime: "0.05", served: ["RPUSH", "l", "a"] },
  {
    command: ["BLMOVE", "l", "m", "LEFT", "LEFT", "<time>"],
    shortTime: "0.05",
    served: ["RPUSH", "l", "a"],
  },
  {
    command: ["BLMPOP", "<time>", "1", "l", "LEFT"],
    shortTime: "0.05",
    served: ["RPUSH", "l", "a"],
  },
  { command: ["BZPOPMIN", "z", "<time>"], shortTime: "0.05", served: ["ZADD", "z", "1", "a"] },
  {
    command: ["BZMPOP", "<time>", "1", "z", "MAX"],
    shortTime: "0.05",
    served: ["ZADD", "z", "1", "a"],
  },
  {
    command: ["XREAD", "BLOCK", "<time>", "STREAMS", "s", "$"],
    shortTime: "50",
    served: ["XADD", "s", "*", "f", "v"],
  },
  {
    before: ["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"],
    command: ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "<time>", "STREAMS", "s", ">"],
    shortTime: "50",
    served: ["XADD", "s", "*", "f", "v"],
  },
];

const ENDINGS: readonly Ending[] = [
  { what: "is served", by: ({ served }) => [served], failed: 0, in70: true },
  { what: "sees its time pass", by: () => [], time: "short", failed: 0, in70: true },
  {
    what: "is ended by CLIENT UNBLOCK",
    by: () => [["CLIENT", "UNBLOCK", "<id>"]],
    failed: 0,
    in70: false,
  },
  {
    what: "is ended by CLIENT UNBLOCK TIMEOUT",
    by: () => [["CLIENT", "UNBLOCK", "<id>", "TIMEOUT"]],
    failed: 0,
    in70: false,
  },
  {
    what: "is ended by CLIENT UNBLOCK ERROR",
    by: () => [["CLIENT", "UNBLOCK", "<id>", "ERROR"]],
    failed: 1,
    error: "UNBLOCKED",
    in70: true,
  },
  {
    what: "is sent away as the server becomes a replica",
    by: () => [["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
    failed: 1,
    error: "UNBLOCKED",
    in70: false,
  },
];

/** What becomes of one that waits for a group's entries when the group goes. */
const GROUP_GOES: readonly [by: readonly Words[], error: string][] = [
  [[["DEL", "s"]], "NOGROUP"],
  [[["XGROUP", "DESTROY", "s", "g"]], "NOGROUP"],
  [[["FLUSHALL"]], "NOGROUP"],
  [[["MULTI"], ["DEL", "s"], ["EXEC"]], "NOGROUP"],
  [[["SET", "s", "text"]], "WRONGTYPE"],
];

interface Counts {
  readonly command: string;
  readonly errors: Readonly<Record<string, string>>;
  readonly errorReplies: string;
}

/** What INFO tells when a command has waited and others have done `by`. */
async function counted(
  port: number,
  wait: Wait,
  by: readonly Words[],
  time = "0",
): Promise<Counts> {
  using control = await RespClient.connect(port);
  using waiting = await RespClient.connect(port);
  await control.send("FLUSHALL");
  if (wait.before !== undefined) await control.send(...wait.before);
  const id = (await waiting.ask("CLIENT", "ID")).slice(1);
  await control.send("CONFIG", "RESETSTAT");
  await waiting.post(...wait.command.map((word) => word === "<time>" ? time : word));
  if (time === "0") await someoneWaits(control);
  for (const words of by) {
    const reply = await control.ask(...words.map((word) => word === "<id>" ? id : word));
    assertEquals(reply.startsWith("-"), false, `${words.join(" ")}: ${reply}`);
  }
  await waiting.read();
  return await countsOf(control, wait.command[0]!);
}

async function someoneWaits(control: RespClient): Promise<void> {
  await eventually(async () => (await info(control, "clients")).get("blocked_clients") === "1");
}

async function countsOf(control: RespClient, command: string): Promise<Counts> {
  const stats = await info(control, "commandstats");
  const counts = stats.get(`cmdstat_${command.toLowerCase()}`) ?? "";
  return {
    command: counts.replace(/usec=.*?,usec_per_call=.*?,/, ""),
    errors: Object.fromEntries(await info(control, "errorstats")),
    errorReplies: (await info(control, "stats")).get("total_error_replies")!,
  };
}

function expected(failed: 0 | 1, error?: string): Counts {
  return {
    command: `calls=1,rejected_calls=0,failed_calls=${failed}`,
    errors: error === undefined ? {} : { [`errorstat_${error}`]: "count=1" },
    errorReplies: error === undefined ? "0" : "1",
  };
}

async function holdEndings(port: number, endings: readonly Ending[]): Promise<void> {
  for (const { what, by, time, failed, error } of endings) {
    for (const wait of WAITS) {
      const counts = await counted(port, wait, by(wait), time && wait.shortTime);
      assertEquals(counts, expected(failed, error), `${wait.command.join(" ")} that ${what}`);
    }
  }
}

async function holdGroupGoes(port: number): Promise<void> {
  const wait = WAITS.find(({ command }) => command[0] === "XREADGROUP")!;
  for (const [by, error] of GROUP_GOES) {
    assertEquals(await counted(port, wait, by), expected(1, error), by.join("; "));
  }
}

/** SHUTDOWN waits for replicas; the only call that is counted is the one that ends its wait. */
async function holdShutdown(port: number): Promise<void> {
  using _replica = await RawReplica.attach(port);
  using control = await RespClient.connect(port);
  using waiting = await RespClient.connect(port);
  await control.send("SET", "k", "v");
  await control.send("CONFIG", "RESETSTAT");
  await waiting.post("SHUTDOWN");
  await someoneWaits(control);
  assertEquals(await control.ask("SHUTDOWN", "ABORT"), "+OK");
  assertEquals(show(await waiting.read()), "-ERR Errors trying to SHUTDOWN. Check logs.");
  assertEquals(await countsOf(control, "SHUTDOWN"), expected(1, "ERR"));
}

Deno.test("a command that waited counts as failed where its wait ends in an error", async () => {
  await using server = await serve({ port: 0, "repl-diskless-sync-delay": 0 });
  await holdEndings(server.port, ENDINGS);
  await holdGroupGoes(server.port);
  await holdShutdown(server.port);
});

valkeyTest("Valkey counts commands that waited as Redino does", async () => {
  const args = ["--repl-diskless-sync-delay", "0"];
  await using valkey = await startRedis({ program: "valkey-server", args });
  await holdEndings(valkey.port, ENDINGS);
  await holdGroupGoes(valkey.port);
  await holdShutdown(valkey.port);
});

redisTest("redis-server 7.0 counts most commands that waited as Redino does", async () => {
  await using redis = await startRedis();
  await holdEndings(redis.port, ENDINGS.filter(({ in70 }) => in70));
});
