/**
 * What the command line needs from outside, as small interfaces: `main.ts` puts the real ones in, tests their fakes.
 * The SDK comes as a promise, so that `--help` and `--version` never load it.
 */
import type { RunEvent } from '../domain/event.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import type { JobRequest } from '../job/request.ts';
import type {
  AgentOptions,
  CompiledPipeline,
  ForegroundReport,
  PipelineHandle,
  ModelVersion,
  NewModel,
  PlanPreview,
  PrunedRun,
  Recorded,
  PruneOptions,
  ReplayOptions,
  Resumed,
  ResumedPipeline,
  ResumeOptions,
  RunHandle,
  RunListEntry,
  StartOptions,
  StepOptions,
  StoredPipeline,
  TestOptions,
  Verification,
} from '../sdk/index.ts';
import type { RunStatus } from '../views/status.ts';
import type { StopSignal } from './signals.ts';

export type { StoredPipeline } from '../sdk/index.ts';

/** Of a stored run, what the command line uses. */
export interface StoredRun {
  readonly plan: Plan;
  status(): Promise<RunStatus>;
  events(options: { readonly follow?: boolean; readonly signal?: AbortSignal }): AsyncIterable<RunEvent>;
  live(): Promise<boolean>;
  requestCancel(now: boolean): Promise<void>;
  manifestEntry(index: number): Promise<{ readonly source: MiniBatchSource; readonly items: number }>;
}

/** Where a debugger may attach. */
export interface DebugWaiting {
  readonly port: number;
  /** `ws://...` of the Node inspector. */
  readonly url?: string;
}

/** The SDK as far as the command line uses it; each function throws `ParallelRunError` for what a person must mend. */
export interface CliSdk {
  start(request: JobRequest, options?: StartOptions): Promise<RunHandle>;
  compile(request: JobRequest): Promise<{ readonly plan: Plan; readonly warnings: readonly Problem[] }>;
  previewPlan(request: JobRequest): Promise<PlanPreview>;
  listRuns(root: string): Promise<readonly RunListEntry[]>;
  openRun(root: string, runId: string): Promise<StoredRun>;
  openRecords(root: string, runId: string): Promise<Recorded>;
  isPipeline(request: JobRequest): Promise<boolean>;
  compilePipeline(request: JobRequest): Promise<CompiledPipeline>;
  startPipeline(request: JobRequest, options?: StartOptions): Promise<PipelineHandle>;
  /** Undefined where there is no pipeline of that name. */
  openPipeline(root: string, runId: string): Promise<StoredPipeline | undefined>;
  resumePipeline(pipeline: StoredPipeline, options: StepOptions): Promise<ResumedPipeline>;
  testJob(request: JobRequest, options: TestOptions): Promise<ForegroundReport>;
  replay(root: string, runId: string, index: number, options: ReplayOptions): Promise<ForegroundReport>;
  resume(root: string, runId: string, options: ResumeOptions): Promise<Resumed>;
  verify(root: string, runId: string): Promise<Verification>;
  addModel(registry: string, model: NewModel): Promise<ModelVersion>;
  listModels(registry: string, name?: string): Promise<readonly ModelVersion[]>;
  registryFolder(env: Readonly<Record<string, string | undefined>>): string;
  serveAgent(options: AgentOptions): Promise<void>;
  pruneRuns(root: string, options: PruneOptions): Promise<readonly PrunedRun[]>;
}

/** A stream to write to; never throws and never rejects, also when its reader has gone. */
export interface Output {
  readonly isTerminal: boolean;
  /** Columns and rows of the terminal right now; 80 x 24 where there is none. */
  size(): { readonly columns: number; readonly rows: number };
  /** Resolves when the text was taken over, or the reader has gone. Waiting for it bounds memory. */
  write(text: string | Uint8Array): Promise<void>;
  /** Resolves when everything written is out, or the reader has gone. */
  flush(): Promise<void>;
  /** True once the reader has gone (`| head`). */
  readonly closed: boolean;
}

export interface CliDeps {
  sdk(): Promise<CliSdk>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly version: string;
  /** Wall clock, epoch milliseconds; only shown. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Calls back once, or each `ms` where `every`. @returns what stops it. */
  timer(ms: number, callback: () => void, every?: 'every'): () => void;
  /** @returns what takes the listener away again; signals then do what they always do. */
  readonly onSignal: (listener: (signal: StopSignal) => void) => () => void;
  /** Ends this process without waiting for anything. */
  leave(exitCode: number): void;
}
