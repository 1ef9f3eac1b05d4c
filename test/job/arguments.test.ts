import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findRuntimeFlags, findSlips, splitArguments } from '../../src/job/arguments.ts';
import { parseTemplate, resolveTemplate, textMeaning } from '../../src/job/expressions.ts';
import type { Meaning } from '../../src/job/expressions.ts';
import { Problems } from '../../src/job/problems.ts';

const literal = (text: string) => splitArguments([{ text, fixed: false }]);
const shellQuoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

describe('splitting arguments', () => {
  it.each([
    ['--a 1  --b=2', ['--a', '1', '--b=2']],
    ['  \n\t ', []],
    [`--name "a b" 'c d' e\\ f`, ['--name', 'a b', 'c d', 'e f']],
    [`"it's" 'say "x"' "a \\"b\\" \\$c \\d"`, ["it's", 'say "x"', 'a "b" $c \\d']],
    [`a''b ""`, ['ab', '']],
    ['$HOME `date` $(x) *', ['$HOME', '`date`', '$(x)', '*']],
    ['a\\\nb', ['ab']],
  ])('%j', (text, words) => {
    expect(literal(text)).toEqual({ ok: true, value: words });
  });

  it('names the quote that is never closed', () => {
    expect(literal(`a 'b`)).toEqual({ ok: false, error: "'" });
    expect(literal(`"a`)).toEqual({ ok: false, error: '"' });
  });

  it('gives back every list of words that was quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(literal(words.map(shellQuoted).join(' '))).toEqual({ ok: true, value: words });
      }),
    );
  });

  it('keeps the value of an expression one argument, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const names = new Map<string, Meaning>([['inputs.x', textMeaning(value)]]);
        const problems = new Problems();
        const pieces = resolveTemplate(
          '--in ${{inputs.x}} --eq=${{ inputs.x }}/b',
          names,
          () => ({ file: '' }),
          problems,
        );
        expect(splitArguments(pieces)).toEqual({ ok: true, value: ['--in', value, `--eq=${value}/b`] });
        expect(problems.all()).toEqual([]);
      }),
    );
  });
});

describe('optional groups', () => {
  const split = (text: string, names: ReadonlyMap<string, Meaning>): unknown => {
    const problems = new Problems();
    const words = splitArguments(resolveTemplate(text, names, () => ({ file: '' }), problems));
    return [words.ok && words.value, problems.all().map((p) => p.code)];
  };
  const text = 'a $[[--opt ${{inputs.opt}}]]$[[ --two ${{inputs.x}} ]] b';

  it('stay with a value, go without', () => {
    const x = textMeaning('1 2');
    expect(
      split(
        text,
        new Map([
          ['inputs.opt', textMeaning('o')],
          ['inputs.x', x],
        ]),
      ),
    ).toEqual([['a', '--opt', 'o', '--two', '1 2', 'b'], []]);
    expect(
      split(
        text,
        new Map<string, Meaning>([
          ['inputs.opt', { kind: 'absent' }],
          ['inputs.x', x],
        ]),
      ),
    ).toEqual([['a', '--two', '1 2', 'b'], []]);
  });

  it('go without an input that the job does not have; one that looks misspelt is told', () => {
    const names = new Map([['inputs.opt', textMeaning('o')]]);
    expect(split('a $[[--two ${{inputs.x}}]] b', names)).toEqual([['a', 'b'], []]);
    expect(split('a $[[--opt ${{inputs.otp}}]] b', names)).toEqual([['a', 'b'], ['PR1015']]);
    expect(split('a $[[--opt ${{outputs.x}}]] b', names)).toEqual([['a', '--opt', '', 'b'], ['PR1015']]);
  });

  it('an absent input outside of a group is an error', () => {
    expect(split('${{inputs.opt}}', new Map([['inputs.opt', { kind: 'absent' } as const]]))).toEqual([
      [''],
      ['PR1015'],
    ]);
  });

  it('an unclosed group is text', () => {
    expect(parseTemplate('a $[[ b')).toEqual([{ kind: 'text', text: 'a $[[ b' }]);
  });
});

describe('runtime flags', () => {
  it('are found in both spellings, up to a bare --', () => {
    const words = [
      '--x',
      '1',
      '--error_threshold',
      '-1',
      '--run_max_try=3',
      '--logging_level=',
      '--',
      '--allowed_failed_count',
      '5',
    ];
    expect(findRuntimeFlags(words)).toEqual([
      { key: 'errorThreshold', flag: '--error_threshold', value: '-1' },
      { key: 'maxRetries', flag: '--run_max_try', value: '3' },
      { key: 'loggingLevel', flag: '--logging_level', value: '' },
    ]);
  });

  it('without value: true for switches, nothing for others', () => {
    expect(findRuntimeFlags(['--copy_logs_to_parent', '--error_threshold'])).toEqual([
      { key: 'copyLogsToParent', flag: '--copy_logs_to_parent', value: 'true' },
      { key: 'errorThreshold', flag: '--error_threshold', value: undefined },
    ]);
  });

  it('slips of them are named, flags of the script are not', () => {
    expect(
      findSlips([
        '--resource_monitor_interva',
        '20',
        '--error-threshold=3',
        '--model',
        '--timeout',
        '--output',
        '--error_threshold',
      ]),
    ).toEqual([
      { flag: '--resource_monitor_interva', meant: '--resource_monitor_interval' },
      { flag: '--error-threshold', meant: '--error_threshold' },
    ]);
  });
});
