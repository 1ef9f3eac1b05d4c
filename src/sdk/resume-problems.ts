/** Why a run is not gone on with, and what to do: everything that `resume` refuses. */
import { pathOfInput } from '../domain/input.ts';
import type { EnvironmentReady } from '../domain/event.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { gathering } from '../dataset/index.ts';
import type { ChangedSince, ListingDifference } from '../dataset/index.ts';
import { differenceExamples, differenceText, someFiles } from '../views/text/inputdiffers.ts';
import { miniBatches, safeText, shellWord } from '../views/text/words.ts';

const LINES_SHOWN = 10;

/** The command that goes on with a run after all. */
function resumeWith({ runId }: Plan, option: string): string {
  return `parallelrun resume ${shellWord(runId)} ${option}`;
}

function listed(lines: readonly string[]): string {
  const more = lines.length - LINES_SHOWN;
  return lines.slice(0, LINES_SHOWN).map(safeText).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

export const refused = (problems: readonly [Problem, ...Problem[]]): ParallelRunError =>
  new ParallelRunError(problems, 4);

/** @param changes files, and settings that decide what runs */
export function codeChanged(plan: Plan, changes: readonly string[]): Problem {
  return {
    code: 'PR5006',
    severity: 'error',
    what: `the code has changed since run ${plan.runId} was started`,
    where: { file: plan.entry.codeFolder },
    why: `${listed(changes)}: rows of the old and of the new code would stand in one result`,
    next: `${resumeWith(plan, '--allow-code-change')} goes on with the new code; to keep the old, put it back`,
  };
}

export function interpreterChanged(
  plan: Plan,
  was: Pick<EnvironmentReady, 'version' | 'interpreter'>,
  is: Pick<EnvironmentReady, 'version' | 'interpreter'>,
): Problem {
  const language = plan.entry.language === 'python' ? 'Python' : 'Node';
  return {
    code: 'PR5010',
    severity: 'error',
    what: `run ${plan.runId} was started with ${language} ${was.version}, now it would be ${is.version}`,
    where: { file: is.interpreter },
    why: `rows of two versions would stand in one result; before it was ${was.interpreter}`,
    next: `make ${was.version} the one that is found, or go on with this one: ${resumeWith(plan, '--allow-code-change')}`,
  };
}

/** @param rules lines about what decides which mini-batches there are, and what becomes of their rows */
export function jobChanged(plan: Plan, rules: readonly string[]): Problem {
  return {
    code: 'PR5009',
    severity: 'error',
    what: `the job file of run ${plan.runId} has changed in what can't change any more`,
    where: { file: plan.jobFile ?? '' },
    why: `${listed(rules)}; mini-batches are cut already, and rows are written`,
    next: 'start a new run; or put the file back (state/job.yml in the run folder is as it was) and resume',
  };
}

export function inputDiffers(plan: Plan, difference: ListingDifference): Problem {
  return {
    code: 'PR5007',
    severity: 'error',
    what: `the input of run ${plan.runId} is not the one that it began with: ${differenceText(difference)}`,
    where: { file: plan.inputs[0] ? pathOfInput(plan.inputs[0]) : '' },
    why: differenceExamples(difference),
    next: gathering(plan.inputs, plan.cutting)
      ? 'put it back as it was and resume, or start a new run'
      : `${resumeWith(plan, '--rescan')} takes the input as it is now; or put it back as it was and resume`,
  };
}

export function noRescan(plan: Plan): Problem {
  const byKeys = plan.cutting.by === 'keys';
  return {
    code: 'PR3308',
    severity: 'error',
    what: `a run with ${byKeys ? 'partition keys' : 'an MLTable that picks rows'} cannot take new files`,
    where: { file: plan.inputs[0]?.root ?? '' },
    why: byKeys
      ? 'a mini-batch holds everything that has the same keys, and what is new may belong to one that is done'
      : 'skip and take count over all files: with new ones other rows would be taken of those that are done',
    next: `${resumeWith(plan, 'without --rescan')}, or start a new run`,
  };
}

export function doneInputChanged(plan: Plan, { miniBatches: count, files }: ChangedSince): Problem {
  return {
    code: 'PR5011',
    severity: 'error',
    what: `the input of ${miniBatches(count)} that ${count === 1 ? 'is' : 'are'} done has changed since`,
    why: `${someFiles(files)}: their rows are of what the files held before`,
    next: `start a new run; or keep those rows: ${resumeWith(plan, 'without --strict')}`,
  };
}

/** The same, where it is not a reason to stop. */
export function doneInputChangedNote({ miniBatches: count, files }: ChangedSince): string {
  return (
    `the input of ${miniBatches(count)} that ${count === 1 ? 'is' : 'are'} done has changed since: ${someFiles(files)}; ` +
    'their rows are of what the files held before (resume --strict refuses this)'
  );
}
