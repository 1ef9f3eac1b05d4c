import type { Problem } from '../../domain/problem.ts';
import { isOn, type CommandInput } from '../command.ts';
import type { StoredPipeline, StoredRun } from '../deps.ts';
import { locate } from '../find-run.ts';

const POLL_MS = 200;

/** Asks a run to end. A run that has ended, or that no process works on, is no error: it does not run. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed } = input;
  const { root, runId } = await locate(deps, parsed, args[0] ?? '');
  const sdk = await deps.sdk();
  const run = (await sdk.openPipeline(root, runId)) ?? (await sdk.openRun(root, runId));
  if (!(await run.live())) {
    await console.problems([nothingToCancel(runId, await run.status())]);
    return 0;
  }
  const now = isOn(parsed, 'now');
  await run.requestCancel(now);
  console.say(`Run ${runId} was asked to end${now ? ' at once' : ': running mini-batches finish, none is started'}`);
  await console.emit({ type: 'cancel-asked', runId, now });
  if (isOn(parsed, 'wait')) await untilOver(input, run);
  return 0;
}

function nothingToCancel(runId: string, { state, endedAt }: { state: string; endedAt?: number }): Problem {
  const what = `run ${runId} is not running; nothing was canceled`;
  const why = endedAt === undefined ? 'the process that worked on it is gone' : `it ended before: ${state}`;
  return { code: 'PR5904', severity: 'warning', what, why };
}

async function untilOver({ deps, console }: CommandInput, run: StoredRun | StoredPipeline): Promise<void> {
  while (await run.live()) await new Promise<void>((resolve) => deps.timer(POLL_MS, () => resolve()));
  const { state } = await run.status();
  console.say(`Run ${run.plan.runId} has ended: ${state}`);
  await console.emit({ type: 'ended', runId: run.plan.runId, state });
}
