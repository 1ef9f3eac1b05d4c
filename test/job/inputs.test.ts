/** Inputs that are lists of files or databases with a query. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WrittenFlags } from '../../src/job/index.ts';
import { compiled, problemsOf, short, workspace } from './workspace.ts';

const FILES = {
  'score.py': '',
  'data/in.txt': 'a\n',
  'data/in.csv': 'path\na\n',
  'data/in.TSV.gz': '',
  'shop.db': 'SQLite format 3\0 and so on',
  'other.db': '',
  'lake.db': '12345678DUCK and so on',
  'lake.duckdb': '',
  'notes.bin': 'nothing known',
  'q.sql': '\ufeffSELECT 1\n',
  'empty.sql': '\n',
};
const SCRIPT: WrittenFlags = { entryScript: 'score.py' };

describe('a list of files', () => {
  const cases: readonly (readonly [WrittenFlags, object])[] = [
    [{ input: 'data/in.txt' }, { by: 'list', file: 'data/in.txt' }],
    [
      { input: 'data/in.csv' },
      { by: 'list', file: 'data/in.csv', column: 'path', csv: { delimiter: ',', header: true } },
    ],
    [{ input: 'data/in.TSV.gz' }, { column: 'path', csv: { delimiter: '\t', header: true } }],
    [
      { input: 'data/in.txt', listColumn: 'image', csvDelimiter: ';' },
      { column: 'image', csv: { delimiter: ';', header: true } },
    ],
  ];
  it.each(cases)('%j', async (flags, select) => {
    const cwd = await workspace(FILES);
    const { plan, settings } = await compiled(cwd, { flags: { ...SCRIPT, inputFormat: 'list', ...flags } });
    const [input] = plan.inputs;
    const wanted = 'file' in select ? { ...select, file: path.join(cwd, String(select.file)) } : select;
    expect(input).toMatchObject({ kind: 'files', root: '/', select: wanted });
    expect(plan.cutting).toEqual({ by: 'files', files: 10 });
    expect(settings.find(({ name }) => name === 'input_format')?.value).toBe('list');
  });

  it('is one file, and cut by files', async () => {
    const cwd = await workspace(FILES);
    const of = async (flags: WrittenFlags) =>
      short(await problemsOf(cwd, { flags: { ...SCRIPT, inputFormat: 'list', ...flags } }));
    expect(await of({ input: 'data' })).toEqual(['PR3403']);
    expect(await of({ input: 'data/*.txt' })).toEqual(['PR3403']);
    expect(await of({ input: 'data/in.txt', miniBatchRows: 3 })).toEqual(['PR1012']);
  });
});

describe('a query', () => {
  const cases: readonly (readonly [WrittenFlags, object])[] = [
    [{ input: 'shop.db' }, { table: { format: 'jsonl' }, query: { engine: 'sqlite', database: 'shop.db' } }],
    [{ input: 'other.db' }, { query: { engine: 'sqlite', database: 'other.db' } }],
    [{ input: 'lake.db' }, { table: { format: 'parquet' }, query: { engine: 'duckdb', database: 'lake.db' } }],
    [{ input: 'lake.duckdb' }, { query: { engine: 'duckdb', database: 'lake.duckdb' } }],
    [{ input: 'notes.bin', inputFormat: 'sqlite' }, { query: { engine: 'sqlite', database: 'notes.bin' } }],
    [{ input: 'data' }, { query: { engine: 'duckdb', database: 'data' } }],
  ];
  it.each(cases)('%j', async (flags, wanted) => {
    const cwd = await workspace(FILES);
    const { plan, settings } = await compiled(cwd, { flags: { ...SCRIPT, query: 'SELECT 1', ...flags } });
    const { query, ...rest } = wanted as { query: { engine: string; database: string } };
    expect(plan.inputs[0]).toMatchObject({
      kind: 'table',
      ...rest,
      query: { ...query, database: path.join(cwd, query.database), text: 'SELECT 1' },
    });
    expect(plan.cutting).toEqual({ by: 'bytes', bytes: 1024 * 1024 });
    const shown = Object.fromEntries(settings.map(({ name, value }) => [name, value]));
    expect(shown).toMatchObject({ input_format: query.engine, query: 'SELECT 1' });
  });

  it('stands in a file, whose path counts from where it is named', async () => {
    const cwd = await workspace(FILES);
    const { plan } = await compiled(cwd, { flags: { ...SCRIPT, query: '@q.sql', input: 'shop.db', miniBatchRows: 5 } });
    expect(plan.inputs[0]).toMatchObject({ query: { text: 'SELECT 1\n' } });
    expect(plan.cutting).toEqual({ by: 'rows', rows: 5 });
  });

  it('is refused where it makes no sense', async () => {
    const cwd = await workspace(FILES);
    const of = async (flags: WrittenFlags) => short(await problemsOf(cwd, { flags: { ...SCRIPT, ...flags } }));
    expect(await of({ input: 'shop.db', inputFormat: 'sqlite' })).toEqual(['PR3206']);
    expect(await of({ input: 'shop.db', query: '@none.sql' })).toEqual(['PR3206']);
    expect(await of({ input: 'shop.db', query: '@empty.sql' })).toEqual(['PR3206']);
    expect(await of({ input: 'notes.bin', query: 'SELECT 1' })).toEqual(['PR3207']);
    expect(await of({ input: '*.db', query: 'SELECT 1' })).toEqual(['PR3207']);
    expect(await of({ input: 'data', inputFormat: 'sqlite', query: 'SELECT 1' })).toEqual(['PR3207']);
    expect(await of({ input: 'shop.db', inputFormat: 'csv', query: 'SELECT 1' })).toEqual(['PR1012']);
    expect(await of({ input: ['shop.db', 'lake.db'], query: 'SELECT 1' })).toEqual(['PR3107']);
    await writeFile(path.join(cwd, 'short.db'), 'SQ');
    expect(
      (await compiled(cwd, { flags: { ...SCRIPT, input: 'short.db', query: 'SELECT 1' } })).plan.inputs,
    ).toHaveLength(1);
  });
});
