/** Eviction: frees keys when `maxmemory` is reached. (The names here are what apply_config.ts sets.) */
import type { ConfigValues } from "../config/config.ts";
import type { Database, DatabaseContext } from "./database.ts";

export class Eviction {
  maxMemory = 0;
  policy: ConfigValues["maxmemory-policy"] = "noeviction";
  samples = 5;
  tenacity = 10;
  readonly dbs: readonly Database[];
  readonly context: DatabaseContext;
  readonly usedMemory: () => number;

  constructor(dbs: readonly Database[], context: DatabaseContext, usedMemory: () => number) {
    this.dbs = dbs;
    this.context = context;
    this.usedMemory = usedMemory;
  }

  makeRoom(): boolean {
    return this.maxMemory === 0 || this.usedMemory() <= this.maxMemory;
  }
}
