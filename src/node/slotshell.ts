/** Carries out what a slot's steps say: one worker process after the other, its channel, its output, its end. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { unreachable } from '../domain/assert.ts';
import type { RunWarning } from '../domain/event.ts';
import type { ExitFacts } from '../domain/failure.ts';
import { encodeFrame, encodeFrames } from '../domain/frame.ts';
import type { Frame } from '../domain/frame.ts';
import { epochMs, splitWorkerId } from '../domain/ids.ts';
import type { NodeAddress, WorkerId } from '../domain/ids.ts';
import type { Assignment, EngineEvent, LogSink } from '../domain/ports.ts';
import type { DebugWaitingMessage, WorkerHello, WorkerMessage } from '../domain/protocol.ts';
import { Capture } from './capture.ts';
import { workerEnvironment, workerMarker } from './environment.ts';
import { agentHello, workFolder } from './hello.ts';
import type { DebugRequest } from './hello.ts';
import { asWorkerMessage } from './messages.ts';
import type { OomWitness } from './oom.ts';
import type { WorkerOptions } from './options.ts';
import { WorkerProcess } from './process.ts';
import { readStat } from './procfs.ts';
import { emptySlot, hasProcess } from './slot.ts';
import type { Now, Slot, SlotCommand, SlotEvent, SlotLimits } from './slot.ts';
import { stepSlot } from './slotstep.ts';
import { StackDump, inspectorFlags } from './stacks.ts';
import { sweep } from './tree.ts';

const NO_BODY = new Uint8Array(0);
/** What all slots of a node share. */
export interface NodeFacts {
  readonly address: NodeAddress;
  readonly session: string;
  readonly gpus: number;
  /** Stands before the command of a worker: makes it die with the agent. */
  readonly commandPrefix: readonly string[];
  readonly limits: SlotLimits;
  readonly oom: OomWitness;
}

export interface SlotPorts {
  emit(event: EngineEvent): void;
  /** All events of one happening have been emitted. */
  settled(): void;
  /** Its worker has said `worker-ended`; the slot can take the next one. */
  emptied(startFailed: boolean): void;
  /** Raw output files of an ended worker: nobody writes to them any more. */
  retired?(paths: readonly string[]): void;
  hello?(message: WorkerHello): void;
  debugWaiting?(message: DebugWaitingMessage): void;
}

/** `capture`: output to files and logs. `inherit`: a person sits in front of it. */
export type SlotOutput =
  | { readonly to: 'capture'; readonly logs: LogSink }
  | { readonly to: 'inherit'; readonly debug?: DebugRequest | undefined };

export class SlotShell {
  readonly #options: WorkerOptions;
  readonly #node: NodeFacts;
  readonly #output: SlotOutput;
  readonly #gpu: number | undefined;
  readonly #ports: SlotPorts;
  readonly #slot: Slot = emptySlot();
  #process: WorkerProcess | undefined;
  #capture: Capture | undefined;
  #toSend: { readonly header: object; readonly body: Uint8Array }[] = [];
  #dump: StackDump | undefined;
  /** Position in stderr at the begin of the running try. */
  #tryFrom = 0;
  #cpuSeconds: number | undefined;

  constructor(options: WorkerOptions, node: NodeFacts, output: SlotOutput, gpu: number | undefined, ports: SlotPorts) {
    this.#options = options;
    this.#node = node;
    this.#output = output;
    this.#gpu = gpu;
    this.#ports = ports;
  }

  get isEmpty(): boolean {
    return this.#slot.phase === 'empty';
  }
  get worker(): WorkerId | undefined {
    return this.#slot.worker;
  }

  start(worker: WorkerId): void {
    this.#step({ type: 'start', worker });
  }
  assign(assignments: readonly Assignment[]): void {
    this.#step({ type: 'assign', assignments });
  }
  stop(how: 'orderly' | 'now'): void {
    this.#step({ type: how === 'now' ? 'kill' : 'stop' });
  }
  tick(now: Now): void {
    if (hasProcess(this.#slot)) this.#step({ type: 'tick' }, now);
  }
  /** Looks how much was printed; `showOutput` has to follow one turn of the loop later. */
  measureOutput(): void {
    this.#withCapture((capture) => capture.measure());
  }
  showOutput(): void {
    this.#withCapture((capture) => capture.show());
  }

  /** What can't be read or shown must not end a run. */
  #withCapture(use: (capture: Capture) => void): void {
    try {
      if (this.#capture) use(this.#capture);
    } catch (error) {
      this.#warn({ kind: 'log-write-failed', path: this.#capture?.paths.join(', ') ?? '', reason: reasonOf(error) });
      this.#capture = undefined;
    }
  }

  #now(): Now {
    return { mono: this.#options.clock.monotonic(), wall: this.#options.clock.now() };
  }

  #warn(warning: RunWarning['warning']): void {
    this.#ports.emit({ type: 'warning', at: epochMs(this.#options.clock.now()), warning });
    this.#ports.settled();
  }

  #step(event: SlotEvent, now: Now = this.#now()): void {
    const out: SlotCommand[] = [];
    stepSlot(this.#slot, event, now, this.#node.limits, out);
    for (const command of out) this.#execute(command);
    this.#flush();
    this.#ports.settled();
  }

  /** Frames of one read: one pass over the steps, one write, one call of the listener. */
  #onFrames(process: WorkerProcess, frames: readonly Frame[]): void {
    if (process !== this.#process) return;
    const now = this.#now();
    const out: SlotCommand[] = [];
    for (const frame of frames) {
      const message = asWorkerMessage(frame.header);
      const event: SlotEvent = message
        ? { type: 'message', message: this.#inStream(message), body: frame.body }
        : { type: 'garbage', detail: `not a message: ${JSON.stringify(frame.header).slice(0, 200)}` };
      stepSlot(this.#slot, event, now, this.#node.limits, out);
      for (const command of out) this.#execute(command);
      out.length = 0;
      if (message?.m === 'debug-waiting') this.#ports.debugWaiting?.(message);
      if (message?.m === 'hello') this.#ports.hello?.(message);
    }
    this.#flush();
    this.#ports.settled();
  }

  /** Marks of the raw files as positions in the streams. */
  #inStream(message: WorkerMessage): WorkerMessage {
    if (!this.#capture) return message;
    if (message.m === 'begin') return { ...message, o: this.#capture.positions(message.o, message.w * 1000) };
    if (message.m !== 'done' && message.m !== 'failed') return message;
    return { ...message, o: this.#capture.positions(message.o, message.w[1] * 1000) };
  }

  #execute(command: SlotCommand): void {
    switch (command.type) {
      case 'emit':
        this.#showBeforeFailure(command.event);
        return this.#ports.emit(command.event);
      case 'mark':
        if (command.of !== undefined) this.#tryFrom = command.marks[1];
        return this.#capture?.mark(command.marks, command.of);
      case 'send-run': {
        const { index, dispatch, try: attempt, source } = command.assignment;
        this.#toSend.push({ header: { m: 'run', i: index, d: dispatch, t: attempt }, body: source });
        return;
      }
      case 'send-stop':
        this.#toSend.push({ header: { m: 'stop' }, body: NO_BODY });
        return;
      case 'spawn':
        return this.#spawn(command.worker);
      case 'dump-stacks':
        return this.#askForStacks();
      case 'kill':
        this.#cpuSeconds = cpuSecondsOf(this.#process?.pid ?? 0);
        return this.#process?.kill();
      case 'sweep':
        void this.#sweep();
        return;
      case 'emptied':
        return this.#ports.emptied(command.startFailed);
      default:
        return unreachable(command);
    }
  }

  /** What the script printed before it failed stands above the failure in the logs. */
  #showBeforeFailure(event: EngineEvent): void {
    if (event.type === 'worker-start-failed') this.#withCapture((capture) => capture.look());
    if (event.type !== 'try-outcome' || event.result.ok) return;
    // a living worker may be printing for its next try already, whose mark is not in yet
    this.#withCapture((capture) => (event.printed === undefined ? capture.look() : capture.show()));
  }

  #flush(): void {
    const frames = this.#toSend;
    if (frames.length === 0) return;
    this.#toSend = [];
    this.#process?.write(encodeFrames(frames));
  }

  #spawn(worker: WorkerId): void {
    const { process: name } = splitWorkerId(worker);
    this.#dump = undefined;
    this.#cpuSeconds = undefined;
    this.#tryFrom = 0;
    try {
      this.#process = this.#newProcess(worker, name);
    } catch (error) {
      // a full disk or no descriptors left: as a failed start it is tried again, and named if it stays
      const { command } = this.#options.hostCommand;
      queueMicrotask(() => this.#step({ type: 'spawn-failed', command, reason: reasonOf(error) }));
      return;
    }
  }

  #newProcess(worker: WorkerId, name: string): WorkerProcess {
    const options = this.#options;
    const { address, session, gpus, commandPrefix } = this.#node;
    const cwd = workFolder(options, name);
    mkdirSync(cwd, { recursive: true });
    const debug = this.#output.to === 'inherit' ? this.#output.debug : undefined;
    const hello = agentHello(options, address, name, debug);
    if (hello.profiling) mkdirSync(dirname(hello.profiling.file), { recursive: true });
    const captured = this.#openCapture(worker, name);
    const { command, args, language } = options.hostCommand;
    const words = [...commandPrefix, command, ...inspectorFlags(language), ...args];
    const process: WorkerProcess = new WorkerProcess(
      {
        command: words[0] ?? command,
        args: words.slice(1),
        env: workerEnvironment(options, { address, process: name, session, gpus, gpu: this.#gpu }),
        cwd,
        stdio: captured ? ['ignore', ...captured.descriptors] : ['inherit', 'inherit', 'inherit'],
        ownSession: this.#output.to === 'capture' || this.#output.debug === undefined,
      },
      {
        spawned: (pid) => this.#step({ type: 'spawned', pid }),
        spawnFailed: (reason) => this.#step({ type: 'spawn-failed', command, reason }),
        frames: (frames) => this.#onFrames(process, frames),
        garbage: (detail) => this.#step({ type: 'garbage', detail }),
        channelClosed: () => this.#step({ type: 'channel-closed' }),
        exited: (code, signal) => this.#onExited(code, signal),
      },
    );
    process.write(encodeFrame(hello));
    return process;
  }

  #openCapture(worker: WorkerId, name: string): Capture | undefined {
    if (this.#output.to !== 'capture') return undefined;
    const { clock, limits, layout } = this.#options;
    this.#capture = new Capture({
      folder: layout.capture,
      worker,
      node: this.#node.address,
      process: name,
      keepBytes: limits.captureBytesPerTry,
      logs: this.#output.logs,
      clock,
      warn: (event) => this.#ports.emit(event),
    });
    return this.#capture;
  }

  #onExited(code: number | null, signal: NodeJS.Signals | null): void {
    const exit = this.#exitFacts(code, signal);
    this.#step({
      type: 'exit',
      exit,
      remains: {
        stacks: this.#dump?.take(),
        trace: this.#capture?.stderrSince(this.#slot.running ? this.#tryFrom : 0),
        cpuSeconds: this.#cpuSeconds,
      },
    });
  }

  #exitFacts(code: number | null, signal: NodeJS.Signals | null): ExitFacts {
    if (signal === null) return { by: 'code', code: code ?? 0 };
    const ours = this.#slot.kill !== undefined;
    return { by: 'signal', signal, outOfMemory: signal === 'SIGKILL' && !ours && this.#node.oom.explainsKill() };
  }

  /** Without captured output there is a person who sees the hang, and nowhere to read the answer from. */
  #askForStacks(): void {
    const process = this.#process;
    if (!process || !this.#capture) return this.#step({ type: 'dumped' });
    this.#dump = new StackDump({
      host: this.#options.hostCommand,
      pid: process.pid,
      capture: this.#capture,
      signal: () => process.signal('SIGUSR1'),
      answered: () => {
        if (process === this.#process) this.#step({ type: 'dumped' });
      },
    });
  }

  /** What is left of the tree dies, what is left of the output is shown; then the slot is free. */
  async #sweep(): Promise<void> {
    const worker = this.#slot.worker;
    const process = this.#process;
    const capture = this.#capture;
    if (worker === undefined) return;
    this.#process = undefined;
    this.#capture = undefined;
    process?.abandon();
    const { session, address } = this.#node;
    const name = splitWorkerId(worker).process;
    const marker = { session, worker: workerMarker(this.#options.runId, address, name) };
    const pids = process?.pid ? await sweep(marker, [...process.tree]) : [];
    if (pids.length > 0) this.#warn({ kind: 'processes-left', worker, pids });
    try {
      await capture?.finish();
    } catch (error) {
      this.#warn({ kind: 'log-write-failed', path: capture?.paths.join(', ') ?? '', reason: reasonOf(error) });
    }
    if (capture) this.#ports.retired?.(capture.paths);
    this.#step({ type: 'swept' });
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function cpuSecondsOf(pid: number): number | undefined {
  const stat = pid === 0 ? undefined : readStat(pid);
  return stat && stat.userSeconds + stat.systemSeconds;
}
