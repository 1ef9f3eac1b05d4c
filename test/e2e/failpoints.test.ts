/** Killed between two steps of the commit protocol, at each place by name: what is taken up again ends exactly. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/orchestrator/index.ts';
import { Workspace } from './rig.ts';

const COUNT = 12;
const names = Array.from({ length: COUNT }, (_, i) => `f${String(i).padStart(2, '0')}`);
/** The fourth mini-batch fails its first try, so that one is handed out a second time. Large rows travel as a part file. */
const SCRIPT = `
import os
def run(mini_batch, mini_batch_context):
    name = os.path.basename(mini_batch[0])
    if name == "f03" and mini_batch_context.try_number == 1:
        raise ValueError("not yet")
    return [name + (" " + "x" * 100000 if name == "f05" else "")]
`;
const EXPECTED = names.map((name) => (name === 'f05' ? `${name} ${'x'.repeat(100_000)}` : name)).join('\n') + '\n';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(names.map((name) => [name, ''])));
  space.write('code/score.py', SCRIPT);
});
afterEach(() => {
  delete process.env['PARALLELRUN_FAIL'];
  delete process.env['PARALLELRUN_TEST'];
  space.dispose();
});

const RUN = ['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1'];

function failAt(what: string | undefined): void {
  if (what === undefined) delete process.env['PARALLELRUN_FAIL'];
  else process.env['PARALLELRUN_FAIL'] = what;
  process.env['PARALLELRUN_TEST'] = '1';
}

async function resumedExactly(): Promise<void> {
  failAt(undefined);
  const resumed = await space.cli('resume', 'r');
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(readFileSync(join(space.root, 'r/outputs/parallel_run_step.txt'), 'utf8')).toBe(EXPECTED);
  const verified = await space.cli('verify', 'r');
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
}

describe('killed at', () => {
  test.each(FAILPOINTS.filter((point) => point !== 'recovered'))('%s', async (point) => {
    const passing = point === 'all-settled' || point === 'assembled' ? 1 : 2;
    failAt(`${point}@${passing}:kill`);
    const killed = await space.cli(...RUN, '--processes', '2', '--name', 'r');
    expect(killed.code, killed.stderr).toBeNull();
    await resumedExactly();
  });

  test('recovered, twenty times in a row', async () => {
    failAt('rows-durable@2:kill');
    await space.cli(...RUN, '--processes', '2', '--name', 'r');
    failAt('recovered@1:kill');
    for (let i = 0; i < 20; i++) expect((await space.cli('resume', 'r')).code).toBeNull();
    await resumedExactly();
  });
});

test('a step that throws stops the run, resumable', async () => {
  failAt('rows-durable@2:throw');
  const stopped = await space.cli(...RUN, '--processes', '2', '--name', 'r');
  expect(stopped.code).toBe(3);
  expect(stopped.stdout + stopped.stderr).toContain('failpoint rows-durable');
  await resumedExactly();
});

test('refused outside of tests, and where it names nothing', async () => {
  process.env['PARALLELRUN_FAIL'] = 'committed@1:kill';
  const outside = await space.cli(...RUN, '--name', 'r');
  expect(outside.code).not.toBe(0);
  expect(outside.stderr).toContain('PARALLELRUN_TEST=1');
  failAt('nowhere@1:kill');
  const nowhere = await space.cli(...RUN, '--name', 'r2');
  expect(nowhere.code).not.toBe(0);
  expect(nowhere.stderr).toContain('nowhere');
});
