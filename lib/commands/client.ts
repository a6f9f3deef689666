/** CLIENT and its subcommands: what the server knows of its connections, and may do with them. */
import { parseInt64 } from "../bytes/integer.ts";
import { cString, utf8Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { clientInfo, clientType } from "../server/client_info.ts";
import { GATE } from "../server/gates.ts";
import { integerArg, millisecondsArg } from "./arguments.ts";
import { type ClientFilter, clientTypeArg, killFilter, matches } from "./client_filters.ts";
import { CLIENT_TRACKING_SUBCOMMANDS } from "./client_tracking.ts";
import { helpHandler, subcommandSyntaxError } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

export const CLIENT_COMMANDS = [
  {
    name: "client",
    arity: -2,
    flags: [],
    group: "connection",
    since: "2.4.0",
    complexity: "That of the subcommand.",
    summary: "Holds the commands about connections.",
    syntax: "",
    traits: ["keeps_caching"],
    subcommands: [
      ...CLIENT_TRACKING_SUBCOMMANDS,
      {
        name: "getname",
        arity: 2,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "2.6.9",
        complexity: "O(1)",
        summary: "Returns the connection's name.",
        syntax: "",
        handler: getName,
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        group: "connection",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Lists the subcommands.",
        syntax: "",
        handler: helpHandler("client", [
          "CACHING (YES|NO)",
          "    Track the next command's keys, or do not: for OPTIN and OPTOUT.",
          "GETNAME",
          "    Tell this connection's name.",
          "GETREDIR",
          "    Tell which connection is told what this one tracks.",
          "ID",
          "    Tell this connection's number.",
          "INFO",
          "    Describe this connection in one line.",
          "KILL <ip:port>",
          "    Close the connection from this address.",
          "KILL <option> <value> [<option> <value> [...]]",
          "    Close all connections that agree with every option:",
          "    * ADDR (<ip:port>|<unixsocket>:0)",
          "      Where they come from.",
          "    * ID <clientid>",
          "      Their number.",
          "    * LADDR (<ip:port>|<unixsocket>:0)",
          "      The address of the server that they came to.",
          "    * SKIPME (YES|NO)",
          "      Whether this connection stays (default: yes).",
          "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
          "      What they do.",
          "    * USER <username>",
          "      Who they are.",
          "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <clientid> [<clientid> [...]]]",
          "    Describe connections, one a line.",
          "NO-EVICT (ON|OFF)",
          "    Never close this connection to free memory.",
          "NO-TOUCH (ON|OFF)",
          "    Let this connection's commands not count as an access to their keys.",
          "PAUSE <timeout> [WRITE|ALL]",
          "    Let commands, or those that write, wait for <timeout> milliseconds.",
          "REPLY (ON|OFF|SKIP)",
          "    Answer this connection, never, or not to its next command.",
          "SETINFO (LIB-NAME|LIB-VER) <value>",
          "    Say which library is at the other end.",
          "SETNAME <name>",
          "    Give this connection a name.",
          "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
          "         [OPTIN] [OPTOUT] [NOLOOP]",
          "    Tell this connection, or another, when keys change that it has read.",
          "TRACKINGINFO",
          "    Tell what this connection tracks.",
          "UNBLOCK <clientid> [TIMEOUT|ERROR]",
          "    End the wait of a blocked connection.",
          "UNPAUSE",
          "    End the pause.",
        ]),
      },
      {
        name: "id",
        arity: 2,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Returns the connection's number.",
        syntax: "",
        handler: id,
      },
      {
        name: "info",
        arity: 2,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Describes the connection.",
        syntax: "",
        tips: ["nondeterministic_output"],
        handler: info,
      },
      {
        name: "kill",
        arity: -3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "2.4.0",
        complexity: "O(N), N being the number of connections.",
        summary: "Closes connections.",
        syntax: 'filter:(old-format/"ip:port":string!2.8.12|new-format:(' +
          "[ID client-id:integer@2.8.12]|" +
          "[TYPE client-type:(NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)@2.8.12]|" +
          "[USER username:string]|" +
          '[ADDR addr/"ip:port":string]|' +
          '[LADDR laddr/"ip:port":string@6.2.0]|' +
          "[SKIPME skipme:(YES|NO)])...)",
        history: [
          ["2.8.12", "Takes filters instead of an address."],
          ["2.8.12", "`ID`."],
          ["3.2.0", "`TYPE master`."],
          ["5.0.0", "`TYPE replica`, and `slave` as its older name."],
          ["6.2.0", "`LADDR`."],
        ],
        handler: kill,
      },
      {
        name: "list",
        arity: -2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "2.4.0",
        complexity: "O(N), N being the number of connections.",
        summary: "Describes connections.",
        syntax: "[TYPE client-type:(NORMAL|MASTER|REPLICA|PUBSUB)@5.0.0] " +
          "[ID client-id:integer@6.2.0...]",
        tips: ["nondeterministic_output"],
        history: [
          ["2.8.12", "Field `id`."],
          ["5.0.0", "`TYPE`."],
          ["6.0.0", "Field `user`."],
          ["6.2.0", "Fields `argv-mem`, `tot-mem`, `laddr` and `redir`; `ID`."],
          ["7.0.0", "Fields `resp`, `multi-mem`, `rbs` and `rbp`."],
          ["7.0.3", "Field `ssub`."],
        ],
        handler: list,
      },
      {
        name: "no-evict",
        arity: 3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "7.0.0",
        complexity: "O(1)",
        summary: "Keeps the connection from being closed to free memory.",
        syntax: "enabled:(ON|OFF)",
        handler: noEvict,
      },
      {
        name: "no-touch",
        arity: 3,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "7.2.0",
        complexity: "O(1)",
        summary: "Keeps the connection's commands from counting as accesses to keys.",
        syntax: "enabled:(ON|OFF)",
        handler: noTouch,
      },
      {
        name: "pause",
        arity: -3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "3.0.0",
        complexity: "O(1)",
        summary: "Lets commands wait for a time.",
        syntax: "timeout:integer [mode:(WRITE|ALL)@6.2.0]",
        history: [["6.2.0", "`WRITE` and `ALL`."]],
        handler: pause,
      },
      {
        name: "reply",
        arity: 3,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Says whether the connection wants replies.",
        syntax: "action:(ON|OFF|SKIP)",
        handler: reply,
      },
      {
        name: "setinfo",
        arity: 4,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "7.2.0",
        complexity: "O(1)",
        summary: "Notes the client library's name or version.",
        syntax: "attr:(LIB-NAME libname:string|LIB-VER libver:string)",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: setInfo,
      },
      {
        name: "setname",
        arity: 3,
        flags: ["noscript", "loading", "stale"],
        group: "connection",
        since: "2.6.9",
        complexity: "O(1)",
        summary: "Gives the connection a name.",
        syntax: "connection-name:string",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: setName,
      },
      {
        name: "unblock",
        arity: -3,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Ends the wait of a blocked connection.",
        syntax: "client-id:integer [unblock-type:(TIMEOUT|ERROR)]",
        handler: unblock,
      },
      {
        name: "unpause",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        group: "connection",
        since: "6.2.0",
        complexity: "O(N), N being the number of waiting connections.",
        summary: "Ends a pause.",
        syntax: "",
        handler: unpause,
      },
    ],
  },
] as const satisfies readonly CommandSpec[];

const BAD_ID = new ReplyError("ERR Invalid client ID");
const NO_SUCH_CLIENT = new ReplyError("ERR No such client");
const BAD_UNBLOCK_REASON = new ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
const BAD_PAUSE_MODE = new ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL");

/** Argument `i` as a client's name; throws if it has anything but visible ASCII characters. */
export function clientNameArg(args: Args, i: number): string {
  return visibleArg(args, i, "Client names");
}

function visibleArg(args: Args, i: number, what: string): string {
  const text = args.text(i);
  if (/[^!-~]/.test(text)) {
    throw new ReplyError(`ERR ${what} cannot contain spaces, newlines or special characters.`);
  }
  return text;
}

function getName({ name, reply }: Client): void {
  if (name === "") reply.nil();
  else reply.bulkText(name);
}

function setName(client: Client, args: Args): void {
  client.name = clientNameArg(args, 2);
  client.reply.ok();
}

function setInfo(client: Client, args: Args): void {
  const attribute = args.text(2);
  if (args.is(2, "LIB-NAME")) client.libName = visibleArg(args, 3, attribute);
  else if (args.is(2, "LIB-VER")) client.libVersion = visibleArg(args, 3, attribute);
  else throw new ReplyError(`ERR Unrecognized option '${cString(attribute)}'`);
  client.reply.ok();
}

function id(client: Client): void {
  client.reply.integer(client.id);
}

function info(client: Client): void {
  client.reply.verbatim("txt", utf8Bytes(`${clientInfo(client)}\n`));
}

function list(client: Client, args: Args): void {
  const lines: string[] = [];
  for (const listed of listedClients(client, args)) lines.push(`${clientInfo(listed)}\n`);
  client.reply.verbatim("txt", utf8Bytes(lines.join("")));
}

function listedClients({ server }: Client, args: Args): Client[] {
  const all = [...server.clients.values()];
  if (args.count === 2) return all;
  if (args.count === 4 && args.is(2, "TYPE")) {
    const type = clientTypeArg(args, 3);
    return all.filter((client) => clientType(client) === type);
  }
  if (args.count === 3 || !args.is(2, "ID")) throw SYNTAX_ERROR;
  const chosen: Client[] = [];
  for (let i = 3; i < args.count; i++) {
    const id = parseInt64(args.buf, args.off(i), args.len(i));
    if (id === undefined) throw BAD_ID;
    const client = server.clients.get(Number(id));
    if (client !== undefined) chosen.push(client);
  }
  return chosen;
}

function kill(client: Client, args: Args): void {
  const isOldForm = args.count === 3;
  const filter: ClientFilter = isOldForm
    ? { address: args.text(2), skipMe: false }
    : killFilter(args);
  const killed = [...client.server.clients.values()]
    .filter((other) => matches(filter, other, client));
  if (isOldForm) {
    if (killed.length === 0) throw NO_SUCH_CLIENT;
    client.reply.ok();
  } else {
    client.reply.integer(killed.length);
  }
  for (const other of killed) {
    if (other === client) client.closeAfterReplies();
    else other.close();
  }
}

function unblock({ server, reply }: Client, args: Args): void {
  if (args.count > 4) throw subcommandSyntaxError(args);
  let failing = false;
  if (args.count === 4) {
    failing = args.is(3, "ERROR");
    if (!failing && !args.is(3, "TIMEOUT")) throw BAD_UNBLOCK_REASON;
  }
  const client = server.clients.get(integerArg(args, 2));
  if (client?.blocked?.onTimeout === undefined) return reply.integer(0);
  if (failing) {
    server.blocking.fail(client, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
  } else {
    server.blocking.timeOut(client);
  }
  reply.integer(1);
}

function pause(client: Client, args: Args): void {
  const { server, reply } = client;
  if (args.count > 4) throw subcommandSyntaxError(args);
  const all = args.count === 3 || args.is(3, "ALL");
  if (!all && !args.is(3, "WRITE")) throw BAD_PAUSE_MODE;
  server.pause.start(millisecondsArg(client, args, 2), all);
  reply.ok();
}

function unpause({ server, reply }: Client): void {
  server.pause.end();
  reply.ok();
}

/** Only ON is answered. */
function reply(client: Client, args: Args): void {
  if (args.is(2, "ON")) {
    client.setReplyMode("on");
    client.reply.ok();
  } else if (args.is(2, "OFF")) client.setReplyMode("off");
  else if (!args.is(2, "SKIP")) throw SYNTAX_ERROR;
  else if (client.replyMode !== "off") client.setReplyMode("skip");
}

function noEvict(client: Client, args: Args): void {
  client.noEvict = onOffArg(args, 2);
  client.reply.ok();
}

function noTouch(client: Client, args: Args): void {
  client.setGate(GATE.noTouch, onOffArg(args, 2));
  client.reply.ok();
}

function onOffArg(args: Args, i: number): boolean {
  if (args.is(i, "ON")) return true;
  if (args.is(i, "OFF")) return false;
  throw SYNTAX_ERROR;
}
