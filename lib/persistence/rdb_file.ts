/**
 * A snapshot's file on its way to disk. It is written under a temporary name beside its target, synced,
 * renamed over the target, and the directory is synced: whatever happens, the target is the old file
 * or the new one, whole.
 *
 * Each step exists twice, for BGSAVE, during which others run, and for SAVE, during which nobody does.
 * Whoever begins a file ends it, by completing or discarding it.
 */
import { join } from "node:path";
import process from "node:process";
import { systemErrorText } from "../config/special_kinds.ts";

/** With `rdb-save-incremental-fsync` the disk gets its work in such portions, as in Redis. */
const SYNC_BYTES = 4 * 1024 * 1024;

const TEMP_NAME = /^temp-(\d+)-\d+\.rdb$/;
let namesGiven = 0;

export type SaveStep = "open" | "write" | "sync" | "rename" | "directory";

/** The message is the line for the log, in Redis's words, with the reason at its end. */
export class SaveError extends Error {
  readonly step: SaveStep;
  /** What the system says. */
  readonly reason: string;

  constructor(step: SaveStep, text: string, error: unknown) {
    const reason = systemErrorText(error);
    super(`${text}: ${reason}`);
    this.step = step;
    this.reason = reason;
  }
}

export class RdbFile {
  readonly #file: Deno.FsFile;
  readonly #dir: string;
  readonly #name: string;
  readonly #temp: string;
  readonly #syncsOften: boolean;
  #unsynced = 0;
  #open = true;

  private constructor(
    file: Deno.FsFile,
    dir: string,
    name: string,
    temp: string,
    syncsOften: boolean,
  ) {
    this.#file = file;
    this.#dir = dir;
    this.#name = name;
    this.#temp = temp;
    this.#syncsOften = syncsOften;
  }

  /** Begins the file that is to be `name` in `dir`; throws SaveError, as all steps do. */
  static begin(dir: string, name: string, syncsOften: boolean): RdbFile {
    const temp = tempName();
    try {
      const file = Deno.openSync(join(dir, temp), {
        write: true,
        create: true,
        truncate: true,
        mode: 0o644,
      });
      return new RdbFile(file, dir, name, temp, syncsOften);
    } catch (error) {
      throw new SaveError(
        "open",
        `Failed opening the temp RDB file ${temp} (in server root dir ${dir}) for saving`,
        error,
      );
    }
  }

  async write(chunks: Uint8Array[]): Promise<void> {
    try {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length;) at += await this.#file.write(chunk.subarray(at));
        if (this.#syncIsDue(chunk.length)) await this.#file.syncData();
      }
    } catch (error) {
      throw writeError(error);
    }
  }

  writeNow(chunk: Uint8Array): void {
    try {
      for (let at = 0; at < chunk.length;) at += this.#file.writeSync(chunk.subarray(at));
      if (this.#syncIsDue(chunk.length)) this.#file.syncDataSync();
    } catch (error) {
      throw writeError(error);
    }
  }

  /**
   * Puts the file in its target's place. Throws the signal's reason where it has to be given up: whoever
   * aborts it may be sure that the target is not replaced afterwards.
   */
  async complete(signal: AbortSignal): Promise<void> {
    try {
      await this.#file.sync();
    } catch (error) {
      throw syncError(error);
    }
    // A second name keeps the old file's blocks from being freed, which takes long, by the rename.
    const old = join(this.#dir, tempName());
    await Deno.link(join(this.#dir, this.#name), old).catch(() => {});
    try {
      signal.throwIfAborted();
      this.#rename();
    } finally {
      await Deno.remove(old).catch(() => {});
    }
    const dir = await Deno.open(this.#dir).catch(() => undefined);
    // Where directories cannot be opened (Windows), the rename is the system's to keep.
    if (dir === undefined) return;
    try {
      await dir.sync();
    } catch (error) {
      throw this.#directoryError(error);
    } finally {
      dir.close();
    }
  }

  completeNow(): void {
    try {
      this.#file.syncSync();
    } catch (error) {
      throw syncError(error);
    }
    this.#rename();
    syncDirectoryNow(this.#dir, (error) => this.#directoryError(error));
  }

  /** Removes what there is of it; does nothing after it was completed. */
  async discard(): Promise<void> {
    this.#close();
    await Deno.remove(join(this.#dir, this.#temp)).catch(() => {});
  }

  discardNow(): void {
    this.#close();
    removeIfThere(join(this.#dir, this.#temp));
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#file.close();
  }

  #syncIsDue(written: number): boolean {
    this.#unsynced += written;
    if (!this.#syncsOften || this.#unsynced < SYNC_BYTES) return false;
    this.#unsynced = 0;
    return true;
  }

  #rename(): void {
    this.#close();
    try {
      Deno.renameSync(join(this.#dir, this.#temp), join(this.#dir, this.#name));
    } catch (error) {
      throw new SaveError(
        "rename",
        `Error moving temp DB file ${this.#temp} on the final destination ${this.#name} ` +
          `(in server root dir ${this.#dir})`,
        error,
      );
    }
  }

  #directoryError(error: unknown): SaveError {
    return new SaveError("directory", "Failed to fsync directory while saving DB", error);
  }
}

/** Numbered, since a file that is given up may still be closing when the next one begins. */
function tempName(): string {
  return `temp-${Deno.pid}-${++namesGiven}.rdb`;
}

/**
 * Removes the temporary files that servers left behind which were killed: those of processes that are
 * gone, and of our own ID, which another had before.
 */
export function removeLeftovers(dir: string): void {
  for (const name of namesIn(dir)) {
    const pid = TEMP_NAME.exec(name)?.[1];
    if (pid === undefined) continue;
    if (Number(pid) === Deno.pid ? namesGiven === 0 : !isRunning(Number(pid))) {
      removeIfThere(join(dir, name));
    }
  }
}

/** What a directory holds; nothing where it cannot be read, which whoever opens its files will say. */
function namesIn(dir: string): string[] {
  try {
    return Array.from(Deno.readDirSync(dir), ({ name }) => name);
  } catch {
    return [];
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It has been renamed, or somebody was faster, or the directory is gone with it.
  }
}

function syncDirectoryNow(path: string, failed: (error: unknown) => SaveError): void {
  let dir: Deno.FsFile;
  try {
    dir = Deno.openSync(path);
  } catch {
    return; // See complete().
  }
  try {
    dir.syncSync();
  } catch (error) {
    throw failed(error);
  } finally {
    dir.close();
  }
}

function writeError(error: unknown): SaveError {
  return new SaveError("write", "Write error while saving DB to the disk(rdbSaveRio)", error);
}

function syncError(error: unknown): SaveError {
  return new SaveError("sync", "Write error while saving DB to the disk(fsync)", error);
}
