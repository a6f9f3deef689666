/**
 * The request decoder as a TransformStream, for programs that embed: a proxy, a reader of captures.
 *
 * The server itself gives its decoder the chunks without a stream between, which would cost each request
 * more than decoding it does (ARCHITECTURE.md, Connections).
 */
import { Args } from "./args.ts";
import { RequestDecoder } from "./decoder.ts";

const DEFAULTS = { maxBulkLength: 512 * 1024 * 1024, maxQueryBytes: 1024 * 1024 * 1024 };

/**
 * From bytes of RESP requests to commands, each an array of its arguments, the name first.
 *
 * ```ts
 * for await (const [name, ...args] of conn.readable.pipeThrough(new RespDecoder())) …
 * ```
 *
 * Bytes that are no request, a command beyond the limits, and an end within a command fail the stream
 * with an Error.
 */
export class RespDecoder extends TransformStream<Uint8Array, Uint8Array[]> {
  /** `maxBulkLength`: bytes of an argument; `maxQueryBytes`: bytes of an incomplete command. */
  constructor(limits: { readonly maxBulkLength?: number; readonly maxQueryBytes?: number } = {}) {
    const decoder = new RequestDecoder({ limits: { ...DEFAULTS, ...limits }, authenticated: true });
    super({
      transform(chunk, controller) {
        // Inline arguments are unquoted in place, and the chunk is not ours.
        const batch = decoder.decode(chunk.slice(), chunk.length);
        if (batch === undefined) return;
        const { buf, spans, used, error, overflow } = batch;
        for (let at = 0; at < used; at += 1 + 2 * spans[at]!) {
          const args = new Args(buf, spans, at + 1, spans[at]!);
          controller.enqueue(Array.from({ length: args.count }, (_, i) => args.copy(i)));
        }
        decoder.next();
        if (error !== undefined) throw new Error(error);
        if (overflow) throw new Error("The command is longer than maxQueryBytes");
      },
      flush() {
        if (decoder.carried > 0) throw new Error("The bytes end within a command");
      },
    });
  }
}
