/** The root that a profile names, for commands that have no job: they look where `run` has put its runs. */
import { readProfile } from '../job/profile.ts';
import { Problems } from '../job/problems.ts';
import type { CliDeps } from './deps.ts';

/** @returns the same with `PARALLELRUN_ROOT` set, where neither that nor `--root` is given and a profile has a root. */
export async function withProfileRoot(deps: CliDeps, root: unknown): Promise<CliDeps> {
  if (root !== undefined || deps.env['PARALLELRUN_ROOT']) return deps;
  // What is wrong with it is told to those who start runs.
  const profile = await readProfile({}, undefined, deps.cwd, deps.env, new Problems());
  const found = profile?.root?.value;
  return found === undefined ? deps : { ...deps, env: { ...deps.env, PARALLELRUN_ROOT: found } };
}
