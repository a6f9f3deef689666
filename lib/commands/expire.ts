/** Expiry: EXPIRE, TTL and their family. */
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { NO_EXPIRY } from "../store/database.ts";
import { EVENT } from "../store/events.ts";
import { timeArg } from "./arguments.ts";
import { peek } from "./keys.ts";
import { type CommandSpec, keys } from "./spec.ts";
import { propagateRemoval } from "./string.ts";

export const EXPIRE_COMMANDS = [
  {
    name: "expire",
    arity: -3,
    flags: ["write", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Lets a key expire after so many seconds.",
    syntax: "key:key seconds:integer [condition:(NX|XX|GT|LT)@7.0.0]",
    keys: keys("RW update"),
    history: [["7.0.0", "Has the conditions NX, XX, GT and LT."]],
    handler: (client, args) => expire(client, args, 1000, client.server.time.nowMs, "expire"),
  },
  {
    name: "pexpire",
    arity: -3,
    flags: ["write", "fast"],
    group: "generic",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Lets a key expire after so many milliseconds.",
    syntax: "key:key milliseconds:integer [condition:(NX|XX|GT|LT)@7.0.0]",
    keys: keys("RW update"),
    history: [["7.0.0", "Has the conditions NX, XX, GT and LT."]],
    handler: (client, args) => expire(client, args, 1, client.server.time.nowMs, "pexpire"),
  },
  {
    name: "expireat",
    arity: -3,
    flags: ["write", "fast"],
    group: "generic",
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Lets a key expire at a Unix time in seconds.",
    syntax: "key:key unix-time-seconds:unix-time [condition:(NX|XX|GT|LT)@7.0.0]",
    keys: keys("RW update"),
    history: [["7.0.0", "Has the conditions NX, XX, GT and LT."]],
    handler: (client, args) => expire(client, args, 1000, 0, "expireat"),
  },
  {
    name: "pexpireat",
    arity: -3,
    flags: ["write", "fast"],
    group: "generic",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Lets a key expire at a Unix time in milliseconds.",
    syntax: "key:key unix-time-milliseconds:unix-time [condition:(NX|XX|GT|LT)@7.0.0]",
    keys: keys("RW update"),
    history: [["7.0.0", "Has the conditions NX, XX, GT and LT."]],
    handler: (client, args) => expire(client, args, 1, 0, "pexpireat"),
  },
  {
    name: "ttl",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells in how many seconds a key expires.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    history: [["2.8.0", "Answers -2 where there is no such key."]],
    handler: (client, args) => tell(client, args, 1000, client.server.time.nowMs),
  },
  {
    name: "pttl",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Tells in how many milliseconds a key expires.",
    syntax: "key:key",
    keys: keys("RO access"),
    tips: ["nondeterministic_output"],
    history: [["2.8.0", "Answers -2 where there is no such key."]],
    handler: (client, args) => tell(client, args, 1, client.server.time.nowMs),
  },
  {
    name: "expiretime",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "7.0.0",
    complexity: "O(1)",
    summary: "Tells when a key expires, as a Unix time in seconds.",
    syntax: "key:key",
    keys: keys("RO access"),
    handler: (client, args) => tell(client, args, 1000, 0),
  },
  {
    name: "pexpiretime",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    since: "7.0.0",
    complexity: "O(1)",
    summary: "Tells when a key expires, as a Unix time in milliseconds.",
    syntax: "key:key",
    keys: keys("RO access"),
    handler: (client, args) => tell(client, args, 1, 0),
  },
  {
    name: "persist",
    arity: 2,
    flags: ["write", "fast"],
    group: "generic",
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Lets a key that would expire stay for ever.",
    syntax: "key:key",
    keys: keys("RW update"),
    handler: persist,
  },
] as const satisfies readonly CommandSpec[];

/** Bits of the conditions of EXPIRE. */
const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

const NX_CONFLICT = new ReplyError(
  "ERR NX and XX, GT or LT options at the same time are not compatible",
);
const GT_LT_CONFLICT = new ReplyError(
  "ERR GT and LT options at the same time are not compatible",
);

/** EXPIRE and the like: the time is in units of `unitMs` from `baseMs` on. */
function expire(
  client: Client,
  args: Args,
  unitMs: number,
  baseMs: number,
  command: string,
): void {
  const { db, reply } = client;
  const conditions = parseConditions(args);
  const whenMs = timeArg(args, 2, unitMs, baseMs, command);
  const entry = db.write(args, 1);
  if (entry === 0 || (conditions !== 0 && !allowed(conditions, db.expiryMs(entry), whenMs))) {
    return reply.integer(0);
  }
  // Where expired keys stay, one that has expired already just waits for its removal, too.
  if (whenMs <= db.context.time.nowMs && db.context.expires) {
    db.remove(entry);
    client.changed(args, 1, EVENT.generic, "del");
    propagateRemoval(client, args, client.server.effects.expiresLazily);
  } else {
    db.setExpiry(entry, Math.max(0, whenMs));
    client.changed(args, 1, EVENT.generic, "expire");
    const { propagation } = client;
    if (propagation.active && (unitMs !== 1 || baseMs !== 0)) {
      propagation.instead(db.number, ["PEXPIREAT", args.view(1), whenMs, ...args.views(3)]);
    }
  }
  reply.integer(1);
}

function parseConditions(args: Args): number {
  let conditions = 0;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "NX")) conditions |= NX;
    else if (args.is(i, "XX")) conditions |= XX;
    else if (args.is(i, "GT")) conditions |= GT;
    else if (args.is(i, "LT")) conditions |= LT;
    else throw new ReplyError(`ERR Unsupported option ${cString(args.text(i))}`);
  }
  if ((conditions & NX) !== 0 && conditions !== NX) throw NX_CONFLICT;
  if ((conditions & GT) !== 0 && (conditions & LT) !== 0) throw GT_LT_CONFLICT;
  return conditions;
}

/** Whether the conditions let `whenMs` take the place of the present expiry; none is "never". */
function allowed(conditions: number, presentMs: number, whenMs: number): boolean {
  const never = presentMs === NO_EXPIRY;
  if ((conditions & NX) !== 0 && !never) return false;
  if ((conditions & XX) !== 0 && never) return false;
  if ((conditions & GT) !== 0 && (never || whenMs <= presentMs)) return false;
  return (conditions & LT) === 0 || never || whenMs < presentMs;
}

/** TTL and the like: the time of expiry in units of `unitMs`, counted from `baseMs` on. */
function tell(client: Client, args: Args, unitMs: number, baseMs: number): void {
  const { db, reply } = client;
  const entry = peek(client, args, 1);
  if (entry === 0) return reply.integer(-2);
  const expiryMs = db.expiryMs(entry);
  if (expiryMs === NO_EXPIRY) return reply.integer(-1);
  const ms = Math.max(0, expiryMs - baseMs);
  const units = unitMs === 1 ? ms : Math.floor((ms + unitMs / 2) / unitMs);
  if (Number.isSafeInteger(units)) reply.integer(units);
  else reply.bigInteger(BigInt(units));
}

function persist(client: Client, args: Args): void {
  const { db, reply } = client;
  const entry = db.write(args, 1);
  if (entry === 0 || !db.isVolatile(entry)) return reply.integer(0);
  db.setExpiry(entry, NO_EXPIRY);
  client.changed(args, 1, EVENT.generic, "persist");
  reply.integer(1);
}
