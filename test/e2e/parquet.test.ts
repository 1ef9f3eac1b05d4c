/** Results in Parquet: killed while they are made, damaged, of runs that fail, of both languages; as other readers see them. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLI, Workspace, runCommand } from './rig.ts';
import type { Ended } from './rig.ts';

const COUNT = 12;
const name = (i: number): string => `f${String(i).padStart(2, '0')}`;

/** A row a file: its name, a whole number beyond 2^53, a fraction where the number is odd. */
const SCRIPT = `
import os
def run(mini_batch):
    rows = []
    for p in mini_batch:
        text = open(p).read()
        if text == "raise":
            raise ValueError("bad")
        i = int(os.path.basename(p)[1:])
        rows.append({"file": os.path.basename(p), "n": 2 ** 60 + i, **({"x": i / 2} if i % 2 else {})})
    return rows
`;
const IN_TYPESCRIPT = `
import { basename } from 'node:path';
export function run(files: string[]) {
  return files.map((path) => {
    const i = Number(basename(path).slice(1));
    return { file: basename(path), n: 2n ** 60n + BigInt(i), ...(i % 2 ? { x: i / 2 } : {}) };
  });
}
`;
const rowOf = (i: number): object => ({ file: name(i), n: 2n ** 60n + BigInt(i), x: i % 2 ? i / 2 : null });
const ROWS = Array.from({ length: COUNT }, (_, i) => rowOf(i));

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), ''])));
  space.write('code/score.py', SCRIPT);
  space.write('code/score.ts', IN_TYPESCRIPT);
});
afterEach(() => {
  space.dispose();
});

const BASE = ['run', '--mini-batch-size', '2', '--processes', '2', '--name', 'r', '--max-retries', '0'];
const FLAGS = [...BASE, '--append-row-to', 'x.parquet', '--entry-script'];
const run = (...more: string[]): Promise<Ended> =>
  space.cli(...FLAGS, 'code/score.py', ...(more.includes('--input') ? [] : ['--input', 'in']), ...more);
const result = (suffix = ''): string => join(space.root, `r/outputs/x.parquet${suffix}`);

async function rows(path = result()): Promise<object[]> {
  const bytes = readFileSync(path);
  return parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) });
}

/** Exit code of `verify`, and the codes of what it finds. */
async function verdict(): Promise<[number | null, unknown[]]> {
  const { code, stdout } = await space.cli('verify', 'r', '--json');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return [code, lines.filter((line) => line['type'] === 'problem').map((line) => line['code'])];
}

describe('a result', () => {
  test.each(['code/score.py', 'code/score.ts'])(
    'of %s is read by hyparquet and DuckDB',
    async (script) => {
      expect((await space.cli(...FLAGS, script, '--input', 'in')).code).toBe(0);
      expect(await rows()).toEqual(ROWS);
      const duck = await (await DuckDBInstance.create()).connect();
      const found = await duck.runAndReadAll(`select * from read_parquet('${result()}') order by file`);
      expect(found.getRowObjects()).toEqual(ROWS);
      duck.closeSync();
      expect(await verdict()).toEqual([0, []]);
    },
    60_000,
  );

  test.each(['all-settled@1:kill', 'assembled@1:kill'])(
    'is made anew after %s',
    async (failpoint) => {
      const environment = { PARALLELRUN_ROOT: space.root, PARALLELRUN_TEST: '1', PARALLELRUN_FAIL: failpoint };
      await runCommand(process.execPath, [CLI, ...FLAGS, 'code/score.py', '--input', 'in'], space.folder, environment);
      writeFileSync(`${result()}.assembling`, 'half of it');
      const resumed = await space.cli('resume', 'r');
      expect([resumed.code, await rows(), await verdict()]).toEqual([0, ROWS, [0, []]]);
    },
    60_000,
  );

  test('that was damaged is found: a byte, its end, another table of as many bytes, no file', async () => {
    await run();
    const whole = readFileSync(result());
    const flipped = Buffer.from(whole);
    flipped[10] = (flipped[10] ?? 0) ^ 1;
    writeFileSync(result(), flipped);
    expect(await verdict()).toEqual([1, ['PR5503']]);
    writeFileSync(result(), whole);
    truncateSync(result(), whole.length - 20);
    expect(await verdict()).toEqual([1, ['PR5508', 'PR5502']]);
    rmSync(result());
    expect(await verdict()).toEqual([1, ['PR5501']]);
  }, 60_000);

  test('with another number of rows is found, as another program writes it', async () => {
    await run();
    const duck = await (await DuckDBInstance.create()).connect();
    await duck.run(`create table t as select * from read_parquet('${result()}') limit 5`);
    await duck.run(`copy t to '${result()}' (format parquet)`);
    duck.closeSync();
    expect(await verdict()).toEqual([1, ['PR5508', 'PR5502']]);
  }, 60_000);

  test('of a run with dead letters has the rows of the others', async () => {
    space.write(`in/${name(5)}`, 'raise');
    const { code } = await run();
    expect([code, await rows()]).toEqual([0, ROWS.filter((_, i) => i !== 5)]);
    expect(space.read('r', 'outputs/dead_letters.jsonl')).toContain(name(5));
    expect(await verdict()).toEqual([0, []]);
  }, 60_000);

  test('of a run that failed is a partial one', async () => {
    space.write(`in/${name(11)}`, 'raise');
    const { code } = await run('--error-threshold', '0', '--processes', '1');
    expect([code, (await rows(result('.partial'))).length]).toEqual([1, 11]);
    expect(await verdict()).toEqual([0, []]);
  }, 60_000);

  test('without rows is a table without rows; one that is there is not overwritten unasked', async () => {
    space.files('none', {});
    const empty = ['--input', 'none', '--allow-empty', '--output', 'out'];
    expect((await run(...empty)).code).toBe(0);
    const path = join(space.folder, 'out/x.parquet');
    expect(await rows(path)).toEqual([]);
    const again = (more: string[]): Promise<Ended> =>
      space.cli(...FLAGS, 'code/score.py', '--input', 'in', '--name', 'r2', '--output', 'out', ...more);
    const refused = await again([]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('PR5204')]);
    expect((await again(['--overwrite'])).code).toBe(0);
    expect(await rows(path)).toEqual(ROWS);
  }, 60_000);

  test('of a mini-batch is shown as text by replay', async () => {
    await run();
    const { code, stdout, stderr } = await space.cli('replay', 'r/1');
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('{"file": "f02", "n": 1152921504606846978}')]);
  }, 60_000);
});

describe('ragged rows and files that differ', () => {
  const SHOW = 'def run(mini_batch):\n    return mini_batch\n';
  const table = [
    'run',
    '--entry-script',
    'code/show.py',
    '--mini-batch-rows',
    '2',
    '--name',
    'r',
    '--mini-batch-format',
    'list',
  ];

  test('rows that are left out are told with their lines, counted by verify, also after a kill', async () => {
    space.write('code/show.py', SHOW);
    const input = space.files('tables', {
      'a.csv': 'x,y\r\n1,"two\r\nlines"\r\n\r\n2\r\n3,c,d\r\n4,e\r\n',
      'b.csv': 'x,y\n5,f\n6\n',
    });
    const flags = [...table, '--input', input, '--csv-ragged', 'skip', '--append-row-to', 'x.parquet'];
    const environment = { PARALLELRUN_ROOT: space.root, PARALLELRUN_TEST: '1', PARALLELRUN_FAIL: 'committed@1:kill' };
    await runCommand(process.execPath, [CLI, ...flags], space.folder, environment);
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(await rows()).toEqual([
      { x: 1n, y: 'two\r\nlines' },
      { x: 4n, y: 'e' },
      { x: 5n, y: 'f' },
    ]);
    const { stdout } = await space.cli('verify', 'r');
    expect(stdout).toContain('3 items: 3 in rows 1 to 3');
    expect(stdout).toContain(
      `2 rows of ${input}/a.csv left out: line 5 has 1 field, not 2: "2"; line 6 has 3 fields, not 2: "3,c,d"\n` +
        `1 row of ${input}/b.csv left out: line 3 has 1 field, not 2: "6"\n`,
    );
  }, 60_000);

  test('csv_ragged: error names file and line; fill names the row that is too long', async () => {
    space.write('code/show.py', SHOW);
    const input = space.files('tables', { 'a.csv': 'x,y\n1,a\n2\n3,c,d\n' });
    const refused = await space.cli(...table, '--input', input, '--csv-ragged', 'error');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/PR3014[\s\S]*a\.csv:3[\s\S]*line 3 has 1 field, not 2: "2"/),
    ]);
    await space.cli(...table, '--input', input, '--max-retries', '0');
    const what = 'row 2 (line 4): it has 3 fields, its file has 2 columns: \\"3,c,d\\"';
    expect(space.read('r', 'outputs/dead_letters.jsonl')).toContain(what);
    expect(space.rows('r')).toEqual(["{'x': 1, 'y': 'a'}", "{'x': 2, 'y': None}"]);
  }, 60_000);

  test('schema_drift: by_name is shown by plan, and survives a kill', async () => {
    space.write('code/show.py', SHOW);
    const input = space.files('tables', { 'a.csv': 'x,y\n1,a\n2,b\n3,c\n', 'b.csv': 'z,x\n0.5,4\n1.5,5\n' });
    const flags = [...table, '--input', input, '--schema-drift', 'by_name', '--append-row-to', 'x.parquet'];
    const plan = await space.cli('plan', ...flags.slice(1));
    expect(plan.stdout).toMatch(new RegExp(`z +float64 +${input}/a.csv`));
    const environment = { PARALLELRUN_ROOT: space.root, PARALLELRUN_TEST: '1', PARALLELRUN_FAIL: 'committed@1:kill' };
    await runCommand(process.execPath, [CLI, ...flags], space.folder, environment);
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(await rows()).toEqual([
      { x: 1n, y: 'a', z: null },
      { x: 2n, y: 'b', z: null },
      { x: 3n, y: 'c', z: null },
      { x: 4n, y: null, z: 0.5 },
      { x: 5n, y: null, z: 1.5 },
    ]);
    expect(await verdict()).toEqual([0, []]);
  }, 60_000);
});
