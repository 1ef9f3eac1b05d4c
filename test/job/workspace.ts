import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';
import { compileJob } from '../../src/job/index.ts';
import type { CompiledJob, JobRequest, Surroundings } from '../../src/job/index.ts';
import type { Problem, Result } from '../../src/domain/problem.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A new folder with these files in it; a name that ends in `/` is an empty folder. */
export async function workspace(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'job-')));
  folders.push(folder);
  for (const [name, text] of Object.entries({ 'score.py': 'def run(b): return b\n', 'images/a.png': 'a', ...files })) {
    const file = path.join(folder, name);
    if (name.endsWith('/')) {
      await mkdir(file, { recursive: true });
      continue;
    }
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return folder;
}

export const SURROUNDINGS: Surroundings = {
  now: () => new Date('2026-04-12T09:30:15.123Z'),
  letters: () => 'k7m2',
  processors: 4,
  gpus: 0,
};

export async function compile(
  cwd: string,
  request: Partial<JobRequest>,
): Promise<Result<CompiledJob, readonly Problem[]>> {
  return compileJob({ flags: {}, env: { PATH: '/usr/bin' }, cwd, ...request }, SURROUNDINGS);
}

/** The plan and its warnings; a refusal fails the test with all its problems. */
export async function compiled(cwd: string, request: Partial<JobRequest>): Promise<CompiledJob> {
  const result = await compile(cwd, request);
  if (!result.ok) throw new Error(result.error.map((p) => `${p.code} ${p.what} (${p.why ?? ''})`).join('\n'));
  return result.value;
}

export async function problemsOf(cwd: string, request: Partial<JobRequest>): Promise<readonly Problem[]> {
  const result = await compile(cwd, request);
  return result.ok ? result.value.warnings : result.error;
}

/** `PR1011:12` per problem; without line where it has none. */
export const short = (problems: readonly Problem[]): readonly string[] =>
  problems.map((p) => (p.where?.line === undefined ? p.code : `${p.code}:${p.where.line}`));

/** Lines 1 to 15 of a good job; more lines may follow below the job (2 blanks less than `task:`). */
export const JOB = `type: pipeline
inputs:
  data: { type: uri_folder, path: ./images }
jobs:
  score:
    type: parallel
    inputs:
      images: \${{parent.inputs.data}}
    outputs:
      scores: { type: uri_folder }
    input_data: \${{inputs.images}}
    task:
      type: run_function
      entry_script: score.py
      append_row_to: \${{outputs.scores}}
`;
