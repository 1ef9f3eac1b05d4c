import { safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import { requestOf } from '../flags.ts';

/** Tells every problem of a job at once. Exit code 0 where it can run, warnings or not; else 2. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const sdk = await deps.sdk();
  const request = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  const { warnings } = (await sdk.isPipeline(request))
    ? await sdk.compilePipeline(request)
    : await sdk.compile(request);
  await console.problems(warnings);
  const said =
    warnings.length === 0
      ? 'no problems'
      : `${warnings.length} ${warnings.length === 1 ? 'warning' : 'warnings'}, no error`;
  console.say(`${safeText(args[0] ?? 'The job')} is valid: ${said}`);
  await console.emit({ type: 'valid', warnings: warnings.length });
  return 0;
}
