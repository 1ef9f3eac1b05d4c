import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { InputSpec, TableFormat } from '../../src/domain/plan.ts';

/** A folder of the running test, gone after it. */
export function scratchFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'parallelrun-dataset-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Writes files below `root`, with their folders. Names are given as bytes (latin1). */
export function writeFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = Buffer.from(`${root}/${name}`, 'latin1');
    mkdirSync(Buffer.from(dirname(`${root}/${name}`), 'latin1'), { recursive: true });
    writeFileSync(path, content);
  }
}

export function writeEmptyFiles(root: string, names: readonly string[]): void {
  writeFiles(root, Object.fromEntries(names.map((name) => [name, ''])));
}

export async function collect<T>(chunks: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const chunk of chunks) all.push(...chunk);
  return all;
}

/** All files of a folder as one table. */
export const tableAt = (root: string, table: TableFormat): InputSpec => ({
  kind: 'table',
  name: 'in',
  root,
  select: { by: 'all' },
  table,
});
