/** Arrow files as pyarrow writes them: cut into mini-batches of every size, they give the rows of the file. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMiniBatches, decideSchema } from '../../src/dataset/index.ts';
import type { Cutting, InputSpec } from '../../src/domain/plan.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { collect, scratchFolder } from '../dataset/scratch.ts';
import { TEST_PYTHON, hasModule } from '../e2e/rig.ts';

const WRITER = `
import json, sys, datetime, decimal
import pyarrow as pa, pyarrow.feather
for job in json.load(sys.stdin):
    n, step = job['rows'], job['step']
    gap = lambda i, v: None if job['gaps'] and i % 3 == 1 else v
    when = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000)
    table = pa.table({
        'i': pa.array(range(n), pa.int32()),
        'b': pa.array([gap(i, 2**60 + i) for i in range(n)], pa.int64()),
        'f': pa.array([gap(i, i / 4) for i in range(n)], pa.float64()),
        't': pa.array([gap(i, 'é%d' % i * (i % 5)) for i in range(n)], pa.string()),
        'l': pa.array([gap(i, list(range(i % 4))) for i in range(n)], pa.list_(pa.int64())),
        's': pa.array([{'a': i, 'z': str(i)} for i in range(n)], pa.struct([('a', pa.int64()), ('z', pa.string())])),
        'w': pa.array([gap(i, when) for i in range(n)], pa.timestamp('us')),
        'd': pa.array([gap(i, decimal.Decimal(i) / 8) for i in range(n)], pa.decimal128(12, 3)),
        'c': pa.array([gap(i, 'cat%d' % (i % 3)) for i in range(n)], pa.string()).dictionary_encode(),
        '7': pa.array([bool(i % 2) for i in range(n)], pa.bool_()),
    })
    options = pa.ipc.IpcWriteOptions(compression=job['compression'])
    with pa.ipc.new_file(job['path'], table.schema, options=options) as file:
        for batch in table.to_batches(max_chunksize=step): file.write_batch(batch)
`;

interface Shape {
  readonly rows: number;
  readonly step: number;
  readonly gaps: boolean;
  readonly compression: 'lz4' | 'zstd' | null;
}

function write(path: string, shape: Shape): void {
  execFileSync(TEST_PYTHON ?? 'python3', ['-c', WRITER], { input: JSON.stringify([{ path, ...shape }]) });
}

function rowAt(i: number, gaps: boolean): Record<string, unknown> {
  const gap = <T>(value: T): T | null => (gaps && i % 3 === 1 ? null : value);
  return {
    i,
    b: gap(2n ** 60n + BigInt(i)),
    f: gap(i / 4),
    t: gap(`é${i}`.repeat(i % 5)),
    l: gap(Array.from({ length: i % 4 }, (_, k) => k)),
    s: { a: i, z: String(i) },
    w: gap(new Date('2024-01-02T03:04:05.678Z')),
    d: gap(i / 8),
    c: gap(`cat${i % 3}`),
    '7': i % 2 === 1,
  };
}

const inputAt = (root: string): InputSpec => ({
  kind: 'table',
  name: 'data',
  root,
  select: { by: 'glob', pattern: '*.arrow' },
  table: { format: 'arrow' },
});

async function slices(root: string, cutting: Cutting) {
  const inputs = [inputAt(root)];
  const schema = await decideSchema(inputs);
  if (!schema.ok) throw new Error(schema.error.why);
  const drafts = await collect(createMiniBatches(inputs, cutting, { exclude: [] }));
  const read = [];
  for (const { source, items } of drafts) {
    if (source.kind !== 'rows') throw new Error('no rows');
    const table = { format: 'arrow', schema: schema.value } as const;
    const found = await readTableSlice(source, table, { from: 0, to: items });
    if (!found.ok) throw new Error(found.error.reason);
    if (!('rows' in found.items)) throw new Error('no table');
    read.push(found.items);
  }
  return { schema: schema.value, read };
}

describe.runIf(hasModule('pyarrow'))('written by pyarrow', () => {
  test('the union of all slices is the file, whatever the batches, the compression and the size of mini-batches', async () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 1, max: 60 }),
      step: fc.integer({ min: 1, max: 40 }),
      gaps: fc.boolean(),
      compression: fc.constantFrom('lz4' as const, 'zstd' as const, null),
    });
    const cuts = fc.oneof(
      fc.integer({ min: 1, max: 70 }).map((rows): Cutting => ({ by: 'rows', rows })),
      fc.integer({ min: 1, max: 9000 }).map((bytes): Cutting => ({ by: 'bytes', bytes })),
    );
    const root = scratchFolder();
    await fc.assert(
      fc.asyncProperty(shapes, fc.array(cuts, { minLength: 1, maxLength: 4 }), async (shape, cuttings) => {
        write(join(root, 'a.arrow'), shape);
        const expected = Array.from({ length: shape.rows }, (_, i) => rowAt(i, shape.gaps));
        for (const cutting of cuttings) {
          const { read } = await slices(root, cutting);
          expect(read.flatMap(({ rows }) => rows)).toEqual(expected);
          expect(new Set(read.map((table) => JSON.stringify(table.schema))).size).toBe(1);
          if (cutting.by === 'rows') for (const { numRows } of read.slice(0, -1)) expect(numRows).toBe(cutting.rows);
        }
      }),
      { numRuns: 12 },
    );
  }, 120_000);

  test('types are named, missing values are known, and large batches keep their rows', async () => {
    const root = scratchFolder();
    write(join(root, 'a.arrow'), { rows: 3000, step: 700, gaps: true, compression: 'lz4' });
    const { schema, read } = await slices(root, { by: 'rows', rows: 999 });
    expect(schema.columns.map(({ name, native, missing }) => [name, native, missing ?? false])).toEqual([
      ['i', 'int32', false],
      ['b', 'int64', true],
      ['f', 'float64', true],
      ['t', 'string', true],
      ['l', 'list<int64>', true],
      ['s', 'struct<a: int64, z: string>', false],
      ['w', 'timestamp[us]', true],
      ['d', 'decimal128(12, 3)', true],
      ['c', 'string', true],
      ['7', 'bool', false],
    ]);
    expect(read.map(({ numRows }) => numRows)).toEqual([999, 999, 999, 3]);
    expect(read[3]?.rows[2]).toEqual(rowAt(2999, true));
    expect(read[0]?.getChild('b')?.get(0)).toBe(2n ** 60n);
  });

  test('a file that lost rows since it was listed is told', async () => {
    const root = scratchFolder();
    const path = join(root, 'a.arrow');
    write(path, { rows: 20, step: 5, gaps: false, compression: null });
    const schema = await decideSchema([inputAt(root)]);
    if (!schema.ok) throw new Error();
    write(path, { rows: 10, step: 5, gaps: false, compression: null });
    const source = { kind: 'rows', file: path, start: 5, end: 15, firstRow: 5, rows: 10, table: 0 } as const;
    const found = await readTableSlice(source, { format: 'arrow', schema: schema.value }, { from: 0, to: 10 });
    expect(found).toMatchObject({ ok: false, error: { path, reason: expect.stringContaining('5 rows where 10') } });
    writeFileSync(path, 'ARROW1');
    expect(await readTableSlice(source, { format: 'arrow', schema: schema.value }, { from: 0, to: 10 })).toMatchObject({
      ok: false,
      error: { path },
    });
  });
});
