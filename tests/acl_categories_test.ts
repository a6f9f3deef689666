/** ACL categories: the rule and its exceptions, over every command of the real server. */
import { assert, assertEquals } from "@std/assert";
import { ACL_CATEGORIES, aclCategories } from "../lib/commands/acl_categories.ts";
import type { CommandGroup, CommandSpec, FlagName } from "../lib/commands/spec.ts";
import { startRedis } from "./support/redis.ts";
import { type Reply, RespClient } from "./support/resp_client.ts";
import { redisTest } from "./support/skip.ts";

/** What does not follow from flags and group. */
const EXCEPTIONS: Record<string, readonly string[]> = {
  "asking": ["connection"],
  "command": ["connection"],
  "command|count": ["connection"],
  "command|docs": ["connection"],
  "command|getkeys": ["connection"],
  "command|getkeysandflags": ["connection"],
  "command|help": ["connection"],
  "command|info": ["connection"],
  "command|list": ["connection"],
  "dbsize": ["keyspace"],
  "flushall": ["keyspace", "dangerous"],
  "flushdb": ["keyspace", "dangerous"],
  "info": ["dangerous"],
  "keys": ["dangerous"],
  "lastsave": ["admin", "dangerous"],
  "migrate": ["dangerous"],
  "readonly": ["connection"],
  "readwrite": ["connection"],
  "restore": ["dangerous"],
  "restore-asking": ["keyspace", "dangerous"],
  "role": ["admin", "dangerous"],
  "sort": ["-keyspace", "set", "sortedset", "list", "dangerous"],
  "sort_ro": ["-keyspace", "set", "sortedset", "list", "dangerous"],
  "swapdb": ["keyspace", "dangerous"],
  "wait": ["-keyspace", "connection"],
};

function spec(part: Partial<CommandSpec>): CommandSpec {
  return {
    name: "x",
    arity: 1,
    flags: [],
    group: "server",
    since: "1.0.0",
    complexity: "",
    summary: "",
    syntax: "",
    ...part,
  };
}

Deno.test("a command is in its group's category and in those of its flags", () => {
  assertEquals(aclCategories(spec({ group: "sorted-set", flags: ["write", "blocking", "fast"] })), [
    "write",
    "sortedset",
    "fast",
    "blocking",
  ]);
  assertEquals(aclCategories(spec({ flags: ["admin"] })), ["admin", "slow", "dangerous"]);
});

Deno.test("a container that does nothing itself is not in its group's category", () => {
  const part = { group: "connection", subcommands: [] } as const;
  assertEquals(aclCategories(spec(part)), ["slow"]);
  assertEquals(aclCategories(spec({ ...part, handler: () => {} })), ["slow", "connection"]);
});

Deno.test("a script that only reads is not in @read", () => {
  assertEquals(aclCategories(spec({ group: "scripting", flags: ["readonly"] })), [
    "slow",
    "scripting",
  ]);
});

Deno.test("a record adds categories and takes some away", () => {
  assertEquals(aclCategories(spec({ group: "generic", acl: ["-keyspace", "connection"] })), [
    "slow",
    "connection",
  ]);
});

function items(reply: Reply | undefined): readonly Reply[] {
  assert(reply?.type === "array" || reply?.type === "set");
  return reply.items;
}

function text(reply: Reply | undefined): string {
  assert(reply?.type === "bulk" || reply?.type === "simple");
  return reply.text;
}

/** Collects the group of each command of a COMMAND DOCS reply, subcommands included. */
function collectGroups(docs: Reply | undefined, groups: Map<string, CommandGroup>): void {
  assert(docs?.type === "map");
  for (const [name, doc] of docs.entries) {
    assert(doc.type === "map");
    for (const [field, value] of doc.entries) {
      if (text(field) === "group") groups.set(text(name), text(value) as CommandGroup);
      if (text(field) === "subcommands") collectGroups(value, groups);
    }
  }
}

redisTest("the categories of every command are those of the real server", async () => {
  await using redis = await startRedis();
  using client = await RespClient.connect(redis.port, { protocol: 3 });
  const groups = new Map<string, CommandGroup>();
  collectGroups(await client.send("COMMAND", "DOCS"), groups);

  const check = (info: Reply) => {
    const fields = items(info);
    const name = text(fields[0]);
    const subcommands = items(fields[9]);
    const group = groups.get(name);
    assert(group !== undefined, name);
    const got = aclCategories(spec({
      flags: items(fields[2]).map((flag) => text(flag) as FlagName),
      group,
      ...(EXCEPTIONS[name] && { acl: EXCEPTIONS[name] }),
      ...(subcommands.length > 0 && { subcommands: [] }),
      ...(name === "command" && { handler: () => {} }),
    }));
    assertEquals(got.map((category) => `@${category}`), items(fields[6]).map(text), name);
    for (const subcommand of subcommands) check(subcommand);
  };
  for (const info of items(await client.send("COMMAND"))) check(info);
  assertEquals([...ACL_CATEGORIES], items(await client.send("ACL", "CAT")).map(text));
});
