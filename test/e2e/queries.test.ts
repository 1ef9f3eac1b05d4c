/** Queries on SQLite and DuckDB as inputs, as a user gives them: run, killed, resumed, replayed, verified. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SmallDisk, WHY_NO_MOUNT } from './fulldisk.ts';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';
import type { Ended } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const MINUTE = 60_000;
const COUNT = 500;
const SCRIPT = `
export function run(miniBatch: { rows: Record<string, unknown>[] }): string[] {
  return miniBatch.rows.map((row) => JSON.stringify(Object.values(row), (_, value) => typeof value === 'bigint' ? String(value) : value));
}
`;
/** Pages of SQLite are written by Python, which reads them back to compare. */
const MAKE_SQLITE = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute('create table t (id integer primary key, big integer, x real, s text, b blob)')
    db.executemany('insert into t values (?, ?, ?, ?, ?)', (
        (i, 2**53 + i, None if i % 7 == 0 else i / 2, 'é "%d"\\n' % i, bytes([i % 256, 0])) for i in range(${COUNT})))
`;
const READ_SQLITE = `
import base64, json, sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print(json.dumps([base64.b64encode(v).decode() if isinstance(v, bytes) else str(v) if isinstance(v, int) and v >= 2**53 else v
                      for v in row], ensure_ascii=False, separators=(',', ':')).replace('.0,', ','))
`;
const python = (code: string, ...args: string[]): string =>
  execFileSync(TEST_PYTHON ?? 'python3', ['-c', code, ...args.map((arg) => arg)], { cwd: space.folder }).toString();

async function duckdb(file: string, ...statements: string[]): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(join(space.folder, file));
  const connection = await instance.connect();
  try {
    let rows: unknown[][] = [];
    for (const statement of statements) rows = (await connection.runAndReadAll(statement)).getRows();
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const run = (input: string, query: string, ...flags: string[]): string[] => {
  space.write('code/score.ts', SCRIPT);
  const base = ['run', '--entry-script', 'code/score.ts', '--input', input, '--query', query, '--name', 'r'];
  return [...base, '--mini-batch-rows', '64', '--processes', '2', ...flags];
};
const said = ({ stdout, stderr }: Ended): string => stdout + stderr;

async function succeeded(args: readonly string[]): Promise<string[]> {
  const ended = await space.cli(...args);
  expect(ended.code, said(ended)).toBe(0);
  const verified = await space.cli('verify', 'r');
  expect(verified.code, said(verified)).toBe(0);
  return space.rows('r');
}

async function refused(args: readonly string[]): Promise<string> {
  const ended = await space.cli(...args);
  expect(ended.code, said(ended)).toBe(2);
  expect(existsSync(join(space.root, 'r'))).toBe(false);
  return said(ended);
}

describe('SQLite', () => {
  const QUERY = 'select big, x, s, b, id from t order by id desc';
  beforeEach(() => {
    python(MAKE_SQLITE, 'in.db');
  });

  test(
    'rows, types, order and digits as Python reads them; the copy stays for replay, whatever becomes of the database',
    async () => {
      const rows = await succeeded(run('in.db', QUERY));
      expect(rows).toEqual(python(READ_SQLITE, 'in.db', QUERY).trimEnd().split('\n'));
      rmSync(join(space.folder, 'in.db'));
      const replayed = await space.cli('replay', 'r/3', '--item', '2');
      expect(replayed.code, said(replayed)).toBe(0);
      expect(replayed.stdout).toContain(`${space.folder}/in.db query row 194`);
      expect(replayed.stdout).toContain(rows[194]);
    },
    MINUTE,
  );

  test(
    'a copy that lost rows after mini-batches were made of it is not made anew',
    async () => {
      space.write('code/fails.ts', `export function run(): never { throw new Error('no'); }`);
      const ended = await space.cli(
        ...run('in.db', QUERY, '--entry-script', 'code/fails.ts', '--max-retries', '0', '--error-threshold', '0'),
      );
      expect(ended.code, said(ended)).toBe(1);
      truncateSync(join(space.root, 'r/state/queries/0.jsonl'), 100);
      const resumed = await space.cli('resume', 'r', '--retry-failed');
      expect(resumed.code, said(resumed)).toBe(4);
      expect(said(resumed)).toContain('PR3205');
    },
    MINUTE,
  );

  test(
    'wrong queries and databases are refused with the words of the driver, and leave nothing behind',
    async () => {
      const wrong = [
        ['selec 1', 'PR3201', 'near "selec": syntax error'],
        ['select * from nope', 'PR3201', 'no such table: nope'],
        ['select 1; select 2', 'PR3201', 'more than one statement'],
        ['delete from t', 'PR3201', 'gives no rows'],
        ['select * from t where id < 0', 'PR3001', 'the query gave no rows'],
        [' ', 'PR3206', 'the query is empty'],
        ['@nowhere.sql', 'PR3206', 'it does not exist'],
      ];
      for (const [query = '', ...words] of wrong) {
        const text = await refused(run('in.db', query));
        for (const word of words) expect(text).toContain(word);
      }
      space.write('junk.db', 'SQLite format 3\0 and then nothing that makes sense '.repeat(50));
      expect(await refused(run('junk.db', QUERY))).toContain('PR3202');
      space.write('text.txt', 'neither');
      expect(await refused(run('text.txt', QUERY))).toContain('PR3207');
      expect(python(READ_SQLITE, 'in.db', 'select count(*) from t').trim()).toBe(`[${COUNT}]`);
    },
    2 * MINUTE,
  );

  test(
    'an empty result can be allowed; a query may stand in a file, also as a job file says',
    async () => {
      space.write('q.sql', 'select id from t -- all of them\n where id >= 490; -- ;\n');
      expect(await succeeded(run('in.db', '@q.sql'))).toHaveLength(10);
      rmSync(space.root, { recursive: true });
      expect(await succeeded(run('in.db', 'select id from t where id < 0', '--allow-empty'))).toEqual([]);
      space.write(
        'job.yml',
        `type: pipeline
inputs:
  data: { type: uri_file, path: in.db }
jobs:
  score:
    type: parallel
    query: "@q.sql"
    mini_batch_rows: 4
    inputs: { data: "\${{parent.inputs.data}}" }
    input_data: \${{inputs.data}}
    outputs: { out: { type: uri_file } }
    task:
      type: run_function
      code: code
      entry_script: score.ts
      append_row_to: \${{outputs.out}}
`,
      );
      const ended = await space.cli('plan', 'job.yml');
      expect(ended.code, said(ended)).toBe(0);
      expect(ended.stdout).toMatch(/3 mini-batches of 10 items/);
      expect(ended.stdout).toMatch(/id\s+int64/);
    },
    MINUTE,
  );

  test(
    'without its driver it says which package to install',
    async () => {
      const hook = `export async function resolve(name, context, next) {
        if (name === 'libsql') throw Object.assign(new Error('Cannot find package libsql'), { code: 'ERR_MODULE_NOT_FOUND' });
        return next(name, context);
      }`;
      space.write('hook.mjs', hook);
      space.write(
        'register.mjs',
        `import { register } from 'node:module'; register(${JSON.stringify(`file://${space.folder}/hook.mjs`)});`,
      );
      process.env.NODE_OPTIONS = `--import=${space.folder}/register.mjs`;
      try {
        const text = await refused(run('in.db', QUERY));
        expect(text).toContain('PR3203');
        expect(text).toContain('npm install libsql');
      } finally {
        delete process.env.NODE_OPTIONS;
      }
    },
    MINUTE,
  );
});

describe('DuckDB', () => {
  const MAKE = `create table t as select range::BIGINT id, case when range % 5 = 0 then null else range / 4 end x,
    'é' || range s, range % 2 = 0 even, (DATE '2024-01-01' + range::INTEGER) as dated from range(${COUNT})`;

  test(
    'rows as its own client reads them; replayed, verified',
    async () => {
      await duckdb('in.duckdb', MAKE);
      const rows = await succeeded(run('in.duckdb', 'select id, x, s, even from t order by s; -- all'));
      const expected = await duckdb('in.duckdb', 'select id::INTEGER, x, s, even from t order by s');
      expect(rows).toEqual(expected.map((row) => JSON.stringify(row)));
      const replayed = await space.cli('replay', 'r/1');
      expect(replayed.code, said(replayed)).toBe(0);
      expect(replayed.stdout).toContain(`${space.folder}/in.duckdb query rows 64 to 127`);
    },
    MINUTE,
  );

  test(
    'a query over the files of a folder; columns and types are shown by plan',
    async () => {
      space.write('files/a.csv', 'k,v\n1,x\n2,y\n');
      space.write('files/b.csv', 'k,v\n3,z\n');
      expect(
        await succeeded(run('files', `select v, k from 'a.csv' union all select v, k from 'b.csv' order by k`)),
      ).toEqual(['["x",1]', '["y",2]', '["z",3]']);
      const planned = await space.cli(
        'plan',
        ...run('files', `select sum(k) total from '*.csv'`, '--name', 'p').slice(1),
      );
      expect(planned.code, said(planned)).toBe(0);
      expect(planned.stdout).toContain('total');
      expect(planned.stdout).toContain('1 mini-batch of 1 item');
      expect(existsSync(join(space.root, 'p'))).toBe(false);
    },
    MINUTE,
  );

  test(
    'errors in its own words',
    async () => {
      await duckdb('in.duckdb', MAKE);
      expect(await refused(run('in.duckdb', 'select nope from t'))).toMatch(/PR3201[^]*nope/);
      expect(await refused(run('in.duckdb', 'select 1; select 2'))).toContain('it holds 2 statements');
      expect(await refused(run('in.duckdb', 'drop table t'))).toContain('gives no rows');
      space.write('junk.duckdb', 'x'.repeat(9000));
      expect(await refused(run('junk.duckdb', 'select 1'))).toMatch(/PR3202[^]*not a valid DuckDB database/);
      expect(await duckdb('in.duckdb', 'select count(*)::INTEGER from t')).toEqual([[COUNT]]);
    },
    MINUTE,
  );

  test.runIf(hasModule('pyarrow'))(
    'Python gets its types: dates, decimals, gaps',
    async () => {
      await duckdb('in.duckdb', MAKE);
      space.write(
        'code/types.py',
        `def run(mini_batch):
    assert [str(t) for t in mini_batch.dtypes] == ['int64', 'float64', 'object'], mini_batch.dtypes
    return ['%d %s %s' % (i, x, d) for i, x, d in mini_batch.itertuples(index=False)]
`,
      );
      const args = run(
        'in.duckdb',
        'select id, x, dated from t order by id limit 6',
        '--entry-script',
        'code/types.py',
      );
      const rows = await succeeded([...args, '--python', TEST_PYTHON ?? 'python3']);
      expect(rows.slice(0, 3)).toEqual(['0 nan 2024-01-01', '1 0.25 2024-01-02', '2 0.5 2024-01-03']);
    },
    MINUTE,
  );
});

/** Some seconds of work before the first row. */
const LONG = {
  sqlite: `with recursive r(i) as (select 1 union all select i + 1 from r where i < 6000000) select max(i) m from r`,
  duckdb: `select count(*) m from range(24000) a, range(24000) b where a.range * b.range % 7 = 3`,
};
const FOREVER = {
  sqlite: LONG.sqlite.replace('6000000', '6000000000'),
  duckdb: LONG.duckdb.replaceAll('24000', '5000000'),
};
const queryProcesses = (): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return (
        words.includes('dataset/query/main.js') && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(space.root)
      );
    } catch {
      return false;
    }
  });

test.each([
  ['sqlite', '0.jsonl'],
  ['duckdb', '0.parquet'],
])(
  'killed half way, a run over %s goes on over the rows it has: the database has changed, and is not asked again',
  async (engine, name) => {
    const change = 'delete from t where id % 2 = 0';
    if (engine === 'sqlite') python(MAKE_SQLITE, 'in.db');
    else await duckdb('in.db', `create table t as select range::INTEGER id from range(${COUNT})`);
    space.write(
      'code/slow.ts',
      `${SCRIPT.replace('export function', 'function').replace('run(', 'all(')}
export async function run(miniBatch: never): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve, 30));
  return all(miniBatch);
}`,
    );
    const flags = ['--entry-script', 'code/slow.ts', '--mini-batch-rows', '5'];
    const child = space.spawnCli(...run('in.db', 'select id from t order by id', ...flags));
    const spool = join(space.root, 'r/state/rows.spool');
    await expect.poll(() => existsSync(spool) && statSync(spool).size, { timeout: 30_000 }).toBeGreaterThan(100);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const copy = join(space.root, 'r/state/queries', name);
    const before = statSync(copy).mtimeMs;
    if (engine === 'sqlite') python(`import sqlite3\nwith sqlite3.connect('in.db') as db: db.execute('${change}')`);
    else await duckdb('in.db', change);
    const resumed = await space.cli('resume', 'r');
    expect(resumed.code, said(resumed)).toBe(0);
    expect(space.rows('r')).toEqual(Array.from({ length: COUNT }, (_, i) => `[${i}]`));
    expect(statSync(copy).mtimeMs).toBe(before);
    expect((await space.cli('verify', 'r')).code).toBe(0);
    expect((await space.cli('replay', 'r/50')).code).toBe(0);
  },
  MINUTE,
);

const MANY = {
  sqlite: `with recursive r(i) as (select 1 union all select i + 1 from r where i < 200000) select i, hex(randomblob(40)) t from r`,
  duckdb: `select range i, md5(range::text) || md5(random()::text) t from range(200000)`,
};

test.skipIf(WHY_NO_MOUNT !== undefined).each(['sqlite', 'duckdb'] as const)(
  'a disk without room for the rows of %s: it stops resumable, and goes on with room',
  async (engine) => {
    if (engine === 'sqlite') python(MAKE_SQLITE, 'in.db');
    else await duckdb('in.db', 'create table t as select 1 x');
    mkdirSync(space.root);
    const disk = new SmallDisk([space.root], 5 * 1024);
    try {
      const stopped = await space.cli(...run('in.db', MANY[engine], '--mini-batch-rows', '50000', '--summary-only'));
      expect(stopped.code, said(stopped)).toBe(3);
      expect(said(stopped)).toContain('PR3204');
      expect(readdirSync(join(space.root, 'r/state/queries'))).toEqual([]);
      disk.grow(200 * 1024);
      const resumed = await space.cli('resume', 'r');
      expect(resumed.code, said(resumed)).toBe(0);
      expect((await space.status('r')).items).toMatchObject({ succeeded: 200_000 });
    } finally {
      disk.dispose();
    }
  },
  MINUTE,
);

describe.each(['sqlite', 'duckdb'] as const)('while a query of %s runs', (engine) => {
  beforeEach(async () => {
    if (engine === 'sqlite') python(MAKE_SQLITE, 'in.db');
    else await duckdb('in.db', 'create table t as select 1 x');
  });
  const running = async (query: string) => {
    const child = space.spawnCli(...run('in.db', query));
    await expect.poll(() => existsSync(join(space.root, 'r/state/queries')), { timeout: 30_000 }).toBe(true);
    await expect.poll(() => queryProcesses().length, { timeout: 30_000 }).toBe(1);
    return child;
  };

  test(
    'killed: no process is left, and resume asks again',
    async () => {
      const child = await running(LONG[engine]);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await expect.poll(() => queryProcesses(), { timeout: 5000 }).toEqual([]);
      expect((await space.cli('status', 'r')).stdout).toMatch(/Preparing|interrupted/i);
      const resumed = await space.cli('resume', 'r');
      expect(resumed.code, said(resumed)).toBe(0);
      expect(space.rows('r')).toHaveLength(1);
      expect(readdirSync(join(space.root, 'r/state/queries')).filter((name) => name.startsWith('part-'))).toEqual([]);
      expect((await space.cli('verify', 'r')).code).toBe(0);
    },
    MINUTE,
  );

  test(
    'Ctrl-C ends it, and leaves nothing behind',
    async () => {
      const child = await running(FOREVER[engine]);
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(130);
      expect(queryProcesses()).toEqual([]);
      expect(existsSync(join(space.root, 'r'))).toBe(false);
    },
    MINUTE,
  );

  test(
    'Ctrl-C while it is asked again leaves a run that can be resumed',
    async () => {
      const child = await running(FOREVER[engine]);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await expect.poll(() => queryProcesses(), { timeout: 5000 }).toEqual([]);
      const again = space.spawnCli('resume', 'r');
      await expect.poll(() => queryProcesses().length, { timeout: 30_000 }).toBe(1);
      again.kill('SIGINT');
      const [code] = (await once(again, 'exit')) as [number];
      expect(code).toBe(130);
      expect(queryProcesses()).toEqual([]);
      expect(existsSync(join(space.root, 'r/state/ledger.journal'))).toBe(true);
    },
    MINUTE,
  );
});
