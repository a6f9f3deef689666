/** Stands in for `@std/cli/parse-args` where JSR is out of reach: the options in use. */

export interface ParseOptions<B extends string, S extends string, D> {
  boolean?: readonly B[];
  string?: readonly S[];
  default?: D;
  /** Called for what is none of the above; false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Values<B extends string, S extends string, D> =
  & { [K in B]: boolean }
  & { [K in S]: K extends keyof D ? string : string | undefined };

/** Reads `--flag`, `--name value` and `--name=value`; the rest goes to `_`. */
export function parseArgs<
  const B extends string = never,
  const S extends string = never,
  const D extends Readonly<Record<string, unknown>> = Record<never, never>,
>(
  args: readonly string[],
  options: ParseOptions<B, S, D> = {},
): Values<B, S, D> & { _: (string | number)[] } {
  const values: Record<string, unknown> = {};
  for (const name of options.boolean ?? []) values[name] = false;
  Object.assign(values, options.default);
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined) {
      if (options.unknown?.(arg) !== false) rest.push(arg);
    } else if (options.boolean?.some((known) => known === name)) {
      values[name] = inline !== "false";
    } else if (options.string?.some((known) => known === name)) {
      values[name] = inline ?? args[++i] ?? "";
    } else if (options.unknown?.(arg, name, inline) !== false) {
      values[name] = inline ?? true;
    }
  }
  return { ...values, _: rest } as Values<B, S, D> & { _: (string | number)[] };
}
