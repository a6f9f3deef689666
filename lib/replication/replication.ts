/**
 * What a server is in replication: a primary with its stream and replicas, or a replica with a link to
 * its primary. The two sides stand in `replicas.ts` and `primary_link.ts`.
 *
 * A data set's history has an ID and grows by the bytes of the stream. A replica that becomes a
 * primary begins a history with a new ID that shares the old one's beginning: `id2` names the old
 * one, which is ours up to `id2Offset`. Whoever asks to go on from a position that we still hold, in
 * either history, need not be sent everything.
 */
import { Propagation } from "./propagation.ts";
import { ReplicationStream } from "./stream.ts";

export const NO_ID = "0".repeat(40);

export class Replication {
  /** This history: 40 hex digits, INFO's master_replid. */
  id: string;
  /** The history before, valid up to {@link Replication.id2Offset}; {@link NO_ID} if there is none. */
  id2 = NO_ID;
  /** Up to which position `id2` is this history too: INFO's second_repl_offset, less 1; -1 if none. */
  id2Offset = -1;
  readonly stream = new ReplicationStream();
  readonly propagation = new Propagation(this.stream);

  constructor(id: string) {
    this.id = id;
  }
}
