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
/** How many times as long as usual: a Sentinel whose clock leapt does nothing for half a minute. */
const PATIENCE = 5;
const ATTEMPTS = 5;

/** As `eventually`, but as long as Sentinel may wait before it acts. */
async function inTheEnd(condition: () => Promise<boolean>): Promise<void> {
  for (let times = 1; times < PATIENCE; times++) {
    const came = await eventually(condition).then(() => true, () => false);
    if (came) return;
  }
  await eventually(condition);
}

/** Starts a Sentinel that watches a primary under the name `mymaster`; returns its port. */
async function startSentinel(stack: AsyncDisposableStack, primaryPort: number): Promise<number> {
  for (let attempt = 1;; attempt++) {
    const port = await trySentinel(stack, primaryPort);
    if (port !== undefined) return port;
    if (attempt === ATTEMPTS) throw new Error(`No Sentinel started in ${ATTEMPTS} attempts`);
  }
}

/** The same, unless somebody else has taken the port that was free. */
async function trySentinel(
  stack: AsyncDisposableStack,
  primaryPort: number,
): Promise<number | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "redino_sentinel_" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const port = freePort();
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${dir}`,
    `logfile ${dir}/log`,
    `sentinel monitor mymaster 127.0.0.1 ${primaryPort} 2`,
    // Longer than the machine pauses: else the primary is replaced before it is killed.
    "sentinel down-after-milliseconds mymaster 5000",
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
  let isRunning = true;
  const ended = child.status.then(() => {
    isRunning = false;
  });
  stack.defer(async () => {
    if (isRunning) child.kill("SIGKILL");
    await ended;
  });
  // One that cannot have its port ends before it has an ID to tell.
  await eventually(async () => !isRunning || await watches(port, primaryPort));
  return isRunning ? port : undefined;
}

/** Whether what listens at a port is a Sentinel that watches the primary. */
async function watches(port: number, primaryPort: number): Promise<boolean> {
  try {
    using client = await RespClient.connect(port);
    return (await master(client)).get("port") === String(primaryPort);
  } catch {
    return false;
  }
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
  await inTheEnd(follows);
  using primary = await RespClient.connect(primaryPort);
  using replica = await RespClient.connect(replicaPort);
  await caughtUp(primary, replica);
  assertEquals(await replica.ask("GET", "n"), await primary.ask("GET", "n"));
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
      sentinelPorts.map(async (port) => stack.use(await RespClient.connect(port))),
    );

    // Through the primary's channel they find each other; from its INFO, its replicas.
    for (const sentinel of sentinels) {
      await inTheEnd(async () => {
        const fields = await master(sentinel);
        return fields.get("num-slaves") === "2" && fields.get("num-other-sentinels") === "2" &&
          fields.get("flags") === "master";
      });
    }

    const app = new Redis({
      sentinels: sentinelPorts.map((port) => ({ host: "127.0.0.1", port })),
      name: "mymaster",
      // Until there is a primary again, however long that takes.
      maxRetriesPerRequest: null,
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
    await inTheEnd(async () => {
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
    // That is, if it was not promoted itself for a while, in an earlier failover.
    const epochs = await Promise.all(
      sentinels.map(async (each) => (await master(each)).get("config-epoch")),
    );
    if (epochs.every((epoch) => epoch === "1")) {
      assertEquals((await info(client, "stats")).get("sync_full"), "0");
    }

    // The old primary comes back, and is made a replica.
    stack.use(await startRedinoProcess({ args: [...args, "--port", String(primary.port)] }));
    await followed(newPrimary, primary.port);
  },
});
