/** A replica that does nothing by itself: what it says, reads and acknowledges is the test's choice. */
import { eventually } from "./eventually.ts";
import { skipSnapshot } from "./replica_stream.ts";
import { info } from "./replication.ts";
import { RespClient, show } from "./resp_client.ts";

export class RawReplica implements Disposable {
  readonly link: RespClient;

  private constructor(link: RespClient) {
    this.link = link;
  }

  /** Connects, and says what it can do (REPLCONF), in pairs. */
  static async connect(port: number, ...pairs: readonly string[]): Promise<RawReplica> {
    const link = await RespClient.connect(port, { timeoutMs: 20_000 });
    const reply = await link.ask("REPLCONF", ...pairs);
    if (reply !== "+OK") throw new Error(`REPLCONF was answered ${reply}`);
    return new RawReplica(link);
  }

  /** Connects and gets all data; returns when it is online. It has acknowledged nothing but 0. */
  static async attach(port: number): Promise<RawReplica> {
    const replica = await RawReplica.connect(port, "capa", "eof", "capa", "psync2");
    const reply = await replica.psync("?", -1);
    if (!reply.startsWith("FULLRESYNC")) throw new Error(`PSYNC was answered ${reply}`);
    await skipSnapshot(replica.link);
    using control = await RespClient.connect(port);
    // redis-server knows only a moment later that it has sent all, and takes no note of an ACK before.
    await eventually(async () => {
      const fields = await info(control, "replication");
      const count = Number(fields.get("connected_slaves"));
      for (let i = 0; i < count; i++) {
        if (!fields.get(`slave${i}`)!.includes("state=online")) return false;
      }
      return true;
    });
    await replica.ack(0);
    return replica;
  }

  /** Asks to go on; returns the answer's text. */
  async psync(id: string, offset: number | string): Promise<string> {
    await this.link.post("PSYNC", id, offset);
    return await this.answer();
  }

  /** The answer to a PSYNC. The newlines that tell a waiting replica that the primary lives are left out. */
  async answer(): Promise<string> {
    let line = "";
    while (line === "") line = await this.line();
    return line.slice(1);
  }

  /** The next line, without its end. */
  async line(): Promise<string> {
    let line = "";
    for (;;) {
      const byte = (await this.link.readRaw(1))[0]!;
      if (byte === 0x0a) return line.trimEnd();
      line += String.fromCharCode(byte);
    }
  }

  /** Tells how far it is; that is not answered. */
  async ack(offset: number): Promise<void> {
    await this.link.post("REPLCONF", "ACK", offset);
  }

  /** The next command of the stream. */
  async next(): Promise<string> {
    return show(await this.link.readAny());
  }

  /** Returns when the server has closed the connection. */
  async gone(): Promise<void> {
    await this.link.readToEnd();
  }

  [Symbol.dispose](): void {
    this.link.close();
  }
}
