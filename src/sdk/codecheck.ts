/** Whether the code of a run is still that of its folder, and how the run takes over what is there now. */
import { existsSync } from 'node:fs';
import { lstat, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { snapshotCode, syncTree } from '../environment/index.ts';
import type { CodeSnapshot } from '../environment/index.ts';
import { notCode } from './folder.ts';

/** Files of ours, and what interpreters leave behind. */
const NOT_THEIRS = /(^|\/)(\.parallelrun-[^/]*\.mjs(\.map)?$|__pycache__\/)/;

/** The code folder as it is now, copied beside the copy that the run has. */
export interface FreshCode {
  readonly snapshot: CodeSnapshot;
  /** Files that are not what they were; empty where the run's copy alone was damaged. */
  readonly changes: readonly string[];
  /** From now on the run has this code. */
  readonly take: () => Promise<void>;
  /** The run keeps what it has. */
  readonly drop: () => Promise<void>;
}

/**
 * Compares the code folder with the copy that the run has.
 * @param fingerprint of the code that the ledger knows
 * @returns undefined where they are the same, and where the folder is gone: the copy alone counts then
 */
export async function compareCode(
  plan: Plan,
  layout: RunLayout,
  fingerprint: string | undefined,
): Promise<FreshCode | undefined> {
  const fresh = `${layout.state}/code.new`;
  const before = `${layout.state}/code.before`;
  const drop = (): Promise<void> => rm(fresh, { recursive: true, force: true });
  // Ended between the two steps of `take`.
  if (!existsSync(layout.code) && existsSync(before)) await rename(before, layout.code);
  await drop();
  const found = await snapshotCode(plan.entry.codeFolder, fresh, notCode(plan));
  if (!found.ok) {
    await drop();
    return undefined;
  }
  const snapshot = found.value;
  const take = (): Promise<void> => takeOver(layout, fresh, before);
  if (snapshot.fingerprint === fingerprint) {
    if (await holdsAll(layout.code, fresh)) {
      await drop();
      return undefined;
    }
    return { snapshot, changes: [], take, drop };
  }
  let changes = await differences(layout.code, fresh);
  // Ended behind `take`, before the ledger knew of it: the code that counts is the one before.
  if (changes.length === 0 && existsSync(before)) changes = await differences(before, fresh);
  return { snapshot, changes: changes.length > 0 ? changes : ['a large file, or one behind a link'], take, drop };
}

async function takeOver(layout: RunLayout, fresh: string, before: string): Promise<void> {
  await syncTree(fresh);
  await rm(before, { recursive: true, force: true });
  await rename(layout.code, before);
  await rename(fresh, layout.code);
  const folder = await open(layout.state, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Files that are in one of two folders only, or differ. */
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

/** Whether every file of `now` is in `copy` as it is; what a script has written there besides is its own affair. */
async function holdsAll(copy: string, now: string): Promise<boolean> {
  for (const name of await filesOf(now)) {
    if (!(await same(`${copy}/${name}`, `${now}/${name}`).catch(() => false))) return false;
  }
  return true;
}

async function filesOf(folder: string): Promise<Set<string>> {
  const files = new Set<string>();
  for (const name of await readdir(folder, { recursive: true })) {
    if (NOT_THEIRS.test(name)) continue;
    if (!(await lstat(`${folder}/${name}`)).isDirectory()) files.add(name);
  }
  return files;
}

async function same(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([lstat(a), lstat(b)]);
  if (left.isSymbolicLink() || right.isSymbolicLink()) return left.isSymbolicLink() === right.isSymbolicLink();
  return left.size === right.size && (await readFile(a)).equals(await readFile(b));
}
