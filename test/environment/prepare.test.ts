import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EnvironmentSpec } from '../../src/domain/plan.ts';
import { defaultCacheFolder, prepareEnvironment } from '../../src/environment/index.ts';
import { scratchFolder } from './scratch.ts';
import { writeWheel } from './wheel.ts';

const BUILD_TIMEOUT_MS = 120_000;
const realPython = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
const realVersion = execFileSync('python3', ['-c', 'import platform; print(platform.python_version())'], {
  encoding: 'utf8',
}).trim();

function prepare(
  spec: EnvironmentSpec,
  options: { cacheFolder: string; env?: NodeJS.ProcessEnv; signal?: AbortSignal; onProgress?: (line: string) => void },
) {
  return prepareEnvironment(spec, { onProgress: () => undefined, env: process.env, ...options });
}

function program(folder: string, name: string, text: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

describe('a named interpreter', () => {
  it('is the real program behind a shim', async () => {
    const folder = scratchFolder();
    const shim = program(folder, 'shim with space', `#!/bin/sh\necho some banner\nexec '${realPython}' "$@"\n`);
    const result = await prepare({ kind: 'interpreter', path: shim }, { cacheFolder: folder });
    expect(result).toMatchObject({
      ok: true,
      value: { interpreter: realPython, version: realVersion, built: 'as named' },
    });
  });
  it('keeps the interpreter of a virtual environment', async () => {
    const folder = scratchFolder();
    execFileSync(realPython, ['-m', 'venv', '--without-pip', join(folder, 'venv')]);
    const path = join(folder, 'venv', 'bin', 'python');
    expect(await prepare({ kind: 'interpreter', path }, { cacheFolder: folder })).toMatchObject({
      ok: true,
      value: { interpreter: path },
    });
  });
  it('must exist', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'none');
    expect(await prepare({ kind: 'interpreter', path }, { cacheFolder: folder })).toMatchObject({
      ok: false,
      error: { code: 'PR4001' },
    });
  });
  it.each([
    ['a folder', 'it is a folder'],
    ['not executable', 'it is not executable'],
    ['no program', 'exit code 127'],
    ['other program', 'exit code 7: no such option'],
  ])('must run: %s', async (what, reason) => {
    const folder = scratchFolder();
    const path = join(folder, 'python');
    if (what === 'a folder') mkdirSync(path);
    if (what === 'not executable') program(folder, 'python', '#!/bin/sh\n', 0o644);
    if (what === 'no program') program(folder, 'python', '\x7fELF nonsense');
    if (what === 'other program') program(folder, 'python', '#!/bin/sh\necho no such option >&2\nexit 7\n');
    const result = await prepare({ kind: 'interpreter', path }, { cacheFolder: folder });
    expect(result).toMatchObject({ ok: false, error: { code: 'PR4002' } });
    expect(result.ok ? '' : result.error.why).toContain(reason);
  });
  it('must be Python 3.8 or newer', async () => {
    const folder = scratchFolder();
    const path = program(folder, 'python', `#!/bin/sh\necho 'parallelrun-interpreter|3.7.16|/usr/bin/python3.7'\n`);
    const result = await prepare({ kind: 'interpreter', path }, { cacheFolder: folder });
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'PR4003', what: `${path} is Python 3.7.16, which is too old` },
    });
  });
});

describe('the PATH', () => {
  it('gives python3', async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, 'bin'));
    symlinkSync(realPython, join(folder, 'bin', 'python3'));
    const result = await prepare({ kind: 'path' }, { cacheFolder: folder, env: { PATH: `/nowhere:${folder}/bin` } });
    expect(result).toMatchObject({ ok: true, value: { version: realVersion, built: 'from the PATH' } });
  });
  it('without python3 is a clear problem', async () => {
    const folder = scratchFolder();
    const result = await prepare({ kind: 'path' }, { cacheFolder: folder, env: { PATH: folder } });
    expect(result).toMatchObject({ ok: false, error: { code: 'PR4004' } });
  });
});

describe('requirements', () => {
  const job = () => {
    const folder = scratchFolder();
    const wheel = writeWheel(folder, 'tinypkg', '1.2', 'ANSWER = 42\n');
    const spec = (pip: string[]): EnvironmentSpec => ({
      kind: 'requirements',
      pip: ['--no-index', ...pip],
      condaOnly: [],
      source: join(folder, 'conda.yml'),
    });
    return { folder, cacheFolder: join(folder, 'cache'), wheel, spec };
  };

  it(
    'are built once, also by two at the same time, and found in the cache after that',
    async () => {
      const { cacheFolder, wheel, spec } = job();
      const lines: string[] = [];
      const options = { cacheFolder, onProgress: (line: string) => lines.push(line) };
      const both = await Promise.all([
        prepare(spec([`./${wheel}`]), options),
        prepare(spec(['# again', `./${wheel}`]), options),
      ]);
      expect(both.map((result) => result.ok && result.value.built).sort()).toEqual(['built', 'from cache']);
      const third = await prepare(spec([`./${wheel}`]), options);
      if (!third.ok) throw new Error(third.error.what);
      expect(third.value).toMatchObject({ built: 'from cache', version: realVersion });
      const answer = execFileSync(third.value.interpreter, ['-c', 'import tinypkg; print(tinypkg.ANSWER)'], {
        encoding: 'utf8',
      });
      expect(answer).toBe('42\n');
      expect(lines.filter((line) => line.startsWith('Building the environment'))).toHaveLength(1);
      expect(lines).toContain(`Process ${process.pid} is building this environment: waiting for it`);
      expect(lines.some((line) => /Successfully installed tinypkg-1\.2|Installed 1 package/.test(line))).toBe(true);
    },
    BUILD_TIMEOUT_MS,
  );

  it(
    'that can not be had are named, and nothing is left that looks finished',
    async () => {
      const { folder, cacheFolder, spec } = job();
      const result = await prepare(spec(['no-such-thing==9.9']), { cacheFolder });
      expect(result).toMatchObject({
        ok: false,
        error: {
          code: 'PR4005',
          what: `the requirement no-such-thing==9.9 can't be installed for Python ${realVersion}`,
          where: { file: join(folder, 'conda.yml') },
        },
      });
      if (result.ok) return;
      expect(result.error.why).toContain('the index has no package no-such-thing');
      const log = /said: (\S+)$/.exec(result.error.next ?? '')?.[1] ?? '';
      expect(existsSync(log)).toBe(true);
      expect(
        readdirSync(join(cacheFolder, 'environments')).filter((name) => /build-|lock-|^[0-9a-f]+$/.test(name)),
      ).toEqual([]);
    },
    BUILD_TIMEOUT_MS,
  );

  it(
    'half built when canceled leave nothing',
    async () => {
      const { cacheFolder, wheel, spec } = job();
      const abort = new AbortController();
      const result = await prepare(spec([`./${wheel}`]), {
        cacheFolder,
        signal: abort.signal,
        onProgress: () => abort.abort(),
      });
      expect(result).toMatchObject({ ok: false, error: { code: 'PR4009' } });
      expect(
        readdirSync(join(cacheFolder, 'environments')).filter((name) => /build-|lock-|^[0-9a-f]+$/.test(name)),
      ).toEqual([]);
    },
    BUILD_TIMEOUT_MS,
  );

  it(
    'are built again where the cached interpreter is gone or a build was killed',
    async () => {
      const { cacheFolder, spec } = job();
      const first = await prepare(spec([]), { cacheFolder });
      if (!first.ok) throw new Error(first.error.what);
      rmSync(first.value.interpreter);
      mkdirSync(
        join(
          first.value.interpreter,
          '..',
          '..',
          '..',
          `${readdirSync(join(cacheFolder, 'environments')).find((name) => /^[0-9a-f]+$/.test(name)) ?? ''}.build-dead`,
        ),
      );
      const second = await prepare(spec([]), { cacheFolder });
      expect(second).toMatchObject({ ok: true, value: { built: 'built' } });
      expect(readdirSync(join(cacheFolder, 'environments')).filter((name) => name.includes('build-'))).toHaveLength(1);
    },
    BUILD_TIMEOUT_MS,
  );

  it('need a cache folder that can be written', async () => {
    const { folder, spec } = job();
    writeFileSync(join(folder, 'file'), '');
    const result = await prepare(spec([]), { cacheFolder: join(folder, 'file') });
    expect(result).toMatchObject({ ok: false, error: { code: 'PR4008' } });
  });

  it(
    'of conda and another Python are reported',
    async () => {
      const { folder, cacheFolder } = job();
      const lines: string[] = [];
      const source = join(folder, 'conda.yml');
      await prepare(
        {
          kind: 'requirements',
          pip: ['--no-index', 'no-such-thing'],
          condaOnly: ['cudatoolkit=11'],
          pythonVersion: '3.4',
          source,
        },
        { cacheFolder, onProgress: (line) => lines.push(line) },
      );
      expect(lines.slice(0, 2)).toEqual([
        `Python 3.4 is asked for in ${source}; this machine has ${realVersion}, which is used instead (${realPython}): workers need 3.8 or newer`,
        `Not installed, because only conda has them: cudatoolkit=11 (${source})`,
      ]);
    },
    BUILD_TIMEOUT_MS,
  );
});

describe('the cache folder', () => {
  it.each([
    [{ PARALLELRUN_CACHE: '/c', XDG_CACHE_HOME: '/x', HOME: '/h' }, '/c'],
    [{ XDG_CACHE_HOME: '/x', HOME: '/h' }, '/x/parallelrun'],
    [{ XDG_CACHE_HOME: 'relative', HOME: '/h' }, '/h/.cache/parallelrun'],
    [{ HOME: '/h' }, '/h/.cache/parallelrun'],
  ])('%j', (env, expected) => {
    expect(defaultCacheFolder(env)).toBe(expected);
  });
});
