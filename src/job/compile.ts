/** From a request to a plan: as written -> with defaults -> compiled. Every check is made, so that all mistakes show at once. */
import path from 'node:path';
import type { Plan } from '../domain/plan.ts';
import { runLayout } from '../domain/layout.ts';
import { RUN_FORMAT } from '../domain/plan.ts';
import { err, ok } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import type { JobContext, Surroundings } from './context.ts';
import type { EffectiveSetting } from './effective.ts';
import { effectiveSettings, originsOf } from './effective.ts';
import { compileEntry } from './entry.ts';
import { compileEnvironment } from './environment.ts';
import { compileInputs } from './inputs.ts';
import {
  checkUnsupported,
  compileAdvertise,
  compileIsolate,
  compileLimits,
  compileProcesses,
  compileWorkerLife,
} from './limits.ts';
import { compileOutput } from './output.ts';
import type { ParallelJob } from './pipeline.ts';
import { Places } from './places.ts';
import { onCommandLine, Problems } from './problems.ts';
import { outputLocation } from './job-outputs.ts';
import { resolveReferences } from './references.ts';
import type { JobRequest } from './request.ts';
import type { RunPlace } from './run-folder.ts';
import { decideRunPlace, systemSurroundings } from './run-folder.ts';
import { compilePartition } from './partition.ts';
import type { Partition } from './partition.ts';
import type { ScriptArguments } from './script-arguments.ts';
import { readScriptArguments } from './script-arguments.ts';
import { readSettings } from './settings.ts';
import type { Variables } from './variables.ts';
import { readVariables } from './variables.ts';
import { child, lookUp, textOf } from './written.ts';

export interface CompiledJob {
  readonly plan: Plan;
  /** URLs with their signatures and passwords, by what the plan shows of them. Never stored. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly warnings: readonly Problem[];
  /** All options, in the order of the table. */
  readonly settings: readonly EffectiveSetting[];
}

/**
 * Checks a job and makes it executable. Looks at files and folders, and creates and starts nothing.
 * @returns the plan; or everything that is wrong, errors first, warnings after them
 */
export async function compileJob(
  request: JobRequest,
  surroundings: Surroundings = systemSurroundings(),
): Promise<Result<CompiledJob, readonly Problem[]>> {
  const problems = new Problems();
  const cwd = path.resolve(request.cwd ?? process.cwd());
  const env = request.env ?? process.env;
  const jobFile = request.jobFile === undefined ? undefined : path.resolve(cwd, request.jobFile);
  const place = await decideRunPlace(request, cwd, env, surroundings, problems);
  const job = jobFile === undefined ? undefined : await fromFile(jobFile, request, problems);
  if (jobFile !== undefined && job === undefined) return err(problems.all());
  if (jobFile === undefined && (request.set ?? []).length > 0) {
    problems.error('PR1008', '--set needs a job file', {
      where: onCommandLine('--set', request.set?.[0]),
      why: 'it changes a value of one',
      next: 'use the flag for it, or name a job file',
    });
  }
  const base = jobFile === undefined ? cwd : path.dirname(jobFile);
  const places = new Places({
    env,
    datastores: request.datastores ?? new Map(),
    inputsFolder: runLayout(place.runFolder).inputs,
    offline: request.offline === true,
  });
  const parts = readParts(request, job, base, place, places, problems);
  const context: JobContext = { request, cwd, base, job, runFolder: place.runFolder, env, problems, places, ...parts };
  return finish(context, parts, place, surroundings);
}

/** Reading YAML is loaded where there is some. */
async function fromFile(file: string, request: JobRequest, problems: Problems): Promise<ParallelJob | undefined> {
  const { readJobFile } = await import('./job-file.ts');
  return readJobFile(file, request.jobFile ?? file, request, problems);
}

interface Parts {
  readonly references: JobContext['references'];
  readonly settings: JobContext['settings'];
  readonly script: ScriptArguments;
  readonly variables: Variables;
  readonly partition: Partition;
}

/** Stage 2: what needs no look at the user's files. */
function readParts(
  request: JobRequest,
  job: ParallelJob | undefined,
  base: string,
  place: RunPlace,
  places: Places,
  problems: Problems,
): Parts {
  const outputs = runLayout(place.runFolder).outputs;
  const references = resolveReferences(
    job,
    base,
    place.runId,
    (output) => outputLocation(output, base, outputs, places),
    places,
    problems,
  );
  const script = readScriptArguments(
    lookUp(job?.job, 'task.program_arguments'),
    request.scriptArguments ?? [],
    references.names,
    problems,
  );
  const settings = readSettings(
    {
      flags: request.flags,
      runtimeFlags: script.runtimeFlags,
      runtimeFlagAt: script.runtimeFlagAt,
      job: job?.job,
      names: references.names,
    },
    problems,
  );
  const variables = readVariables(
    child(job?.job, 'environment_variables'),
    request.flags.environmentVariables,
    references.names,
    problems,
  );
  checkUnsupported(settings, problems);
  const keys = child(job?.job, 'partition_keys');
  const partition = compilePartition(keys, request.flags.partitionKeys, settings, references.names, problems);
  return { references, settings, script, variables, partition };
}

/** Stage 3: looks at the files, and puts the plan together. */
async function finish(
  context: JobContext,
  parts: Parts,
  place: RunPlace,
  surroundings: Surroundings,
): Promise<Result<CompiledJob, readonly Problem[]>> {
  const { settings, problems, job, request, base, places } = context;
  const entry = await compileEntry(context);
  const environment = await compileEnvironment(context, entry);
  const inputs = await compileInputs(context, parts.partition);
  const output = await compileOutput(context, inputs.inputs);
  const processesPerNode = compileProcesses(settings, surroundings.processors, problems);
  const advertise = compileAdvertise(settings, problems);
  if (entry === undefined || problems.hasErrors) return err(problems.all());
  const origins = originsOf(settings, {
    programArguments: parts.script.origin,
    input: inputs.origin,
    partitionKeys: parts.partition.origin,
    appendRowTo: output.appendOrigin,
    environmentVariables: parts.variables.origin,
    environment: environment.origin,
    miniBatchSize: inputs.sizeOrigin,
    miniBatchRows: inputs.rowsOrigin,
    root: place.rootOrigin,
  });
  const profiling = settings.profilingModule.value;
  const plan: Plan = {
    formatVersion: RUN_FORMAT,
    runId: place.runId,
    runFolder: place.runFolder,
    displayName:
      textOf(child(job?.pipeline, 'display_name')) ??
      textOf(child(job?.job, 'display_name')) ??
      job?.stepName ??
      path.basename(entry.file),
    experimentName: textOf(child(job?.pipeline, 'experiment_name')) ?? (path.basename(base) || 'default'),
    stepName: job?.stepName ?? 'parallel',
    ...(request.jobFile === undefined ? {} : { jobFile: path.resolve(context.cwd, request.jobFile) }),
    entry,
    scriptArguments: parts.script.words,
    environmentVariables: parts.variables.values,
    environment: environment.spec,
    inputs: inputs.inputs,
    cutting: inputs.cutting,
    ...(settings.miniBatchFormat.origin !== 'default' &&
      settings.miniBatchFormat.value && { miniBatchFormat: settings.miniBatchFormat.value }),
    output: output.output,
    outputFolder: output.outputFolder,
    sideOutputs: output.sideOutputs,
    sideOutputFiles: output.sideOutputFiles,
    thresholds: {
      errorThreshold: settings.errorThreshold.value ?? -1,
      miniBatchErrorThreshold: settings.miniBatchErrorThreshold.value ?? -1,
      failedPercent: settings.allowedFailedPercent.value ?? 100,
    },
    tries: { maxTries: (settings.maxRetries.value ?? 2) + 1 },
    isolate: compileIsolate(settings, inputs.cutting),
    ...compileWorkerLife(settings),
    limits: compileLimits(settings, inputs.cutting),
    processesPerNode,
    nodeCount: 1,
    loggingLevel: settings.loggingLevel.value ?? 'INFO',
    resourceMonitorIntervalMs: settings.resourceMonitorInterval.value ?? 5000,
    ...(profiling === undefined || profiling === '' ? {} : { profilingModule: profiling }),
    allowEmpty: settings.allowEmpty.value === true,
    ...(places.all && { remote: places.all }),
    ...(advertise === undefined ? {} : { advertise }),
    origins,
  };
  return ok({
    plan,
    secrets: places.secrets,
    warnings: problems.all(),
    settings: effectiveSettings({ plan, settings, root: place.root, inputs: inputs.written }),
  });
}
