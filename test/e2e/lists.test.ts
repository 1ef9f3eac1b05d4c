/** A list of files as input: killed and resumed, changed in between, replayed, verified. */
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from './rig.ts';
import type { Ended } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const MINUTE = 60_000;
const COUNT = 300;
const said = ({ stdout, stderr }: Ended): string => stdout + stderr;

/** Backwards, with some files twice: neither order nor number come from the folder. */
function prepare(): string[] {
  const names = Array.from({ length: COUNT }, (_, i) => `f${String(i).padStart(3, '0')}`);
  space.files('data/in', Object.fromEntries(names.map((name) => [name, `text of ${name}`])));
  const listed = [...names.reverse(), ...names.slice(0, 20)];
  space.write(
    'data/list.txt',
    listed.map((name, i) => (i % 2 === 0 ? `in/${name}` : join(space.folder, 'data/in', name))).join('\n'),
  );
  space.write(
    'code/score.ts',
    `import { readFileSync, appendFileSync } from 'node:fs';
export async function run(files: string[]): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  appendFileSync(${JSON.stringify(join(space.folder, 'calls'))}, '.');
  return files.map((file) => readFileSync(file, 'utf8'));
}`,
  );
  return listed.map((name) => `text of ${name}`);
}

const RUN = ['run', '--entry-script', 'code/score.ts', '--input', 'data/list.txt', '--input-format', 'list'];
const FLAGS = ['--mini-batch-size', '4', '--processes', '2', '--name', 'r'];

async function killedHalfWay(): Promise<void> {
  const child = space.spawnCli(...RUN, ...FLAGS);
  const calls = (): number =>
    existsSync(join(space.folder, 'calls')) ? readFileSync(join(space.folder, 'calls')).length : 0;
  await expect.poll(calls, { timeout: 30_000, interval: 10 }).toBeGreaterThan(15);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test(
  'killed half way, it goes on: every line has its row once, in the order of the list',
  async () => {
    const expected = prepare();
    await killedHalfWay();
    const resumed = await space.cli('resume', 'r');
    expect(resumed.code, said(resumed)).toBe(0);
    expect(space.rows('r')).toEqual(expected);
    expect((await space.cli('verify', 'r')).code).toBe(0);
    const replayed = await space.cli('replay', 'r/77', '--item', '1');
    expect(replayed.code, said(replayed)).toBe(0);
    expect(replayed.stdout).toContain(expected[77 * 4 + 1]);
  },
  MINUTE,
);

test(
  'a list that has changed since is noticed, and taken as it is now with --rescan',
  async () => {
    const expected = prepare();
    await killedHalfWay();
    appendFileSync(join(space.folder, 'data/list.txt'), '\nin/f000\n');
    const resumed = await space.cli('resume', 'r');
    expect(resumed.code, said(resumed)).toBe(4);
    expect(said(resumed)).toContain('PR5007');
    expect(said(resumed)).toContain('in/f000');
    const again = await space.cli('resume', 'r', '--rescan');
    expect(again.code, said(again)).toBe(0);
    expect(space.rows('r')).toEqual([...expected, 'text of f000']);
  },
  MINUTE,
);
