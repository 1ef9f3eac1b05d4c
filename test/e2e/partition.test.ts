/** Mini-batches by partition keys, end to end: right groups in every format and hand-over, killed or not. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';

const MINUTE = 60_000;
const GROUPING_BYTES = 100_000;
const BRANDS = ['a', 'x/y', 'two\nlines', '"', 'é', ''];
const COUNT = 9000;

interface Row {
  readonly store: number;
  readonly brand: string | null;
  readonly id: number;
}
const ROWS: readonly Row[] = Array.from({ length: COUNT }, (_, id) => {
  const brand = BRANDS[(id * 7919) % 6] ?? '';
  return { store: (id * 31) % 37, brand: brand === '' ? null : brand, id };
});

/** As the scripts below write them: keys, rows, and the ids of all rows in their order. */
const EXPECTED = [...grouped().values()];
function grouped(): Map<string, string> {
  const found = new Map<string, Row[]>();
  for (const row of ROWS) {
    const key = JSON.stringify([row.store, row.brand]);
    const rows = found.get(key);
    if (rows) rows.push(row);
    else found.set(key, [row]);
  }
  return new Map(
    [...found].map(([key, rows]) => [
      key,
      JSON.stringify([...(JSON.parse(key) as unknown[]), rows.map(({ id }) => id)]),
    ]),
  );
}

const quoted = (text: string | null): string => (text === null ? '' : `"${text.replaceAll('"', '""')}"`);
const csv = (rows: readonly Row[]): string =>
  'store,brand,id,note\n' +
  rows.map(({ store, brand, id }) => `${store},${quoted(brand)},${id},${'n'.repeat(40)}\n`).join('');
const jsonl = (rows: readonly Row[]): string =>
  rows.map((row) => `${JSON.stringify({ ...row, note: 'n'.repeat(40) })}\n`).join('');

const PYTHON = `
import json
def run(mini_batch, context):
    keys = context.partition_key_value
    kind = type(mini_batch).__module__.partition(".")[0]
    ids = [row["id"] for row in mini_batch] if kind == "builtins" else (
        mini_batch["id"].to_pylist() if kind == "pyarrow" else mini_batch["id"].to_list())
    return [json.dumps([keys["store"], keys["brand"], ids], ensure_ascii=False, separators=(",", ":"))]
`;
const TYPESCRIPT = `
export function run(table: { rows: { id: number }[] }, context: { partitionKeyValue: Record<string, unknown> }): string[] {
  const { store, brand } = context.partitionKeyValue;
  return [JSON.stringify([store, brand, table.rows.map(({ id }) => id)])];
}
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.write('score.py', PYTHON);
  space.write('score.ts', TYPESCRIPT);
  process.env['PARALLELRUN_TEST'] = '1';
  process.env['PARALLELRUN_GROUPING_BYTES'] = String(GROUPING_BYTES);
});
afterEach(() => {
  for (const name of ['PARALLELRUN_TEST', 'PARALLELRUN_GROUPING_BYTES', 'PARALLELRUN_FAIL'] as const)
    delete process.env[name];
  space.dispose();
});

const python = TEST_PYTHON === undefined ? [] : ['--python', TEST_PYTHON];
const KEYS = ['--partition-keys', 'store,brand', '--processes', '2', '--name', 'r'];

async function expectDone(script: string, input: readonly string[], ...flags: readonly string[]): Promise<void> {
  const base = ['run', '--entry-script', script, ...input.flatMap((path) => ['--input', path]), ...KEYS];
  const { code, stdout, stderr } = await space.cli(...base, ...(script.endsWith('.py') ? python : []), ...flags);
  expect(code, stdout + stderr).toBe(0);
  expect(space.rows('r')).toEqual(EXPECTED);
  expect((await space.cli('verify', 'r')).code).toBe(0);
}

/** Files with the rows of the table, more than four times what grouping may hold. */
function tables(): string {
  const texts = { 'in/1.csv': csv(ROWS.slice(0, 4000)), 'in/2.csv': csv(ROWS.slice(4000)) };
  const paths = Object.entries(texts).map(([name, text]) => space.write(name, text));
  expect(paths.reduce((sum, path) => sum + statSync(path).size, 0)).toBeGreaterThan(4 * GROUPING_BYTES);
  return 'in/*.csv';
}

describe('two key columns of a table that is larger than what grouping may hold', () => {
  test('TypeScript', async () => expectDone('score.ts', [tables()]), MINUTE);

  test
    .runIf(hasModule('pandas'))
    .each(['pandas', 'list', ...(hasModule('pyarrow') ? ['pyarrow'] : []), ...(hasModule('polars') ? ['polars'] : [])])(
    'Python, %s',
    async (format) => expectDone('score.py', [tables()], '--mini-batch-format', format),
    MINUTE,
  );

  test.runIf(hasModule('pandas'))(
    'JSON Lines, the rows in two inputs',
    async () => {
      space.write('1.jsonl', jsonl(ROWS.slice(0, 5000)));
      space.write('two/2.jsonl', jsonl(ROWS.slice(5000)));
      await expectDone('score.py', ['1.jsonl', 'two/2.jsonl']);
    },
    MINUTE,
  );
});

describe.runIf(hasModule('pyarrow') && hasModule('polars')).each(['parquet', 'arrow'])('%s', (kind) => {
  beforeEach(() => {
    space.write('all.jsonl', jsonl(ROWS));
    const write = `
import json, sys, pyarrow as pa, pyarrow.feather, pyarrow.parquet as pq
rows = [json.loads(line) for line in open("all.jsonl", encoding="utf-8")]
for name, part in (("1", rows[:5000]), ("2", rows[5000:])):
    table = pa.table({"store": pa.array([r["store"] for r in part], pa.int32()),
                      "brand": pa.array([r["brand"] for r in part]).dictionary_encode(),
                      "id": pa.array([r["id"] for r in part], pa.int64())})
    if sys.argv[1] == "parquet":
        pq.write_table(table, name + ".parquet", row_group_size=1500, compression="zstd")
    else:
        pa.feather.write_feather(table, name + ".arrow", compression="zstd", chunksize=1500)
`;
    execFileSync(TEST_PYTHON ?? 'python3', ['-c', write, kind], { cwd: space.folder });
  });

  test.each(['pandas', 'list', 'pyarrow', 'polars'])(
    'Python, %s',
    async (format) => expectDone('score.py', [`*.${kind}`], '--mini-batch-format', format),
    MINUTE,
  );

  test('TypeScript', async () => expectDone('score.ts', [`*.${kind}`]), MINUTE);
});

describe('killed and taken up again', () => {
  async function killed(): Promise<void> {
    process.env['PARALLELRUN_FAIL'] = 'committed@5:kill';
    const base = ['run', '--entry-script', 'score.ts', '--input', tables(), ...KEYS];
    expect((await space.cli(...base)).code).toBeNull();
    delete process.env['PARALLELRUN_FAIL'];
  }

  async function resumed(...flags: readonly string[]): Promise<void> {
    const { code, stderr } = await space.cli('resume', 'r', ...flags);
    expect(code, stderr).toBe(0);
    expect(space.rows('r')).toEqual(EXPECTED);
    expect((await space.cli('verify', 'r')).code).toBe(0);
  }
  const copies = (): string => join(space.root, 'r/state/copies');

  test(
    'with the copy as it was',
    async () => {
      await killed();
      expect(existsSync(`${copies()}/groups.whole`)).toBe(true);
      await resumed();
      expect(existsSync(copies())).toBe(false);
    },
    MINUTE,
  );

  test(
    'with the copy cut short, and what a killed grouping leaves',
    async () => {
      await killed();
      writeFileSync(`${copies()}/groups`, readFileSync(`${copies()}/groups`).subarray(0, 1000));
      space.write('runs/r/state/copies/grouping/parts/1', 'rest');
      await resumed();
    },
    MINUTE,
  );

  test(
    'without the copy, and with other memory',
    async () => {
      await killed();
      rmSync(copies(), { recursive: true });
      process.env['PARALLELRUN_GROUPING_BYTES'] = '100000000';
      await resumed();
    },
    MINUTE,
  );

  test(
    'a table that has changed, one more, and a rescan are refused',
    async () => {
      await killed();
      expect((await space.cli('resume', 'r', '--rescan')).stderr).toContain('PR3308');
      const path = join(space.folder, 'in/1.csv');
      const before = readFileSync(path, 'utf8');
      writeFileSync(path, before.replace('\n1,', '\n2,'));
      const refused = await space.cli('resume', 'r');
      expect(refused.code).toBe(4);
      expect(refused.stderr).toContain('PR3307');
      writeFileSync(join(space.folder, 'in/3.csv'), before);
      const more = await space.cli('resume', 'r');
      expect(more.stderr).toContain('PR5007');
      rmSync(join(space.folder, 'in/3.csv'));
      await resumed('--accept-changed-input');
    },
    MINUTE,
  );

  test(
    'while it grouped',
    async () => {
      const base = ['run', '--entry-script', 'score.ts', '--input', tables(), ...KEYS];
      const child = space.spawnCli(...base);
      while (!existsSync(join(space.root, 'r/state/grouped.jsonl.part')))
        await new Promise((resolve) => setTimeout(resolve, 1));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('close', resolve));
      await resumed();
    },
    MINUTE,
  );
});

describe('beside queries and results in Parquet', () => {
  const QUERY = `SELECT store, brand, id FROM read_json('all.jsonl') ORDER BY id`;
  const BASE = ['run', '--entry-script', 'score.ts', '--input', 'db', '--query', QUERY, ...KEYS];
  beforeEach(() => {
    space.write('db/all.jsonl', jsonl(ROWS));
  });

  test(
    'rows of a query: killed, resumed without the copy of the groups, replayed, without the database',
    async () => {
      process.env['PARALLELRUN_FAIL'] = 'committed@5:kill';
      expect((await space.cli(...BASE)).code).toBeNull();
      delete process.env['PARALLELRUN_FAIL'];
      rmSync(join(space.root, 'r/state/copies'), { recursive: true });
      rmSync(join(space.folder, 'db/all.jsonl'));
      // as where a run folder was copied away and back
      const rows = join(space.root, 'r/state/queries/0.parquet');
      const bytes = readFileSync(rows);
      rmSync(rows);
      writeFileSync(rows, bytes);
      const resumed = await space.cli('resume', 'r');
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(space.rows('r')).toEqual(EXPECTED);
      expect((await space.cli('verify', 'r')).code).toBe(0);
      const replayed = await space.cli('replay', 'r/17');
      expect(replayed.stdout + replayed.stderr).toContain((EXPECTED[17] ?? '').slice(0, 60));
      rmSync(rows);
      const lost = await space.cli('replay', 'r/17');
      expect([lost.code, lost.stderr]).toEqual([4, expect.stringContaining('PR3205')]);
    },
    MINUTE,
  );

  test(
    'plan and test show the mini-batches of a query; a key that is no column, and partition_format, are refused',
    async () => {
      const base = BASE.slice(1).filter((flag) => !['--name', 'r', '--processes', '2'].includes(flag));
      const planned = await space.cli('plan', ...base);
      expect(planned.stdout, planned.stderr).toContain(
        `${EXPECTED.length} mini-batches of ${COUNT.toLocaleString('en')} items`,
      );
      const tested = await space.cli('test', ...base, '--index', '17');
      expect(tested.stdout + tested.stderr).toContain((EXPECTED[17] ?? '').slice(0, 60));
      const none = await space.cli(...BASE, '--partition-keys', 'shop');
      expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('PR3301')]);
      const both = await space.cli(...BASE, '--partition-format', '{store}/*');
      expect([both.code, both.stderr]).toEqual([
        2,
        expect.stringContaining('partition_format and query are both given'),
      ]);
    },
    MINUTE,
  );

  test(
    'a result in Parquet has the rows of the groups in their order, killed or not',
    async () => {
      space.write(
        'frames.ts',
        `export function run(table: { rows: { id: number }[] }, { partitionKeyValue }: { partitionKeyValue: object }): object[] {
  return table.rows.map(({ id }) => ({ ...partitionKeyValue, id }));
}
`,
      );
      process.env['PARALLELRUN_FAIL'] = 'committed@5:kill';
      const base = ['run', '--entry-script', 'frames.ts', '--input', 'db/all.jsonl', ...KEYS];
      expect((await space.cli(...base, '--append-row-to', 'x.parquet')).code).toBeNull();
      delete process.env['PARALLELRUN_FAIL'];
      const { code, stderr } = await space.cli('resume', 'r');
      expect(code, stderr).toBe(0);
      const bytes = readFileSync(join(space.root, 'r/outputs/x.parquet'));
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
      const rows = (await parquetReadObjects({ file })) as { store: unknown; brand: unknown; id: unknown }[];
      const wanted = EXPECTED.flatMap((line) => {
        const [store, brand, ids] = JSON.parse(line) as [number, string | null, number[]];
        return ids.map((id) => [store, brand, id]);
      });
      expect(rows.map(({ store, brand, id }) => [Number(store), brand, Number(id)])).toEqual(wanted);
      expect((await space.cli('verify', 'r')).code).toBe(0);
    },
    MINUTE,
  );
});

test(
  'ragged rows are left out, told once, and no items; also of a run that was killed',
  async () => {
    const texts = csv(ROWS).split('\n');
    space.write('in/1.csv', [...texts.slice(0, 4000), '1,a', ...texts.slice(4000, -1), '1,a,7,n,n', ''].join('\n'));
    process.env['PARALLELRUN_FAIL'] = 'committed@5:kill';
    const base = [
      'run',
      '--entry-script',
      'score.ts',
      '--input',
      'in',
      '--input-format',
      'csv',
      '--csv-ragged',
      'skip',
    ];
    expect((await space.cli(...base, ...KEYS)).code).toBeNull();
    delete process.env['PARALLELRUN_FAIL'];
    rmSync(join(space.root, 'r/state/copies'), { recursive: true });
    const { code, stderr } = await space.cli('resume', 'r');
    expect(code, stderr).toBe(0);
    expect(space.rows('r')).toEqual(EXPECTED);
    const verified = await space.cli('verify', 'r');
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('line 4001 has 2 fields, not 4')]);
  },
  MINUTE,
);

test(
  'replay of a completed run makes the rows of its mini-batch again, test and plan show the same',
  async () => {
    await expectDone('score.ts', [tables()]);
    const base = ['--entry-script', 'score.ts', '--input', 'in/*.csv', '--partition-keys', 'store,brand'];
    const replayed = await space.cli('replay', 'r/17');
    expect(replayed.stdout + replayed.stderr).toContain((EXPECTED[17] ?? '').slice(0, 60));
    const tested = await space.cli('test', ...base, '--index', '17');
    expect(tested.stdout + tested.stderr).toContain((EXPECTED[17] ?? '').slice(0, 60));
    const planned = await space.cli('plan', ...base);
    expect(planned.stdout).toContain(`${EXPECTED.length} mini-batches of ${COUNT.toLocaleString('en')} items`);
    expect(planned.stdout).toContain('store=0, brand=a: ');
  },
  MINUTE,
);

test(
  'files by keys of their paths',
  async () => {
    space.files('in', {});
    for (const name of ['d1/x/1', 'd1/y/1', 'd2/x/1']) space.write(`in/${name}`, name);
    space.write(
      'files.py',
      'def run(mini_batch, context):\n    return [context.partition_key_value["k"] + " " + p[-6:] for p in mini_batch]\n',
    );
    const base = ['run', '--entry-script', 'files.py', '--input', 'in', '--name', 'f', '--mini-batch-size', '1'];
    const { code, stdout, stderr } = await space.cli(
      ...base,
      '--partition-keys',
      'k',
      '--partition-format',
      '{day}/{k}/*',
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout + stderr).toContain('mini_batch_size has no effect beside partition_keys');
    expect(space.rows('f')).toEqual(['x d1/x/1', 'x d2/x/1', 'y d1/y/1']);
    expect((await space.cli('verify', 'f')).code).toBe(0);
  },
  MINUTE,
);
