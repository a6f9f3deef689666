/** What the JavaScript heap holds, for tests of what something costs it. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of the heap that are in use when all garbage has been collected. */
export function heapBytes(): number {
  collect();
  return Deno.memoryUsage().heapUsed;
}
