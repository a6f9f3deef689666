/** The executable: flags and redis.conf to a server, signals to its end. */
import { resolve } from "node:path";
import { latin1, utf8, utf8Bytes } from "./lib/bytes/text.ts";
import type { Config, ConfigValues } from "./lib/config/config.ts";
import { ConfigError, lineError, loadConfig } from "./lib/config/load.ts";
import { REDIS_VERSION } from "./lib/config/version.ts";
import { LoadError } from "./lib/persistence/persistence.ts";
import { ListenError } from "./lib/server/listen.ts";
import { Log } from "./lib/server/log.ts";
import type { CommandTable } from "./lib/server/command.ts";
import { Server } from "./lib/server/server.ts";
import { VERSION } from "./lib/version.ts";

/** Redis's PID file where it is a daemon and none is named. */
const DAEMON_PID_FILE = "/var/run/redis.pid";

async function main(): Promise<void> {
  const launch = loadConfig(Deno.args, readStandardInput);
  if (launch.action === "print") {
    (launch.exitCode === 0 ? console.log : console.error)(launch.text.trimEnd());
    Deno.exit(launch.exitCode);
  }
  const { config, warnings } = launch;
  const { values } = config;
  const logFile = values.logfile === "" ? "" : resolve(values.dir, values.logfile);
  const log = new Log({ nowMs: Date.now, level: values.loglevel, file: logFile });
  log.role = "C";
  log.notice("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
  log.notice(
    `Redis version=${REDIS_VERSION}, bits=64, commit=00000000, modified=0, pid=${Deno.pid}, just started`,
  );
  log.notice(`Redino version=${VERSION}, Deno version=${Deno.version.deno}`);
  log.notice(
    config.file === undefined
      ? "No configuration file was given: the defaults are in force"
      : "Configuration loaded",
  );
  log.role = "M";
  for (const warning of warnings) log.warning(warning);

  const server = new Server({ config, log, clock: Date.now, random: Math.random });
  renameCommands(server.commands, config);
  server.listen();
  const isTerminal = values.logfile === "" && Deno.stdout.isTerminal();
  if (isTerminal || values["always-show-logo"]) log.raw(logo(server.port));
  else log.notice(`Running mode=standalone, port=${server.port}.`);
  log.notice("Server initialized");
  const pidFile = writePidFile(values, log);
  // Windows has no SIGTERM to listen to.
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => server.shutdown.receive(signal));
  }
  const exit = (code: number) => {
    if (pidFile !== undefined) Deno.removeSync(pidFile);
    Deno.exit(code);
  };
  server.closed.then(() => exit(0));
  try {
    if (!await server.persistence.loadAtStart()) return;
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    log.warning(`Fatal error loading the DB: ${error.message}. Exiting.`);
    exit(1);
  }
  for (const address of server.addresses) log.notice(readyLine(address));
  server.startReplicating();
}

/** `rename-command`, line by line; throws a ConfigError. */
function renameCommands(commands: CommandTable, config: Config): void {
  for (const { directive, words, lineNumber, line } of config.fileOnly) {
    if (directive !== "rename-command") continue;
    const [name, newName] = words.map((word) => latin1(utf8Bytes(word)));
    const reason = commands.rename(name!, newName!);
    if (reason !== undefined) throw lineError(lineNumber, line, reason);
  }
}

/** What a start shows on a terminal; scripts look for the process's id in it. */
function logo(port: number): string {
  return `
        _______
       /  o   /|      Redino ${VERSION} (Redis ${REDIS_VERSION}) 64 bit
      /______/ |
      |      | |      Running in standalone mode
      | |  | | |      Port: ${port}
      |_|__|_|/       PID: ${Deno.pid}
`;
}

function readStandardInput(): string {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const chunk = new Uint8Array(64 * 1024);
  for (let count = Deno.stdin.readSync(chunk); count !== null; count = Deno.stdin.readSync(chunk)) {
    chunks.push(chunk.slice(0, count));
  }
  return utf8(new Uint8Array(chunks.flatMap((bytes) => [...bytes])));
}

function readyLine(address: Deno.Addr): string {
  return address.transport === "tcp"
    ? `Ready to accept connections tcp ${address.port} on ${address.hostname}`
    : `Ready to accept connections unix ${(address as Deno.UnixAddr).path}`;
}

/** Writes the file that `pidfile` names; returns its path, or undefined where there is none. */
function writePidFile(values: ConfigValues, log: Log): string | undefined {
  const path = values.pidfile !== "" ? values.pidfile : DAEMON_PID_FILE;
  if (values.pidfile === "" && !values.daemonize) return undefined;
  const file = resolve(values.dir, path);
  try {
    Deno.writeTextFileSync(file, `${Deno.pid}\n`);
    return file;
  } catch (error) {
    log.warning(`Cannot write the PID file ${file}: ${error}`);
    return undefined;
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof ListenError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
