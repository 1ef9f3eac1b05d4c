/** The jobs of a v2 pipeline as they are written. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, textOf } from './written.ts';

/** One job of a pipeline, with all that its component says written into it. */
export interface ParallelJob {
  readonly pipeline: WrittenMap;
  readonly job: WrittenMap;
  readonly stepName: string;
  /** Folder from which the paths of code and environment count; absent: that of the job file. */
  readonly codeBase?: string;
}

export interface JobStep extends ParallelJob {
  readonly type: StepType;
  readonly keyAt: WrittenEntry['keyAt'];
  /** Jobs whose outputs it reads, in the order of their first mention. */
  readonly needs: readonly string[];
}

export const STEP_TYPES = ['parallel', 'command'] as const;
export type StepType = (typeof STEP_TYPES)[number];

/** @returns the jobs of a pipeline as they stand there; undefined where there are none to go on with, reported */
export function findJobs(root: WrittenNode, problems: Problems): readonly WrittenEntry[] | undefined {
  if (root.kind !== 'map') {
    const empty = isNull(root);
    problems.error('PR1003', empty ? 'the job file is empty' : 'the job file is not a pipeline', {
      where: root.at(),
      why: `found ${empty ? 'nothing' : describeNode(root)}; allowed: a map with type: pipeline and jobs`,
      next: 'see docs/reference/settings.md for a job file to start from',
    });
    return undefined;
  }
  const type = textOf(child(root, 'type'));
  if (type !== undefined && type !== 'pipeline') {
    problems.error('PR1004', `the job file is a job of type ${type}`, {
      where: root.at(),
      why: `found ${type}; allowed: pipeline, parallel`,
      next: 'put the job below jobs: of a file with type: pipeline',
    });
    return undefined;
  }
  const jobs = child(root, 'jobs');
  if (jobs?.kind !== 'map' || jobs.entries.size === 0) {
    problems.error('PR1005', 'the pipeline has no jobs', {
      where: (jobs ?? root).at(),
      why:
        jobs === undefined || isNull(jobs)
          ? 'jobs is missing or empty'
          : `found ${describeNode(jobs)}; allowed: a map of names to jobs`,
      next: 'add jobs: with one job of type: parallel',
    });
    return undefined;
  }
  return [...jobs.entries.values()];
}

/** @param type as it is written, or that of its component */
export function stepType(
  entry: WrittenEntry,
  job: WrittenNode,
  others: readonly WrittenEntry[],
  problems: Problems,
): StepType | undefined {
  const node = child(job, 'type');
  const type = textOf(node);
  const known = STEP_TYPES.find((each) => each === type);
  if (known !== undefined) return known;
  if (type === undefined) {
    const sibling = others.find((other) => other !== entry);
    problems.error('PR1005', `the job ${entry.key} has no type`, {
      where: (node ?? { at: entry.keyAt }).at(),
      why: entry.value.kind === 'map' ? 'type is missing' : `found ${describeNode(entry.value)}`,
      next:
        entry.value.origin === 'command line' && sibling !== undefined
          ? `the job of the file is called ${sibling.key}`
          : 'add type: parallel',
    });
    return undefined;
  }
  const meant = nearest(type, STEP_TYPES);
  problems.error('PR1006', `the job ${entry.key} is of type ${type}`, {
    where: (node ?? entry.value).at(),
    why: `found ${type}; allowed: ${listed(STEP_TYPES)}`,
    next: meant === undefined ? 'run it apart, before this pipeline' : `did you mean ${meant}?`,
  });
  return undefined;
}

const JOB_OUTPUT = /\$\{\{\s*parent\.jobs\.([^\s{}.]+)\.outputs\.[^\s{}]+\s*\}\}/g;

/** Names of the jobs whose outputs a job mentions, anywhere in it. */
export function neededJobs(job: WrittenNode): readonly string[] {
  const found = new Set<string>();
  const walk = (node: WrittenNode): void => {
    if (node.kind === 'map') for (const entry of node.entries.values()) walk(entry.value);
    else if (node.kind === 'list') node.items.forEach(walk);
    else for (const match of node.text.matchAll(JOB_OUTPUT)) found.add(match[1] ?? '');
  };
  walk(job);
  return [...found];
}

/** Sections that must be maps, and are something else. */
export function checkSections(job: JobStep, problems: Problems): void {
  const sections = [
    [job.pipeline, 'inputs'],
    [job.pipeline, 'outputs'],
    [job.job, 'inputs'],
    [job.job, 'outputs'],
    [job.job, 'task'],
    [job.job, 'retry_settings'],
    [job.job, 'resources'],
    [job.job, 'environment_variables'],
  ] as const;
  for (const [parent, key] of sections) {
    const node = child(parent, key);
    if (node === undefined || node.kind === 'map' || isNull(node)) continue;
    problems.error('PR1010', `${key} has a value of the wrong type`, {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: a map`,
    });
  }
  if (job.type !== 'parallel') return;
  const type = child(child(job.job, 'task'), 'type');
  const allowed = ['run_function', 'function', 'model'];
  if (type !== undefined && !allowed.includes(textOf(type) ?? '')) {
    problems.error('PR1011', 'task.type is not one of the known ones', {
      where: type.at(),
      why: `found ${describeNode(type)}; allowed: ${listed(allowed)}`,
      next: 'write run_function',
    });
  } else if (textOf(type) === 'model') {
    problems.error('PR1007', 'task.type: model is not supported yet', {
      where: type?.at() ?? { file: '' },
      next: 'write an entry script that loads the model, and run_function',
    });
  }
}

export const jobEntries = (job: ParallelJob | undefined, section: 'inputs' | 'outputs'): readonly WrittenEntry[] =>
  entriesOf(child(job?.job, section));
export const parentEntries = (job: ParallelJob | undefined, section: 'inputs' | 'outputs'): readonly WrittenEntry[] =>
  entriesOf(child(job?.pipeline, section));
