/**
 * Subscribers in a process of their own: they subscribe, then receive a number of bytes, and the time
 * from the first to the last is printed. Arguments: port, how many subscribers, how many channels each
 * listens to, bytes to receive.
 *
 * One read of Deno's costs about what a server spends on a message, so it would be measured instead
 * of the server. The sockets here are read through epoll and recv of the C library, on Linux only.
 */
import { encodeCommand } from "../../tests/support/resp_client.ts";

const CHANNEL_DIGITS = 12;
const LOOPBACK = [127, 0, 0, 1];

const AF_INET = 2;
const SOCK_STREAM = 1;
const MSG_DONTWAIT = 0x40;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const MAX_EVENTS = 256;
/** struct epoll_event is packed on x86-64 alone. */
const [EVENT_BYTES, EVENT_DATA] = Deno.build.arch === "x86_64" ? [12, 4] : [16, 8];
/** Without a byte for so long, something has gone wrong. */
const SILENCE_MS = 10_000;

/** The channel of a number, as redis-benchmark writes `channel:__rand_int__`. */
export function channelName(i: number): string {
  return `channel:${String(i).padStart(CHANNEL_DIGITS, "0")}`;
}

function openLibc() {
  return Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    epoll_create1: { parameters: ["i32"], result: "i32" },
    epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
    epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  }).symbols;
}

type Libc = ReturnType<typeof openLibc>;

/** Connected sockets that one epoll watches. */
class Sockets {
  readonly #libc: Libc = openLibc();
  readonly #epoll = this.#libc.epoll_create1(0);
  readonly #events = new Uint8Array(MAX_EVENTS * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  readonly #bytes = new Uint8Array(256 * 1024);

  /** Connects to a port of this machine and sends the request. */
  open(port: number, request: Uint8Array<ArrayBuffer>): void {
    const libc = this.#libc;
    const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port);
    address.set(LOOPBACK, 4);
    if (libc.connect(fd, address, address.length) !== 0) throw new Error("Could not connect");
    if (Number(libc.send(fd, request, BigInt(request.length), 0)) !== request.length) {
      throw new Error("Could not send all of the request");
    }
    const event = new Uint8Array(EVENT_BYTES);
    const fields = new DataView(event.buffer);
    fields.setUint32(0, EPOLLIN, true);
    fields.setInt32(EVENT_DATA, fd, true);
    if (libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event) !== 0) {
      throw new Error("Could not watch a socket");
    }
  }

  /** Waits for bytes and reads what has come; returns how many they were. */
  receive(): number {
    const libc = this.#libc;
    const ready = libc.epoll_wait(this.#epoll, this.#events, MAX_EVENTS, SILENCE_MS);
    if (ready <= 0) throw new Error("Nothing came for ten seconds");
    let received = 0;
    for (let i = 0; i < ready; i++) {
      const fd = this.#view.getInt32(i * EVENT_BYTES + EVENT_DATA, true);
      const count = libc.recv(fd, this.#bytes, BigInt(this.#bytes.length), MSG_DONTWAIT);
      if (Number(count) <= 0) throw new Error("The server closed a connection");
      received += Number(count);
    }
    return received;
  }
}

function confirmationBytes(channels: readonly string[]): number {
  let bytes = 0;
  for (const [i, channel] of channels.entries()) {
    bytes += encodeCommand(["subscribe", channel]).length + `:${i + 1}\r\n`.length;
  }
  return bytes;
}

if (import.meta.main) {
  const [port, subscribers, channelCount, wanted] = Deno.args.map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const sockets = new Sockets();
  const channels = Array.from({ length: channelCount }, (_, i) => channelName(i));
  const request = new Uint8Array(encodeCommand(["SUBSCRIBE", ...channels]));
  for (let i = 0; i < subscribers; i++) sockets.open(port, request);
  for (let left = subscribers * confirmationBytes(channels); left > 0;) left -= sockets.receive();
  console.log("ready");

  const first = sockets.receive();
  const startMs = performance.now();
  let received = first;
  while (received < wanted) received += sockets.receive();
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ seconds, bytes: received - first }));
}
