/** From a plan to something that runs its entry script: interpreter, host command, script, tables. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Column, EnvironmentSpec, Plan, WorkerCommand } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import type { EnvironmentReady } from '../domain/event.ts';
import type { Clock } from '../domain/ports.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { defaultCacheFolder, interpreterBehind, prepareEnvironment } from '../environment/index.ts';
import type { PreparedEnvironment } from '../environment/prepare.ts';
import { PLACEHOLDER } from '../job/index.ts';
import { registryFolder } from '../models/index.ts';
import type { EntryFacts, HostCommand, NodeOptions, WorkerOptions } from '../node/options.ts';
import { linkModels } from './models.ts';
import { nodeHost, PACKAGE_ROOT, pythonHost } from './package.ts';

export interface Prepared {
  readonly hostCommand: HostCommand;
  readonly ready: Omit<EnvironmentReady, 'type' | 'at'>;
}

/** Throws ParallelRunError, exit code 2, where the environment can't be had: nothing has been started then. */
export async function prepareHost(
  plan: Plan,
  onProgress: (line: string) => void,
  signal?: AbortSignal,
  /** Where the snapshot of the code is. */
  code = runLayout(plan.runFolder).code,
): Promise<Prepared> {
  const { workerCommand } = plan;
  if (plan.entry.language === 'node') {
    const words = workerCommand ? filledIn(workerCommand, placesOf(plan, code, process.execPath)) : [];
    return {
      hostCommand: behind(words, 'node', process.execPath, [nodeHost]),
      ready: { interpreter: process.execPath, version: process.version, built: 'node', seconds: 0 },
    };
  }
  const pythonFlags = ['-X', 'faulthandler', pythonHost];
  if (workerCommand?.python !== undefined) {
    const { python } = workerCommand;
    const words = filledIn(workerCommand, placesOf(plan, code, python));
    const started = performance.now();
    const version = await versionBehind(plan, workerCommand, python, signal);
    const seconds = (performance.now() - started) / 1000;
    return {
      hostCommand: behind(words, 'python', python, pythonFlags),
      ready: { interpreter: [...words, python].join(' '), version, built: 'as named', seconds },
    };
  }
  const { interpreter, version, built, seconds } = await prepared(plan.environment, onProgress, signal);
  if (workerCommand) await versionBehind(plan, workerCommand, interpreter, signal);
  const words = workerCommand ? filledIn(workerCommand, placesOf(plan, code, interpreter)) : [];
  return {
    hostCommand: behind(words, 'python', interpreter, pythonFlags),
    ready: { interpreter: [...words, interpreter].join(' '), version, built, seconds },
  };
}

/** The interpreter of a command. Throws as `prepareHost` does. */
export async function prepareInterpreter(
  environment: EnvironmentSpec,
  onProgress: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  return (await prepared(environment, onProgress, signal)).interpreter;
}

async function prepared(
  environment: EnvironmentSpec,
  onProgress: (line: string) => void,
  signal?: AbortSignal,
): Promise<PreparedEnvironment> {
  const found = await prepareEnvironment(environment, {
    cacheFolder: defaultCacheFolder(process.env),
    onProgress,
    env: process.env,
    ...(signal && { signal }),
  });
  if (!found.ok) throw refusal(found.error);
  return found.value;
}

function behind(
  words: readonly string[],
  language: HostCommand['language'],
  interpreter: string,
  args: readonly string[],
): HostCommand {
  const [command, ...rest] = words;
  return command === undefined
    ? { language, command: interpreter, args }
    : { language, command, args: [...rest, interpreter, ...args], wrapped: true };
}

type Places = Readonly<Record<string, string>>;

/** What placeholders of a worker command stand for. */
function placesOf(plan: Plan, code: string, interpreter: string): Places {
  const { runFolder } = plan;
  return {
    run: runFolder,
    root: dirname(runFolder),
    code,
    host: PACKAGE_ROOT,
    environment: dirname(dirname(interpreter)),
  };
}

function filledIn({ words }: WorkerCommand, places: Places): readonly string[] {
  return words.map((word) =>
    word.replace(PLACEHOLDER, (whole, name: string | undefined) =>
      name === undefined ? whole.slice(1) : (places[name] ?? whole),
    ),
  );
}

/** Asks through the command, so that one that doesn't work is told before anything is started. */
async function versionBehind(
  plan: Plan,
  command: WorkerCommand,
  python: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  // The folder of the run isn't there yet, and a container can't be given a folder that isn't there.
  const root = dirname(plan.runFolder);
  await mkdir(root, { recursive: true });
  const words = filledIn(command, { ...placesOf(plan, root, python), run: root });
  const found = await interpreterBehind(words, python, process.env, signal);
  if (!found.ok) throw refusal(found.error);
  return found.value.version;
}

/** Where the script lies in the snapshot, with the models it is to find; TypeScript is bundled first. */
export async function prepareEntry(plan: Plan, layout: RunLayout): Promise<EntryFacts> {
  await linkModels(plan, layout);
  const { entry } = plan;
  const script = `${layout.code}/${entry.file}`;
  if (entry.language === 'python') return { codeFolder: layout.code, script, moduleName: entry.moduleName };
  const { bundleEntry } = await import('../environment/bundle.ts');
  const bundled = await bundleEntry({ codeFolder: layout.code, file: entry.file, outFile: bundlePath(script) });
  if (!bundled.ok) throw refusal(inOriginal(bundled.error, plan, layout));
  return { codeFolder: layout.code, script: bundled.value.script, moduleName: entry.moduleName };
}

/** A mistake is mended in the user's own file, not in the copy, which goes with the refusal. */
function inOriginal(problem: Problem, plan: Plan, layout: RunLayout): Problem {
  const { where } = problem;
  if (!where?.file.startsWith(`${layout.code}/`)) return problem;
  return { ...problem, where: { ...where, file: plan.entry.codeFolder + where.file.slice(layout.code.length) } };
}

/** Beside the script, so that relative paths and packages resolve as from there. */
function bundlePath(script: string): string {
  return script.replace(/([^/]*)\.[^./]+$/, '.parallelrun-$1.mjs');
}

export function workerOptions(
  plan: Plan,
  layout: RunLayout,
  entry: EntryFacts,
  prepared: Prepared,
  columns: readonly Column[] | undefined,
  clock: Clock,
): WorkerOptions {
  return {
    runId: plan.runId,
    experimentName: plan.experimentName,
    layout,
    entry,
    hostCommand: prepared.hostCommand,
    scriptArguments: plan.scriptArguments,
    environmentVariables: plan.environmentVariables,
    ...(plan.rootRunId !== undefined && { rootRunId: plan.rootRunId }),
    ...(plan.dataInputs && { dataInputs: plan.dataInputs }),
    ...(plan.models && { models: plan.models }),
    // Settled here: workers have another working folder, and perhaps another home.
    modelRegistry: registryFolder(process.env),
    output: plan.output,
    outputFolder: plan.outputFolder,
    tables: workerTables(plan, columns),
    ...(plan.miniBatchFormat && { handOver: plan.miniBatchFormat }),
    ...(plan.inFlight === true && { inFlight: true }),
    limits: plan.limits,
    loggingLevel: plan.loggingLevel,
    clock,
    ...(plan.advertise !== undefined && { advertise: plan.advertise }),
    ...(plan.profilingModule && { profilingModule: plan.profilingModule }),
  };
}

/** What an agent keeps to besides. */
export function nodeSettings(plan: Plan): Omit<NodeOptions, keyof WorkerOptions | 'logs'> {
  return {
    processesPerNode: plan.processesPerNode,
    resourceMonitorIntervalMs: plan.resourceMonitorIntervalMs,
    ...(plan.recycle && { recycle: plan.recycle }),
    ...(plan.memoryLimitBytes !== undefined && { memoryLimitBytes: plan.memoryLimitBytes }),
  };
}

/** One table an input, in the order of the inputs: `MiniBatchSource.table` counts them so. */
function workerTables(plan: Plan, columns: readonly Column[] | undefined): WorkerTable[] {
  if (!columns) return [];
  const keys: readonly string[] = plan.cutting.by === 'keys' ? plan.cutting.keys : [];
  // keys are texts wherever they are told
  const texts = columns.filter(({ name, type }) => type === 'string' && !keys.includes(name)).map(({ name }) => name);
  return plan.inputs.flatMap((input): WorkerTable[] => {
    if (input.kind !== 'table') return [];
    const { table } = input;
    return table.format === 'csv' && plan.mixedTypes === true
      ? [{ ...table, mixed: texts, schema: { columns } }]
      : [{ ...table, schema: { columns } }];
  });
}

export function refusal(problem: Problem): ParallelRunError {
  return new ParallelRunError([problem], 2);
}
