/** What `run` and `resume` share: a run in this process, followed to its end. */
import { dirname } from 'node:path';
import { shownOutput } from '../../domain/input.ts';
import { runLayout } from '../../domain/layout.ts';
import type { RunHandle } from '../../sdk/types.ts';
import { endLines } from '../../views/text/cause.ts';
import { counted, safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import type { CliSdk } from '../deps.ts';
import { contextOf } from '../find-run.ts';
import { withItemNames } from '../items.ts';
import { MiniBatchNames } from '../names.ts';
import { showProgress } from '../progress-view.ts';

/** Shows progress, then the verdict. @returns the run's exit code */
export async function follow(input: CommandInput, sdk: CliSdk, handle: RunHandle): Promise<number> {
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
    const context = await withItemNames(contextOf(deps, root, handle.plan), status, () =>
      sdk.openRun(root, handle.runId),
    );
    console.say(['', ...endLines(status, context, console.screen().paint), ...warningLines(handle)]);
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
  const output = shownOutput(plan, plan.output.action === 'append_row' ? plan.output.file : plan.outputFolder);
  return [
    `run     ${handle.runId}  (${safeText(plan.entry.file)}, ${counted(plan.processesPerNode, 'process', 'processes')})`,
    `output  ${safeText(output)}${plan.output.action === 'append_row' ? '' : '  (summary only)'}`,
    `logs    ${safeText(runLayout(handle.folder).logs)}`,
  ];
}

function warningLines(handle: RunHandle): readonly string[] {
  const { warnings } = handle.status();
  return warnings === 0 ? [] : [`${counted(warnings, 'warning')} in ${safeText(runLayout(handle.folder).master)}`];
}
