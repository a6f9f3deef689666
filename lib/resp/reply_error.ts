/**
 * What a handler throws for a command that Redis answers with an error; the router writes it.
 * It is no Error: nobody reads its stack, and taking one costs more than the command.
 */
export class ReplyError {
  /** The whole line without `-` and CRLF, its code first: `ERR syntax error`. */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export const SYNTAX_ERROR = new ReplyError("ERR syntax error");
export const NOT_AN_INTEGER = new ReplyError("ERR value is not an integer or out of range");
export const NOT_A_FLOAT = new ReplyError("ERR value is not a valid float");
export const WRONG_TYPE = new ReplyError(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);
export const NO_SUCH_KEY = new ReplyError("ERR no such key");
export const OUT_OF_RANGE = new ReplyError("ERR index out of range");
