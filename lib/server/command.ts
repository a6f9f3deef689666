/**
 * Commands as the router knows them: a record of `lib/commands/` compiled into what its gates ask
 * (bits, arity, subcommands by name), with the statistics that INFO and COMMAND tell.
 */
import {
  type CommandSpec,
  type FlagName,
  FLAGS,
  type Handler,
  type Trait,
} from "../commands/spec.ts";
import { cString } from "../bytes/text.ts";
import type { Args } from "../resp/args.ts";
import type { LatencyHistogram } from "./latency_histogram.ts";

/** Redis's own bound on how much of an unknown name an error repeats. */
const ECHOED_NAME = 128;

export class Command {
  readonly spec: CommandSpec;
  /** `get`, or `config|get` for a subcommand. */
  readonly fullName: string;
  readonly flags: number;
  readonly arity: number;
  readonly handler: Handler | undefined;
  readonly subcommands: ReadonlyMap<string, Command>;
  /** Whether each call is timed by itself: what costs the same however large the data is not. */
  readonly timed: boolean;
  /** Whether that goes for long replies only. */
  readonly timedByReply: boolean;
  readonly traits: ReadonlySet<Trait>;
  /** Whether it stands for the commands queued by MULTI: asked for each while there are replicas. */
  readonly executesQueue: boolean;
  /** Whether `enable-debug-command` decides who may call it: asked for every command. */
  readonly isProtected: boolean;
  /** Its index in {@link CommandTable.numbered}. */
  number = 0;

  calls = 0;
  usec = 0;
  rejected = 0;
  failed = 0;
  /** How long its calls took, once there are any and while `latency-tracking` is on. */
  latency: LatencyHistogram | undefined;
  /** Calls in the running batch whose time is not accounted for yet. */
  batchCalls = 0;

  constructor(spec: CommandSpec, container?: CommandSpec) {
    this.spec = spec;
    this.fullName = container === undefined ? spec.name : `${container.name}|${spec.name}`;
    this.arity = spec.arity;
    this.handler = spec.handler;
    this.timed = !spec.flags.includes("fast") && spec.complexity !== "O(1)";
    this.traits = new Set([...container?.traits ?? [], ...spec.traits ?? []]);
    this.timedByReply = this.traits.has("cost_in_reply");
    this.flags = flagBits(spec.flags) |
      (this.traits.has("may_replicate") ? FLAGS.may_replicate : 0);
    this.executesQueue = this.traits.has("executes_queue");
    this.isProtected = this.traits.has("protected");
    this.subcommands = new Map(
      spec.subcommands?.map((sub) => [sub.name, new Command(sub, spec)]),
    );
  }

  /** Whether so many arguments will do. */
  takes(count: number): boolean {
    return this.arity >= 0 ? count === this.arity : count >= -this.arity;
  }

  resetStats(): void {
    this.calls =
      this.usec =
      this.rejected =
      this.failed =
      this.batchCalls =
        0;
    this.latency = undefined;
    for (const sub of this.subcommands.values()) sub.resetStats();
  }
}

function flagBits(names: readonly FlagName[]): number {
  let bits = 0;
  for (const name of names) bits |= FLAGS[name];
  return bits;
}

const SLOTS = 2048;

/** All commands, found by the bytes of their name without making a string. */
export class CommandTable {
  /** By the names that they are called by, in lower case. */
  readonly #byName: Map<string, Command>;
  /** The same for the hot path: commands and their names by hash. */
  #slots: (Command | undefined)[] = [];
  #names: string[] = [];
  /** No name is longer, so a longer one need not be read. */
  #longestName = 0;
  /** Commands and subcommands by their number: those without a name, too. */
  readonly numbered: readonly Command[];

  constructor(specs: readonly CommandSpec[]) {
    this.#byName = new Map(specs.map((spec) => [spec.name, new Command(spec)]));
    this.numbered = [...this.everything()];
    for (const [number, command] of this.numbered.entries()) command.number = number;
    this.#index();
  }

  get all(): readonly Command[] {
    return [...this.#byName.values()];
  }

  /**
   * `rename-command`: the command answers to `newName` alone, or to no name if that is empty. Both come
   * as Latin-1. Returns why not, in Redis's words.
   */
  rename(name: string, newName: string): string | undefined {
    const known = asciiLower(name);
    const wanted = asciiLower(newName);
    const command = this.#byName.get(known);
    if (command === undefined) return "No such command in rename-command";
    if (wanted !== known && this.#byName.has(wanted)) return "Target command name already exists";
    this.#byName.delete(known);
    if (wanted !== "") this.#byName.set(wanted, command);
    this.#index();
    return undefined;
  }

  #index(): void {
    this.#slots = new Array(SLOTS).fill(undefined);
    this.#names = new Array(SLOTS).fill("");
    this.#longestName = 0;
    for (const [name, command] of this.#byName) {
      let slot = 0;
      for (let i = 0; i < name.length; i++) slot = mix(slot, name.charCodeAt(i));
      while (this.#slots[slot] !== undefined) slot = (slot + 1) % SLOTS;
      this.#slots[slot] = command;
      this.#names[slot] = name;
      this.#longestName = Math.max(this.#longestName, name.length);
    }
  }

  /** The command that the first argument names, in any case. */
  find(args: Args): Command | undefined {
    const { buf } = args;
    const off = args.off(0);
    const len = args.len(0);
    if (len > this.#longestName) return undefined;
    let slot = 0;
    for (let i = off; i < off + len; i++) slot = mix(slot, buf[i]!);
    for (;; slot = (slot + 1) % SLOTS) {
      const command = this.#slots[slot];
      if (command === undefined || isName(this.#names[slot]!, buf, off, len)) return command;
    }
  }

  /** A command or, by `container|name`, a subcommand. */
  named(fullName: string): Command | undefined {
    const [name, sub, beyond] = fullName.toLowerCase().split("|");
    if (beyond !== undefined) return undefined;
    const command = this.#byName.get(name!);
    return sub === undefined ? command : command?.subcommands.get(sub);
  }

  /** The command that the arguments name, a container's subcommand included; or why there is none. */
  resolve(args: Args): Command | string {
    const command = this.find(args);
    if (command === undefined) return unknownCommand(args);
    if (command.subcommands.size === 0 || args.count < 2) return command;
    const sub = command.subcommands.get(args.text(1).toLowerCase());
    if (sub !== undefined) return sub;
    const name = cString(args.text(1)).slice(0, ECHOED_NAME);
    return `ERR unknown subcommand '${name}'. Try ${args.text(0).toUpperCase()} HELP.`;
  }

  /** Commands and subcommands. */
  *everything(): Generator<Command> {
    for (const command of this.#byName.values()) {
      yield command;
      yield* command.subcommands.values();
    }
  }
}

/** One step of a name's hash, blind to case. */
function mix(hash: number, byte: number): number {
  return (hash * 31 + (byte | 0x20)) & (SLOTS - 1);
}

/** As Redis compares names: other letters than ASCII's have no case. */
function asciiLower(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function isName(name: string, buf: Uint8Array, off: number, len: number): boolean {
  if (name.length !== len) return false;
  for (let i = 0; i < len; i++) {
    const byte = buf[off + i]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}

function unknownCommand(args: Args): string {
  let beginning = "";
  for (let i = 1; i < args.count && beginning.length < ECHOED_NAME; i++) {
    const room = ECHOED_NAME - beginning.length;
    beginning += `'${cString(args.text(i)).slice(0, room)}' `;
  }
  const name = cString(args.text(0)).slice(0, ECHOED_NAME);
  return `ERR unknown command '${name}', with args beginning with: ${beginning}`;
}
