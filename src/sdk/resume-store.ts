/** What of a run's settings changes for good when it goes on: replaced as a whole, whatever happens meanwhile. */
import { open, readFile, rename, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { redact } from '../domain/redact.ts';

/** The time of the file stays: it says when the run was started. */
export async function storePlan(layout: RunLayout, plan: Plan): Promise<void> {
  const { atime, mtime } = await stat(layout.plan);
  await replace(layout.plan, JSON.stringify(plan, undefined, 2), (file) => file.utimes(atime, mtime));
}

export async function storeJobFile(layout: RunLayout, text: string): Promise<void> {
  await replace(layout.jobFile, text);
}

/** As it is now, to be compared when the run goes on. One that is gone already can't be. */
export async function keepJobFile(jobFile: string, layout: RunLayout): Promise<void> {
  const text = await readFile(jobFile, 'utf8').catch(() => undefined);
  if (text !== undefined) await storeJobFile(layout, redact(text));
}

/** There as a whole or not at all, whatever is killed, for this account alone. */
export async function replace(
  path: string,
  text: string,
  finish: (file: FileHandle) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await finish(file);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
