import { describe, expect, it } from 'vitest';
import {
  explainInstallFailure,
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

describe('explainInstallFailure', () => {
  it('names the pin that pip can not have', () => {
    const lines = [
      'Collecting numpy==1.26.4',
      'ERROR: Could not find a version that satisfies the requirement Scikit_learn==99.9 (from versions: 1.0, 1.1)',
      'ERROR: No matching distribution found for Scikit_learn==99.9',
    ];
    expect(explainInstallFailure(lines, ['numpy==1.26.4', 'scikit-learn==99.9'])).toEqual({
      kind: 'requirement',
      requirement: 'scikit-learn==99.9',
      reason: 'Could not find a version that satisfies the requirement Scikit_learn==99.9 (from versions: 1.0, 1.1)',
    });
  });
  it('joins the sentence that uv breaks over lines', () => {
    const lines = [
      '  × No solution found when resolving dependencies:',
      '  ╰─▶ Because there is no version of pandas==99.9 and you require pandas==99.9, we can',
      '      conclude that your requirements are unsatisfiable.',
    ];
    const failure = explainInstallFailure(lines, ['numpy', 'pandas==99.9']);
    expect(failure).toMatchObject({ kind: 'requirement', requirement: 'pandas==99.9' });
    expect(failure.reason).toBe(
      'Because there is no version of pandas==99.9 and you require pandas==99.9, we can conclude that your requirements are unsatisfiable.',
    );
  });
  it('tells an index that is not there from a pin that is not there', () => {
    const lines = [
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: Failed to establish a new connection'",
      'ERROR: Could not find a version that satisfies the requirement numpy==1.26.4 (from versions: none)',
    ];
    expect(explainInstallFailure(lines, ['numpy==1.26.4']).kind).toBe('unreachable');
  });
  it('tells a full disk', () => {
    expect(
      explainInstallFailure(
        ['ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'],
        [],
      ).kind,
    ).toBe('disk-full');
  });
  it('never shows credentials of an index', () => {
    const failure = explainInstallFailure(['ERROR: 401 for https://me:secret@index.example/simple/x/'], []);
    expect(JSON.stringify(failure)).not.toContain('secret');
    expect(maskCredentials('--index-url https://me:secret@index.example/simple')).toBe(
      '--index-url https://***@index.example/simple',
    );
  });
});
