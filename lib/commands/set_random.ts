/** Members of a set at random: SPOP, which takes them, and SRANDMEMBER, which does not. */
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { ENCODING, TYPE } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { SetValue } from "../store/set_value.ts";
import { int64Arg, integerAtLeast, readTyped, writeTyped } from "./arguments.ts";
import { removeEmptied } from "./emptied.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { propagateRemoval } from "./string.ts";

export const SET_RANDOM_COMMANDS = [
  {
    name: "spop",
    arity: -2,
    flags: ["write", "fast"],
    group: "set",
    since: "1.0.0",
    complexity: "O(1) without a count; else O(N), N being the count",
    summary: "Takes members out of a set at random, and removes the key with the last of them.",
    syntax: "key:key [count:integer@3.2.0]",
    keys: keys("RW access delete"),
    tips: ["nondeterministic_output"],
    history: [["3.2.0", "Takes a count."]],
    handler: spop,
  },
  {
    name: "srandmember",
    arity: -2,
    flags: ["readonly"],
    group: "set",
    since: "1.0.0",
    complexity: "O(1) without a count; else O(N), N being the count's absolute value",
    summary: "Picks members of a set at random.",
    syntax: "key:key [count:integer@2.6.0]",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    history: [["2.6.0", "Takes a count."]],
    traits: ["cost_in_reply"],
    handler: srandmember,
  },
] as const satisfies readonly CommandSpec[];

/** SPOP chooses what stays, not what goes, where that is more than so many times as much … */
const POPPED_PER_KEPT = 5;
/** … and SRANDMEMBER shuffles all members where it picks more than one of so many. */
const MEMBERS_PER_PICK = 3;

const INT64_MIN = -(2n ** 63n);
const OUT_OF_COUNTS = new ReplyError(
  "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/** How many members of SPOP go into one command for the replicas. */
const MAX_MEMBERS_TOLD = 1024;
/** Members of the running SPOP that replicas are yet to be told of. */
const popped: Uint8Array[] = [];

// The handles of the running command.
const set = new SetValue();
const kept = new SetValue();

function spop(client: Client, args: Args): void {
  const { db, reply, server } = client;
  // One that ended by an exception left them.
  popped.length = 0;
  if (args.count > 2) return popSome(client, args);
  const entry = writeTyped(client, args, 1, TYPE.set);
  if (entry === 0) return reply.nil();
  set.load(db, entry);
  const position = set.sample(server.random);
  replyPopped(client, args, position);
  set.removeAt(position);
  set.save(entry);
  client.changed(args, 1, EVENT.set, "spop");
  if (set.size === 0) removeEmptied(client, args, 1, entry);
  propagatePopped(client, args);
}

function popSome(client: Client, args: Args): void {
  const { db, reply, server } = client;
  if (args.count > 3) throw SYNTAX_ERROR;
  const count = integerAtLeast(args, 2, 0);
  const entry = writeTyped(client, args, 1, TYPE.set);
  if (entry === 0 || count === 0) return reply.set(0);
  set.load(db, entry);
  const taken = Math.min(count, set.size);
  const remaining = set.size - taken;
  reply.set(taken);
  client.changed(args, 1, EVENT.set, "spop");
  server.effects.dirty += taken - 1;
  if (remaining === 0) {
    replyAll(client);
    removeEmptied(client, args, 1, entry);
    propagateRemoval(client, args, server.config.values["lazyfree-lazy-server-del"]);
  } else if (remaining * POPPED_PER_KEPT > taken) {
    for (let i = 0; i < taken; i++) {
      const position = set.sample(server.random);
      replyPopped(client, args, position);
      set.removeAt(position);
    }
    set.save(entry);
    propagatePopped(client, args);
  } else {
    keep(client, remaining);
    set.every((position) => {
      replyPopped(client, args, position);
      return true;
    });
    set.save(entry);
    kept.replace(entry, db.expiryMs(entry));
    propagatePopped(client, args);
  }
}

/** Replies a member that goes, and remembers it for the replicas, which could not choose the same. */
function replyPopped(client: Client, args: Args, position: number): void {
  const { buf, off, len } = set.read(position);
  client.reply.bulk(buf, off, len);
  if (!client.propagation.active) return;
  popped.push(buf.slice(off, off + len));
  if (popped.length === MAX_MEMBERS_TOLD) propagatePopped(client, args);
}

/** Sends those members in the command's place. */
function propagatePopped({ db, propagation }: Client, args: Args): void {
  if (popped.length === 0) return;
  propagation.instead(db.number, ["SREM", args.view(1), ...popped]);
  popped.length = 0;
}

/** Moves `count` members at random from `set` to `kept`. */
function keep({ db, server }: Client, count: number): void {
  if (set.encoding === ENCODING.intset) kept.createIntset(db);
  else kept.createListpack(db);
  for (let i = 0; i < count; i++) {
    const position = set.sample(server.random);
    const { buf, off, len } = set.read(position);
    kept.add(buf, off, len, server.config.values);
    set.removeAt(position);
  }
}

function srandmember(client: Client, args: Args): void {
  const { db, reply, server } = client;
  if (args.count > 2) return pickSome(client, args);
  const entry = readTyped(client, args, 1, TYPE.set);
  if (entry === 0) return reply.nil();
  replyMember(client, set.load(db, entry).sample(server.random));
}

function pickSome(client: Client, args: Args): void {
  const { db, reply, server } = client;
  if (args.count > 3) throw SYNTAX_ERROR;
  const exact = int64Arg(args, 2);
  if (exact === INT64_MIN) throw OUT_OF_COUNTS;
  const count = Number(exact);
  const entry = readTyped(client, args, 1, TYPE.set);
  if (entry === 0 || count === 0) return reply.array(0);
  set.load(db, entry);
  if (count < 0) {
    reply.array(-count);
    // Whoever asks for more than the output limits allow is disconnected meanwhile.
    for (let i = count; i < 0 && !client.closing; i++) {
      replyMember(client, set.sample(server.random));
    }
  } else if (count >= set.size) {
    reply.array(set.size);
    replyAll(client);
  } else {
    reply.array(count);
    if (count * MEMBERS_PER_PICK > set.size) pickByShuffling(client, count);
    else pickByTrying(client, count);
  }
}

/** Replies `count` members, none twice, from the beginning of a shuffle of all. */
function pickByShuffling(client: Client, count: number): void {
  const positions = set.positions();
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(client.server.random() * (positions.length - i));
    replyMember(client, positions[j]!);
    positions[j] = positions[i]!;
  }
}

/** Replies `count` members, none twice, which are few among all. */
function pickByTrying(client: Client, count: number): void {
  const picked = new Set<number>();
  while (picked.size < count) {
    const position = set.sample(client.server.random);
    if (picked.has(position)) continue;
    picked.add(position);
    replyMember(client, position);
  }
}

function replyAll(client: Client): void {
  set.every((position) => {
    replyMember(client, position);
    return true;
  });
}

function replyMember({ reply }: Client, position: number): void {
  const { buf, off, len } = set.read(position);
  reply.bulk(buf, off, len);
}
