/**
 * `maxmemory-clients`: where all clients together take more, the largest are closed until they do
 * not. Replicas and clients with CLIENT NO-EVICT neither count nor go.
 */
import type { Client } from "./client.ts";
import { clientInfo, clientMemory } from "./client_info.ts";
import type { Server } from "./server.ts";

/** Redis's least limit, with which one can still talk to the server. */
const LEAST_BYTES = 128 * 1024;

export function evictClients(server: Server): void {
  const limit = limitBytes(server);
  if (limit === 0) return;
  const sizes: { readonly client: Client; readonly bytes: number }[] = [];
  let total = 0;
  for (const client of server.clients.values()) {
    if (client.noEvict || client.outputClass === "replica" || client.isPrimary) continue;
    const bytes = clientMemory(client);
    total += bytes;
    sizes.push({ client, bytes });
  }
  if (total <= limit) return;
  sizes.sort((a, b) => b.bytes - a.bytes);
  for (const { client, bytes } of sizes) {
    server.log.notice(`Evicting client: ${clientInfo(client)}`);
    server.stats.evictedClients++;
    client.close();
    total -= bytes;
    if (total <= limit) return;
  }
}

/** The limit in bytes, 0 for none; a negative directive is a percentage of `maxmemory`. */
function limitBytes(server: Server): number {
  const { maxmemory, "maxmemory-clients": directive } = server.config.values;
  const bytes = directive >= 0 ? directive : Math.floor(maxmemory * -directive / 100);
  return bytes === 0 ? 0 : Math.max(bytes, LEAST_BYTES);
}
