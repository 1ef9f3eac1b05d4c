/** What is known of a pipeline: the fold of its journal. Pure. */
import type { RunId } from '../domain/ids.ts';
import type { PipelineEvent, PipelinePlan, StepEnd, StepOutputPlace } from '../domain/pipeline.ts';
import type { ExitCode } from '../domain/problem.ts';

export type StepState = 'NotStarted' | 'Running' | 'Completed' | 'Reused' | 'Failed' | 'Canceled' | 'Skipped';

export interface StepStatus {
  readonly name: string;
  readonly type: 'parallel' | 'command';
  readonly state: StepState;
  /** Of its latest run; of a reused step the one that made the result. */
  readonly runId?: RunId;
  /** Of the pipeline whose result it has. */
  readonly reusedFrom?: RunId;
  /** Why it ran although an earlier result might have served. */
  readonly notReused?: string;
  /** Epoch milliseconds. */
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly exitCode?: ExitCode;
  readonly cause: readonly string[];
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
}

export interface PipelineStatus {
  readonly runId: RunId;
  readonly displayName: string;
  readonly state: 'NotStarted' | 'Running' | StepEnd;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly exitCode?: ExitCode;
  /** In the order of the plan. */
  readonly steps: readonly StepStatus[];
}

/** Events as far as the journal has them; what runs according to it and has no process any more was killed. */
export function pipelineStatus(plan: PipelinePlan, events: readonly PipelineEvent[]): PipelineStatus {
  const steps = new Map<string, StepStatus>(
    plan.steps.map(({ name, type }) => [name, { name, type, state: 'NotStarted', cause: [], outputs: {} }]),
  );
  let whole: Pick<PipelineStatus, 'state' | 'startedAt' | 'endedAt' | 'exitCode'> = { state: 'NotStarted' };
  for (const event of events) {
    if ('step' in event) {
      const before = steps.get(event.step);
      if (before) steps.set(event.step, afterEvent(before, event));
    } else if (event.type === 'pipeline-ended') {
      whole = { ...whole, state: event.state, endedAt: event.at, exitCode: event.exitCode };
    } else {
      whole = { startedAt: whole.startedAt ?? event.at, state: 'Running' };
    }
  }
  const found = [...steps.values()];
  const ended = whole.state !== 'Running' && whole.state !== 'NotStarted';
  return {
    runId: plan.runId,
    displayName: plan.displayName,
    ...whole,
    steps: ended ? found.map((step) => (step.state === 'NotStarted' ? { ...step, state: 'Skipped' } : step)) : found,
  };
}

function afterEvent(before: StepStatus, event: Extract<PipelineEvent, { step: string }>): StepStatus {
  const { name, type } = before;
  switch (event.type) {
    case 'step-started': {
      const { runId, at, notReused } = event;
      const why = notReused === undefined ? {} : { notReused };
      return { name, type, state: 'Running', runId, startedAt: at, cause: [], outputs: {}, ...why };
    }
    case 'step-reused': {
      const { from, at, outputs } = event;
      const times = { startedAt: at, endedAt: at };
      return {
        name,
        type,
        state: 'Reused',
        runId: from.runId,
        reusedFrom: from.pipeline,
        ...times,
        cause: [],
        outputs,
      };
    }
    case 'step-ended': {
      const { state, exitCode, at, cause, outputs } = event;
      return { ...before, state, exitCode, endedAt: at, cause, outputs };
    }
  }
}
