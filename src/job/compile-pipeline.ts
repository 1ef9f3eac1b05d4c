/** A pipeline of several jobs: all of its steps checked at once before it runs, each compiled again when its turn comes. */
import path from 'node:path';
import { inOrder } from '../core/pipeline.ts';
import { parseRunId } from '../domain/ids.ts';
import type { RunId } from '../domain/ids.ts';
import { runLayout } from '../domain/layout.ts';
import { redact } from '../domain/redact.ts';
import { PIPELINE_FORMAT } from '../domain/pipeline.ts';
import type { CommandPlan, PipelinePlan, StepOutputPlace } from '../domain/pipeline.ts';
import type { Plan } from '../domain/plan.ts';
import { err, ok } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import { compileCommandJob, compileParallel } from './compile.ts';
import { openJobFile } from './open-job.ts';
import { readProfile } from './profile.ts';
import type { Surroundings } from './context.ts';
import type { JobFile } from './job-file.ts';
import type { JobStep } from './pipeline.ts';
import { listed, onCommandLine, Problems } from './problems.ts';
import type { JobRequest, StepOutput, WrittenFlags } from './request.ts';
import { decideRunPlace, systemSurroundings } from './run-folder.ts';
import { child, lookUp, textOf } from './written.ts';

export interface CompiledPipeline {
  readonly plan: PipelinePlan;
  /** In the order of the plan. What they read of each other is not there yet. */
  readonly steps: readonly SeenStep[];
  /** Texts of the components, by absolute path. */
  readonly components: Readonly<Record<string, string>>;
  readonly warnings: readonly Problem[];
}

/** A step as far as it is known before the pipeline runs. */
export interface SeenStep {
  readonly name: string;
  readonly type: 'parallel' | 'command';
  readonly needs: readonly string[];
  /** Entry script, or command. */
  readonly runs: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
  readonly reusable: boolean;
}

export type StepPlan =
  { readonly type: 'parallel'; readonly plan: Plan } | { readonly type: 'command'; readonly plan: CommandPlan };

export interface CompiledStep {
  readonly step: StepPlan;
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
  /** Of all inputs that are data: name to absolute path, or what else was written. */
  readonly inputs: Readonly<Record<string, string>>;
  /** `is_deterministic`, and nothing says to run it all the same. */
  readonly reusable: boolean;
  /** URLs as they were written, by what is shown of them. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly warnings: readonly Problem[];
}

/** Whether a job file has to be run as a pipeline: it has several jobs, or a command. A file with a mistake is none. */
export async function isPipeline(request: JobRequest): Promise<boolean> {
  if (request.jobFile === undefined || request.step !== undefined) return false;
  const file = await openJobFile(request, new Problems());
  return file !== undefined && (file.steps.length > 1 || file.steps[0]?.type === 'command');
}

/** Flags that say something for a pipeline as a whole; the others speak of one step. */
const FOR_ALL: ReadonlySet<keyof WrittenFlags> = new Set<keyof WrittenFlags>([
  'root', 'name', 'python', 'requirements', 'overwrite', 'processes', 'loggingLevel', 'resourceMonitorInterval',
  'advertise', 'engine', 'share', 'priority', 'memoryLimit', 'environmentVariables',
]); // prettier-ignore

/** Looks at all steps, as far as what they read is there. Starts nothing. */
export async function compilePipeline(
  request: JobRequest,
  surroundings: Surroundings = systemSurroundings(),
): Promise<Result<CompiledPipeline, readonly Problem[]>> {
  const problems = new Problems();
  const cwd = path.resolve(request.cwd ?? process.cwd());
  const env = request.env ?? process.env;
  const jobPath = request.jobFile === undefined ? undefined : path.resolve(cwd, request.jobFile);
  const profile = await readProfile(request, jobPath, cwd, env, problems);
  const place = await decideRunPlace(request, cwd, env, surroundings, problems, profile?.root?.value);
  const file = await openJobFile(request, problems);
  if (file === undefined || request.jobFile === undefined) return err(problems.all());
  const asked = forAll(request, problems);
  const order = orderOf(file, problems);
  const outputs = new Map<string, StepOutput>();
  const seen: SeenStep[] = [];
  for (const step of order) {
    const home = { runId: place.runId, folder: place.runFolder };
    const found = await compileOne(step, asked, home, outputs, surroundings, problems);
    for (const [name, output] of Object.entries(found.outputs))
      outputs.set(`${step.stepName}.outputs.${name}`, { ...output, pending: true });
    if (found.step) seen.push(seenStep(step, found.step, found));
  }
  if (problems.hasErrors) return err(problems.all());
  const { pipeline } = file;
  const jobFile = path.resolve(cwd, request.jobFile);
  const continues = lookUp(pipeline, 'settings.continue_on_step_failure');
  return ok({
    plan: {
      formatVersion: PIPELINE_FORMAT,
      runId: place.runId,
      runFolder: place.runFolder,
      displayName: textOf(child(pipeline, 'display_name')) ?? path.basename(jobFile),
      experimentName: textOf(child(pipeline, 'experiment_name')) ?? path.basename(path.dirname(jobFile)),
      jobFile,
      steps: order.map(({ stepName, type, needs }) => ({ name: stepName, type, needs })),
      continueOnFailure: continues?.kind === 'scalar' && continues.value === true,
    },
    steps: seen,
    components: file.components,
    warnings: problems.all(),
  });
}

function seenStep(step: JobStep, plan: StepPlan, { inputs, outputs }: Looked): SeenStep {
  const { stepName: name, type, needs } = step;
  const runs = plan.type === 'command' ? redact(plan.plan.command) : plan.plan.entry.file;
  return { name, type, needs, runs, inputs, outputs, reusable: isReusable(step) };
}

/** Texts of the components of a job file as they are now. */
export async function readComponents(jobFile: string, request: JobRequest): Promise<Readonly<Record<string, string>>> {
  return (await openJobFile({ ...request, jobFile }, new Problems()))?.components ?? {};
}

/** A step whose turn has come: what it reads is there. */
export async function compileStep(
  request: JobRequest,
  pipeline: { readonly runId: RunId; readonly folder: string },
  stepName: string,
  attempt: { readonly number: number; readonly goesOn: boolean },
  outputs: ReadonlyMap<string, StepOutputPlace>,
  surroundings: Surroundings = systemSurroundings(),
): Promise<Result<CompiledStep, readonly Problem[]>> {
  const problems = new Problems();
  const file = await openJobFile(request, problems);
  const step = file?.steps.find((each) => each.stepName === stepName);
  if (step === undefined) return err(problems.all());
  const known = new Map([...outputs].map(([name, output]) => [name, { ...output, pending: false }]));
  const found = await compileOne(step, request, pipeline, known, surroundings, problems, attempt);
  if (found.step === undefined) return err(problems.all());
  const { outputs: made, inputs, secrets } = found;
  return ok({ step: found.step, outputs: made, inputs, secrets, reusable: isReusable(step), warnings: problems.all() });
}

/** Name of the run of a step; a second one of the same step, where the first can't go on, has a number. */
export function stepRunId(pipeline: RunId, step: string, attempt = 1): RunId | undefined {
  return parseRunId(`${pipeline}.${step}${attempt > 1 ? `-${attempt}` : ''}`);
}

/** Folder that holds the runs of the steps. */
export const stepsFolder = (pipelineFolder: string): string => path.join(pipelineFolder, 'steps');

interface Looked {
  readonly step?: StepPlan;
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
  readonly inputs: Readonly<Record<string, string>>;
  readonly secrets: ReadonlyMap<string, string>;
}

async function compileOne(
  step: JobStep,
  request: JobRequest,
  pipeline: { readonly runId: RunId; readonly folder: string },
  stepOutputs: ReadonlyMap<string, StepOutput>,
  surroundings: Surroundings,
  problems: Problems,
  attempt = { number: 1, goesOn: false },
): Promise<Looked> {
  const name = stepRunId(pipeline.runId, step.stepName, attempt.number);
  if (name === undefined) {
    problems.error('PR1034', `the job ${step.stepName} has a name that is not possible`, {
      where: step.keyAt(),
      why: `it is part of a folder's name; allowed: A-Z a-z 0-9 . _ -, with the id of the pipeline at most 100 characters`,
    });
    return { outputs: {}, inputs: {}, secrets: new Map() };
  }
  const asStep: JobRequest = {
    ...request,
    flags: { ...request.flags, root: stepsFolder(pipeline.folder), name, ...(attempt.goesOn && { overwrite: true }) },
    pipeline: {
      runId: pipeline.runId,
      root: path.dirname(pipeline.folder),
      outputs: runLayout(pipeline.folder).outputs,
      stepOutputs,
      goesOn: attempt.goesOn,
    },
  };
  if (step.type === 'command') {
    const { plan, ...others } = await compileCommandJob(step, asStep, surroundings, problems);
    return { ...(plan && { step: { type: 'command', plan } }), ...others };
  }
  const compiled = await compileParallel(step, asStep, surroundings, problems);
  return {
    ...(compiled.plan && { step: { type: 'parallel', plan: compiled.plan } }),
    outputs: compiled.outputs,
    inputs: compiled.inputs,
    secrets: compiled.secrets,
  };
}

function orderOf({ steps }: JobFile, problems: Problems): readonly JobStep[] {
  const names = steps.map((step) => step.stepName);
  const named = steps.map((step) => ({ ...step, name: step.stepName }));
  const { order, circle } = inOrder(named);
  if (circle === undefined) return order;
  const first = steps.find((step) => step.stepName === circle[0]);
  problems.error('PR1032', 'the jobs of the pipeline wait for each other in a circle', {
    where: first?.keyAt() ?? { file: '' },
    why: `${circle.join(' reads outputs of ')}; all jobs: ${listed(names)}`,
    next: 'take one of these inputs from elsewhere',
  });
  return [];
}

/** What is said for one job can't be meant. */
function forAll({ flags, scriptArguments, ...request }: JobRequest, problems: Problems): JobRequest {
  const given = (Object.keys(flags) as (keyof WrittenFlags)[]).filter((key) => flags[key] !== undefined);
  const words = given.filter((key) => !FOR_ALL.has(key)).map((key) => `--${key.replaceAll(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)}`); // prettier-ignore
  if ((scriptArguments ?? []).length > 0) words.push('--');
  for (const word of words) {
    problems.error('PR1035', `${word} speaks of one job, and the pipeline has several`, {
      where: onCommandLine(word),
      next: 'change the job itself: --set jobs.<name>.<path>=<value>',
    });
  }
  return { ...request, flags: Object.fromEntries(Object.entries(flags).filter(([key]) => FOR_ALL.has(key as keyof WrittenFlags))) }; // prettier-ignore
}

function isReusable({ job, pipeline }: JobStep): boolean {
  const says = child(job, 'is_deterministic') ?? child(job, 'allow_reuse');
  const again = lookUp(pipeline, 'settings.force_rerun');
  const forced = again?.kind === 'scalar' && again.value === true;
  return says?.kind === 'scalar' && says.value === true && !forced;
}
