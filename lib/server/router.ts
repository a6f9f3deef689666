/**
 * From a batch of commands to handlers: looks the command up, asks the gates, runs or queues it.
 *
 * The router knows flags, never names. The gates' order is Redis's, since a client sees which error
 * comes first: exists → arity → protected → authenticated → allowed in MULTI → memory → disk →
 * replicas enough → replica → subscribed → stale → loading → monitor → paused → queued. All conditions
 * that are not the usual one are bits (`lib/server/gates.ts`), so a command that meets none of them
 * costs one test.
 *
 * If you add a gate, give it a bit there and its place in {@link Router.#admit}.
 */
import { MAX_PREFETCH } from "../bytes/byte_map.ts";
import { forgetHash, hashBytes, tellHash } from "../bytes/hash.ts";
import { Queue } from "../bytes/queue.ts";
import { FLAGS } from "../commands/spec.ts";
import { Args } from "../resp/args.ts";
import type { CommandBatch } from "../resp/decoder.ts";
import { type Database, TYPE } from "../store/database.ts";
import { membersOf } from "../store/members.ts";
import { ReplyError } from "../resp/reply_error.ts";
import type { Propagation } from "../replication/propagation.ts";
import type { BlockedKeys } from "./blocked_keys.ts";
import type { Client } from "./client.ts";
import type { Command, CommandTable } from "./command.ts";
import { GATE } from "./gates.ts";
import { LatencyHistogram } from "./latency_histogram.ts";
import type { Server } from "./server.ts";

/** Words of spans from which a batch's keys are fetched together: about three commands. */
const PREFETCH_FROM_WORDS = 18;

/** States of a client in which something follows each command. */
const AFTERMATH = GATE.deferred | GATE.caching;

/** Bytes of reply that take a small part of a millisecond. */
const LONG_REPLY = 16 * 1024;

/** Milliseconds after which the time that commands see is read again between two of a batch. */
const STALE_MS = 1;

/** A command of so many arguments may take long, however little each of them costs. */
const MANY_ARGUMENTS = 256;

/** What a client in MONITOR may not do: Redis takes it for a replica. */
const USES_KEYSPACE = FLAGS.write | FLAGS.readonly | FLAGS.may_replicate;

/** What MONITOR does not show. */
const NOT_MONITORED = FLAGS.admin | FLAGS.skip_monitor;

const NO_SPANS = new Int32Array(0);
const NO_BYTES: Uint8Array = new Uint8Array(0);

export class Router {
  readonly commands: CommandTable;
  readonly #server: Server;
  /** The running batch's arguments: one object for all commands of all clients. */
  readonly #args = new Args(NO_BYTES, NO_SPANS, 0, 0);
  /** The batch that runs. */
  #batch: CommandBatch | undefined;
  /** Whether a batch runs: whoever is woken meanwhile waits for its end. */
  #running = false;
  readonly #resumed = new Queue<Client>();
  readonly #blockedKeys: BlockedKeys;
  readonly #propagation: Propagation;
  /**
   * Runs the command again for which a client is blocked, if the gates still let it: refused or
   * postponed, it is blocked no longer.
   */
  readonly #callAgain = (client: Client, args: Args) => {
    const server = this.#server;
    const { current } = server;
    const gates = server.gates & client.gateMask | client.gates;
    const batch = this.#batch;
    server.current = client;
    this.#batch = undefined;
    this.#admit(client, client.lastCommand!, args, gates, true);
    if (client.postponed) client.postponeFirst(args);
    if ((client.gates & AFTERMATH) !== 0) this.#finish(client);
    if (this.#propagation.pending) this.#endUnit(client);
    server.current = current;
    this.#batch = batch;
  };

  /** Hashes of the first argument of the batch's next commands, and of the fields or members. */
  readonly #hashes = new Int32Array(MAX_PREFETCH);
  readonly #memberHashes = new Int32Array(MAX_PREFETCH);
  /** Whether those of members hold, and whether they are those of a sorted set. */
  #hasMembers = false;
  #isZset = false;
  /** What ByteMap.prefetch returned; kept so that its loads are not optimised away. */
  prefetched = 0;

  /** When the log last told of a cross-protocol attack. */
  #attackMs = -Infinity;

  /** `latency-tracking`: whether the commands' times go into histograms. */
  tracksLatency = true;
  /** Commands called in the running batch, for the time they share: the first so many of an array. */
  readonly #called: Command[] = [];
  #calledCount = 0;
  #batchCalls = 0;
  /** How many errors the current client's replies hold that are counted with their command. */
  #errors = 0;
  /** Bytes that commands with `cost_in_reply` have replied since the clock was read. */
  #replied = 0;
  /** Where the time of the batch that is not accounted for begins: performance.now(). */
  #clockMs = 0;
  /** When the batch began, on that clock. */
  #beganMs = 0;
  /** When the time that commands see was read, on that clock. */
  #timeMs = 0;

  constructor(server: Server, commands: CommandTable) {
    this.#server = server;
    this.#blockedKeys = server.effects.blockedKeys;
    this.#propagation = server.replication.propagation;
    this.commands = commands;
  }

  /** Runs a batch that a connection has decoded, and sends the replies. */
  runBatch(client: Client, batch: CommandBatch): void {
    const server = this.#server;
    if (client.closing) return;
    server.time.refresh();
    client.seenMs = server.time.nowMs;
    if (client.halted || client.pending.length > 0) {
      client.postpone(batch.own());
      server.limitInput(client, batch.overflow);
      if (server.clientEviction.active) server.clientEviction.count(client);
      return;
    }
    this.#begin();
    try {
      this.#run(client, batch);
      client.onBatch?.();
      if (client.halted && !client.closing) client.postpone(batch.own());
    } finally {
      server.current = undefined;
      this.#end();
    }
    this.#send(client);
  }

  /** Sends what the client's commands wrote, unless it has outgrown the output limits. */
  #send(client: Client): void {
    if (client.reply.bytes >= LONG_REPLY) this.#server.limitOutput(client);
    client.connection.flush();
  }

  /**
   * Lets a client go on that was halted: its pending commands run when the running batch is over, so
   * never inside another client's command or transaction.
   */
  resume(client: Client): void {
    if (client.resuming || client.closing) return;
    client.resuming = true;
    this.#resumed.push(client);
    if (this.#running) return;
    this.#server.time.refresh();
    this.settle();
  }

  /** Lets those go on who were woken outside any client's batch. */
  settle(): void {
    this.#begin();
    this.#end();
  }

  /** Runs the commands of a batch from `batch.at` on, until one halts the client. */
  #run(client: Client, batch: CommandBatch): void {
    this.#server.current = client;
    this.#batch = batch;
    const args = this.#args;
    args.buf = batch.buf;
    const spans = args.spans = batch.spans;
    // A batch that ended by an exception left them.
    args.hashed = false;
    forgetHash();
    let hashed = this.#prefetch(client, batch);
    let number = 0;
    while (batch.at < batch.used) {
      const at = batch.at;
      args.count = spans[at]!;
      args.base = at + 1;
      const next = at + 1 + 2 * args.count;
      if (hashed > 0) {
        if (number === hashed) {
          hashed = this.#prefetch(client, batch);
          number = 0;
        }
        args.hashed = true;
        args.hash = this.#hashes[number]!;
        if (this.#hasMembers) {
          const i = memberArg(args.count, this.#isZset);
          tellHash(this.#memberHashes[number]!, args.buf, args.off(i), args.len(i));
        }
        number++;
      }
      this.#execute(client, args);
      // A postponed command was not run: it is the first to run later.
      if (!client.postponed) batch.at = next;
      if (client.halted) break;
    }
    args.spans = NO_SPANS;
    args.buf = NO_BYTES;
    args.hashed = false;
    forgetHash();
    this.#batch = undefined;
    this.#server.current = undefined;
    // A command that outgrew the output limits went on, and may have subscribed after all.
    if (client.connection.closed) this.#server.clientGone(client);
    if (client.halted) return;
    if (batch.error !== undefined) this.#refuse(client, batch.error);
    if (batch.overflow) this.#server.limitInput(client, true);
  }

  /** Bytes that the batch which runs for a client came as, up to the end of its last command. */
  queryBytes(client: Client): number {
    if (this.#batch === undefined || client !== this.#server.current) return 0;
    const { spans, used } = this.#batch;
    return spans[used - 2]! + spans[used - 1]! + "\r\n".length;
  }

  /** Bytes of the arguments of the command that runs for a client. */
  argumentBytes(client: Client): number {
    if (this.#batch === undefined || client !== this.#server.current) return 0;
    let bytes = 0;
    for (let i = 0; i < this.#args.count; i++) bytes += this.#args.len(i);
    return bytes;
  }

  /** Runs what is pending of a client that is no longer halted. */
  #runPending(client: Client): void {
    const { pending } = client;
    while (!client.halted) {
      const batch = pending.peek();
      if (batch === undefined) break;
      this.#run(client, batch);
      // What ends a batch without being a command is still to come, too.
      const ended = batch.error === undefined && !batch.overflow;
      if (batch.at < batch.used || (client.halted && !ended)) break;
      pending.shift();
      client.pendingBytes -= batch.heldBytes;
    }
    this.#send(client);
  }

  /**
   * Hashes the first argument of a batch's next commands, as far as there is room, and lets the store
   * fetch their entries together. It is a key nearly always; if not, no harm is done. Returns how
   * many commands were hashed: 0 for a batch too short to gain from it.
   */
  #prefetch(client: Client, batch: CommandBatch): number {
    const { buf, spans, used } = batch;
    let { at } = batch;
    if (at === 0 && used < PREFETCH_FROM_WORDS) return 0;
    const hashes = this.#hashes;
    this.#hasMembers = false;
    let count = 0;
    let isOneKey = true;
    for (; at < used && count < MAX_PREFETCH; count++) {
      const argc = spans[at]!;
      hashes[count] = argc > 1 ? hashBytes(buf, spans[at + 3]!, spans[at + 4]!) : 0;
      if (hashes[count] !== hashes[0]) isOneKey = false;
      at += 1 + 2 * argc;
    }
    this.prefetched = client.db.map.prefetch(hashes, count);
    if (isOneKey) this.#prefetchMembers(client.db, batch, count);
    return count;
  }

  /**
   * {@link Router.#prefetch} of the fields or members of a large collection, where all commands are on
   * one key: those of a sorted set are last arguments nearly always, all others second ones.
   */
  #prefetchMembers(db: Database, { buf, spans, at }: CommandBatch, count: number): void {
    if (spans[at]! < 3) return;
    const entry = db.map.findHashed(this.#hashes[0]!, buf, spans[at + 3]!, spans[at + 4]!);
    const members = entry === 0 ? undefined : membersOf(db, entry);
    if (members === undefined) return;
    const isZset = this.#isZset = db.type(entry) === TYPE.zset;
    const hashes = this.#memberHashes;
    for (let i = 0; i < count; i++) {
      const argc = spans[at]!;
      const span = at + 1 + 2 * memberArg(argc, isZset);
      hashes[i] = hashBytes(buf, spans[span]!, spans[span + 1]!);
      at += 1 + 2 * argc;
    }
    this.prefetched += members.prefetch(hashes, count);
    this.#hasMembers = true;
  }

  /**
   * Runs one command for a client in any state, and shows it to whoever watches: EXEC's way in, too.
   * Whatever is thrown ends here, so that a transaction is run whole. `again`: it runs not for the
   * first time, for it had to wait.
   */
  call(client: Client, command: Command, args: Args, again = false): void {
    const server = this.#server;
    const { access } = server;
    access.touching = (client.gates & GATE.noTouch) === 0 || command.traits.has("always_touches");
    try {
      this.#call(client, command, args);
      if ((client.gates & GATE.tracking) !== 0) server.tracking.remember(client, command, args);
      if (
        (server.gates & GATE.monitored) !== 0 && !again && (command.flags & NOT_MONITORED) === 0
      ) {
        server.monitors.feed(client, command, args);
      }
    } catch (error) {
      server.reportBug(`what follows ${command.fullName}`, error);
    }
    access.touching = true;
  }

  /** Runs one command for a client, with its statistics. */
  #call(client: Client, command: Command, args: Args): void {
    const { reply } = client;
    this.#errors = reply.errors;
    const written = reply.bytes;
    this.#server.stats.commands++;
    const { timesEachCommand } = this.#server;
    const timed = timesEachCommand || args.count >= MANY_ARGUMENTS ||
      (command.timed && (!command.timedByReply || reply.muted));
    // Right after a timed command, or at a batch's beginning, the clock was read just now.
    if (timed && this.#batchCalls > 0) this.#share();
    const propagates = this.#propagation.active && !command.executesQueue;
    const { dirty } = this.#server.effects;
    if (propagates) this.#propagation.begin();
    try {
      command.handler!(client, args);
    } catch (error) {
      if (error instanceof ReplyError) reply.error(error.message);
      else {
        this.#server.reportBug(command.fullName, error);
        // With half a reply written, what follows could not be understood.
        if (reply.bytes > written) client.closeAfterReplies();
        else reply.error("ERR internal error, see the server's log");
      }
    }
    if (propagates) {
      // SAVE makes it 0.
      const changed = this.#server.effects.dirty > dirty;
      this.#propagation.ended(client.db.number, args, changed, client.transaction === undefined);
    }
    // A command that waits is counted when its wait ends.
    if (client.blocked !== undefined) {
      this.#server.stats.commands--;
      return;
    }
    // Not EXEC, where a command of the transaction has failed.
    if (reply.errors !== this.#errors) command.failed++;
    this.#errors = reply.errors;
    if (command.batchCalls++ === 0) this.#called[this.#calledCount++] = command;
    this.#batchCalls++;
    if (command.timedByReply) this.#replied += reply.bytes - written;
    if (timed || this.#replied >= LONG_REPLY) {
      const usec = this.#share();
      const { slowlog, latency, time } = this.#server;
      // What follows is later by that; but a transaction has one time.
      if (this.#clockMs - this.#timeMs >= STALE_MS && client.transaction === undefined) {
        this.#timeMs = this.#clockMs;
        time.refresh();
      }
      if (usec >= slowlog.thresholdUsec && (command.flags & FLAGS.skip_slowlog) === 0) {
        slowlog.note(client, args, usec, command.spec.secrets?.(args));
      }
      if (latency.thresholdMs > 0) {
        const event = (command.flags & FLAGS.fast) !== 0 ? "fast-command" : "command";
        latency.note(event, usec / 1000, time.nowMs);
      }
    }
  }

  #execute(client: Client, args: Args): void {
    if ((client.gates & GATE.silenced) !== 0) client.nextSilence();
    const command = this.#admissible(client, args);
    if (command !== undefined) {
      const gates = this.#server.gates & client.gateMask | client.gates;
      if (gates === 0) this.#call(client, command, args);
      else this.#admit(client, command, args, gates, this.#batch!.again);
    }
    if ((client.gates & AFTERMATH) !== 0) this.#finish(client);
    if (this.#propagation.pending) this.#endUnit(client);
    if (this.#blockedKeys.hasReady) this.#serveBlocked();
  }

  /** A command or transaction is over: what it wrote goes to the replicas, and WAIT can wait for it. */
  #endUnit(client: Client): void {
    this.#propagation.endUnit();
    client.writeOffset = this.#server.replication.stream.offset;
  }

  /** Serves clients whose keys the last command made ready, and that may have taken its time. */
  #serveBlocked(): void {
    this.#server.time.refresh();
    this.#blockedKeys.serve(this.#server.dbs, this.#callAgain);
  }

  /** The command that the arguments call, or undefined where the answer is an error. */
  #admissible(client: Client, args: Args): Command | undefined {
    let command = this.commands.find(args);
    if (command === undefined || (command.subcommands.size > 0 && args.count > 1)) {
      const resolved = this.commands.resolve(args);
      if (typeof resolved === "string") {
        client.lastCommand = undefined;
        if (args.is(0, "POST") || args.is(0, "HOST:")) {
          this.#abort(client);
          return undefined;
        }
        this.#reject(client, undefined, resolved);
        return undefined;
      }
      command = resolved;
    }
    client.lastCommand = command;
    if (command.handler === undefined || !command.takes(args.count)) {
      const line = `ERR wrong number of arguments for '${command.fullName}' command`;
      this.#reject(client, command, line);
      return undefined;
    }
    if (command.isProtected && !this.#server.allowsDebug(client)) {
      this.#reject(client, command, DEBUG_NOT_ALLOWED);
      return undefined;
    }
    return command;
  }

  /** A browser was made to talk to us: what follows in the body could be commands. */
  #abort(client: Client): void {
    const { log, time } = this.#server;
    if (time.nowMs - this.#attackMs >= ATTACK_LOG_MS) {
      this.#attackMs = time.nowMs;
      log.warning(
        `Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection from ${client.connection.peer} aborted.`,
      );
    }
    client.close();
  }

  /**
   * Asks every gate that may apply; runs, queues, postpones or refuses the command. `again`: see
   * {@link Router.call}.
   */
  #admit(client: Client, command: Command, args: Args, gates: number, again: boolean): void {
    const server = this.#server;
    const { flags } = command;
    const inMulti = (gates & GATE.multi) !== 0;
    if ((gates & GATE.auth) !== 0 && (flags & FLAGS.no_auth) === 0) {
      return this.#reject(client, command, "NOAUTH Authentication required.");
    }
    if (inMulti && (flags & FLAGS.no_multi) !== 0) {
      return this.#reject(client, command, "ERR Command not allowed inside a transaction");
    }
    if (
      (gates & GATE.memory) !== 0 && !server.makeRoom() &&
      // What is queued takes memory, too.
      (this.#has(client, command, FLAGS.denyoom) || (inMulti && !command.traits.has("unqueued")))
    ) {
      return this.#reject(client, command, OOM);
    }
    const writes = this.#has(client, command, FLAGS.write);
    if ((gates & GATE.diskError) !== 0 && (writes || command.traits.has("fails_with_disk"))) {
      return this.#reject(client, command, MISCONF);
    }
    if ((gates & GATE.tooFewReplicas) !== 0 && writes) {
      return this.#reject(client, command, "NOREPLICAS Not enough good replicas to write.");
    }
    if ((gates & GATE.readOnly) !== 0 && writes) {
      return this.#reject(client, command, "READONLY You can't write against a read only replica.");
    }
    if ((gates & GATE.subscribed) !== 0 && !command.traits.has("while_subscribed")) {
      return this.#reject(
        client,
        command,
        `ERR Can't execute '${command.fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      );
    }
    if ((gates & GATE.stale) !== 0 && this.#lacks(client, command, FLAGS.stale)) {
      return this.#reject(client, command, MASTERDOWN);
    }
    if (
      ((gates & GATE.loading) !== 0 && this.#lacks(client, command, FLAGS.loading)) ||
      ((gates & GATE.loadingAside) !== 0 && this.#has(client, command, FLAGS.no_async_loading))
    ) {
      return this.#reject(client, command, "LOADING Redis is loading the dataset in memory");
    }
    if (
      (gates & (GATE.monitor | GATE.replica)) !== 0 && this.#has(client, command, USES_KEYSPACE)
    ) {
      return this.#reject(client, command, "ERR Replica can't interact with the keyspace");
    }
    if (
      (gates & GATE.paused) !== 0 && client.feed === undefined &&
      (server.pause.all || this.#has(client, command, FLAGS.write | FLAGS.may_replicate))
    ) {
      server.pause.postpone(client);
      // It will begin again, and be the one that CLIENT REPLY SKIP silences.
      if (client.replyMode === "skipping") client.setReplyMode("skip");
      return;
    }
    if (inMulti && !command.traits.has("unqueued")) return this.#queue(client, command, args);
    this.call(client, command, args, again);
  }

  /** Queues a command between MULTI and EXEC. */
  #queue(client: Client, command: Command, args: Args): void {
    const server = this.#server;
    const transaction = client.transaction!;
    // What will not run anyway need not be kept.
    if (!transaction.refused && !client.watchBroken) {
      const { memory } = transaction;
      if (!transaction.queue(command, args)) return this.#reject(client, command, OOM);
      if (transaction.bytes > client.limits.maxQueryBytes) return server.limitInput(client, true);
      if (transaction.memory > memory) {
        server.noteWaiting(client);
        // Much may follow before the cron counts.
        if (memory > 0) server.countBytesOf(client);
      }
    }
    client.reply.queued();
  }

  /** After a command, or the refusal of one, in the states of {@link AFTERMATH}. */
  #finish(client: Client): void {
    const { gates, lastCommand } = client;
    const keepsCaching = (gates & GATE.multi) !== 0 || client.postponed ||
      client.blocked !== undefined || lastCommand?.traits.has("keeps_caching");
    if ((gates & GATE.caching) !== 0 && !keepsCaching) client.setCaching(false);
    if ((gates & GATE.deferred) !== 0) client.pushDeferred();
  }

  /** Whether a command, or the transaction that it executes, has one of these flags. */
  #has(client: Client, command: Command, flags: number): boolean {
    const own = command.executesQueue ? client.transaction?.flags ?? 0 : command.flags;
    return (own & flags) !== 0;
  }

  /** Whether a command, or one of the transaction that it executes, has not this flag. */
  #lacks(client: Client, command: Command, flag: number): boolean {
    const lacking = command.executesQueue ? client.transaction?.lacks ?? 0 : ~command.flags;
    return (lacking & flag) !== 0;
  }

  #reject(client: Client, command: Command | undefined, line: string): void {
    if (command !== undefined) command.rejected++;
    if (command?.executesQueue) {
      // As in Redis, also where there is no transaction.
      client.discard();
      line = `EXECABORT Transaction discarded because of: ${line.replace(/^ERR /, "")}`;
    } else if (client.transaction !== undefined) {
      client.transaction.refused = true;
    }
    client.reply.error(line);
    const server = this.#server;
    // Who was shown MULTI is shown its end.
    if (command?.executesQueue && (server.gates & GATE.monitored) !== 0) {
      server.monitors.feed(client, command, this.#args);
    }
  }

  /** Answers bytes that are no request, and closes. */
  #refuse(client: Client, error: string): void {
    this.#server.log.verbose(`Protocol error (${error}) from client id=${client.id}`);
    client.reply.error(`ERR ${error}`);
    client.closeAfterReplies();
  }

  #begin(): void {
    this.#running = true;
    this.#beganMs = this.#timeMs = this.#clockMs = performance.now();
  }

  /** Ends a batch: accounts for its time, and lets those go on whom it woke. */
  #end(): void {
    if (this.#blockedKeys.hasReady) this.#serveBlocked();
    if (this.#batchCalls > 0) this.#share();
    for (let client = this.#resumed.shift(); client !== undefined; client = this.#resumed.shift()) {
      client.resuming = false;
      if (client.closing) continue;
      try {
        this.#runPending(client);
      } catch (error) {
        // It is not the fault of the client whose batch ends here.
        this.#server.reportBug("what a client had waited to do", error);
        client.close();
      }
      if (this.#batchCalls > 0) this.#share();
    }
    this.#running = false;
    const { stats } = this.#server;
    stats.cycles++;
    stats.busyUsec += (this.#clockMs - this.#beganMs) * 1000;
    this.#server.tracking.broadcast();
    this.#server.replication.feed();
  }

  /**
   * Divides the time since the last call among the commands called since then, and returns it in
   * microseconds. Reading the clock costs a tenth of a fast command, so those share a batch's time;
   * a timed command shares with nobody. One whose reply tells its cost shares until {@link LONG_REPLY}
   * has been replied: a slow one is the one that crosses that, and is told with it.
   */
  #share(): number {
    const nowMs = performance.now();
    const usec = (nowMs - this.#clockMs) * 1000;
    this.#clockMs = nowMs;
    this.#replied = 0;
    if (this.#batchCalls > 0) {
      this.#server.stats.commandUsec += usec;
      const each = usec / this.#batchCalls;
      for (let i = 0; i < this.#calledCount; i++) {
        const command = this.#called[i]!;
        command.calls += command.batchCalls;
        command.usec += each * command.batchCalls;
        if (this.tracksLatency) {
          command.latency ??= new LatencyHistogram();
          command.latency.record(each, command.batchCalls);
        }
        command.batchCalls = 0;
      }
      this.#calledCount = 0;
      this.#batchCalls = 0;
    }
    return usec;
  }
}

/** Which of so many arguments is a field or member nearly always, for a command on a large collection. */
function memberArg(count: number, isZset: boolean): number {
  return isZset ? count - 1 : Math.min(2, count - 1);
}

/** The log tells of an attack so seldom that it cannot be flooded. */
const ATTACK_LOG_MS = 60_000;

const OOM = "OOM command not allowed when used memory > 'maxmemory'.";

const DEBUG_NOT_ALLOWED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

const MASTERDOWN =
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

const MISCONF =
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
