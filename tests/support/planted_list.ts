/** A list that both servers have without a list command being run on Redino: to meet a wrong type. */
import { serve } from "../../lib/mod.ts";
import { Server } from "../../lib/server/server.ts";
import { ENCODING, TYPE } from "../../lib/store/database.ts";
import { latin1Bytes } from "../../lib/bytes/text.ts";
import { compare, startPair, type Step } from "./differential.ts";
import { RespClient } from "./resp_client.ts";

/** Runs the steps on both after giving both a list `l`, whose elements no step may look at. */
export async function compareWithList(steps: readonly Step[]): Promise<void> {
  await using pair = await startPair();
  await pair.redis.send("RPUSH", "l", "x");
  await using server = await serve({ port: 0 });
  if (!(server instanceof Server)) throw new TypeError("serve() gives no Server");
  const db = server.dbs[0]!;
  const bytes = latin1Bytes("no listpack");
  const ref = db.arena.put(bytes, 0, bytes.length);
  const key = latin1Bytes("l");
  db.add(key, 0, key.length, TYPE.list, ENCODING.listpack, ref, bytes.length);
  using redino = await RespClient.connect(server.port);
  await compare({ redis: pair.redis, redino, [Symbol.dispose]() {} }, steps);
}
