import { counted, miniBatches } from '../../views/text/words.ts';
import { isOn, type CommandInput } from '../command.ts';
import { locate } from '../find-run.ts';
import { changesOf, refuseFixed } from '../resume-flags.ts';
import { StopControl } from '../stop-control.ts';
import { followPipeline } from './follow-pipeline.ts';
import { follow } from './follow.ts';

/** Goes on with a run that stopped before its end; of one that has ended, its own exit code. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed } = input;
  const { root, runId } = await locate(deps, parsed, args[0] ?? '');
  refuseFixed(runId, parsed);
  const changes = changesOf(parsed);
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  const options = {
    allowCodeChange: isOn(parsed, 'allowCodeChange'),
    acceptChangedInput: isOn(parsed, 'acceptChangedInput'),
    rescan: isOn(parsed, 'rescan'),
    strict: isOn(parsed, 'strict'),
    rebuild: isOn(parsed, 'rebuild'),
    retryFailed: isOn(parsed, 'retryFailed'),
    signal: stop.signal,
    onProgress: (line: string) => console.say(line),
  };
  const refused = (error: unknown): never => {
    throw stop.explain(error, 'canceled before the run went on; it can be resumed');
  };
  try {
    const pipeline = await sdk.openPipeline(root, runId);
    if (pipeline) {
      const resumed = await sdk.resumePipeline(pipeline, options).catch(refused);
      if (resumed.kind === 'ended') {
        console.say(`Pipeline ${runId} has ended: ${resumed.state}. There is nothing to resume.`);
        await console.emit({ type: 'ended', runId, state: resumed.state, exitCode: resumed.exitCode });
        return resumed.exitCode;
      }
      console.say(`Pipeline ${runId} goes on: ${counted(resumed.done, 'step')} done, not run again`);
      stop.attach(resumed.pipeline);
      return await followPipeline(input, resumed.pipeline);
    }
    const resumed = await sdk.resume(root, runId, { ...options, changes }).catch(refused);
    if (resumed.kind === 'ended') {
      const { state, exitCode } = resumed.ended;
      const more = state === 'Failed' ? '; --retry-failed tries its failed mini-batches again' : '';
      console.say(`Run ${runId} has ended: ${state}. There is nothing to resume${more}.`);
      await console.emit({ type: 'ended', runId, state, exitCode });
      return exitCode;
    }
    console.say(`Run ${runId} goes on: ${miniBatches(resumed.settled)} are settled and are not run again`);
    stop.attach(resumed.run);
    return await follow(input, sdk, resumed.run);
  } finally {
    stop.release();
  }
}
