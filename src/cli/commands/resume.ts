import { miniBatches } from '../../views/text/words.ts';
import { isOn, type CommandInput } from '../command.ts';
import { findRun, rootOf } from '../find-run.ts';
import { changesOf, refuseFixed } from '../resume-flags.ts';
import { StopControl } from '../stop-control.ts';
import { follow } from './follow.ts';

/** Goes on with a run that stopped before its end; of one that has ended, its own exit code. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed } = input;
  const root = rootOf(deps, parsed);
  const runId = await findRun(root, args[0] ?? '');
  refuseFixed(runId, parsed);
  const changes = changesOf(parsed);
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  try {
    const resumed = await sdk
      .resume(root, runId, {
        allowCodeChange: isOn(parsed, 'allowCodeChange'),
        acceptChangedInput: isOn(parsed, 'acceptChangedInput'),
        rescan: isOn(parsed, 'rescan'),
        strict: isOn(parsed, 'strict'),
        rebuild: isOn(parsed, 'rebuild'),
        retryFailed: isOn(parsed, 'retryFailed'),
        changes,
        signal: stop.signal,
        onProgress: (line) => console.say(line),
      })
      .catch((error: unknown) => {
        throw stop.explain(error, 'canceled before the run went on; it can be resumed');
      });
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
