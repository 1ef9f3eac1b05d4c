/** Entry scripts: TypeScript, JavaScript, the helper classes, tables. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule, runCommand } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

test('TypeScript with a sibling module: rows, logs, and a failure named by its .ts line', async () => {
  space.files('in', { 'a.txt': 'one', 'b.txt': 'bad', 'c.txt': 'three' });
  space.write(
    'code/read.ts',
    "import { readFileSync } from 'node:fs';\nexport const read = (path: string): string => readFileSync(path, 'utf8');\n",
  );
  space.write(
    'code/score.ts',
    "import { basename } from 'node:path';\nimport { read } from './read.ts';\nexport async function init(): Promise<void> {\n  console.log('typescript init');\n}\nexport function run(miniBatch: string[]): string[] {\n  return miniBatch.map((path) => {\n    const text = read(path);\n    if (text === 'bad') throw new TypeError(`no score for ${text}`);\n    return `${basename(path)} ${text}`;\n  });\n}\n",
  );
  const ended = await space.cli(
    'run',
    '--entry-script',
    'code/score.ts',
    '--input',
    'in',
    '--mini-batch-size',
    '1',
    '--processes',
    '2',
    '--max-retries',
    '0',
    '--name',
    'ts',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('ts')).toEqual(['a.txt one', 'c.txt three']);
  expect(ended.stdout).toMatch(/TypeError: no score for bad/);
  expect(ended.stdout).toMatch(/score\.ts:9/);
  expect(space.read('ts', 'azureml-logs/70_driver_log.txt')).toContain('typescript init');
}, 30_000);

test('JavaScript, CommonJS', async () => {
  space.files('in', { a: 'x', b: 'y' });
  space.write(
    'score.cjs',
    "const fs = require('node:fs');\nexports.run = (batch) => batch.map((p) => fs.readFileSync(p, 'utf8'));\n",
  );
  const ended = await space.cli('run', '--entry-script', 'score.cjs', '--input', 'in', '--name', 'js');
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('js')).toEqual(['x', 'y']);
}, 30_000);

test('both EntryScript classes and Run: logger, folders, metrics; arguments and environment reach the script', async () => {
  space.files('in', { a: '1' });
  space.write(
    'score.py',
    `import os, sys, argparse
from entry_script import EntryScript
from azureml_user.parallel_run import EntryScript as Other
from azureml.core import Run
def init():
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--greeting")
    args, _ = parser.parse_known_args()
    EntryScript(logging_level="INFO").logger.info("from the helper")
def run(mini_batch, mini_batch_context):
    run = Run.get_context()
    run.log("score", 0.5)
    return [f"{args.greeting} {mini_batch_context.minibatch_index} {mini_batch_context.try_number} {run.id} {run.parent.id} {os.environ['AZUREML_RUN_ID']} {Other().output_dir == os.environ['AZUREML_BI_OUTPUT_PATH']}"]
`,
  );
  const ended = await space.cli(
    'run',
    '--entry-script',
    'score.py',
    '--input',
    'in',
    '--name',
    'h',
    '--processes',
    '1',
    '--',
    '--greeting',
    'good day',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('h')).toEqual(['good day 0 1 h h h True']);
  const [ip = ''] = space.list('h', 'logs/worker');
  expect(space.read('h', `logs/user/${ip}/Process-1.txt`)).toContain('from the helper');
}, 30_000);

describe.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))('tables', () => {
  const rows = 1000;
  const csv = [
    'id,name,score,flag,"quoted, col"',
    ...Array.from(
      { length: rows },
      (_, i) => `${i},"na""me\n${i}",${i % 10 === 3 ? '' : i / 4},${i % 2 === 0 ? 'True' : 'False'},x`,
    ),
  ].join('\n');
  const script = `
def run(df, mini_batch_context):
    assert list(df.columns) == ["id", "name", "score", "flag", "quoted, col"], list(df.columns)
    assert [str(t) for t in df.dtypes] == ["int64", "object", "float64", "bool", "object"], df.dtypes
    return df[["id", "score"]]
`;

  test.each([
    ['rows', ['--mini-batch-rows', '300'], 4],
    ['bytes', ['--mini-batch-size', '5kb'], undefined],
  ])(
    'CSV by %s: every row once, in order, types as of the whole file',
    async (_, flags, miniBatches) => {
      space.write('data.csv', csv);
      space.write('score.py', script);
      const ended = await space.cli(
        'run',
        '--entry-script',
        'score.py',
        '--input',
        'data.csv',
        ...flags,
        '--append-row-to',
        'scores.csv',
        '--python',
        TEST_PYTHON ?? '',
        '--name',
        't',
      );
      expect(ended.code, ended.stdout + ended.stderr).toBe(0);
      const got = readFileSync(join(space.root, 't/outputs/scores.csv'), 'utf8').trimEnd().split('\n');
      expect(got[0]).toBe('id,score');
      expect(got.slice(1)).toEqual(
        Array.from({ length: rows }, (_unused, i) => `${i},${i % 10 === 3 ? '' : pythonFloat(i / 4)}`),
      );
      const status = await space.status('t');
      if (miniBatches !== undefined) expect(status.miniBatches.created).toBe(miniBatches);
      else expect(status.miniBatches.created).toBeGreaterThan(3);
      expect(status.items.succeeded).toBe(rows);
    },
    60_000,
  );

  test('a Python without pandas: said at once, with what to do', async () => {
    space.write('data.csv', csv);
    space.write('score.py', script);
    await runCommand(TEST_PYTHON ?? 'python3', ['-m', 'venv', '--without-pip', 'plain'], space.folder);
    const ended = await space.cli(
      'run',
      '--entry-script',
      'score.py',
      '--input',
      'data.csv',
      '--python',
      'plain/bin/python',
      '--name',
      'np',
    );
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(/pandas/);
    expect(ended.stdout).toMatch(/requirements|--python/);
  }, 30_000);
});

test('a CSV table in TypeScript', async () => {
  space.write('data.csv', 'id,name\n1,a\n2,"b\nb"\n3,c\n');
  space.write(
    'score.ts',
    'export function run(table: Iterable<{ id: number | bigint; name: string }>): string[] {\n  return [...table].map((row) => `${row.id}-${JSON.stringify(row.name)}`);\n}\n',
  );
  const ended = await space.cli(
    'run',
    '--entry-script',
    'score.ts',
    '--input',
    'data.csv',
    '--mini-batch-rows',
    '2',
    '--name',
    'tt',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('tt')).toEqual(['1-"a"', '2-"b\\nb"', '3-"c"']);
}, 30_000);

function pythonFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
