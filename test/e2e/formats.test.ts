/** Tables of every format, end to end: the same rows come out of all of them, in both languages, killed or not. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const MINUTE = 60_000;
const COUNT = 60;
interface Row {
  readonly id: number;
  readonly x: number | null;
  readonly t: string;
}
const ROWS: readonly Row[] = Array.from({ length: COUNT }, (_, i) => ({
  id: i,
  x: i === 17 ? null : i / 4,
  t: `é "${i}", and\nmore`,
}));
const EXPECTED = ROWS.map(({ id, x, t }) => JSON.stringify([id, x, t]));

const quoted = (text: string, quote: string, escape: string): string =>
  quote + text.replaceAll(quote, (escape === '' ? quote : escape) + quote) + quote;
const csv = (delimiter: string, quote = '"', escape = ''): string =>
  `${['id', 'x', 't'].join(delimiter)}\n` +
  ROWS.map(({ id, x, t }) => [id, x ?? '', quoted(t, quote, escape)].join(delimiter) + '\n').join('');
const jsonl = ROWS.map((row) => `${JSON.stringify(row)}\n`).join('\n');

const SCRIPTS = {
  'score.py': `
import json
def run(mini_batch):
    assert [str(t) for t in mini_batch.dtypes] == ['int64', 'float64', 'object'], mini_batch.dtypes
    return [json.dumps([int(i), None if x != x else x, t], ensure_ascii=False, separators=(',', ':')).replace('.0,', ',')
            for i, x, t in mini_batch.itertuples(index=False)]
`,
  'score.ts': `
export function run(miniBatch: { rows: { id: number; x: number | null; t: string }[] }): string[] {
  return miniBatch.rows.map(({ id, x, t }) => JSON.stringify([id, x, t]));
}
`,
} as const;
type Script = keyof typeof SCRIPTS;

async function scored(script: Script, input: string, ...flags: string[]): Promise<string[]> {
  space.write(script, SCRIPTS[script]);
  const python = script === 'score.py' && TEST_PYTHON !== undefined ? ['--python', TEST_PYTHON] : [];
  const base = ['--entry-script', script, '--input', input, '--mini-batch-rows', '7', '--processes', '2', ...python];
  const { code, stdout, stderr } = await space.cli('run', ...base, '--name', 'r', ...flags);
  expect(code, stdout + stderr).toBe(0);
  expect((await space.cli('verify', 'r')).code).toBe(0);
  return space.rows('r');
}

const withPython = hasModule('pandas') ? (['score.py', 'score.ts'] as const) : (['score.ts'] as const);
const withParquet = hasModule('pyarrow') ? withPython : [];

describe.each(withPython)('%s', (script) => {
  test(
    'JSON Lines',
    async () => {
      space.write('in.jsonl', jsonl);
      expect(await scored(script, 'in.jsonl')).toEqual(EXPECTED);
    },
    MINUTE,
  );

  test(
    'compressed files, several members, in a folder beside plain ones',
    async () => {
      const lines = jsonl.split('\n\n');
      space.write('in/a.jsonl', lines.slice(0, 20).join('\n'));
      const members = [lines.slice(20, 30), lines.slice(30, 45)].map((some) => gzipSync(`${some.join('\n')}\n`));
      space.write('in/b.jsonl.gz', '');
      writeFileSync(join(space.folder, 'in/b.jsonl.gz'), Buffer.concat(members));
      space.write('in/c.ndjson', lines.slice(45).join('\n'));
      expect(await scored(script, 'in')).toEqual(EXPECTED);
      // Not kept: what is wanted again is unpacked again.
      expect(existsSync(join(space.root, 'r/state/copies'))).toBe(false);
      const replayed = await space.cli('replay', 'r/3');
      expect(replayed.code, replayed.stdout + replayed.stderr).toBe(0);
      expect(replayed.stdout).toContain('7 rows');
    },
    MINUTE,
  );

  test.each([
    ['another delimiter', csv(';'), ['--csv-delimiter', ';']],
    ['another quote', csv(',', "'"), ['--csv-quote', "'"]],
    ['escapes', csv(',', '"', '\\'), ['--csv-escape', '\\']],
    ['comments', `# made for a test, "unclosed\n${csv(',')}# end\n`, ['--csv-comment', '#']],
  ])(
    'CSV with %s',
    async (_, text, flags) => {
      space.write('in.csv', text);
      expect(await scored(script, 'in.csv', ...flags)).toEqual(EXPECTED);
    },
    MINUTE,
  );

  test(
    'text of another encoding, compressed or not',
    async () => {
      const bytes = Buffer.from(csv(','), 'latin1');
      expect(bytes.includes(0xe9)).toBe(true);
      const [half, rest] = [bytes.subarray(0, bytes.indexOf('\n20,') + 1), bytes.subarray(bytes.indexOf('\n20,') + 1)];
      space.write('in/a.csv', '');
      writeFileSync(join(space.folder, 'in/a.csv'), half);
      writeFileSync(join(space.folder, 'in/b.csv.gz'), gzipSync(Buffer.concat([Buffer.from('id,x,t\n'), rest])));
      expect(await scored(script, 'in', '--table-encoding', 'latin1')).toEqual(EXPECTED);
      expect((await space.cli('replay', 'r/0')).code).toBe(0);
    },
    MINUTE,
  );
});

const WRITERS = `
import json, sys
import pyarrow, pyarrow.feather, pyarrow.parquet
rows = pyarrow.Table.from_pylist([json.loads(line) for line in open(sys.argv[1], encoding='utf-8') if line.strip()])
if sys.argv[3] == 'parquet': pyarrow.parquet.write_table(rows, sys.argv[2], row_group_size=11, compression='zstd')
else: pyarrow.feather.write_feather(rows, sys.argv[2], compression=sys.argv[3], chunksize=11)
`;

function writeColumnar(name: string, how: string): void {
  space.write('in.jsonl', jsonl);
  const paths = ['in.jsonl', name].map((each) => join(space.folder, each));
  execFileSync(TEST_PYTHON ?? 'python3', ['-c', WRITERS, ...paths, how]);
}

describe.each(withParquet)('%s', (script) => {
  test.each([
    ['in.parquet', 'parquet'],
    ['in.feather', 'uncompressed'],
    ['in.arrow', 'lz4'],
    ['in.arrow', 'zstd'],
  ])(
    '%s, several groups of rows: %s',
    async (name, how) => {
      writeColumnar(name, how);
      expect(await scored(script, name)).toEqual(EXPECTED);
      const replayed = await space.cli('replay', 'r/3');
      expect(replayed.code, replayed.stdout + replayed.stderr).toBe(0);
    },
    MINUTE,
  );
});

test(
  'killed half way, a run over a compressed table goes on, also where its copy is cut short',
  async () => {
    const rows = Array.from({ length: 400 }, (_, i) => `${i},${'x'.repeat(50)}\n`);
    space.write('in.csv.gz', '');
    writeFileSync(join(space.folder, 'in.csv.gz'), gzipSync(`n,t\n${rows.join('')}`));
    space.write(
      'code/score.ts',
      `import { appendFileSync } from 'node:fs';
export async function run(miniBatch: { rows: { n: number }[] }): Promise<number[]> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  appendFileSync(${JSON.stringify(join(space.folder, 'calls'))}, '.');
  return miniBatch.rows.map(({ n }) => n);
}`,
    );
    const flags = [
      '--entry-script',
      'code/score.ts',
      '--input',
      'in.csv.gz',
      '--mini-batch-rows',
      '4',
      '--processes',
      '2',
    ];
    const child = space.spawnCli('run', ...flags, '--name', 'r');
    const calls = (): number =>
      existsSync(join(space.folder, 'calls')) ? readFileSync(join(space.folder, 'calls')).length : 0;
    await expect.poll(calls, { timeout: 30_000, interval: 10 }).toBeGreaterThan(20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const copies = join(space.root, 'r/state/copies');
    const [copy = ''] = execFileSync('ls', [copies])
      .toString()
      .split('\n')
      .filter((name) => !name.endsWith('.whole'));
    writeFileSync(join(copies, copy), readFileSync(join(copies, copy)).subarray(0, 5000));
    rmSync(join(copies, `${copy}.whole`), { force: true });
    const resumed = await space.cli('resume', 'r');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(space.rows('r')).toEqual(Array.from({ length: 400 }, (_, i) => String(i)));
    expect((await space.cli('verify', 'r')).code).toBe(0);
  },
  MINUTE,
);
