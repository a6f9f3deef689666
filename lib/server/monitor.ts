/** MONITOR: clients that are shown every command that runs, one line each in Redis's format. */
import { latin1Bytes, quoted } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { SharedChunk } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";
import { GATE } from "./gates.ts";

export class Monitors {
  readonly #clients = new Set<Client>();
  readonly #setGate: (on: boolean) => void;

  /** `setGate` is told whether there are any. */
  constructor(setGate: (on: boolean) => void) {
    this.#setGate = setGate;
  }

  join(client: Client): void {
    this.#clients.add(client);
    client.setGate(GATE.monitor, true);
    this.#setGate(true);
  }

  leave(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.setGate(GATE.monitor, false);
    this.#setGate(this.#clients.size > 0);
  }

  /** Shows a client's command to all of them. */
  feed(client: Client, command: Command, args: Args): void {
    const line = latin1Bytes(monitorLine(client, command, args));
    const chunk = new SharedChunk(line);
    for (const monitor of this.#clients) {
      if (monitor.closing) continue;
      monitor.reply.shared(chunk);
      monitor.server.flushes.later(monitor);
    }
  }
}

function monitorLine(client: Client, command: Command, args: Args): string {
  const { server, connection, db } = client;
  const usec = Math.floor(server.time.nowMs * 1000);
  const seconds = Math.floor(usec / 1e6);
  const fraction = String(usec % 1e6).padStart(6, "0");
  const peer = connection.isUnix ? `unix:${connection.peer.replace(/:0$/, "")}` : connection.peer;
  const secrets = command.spec.secrets?.(args) ?? [];
  let line = `+${seconds}.${fraction} [${db.number} ${peer}]`;
  for (let i = 0; i < args.count; i++) {
    line += secrets.includes(i) ? ' "(redacted)"' : ` ${quoted(args.text(i))}`;
  }
  return `${line}\r\n`;
}
