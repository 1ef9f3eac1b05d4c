/** Transformations of an MLTable as their users write them, from the job file to the rows of the result. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule, processesOf } from '../e2e/rig.ts';

const MINUTE = 60_000;
const python = TEST_PYTHON === undefined ? [] : ['--python', TEST_PYTHON];

/** The same text for a row in both languages. */
const PYTHON = `import datetime, json, os, time

def plain(value):
    if value is None or value != value:
        return None
    return value.isoformat() if isinstance(value, datetime.datetime) else value

def run(frame):
    rows = [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
    if any(row.get("n") == 666 for row in rows):
        raise ValueError("the number of the beast")
    while rows[0].get("n", 0) >= int(os.environ.get("WAIT_FROM", 10 ** 9)) and not os.path.exists(os.environ["GO"]):
        time.sleep(0.02)
    return [json.dumps(row, separators=(",", ":")) for row in rows]
`;
const TYPESCRIPT = `export function run(table: { rows: Record<string, unknown>[] }): string[] {
  const plain = (value: unknown) => (value instanceof Date ? value.toISOString().replace('.000Z', '') : value);
  return table.rows.map((row) => JSON.stringify(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]))));
}
`;
const job = (script: string, more = 'mini_batch_rows: 2'): string => `type: pipeline
jobs:
  score:
    type: parallel
    ${more}
    mini_batch_error_threshold: -1
    retry_settings: { max_retries: 0 }
    max_concurrency_per_instance: 2
    inputs: { table: { type: mltable, path: ./table } }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.table}}
    task:
      type: run_function
      code: ./src
      entry_script: ${script}
      append_row_to: \${{outputs.rows}}
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('src', { 'score.py': PYTHON, 'score.ts': TYPESCRIPT });
  process.env['GO'] = join(space.folder, 'go');
});
afterEach(() => {
  delete process.env['GO'];
  delete process.env['WAIT_FROM'];
  space.dispose();
});

function table(steps: readonly string[], files: Readonly<Record<string, string>>): void {
  const [first = 'a.csv'] = Object.keys(files);
  const paths = `paths: [ { pattern: "./**/*${first.slice(first.lastIndexOf('.'))}" } ]`;
  space.files('table', {
    ...files,
    MLTable: `${[paths, 'transformations:', ...steps.map((s) => `  - ${s}`)].join('\n')}\n`,
  });
}

async function ran(name: string, script: string, more?: string, ...flags: string[]): Promise<readonly unknown[]> {
  space.write('job.yml', job(script, more));
  const { code, stdout, stderr } = await space.cli('run', 'job.yml', '--name', name, ...python, ...flags);
  expect(code, stdout + stderr).toBe(0);
  return space.rows(name, 'rows').map((row) => JSON.parse(row) as unknown);
}

const SALES = {
  's1/2024-01-30.csv':
    'n,code,price,name,sold,at,on\n1,007,2.5,a,x,03.04.2024,yes\n2,008,,,y,04.04.2024,no\n3,009,9,c,,,yes\n',
  's2/2024-01-31.csv':
    'n,code,price,name,sold,at,on\n4,010,7,"",z,05.04.2024,no\n5,011,8,e,z,06.04.2024,no\n6,012,1,f,q,07.04.2024,yes\n',
};
const ALL = [
  'read_delimited: { empty_as_string: true, include_path_column: true }',
  'extract_columns_from_partition_format: { partition_format: "/{store}/{day:yyyy-MM-dd}.csv" }',
  `convert_column_types:
      - { columns: code, column_type: string }
      - { columns: [price], column_type: float }
      - { columns: n, column_type: int }
      - { columns: at, column_type: { datetime: { formats: ["%d.%m.%Y"] } } }
      - { columns: on, column_type: { boolean: { true_values: ["yes"], false_values: ["no"] } } }`,
  `filter: 'col("price") > 2 and col("day") >= "2024-01-30"'`,
  'skip: 1',
  'drop_columns: [sold]',
  'keep_columns: [n, code, price, name, at, on, Path, store, day]',
  'take: 2',
];

describe.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))('an MLTable', () => {
  test.each(['score.py', 'score.ts'])(
    'every transformation, in order, by rows, for %s',
    async (script) => {
      // Of an empty time nothing can be made: it is missing, also beside empty texts.
      const files = { ...SALES, 's1/2024-01-30.csv': SALES['s1/2024-01-30.csv'].replace(',,,yes', ',,NA,yes') };
      table(ALL, files);
      const found = await ran('r', script);
      const at = (file: string): string => join(space.folder, 'table', file);
      expect(found).toEqual([
        { n: 3, code: '009', price: 9, name: 'c', at: null, on: true, Path: at('s1/2024-01-30.csv'), store: 's1', day: '2024-01-30T00:00:00' }, // prettier-ignore
        { n: 4, code: '010', price: 7, name: '', at: '2024-04-05T00:00:00', on: false, Path: at('s2/2024-01-31.csv'), store: 's2', day: '2024-01-31T00:00:00' }, // prettier-ignore
      ]);
      const planned = (await space.cli('plan', 'job.yml')).stdout;
      const shown = planned.slice(planned.indexOf('Transformations of the MLTable'));
      const names = ['empty_as_string', 'include_path_column', 'extract_columns_from_partition_format', 'convert_column_types', 'filter', 'skip', 'drop_columns', 'keep_columns', 'take']; // prettier-ignore
      expect([...new Set([...shown.matchAll(/^ {2}([a-z_]+)(?= |$)/gm)].map(([, name]) => name))].slice(0, 9)).toEqual(
        names,
      );
      expect(shown).toContain('leave 2 of the first 4 rows: those behind are not read');
      expect(/Columns\n[^]*?\n\n/.exec(planned)?.[0]).toMatch(/day +datetime/);
      expect(/Columns\n[^]*?\n\n/.exec(planned)?.[0]).not.toContain('sold');
    },
    MINUTE,
  );

  test.each(['score.py', 'score.ts'])(
    'JSON Lines by partition keys, for %s',
    async (script) => {
      const rows = [1, 2, 3, 4, 5, 6, 7].map((n) =>
        JSON.stringify({ n, kind: n % 2 ? 'odd' : 'even', w: n === 4 ? null : n / 2 }),
      );
      table(['read_json_lines', `filter: 'col("w").is_not_null()'`, 'take: 5', 'drop_columns: w'], { 'a.jsonl': `${rows.join('\n')}\n` }); // prettier-ignore
      expect(await ran('r', script, 'partition_keys: [kind]')).toEqual([
        { n: 1, kind: 'odd' },
        { n: 3, kind: 'odd' },
        { n: 5, kind: 'odd' },
        { n: 2, kind: 'even' },
        { n: 6, kind: 'even' },
      ]);
    },
    MINUTE,
  );

  test(
    'no row is left: how many there were is said; --allow-empty gives an empty result',
    async () => {
      table(['read_delimited', `filter: 'col("price") > 100'`], SALES);
      space.write('job.yml', job('score.py'));
      const none = await space.cli('run', 'job.yml', '--name', 'none', ...python);
      expect([none.code, none.stdout + none.stderr]).toEqual([2, expect.stringContaining('leave none of 6 rows')]);
      expect((await space.cli('plan', 'job.yml')).stdout).toContain('the transformations leave none of 6 rows');
      expect(await ran('empty', 'score.py', undefined, '--allow-empty')).toEqual([]);
      expect((await space.cli('verify', 'empty')).code).toBe(0);
    },
    MINUTE,
  );

  test.each(['csv', 'jsonl'])(
    '%s: a run that is killed goes on with the rows that are left, and a mini-batch is replayed',
    async (kind) => {
      const reader = kind === 'csv' ? 'read_delimited' : 'read_json_lines';
      const rows = Array.from({ length: 60 }, (_, n) =>
        kind === 'csv' ? `${n},${n % 3}` : JSON.stringify({ n, k: n % 3 }),
      );
      const head = kind === 'csv' ? 'n,k\n' : '';
      table([reader, 'skip: 3', 'filter: col("k") != 1', 'take: 30'], {
        [`a.${kind}`]: `${head}${rows.slice(0, 25).join('\n')}\n`,
        [`b.${kind}`]: `${head}${rows.slice(25).join('\n')}\n`,
      });
      const wanted = Array.from({ length: 60 }, (_, n) => n)
        .filter((n) => n >= 3 && n % 3 !== 1)
        .slice(0, 30);
      process.env['WAIT_FROM'] = '30';
      space.write('job.yml', job('score.py'));
      const child = space.spawnCli('run', 'job.yml', '--name', 'r', ...python);
      child.stdout.resume();
      child.stderr.resume();
      for (let status = await space.status('r').catch(() => undefined); (status?.miniBatches.succeeded ?? 0) < 8;) {
        await pause(100);
        status = await space.status('r').catch(() => undefined);
      }
      child.kill('SIGKILL');
      await once(child, 'close');
      while (processesOf(space.root).length > 0) await pause(50);
      writeFileSync(process.env['GO'] ?? '', '');
      // Rows that come in the middle would move all others: neither way.
      const more = space.write(`table/aa.${kind}`, `${head}${rows[5] ?? ''}\n`);
      const changed = await space.cli('resume', 'r');
      expect([changed.code, changed.stdout + changed.stderr]).toEqual([4, expect.stringContaining(`aa.${kind}`)]);
      expect((await space.cli('resume', 'r', '--rescan')).stderr).toContain('PR3308');
      rmSync(more);
      const resumed = await space.cli('resume', 'r');
      expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
      expect(space.rows('r', 'rows').map((row) => (JSON.parse(row) as { n: number }).n)).toEqual(wanted);
      expect((await space.cli('verify', 'r')).code).toBe(0);
      // what was gathered is gone by now, and is gathered again
      expect(existsSync(join(space.root, 'r/state/copies/groups'))).toBe(false);
      const replayed = await space.cli('replay', 'r/9');
      expect(replayed.code, replayed.stdout + replayed.stderr).toBe(0);
    },
    MINUTE,
  );

  test(
    'a row at fault is found by halving, and named as one of those that are left',
    async () => {
      const lines = Array.from({ length: 20 }, (_, n) => `${n === 13 ? 666 : n},${n % 2}`);
      table(['read_delimited', 'filter: col("odd") == 1'], { 'a.csv': `n,odd\n${lines.join('\n')}\n` });
      space.write('job.yml', job('score.py', 'mini_batch_rows: 5'));
      const { stdout, stderr } = await space.cli('run', 'job.yml', '--name', 'r', ...python);
      expect(space.rows('r', 'rows').map((row) => (JSON.parse(row) as { n: number }).n)).toEqual([
        1, 3, 5, 7, 9, 11, 15, 17, 19,
      ]);
      expect(stdout + stderr).toContain('row 6 of those that are taken of');
      const letters = readFileSync(join(space.root, 'r/outputs/dead_letters.jsonl'), 'utf8').trim().split('\n');
      expect(letters).toHaveLength(1);
    },
    MINUTE,
  );
});
