import { describeSource } from '../../domain/minibatch.ts';
import { counted, safeText } from '../../views/text/words.ts';
import { isOn, numberOf, type CommandInput } from '../command.ts';
import { locateRun } from '../find-run.ts';
import { usageError } from '../usage.ts';
import { inForeground } from './foreground.ts';

/** Exactly one mini-batch of a run again. Exit code 0 where it succeeded, else 1. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, args, parsed } = input;
  const target = parseTarget(args[0] ?? '');
  const item = numberOf(parsed, 'item', '--item');
  const port = numberOf(parsed, 'port', '--port');
  const { root, runId } = await locateRun(deps, parsed, target.run);
  const sdk = await deps.sdk();
  const run = await sdk.openRun(root, runId);
  const { source, items } = await run.manifestEntry(target.index);
  const whole = `mini-batch ${target.index} of run ${runId}`;
  if (item === undefined) console.say(`${whole}: ${safeText(describeSource(source))} (${counted(items, 'item')})`);
  else if (item < items) {
    const name = describeSource(source, { from: item, to: item + 1 });
    console.say(`${whole}, only item ${item} of its ${items}: ${safeText(name)}`);
  }
  return inForeground(input, { plan: run.plan, interactive: isOn(parsed, 'pdb') }, (hooks) =>
    sdk.replay(root, runId, target.index, {
      ...(isOn(parsed, 'debug') ? { debug: true } : {}),
      ...(isOn(parsed, 'pdb') ? { pdb: true } : {}),
      ...(port === undefined ? {} : { port }),
      ...(item === undefined ? {} : { item }),
      ...hooks,
    }),
  );
}

/** `01JX4/17`: the number stands after the last slash. */
export function parseTarget(text: string): { readonly run: string; readonly index: number } {
  const match = /^(.+)\/(\d{1,15})$/.exec(text);
  if (match === null) {
    throw usageError(`"${text}" names no mini-batch`, {
      why: 'replay takes the run and the number of the mini-batch with a slash between',
      next: 'parallelrun replay last/17',
    });
  }
  return { run: match[1] ?? '', index: Number(match[2]) };
}
