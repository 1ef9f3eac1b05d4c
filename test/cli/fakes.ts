/** A world for the command line in which nothing is real: streams, time, signals and the SDK. */
import type { CliDeps, CliSdk, Output } from '../../src/cli/deps.ts';
import type { StopSignal } from '../../src/cli/signals.ts';
import { createProgram } from '../../src/cli/program.ts';
import { StatusFold } from '../../src/views/status.ts';
import type { RunStatus } from '../../src/views/status.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { RunId } from '../../src/domain/ids.ts';
import type { Plan } from '../../src/domain/plan.ts';
import type { TryFailure } from '../../src/domain/failure.ts';

export class FakeOutput implements Output {
  text = '';
  isTerminal: boolean;
  closed = false;
  /** Closes after so many writes, as `| head` does. */
  closeAfter = Number.POSITIVE_INFINITY;
  private columns: number;

  constructor(isTerminal = false, columns = 80) {
    this.isTerminal = isTerminal;
    this.columns = columns;
  }
  size() {
    return { columns: this.columns, rows: 24 };
  }
  write(text: string | Uint8Array): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.text += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    if (--this.closeAfter <= 0) this.closed = true;
    return Promise.resolve();
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '');
  }
  /** Each line as JSON; fails the test where one is none. */
  json(): Record<string, unknown>[] {
    return this.lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

export const refuse = (name: string) => (): never => {
  throw new Error(`the test did not expect a call of ${name}`);
};

const NO_SDK: CliSdk = {
  start: refuse('start'),
  compile: refuse('compile'),
  previewPlan: refuse('previewPlan'),
  listRuns: refuse('listRuns'),
  openRun: refuse('openRun'),
  openRecords: refuse('openRecords'),
  testJob: refuse('testJob'),
  replay: refuse('replay'),
  resume: refuse('resume'),
  isPipeline: () => Promise.resolve(false),
  compilePipeline: refuse('compilePipeline'),
  startPipeline: refuse('startPipeline'),
  openPipeline: () => Promise.resolve(undefined),
  resumePipeline: refuse('resumePipeline'),
  verify: refuse('verify'),
  pruneRuns: refuse('pruneRuns'),
  serveAgent: refuse('serveAgent'),
  addModel: refuse('addModel'),
  listModels: refuse('listModels'),
  registryFolder: () => '/registry',
};

interface Timer {
  readonly ms: number;
  readonly callback: () => void;
  readonly every: boolean;
}

export const NOW = Date.parse('2026-11-23T12:00:00Z');

export class FakeWorld {
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly timers = new Set<Timer>();
  readonly listeners = new Set<(signal: StopSignal) => void>();
  readonly left: number[] = [];
  env: Record<string, string | undefined> = {};
  cwd = '/somewhere';
  clock = 0;
  sdk: Partial<CliSdk> = {};
  sdkLoads = 0;

  constructor(options: { terminal?: boolean } = {}) {
    this.stdout = new FakeOutput(options.terminal);
    this.stderr = new FakeOutput(options.terminal);
  }

  get deps(): CliDeps {
    return {
      sdk: () => {
        this.sdkLoads += 1;
        return Promise.resolve({ ...NO_SDK, ...this.sdk });
      },
      stdout: this.stdout,
      stderr: this.stderr,
      env: this.env,
      cwd: this.cwd,
      version: '9.8.7',
      now: () => NOW + this.clock,
      monotonic: () => this.clock,
      timer: (ms, callback, every) => {
        const timer = { ms, callback, every: every !== undefined };
        this.timers.add(timer);
        return () => this.timers.delete(timer);
      },
      onSignal: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
      leave: (exitCode) => this.left.push(exitCode),
    };
  }

  main(...args: string[]): Promise<number> {
    return createProgram(this.deps).main(args);
  }
  signal(signal: StopSignal): void {
    for (const listener of [...this.listeners]) listener(signal);
  }
  /** Lets every timer run once. */
  tick(ms: number): void {
    this.clock += ms;
    for (const timer of [...this.timers]) {
      if (!timer.every) this.timers.delete(timer);
      timer.callback();
    }
  }
}

/** Waits for a condition, turn by turn; the deadline is only there for a test that fails. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function planFor(runId: string, root = '/runs'): Plan {
  return {
    formatVersion: 1,
    runId: runId as RunId,
    runFolder: `${root}/${runId}`,
    displayName: runId,
    experimentName: 'default',
    stepName: 'parallel',
    entry: { language: 'python', codeFolder: '/code', file: 'score.py', moduleName: 'score' },
    scriptArguments: [],
    environmentVariables: {},
    environment: { kind: 'path' },
    inputs: [{ kind: 'files', name: 'images', root: '/data/images', select: { by: 'all' } }],
    cutting: { by: 'files', files: 10 },
    output: {
      action: 'append_row',
      file: `${root}/${runId}/outputs/parallel_run_step.txt`,
      format: 'txt',
      overwrite: false,
    },
    outputFolder: `${root}/${runId}/outputs`,
    sideOutputs: {},
    thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 100 },
    tries: { maxTries: 3 },
    limits: {
      runTimeoutMs: 60_000,
      overheadTimeoutMs: 30_000,
      initTimeoutMs: 300_000,
      shutdownTimeoutMs: 60_000,
      progressTimeoutMs: 270_000,
      firstMiniBatchTimeoutMs: 600_000,
      captureBytesPerTry: 1_000_000,
    },
    processesPerNode: 2,
    nodeCount: 1,
    loggingLevel: 'INFO',
    resourceMonitorIntervalMs: 5000,
    allowEmpty: false,
    origins: {},
  };
}

const NODE = nodeAddress('10.0.0.5');
const worker = (n: number) => workerId(NODE, n);
const at = (second: number) => epochMs(NOW - 60_000 + second * 1000);

export const badPixel = {
  kind: 'exception' as const,
  exceptionType: 'ValueError',
  message: 'bad pixel',
  traceback:
    'Traceback (most recent call last):\n  File "score.py", line 41, in run\n    x = decode(f)\nValueError: bad pixel\n',
  frames: [{ file: 'score.py', line: 41, function: 'run', text: 'x = decode(f)', own: true }],
} satisfies TryFailure;

export interface Story {
  readonly runId?: string;
  readonly created?: number;
  readonly creationFinished?: boolean;
  readonly done?: number;
  readonly failed?: number;
  readonly running?: readonly number[];
  readonly failure?: TryFailure;
  readonly detail?: string;
  readonly ends?: 'Completed' | 'Failed' | 'Canceled';
  readonly exitCode?: 0 | 1 | 130 | 143;
}

/** Events of a run: `done` mini-batches of 10 items done, then `failed` failed, then some running, perhaps its end. */
export function eventsOf(story: Story): RunEvent[] {
  const { created = 100, creationFinished = true, done = 0, failed = 0, running = [], ends } = story;
  const runId = (story.runId ?? 'demo') as RunId;
  const events: RunEvent[] = [
    { type: 'run-created', at: at(0), runId, version: '9.8.7', pid: 1 },
    { type: 'run-state', at: at(0), state: 'Running' },
    { type: 'node-joined', at: at(0), node: NODE, slots: 2, hostname: 'host' },
    ...[worker(1), worker(2)].flatMap((ready): RunEvent[] => [
      { type: 'worker-started', at: at(0), worker: ready, pid: 11 },
      { type: 'worker-loaded', at: at(0), worker: ready, seconds: 0.1 },
      { type: 'worker-initialized', at: at(0), worker: ready, seconds: 0.1 },
    ]),
    {
      type: creationFinished ? 'creation-finished' : 'creation-progress',
      at: at(1),
      miniBatches: created,
      items: created * 10,
    },
  ];
  for (let index = 0; index < done + failed; index++) events.push(...settled(index, index >= done, story));
  running.forEach((second, place) => {
    const index = miniBatchIndex(done + failed + place);
    const begun = { index, dispatch: dispatchNumber(1), try: tryNumber(1), worker: worker(1 + place), pid: 11 };
    events.push({ type: 'try-begun', at: at(second), ...begun, items: 10 });
  });
  if (ends !== undefined) {
    if (ends === 'Completed') {
      const path = `/runs/${runId}/outputs/parallel_run_step.txt`;
      events.push({ type: 'output-assembled', at: at(59), path, rows: done * 10, bytes: done * 100 });
    }
    events.push({
      type: 'run-ended',
      at: at(60),
      state: ends,
      exitCode: story.exitCode ?? (ends === 'Failed' ? 1 : 0),
    });
  }
  return events;
}

function settled(index: number, failed: boolean, story: Story): RunEvent[] {
  const common = { index: miniBatchIndex(index), dispatch: dispatchNumber(1), worker: worker(1), pid: 11, items: 10 };
  const second = Math.min(58, 2 + index / 2);
  const timing = { start1: at(second), end1: at(second), start2: 0, end2: 0, runSeconds: 0.5, elapsedSeconds: 0.5 };
  const outcome = failed
    ? ({
        status: 'RUN_EXCEPTION',
        try: tryNumber(3),
        succeeded: 0,
        failed: 10,
        failure: story.failure ?? badPixel,
        detail: story.detail ?? '/data/images/0170.png and 9 more',
        settles: 'failed',
      } as const)
    : ({ status: 'RUN_DONE', try: tryNumber(1), succeeded: 10, failed: 0, settles: 'done' } as const);
  return [{ type: 'try-finished', at: at(second), ...common, timing, ...outcome }];
}

export function statusOf(story: Story, nowMs = NOW): RunStatus {
  const fold = new StatusFold();
  for (const event of eventsOf(story)) fold.apply(event);
  return fold.status(nowMs);
}
