import { counted, safeText } from '../../views/text/words.ts';
import { isOn, numberOf, type CommandInput } from '../command.ts';
import { requestOf } from '../flags.ts';
import { inForeground } from './foreground.ts';

const DEBUG_PORT = { python: 5678, node: 9229 } as const;

/** One mini-batch of a job in the foreground: one process, no retry. Exit code 0 where it succeeded, else 1. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const index = numberOf(parsed, 'index', '--index');
  const port = numberOf(parsed, 'port', '--port');
  const sdk = await deps.sdk();
  const request = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  const { plan, warnings } = await sdk.compile(request);
  await console.problems(warnings);
  const debugPort = isOn(parsed, 'debug') ? (port ?? DEBUG_PORT[plan.entry.language]) : undefined;
  console.say(`mini-batch ${index ?? 0} of ${safeText(plan.entry.file)}, ${counted(1, 'process')}, no retry`);
  return inForeground(input, { plan, interactive: false }, (hooks) =>
    sdk.testJob(request, {
      ...(index === undefined ? {} : { index }),
      ...(debugPort === undefined ? {} : { debugPort }),
      ...hooks,
    }),
  );
}
