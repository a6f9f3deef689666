/**
 * A server that was busy for longer than its time-outs: what came meanwhile was not read yet, and who
 * sent it was not silent.
 */
import { assertEquals } from "@std/assert";
import { FakePrimary, stream } from "./support/fake_primary.ts";
import { synchronized } from "./support/linked.ts";
import { RawReplica } from "./support/raw_replica.ts";
import { startRedinoProcess } from "./support/redino_process.ts";
import { info } from "./support/replication.ts";
import { RespClient, show } from "./support/resp_client.ts";

const FLAGS = ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"];

/**
 * Lets a server sleep for longer than the time-outs that it is given just before. Meanwhile the others
 * speak, and `after` is sent, which ends the time-outs: so they hold for what the server does before it
 * reads again, and for nothing else.
 */
async function stall(
  client: RespClient,
  timeouts: string,
  speak: () => Promise<void>,
  after: string,
): Promise<void> {
  await client.write(`CONFIG SET ${timeouts}\r\nDEBUG SLEEP 3\r\n`);
  for (let i = 0; i < 10; i++) {
    await speak();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await client.write(after);
  assertEquals(show(await client.read()), "+OK");
  assertEquals(show(await client.read()), "+OK");
}

Deno.test("A primary that was busy drops no replica and no client that spoke meanwhile", async () => {
  await using server = await startRedinoProcess({ args: FLAGS });
  using client = await RespClient.connect(server.port);
  using other = await RespClient.connect(server.port);
  using replica = await RawReplica.attach(server.port);
  await other.send("PING");
  let pings = 0;
  const speak = async () => {
    await replica.ack(0);
    await other.post("PING");
    pings++;
  };
  await speak();
  await stall(
    client,
    "repl-timeout 1 timeout 1 min-replicas-to-write 1 min-replicas-max-lag 1",
    speak,
    "SET k v\r\nCONFIG SET repl-timeout 60 timeout 0\r\n",
  );
  assertEquals(show(await client.read()), "+OK", "there are replicas enough");
  assertEquals(show(await client.read()), "+OK");
  for (; pings > 0; pings--) assertEquals(show(await other.read()), "+PONG");
  assertEquals((await info(client, "replication")).get("connected_slaves"), "1");
});

Deno.test("A replica that was busy keeps its link to a primary that spoke meanwhile", async () => {
  await using primary = new FakePrimary();
  const args = [...FLAGS, "--replicaof", `127.0.0.1 ${primary.port}`];
  await using server = await startRedinoProcess({ args });
  using client = await RespClient.connect(server.port);
  const replica = await synchronized(primary, 0);
  await stall(
    client,
    "repl-timeout 1",
    () => replica.say(stream(["PING"])),
    "CONFIG SET repl-timeout 60\r\n",
  );
  assertEquals(show(await client.read()), "+OK");
  assertEquals((await info(client, "replication")).get("master_link_status"), "up");
});
