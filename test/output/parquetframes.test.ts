/** Random frames, tables and dicts in Parquet, against pyarrow. The seed is printed with what fails. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import { ExtentTable, SpoolWriter } from '../../src/output/index.ts';
import { assembleParquet } from '../../src/output/parquet/assemble.ts';
import { inspectParquet } from '../../src/output/parquet/inspect.ts';

const PYTHON = process.env.PARALLELRUN_TEST_PYTHON;
const SCRIPT = fileURLToPath(new URL('parquetframes.py', import.meta.url));
const SEED = process.env.PARQUET_SEED ?? String(Math.floor(Math.random() * 1e9));
const CASES = Number(process.env.PARQUET_CASES ?? 150);

test.skipIf(PYTHON === undefined)(
  'what mini-batches return, committed in any order, is one table as pyarrow has it',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'frames-'));
    const python = (command: string): string => {
      try {
        return execFileSync(PYTHON ?? '', [SCRIPT, command, SEED, String(CASES), folder], { encoding: 'utf8' });
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string };
        throw new Error(`PARQUET_SEED=${SEED}: ${stdout ?? ''}${stderr ?? ''}`);
      }
    };
    try {
      python('make');
      for (let number = 0; number < CASES; number++) await assembleCase(join(folder, String(number)));
      expect(python('check')).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** Mini-batches in an order of commitment that depends on the seed. */
async function assembleCase(folder: string): Promise<void> {
  const files = readdirSync(folder).map((name) => {
    const [index = '', rows = ''] = name.split('.');
    return { index: miniBatchIndex(Number(index)), rows: Number(rows), bytes: readFileSync(join(folder, name)) };
  });
  const order = files.toSorted((a, b) => ((a.index * 7 + Number(SEED)) % 5) - ((b.index * 7 + Number(SEED)) % 5));
  const spool = await SpoolWriter.create(join(folder, 'spool'));
  const extents = new ExtentTable();
  for (const [i, extent] of (await spool.write(order)).entries()) {
    const file = order[i];
    if (file) extents.set(file.index, extent);
  }
  await spool.close();
  const target = join(folder, 'result.parquet');
  const made = await assembleParquet(join(folder, 'spool'), target, extents);
  const again = await assembleParquet(join(folder, 'spool'), target, extents);
  expect(again, `PARQUET_SEED=${SEED}`).toEqual(made);
  const { rows, bytes, crc32 } = made;
  expect(await inspectParquet(target)).toEqual({ rows, bytes, crc32 });
}
