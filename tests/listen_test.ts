/** Where the server listens: addresses, Unix sockets, TLS, and changes of these while it runs. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { serve } from "../lib/mod.ts";
import { ListenError } from "../lib/server/listen.ts";
import { selfSigned } from "./support/certificate.ts";
import { startPair } from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const isWindows = Deno.build.os === "windows";

async function ping(port: number, hostname = "127.0.0.1"): Promise<string> {
  using client = await RespClient.connect(port, { hostname });
  return await client.ask("PING");
}

/** A port that was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

function canBind(hostname: string): boolean {
  try {
    Deno.listen({ hostname, port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("serve listens on 127.0.0.1 with a free port for port 0", async () => {
  await using server = await serve({ port: 0 });
  assert(server.port > 0);
  assertEquals(server.addresses.map((address) => ({ ...address })), [
    { transport: "tcp", hostname: "127.0.0.1", port: server.port },
  ]);
  assertEquals(await ping(server.port), "+PONG");
});

Deno.test({
  name: "bind names several addresses, which share one port",
  ignore: !canBind("127.0.0.2") || !canBind("::1"),
  async fn() {
    await using server = await serve({ port: 0, bind: "127.0.0.1 127.0.0.2 ::1" });
    assertEquals(server.addresses.length, 3);
    for (const hostname of ["127.0.0.1", "127.0.0.2", "::1"]) {
      assertEquals(await ping(server.port, hostname), "+PONG");
    }
    using client = await RespClient.connect(server.port, { hostname: "::1" });
    assertStringIncludes(await client.ask("CLIENT", "INFO"), "addr=[::1]:");
  },
});

Deno.test("an address behind a minus may be one that this machine lacks", async () => {
  await using server = await serve({ port: 0, bind: "127.0.0.1 -192.0.2.1" });
  assertEquals(server.addresses.length, 1);
  const error = await assertRejects(
    () => serve({ port: 0, bind: "127.0.0.1 192.0.2.1" }),
    ListenError,
  );
  assertStringIncludes(error.message, "Cannot listen on 192.0.2.1:");
});

Deno.test("* binds every address", async () => {
  await using server = await serve({ port: 0, bind: "* -::*" });
  assertEquals(await ping(server.port), "+PONG");
  assertEquals((server.addresses[0] as Deno.NetAddr).hostname, "0.0.0.0");
});

Deno.test("a port that is taken is told in one sentence, and nothing stays bound", async () => {
  await using server = await serve({ port: 0 });
  const free = freePort();
  const error = await assertRejects(
    () => serve({ port: free, "tls-port": server.port, "tls-cert-file": "none" }),
    ListenError,
  );
  assertStringIncludes(error.message, "Cannot read tls-cert-file none");
  const taken = await assertRejects(() => serve({ port: server.port }), ListenError);
  assertStringIncludes(
    taken.message,
    `Cannot listen on 127.0.0.1:${server.port}: the address is in use`,
  );
  // Another process may have it for a moment; what we had kept bound would stay so.
  await eventually(async () => {
    const later = await serve({ port: free }).catch(() => undefined);
    if (later === undefined) return false;
    await using _ = later;
    return await ping(later.port) === "+PONG";
  });
});

Deno.test({
  name: "a Unix socket is served with its permissions, and goes with the server",
  ignore: isWindows,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "redino_unix_" });
    const path = `${dir}/redino.sock`;
    try {
      {
        await using server = await serve({ port: 0, unixsocket: path, unixsocketperm: "700" });
        assertEquals(Deno.statSync(path).mode! & 0o777, 0o700);
        assertEquals({ ...server.addresses.at(-1)! }, { transport: "unix", path });
        using client = new RespClient(await Deno.connect({ transport: "unix", path }));
        assertEquals(await client.ask("PING"), "+PONG");
        const info = await client.ask("CLIENT", "INFO");
        assertStringIncludes(info, ` addr=${path}:0 laddr=${path}:0 `);
        assertStringIncludes(info, " flags=U ");
      }
      await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test({
  name: "a Unix socket that a dead server left is replaced, and an empty file; another is not",
  ignore: isWindows,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "redino_unix_" });
    const path = `${dir}/redino.sock`;
    try {
      const left = new Deno.Command(Deno.execPath(), {
        args: [
          "eval",
          `Deno.listen({ transport: "unix", path: ${
            JSON.stringify(path)
          } }); Deno.kill(Deno.pid, "SIGKILL")`,
        ],
        stdout: "null",
        stderr: "null",
      });
      await left.output();
      assert(Deno.lstatSync(path).isSocket);
      {
        await using server = await serve({ port: 0, unixsocket: path });
        assertEquals(server.addresses.length, 2);
      }
      await Deno.writeTextFile(path, "");
      {
        await using _server = await serve({ port: 0, unixsocket: path });
        assert(Deno.lstatSync(path).isSocket);
      }
      await Deno.writeTextFile(path, "precious");
      const error = await assertRejects(() => serve({ port: 0, unixsocket: path }), ListenError);
      assertStringIncludes(error.message, `Cannot listen on the Unix socket ${path}`);
      assertEquals(await Deno.readTextFile(path), "precious");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("tls-port serves TLS with the certificate, beside TCP", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_tls_" });
  try {
    const pem = await selfSigned(dir);
    assert(pem !== undefined, "openssl makes this test's certificate, and is not there");
    const tlsPort = freePort();
    await using server = await serve({
      port: 0,
      "tls-port": tlsPort,
      "tls-cert-file": pem.cert,
      "tls-key-file": pem.key,
    });
    const connectTls = async () =>
      new RespClient(
        await Deno.connectTls({
          hostname: "localhost",
          port: tlsPort,
          caCerts: [await Deno.readTextFile(pem.cert)],
        }),
      );
    using plain = await RespClient.connect(server.port);
    {
      using client = await connectTls();
      assertEquals(await client.ask("SET", "k", "x".repeat(1_000_000)), "+OK");
      assertEquals((await client.ask("GET", "k")).length, 1_000_002);
    }
    assertEquals(await plain.ask("STRLEN", "k"), ":1000000");

    // Who speaks no TLS there, or breaks off in the handshake, ends only himself.
    {
      using client = await RespClient.connect(tlsPort);
      await client.write("PING\r\n");
      await client.readToEnd().catch(() => {});
    }
    using _silent = await RespClient.connect(tlsPort);
    using again = await connectTls();
    assertEquals(await again.ask("PING"), "+PONG");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("CONFIG SET renews the TLS certificate, or refuses and keeps the old one", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_tls_" });
  try {
    const [old, renewed] = [await selfSigned(dir, "old"), await selfSigned(dir, "renewed")];
    assert(old !== undefined && renewed !== undefined, "openssl makes this test's certificates");
    const tlsPort = freePort();
    await using server = await serve({
      port: 0,
      "tls-port": tlsPort,
      "tls-cert-file": old.cert,
      "tls-key-file": old.key,
    });
    const pingTrusting = async (cert: string) => {
      const caCerts = [await Deno.readTextFile(cert)];
      const conn = await Deno.connectTls({ hostname: "localhost", port: tlsPort, caCerts });
      using client = new RespClient(conn);
      return await client.ask("PING");
    };
    using client = await RespClient.connect(server.port);
    assertEquals(
      await client.ask("CONFIG", "SET", "tls-cert-file", renewed.cert),
      "-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to update TLS configuration. Check server logs.",
    );
    assertEquals(await pingTrusting(old.cert), "+PONG");
    const set = ["CONFIG", "SET", "tls-cert-file", renewed.cert, "tls-key-file", renewed.key];
    assertEquals(await client.ask(...set), "+OK");
    await eventually(() =>
      pingTrusting(renewed.cert).then((reply) => reply === "+PONG", () => false)
    );
    assertEquals(await client.ask("PING"), "+PONG");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("tls-port without a certificate, or with a broken one, does not start", async () => {
  const tls = { port: 0, "tls-port": freePort() };
  const messageOf = async (options: Record<string, string | number>) =>
    (await assertRejects(() => serve({ ...tls, ...options }), ListenError)).message;
  assertEquals(await messageOf({}), "Cannot listen with TLS: tls-cert-file is not set.");
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  try {
    assertEquals(
      await messageOf({ "tls-cert-file": file }),
      "Cannot listen with TLS: tls-key-file is not set.",
    );
    await Deno.writeTextFile(file, "no certificate");
    assertStringIncludes(
      await messageOf({ "tls-cert-file": file, "tls-key-file": file }),
      "Cannot listen on 127.0.0.1:",
    );
  } finally {
    await Deno.remove(file);
  }
});

redisTest("CONFIG SET port moves the server, and those who are connected stay", async () => {
  await using pair = await startPair({ config: {} });
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (
    const [client, oldPort] of [[pair.redis, pair.redisPort], [
      pair.redino,
      pair.redinoPort,
    ]] as const
  ) {
    const port = freePort();
    assertEquals(await client.ask("CONFIG", "SET", "port", port), "+OK");
    assertEquals(await client.ask("PING"), "+PONG");
    assertEquals(await ping(port), "+PONG");
    await assertRejects(() => ping(oldPort));
    assertEquals(
      await client.ask("CONFIG", "SET", "port", taken.addr.port),
      "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.",
    );
    assertEquals(await client.ask("CONFIG", "GET", "port"), `["port" "${port}"]`);
    assertEquals(await ping(port), "+PONG");
  }
  taken.close();
});

redisTest("CONFIG SET bind changes the addresses, or fails and leaves them", async () => {
  await using pair = await startPair({ config: {} });
  for (
    const [client, port] of [[pair.redis, pair.redisPort], [pair.redino, pair.redinoPort]] as const
  ) {
    assertEquals(await client.ask("CONFIG", "SET", "bind", "127.0.0.2 127.0.0.1"), "+OK");
    assertEquals(await ping(port, "127.0.0.2"), "+PONG");
    assertEquals(await ping(port), "+PONG");
    assertEquals(
      await client.ask("CONFIG", "SET", "bind", "192.0.2.1"),
      "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.",
    );
    assertEquals(await ping(port), "+PONG");
    assertEquals(await client.ask("CONFIG", "GET", "bind"), '["bind" "127.0.0.2 127.0.0.1"]');
  }
});

/** Connects and resets, twenty times. */
const RESET_CONNECTIONS = `
  import { connect } from "node:net";
  console.log("begins");
  for (let i = 0; i < 20; i++) {
    await new Promise((ended) => {
      const socket = connect(Number(Deno.args[0]), "127.0.0.1", () => socket.resetAndDestroy());
      socket.on("close", ended).on("error", ended);
    });
  }
`;

Deno.test("a connection that is reset before it is accepted holds nobody up", async () => {
  const log: string[] = [];
  await using server = await serve({
    port: 0,
    "enable-debug-command": "yes",
    log: (line) => log.push(line),
  });
  using client = await RespClient.connect(server.port);
  // A process of its own, for connections come and go while the server is busy.
  await using resetting = new Deno.Command(Deno.execPath(), {
    args: ["eval", RESET_CONNECTIONS, String(server.port)],
    stdout: "piped",
  }).spawn();
  const reader = resetting.stdout.getReader();
  await reader.read();
  assertEquals(await client.ask("DEBUG", "SLEEP", "0.5"), "+OK");
  assertEquals(await ping(server.port), "+PONG");
  while (!(await reader.read()).done);
  assertEquals(await ping(server.port), "+PONG");
  assertEquals(log.filter((line) => line.includes("Accepting")), []);
});
