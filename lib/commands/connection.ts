/** The connection itself: who speaks, in which protocol, to which database. */
import process from "node:process";
import { parseInt64 } from "../bytes/integer.ts";
import { cString, utf8Bytes } from "../bytes/text.ts";
import { REDIS_VERSION } from "../config/version.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { GATE } from "../server/gates.ts";
import { int32Arg } from "./arguments.ts";
import { clientNameArg } from "./client.ts";
import type { CommandSpec } from "./spec.ts";

export const CONNECTION_COMMANDS = [
  {
    name: "ping",
    arity: -1,
    flags: ["fast"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Answers PONG, or the argument.",
    syntax: "[message:string]",
    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    traits: ["while_subscribed", "fails_with_disk"],
    handler: ping,
  },
  {
    name: "echo",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Answers the argument.",
    syntax: "message:string",
    handler: echo,
  },
  {
    name: "hello",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Chooses the protocol, and introduces client and server to each other.",
    syntax:
      "[arguments:{protover:integer [AUTH auth:{username:string password:string}] [SETNAME clientname:string]}]",
    history: [["6.2.0", "`protover` may be left out: nothing is changed then."]],
    secrets: helloSecrets,
    handler: hello,
  },
  {
    name: "auth",
    arity: -2,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(N), N being the number of the user's passwords.",
    summary: "Authenticates the connection.",
    syntax: "[username:string@6.0.0] password:string",
    history: [["6.0.0", "Takes a user's name and password."]],
    secrets: authSecrets,
    handler: auth,
  },
  {
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Chooses the database.",
    syntax: "index:integer",
    handler: select,
  },
  {
    name: "quit",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Closes the connection.",
    syntax: "",
    deprecatedSince: "7.2.0",
    replacedBy: "just closing the connection",
    traits: ["unqueued", "while_subscribed"],
    handler: quit,
  },
  {
    name: "reset",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Makes the connection as new.",
    syntax: "",
    traits: ["unqueued", "while_subscribed"],
    handler: reset,
  },
] as const satisfies readonly CommandSpec[];

const WRONG_PASSWORD = new ReplyError(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const NO_PASSWORD_SET = new ReplyError(
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);
const HELLO_WITHOUT_AUTH = new ReplyError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);
const BAD_PROTOCOL = new ReplyError("ERR Protocol version is not an integer or out of range");
const NO_PROTOCOL = new ReplyError("NOPROTO unsupported protocol version");
const NO_RESET = new ReplyError("ERR can only reset connection from normal mode");
const NO_SUCH_DATABASE = new ReplyError("ERR DB index is out of range");

const DEFAULT_USER = "default";

function ping(client: Client, args: Args): void {
  if (args.count > 2) {
    throw new ReplyError("ERR wrong number of arguments for 'ping' command");
  }
  const { reply } = client;
  if (client.isSubscribed) {
    reply.array(2);
    reply.bulkText("pong");
    if (args.count === 1) reply.bulkText("");
    else reply.bulk(args.buf, args.off(1), args.len(1));
  } else if (args.count === 1) reply.pong();
  else reply.bulk(args.buf, args.off(1), args.len(1));
}

function echo({ reply }: Client, args: Args): void {
  reply.bulk(args.buf, args.off(1), args.len(1));
}

function hello(client: Client, args: Args): void {
  const { reply } = client;
  const protocol = args.count > 1 ? protocolArg(args, 1) : reply.protocol;
  /** Where the user's name stands, with the password behind it; 0 for nowhere. */
  let user = 0;
  let name: string | undefined;
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, "AUTH") && i + 2 < args.count) {
      user = i + 1;
      i += 2;
    } else if (args.is(i, "SETNAME") && i + 1 < args.count) {
      name = clientNameArg(args, ++i);
    } else {
      throw new ReplyError(`ERR Syntax error in HELLO option '${cString(args.text(i))}'`);
    }
  }
  if (user > 0) authenticate(client, args.text(user), args.view(user + 1));
  if (!client.authenticated) throw HELLO_WITHOUT_AUTH;
  if (name !== undefined) client.name = name;
  client.setProtocol(protocol);

  reply.map(7);
  reply.bulkText("server");
  reply.bulkText("redis");
  reply.bulkText("version");
  reply.bulkText(REDIS_VERSION);
  reply.bulkText("proto");
  reply.integer(protocol);
  reply.bulkText("id");
  reply.integer(client.id);
  reply.bulkText("mode");
  reply.bulkText("standalone");
  reply.bulkText("role");
  reply.bulkText(client.server.replication.isReplica ? "replica" : "master");
  reply.bulkText("modules");
  reply.array(0);
}

function protocolArg(args: Args, i: number): number {
  const version = parseInt64(args.buf, args.off(i), args.len(i));
  if (version === undefined) throw BAD_PROTOCOL;
  if (version !== 2n && version !== 3n) throw NO_PROTOCOL;
  return Number(version);
}

function auth(client: Client, args: Args): void {
  if (args.count > 3) throw SYNTAX_ERROR;
  if (args.count === 3) authenticate(client, args.text(1), args.view(2));
  else {
    if (client.server.config.values.requirepass === "") throw NO_PASSWORD_SET;
    authenticate(client, DEFAULT_USER, args.view(1));
  }
  client.reply.ok();
}

/** Name and password; what AUTH does not take is no secret. */
function authSecrets(args: Args): number[] {
  return args.count > 3 ? [] : args.count === 3 ? [1, 2] : [1];
}

function helloSecrets(args: Args): number[] {
  for (let i = 2; i + 2 < args.count; i++) {
    if (args.is(i, "AUTH")) return [i + 1, i + 2];
    if (args.is(i, "SETNAME")) i++;
  }
  return [];
}

/** Authenticates a client or throws; without `requirepass` the default user has any password. */
function authenticate(client: Client, user: string, password: Uint8Array): void {
  const { requirepass } = client.server.config.values;
  const known = user === DEFAULT_USER;
  if (!known || (requirepass !== "" && !isSecret(password, requirepass))) throw WRONG_PASSWORD;
  client.user = user;
  client.setAuthenticated(true);
}

/** Compares digests, whose equal length lets the time tell nothing of either text. */
function isSecret(given: Uint8Array, secret: string): boolean {
  // Loaded when first needed: it costs memory, and a server without a password has no use for it.
  const crypto = process.getBuiltinModule("node:crypto");
  const sha256 = (bytes: Uint8Array) => crypto.createHash("sha256").update(bytes).digest();
  return crypto.timingSafeEqual(sha256(given), sha256(utf8Bytes(secret)));
}

function select(client: Client, args: Args): void {
  const db = client.server.dbs[int32Arg(args, 1)];
  if (db === undefined) throw NO_SUCH_DATABASE;
  client.db = db;
  client.reply.ok();
}

function quit(client: Client): void {
  client.reply.ok();
  client.closeAfterReplies();
}

function reset(client: Client): void {
  const { server, reply } = client;
  if (client.isPrimary || client.feed !== undefined) throw NO_RESET;
  server.monitors.leave(client);
  server.tracking.disable(client);
  client.discard();
  server.pubsub.leave(client);
  client.db = server.dbs[0]!;
  client.name = "";
  client.user = DEFAULT_USER;
  client.setAuthenticated(server.config.values.requirepass === "");
  client.noEvict = false;
  client.setGate(GATE.noTouch, false);
  // CLIENT REPLY SKIP outlives it, so that RESET itself may be what is not answered.
  if (client.replyMode === "off") client.setReplyMode("on");
  client.setProtocol(2);
  reply.simple("RESET");
}
