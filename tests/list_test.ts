/** Lists, held against the real server and against arrays. */
import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../lib/bytes/text.ts";
import { Args } from "../lib/resp/args.ts";
import { type Database, ENCODING } from "../lib/store/database.ts";
import {
  addList,
  growList,
  insertElement,
  listLength,
  ListWalk,
  pushElement,
  removeElements,
  removeEqualElements,
  replaceElement,
  shrinkList,
} from "../lib/store/list_value.ts";
import { Quicklist } from "../lib/store/quicklist.ts";
import {
  type Command,
  compare,
  type Comparison,
  startPair,
  type Step,
} from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type RespClient, show } from "./support/resp_client.ts";
import { Rng } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";
import { TestStore } from "./support/store.ts";

const BINARY = new Uint8Array([0, 13, 10, 255, 128, 42]);
const LONG = "x".repeat(10_000);

/** Sizes of nodes: the usual one, few bytes, and few elements, so that both encodings are met. */
const SIZES = [-2, -1, 1, 3, 128];

function setSize(size: number): Command {
  return ["CONFIG", "SET", "list-max-listpack-size", size];
}

/** Elements of every way in which a listpack keeps them. */
const ELEMENTS = [
  "",
  "0",
  "127",
  "128",
  "-1",
  "4095",
  "-4096",
  "32767",
  "-32769",
  "8388608",
  "2147483648",
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "01",
  "abc",
  "y".repeat(63),
  "y".repeat(64),
  "z".repeat(4096),
  LONG,
];

/** Steps run on both with each size of nodes, in RESP2 and RESP3. */
async function compareAtSizes(steps: readonly Step[]): Promise<void> {
  for (const protocol of [2, 3] as const) {
    await using pair = await startPair({ config: {}, protocol });
    for (const size of SIZES) {
      await compare(pair, [["FLUSHALL"], setSize(size), ...steps]);
    }
  }
}

const WRONG: Command = ["SET", "string", "s"];

redisTest("LPUSH, RPUSH, LPUSHX, RPUSHX and LLEN answer as Redis does", async () => {
  const steps: Step[] = [WRONG, ["LLEN"], ["LLEN", "l", "m"], ["LLEN", "string"]];
  for (const name of ["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]) {
    steps.push(
      [name],
      [name, "l"],
      [name, "string", "x"],
      [name, "l", ...ELEMENTS],
      ["LLEN", "l"],
      ["LRANGE", "l", 0, -1],
      [name, "l", "x"],
      [name, BINARY, BINARY],
      ["LRANGE", BINARY, 0, -1],
      ["LRANGE", "l", 0, -1],
      ["EXISTS", "l"],
      ["TYPE", "l"],
    );
  }
  for (const element of ELEMENTS) {
    steps.push(["RPUSH", element, element], ["LPUSH", element, "a", element]);
    steps.push(["LRANGE", element, 0, -1], ["LLEN", element]);
  }
  await compareAtSizes(steps);
});

redisTest("LRANGE and LINDEX find by indexes as Redis does", async () => {
  const steps: Step[] = [
    WRONG,
    ["LRANGE", "l"],
    ["LRANGE", "string", 0, 1],
    ["LRANGE", "string", "x", 1],
    ["LRANGE", "nothing", 0, "x"],
    ["LRANGE", "nothing", 0, 1],
    ["LINDEX", "string", 0],
    ["LINDEX", "string", "x"],
    ["LINDEX", "nothing", "x"],
    ["RPUSH", "l", ...ELEMENTS],
    ["LINDEX", "l", "x"],
    ["LINDEX", "l", "9223372036854775808"],
  ];
  const indexes = [0, 1, 3, 5, 19, 20, 21, -1, -2, -19, -20, -21, -100, 100, "9223372036854775807"];
  for (const index of [...indexes, "-9223372036854775808"]) {
    steps.push(["LINDEX", "l", index]);
    for (const stop of indexes) steps.push(["LRANGE", "l", index, stop]);
  }
  await compareAtSizes(steps);
});

redisTest("LPOP and RPOP take off what Redis takes off", async () => {
  const steps: Step[] = [WRONG];
  for (const name of ["LPOP", "RPOP"]) {
    steps.push(
      [name],
      [name, "l", 1, 2],
      [name, "nothing"],
      [name, "nothing", 0],
      [name, "nothing", 2],
      [name, "nothing", -1],
      [name, "string"],
      [name, "string", 0],
      [name, "string", "x"],
      [name, "l", "x"],
      [name, "l", "9223372036854775808"],
      ["RPUSH", "l", ...ELEMENTS, ...ELEMENTS],
      [name, "l"],
      [name, "l", 0],
      [name, "l", 1],
      [name, "l", 7],
      ["LRANGE", "l", 0, -1],
      [name, "l", 25],
      ["LRANGE", "l", 0, -1],
      [name, "l", "9223372036854775807"],
      ["EXISTS", "l"],
      ["RPUSH", "l", "a"],
      [name, "l"],
      [name, "l"],
      ["EXISTS", "l"],
    );
  }
  await compareAtSizes(steps);
});

redisTest("LSET and LINSERT put elements where Redis puts them", async () => {
  const steps: Step[] = [
    WRONG,
    ["LSET", "l", 0],
    ["LSET", "nothing", "x", "y"],
    ["LSET", "string", "x", "y"],
    ["LINSERT", "nothing", "BESIDE", "x", "y"],
    ["LINSERT", "nothing", "BEFORE", "x"],
    ["LINSERT", "nothing", "BEFORE", "x", "y"],
    ["LINSERT", "string", "BESIDE", "x", "y"],
    ["LINSERT", "string", "AFTER", "x", "y"],
    ["RPUSH", "l", "a", "b", "c", "b", "1", "22"],
    ["LSET", "l", "x", "y"],
    ["LSET", "l", 6, "y"],
    ["LSET", "l", -7, "y"],
    ["LINSERT", "l", "BEFORE", "missing", "y"],
    ["LINSERT", "l", "after", "", "y"],
  ];
  for (const element of ELEMENTS) {
    for (const index of [0, -1, 2]) steps.push(["LSET", "l", index, element]);
    steps.push(["LINSERT", "l", "BEFORE", element, `before ${element}`]);
    steps.push(["LINSERT", "l", "after", element, element + element]);
    steps.push(["LRANGE", "l", 0, -1], ["LSET", "l", -2, "a"], ["LSET", "l", 0, "small"]);
    steps.push(["LRANGE", "l", 0, -1], ["LLEN", "l"]);
  }
  await compareAtSizes(steps);
});

redisTest("LREM and LTRIM remove what Redis removes", async () => {
  const list: Command = ["RPUSH", "l", "a", "1", LONG, "a", "b", "1", "a", LONG, "01", "a"];
  const steps: Step[] = [
    WRONG,
    ["LREM", "l", 0],
    ["LREM", "string", "x", "a"],
    ["LREM", "string", 0, "a"],
    ["LREM", "nothing", "x", "a"],
    ["LREM", "nothing", 0, "a"],
    ["LTRIM", "l", 0],
    ["LTRIM", "string", 0, 1],
    ["LTRIM", "string", "x", 1],
    ["LTRIM", "nothing", 0, "x"],
    ["LTRIM", "nothing", 0, 1],
  ];
  for (const count of [0, 1, -1, 2, -2, 100, -100]) {
    for (const element of ["a", "1", "01", LONG, "missing"]) {
      steps.push(["DEL", "l"], list, ["LREM", "l", count, element], ["LRANGE", "l", 0, -1]);
    }
  }
  for (const start of [0, 1, 5, 9, 10, -1, -10, -11, -100, 100]) {
    for (const stop of [0, 1, 8, 9, 10, -1, -2, -10, -11, -100, 100]) {
      steps.push(["DEL", "l"], list, ["LTRIM", "l", start, stop], ["LRANGE", "l", 0, -1]);
    }
  }
  steps.push(["DEL", "l"], ["RPUSH", "l", 7, 7, 7], ["LREM", "l", 0, 7], ["EXISTS", "l"]);
  await compareAtSizes(steps);
});

redisTest("LPOS finds what Redis finds", async () => {
  const steps: Step[] = [
    WRONG,
    ["LPOS", "l"],
    ["LPOS", "string", "a"],
    ["LPOS", "string", "a", "RANK", 0],
    ["LPOS", "nothing", "a"],
    ["LPOS", "nothing", "a", "COUNT", 1],
    ["LPOS", "nothing", "a", "COUNT"],
    ["LPOS", "nothing", "a", "RANK", "x"],
    ["LPOS", "nothing", "a", "RANK", 0],
    ["LPOS", "nothing", "a", "COUNT", -1],
    ["LPOS", "nothing", "a", "COUNT", "x"],
    ["LPOS", "nothing", "a", "MAXLEN", -1],
    ["LPOS", "nothing", "a", "MAXLEN", "x"],
    ["LPOS", "nothing", "a", "WHAT", 1],
    ["RPUSH", "l", "a", "b", "a", "1", LONG, "a", "c", "1", LONG, "a", "01"],
  ];
  for (const element of ["a", "1", "01", LONG, "missing"]) {
    steps.push(["LPOS", "l", element]);
    for (const rank of [1, 2, 4, 5, -1, -2, -4, -5]) {
      for (const count of [0, 1, 2, 9]) {
        for (const length of [0, 1, 3, 100]) {
          steps.push(["LPOS", "l", element, "rank", rank, "count", count, "MAXLEN", length]);
        }
      }
      steps.push(["LPOS", "l", element, "RANK", rank]);
    }
  }
  await compareAtSizes(steps);
});

Deno.test("LPOS and LREM refuse the one integer that has no opposite, as 7.2 does", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  await redino.send("RPUSH", "l", "a");
  const range = "-9223372036854775807 and 9223372036854775807";
  const refusal = `-ERR value is out of range, value must between ${range}`;
  const least = "-9223372036854775808";
  assertEquals(await redino.ask("LPOS", "l", "a", "RANK", least), refusal);
  assertEquals(await redino.ask("LREM", "l", least, "a"), refusal);
});

redisTest("LMOVE and RPOPLPUSH move what Redis moves", async () => {
  const steps: Step[] = [
    WRONG,
    ["LMOVE", "l", "m", "LEFT"],
    ["LMOVE", "l", "m", "UP", "LEFT"],
    ["LMOVE", "string", "m", "LEFT", "DOWN"],
    ["LMOVE", "string", "m", "LEFT", "LEFT"],
    ["LMOVE", "nothing", "string", "LEFT", "LEFT"],
    ["RPOPLPUSH", "l"],
    ["RPOPLPUSH", "nothing", "string"],
    ["RPOPLPUSH", "string", "nothing"],
    ["RPUSH", "one", "a"],
    ["LMOVE", "one", "string", "left", "right"],
    ["RPOPLPUSH", "one", "string"],
    ["RPOPLPUSH", "one", "one"],
    ["LRANGE", "one", 0, -1],
  ];
  for (const from of ["LEFT", "RIGHT"]) {
    for (const to of ["LEFT", "RIGHT"]) {
      steps.push(["DEL", "l", "m"], ["RPUSH", "l", ...ELEMENTS]);
      for (let i = 0; i < ELEMENTS.length; i++) {
        steps.push(["LMOVE", "l", "l", from, to], ["LRANGE", "l", 0, -1]);
        steps.push(["LMOVE", "l", "m", from, to], ["LRANGE", "m", 0, -1]);
      }
      steps.push(["EXISTS", "l"], ["LMOVE", "l", "m", from, to]);
    }
  }
  steps.push(["RPOPLPUSH", "m", "l"], ["LRANGE", "l", 0, -1], ["LRANGE", "m", 0, -1]);
  await compareAtSizes(steps);
});

redisTest("LMPOP takes off what Redis takes off", async () => {
  await compareAtSizes([
    WRONG,
    ["LMPOP", 1, "l"],
    ["LMPOP", "x", "l", "LEFT"],
    ["LMPOP", 0, "l", "LEFT"],
    ["LMPOP", -1, "l", "LEFT"],
    ["LMPOP", 2, "l", "LEFT"],
    ["LMPOP", "9223372036854775807", "l", "LEFT"],
    ["LMPOP", 1, "l", "UP"],
    ["LMPOP", 1, "l", "LEFT", "COUNT"],
    ["LMPOP", 1, "l", "LEFT", "COUNT", 0],
    ["LMPOP", 1, "l", "LEFT", "COUNT", "x"],
    ["LMPOP", 1, "l", "LEFT", "COUNT", 1, "COUNT", 1],
    ["LMPOP", 1, "l", "LEFT", "WHAT", 1],
    ["LMPOP", 1, "nothing", "LEFT"],
    ["LMPOP", 1, "string", "LEFT"],
    ["LMPOP", 2, "nothing", "string", "LEFT"],
    ["RPUSH", "l", ...ELEMENTS],
    ["LMPOP", 2, "string", "l", "LEFT"],
    ["LMPOP", 2, "nothing", "l", "left"],
    ["LMPOP", 2, "l", "string", "RIGHT", "COUNT", 3],
    ["LMPOP", 1, "l", "LEFT", "count", 4],
    ["LRANGE", "l", 0, -1],
    ["LMPOP", 1, "l", "RIGHT", "COUNT", 100],
    ["EXISTS", "l"],
  ]);
});

redisTest("lists have the effects of Redis's: events and counts of changes", async () => {
  await compareEffects([
    ["LPUSH", "l", "a", "b", "c"],
    ["RPUSH", "l", "a", "1"],
    ["LPUSHX", "nothing", "a"],
    ["RPUSHX", "l", "z", "y"],
    ["LPOP", "l"],
    ["RPOP", "l", 2],
    ["LPOP", "l", 0],
    ["LSET", "l", 0, "b"],
    ["LINSERT", "l", "BEFORE", "b", "d"],
    ["LINSERT", "l", "BEFORE", "missing", "d"],
    ["LREM", "l", 0, "missing"],
    ["LREM", "l", 0, "b"],
    ["LTRIM", "l", 0, -1],
    ["LTRIM", "l", 1, -2],
    ["LTRIM", "l", 1, 0],
    ["RPUSH", "l", "a", "b", "c"],
    ["LMOVE", "l", "m", "LEFT", "LEFT"],
    ["RPOPLPUSH", "l", "l"],
    ["RPOPLPUSH", "l", "m"],
    ["RPOPLPUSH", "l", "m"],
    ["LMPOP", 1, "m", "LEFT"],
    ["LMPOP", 1, "m", "RIGHT", "COUNT", 9],
    ["RPUSH", "l", "a", "a"],
    ["LREM", "l", 0, "a"],
    ["RPUSH", "l", "a", "b"],
    ["LPOP", "l", 9],
    ["RPUSH", "l", "a", "b", "c"],
    ["BLPOP", "nothing", "l", 0],
    ["BRPOP", "l", 0],
    ["BLMOVE", "l", "m", "LEFT", "RIGHT", 0],
    ["BRPOPLPUSH", "m", "m", 0],
    ["BLMPOP", 0, 2, "l", "m", "LEFT", "COUNT", 2],
    ["LRANGE", "l", 0, 1],
    ["LINDEX", "l", 0],
    ["LLEN", "l"],
    ["LPOS", "l", "a"],
  ]);
});

redisTest("lists are copied, moved, renamed and digested as Redis's", async () => {
  await compareAtSizes([
    ["RPUSH", "l", ...ELEMENTS],
    ["COPY", "l", "copy"],
    ["COPY", "l", "other", "DB", 1],
    ["RENAME", "l", "renamed"],
    ["LPUSH", "copy", "more"],
    ["LRANGE", "copy", 0, -1],
    ["LRANGE", "renamed", 0, -1],
    ["DEBUG", "DIGEST-VALUE", "copy", "renamed"],
    ["EXPIRE", "copy", 100],
    ["DEBUG", "DIGEST"],
    ["MOVE", "copy", 1],
    ["SELECT", 1],
    ["LRANGE", "copy", 0, -1],
    ["LRANGE", "other", 0, -1],
    ["DEBUG", "DIGEST"],
    ["DEL", "copy"],
    ["SELECT", 0],
  ]);
});

redisTest("DEBUG OBJECT counts a quicklist's nodes as Redis does", async () => {
  await using pair = await startPair({ config: { "enable-debug-command": "yes" } });
  const nodes: Comparison = {
    command: ["DEBUG", "OBJECT", "l"],
    view: (reply) => /ql_nodes.*/.exec(show(reply))?.[0] ?? show(reply),
  };
  await compare(pair, [
    setSize(2),
    ["RPUSH", "l", 1, 2, 3],
    nodes,
    ["LPUSH", "l", "a", "b"],
    nodes,
    ["LREM", "l", 0, 2],
    nodes,
  ]);
});

/** OBJECT ENCODING after each command. */
async function encodings(client: RespClient, commands: readonly Command[]): Promise<string[]> {
  const names: string[] = [];
  for (const command of commands) {
    await client.send(...command);
    names.push(await client.ask("OBJECT", "ENCODING", "l"));
  }
  return names;
}

const LISTPACK = '"listpack"';
const QUICKLIST = '"quicklist"';

Deno.test("a list is a quicklist from list-max-listpack-size on, and a listpack below its half", async () => {
  await using pair = await startPair();
  const { redino } = pair;
  await redino.send(...setSize(4));
  assertEquals(
    await encodings(redino, [
      ["RPUSH", "l", 1, 2, 3, 4],
      ["RPUSH", "l", 5],
      ["LPOP", "l", 2],
      ["LPOP", "l"],
      ["LINSERT", "l", "BEFORE", 5, 6],
      ["RPUSH", "l", 7, 8],
      ["LTRIM", "l", 1, 1],
      ["LSET", "l", 0, LONG],
      ["LSET", "l", 0, "short"],
    ]),
    [
      LISTPACK,
      QUICKLIST,
      QUICKLIST,
      QUICKLIST,
      QUICKLIST,
      QUICKLIST,
      LISTPACK,
      QUICKLIST,
      LISTPACK,
    ],
  );
  await redino.send("DEL", "l");
  await redino.send(...setSize(-2));
  // An element of 100 bytes takes 103 in a listpack.
  const elements = Array.from({ length: 80 }, () => "e".repeat(100));
  assertEquals(
    await encodings(redino, [
      ["RPUSH", "l", ...elements.slice(0, 79)],
      ["RPUSH", "l", "e"],
      ["RPUSH", "l", "e".repeat(100)],
      ["LPOP", "l", 39],
      ["RPOP", "l"],
      ["LPOP", "l"],
    ]),
    [LISTPACK, LISTPACK, QUICKLIST, QUICKLIST, QUICKLIST, LISTPACK],
  );
});

const KEY = latin1Bytes("list");

/** A list and an array of the same elements. */
class Model {
  readonly db: Database;
  readonly elements: string[] = [];
  entry = 0;
  readonly #walk = new ListWalk();

  constructor(seed: number) {
    this.db = new TestStore(1, seed).dbs[0]!;
  }

  change(fill: number, operation: string, rng: Rng): void {
    const { db, elements } = this;
    const element = randomElement(rng);
    const bytes = latin1Bytes(element);
    const len = bytes.length;
    if (this.entry === 0) this.entry = addList(db, Args.of("RPUSH", KEY), 1);
    const { entry } = this;
    const index = rng.int(0, Math.max(0, elements.length - 1));
    switch (operation) {
      case "push": {
        const atHead = rng.oneIn(2);
        growList(db, entry, 1, len, fill);
        pushElement(db, entry, bytes, 0, len, atHead, fill);
        if (atHead) elements.unshift(element);
        else elements.push(element);
        break;
      }
      case "insert":
        growList(db, entry, 1, len, fill);
        insertElement(db, entry, index, bytes, 0, len, fill);
        elements.splice(index, 0, element);
        break;
      case "replace":
        if (elements.length === 0) break;
        growList(db, entry, 1, len, fill);
        replaceElement(db, entry, index, bytes, 0, len, fill);
        elements[index] = element;
        break;
      case "remove": {
        const count = Math.min(elements.length - index, rng.int(0, rng.oneIn(10) ? 500 : 5));
        removeElements(db, entry, index, count);
        elements.splice(index, count);
        break;
      }
      case "remove equal": {
        const fromTail = rng.oneIn(2);
        const limit = rng.int(1, 5);
        let left = limit;
        for (let i = fromTail ? elements.length - 1 : 0; left > 0;) {
          i = fromTail ? elements.lastIndexOf(element, i) : elements.indexOf(element, i);
          if (i === -1) break;
          elements.splice(i, 1);
          left--;
          if (fromTail && --i < 0) break;
        }
        const removed = removeEqualElements(db, entry, bytes, 0, len, limit, fromTail);
        assertEquals(removed, limit - left);
        break;
      }
    }
    if (elements.length === 0) {
      db.remove(entry);
      this.entry = 0;
      assertEquals(db.size, 0);
    } else {
      shrinkList(db, entry, fill);
    }
  }

  check(rng: Rng): void {
    const { db, elements, entry } = this;
    if (entry === 0) return;
    assertEquals(listLength(db, entry), elements.length);
    const index = rng.int(0, elements.length - 1);
    const forward = rng.oneIn(2);
    const walk = this.#walk;
    walk.start(db, entry, index, forward);
    const step = forward ? 1 : -1;
    for (let i = index; i >= 0 && i < elements.length; i += step) {
      const { buf, off, len } = walk.element();
      assertEquals(latin1(buf, off, len), elements[i]);
      const expected = latin1Bytes(elements[i]!);
      assert(walk.equals(expected, 0, expected.length));
      assertEquals(walk.next(), i + step >= 0 && i + step < elements.length);
    }
  }
}

function randomElement(rng: Rng): string {
  switch (rng.int(0, 9)) {
    case 0:
      return "l".repeat(rng.int(100, 3000));
    case 1:
      return "p".repeat(rng.int(8000, 9000));
    case 2:
      return "";
    case 3:
    case 4:
      return String(rng.int(-70_000, 70_000));
    default:
      return String(rng.int(0, 9));
  }
}

Deno.test("a list has the elements of an array that is changed alike", () => {
  for (let seed = 1; seed <= 24; seed++) {
    const rng = new Rng(seed);
    const model = new Model(seed);
    const fill = rng.pick([-1, -2, -5, 0, 1, 2, 5, 100]);
    for (let step = 0; step < 600; step++) {
      // First it grows, then it shrinks.
      const growing = step < 300 ? ["push", "insert"] : ["remove", "remove equal"];
      const operation = rng.pick([
        "push",
        "insert",
        "replace",
        "remove",
        "remove equal",
        ...growing,
      ]);
      model.change(fill, operation, rng);
      if (step % 10 === 0) model.check(rng);
    }
    model.check(rng);
  }
});

Deno.test("a list gives back all its memory", () => {
  const db = new TestStore(1, 1).dbs[0]!;
  const before = db.arena.usedBytes;
  const rng = new Rng(7);
  const entry = addList(db, Args.of("RPUSH", KEY), 1);
  for (let i = 0; i < 5000; i++) {
    const bytes = latin1Bytes(randomElement(rng));
    growList(db, entry, 1, bytes.length, -2);
    pushElement(db, entry, bytes, 0, bytes.length, rng.oneIn(2), -2);
  }
  assertEquals(db.encoding(entry), ENCODING.quicklist);
  removeElements(db, entry, 100, 4000);
  db.remove(entry);
  assertEquals(db.arena.usedBytes, before);
});

Deno.test("an end of a long list is found without a walk through it", () => {
  const list = new Quicklist(new TestStore(1, 1).dbs[0]!.arena);
  const bytes = latin1Bytes("element");
  for (let i = 0; i < 100_000; i++) list.push(bytes, 0, bytes.length, false, -2);
  let steps = 0;
  const next = list.next.bind(list);
  const previous = list.previous.bind(list);
  list.next = (node) => (steps++, next(node));
  list.previous = (node) => (steps++, previous(node));
  assertEquals(list.nodeOf(0), list.head);
  assertEquals(list.nodeOf(99_999), list.tail);
  assertEquals(steps, 0);
  list.nodeOf(50_000);
  assert(steps > 0 && steps <= list.nodes / 2);
});
