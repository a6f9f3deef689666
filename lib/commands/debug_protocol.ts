/** DEBUG PROTOCOL: a value of each type that RESP has, for the tests of clients. */
import { latin1Bytes } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "../server/client.ts";

type Write = (reply: ReplyWriter, client: Client) => void;

const SAMPLES: readonly (readonly [type: string, write: Write])[] = [
  ["string", (reply) => reply.bulkText("Hello World")],
  ["integer", (reply) => reply.integer(12345)],
  ["double", (reply) => reply.double(3.141)],
  ["bignum", (reply) => reply.bigNumber("1234567999999999999999999999999999999")],
  ["null", (reply) => reply.nil()],
  ["array", (reply) => {
    reply.array(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  }],
  ["set", (reply) => {
    reply.set(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  }],
  ["map", (reply) => {
    reply.map(3);
    for (let i = 0; i < 3; i++) {
      reply.integer(i);
      reply.boolean(i === 1);
    }
  }],
  ["attrib", (reply) => {
    if (reply.protocol > 2) {
      reply.attribute(1);
      reply.bulkText("key-popularity");
      reply.array(2);
      reply.bulkText("key:123");
      reply.integer(90);
    }
    reply.bulkText("Some real reply following the attribute");
  }],
  ["push", (reply, client) => {
    if (reply.protocol === 2) throw new ReplyError("ERR RESP2 is not supported by this command");
    // Since 7.2 what is pushed to the client itself waits for the reply.
    client.push(latin1Bytes(">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"));
    reply.bulkText("Some real reply following the push reply");
  }],
  ["verbatim", (reply) => reply.verbatim("txt", latin1Bytes("This is a verbatim\nstring"))],
  ["true", (reply) => reply.boolean(true)],
  ["false", (reply) => reply.boolean(false)],
];

const WRITERS = new Map(SAMPLES.map(([type, write]) => [type.toUpperCase(), write]));
const UNKNOWN_TYPE = new ReplyError(
  "ERR Wrong protocol type name. Please use one of the following: " +
    SAMPLES.map(([type]) => type).join("|"),
);

export function debugProtocol(client: Client, args: Args): void {
  const write = WRITERS.get(args.text(2).toUpperCase());
  if (write === undefined) throw UNKNOWN_TYPE;
  write(client.reply, client);
}
