/** Reads a job file and finds its parallel job. Stage 1 of 3, with its I/O. */
import { readFile, stat } from 'node:fs/promises';
import type { ParallelJob } from './pipeline.ts';
import { checkSections, findParallelJob } from './pipeline.ts';
import type { Problems } from './problems.ts';
import { reasonOf } from './problems.ts';
import { readYaml, YAML_BYTES_MAX } from './read-yaml.ts';
import { applyOverrides } from './set.ts';
import type { JobRequest } from './request.ts';
import { isScriptName } from './script-name.ts';
import { PIPELINE } from './shape.ts';
import { warnOfUnknownKeys } from './unknown-keys.ts';

/**
 * @param file absolute path
 * @param shown path as the user wrote it, for messages
 * @returns undefined where there is no job to go on with; reported
 */
export async function readJobFile(
  file: string,
  shown: string,
  request: Pick<JobRequest, 'set' | 'jobText'>,
  problems: Problems,
): Promise<ParallelJob | undefined> {
  const text = request.jobText ?? (await readText(file, shown, problems));
  if (text === undefined) return undefined;
  const written = readYaml(text, shown, problems);
  if (written === undefined) return undefined;
  const root = applyOverrides(written, request.set ?? [], problems);
  const job = findParallelJob(root, problems);
  if (job === undefined) return undefined;
  warnOfUnknownKeys(root, PIPELINE, problems);
  checkSections(job, problems);
  return job;
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
