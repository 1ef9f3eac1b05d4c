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

export interface LocatedRun {
  /** Folder that holds the run's folder: for a step that of its pipeline. */
  readonly root: string;
  readonly runId: string;
}

/**
 * The run that is meant, by id, start of an id or `last`; a step of a pipeline as `<pipeline>/<step>`.
 * @throws ParallelRunError where there is none, or where a pipeline is named: it has steps, and no mini-batches
 */
export async function locateRun(deps: CliDeps, parsed: Parsed, text: string): Promise<LocatedRun> {
  const found = await locate(deps, parsed, text);
  if (await isPipelineFolder(`${found.root}/${found.runId}`)) throw isPipeline(found, await stepNames(found));
  return found;
}

/** Likewise, and a pipeline is good as well. */
export async function locate(deps: CliDeps, parsed: Parsed, text: string): Promise<LocatedRun> {
  const root = rootOf(deps, parsed);
  const cut = text.indexOf('/');
  const runId = await findRun(root, cut < 0 ? text : text.slice(0, cut));
  if (cut < 0) return { root, runId };
  const pipeline = { root, runId };
  const step = text.slice(cut + 1);
  const steps = stepsFolder(`${root}/${runId}`);
  const attempts = (await readdir(steps).catch(() => []))
    .flatMap((name) => (attemptOf(name, runId, step) === undefined ? [] : [name]))
    .sort((a, b) => (attemptOf(b, runId, step) ?? 0) - (attemptOf(a, runId, step) ?? 0));
  const latest = attempts[0];
  if (latest !== undefined) return { root: steps, runId: latest };
  throw noSuchStep(pipeline, step, await stepNames(pipeline));
}

/** Number of the run of a step: the first has none in its name. */
function attemptOf(name: string, pipeline: string, step: string): number | undefined {
  const start = `${pipeline}.${step}`;
  if (name === start) return 1;
  const more = name.startsWith(`${start}-`) ? name.slice(start.length + 1) : '';
  return /^\d{1,4}$/.test(more) ? Number(more) : undefined;
}

async function isPipelineFolder(folder: string): Promise<boolean> {
  return stat(`${runLayout(folder).state}/pipeline.json`).then(
    () => true,
    () => false,
  );
}

async function stepNames({ root, runId }: LocatedRun): Promise<readonly string[]> {
  const names = await readdir(stepsFolder(`${root}/${runId}`)).catch(() => []);
  return names.map((name) => (name.startsWith(`${runId}.`) ? name.slice(runId.length + 1) : name));
}

const stepsFolder = (pipeline: string): string => `${pipeline}/steps`;

function isPipeline({ runId }: LocatedRun, steps: readonly string[]): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5602',
        severity: 'error',
        what: `${runId} is a pipeline, and this is about a run`,
        why: steps.length === 0 ? 'none of its steps has begun' : `its steps so far: ${steps.join(', ')}`,
        next: steps[0] === undefined ? `parallelrun status ${runId}` : `name one of them: ${runId}/${steps[0]}`,
      },
    ],
    2,
  );
}

function noSuchStep({ runId }: LocatedRun, step: string, steps: readonly string[]): ParallelRunError {
  const near = nearest(step, steps);
  return new ParallelRunError(
    [
      {
        code: 'PR5602',
        severity: 'error',
        what: `${runId} has no step "${step}" that was begun`,
        why:
          steps.length === 0
            ? 'it is no pipeline, or none of its steps has begun'
            : `its steps so far: ${steps.join(', ')}`,
        ...(near !== undefined && { next: `did you mean ${runId}/${near}?` }),
      },
    ],
    2,
  );
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

/** A run's folder is one with a plan in it, that of a pipeline one with its. */
async function runFolder(root: string, runId: string): Promise<RunFolder | undefined> {
  const { plan, state } = runLayout(`${root}/${runId}`);
  for (const file of [plan, `${state}/pipeline.json`]) {
    const found = await stat(file).catch(() => undefined);
    if (found) return { runId, startedAtMs: found.mtimeMs };
  }
  return undefined;
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
