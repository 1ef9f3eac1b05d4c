import type { CommandInput } from '../command.ts';
import { requestOf } from '../flags.ts';
import { planLines } from '../render/plan.ts';

/** Shows what a job would do. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const sdk = await deps.sdk();
  const preview = await sdk.previewPlan(
    requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env }),
  );
  await console.problems(preview.warnings);
  if (!console.json) console.say(planLines(preview, console.screen()));
  await console.emit({ type: 'plan', ...preview });
  return 0;
}
