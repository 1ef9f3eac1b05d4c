/** Rows of append_row: in mini-batch order, the same whatever the number of processes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Workspace } from './rig.ts';

let space: Workspace;
beforeAll(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 7}/${i}.txt`, String(i)])));
  space.write(
    'score.py',
    'import os, random, time\ndef run(mini_batch):\n    time.sleep(random.random() / 200)\n    return [f"{os.path.basename(p)}:{open(p).read()}" for p in mini_batch]\n',
  );
});
afterAll(() => {
  space.dispose();
});

test('identical over several runs with 1, 2 and 4 processes', async () => {
  const expected = Array.from({ length: 300 }, (_, i) => i)
    .sort((a, b) => {
      const [x, y] = [`d${a % 7}/${a}.txt`, `d${b % 7}/${b}.txt`];
      return x < y ? -1 : 1;
    })
    .map((i) => `${i}.txt:${i}`);
  for (const [round, processes] of ['1', '2', '4', '4'].entries()) {
    const name = `order-${round}`;
    const ended = await space.cli(
      'run',
      '--entry-script',
      'score.py',
      '--input',
      'in',
      '--mini-batch-size',
      '7',
      '--processes',
      processes,
      '--name',
      name,
    );
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows(name)).toEqual(expected);
  }
}, 60_000);
