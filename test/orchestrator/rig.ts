/** Everything around the orchestrator in memory, under the test's control. */
import type { RunEvent, SpoolExtent } from '../../src/domain/event.ts';
import { epochMs, nodeAddress, workerId } from '../../src/domain/ids.ts';
import type { MiniBatchIndex, WorkerId } from '../../src/domain/ids.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import type { Plan } from '../../src/domain/plan.ts';
import type { Assignment, Clock, Engine, EngineEvent, TryOutcome } from '../../src/domain/ports.ts';
import { Orchestrator } from '../../src/orchestrator/index.ts';
import type { Draft, OrchestratorParts, RowsPiece } from '../../src/orchestrator/index.ts';

export const NODE = nodeAddress('10.0.0.1');

export const plan: Plan = {
  formatVersion: 1,
  runId: 'r1' as Plan['runId'],
  runFolder: '/runs/r1',
  displayName: 'r1',
  experimentName: 'x',
  stepName: 's',
  entry: { language: 'python', codeFolder: '/c', file: 'score.py', moduleName: 'score' },
  scriptArguments: [],
  environmentVariables: {},
  environment: { kind: 'path' },
  inputs: [],
  cutting: { by: 'files', files: 1 },
  output: { action: 'append_row', file: '/runs/r1/outputs/o.txt', format: 'txt', overwrite: false },
  outputFolder: '/runs/r1/outputs',
  sideOutputs: {},
  thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 100 },
  tries: { maxTries: 2 },
  limits: {
    runTimeoutMs: 60_000,
    overheadTimeoutMs: 30_000,
    initTimeoutMs: 300_000,
    shutdownTimeoutMs: 30_000,
    progressTimeoutMs: 270_000,
    firstMiniBatchTimeoutMs: 600_000,
    captureBytesPerTry: 1000,
  },
  processesPerNode: 1,
  nodeCount: 1,
  loggingLevel: 'INFO',
  resourceMonitorIntervalMs: 0,
  allowEmpty: false,
  origins: {},
};

const timing = { start1: epochMs(1), end1: epochMs(2), start2: 0, end2: 0, runSeconds: 0.0001, elapsedSeconds: 0.0001 };

export function okOutcome(a: Assignment, rows: Uint8Array | { part: string; bytes: number }, returned = 1): TryOutcome {
  return {
    type: 'try-outcome',
    at: epochMs(2),
    worker: a.worker,
    pid: 1,
    index: a.index,
    dispatch: a.dispatch,
    timing,
    result: { ok: true, returned, rows },
  };
}
export function failedOutcome(a: Assignment, failure: TryFailure): TryOutcome {
  return {
    type: 'try-outcome',
    at: epochMs(2),
    worker: a.worker,
    pid: 1,
    index: a.index,
    dispatch: a.dispatch,
    timing,
    result: { ok: false, failure },
  };
}
export const raised: TryFailure = {
  kind: 'exception',
  exceptionType: 'ValueError',
  message: 'bad',
  traceback: 'ValueError: bad',
  frames: [],
};

export class FakeEngine implements Engine {
  listener: (events: readonly EngineEvent[]) => void = () => undefined;
  /** Answers each assignment; by default with one row naming the mini-batch. */
  answer: (a: Assignment) => EngineEvent[] = (a) => [okOutcome(a, Buffer.from(`row ${a.index}\n`))];
  readonly dispatched: Assignment[] = [];
  readonly stops: string[] = [];
  onDispatch: (a: Assignment) => void = () => undefined;
  readonly workers: WorkerId[] = [workerId(NODE, 1), workerId(NODE, 2)];

  start(listener: (events: readonly EngineEvent[]) => void): Promise<void> {
    this.listener = listener;
    const at = epochMs(1);
    listener([{ type: 'node-joined', at, node: NODE, slots: this.workers.length, hostname: 'h' }]);
    for (const worker of this.workers) {
      listener([
        { type: 'worker-started', at, worker, pid: 1 },
        { type: 'worker-initialized', at, worker, seconds: 0 },
      ]);
    }
    return Promise.resolve();
  }

  dispatch(assignments: readonly Assignment[]): void {
    for (const a of assignments) {
      this.dispatched.push(a);
      this.onDispatch(a);
      setImmediate(() => {
        this.listener(this.answer(a));
      });
    }
  }

  stop(how: 'orderly' | 'now'): Promise<void> {
    this.stops.push(how);
    return Promise.resolve();
  }
}

export interface More {
  readonly failCreation?: Error;
  /** Of each mini-batch. */
  readonly items?: number;
  readonly checkInput?: OrchestratorParts['checkInput'];
}

export class Rig {
  readonly engine = new FakeEngine();
  readonly committed: RunEvent[] = [];
  readonly published: RunEvent[] = [];
  readonly spooled: Buffer[] = [];
  readonly released: string[] = [];
  readonly drafts: Draft[] = [];
  /** What happened at the disk, in order: `spool`, `sync`, `ledger`, `manifest`. */
  readonly disk: string[] = [];
  commit: (events: readonly RunEvent[]) => Promise<void> = () => Promise.resolve();
  /** What the spool's disk says before it takes rows. */
  spool: (pieces: readonly RowsPiece[]) => Promise<void> = () => Promise.resolve();
  assembled: string[] = [];
  private spoolEnd = 0;
  readonly clock: Clock & { time: number } = {
    time: 0,
    now: () => epochMs(Date.now()),
    monotonic: () => performance.now(),
  };
  readonly orchestrator: Orchestrator;

  constructor(count: number, changes: Partial<Plan> = {}, more: More = {}) {
    const place = (piece: RowsPiece): SpoolExtent => {
      const bytesOf = (one: RowsPiece): Buffer => {
        if ('pieces' in one) return Buffer.concat(one.pieces.map(bytesOf));
        return 'bytes' in one ? Buffer.from(one.bytes) : Buffer.from(`part ${one.part} ${one.length}\n`);
      };
      const bytes = bytesOf(piece);
      this.spooled.push(bytes);
      const extent = { offset: this.spoolEnd, bytes: bytes.length, rows: piece.rows, crc32: 0 };
      this.spoolEnd += bytes.length;
      return extent;
    };
    this.orchestrator = new Orchestrator({
      plan: { ...plan, ...changes },
      clock: this.clock,
      engine: this.engine,
      ledger: {
        commit: async (events) => {
          await this.commit(events);
          this.committed.push(...events);
          if (events.length > 0) this.disk.push('ledger');
        },
      },
      spool: {
        write: async (pieces) => {
          await this.spool(pieces);
          this.disk.push('sync');
          return pieces.map(place);
        },
        releasePart: (path) => {
          this.released.push(path);
          return Promise.resolve();
        },
      },
      manifest: {
        append: (drafts) => this.drafts.push(...drafts),
        flush: (durable) => {
          if (durable) this.disk.push('manifest');
          return Promise.resolve();
        },
        read: (index: MiniBatchIndex) => {
          const draft = this.drafts[index];
          if (!draft) throw new Error(`no mini-batch ${index}`);
          return { source: Buffer.from(JSON.stringify(draft.source)), items: draft.items };
        },
      },
      drafts: draftsOf(count, more.failCreation, more.items ?? 1),
      ...(more.checkInput && { checkInput: more.checkInput }),
      creationFailure: (error) => ({ kind: 'creation-failed', reason: String(error) }),
      assemble: (kind) => {
        this.assembled.push(kind);
        return Promise.resolve({ path: '/o', rows: this.spooled.length, bytes: this.spoolEnd });
      },
      publish: (events) => this.published.push(...events),
    });
  }
}

async function* draftsOf(count: number, failure: Error | undefined, items: number): AsyncGenerator<Draft[]> {
  for (let from = 0; from < count; from += 100) {
    const chunk: Draft[] = [];
    for (let i = from; i < Math.min(count, from + 100); i++)
      chunk.push({ source: { kind: 'files', root: '/d', files: namesOf(i, items) }, items });
    yield await Promise.resolve(chunk);
  }
  if (failure) throw failure;
}

/** `f7`, or `f7.0`, `f7.1`, ... where there are several. */
function namesOf(index: number, items: number): string[] {
  return items === 1 ? [`f${index}`] : Array.from({ length: items }, (_, item) => `f${index}.${item}`);
}
