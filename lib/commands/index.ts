/** All commands: the families' tables, joined. */
import { BITMAP_COMMANDS } from "./bitmap.ts";
import { CLIENT_COMMANDS } from "./client.ts";
import { CONFIG_COMMANDS } from "./config.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { DEBUG_COMMANDS } from "./debug.ts";
import { EXPIRE_COMMANDS } from "./expire.ts";
import { INFO_COMMANDS } from "./info.ts";
import { INTROSPECTION_COMMANDS } from "./introspection.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { MEMORY_COMMANDS } from "./memory.ts";
import { OBJECT_COMMANDS } from "./object.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { STRING_COMMANDS } from "./string.ts";
import { TRANSACTION_COMMANDS } from "./transaction.ts";
import type { CommandSpec } from "./spec.ts";

export const COMMANDS: readonly CommandSpec[] = [
  ...BITMAP_COMMANDS,
  ...CLIENT_COMMANDS,
  ...CONFIG_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...DEBUG_COMMANDS,
  ...EXPIRE_COMMANDS,
  ...INFO_COMMANDS,
  ...INTROSPECTION_COMMANDS,
  ...KEY_COMMANDS,
  ...MEMORY_COMMANDS,
  ...OBJECT_COMMANDS,
  ...SERVER_COMMANDS,
  ...STRING_COMMANDS,
  ...TRANSACTION_COMMANDS,
];
