/** Runs ours as users do: the built command, everything on unless a benchmark says otherwise. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cache, root } from '../../scripts/lib.mjs';
import { Unavailable } from './measure.mjs';
import { python, scripts, threadSettings } from './peers.mjs';
import { runMeasured } from './processes.mjs';

/**
 * @param options.args of `parallelrun run` besides script, interpreter and root
 * @param options.scriptArgs of the entry script
 * @param options.look what to take from the run folder before it is removed; its fields are added to the result
 * @returns as `runMeasured`
 */
export async function runOurs({ script, args, scriptArgs = [], env = {}, limitSeconds, dist, look = () => ({}) }) {
  const runs = join(cache, 'bench', 'runs');
  mkdirSync(runs, { recursive: true });
  const folder = mkdtempSync(join(runs, 'run-'));
  const settings = Object.entries({ ...threadSettings, ...env }).flatMap(([name, value]) => [
    '--env',
    `${name}=${value}`,
  ]);
  const command = [join(dist ?? join(root, 'dist'), 'cli/main.js'), 'run', '--entry-script', join(scripts, script)];
  const where = ['--python', python, '--root', folder, '--name', 'r'];
  try {
    const all = [...command, ...where, ...args, ...settings, ...(scriptArgs.length > 0 ? ['--', ...scriptArgs] : [])];
    const ran = await runMeasured(process.execPath, all, { limitSeconds, cwd: folder, env: { NO_COLOR: '1' } });
    if (ran.failed !== undefined) throw new Unavailable(ran.failed);
    return { ...ran, ...look(join(folder, 'r'), ran) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
