/** Id and folder of a run: as named, or made up; below the root. */
import { randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { RunId } from '../domain/ids.ts';
import { parseRunId } from '../domain/ids.ts';
import type { Origin } from '../domain/plan.ts';
import type { Surroundings } from './context.ts';
import { existingAncestor } from './paths.ts';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import type { JobRequest } from './request.ts';
import { countGpus } from '../node/gpus.ts';
import { describeFound } from './values.ts';

export interface RunPlace {
  readonly runId: RunId;
  readonly root: string;
  readonly rootOrigin: Origin;
  readonly runFolder: string;
}

/** Without letters that look alike. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export function systemSurroundings(): Surroundings {
  return {
    now: () => new Date(),
    letters: () => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join(''),
    processors: availableParallelism(),
    gpus: countGpus(),
  };
}

/** `20260412-093015-k7m2`, UTC: sorts by time, can be typed. */
export function makeRunId(surroundings: Surroundings): RunId {
  const digits = surroundings.now().toISOString().replaceAll(/[-:]/g, '');
  const id = parseRunId(`${digits.slice(0, 8)}-${digits.slice(9, 15)}-${surroundings.letters()}`);
  if (id === undefined) throw new RangeError('a made-up run id is no run id');
  return id;
}

/** Decides the run's place. With a problem an id is made up all the same, so that the other checks can go on. */
export async function decideRunPlace(
  request: JobRequest,
  cwd: string,
  env: JobRequest['env'],
  surroundings: Surroundings,
  problems: Problems,
  /** Root of the profile, absolute. */
  fromProfile?: string,
): Promise<RunPlace> {
  const fromEnv = env?.['PARALLELRUN_ROOT'];
  const [written, rootOrigin]: [string, Origin] =
    request.flags.root !== undefined
      ? [request.flags.root, 'command line']
      : fromEnv !== undefined && fromEnv !== ''
        ? [fromEnv, 'environment variable']
        : fromProfile !== undefined
          ? [fromProfile, 'profile']
          : ['runs', 'default'];
  if (written === '') problems.error('PR5202', 'the root folder has no name', { where: onCommandLine('--root', '') });
  const root = path.resolve(cwd, written);
  const { name } = request.flags;
  const named = name === undefined ? undefined : parseRunId(name);
  const runId = named ?? makeRunId(surroundings);
  const runFolder = path.join(root, runId);
  if (name !== undefined && named === undefined) {
    problems.error('PR5201', 'the name of the run is not a possible one', {
      where: onCommandLine('--name', name),
      why: `found ${describeFound(name)}; allowed: 1 to 100 of A-Z a-z 0-9 . _ -, a letter or digit first, no full stop last`,
    });
  }
  const isMeant = request.pipeline?.goesOn === true;
  if (await checkRoot(root, rootOrigin, problems)) if (!isMeant) await checkFree(runFolder, runId, problems);
  return { runId, root, rootOrigin, runFolder };
}

async function checkRoot(root: string, origin: Origin, problems: Problems): Promise<boolean> {
  const found = await existingAncestor(root);
  const where = {
    file: origin === 'environment variable' ? 'environment' : origin === 'profile' ? 'profile' : 'command line',
    keyPath: origin === 'environment variable' ? 'PARALLELRUN_ROOT' : origin === 'profile' ? 'root' : '--root',
    excerpt: root,
  };
  if (found.stats?.isDirectory() !== true) {
    problems.error('PR5202', 'the root folder cannot be used', {
      where,
      why: `${found.path} is a file, not a folder`,
      next: 'name another folder with --root',
    });
    return false;
  }
  const writable = await access(found.path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable)
    problems.error('PR5202', 'the root folder cannot be used', {
      where,
      why: `permission denied in ${found.path}`,
      next: 'name another folder with --root',
    });
  return writable;
}

async function checkFree(runFolder: string, runId: RunId, problems: Problems): Promise<void> {
  const exists = await lstat(runFolder).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  problems.error('PR5001', `there is a run ${runId} already`, {
    where: { file: runFolder },
    next: 'give another name with --name, or none',
  });
}
