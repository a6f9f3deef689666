/**
 * `deno task suite DIR [unit…]`: Redis's own test suite against Redino. DIR is the unpacked source of
 * Redis 7.0 or of a Valkey, as Debian's source packages have it; tclsh, redis-cli and redis-benchmark
 * must be on PATH. Without units all are run but those for what Redino does not have.
 *
 * Each unit runs in a copy of DIR whose server is a script that starts main.ts. A line a unit tells how
 * many of its tests passed and failed; the names of those that failed come at the end, and the output
 * stays in the copy. Not every failure is Redino's: the suites go with one version, and look into
 * scripts, ACL users and the append-only file in between.
 */
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Units about scripts, functions, ACL users, the append-only file, clusters, modules, defragmentation. */
const NOT_HERE =
  /script|function|acl|aof|cluster|module|violations|oom-score|tls|corrupt-dump-fuzzer|list-common/;
/** The suite's tools that are no part of Redino. */
const TOOLS = ["cli", "benchmark", "check-rdb", "check-aof", "sentinel"];

const { values, positionals: [source, ...units] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { seconds: { type: "string" }, port: { type: "string" } },
});
const seconds = Number(values.seconds ?? 300);
const port = Number(values.port ?? 21111);
if (source === undefined || !(seconds > 0) || !(port > 0)) {
  console.error(
    "deno task suite DIR [unit/type/list…] [--seconds N: of one unit] [--port N: first to use]",
  );
  Deno.exit(2);
}

const dir = await prepare(resolve(source));
const failures: string[] = [];
let passed = 0;
for (const unit of units.length > 0 ? units : allUnits(dir)) {
  const { ok, failed, ended } = await run(unit);
  passed += ok;
  failures.push(...failed.map((name) => `${unit}: ${name}`));
  console.log(`${unit}: ${ok} passed, ${failed.length} failed${ended ? "" : ", did not end"}`);
}
for (const failure of failures) console.log(failure);
console.log(`The output is in ${dir}`);
console.log(`${passed} passed, ${failures.length} failed`);

/** Copies the suite and puts Redino in the server's place; returns the copy. */
async function prepare(from: string): Promise<string> {
  const copy = join(await Deno.makeTempDir({ prefix: "redino_suite_" }), basename(from));
  await succeed("cp", "-r", from, copy);
  const name = basename(from).startsWith("valkey") ? "valkey" : "redis";
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const server = join(copy, "src", `${name}-server`);
  // A link must not be written through.
  await Deno.remove(server).catch(() => {});
  await Deno.writeTextFile(
    server,
    `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-check "${main}" "$@"\n`,
  );
  await Deno.chmod(server, 0o755);
  for (const tool of TOOLS) {
    const link = join(copy, "src", `${name}-${tool}`);
    await Deno.remove(link).catch(() => {});
    const { success, stdout } = await new Deno.Command("which", { args: [`redis-${tool}`] })
      .output();
    if (!success) continue;
    const path = new TextDecoder().decode(stdout).trim();
    await Deno.symlink(path, link);
  }
  // What is newer than 7.2 would stop the start.
  const config = join(copy, "tests/assets/default.conf");
  const lines = (await Deno.readTextFile(config)).split("\n");
  const known = lines.filter((line) => !/^(enable-debug-assert|hide-user-data)/.test(line));
  await Deno.writeTextFile(config, known.join("\n"));
  return copy;
}

async function succeed(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  }
}

function allUnits(copy: string): string[] {
  const units: string[] = [];
  for (const folder of ["unit", "unit/type", "integration"]) {
    for (const { name, isFile } of Deno.readDirSync(join(copy, "tests", folder))) {
      if (isFile && name.endsWith(".tcl")) units.push(`${folder}/${name.slice(0, -4)}`);
    }
  }
  return units.filter((unit) => !NOT_HERE.test(unit)).sort();
}

interface Outcome {
  readonly ok: number;
  readonly failed: readonly string[];
  /** Whether it came to its end within its time. */
  readonly ended: boolean;
}

async function run(unit: string): Promise<Outcome> {
  const { stdout } = await new Deno.Command("timeout", {
    args: [
      ...["-k", "5", String(seconds), "./runtest", "--single", unit, "--clients", "1"],
      ...["--durable", "--baseport", String(port), "--portcount", "2000"],
    ],
    cwd: dir,
    stdin: "null",
    stderr: "null",
  }).output();
  await Deno.writeFile(join(dir, `${unit.replaceAll("/", "_")}.log`), stdout);
  // deno-lint-ignore no-control-regex
  const text = new TextDecoder().decode(stdout).replace(/\x1b\[[\d;]*m/g, "");
  return {
    ok: text.match(/^\[ok\]/gm)?.length ?? 0,
    failed: [...text.matchAll(/^\[(?:err|exception)\]: (.*)/gm)].map((match) => match[1]!),
    ended: /^\[\d+\/\d+ done\]/m.test(text),
  };
}
