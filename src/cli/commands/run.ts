import { dirname } from 'node:path';
import { runLayout } from '../../domain/layout.ts';
import { ParallelRunError } from '../../domain/problem.ts';
import type { RunHandle } from '../../sdk/types.ts';
import { endLines } from '../../views/text/cause.ts';
import { counted, safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import type { CliSdk } from '../deps.ts';
import { contextOf } from '../find-run.ts';
import { requestOf } from '../flags.ts';
import { MiniBatchNames } from '../names.ts';
import { showProgress } from '../progress-view.ts';
import { exitCodeOf } from '../signals.ts';
import { StopControl } from '../stop-control.ts';

/** Runs a job to its end; the exit code is the run's own. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console } = input;
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  try {
    const handle = await begin(input, sdk, stop);
    stop.attach(handle);
    return await follow(input, sdk, handle);
  } finally {
    stop.release();
  }
}

async function begin(input: CommandInput, sdk: CliSdk, stop: StopControl): Promise<RunHandle> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const request = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  try {
    return await sdk.start(request, { signal: stop.signal, onProgress: (line) => console.say(safeText(line)) });
  } catch (error) {
    if (stop.asked === undefined) throw error;
    const what = 'canceled before the run began; nothing was started';
    throw new ParallelRunError([{ code: 'PR5905', severity: 'error', what }], exitCodeOf(stop.asked), { cause: error });
  }
}

async function follow(input: CommandInput, sdk: CliSdk, handle: RunHandle): Promise<number> {
  const { deps, console } = input;
  const root = dirname(handle.folder);
  await console.problems(handle.warnings);
  console.say(startLines(handle));
  const names = new MiniBatchNames(() => sdk.openRun(root, handle.runId));
  const hide = showProgress(deps, console, () => handle.status(), names.describe);
  try {
    const told = console.json ? tellEvents(input, handle) : Promise.resolve();
    const result = await handle.result();
    await told;
    hide();
    const { status } = result;
    console.say([
      '',
      ...endLines(status, contextOf(deps, root, handle.plan), console.screen().paint),
      ...warningLines(handle),
    ]);
    await console.emit({ type: 'result', ...result });
    return result.exitCode;
  } finally {
    hide();
  }
}

/** Every event as a line. A reader that has gone ends this, and so does a ledger that can't be read; never the run. */
async function tellEvents({ deps, console }: CommandInput, handle: RunHandle): Promise<void> {
  try {
    for await (const event of handle.events()) {
      await console.emit(event);
      if (deps.stdout.closed) return;
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = 'the events of the run cannot be told any further; the run itself goes on';
    await console.problems([{ code: 'PR5999', severity: 'warning', what, why }]);
  }
}

function startLines(handle: RunHandle): readonly string[] {
  const { plan } = handle;
  const output = plan.output.action === 'append_row' ? plan.output.file : `${plan.outputFolder}  (summary only)`;
  return [
    `run     ${handle.runId}  (${safeText(plan.entry.file)}, ${counted(plan.processesPerNode, 'process', 'processes')})`,
    `output  ${safeText(output)}`,
    `logs    ${safeText(runLayout(handle.folder).logs)}`,
  ];
}

function warningLines(handle: RunHandle): readonly string[] {
  const { warnings } = handle.status();
  return warnings === 0 ? [] : [`${counted(warnings, 'warning')} in ${safeText(runLayout(handle.folder).master)}`];
}
