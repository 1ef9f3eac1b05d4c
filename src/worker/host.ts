import { chdir, cwd } from 'node:process';
import { PROTOCOL_VERSION } from '../domain/protocol.ts';
import { encodeFrame } from '../domain/frame.ts';
import type { EntryFunctions } from '../domain/entry.ts';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { AgentHello, DoneMessage, FailedMessage, OutputMarks, StageErrorMessage } from '../domain/protocol.ts';
import type { Channel } from './channel.ts';
import { cpuSeconds, monotonicSeconds, wallSeconds } from './clock.ts';
import { loadEntry } from './entry.ts';
import type { LoadedEntry } from './entry.ts';
import { ExceptionReader } from './exception.ts';
import type { FaultWatch } from './faults.ts';
import { handedItems, listItems, readRows } from './items.ts';
import type { ReadItems } from './input.ts';
import type { Mailbox, Task } from './mailbox.ts';
import { OutputMeter } from './marks.ts';
import { peakMemory } from './memory.ts';
import { isThenable, runTry } from './try.ts';
import type { TryTools } from './try.ts';

const parse = JSON.parse;
const decoder = new TextDecoder();
/** A `done` frame waits for the `begin` of the next mini-batch only where that one is ready in no time. */
const QUICK_SOURCE_BYTES_MAX = 64 * 1024;

type Loaded = Extract<LoadedEntry, { readonly ok: true }>;

export type Stage = 'load' | 'init' | 'idle' | 'run' | 'shutdown' | 'over';

/** The life of one worker process: load, `init`, mini-batch after mini-batch, `shutdown`. */
export class Host {
  /** What user code is under way, for messages about an unexpected end. */
  stage: Stage = 'load';
  /** Index of the mini-batch under way, or of the last one. */
  index: number | undefined;
  readonly #channel: Channel;
  readonly #mailbox: Mailbox;
  readonly #faults: FaultWatch;
  readonly #meter = new OutputMeter();
  /** A `done` or `failed` frame that leaves together with the next frame. */
  #held: Uint8Array | undefined;
  /** Readings at the end of the last try. */
  #lastEnd: { readonly c: number; readonly o: OutputMarks } | undefined;
  #home = cwd();

  constructor(channel: Channel, mailbox: Mailbox, faults: FaultWatch) {
    this.#channel = channel;
    this.#mailbox = mailbox;
    this.#faults = faults;
  }

  /** @returns the exit code of the process. Rejects for defects of the host and when the agent is gone. */
  async work(): Promise<number> {
    const hello = await this.#mailbox.hello;
    const { pid, version } = process;
    this.#channel.send({ m: 'hello', protocol: PROTOCOL_VERSION, pid, language: 'node', version });
    if (hello.protocol !== PROTOCOL_VERSION) return 1;
    this.#settleIn(hello);
    const exceptions = new ExceptionReader(hello.codeFolder);
    const loaded = await this.#load(hello, exceptions);
    if (loaded === undefined) return 1;
    const entry = hello.debug === undefined ? loaded.entry : await this.#waitForDebugger(loaded, hello.debug.port);
    if (!(await this.#initialize(entry, exceptions))) return 1;
    const { output, partFolder } = hello;
    if (!(await this.#serve({ entry, output, partFolder, faults: this.#faults, exceptions }, hello))) return 1;
    await this.#shutDown(entry, exceptions);
    return 0;
  }

  #settleIn(hello: AgentHello): void {
    process.title = `parallelrun ${hello.process}`;
    process.argv = [process.execPath, hello.script, ...hello.argv];
    chdir(hello.workFolder);
    this.#home = cwd();
  }

  async #load(hello: AgentHello, exceptions: ExceptionReader): Promise<Loaded | undefined> {
    const start = monotonicSeconds();
    const loaded = await this.#guard(() => loadEntry(hello.script));
    const s = monotonicSeconds() - start;
    if (!loaded.ok) return this.#stageError('load', s, loaded.error, exceptions);
    if (!loaded.value.ok) {
      const error = { kind: 'no-run-function', file: hello.script, defined: loaded.value.defined } as const;
      this.#channel.send({ m: 'stage-error', stage: 'load', s, error });
      return undefined;
    }
    this.#channel.send({ m: 'loaded', s });
    return loaded.value;
  }

  async #waitForDebugger(loaded: Loaded, port: number): Promise<EntryFunctions> {
    const { waitForDebugger } = await import('./debug.ts');
    return waitForDebugger(loaded, port, (url) => this.#channel.send({ m: 'debug-waiting', port, url }));
  }

  async #initialize(entry: EntryFunctions, exceptions: ExceptionReader): Promise<boolean> {
    this.stage = 'init';
    const start = monotonicSeconds();
    const done = await this.#guard(() => callStage(entry.init));
    const s = monotonicSeconds() - start;
    if (done.ok) this.#channel.send({ m: 'initialized', s });
    else this.#stageError('init', s, done.error, exceptions);
    return done.ok;
  }

  /** @returns false where the process must end at once, without `shutdown`. */
  async #serve(tools: TryTools, hello: AgentHello): Promise<boolean> {
    for (;;) {
      this.stage = 'idle';
      if (this.#mailbox.empty) this.#flush();
      const next = this.#mailbox.take();
      const task = next instanceof Promise ? await next : next;
      if (task === undefined) break;
      if (!(await this.#serveOne(task, tools, hello))) return false;
    }
    this.#flush();
    return true;
  }

  async #serveOne({ message, body }: Task, tools: TryTools, hello: AgentHello): Promise<boolean> {
    const { i, d } = message;
    if (body.length > QUICK_SOURCE_BYTES_MAX) this.#flush();
    const source = parse(decoder.decode(body)) as MiniBatchSource;
    const range = handedItems(source, message.p);
    const read = await this.#readItems(source, range, hello);
    if (cwd() !== this.#home) chdir(this.#home);
    this.#meter.reopen();
    this.stage = 'run';
    this.index = i;
    // with a frame still held, no user code ran since it was made: its readings are still true
    const at = this.#held === undefined ? undefined : this.#lastEnd;
    const w = wallSeconds();
    const c = at?.c ?? cpuSeconds();
    this.#sendNow(encodeFrame({ m: 'begin', i, d, w, o: at?.o ?? this.#meter.read() }));
    const finished = read.ok
      ? await runTry({ message, source, range, items: read.items }, tools)
      : ({ result: read, seconds: 0, fatal: false } as const);
    const common = { i, d, n: read.count, r: round(finished.seconds) };
    const end = { c: cpuSeconds(), o: this.#meter.read() };
    this.#lastEnd = end;
    const times = { w: [w, wallSeconds()], c: [c, end.c], o: end.o } as const;
    const { result, fatal } = finished;
    if (result.ok) this.#hold({ m: 'done', ...common, ...times, ...result.fields }, result.body);
    else {
      const item = result.item === undefined ? {} : { item: range.from + result.item };
      this.#hold({ m: 'failed', ...common, ...times, ...item, ...peakMemory(), error: result.error });
    }
    if (fatal) this.#flush();
    return !fatal;
  }

  async #readItems(source: MiniBatchSource, range: ItemRange, hello: AgentHello): Promise<ReadItems> {
    if (source.kind !== 'rows') return listItems(source, range);
    this.#flush();
    return readRows(source, hello.tables, range);
  }

  async #shutDown(entry: EntryFunctions, exceptions: ExceptionReader): Promise<void> {
    this.stage = 'shutdown';
    const start = monotonicSeconds();
    const done = await this.#guard(() => callStage(entry.shutdown));
    const s = monotonicSeconds() - start;
    if (!done.ok) this.#stageError('shutdown', s, done.error, exceptions);
    this.stage = 'over';
    this.#channel.send({ m: 'bye', s });
  }

  /** Runs the user code of a stage; what goes astray meanwhile belongs to the stage. */
  async #guard<T>(
    call: () => Promise<T>,
  ): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }> {
    this.#faults.begin();
    const settled = await this.#faults.settle(call());
    const fault = this.#faults.end();
    if (settled.kind === 'threw') return { ok: false, error: settled.error };
    if (settled.kind === 'fault') return { ok: false, error: settled.fault.error };
    return fault === undefined ? { ok: true, value: settled.value } : { ok: false, error: fault.error };
  }

  #stageError(stage: StageErrorMessage['stage'], s: number, error: unknown, exceptions: ExceptionReader): undefined {
    this.#channel.send({ m: 'stage-error', stage, s, error: { kind: 'exception', ...exceptions.read(error) } });
  }

  #hold(message: DoneMessage | FailedMessage, body?: Uint8Array): void {
    this.#held = encodeFrame(message, body);
  }

  /** Writes a frame, behind the one that was held. */
  #sendNow(frame: Uint8Array): void {
    const held = this.#held;
    this.#held = undefined;
    this.#channel.write(held === undefined ? frame : Buffer.concat([held, frame]));
  }

  #flush(): void {
    if (this.#held !== undefined) this.#channel.write(this.#held);
    this.#held = undefined;
  }
}

/** Async, so that a function that throws at once and one that rejects look the same. */
async function callStage(stage: (() => unknown) | undefined): Promise<void> {
  const returned = stage === undefined ? undefined : callEntryScript(stage);
  if (isThenable(returned)) await returned;
  // a turn of the loop: a rejection that nobody handles belongs to this stage
  await new Promise((resolve) => setImmediate(resolve));
}

/** Its name marks the border between our frames and the script's in a stack text. */
function callEntryScript(stage: () => unknown): unknown {
  return stage();
}

/** To microseconds. */
function round(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6;
}
