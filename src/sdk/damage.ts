import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';

/** The stored state of a run isn't what was written. */
export function damaged(file: string, why: string): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5005',
        severity: 'error',
        what: 'the stored state of the run is damaged',
        where: { file },
        why,
        next: 'nothing was changed; run the job again under another name',
      },
    ],
    4,
  );
}

/** The folder of a run whose orchestrator was ended before there was anything to go on from. */
export function notBegun(plan: Plan): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5008',
        severity: 'error',
        what: `run ${plan.runId} was ended while its folder was being made`,
        where: { file: plan.runFolder },
        why: 'nothing of it has run, and there is nothing to go on from',
        next: 'remove the folder, or choose another --name, and start the job again',
      },
    ],
    4,
  );
}
