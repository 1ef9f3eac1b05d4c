import { lstat, readFile, readdir, rename, rm } from 'node:fs/promises';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { snapshotCode } from '../environment/index.ts';
import { notCode } from './folder.ts';

const CHANGES_SHOWN = 10;

/**
 * Compares the code folder with the snapshot of the run. Where it is gone, the snapshot alone counts.
 * @param allowed a change is taken into the run: what is left runs the new code
 * @returns the changed files that were taken over
 * @throws ParallelRunError PR5006, exit code 4, with the changed files
 */
export async function checkCode(
  plan: Plan,
  layout: RunLayout,
  fingerprint: string | undefined,
  allowed: boolean,
): Promise<readonly string[]> {
  const fresh = `${layout.state}/code.new`;
  await rm(fresh, { recursive: true, force: true });
  const snapshot = await snapshotCode(plan.entry.codeFolder, fresh, notCode(plan));
  if (!snapshot.ok || snapshot.value.fingerprint === fingerprint) {
    await rm(fresh, { recursive: true, force: true });
    return [];
  }
  const changes = await differences(layout.code, fresh);
  if (!allowed) {
    await rm(fresh, { recursive: true, force: true });
    throw codeChanged(plan, changes);
  }
  await rm(`${layout.state}/code.before`, { recursive: true, force: true });
  await rename(layout.code, `${layout.state}/code.before`);
  await rename(fresh, layout.code);
  return changes;
}

/** Files that are in one of two folders only, or differ. Bundles of ours are none of the user's files. */
async function differences(before: string, now: string): Promise<string[]> {
  const [old, fresh] = await Promise.all([filesOf(before), filesOf(now)]);
  const names = [...new Set([...old, ...fresh])].sort();
  const changed: string[] = [];
  for (const name of names) {
    if (!old.has(name)) changed.push(`${name} (new)`);
    else if (!fresh.has(name)) changed.push(`${name} (gone)`);
    else if (!(await same(`${before}/${name}`, `${now}/${name}`))) changed.push(name);
  }
  return changed;
}

async function filesOf(folder: string): Promise<Set<string>> {
  const files = new Set<string>();
  for (const name of await readdir(folder, { recursive: true })) {
    if (/(^|\/)\.parallelrun-[^/]*\.mjs(\.map)?$/.test(name)) continue;
    if (!(await lstat(`${folder}/${name}`)).isDirectory()) files.add(name);
  }
  return files;
}

async function same(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([lstat(a), lstat(b)]);
  if (left.isSymbolicLink() || right.isSymbolicLink()) return left.isSymbolicLink() === right.isSymbolicLink();
  return left.size === right.size && (await readFile(a)).equals(await readFile(b));
}

function codeChanged(plan: Plan, changes: readonly string[]): ParallelRunError {
  const shown = changes.slice(0, CHANGES_SHOWN).join(', ');
  const more = changes.length > CHANGES_SHOWN ? ` and ${changes.length - CHANGES_SHOWN} more` : '';
  return new ParallelRunError(
    [
      {
        code: 'PR5006',
        severity: 'error',
        what: `the code has changed since run ${plan.runId} was started`,
        where: { file: plan.entry.codeFolder },
        why: `${shown}${more}: rows of the old and of the new code would stand in one result`,
        next: `parallelrun resume ${plan.runId} --allow-code-change goes on with the new code; to keep the old, put the files back`,
      },
    ],
    4,
  );
}
