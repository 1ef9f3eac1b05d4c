/** Short form of `npm run power-loss`, which is run in full before a release. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from './rig.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/power-loss.mjs', import.meta.url));
const CAN_CUT = spawnSync(process.execPath, [SCRIPT, '--probe']).status === 0;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'power-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!CAN_CUT)('the power goes (skipped where no loop device can be mounted)', () => {
  // CP11: while the folder is made; CP6: before a sync of rows; CP10: while the result is written; end: after exit code 0
  test('while a run is made, works, writes its result, and right after it: resumed exactly each time', async () => {
    const args = [
      '--count',
      '6',
      '--lanes',
      '1',
      '--moments',
      'CP11,CP6,time,CP10,end,CP0',
      '--folder',
      folder,
      '--verbose',
    ];
    const { code, stdout, stderr } = await runCommand(process.execPath, [SCRIPT, ...args], folder);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/6 power losses on ext4 in \d+ runs, 0 failures/);
  }, 180_000);
});
