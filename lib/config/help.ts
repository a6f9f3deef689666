/** What `--help` prints: the ways to start the server, and every directive from the table. */
import { DIRECTIVE_NAMES, DIRECTIVES } from "./directives.ts";
import type { Directive } from "./kinds.ts";
import { Config } from "./config.ts";

const USAGE = `Usage: redino [CONFIG-FILE | -] [--DIRECTIVE VALUE...]...

  redino                         all defaults, port 6379
  redino redis.conf              reads a configuration file
  redino redis.conf --port 7777  an option wins over the file
  redino -                       reads the configuration from standard input
  redino -v, --version           prints the version
  redino -h, --help              prints this

Directives are those of redis.conf. In brackets: the default; an asterisk: accepted, without effect.

`;

/** The whole text, with its last newline. */
export function helpText(): string {
  const defaults = new Config({ dir: "." });
  const rows = DIRECTIVE_NAMES.filter((name) => !DIRECTIVES[name].hidden).map((name) => {
    const { kind, accepted }: Pick<Directive<never>, "kind" | "accepted"> = DIRECTIVES[name];
    const value = defaults.text(name);
    const shown = value === "" ? "" : ` [${value}]`;
    return `  --${name} <${kind}>${shown}${accepted === undefined ? "" : " *"}`;
  });
  return `${USAGE}${rows.join("\n")}\n`;
}
