import type { RunEvent } from '../domain/event.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { RunId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { ExitCode, Problem } from '../domain/problem.ts';
import type { RunStatus } from '../views/status.ts';

/** A run in progress in this process. */
export interface RunHandle {
  readonly runId: RunId;
  /** Absolute run folder. */
  readonly folder: string;
  readonly plan: Plan;
  /** Warnings of the job's validation. */
  readonly warnings: readonly Problem[];
  /** All events from the start of the run (also those before the call), ends with `run-ended`. */
  events(): AsyncIterable<RunEvent>;
  /** The fold of all events so far. */
  status(): RunStatus;
  /** Resolves once the run has ended and no process of it is left; never rejects for a failed run. */
  result(): Promise<RunResult>;
  /** `orderly`: running mini-batches finish, none is started; `now`: workers are killed. */
  cancel(how?: 'orderly' | 'now', by?: 'SIGINT' | 'SIGTERM' | 'command'): void;
}

export interface RunResult {
  readonly runId: RunId;
  readonly folder: string;
  readonly state: 'Completed' | 'Failed' | 'Canceled';
  readonly exitCode: ExitCode;
  readonly reason?: RunFailure;
  readonly status: RunStatus;
}
