/** A run that was killed goes on where it was: nothing settled runs again, and the result is that of an undisturbed run. */
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LedgerWriter, readLedger } from '../../src/ledger/index.ts';
import { Workspace, processesOf } from './rig.ts';

const COUNT = 40;
const name = (i: number): string => `f${String(i).padStart(3, '0')}`;

/** Notes each execution; from file 20 on it waits until it may go on. */
const SCRIPT = `
import os, time
SPACE = os.environ["SPACE"]
def run(mini_batch):
    for p in mini_batch:
        b = os.path.basename(p)
        with open(SPACE + "/executions", "a") as f:
            f.write(b + "\\n")
        if open(p).read() == "raise":
            raise ValueError("bad " + b)
        if b >= "f020":
            while not os.path.exists(SPACE + "/go"):
                time.sleep(0.02)
    return [os.path.basename(p) + " scored" for p in mini_batch]
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), ''])));
  space.write('code/score.py', SCRIPT);
  process.env['SPACE'] = space.folder;
});
afterEach(() => {
  space.dispose();
});

const run = (...more: string[]) => [
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
  'r',
  ...more,
];

async function untilCommitted(count: number): Promise<void> {
  await expect
    .poll(async () => (await space.status('r')).miniBatches.succeeded, { timeout: 15_000, interval: 100 })
    .toBeGreaterThanOrEqual(count);
}

/** Starts the run, kills its orchestrator when 20 mini-batches are committed, waits until its workers are gone too. */
async function killedRun(...more: string[]): Promise<void> {
  const child = space.spawnCli(...run(...more));
  await untilCommitted(20);
  child.kill('SIGKILL');
  await once(child, 'close');
  await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
}

const executions = (): string[] => readFileSync(join(space.folder, 'executions'), 'utf8').trimEnd().split('\n');
const allRows = (): string[] => Array.from({ length: COUNT }, (_, i) => `${name(i)} scored`);

describe('kill -9 of the orchestrator, then resume', () => {
  test('exact rows in order; committed mini-batches did not run again; at most one repeated per worker', async () => {
    await killedRun();
    expect((await space.cli('list')).stdout).toMatch(/r .*Interrupted/);
    const before = executions().length;
    space.write('go', '');
    const ended = await space.cli('resume', 'r');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/20 mini-batches are settled/);
    expect(space.rows('r')).toEqual(allRows());
    const all = executions();
    expect(all.slice(before).filter((b) => b < 'f020')).toEqual([]);
    expect(all.length).toBeLessThanOrEqual(COUNT + 2);
    const status = await space.status('r');
    expect(status).toMatchObject({ state: 'Completed', miniBatches: { created: COUNT, succeeded: COUNT, failed: 0 } });
    expect(space.read('r', 'logs/master.txt')).toMatch(/resumed by parallelrun/);
  }, 60_000);

  test('a torn end of the ledger and uncommitted bytes in the spool are cut off', async () => {
    await killedRun();
    appendFileSync(join(space.root, 'r/state/ledger.journal'), Buffer.from([200, 0, 0, 0, 1, 2, 3, 4, 91]));
    appendFileSync(join(space.root, 'r/state/rows.spool'), 'half a ro');
    space.write('go', '');
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
  }, 60_000);

  test('a ledger that was cut short of the end of the listing: the run counts all it has', async () => {
    await killedRun();
    const ledger = join(space.root, 'r/state/ledger.journal');
    renameSync(ledger, `${ledger}.old`);
    const cut = await LedgerWriter.create(ledger);
    for await (const events of readLedger(`${ledger}.old`))
      await cut.commit(
        events.map((event) =>
          event.type === 'creation-finished'
            ? { ...event, type: 'creation-progress', miniBatches: 1, items: 1 }
            : event,
        ),
      );
    await cut.close();
    expect((await space.status('r')).miniBatches.created).toBe(1);
    space.write('go', '');
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
    const { miniBatches, items } = await space.status('r');
    expect(miniBatches).toMatchObject({ created: COUNT, creationFinished: true, succeeded: COUNT });
    expect(items).toMatchObject({ created: COUNT });
    expect((await space.cli('verify', 'r')).code).toBe(0);
  }, 60_000);

  test('killed and resumed again and again', async () => {
    await killedRun();
    for (let round = 0; round < 3; round++) {
      const child = space.spawnCli('resume', 'r');
      await expect
        .poll(() => readFileSync(join(space.root, 'r/logs/master.txt'), 'utf8').match(/resumed by/g)?.length, {
          timeout: 15_000,
        })
        .toBe(round + 1);
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    space.write('go', '');
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
  }, 90_000);

  test('with another number of processes and other thresholds: told, and done', async () => {
    await killedRun();
    space.write('go', '');
    const ended = await space.cli('resume', 'r', '--processes', '1', '--error-threshold', '5');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
    expect(space.read('r', 'logs/master.txt')).toMatch(/changed since: error_threshold: -1 before, 5 now/);
  }, 60_000);
});

describe('what resume checks', () => {
  test('changed code is refused with the file named, and taken when told so', async () => {
    await killedRun();
    space.write('go', '');
    writeFileSync(join(space.folder, 'code/score.py'), SCRIPT.replace(' scored"', ' scored anew"'));
    space.write('code/extra.py', '');
    const refused = await space.cli('resume', 'r');
    expect(refused.code).toBe(4);
    expect(refused.stdout + refused.stderr).toMatch(
      /PR5006[\s\S]*extra\.py \(new\), score\.py[\s\S]*--allow-code-change/,
    );
    const allowed = await space.cli('resume', 'r', '--allow-code-change');
    expect(allowed.code, allowed.stdout + allowed.stderr).toBe(0);
    const rows = space.rows('r');
    expect(rows.slice(0, 20)).toEqual(allRows().slice(0, 20));
    expect(rows.slice(20)).toEqual(
      allRows()
        .slice(20)
        .map((row) => `${row} anew`),
    );
  }, 60_000);

  test('a run that another process works on', async () => {
    const child = space.spawnCli(...run());
    await untilCommitted(1);
    const refused = await space.cli('resume', 'r');
    expect(refused.code).toBe(4);
    expect(refused.stdout + refused.stderr).toContain(`process ${child.pid}`);
    space.write('go', '');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
  }, 60_000);

  test.each([
    ['the ledger', (path: string) => flip(join(path, 'ledger.journal'))],
    ['the spool, cut', (path: string) => truncateSync(join(path, 'rows.spool'), 5)],
  ])(
    'damage of %s is refused, and nothing is changed',
    async (_, damage) => {
      await killedRun();
      damage(join(space.root, 'r/state'));
      const sizes = () =>
        readdirSync(join(space.root, 'r/state'))
          .filter((f) => /ledger|spool|manifest/.test(f))
          .map((f) => [f, statSync(join(space.root, 'r/state', f)).size]);
      const before = sizes();
      const refused = await space.cli('resume', 'r');
      expect(refused.code).toBe(4);
      expect(refused.stdout + refused.stderr).toMatch(/PR5005/);
      expect(sizes()).toEqual(before);
    },
    60_000,
  );
});

/** Changes a byte of the first frame: others follow it. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = 40;
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

describe('runs that have ended', () => {
  test('completed: its own code, and nothing is done', async () => {
    space.write('go', '');
    await space.cli(...run());
    const before = executions().length;
    const again = await space.cli('resume', 'r');
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/has ended: Completed/);
    expect(executions()).toHaveLength(before);
  }, 60_000);

  test('failed: its own code; --retry-failed tries the failed ones again, now that the data is mended', async () => {
    space.write('go', '');
    space.write(`in/${name(7)}`, 'raise');
    const failed = await space.cli(...run('--max-retries', '0', '--mini-batch-error-threshold', '0'));
    expect(failed.code).toBe(1);
    expect((await space.cli('resume', 'r')).code).toBe(1);
    expect(existsSync(join(space.root, 'r/outputs/parallel_run_step.txt'))).toBe(false);
    space.write(`in/${name(7)}`, '');
    const other = await space.cli('resume', 'r', '--retry-failed');
    expect(other.code).toBe(1);
    expect(other.stdout).toMatch(/PR2113[\s\S]*in\/f007[\s\S]*--accept-changed-input/);
    const mended = await space.cli('resume', 'r', '--retry-failed', '--accept-changed-input');
    expect(mended.code, mended.stdout + mended.stderr).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
    const status = await space.status('r');
    expect(status.miniBatches).toMatchObject({ created: COUNT, succeeded: COUNT, failed: 0 });
    expect(status.items).toMatchObject({ succeeded: COUNT, failed: 0 });
  }, 60_000);

  test('canceled: goes on', async () => {
    const child = space.spawnCli(...run());
    await untilCommitted(20);
    child.kill('SIGINT');
    await expect.poll(() => space.read('r', 'logs/master.txt'), { timeout: 10_000 }).toMatch(/cancel/i);
    space.write('go', '');
    await once(child, 'close');
    const ended = await space.cli('resume', 'r');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows('r')).toEqual(allRows());
  }, 60_000);
});
