/**
 * Loading an RDB file into databases, in whatever pieces its bytes come.
 */
import type { Database } from "../store/database.ts";
import type { ValueLimits } from "./rdb_read.ts";
export { RdbError } from "./rdb_input.ts";

/** Who is told what the file says of itself, and what of it is left out. */
export interface LoadLog {
  notice(text: string): void;
  warning(text: string): void;
}

export interface RdbLoaderOptions {
  readonly dbs: readonly Database[];
  /** Keys whose time has come by then are dropped … */
  readonly nowMs: number;
  /** … but for a replica, which waits for its primary's DEL. */
  readonly keepExpired: boolean;
  /** The thresholds of the values' encodings: the configuration's. */
  readonly limits: ValueLimits;
  readonly log: LoadLog;
  /** A name for errors: the file's. */
  readonly source: string;
  /** `rdbchecksum`. */
  readonly verifyChecksum: boolean;
  /** How long the file is, where that is known: how many keys are made room for rests on it. */
  readonly fileBytes?: number;
  /** A key that is there already is replaced; without this that is an error. */
  readonly replaceKeys?: boolean;
}

export class RdbLoader {
  /** Whether the file's end was reached, its checksum included. */
  done = false;
  /** What the file says of itself. */
  readonly aux: Map<string, string> = new Map();
  keysLoaded = 0;
  keysExpired = 0;
  emptyKeysSkipped = 0;

  constructor(_options: RdbLoaderOptions) {
    throw new Error("It is being written");
  }

  /**
   * Takes bytes and loads every record that is complete by then; the bytes are the caller's again
   * afterwards. Returns how many were taken: all of them but for what follows the file's end. Throws
   * RdbError.
   */
  push(_bytes: Uint8Array): number {
    return 0;
  }

  /** Throws RdbError if the file's end was not reached. */
  finish(): void {}
}
