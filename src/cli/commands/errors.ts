import type { CommandInput } from '../command.ts';
import { contextOf, locateRun } from '../find-run.ts';
import { withItemNames } from '../items.ts';
import { errorGroupJson, errorsLines } from '../render/errors.ts';

/** The errors of a run, grouped by signature. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const { root, runId } = await locateRun(deps, parsed, args[0] ?? '');
  const run = await sdk.openRun(root, runId);
  const status = await run.status();
  const context = await withItemNames(contextOf(deps, root, run.plan), status, () => Promise.resolve(run));
  for (const group of status.errorGroups) await console.emit(errorGroupJson(group, context));
  if (!console.json) console.say(errorsLines(status, context, console.screen()));
  return 0;
}
