/** LOLWUT: a maze that the server draws, another one each time, and its version. */
import { utf8Bytes } from "../bytes/text.ts";
import { REDIS_VERSION } from "../config/version.ts";
import type { Args } from "../resp/args.ts";
import type { Client } from "../server/client.ts";
import { integerArg } from "./arguments.ts";

const COLUMNS = 48;
const ROWS = 10;
/** Redis's bound on what a client may ask to be drawn. */
const MAX_COLUMNS = 1000;
const MAX_ROWS = 200;

/** How many further arguments the pictures of Redis 5 and 6 take, all of them integers. */
const PICTURE_ARGUMENTS: Readonly<Record<number, number>> = { 5: 3, 6: 2 };

/** LOLWUT [VERSION version [columns [rows …]]]. */
export function lolwut(client: Client, args: Args): void {
  const sizes: number[] = [];
  if (args.count > 2 && args.is(1, "VERSION")) {
    const taken = PICTURE_ARGUMENTS[integerArg(args, 2)] ?? 0;
    for (let i = 3; i < Math.min(args.count, 3 + taken); i++) sizes.push(integerArg(args, i));
  }
  const columns = clamp(sizes[0] ?? COLUMNS, MAX_COLUMNS);
  const rows = clamp(sizes[1] ?? ROWS, MAX_ROWS);
  const picture = `${maze(columns, rows, client.server.random)}Redis ver. ${REDIS_VERSION}\n`;
  client.reply.verbatim("txt", utf8Bytes(picture));
}

/** Diagonals at random: walls enough for the eye to find a maze in them. */
function maze(columns: number, rows: number, random: () => number): string {
  let text = "";
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) text += random() < 0.5 ? "╱" : "╲";
    text += "\n";
  }
  return text;
}

function clamp(size: number, max: number): number {
  return Math.max(1, Math.min(size, max));
}
