import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, tryNumber } from '../../src/domain/ids.ts';
import { logPath } from '../../src/domain/layout.ts';
import type { Clock } from '../../src/domain/ports.ts';
import type { RunLogContext } from '../../src/logs/context.ts';
import { createRunLog, type RunLogSink } from '../../src/logs/runlog.ts';
import { createLogSink } from '../../src/logs/sink.ts';
import { readFileSync } from 'node:fs';
import { at, begun, exception, failedTry, finished, NODE, opening, T0, worker } from '../views/support.ts';

/** Files in memory. */
class MemorySink implements RunLogSink {
  readonly files = new Map<string, string>();
  append(path: string, chunk: string | Uint8Array): void {
    this.files.set(path, (this.files.get(path) ?? '') + Buffer.from(chunk as string).toString());
  }
  replace(path: string, text: string): void {
    this.files.set(path, text);
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  text(path: string): string {
    return this.files.get(path) ?? '';
  }
}

class StepClock implements Clock {
  ms = 0;
  now() {
    return epochMs(T0 + this.ms);
  }
  monotonic() {
    return this.ms;
  }
}

const context: RunLogContext = {
  runId: '01JX4',
  folder: '/work/runs/01JX4',
  maxTries: 2,
  loggingLevel: 'INFO',
  settings: ['mini_batch_size = 10 files (job file)', 'retry_settings.max_retries = 1 (default)'],
  inputs: ['input images: files of /data/images, all files'],
};

const script: readonly RunEvent[] = [
  ...opening(3),
  begun(0, 200),
  finished(0, 300),
  begun(1, 301),
  failedTry(1, 400, exception()),
  begun(1, 1700, 1, 2),
  failedTry(1, 1800, exception({ message: 'still "bad",\nsecond line' }), { try: tryNumber(2), settles: 'failed' }),
  {
    type: 'worker-start-failed',
    at: at(1900),
    worker: worker(2),
    pid: 4202,
    seconds: 1.5,
    failure: { ...exception(), kind: 'init-exception' },
  },
  { type: 'worker-ended', at: at(1950), worker: worker(2), pid: 4202, exit: { by: 'code', code: 1 }, expected: true },
  {
    type: 'warning',
    at: at(1960),
    warning: { kind: 'skipped-input', path: '/data/images/x\u001b', reason: 'is a socket' },
  },
  {
    type: 'run-aborting',
    at: at(2000),
    reason: { kind: 'mini-batch-error-threshold', limit: 0, failedMiniBatches: 1 },
  },
  {
    type: 'worker-shut-down',
    at: at(2100),
    worker: worker(1),
    status: 'SHUTDOWN_EXCEPTION',
    seconds: 0.02,
    traceback: 'Traceback:\nOSError: gone\n',
  },
  { type: 'worker-ended', at: at(2150), worker: worker(1), pid: 4201, exit: { by: 'code', code: 0 }, expected: true },
  { type: 'node-left', at: at(2160), node: NODE, why: 'finished' },
  { type: 'run-state', at: at(2170), state: 'Finalizing' },
  {
    type: 'output-assembled',
    at: at(2200),
    path: '/work/runs/01JX4/outputs/parallel_run_step.txt',
    rows: 10,
    bytes: 120,
  },
  {
    type: 'run-ended',
    at: at(2300),
    state: 'Failed',
    exitCode: 1,
    reason: { kind: 'mini-batch-error-threshold', limit: 0, failedMiniBatches: 1 },
  },
];

async function written(events: readonly RunEvent[], over: Partial<RunLogContext> = {}): Promise<MemorySink> {
  const sink = new MemorySink();
  const log = createRunLog(sink, { ...context, ...over }, new StepClock());
  for (const event of events) log.apply([event]);
  await log.close();
  return sink;
}

describe('the files of a run', () => {
  const process1 = [NODE, 'Process-1'] as const;
  const files: readonly string[] = [
    logPath.overview,
    logPath.master,
    logPath.worker(...process1),
    logPath.worker(NODE, 'Process-2'),
    logPath.userError(...process1),
    logPath.driver,
    logPath.processedMiniBatches,
    logPath.processSummary,
    logPath.nodeSummary,
    logPath.jobResult,
    logPath.jobError,
  ];

  it.each(files)('%s is as expected', async (path) => {
    const sink = await written(script);
    await expect(sink.text(path)).toMatchFileSnapshot(`expected/${path.replaceAll('/', '_')}`);
  });

  it('are the same whether events come one by one or all at once', async () => {
    const sink = new MemorySink();
    const log = createRunLog(sink, context, new StepClock());
    log.apply(script);
    await log.close();
    const single = await written(script);
    for (const path of files.filter((file) => file !== logPath.overview))
      expect(sink.text(path)).toBe(single.text(path));
    expect(sink.text(logPath.readme)).toContain('logs/overview.txt');
  });

  it('have the fields of the contract in order', async () => {
    const sink = await written(script);
    expect(sink.text(logPath.processedMiniBatches).split('\n')[0]).toBe(
      'Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail',
    );
    expect(sink.text(logPath.worker(...process1))).toContain(
      '2024-01-02 03:04:05,300 INFO event=finished mini_batch=0 try=1 ip=10.0.0.5 pid=4201 total=10 succeeded=10 failed=0 ' +
        'start1=2024-01-02T03:04:05.199750+00:00 end1=2024-01-02T03:04:05.299500+00:00 start2=1.500000 end2=1.580000 ' +
        'run_seconds=0.090000 elapsed_seconds=0.099750 status=RUN_DONE\n',
    );
    for (const line of sink.text(logPath.master).trimEnd().split('\n')) {
      expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|(DEBUG|INFO|WARNING|ERROR)\|\d+\|main\|./);
    }
  });

  it('count as picked what was begun, not what was handed out ahead and came back', async () => {
    const lost = { kind: 'node-lost', node: NODE } as const;
    const sink = await written([
      ...opening(2),
      // its third hand-out, the first one that was begun
      finished(0, 300, { dispatch: dispatchNumber(3) }),
      failedTry(1, 400, lost, { settles: 'requeue', status: 'NODE_LOST', dispatch: dispatchNumber(2) }),
      failedTry(1, 500, exception(), { dispatch: dispatchNumber(4) }),
      finished(1, 600, { try: tryNumber(2), dispatch: dispatchNumber(6) }),
    ]);
    const rows = sink.text(logPath.processedMiniBatches).trimEnd().split('\n').slice(1);
    expect(rows.map((row) => row.split(',').slice(0, 2)).filter(([id]) => id !== '')).toEqual([
      ['0', '1'],
      ['1', '1'],
      ['1', '2'],
      ['1', '3'],
    ]);
  });

  it('say so where shutdown() takes too long', async () => {
    const shutDown = { type: 'worker-shut-down', at: at(400), status: 'SHUTDOWN_TIMEOUT', seconds: 30.04 } as const;
    const sink = await written([
      ...opening(1),
      finished(0, 300),
      { ...shutDown, worker: worker(1) },
      { ...shutDown, worker: worker(2) },
      { type: 'run-ended', at: at(500), state: 'Completed', exitCode: 0 },
    ]);
    expect(sink.text(logPath.overview)).toContain(
      'shutting down workers: 1 mini-batch (task) created; 1 of 1 processed',
    );
    expect(sink.text(logPath.overview)).toContain(
      'warning PR2209  shutdown() took too long and was ended after 30 s\n  hit    2 worker processes\n',
    );
    expect(sink.text(logPath.userError(NODE, 'Process-2'))).toContain(
      'WARNING PR2209 status=SHUTDOWN_TIMEOUT\nshutdown() took too long and was ended after 30 s\n',
    );
    expect(sink.text(logPath.worker(NODE, 'Process-1'))).toContain(
      'status=SHUTDOWN_TIMEOUT error=PR2209 message="shutdown() took too long and was ended after 30 s"\n',
    );
  });

  it('write both lines of every mini-batch at every logging level', async () => {
    const sink = await written(script, { loggingLevel: 'WARNING' });
    expect(sink.text(logPath.worker(...process1)).match(/event=(picked|finished)/g)).toHaveLength(6);
    expect(sink.text(logPath.master)).not.toContain('|INFO|4100|main|worker');
  });

  it('hold no control characters, whatever the script and its files are called', async () => {
    const evil = '\u001b[31m\u202e\u0000\r\nINFO fake,"line"';
    const failure = exception({
      exceptionType: evil,
      message: evil,
      traceback: `Traceback\n${evil}`,
      frames: [{ file: evil, line: 1, function: evil, text: evil, own: true }],
    });
    const sink = await written([
      ...opening(1),
      failedTry(0, 300, failure, { settles: 'failed', detail: evil }),
      { type: 'warning', at: at(310), warning: { kind: 'note', text: evil } },
      {
        type: 'run-ended',
        at: at(400),
        state: 'Failed',
        exitCode: 1,
        reason: { kind: 'creation-failed', reason: evil, path: evil },
      },
    ]);
    for (const [path, content] of sink.files) {
      expect(content, path).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }
    const rows = sink.text(logPath.processedMiniBatches).trimEnd().split('\n');
    expect(rows).toHaveLength(4);
    expect(rows.at(-1)).toMatch(/,RUN_EXCEPTION,exception,".*""line"".*",".*"$/);
  });
});

describe('over time', () => {
  it('writes progress each ten seconds and summaries each thirty', async () => {
    const sink = new MemorySink();
    const clock = new StepClock();
    const log = createRunLog(sink, context, clock);
    log.apply([...opening(1000), finished(0, 300)]);
    const lines = (path: string): number => sink.text(path).split('\n').length - 1;
    const before = lines(logPath.overview);
    const seen: number[] = [];
    for (let second = 1; second <= 31; second++) {
      clock.ms = second * 1000;
      log.tick();
      if (second % 10 === 9 || second === 31) seen.push(lines(logPath.overview) - before);
      expect(sink.files.has(logPath.processSummary)).toBe(second >= 30);
    }
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(sink.text(logPath.overview)).toContain(
      '2024-01-02T03:04:15.000Z  running: 1,000 mini-batches (tasks) created; 1 of 1,000 processed (1 succeeded, 0 failed); 10 items succeeded, 0 failed; elapsed 10 s; about ',
    );
    await log.close();
    const after = lines(logPath.overview);
    clock.ms = 60_000;
    log.tick();
    expect(lines(logPath.overview)).toBe(after);
  });

  it('shrinks the entries of an error that comes without end', async () => {
    const traceback = `Traceback\n${'x'.repeat(60_000)}\nValueError: bad\n`;
    const events = Array.from({ length: 400 }, (_, n) =>
      failedTry(n, n, exception({ traceback }), { settles: 'failed' }),
    );
    const sink = await written(events);
    const text = sink.text(logPath.userError(NODE, 'Process-1'));
    expect(text.length).toBeLessThan(9 * 1024 * 1024);
    expect(text.match(/ ERROR PR2101 mini-batch \d+ try/g)).toHaveLength(400);
    expect(text.slice(-400)).toContain(
      'ValueError: cannot read pixel 7\n(same error as above; see there for its traceback)',
    );
    expect(sink.text(logPath.master).match(/failed for good/g)).toHaveLength(200);
  });

  it('goes on counting where the first part of a resumed run stopped', async () => {
    const sink = new MemorySink();
    const log = createRunLog(sink, { ...context, resumed: true }, new StepClock());
    log.prime([...opening(2), finished(0, 300)]);
    expect(sink.files.size).toBe(0);
    log.apply([finished(1, 5000), { type: 'run-ended', at: at(6000), state: 'Completed', exitCode: 0 }]);
    await log.close();
    expect(sink.text(logPath.jobResult)).toContain('Mini-batches succeeded: 2\n');
    expect(sink.text(logPath.processedMiniBatches)).not.toContain('Mini-batch Id');
  });
});

describe('on a real disk', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'prun-log-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('every line is there once the log is closed', async () => {
    const sink = createLogSink(folder);
    const log = createRunLog(sink, context, new StepClock());
    const expected = await written(script);
    for (const event of script) log.apply([event]);
    await log.close();
    for (const [path, content] of expected.files) expect(readFileSync(join(folder, path), 'utf8')).toBe(content);
    await sink.close();
  });
});
