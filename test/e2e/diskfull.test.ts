/** The disk of a run fills up in the middle: it waits, says so, and goes on when there is space; nothing is lost. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from './rig.ts';

const MAY_MOUNT = process.getuid?.() === 0 && process.platform === 'linux' && canMount();

function canMount(): boolean {
  const space = new Workspace();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', space.folder], { stdio: 'ignore' });
    execFileSync('umount', [space.folder]);
    return true;
  } catch {
    return false;
  } finally {
    space.dispose();
  }
}

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  mkdirSync(space.root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', space.root]);
});
afterEach(() => {
  execFileSync('umount', ['-l', space.root]);
  space.dispose();
});

test.skipIf(!MAY_MOUNT)(
  'spool and ledger: the run waits for space, then ends exactly',
  async () => {
    space.files('in', Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${String(i).padStart(2, '0')}`, ''])));
    space.write(
      'code/score.py',
      'import os, time\ndef run(mini_batch):\n    time.sleep(0.03)\n    return [os.path.basename(p) + "x" * 20000 for p in mini_batch]\n',
    );
    const child = space.spawnCli(
      'run',
      '--entry-script',
      'code/score.py',
      '--input',
      'in',
      '--mini-batch-size',
      '1',
      '--processes',
      '2',
      '--name',
      'd',
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    await expect
      .poll(async () => (await space.status('d').catch(() => undefined))?.miniBatches.succeeded ?? 0, {
        timeout: 15_000,
      })
      .toBeGreaterThan(5);
    const filler = join(space.root, 'filler');
    fill(filler);
    await expect.poll(() => output, { timeout: 20_000 }).toMatch(/waiting for disk space/);
    rmSync(filler);
    const [code] = (await once(child, 'close')) as [number];
    expect(code, output).toBe(0);
    expect(space.rows('d')).toEqual(
      Array.from({ length: 60 }, (_, i) => `f${String(i).padStart(2, '0')}${'x'.repeat(20000)}`),
    );
    expect(space.read('d', 'logs/master.txt')).toMatch(/there is space again/);
  },
  60_000,
);

/** Takes all space there is. */
function fill(path: string): void {
  const { bavail, bsize } = statfsSync(space.root);
  try {
    writeFileSync(path, Buffer.alloc(bavail * bsize));
  } catch {
    // Full is what was wanted.
  }
}
