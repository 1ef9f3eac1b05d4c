/**
 * The smallest useful entry script: a row per file, its name and how many characters it holds.
 *
 * parallelrun run --entry-script examples/lengths.ts --input docs
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

export async function run(miniBatch: readonly string[]): Promise<string[]> {
  const rows: string[] = [];
  for (const path of miniBatch) {
    const text = await readFile(path, 'utf8');
    rows.push(`${basename(path)} ${Array.from(text).length}`);
  }
  return rows;
}
