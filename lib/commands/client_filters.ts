/** Which clients CLIENT KILL and CLIENT LIST mean. */
import { parseInt64 } from "../bytes/integer.ts";
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError, SYNTAX_ERROR } from "../resp/reply_error.ts";
import type { Client } from "../server/client.ts";
import { type ClientType, clientType } from "../server/client_info.ts";

const BAD_ID = new ReplyError("ERR client-id should be greater than 0");

/** A client is meant if it agrees with everything given here. */
export interface ClientFilter {
  id?: number;
  type?: ClientType;
  user?: string;
  address?: string;
  localAddress?: string;
  /** Whether the client that asks is left alone. */
  skipMe: boolean;
}

/** CLIENT KILL's pairs from argument 2 on; of two alike, the later one counts. */
export function killFilter(args: Args): ClientFilter {
  const filter: ClientFilter = { skipMe: true };
  for (let i = 2; i < args.count; i += 2) {
    const value = i + 1;
    if (value === args.count) throw SYNTAX_ERROR;
    if (args.is(i, "ID")) filter.id = idArg(args, value);
    else if (args.is(i, "TYPE")) filter.type = clientTypeArg(args, value);
    else if (args.is(i, "ADDR")) filter.address = args.text(value);
    else if (args.is(i, "LADDR")) filter.localAddress = args.text(value);
    else if (args.is(i, "USER")) filter.user = userArg(args, value);
    else if (args.is(i, "SKIPME")) filter.skipMe = yesNoArg(args, value);
    else throw SYNTAX_ERROR;
  }
  return filter;
}

/** Whether `client` is one that `asking` means. */
export function matches(filter: ClientFilter, client: Client, asking: Client): boolean {
  const { id, type, user, address, localAddress, skipMe } = filter;
  return (address === undefined || address === client.connection.peer) &&
    (localAddress === undefined || localAddress === client.connection.local) &&
    (type === undefined || type === clientType(client)) &&
    (id === undefined || id === client.id) &&
    (user === undefined || user === client.user) &&
    !(skipMe && client === asking);
}

export function clientTypeArg(args: Args, i: number): ClientType {
  if (args.is(i, "NORMAL")) return "normal";
  if (args.is(i, "MASTER")) return "master";
  if (args.is(i, "REPLICA") || args.is(i, "SLAVE")) return "replica";
  if (args.is(i, "PUBSUB")) return "pubsub";
  throw new ReplyError(`ERR Unknown client type '${cString(args.text(i))}'`);
}

function idArg(args: Args, i: number): number {
  const id = parseInt64(args.buf, args.off(i), args.len(i));
  if (id === undefined || id <= 0n) throw BAD_ID;
  return Number(id);
}

function userArg(args: Args, i: number): string {
  const user = args.text(i);
  if (user !== "default") throw new ReplyError(`ERR No such user '${cString(user)}'`);
  return user;
}

function yesNoArg(args: Args, i: number): boolean {
  if (args.is(i, "YES")) return true;
  if (args.is(i, "NO")) return false;
  throw SYNTAX_ERROR;
}
