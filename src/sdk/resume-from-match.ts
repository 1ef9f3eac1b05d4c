/** Which run `--resume_from` means, and whether what it has finished can stand in the result of another one. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { stepRunId, stepsFolder, withoutRuntimeFlags } from '../job/index.ts';
import { hasRemoteInputs } from './remote.ts';
import { openRun } from './stored.ts';
import type { StoredRun } from './stored.ts';

/** @throws ParallelRunError PR5013, exit code 2, where there is no such run */
export async function findEarlierRun(plan: Plan): Promise<StoredRun> {
  const id = plan.resumeFrom ?? '';
  const own = dirname(plan.runFolder);
  // of a step: its pipeline lies in the root, and its run below it
  const root = plan.rootRunId === undefined ? own : dirname(dirname(own));
  for (const [folder, name] of placesOf(id, root, plan)) {
    if (name === undefined || !existsSync(`${folder}/${name}/state/plan.json`)) continue;
    return openRun(folder, name);
  }
  throw new ParallelRunError(
    [
      {
        code: 'PR5013',
        severity: 'error',
        what: `there is no run ${id} to resume from`,
        where: { file: root },
        why: 'looked for a run of that id, and for a step of a pipeline as PIPELINE/STEP, below the same root',
        next: 'parallelrun list shows the runs; or leave --resume_from out',
      },
    ],
    2,
  );
}

type Named = readonly [folder: string, name: string | undefined];

function placesOf(id: string, root: string, { rootRunId, stepName }: Plan): readonly Named[] {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(id) || id.split('/').some((part) => part.startsWith('.'))) return [];
  const [pipeline = '', step = stepName] = id.split('/');
  const below = (of: string): string => stepsFolder(`${root}/${of}`);
  const stepOf = (of: string, name: string): Named => [below(of), stepRunId(of as Plan['runId'], name)];
  if (id.includes('/')) return [stepOf(pipeline, step)];
  const dots = [...id.matchAll(/\./g)].map(({ index }): Named => [below(id.slice(0, index)), id]);
  // the id of a pipeline means the step of the same name
  return [[root, id], ...dots, ...(rootRunId === undefined ? [] : [stepOf(id, stepName)])];
}

/** In words, for a person: what of the two jobs would make other rows, or other mini-batches. Nothing: they can be joined. */
export function differencesOf(earlier: Plan, plan: Plan): readonly string[] {
  if (hasRemoteInputs(plan) || hasRemoteInputs(earlier))
    return ['its input lies elsewhere, and was fetched for it alone'];
  const [before, now] = [neutral(earlier), neutral(plan)];
  return PARTS.filter(([, of]) => !isDeepStrictEqual(of(before), of(now))).map(([name]) => `not the same: ${name}`);
}

const rowsOf = ({ output }: Plan) => (output.action === 'append_row' ? output.format : 'none');

const PARTS: readonly (readonly [name: string, of: (plan: Plan) => unknown])[] = [
  ['the input (or how it is read)', ({ inputs, miniBatchFormat, mixedTypes }) => [inputs, miniBatchFormat, mixedTypes]],
  ['the mini-batch rule', ({ cutting }) => cutting],
  ['the entry script', ({ entry: { language, file, moduleName } }) => [language, file, moduleName]],
  ['the arguments of the script', ({ scriptArguments }) => withoutRuntimeFlags(scriptArguments)],
  ['environment_variables', ({ environmentVariables }) => environmentVariables],
  ['models', ({ models }) => models ?? {}],
  ['a side input', ({ dataInputs }) => dataInputs ?? {}],
  ['the form of the result', (plan) => rowsOf(plan)],
];

/** Places in the run's own folder, and in that of its pipeline, are not a difference. */
function neutral(plan: Plan): Plan {
  const { runFolder, rootRunId } = plan;
  const folders = rootRunId === undefined ? [runFolder] : [runFolder, dirname(dirname(runFolder))];
  return folders.reduce(
    (text, folder, i) =>
      JSON.parse(JSON.stringify(text).replaceAll(`${JSON.stringify(folder).slice(1, -1)}/`, `<${i}>/`)) as Plan,
    plan,
  );
}
