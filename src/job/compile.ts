/** From a request to a plan: as written -> with defaults -> compiled. Every check is made, so that all mistakes show at once. */
import path from 'node:path';
import type { CommandPlan, StepOutputPlace } from '../domain/pipeline.ts';
import type { Plan } from '../domain/plan.ts';
import { picksRowsOf } from '../domain/transform.ts';
import { runLayout } from '../domain/layout.ts';
import { redact } from '../domain/redact.ts';
import { RUN_FORMAT } from '../domain/plan.ts';
import { err, ok } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import type { Assets } from './assets.ts';
import { readAssets } from './assets.ts';
import type { JobContext, Surroundings } from './context.ts';
import type { EffectiveSetting } from './effective.ts';
import { effectiveSettings, originsOf } from './effective.ts';
import { compileEntry } from './entry.ts';
import { cwdOf, oneStep, openJobFile } from './open-job.ts';
import { givenInput, hasKeys, splitTable } from './split-table.ts';
import { compileEnvironment } from './environment.ts';
import { compileInputs, dataInputs } from './inputs.ts';
import { compileModels } from './models.ts';
import type { Profile } from './profile-read.ts';
import { settingOf } from './profile-read.ts';
import { computeOf, profilePlaces } from './profile-job.ts';
import { readProfile } from './profile.ts';
import { compileWorkerCommand } from './worker-command.ts';
import {
  compileEngine,
  compileInFlight,
  compileMixedTypes,
  compileAdvertise,
  compileIsolate,
  compileLimits,
  compileProcesses,
  compileToParent,
  compileWorkerLife,
} from './limits.ts';
import { compileOutput } from './output.ts';
import { withMlTable } from './mltable.ts';
import type { ParallelJob } from './pipeline.ts';
import { jobEntries, parentEntries } from './pipeline.ts';
import { Places, tellStandIn } from './places.ts';
import { Problems } from './problems.ts';
import { outputLocation } from './job-outputs.ts';
import { defaultDatastore, resolveReferences } from './references.ts';
import type { JobRequest } from './request.ts';
import type { RunPlace } from './run-folder.ts';
import { decideRunPlace, systemSurroundings } from './run-folder.ts';
import { compilePartition } from './partition.ts';
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
  const file = await openJobFile(request, problems);
  const step = file && oneStep(file, request, problems);
  if (request.jobFile !== undefined && step === undefined) {
    // what is wrong with the flags is told with it
    await decideRunPlace(request, cwdOf(request), request.env ?? process.env, surroundings, problems);
    return err(problems.all());
  }
  const { plan, settings, secrets } = await compileParallel(step, request, surroundings, problems);
  return plan === undefined ? err(problems.all()) : ok({ plan, settings, secrets, warnings: problems.all() });
}

type Outputs = Readonly<Record<string, StepOutputPlace>>;
type Inputs = Readonly<Record<string, string>>;

/** Where something is wrong there is no plan, and all of it is in `problems`. */
interface Compiled {
  readonly plan?: Plan;
  readonly settings: readonly EffectiveSetting[];
  readonly secrets: CompiledJob['secrets'];
  /** Of the job, by name: where they will lie. */
  readonly outputs: Outputs;
  /** Of the job, as far as they are data: name to path. */
  readonly inputs: Inputs;
}

export async function compileParallel(
  job: ParallelJob | undefined,
  request: JobRequest,
  surroundings: Surroundings,
  problems: Problems,
): Promise<Compiled> {
  const { context, parts, place } = await contextOf(job, request, surroundings, problems);
  const { plan, settings } = await finish(context, parts, place, surroundings);
  return {
    ...(plan && { plan }),
    settings,
    secrets: context.places.secrets,
    outputs: outputsOf(context),
    inputs: inputsOf(context),
  };
}

/** A job of `type: command` of a pipeline. */
export async function compileCommandJob(
  job: ParallelJob,
  request: JobRequest,
  surroundings: Surroundings,
  problems: Problems,
): Promise<{
  readonly plan?: CommandPlan;
  readonly outputs: Outputs;
  readonly inputs: Inputs;
  readonly secrets: Places['secrets'];
}> {
  const { context, parts, place } = await contextOf(job, request, surroundings, problems);
  const { compileCommand } = await import('./command.ts');
  const command = await compileCommand(context);
  const environment = await compileEnvironment(context, undefined);
  const { models } = await compileModels(context);
  const { places } = context;
  const made = { outputs: outputsOf(context), inputs: inputsOf(context), secrets: places.secrets };
  if (command === undefined || request.pipeline === undefined || problems.hasErrors) return made;
  const plan: CommandPlan = {
    runId: place.runId,
    runFolder: place.runFolder,
    pipeline: { runId: request.pipeline.runId },
    experimentName: textOf(child(job.pipeline, 'experiment_name')) ?? path.basename(context.dataBase),
    stepName: job.stepName,
    ...command,
    environment: environment.spec,
    environmentVariables: { ...environment.variables, ...parts.variables.values },
    ...(Object.keys(models).length > 0 && { models }),
    dataInputs: made.inputs,
    ...(places.all && { remote: places.all }),
  };
  return { plan, ...made };
}

function outputsOf({ references, dataBase, places }: JobContext): Outputs {
  const outputs = [...references.outputs.values()];
  return Object.fromEntries(
    outputs.map((output) => [output.name, { path: outputLocation(output, dataBase, places), type: output.type }]),
  );
}

function inputsOf({ references, dataBase, places }: JobContext): Inputs {
  const found: Record<string, string> = {};
  for (const input of references.inputs.values()) {
    if (input.kind !== 'data') continue;
    const place = places.placeOf(input.path, dataBase);
    found[input.name] = place.kind === 'local' ? place.path : redact(input.path);
  }
  return found;
}

interface Begun {
  readonly context: JobContext;
  readonly parts: Parts;
  readonly place: RunPlace;
}

async function contextOf(
  job: ParallelJob | undefined,
  request: JobRequest,
  surroundings: Surroundings,
  problems: Problems,
): Promise<Begun> {
  const cwd = cwdOf(request);
  const env = request.env ?? process.env;
  const jobFile = request.jobFile === undefined ? undefined : path.resolve(cwd, request.jobFile);
  const profile = await readProfile(request, jobFile, cwd, env, problems);
  const place = await decideRunPlace(request, cwd, env, surroundings, problems, profile?.root?.value);
  const dataBase = jobFile === undefined ? cwd : path.dirname(jobFile);
  const datastores = new Map([...(profile?.datastores ?? []), ...(request.datastores ?? [])]);
  const inputsFolder = runLayout(place.runFolder).inputs;
  const { name: datastore, at: datastoreAt } = defaultDatastore(job);
  const standIn = { datastore, folder: path.join(request.pipeline?.root ?? place.root, 'datastores', datastore) };
  const places = new Places({ env, datastores, standIn, inputsFolder, offline: request.offline === true });
  const named = [...jobEntries(job, 'inputs'), ...parentEntries(job, 'inputs')].map(({ value }) => value);
  const assets = await readAssets(named, profile, env);
  const read = readParts(request, job, { base: dataBase, place, profile, places, assets }, problems);
  tellStandIn(places.usedStandIn, datastoreAt ?? (jobFile === undefined ? undefined : { file: jobFile }), problems);
  const table = await splitTable(job, request, read.references, dataBase, places, problems);
  const parts = table ? { ...read, settings: withMlTable(read.settings, table, hasKeys(job, request)) } : read;
  const base = job?.codeBase ?? dataBase;
  const { runFolder } = place;
  const context: JobContext = {
    request,
    cwd,
    base,
    dataBase,
    job,
    runFolder,
    profile,
    places,
    env,
    problems,
    ...(table && { table }),
    ...parts,
  };
  return { context, parts, place };
}

interface Parts {
  readonly references: JobContext['references'];
  readonly settings: JobContext['settings'];
  readonly script: ScriptArguments;
  readonly variables: Variables;
}

interface Known {
  /** `JobContext.dataBase`. */
  readonly base: string;
  readonly place: RunPlace;
  readonly profile: Profile | undefined;
  readonly places: Places;
  readonly assets: Assets;
}

/** Stage 2: what needs no look at the user's files. */
function readParts(
  request: JobRequest,
  job: ParallelJob | undefined,
  { base, place, profile, places, assets }: Known,
  problems: Problems,
): Parts {
  const references = resolveReferences(
    job,
    {
      base,
      places,
      assets,
      runName: place.runId,
      outputs: runLayout(place.runFolder).outputs,
      ...(request.pipeline && { pipeline: request.pipeline }),
      ...givenInput(job, request),
    },
    problems,
  );
  const script = readScriptArguments(
    lookUp(job?.job, 'task.program_arguments'),
    request.scriptArguments ?? [],
    references.names,
    problems,
  );
  const compute = computeOf(job, references.names, profile, problems);
  const settings = readSettings(
    {
      profile: (key) => settingOf(profile, key, compute),
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
    profile?.environmentVariables,
    request.flags.environmentVariables,
    references.names,
    problems,
  );
  return { references, settings, script, variables };
}

/** Stage 3: looks at the files, and puts the plan together. */
async function finish(
  context: JobContext,
  parts: Parts,
  place: RunPlace,
  surroundings: Surroundings,
): Promise<{ readonly plan?: Plan; readonly settings: readonly EffectiveSetting[] }> {
  const { settings, problems, job, request, dataBase, places } = context;
  const entry = await compileEntry(context);
  const environment = await compileEnvironment(context, entry);
  const keys = child(job?.job, 'partition_keys');
  const partition = compilePartition(keys, request.flags.partitionKeys, settings, context.references.names, problems);
  const workerCommand = compileWorkerCommand(context, environment, entry);
  const inputs = await compileInputs(context, partition);
  const output = await compileOutput(context, inputs.inputs);
  const models = await compileModels(context);
  const inFlight = compileInFlight(settings, entry, problems);
  const mixedTypes = compileMixedTypes(settings, entry, problems);
  const processesPerNode = compileProcesses(settings, surroundings, problems);
  const advertise = compileAdvertise(settings, problems);
  const { written, ...cluster } = compileEngine(settings, request.env ?? process.env, problems);
  if (cluster.engine !== undefined && written !== undefined) places.keepSecret(cluster.engine, written);
  const toParent = compileToParent(settings, request.pipeline !== undefined, problems);
  if (entry === undefined || problems.hasErrors) return { settings: [] };
  const origins = originsOf(settings, {
    programArguments: parts.script.origin,
    input: inputs.origin,
    partitionKeys: partition.origin,
    appendRowTo: output.appendOrigin,
    environmentVariables: parts.variables.origin,
    models: models.origin,
    environment: environment.origin,
    python: environment.pythonOrigin,
    extraRequirements: environment.overrides.extraOrigin,
    replacePin: environment.overrides.pinsOrigin,
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
    experimentName: textOf(child(job?.pipeline, 'experiment_name')) ?? (path.basename(dataBase) || 'default'),
    stepName: job?.stepName ?? 'parallel',
    ...(request.jobFile !== undefined && !request.pipeline && { jobFile: path.resolve(context.cwd, request.jobFile) }),
    ...(request.pipeline && { rootRunId: request.pipeline.runId }),
    ...(toParent && { toParent }),
    ...((settings.resumeFrom.value ?? '') !== '' && { resumeFrom: settings.resumeFrom.value ?? '' }),
    entry,
    scriptArguments: parts.script.words,
    environmentVariables: { ...environment.variables, ...parts.variables.values },
    ...(Object.keys(models.models).length > 0 && { models: models.models }),
    dataInputs: dataInputs(context, inputs.inputs),
    environment: environment.spec,
    ...(workerCommand === undefined ? {} : { workerCommand }),
    ...(context.profile === undefined ? {} : { profile: context.profile.file }),
    inputs: inputs.inputs,
    cutting: inputs.cutting,
    ...(settings.miniBatchFormat.origin !== 'default' &&
      settings.miniBatchFormat.value && { miniBatchFormat: settings.miniBatchFormat.value }),
    ...inFlight,
    ...mixedTypes,
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
    limits: compileLimits(settings, inputs.cutting, picksRowsOf(inputs.inputs)),
    processesPerNode,
    ...cluster,
    loggingLevel: settings.loggingLevel.value ?? 'INFO',
    resourceMonitorIntervalMs: settings.resourceMonitorInterval.value ?? 5000,
    ...(profiling === undefined || profiling === '' ? {} : { profilingModule: profiling }),
    allowEmpty: settings.allowEmpty.value === true,
    ...(places.all && { remote: places.all }),
    ...(advertise === undefined ? {} : { advertise }),
    origins,
  };
  return {
    plan,
    settings: effectiveSettings({
      ...{ plan, settings, root: place.root, inputs: inputs.written, gpus: surroundings.gpus },
      overrides: environment.shown,
      places: profilePlaces(context, environment.at),
    }),
  };
}
