/**
 * `deno task compile`: one executable of the server in dist/, for this machine or for `--target`.
 * Deno puts the program behind a base runtime, which it downloads, or takes from `DENORT_BIN`.
 */
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { target: { type: "string" }, output: { type: "string" } },
});
const target = values.target ?? Deno.build.target;
const output = values.output ??
  `dist/redino${values.target === undefined ? "" : `-${target}`}${
    target.includes("windows") ? ".exe" : ""
  }`;

const { success, stderr } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "-A",
    // As the start task: a young heap of 2 MiB saves some 40 MB.
    "--v8-flags=--max-semi-space-size=2",
    "--target",
    target,
    "--output",
    output,
    "main.ts",
  ],
  stdin: "null",
  stdout: "inherit",
}).output();
const said = new TextDecoder().decode(stderr);

if (success) {
  console.log(`Compiled ${output}`);
} else {
  const noRuntime = said.includes("denort");
  console.error(
    noRuntime
      ? `Cannot compile for ${target}: Deno's base runtime (denort) can neither be downloaded nor ` +
        "found where DENORT_BIN names one."
      : said,
  );
  Deno.exit(1);
}
