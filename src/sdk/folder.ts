import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { syncTree } from '../environment/index.ts';
import { checkFormat, inPresentWords } from './format.ts';

/**
 * Creates the folder of a new run with all it needs; the run's own state is private to the user.
 * @throws ParallelRunError PR5001 where the folder exists or can't be made
 */
export async function createRunFolder(plan: Plan): Promise<RunLayout> {
  const layout = runLayout(plan.runFolder);
  let mine = false;
  try {
    await mkdir(dirname(layout.folder), { recursive: true });
    await mkdir(layout.folder);
    mine = true;
    await mkdir(layout.state, { mode: 0o700 });
    await chmod(layout.state, 0o700);
    for (const folder of [layout.parts, layout.capture, layout.work, layout.temp]) await mkdir(folder, { mode: 0o700 });
    for (const folder of [layout.logs, layout.outputs, dirname(layout.driverLog), plan.outputFolder]) {
      await mkdir(folder, { recursive: true });
    }
    if (plan.output.action === 'append_row') await mkdir(dirname(plan.output.file), { recursive: true });
    for (const [name, path] of Object.entries(plan.sideOutputs)) {
      const isFile = plan.sideOutputFiles?.includes(name) ?? false;
      await mkdir(isFile ? dirname(path) : path, { recursive: true });
    }
    // There from the start, also for a script that prints nothing: guides and habits look for it.
    await writeFile(layout.driverLog, '');
    await writeFile(layout.plan, JSON.stringify(plan, undefined, 2), { mode: 0o600, flag: 'wx' });
    return layout;
  } catch (error) {
    if (mine) await rm(layout.folder, { recursive: true, force: true });
    throw notCreated(error, plan, mine, 'run', 'name folders that can be written with --root and --output');
  }
}

/** @param mine the folder itself was made; else it may have been there */
export function notCreated(
  error: unknown,
  { runId, runFolder }: Pick<Plan, 'runId' | 'runFolder'>,
  mine: boolean,
  what: 'run' | 'pipeline',
  next: string,
): ParallelRunError {
  const { code, message, path } = error as NodeJS.ErrnoException;
  const taken = code === 'EEXIST' && !mine;
  return new ParallelRunError(
    [
      {
        code: 'PR5001',
        severity: 'error',
        what: taken ? `a run named ${runId} exists already` : `the folders of the ${what} could not be created`,
        where: { file: taken ? runFolder : (path ?? runFolder) },
        why: message,
        next: taken ? 'choose another --name, or leave it out' : next,
      },
    ],
    2,
    { cause: error },
  );
}

/** What a run starts from survives a loss of power: before the first hand-out, and once it is all there. */
export async function syncRunFolder(layout: RunLayout): Promise<void> {
  // Plan, code, and the first lines of list, ledger and spool: what is empty after a power cut can't be read.
  await syncTree(layout.state);
  for (const path of [layout.folder, dirname(layout.folder)]) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** @throws where it isn't there; ParallelRunError PR5012 where it is of a format that this version can't read */
export async function readPlan(folder: string): Promise<Plan> {
  const plan = JSON.parse(await readFile(runLayout(folder).plan, 'utf8')) as { formatVersion?: unknown };
  await checkFormat(folder, plan);
  return inPresentWords(plan);
}

/** What holds the run folder of a step's pipeline. */
export const rootOfStep = (runFolder: string): string => dirname(dirname(dirname(runFolder)));

/** What a snapshot of the code leaves out (runs, data and results that lie in the code folder) and what it always takes. */
export function notCode(plan: Plan): { readonly exclude: readonly string[]; readonly keep: string } {
  const root = plan.rootRunId === undefined ? dirname(plan.runFolder) : rootOfStep(plan.runFolder);
  const { codeFolder, file } = plan.entry;
  return {
    exclude: [root, plan.outputFolder, ...plan.inputs.map((input) => input.root)].filter((path) => path !== codeFolder),
    keep: `${codeFolder}/${file}`,
  };
}
