/** Output of real processes on its way into the logs. */
import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withRig } from './with-rig.ts';

const STDOUT = 'logs/user/stdout/10.1.2.3/Process-1.txt';
const STDERR = 'logs/user/stderr/10.1.2.3/Process-1.txt';
const DRIVER = 'azureml-logs/70_driver_log.txt';
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

test('prints get a stamp and land in the stream of the process and in the driver log, in order', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'print', out: 'hello\nwor', err: 'careful\n' }, { do: 'print', out: 'ld\n' });
    await rig.event('try-outcome', 2);
    await rig.stop();
    const stdout = rig.logs.text(STDOUT).split('\n');
    expect(stdout.map((line) => line.replace(STAMP, ''))).toEqual([
      ' mini_batch=0 try=1|hello',
      ' mini_batch=0 try=1|world',
      '',
    ]);
    expect(stdout[0]).toMatch(STAMP);
    expect(rig.logs.text(STDERR).replace(STAMP, '')).toBe(' mini_batch=0 try=1|careful\n');
    const driver = rig.logs.text(DRIVER).split('\n');
    expect(driver.map((line) => line.replace(STAMP, '')).sort()).toEqual([
      '',
      ' 10.1.2.3 Process-1 mini_batch=0 try=1 | careful',
      ' 10.1.2.3 Process-1 mini_batch=0 try=1 | hello',
      ' 10.1.2.3 Process-1 mini_batch=0 try=1 | world',
    ]);
    expect(rig.all('try-outcome').map((e) => e.printed)).toEqual([
      { stdout: [0, 9], stderr: [0, 8] },
      { stdout: [9, 12], stderr: [8, 8] },
    ]);
    expect(rig.read('state/capture/10.1.2.3-Process-1.stdout')).toBe('hello\nworld\n');
    const index = rig.read('state/capture/10.1.2.3-Process-1.stdout.idx').trim().split('\n');
    expect(index.at(-1)).toMatch(/^\d{13} 0 12$/);
  });
});

test('lines are there while the worker lives', async () => {
  await withRig({}, async (rig) => {
    rig.give(await rig.ready(), { do: 'print', out: 'early\n' }, { do: 'hang' });
    await rig.until(() => rig.logs.text(STDOUT).includes('|early\n'), 'the line in the log');
  });
});

test('what a try printed stands in the logs before its failure is told', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    let shown: string | undefined;
    rig.give(worker, { do: 'fail', text: 'bad pixel', out: 'last words\n' });
    await rig.until(() => {
      if (rig.all('try-outcome').length === 0) return false;
      shown ??= rig.logs.text(STDOUT).replace(STAMP, '');
      return true;
    }, 'the failure');
    expect(shown).toBe(' mini_batch=0 try=1|last words\n');
  });
});

test('bytes that are no text survive', async () => {
  await withRig({}, async (rig) => {
    // through JSON: characters up to ÿ become two bytes each
    rig.give(await rig.ready(), { do: 'print', out: 'a\u0000b\u001b[31m\u00ff\n' });
    await rig.event('try-outcome');
    await rig.stop();
    expect(rig.logs.text(STDOUT).replace(STAMP, '')).toBe(' mini_batch=0 try=1|a\u0000b\u001b[31m\u00ff\n');
  });
});

test('100 MB of one mini-batch: head, tail, and how much was dropped', async () => {
  const keep = 64 * 1024;
  await withRig({ limits: { captureBytesPerTry: keep } }, async (rig) => {
    const bytes = 100 * 1024 * 1024;
    const line = `${'x'.repeat(99)}\n`;
    rig.give(await rig.ready(), { do: 'printMuch', line, bytes, last: 'the cause\n' }, { do: 'print', out: 'next\n' });
    await rig.event('try-outcome', 2);
    await rig.stop();
    for (const path of [STDOUT, DRIVER]) {
      const lines = rig.logs.text(path).split('\n').slice(0, -1);
      const marker = lines.findIndex((l) => /\.\.\. \d+ bytes dropped \.\.\.$/.test(l));
      const dropped = Number(/(\d+) bytes dropped/.exec(lines[marker] ?? '')?.[1]);
      expect(lines.at(-1)).toMatch(/\|.?next$/);
      expect(lines.at(-2)).toMatch(/\|.?the cause$/);
      expect(lines[0]).toMatch(/\|.?x{99}$/);
      expect(rig.logs.bytes(path).length).toBeLessThanOrEqual(2 * keep + 300);
      expect(dropped).toBeGreaterThan(bytes - 2 * keep);
    }
    // the raw file has gone, and its index says so
    expect(rig.read('state/capture/10.1.2.3-Process-1.stdout')).toBe('');
    const index = rig.read('state/capture/10.1.2.3-Process-1.stdout.idx').trim().split('\n');
    expect(index.at(-1)).toMatch(new RegExp(`^\\d{13} ${bytes + 15} ${bytes + 15}$`));
    const warnings = rig.all('warning').map((e) => e.warning);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      kind: 'log-truncated',
      worker: '10.1.2.3/Process-1',
      stream: 'stdout',
      index: 0,
    });
  });
});

test('a raw file over its limit is emptied; positions go on, nothing that is to be shown is lost', async () => {
  const { Capture } = await import('../../src/node/capture.ts');
  const { writeSync } = await import('node:fs');
  const { nodeAddress, workerId } = await import('../../src/domain/ids.ts');
  const { MemoryLogs, realClock } = await import('./rig.ts');
  const { mkdtempSync, rmSync } = await import('node:fs');
  const folder = mkdtempSync('/tmp/capture-');
  const logs = new MemoryLogs();
  const node = nodeAddress('10.1.2.3');
  const warnings: unknown[] = [];
  const capture = new Capture({
    folder,
    worker: workerId(node, 1),
    node,
    process: 'Process-1',
    keepBytes: 400,
    rawBytesMax: 1000,
    logs,
    clock: realClock,
    warn: (event) => warnings.push(event.warning),
  });
  try {
    const [stdout] = capture.descriptors;
    const later = (): number => realClock.now() + 1;
    writeSync(stdout, 'before\n');
    capture.mark([7, 0], { index: 5, try: 2 });
    writeSync(stdout, `${'y'.repeat(59)}\n`.repeat(100));
    capture.look();
    expect(statSync(`${folder}/10.1.2.3-Process-1.stdout`).size).toBe(0);
    writeSync(stdout, 'the end\n');
    const end = capture.positions([8, 0], later());
    expect(end).toEqual([7 + 6000 + 8, 0]);
    capture.mark(end, undefined);
    writeSync(stdout, 'after\n');
    await capture.finish();
    const lines = logs
      .text(STDOUT)
      .split('\n')
      .map((l) => l.replace(STAMP, ''));
    expect(lines.slice(-3)).toEqual([' mini_batch=5 try=2|the end', '|after', '']);
    expect(lines[0]).toBe('|before');
    expect(warnings).toMatchObject([{ kind: 'log-truncated', stream: 'stdout', index: 5 }]);
    expect(readFileSync(`${folder}/10.1.2.3-Process-1.stdout`, 'utf8')).toBe('the end\nafter\n');
    expect(readFileSync(`${folder}/10.1.2.3-Process-1.stdout.idx`, 'utf8').trim().split('\n').at(-1)).toMatch(
      /^\d+ 6007 6021$/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
