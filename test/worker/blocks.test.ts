/** Results of TypeScript scripts on their way into Parquet, read back with their types. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DateDay,
  Decimal,
  Int32,
  Int64,
  TimestampMicrosecond,
  TimestampNanosecond,
  Utf8,
  Vector,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import type { DataType } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import { ExtentTable, SpoolWriter } from '../../src/output/index.ts';
import { assembleParquet } from '../../src/output/parquet/assemble.ts';
import { typedRows } from '../../src/worker/arrowcolumns.ts';
import type { ArrowTable } from '../../src/worker/arrowcolumns.ts';
import { rowEncoder } from '../../src/worker/encode.ts';
import { readReturned } from '../../src/worker/returned.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blocks-'));
});
afterEach(() => rm(folder, { recursive: true }));

interface Read {
  /** `name type`, with the meaning where there is one. */
  readonly columns: readonly string[];
  readonly rows: readonly object[];
}

/** @param results of mini-batches, in order */
async function written(...results: readonly (readonly unknown[] | ArrowTable)[]): Promise<Read> {
  const spool = await SpoolWriter.create(join(folder, 'spool'));
  const extents = new ExtentTable();
  for (const [index, result] of results.entries()) {
    const returned = readReturned(result);
    if (!returned.ok) throw new Error(returned.returned);
    const encoder = rowEncoder('parquet', returned.columns);
    const rows = 'numRows' in result ? [...typedRows(result)] : result;
    const text = rows.map((row) => encoder.encode(row)).join('') + (encoder.finish?.() ?? '');
    const [extent] = await spool.write([{ bytes: Buffer.from(text), rows: rows.length }]);
    if (extent) extents.set(miniBatchIndex(index), extent);
  }
  await spool.close();
  const target = join(folder, 'x.parquet');
  await assembleParquet(join(folder, 'spool'), target, extents);
  const bytes = await readFile(target);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const [, ...schema] = parquetMetadata(file).schema;
  const columns = schema.map(({ name, type, converted_type: meaning, logical_type: logical }) =>
    [name, type, meaning ?? (logical?.type === 'TIMESTAMP' ? `${logical.unit} ${String(logical.isAdjustedToUTC)}` : '')]
      .join(' ')
      .trimEnd(),
  );
  return { columns, rows: await parquetReadObjects({ file, utf8: false }) };
}

describe('values', () => {
  test('keep their digits and their kind', async () => {
    const row = {
      whole: 1,
      big: 2n ** 62n + 1n,
      half: 0.5,
      yes: true,
      no: undefined,
      text: 'a\ud800\n',
      at: new Date(5),
      raw: Buffer.from([0, 255]),
    };
    expect(await written([row])).toEqual({
      columns: [
        'whole INT64',
        'big INT64',
        'half DOUBLE',
        'yes BOOLEAN',
        'no BYTE_ARRAY UTF8',
        'text BYTE_ARRAY UTF8',
        'at INT64 MILLIS true',
        'raw BYTE_ARRAY',
      ],
      rows: [{ ...row, whole: 1n, no: null, text: 'a\\ud800\n', raw: new Uint8Array([0, 255]) }],
    });
  });

  test('of NaN, infinities and the two zeros', async () => {
    const values = [NaN, Infinity, -Infinity, -0, 0, 5e-324];
    const { rows } = await written(values);
    expect(rows.map((row) => (row as { value: number }).value)).toEqual(values);
  });

  test.each([
    ['whole numbers and fractions', [1, 2.5], ['value DOUBLE'], [1, 2.5]],
    [
      'a fraction beside digits that a double lacks',
      [2n ** 60n, 2.5],
      ['value BYTE_ARRAY UTF8'],
      ['1152921504606846976', '2.5'],
    ],
    ['numbers beyond int64', [2n ** 63n, 1], ['value INT64 UINT_64'], [2n ** 63n, 1n]],
    ['and negative ones', [2n ** 63n, -1], ['value FIXED_LEN_BYTE_ARRAY DECIMAL'], [2 ** 63, -1]],
    ['texts and numbers', ['a', 1, null], ['value BYTE_ARRAY UTF8'], ['"a"', '1', null]],
    ['nested values', [[1, [2]], { a: 1 }], ['value BYTE_ARRAY UTF8', 'a INT64'], ['[1,[2]]', null]],
    ['times and texts', [new Date(0), 'x'], ['value BYTE_ARRAY UTF8'], ['"1970-01-01T00:00:00.000Z"', '"x"']],
    ['nothing at all', [null, undefined], ['value BYTE_ARRAY UTF8'], [null, null]],
    ['no rows', [], ['value BYTE_ARRAY UTF8'], []],
  ])('%s, in one mini-batch or in several', async (_, values, columns, wanted) => {
    const whole = await written(values);
    expect([whole.columns, whole.rows.map((row) => (row as { value: unknown }).value)]).toEqual([columns, wanted]);
    await rm(join(folder, 'spool'));
    expect(await written(...values.map((value) => [value]))).toEqual(whole);
  });

  test('columns come as they first appear, of names of any kind; more rows than a block has', async () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => (i % 2 ? { ['__proto__x']: i, '': 'e' } : { 'a.b': i }));
    const found = await written(rows);
    expect(found.columns).toEqual(['a.b INT64', '__proto__x INT64', ' BYTE_ARRAY UTF8']);
    expect(found.rows[9_999]).toEqual({ 'a.b': null, ['__proto__x']: 9_999n, '': 'e' });
  });

  test('what has no form fails its row and leaves nothing of it', async () => {
    const encoder = rowEncoder('parquet');
    expect(() => encoder.encode({ a: 1, b: Symbol('x') })).toThrow('symbol');
    expect(() => encoder.encode({ at: new Date(NaN) })).toThrow('invalid Date');
    encoder.encode({ c: 1 });
    expect(encoder.finish?.()).toContain('"columns":[{"type":"int64","range":["1","1"],"name":"c"}]');
    await Promise.resolve();
  });
});

/** As a script may hand one back: Arrow's own constructor refuses two columns of one name. */
function tableOf(vectors: readonly (readonly [string, Vector])[]): ArrowTable {
  return {
    numRows: vectors[0]?.[1].length ?? 0,
    schema: { fields: vectors.map(([name, { type }]) => ({ name, type: type as unknown })) },
    getChildAt: (at) => vectors[at]?.[1] ?? null,
  };
}

const vectorOfType = (type: DataType, values: readonly unknown[]): Vector => vectorFromArray(values, type);

describe('an Arrow table', () => {
  const digits = 1_700_000_000_123_456_789n;
  const times = (type: TimestampNanosecond | TimestampMicrosecond): Vector =>
    new Vector([makeData({ type, length: 1, data: BigInt64Array.of(digits) })]);
  const decimal = makeData({
    type: new Decimal(2, 20),
    length: 1,
    data: new Uint32Array([4294967173, 4294967295, 4294967295, 4294967295]),
  });

  test('has the types of its columns', async () => {
    const table = tableOf([
      ['n', vectorOfType(new Int32(), [7])],
      ['n', vectorOfType(new Int64(), [2n ** 60n])],
      ['ns', times(new TimestampNanosecond('UTC'))],
      ['us', times(new TimestampMicrosecond())],
      ['day', vectorOfType(new DateDay(), [new Date(86_400_000 * 3)])],
      ['text', vectorOfType(new Utf8(), [null])],
      ['decimal', new Vector([decimal])],
    ]);
    const { columns, rows } = await written(table);
    expect(columns).toEqual([
      'n INT32', 'n.1 INT64', 'ns INT64 NANOS true', 'us INT64 MICROS false', 'day INT32 DATE', 'text BYTE_ARRAY UTF8',
      'decimal FIXED_LEN_BYTE_ARRAY DECIMAL',
    ]); // prettier-ignore
    expect(rows).toEqual([
      {
        n: 7,
        'n.1': 2n ** 60n,
        ns: expect.anything(),
        us: expect.anything(),
        day: new Date(86_400_000 * 3),
        text: null,
        decimal: -1.23,
      },
    ]);
  });

  test('of no rows has its columns', async () => {
    expect(await written(tableOf([['a', vectorOfType(new Int32(), [])]]))).toEqual({ columns: ['a INT32'], rows: [] });
  });
});
