import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { driverLogPrefix, logStamp, microStamp, utcStamp } from '../../src/domain/logline.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { exitText, failureTitle, failureText } from '../../src/views/text/failure.ts';
import { problemText } from '../../src/views/text/problem.ts';
import { traceTail } from '../../src/views/text/trace.ts';
import { runFailureSentence } from '../../src/views/text/verdict.ts';
import { bytes, count, cut, duration, safeLines, safeText, shellWord } from '../../src/views/text/words.ts';
import { exception } from './support.ts';

describe('stamps', () => {
  it('have the forms of the contract', () => {
    const at = 1_603_508_356_472.606;
    expect(utcStamp(at)).toBe('2020-10-24T02:59:16.472Z');
    expect(logStamp(at)).toBe('2020-10-24 02:59:16,472');
    expect(microStamp(at)).toBe('2020-10-24T02:59:16.472606');
    expect(driverLogPrefix(at, '10.0.0.5', 'Process-3')).toBe('2020-10-24T02:59:16.472Z 10.0.0.5 Process-3 | ');
  });

  it('round up to the next second, not to a million microseconds', () => {
    expect(microStamp(1_603_508_356_999.9998)).toBe('2020-10-24T02:59:17.000000');
  });

  it('equal those of Date for any time, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(2 ** 42), max: 2 ** 47 })), (times) => {
        for (const time of times) expect(utcStamp(time)).toBe(new Date(time).toISOString());
      }),
    );
  });

  it('do not throw for times that are none', () => {
    for (const time of [NaN, Infinity, -Infinity, 1e300]) {
      expect(utcStamp(time)).toMatch(/Z$/);
      expect(microStamp(time)).toMatch(/^[+\d-]+T/);
    }
  });
});

describe('safeText', () => {
  it('escapes what acts on a terminal or hides', () => {
    expect(safeText('a\u001b[2Jb\r\n\t\u0007\u009b')).toBe('a\\x1b[2Jb\\r\\n\\t\\x07\\x9b');
    expect(safeText('pay\u202egnp.exe\u2066')).toBe('pay\\u202egnp.exe\\u2066');
    expect(safeText('\udcff.png')).toBe('\\xff.png');
    expect(safeText('grüße 😀 \u4e2d')).toBe('grüße 😀 \u4e2d');
  });

  it('leaves nothing invisible in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(safeText(text)).toMatch(/^[^\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\u2028\u2029]*$/u);
      }),
    );
  });

  it('keeps line breaks and tabs of tracebacks', () => {
    expect(safeLines('a\r\n\tb\u001b[0m\rc')).toBe('a\n\tb\\x1b[0m\\rc');
  });
});

describe('numbers', () => {
  it('say durations, sizes and counts', () => {
    expect([0, 340, 999.7, 12_340, 59_960, 245_000, 11_220_000, 187_200_000].map(duration)).toEqual([
      '0 ms',
      '340 ms',
      '1 s',
      '12.3 s',
      '1 min 00 s',
      '4 min 05 s',
      '3 h 07 min',
      '2 d 4 h',
    ]);
    expect([1, 17, 1536, 20 * 1024 ** 2, 1024 ** 2 - 1].map(bytes)).toEqual([
      '1 byte',
      '17 bytes',
      '1.5 KiB',
      '20 MiB',
      '1 MiB',
    ]);
    expect([7, 999, 1000, 1_234_567].map(count)).toEqual(['7', '999', '1,000', '1,234,567']);
  });

  it('cut without halving a character', () => {
    expect(cut('abcdef', 6)).toBe('abcdef');
    expect(cut('abcdefg', 6)).toBe('abc...');
    expect(cut('ab😀cdefg', 6)).toBe('ab...');
  });

  it('quote for a shell', () => {
    expect(shellWord('/tmp/runs')).toBe('/tmp/runs');
    expect(shellWord("it's $(here)")).toBe(`'it'\\''s $(here)'`);
    expect(shellWord('')).toBe(`''`);
  });
});

describe('failures in words', () => {
  it('name signal, code and shortage of memory', () => {
    expect(exitText({ by: 'signal', signal: 'SIGSEGV', outOfMemory: false })).toBe(
      'killed by SIGSEGV (segmentation fault)',
    );
    expect(failureTitle({ kind: 'worker-lost', exit: { by: 'code', code: 3 } })).toBe(
      'worker process exited with code 3 without a result',
    );
    expect(exitText({ by: 'signal', signal: 'SIGKILL', outOfMemory: true })).toContain('because memory ran out');
  });

  it('make hostile messages harmless and keep them on one line', () => {
    const title = failureTitle(exception({ exceptionType: 'E\u001b', message: '\n  \u001b]0;x\u0007\nsecond' }));
    expect(title).toBe('E\\x1b: \\x1b]0;x\\x07');
    expect(failureTitle(exception({ message: 'x'.repeat(10_000) }))).toHaveLength(300);
  });

  it('tell what to return', () => {
    expect(failureText({ kind: 'invalid-return', returned: 'NoneType' })).toBe(
      'run() returned None\nwhy: run must return a list, tuple, array or DataFrame; ' +
        'a script that catches an exception and falls off its end returns None',
    );
  });

  it('guess the function that was meant', () => {
    const text = failureText({ kind: 'input-error', path: '/a b', reason: 'Permission denied', errno: 'EACCES' });
    expect(text).toBe("input can't be read: Permission denied (/a b)");
  });

  it('show the thread that hung', () => {
    const stacks =
      'Thread 0x01 (most recent call first):\n  File "/lib/threading.py", line 9 in wait\n\n' +
      'Thread 0x02 (most recent call first):\n  File "score.py", line 7 in slow\n  File "score.py", line 3 in run\n';
    expect(traceTail({ kind: 'timeout', limitMs: 1000, stacks })).toEqual([
      'Thread 0x02 (most recent call first):',
      '  File "score.py", line 7 in slow',
      '  File "score.py", line 3 in run',
    ]);
  });

  it('show where native code crashed', () => {
    const trace =
      'last words\nFatal Python error: Segmentation fault\n\nCurrent thread 0x02 (most recent call first):\n' +
      '  File "score.py", line 7 in run\n\nExtension modules: numpy (total: 1)\n';
    const exit = { by: 'signal', signal: 'SIGSEGV', outOfMemory: false } as const;
    expect(traceTail({ kind: 'worker-lost', exit, trace })).toEqual([
      'Fatal Python error: Segmentation fault',
      'Current thread 0x02 (most recent call first):',
      '  File "score.py", line 7 in run',
    ]);
  });

  it('give each reason of a run its numbers', () => {
    expect(runFailureSentence({ kind: 'error-threshold', limit: 2, failedItems: 3 })).toBe(
      '3 failed items, more than the 2 allowed (error_threshold)',
    );
    expect(runFailureSentence({ kind: 'mini-batch-error-threshold', limit: 0, failedMiniBatches: 1 })).toBe(
      '1 failed mini-batch, more than the 0 allowed (mini_batch_error_threshold)',
    );
    expect(
      runFailureSentence({ kind: 'failed-percent', limitPercent: 5, failedMiniBatches: 11, totalMiniBatches: 120 }),
    ).toBe('11 of 120 mini-batches failed, 9.2 %, more than the 5 % allowed (allowed_failed_percent)');
  });
});

describe('problemText', () => {
  const problem: Problem = {
    code: 'PR1003',
    severity: 'error',
    what: 'mini_batch_size must be a whole number, or a size such as 10kb',
    where: {
      file: 'job.yml',
      line: 12,
      column: 20,
      length: 3,
      excerpt: '  mini_batch_size: ten',
      keyPath: 'jobs.score.mini_batch_size',
    },
    why: 'found the text "ten"',
    next: 'write mini_batch_size: 10',
  };

  it('shows the line and underlines the place', () => {
    expect(problemText(problem)).toBe(
      [
        'error PR1003  mini_batch_size must be a whole number, or a size such as 10kb',
        '  where  job.yml:12:20  jobs.score.mini_batch_size',
        '         12 |   mini_batch_size: ten',
        '            |                    ^^^',
        '  why    found the text "ten"',
        '  next   write mini_batch_size: 10',
      ].join('\n'),
    );
  });

  it('paints words and marks only', () => {
    const painted = problemText(problem, { color: (style, text) => `<${style}>${text}</>` });
    expect(painted.split('\n')[0]).toBe(
      '<error>error</> <strong>PR1003</>  mini_batch_size must be a whole number, or a size such as 10kb',
    );
    expect(painted).toContain('<error>^^^</>');
  });

  it('shows the part of a long line that matters', () => {
    const excerpt = `${'a'.repeat(500)}HERE${'b'.repeat(500)}`;
    const lines = problemText({ ...problem, where: { file: 'j', line: 1, column: 501, length: 4, excerpt } }).split(
      '\n',
    );
    const mark = lines[3]?.indexOf('^^^^') ?? -1;
    expect(lines[2]?.slice(mark, mark + 4)).toBe('HERE');
    expect(lines[2]?.length).toBeLessThan(200);
  });

  it('keeps the marks below the place after a tab and escapes controls', () => {
    const where = { file: 'j', line: 1, column: 3, length: 1, excerpt: '\t\u001bx' };
    const lines = problemText({ ...problem, where }).split('\n');
    expect(lines[2]).toBe('         1 |  ?x');
    expect(lines[3]?.indexOf('^')).toBe(lines[2]?.indexOf('x'));
  });
});
