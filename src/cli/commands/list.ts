import type { CommandInput } from '../command.ts';
import { rootOf } from '../find-run.ts';
import { listLines } from '../render/list.ts';

/** Runs of a root, newest first. */
export async function execute({ deps, console, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const root = rootOf(deps, parsed);
  const entries = [...(await sdk.listRuns(root))].sort((a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0));
  if (!console.json) console.say(listLines(entries, root, console.screen()));
  for (const entry of entries) await console.emit({ type: 'run', ...entry });
  return 0;
}
