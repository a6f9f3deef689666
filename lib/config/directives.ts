/**
 * The table of all directives. A new one is a line in the file of its topic and nothing else:
 * reading, CONFIG GET, SET and REWRITE, --help and the README follow from it.
 */
import { DATA } from "./directives/data.ts";
import { GENERAL } from "./directives/general.ts";
import { NETWORK } from "./directives/network.ts";
import { PERSISTENCE } from "./directives/persistence.ts";
import { REPLICATION } from "./directives/replication.ts";
import type { Directive } from "./kinds.ts";

const TABLE = { ...NETWORK, ...GENERAL, ...DATA, ...PERSISTENCE, ...REPLICATION };

export type DirectiveName = keyof typeof TABLE;

type ValueOf<D> = D extends Directive<infer T> ? T : never;

/** Every directive's value under its name. */
export type ConfigValues = { [Name in DirectiveName]: ValueOf<(typeof TABLE)[Name]> };

/** The table, with values of a type that is known only together with the name. */
export const DIRECTIVES: { [Name in DirectiveName]: Directive<ConfigValues[Name]> } = TABLE;

export const DIRECTIVE_NAMES = Object.keys(TABLE) as DirectiveName[];

const NAMES = new Map<string, DirectiveName>();
for (const name of DIRECTIVE_NAMES) {
  NAMES.set(name, name);
  const alias = DIRECTIVES[name].alias;
  if (alias !== undefined) NAMES.set(alias, name);
}

/** Every name and alias, in lower case, and the directive that it means. */
export const NAMES_AND_ALIASES: ReadonlyMap<string, DirectiveName> = NAMES;

/** What a row says that stands in the file alone, and is no value. */
export const FILE_ONLY: Readonly<Record<string, string>> = {
  "include": "reads other files, by a path or a pattern",
  "user": "defines an ACL user: without effect, there are none",
  "rename-command": 'gives a command another name, or with "" none',
  "loadmodule": "modules cannot be loaded; the server refuses to start",
};

/** Directives whose part of the server is still to come, by what it waits for: taken out as it comes. */
const NOT_YET: Readonly<Record<string, readonly DirectiveName[]>> = {
  "there is no append-only file": [
    "appendonly",
    "appendfilename",
    "appenddirname",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "auto-aof-rewrite-percentage",
    "auto-aof-rewrite-min-size",
    "aof-load-truncated",
    "aof-use-rdb-preamble",
    "aof-timestamp-enabled",
  ],
  "no ACL users yet": ["aclfile", "acllog-max-len", "acl-pubsub-default"],
  "no scripts yet": ["busy-reply-threshold"],
  "only for the link to a primary: Deno's TLS asks clients for no certificate": [
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-ca-cert-file",
  ],
};

export interface DirectiveRow {
  readonly name: string;
  /** Whether it has its effect here; otherwise it is known, checked and kept. */
  readonly works: boolean;
  /** Why it has no effect, or what it is; may be empty. */
  readonly note: string;
}

/** One row a directive, for the README. */
export function directiveTable(): DirectiveRow[] {
  const reasons = new Map<DirectiveName, string>();
  for (const [reason, names] of Object.entries(NOT_YET)) {
    for (const name of names) reasons.set(name, reason);
  }
  const rows: DirectiveRow[] = DIRECTIVE_NAMES.filter((name) => !DIRECTIVES[name].hidden).map(
    (name) => {
      const accepted = DIRECTIVES[name].accepted ?? reasons.get(name);
      return { name, works: accepted === undefined, note: accepted ?? "" };
    },
  );
  for (const [name, note] of Object.entries(FILE_ONLY)) {
    rows.push({ name, works: name !== "loadmodule", note });
  }
  return rows;
}
