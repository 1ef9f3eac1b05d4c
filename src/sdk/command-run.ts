/** Runs a job of `type: command`: once, in a copy of its code, with what it prints kept in the step's folder. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { CommandPlan } from '../domain/pipeline.ts';
import type { ExitCode } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { redact } from '../domain/redact.ts';
import { snapshotCode } from '../environment/index.ts';
import { registryFolder } from '../models/index.ts';
import { findAddress } from '../node/address.ts';
import { commandEnvironment } from '../node/environment.ts';
import { countGpus } from '../node/gpus.ts';
import { findOrphans, killTree } from '../node/tree.ts';
import { rootOfStep } from './folder.ts';
import { prepareInterpreter, refusal } from './host.ts';
import { linkModels } from './models.ts';
import { fetchWhole, uploadOutputs } from './remote.ts';
import type { Release, Secrets } from './remote.ts';
import { pythonSites } from './package.ts';
import { replace } from './resume-store.ts';

export interface CommandEnd {
  readonly state: 'Completed' | 'Failed' | 'Canceled';
  readonly exitCode: ExitCode;
  /** What went wrong, and the last lines it printed. */
  readonly cause: readonly string[];
}

export interface RunningCommand {
  readonly ended: Promise<CommandEnd>;
  cancel(how: 'orderly' | 'now', exitCode: 130 | 143): void;
}

const LAST_LINES = 12;
const LINE_LENGTH_MAX = 16 * 1024;
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 5_000;

export interface CommandOptions {
  readonly onProgress: (line: string) => void;
  readonly secrets: Secrets;
  /** Until it has been started. */
  readonly signal: AbortSignal;
}

/** @throws ParallelRunError where it could not be started; exit code 2, or 3 where its inputs can't be fetched now */
export async function startCommand(plan: CommandPlan, options: CommandOptions): Promise<RunningCommand> {
  const { onProgress, secrets, signal } = options;
  const layout = runLayout(plan.runFolder);
  const interpreter = await prepareInterpreter(plan.environment, onProgress, signal);
  await makeFolders(plan, layout);
  // What has been written by one attempt the next one may write again.
  const carried = { ...plan, runId: plan.pipeline.runId };
  const release = await fetchWhole(carried, { secrets, signal, onProgress });
  try {
    signal.throwIfAborted();
    const running = await startShell(plan, layout, interpreter, onProgress);
    const upload = (stop: AbortSignal) => uploadOutputs(carried, { secrets, onProgress, signal: stop });
    return withUploads(running, release, upload);
  } catch (error) {
    await release();
    throw error;
  }
}

/** It has ended well once its outputs are where they belong. */
function withUploads(
  running: RunningCommand,
  release: Release,
  upload: (stop: AbortSignal) => Promise<unknown>,
): RunningCommand {
  const stop = new AbortController();
  let canceled: 130 | 143 | undefined;
  let hasExited = false;
  const ended = running.ended.then(async (end): Promise<CommandEnd> => {
    hasExited = true;
    await release();
    if (end.state !== 'Completed') return end;
    try {
      await upload(stop.signal);
      return end;
    } catch (error) {
      if (canceled !== undefined) return { state: 'Canceled', exitCode: canceled, cause: ['it was canceled'] };
      const cause = `its outputs could not be uploaded: ${error instanceof Error ? error.message : String(error)}`;
      return { state: 'Failed', exitCode: 3, cause: [redact(cause)] };
    }
  });
  return {
    ended,
    cancel: (how, exitCode) => {
      canceled ??= exitCode;
      stop.abort();
      if (!hasExited) running.cancel(how, exitCode);
    },
  };
}

async function startShell(
  plan: CommandPlan,
  layout: RunLayout,
  interpreter: string,
  onProgress: (line: string) => void,
): Promise<RunningCommand> {
  if (plan.codeFolder !== undefined) {
    const options = { exclude: [rootOfStep(plan.runFolder)], keep: '' };
    const copied = await snapshotCode(plan.codeFolder, layout.code, options);
    if (!copied.ok) throw refusal(copied.error);
  }
  await linkModels(plan, layout);
  const bin = join(layout.state, 'bin');
  await nameInterpreter(bin, interpreter);
  const cwd = plan.codeFolder === undefined ? layout.work : layout.code;
  const script = { ...plan, rootRunId: plan.pipeline.runId, layout, modelRegistry: registryFolder(process.env) };
  const node = { address: await findAddress(), gpus: countGpus() };
  const own = commandEnvironment(script, node, { sites: pythonSites, cwd }, process.env);
  own['PATH'] = [bin, dirname(interpreter), own['PATH'] ?? ''].filter((each) => each !== '').join(delimiter);
  const log = createWriteStream(layout.driverLog, { flags: 'a' });
  log.once('error', (error) =>
    onProgress(`${layout.driverLog}: what the command prints is no longer kept: ${error.message}`),
  );
  // it is closed then, and further words of it change nothing
  log.on('error', () => undefined);
  const child = spawn('/bin/sh', ['-c', plan.command], {
    cwd,
    env: own,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const last: string[] = [];
  const copies = [child.stdout, child.stderr].map((stream) => copyLines(stream, log, last));
  let asked: { readonly why: 'timeout' } | { readonly why: 'cancel'; readonly exitCode: 130 | 143 } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const end = (how: 'orderly' | 'now'): void => {
    if (child.pid === undefined) return;
    if (how === 'now') killTree(child.pid, true);
    else {
      terminate(child.pid);
      setTimeout(
        () => child.pid !== undefined && child.exitCode === null && killTree(child.pid, true),
        GRACE_MS,
      ).unref();
    }
  };
  if (plan.timeoutMs !== undefined)
    timer = setTimeout(() => {
      asked ??= { why: 'timeout' };
      end('orderly');
    }, plan.timeoutMs);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null; reason?: string }>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, reason: error.message }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const ended = exited.then(async ({ code, signal, reason }): Promise<CommandEnd> => {
    clearTimeout(timer);
    if (child.pid !== undefined) killTree(child.pid, true);
    await Promise.all(copies);
    log.end();
    await finished(log).catch(() => undefined);
    if (asked?.why === 'cancel') return { state: 'Canceled', exitCode: asked.exitCode, cause: ['it was canceled'] };
    if (code === 0 && asked === undefined) return { state: 'Completed', exitCode: 0, cause: [] };
    const what =
      reason !== undefined
        ? `the shell could not be started: ${reason}`
        : asked?.why === 'timeout'
          ? `it took longer than its limit of ${(plan.timeoutMs ?? 0) / 1000} s and was ended`
          : signal !== null
            ? `it was ended by ${signal}`
            : `it ended with exit code ${code ?? ''}`;
    return { state: 'Failed', exitCode: 1, cause: [what, ...last.map((line) => `  ${line}`)] };
  });
  return {
    ended,
    cancel: (how, exitCode) => {
      asked ??= { why: 'cancel', exitCode };
      end(how);
    },
  };
}

/** A command outlives an orchestrator that is killed: it must not write beside its successor. */
export function endLeftOvers(runFolder: string): void {
  for (const pid of findOrphans(runLayout(runFolder).temp, '')) killTree(pid, false);
}

async function makeFolders(plan: CommandPlan, layout: RunLayout): Promise<void> {
  try {
    await mkdir(layout.state, { recursive: true, mode: 0o700 });
    for (const folder of [layout.work, layout.temp]) await mkdir(folder, { mode: 0o700 });
    for (const folder of [layout.logs, layout.outputs, dirname(layout.driverLog)]) await mkdir(folder);
    for (const [name, path] of Object.entries(plan.outputs))
      await mkdir(plan.outputFiles.includes(name) ? dirname(path) : path, { recursive: true });
    // for people, and for those who ask whose records these are
    const shown = { ...plan, command: redact(plan.command) };
    await replace(layout.command, JSON.stringify(shown, undefined, 2));
  } catch (error) {
    const { message, path } = error as NodeJS.ErrnoException;
    const what = 'the folders of the step could not be created';
    throw new ParallelRunError(
      [{ code: 'PR5001', severity: 'error', what, where: { file: path ?? plan.runFolder }, why: message }],
      2,
      { cause: error },
    );
  }
}

/**
 * `python` in the command is the interpreter of the job's environment, also where the machine has only `python3`, and
 * finds our modules also where the command sets PYTHONPATH.
 */
async function nameInterpreter(bin: string, interpreter: string): Promise<void> {
  await mkdir(bin);
  const sites = quoted(pythonSites);
  const lines = [
    '#!/bin/sh',
    `case ":$PYTHONPATH:" in *:${sites}:*) ;; *) PYTHONPATH=${sites}\${PYTHONPATH:+:$PYTHONPATH} ;; esac`,
    'export PYTHONPATH',
    `exec ${quoted(interpreter)} "$@"`,
  ];
  for (const name of ['python', 'python3']) {
    const file = join(bin, name);
    await writeFile(file, `${lines.join('\n')}\n`);
    await chmod(file, 0o755);
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Copies what is printed line by line, so that two streams never share a line; keeps the end of it. */
async function copyLines(stream: AsyncIterable<Buffer>, log: Writable, last: string[]): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const put = (line: string): void => {
    log.write(`${new Date().toISOString()} ${line}\n`);
    if (line.trim() === '') return;
    last.push(line.slice(0, 400));
    if (last.length > LAST_LINES) last.shift();
  };
  for await (const chunk of stream) {
    rest += decoder.write(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) put(line);
    if (rest.length > LINE_LENGTH_MAX) {
      put(rest);
      rest = '';
    }
    if (log.writableNeedDrain && !log.destroyed)
      await Promise.race([once(log, 'drain'), finished(log)]).catch(() => undefined);
  }
  if (rest !== '') put(rest);
}

function terminate(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // it is gone
  }
}
