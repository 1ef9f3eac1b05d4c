/** The models of a job in the folder where its script looks for them. */
import { mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { modelVersionFolder } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';

/**
 * Folders of its own with links to the files: a script that lists them finds the model and nothing beside it.
 * @throws ParallelRunError PR3701, exit code 2, where a model is gone
 */
export async function linkModels({ models }: Pick<Plan, 'models'>, layout: RunLayout): Promise<void> {
  if (models === undefined) return;
  // Of the run before it was resumed.
  await rm(layout.models, { recursive: true, force: true });
  for (const [name, model] of Object.entries(models)) {
    const folder = modelVersionFolder(layout, name, model);
    await mkdir(folder, { recursive: true });
    try {
      await link(model.path, `${folder}/${basename(model.path)}`);
    } catch (error) {
      throw gone(name, model.path, error);
    }
  }
}

async function link(from: string, to: string): Promise<void> {
  if (!(await stat(from)).isDirectory()) return symlink(from, to);
  await mkdir(to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const below = `${from}/${entry.name}`;
    await (entry.isDirectory() ? link(below, `${to}/${entry.name}`) : symlink(below, `${to}/${entry.name}`));
  }
}

function gone(name: string, path: string, cause: unknown): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR3701',
        severity: 'error',
        what: `the model ${name} can't be read`,
        where: { file: path },
        why: cause instanceof Error ? cause.message : String(cause),
        next: 'put it back, or start a new run with another one',
      },
    ],
    2,
    { cause },
  );
}
