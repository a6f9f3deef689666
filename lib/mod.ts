/**
 * Redino as a module: a Redis-compatible server inside a Deno program, for tests above all.
 *
 * ```ts
 * await using server = await serve({ port: 0 });
 * // connect any Redis client to 127.0.0.1, server.port
 * ```
 *
 * @module
 */
import { Config } from "./config/config.ts";
import { type DirectiveName, NAMES_AND_ALIASES } from "./config/directives.ts";
import { BadValue } from "./config/kinds.ts";
import { Log } from "./server/log.ts";
import { Server } from "./server/server.ts";

export { RespDecoder } from "./resp/resp_decoder.ts";

/** What a directive's value may be given as: as in redis.conf, or a number or boolean where it is one. */
export type DirectiveValue = string | number | boolean;

/** How to run an embedded server, beside the directives of redis.conf. */
export interface ServeSettings {
  /** Wall-clock time in milliseconds since the epoch, for expiry; Date.now unless given. */
  readonly clock?: () => number;
  /** Numbers from 0 up to 1; Math.random unless given. */
  readonly random?: () => number;
  /** Takes each log line; unless given, nothing is logged. */
  readonly log?: (line: string) => void;
}

/** Directives of redis.conf by name, and {@link ServeSettings}. */
export type ServeOptions =
  & ServeSettings
  & { readonly [name: string]: DirectiveValue | ServeSettings[keyof ServeSettings] };

/** A running server. */
export interface RunningServer extends AsyncDisposable {
  /** The TCP port it listens on; with `port: 0` the one that was free. */
  readonly port: number;
  /** Every address it listens on. */
  readonly addresses: readonly Deno.Addr[];
  /** Resolves when the server has closed, also by a client's SHUTDOWN. */
  readonly closed: Promise<void>;
  /** Stops listening and closes every connection; what was not saved is gone. */
  close(): Promise<void>;
}

/**
 * Starts a server. Without options it is like redis-server without a configuration file, but listens
 * on 127.0.0.1 only, has no save points, and does not load the file: that it does where `dir` or
 * `dbfilename` is given. Throws a TypeError for an option that is no directive or has a value that the
 * directive does not take, a ListenError where it cannot listen, and a LoadError where the file cannot
 * be read.
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { clock = Date.now, random = Math.random, log: sink, ...directives } = options;
  const config = new Config();
  const defaults = { bind: "127.0.0.1", save: "" };
  const given = new Set<DirectiveName>();
  for (const [word, value] of Object.entries({ ...defaults, ...directives })) {
    given.add(setDirective(config, word, value as DirectiveValue));
  }
  const log = new Log({ nowMs: clock, sink: sink ?? (() => {}) });
  const server = new Server({ config, log, clock, random });
  server.listen();
  if (given.has("dir") || given.has("dbfilename")) {
    try {
      await server.persistence.loadAtStart();
    } catch (error) {
      await server.close();
      throw error;
    }
  }
  server.startReplicating();
  return server;
}

/** Sets a directive by its name or alias, and returns the name. */
function setDirective(config: Config, word: string, value: DirectiveValue): DirectiveName {
  const name: DirectiveName | undefined = NAMES_AND_ALIASES.get(word.toLowerCase());
  if (name === undefined) throw new TypeError(`Cannot start: "${word}" is no directive.`);
  const text = typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
  try {
    config.readLine(name, [text], false);
    return name;
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new TypeError(`Cannot start: ${word} cannot be "${text}": ${error.reason}.`);
  }
}
