import type { CommandInput } from '../command.ts';
import { contextOf, findRun, rootOf } from '../find-run.ts';
import { withItemNames } from '../items.ts';
import { MiniBatchNames } from '../names.ts';
import { statusLines } from '../render/status.ts';

/** How far a run is, or how it ended. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const root = rootOf(deps, parsed);
  const run = await sdk.openRun(root, await findRun(root, args[0] ?? ''));
  const [status, live] = await Promise.all([run.status(), run.live()]);
  const context = contextOf(deps, root, run.plan);
  await console.emit({ type: 'status', folder: context.folder, live, ...status });
  if (console.json) return 0;
  const named = await withItemNames(context, status, () => Promise.resolve(run));
  const names = new MiniBatchNames(() => Promise.resolve(run));
  if (live) await Promise.all(status.slowest.map((running) => names.look(running.index)));
  console.say(statusLines({ status, context: named, live, describe: names.describe }, console.screen(), deps.now()));
  return 0;
}
