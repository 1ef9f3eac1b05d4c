import type { CommandInput } from '../command.ts';
import { findRun, rootOf } from '../find-run.ts';
import { metricsLines, recordsJson } from '../render/metrics.ts';

/** What the script of a run recorded. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const root = rootOf(deps, parsed);
  const run = await sdk.openRun(root, await findRun(root, args[0] ?? ''));
  const [records, live] = await Promise.all([run.records(), run.live()]);
  if (console.json) for (const line of recordsJson(run.plan, records, live)) await console.emit(line);
  else console.say(metricsLines(run.plan.runId, `${root}/${run.plan.runId}`, records, live, console.screen()));
  return 0;
}
