/** Runs a RESP decoder as a connection does, and copies out what it decodes. */
import { Args } from "../../lib/resp/args.ts";
import { type CommandBatch, RequestDecoder, type RequestLimits } from "../../lib/resp/decoder.ts";

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
export function decode(chunks: readonly string[], options: DecodeOptions = {}): Decoded {
  const requester = {
    limits: {
      maxBulkLength: 512 * 1024 * 1024,
      maxQueryBytes: 1024 * 1024 * 1024,
      ...options.limits,
    },
    authenticated: options.authenticated ?? true,
  };
  const decoder = new RequestDecoder(requester);
  const decoded: Decoded = { commands: [] };
  const take = (batch: CommandBatch) => {
    const { buf, spans, used } = batch.own();
    for (let at = 0; at < used; at += 1 + 2 * spans[at]!) {
      const args = new Args(buf, spans, at + 1, spans[at]!);
      const command = Array.from({ length: args.count }, (_, i) => args.text(i));
      if (command[0] === options.authenticatesOn) requester.authenticated = true;
      decoded.commands.push(command);
    }
    if (batch.error !== undefined) decoded.error = batch.error;
    if (batch.overflow) decoded.overflow = true;
  };
  const buffer = new Uint8Array(Math.max(...chunks.map((chunk) => chunk.length)));
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++) buffer[i] = chunk.charCodeAt(i);
    let batch = decoder.decode(buffer, chunk.length);
    for (; batch !== undefined; batch = decoder.next()) take(batch);
    buffer.fill(0x2a);
  }
  return decoded;
}
