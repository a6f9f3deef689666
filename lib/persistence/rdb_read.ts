/** Reading the value of a key in any of RDB's types. */
import type { SetLimits } from "../store/set_value.ts";
import type { ZsetLimits } from "../store/zset_value.ts";

/** The directives that say which encoding a value gets. */
export interface ValueLimits extends SetLimits, ZsetLimits {
  readonly "hash-max-listpack-entries": number;
  readonly "hash-max-listpack-value": number;
  readonly "list-max-listpack-size": number;
}
