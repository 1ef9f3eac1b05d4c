import type { CommandInput } from '../command.ts';
import { requestOf } from '../flags.ts';
import { pipelinePlanLines } from '../render/pipeline.ts';
import { planLines } from '../render/plan.ts';

/** Shows what a job would do. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const sdk = await deps.sdk();
  const request = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  if (await sdk.isPipeline(request)) {
    const { plan, warnings, steps } = await sdk.compilePipeline(request);
    await console.problems(warnings);
    if (!console.json) console.say(pipelinePlanLines(plan, steps, console.screen()));
    await console.emit({ type: 'pipeline-plan', plan, steps, warnings });
    return 0;
  }
  const preview = await sdk.previewPlan(request);
  await console.problems(preview.warnings);
  if (!console.json) console.say(planLines(preview, console.screen()));
  await console.emit({ type: 'plan', ...preview });
  return 0;
}
