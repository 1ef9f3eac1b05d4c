/** Which steps of a pipeline begin next, and how it ends. */
import type { PipelineStep, StepEnd } from '../domain/pipeline.ts';
import type { ExitCode } from '../domain/problem.ts';

/** `done`: completed or reused; its outputs are there. `skipped`: it waits for one that did not come to that. */
export type StepPhase = 'waiting' | 'running' | 'done' | 'failed' | 'canceled';

export interface StepProgress {
  readonly phase: StepPhase;
  readonly exitCode?: ExitCode;
}

export interface PipelineRules {
  readonly steps: readonly PipelineStep[];
  readonly continueOnFailure: boolean;
}

export type Phases = ReadonlyMap<string, StepProgress>;

const phaseOf = (phases: Phases, step: string): StepPhase => phases.get(step)?.phase ?? 'waiting';

/** Steps that can begin now, in the order of the plan. None once it is canceled, or one failed and that stops all. */
export function stepsToBegin(rules: PipelineRules, phases: Phases, canceled: boolean): readonly PipelineStep[] {
  const failed = rules.steps.some(({ name }) => ['failed', 'canceled'].includes(phaseOf(phases, name)));
  if (canceled || (failed && !rules.continueOnFailure)) return [];
  return rules.steps.filter(
    ({ name, needs }) => phaseOf(phases, name) === 'waiting' && needs.every((need) => phaseOf(phases, need) === 'done'),
  );
}

/** To be asked when nothing runs and nothing can begin. */
export function pipelineVerdict(
  { steps }: PipelineRules,
  phases: Phases,
  canceled: 130 | 143 | undefined,
): { readonly state: StepEnd; readonly exitCode: ExitCode } {
  const all = steps.map(({ name }) => phases.get(name));
  if (all.every((step) => step?.phase === 'done')) return { state: 'Completed', exitCode: 0 };
  if (canceled !== undefined) return { state: 'Canceled', exitCode: canceled };
  const stopped = all.find((step) => step?.phase === 'canceled');
  const codes = all.filter((step) => step?.phase === 'failed').map((step) => step?.exitCode ?? 1);
  if (codes.length === 0 && stopped !== undefined) return { state: 'Canceled', exitCode: stopped.exitCode ?? 130 };
  // a step that stopped resumable doesn't make a failed one good
  return { state: 'Failed', exitCode: codes.find((code) => code === 1) ?? codes[0] ?? 1 };
}

/**
 * Steps so that each comes behind those it needs, else in their own order.
 * @returns the names of a circle where there is one
 */
export function inOrder<T extends Pick<PipelineStep, 'name' | 'needs'>>(
  steps: readonly T[],
): { readonly order: readonly T[]; readonly circle?: readonly string[] } {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const order: T[] = [];
  const state = new Map<string, 'open' | 'placed'>();
  const path: string[] = [];
  const place = (step: T): readonly string[] | undefined => {
    if (state.get(step.name) === 'placed') return undefined;
    if (state.get(step.name) === 'open') return [...path.slice(path.indexOf(step.name)), step.name];
    state.set(step.name, 'open');
    path.push(step.name);
    for (const need of step.needs) {
      const other = byName.get(need);
      const circle = other && place(other);
      if (circle) return circle;
    }
    path.pop();
    state.set(step.name, 'placed');
    order.push(step);
    return undefined;
  };
  for (const step of steps) {
    const circle = place(step);
    if (circle) return { order, circle };
  }
  return { order };
}
