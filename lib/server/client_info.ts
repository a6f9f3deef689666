/** A client in one line, as CLIENT LIST and the log show it. */
import type { Client } from "./client.ts";

export function clientInfo(client: Client): string {
  return `id=${client.id} addr=${client.connection.peer}`;
}
