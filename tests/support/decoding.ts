/** Runs a RESP decoder as a connection does, and copies out what it decodes. */
import { assert } from "@std/assert";
import { Args } from "../../lib/resp/args.ts";
import { type CommandBatch, type RequestLimits, RespDecoder } from "../../lib/resp/decoder.ts";

export interface Decoded {
  commands: string[][];
  error?: string;
  overflow?: true;
}

export interface DecodeOptions {
  limits?: Partial<RequestLimits>;
  authenticated?: boolean;
  /** Authenticates when this command is run. */
  authenticatesOn?: string;
}

/**
 * Feeds chunks from one buffer that is overwritten as soon as a chunk is used up, as a connection
 * does, and copies each batch before the next chunk goes in.
 */
export async function decode(
  chunks: readonly string[],
  options: DecodeOptions = {},
): Promise<Decoded> {
  const requester = {
    limits: {
      maxBulkLength: 512 * 1024 * 1024,
      maxQueryBytes: 1024 * 1024 * 1024,
      ...options.limits,
    },
    authenticated: options.authenticated ?? true,
  };
  let consumed = 0;
  const decoder = new RespDecoder(requester, () => consumed++);
  const decoded: Decoded = { commands: [] };
  let taken = 0;
  let fed = 0;
  const take = (batch: CommandBatch) => {
    taken++;
    const { buf, spans, used } = batch.own();
    for (let at = 0; at < used; at += 1 + 2 * spans[at]!) {
      const args = new Args(buf, spans, at + 1, spans[at]!);
      const command = Array.from({ length: args.count }, (_, i) => args.text(i));
      if (command[0] === options.authenticatesOn) requester.authenticated = true;
      decoded.commands.push(command);
    }
    if (batch.error !== undefined) decoded.error = batch.error;
    if (batch.overflow) decoded.overflow = true;
    batch.done?.();
  };
  const reading = (async () => {
    for await (const batch of decoder.readable) {
      take(batch);
    }
  })();
  const writer = decoder.writable.getWriter();
  const buffer = new Uint8Array(Math.max(...chunks.map((chunk) => chunk.length)));
  for (const chunk of chunks) {
    if (decoded.error !== undefined || decoded.overflow) break;
    fed++;
    for (let i = 0; i < chunk.length; i++) buffer[i] = chunk.charCodeAt(i);
    await writer.write(buffer.subarray(0, chunk.length));
    // The batch's reader comes some microtasks after the transform.
    for (let turn = 0; turn < 12; turn++) await null;
    buffer.fill(0x2a);
  }
  await writer.close();
  await reading;
  // Each chunk is given back by whoever used it up last, or its connection would never read again.
  assert(consumed + taken >= fed);
  return decoded;
}
