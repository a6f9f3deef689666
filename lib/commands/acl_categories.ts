/** The ACL categories of a command: most follow from its group and flags, the rest it names itself. */
import type { CommandGroup, CommandSpec } from "./spec.ts";

/** Every category, in the order in which COMMAND INFO and ACL CAT list them. */
export const ACL_CATEGORIES = [
  "keyspace",
  "read",
  "write",
  "set",
  "sortedset",
  "list",
  "hash",
  "string",
  "bitmap",
  "hyperloglog",
  "geo",
  "stream",
  "pubsub",
  "admin",
  "fast",
  "slow",
  "blocking",
  "dangerous",
  "connection",
  "transaction",
  "scripting",
] as const;

/** The category of a group's commands. Pub/sub's follows from the flag; the others have none. */
const GROUP_CATEGORIES: Partial<Record<CommandGroup, string>> = {
  "bitmap": "bitmap",
  "connection": "connection",
  "generic": "keyspace",
  "geo": "geo",
  "hash": "hash",
  "hyperloglog": "hyperloglog",
  "list": "list",
  "scripting": "scripting",
  "set": "set",
  "sorted-set": "sortedset",
  "stream": "stream",
  "string": "string",
  "transactions": "transaction",
};

/**
 * The categories of a command without the `@`, in Redis's order. A record's `acl` adds to what
 * follows from the rules here, and takes away what it writes with a `-` (`-keyspace`).
 */
export function aclCategories(spec: CommandSpec): string[] {
  const has = new Set<string>();
  const ofGroup = GROUP_CATEGORIES[spec.group];
  // A container that does nothing by itself leaves the group's category to its subcommands.
  const runs = spec.handler !== undefined || spec.subcommands === undefined;
  if (ofGroup !== undefined && runs) has.add(ofGroup);

  for (const flag of spec.flags) {
    if (flag === "write" || flag === "pubsub" || flag === "blocking") has.add(flag);
    // A script may be told that it only reads, but does not count as a command that reads.
    if (flag === "readonly" && spec.group !== "scripting") has.add("read");
    if (flag === "admin") has.add("admin").add("dangerous");
  }
  has.add(spec.flags.includes("fast") ? "fast" : "slow");

  for (const category of spec.acl ?? []) {
    if (category.startsWith("-")) has.delete(category.slice(1));
    else has.add(category);
  }
  return ACL_CATEGORIES.filter((category) => has.has(category));
}
