/**
 * The README's tables of what is there: commands by group from their records, directives from the
 * table of the configuration. Prints them; `--write` brings README.md up to date, `--check` fails if
 * it is not.
 */
import { COMMANDS } from "../lib/commands/index.ts";
import type { CommandSpec } from "../lib/commands/spec.ts";
import { directiveTable } from "../lib/config/directives.ts";

const README = new URL("../README.md", import.meta.url);

/** Groups in the order of the tables, with their titles. */
const TITLES: Readonly<Record<CommandSpec["group"], string>> = {
  "string": "Strings",
  "bitmap": "Bitmaps",
  "list": "Lists",
  "hash": "Hashes",
  "set": "Sets",
  "sorted-set": "Sorted sets",
  "geo": "Geospatial",
  "hyperloglog": "HyperLogLog",
  "stream": "Streams",
  "generic": "Keys",
  "pubsub": "Pub/Sub",
  "transactions": "Transactions",
  "scripting": "Scripting",
  "connection": "Connection",
  "server": "Server",
  "cluster": "Cluster",
};

if (import.meta.main) main(Deno.args);

function main(args: readonly string[]): void {
  const [option] = args;
  if (args.length === 0) {
    console.log(`${supportTable()}\n\n${directivesTable()}`);
    return;
  }
  if (args.length > 1 || (option !== "--write" && option !== "--check")) {
    console.error("Usage: support_table.ts [--write | --check]");
    Deno.exit(2);
  }
  const readme = Deno.readTextFileSync(README);
  const fresh = withTables(readme);
  if (fresh === readme) return;
  if (option === "--check") {
    console.error(
      "README.md's tables are stale: run deno run -A scripts/support_table.ts --write.",
    );
    Deno.exit(1);
  }
  Deno.writeTextFileSync(README, fresh);
}

/** README.md's text with both tables as they are now; throws where a marker is missing. */
export function withTables(readme: string): string {
  return replacePart(
    replacePart(readme, "support", supportTable()),
    "directives",
    directivesTable(),
  );
}

function replacePart(text: string, marker: string, content: string): string {
  const [begin, end] = [`<!-- ${marker}:begin -->`, `<!-- ${marker}:end -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) {
    throw new Error(`Cannot update README.md: it has no ${begin} with a ${end} behind it.`);
  }
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}

/** Supported commands: a heading and a table a group. */
export function supportTable(commands: readonly CommandSpec[] = COMMANDS): string {
  const rows = commands.flatMap(rowsOf);
  return Object.entries(TITLES).flatMap(([group, title]) => {
    const ofGroup = rows.filter((row) => row.group === group);
    if (ofGroup.length === 0) return [];
    ofGroup.sort((a, b) => a.name < b.name ? -1 : 1);
    const lines = ofGroup.map(({ name, since, note }) => [`\`${name}\``, since, note]);
    return [`### ${title}\n\n${markdownTable(["Command", "Since", "Note"], lines)}`];
  }).join("\n\n");
}

interface Row {
  readonly group: CommandSpec["group"];
  readonly name: string;
  readonly since: string;
  readonly note: string;
}

/** A command's row or, for a container, those of what it contains and of itself where it runs. */
function rowsOf(spec: CommandSpec): Row[] {
  const row = (of: CommandSpec, name: string): Row => ({
    group: spec.group,
    name: name.toUpperCase(),
    since: of.since,
    note: of.partial ?? "",
  });
  const subcommands = spec.subcommands?.map((sub) => row(sub, `${spec.name} ${sub.name}`)) ?? [];
  return spec.handler === undefined ? subcommands : [row(spec, spec.name), ...subcommands];
}

/** Directives that are known, checked and kept, but have no effect. */
export function directivesTable(): string {
  const lines = directiveTable().filter(({ works }) => !works)
    .map(({ name, note }) => [`\`${name}\``, note]);
  return markdownTable(["Directive", "Why it has no effect"], lines);
}

/** A table padded as `deno fmt` wants it. */
function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = [head, ...lines].map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(3, ...rows.map((cells) => cells[i]!.length)));
  const format = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const [first, ...rest] = rows.map(format);
  return [first, format(widths.map((width) => "-".repeat(width))), ...rest].join("\n");
}
