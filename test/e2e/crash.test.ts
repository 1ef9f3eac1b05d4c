/** Short forms of `npm run crash-sweep` and `npm run kill-test`, which are run in full before a release. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from './rig.ts';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
/** Also false where tracing is forbidden, as in some containers. */
const HAVE_STRACE = spawnSync('strace', ['-f', '-qq', '-b', 'execve', '-o', '/dev/null', 'true']).status === 0;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'crash-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!HAVE_STRACE)('killed at system calls (skipped where strace is missing or may not trace)', () => {
  test.each([
    ['run', 8],
    ['resume', 4],
    ['pipeline', 12],
  ])(
    '%s, %d points',
    async (scenario, points) => {
      const args = ['--scenarios', scenario, '--points', String(points), '--workers', '1', '--folder', folder];
      const { code, stdout, stderr } = await runCommand(
        process.execPath,
        [`${SCRIPTS}crash-sweep.mjs`, ...args],
        folder,
      );
      expect(code, stdout + stderr).toBe(0);
      const kills = Number(/^(\d+) kills, 0 failures$/m.exec(stdout)?.[1]);
      // Group commits differ from run to run, so a point may not be reached.
      expect(kills, stdout).toBeGreaterThanOrEqual(points / 2);
    },
    120_000,
  );
});

test('killed at random moments', async () => {
  const args = ['--kills', '5', '--count', '120', '--seed', '3', '--folder', folder];
  const { code, stdout, stderr } = await runCommand(process.execPath, [`${SCRIPTS}kill-test.mjs`, ...args], folder);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/seed 3: 5 kills[\s\S]*; 0 of committed ones[\s\S]*all well/);
}, 120_000);
