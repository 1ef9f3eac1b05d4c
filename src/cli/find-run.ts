/** Which run is meant: a whole id, a unique start of one, or `last`. */
import { readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseRunId } from '../domain/ids.ts';
import { runLayout } from '../domain/layout.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import type { RunContext } from '../views/text/cause.ts';
import type { CliDeps, StoredRun } from './deps.ts';
import { textOf } from './command.ts';
import type { Parsed } from './flags.ts';

const defaultRoot = (deps: CliDeps): string => resolve(deps.cwd, deps.env['PARALLELRUN_ROOT'] || 'runs');

/** The folder that holds run folders, absolute. */
export function rootOf(deps: CliDeps, parsed: Parsed): string {
  const written = textOf(parsed, 'root');
  return written === undefined ? defaultRoot(deps) : resolve(deps.cwd, written);
}

/** What texts about a run need; commands in them name the root where it is not the default one. */
export function contextOf(deps: CliDeps, root: string, plan: StoredRun['plan']): RunContext {
  return {
    runId: plan.runId,
    folder: `${root}/${plan.runId}`,
    maxTries: plan.tries.maxTries,
    ...(root === defaultRoot(deps) ? {} : { root }),
  };
}

interface RunFolder {
  readonly runId: string;
  readonly startedAtMs: number;
}

/** @returns the id of the run meant by `text`; throws what to tell where none or several are. */
export async function findRun(root: string, text: string): Promise<string> {
  const exact = parseRunId(text);
  if (exact !== undefined && (await runFolder(root, exact)) !== undefined) return exact;
  const runs = await runFolders(root);
  if (text === 'last') {
    const newest = [...runs].sort((a, b) => b.startedAtMs - a.startedAtMs)[0];
    if (newest === undefined) throw notThere(root, text, runs);
    return newest.runId;
  }
  const [first, ...others] = text === '' ? [] : runs.filter((run) => run.runId.startsWith(text));
  if (first === undefined) throw notThere(root, text, runs);
  if (others.length > 0) throw severalMatch(text, [first, ...others]);
  return first.runId;
}

/** A run's folder is one with a plan in it. */
async function runFolder(root: string, runId: string): Promise<RunFolder | undefined> {
  try {
    const plan = await stat(runLayout(`${root}/${runId}`).plan);
    return { runId, startedAtMs: plan.mtimeMs };
  } catch {
    return undefined;
  }
}

async function runFolders(root: string): Promise<readonly RunFolder[]> {
  const names = await readdir(root).catch(() => []);
  const folders = await Promise.all(
    names.filter((name) => parseRunId(name) !== undefined).map((name) => runFolder(root, name)),
  );
  return folders.filter((folder) => folder !== undefined);
}

const IDS_SHOWN = 5;

function notThere(root: string, text: string, runs: readonly RunFolder[]): ParallelRunError {
  const near = nearest(
    text,
    runs.map((run) => run.runId),
  );
  const why = runs.length === 0 ? 'there are no runs in this folder; another one is named with --root' : undefined;
  const next = near === undefined ? 'parallelrun list shows the runs' : `did you mean ${near}?`;
  return new ParallelRunError(
    [
      {
        code: 'PR5002',
        severity: 'error',
        what: `there is no run "${text}"`,
        where: { file: root },
        ...(why === undefined ? {} : { why }),
        next,
      },
    ],
    2,
  );
}

function severalMatch(text: string, runs: readonly RunFolder[]): ParallelRunError {
  const ids = runs.slice(0, IDS_SHOWN).map((run) => run.runId);
  const more = runs.length > ids.length ? ` and ${runs.length - ids.length} more` : '';
  return new ParallelRunError(
    [
      {
        code: 'PR5901',
        severity: 'error',
        what: `"${text}" is the start of several runs`,
        why: `${ids.join(', ')}${more}`,
        next: 'write more of the id',
      },
    ],
    2,
  );
}
