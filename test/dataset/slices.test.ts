/**
 * Random tables cut in several ways: what the readers of both hosts make of all slices together is what a reader of the
 * whole table sees, with the same types in each slice. The seed is printed with what fails.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createMiniBatches, decideSchema } from '../../src/dataset/index.ts';
import type { TableCell, TableMiniBatch } from '../../src/domain/entry.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Column, Cutting, InputSpec, TableFormat } from '../../src/domain/plan.ts';
import { readTableSlice } from '../../src/worker/table.ts';

const PYTHON = process.env.PARALLELRUN_TEST_PYTHON;
const SCRIPT = fileURLToPath(new URL('slices.py', import.meta.url));
const SEED = process.env.SLICES_SEED ?? String(Math.floor(Math.random() * 1e9));
const CASES = Number(process.env.SLICES_CASES ?? 100);
const CUTTINGS: readonly Cutting[] = [
  { by: 'rows', rows: 1 },
  { by: 'rows', rows: 5 },
  { by: 'bytes', bytes: 100 },
  { by: 'bytes', bytes: 1_000_000 },
];

test.skipIf(PYTHON === undefined)('slices of a table are the table', { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slices-'));
  const python = (command: string): string => {
    try {
      return execFileSync(PYTHON ?? '', [SCRIPT, command, SEED, String(CASES), folder], { encoding: 'utf8' });
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`SLICES_SEED=${SEED}: ${stdout ?? ''}${stderr ?? ''}`);
    }
  };
  try {
    python('make');
    for (let number = 0; number < CASES; number++) {
      for (const [i, cutting] of CUTTINGS.entries())
        await cutCase(join(folder, String(number)), i, cutting).catch((cause: unknown) => {
          throw new Error(`SLICES_SEED=${SEED}, case ${number}: ${String(cause)}`, { cause });
        });
    }
    expect(python('check')).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function cutCase(folder: string, way: number, cutting: Cutting): Promise<void> {
  const table = JSON.parse(readFileSync(join(folder, 'spec.json'), 'utf8')) as TableFormat;
  const inputs: InputSpec[] = [
    { kind: 'table', name: 'data', root: join(folder, 'data'), select: { by: 'all' }, table },
  ];
  const schema = await decideSchema(inputs);
  if (!schema.ok) throw new Error(JSON.stringify(schema.error));
  const { columns } = schema.value;
  const sources: MiniBatchSource[] = [];
  const rows: unknown[][] = [];
  const copies = join(folder, `copies-${way}`);
  for await (const drafts of createMiniBatches(inputs, cutting, { exclude: [], copies, columns })) {
    for (const { source, items } of drafts) {
      sources.push(source);
      rows.push(...(await rowsOf(source, table, columns, items)));
    }
  }
  const text = JSON.stringify({ schema: columns, sources, rows }, (_, value: unknown) =>
    typeof value === 'bigint' ? { digits: String(value) } : value,
  );
  writeFileSync(join(folder, `${way}.cut.json`), text);
}

/** As the Node host hands them over. */
async function rowsOf(
  source: MiniBatchSource,
  table: TableFormat,
  columns: readonly Column[],
  items: number,
): Promise<unknown[][]> {
  if (source.kind !== 'rows') throw new Error('no rows');
  const read = await readTableSlice(source, { ...table, schema: { columns } }, { from: 0, to: items });
  if (!read.ok) throw new Error(read.error.reason);
  const { rows } = read.items as TableMiniBatch;
  return rows.map((row) => columns.map(({ name }) => shown(row[name] ?? null)));
}

function shown(cell: TableCell): unknown {
  if ((cell as unknown) instanceof Date) return Number(cell) / 1000;
  return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell).replace('Infinity', 'inf') : cell;
}
