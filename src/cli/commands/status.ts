import type { CommandInput } from '../command.ts';
import type { StoredPipeline } from '../deps.ts';
import { contextOf, locate } from '../find-run.ts';
import { withItemNames } from '../items.ts';
import { MiniBatchNames } from '../names.ts';
import { pipelineLines } from '../render/pipeline.ts';
import { statusLines } from '../render/status.ts';

/** How far a run is, or how it ended. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const { root, runId } = await locate(deps, parsed, args[0] ?? '');
  const pipeline = await sdk.openPipeline(root, runId);
  if (pipeline) return showPipeline(pipeline, deps, console);
  const run = await sdk.openRun(root, runId);
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

async function showPipeline(
  pipeline: StoredPipeline,
  deps: CommandInput['deps'],
  console: CommandInput['console'],
): Promise<number> {
  const [status, live] = await Promise.all([pipeline.status(), pipeline.live()]);
  await console.emit({ type: 'pipeline', folder: pipeline.plan.runFolder, live, ...status });
  if (!console.json) console.say(pipelineLines(status, live, console.screen(), deps.now()));
  return 0;
}
