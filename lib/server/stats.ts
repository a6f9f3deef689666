/** What INFO's stats section counts, beside what the commands and the keyspace count themselves. */

/** Beyond so many kinds of error, Redis stops telling them apart. */
const MAX_ERROR_CODES = 128;

export class Stats {
  connections = 0;
  rejectedConnections = 0;
  commands = 0;
  /** Batches run and rounds of the cron, the time from the batches' beginning to their commands' end, and these commands' own. */
  cycles = 0;
  busyUsec = 0;
  commandUsec = 0;
  /** What active expiry took. */
  expiryMs = 0;
  /** Reads from clients' sockets and writes to them, and their bytes. */
  reads = 0;
  writes = 0;
  inputBytes = 0;
  outputBytes = 0;
  /** Those of them that went to replicas. */
  replicaOutputBytes = 0;
  /** Bytes that our primary sent, beside those. */
  replicationInputBytes = 0;
  /** Errors in answer to what our primary sent. */
  unexpectedErrors = 0;
  /** Synchronisations of replicas: whole, in part, and those that could not be in part. */
  fullSyncs = 0;
  partialSyncs = 0;
  refusedPartialSyncs = 0;
  queryBufferDisconnections = 0;
  outputBufferDisconnections = 0;
  evictedClients = 0;
  peakMemoryBytes = 0;
  /** Error replies by their code. */
  readonly errors = new Map<string, number>();
  errorReplies = 0;

  noteError(line: string): void {
    this.errorReplies++;
    const space = line.indexOf(" ");
    const code = space < 0 ? line : line.slice(0, space);
    const count = this.errors.get(code);
    if (count === undefined && this.errors.size >= MAX_ERROR_CODES) return;
    this.errors.set(code, (count ?? 0) + 1);
  }

  reset(): void {
    this.connections = this.rejectedConnections = this.commands = 0;
    this.cycles =
      this.busyUsec =
      this.commandUsec =
      this.expiryMs =
        0;
    this.replicationInputBytes = this.unexpectedErrors = 0;
    this.reads =
      this.writes =
      this.inputBytes =
      this.outputBytes =
      this.replicaOutputBytes =
        0;
    this.fullSyncs = this.partialSyncs = this.refusedPartialSyncs = 0;
    this.queryBufferDisconnections = this.outputBufferDisconnections = this.evictedClients = 0;
    this.errors.clear();
    this.errorReplies = 0;
  }
}
