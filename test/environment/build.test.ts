/** Real environments: by pip, by uv, on top of another interpreter, and from the index that pip is set to. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EnvironmentSpec } from '../../src/domain/plan.ts';
import { prepareEnvironment } from '../../src/environment/index.ts';
import { scratchFolder } from './scratch.ts';
import { writeWheel } from './wheel.ts';

const BUILD_TIMEOUT_MS = 240_000;
const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
const hasModule = spawnSync(python, ['-m', 'uv', '--version']).status === 0;
const uv = spawnSync('sh', ['-c', 'command -v uv'], { encoding: 'utf8' }).stdout.trim();

type Requirements = Extract<EnvironmentSpec, { kind: 'requirements' }>;

function job() {
  const folder = scratchFolder();
  const wheels = join(folder, 'wheels');
  mkdirSync(wheels);
  writeWheel(wheels, 'tinypkg', '1.2.0', 'ANSWER = 12\n');
  writeWheel(wheels, 'tinypkg', '2.0.0', 'ANSWER = 20\n');
  const source = join(folder, 'r.txt');
  const options = ['--no-index', `--find-links ${wheels}`];
  const spec = (pip: readonly string[], more: Partial<Requirements> = {}): Requirements => {
    writeFileSync(source, [...options, ...pip, ''].join('\n'));
    const places = Object.fromEntries(pip.map((line, i) => [line, { file: source, line: i + 3 }]));
    return { kind: 'requirements', pip: [...options, ...pip], condaOnly: [], source, places, ...more };
  };
  const lines: string[] = [];
  const prepare = async (what: Requirements, env: NodeJS.ProcessEnv = process.env) =>
    prepareEnvironment(what, { cacheFolder: join(folder, 'cache'), env, onProgress: (line) => lines.push(line) });
  return { folder, source, spec, prepare, lines };
}

const run = (interpreter: string, code: string): string =>
  execFileSync(interpreter, ['-c', code], { encoding: 'utf8' }).trim();

function whyNot(tool: string): string | undefined {
  if (tool === 'uv') return uv === '' ? 'uv is not on the PATH' : undefined;
  return hasModule ? 'uv is a module of python3, and pip is not used then' : undefined;
}

/** A PATH on which uv is, or is not. */
function withUv(folder: string, has: boolean): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  if (has) symlinkSync(uv, join(bin, 'uv'));
  symlinkSync(python, join(bin, 'python3'));
  const others = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !existsSync(join(entry, 'uv')));
  return { ...process.env, PATH: [bin, ...others].join(delimiter) };
}

describe.each(['pip', 'uv'])('%s', (tool) => {
  it(
    'builds, and says what it could have where it could not',
    async (context) => {
      const reason = whyNot(tool);
      if (reason !== undefined) return context.skip(reason);
      const { folder, source, spec, prepare, lines } = job();
      const env = withUv(folder, tool === 'uv');
      const refused = await prepare(spec(['tinypkg==1.2.9']), env);
      if (refused.ok) throw new Error('it was built');
      expect(refused.error).toMatchObject({
        code: 'PR4005',
        where: { file: source, line: 3, excerpt: 'tinypkg==1.2.9' },
        why: expect.stringMatching(
          /^the index has no tinypkg 1\.2\.9 for Python \S+; the nearest are 1\.2\.0 below and 2\.0\.0 above$/,
        ) as string,
      });
      expect(refused.error.next).toContain(`--replace-pin 'tinypkg==1.2.*'\n`);
      expect(refused.error.next).toContain(`\npins:\n  'tinypkg==1.2.9': 'tinypkg==1.2.*'\n`);
      const own = spec(['tinypkg==1.2.9']);
      const added = await prepare({ ...own, places: { 'tinypkg==1.2.9': { file: 'command line', added: true } } }, env);
      if (added.ok) throw new Error('it was built');
      expect(added.error.where).toEqual({ file: 'command line' });
      expect(added.error.next).toMatch(/^correct it where it is given; there is tinypkg==1\.2\.\*\n/);
      const built = await prepare(spec(['tinypkg==1.2.*']), env);
      if (!built.ok) throw new Error(built.error.why);
      expect(run(built.value.interpreter, 'import tinypkg; print(tinypkg.ANSWER)')).toBe('12');
      expect(lines.filter((line) => line.startsWith('Building'))).toEqual([
        expect.stringContaining(`, ${tool})`),
        expect.stringContaining(`, ${tool})`),
        expect.stringContaining(`, ${tool})`),
      ]);
      expect(await prepare(spec(['tinypkg==1.2.*']), env)).toMatchObject({ value: { built: 'from cache' } });
    },
    BUILD_TIMEOUT_MS,
  );

  it(
    'takes packages from the index that pip is set to',
    async (context) => {
      const reason = whyNot(tool);
      if (reason !== undefined) return context.skip(reason);
      const { folder, prepare } = job();
      const asked = [
        '-m',
        'pip',
        'download',
        '-q',
        '--no-deps',
        '--retries',
        '0',
        '--timeout',
        '20',
        '-d',
        folder,
        'six==1.16.0',
      ];
      if (spawnSync(python, asked, { timeout: 60_000 }).status !== 0) return context.skip('no index can be reached');
      const spec: Requirements = {
        kind: 'requirements',
        pip: ['six==1.16.0'],
        condaOnly: [],
        source: join(folder, 'r'),
      };
      const built = await prepare(spec, withUv(folder, tool === 'uv'));
      if (!built.ok) throw new Error(built.error.why);
      expect(run(built.value.interpreter, 'import six; print(six.__version__)')).toBe('1.16.0');
      const refused = await prepare({ ...spec, pip: ['six==1.15.99'] }, withUv(join(folder, 'other'), tool === 'uv'));
      expect(refused).toMatchObject({
        ok: false,
        error: { why: expect.stringContaining('the nearest are 1.15.0 below and 1.16.0 above') as string },
      });
    },
    BUILD_TIMEOUT_MS,
  );
});

describe('on top of an interpreter', () => {
  it(
    'its packages stay visible below those that are added, also those of a virtual environment',
    async () => {
      const { folder, spec, prepare } = job();
      execFileSync(python, ['-m', 'venv', '--without-pip', join(folder, 'base')]);
      const base = join(folder, 'base', 'bin', 'python');
      const site = run(base, 'import sysconfig; print(sysconfig.get_path("purelib"))');
      writeFileSync(join(site, 'basepkg.py'), 'NAME = "base"\n');
      writeFileSync(join(site, 'tinypkg.py'), 'ANSWER = "old"\n');
      mkdirSync(join(folder, 'linked'));
      writeFileSync(join(folder, 'linked', 'linkedpkg.py'), 'NAME = "linked"\n');
      writeFileSync(join(site, 'linked.pth'), `${join(folder, 'linked')}\n`);
      const what = spec(['tinypkg==2.0.0'], { base, onTop: true });
      const built = await prepare(what);
      if (!built.ok) throw new Error(built.error.why);
      const code = 'import basepkg, linkedpkg, tinypkg; print(basepkg.NAME, linkedpkg.NAME, tinypkg.ANSWER)';
      expect(run(built.value.interpreter, code)).toBe('base linked 20');
      expect(run(base, 'import tinypkg; print(tinypkg.ANSWER)')).toBe('old');
      expect(await prepare(what)).toMatchObject({ value: { built: 'from cache' } });
      // The same requirements by themselves are another environment.
      expect(await prepare(spec(['tinypkg==2.0.0'], { base }))).toMatchObject({ value: { built: 'built' } });
    },
    BUILD_TIMEOUT_MS,
  );
});
