/** The executable: flags and redis.conf to a server, signals to its end. */
import { loadConfig } from "./lib/config/load.ts";
import { Log } from "./lib/server/log.ts";
import { Server } from "./lib/server/server.ts";

const launch = loadConfig(Deno.args, () => "");
if (launch.action === "print") {
  console.log(launch.text);
  Deno.exit(launch.exitCode);
}
const log = new Log({ nowMs: Date.now });
const server = new Server({ config: launch.config, log, clock: Date.now, random: Math.random });
await server.listen();
log.notice(`Ready to accept connections tcp ${server.port}`);
