/** Data as people have it: odd names, empty and broken files, results of any size and content. Nothing stops the engine. */
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { referenceRows } from '../dataset/csvreference.ts';
import { checked, deadLetters } from './model.ts';
import { TEST_PYTHON, Workspace, hasModule, runCommand } from './rig.ts';
import type { Ended } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** A run named `d` of a script in the workspace. */
const run = (script: string, input: string, ...flags: readonly string[]): Promise<Ended> =>
  space.cli('run', '--entry-script', script, '--input', input, '--name', 'd', ...flags);

/** The text of the run holds this many rows, in the spool as in the result. */
async function checkedRows(file: string): Promise<void> {
  await checked(space, 'run', join(space.root, 'd'), join(space.root, 'd/outputs', file));
}

describe('files', () => {
  const TELL = `
import json, os
def run(mini_batch):
    return [json.dumps([list(os.fsencode(os.path.basename(p))), os.path.getsize(p)]) for p in mini_batch]
`;
  const told = (): [string, number][] =>
    space
      .rows('d')
      .map((row) => JSON.parse(row) as [number[], number])
      .map(([name, size]) => [Buffer.from(name).toString('latin1'), size]);

  test('empty, larger than any memory, very long of name and of path, linked in a circle: all as they are', async () => {
    const long = 'n'.repeat(255);
    space.files('in', { empty: '', [long]: 'x', '..foo': 'x', '...': 'x', 'C:x': 'x', '%2e%2e%2f': 'x' });
    space.write('in/sparse', '');
    truncateSync(join(space.folder, 'in/sparse'), 8 * 2 ** 30);
    const deep = join(space.folder, 'in', ...Array.from({ length: 15 }, (_, i) => `${i}`.padEnd(250, 'd')));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'deep'), 'x');
    symlinkSync('.', join(space.folder, 'in/self'));
    symlinkSync('nowhere', join(space.folder, 'in/dangling'));
    symlinkSync('/etc', join(space.folder, 'in/outside'));
    space.write('score.py', TELL);
    const { code, stdout, stderr } = await run('score.py', 'in', '--mini-batch-size', '3');
    expect(code, stdout + stderr).toBe(0);
    expect(told().sort()).toEqual(
      [
        ['empty', 0],
        [long, 1],
        ['..foo', 1],
        ['...', 1],
        ['C:x', 1],
        ['%2e%2e%2f', 1],
        ['deep', 1],
        ['sparse', 2 ** 33],
      ].sort(),
    );
    expect(space.read('d', 'logs/master.txt')).toMatch(/dangling/);
  }, 60_000);

  test('one mini-batch of everything: its list is longer than a message header may be', async () => {
    const count = 18_000;
    const folder = join(space.folder, 'in');
    mkdirSync(folder);
    for (let i = 0; i < count; i++) writeFileSync(join(folder, `${i}`.padStart(240, '0')), '');
    space.write('score.py', 'import os\ndef run(b):\n    return [int(os.path.basename(p)) for p in b]\n');
    const { code, stdout, stderr } = await run('score.py', 'in', '--mini-batch-size', '1000000');
    expect(code, stdout + stderr).toBe(0);
    expect(space.rows('d')).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
    expect((await space.status('d')).miniBatches.created).toBe(1);
  }, 60_000);
});

describe('tables', () => {
  const HEADERS_ODD = '__proto__,constructor,toString,id\n';

  test('files without rows, blank lines and a mark give what they hold; odd column names do nothing', async () => {
    space.files('in', {
      'a.csv': HEADERS_ODD,
      'b.csv': `\ufeff${HEADERS_ODD}1,2,3,4\r\n\r\n5,6,7,8`,
      'c.csv': '',
      'd.csv': `${HEADERS_ODD}"9\n",10,11,12\n`,
    });
    space.write(
      'score.ts',
      'export function run(table: { rows: Record<string, unknown>[] }): string[] {\n' +
        '  if (({} as Record<string, unknown>)["id"] !== undefined) throw new Error("polluted");\n' +
        '  return table.rows.map((row) => JSON.stringify(["__proto__", "constructor", "toString", "id"].map((key) => `${row[key]}`)));\n}\n',
    );
    const { code, stdout, stderr } = await run('score.ts', 'in', '--input-format', 'csv', '--mini-batch-rows', '2');
    expect(code, stdout + stderr).toBe(0);
    expect(space.rows('d').map((row) => JSON.parse(row) as string[])).toEqual([
      ['1', '2', '3', '4'],
      ['5', '6', '7', '8'],
      // A number, white space and all, as pandas reads it.
      ['9', '10', '11', '12'],
    ]);
    await checkedRows('parallel_run_step.txt');
  }, 60_000);

  test.each([
    [
      'columns that differ',
      { 'a.csv': 'id,name\n1,a\n', 'b.csv': 'id,nom\n2,b\n' },
      /PR3007[\s\S]*b\.csv[\s\S]*a\.csv/,
    ],
    ['a quote that is never closed', { 'a.csv': 'id\n1\n"2\n3\n' }, /PR3005[\s\S]*a\.csv:3/],
    ['bytes of another encoding', { 'a.csv': '\u0000i\u0000d\u0000\n' }, /PR3001[\s\S]*a\.csv/],
  ])('%s: told with the file, before anything starts', async (_, files, says) => {
    space.files('in', files);
    space.write('score.ts', 'export const run = (table: Iterable<object>): object[] => [...table];\n');
    const { code, stdout, stderr } = await run('score.ts', 'in', '--input-format', 'csv');
    expect(code, stdout + stderr).toBe(2);
    expect(stderr).toMatch(says);
  });
});

test('a row with too many fields: given up alone, named by file and number', async () => {
  space.files('in', { 'a.csv': 'id\n1\n2,3\n4\n' });
  space.write('score.ts', 'export const run = (table: { rows: object[] }): object[] => table.rows;\n');
  const { code, stdout, stderr } = await run('score.ts', 'in', '--input-format', 'csv', '--max-retries', '0');
  expect(code, stdout + stderr).toBe(0);
  expect(space.rows('d')).toEqual(['{"id":1}', '{"id":4}']);
  expect(deadLetters(space, 'd')).toMatchObject([
    { position: 1, item: `${join(space.folder, 'in/a.csv')} row 1`, code: 'PR2106', kind: 'input-error' },
  ]);
}, 30_000);

describe('results', () => {
  /** What breaks rows that are not written with care. */
  const CELLS = [
    ...['plain', '', 'a,b', 'q"q', '"', 'line\nbreak', 'cr\rhere', 'crlf\r\nhere', 'u\u2028\u2029\u0085', '=1+1', '+1'],
    ...['-1', '@x', '\ttab', ' lead', 'trail ', "'", ';', 'ü\u{1f600}', '\u0000nul', '\u001b[31m', 'NaN', 'null'],
  ];

  test('rows of any content come back from .csv by three readers, and from .jsonl', async () => {
    space.files('in', { a: '', b: '' });
    space.write('cells.json', JSON.stringify(CELLS));
    space.write(
      'score.py',
      `import json\nCELLS = json.load(open(${JSON.stringify(join(space.folder, 'cells.json'))}))\n` +
        'def run(b):\n    return [[cell, str(i), cell] for i, cell in enumerate(CELLS)] * len(b)\n',
    );
    const want = [...CELLS, ...CELLS].map((cell, i) => [cell, String(i % CELLS.length), cell]);
    const csv = await run('score.py', 'in', '--append-row-to', 'rows.csv', '--mini-batch-size', '1');
    expect(csv.code, csv.stdout + csv.stderr).toBe(0);
    await checkedRows('rows.csv');
    const file = join(space.root, 'd/outputs/rows.csv');
    expect(referenceRows(readFileSync(file, 'utf8'))).toEqual(want);
    expect(await pythonRows('import csv, sys\nrows = list(csv.reader(open(sys.argv[1], newline="")))', file)).toEqual(
      // the reader of Python's standard library before 3.11 takes no NUL at all
      want,
    );
    if (hasModule('pandas')) {
      const read = 'pandas.read_csv(sys.argv[1], header=None, dtype=str, keep_default_na=False, engine="c")';
      const rows = await pythonRows(`import pandas, sys\nrows = ${read}.values.tolist()`, file);
      // pandas ends a text at a NUL.
      expect(rows.filter(([cell]) => cell !== '')).toHaveLength(want.filter(([cell]) => cell !== '').length - 2);
      expect(rows).toHaveLength(want.length);
    }

    const jsonl = await space.cli(
      ...['run', '--entry-script', 'score.py', '--input', 'in', '--append-row-to', 'rows.jsonl', '--name', 'j'],
    );
    expect(jsonl.code, jsonl.stdout + jsonl.stderr).toBe(0);
    expect(space.rows('j', 'rows.jsonl').map((row) => JSON.parse(row) as string[])).toEqual(want);
  }, 60_000);

  async function pythonRows(read: string, file: string): Promise<string[][]> {
    const print = 'import json\nsys.stdout.write(json.dumps(rows))';
    const { stdout, stderr } = await runCommand(
      TEST_PYTHON ?? 'python3',
      ['-c', `${read}\n${print}`, file],
      space.folder,
    );
    if (stderr !== '') throw new Error(stderr);
    return JSON.parse(stdout) as string[][];
  }

  test('100 MB from one mini-batch: every byte, and the orchestrator holds little of it', async () => {
    const [count, width] = [600_000, 170];
    space.files('in', { a: '' });
    space.write(
      'score.py',
      `import os
def held():
    with open("/proc/%d/status" % os.getppid()) as file:
        return [int(line.split()[1]) for line in file if line.startswith("VmHWM")][0]
def init():
    global before
    before = held()
def run(b):
    for i in range(${count}):
        yield ("%d " % i).ljust(${width}, "x")
def shutdown():
    with open(${JSON.stringify(join(space.folder, 'grown'))}, "w") as file:
        file.write(str(held() - before))
`,
    );
    const { code, stdout, stderr } = await run('score.py', 'in', '--processes', '1', '--error-threshold', '-1');
    expect(code, stdout + stderr).toBe(0);
    const wanted = createHash('sha256');
    for (let i = 0; i < count; i++) wanted.update(`${`${i} `.padEnd(width, 'x')}\n`);
    const found = createHash('sha256');
    await pipeline(createReadStream(join(space.root, 'd/outputs/parallel_run_step.txt')), found);
    expect(found.digest('hex')).toBe(wanted.digest('hex'));
    expect(Number(readFileSync(join(space.folder, 'grown'), 'utf8'))).toBeLessThan(64 * 1024);
  }, 120_000);
});
