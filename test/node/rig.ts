/** An agent with workers that do what the test says; waits are for events, with a deadline. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runLayout } from '../../src/domain/layout.ts';
import { dispatchNumber, epochMs, miniBatchIndex, tryNumber } from '../../src/domain/ids.ts';
import type { RunId, WorkerId } from '../../src/domain/ids.ts';
import type { Assignment, Clock, Engine, EngineEvent, LogSink } from '../../src/domain/ports.ts';
import { createEmbeddedEngine } from '../../src/engine/embedded/index.ts';
import { findMarkedByJob } from './census.ts';
import type { NodeOptions, WorkerOptions } from '../../src/node/options.ts';

const FAKE_WORKER = fileURLToPath(new URL('fixtures/fake-worker.mjs', import.meta.url));
const DEADLINE_MS = 20_000;

export type EventOf<T extends EngineEvent['type']> = Extract<EngineEvent, { type: T }>;

export const realClock: Clock = { now: () => epochMs(Date.now()), monotonic: () => performance.now() };

/** Keeps what is logged, by path. */
export class MemoryLogs implements LogSink {
  readonly #chunks = new Map<string, Buffer[]>();
  append(path: string, chunk: string | Uint8Array): void {
    const chunks = this.#chunks.get(path) ?? [];
    chunks.push(Buffer.from(chunk));
    this.#chunks.set(path, chunks);
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  bytes(path: string): Buffer {
    return Buffer.concat(this.#chunks.get(path) ?? []);
  }
  text(path: string): string {
    return this.bytes(path).toString('utf8');
  }
  paths(): string[] {
    return [...this.#chunks.keys()].sort();
  }
}

export interface RigSettings {
  readonly processes?: number;
  readonly orders?: object;
  readonly limits?: Partial<WorkerOptions['limits']>;
  readonly sampleMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly baseEnvironment?: Readonly<Record<string, string | undefined>>;
  readonly command?: string;
  readonly language?: 'python' | 'node';
  readonly more?: Partial<NodeOptions>;
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'node-'));
  readonly logs = new MemoryLogs();
  readonly events: EngineEvent[] = [];
  readonly options: NodeOptions;
  readonly engine: Engine;
  #listeners: (() => void)[] = [];
  #dispatches = 0;
  #stopped = false;

  constructor(settings: RigSettings = {}) {
    const layout = runLayout(join(this.folder, 'run-1'));
    mkdirSync(layout.code, { recursive: true });
    this.options = {
      runId: 'run-1' as RunId,
      experimentName: 'an experiment',
      layout,
      entry: { codeFolder: layout.code, script: join(layout.code, 'score.mjs'), moduleName: 'score' },
      hostCommand: {
        language: settings.language ?? 'node',
        command: settings.command ?? process.execPath,
        args: [FAKE_WORKER],
      },
      scriptArguments: ['--model', 'a b'],
      environmentVariables: { FAKE_ORDERS: JSON.stringify(settings.orders ?? {}), ...settings.env },
      ...(settings.baseEnvironment && { baseEnvironment: settings.baseEnvironment }),
      output: { action: 'append_row', file: join(layout.outputs, 'rows.txt'), format: 'txt', overwrite: false },
      outputFolder: layout.outputs,
      tables: [],
      limits: {
        runTimeoutMs: 60_000,
        overheadTimeoutMs: 30_000,
        initTimeoutMs: 30_000,
        shutdownTimeoutMs: 10_000,
        progressTimeoutMs: 60_000,
        firstMiniBatchTimeoutMs: 60_000,
        captureBytesPerTry: 1024 * 1024,
        ...settings.limits,
      },
      loggingLevel: 'INFO',
      advertise: '10.1.2.3',
      clock: realClock,
      processesPerNode: settings.processes ?? 1,
      resourceMonitorIntervalMs: settings.sampleMs ?? 0,
      logs: this.logs,
      ...settings.more,
    };
    this.engine = createEmbeddedEngine(this.options);
  }

  async start(): Promise<void> {
    await this.engine.start((events) => {
      this.events.push(...events);
      for (const listener of this.#listeners) listener();
    });
  }

  /** The n-th event (from 1) of a type, now or once it comes. */
  async event<T extends EngineEvent['type']>(type: T, nth = 1): Promise<EventOf<T>> {
    await this.until(() => this.all(type).length >= nth, `${type} number ${nth}`);
    const found = this.all(type)[nth - 1];
    if (!found) throw new Error('unreachable');
    return found;
  }

  all<T extends EngineEvent['type']>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is EventOf<T> => event.type === type);
  }

  types(): string[] {
    return this.events.map((event) => event.type);
  }

  /** Starts, waits for the first ready worker. */
  async ready(): Promise<WorkerId> {
    await this.start();
    return (await this.event('worker-initialized')).worker;
  }

  assignment(worker: WorkerId, index: number, order: object): Assignment {
    const source = Buffer.from(JSON.stringify({ kind: 'files', root: JSON.stringify(order), files: ['a'] }));
    this.#dispatches += 1;
    const dispatch = dispatchNumber(this.#dispatches);
    return { worker, index: miniBatchIndex(index), dispatch, try: tryNumber(1), items: 1, source };
  }

  give(worker: WorkerId, ...orders: object[]): void {
    this.engine.dispatch(orders.map((order, index) => this.assignment(worker, index, order)));
  }

  file(name: string): string {
    return join(this.folder, name);
  }
  read(name: string): string {
    return readFileSync(join(this.options.layout.folder, name), 'utf8');
  }

  /** @throws after the deadline, with what happened so far */
  async until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(deadline);
        clearInterval(again);
        this.#listeners = this.#listeners.filter((l) => l !== check);
      };
      const check = (): void => {
        if (!condition()) return;
        end();
        resolve();
      };
      const deadline = setTimeout(() => {
        end();
        reject(new Error(`waited in vain for ${what}; events: ${JSON.stringify(this.events, null, 1)}`));
      }, DEADLINE_MS);
      // conditions on files have no event
      const again = setInterval(check, 10);
      this.#listeners.push(check);
    });
  }

  async stop(how: 'orderly' | 'now' = 'orderly'): Promise<void> {
    await this.engine.stop(how);
    this.#stopped = true;
  }

  /** Ends everything. Fails where a process is left that a worker has started. */
  async dispose(): Promise<void> {
    if (!this.#stopped) await this.engine.stop('now');
    const left = findMarkedByJob(this.options.layout.temp);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`processes left behind: ${left.join(', ')}`);
  }
}
