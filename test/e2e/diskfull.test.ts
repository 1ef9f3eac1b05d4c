/**
 * The disk fills up in the middle of a run, each folder apart: what is needed for the result is waited for, what is not
 * never stops it. When there is space again the run ends exactly, and nothing is lost.
 */
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SmallDisk, WHY_NO_MOUNT } from './fulldisk.ts';
import { Workspace, processesOf } from './rig.ts';

const COUNT = 40;
const name = (i: number): string => `f${String(i).padStart(3, '0')}`;
const ROW_BYTES = 20_000;
const rows = (bytes = ROW_BYTES): string[] => Array.from({ length: COUNT }, (_, i) => name(i) + 'x'.repeat(bytes));

/** Waits with file number n until more than n files may run. */
const script = (body: string, bytes = ROW_BYTES): string => `
import os, sys, time
SPACE = os.environ["SPACE"]
def may_run():
    with open(SPACE + "/limit") as f:
        return int(f.read() or "0")
def run(mini_batch):
    names = [os.path.basename(p) for p in mini_batch]
    while int(names[0][1:]) >= may_run():
        time.sleep(0.01)
    ${body}
    return [name + "x" * ${bytes} for name in names]
`;

let space: Workspace;
let disk: SmallDisk | undefined;
beforeEach(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), ''])));
  process.env['SPACE'] = space.folder;
});
afterEach(() => {
  disk?.dispose();
  disk = undefined;
  space.dispose();
});

function allow(count: number): void {
  space.write('limit.new', String(count));
  renameSync(join(space.folder, 'limit.new'), join(space.folder, 'limit'));
}

const path = (file: string): string => join(space.root, 'd', file);
const settled = async (): Promise<number> =>
  (await space.status('d').catch(() => undefined))?.miniBatches.succeeded ?? 0;
const untilSettled = (count: number) =>
  expect.poll(settled, { timeout: 20_000, interval: 100 }).toBeGreaterThanOrEqual(count);

interface Watched {
  readonly output: () => string;
  readonly ended: () => Promise<number | null>;
  readonly kill: () => void;
}

function watch(...args: readonly string[]): Watched {
  const child = space.spawnCli(...args);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const closed = once(child, 'close') as Promise<[number | null]>;
  return {
    output: () => output,
    ended: async () => (await closed)[0],
    kill: () => child.kill('SIGKILL'),
  };
}

const start = (...more: readonly string[]): Watched =>
  watch(
    ...['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1', '--processes', '2'],
    ...['--name', 'd', ...more],
  );

/** A run that has done ten mini-batches and was killed: the next orchestrator opens every file anew. */
async function begun(): Promise<void> {
  allow(10);
  const first = start();
  await untilSettled(10);
  first.kill();
  await first.ended();
  await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
}

async function endsExactly(run: Watched, expected = rows()): Promise<void> {
  expect(await run.ended(), run.output()).toBe(0);
  expect(space.rows('d')).toEqual(expected);
  const { miniBatches, items } = await space.status('d');
  expect([miniBatches.succeeded, items.failed]).toEqual([COUNT, 0]);
  const verified = await space.cli('verify', 'd');
  expect(verified.stdout + verified.stderr).toMatch(/every byte/);
}

describe.skipIf(WHY_NO_MOUNT !== undefined)('a full disk', () => {
  test.each([
    ['spool', ['state/rows.spool'], 2_000],
    ['ledger', ['state/ledger.journal'], 300],
    ['all of the run', ['.'], 8_000],
  ])(
    '%s: the run waits for space, says so, and ends exactly',
    async (_, files, sizeKiB) => {
      space.write('code/score.py', script('pass'));
      await begun();
      disk = new SmallDisk(files.map(path), sizeKiB);
      const run = watch('resume', 'd');
      allow(15);
      await untilSettled(15);
      disk.fill();
      allow(COUNT);
      await expect.poll(run.output, { timeout: 20_000 }).toMatch(/waiting for disk space/);
      const at = await settled();
      expect(at).toBeLessThan(COUNT);
      disk.free();
      await endsExactly(run);
      expect(space.read('d', 'logs/master.txt')).toMatch(/there is space again/);
    },
    60_000,
  );

  test.each([
    ['logs', ['logs'], 4_000, 'print("line of", names[0])'],
    ['driver log', ['azureml-logs'], 4_000, 'print("line of", names[0])'],
    ['captured output', ['state/capture'], 4_000, 'print("line of", names[0]); os.system("echo child")'],
    ['parts', ['state/parts'], 4_000, 'pass'],
    ['temp', ['state/temp'], 4_000, 'pass'],
    ['work', ['state/work'], 4_000, 'pass'],
  ])(
    '%s: the run goes on, and ends exactly',
    async (what, files, sizeKiB, body) => {
      const bytes = what === 'parts' ? 200_000 : ROW_BYTES;
      space.write('code/score.py', script(body, bytes));
      await begun();
      disk = new SmallDisk(files.map(path), sizeKiB);
      const run = watch('resume', 'd');
      allow(15);
      await untilSettled(15);
      disk.fill();
      allow(30);
      await untilSettled(30);
      expect(run.output()).not.toMatch(/waiting for disk space/);
      disk.free();
      allow(COUNT);
      await endsExactly(run, rows(bytes));
    },
    60_000,
  );
});
