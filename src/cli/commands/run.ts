import type { RunHandle } from '../../sdk/types.ts';
import { safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import type { CliSdk } from '../deps.ts';
import { requestOf } from '../flags.ts';
import { StopControl } from '../stop-control.ts';
import { follow } from './follow.ts';

/** Runs a job to its end; the exit code is the run's own. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console } = input;
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  try {
    const handle = await begin(input, sdk, stop);
    stop.attach(handle);
    return await follow(input, sdk, handle);
  } finally {
    stop.release();
  }
}

async function begin(input: CommandInput, sdk: CliSdk, stop: StopControl): Promise<RunHandle> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const request = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  try {
    return await sdk.start(request, { signal: stop.signal, onProgress: (line) => console.say(safeText(line)) });
  } catch (error) {
    throw stop.explain(error, 'canceled before the run began; nothing was started');
  }
}
