import { describe, expect, it } from 'vitest';
import {
  localReference,
  maskCredentials,
  normalizeRequirements,
  versionFits,
  withAbsolutePath,
} from '../../src/environment/requirements.ts';

describe('normalizeRequirements', () => {
  it('drops comments, blanks and doubles, and sorts', () => {
    expect(normalizeRequirements(['b==2  # why', '', '# all', 'a==1', ' b==2 '])).toEqual(['a==1', 'b==2']);
  });
  it('keeps a # that belongs to an address', () => {
    expect(normalizeRequirements(['pkg @ https://x.example/y.whl#sha256=12'])).toEqual([
      'pkg @ https://x.example/y.whl#sha256=12',
    ]);
  });
});

describe('localReference', () => {
  it.each([
    ['-r other.txt', { kind: 'file', path: 'other.txt' }],
    ['-rother.txt', { kind: 'file', path: 'other.txt' }],
    ['--constraint=pins.txt', { kind: 'file', path: 'pins.txt' }],
    ['-e ./pkg', { kind: 'package', path: './pkg' }],
    ['./pkg[extra]', { kind: 'package', path: './pkg' }],
    ['wheels/a-1-py3-none-any.whl', { kind: 'package', path: 'wheels/a-1-py3-none-any.whl' }],
    ['numpy==1.26.4; python_version < "3.12"', undefined],
    ['pkg[extra]>=1', undefined],
    ['-e git+https://x.example/y.git', undefined],
    ['a @ https://x.example/a-1.whl', undefined],
    ['--no-index', undefined],
  ])('%s', (line, expected) => {
    expect(localReference(line)).toEqual(expected);
  });
  it('puts the absolute path in place of the written one', () => {
    const line = '-e ./pkg[x]';
    const reference = localReference(line);
    expect(reference && withAbsolutePath(line, reference, '/job/pkg')).toBe('-e /job/pkg');
  });
});

describe('versionFits', () => {
  it.each([
    ['3.11.7', '3.11', true],
    ['3.11.7', '=3.11.*', true],
    ['3.11.7', '==3.11.6', false],
    ['3.11.7', '3.1', false],
    ['3.11.7', '>=3.8,<3.12', true],
    ['3.12.0', '>=3.8,<3.12', false],
    ['3.12.1', '>3.12', false],
    ['3.12.1', '<=3.12', true],
    ['3.11.7', '!=3.11', false],
    ['3.11.7', '~=3.10', true],
    ['4.0.0', '~=3.10', false],
    ['3.11.7', 'whatever', true],
  ])('%s for %s: %s', (version, asked, expected) => {
    expect(versionFits(version, asked)).toBe(expected);
  });
});

describe('maskCredentials', () => {
  it('hides what stands before the host', () => {
    expect(maskCredentials('--index-url https://me:secret@index.example/simple')).toBe(
      '--index-url https://***@index.example/simple',
    );
  });
});
