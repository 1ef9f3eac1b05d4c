import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explainInstallFailure, withVersions, type RequirementFailure } from '../../src/environment/failure.ts';
import { nearVersions } from '../../src/environment/versions.ts';

/** What pip 23.2 and uv 0.13.9 said here to the requirements of each test, for Python 3.11.7; compilers cut short. */
const recorded = (name: string): string[] =>
  readFileSync(join(import.meta.dirname, 'recorded', `${name}.txt`), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');

function explain(name: string, requirements: readonly string[]): RequirementFailure {
  const failure = explainInstallFailure(recorded(name), requirements, '3.11.7');
  if (failure.kind !== 'requirement') throw new Error(`${failure.kind}: ${failure.reason}`);
  return failure;
}

describe('explainInstallFailure', () => {
  it('a version that is for older Pythons only', () => {
    const requirements = ['idna==3.7', 'tensorflow==1.15.0'];
    expect(explain('nover.pip', requirements)).toEqual({
      kind: 'requirement',
      requirement: 'tensorflow==1.15.0',
      reason: 'the index has no tensorflow 1.15.0 for Python 3.11.7; the nearest is 2.12.0 above, the newest is 2.21.0',
      replacement: 'tensorflow==2.12.*',
    });
    expect(explain('nover.uv', requirements)).toEqual({
      kind: 'requirement',
      requirement: 'tensorflow==1.15.0',
      reason:
        'tensorflow 1.15.0 has no wheel for Python 3.11.7 on this machine: there are only wheels for `tensorflow` (v1.15.0) with the following Python ABI tags: `cp27m`, `cp27mu`, `cp35m`, `cp36m`, `cp37m`',
      wantsVersions: 'any',
    });
  });
  it('a version that does not exist', () => {
    expect(explain('missing.pip', ['numpy==1.26.9'])).toMatchObject({
      requirement: 'numpy==1.26.9',
      reason:
        'the index has no numpy 1.26.9 for Python 3.11.7; the nearest are 1.26.4 below and 2.0.0 above, the newest is 2.4.6',
      replacement: 'numpy==1.26.*',
    });
    const uv = explain('missing.uv', ['numpy==1.26.9']);
    expect(uv).toMatchObject({
      requirement: 'numpy==1.26.9',
      reason: 'the index has no numpy 1.26.9 for Python 3.11.7',
      wantsVersions: 'any',
    });
    expect(withVersions(uv, ['2.0.0', '1.26.4', '2.4.6'])).toMatchObject({
      reason:
        'the index has no numpy 1.26.9 for Python 3.11.7; the nearest are 1.26.4 below and 2.0.0 above, the newest is 2.4.6',
      replacement: 'numpy==1.26.*',
    });
  });
  it.each(['pip', 'uv'])('a package that does not exist (%s)', (tool) => {
    const failure = explain(`noname.${tool}`, ['idna==3.7', 'no-such-thing-zzqx==1.0']);
    expect(failure.requirement).toBe('no-such-thing-zzqx==1.0');
    expect(failure.reason).toContain('the index has no package no-such-thing-zzqx');
    expect(failure.replacement).toBeUndefined();
  });
  it.each(['pip', 'uv'])('a version that needs another Python (%s)', (tool) => {
    expect(explain(`needpy.${tool}`, ['numpy==2.5.0'])).toMatchObject({
      requirement: 'numpy==2.5.0',
      reason: expect.stringMatching(/^numpy 2\.5\.0 needs Python >=3\.12, and this is 3\.11\.7/) as string,
      needsPython: '>=3.12',
    });
  });
  it.each(['pip', 'uv'])('requirements that contradict each other (%s)', (tool) => {
    const failure = explain(`conflict.${tool}`, ['requests==2.31.0', 'urllib3==1.20']);
    expect(failure.requirement).toBe('urllib3==1.20');
    expect(failure.reason).toMatch(/^requirements contradict each other: .*requests.*depends on urllib3/);
    expect(failure.replacement).toMatch(/^urllib3(<3,>=1\.21\.1|>=1\.21\.1,<3)$/);
  });
  it.each(['pip', 'uv'])('a build that failed in Python (%s)', (tool) => {
    expect(explain(`broken.${tool}`, ['idna', './broken'])).toEqual({
      kind: 'requirement',
      ...(tool === 'pip' && { requirement: './broken' }),
      reason: expect.stringMatching(
        /^there is no wheel of .+ for Python 3\.11\.7, and building it failed: RuntimeError: libfoo headers were not found; install libfoo-dev$/,
      ) as string,
    });
  });
  it.each(['pip', 'uv'])('a build that failed in the compiler (%s)', (tool) => {
    const failure = explain(`python.${tool}`, ['idna', 'numpy==1.19.5']);
    expect(failure).toMatchObject({ requirement: 'numpy==1.19.5', wantsVersions: 'with a wheel' });
    expect(failure.reason).toMatch(
      /^there is no wheel of numpy 1\.19\.5 for Python 3\.11\.7, and building it failed: error: Command "gcc .* failed with exit status 1$/,
    );
    expect(withVersions(failure, ['1.23.2', '1.26.4', '2.4.6'])).toMatchObject({
      reason: expect.stringMatching(/; the nearest with a wheel is 1\.23\.2 above, the newest is 2\.4\.6$/) as string,
      replacement: 'numpy==1.23.*',
    });
  });
  it.each(['pip', 'uv'])('a line that is no requirement (%s)', (tool) => {
    expect(explain(`invalid.${tool}`, ['numpy===='])).toMatchObject({ requirement: 'numpy====' });
  });
  it('a requirement of a requirement', () => {
    const lines = [
      'ERROR: Could not find a version that satisfies the requirement inner>=3 (from outer) (from versions: 1.0, 2.0)',
    ];
    expect(explainInstallFailure(lines, ['idna', 'outer==1'], '3.11.7')).toEqual({
      kind: 'requirement',
      requirement: 'outer==1',
      reason: 'the index has no inner >=3 for Python 3.11.7, which outer asks for; the nearest is 2.0 below',
    });
  });
  it('tells an index that is not there from a pin that is not there', () => {
    const lines = [
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: Failed to establish a new connection'",
      'ERROR: Could not find a version that satisfies the requirement numpy==1.26.4 (from versions: none)',
    ];
    expect(explainInstallFailure(lines, ['numpy==1.26.4'], '3.11.7').kind).toBe('unreachable');
  });
  it('tells a full disk', () => {
    const lines = ['ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'];
    expect(explainInstallFailure(lines, [], '3.11.7').kind).toBe('disk-full');
  });
  it('never shows credentials of an index', () => {
    const failure = explainInstallFailure(['ERROR: 401 for https://me:secret@index.example/simple/x/'], [], '3.11.7');
    expect(failure.reason).toContain('401');
    expect(JSON.stringify(failure)).not.toContain('secret');
  });
  it('says something where nothing is known', () => {
    expect(explainInstallFailure(['what a day'], ['a'], '3.11.7')).toEqual({
      kind: 'requirement',
      reason: 'what a day',
    });
    expect(explainInstallFailure([], ['a'], '3.11.7').reason).toBe('the installer ended without a word');
  });
});

describe('nearVersions', () => {
  const versions = ['1.0', '1.2.0', '1.2.5', '1.4.1', '2.0.0rc1', '2.0.0', '10.0.0'];
  it.each([
    ['==1.2.3', '1.2.0', '1.2.5', '==1.2.*'],
    ['==1.3', '1.2.5', '1.4.1', '==1.4.*'],
    ['==2.0.1', '2.0.0', '10.0.0', '==2.0.*'],
    ['==99', '10.0.0', undefined, '==10.0.*'],
    ['==0.1', undefined, '1.0', '==1.0'],
    ['~=1.2.1', '1.2.0', '1.2.5', '==1.2.*'],
  ])('%s: %s, %s, %s', (wanted, below, above, instead) => {
    expect(nearVersions(versions, wanted)).toEqual({
      newest: '10.0.0',
      instead,
      ...(below && { below }),
      ...(above && { above }),
    });
  });
  it('takes what is not final only where there is nothing else', () => {
    expect(nearVersions(['3.0.0rc1'], '==3.0')).toMatchObject({ newest: '3.0.0rc1', instead: '==3.0.0rc1' });
    expect(nearVersions(['nonsense'], '==3.0')).toBeUndefined();
  });
});
