/** `replay RUN/INDEX --item N`: one file or one row of a mini-batch, with the code, data and types of its run. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

async function finishedRun(script: string, input: string, ...flags: readonly string[]): Promise<void> {
  const python = TEST_PYTHON === undefined ? [] : ['--python', TEST_PYTHON];
  const args = ['--entry-script', script, '--input', input, '--processes', '1', '--name', 'r', ...flags];
  const ended = await space.cli('run', ...args, ...(script.endsWith('.py') ? python : []));
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
}

/** What replay says about the mini-batch, what run() returned, and the exit code. */
async function replayed(index: number, item: number) {
  const { code, stdout, stderr } = await space.cli('replay', `r/${index}`, '--item', String(item));
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, head: lines[0], rows: lines.filter((line) => line.startsWith('  ')), all: stdout + stderr };
}

test('a file of several', async () => {
  const folder = space.files('in', { a: '', b: '', c: '', d: '', e: '' });
  space.write(
    'score.py',
    'def run(batch):\n    print(len(batch))\n    return ["%d %s" % (batch.minibatch_index, path[-4:]) for path in batch]\n',
  );
  await finishedRun('score.py', 'in', '--mini-batch-size', '3');
  expect(await replayed(1, 1)).toMatchObject({
    code: 0,
    head: `mini-batch 1 of run r, only item 1 of its 2: ${folder}/e`,
    rows: ['  1 in/e'],
  });
  const beyond = await replayed(1, 2);
  expect(beyond.code).toBe(2);
  expect(beyond.all).toMatch(/mini-batch 1 has no item 2/);
  expect(beyond.all).toMatch(/numbered 0 to 1/);
  expect(beyond.all).not.toMatch(/only item/);
}, 60_000);

describe('a row of a table', () => {
  const CSV = 'id,name,share\n1,a,\n2,"b\nb",1\n3,c,\n4,d,2\n5,e,0.5\n';

  test('in TypeScript', async () => {
    const file = space.write('data.csv', CSV);
    space.write(
      'score.ts',
      'interface Row { id: number | bigint; name: string; share: number | null }\n' +
        'export function run(table: { rows: Row[] }): string[] {\n' +
        '  return table.rows.map((row) => JSON.stringify([Number(row.id), row.name, row.share]));\n}\n',
    );
    await finishedRun('score.ts', 'data.csv', '--mini-batch-rows', '3');
    expect(await replayed(0, 1)).toMatchObject({
      code: 0,
      head: `mini-batch 0 of run r, only item 1 of its 3: ${file} row 1`,
      rows: ['  [2,"b\\nb",1]'],
    });
    expect(await replayed(1, 1)).toMatchObject({ code: 0, rows: ['  [5,"e",0.5]'] });
    expect((await replayed(1, 2)).all).toMatch(/numbered 0 to 1/);
  }, 60_000);

  test.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))(
    'in Python',
    async () => {
      space.write('data.csv', CSV);
      space.write(
        'score.py',
        'def run(frame):\n    types = [str(kind) for kind in frame.dtypes]\n    return [row + types for row in frame.values.tolist()]\n',
      );
      await finishedRun('score.py', 'data.csv', '--mini-batch-rows', '3');
      expect(await replayed(0, 1)).toMatchObject({
        code: 0,
        rows: ["  [2, 'b\\nb', 1.0, 'int64', 'object', 'float64']"],
      });
      expect((await replayed(1, 0)).rows).toEqual(["  [4, 'd', 2.0, 'int64', 'object', 'float64']"]);
    },
    60_000,
  );
});
