/** Whether the job file of a run is still what it was, and what of it the run takes over when it goes on. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { redact } from '../domain/redact.ts';
import { compileJob } from '../job/index.ts';
import type { CompiledJob } from '../job/index.ts';
import { takeSettings } from './resume-changes.ts';

/** Settings by what a change of them means. Names as in the options table. */
const RULES = [
  'mini_batch_size', 'mini_batch_rows', 'partition_keys', 'partition_format', 'rank_mini_batch_count', 'input_data', 'input_format', 'query', 'list_column',
  'output',
  'task.append_row_to', 'summary_only',
]; // prettier-ignore
const CODE = [
  'task.entry_script', 'task.code', 'task.program_arguments', 'environment_variables', 'models', 'task.environment',
  'requirements', 'python', 'extra_requirements', 'replace_pin',
]; // prettier-ignore

/** Of them the environment is made. */
const ENVIRONMENT = ['task.environment', 'requirements', 'python', 'extra_requirements', 'replace_pin'];

export interface JobCheck {
  /** The run's plan, with what is taken over. */
  readonly plan: Plan;
  /** Lines about what can't be changed: the mini-batch rule, the input, the output. */
  readonly rules: readonly string[];
  /** Lines about what needs leave: script, arguments, environment. */
  readonly code: readonly string[];
  /** Lines about the file itself. */
  readonly notes: readonly string[];
  /** The file as it is now, where the run takes over what it says. */
  readonly text?: string;
}

/** Changes nothing. */
export async function checkJob(plan: Plan, layout: RunLayout): Promise<JobCheck> {
  const same: JobCheck = { plan, rules: [], code: [], notes: [] };
  if (plan.jobFile === undefined) return same;
  // Without what opens doors: that is not kept, and may differ.
  const [before, now] = await Promise.all([
    readFile(layout.jobFile, 'utf8').then(redact).catch(none),
    readFile(plan.jobFile, 'utf8').then(redact).catch(none),
  ]);
  // A run of a version that kept no copy.
  if (before === undefined) return same;
  if (now === undefined)
    return { ...same, notes: [`the job file is gone (${plan.jobFile}): the run keeps its settings`] };
  if (before === now || (await sameTree(before, now))) return same;
  const [old, fresh] = [await compiled(plan, before), await compiled(plan, now)];
  if (typeof fresh === 'string') return { ...same, rules: [`it is not valid now: ${fresh}`] };
  if (typeof old === 'string') return { ...same, rules: [`what it was can not be compared any more: ${old}`] };
  return { ...compare(plan, old, fresh), notes: ['the job file has changed'], text: now };
}

const none = (): undefined => undefined;

/** Comments and layout say nothing. */
export async function sameTree(a: string, b: string): Promise<boolean> {
  const { parse } = await import('yaml');
  try {
    return JSON.stringify(parse(a)) === JSON.stringify(parse(b));
  } catch {
    return false;
  }
}

/** What a text of the job file would be as a run in the same place. @returns the first thing that is wrong with it */
async function compiled(plan: Plan, jobText: string): Promise<CompiledJob | string> {
  const { jobFile = '' } = plan;
  const root = dirname(plan.runFolder);
  // The result of the run may be there already.
  const flags = { root, overwrite: true };
  // The profile that the run was started with, for both texts: what differs is the job.
  const config = plan.profile !== undefined && existsSync(plan.profile) ? plan.profile : false;
  const found = await compileJob({ jobFile, jobText, flags, config, cwd: dirname(jobFile), offline: true });
  if (!found.ok) return found.error[0]?.what ?? 'it can not be compiled';
  // Its made-up run folder stands wherever the run's own one does.
  const text = JSON.stringify(found.value).replaceAll(
    JSON.stringify(found.value.plan.runFolder).slice(1, -1),
    JSON.stringify(plan.runFolder).slice(1, -1),
  );
  return JSON.parse(text) as CompiledJob;
}

function compare(plan: Plan, old: CompiledJob, fresh: CompiledJob): Omit<JobCheck, 'notes'> {
  const fixed = (name: string): boolean => isFixed(name, plan, old.plan);
  const lines = (names: readonly string[]): string[] =>
    names.filter((name) => !fixed(name)).flatMap((name) => difference(name, old, fresh) ?? []);
  const rules = lines(RULES);
  // What no setting shows: paths behind names, the dialect of a table.
  const hidden = HIDDEN.filter(([, name]) => !fixed(name)).map(([key]) => key);
  if (rules.length === 0 && differ(hidden, old.plan, fresh.plan)) rules.push('the paths of inputs or outputs');
  const code = lines(CODE);
  const settings = takeSettings(plan, old.plan, fresh.plan, fixed);
  return { plan: code.length > 0 ? withCode(settings, old.plan, fresh.plan, fixed) : settings, rules, code };
}

/** Members of a plan that the output and the mini-batches depend on, and the setting that says most about them. */
const HIDDEN: readonly (readonly [keyof Plan, string])[] = [
  ['inputs', 'input_data'],
  ['cutting', 'mini_batch_size'],
  ['output', 'task.append_row_to'],
  ['outputFolder', 'output'],
  ['sideOutputs', ''],
];

/** Whether the run has the setting from a flag: then the file doesn't matter. */
function isFixed(name: string, plan: Plan, old: Plan): boolean {
  // Arguments of the command line follow those of the file and don't replace them.
  if (name === 'task.program_arguments') return !startsWith(plan.scriptArguments, old.scriptArguments);
  return ['command line', 'environment variable', 'profile'].includes(plan.origins[name] ?? '');
}

const startsWith = (list: readonly string[], front: readonly string[]): boolean =>
  front.every((word, i) => list[i] === word);

/** `mini_batch_size: 5 files before, 7 files now`. Of environment variables no value is shown: they may be secrets. */
function difference(name: string, old: CompiledJob, fresh: CompiledJob): string | undefined {
  if (name === 'environment_variables')
    return differ(['environmentVariables'], old.plan, fresh.plan) ? `${name}: ${changedNames(old, fresh)}` : undefined;
  const [was, is] = [old, fresh].map(({ settings }) => settings.find((setting) => setting.name === name)?.value ?? '');
  if (was !== is) return `${name}: ${was || 'none'} before, ${is || 'none'} now`;
  return name === 'task.environment' && differ(['environment'], old.plan, fresh.plan)
    ? `${name}: other packages`
    : undefined;
}

function changedNames(old: CompiledJob, fresh: CompiledJob): string {
  const [was, is] = [old.plan.environmentVariables, fresh.plan.environmentVariables];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => was[key] !== is[key]).join(', ');
}

function differ(keys: readonly (keyof Plan)[], a: Plan, b: Plan): boolean {
  return keys.some((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

function withCode(plan: Plan, old: Plan, fresh: Plan, fixed: (name: string) => boolean): Plan {
  const variables = new Map(Object.entries(plan.environmentVariables));
  for (const key of new Set([...Object.keys(old.environmentVariables), ...Object.keys(fresh.environmentVariables)])) {
    const [was, is] = [old.environmentVariables[key], fresh.environmentVariables[key]];
    // One that was given on the command line stays.
    if (was === is || variables.get(key) !== was) continue;
    if (is === undefined) variables.delete(key);
    else variables.set(key, is);
  }
  const ownArguments = plan.scriptArguments.slice(old.scriptArguments.length);
  const scriptArguments = fixed('task.program_arguments')
    ? plan.scriptArguments
    : [...fresh.scriptArguments, ...ownArguments];
  return {
    ...plan,
    ...(!fixed('task.entry_script') && !fixed('task.code') && { entry: fresh.entry }),
    scriptArguments,
    environmentVariables: Object.fromEntries(variables),
    // Not where only `@latest` is another one by now: the run keeps what it began with.
    ...(!fixed('models') && differ(['models'], old, fresh) && { models: fresh.models ?? {} }),
    ...(!ENVIRONMENT.some(fixed) && { environment: fresh.environment }),
  };
}
