/** The job file of a request, and the one of its jobs that is meant. */
import path from 'node:path';
import { nearest } from '../domain/nearest.ts';
import type { JobFile } from './job-file.ts';
import type { ParallelJob } from './pipeline.ts';
import { listed, onCommandLine } from './problems.ts';
import type { Problems } from './problems.ts';
import type { JobRequest } from './request.ts';

export const cwdOf = (request: JobRequest): string => path.resolve(request.cwd ?? process.cwd());

/** Reading YAML is loaded where there is some. @returns undefined without a file, and for one with nothing to go on with */
export async function openJobFile(request: JobRequest, problems: Problems): Promise<JobFile | undefined> {
  if (request.jobFile === undefined) {
    if ((request.set ?? []).length > 0) {
      problems.error('PR1008', '--set needs a job file', {
        where: onCommandLine('--set', request.set?.[0]),
        why: 'it changes a value of one',
        next: 'use the flag for it, or name a job file',
      });
    }
    return undefined;
  }
  const { readJobFile } = await import('./job-file.ts');
  return readJobFile(path.resolve(cwdOf(request), request.jobFile), request.jobFile, request, problems);
}

/** The step that is asked for, or the only one. */
export function oneStep(
  { pipeline, steps }: JobFile,
  { step }: JobRequest,
  problems: Problems,
): ParallelJob | undefined {
  const [first, ...more] = steps;
  const names = steps.map((each) => each.stepName);
  const meant =
    step === undefined ? (more.length === 0 ? first : undefined) : steps.find((each) => each.stepName === step);
  if (meant?.type === 'parallel') return meant;
  if (meant !== undefined) {
    problems.error('PR1006', `the job ${meant.stepName} is of type ${meant.type}`, {
      where: meant.keyAt(),
      why: 'only parallel jobs have mini-batches',
    });
  } else if (step === undefined) {
    problems.error('PR1006', `the pipeline has ${steps.length} jobs, and this needs one of them`, {
      where: pipeline.at(),
      why: `its jobs: ${listed(names)}`,
      next: `name one: --step ${steps.find((each) => each.type === 'parallel')?.stepName ?? names[0] ?? ''}`,
    });
  } else {
    const near = nearest(step, names);
    problems.error('PR1006', `the pipeline has no job ${step}`, {
      where: onCommandLine('--step', step),
      why: `its jobs: ${listed(names)}`,
      ...(near !== undefined && { next: `did you mean ${near}?` }),
    });
  }
  return undefined;
}
