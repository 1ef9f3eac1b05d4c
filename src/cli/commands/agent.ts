import { safeText } from '../../views/text/words.ts';
import { numberOf, textOf } from '../command.ts';
import type { CommandInput } from '../command.ts';
import { usageError } from '../usage.ts';

/** A second signal kills what runs, and so does this long after the first. */
const PATIENCE_MS = 25_000;

/** Serves runs until it is told to end; 0, or what keeps it from beginning. */
export async function execute({ deps, console, parsed }: CommandInput): Promise<number> {
  const engine = textOf(parsed, 'engine') ?? deps.env['PARALLELRUN_ENGINE'];
  if (engine === undefined || engine === '') {
    throw usageError('an agent needs the broker through which runs find it', {
      next: 'add --engine nats://host:4222, or set PARALLELRUN_ENGINE',
    });
  }
  const slots = numberOf(parsed, 'slots', '--slots');
  if (slots === 0) throw usageError('"0" is no value for --slots', { why: 'it takes a whole number from 1' });
  const idleExitSeconds = numberOf(parsed, 'idleExit', '--idle-exit');
  const [orderly, now] = [new AbortController(), new AbortController()];
  let cancelTimer = (): void => undefined;
  const release = deps.onSignal(() => {
    if (orderly.signal.aborted) return now.abort();
    console.say('Leaving: what runs is finished, the rest is handed back. Once more kills it.');
    orderly.abort();
    cancelTimer = deps.timer(PATIENCE_MS, () => now.abort());
  });
  try {
    const sdk = await deps.sdk();
    await sdk.serveAgent({
      engine,
      ...(slots !== undefined && { slots }),
      ...textOption(parsed['advertise'], 'advertise'),
      ...textOption(parsed['workFolder'], 'workFolder'),
      ...textOption(parsed['run'], 'run'),
      ...(idleExitSeconds !== undefined && { idleExitSeconds }),
      signal: orderly.signal,
      killSignal: now.signal,
      onProgress: (line) => console.say(safeText(line)),
    });
    return 0;
  } finally {
    cancelTimer();
    release();
  }
}

function textOption<K extends string>(value: unknown, key: K): Partial<Record<K, string>> {
  return typeof value === 'string' ? ({ [key]: value } as Record<K, string>) : {};
}
