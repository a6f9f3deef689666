/** Debian's redis-sentinel over Redino: it finds the replicas, and replaces a primary that is killed. */
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { eventually } from "./support/eventually.ts";
import { type RedinoProcess, startRedinoProcess } from "./support/redino_process.ts";
import { freePort } from "./support/redis.ts";
import { caughtUp, info } from "./support/replication.ts";
import { RespClient } from "./support/resp_client.ts";
import { without } from "./support/skip.ts";

const SENTINELS = 3;
/** How many times as long as usual. */
const PATIENCE = 5;

/** Starts a Sentinel that watches a primary under the name `mymaster`; returns its port. */
async function startSentinel(stack: AsyncDisposableStack, primaryPort: number): Promise<number> {
  const dir = await Deno.makeTempDir({ prefix: "redino_sentinel_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const port = freePort();
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${dir}`,
    `logfile ${dir}/log`,
    `sentinel monitor mymaster 127.0.0.1 ${primaryPort} 2`,
    "sentinel down-after-milliseconds mymaster 1000",
    "sentinel failover-timeout mymaster 4000",
    "sentinel parallel-syncs mymaster 1",
  ];
  await Deno.writeTextFile(`${dir}/sentinel.conf`, `${lines.join("\n")}\n`);
  const child = new Deno.Command("redis-sentinel", {
    args: [`${dir}/sentinel.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  return port;
}

/** What a Sentinel says of the primary. */
async function master(sentinel: RespClient): Promise<Map<string, string>> {
  const reply = await sentinel.send("SENTINEL", "MASTER", "mymaster");
  if (reply.type !== "array") return new Map();
  const words = reply.items.map((item) => "text" in item ? item.text : "");
  return new Map(words.flatMap((word, i) => i % 2 === 0 ? [[word, words[i + 1]!]] : []));
}

/** A server's INFO replication; empty while it cannot be had: Sentinel cuts clients off on the way. */
async function replicationOf(port: number): Promise<Map<string, string>> {
  try {
    using client = await RespClient.connect(port);
    return await info(client, "replication");
  } catch {
    return new Map();
  }
}

/** Waits until a replica has what its primary has; Sentinel itself may wait for long before it acts. */
async function followed(primaryPort: number, replicaPort: number): Promise<void> {
  const follows = async () =>
    (await replicationOf(replicaPort)).get("master_port") === String(primaryPort);
  for (let times = 0; times < PATIENCE && !await follows(); times++) {
    await eventually(follows).catch(() => {});
  }
  using primary = await RespClient.connect(primaryPort);
  using replica = await RespClient.connect(replicaPort);
  await caughtUp(primary, replica);
  assertEquals(await replica.ask("GET", "n"), await primary.ask("GET", "n"));
}

async function connectWhenThere(port: number): Promise<RespClient> {
  for (let tries = 0;; tries++) {
    try {
      return await RespClient.connect(port);
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test({
  name: "redis-sentinel finds Redino's replicas, and promotes one when the primary is killed",
  ignore: without("redis-sentinel"),
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const args = ["--repl-diskless-sync-delay", "0"];
    const primary = stack.use(await startRedinoProcess({ args }));
    const replicaOf = ["--replicaof", `127.0.0.1 ${primary.port}`];
    const replicas: RedinoProcess[] = [];
    for (let i = 0; i < 2; i++) {
      replicas.push(stack.use(await startRedinoProcess({ args: [...args, ...replicaOf] })));
    }
    const ports = replicas.map(({ port }) => port);
    const sentinelPorts: number[] = [];
    for (let i = 0; i < SENTINELS; i++) {
      sentinelPorts.push(await startSentinel(stack, primary.port));
    }
    const sentinels = await Promise.all(
      sentinelPorts.map(async (port) => stack.use(await connectWhenThere(port))),
    );

    // Through the primary's channel they find each other; from its INFO, its replicas.
    for (const sentinel of sentinels) {
      await eventually(async () => {
        const fields = await master(sentinel);
        return fields.get("num-slaves") === "2" && fields.get("num-other-sentinels") === "2" &&
          fields.get("flags") === "master";
      });
    }

    const app = new Redis({
      sentinels: sentinelPorts.map((port) => ({ host: "127.0.0.1", port })),
      name: "mymaster",
    });
    stack.defer(async () => void await app.quit());
    app.on("error", () => {});
    for (let i = 1; i <= 100; i++) assertEquals(await app.incr("n"), i);
    for (const port of ports) await followed(primary.port, port);

    primary.kill("SIGKILL");
    await primary.status;
    // It goes on writing: what it asks for waits until there is a primary again.
    assertEquals(await app.incr("n"), 101);
    // Sentinels that disagree may promote both, and then make the one of the older epoch a replica.
    let roles: (string | undefined)[] = [];
    await eventually(async () => {
      roles = await Promise.all(ports.map(async (port) => (await replicationOf(port)).get("role")));
      return roles.toSorted().join() === "master,slave";
    });
    const promoted = roles.indexOf("master");
    const [newPrimary, other] = [ports[promoted]!, ports[1 - promoted]!];
    for (let i = 102; i <= 200; i++) assertEquals(await app.incr("n"), i);

    // The other replica is told to follow, and need not take everything anew.
    await followed(newPrimary, other);
    using client = await RespClient.connect(newPrimary);
    assertEquals(await client.ask("GET", "n"), '"200"');
    assertEquals((await info(client, "stats")).get("sync_full"), "0");

    // The old primary comes back, and is made a replica.
    stack.use(await startRedinoProcess({ args: [...args, "--port", String(primary.port)] }));
    await followed(newPrimary, primary.port);
  },
});
