/**
 * Random tables and random transformations of an MLTable, from the file `MLTable` to what both worker hosts read: the rows
 * that a plain reading of the transformations leaves, in their order, with their values. The seed is printed with what fails.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { TableCell, TableMiniBatch } from '../../src/domain/entry.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Cutting, Plan } from '../../src/domain/plan.ts';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { openInput } from '../../src/sdk/input.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { compiled } from '../job/workspace.ts';

const PYTHON = process.env.PARALLELRUN_TEST_PYTHON;
const SCRIPT = fileURLToPath(new URL('transforms.py', import.meta.url));
const SEED = process.env.TRANSFORMS_SEED ?? String(Math.floor(Math.random() * 1e9));
const CASES = Number(process.env.TRANSFORMS_CASES ?? 100);

test.skipIf(PYTHON === undefined)(
  'what is left of a table is what its transformations say',
  { timeout: 60_000 + CASES * 500 },
  async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'transforms-')));
    const python = (command: string): string => {
      try {
        return execFileSync(PYTHON ?? '', [SCRIPT, command, SEED, String(CASES), folder], { encoding: 'utf8' });
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string };
        throw new Error(`TRANSFORMS_SEED=${SEED}: ${stdout ?? ''}${stderr ?? ''}`);
      }
    };
    try {
      python('make');
      for (let number = 0; number < CASES; number++)
        await cutCase(join(folder, String(number))).catch((cause: unknown) => {
          const table = readFileSync(join(folder, String(number), 'table/MLTable'), 'utf8');
          throw new Error(`TRANSFORMS_SEED=${SEED}, case ${number}: ${String(cause)}\n${table}`, { cause });
        });
      expect(python('check')).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

async function cutCase(folder: string): Promise<void> {
  const { plan: read } = await compiled(folder, { jobFile: 'job.yml' });
  // less than can be written
  const cutting: Cutting = read.cutting.by === 'bytes' ? { by: 'bytes', bytes: 200 } : read.cutting;
  const plan: Plan = { ...read, cutting, allowEmpty: true };
  const wrongLine = JSON.parse(readFileSync(join(folder, 'wrong.json'), 'utf8')) as number | null;
  if (wrongLine !== null) {
    const refused = await openInput(plan).catch((error: unknown) => error);
    const [problem] = refused instanceof ParallelRunError ? refused.problems : [];
    expect([problem?.code, problem?.where?.file, problem?.where?.line]).toEqual([
      'PR1036',
      join(folder, 'table/MLTable'),
      wrongLine,
    ]);
    return;
  }
  const { columns = [], drafts } = await openInput(plan);
  const tables = plan.inputs.flatMap((input) =>
    input.kind === 'table' ? [{ ...input.table, schema: { columns } }] : [],
  );
  const shown = columns.filter(({ hidden }) => hidden !== true);
  const sources: MiniBatchSource[] = [];
  const rows: unknown[][] = [];
  for await (const chunk of drafts) {
    for (const { source, items } of chunk) {
      const table = source.kind === 'rows' ? tables[source.table] : undefined;
      if (source.kind !== 'rows' || !table) throw new Error('no rows');
      sources.push(source);
      const read = await readTableSlice(source, table, { from: 0, to: items });
      if (!read.ok) throw new Error(read.error.reason);
      const { rows: found } = read.items as TableMiniBatch;
      expect(found.map((row) => Object.keys(row))).toEqual(found.map(() => shown.map(({ name }) => name)));
      rows.push(...found.map((row) => shown.map(({ name }) => plain(row[name] ?? null))));
    }
  }
  const text = JSON.stringify({ schema: columns, tables, sources, rows }, (_, value: unknown) =>
    typeof value === 'bigint' ? { digits: String(value) } : value,
  );
  writeFileSync(join(folder, 'cut.json'), text);
}

function plain(cell: TableCell): unknown {
  return (cell as unknown) instanceof Date ? Number(cell) / 1000 : cell;
}
