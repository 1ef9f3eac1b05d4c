import type { JobRequest } from '../../job/request.ts';
import { safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import { requestOf } from '../flags.ts';
import { StopControl } from '../stop-control.ts';
import { followPipeline } from './follow-pipeline.ts';
import { follow } from './follow.ts';

/** Runs a job to its end; the exit code is the run's own. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed, scriptArguments } = input;
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  const request: JobRequest = requestOf({ jobFile: args[0], parsed, scriptArguments, cwd: deps.cwd, env: deps.env });
  const options = { signal: stop.signal, onProgress: (line: string) => console.say(safeText(line)) };
  const refused = (error: unknown): never => {
    throw stop.explain(error, 'canceled before the run began; nothing was started');
  };
  try {
    if (await sdk.isPipeline(request)) {
      const pipeline = await sdk.startPipeline(request, options).catch(refused);
      stop.attach(pipeline);
      return await followPipeline(input, pipeline);
    }
    const handle = await sdk.start(request, options).catch(refused);
    stop.attach(handle);
    return await follow(input, sdk, handle);
  } finally {
    stop.release();
  }
}
