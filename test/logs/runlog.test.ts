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
import {
  at,
  begun,
  exception,
  failedTry,
  finished,
  NODE,
  oneCulprit,
  opening,
  part,
  T0,
  worker,
} from '../views/support.ts';

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

describe('of a mini-batch that is narrowed down', () => {
  const itemName = (index: number, position: number) => `/data/images/00${index}${position}.png`;
  const events: readonly RunEvent[] = [
    ...opening(4),
    finished(0, 100),
    ...oneCulprit(3, 200),
    { type: 'run-ended', at: at(1000), state: 'Completed', exitCode: 0 },
  ];
  const narrowed = () => written(events, { maxTries: 3, itemName });

  it('processed_mini-batches.csv has a row for each try and one for all parts: the last one sums up right', async () => {
    const sink = await narrowed();
    const rows = sink.text(logPath.processedMiniBatches).trimEnd().split('\n').slice(1);
    const cells = rows.map((row) => row.split(',')).filter(([id]) => id !== '');
    expect(cells.map((row) => [...row.slice(0, 2), ...row.slice(5, 8), row[11]])).toEqual([
      ['0', '1', '10', '10', '0', 'RUN_DONE'],
      ['3', '1', '10', '0', '10', 'RUN_EXCEPTION'],
      ['3', '2', '10', '0', '10', 'RUN_EXCEPTION'],
      ['3', '3', '10', '0', '10', 'RUN_EXCEPTION'],
      ['3', '7', '10', '9', '1', 'RUN_EXCEPTION'],
    ]);
    const last = new Map(cells.map((row) => [row[0], row]));
    const sum = (column: number) => [...last.values()].reduce((total, row) => total + Number(row[column]), 0);
    expect([sum(5), sum(6), sum(7)]).toEqual([20, 19, 1]);
    // four parts of 0.09975, 0.08 and 0.09 seconds each, from the start of the first
    expect(rows.at(-1)).toBe(
      '3,7,10.0.0.5,Process-1,2024-01-02T03:04:05.399750,10,9,1,0.399000,0.320000,0.360000,RUN_EXCEPTION,exception,' +
        '1 of 10 items given up; item 7: ValueError: cannot read pixel 9,/data/images/0030.png and 9 more',
    );
  });

  it('one that got through part by part has a row without an error', async () => {
    const sink = await written([
      failedTry(1, 200, exception(), { settles: 'narrow' }),
      part(1, 300, 2, [0, 5]),
      part(1, 400, 3, [5, 10], { settles: 'done', succeeded: 10, failed: 0 }),
    ]);
    expect(sink.text(logPath.processedMiniBatches).trimEnd().split('\n').at(-1)).toBe(
      '1,5,10.0.0.5,Process-1,2024-01-02T03:04:05.199750,10,10,0,0.199500,0.160000,0.180000,RUN_DONE,,,',
    );
    expect(sink.text(logPath.master)).toContain(
      '|INFO|0|main|mini-batch 1: 10 of 10 items done: each part of it went through\n',
    );
    expect(sink.files.has(logPath.deadLetters)).toBe(false);
  });

  it('one whose parts were dropped has the failure of the whole', async () => {
    const sink = await written([
      failedTry(1, 200, exception(), { settles: 'narrow' }),
      part(1, 300, 2, [0, 5], { failure: exception(), settles: 'failed', succeeded: 0, failed: 10 }),
    ]);
    expect(sink.text(logPath.processedMiniBatches).trimEnd().split('\n').at(-1)).toMatch(
      /^1,4,.*,10,0,10,.*,RUN_EXCEPTION,exception,ValueError: cannot read pixel 7,/,
    );
    expect(sink.text(logPath.master)).toContain(
      '|ERROR|0|main|mini-batch 1 failed for good as a whole: nothing of its parts is used\n',
    );
    // the try alone
    expect(sink.text(logPath.userError(NODE, 'Process-1')).match(/ PR2101 mini-batch/g)).toHaveLength(1);
  });

  it('worker logs have a line for each part, and one for the end', async () => {
    const sink = await narrowed();
    const lines = ['Process-1', 'Process-2'].flatMap((process) =>
      sink
        .text(logPath.worker(NODE, process))
        .split('\n')
        .filter((line) => / (part=|event=narrowed)/.test(line))
        .map((line) => line.slice(24).replace(/ start1=.* status=/, ' ... status=')),
    );
    expect(lines).toEqual([
      'INFO event=finished mini_batch=3 try=3 part=0-4 ip=10.0.0.5 pid=4201 total=5 succeeded=5 failed=0 ... status=RUN_DONE',
      'INFO event=finished mini_batch=3 try=3 part=5-6 ip=10.0.0.5 pid=4201 total=2 succeeded=2 failed=0 ... status=RUN_DONE',
      'INFO event=finished mini_batch=3 try=3 part=8-9 ip=10.0.0.5 pid=4201 total=2 succeeded=2 failed=0 ... status=RUN_DONE',
      'ERROR event=narrowed mini_batch=3 try=3 ip=10.0.0.5 pid=4201 total=10 succeeded=9 failed=1 parts=4 status=RUN_EXCEPTION',
      'ERROR event=finished mini_batch=3 try=3 part=7-7 ip=10.0.0.5 pid=4202 total=1 succeeded=0 failed=1 ... status=RUN_EXCEPTION error=PR2101 message="ValueError: cannot read pixel 9"',
    ]);
    const begin = { ...begun(3, 480, 2, 3, 6), part: { from: 7, to: 8 } } as RunEvent;
    expect((await written([begin])).text(logPath.worker(NODE, 'Process-2'))).toBe(
      '2024-01-02 03:04:05,480 INFO event=picked mini_batch=3 try=3 part=7-7 ip=10.0.0.5 pid=4202 total=1\n',
    );
  });

  it('the item has the whole traceback in the file of its process, and a bigger part one line', async () => {
    const sink = await written(
      [
        failedTry(3, 200, exception(), { settles: 'narrow', try: tryNumber(3) }),
        part(3, 300, 4, [5, 10], { failure: exception() }),
        part(3, 400, 5, [7, 8], { failure: exception(), worker: worker(2) }),
      ],
      { maxTries: 3, itemName },
    );
    expect(sink.text(logPath.userError(NODE, 'Process-1'))).toContain(
      '\n2024-01-02 03:04:05,300 WARNING PR2101 mini-batch 3 items 5 to 9 try 3 of 3 pid 4201 status=RUN_EXCEPTION\n' +
        'inputs: /data/images/0035.png (5 items of 10, run apart to find the culprit)\n' +
        'ValueError: cannot read pixel 7\n(same error as above; see there for its traceback)\n',
    );
    expect(sink.text(logPath.userError(NODE, 'Process-2'))).toMatch(
      /^2024-01-02 03:04:05,400 ERROR PR2101 mini-batch 3 item 7 try 3 of 3 pid 4201 status=RUN_EXCEPTION\ninputs: \/data\/images\/0037.png \(1 item of 10.*\)\nValueError: cannot read pixel 7\nTraceback/,
    );
  });

  it('what a process printed last stands in its file where it left no trace', async () => {
    const failure = { kind: 'worker-lost', exit: { by: 'code', code: 3 } } as const;
    const sink = await written([
      failedTry(0, 200, failure, { settles: 'failed', lastLines: ['opening', 'parsing\u001b'], peakMemoryBytes: 2048 }),
    ]);
    expect(sink.text(logPath.userError(NODE, 'Process-1'))).toContain(
      '\nmemory: 2 KiB at most\nprinted last:\n  opening\n  parsing\\x1b\n',
    );
  });

  it('master.txt tells it step by step', async () => {
    const sink = await narrowed();
    const lines = sink
      .text(logPath.master)
      .split('\n')
      .filter((line) => line.includes('|main|mini-batch 3'))
      .map((line) => line.slice(24));
    const why = 'RUN_EXCEPTION: PR2101 ValueError: cannot read pixel 7 at score.py:41 run()';
    expect(lines.slice(2)).toEqual([
      `WARNING|4100|main|mini-batch 3 try 3 of 3 on 10.0.0.5/Process-1 pid 4201: ${why}; no try is left: its items are narrowed down to the culprits; inputs: /data/images/0030.png and 9 more`,
      'WARNING|4100|main|mini-batch 3 item 7 on 10.0.0.5/Process-2 pid 4202: RUN_EXCEPTION: PR2101 ValueError: cannot read pixel 9 at score.py:41 run(); a culprit',
      'ERROR|4100|main|mini-batch 3: 9 of 10 items done, 1 dead letter: item 7 (/data/images/0037.png)',
    ]);
    expect((await written(events, { loggingLevel: 'DEBUG' })).text(logPath.master)).toContain(
      '|DEBUG|4100|main|mini-batch 3 items 0 to 4 on 10.0.0.5/Process-1 pid 4201: good\n',
    );
  });

  it('overview.txt and job_result.txt count it, and the dead letter is written at once', async () => {
    const sink = new MemorySink();
    const clock = new StepClock();
    const log = createRunLog(sink, { ...context, itemName }, clock);
    log.apply(events.slice(0, -2));
    clock.ms = 10_000;
    log.tick();
    expect(sink.text(logPath.overview)).toMatch(
      /1 of 4 processed \(1 succeeded, 0 failed\);.*; 1 mini-batch being narrowed down/,
    );
    expect(sink.files.has(logPath.deadLetters)).toBe(false);
    log.apply(events.slice(-2, -1));
    expect(JSON.parse(sink.text(logPath.deadLetters))).toMatchObject({ mini_batch: 3, item: '/data/images/0037.png' });
    log.apply(events.slice(-1));
    await log.close();
    expect(sink.text(logPath.overview)).toContain(
      '2 of 4 processed (1 succeeded, 1 failed, 1 of these in part); 19 items succeeded, 1 failed (1 dead letter)',
    );
    expect(sink.text(logPath.overview)).toMatch(
      /\ndead {4}mini-batch 3: 9 of 10 items done, 1 dead letter: 0037.png: /,
    );
    expect(sink.text(logPath.jobResult)).toMatch(
      /\nMini-batches failed: 1\nMini-batches failed in part: 1\n[^]*\nDead letters: 1\nRetries: 2\nIsolation runs: 4\n/,
    );
  });

  it('dead letters wait while somebody else mends their file', async () => {
    const sink = new MemorySink();
    const log = createRunLog(sink, context, new StepClock());
    let mended: () => void = () => undefined;
    const mending = new Promise<void>((resolve) => (mended = resolve));
    log.holdDeadLetters(mending);
    log.apply(oneCulprit(2, 200));
    expect(sink.files.has(logPath.deadLetters)).toBe(false);
    mended();
    await mending;
    log.apply(oneCulprit(3, 1200));
    const lines = sink.text(logPath.deadLetters).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { mini_batch: number }).mini_batch)).toEqual([2, 3]);
  });

  it('job_error.txt names the dead items of an error', async () => {
    const sink = await written([...opening(4), ...oneCulprit(2, 200), ...oneCulprit(3, 1200)], { itemName });
    expect(sink.text(logPath.jobError)).toContain(
      '         2 dead letters:\n           mini-batch 2 item 7 (/data/images/0027.png)\n           mini-batch 3 item 7 (/data/images/0037.png)\n',
    );
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
    const log = createRunLog(sink, { ...context, isBegun: () => true }, new StepClock());
    log.prime([...opening(2), finished(0, 300)]);
    expect(sink.files.size).toBe(0);
    log.apply([finished(1, 5000), { type: 'run-ended', at: at(6000), state: 'Completed', exitCode: 0 }]);
    await log.close();
    expect(sink.text(logPath.jobResult)).toContain('Mini-batches succeeded: 2\n');
    expect(sink.text(logPath.processedMiniBatches)).not.toContain('Mini-batch Id');
  });

  it('gives a resumed run the headers of the files that its first part did not get to', () => {
    const sink = new MemorySink();
    createRunLog(sink, { ...context, isBegun: (path) => path === logPath.readme }, new StepClock());
    expect([...sink.files.keys()]).toEqual([logPath.processedMiniBatches]);
    expect(sink.text(logPath.processedMiniBatches)).toContain('Mini-batch Id');
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
