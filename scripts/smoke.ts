/** Starts an executable made by `deno task compile` and holds a short conversation with it. */
import { startRedinoProcess } from "../tests/support/redino_process.ts";
import { RespClient } from "../tests/support/resp_client.ts";

const [executable] = Deno.args;
if (executable === undefined) {
  console.error("Usage: smoke.ts EXECUTABLE");
  Deno.exit(2);
}
await using server = await startRedinoProcess({ executable });
using client = await RespClient.connect(server.port);
for (
  const [command, wanted] of [["PING", "+PONG"], ["SET k v", "+OK"], ["GET k", '"v"']] as const
) {
  const got = await client.ask(...command.split(" "));
  if (got !== wanted) throw new Error(`${command} was answered ${got}, not ${wanted}`);
}
console.log(`${executable} answers.`);
