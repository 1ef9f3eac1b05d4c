/** MLTable folders as the split input. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compiled, problemsOf, short, workspace } from './workspace.ts';

const job = (more = ''): string => `type: pipeline
jobs:
  score:
    type: parallel
    inputs: { data: { type: mltable, path: ./table } }
    input_data: \${{inputs.data}}
    task: { code: ., entry_script: score.py }
${more}`;
const FILES = { 'table/a.txt': 'x;y\n1;2\n', 'table/b.txt': 'x;y\n3;4\n', 'more/c.csv': 'x;y\n', 'job.yml': job() };
const plainOf = async (mltable: string) => {
  const { cwd, request } = await at(mltable);
  return [cwd, request] as const;
};
const at = async (mltable: string, files: Readonly<Record<string, string>> = {}) => {
  const cwd = await workspace({ ...FILES, 'table/MLTable': mltable, ...files });
  return { cwd, request: { jobFile: 'job.yml' } };
};

describe('an MLTable', () => {
  it('with delimited files: paths, delimiter, header, encoding', async () => {
    const { cwd, request } = await at(`$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - file: ./b.txt
  - pattern: ./a*.txt
  - folder: ../more
transformations:
  - read_delimited:
      delimiter: ";"
      encoding: windows1252
      header: no_header
      support_multi_line: true
`);
    const { plan, warnings } = await compiled(cwd, request);
    expect(warnings).toEqual([]);
    expect(plan.cutting).toEqual({ by: 'bytes', bytes: 1024 * 1024 });
    const table = { format: 'csv', delimiter: ';', header: false, encoding: 'windows-1252' };
    expect(plan.inputs).toMatchObject([
      { kind: 'table', name: 'data', root: path.join(cwd, 'table'), select: { by: 'one', file: 'b.txt' }, table },
      { kind: 'table', root: path.join(cwd, 'table'), select: { by: 'glob', pattern: 'a*.txt' }, table },
      { kind: 'table', root: path.join(cwd, 'more'), table },
    ]);
    expect(plan.origins.csv_delimiter).toBe('job file');
  });

  it('what the job or the command line says wins', async () => {
    const { cwd, request } = await at(
      'paths: [ { file: ./a.txt } ]\ntransformations: [ { read_delimited: { delimiter: ";" } } ]\n',
      {
        'job.yml': job('    csv_delimiter: ":"\n'),
      },
    );
    expect((await compiled(cwd, request)).plan.inputs[0]).toMatchObject({ table: { delimiter: ':' } });
    const flags = { csvDelimiter: ',' };
    expect((await compiled(cwd, { ...request, flags })).plan.inputs[0]).toMatchObject({ table: { delimiter: ',' } });
  });

  it.each([
    ['read_parquet', 'parquet'],
    ['read_json_lines', 'jsonl'],
  ])('%s reads files of any name', async (reader, format) => {
    for (const form of [`- ${reader}`, `- ${reader}: {}`, `- ${reader}:`]) {
      const { cwd, request } = await at(`paths: [ { file: ./a.txt } ]\ntransformations:\n  ${form}\n`);
      expect((await compiled(cwd, request)).plan.inputs[0]).toMatchObject({ kind: 'table', table: { format } });
    }
  });

  it('without a reader it is a list of files', async () => {
    const { cwd, request } = await at('paths: [ { pattern: "./*.txt" } ]\n');
    expect((await compiled(cwd, request)).plan).toMatchObject({
      inputs: [{ kind: 'files' }],
      cutting: { by: 'files', files: 10 },
    });
  });

  it('names partition keys in its paths', async () => {
    const mltable = `paths: [ { folder: ./ } ]
transformations:
  - read_delimited: { delimiter: ";" }
  - extract_columns_from_partition_format: { partition_format: "/{store}/{date}.txt" }
`;
    const keyed = await at(mltable, { 'job.yml': job('    partition_keys: [store]\n') });
    expect((await compiled(keyed.cwd, keyed.request)).plan.cutting).toMatchObject({
      by: 'keys',
      keys: ['store'],
      format: '{store}/{date}.txt',
    });
    const unnamed = (await compiled(keyed.cwd, keyed.request)).warnings;
    expect(unnamed.map(({ code, what }) => [code, what])).toEqual([
      ['PR1036', 'extract_columns_from_partition_format: date of the paths is not added to the rows'],
    ]);
    // without keys all names become columns of the rows, and there is nothing to tell
    const plain = await compiled(...(await plainOf(mltable)));
    expect(plain.warnings).toEqual([]);
    expect(plain.plan.inputs[0]).toMatchObject({ steps: [{ step: 'extract', format: '{store}/{date}.txt' }] });
  });

  it('keeps its transformations in their order, each with its line', async () => {
    const { plan } = await compiled(
      ...(await plainOf(`paths: [ { file: ./a.txt } ]
transformations:
  - read_delimited: { delimiter: ";", empty_as_string: true, include_path_column: true }
  - keep_columns: [x, y]
  - take: 5
  - filter: col("x") > 1 and not col("y").is_null()
  - convert_column_types:
      - { columns: [x], column_type: float }
      - { columns: y, column_type: { datetime: { formats: ["%Y"] } } }
  - drop_columns: x
  - skip: 0
`)),
    );
    const [input] = plan.inputs;
    const steps = input?.kind === 'table' ? (input.steps ?? []) : [];
    expect(steps.map(({ step, at }) => [step, at.line])).toEqual([
      ['empty', 3],
      ['path', 3],
      ['keep', 4],
      ['take', 5],
      ['filter', 6],
      ['convert', 8],
      ['convert', 9],
      ['drop', 10],
      ['skip', 11],
    ]);
    expect(steps[4]).toMatchObject({
      condition: {
        op: 'and',
        of: [
          { op: '>', left: { column: 'x' }, right: { value: 1 } },
          { op: 'not', of: { op: 'is null', column: 'y' } },
        ],
      },
    });
    expect(steps[6]).toMatchObject({ columns: ['y'], to: { type: 'datetime', formats: ['%Y'] } });
  });

  it.each([
    ['columns of whole files', '- drop_columns: [x]', ['PR1036:3']],
    ['what would be another result without it', '- take_random_sample: { probability: 0.1 }', ['PR1036:3']],
    ['what is misspelt', '- read_delimitd: {}', ['PR1036:3']],
    ['a column of paths that may be', '- read_delimited: { include_path_column: maybe }', ['PR1036:3']],
    ['no columns', '- drop_columns: []', ['PR1036:3']],
    ['fewer rows than none', '- take: -1', ['PR1036:3']],
    ['half a row', '- skip: 1.5', ['PR1036:3']],
    ['a type that is not known', '- convert_column_types: [ { columns: x, column_type: text } ]', ['PR1036:3']],
    ['a format that is not known', '- convert_column_types: [ { columns: x, column_type: { datetime: { formats: ["%Q"] } } } ]', ['PR1036:3']], // prettier-ignore
    ['a filter that is none', '- filter: "col(x) > 1"', ['PR1036:3']],
    ['a bad header', '- read_delimited: { header: maybe }', ['PR1036:3']],
    ['a bad delimiter', '- read_delimited: { delimiter: ab }', ['PR1036:3']],
    ['two in one', '- { read_parquet: {}, take: 3 }', ['PR1036:3']],
  ])('refuses %s, with its line', async (_, step, expected) => {
    const { cwd, request } = await at(`paths: [ { file: ./a.txt } ]\ntransformations:\n  ${step}\n`);
    const problems = await problemsOf(cwd, request);
    expect(short(problems)).toEqual(expected);
    expect(problems[0]?.where?.file).toBe(path.join(cwd, 'table/MLTable'));
  });

  it.each([
    ['no paths', 'type: mltable\n', ['PR1036:1']],
    ['a path of another kind', 'paths: [ { fil: ./a.txt } ]\n', ['PR1036:1']],
    ['a file that is not there', 'paths: [ { file: ./z.txt } ]\n', ['PR3101:1']],
    ['broken YAML', 'paths: [\n', ['PR1002:2']],
  ])('refuses %s', async (_, mltable, expected) => {
    const { cwd, request } = await at(mltable);
    expect(short(await problemsOf(cwd, request))).toEqual(expect.arrayContaining(expected));
  });
});

it('the default datastore of a pipeline stands in paths, and is looked up in the profile', async () => {
  const text = job().replace('type: pipeline\n', 'type: pipeline\nsettings: { default_datastore: azureml:blobs }\n');
  const written = text.replace('type: mltable, path: ./table', 'type: uri_folder, path: "azureml://datastores/${{default_datastore}}/paths/table"'); // prettier-ignore
  const cwd = await workspace({ ...FILES, 'job.yml': written });
  expect(short(await problemsOf(cwd, { jobFile: 'job.yml' })).map((each) => each.split(':')[0])).toContain('PR3609');
  await writeFile(path.join(cwd, 'parallelrun.config.yml'), `datastores: { blobs: ${cwd} }\n`);
  const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
  expect(plan.inputs[0]?.root).toBe(path.join(cwd, 'table'));
});
