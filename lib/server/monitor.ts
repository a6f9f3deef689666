/** MONITOR: clients that are shown every command that runs, one line each in Redis's format. */
import { quotedLength, writeQuoted } from "../bytes/quote.ts";
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { SharedChunk } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Command } from "./command.ts";
import { GATE } from "./gates.ts";
import type { Server } from "./server.ts";

/** From here on it is asked first who may be sent a line. */
const LONG_LINE = 16 * 1024;
/** No line is longer: a command of as many bytes may become four times that. */
const LONGEST_LINE = 2 ** 31 - 1;

const SPACE = 0x20;
const LINE_END = latin1Bytes("\r\n");
const REDACTED = latin1Bytes(' "(redacted)"');

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

  /** Shows a client's command to all of them, which share one line. */
  feed(client: Client, command: Command, args: Args): void {
    const { server } = client;
    const head = lineHead(client);
    const secrets = command.spec.secrets?.(args) ?? [];
    const length = head.length + argumentsLength(args, secrets) + LINE_END.length;
    // Who may not be kept so much is closed before it is made.
    if (length >= LONG_LINE) {
      for (const monitor of this.#clients) server.limitOutput(monitor, length);
      if (this.#clients.size === 0) return;
    }
    const line = length > LONGEST_LINE ? undefined : newLine(length);
    if (line === undefined) return this.#giveUp(server, length);
    line.set(head);
    line.set(LINE_END, writeArguments(args, secrets, line, head.length));
    const chunk = new SharedChunk(line);
    for (const monitor of this.#clients) {
      if (monitor.closing) continue;
      monitor.reply.shared(chunk);
      server.flushes.later(monitor);
    }
  }

  /** A line cannot be shown: monitors are closed rather than shown the rest without it. */
  #giveUp(server: Server, length: number): void {
    server.log.warning(`Closing all monitors: no memory for a line of ${length} bytes`);
    for (const monitor of this.#clients) monitor.close();
  }
}

/** When the client's command runs, on which database, and from where. */
function lineHead({ server, connection, db }: Client): Uint8Array {
  const usec = Math.floor(server.time.nowMs * 1000);
  const seconds = Math.floor(usec / 1e6);
  const fraction = String(usec % 1e6).padStart(6, "0");
  const peer = connection.isUnix ? `unix:${connection.peer.replace(/:0$/, "")}` : connection.peer;
  return latin1Bytes(`+${seconds}.${fraction} [${db.number} ${peer}]`);
}

/** Bytes that {@link writeArguments} writes. */
function argumentsLength(args: Args, secrets: readonly number[]): number {
  let length = 0;
  for (let i = 0; i < args.count; i++) {
    if (secrets.includes(i)) length += REDACTED.length;
    else length += 1 + quotedLength(args.buf, args.off(i), args.len(i));
  }
  return length;
}

/** Writes the arguments, quoted, a space before each; returns where they end. */
function writeArguments(
  args: Args,
  secrets: readonly number[],
  line: Uint8Array,
  at: number,
): number {
  for (let i = 0; i < args.count; i++) {
    if (secrets.includes(i)) {
      line.set(REDACTED, at);
      at += REDACTED.length;
    } else {
      line[at] = SPACE;
      at = writeQuoted(args.buf, args.off(i), args.len(i), line, at + 1);
    }
  }
  return at;
}

function newLine(length: number): Uint8Array | undefined {
  try {
    return new Uint8Array(length);
  } catch {
    return undefined;
  }
}
