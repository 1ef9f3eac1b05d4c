/**
 * What the command line needs from outside, as small interfaces: `main.ts` puts the real ones in, tests their fakes.
 * The SDK comes as a promise, so that `--help` and `--version` never load it.
 */
import type { Column, Plan } from '../domain/plan.ts';
import type { RunEnded, RunEvent, RunState } from '../domain/event.ts';
import type { StartFailure, TryFailure } from '../domain/failure.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { ExitCode, Problem } from '../domain/problem.ts';
import type { JobRequest } from '../job/request.ts';
import type { RunHandle } from '../sdk/types.ts';
import type { RunStatus } from '../views/status.ts';
import type { StopSignal } from './signals.ts';

export interface StartOptions {
  readonly signal?: AbortSignal;
  /** What happens before there is a run: copying code, building an environment. One line each. */
  readonly onProgress?: (line: string) => void;
}

export interface EffectiveSetting {
  readonly name: string;
  readonly value: unknown;
  readonly origin: string;
}

export interface PlanPreview {
  readonly plan: Plan;
  readonly settings: readonly EffectiveSetting[];
  readonly warnings: readonly Problem[];
  readonly miniBatches: number;
  readonly items: number;
  /** Items of a mini-batch. */
  readonly sizes: { readonly min: number; readonly median: number; readonly max: number };
  readonly first: readonly { readonly index: number; readonly items: number; readonly description: string }[];
  readonly schema?: readonly Column[];
  /** Counting stopped early: the numbers are a lower bound. */
  readonly truncated?: boolean;
}

export interface RunListEntry {
  readonly runId: string;
  readonly folder: string;
  readonly displayName: string;
  readonly state: RunState;
  /** A process works on it right now. */
  readonly live: boolean;
  readonly startedAt?: number;
  readonly elapsedSeconds: number;
  readonly miniBatches: RunStatus['miniBatches'];
  readonly items: RunStatus['items'];
  /** Why the folder can't be read as a run. */
  readonly problem?: string;
}

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

/** What one mini-batch in the foreground came to. */
export interface ForegroundReport {
  readonly index: number;
  readonly ok: boolean;
  /** Length of what `run()` returned. */
  readonly returned?: number;
  readonly items: number;
  readonly rowsPreview: readonly string[];
  readonly failure?: TryFailure | StartFailure;
  readonly seconds: number;
  readonly exitCode: ExitCode;
}

export interface PrunedRun {
  readonly runId: string;
  readonly folder: string;
  readonly bytes: number;
  readonly why: string;
}

export interface TestOptions {
  readonly index?: number;
  readonly debugPort?: number;
  /** Aborted: the mini-batch is ended, its process too, and the promise rejects. */
  readonly signal?: AbortSignal;
  readonly onDebugWaiting?: (where: DebugWaiting) => void;
}
export interface ReplayOptions {
  readonly debug?: boolean;
  readonly port?: number;
  readonly item?: number;
  readonly pdb?: boolean;
  readonly signal?: AbortSignal;
  readonly onDebugWaiting?: (where: DebugWaiting) => void;
}
export interface PruneOptions {
  readonly keep?: number;
  readonly olderThanMs?: number;
  readonly dryRun: boolean;
}

export interface ResumeOptions {
  readonly allowCodeChange?: boolean;
  readonly retryFailed?: boolean;
  readonly changes?: {
    readonly errorThreshold?: number;
    readonly miniBatchErrorThreshold?: number;
    readonly processes?: number;
    readonly maxRetries?: number;
    readonly runTimeoutMs?: number;
  };
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}
export type Resumed =
  | { readonly kind: 'going on'; readonly run: RunHandle; readonly settled: number }
  | { readonly kind: 'ended'; readonly ended: RunEnded };

/** What became of a mini-batch; see `sdk/verify.ts`. */
export interface AccountedMiniBatch {
  readonly index: number;
  readonly items: number | undefined;
  readonly state: 'rows' | 'failed' | 'pending';
  readonly rows?: { readonly from: number; readonly to: number };
  readonly failedItems: number;
  readonly reason?: string;
}
export interface Verification {
  readonly runId: string;
  readonly state: 'Completed' | 'Failed' | 'Canceled' | 'Interrupted';
  readonly ok: boolean;
  readonly items: {
    readonly total: number;
    readonly complete: boolean;
    readonly succeeded: number;
    readonly failed: number;
    readonly pending: number;
  };
  readonly shortItems: number;
  readonly miniBatches: {
    readonly total: number;
    readonly done: number;
    readonly failed: number;
    readonly pending: number;
  };
  readonly rows: number;
  readonly checked?: {
    readonly what: 'result' | 'partial result' | 'spool';
    readonly path: string;
    readonly bytes: number;
    readonly headerBytes: number;
  };
  readonly differences: readonly Problem[];
  readonly accounts: () => Iterable<AccountedMiniBatch>;
}

/** The SDK as far as the command line uses it; each function throws `ParallelRunError` for what a person must mend. */
export interface CliSdk {
  start(request: JobRequest, options?: StartOptions): Promise<RunHandle>;
  compile(request: JobRequest): Promise<{ readonly plan: Plan; readonly warnings: readonly Problem[] }>;
  previewPlan(request: JobRequest): Promise<PlanPreview>;
  listRuns(root: string): Promise<readonly RunListEntry[]>;
  openRun(root: string, runId: string): Promise<StoredRun>;
  testJob(request: JobRequest, options: TestOptions): Promise<ForegroundReport>;
  replay(root: string, runId: string, index: number, options: ReplayOptions): Promise<ForegroundReport>;
  resume(root: string, runId: string, options: ResumeOptions): Promise<Resumed>;
  verify(root: string, runId: string): Promise<Verification>;
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
