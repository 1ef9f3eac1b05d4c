/** Reads a job file with the components that it refers to, and finds its jobs. Stage 1 of 3, with its I/O. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { withComponent } from './component.ts';
import { asPipeline } from './forms.ts';
import type { JobStep } from './pipeline.ts';
import { checkSections, findJobs, neededJobs, stepType } from './pipeline.ts';
import type { Problems } from './problems.ts';
import { reasonOf } from './problems.ts';
import { readYaml, YAML_BYTES_MAX } from './read-yaml.ts';
import { readReferred, readStepFiles } from './referred.ts';
import type { Referring } from './referred.ts';
import { applyOverrides } from './set.ts';
import type { JobRequest } from './request.ts';
import { isScriptName } from './script-name.ts';
import { COMPONENT, PIPELINE } from './shape.ts';
import { warnOfUnknownKeys } from './unknown-keys.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child } from './written.ts';

/** A job file as steps, in the order in which they stand there. */
export interface JobFile {
  readonly pipeline: WrittenMap;
  readonly steps: readonly JobStep[];
  /** Texts of the components, by absolute path. */
  readonly components: Readonly<Record<string, string>>;
}

/**
 * @param file absolute path
 * @param shown path as the user wrote it, for messages
 * @returns undefined where there is no job to go on with; reported
 */
export async function readJobFile(
  file: string,
  shown: string,
  request: Pick<JobRequest, 'set' | 'jobText' | 'componentTexts'>,
  problems: Problems,
): Promise<JobFile | undefined> {
  const text = request.jobText ?? (await readText(file, shown, problems));
  if (text === undefined) return undefined;
  const written = readYaml(text, shown, problems);
  if (written === undefined) return undefined;
  const set = applyOverrides(written, request.set ?? [], problems);
  const reader = { folder: path.dirname(file), texts: { ...request.componentTexts } };
  const { files, codeBases } = await readStepFiles(set, reader, problems);
  const root = asPipeline(set, files, problems);
  const entries = root && findJobs(root, problems);
  if (root?.kind !== 'map' || entries === undefined) return undefined;
  const steps: JobStep[] = [];
  for (const entry of entries) {
    const step = await readStep(entry, root, entries, reader, problems);
    const codeBase = step?.codeBase ?? codeBases.get(entry.key);
    if (step) steps.push({ ...step, ...(codeBase !== undefined && { codeBase }) });
  }
  warnOfUnknownKeys(root, PIPELINE, problems);
  for (const step of steps) checkSections(step, problems);
  return steps.length === 0 ? undefined : { pipeline: root, steps, components: reader.texts };
}

async function readStep(
  entry: WrittenEntry,
  pipeline: WrittenMap,
  all: readonly WrittenEntry[],
  reader: Referring,
  problems: Problems,
): Promise<JobStep | undefined> {
  const found = await resolveComponent(entry, reader, problems);
  if (found === undefined) return undefined;
  const { job, codeBase } = found;
  const type = stepType(entry, job, all, problems);
  if (type === undefined || job.kind !== 'map') return undefined;
  const base = codeBase === undefined ? {} : { codeBase };
  return { pipeline, job, stepName: entry.key, keyAt: entry.keyAt, type, needs: neededJobs(job), ...base };
}

interface ResolvedJob {
  readonly job: WrittenNode;
  readonly codeBase?: string;
}

async function resolveComponent(
  entry: WrittenEntry,
  referring: Referring,
  problems: Problems,
): Promise<ResolvedJob | undefined> {
  const node = child(entry.value, 'component');
  if (node === undefined || entry.value.kind !== 'map') return { job: entry.value };
  if (node.kind === 'map') return { job: withComponent(entry, entry.value, node, problems) };
  const words = {
    what: 'the component',
    of: entry.key,
    allowed: 'a component file, as in ./score.yml',
    holds: 'a map with type: parallel or type: command',
    next: 'components registered in a workspace are not within reach: save its YAML beside the job file, and name that',
  };
  const found = await readReferred(node, words, referring, problems);
  if (found === undefined) return undefined;
  warnOfUnknownKeys(found.tree, COMPONENT, problems);
  return { job: withComponent(entry, entry.value, found.tree, problems), codeBase: found.folder };
}

async function readText(file: string, shown: string, problems: Problems): Promise<string | undefined> {
  if (isScriptName(file)) {
    problems.error('PR1001', `${shown} is an entry script, not a job file`, {
      where: { file: shown },
      why: 'without a job file the script is named with --entry-script',
      next: `parallelrun run --entry-script ${/^[\w./-]+$/.test(shown) ? shown : 'FILE'} --input PATH`,
    });
    return undefined;
  }
  try {
    const found = await stat(file);
    if (found.isDirectory()) {
      problems.error('PR1001', `the job file ${shown} is a folder`, {
        where: { file: shown },
        next: 'name a file in it; a folder of inputs is named with --input, beside --entry-script FILE',
      });
      return undefined;
    }
    const { size } = found;
    if (size > YAML_BYTES_MAX) {
      problems.error('PR1001', `the job file ${shown} is too large`, {
        where: { file: shown },
        why: `found ${size} bytes; allowed: ${YAML_BYTES_MAX}`,
      });
      return undefined;
    }
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    problems.error('PR1001', `the job file ${shown} cannot be read`, {
      where: { file: shown },
      why: reasonOf(error),
      next: 'check the path',
    });
    return undefined;
  }
}
