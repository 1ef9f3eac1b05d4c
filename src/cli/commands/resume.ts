import { miniBatches } from '../../views/text/words.ts';
import { isOn, numberOf, textOf, type CommandInput } from '../command.ts';
import type { Parsed } from '../flags.ts';
import { findRun, rootOf } from '../find-run.ts';
import { StopControl } from '../stop-control.ts';
import { usageError } from '../usage.ts';
import { follow } from './follow.ts';

/** Goes on with a run that stopped before its end; of one that has ended, its own exit code. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed } = input;
  const root = rootOf(deps, parsed);
  const runId = await findRun(root, args[0] ?? '');
  const sdk = await deps.sdk();
  const stop = new StopControl(deps, (text) => console.say(text));
  try {
    const resumed = await sdk.resume(root, runId, {
      allowCodeChange: isOn(parsed, 'allowCodeChange'),
      retryFailed: isOn(parsed, 'retryFailed'),
      changes: changesOf(parsed),
      signal: stop.signal,
      onProgress: (line) => console.say(line),
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

function changesOf(parsed: Parsed) {
  const errorThreshold = thresholdOf(parsed, 'errorThreshold', '--error-threshold');
  const miniBatchErrorThreshold = thresholdOf(parsed, 'miniBatchErrorThreshold', '--mini-batch-error-threshold');
  const processes = numberOf(parsed, 'processes', '--processes');
  const maxRetries = numberOf(parsed, 'maxRetries', '--max-retries');
  const timeout = numberOf(parsed, 'timeout', '--timeout');
  if (processes === 0) throw usageError('"0" is no value for --processes', { why: 'it takes a whole number from 1' });
  if (timeout === 0) throw usageError('"0" is no value for --timeout', { why: 'it takes seconds, at least 1' });
  return {
    ...(errorThreshold !== undefined && { errorThreshold }),
    ...(miniBatchErrorThreshold !== undefined && { miniBatchErrorThreshold }),
    ...(processes !== undefined && { processes }),
    ...(maxRetries !== undefined && { maxRetries }),
    ...(timeout !== undefined && { runTimeoutMs: timeout * 1000 }),
  };
}

/** -1 switches a threshold off. */
function thresholdOf(parsed: Parsed, key: string, flag: string): number | undefined {
  return textOf(parsed, key) === '-1' ? -1 : numberOf(parsed, key, flag);
}
