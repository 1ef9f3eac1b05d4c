/** Carries out what a slot's steps say: one worker process after the other, its channel, its output, its end. */
import { rm } from 'node:fs';
import { unreachable } from '../domain/assert.ts';
import type { RunWarning } from '../domain/event.ts';
import type { ExitFacts } from '../domain/failure.ts';
import { encodeFrames } from '../domain/frame.ts';
import type { Frame } from '../domain/frame.ts';
import { epochMs } from '../domain/ids.ts';
import type { WorkerId } from '../domain/ids.ts';
import type { Assignment, EngineEvent } from '../domain/ports.ts';
import type { DebugWaitingMessage, OutputMarks, RunMessage, WorkerHello, WorkerMessage } from '../domain/protocol.ts';
import { WorkerBody } from './body.ts';
import type { NodeFacts, SlotOutput } from './body.ts';
import type { Capture } from './capture.ts';
import { GrowthWatch } from './growth.ts';
import type { MemoryKill } from './memoryguard.ts';
import type { WatchedSlot, WatchedWorker } from './memorywatch.ts';
import { asWorkerMessage } from './messages.ts';
import type { WorkerOptions } from './options.ts';
import { lacksSpace } from './room.ts';
import { emptySlot, hasProcess } from './slot.ts';
import type { Now, Slot, SlotCommand, SlotEvent } from './slot.ts';
import { stepSlot } from './slotstep.ts';
import { signalCatchers, StackDump } from './stacks.ts';

const NO_BODY = new Uint8Array(0);

export interface SlotPorts {
  emit(event: EngineEvent): void;
  /** All events of one happening have been emitted. */
  settled(): void;
  /** Its worker has said `worker-ended`; the slot can take the next one. */
  emptied(startFailed: boolean): void;
  /** Raw output files of an ended worker: nobody writes to them any more. */
  retired?(paths: readonly string[]): void;
  /** A try failed for want of space: whether a disk of the node is full. */
  noRoom?(): boolean;
  hello?(message: WorkerHello): void;
  debugWaiting?(message: DebugWaitingMessage): void;
}

export class SlotShell implements WatchedSlot {
  readonly #options: WorkerOptions;
  readonly #node: NodeFacts;
  readonly #output: SlotOutput;
  readonly #gpu: number | undefined;
  readonly #ports: SlotPorts;
  readonly #slot: Slot = emptySlot();
  #body: WorkerBody | undefined;
  /** Its output can't be read or shown: said once. */
  #isBlind = false;
  #toSend: { readonly header: object; readonly body: Uint8Array }[] = [];
  #dump: StackDump | undefined;
  #growth: GrowthWatch | undefined;

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
  get watched(): WatchedWorker | undefined {
    const { worker, pid, spawnedAt, running, waiting, phase, kill } = this.#slot;
    if (worker === undefined || pid === 0 || phase === 'empty') return undefined;
    const inTry = running !== undefined || waiting.length > 0;
    return { worker, pid, startedAt: spawnedAt, inTry, dying: phase === 'ending' || kill?.killedAt !== undefined };
  }
  noteMemory(bytes: number): void {
    this.#body?.witness.noteMemory(bytes);
  }
  killForMemory({ rule, rssBytes, limitBytes }: MemoryKill): void {
    this.#step({ type: 'memory', guard: { rule, rssBytes, limitBytes } });
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
    const capture = this.#body?.capture;
    if (!capture || this.#isBlind) return;
    try {
      use(capture);
    } catch (error) {
      this.#warn({ kind: 'log-write-failed', path: capture.paths.join(', '), reason: reasonOf(error) });
      this.#isBlind = true;
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
  #onFrames(body: WorkerBody, frames: readonly Frame[]): void {
    if (body !== this.#body) return;
    const now = this.#now();
    const out: SlotCommand[] = [];
    for (const frame of frames) {
      const message = asWorkerMessage(frame.header);
      const event: SlotEvent = message
        ? heard(body, message, frame.body, this.#lacksRoom(message))
        : { type: 'garbage', detail: `not a message: ${JSON.stringify(frame.header).slice(0, 200)}` };
      stepSlot(this.#slot, event, now, this.#node.limits, out);
      for (const command of out) this.#execute(command);
      out.length = 0;
      if (message?.m === 'initialized') body.witness.ready(this.#slot.pid);
      if (message) this.#watchGrowth(message, now, out);
      if (message?.m === 'debug-waiting') this.#ports.debugWaiting?.(message);
      if (message?.m === 'hello') this.#ports.hello?.(message);
    }
    this.#flush();
    this.#ports.settled();
  }

  #lacksRoom(message: WorkerMessage): boolean {
    return message.m === 'failed' && lacksSpace(message.error) && this.#ports.noRoom?.() === true;
  }

  #watchGrowth({ m }: WorkerMessage, now: Now, out: SlotCommand[]): void {
    const max = this.#node.growthBytesMax;
    if (max === undefined) return;
    if (m === 'initialized') this.#growth = new GrowthWatch(max, this.#slot.pid, now.mono);
    const bytes = m === 'done' || m === 'failed' ? this.#growth?.tooMuch(now.mono) : undefined;
    if (bytes === undefined) return;
    stepSlot(this.#slot, { type: 'grown', bytes }, now, this.#node.limits, out);
    for (const command of out) this.#execute(command);
    out.length = 0;
  }

  #execute(command: SlotCommand): void {
    switch (command.type) {
      case 'emit':
        this.#showBeforeFailure(command.event);
        this.#dropTornPart(command.event);
        return this.#ports.emit(command.event);
      case 'mark':
        this.#body?.witness.mark(command.marks, command.of);
        return this.#body?.capture?.mark(command.marks, command.of);
      case 'send-run': {
        const { index, dispatch, try: attempt, part, source } = command.assignment;
        const header: RunMessage = {
          m: 'run',
          i: index,
          d: dispatch,
          t: attempt,
          ...(part && { p: [part.from, part.to] }),
        };
        this.#toSend.push({ header, body: source });
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
        return this.#body?.kill();
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

  /** What a process had begun to write when it died is of use to nobody, and may be large. */
  #dropTornPart(event: EngineEvent): void {
    if (event.type !== 'try-outcome' || event.result.ok || event.printed !== undefined) return;
    rm(`${this.#options.layout.parts}/${event.index}.${event.dispatch}.part`, { force: true }, () => undefined);
  }

  #flush(): void {
    const frames = this.#toSend;
    if (frames.length === 0) return;
    this.#toSend = [];
    this.#body?.process.write(encodeFrames(frames));
  }

  #spawn(worker: WorkerId): void {
    this.#dump = undefined;
    this.#isBlind = false;
    this.#growth = undefined;
    try {
      this.#body = this.#newBody(worker);
    } catch (error) {
      // a full disk or no descriptors left: as a failed start it is tried again, and named if it stays
      const { command } = this.#options.hostCommand;
      queueMicrotask(() => this.#step({ type: 'spawn-failed', command, reason: reasonOf(error) }));
      return;
    }
  }

  #newBody(worker: WorkerId): WorkerBody {
    const { command } = this.#options.hostCommand;
    const warn = (event: RunWarning): void => this.#ports.emit(event);
    const body: WorkerBody = new WorkerBody(
      { options: this.#options, node: this.#node, output: this.#output, gpu: this.#gpu, worker, warn },
      {
        spawned: (pid) => this.#step({ type: 'spawned', pid }),
        spawnFailed: (reason) => this.#step({ type: 'spawn-failed', command, reason }),
        frames: (frames) => this.#onFrames(body, frames),
        garbage: (detail) => this.#step({ type: 'garbage', detail }),
        channelClosed: () => this.#step({ type: 'channel-closed' }),
        exited: (code, signal) => this.#onExited(body, code, signal),
      },
    );
    return body;
  }

  #onExited(body: WorkerBody, code: number | null, signal: NodeJS.Signals | null): void {
    const exit = this.#exitFacts(body, code, signal);
    this.#step({ type: 'exit', exit, remains: body.witness.remains(this.#slot.running, this.#dump) });
  }

  #exitFacts(body: WorkerBody, code: number | null, signal: NodeJS.Signals | null): ExitFacts {
    if (signal === null) return { by: 'code', code: code ?? 0 };
    const reason = this.#slot.kill?.reason;
    if (reason?.kind === 'memory' && signal === 'SIGKILL') {
      const { kind: _kind, ...guard } = reason;
      return { by: 'signal', signal, outOfMemory: true, guard };
    }
    return { by: 'signal', signal, outOfMemory: signal === 'SIGKILL' && reason === undefined && body.wasOutOfMemory };
  }

  /** Without captured output there is a person who sees the hang, and nowhere to read the answer from. */
  #askForStacks(): void {
    const body = this.#body;
    if (!body?.capture || this.#isBlind) return this.#step({ type: 'dumped' });
    this.#dump = new StackDump({
      host: this.#options.hostCommand,
      pid: body.process.pid,
      capture: body.capture,
      signal: () => {
        if (this.#options.hostCommand.wrapped) signalCatchers(body.process.pid);
        else body.process.signal('SIGUSR1');
      },
      answered: () => {
        if (body === this.#body) this.#step({ type: 'dumped' });
      },
    });
  }

  /** What is left of the tree dies, what is left of the output is shown; then the slot is free. */
  async #sweep(): Promise<void> {
    const { worker } = this.#slot;
    const body = this.#body;
    if (worker === undefined) return;
    this.#body = undefined;
    const pids = (await body?.takeApart()) ?? [];
    if (pids.length > 0) this.#warn({ kind: 'processes-left', worker, pids });
    if (body?.capture) await this.#finishOutput(body.capture);
    this.#step({ type: 'swept' });
  }

  async #finishOutput(capture: Capture): Promise<void> {
    try {
      await capture.finish();
    } catch (error) {
      this.#warn({ kind: 'log-write-failed', path: capture.paths.join(', '), reason: reasonOf(error) });
    }
    this.#ports.retired?.(capture.paths);
  }
}

function heard(
  { capture, witness }: WorkerBody,
  message: WorkerMessage,
  body: Uint8Array,
  noRoom: boolean,
): Extract<SlotEvent, { type: 'message' }> {
  if (capture) position(message, capture);
  const seen = message.m === 'failed' ? witness.ofFailed(message) : undefined;
  return { type: 'message', message, body, seen, noRoom };
}

/** Makes positions in the streams of the marks of the raw files. The message is ours alone, just made of its bytes. */
function position(message: WorkerMessage, capture: Capture): void {
  if (message.m !== 'begin' && message.m !== 'done' && message.m !== 'failed') return;
  const own: { o: OutputMarks } = message;
  own.o = capture.positions(message.o, (message.m === 'begin' ? message.w : message.w[1]) * 1000);
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
