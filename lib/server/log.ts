/**
 * The server's log: one line an event, in Redis's shape
 * `PID:ROLE DD Mon YYYY HH:MM:SS.mmm C message` with the local time, so that its readers keep working.
 */
import { utf8Bytes } from "../bytes/text.ts";

export type LogLevel = "debug" | "verbose" | "notice" | "warning" | "nothing";

/** Child, primary, replica or sentinel: the letters that Redis logs. */
export type LogRole = "C" | "M" | "S" | "X";

const RANKS: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  verbose: 1,
  notice: 2,
  warning: 3,
  nothing: 4,
};
const MARKS = ".-*#";
const MONTHS = [
  "Jan",
  "Feb",
  "Mar",
  "Apr",
  "May",
  "Jun",
  "Jul",
  "Aug",
  "Sep",
  "Oct",
  "Nov",
  "Dec",
];

export interface LogOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly level?: LogLevel;
  /** Path to append to; empty is standard output. */
  readonly file?: string;
  /** Takes every line, its newline included, in place of the file or standard output. */
  readonly sink?: (line: string) => void;
}

export class Log {
  /** The lowest level that is written. */
  level: LogLevel;
  role: LogRole = "M";
  readonly #nowMs: () => number;
  readonly #sink: (line: string) => void;

  constructor(options: LogOptions) {
    this.level = options.level ?? "notice";
    this.#nowMs = options.nowMs;
    const file = options.file ?? "";
    this.#sink = options.sink ?? (file === "" ? toStandardOutput : (line) => toFile(file, line));
  }

  debug(message: string): void {
    this.#log("debug", message);
  }

  verbose(message: string): void {
    this.#log("verbose", message);
  }

  notice(message: string): void {
    this.#log("notice", message);
  }

  warning(message: string): void {
    this.#log("warning", message);
  }

  /** Whether a message of `level` would be written: spare the making of a long one. */
  writes(level: Exclude<LogLevel, "nothing">): boolean {
    return RANKS[level] >= RANKS[this.level];
  }

  /** Writes a line as it is, without prefix, whatever the level unless that is `nothing`. */
  raw(line: string): void {
    if (this.level !== "nothing") this.#sink(`${line}\n`);
  }

  #log(level: Exclude<LogLevel, "nothing">, message: string): void {
    if (!this.writes(level)) return;
    const mark = MARKS[RANKS[level]];
    this.#sink(`${Deno.pid}:${this.role} ${timestamp(this.#nowMs())} ${mark} ${message}\n`);
  }
}

function timestamp(ms: number): string {
  const date = new Date(ms);
  const pad = (value: number, width = 2) => String(value).padStart(width, "0");
  return `${pad(date.getDate())} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ` +
    `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.` +
    pad(date.getMilliseconds(), 3);
}

/*
 * A log that cannot be written (disk full, directory gone, pipe closed) must not stop the server:
 * both targets lose the line then.
 */

function toStandardOutput(line: string): void {
  try {
    writeAll(Deno.stdout, line);
  } catch {
    // See above.
  }
}

/** Opens the file for each line, so that a log that was rotated away begins anew. */
function toFile(path: string, line: string): void {
  try {
    using file = Deno.openSync(path, { append: true, create: true });
    writeAll(file, line);
  } catch {
    // See above.
  }
}

function writeAll(target: { writeSync(bytes: Uint8Array): number }, line: string): void {
  const bytes = utf8Bytes(line);
  for (let at = 0; at < bytes.length;) at += target.writeSync(bytes.subarray(at));
}
