/** Whether an earlier pipeline has the result of a step already. Conservative: what can't be compared differs. */
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path, { dirname } from 'node:path';
import type { RunId } from '../domain/ids.ts';
import type { Fingerprint, PipelineEvent, StepOutputPlace } from '../domain/pipeline.ts';
import type { Plan } from '../domain/plan.ts';
import type { CompiledStep } from '../job/index.ts';
import { snapshotCode } from '../environment/index.ts';
import { remoteStamps } from './remote.ts';
import { pipelineLayout, readPipelineEvents, readPipelinePlan } from './pipeline-store.ts';

export interface Earlier {
  readonly pipeline: RunId;
  readonly runId: RunId;
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
}

export type ReuseFound =
  | { readonly kind: 'reuse'; readonly from: Earlier }
  /** In words, for a person. */
  | { readonly kind: 'run'; readonly why: string };

/** Pipelines that are looked into, newest first. */
const LOOK_BACK = 100;

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** @param runId of the pipeline; it and the paths of inputs say nothing: what lies there is compared apart */
export async function fingerprintOf(compiled: CompiledStep, runId: RunId, signal: AbortSignal): Promise<Fingerprint> {
  // a word of its own: a pipeline may be called `p`
  const id = new RegExp(`(?<![\\w-])${runId.replaceAll('.', '\\.')}(?![\\w-])`, 'g');
  const places = Object.entries(compiled.inputs).sort(([, a], [, b]) => b.length - a.length);
  const neutral = (value: unknown): string => {
    let text = JSON.stringify(value);
    for (const [name, place] of places) text = text.replaceAll(JSON.stringify(place).slice(1, -1), `<input ${name}>`);
    return hash(text.replaceAll(id, '<pipeline>'));
  };
  const { step } = compiled;
  const root = dirname(dirname(dirname(step.plan.runFolder)));
  // the folder of a file too: it is made for it
  const made = Object.values(compiled.outputs).flatMap(({ path: place, type }) =>
    type === 'uri_file' ? [place, dirname(place)] : [place],
  );
  const codeFolder = step.type === 'command' ? step.plan.codeFolder : step.plan.entry.codeFolder;
  const exclude = [root, ...made, ...places.map(([, place]) => place)].filter((place) => place !== codeFolder);
  const common = {
    environment: neutral(step.plan.environment),
    'environment variables': neutral(step.plan.environmentVariables),
    outputs: neutral(compiled.outputs),
    ...(await inputsOf(compiled.inputs, await remoteStamps(step.plan, { secrets: compiled.secrets, signal }))),
    ...(await modelsOf(step.plan.models ?? {})),
  };
  if (step.type === 'command') {
    const { command } = step.plan;
    return {
      ...common,
      command: neutral(command),
      ...(codeFolder !== undefined && { code: await codeOf(codeFolder, exclude) }),
    };
  }
  const { entry, scriptArguments, cutting, thresholds, tries, isolate, miniBatchFormat, output } = step.plan;
  return {
    ...common,
    code: await codeOf(entry.codeFolder, exclude),
    'entry script': neutral(entry.file),
    arguments: neutral(scriptArguments),
    settings: neutral({ cutting, thresholds, tries, isolate, miniBatchFormat, output }),
  };
}

/** @param exclude what lies in the folder and is no code: runs, for one */
async function codeOf(folder: string, exclude: readonly string[]): Promise<string> {
  const target = await mkdtemp(path.join(tmpdir(), 'parallelrun-code-'));
  try {
    const found = await snapshotCode(folder, path.join(target, 'code'), { exclude, keep: '' });
    return found.ok ? found.value.fingerprint : `unreadable ${String(Math.random())}`;
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}

/** Files by path, size and time of change: what another step has made anew lies elsewhere, and is never the same. */
async function inputsOf(
  inputs: Readonly<Record<string, string>>,
  elsewhere: ReadonlyMap<string, string>,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, place] of Object.entries(inputs))
    found[`input ${name}`] = elsewhere.get(name) ?? (await stampOf(place));
  return found;
}

async function modelsOf(models: NonNullable<Plan['models']>): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, { path: place, version }] of Object.entries(models))
    found[`model ${name}`] = hash(`${version ?? ''} ${await stampOf(place)}`);
  return found;
}

async function stampOf(place: string): Promise<string> {
  const sum = createHash('sha256');
  const look = async (file: string): Promise<void> => {
    const found = await lstat(file, { bigint: true });
    if (!found.isDirectory()) {
      sum.update(`${file}\0${found.size}\0${found.mtimeNs}\0${found.ino}\n`);
      return;
    }
    const names = await readdir(file);
    for (const name of names.sort()) await look(path.join(file, name));
  };
  try {
    if (place.startsWith('/')) await look(place);
    else sum.update(place);
  } catch (error) {
    sum.update(`${String(error)} ${String(Math.random())}`);
  }
  return sum.digest('hex').slice(0, 32);
}

/** @param own the pipeline that asks */
export async function findEarlier(root: string, own: RunId, step: string, wanted: Fingerprint): Promise<ReuseFound> {
  let why = 'no earlier pipeline here has completed this step';
  let isFirst = true;
  for (const folder of await pipelinesOf(root, own)) {
    const end = await lastEnd(folder, step);
    if (end?.fingerprint === undefined) continue;
    const other = differences(wanted, end.fingerprint);
    const missing = other.length > 0 ? undefined : await firstMissing(end.outputs);
    if (other.length === 0 && missing === undefined)
      return { kind: 'reuse', from: { ...end.from, outputs: end.outputs } };
    if (isFirst)
      why =
        missing === undefined
          ? `${other.join(', ')} ${other.length === 1 ? 'is' : 'are'} not what ${other.length === 1 ? 'it was' : 'they were'} in ${end.from.pipeline}`
          : `${missing}, made by ${end.from.pipeline}, is gone`;
    isFirst = false;
  }
  return { kind: 'run', why };
}

async function pipelinesOf(root: string, own: RunId): Promise<readonly string[]> {
  const names = await readdir(root).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name !== own)
      .map(async (name) => {
        const folder = path.join(root, name);
        const plan = await lstat(pipelineLayout(folder).plan).catch(() => undefined);
        return plan ? [{ folder, at: plan.mtimeMs }] : [];
      }),
  );
  return found
    .flat()
    .sort((a, b) => b.at - a.at)
    .slice(0, LOOK_BACK)
    .map((each) => each.folder);
}

type Ended = Pick<Extract<PipelineEvent, { type: 'step-ended' }>, 'fingerprint' | 'outputs'> & {
  readonly from: { readonly pipeline: RunId; readonly runId: RunId };
};

async function lastEnd(folder: string, step: string): Promise<Ended | undefined> {
  try {
    const plan = await readPipelinePlan(folder);
    const events = await readPipelineEvents(pipelineLayout(folder));
    let runId: RunId | undefined;
    let found: Ended | undefined;
    for (const event of events) {
      if (!('step' in event) || event.step !== step) continue;
      if (event.type === 'step-started') runId = event.runId;
      else if (event.type === 'step-reused')
        found = { from: event.from, outputs: event.outputs, fingerprint: event.fingerprint };
      else if (event.state === 'Completed' && event.fingerprint && runId !== undefined)
        found = { from: { pipeline: plan.runId, runId }, outputs: event.outputs, fingerprint: event.fingerprint };
    }
    return found;
  } catch {
    return undefined;
  }
}

function differences(a: Fingerprint, b: Fingerprint): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((part) => a[part] !== b[part]);
}

async function firstMissing(outputs: Readonly<Record<string, StepOutputPlace>>): Promise<string | undefined> {
  for (const { path: place } of Object.values(outputs)) {
    const found = await lstat(place).catch(() => undefined);
    if (found === undefined) return place;
  }
  return undefined;
}
