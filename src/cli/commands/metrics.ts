import type { CommandInput } from '../command.ts';
import { locate } from '../find-run.ts';
import { metricsLines, recordsJson } from '../render/metrics.ts';

/** What the script of a run, or of a step of a pipeline, recorded; of a pipeline what its steps recorded for it. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const { root, runId } = await locate(deps, parsed, args[0] ?? '');
  const run = (await sdk.openPipeline(root, runId)) ?? (await sdk.openRecords(root, runId));
  const [records, live] = await Promise.all([run.records(), run.live()]);
  if (console.json) for (const line of recordsJson(run.plan, records, live)) await console.emit(line);
  else console.say(metricsLines(run.plan, `${root}/${runId}`, records, live, console.screen()));
  return 0;
}
