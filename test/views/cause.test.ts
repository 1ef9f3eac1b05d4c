import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import type { RunFailure, StartFailure, TryFailure } from '../../src/domain/failure.ts';
import { dispatchNumber, tryNumber } from '../../src/domain/ids.ts';
import { StatusFold } from '../../src/views/status.ts';
import { causeBlock, endLines, type RunContext } from '../../src/views/text/cause.ts';
import { at, exception, failedTry, finished, oneCulprit, opening, partialEnd, T0, worker } from './support.ts';

const context: RunContext = { runId: '01JX4', folder: '/work/runs/01JX4', maxTries: 2 };

function ended(events: readonly RunEvent[], reason: RunFailure | undefined, batches = 50) {
  const fold = new StatusFold();
  for (const event of opening(batches)) fold.apply(event);
  for (const event of events) fold.apply(event);
  const state = reason === undefined ? 'Completed' : 'Failed';
  fold.apply({
    type: 'run-ended',
    at: at(12_300),
    state,
    exitCode: reason === undefined ? 0 : 1,
    ...(reason === undefined ? {} : { reason }),
  });
  return fold.status(T0 + 99_000);
}

const threshold: RunFailure = { kind: 'mini-batch-error-threshold', limit: 0, failedMiniBatches: 1 };
const twice = (failure: TryFailure, status: 'RUN_EXCEPTION' | 'RUN_INVALID_RETURN' | 'POISONED' | 'RUN_TIMEOUT') => [
  failedTry(17, 300, failure, { status: status === 'POISONED' ? 'PROCESS_LOST' : status }),
  failedTry(17, 400, failure, { status, try: tryNumber(2), settles: 'failed', worker: worker(2), pid: 4202 }),
];
const block = (events: readonly RunEvent[], reason: RunFailure = threshold, over: Partial<RunContext> = {}): string =>
  `\n${causeBlock(ended(events, reason), { ...context, ...over }).join('\n')}\n`;

describe('the last lines of a failed run', () => {
  it('name the exception, its line, the mini-batch, its input, the file and the command', () => {
    expect(block([finished(1, 200), ...twice(exception(), 'RUN_EXCEPTION')])).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: 1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold) (PR5102)
        1 of 50 mini-batches succeeded, 1 failed, 48 not done; 10 of 500 items succeeded, 10 failed; 1 retry; 12.3 s

      error PR2101  ValueError: cannot read pixel 7
        hit    1 mini-batch (2 tries)
        where  score.py:41 run()   mini-batch 17 (/data/images/0170.png and 9 more)   try 2 of 2   node 10.0.0.5  Process-2   pid 4202
               | File "score.py", line 41, in run
               |     pixel = parse(path)
               | ValueError: cannot read pixel 7
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/17
      "
    `);
  });

  it('say what run() returned', () => {
    const frame = { file: 'score.py', line: 41, function: 'run', own: true };
    const failure = { kind: 'invalid-return', returned: 'NoneType', frame } as const;
    expect(block(twice(failure, 'RUN_INVALID_RETURN'))).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: 1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold) (PR5102)
        0 of 50 mini-batches succeeded, 1 failed, 49 not done; 0 of 500 items succeeded, 10 failed; 1 retry; 12.3 s

      error PR2104  run() returned None for a mini-batch of 10 items
        hit    1 mini-batch (2 tries)
        where  score.py:41 run()   mini-batch 17 (/data/images/0170.png and 9 more)   try 2 of 2   node 10.0.0.5  Process-2   pid 4202
        why    run must return a list, tuple, array or DataFrame; a script that catches an exception and falls off its end returns None
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/17
      "
    `);
  });

  it('name an exit code', () => {
    expect(block(twice({ kind: 'worker-lost', exit: { by: 'code', code: 3 } }, 'POISONED'))).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: 1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold) (PR5102)
        0 of 50 mini-batches succeeded, 1 failed, 49 not done; 0 of 500 items succeeded, 10 failed; 1 retry; 12.3 s

      error PR2108  worker process exited with code 3 without a result
        hit    1 mini-batch (2 tries)
        where  mini-batch 17 (/data/images/0170.png and 9 more)   try 2 of 2   node 10.0.0.5  Process-2   pid 4202
        why    the process ended in the middle of its work: sys.exit(), os._exit() or process.exit() in the script or a library
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/17
      "
    `);
  });

  it('name a signal and where the script was', () => {
    const trace =
      'Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n' +
      '  File "/usr/lib/python3.11/ctypes/__init__.py", line 517 in string_at\n  File "score.py", line 12 in run\n';
    const exit = { by: 'signal', signal: 'SIGSEGV', outOfMemory: false } as const;
    expect(block(twice({ kind: 'worker-lost', exit, trace }, 'POISONED'))).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: 1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold) (PR5102)
        0 of 50 mini-batches succeeded, 1 failed, 49 not done; 0 of 500 items succeeded, 10 failed; 1 retry; 12.3 s

      error PR2103  worker process killed by SIGSEGV (segmentation fault)
        hit    1 mini-batch (2 tries)
        where  mini-batch 17 (/data/images/0170.png and 9 more)   try 2 of 2   node 10.0.0.5  Process-2   pid 4202
               | Fatal Python error: Segmentation fault
               | Current thread 0x00007f (most recent call first):
               |   File "/usr/lib/python3.11/ctypes/__init__.py", line 517 in string_at
               |   File "score.py", line 12 in run
        why    native code of a library crashed; the trace names the line of the script that called it
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/17
      "
    `);
  });

  it('show the stacks of a run() that took too long', () => {
    const stacks = 'Thread 0x00007f (most recent call first):\n  File "score.py", line 9 in run\n';
    expect(block(twice({ kind: 'timeout', limitMs: 2000, stacks }, 'RUN_TIMEOUT'))).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: 1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold) (PR5102)
        0 of 50 mini-batches succeeded, 1 failed, 49 not done; 0 of 500 items succeeded, 10 failed; 1 retry; 12.3 s

      error PR2102  run() took longer than its limit of 2 s
        hit    1 mini-batch (2 tries)
        where  mini-batch 17 (/data/images/0170.png and 9 more)   try 2 of 2   node 10.0.0.5  Process-2   pid 4202
               | Thread 0x00007f (most recent call first):
               |   File "score.py", line 9 in run
        why    the process was ended; the stacks of its threads show where it hung; the limit is retry_settings.timeout (--timeout)
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/17
      "
    `);
  });

  it('show an init() that fails everywhere', () => {
    const { kind: _kind, ...facts } = exception({
      exceptionType: 'ModuleNotFoundError',
      message: "No module named 'torch'",
    });
    const failure: StartFailure = { kind: 'init-exception', ...facts };
    const events = [1, 2].map((n): RunEvent => ({
      type: 'worker-start-failed',
      at: at(300 + n),
      worker: worker(n),
      pid: 4200 + n,
      seconds: 0.2,
      failure,
    }));
    const reason: RunFailure = { kind: 'init-failed', rule: 'everywhere-the-same', failures: 2, example: failure };
    expect(block(events, reason)).toMatchInlineSnapshot(`
      "
      Run 01JX4 failed: every worker process of a node failed to start in the same way (2 failures): init() failed: ModuleNotFoundError: No module named 'torch' (PR5105)
        0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s

      error PR2203  init() failed: ModuleNotFoundError: No module named 'torch'
        hit    2 worker starts
        where  score.py:41 run()   node 10.0.0.5  Process-1   pid 4201
               | File "score.py", line 41, in run
               |     pixel = parse(path)
               | ModuleNotFoundError: No module named 'torch'
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-1.txt
        next   parallelrun replay 01JX4/0
      "
    `);
  });

  it('put what failed for good before what a retry made good, and count the rest', () => {
    const events = [
      ...[1, 2, 3, 4].flatMap((index) => [
        failedTry(index, 100 + index, exception({ exceptionType: 'OSError', message: 'busy' })),
        finished(index, 200 + index, { try: tryNumber(2) }),
      ]),
      ...[1, 2, 3].map((n) =>
        failedTry(20 + n, 300 + n, exception({ exceptionType: `Kind${n}` }), { settles: 'failed' }),
      ),
    ];
    const lines = causeBlock(ended(events, { kind: 'error-threshold', limit: 5, failedItems: 30 }), context);
    expect(lines.filter((line) => line.startsWith('error ') || line.startsWith('and '))).toEqual([
      'error PR2101  Kind1: cannot read pixel 7',
      'error PR2101  Kind2: cannot read pixel 7',
      'error PR2101  OSError: busy',
      'and 1 other kind of error: /work/runs/01JX4/logs/job_error.txt',
    ]);
    expect(lines).toContain('  hit    4 mini-batches (4 tries); 4 made good by a retry; the first error of the run');
  });

  it('give a command that works where the root is not the default one', () => {
    const text = block(twice(exception(), 'RUN_EXCEPTION'), threshold, { root: '/data/my runs' });
    expect(text).toContain(`parallelrun replay 01JX4/17 --root '/data/my runs'`);
  });

  it('stay harmless whatever the script, its files and its messages are called', () => {
    const evil = '\u001b[2J\u202e\r\nfake: all fine';
    const failure = exception({
      exceptionType: `E${evil}`,
      message: evil,
      traceback: evil,
      frames: [{ file: `s${evil}.py`, line: 1, function: `f${evil}`, text: evil, own: true }],
    });
    const text = block([failedTry(17, 300, failure, { settles: 'failed', detail: `/data/${evil}` })]);

    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(text.split('\n').filter((line) => line.startsWith('fake'))).toEqual([]);
  });

  it('say why without any error of the script', () => {
    const reasons: readonly RunFailure[] = [
      { kind: 'empty-input' },
      { kind: 'first-mini-batch-timeout', limitMs: 600_000 },
      { kind: 'no-progress', limitMs: 270_000, inFlight: 4 },
      { kind: 'disk-full', path: '/work/runs/01JX4/state/rows.spool' },
      { kind: 'infra-exhausted', index: 5, losses: 10 },
    ];
    expect(`\n${reasons.map((reason) => causeBlock(ended([], reason), context).join('\n')).join('\n---\n')}\n`)
      .toMatchInlineSnapshot(`
        "
        Run 01JX4 failed: the input is empty: there is nothing to do (--allow-empty makes this a success) (PR5109)
          0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s
        ---
        Run 01JX4 failed: no mini-batch was created within 10 min 00 s (first_task_creation_timeout) (PR5108)
          0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s
          open   /work/runs/01JX4/logs/master.txt
        ---
        Run 01JX4 failed: no mini-batch ended within 4 min 30 s while workers hold 4 (progress_update_timeout) (PR5107)
          0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s
          open   /work/runs/01JX4/logs/master.txt
        ---
        Run 01JX4 failed: no space left for /work/runs/01JX4/state/rows.spool; free some and resume the run (PR5113)
          0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s
          next   parallelrun resume 01JX4
        ---
        Run 01JX4 failed: mini-batch 5 was lost 10 times with its process or node, through no fault that can be pinned on the script (PR5111)
          0 of 50 mini-batches succeeded, 0 failed, 50 not done; 0 of 500 items succeeded, 0 failed; 12.3 s
          next   parallelrun replay 01JX4/5
        "
      `);
  });
});

describe('the last lines of a run that completed', () => {
  it('say where output and logs are', () => {
    const events: RunEvent[] = [
      ...[0, 1].map((n) => finished(n, 200 + n)),
      { type: 'output-assembled', at: at(12_000), path: '/out/parallel_run_step.txt', rows: 20, bytes: 2048 },
    ];
    expect(endLines(ended(events, undefined, 2), context)).toEqual([
      'Run 01JX4 completed',
      '  2 of 2 mini-batches succeeded, 0 failed; 20 of 20 items succeeded, 0 failed; 12.3 s',
      '',
      'output  /out/parallel_run_step.txt  (20 rows, 2 KiB)',
      'logs    /work/runs/01JX4/logs',
    ]);
  });
});

describe('the last lines of a run with dead letters', () => {
  const itemName = (index: number, position: number) =>
    `/data/images/${String(index * 10 + position).padStart(4, '0')}.png`;
  const endOf = (events: readonly RunEvent[], over: Partial<RunContext> = {}): string =>
    `\n${endLines(ended(events, undefined, 20), { ...context, maxTries: 3, itemName, ...over }).join('\n')}\n`;

  it('name the item, its cause, what became of the others, and the command that runs it again', () => {
    expect(endOf([finished(0, 100), ...oneCulprit(3, 200)])).toMatchInlineSnapshot(`
      "
      Run 01JX4 completed with failures that its thresholds allow
        1 of 20 mini-batches succeeded, 1 failed (1 of them in part), 18 not done; 19 of 200 items succeeded, 1 failed (1 dead letter); 2 retries; 4 isolation runs; 12.3 s

      error PR2101  ValueError: cannot read pixel 9
        hit    1 dead letter in 1 mini-batch (3 tries)
        where  score.py:41 run()   mini-batch 3 item 7 (/data/images/0037.png)   try 3 of 3   node 10.0.0.5  Process-2   pid 4202
               | File "score.py", line 41, in run
               |     pixel = parse(path)
               | ValueError: cannot read pixel 9
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-2.txt
        next   parallelrun replay 01JX4/3 --item 7

      dead    mini-batch 3: 9 of 10 items done, 1 dead letter: 0037.png: ValueError: cannot read pixel 9 (Process-2, try 3)
              all in /work/runs/01JX4/outputs/dead_letters.jsonl
      logs    /work/runs/01JX4/logs
      "
    `);
  });

  it('name the first three mini-batches and count the other dead letters', () => {
    const lines = endOf([1, 2, 3, 4, 5].flatMap((index) => [...oneCulprit(index, index * 1000)]));
    expect(lines.slice(lines.indexOf('dead  '))).toMatchInlineSnapshot(`
      "dead    mini-batch 1: 9 of 10 items done, 1 dead letter: 0017.png: ValueError: cannot read pixel 9 (Process-2, try 3)
              mini-batch 2: 9 of 10 items done, 1 dead letter: 0027.png: ValueError: cannot read pixel 9 (Process-2, try 3)
              mini-batch 3: 9 of 10 items done, 1 dead letter: 0037.png: ValueError: cannot read pixel 9 (Process-2, try 3)
              and 2 more dead letters; all in /work/runs/01JX4/outputs/dead_letters.jsonl
      logs    /work/runs/01JX4/logs
      "
    `);
  });

  it('count the dead of one mini-batch, and say of a single item no more than that', () => {
    const dead = [{ from: 0, to: 1, dispatch: dispatchNumber(1) }];
    const lines = endOf(
      [
        failedTry(0, 100, exception(), { settles: 'narrow', dispatch: dispatchNumber(1) }),
        partialEnd(0, 200, 2, [0, 5], [[5, 8, 1]]),
        failedTry(1, 300, exception(), { settles: 'failed', items: 1, failed: 1, dead }),
      ],
      { itemName: () => undefined },
    );
    expect(lines.slice(lines.indexOf('dead  '))).toMatchInlineSnapshot(`
      "dead    mini-batch 0: 7 of 10 items done, 3 dead letters: item 5: ValueError: cannot read pixel 7 (Process-1, try 1) and 2 more
              mini-batch 1: 1 dead letter: item 0: ValueError: cannot read pixel 7 (Process-1, try 1)
              all in /work/runs/01JX4/outputs/dead_letters.jsonl
      logs    /work/runs/01JX4/logs
      "
    `);
  });

  it('show the last lines printed and the memory of a process that left no trace', () => {
    const failure = { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true } } as const;
    const lastLines = ['a', 'b', 'c', 'd', 'e', '\u001b[2Jlast'];
    const lines = endOf([
      failedTry(0, 100, failure, { settles: 'narrow', status: 'PROCESS_LOST' }),
      partialEnd(0, 200, 2, [9, 10], [[9, 10, 2]], { failure, lastLines, peakMemoryBytes: 3 * 2 ** 30 }),
    ]);
    expect(lines.slice(lines.indexOf('error'), lines.indexOf('dead  '))).toMatchInlineSnapshot(`
      "error PR2109  worker process killed by SIGKILL because memory ran out (the kernel's out-of-memory killer)
        hit    1 dead letter in 1 mini-batch (1 try)
        where  mini-batch 0 item 9 (/data/images/0009.png)   try 3 of 3   node 10.0.0.5  Process-1   pid 4201
               | b
               | c
               | d
               | e
               | \\x1b[2Jlast
        memory 3 GiB at most, the process and what it started
        why    smaller mini-batches or fewer processes per node need less memory
        open   /work/runs/01JX4/logs/user/error/10.0.0.5/Process-1.txt
        next   parallelrun replay 01JX4/0 --item 9

      "
    `);
  });
});
