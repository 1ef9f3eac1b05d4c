/** Columns of JSON Lines: keys in the order in which they first come, and types that every row fits. */
import { gzipSync } from 'node:zlib';
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideSchema } from '../../src/dataset/index.ts';
import type { SchemaOptions } from '../../src/dataset/index.ts';
import { JsonFacts } from '../../src/dataset/table/jsonfacts.ts';
import type { Column, InputSpec } from '../../src/domain/plan.ts';
import { scratchFolder, writeFiles } from './scratch.ts';

function listOf(lines: readonly string[]): Column[] {
  const facts = new JsonFacts();
  for (const line of lines) {
    const bytes = Buffer.from(line);
    facts.line(bytes, 0, bytes.length);
  }
  return facts.columns(false);
}

const columnsOf = (...lines: string[]): Record<string, Column['type']> =>
  Object.fromEntries(listOf(lines).map(({ name, type }) => [name, type]));
const namesOf = (...lines: string[]): string[] => listOf(lines).map(({ name }) => name);

describe('types', () => {
  test.each<[string, Column['type'], ...string[]]>([
    ['whole numbers', 'int64', '1', '-9223372036854775808'],
    ['beyond int64', 'uint64', '1', '18446744073709551615'],
    ['beyond int64, some negative', 'json', '-1', '18446744073709551615'],
    ['beyond uint64', 'json', '18446744073709551616'],
    ['fractions', 'float64', '1', '1.0'],
    ['a power', 'float64', '1e3'],
    ['with gaps', 'float64', '1', 'null'],
    ['nothing at all', 'float64', 'null', 'null'],
    ['texts', 'string', '"1"', 'null'],
    ['truths', 'bool', 'true', 'false'],
    ['truths with gaps', 'nullable-bool', 'true', 'null'],
    ['lists', 'json', '[1]', 'null'],
    ['objects', 'json', '{"a":{"b":[{}]}}'],
    ['several kinds', 'json', '1', '"1"'],
    ['truths and numbers', 'json', '1', 'true'],
  ])('%s: %s', (_, type, ...values) => {
    expect(columnsOf(...values.map((value) => `{"k":${value}}`))).toEqual({ k: type });
    expect(columnsOf(...values.map((value) => ` { "k" :\t${value} , "z": 1 } `))).toEqual({ k: type, z: 'int64' });
  });

  test('a key that some rows lack', () => {
    expect(columnsOf('{"a":1,"b":true}', '{"b":false,"c":"x"}')).toEqual({
      a: 'float64',
      b: 'bool',
      c: 'string',
    });
  });

  test('keys with escapes, unicode, and twice in an object', () => {
    expect(columnsOf('{"\\u0061\\"":1,"é":2,"é":3}', '{"a\\"":1,"é":1}')).toEqual({ 'a"': 'int64', é: 'int64' });
  });

  test('what is no object says nothing about keys, only that they are missing', () => {
    expect(columnsOf('{"a":1}', '[1]', 'x', '{"b', '{"a":')).toEqual({ a: 'float64' });
  });

  test('any JSON objects: the keys are those of JSON.parse', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 6 }), (objects) => {
        const parsed = objects.map((each) => JSON.parse(JSON.stringify(each)) as object);
        const keys = new Set(parsed.flatMap((each) => Object.keys(each)));
        expect(new Set(namesOf(...parsed.map((each) => JSON.stringify(each))))).toEqual(keys);
      }),
    );
  });
});

describe('of files', () => {
  const input = (root: string, pattern: string): InputSpec => ({
    kind: 'table',
    name: 'in',
    root,
    select: { by: 'glob', pattern },
    table: { format: 'jsonl' },
  });
  const decided = async (root: string, pattern: string, options?: SchemaOptions) => {
    const schema = await decideSchema([input(root, pattern)], options);
    if (!schema.ok) throw new Error(schema.error.what);
    return { ...schema.value, columns: schema.value.columns.map(({ name, type }) => `${name} ${type}`) };
  };

  test('all files count, compressed ones for what they hold', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'a.jsonl': '{"a":1}\n\n{"a":2}', 'c.jsonl': '\ufeff{"b":"x"}\n' });
    writeFileSync(`${root}/b.jsonl.gz`, gzipSync('{"a":1.5}\n'));
    expect(await decided(root, '*')).toEqual({ columns: ['a float64', 'b string'] });
  });

  test('of a large input the front and samples: whole lines only', async () => {
    const root = scratchFolder();
    const lines = Array.from({ length: 1000 }, (_, i) =>
      JSON.stringify({ n: i < 900 ? i : i + 0.5, t: `${'x'.repeat(i % 7)}{"no":1}` }),
    );
    writeFiles(root, { 'a.jsonl': `${lines.join('\n')}\n` });
    const options = { wholeBytesMax: 1000, frontBytes: 500, samples: 40, sampleBytes: 200 };
    expect(await decided(root, '*', options)).toEqual({ columns: ['n float64', 't string'], sampled: true });
  });

  test('a damaged compressed file is named', async () => {
    const root = scratchFolder();
    writeFileSync(`${root}/b.jsonl.gz`, gzipSync('{"a":1.5}\n'.repeat(1000)).subarray(0, 40));
    const schema = await decideSchema([input(root, '*')]);
    expect(schema).toMatchObject({ ok: false, error: { code: 'PR3013', where: { file: `${root}/b.jsonl.gz` } } });
  });
});
