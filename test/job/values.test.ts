import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPTION_KEYS, optionSpec } from '../../src/job/options.ts';
import { parseDurationMs, parseSize, parseValue } from '../../src/job/values.ts';
import type { Scalar, ValueKind } from '../../src/job/values.ts';

describe('sizes', () => {
  it('takes every integer and unit, in powers of 1024', () => {
    const unit = fc.constantFrom<[string, number]>(
      ['', 1],
      ['kb', 1024],
      ['KB', 1024],
      ['kB', 1024],
      ['mb', 1024 ** 2],
      ['Mb', 1024 ** 2],
      ['gb', 1024 ** 3],
      ['GB', 1024 ** 3],
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), unit, (n, [text, factor]) => {
        expect(parseSize(`${n}${text}`)).toEqual({ amount: n * factor, hasUnit: text !== '' });
      }),
    );
  });

  it.each([
    '10 kb',
    '1e9MB',
    '-1',
    '0',
    '0kb',
    '1.5mb',
    '10k',
    '10b',
    'kb',
    '',
    ' 10',
    '10\n',
    '9007199254740992',
    '99999999999gb',
    0,
    -1,
    1.5,
    1e309,
    Number.NaN,
    2 ** 53,
    true,
    null,
  ])('refuses %j', (raw) => {
    expect(parseSize(raw)).toBeUndefined();
  });

  it('never gives anything but a safe integer of at least 1', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^\d{1,20}([kKmMgG][bB])?$/)), (raw) => {
        const size = parseSize(raw);
        expect(size === undefined || (Number.isSafeInteger(size.amount) && size.amount >= 1)).toBe(true);
      }),
    );
  });
});

describe('durations', () => {
  it.each([
    [60, 60_000],
    ['60', 60_000],
    ['500ms', 500],
    ['90s', 90_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1500],
    [0.0001, 1],
    [0, 0],
  ])('reads %j as %d ms', (raw, ms) => {
    expect(parseDurationMs(raw)).toBe(ms);
  });

  it.each(['5 m', 'm', '-5', '1e3', '5M', '', 'Infinity', Number.NaN, 1e309, true, null])('refuses %j', (raw) => {
    expect(parseDurationMs(raw)).toBeUndefined();
  });

  it('never exceeds what a timer can hold, whatever is written', () => {
    const kinds = OPTION_KEYS.map((key) => optionSpec(key).value).filter((kind) => kind.type === 'duration');
    expect(kinds.length).toBe(6);
    const raw = fc.oneof(fc.double(), fc.integer(), fc.stringMatching(/^\d{1,12}(ms|s|m|h|d)?$/));
    fc.assert(
      fc.property(fc.constantFrom(...kinds), raw, (kind, written) => {
        const value = parseValue(kind, written, 'text');
        if (!value.ok) return;
        expect(Number.isInteger(value.value) && value.value <= 2 ** 31 - 1).toBe(true);
        expect(value.value >= (kind.zeroIsOff ? 0 : 1)).toBe(true);
      }),
    );
  });
});

describe('one value', () => {
  const threshold: ValueKind = { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER };
  const cases: readonly (readonly [ValueKind, Scalar, 'text' | 'typed', unknown])[] = [
    [threshold, -1, 'typed', -1],
    [threshold, '-1', 'text', -1],
    [threshold, '10', 'typed', 'type'],
    [threshold, -2, 'typed', 'range'],
    [threshold, 2 ** 53, 'typed', 'range'],
    [threshold, 1e309, 'typed', 'range'],
    [threshold, Number.NaN, 'typed', 'type'],
    [threshold, 1.5, 'typed', 'type'],
    [threshold, true, 'typed', 'type'],
    [threshold, null, 'typed', 'type'],
    [threshold, '0x10', 'text', 'type'],
    [{ type: 'percent' }, 100, 'typed', 100],
    [{ type: 'percent' }, '12.5', 'text', 12.5],
    [{ type: 'percent' }, 100.1, 'typed', 'range'],
    [{ type: 'switch' }, 'true', 'typed', 'type'],
    [{ type: 'switch' }, 'True', 'text', true],
    [{ type: 'choice', choices: ['WARNING', 'INFO'] }, 'info', 'typed', 'INFO'],
    [{ type: 'choice', choices: ['WARNING', 'INFO'] }, 'LOUD', 'typed', 'range'],
    [{ type: 'duration', maxSeconds: 259_200, zeroIsOff: false }, 259_200, 'typed', 259_200_000],
    [{ type: 'duration', maxSeconds: 259_200, zeroIsOff: false }, 259_201, 'typed', 'range'],
    [{ type: 'duration', maxSeconds: 259_200, zeroIsOff: false }, 0, 'typed', 'range'],
    [{ type: 'duration', maxSeconds: 86_400, zeroIsOff: true }, 0, 'typed', 0],
    [{ type: 'duration', maxSeconds: 86_400, zeroIsOff: true }, 0.01, 'typed', 'range'],
  ];
  it.each(cases)('%j from %j (%s) is %j', (kind, raw, spelling, expected) => {
    const result = parseValue(kind, raw, spelling);
    expect(result.ok ? result.value : result.error.kind).toBe(expected);
  });

  it('has defaults that its own rules accept', () => {
    for (const key of OPTION_KEYS) {
      const { value, fallback } = optionSpec(key);
      if (fallback !== undefined) expect([key, parseValue(value, fallback, 'typed').ok]).toEqual([key, true]);
    }
  });
});
