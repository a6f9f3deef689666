/**
 * Active expiry: removes keys whose time has come though nobody asks for them.
 *
 * Redis draws keys at random; our list of volatile keys is dense, so a cursor walks it, and no key
 * is left out for longer than a round takes. The effort is Redis's: a run looks at a few keys of each
 * database, and goes on with a database while more than the accepted part of them had expired, until
 * the round is full or the run's time is up.
 */
import type { Database } from "./database.ts";

/** Databases that one run looks at. */
const MAX_DBS = 16;
/** Keys looked at before asking again whether to go on: at effort 1, and more with each step. */
const KEYS_PER_TURN = 20;
const MORE_KEYS_PER_TURN = 5;
/** Percent of expired keys that do not yet make a run go on, at effort 1; one less with each step. */
const ACCEPTED_STALE_PERCENT = 10;
/** How much more time a run may take with each step of the effort. */
const MORE_TIME = 0.08;
/** The clock is read after so many turns. */
const TURNS_PER_CLOCK = 16;
/** The weight of what is new in the running averages. */
const NEW_TTL_WEIGHT = 1 / 50;
const NEW_STALE_WEIGHT = 1 / 20;

export class ActiveExpiry {
  /** Off by DEBUG SET-ACTIVE-EXPIRE 0. */
  enabled = true;
  /** `active-expire-effort`, 1 to 10. */
  effort = 1;
  /** A running average of how many percent of volatile keys have expired: INFO's expired_stale_perc. */
  stalePercent = 0;
  /** Runs that time ended: INFO's expired_time_cap_reached_count. */
  timeCapReached = 0;

  /** The database that the next run begins with. */
  #next = 0;
  readonly #nowMs: () => number;

  /** `nowMs` is a clock that never goes back. */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /**
   * Removes expired keys; call it some ten times a second. `budgetMs` is about how long it may take
   * at effort 1: a quarter of the processor's time in Redis.
   */
  run(dbs: readonly Database[], budgetMs: number): void {
    if (!this.enabled || dbs.length === 0 || !dbs[0]!.context.expires) return;
    const endMs = this.#nowMs() + budgetMs * (1 + MORE_TIME * (this.effort - 1));
    const seen = { keys: 0, expired: 0, turns: 0 };
    let inTime = true;
    for (let i = Math.min(MAX_DBS, dbs.length); i > 0 && inTime; i--) {
      // Taken before its turn: where time runs out, the next run begins with another.
      this.#next = (this.#next + 1) % dbs.length;
      inTime = this.#walk(dbs[this.#next]!, endMs, seen);
    }
    if (!inTime) this.timeCapReached++;
    const percent = seen.keys === 0 ? 0 : 100 * seen.expired / seen.keys;
    this.stalePercent += (percent - this.stalePercent) * NEW_STALE_WEIGHT;
  }

  /** Removes all keys whose time has come, however long it takes. */
  runToEnd(dbs: readonly Database[]): void {
    for (const db of dbs) expireNext(db, db.volatileCount);
  }

  /** Goes on with a database's round; returns false if time is up. */
  #walk(
    db: Database,
    endMs: number,
    seen: { keys: number; expired: number; turns: number },
  ): boolean {
    const perTurn = KEYS_PER_TURN + MORE_KEYS_PER_TURN * (this.effort - 1);
    const accepted = perTurn * (ACCEPTED_STALE_PERCENT - (this.effort - 1)) / 100;
    for (let left = db.volatileCount; left > 0;) {
      const keys = Math.min(perTurn, left);
      const expired = expireNext(db, keys);
      left -= keys;
      seen.keys += keys;
      seen.expired += expired;
      if (++seen.turns % TURNS_PER_CLOCK === 0 && this.#nowMs() > endMs) return false;
      if (expired <= accepted) return true;
    }
    return true;
  }
}

/** Looks at the next `keys` volatile keys, removes the expired ones and returns how many. */
function expireNext(db: Database, keys: number): number {
  const { nowMs } = db.context.time;
  let expired = 0;
  let livingMs = 0;
  for (let i = 0; i < keys; i++) {
    if (db.expiryCursor >= db.volatileCount) db.expiryCursor = 0;
    const entry = db.volatile[db.expiryCursor]!;
    const ttlMs = db.expiryMs(entry) - nowMs;
    if (ttlMs < 0) {
      // The last of the list takes its place: the cursor stays, to look at that one next.
      db.expire(entry);
      expired++;
    } else {
      livingMs += ttlMs;
      db.expiryCursor++;
    }
  }
  const living = keys - expired;
  if (living > 0) {
    const averageMs = livingMs / living;
    db.averageTtlMs = db.averageTtlMs === 0
      ? averageMs
      : db.averageTtlMs + (averageMs - db.averageTtlMs) * NEW_TTL_WEIGHT;
  }
  return expired;
}
