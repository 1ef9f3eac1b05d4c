import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Table, tableFromArrays, tableToIPC } from 'apache-arrow';
import type { RecordBatch } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DatasetError, createMiniBatches, decideSchema } from '../../src/dataset/index.ts';
import { readArrowFacts } from '../../src/dataset/table/arrow.ts';
import type { InputSpec } from '../../src/domain/plan.ts';
import { collect, scratchFolder, writeFiles } from './scratch.ts';

/** Three batches of ten rows. */
const BYTES = ((): Uint8Array => {
  const ids = Int32Array.from({ length: 30 }, (_, i) => i);
  const whole = tableFromArrays({ id: ids, text: Array.from(ids, (id) => (id % 7 === 3 ? null : `t${id}`)) });
  const [batch] = whole.batches;
  return tableToIPC(
    new Table(
      whole.schema,
      [0, 10, 20].map((from) => batch?.slice(from, from + 10) as RecordBatch),
    ),
    'file',
  );
})();

const tables = (root: string): InputSpec[] => [
  { kind: 'table', name: 'data', root, select: { by: 'all' }, table: { format: 'arrow' } },
];

async function problemOf(content: Uint8Array | string) {
  const root = scratchFolder();
  writeFiles(root, { 'a.arrow': content });
  const schema = await decideSchema(tables(root));
  return schema.ok ? undefined : schema.error;
}

describe('facts', () => {
  test('columns, types, missing values and the rows of each batch, without the data', async () => {
    const root = scratchFolder();
    const path = join(root, 'a.arrow');
    writeFiles(root, { 'a.arrow': BYTES });
    const facts = await readArrowFacts(path);
    expect(facts.groups.map(({ rows }) => rows)).toEqual([10, 10, 10]);
    expect(facts.columns).toEqual([
      { name: 'id', type: 'native', native: 'int32' },
      { name: 'text', type: 'native', native: 'string', missing: true },
    ]);
  });

  test('by rows across batches, by bytes within them', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'a.arrow': BYTES, 'b.arrow': BYTES });
    const counts = async (cutting: Parameters<typeof createMiniBatches>[1]) =>
      (await collect(createMiniBatches(tables(root), cutting, { exclude: [] }))).map(({ items }) => items);
    expect(await counts({ by: 'rows', rows: 12 })).toEqual([12, 12, 6, 12, 12, 6]);
    expect(await counts({ by: 'bytes', bytes: 1024 * 1024 })).toEqual([10, 10, 10, 10, 10, 10]);
    const small = await counts({ by: 'bytes', bytes: 100 });
    expect(small.reduce((sum, count) => sum + count)).toBe(60);
    expect(Math.max(...small)).toBeLessThan(10);
  });

  test('files with other columns or types are refused with both names', async () => {
    const other = scratchFolder();
    const names = tableToIPC(tableFromArrays({ id: new Int32Array(2), other: ['a', 'b'] }), 'file');
    const types = tableToIPC(tableFromArrays({ id: new Float64Array(2), text: ['a', 'b'] }), 'file');
    writeFiles(other, { 'n/a.arrow': BYTES, 'n/b.arrow': names, 't/a.arrow': BYTES, 't/b.arrow': types });
    expect(await decideSchema(tables(join(other, 'n')))).toMatchObject({
      error: { code: 'PR3007', where: { file: join(other, 'n/b.arrow') }, why: expect.stringContaining('n/a.arrow') },
    });
    expect(await decideSchema(tables(join(other, 't')))).toMatchObject({
      error: { code: 'PR3012', why: expect.stringContaining('"id" is float64 here and int32 in') },
    });
  });
});

describe('no Arrow file', () => {
  test.each([
    ['empty', '', '0 bytes'],
    ['text', 'id,name\n1,a\n', 'does not begin'],
    ['only the front', 'ARROW1', '6 bytes'],
    ['a stream', tableToIPC(tableFromArrays({ id: [1] }), 'stream'), 'Arrow stream'],
    ['Feather 1', 'FEA1xxxxxxxxxxxxxxxxxxxxxxxxxxxxFEA1', 'first version'],
  ])('%s', async (_, content, why) => {
    const problem = await problemOf(content);
    expect(problem).toMatchObject({ code: 'PR3020' });
    expect(problem?.why).toContain(why);
  });

  test('cut off anywhere', async () => {
    const root = scratchFolder();
    const path = join(root, 'a.arrow');
    for (let bytes = BYTES.length - 1; bytes >= 0; bytes -= bytes > BYTES.length - 600 ? 1 : 37) {
      writeFileSync(path, BYTES);
      truncateSync(path, bytes);
      await expect(readArrowFacts(path)).rejects.toMatchObject({ problem: { code: 'PR3020' } });
    }
  });

  test('bytes flipped in its metadata: an error that says so, or another reading of it', async () => {
    const root = scratchFolder();
    const path = join(root, 'a.arrow');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: BYTES.length - 1 }), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.boolean(),
        async (flips, footerOnly) => {
          writeFileSync(path, BYTES);
          const file = openSync(path, 'r+');
          const from = footerOnly ? BYTES.length - 400 : 0;
          for (const [at, mask] of flips) {
            const place = from + (at % (BYTES.length - from));
            writeSync(file, Uint8Array.of((BYTES[place] ?? 0) ^ mask), 0, 1, place);
          }
          closeSync(file);
          const error = await readArrowFacts(path).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (error !== undefined) {
            expect(error).toBeInstanceOf(DatasetError);
            expect((error as DatasetError).problem.code).toBe('PR3020');
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(readFileSync(path).length).toBe(BYTES.length);
  });
});
