import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { serve } from "../lib/mod.ts";
import { ENCODING, NO_EXPIRY } from "../lib/store/database.ts";
import { type SetLimits, SetValue } from "../lib/store/set_value.ts";
import { startPair } from "./support/differential.ts";
import { seeded } from "./support/rng.ts";
import { type Argument, type Reply, RespClient, show } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";
import { TestStore } from "./support/store.ts";

const INT64_MAX = "9223372036854775807";
const INT64_MIN = "-9223372036854775808";
const FUTURE_S = "4102444800";
const LONG = "x".repeat(65);

redisTest("intsets are Redis's, byte for byte", () =>
  seeded(async (rng) => {
    await using pair = await startPair({ config: { rdbcompression: "no" } });
    const limits = limitsOf(512, 0, 0);
    for (let round = 0; round < 20; round++) {
      const set = new SetValue().createIntset(new TestStore(1, 1).dbs[0]!);
      await pair.redis.send("DEL", "s");
      const widest = rng.pick([2 ** 7, 2 ** 15, 2 ** 31, 2 ** 53]);
      for (let i = 0; i < 100; i++) {
        const value = rng.oneIn(50)
          ? rng.pick([INT64_MAX, INT64_MIN])
          : String(rng.int(-widest, widest - 1));
        const bytes = latin1Bytes(value);
        set.add(bytes, 0, bytes.length, limits);
        await pair.redis.send("SADD", "s", value);
        if (!rng.oneIn(3)) continue;
        const index = rng.int(0, set.size - 1);
        const { buf, off, len } = set.read(index);
        await pair.redis.send("SREM", "s", latin1(buf, off, len));
        set.removeAt(index);
      }
      if (set.size === 0) continue;
      // DUMP: the type, the length (short, or of 14 bits), the intset, a version and a checksum.
      const dumped = latin1Bytes(plain(await pair.redis.send("DUMP", "s")));
      const head = (dumped[1]! & 0xc0) === 0 ? 2 : 3;
      assertEquals(blockOf(set), dumped.slice(head, -10));
    }
  }));

/** The bytes of an intset or listpack. */
function blockOf(set: SetValue): Uint8Array {
  const { db } = set;
  const key = latin1Bytes("blockOf");
  set.addKey(key, 0, key.length);
  const entry = db.find(key, 0, key.length);
  const [ref, len] = [db.low(entry), db.high(entry)];
  const off = db.arena.off(ref, len);
  return db.arena.buf(ref, len).slice(off, off + len);
}

// ---- 7.2's encodings --------------------------------------------------------------------------------

function limitsOf(intset: number, listpack: number, value: number): SetLimits {
  return {
    "set-max-intset-entries": intset,
    "set-max-listpack-entries": listpack,
    "set-max-listpack-value": value,
  };
}

interface Redino extends AsyncDisposable {
  ask(...command: Argument[]): Promise<string>;
  send(...command: Argument[]): Promise<Reply>;
  encoding(key: string): Promise<string>;
}

async function startRedino(): Promise<Redino> {
  const server = await serve({ port: 0, save: "" });
  const client = await RespClient.connect(server.port);
  await client.send("CONFIG", "SET", "set-max-intset-entries", "8");
  await client.send("CONFIG", "SET", "set-max-listpack-entries", "4");
  await client.send("CONFIG", "SET", "set-max-listpack-value", "10");
  return {
    ask: async (...command) => plain(await client.send(...command)),
    send: (...command) => client.send(...command),
    encoding: async (key) => plain(await client.send("OBJECT", "ENCODING", key)),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The text of a bulk string, the digits of an integer. */
function plain(reply: Reply): string {
  if (reply.type === "integer") return String(reply.value);
  if (reply.type !== "bulk") throw new TypeError(`Not a bulk string: ${show(reply)}`);
  return reply.text;
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
}

Deno.test("SADD chooses a new set's encoding by the first member and how many are given", async () => {
  await using redino = await startRedino();
  const cases: readonly [encoding: string, members: string[]][] = [
    ["intset", ["1"]],
    ["intset", range(1, 8)],
    ["hashtable", range(1, 9)],
    ["listpack", ["a", "1"]],
    ["listpack", ["a", "b", "c", "d"]],
    ["hashtable", ["a", "b", "c", "d", "e"]],
    ["hashtable", ["a", "a", "a", "a", "a"]],
    ["hashtable", ["12345678901a"]],
    ["listpack", ["1", "a"]],
    ["listpack", ["1", "2", "3", "a"]],
    ["hashtable", ["1", "2", "3", "4", "a"]],
    ["hashtable", ["1", "elevenbytes"]],
    ["hashtable", ["12345678901", "a"]],
    ["listpack", ["1234567890", "a"]],
    ["hashtable", ["-1234567890", "a"]],
    ["intset", ["12345678901"]],
  ];
  for (const [encoding, given] of cases) {
    await redino.send("DEL", "s");
    await redino.send("SADD", "s", ...given);
    assertEquals([given, await redino.encoding("s")], [given, encoding]);
  }
});

Deno.test("SADD converts a set that grows, and SREM never converts it back", async () => {
  await using redino = await startRedino();
  await redino.send("SADD", "s", "1", "2");
  await redino.send("SADD", "s", ...range(3, 8));
  assertEquals(await redino.encoding("s"), "intset");
  await redino.send("SADD", "s", "9");
  assertEquals(await redino.encoding("s"), "hashtable");
  await redino.send("SREM", "s", ...range(2, 9));
  assertEquals(await redino.encoding("s"), "hashtable");

  await redino.send("SADD", "p", "a", "1");
  await redino.send("SREM", "p", "a");
  assertEquals(await redino.encoding("p"), "listpack");
  await redino.send("SADD", "p", ...["a", "a", "a", "a", "a"]);
  assertEquals(await redino.encoding("p"), "hashtable");

  await redino.send("SADD", "q", "a", "b", "c", "1");
  await redino.send("SADD", "q", "1");
  assertEquals(await redino.encoding("q"), "listpack");
  await redino.send("SADD", "q", "2");
  assertEquals(await redino.encoding("q"), "hashtable");
  assertEquals(await redino.ask("SCARD", "q"), "5");
});

Deno.test("the STORE commands encode their result by how it grows", async () => {
  await using redino = await startRedino();
  await redino.send("SADD", "i", "1", "2", "3");
  await redino.send("SADD", "p", "1", "2", "a");
  await redino.send("SADD", "t", "1", "a", "b", "c", "d", "e");
  const cases: readonly [encoding: string, ...command: string[]][] = [
    ["intset", "SUNIONSTORE", "to", "i"],
    ["listpack", "SUNIONSTORE", "to", "i", "p"],
    ["hashtable", "SUNIONSTORE", "to", "p", "t"],
    ["intset", "SINTERSTORE", "to", "i", "p"],
    ["listpack", "SINTERSTORE", "to", "p", "p"],
    ["listpack", "SINTERSTORE", "to", "p", "t"],
    ["hashtable", "SINTERSTORE", "to", "t"],
    ["intset", "SDIFFSTORE", "to", "i", "t"],
    ["listpack", "SDIFFSTORE", "to", "p", "i"],
  ];
  for (const [encoding, ...command] of cases) {
    await redino.send(...command);
    assertEquals([command, await redino.encoding("to")], [command, encoding]);
  }
  await redino.send("SADD", "u", "1", "x", "y", "z", "v", "w", "t");
  await redino.send("SINTERSTORE", "to", "t", "u");
  assertEquals(await redino.encoding("to"), "intset");
});

Deno.test("SPOP that leaves few of a table makes a listpack of them", async () => {
  await using redino = await startRedino();
  await redino.send("SADD", "s", ...range(1, 40), "a");
  await redino.send("EXPIREAT", "s", FUTURE_S);
  await redino.send("SPOP", "s", "38");
  assertEquals(await redino.encoding("s"), "listpack");
  assertEquals(await redino.ask("SCARD", "s"), "3");
  assertEquals(await redino.ask("EXPIRETIME", "s"), FUTURE_S);
});

Deno.test("SPOP, SRANDMEMBER and SMEMBERS agree in every encoding", () =>
  seeded(async (rng) => {
    await using redino = await startRedino();
    for (let round = 0; round < 60; round++) {
      const size = rng.int(1, 60);
      const letter = rng.pick(["", "m"]);
      const all = new Set(Array.from({ length: size }, (_, i) => `${letter}${i * 3}`));
      await redino.send("SADD", "s", ...all);
      const picks = rng.int(1, size + 2);
      const picked = texts(await redino.send("SRANDMEMBER", "s", picks));
      assertEquals(picked.length, Math.min(picks, size));
      assertEquals(new Set(picked).size, picked.length);
      assert(picked.every((member) => all.has(member)));
      const repeated = texts(await redino.send("SRANDMEMBER", "s", -picks));
      assertEquals(repeated.length, picks);
      assert(repeated.every((member) => all.has(member)));

      const popped = texts(await redino.send("SPOP", "s", rng.int(1, size)));
      for (const member of popped) {
        assert(all.delete(member), `${member} popped twice, or never in`);
      }
      assertEquals(texts(await redino.send("SMEMBERS", "s")).sort(), [...all].sort());
      await redino.send("DEL", "s");
    }
  }));

function texts(reply: Reply): string[] {
  if (!("items" in reply)) throw new TypeError("Not an array or a set");
  return reply.items.map((item) => "text" in item ? item.text : "");
}

Deno.test("SSCAN gives each member that stays, while others come and go", () =>
  seeded(async (rng) => {
    await using redino = await startRedino();
    for (let round = 0; round < 5; round++) {
      await redino.send("DEL", "s");
      const staying = Array.from({ length: rng.int(50, 500) }, (_, i) => `stays ${i}`);
      await redino.send("SADD", "s", ...staying);
      const passing: string[] = [];
      const seen = new Set<string>();
      let cursor = "0";
      do {
        const reply = await redino.send("SSCAN", "s", cursor, "COUNT", rng.int(1, 30));
        if (!("items" in reply)) throw new TypeError("Not an array");
        const [next, found] = reply.items;
        cursor = next !== undefined && "text" in next ? next.text : "0";
        for (const member of texts(found!)) seen.add(member);
        const added = Array.from({ length: rng.int(0, 60) }, () => `passes ${rng.int(0, 9999)}`);
        if (added.length > 0) await redino.send("SADD", "s", ...added);
        passing.push(...added);
        const removed = passing.splice(0, rng.int(0, 50));
        if (removed.length > 0) await redino.send("SREM", "s", ...removed);
      } while (cursor !== "0");
      assertEquals(staying.filter((member) => !seen.has(member)), []);
    }
  }));

// ---- the store --------------------------------------------------------------------------------------

Deno.test("a set value is what a naive set is, in every encoding, and gives its memory back", () =>
  seeded((rng) => {
    for (let round = 0; round < 30; round++) {
      const db = new TestStore(1, rng.int(0, 1e9)).dbs[0]!;
      const limits = limitsOf(rng.int(0, 40), rng.int(0, 40), rng.int(0, 12));
      const model = new Set<string>();
      const besideBytes = db.arena.besideBytes;
      const set = new SetValue().createIntset(db);
      for (let step = 0; step < 400; step++) {
        const text = rng.oneIn(10) && round % 2 === 0
          ? rng.pick(["a", "bb", "\0\xff", LONG, "y".repeat(40_000), ""])
          : String(rng.int(-20, 60) * rng.pick([1, 1, 1000, 100_000_000]));
        const bytes = latin1Bytes(text);
        if (rng.oneIn(3)) {
          assertEquals(set.remove(bytes, 0, bytes.length), model.delete(text));
        } else {
          assertEquals(set.add(bytes, 0, bytes.length, limits), !model.has(text));
          model.add(text);
        }
        assertEquals(set.size, model.size);
        assertEquals(set.has(bytes, 0, bytes.length), model.has(text));
        if (step % 40 === 0) assertEquals(listed(set), [...model].sort());
      }
      set.toIntset(limitsOf(0, 0, 0));
      assertEquals(listed(set), [...model].sort());
      set.free();
      assertEquals([db.arena.usedBytes, db.arena.besideBytes], [0, besideBytes]);
    }
  }));

function listed(set: SetValue): string[] {
  return Array.from(set.positions(), (position) => {
    const { buf, off, len } = set.read(position);
    return latin1(buf, off, len);
  }).sort();
}

Deno.test("every member of a set is as likely as another, in every encoding", () =>
  seeded((rng) => {
    const PICKS_A_MEMBER = 400;
    const count = 100;
    for (const limits of [limitsOf(512, 0, 0), limitsOf(0, 128, 64), limitsOf(0, 0, 0)]) {
      const db = new TestStore(1, 1).dbs[0]!;
      const set = new SetValue().createListpack(db);
      for (const text of range(1, count)) {
        const bytes = latin1Bytes(text);
        set.add(bytes, 0, bytes.length, limits);
      }
      set.toIntset(limits);
      const picks = new Map<number, number>();
      for (let i = 0; i < count * PICKS_A_MEMBER; i++) {
        const position = set.sample(() => rng.float());
        picks.set(position, (picks.get(position) ?? 0) + 1);
      }
      assertEquals(picks.size, count);
      // Seven standard deviations, which are 20 picks.
      for (const times of picks.values()) assert(Math.abs(times - PICKS_A_MEMBER) < 140);
    }
  }));

Deno.test("a set that replaces its key's value keeps the key", () => {
  const store = new TestStore(1, 1);
  const db = store.dbs[0]!;
  store.set(0, "k", "x".repeat(1000), 5000);
  const member = latin1Bytes("m");
  const set = new SetValue().createTable(db);
  set.add(member, 0, member.length, limitsOf(0, 0, 0));
  set.replace(store.get(0, "k"), NO_EXPIRY);
  const entry = store.get(0, "k");
  assertEquals(db.encoding(entry), ENCODING.hashtable);
  assertEquals(db.isVolatile(entry), false);
  assertEquals(listed(new SetValue().load(db, entry)), ["m"]);
});
