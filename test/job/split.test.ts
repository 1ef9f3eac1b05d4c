/** From flags and job files: which inputs are split, as what, and how. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WrittenFlags } from '../../src/job/index.ts';
import { compiled, problemsOf, short, workspace } from './workspace.ts';

const CLI: WrittenFlags = { entryScript: 'score.py', input: 'images' };

describe('what is split', () => {
  const CSV = {
    'data/a.csv': 'x\n1\n',
    'data/b.csv': 'x\n2\n',
    'one.tsv': 'x\n',
    'plain/part-0': 'x\n',
    'tabs/t.TSV': 'x\n',
    'mixed/a.csv': 'x\n',
    'mixed/README.md': '',
    'many/t.parquet': '',
    'many/l.ndjson': '{}\n',
  };
  const all = { by: 'all' } as const;
  const comma = { format: 'csv', delimiter: ',', header: true };
  const tab = { format: 'csv', delimiter: '\t', header: true };
  const cases: readonly (readonly [string, WrittenFlags, object, object])[] = [
    ['a folder', { input: 'data' }, { kind: 'files', root: 'data', select: all }, { by: 'files', files: 10 }],
    [
      'a csv',
      { input: 'data/a.csv' },
      { kind: 'table', root: 'data', select: { by: 'one', file: 'a.csv' }, table: comma },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a csv with a number',
      { input: 'data/a.csv', miniBatchSize: 3 },
      { kind: 'files', root: 'data', select: { by: 'one', file: 'a.csv' } },
      { by: 'files', files: 3 },
    ],
    [
      'a csv as file',
      { input: 'data/a.csv', inputFormat: 'files' },
      { kind: 'files', root: 'data', select: { by: 'one', file: 'a.csv' } },
      { by: 'files', files: 10 },
    ],
    [
      'a number of bytes',
      { input: 'data/a.csv', inputFormat: 'csv', miniBatchSize: 3 },
      { kind: 'table', root: 'data', table: comma },
      { by: 'bytes', bytes: 3 },
    ],
    [
      'a glob of csv',
      { input: 'data/*.csv' },
      { kind: 'table', root: 'data', select: { by: 'glob', pattern: '*.csv' }, table: comma },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'tabs',
      { input: 'one.tsv', miniBatchRows: '7' },
      { kind: 'table', root: '.', select: { by: 'one', file: 'one.tsv' }, table: tab },
      { by: 'rows', rows: 7 },
    ],
    [
      'keys of a table, whose size is given as if it were files',
      { input: 'data/a.csv', partitionKeys: 'a, b', miniBatchSize: 3 },
      { kind: 'table', root: 'data', table: comma },
      { by: 'keys', keys: ['a', 'b'] },
    ],
    [
      'keys of files',
      { input: 'images', partitionKeys: ['a', 'b'], partitionFormat: '{a}/{b}' },
      { kind: 'files', root: 'images' },
      { by: 'keys', keys: ['a', 'b'], format: '{a}/{b}' },
    ],
    [
      'a folder by rows',
      { input: 'data/', miniBatchRows: 2 },
      {
        kind: 'table',
        root: 'data',
        select: { by: 'glob', pattern: '**/*.[cC][sS][vV]{,.[gG][zZ],.[zZ][sS][tT]}' },
        table: comma,
      },
      { by: 'rows', rows: 2 },
    ],
    [
      'a folder of tabs',
      { input: 'tabs', miniBatchSize: '2KB' },
      {
        kind: 'table',
        root: 'tabs',
        select: { by: 'glob', pattern: '**/*.[tT][sS][vV]{,.[gG][zZ],.[zZ][sS][tT]}' },
        table: tab,
      },
      { by: 'bytes', bytes: 2048 },
    ],
    [
      'CSV of another dialect',
      {
        input: 'data/*.csv',
        csvDelimiter: 'tab',
        csvHeader: 'false',
        csvQuote: "'",
        csvEscape: '\\',
        csvComment: '#',
      },
      { table: { format: 'csv', delimiter: '\t', header: false, quote: "'", escape: '\\', comment: '#' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'JSON Lines in another encoding',
      { input: 'many/l.ndjson', tableEncoding: 'utf-16' },
      { table: { format: 'jsonl', encoding: 'utf-16le' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'CSV in UTF-8, said so',
      { input: 'data/*.csv', tableEncoding: 'utf8' },
      { table: comma },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'CSV without quotes',
      { input: 'data/*.csv', csvQuote: 'none' },
      { table: { format: 'csv', delimiter: ',', header: true, quote: '' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a parquet',
      { input: 'many/t.parquet' },
      { kind: 'table', root: 'many', select: { by: 'one', file: 't.parquet' }, table: { format: 'parquet' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a glob of JSON Lines by rows',
      { input: 'many/*.ndjson', miniBatchRows: 5 },
      { kind: 'table', root: 'many', select: { by: 'glob', pattern: '*.ndjson' }, table: { format: 'jsonl' } },
      { by: 'rows', rows: 5 },
    ],
    [
      'a folder of several kinds, one of them wanted',
      { input: 'many', inputFormat: 'jsonl' },
      { kind: 'table', root: 'many', table: { format: 'jsonl' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a folder without names of a wanted kind',
      { input: 'plain', inputFormat: 'jsonl' },
      { kind: 'table', root: 'plain', select: all, table: { format: 'jsonl' } },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a folder without names',
      { input: 'plain', miniBatchSize: '1mb' },
      { kind: 'table', root: 'plain', select: all, table: comma },
      { by: 'bytes', bytes: 1_048_576 },
    ],
    [
      'a glob of images',
      { input: 'images/**/[a-z].png' },
      { kind: 'files', root: 'images', select: { by: 'glob', pattern: '**/[a-z].png' } },
      { by: 'files', files: 10 },
    ],
    ['file:', { input: 'file:images' }, { kind: 'files', root: 'images', select: all }, { by: 'files', files: 10 }],
  ];
  it.each(cases)('%s', async (_, flags, input, cutting) => {
    const cwd = await workspace(CSV);
    const { plan } = await compiled(cwd, { flags: { entryScript: 'score.py', ...flags } });
    const [first] = plan.inputs;
    expect({ ...first, root: path.relative(cwd, first?.root ?? '') || '.' }).toMatchObject(input);
    expect(plan.cutting).toEqual(cutting);
  });

  it('refuses tables of two formats', async () => {
    const cwd = await workspace(CSV);
    const flags = { ...CLI, input: ['one.tsv', 'many/t.parquet'] };
    expect(short(await problemsOf(cwd, { flags }))).toEqual(['PR3107']);
  });

  it('names what is left out of a folder of tables', async () => {
    const cwd = await workspace(CSV);
    const { warnings } = await compiled(cwd, { flags: { ...CLI, input: 'mixed', miniBatchRows: 1 } });
    expect(short(warnings)).toEqual(['PR3106']);
    expect(warnings[0]?.why).toBe('the folder also holds README.md');
  });

  it('several inputs, in listed order, and file URLs', async () => {
    const cwd = await workspace({ 'b c/x': '', 'odd[1]/x': '' });
    const { plan } = await compiled(cwd, { flags: { ...CLI, input: [`file://${cwd}/b%20c`, 'images', 'odd[1]'] } });
    expect(plan.inputs.map((i) => [i.name, path.relative(cwd, i.root), i.select.by])).toEqual([
      ['input', 'b c', 'all'],
      ['input_2', 'images', 'all'],
      ['input_3', 'odd[1]', 'all'],
    ]);
  });

  it('nothing, for rank mini-batches', async () => {
    const { plan } = await compiled(await workspace(), { flags: { entryScript: 'score.py', rankMiniBatchCount: '3' } });
    expect([plan.inputs, plan.cutting]).toEqual([[], { by: 'rank', count: 3 }]);
  });
});
