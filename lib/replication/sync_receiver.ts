/**
 * A full sync, as the replica sees it: the RDB comes with its length before it, or between two marks
 * where the primary does not know the length yet, and is loaded from a file or as it comes.
 */
import { latin1 } from "../bytes/text.ts";
import { answerLine } from "./handshake.ts";
import { LinkError, type PrimarySocket } from "./primary_socket.ts";

/** Hex digits of the mark that ends an RDB of unknown length. */
const MARK_BYTES = 40;

/** How the RDB's end is told. */
export type Framing =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "mark"; readonly mark: string };

/** Reads how the RDB comes; throws LinkError where the primary says something else. */
export async function readFraming(socket: PrimarySocket): Promise<Framing> {
  socket.failure = "I/O error reading bulk count from MASTER";
  const line = await answerLine(socket);
  if (line.startsWith("-")) {
    throw new LinkError(`MASTER aborted replication with an error: ${line.slice(1)}`);
  }
  if (!line.startsWith("$")) {
    throw new LinkError(
      `Bad protocol from MASTER, the first byte is not '$' (we received '${line}'), ` +
        "are you sure the host and port are right?",
    );
  }
  const mark = /^\$EOF:(.{40})$/.exec(line)?.[1];
  if (mark !== undefined) return { kind: "mark", mark };
  if (!/^\$\d{1,15}$/.test(line)) {
    throw new LinkError(`Bad length of the RDB from MASTER: '${line}'`);
  }
  return { kind: "length", bytes: Number(line.slice(1)) };
}

/** Gives an RDB's bytes to `take`, piece by piece; what follows stays in the socket. */
export async function receiveRdb(
  socket: PrimarySocket,
  framing: Framing,
  take: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  if (framing.kind === "mark") return await receiveToMark(socket, framing.mark, take);
  for (let left = framing.bytes; left > 0;) {
    const bytes = await socket.bytes();
    const count = Math.min(left, bytes.length);
    await take(bytes.subarray(0, count));
    socket.consume(count);
    left -= count;
  }
}

/**
 * The mark is the last that the primary sends until we have acknowledged, so it is looked for at the
 * end of what has come; as many bytes are held back.
 */
async function receiveToMark(
  socket: PrimarySocket,
  mark: string,
  take: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let held: Uint8Array = new Uint8Array(0);
  for (;;) {
    const bytes = await socket.bytes();
    const all = new Uint8Array(held.length + bytes.length);
    all.set(held);
    all.set(bytes, held.length);
    socket.consume(bytes.length);
    const known = Math.max(0, all.length - MARK_BYTES);
    if (known > 0) await take(all.subarray(0, known));
    held = all.subarray(known);
    if (held.length === MARK_BYTES && latin1(held) === mark) return;
  }
}
