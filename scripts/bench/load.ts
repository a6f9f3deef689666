/** Fills a server fast: pipelined batches of one command, every number once. */
import { type Argument, encodeCommand } from "../../tests/support/resp_client.ts";

const BATCH = 1000;
const LINE_FEED = 0x0a;

/** The key that redis-benchmark makes of a number: 16 bytes. */
export function benchKey(i: number): string {
  return `key:${String(i).padStart(12, "0")}`;
}

/** Sends `command(i)` for every i below `count`; each must be answered with one line, no error. */
export async function load(
  port: number,
  count: number,
  command: (i: number) => readonly Argument[],
): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const replies = new Uint8Array(65536);
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from);
    const batch = concat(Array.from({ length: size }, (_, i) => encodeCommand(command(from + i))));
    const written = writeAll(conn, batch);
    for (let lines = 0; lines < size;) {
      const n = await conn.read(replies);
      if (n === null) throw new Error("The server closed the connection while it was filled");
      if (replies[0] === 0x2d) throw new Error(new TextDecoder().decode(replies.subarray(0, n)));
      for (let i = 0; i < n; i++) if (replies[i] === LINE_FEED) lines++;
    }
    await written;
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
