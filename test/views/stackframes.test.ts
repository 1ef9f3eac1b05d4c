import { describe, expect, it } from 'vitest';
import { frameInStacks, threadOf } from '../../src/views/stackframes.ts';

const CODE = '/work/runs/01JX4/state/code';
const HOST = '/opt/parallelrun/python/parallelrun_host';
const PYTHON = `Thread 0x00007f01 (most recent call first):
  File "${CODE}/threads.py", line 3 in helper

Current thread 0x00007f02 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 7 in recv
  File "${CODE}/lib/fetch.py", line 12 in fetch
  File "${CODE}/score.py", line 25 in run
  File "${HOST}/worker.py", line 119 in _call
  File "${HOST}/main.py", line 34 in main
  File "/opt/parallelrun/python/host.py", line 26 in <module>`;

describe('stacks of a process that hung', () => {
  it('of Python: the thread that matters, without the frames of the host', () => {
    expect(threadOf(PYTHON.split('\n'))).toEqual([
      'Current thread 0x00007f02 (most recent call first):',
      '  File "/usr/lib/python3.11/socket.py", line 7 in recv',
      `  File "${CODE}/lib/fetch.py", line 12 in fetch`,
      `  File "${CODE}/score.py", line 25 in run`,
    ]);
    expect(frameInStacks(PYTHON)).toEqual({ file: 'lib/fetch.py', line: 12, function: 'fetch', own: true });
  });

  it('of Node', () => {
    const text = `    at wait (node:internal/x:1:2)\n    at run (${CODE}/zoo.ts:15:23)`;
    expect(frameInStacks(text)).toEqual({ file: 'zoo.ts', line: 15, function: 'run', own: true });
  });

  it('of a crash in native code under Node: the JavaScript part', () => {
    const text = [
      '----- Native stack trace -----',
      ' 1: 0xd3a3c0  [parallelrun Process-2]',
      '----- JavaScript stack trace -----',
      '',
      `1: score (file://${CODE}/score.mjs:52:32)`,
      '2: callEntryScript (file:///opt/parallelrun/dist/worker/try.js:58:18)',
    ];
    expect(threadOf(text)).toEqual([`1: score (file://${CODE}/score.mjs:52:32)`]);
    expect(frameInStacks(text.join('\n'))).toEqual({ file: 'score.mjs', line: 52, function: 'score', own: true });
    // lines of a bundle are nobody's lines
    expect(frameInStacks(`    at run (${CODE}/.parallelrun-zoo.mjs:52:32)`)).toBeUndefined();
  });

  it('of nothing known: no thread, no frame', () => {
    expect(threadOf(['what a script printed last', ''])).toBeUndefined();
    expect(frameInStacks('what a script printed last')).toBeUndefined();
  });
});
