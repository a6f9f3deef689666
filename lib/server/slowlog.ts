/** SLOWLOG: the latest commands that took longer than `slowlog-log-slower-than`. */
import type { Args } from "../resp/args.ts";
import type { Client } from "./client.ts";

/** Redis's bounds on what an entry keeps of a command. */
const MAX_ARGUMENTS = 32;
const MAX_ARGUMENT_BYTES = 128;

export interface SlowlogEntry {
  readonly id: number;
  readonly timeSeconds: number;
  readonly usec: number;
  readonly args: readonly Uint8Array[];
  readonly peer: string;
  readonly clientName: string;
}

export class Slowlog {
  /** Microseconds from which a command is noted; Infinity for none. */
  thresholdUsec = 10_000;
  maxLength = 128;
  /** Newest first. */
  entries: SlowlogEntry[] = [];
  #nextId = 0;

  /** Notes a command that took `usec`; `secrets` are arguments that are not shown. */
  note(client: Client, args: Args, usec: number, secrets: readonly number[] = []): void {
    this.entries.unshift({
      id: this.#nextId++,
      timeSeconds: Math.floor(client.server.time.nowMs / 1000),
      usec: Math.floor(usec),
      args: shortened(args, secrets),
      peer: client.connection.peer,
      clientName: client.name,
    });
    this.trim();
  }

  trim(): void {
    if (this.entries.length > this.maxLength) this.entries.length = this.maxLength;
  }
}

function shortened(args: Args, secrets: readonly number[]): Uint8Array[] {
  const encoder = new TextEncoder();
  const kept: Uint8Array[] = [];
  for (let i = 0; i < args.count; i++) {
    if (args.count > MAX_ARGUMENTS && i === MAX_ARGUMENTS - 1) {
      kept.push(encoder.encode(`... (${args.count - MAX_ARGUMENTS + 1} more arguments)`));
      break;
    }
    const arg = secrets.includes(i) ? encoder.encode("(redacted)") : args.copy(i);
    const more = arg.length - MAX_ARGUMENT_BYTES;
    if (more <= 0) {
      kept.push(arg);
      continue;
    }
    const note = encoder.encode(`... (${more} more bytes)`);
    const short = new Uint8Array(MAX_ARGUMENT_BYTES + note.length);
    short.set(arg.subarray(0, MAX_ARGUMENT_BYTES));
    short.set(note, MAX_ARGUMENT_BYTES);
    kept.push(short);
  }
  return kept;
}
