/** Finds the one parallel job of a v2 pipeline, and says what other forms of file would be. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, textOf } from './written.ts';

export interface ParallelJob {
  readonly pipeline: WrittenMap;
  readonly job: WrittenMap;
  readonly stepName: string;
}

const LATER = 'this version runs a v2 pipeline with one parallel job; the other forms come later';

export function findParallelJob(root: WrittenNode, problems: Problems): ParallelJob | undefined {
  if (root.kind !== 'map') {
    const empty = isNull(root);
    problems.error('PR1003', empty ? 'the job file is empty' : 'the job file is not a pipeline', {
      where: root.at(),
      why: `found ${empty ? 'nothing' : describeNode(root)}; allowed: a map with type: pipeline and jobs`,
      next: 'see docs/reference/settings.md for a job file to start from',
    });
    return undefined;
  }
  const other = otherForm(root);
  if (other !== undefined) {
    problems.error('PR1004', `the job file is ${other}`, {
      where: root.at(),
      why: LATER,
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
  return pick(root, [...jobs.entries.values()], problems);
}

function otherForm(root: WrittenMap): string | undefined {
  const type = textOf(child(root, 'type'));
  if (root.entries.has('parallel_run_config')) return 'a parallel_run_config of version 1';
  if (root.entries.has('pipeline')) return 'a pipeline of version 1';
  if (type === 'parallel') return 'a parallel job or component on its own';
  if (root.entries.has('code_configuration') || root.entries.has('endpoint_name')) return 'a batch endpoint deployment';
  return type === undefined || type === 'pipeline' ? undefined : `a job of type ${type}`;
}

function pick(pipeline: WrittenMap, jobs: readonly WrittenEntry[], problems: Problems): ParallelJob | undefined {
  const parallel = jobs.filter((entry) => textOf(child(entry.value, 'type')) === 'parallel');
  const others = jobs.filter((entry) => !parallel.includes(entry));
  for (const entry of others) {
    const typeNode = child(entry.value, 'type');
    const type = textOf(typeNode);
    if (type === undefined) {
      problems.error('PR1005', `the job ${entry.key} has no type`, {
        where: (typeNode ?? { at: entry.keyAt }).at(),
        why: entry.value.kind === 'map' ? 'type is missing' : `found ${describeNode(entry.value)}`,
        next:
          entry.value.origin === 'command line' && parallel[0] !== undefined
            ? `the job of the file is called ${parallel[0].key}`
            : 'add type: parallel',
      });
    } else {
      problems.error('PR1006', `the job ${entry.key} is of type ${type}`, {
        where: (typeNode ?? entry.value).at(),
        why: LATER,
        next:
          nearest(type, ['parallel']) === undefined ? 'run it apart, before this pipeline' : 'did you mean parallel?',
      });
    }
  }
  const [first, ...more] = parallel;
  if (first === undefined) {
    if (others.length === 0)
      problems.error('PR1005', 'the pipeline has no job of type: parallel', { where: pipeline.at() });
    return undefined;
  }
  if (more.length > 0) {
    problems.error('PR1006', `the pipeline has ${parallel.length} parallel jobs`, {
      where: more[0]?.keyAt() ?? first.keyAt(),
      why: `found ${listed(parallel.map((entry) => entry.key))}; ${LATER}`,
      next: 'put each of them into a file of its own',
    });
  }
  const component = child(first.value, 'component');
  if (component !== undefined) {
    problems.error('PR1007', 'jobs that refer to a component are not supported yet', {
      where: component.at(),
      next: 'write the content of the component into the job',
    });
  }
  return first.value.kind === 'map' ? { pipeline, job: first.value, stepName: first.key } : undefined;
}

/** Sections that must be maps, and are something else. */
export function checkSections(job: ParallelJob, problems: Problems): void {
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
