/**
 * A replica's link to its primary, made again whenever it breaks:
 *
 *     connect ─► connecting ─► handshake ─┬─► (partial) ─────────► connected
 *        ▲                                └─► sync ─► loading ───►     │
 *        └──────────── at once, or at the next second's tick ◄─────────┘
 *
 * Once it is up, the primary is a client like others to the router, whose replies nobody hears
 * ({@link Client.isPrimary}). Positions of the stream (see `stream.ts`) tell how far it got:
 *
 * - *received*: all bytes that were read;
 * - *parsed*: received without the command that is not complete yet;
 * - *applied*: where our data stand, which is the end of our own stream: what was parsed, but within
 *   MULTI the position before it, since the commands have not run. What was received and not applied is
 *   kept until it is, and then goes into the stream, for replicas of ours.
 *
 * A link that broke asks to go on from what was applied: so nothing is lost, and nothing done twice.
 */
import type { Client } from "../server/client.ts";
import type { Server } from "../server/server.ts";
import type { ConfigValues } from "../config/config.ts";
import { type HostPort, systemErrorText } from "../config/special_kinds.ts";
import { type CommandBatch, RequestDecoder } from "../resp/decoder.ts";
import { requestBytes } from "../resp/request.ts";
import { latin1Bytes } from "../bytes/text.ts";
import { AppliedBytes } from "./applied_bytes.ts";
import { introduce, requestSync } from "./handshake.ts";
import { LinkError, PrimarySocket } from "./primary_socket.ts";
import { SyncLoad } from "./sync_load.ts";

/** In ROLE's words, but for `loading`, which is `sync` there. */
export type LinkState = "connect" | "connecting" | "handshake" | "sync" | "loading" | "connected";

/** Bytes read at once: what the decoder's buffers are made for. */
const READ_BYTES = 16 * 1024;
const NEWLINE = latin1Bytes("\n");

export class PrimaryLink {
  readonly host: string;
  readonly port: number;
  state: LinkState = "connect";
  /** When bytes came last. */
  lastIoMs: number;
  /** Since when it is down; undefined while it is up, and before it was. */
  downSinceMs: number | undefined;
  /** Settles when it was ended and nothing of it is left: no socket, no file. */
  ended: Promise<void> = Promise.resolve();
  /** The full sync that is going on. */
  sync: SyncLoad | undefined;
  /** The primary as a client, while the link is up. */
  client: Client | undefined;

  readonly #server: Server;
  /** Set while the primary is still to be asked to take over from us: told whether it does. */
  #onFailoverAnswer: ((accepted: boolean) => void) | undefined;
  #conn: Deno.Conn | undefined;
  #connecting: AbortController | undefined;
  /** Aborted when the link is ended for good. */
  readonly #stop = new AbortController();
  /** Why we closed the connection ourselves. */
  #reason = "";
  /** Lets the next attempt begin. */
  #wake: (() => void) | undefined;
  /** Whether the primary wants to know how far we are: one older than PSYNC does not. */
  #acknowledges = false;

  readonly #bytes: AppliedBytes;
  /** The batch that runs, for positions within it. */
  #batch: CommandBatch | undefined;

  /**
   * With `onFailoverAnswer` the primary is a replica of ours that is asked to take over, FAILOVER's last
   * step; it is told how that was answered, unless the link is ended before.
   */
  constructor(
    server: Server,
    address: HostPort,
    onFailoverAnswer?: (accepted: boolean) => void,
  ) {
    this.#server = server;
    this.host = address.host;
    this.port = address.port;
    this.#onFailoverAnswer = onFailoverAnswer;
    this.lastIoMs = server.time.nowMs;
    this.#bytes = new AppliedBytes(server.replication.stream);
  }

  /** Whether data flow. */
  get isUp(): boolean {
    return this.state === "connected";
  }

  /** The position behind the last byte that was read, INFO's slave_read_repl_offset. */
  get receivedOffset(): number {
    return this.#bytes.received;
  }

  /** Makes the link, and makes it again, until {@link PrimaryLink.stop}. */
  async run(): Promise<void> {
    const { log } = this.#server;
    log.notice(`Connecting to MASTER ${this.#address}`);
    while (!this.#stopped) {
      const wasUp = await this.#attempt();
      if (this.#stopped) return;
      this.#setState("connect");
      if (wasUp) log.notice(`Reconnecting to MASTER ${this.#address}`);
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Ends the link for good. */
  stop(): void {
    this.#stop.abort(new LinkError("the link was ended"));
    this.#onFailoverAnswer = undefined;
    this.#close("");
    this.#wake?.();
  }

  /** Once a second: acknowledges, and tries again where the link is down. */
  tick(): void {
    const { log, time } = this.#server;
    if (this.state === "connect") {
      if (this.#wake === undefined) return;
      log.notice(`Connecting to MASTER ${this.#address}`);
      this.#wake();
      this.#wake = undefined;
      return;
    }
    // It may have nothing to say while it waits for us to load.
    if (this.state === "loading") {
      this.lastIoMs = time.nowMs;
      this.#conn?.write(NEWLINE).catch(() => {});
    } else if (this.state === "connected") this.acknowledge();
  }

  /** Gives up a primary that was silent for longer than `repl-timeout`. */
  judge(): void {
    if (this.state === "connect") return;
    const { config, time } = this.#server;
    if (time.nowMs - this.lastIoMs > 1000 * config.values["repl-timeout"]) {
      this.#close(TIMEOUTS[this.state]);
    }
  }

  /** Tells the primary how far we are: REPLCONF ACK. */
  acknowledge(): void {
    const { client } = this;
    if (client === undefined || !this.#acknowledges) return;
    client.push(requestBytes("REPLCONF", "ACK", String(this.#appliedNow())));
    // While its own command runs, the router sends it after that.
    if (this.#batch === undefined) client.connection.flush();
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get #address(): string {
    return `${this.host}:${this.port}`;
  }

  #setState(state: LinkState): void {
    this.state = state;
    this.#server.replicaChanged();
  }

  #close(reason: string): void {
    this.#reason ||= reason;
    this.#connecting?.abort();
    if (this.client !== undefined) this.client.close();
    else closeQuietly(this.#conn);
  }

  /** Connects and follows the primary until the link breaks; returns whether it was up. */
  async #attempt(): Promise<boolean> {
    const { log, time } = this.#server;
    let wasUp = false;
    this.#reason = "";
    this.lastIoMs = time.nowMs;
    try {
      this.#setState("connecting");
      log.notice("MASTER <-> REPLICA sync started");
      const socket = await this.#connect();
      this.#setState("handshake");
      const rest = await this.#synchronize(socket);
      wasUp = true;
      await this.#follow(socket.conn, rest);
      log.notice("Connection with master lost.");
      if (this.#server.replication.resumable) log.notice("Caching the disconnected master state.");
    } catch (error) {
      if (this.#stopped) return false;
      if (this.state === "connected") this.#server.reportBug("the link to the primary", error);
      else log.warning(this.#reason || failureText(error));
    } finally {
      time.refresh();
      this.client?.close();
      closeQuietly(this.#conn);
      this.client =
        this.#conn =
        this.#connecting =
        this.sync =
          undefined;
      if (wasUp) this.downSinceMs = time.nowMs;
    }
    return wasUp;
  }

  async #connect(): Promise<PrimarySocket> {
    const { config: { values }, log, time, stats } = this.#server;
    this.#connecting = new AbortController();
    const { signal } = this.#connecting;
    const { host: hostname, port } = this;
    try {
      const conn = values["tls-replication"]
        ? await connectTls({ hostname, port, ...tlsFiles(values) }, signal)
        : await Deno.connect({ hostname, port, signal });
      this.#conn = conn;
    } catch (error) {
      throw new LinkError(`Error condition on socket for SYNC: ${systemErrorText(error)}`);
    } finally {
      this.#connecting = undefined;
    }
    this.#stop.signal.throwIfAborted();
    log.notice("Non blocking connect for SYNC fired the event.");
    return new PrimarySocket(this.#conn, (count) => {
      time.refresh();
      this.lastIoMs = time.nowMs;
      stats.replicationInputBytes += count;
    });
  }

  /** Gets our data to where the stream goes on; returns what of it was read already. */
  async #synchronize(socket: PrimarySocket): Promise<Uint8Array> {
    const server = this.#server;
    const { config: { values }, log, replication } = server;
    await introduce(socket, {
      user: values.masteruser,
      password: values.masterauth,
      port: values["replica-announce-port"] ||
        (values["tls-replication"] ? values["tls-port"] : server.port),
      ip: values["replica-announce-ip"],
    }, log);
    const from = replication.resumable
      ? { id: replication.id, offset: replication.stream.offset }
      : undefined;
    const failover = this.#onFailoverAnswer !== undefined;
    const answer = await requestSync(socket, { from, failover }, log).catch((error) => {
      this.#failoverAnswered(false);
      throw error;
    });
    this.#stop.signal.throwIfAborted();
    this.#failoverAnswered(true);
    if (answer.kind === "continue") {
      this.#acknowledges = true;
      if (answer.id !== undefined && answer.id !== replication.id) {
        log.notice(`Master replication ID changed to ${answer.id}`);
        replication.follow(answer.id);
        // They must know of the ID, and can go on right away.
        replication.replicas.disconnect();
      }
      log.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
      if (!replication.hasBacklog) replication.createBacklog();
      return socket.rest();
    }
    this.#setState("sync");
    this.sync = new SyncLoad(
      server,
      answer,
      (on) => this.#setState(on ? "loading" : "sync"),
      this.#stop.signal,
    );
    await this.sync.receive(socket);
    this.sync = undefined;
    this.#acknowledges = replication.resumable;
    return socket.rest();
  }

  #failoverAnswered(accepted: boolean): void {
    const tell = this.#onFailoverAnswer;
    this.#onFailoverAnswer = undefined;
    tell?.(accepted);
  }

  /** Runs what the primary sends, until the link breaks. */
  async #follow(conn: Deno.Conn, rest: Uint8Array): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const server = this.#server;
    const { replication, router, stats, time } = server;
    const client = server.welcomePrimary(conn);
    this.client = client;
    const bytes = this.#bytes;
    bytes.begin();
    this.downSinceMs = undefined;
    this.#setState("connected");
    this.acknowledge();

    const decoder = new RequestDecoder(client);
    // Before anybody else goes on: a snapshot that begins there must know where the data stand.
    client.onBatch = () => {
      const batch = this.#batch!;
      this.#batch = undefined;
      bytes.ran(batch, bytes.received - decoder.carried, client.transaction !== undefined);
      replication.selected = client.db.number;
      // What follows bytes that are no request cannot be understood, so nothing can go on from here.
      if (batch.error !== undefined) replication.resumable = false;
    };
    const apply = (chunk: Uint8Array) => {
      bytes.receive(chunk);
      const batch = decoder.decode(chunk, chunk.length);
      if (batch === undefined) return bytes.skipped(bytes.received - decoder.carried);
      this.#batch = batch;
      router.runBatch(client, batch);
      decoder.next();
    };

    for (let at = 0; at < rest.length && !client.closing; at += READ_BYTES) {
      apply(rest.subarray(at, at + READ_BYTES));
    }
    const chunk = new Uint8Array(READ_BYTES);
    while (!client.closing) {
      const count = await conn.read(chunk).catch(() => null);
      // The link may have been ended meanwhile.
      if (count === null || client.closing) break;
      time.refresh();
      this.lastIoMs = time.nowMs;
      stats.replicationInputBytes += count;
      apply(chunk.subarray(0, count));
    }
    if (this.#reason !== "") server.log.warning(this.#reason);
  }

  /** Where our data stand, also while a batch runs. */
  #appliedNow(): number {
    return this.#batch === undefined ? this.#bytes.applied : this.#bytes.appliedWithin(this.#batch);
  }
}

/** What the log says of a link that broke before it was up. */
function failureText(error: unknown): string {
  if (error instanceof LinkError) return error.message;
  return `Failed to talk to MASTER: ${systemErrorText(error)}`;
}

/** What the log says where a primary was silent for longer than `repl-timeout`. */
const TIMEOUTS: Readonly<Record<LinkState, string>> = {
  connect: "",
  connecting: "Timeout connecting to the MASTER...",
  handshake: "Timeout connecting to the MASTER...",
  sync:
    "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.",
  loading: "",
  connected: "MASTER timeout: no data nor PING received...",
};

/** The certificates by which the primary is known, and we are to it. */
function tlsFiles(values: ConfigValues): Partial<Deno.ConnectTlsOptions & Deno.TlsCertifiedKeyPem> {
  const ca = values["tls-ca-cert-file"];
  const cert = values["tls-client-cert-file"] || values["tls-cert-file"];
  const key = values["tls-client-key-file"] || values["tls-key-file"];
  return {
    // Redis, too, looks at the certificate and not at the name in it.
    unsafelyDisableHostnameVerification: true,
    ...(ca === "" ? {} : { caCerts: [Deno.readTextFileSync(ca)] }),
    ...(cert === "" || key === "" ? {} : {
      keyFormat: "pem",
      cert: Deno.readTextFileSync(cert),
      key: Deno.readTextFileSync(key),
    }),
  };
}

/** Connects, unless the signal comes first: then what is connected later is closed at once. */
async function connectTls(
  options: Deno.ConnectTlsOptions & Partial<Deno.TlsCertifiedKeyPem>,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  const connecting = (async () => {
    const conn = await Deno.connectTls(options as Deno.ConnectTlsOptions);
    // The handshake would otherwise wait for the first byte.
    await conn.handshake().catch((error) => {
      conn.close();
      throw error;
    });
    return conn;
  })();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => {
    connecting.then(closeQuietly, () => {});
    reject(signal.reason);
  });
  return await Promise.race([connecting, aborted]);
}

function closeQuietly(conn: Deno.Conn | undefined): void {
  try {
    conn?.close();
  } catch {
    // It is closed already.
  }
}
