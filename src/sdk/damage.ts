import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { shellWord } from '../views/text/words.ts';

/** The stored state of a run isn't what was written. */
export function damaged(file: string, why: string, next = AGAIN): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5005',
        severity: 'error',
        what: 'the stored state of the run is damaged',
        where: { file },
        why,
        next,
      },
    ],
    4,
  );
}
const AGAIN = 'nothing was changed; run the job again under another name';

/** The rows are not what was committed; what they were made from may be run again. */
export function spoolDamaged(plan: Plan, file: string, why: string): ParallelRunError {
  const rebuild = `parallelrun resume ${shellWord(plan.runId)} --rebuild`;
  return damaged(file, why, `${rebuild} runs the mini-batches again whose rows are lost; nothing was changed so far`);
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
