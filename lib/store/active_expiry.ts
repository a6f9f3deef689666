/** Active expiry. (The names here are what cron.ts and apply_config.ts use.) */
import type { Database } from "./database.ts";

export class ActiveExpiry {
  enabled = true;
  effort = 1;

  /** Removes expired keys for at most `budgetMs`. */
  run(_dbs: readonly Database[], _budgetMs: number): void {}
}
