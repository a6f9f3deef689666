/** Commands that wait for lists, and how clients that wait for keys are served. */
import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { Args } from "../lib/resp/args.ts";
import type { Client } from "../lib/server/client.ts";
import { Server } from "../lib/server/server.ts";
import { TYPE } from "../lib/store/database.ts";
import {
  type ClientPair,
  type Command,
  compare,
  type Pair,
  startPair,
  type Step,
} from "./support/differential.ts";
import { eventually } from "./support/eventually.ts";
import { encodeCommand, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

const BINARY = new Uint8Array([0, 13, 10, 255, 128, 42]);

redisTest("commands that would wait answer at once as Redis does where they need not", async () => {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ protocol });
    const steps: Step[] = [["SET", "string", "s"]];
    for (const name of ["BLPOP", "BRPOP"]) {
      steps.push(
        [name, "l"],
        [name, "string", "x"],
        [name, "string", -1],
        [name, "string", 0],
        [name, "l", "string", 0],
        ["RPUSH", "l", 1, BINARY, "a", "b"],
        ["RPUSH", "m", 1],
        [name, "string", "l", 0],
        [name, "nothing", "l", "string", 0],
        [name, "l", "m", 0.5],
        [name, "m", "l", "1e3"],
        [name, "m", "l", "0x10"],
        [name, "l", 0],
        ["EXISTS", "l"],
      );
    }
    for (const timeout of ["x", "", "-1", "-0.5", "nan", "1 ", "-inf"]) {
      steps.push(["BLPOP", "l", timeout], ["BRPOP", "l", timeout]);
      steps.push(["BRPOPLPUSH", "l", "m", timeout], ["BLMOVE", "l", "m", "LEFT", "LEFT", timeout]);
      steps.push(["BLMPOP", timeout, 1, "l", "LEFT"]);
    }
    steps.push(
      ["BLMOVE", "string", "m", "UP", "LEFT", "x"],
      ["BLMOVE", "string", "m", "LEFT", "UP", "x"],
      ["BLMOVE", "string", "m", "LEFT", "RIGHT", 0],
      ["BRPOPLPUSH", "string", "m", 0],
      ["RPUSH", "l", "a", "b", "c", "d"],
      ["BLMOVE", "l", "string", "LEFT", "RIGHT", 0],
      ["BLMOVE", "l", "m", "left", "right", 0],
      ["BRPOPLPUSH", "l", "string", 0],
      ["BRPOPLPUSH", "l", "l", 0],
      ["BRPOPLPUSH", "l", "m", 0],
      ["BLMPOP", 0, 0, "l", "LEFT"],
      ["BLMPOP", -1, 0, "l", "LEFT"],
      ["BLMPOP", -1, "x", "l", "LEFT"],
      ["BLMPOP", -1, 2, "l", "LEFT"],
      ["BLMPOP", -1, 1, "l", "UP"],
      ["BLMPOP", -1, 1, "l", "LEFT", "COUNT", 0],
      ["BLMPOP", -1, 1, "l", "LEFT", "COUNT"],
      ["BLMPOP", -1, 1, "l", "LEFT", "COUNT", 1, "COUNT", 1],
      ["BLMPOP", 0, 2, "string", "l", "LEFT"],
      ["BLMPOP", 0, 2, "l", "m", "LEFT"],
      ["BLMPOP", 0, 2, "l", "m", "RIGHT", "COUNT", 10],
      ["BLMPOP", 0, 2, "l", "m", "RIGHT", "COUNT", 10],
    );
    await compare(pair, steps);
  }
});

redisTest(
  "time-outs end with Redis's replies, for each command, outside MULTI and inside",
  async () => {
    const commands: Command[] = [
      ["BLPOP", "l", "m", 0.01],
      ["BRPOP", "l", 0.01],
      ["BLMPOP", 0.01, 2, "l", "m", "LEFT"],
      ["BLMOVE", "l", "m", "LEFT", "RIGHT", 0.01],
      ["BRPOPLPUSH", "l", "m", 0.01],
      ["BLPOP", "l", "0.0000001"],
      ["BLPOP", "l", "1e-400"],
    ];
    for (const protocol of [2, 3] as const) {
      await using pair = await startPair({ protocol });
      await compare(pair, commands);
      await compare(pair, [["MULTI"], ...commands, ["BLPOP", "l", 0], ["EXEC"]]);
    }
  },
);

Deno.test("a time-out beyond 64 bits is refused as in 7.2", async () => {
  await using pair = await startPair();
  for (const timeout of ["0x7FFFFFFFFFFFFF", "inf", "1e400", "9223372036854775"]) {
    assertEquals(await pair.redino.ask("BLPOP", "l", timeout), "-ERR timeout is out of range");
  }
});

/** Both servers, one client that acts, and others that wait. */
class Scene implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly pair: Pair;

  private constructor(pair: Pair) {
    this.pair = this.#stack.use(pair);
  }

  static async start(): Promise<Scene> {
    return new Scene(await startPair({ config: { "notify-keyspace-events": "KEA" } }));
  }

  async connect(): Promise<ClientPair> {
    return this.#stack.use(await this.pair.connect());
  }

  /** A new client sends a command, and waits on both servers when this returns. */
  async waiter(...command: Command): Promise<ClientPair> {
    const client = await this.connect();
    await this.lets(client, command);
    return client;
  }

  /** A client sends a command, and waits on both servers when this returns. */
  async lets(client: ClientPair, command: Command): Promise<void> {
    const blocked = await blockedClients(this.pair.redis) + 1;
    await Promise.all([client.redis.post(...command), client.redino.post(...command)]);
    await this.blocked(blocked);
  }

  /** Runs the acting client's commands and compares the replies. */
  async act(...steps: readonly Step[]): Promise<void> {
    await compare(this.pair, steps);
  }

  /** Waits until both servers have so many clients that wait. */
  async blocked(count: number): Promise<void> {
    for (const client of [this.pair.redis, this.pair.redino]) {
      await eventually(async () => await blockedClients(client) === count);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Reads what a client that waited was answered; both servers must have answered the same. */
async function served(client: ClientPair): Promise<string> {
  const [redis, redino] = await Promise.all([client.redis.read(), client.redino.read()]);
  assertEquals(show(redino), show(redis));
  return show(redino);
}

async function blockedClients(client: RespClient): Promise<number> {
  return Number(/blocked_clients:(\d+)/.exec(await client.ask("INFO", "clients"))![1]);
}

redisTest("clients are served in the order in which they came", async () => {
  await using scene = await Scene.start();
  const first = await scene.waiter("BLPOP", "l", 0);
  const second = await scene.waiter("BRPOP", "m", "l", 0);
  const third = await scene.waiter("BLMPOP", 0, 2, "l", "m", "RIGHT", "COUNT", 2);
  const fourth = await scene.waiter("BLPOP", "l", 0);
  await scene.act(["RPUSH", "l", "a"], ["EXISTS", "l"]);
  await served(first);
  await scene.act(["RPUSH", "l", "b", "c", "d", "e"], ["LRANGE", "l", 0, -1]);
  await served(second);
  await served(third);
  await served(fourth);
  await scene.blocked(0);
  await scene.act(["LRANGE", "l", 0, -1], ["RPUSH", "m", "x"], ["LLEN", "m"]);
});

redisTest("a client that waits for a key twice, or for a binary one, is served once", async () => {
  await using scene = await Scene.start();
  const twice = await scene.waiter("BLPOP", "l", BINARY, "l", BINARY, 0);
  await scene.act(["RPUSH", BINARY, BINARY, "rest"]);
  await served(twice);
  await scene.act(["LRANGE", BINARY, 0, -1], ["RPUSH", "l", "a"], ["LLEN", "l"]);
});

redisTest("a list pushed and taken away in one transaction serves nobody", async () => {
  await using scene = await Scene.start();
  const waiter = await scene.waiter("BLPOP", "l", 0);
  await scene.act(["MULTI"], ["RPUSH", "l", "a"], ["LPOP", "l"], ["EXEC"]);
  await scene.act(["MULTI"], ["RPUSH", "l", "a"], ["DEL", "l"], ["SET", "l", "x"], ["EXEC"]);
  await scene.blocked(1);
  await scene.act(["DEL", "l"], ["MULTI"], ["RPUSH", "l", "a"], ["LPUSH", "l", "b"], ["EXEC"]);
  await served(waiter);
  await scene.act(["LRANGE", "l", 0, -1]);
});

redisTest("a blocking command in a transaction takes what that pushed", async () => {
  await using scene = await Scene.start();
  const waiter = await scene.waiter("BLPOP", "l", 0);
  await scene.act(["MULTI"], ["RPUSH", "l", "a"], ["BLPOP", "l", 0], ["BLPOP", "l", 0], ["EXEC"]);
  await scene.blocked(1);
  await scene.act(["RPUSH", "l", "b"]);
  await served(waiter);
});

redisTest("a served move serves whom its destination makes ready", async () => {
  await using scene = await Scene.start();
  const last = await scene.waiter("BLPOP", "c", 0);
  const middle = await scene.waiter("BLMOVE", "b", "c", "LEFT", "RIGHT", 0);
  const first = await scene.waiter("BRPOPLPUSH", "a", "b", 0);
  await scene.act(["RPUSH", "a", "x", "y"]);
  for (const client of [first, middle, last]) await served(client);
  await scene.act(["LRANGE", "a", 0, -1], ["EXISTS", "b", "c"]);

  const circle = await scene.waiter("BLMOVE", "p", "q", "LEFT", "LEFT", 0);
  const back = await scene.waiter("BLMOVE", "q", "p", "LEFT", "LEFT", 0);
  await scene.act(["RPUSH", "p", "x"]);
  await served(circle);
  await served(back);
  await scene.act(["LRANGE", "p", 0, -1], ["EXISTS", "q"]);
});

redisTest("a move to what is no list fails when it is served, and takes nothing", async () => {
  await using scene = await Scene.start();
  const move = await scene.waiter("BLMOVE", "l", "string", "LEFT", "LEFT", 0);
  const pop = await scene.waiter("BLPOP", "l", 0);
  await scene.act(["SET", "string", "s"], ["RPUSH", "l", "a"]);
  assertEquals((await served(move)).split(" ")[0], "-WRONGTYPE");
  await served(pop);
  await scene.act(["EXISTS", "l"]);
});

redisTest("a key that comes into being in any way serves", async () => {
  await using scene = await Scene.start();
  await scene.act(["RPUSH", "source", "a"]);
  const ways: readonly (readonly Step[])[] = [
    [["RENAME", "source", "l"]],
    [["RENAMENX", "source", "l"]],
    [["COPY", "source", "l"], ["DEL", "source"]],
    [["LMOVE", "source", "l", "LEFT", "LEFT"]],
    [["RPOPLPUSH", "source", "l"]],
    [["SELECT", 1], ["RPUSH", "l", "x"], ["MOVE", "l", 0], ["SELECT", 0], ["DEL", "source"]],
    [["SELECT", 1], ["RPUSH", "l", "x"], ["SWAPDB", 0, 1], ["FLUSHDB"], ["SELECT", 0]],
    [["SET", "l", "string"], ["COPY", "source", "l", "REPLACE"], ["DEL", "source"]],
    [["SET", "l", "string"], ["RENAME", "source", "l"]],
  ];
  for (const way of ways) {
    const waiter = await scene.waiter("BLPOP", "l", 0);
    await scene.act(["DEL", "source"], ["RPUSH", "source", "a"], ...way);
    await served(waiter);
    await scene.act(["EXISTS", "l", "source"]);
  }
});

redisTest(
  "clients wait on while their key has another type or is in another database",
  async () => {
    await using scene = await Scene.start();
    const elsewhere = await scene.connect();
    await compare(elsewhere, [["SELECT", 3]]);
    await scene.lets(elsewhere, ["BLPOP", "l", 0]);
    const here = await scene.waiter("BLPOP", "l", "m", 0);
    await scene.act(["SET", "l", "string"], ["DEL", "l"], ["SADD", "l", "member"], ["DEL", "l"]);
    await scene.blocked(2);
    await scene.act(["RPUSH", "l", "a"]);
    await served(here);
    await scene.act(["SELECT", 3], ["RPUSH", "l", "b"], ["EXISTS", "l"]);
    await served(elsewhere);
  },
);

redisTest("CLIENT UNBLOCK ends a wait by time-out or with an error", async () => {
  await using scene = await Scene.start();
  for (const reason of [[], ["TIMEOUT"], ["ERROR"]]) {
    const waiter = await scene.waiter("BLMOVE", "l", "m", "LEFT", "LEFT", 0);
    for (const name of ["redis", "redino"] as const) {
      const list = await scene.pair[name].ask("CLIENT", "LIST");
      const id = /id=(\d+)[^\\]*flags=b/.exec(list)![1]!;
      assertEquals(await scene.pair[name].ask("CLIENT", "UNBLOCK", id, ...reason), ":1");
      assertEquals(await scene.pair[name].ask("CLIENT", "UNBLOCK", id, ...reason), ":0");
    }
    await served(waiter);
    await scene.act(["RPUSH", "l", "a"], ["LPOP", "l"]);
  }
});

redisTest("a client that goes away while it waits takes nothing with it", async () => {
  await using scene = await Scene.start();
  const gone = await scene.waiter("BLPOP", "l", 0);
  const stays = await scene.waiter("BLPOP", "l", 0);
  gone.redis.close();
  gone.redino.close();
  await scene.blocked(1);
  await scene.act(["RPUSH", "l", "a"]);
  await served(stays);
});

redisTest("what a client sent after its blocking command runs when that is done", async () => {
  await using scene = await Scene.start();
  const waiter = await scene.waiter("BLPOP", "l", 0);
  for (const client of [waiter.redis, waiter.redino]) {
    await client.post("RPUSH", "done", "x");
    await client.post("BLPOP", "m", 0);
    await client.post("LRANGE", "done", 0, -1);
  }
  await scene.act(["EXISTS", "done"], ["RPUSH", "l", "a"]);
  await served(waiter);
  await served(waiter);
  await scene.blocked(1);
  await scene.act(["RPUSH", "m", "b"]);
  await served(waiter);
  await served(waiter);
});

redisTest(
  "bytes that are no request end the connection when the commands before are done",
  async () => {
    await using scene = await Scene.start();
    const waiter = await scene.waiter("BLPOP", "l", 0);
    for (const client of [waiter.redis, waiter.redino]) {
      await client.write(`${latin1(encodeCommand(["BLPOP", "m", 0]))}*1\r\nno bulk\r\n`);
    }
    await scene.act(["RPUSH", "l", "a"]);
    await served(waiter);
    await scene.blocked(1);
    await scene.act(["RPUSH", "m", "b"]);
    await served(waiter);
    const [redis, redino] = await Promise.all([
      waiter.redis.readToEnd(),
      waiter.redino.readToEnd(),
    ]);
    assertEquals(latin1(redino), latin1(redis));
  },
);

redisTest("serving tells of the events of which Redis tells", async () => {
  await using scene = await Scene.start();
  using listener = await scene.pair.connect();
  await compare(listener, [["PSUBSCRIBE", "__keyevent@0__:*"]]);
  const pop = await scene.waiter("BRPOP", "l", 0);
  const move = await scene.waiter("BLMOVE", "l", "m", "LEFT", "RIGHT", 0);
  await scene.act(["RPUSH", "l", "a", "b"], ["SET", "end", "x"]);
  await served(pop);
  await served(move);
  for (let told = ""; !told.includes("end");) {
    const [redis, redino] = await Promise.all([
      listener.redis.readAny(),
      listener.redino.readAny(),
    ]);
    told = show(redino);
    assertEquals(told, show(redis));
  }
});

redisTest("many clients that wait for several keys are all served as by Redis", async () => {
  await using scene = await Scene.start();
  const keys = ["a", "b", "c"];
  const waiters: ClientPair[] = [];
  for (let i = 0; i < 30; i++) {
    const wanted = [keys[i % 3]!, ...(i % 2 === 0 ? [keys[(i + 1) % 3]!] : [])];
    waiters.push(await scene.waiter(i % 4 === 0 ? "BRPOP" : "BLPOP", ...wanted, 0));
  }
  for (let i = 0; i < 60; i++) {
    const key = keys[(i * 7) % 3]!;
    await scene.act(["RPUSH", key, ...Array.from({ length: i % 3 + 1 }, (_, n) => `${i}.${n}`)]);
  }
  await Promise.all(waiters.map(served));
  await scene.act(...keys.map((key): Step => ["LRANGE", key, 0, -1]));
});

Deno.test("a client takes the first of its keys that is ready when a transaction is over", async () => {
  await using pair = await startPair();
  using other = await RespClient.connect(pair.redinoPort);
  await other.post("BLPOP", "a", "b", 0);
  await eventually(async () => await blockedClients(pair.redino) === 1);
  await pair.redino.send("MULTI");
  await pair.redino.send("RPUSH", "b", "second");
  await pair.redino.send("RPUSH", "a", "first");
  await pair.redino.send("EXEC");
  assertEquals(show(await other.read()), `["a" "first"]`);
});

Deno.test("a key that expired before its transaction was over serves nobody", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  using other = await RespClient.connect(pair.redinoPort);
  await other.post("BLPOP", "l", 0);
  await eventually(async () => await blockedClients(redino) === 1);
  await redino.send("MULTI");
  await redino.send("RPUSH", "l", "expired");
  await redino.send("PEXPIRE", "l", 1);
  await redino.send("DEBUG", "SLEEP", "0.02");
  await redino.send("EXEC");
  assertEquals(await blockedClients(redino), 1);
  await redino.send("RPUSH", "l", "late");
  assertEquals(show(await other.read()), `["l" "late"]`);
});

Deno.test("a command that waited is counted once, when it is done", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  for (const [timeout, end] of [[0, ["RPUSH", "l", "a"]], [0.2, ["PING"]]] as const) {
    using other = await RespClient.connect(pair.redinoPort);
    assertEquals(/cmdstat_blpop/.test(await countsWhileWaiting(redino, other, timeout)), false);
    await redino.send(...end);
    await other.read();
    const stats = await redino.ask("INFO", "commandstats");
    assertEquals(/cmdstat_blpop:calls=(\d+)/.exec(stats)?.[1], "1");
  }
});

/** Lets a client wait for the list `l`; returns what INFO counts while it does. */
async function countsWhileWaiting(
  acting: RespClient,
  waiting: RespClient,
  timeout: number,
): Promise<string> {
  for (;;) {
    await acting.send("CONFIG", "RESETSTAT");
    await waiting.post("BLPOP", "l", timeout);
    let counts = "";
    await eventually(async () => {
      counts = await acting.ask("INFO", "clients", "commandstats");
      return /blocked_clients:1|cmdstat_blpop/.test(counts);
    });
    if (counts.includes("blocked_clients:1")) return counts;
    // Its time had passed before anyone looked: once more.
    await waiting.read();
  }
}

Deno.test("INFO tells how many keys are waited for", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  const waitedFor = async () => {
    return /total_blocking_keys:(\d+)/.exec(await redino.ask("INFO", "clients"))![1];
  };
  using first = await RespClient.connect(pair.redinoPort);
  using second = await RespClient.connect(pair.redinoPort);
  await first.post("BLPOP", "a", "b", "a", 0);
  await second.post("BLPOP", "b", "c", 0);
  await eventually(async () => await blockedClients(redino) === 2);
  assertEquals(await waitedFor(), "3");
  await redino.send("RPUSH", "b", "x");
  assertEquals(await waitedFor(), "2");
  await redino.send("RPUSH", "b", "x");
  assertEquals(await waitedFor(), "0");
});

/** Lets a client wait for the list `l`, with `orGone` or not, and then run EXISTS again and again. */
function letWait(server: Server, client: Client, orGone: boolean): void {
  const args = Args.of("EXISTS", "l");
  client.lastCommand = server.commands.find(args)!;
  server.effects.blockedKeys.wait(client, args, 1, 1, TYPE.list, 0, orGone);
}

Deno.test("who is to know when a key is gone is told in whatever way it goes", async () => {
  await using server = await serve({ port: 0 });
  assert(server instanceof Server);
  using acting = await RespClient.connect(server.port);
  const ways: readonly (readonly Command[])[] = [
    [["DEL", "l"]],
    [["UNLINK", "l"]],
    [["LPOP", "l"]],
    [["SET", "l", "x"]],
    [["RENAME", "l", "other"]],
    [["SET", "other", "x"], ["RENAME", "other", "l"]],
    [["MULTI"], ["DEL", "l"], ["RPUSH", "l", "y"], ["EXEC"]],
    [["PEXPIRE", "l", 0]],
    [["PEXPIRE", "l", 1]],
    [["MOVE", "l", 1]],
    [["FLUSHDB"]],
    [["FLUSHALL"]],
    [["SWAPDB", 0, 1]],
  ];
  for (const way of ways) {
    await acting.send("FLUSHALL");
    await acting.send("RPUSH", "l", "x");
    using waiting = await RespClient.connect(server.port);
    await waiting.send("PING");
    const client = [...server.clients.values()].at(-1)!;
    letWait(server, client, true);
    assertEquals(await acting.ask("TYPE", "l"), "+list");
    assertEquals(await acting.ask("LPUSH", "l", "a"), ":2");
    assertEquals(await acting.ask("LPOP", "l"), '"a"');
    assertEquals(server.blocking.count, 1);
    for (const command of way) await acting.send(...command);
    assertEquals((await waiting.read()).type, "integer", way.join(" "));
    assertEquals(server.blocking.count, 0);
  }
});

Deno.test("a key that was there serves when it is said to be ready, and else does not", async () => {
  await using server = await serve({ port: 0 });
  assert(server instanceof Server);
  using acting = await RespClient.connect(server.port);
  await acting.send("RPUSH", "l", "x");
  using waiting = await RespClient.connect(server.port);
  await waiting.send("PING");
  const client = [...server.clients.values()].at(-1)!;
  letWait(server, client, false);
  await acting.send("RPUSH", "l", "y");
  await acting.send("SET", "l", "z");
  await acting.send("DEL", "l");
  assertEquals(server.blocking.count, 1);
  await acting.send("RPUSH", "l", "y");
  assertEquals(await waiting.ask("PING"), ":1");
  assertEquals(show(await waiting.read()), "+PONG");

  letWait(server, client, false);
  const key = Args.of("l");
  server.effects.keyReady(server.dbs[0]!, key.buf, key.off(0), key.len(0));
  await acting.send("PING");
  assertEquals(server.blocking.count, 0);
  assertEquals(show(await waiting.read()), ":1");
});
